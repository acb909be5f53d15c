//! Retries with an `Idempotency-Key`: what was answered is answered again, by whichever node.

use std::time::Duration;

use diesel::prelude::*;
use futures_util::future::{join, join_all};
use pointsman::{db::AnyConnection, schema::idempotency};
use serde_json::{Value, json};

use crate::support::{Answer, Ask, Person::*, Server, people};

const INCIDENTS: &str = "/api/v1/incidents";

async fn incident(server: &Server) -> (Answer, String) {
    let made = server.post(INCIDENTS, json!({"title": "Mail"})).by(Rita).expect(201).await;
    let path = format!("{INCIDENTS}/{}", made.field("id"));
    (made, path)
}

fn with_key<'a>(ask: Ask<'a>, key: &str) -> Ask<'a> {
    ask.header("idempotency-key", key)
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}

async fn total(server: &Server) -> String {
    server.get(&format!("{INCIDENTS}?count=true")).by(Admin).expect(200).await.field("total")
}

#[actix_web::test]
async fn a_refusal_is_kept_whatever_happens_since() {
    let server = Server::start().await;
    let (_, path) = incident(&server).await;
    let close = |key: &'static str| with_key(server.post(&format!("{path}/close"), json!({})).by(Admin), key);
    let first = close("close").expect(409).await;
    let how = json!({"resolution_code": "fixed", "resolution_notes": "It is empty.", "resolution_kind": "permanent"});
    server.post(&format!("{path}/resolve"), how).by(Admin).expect(200).await;
    let again = close("close").expect(409).await;
    assert_eq!((is_replayed(&first), is_replayed(&again)), (false, true));
    assert_eq!(first.json(), again.json());
    close("another").expect(200).await;

    let say = |body: &str| server.post(&format!("{path}/journal"), json!({"kind": "comment", "body": body}));
    let stale = || with_key(say("I have seen an old version.").by(Rita).header("if-match", "\"99\""), "stale");
    assert!(!is_replayed(&stale().expect(412).await) && is_replayed(&stale().expect(412).await));
    let other_condition = with_key(say("I have seen an old version.").by(Rita).header("if-match", "*"), "stale");
    assert_eq!(other_condition.expect(422).await.json()["code"], "idempotency_mismatch");
    let hidden = || with_key(say("I don't see it.").by(Rob), "hidden");
    assert!(!is_replayed(&hidden().expect(404).await) && is_replayed(&hidden().expect(404).await));
    let note = || with_key(server.post(&format!("{path}/journal"), json!({"kind": "work_note", "body": "x"})), "note");
    assert!(!is_replayed(&note().by(Rita).expect(403).await) && is_replayed(&note().by(Rita).expect(403).await));
    // What is no request at all is not kept.
    let broken = with_key(server.post(INCIDENTS, json!({})).body("application/json", "{").by(Rita), "broken");
    broken.expect(400).await;
    with_key(server.post(INCIDENTS, json!({"title": "Whole"})).by(Rita), "broken").expect(201).await;
}

#[actix_web::test]
async fn an_answer_stays_with_the_caller_who_got_it() {
    let server = Server::start().await;
    let (_, path) = incident(&server).await;
    let watcher = format!("{path}/watchers/{}", Rob.id(&server.assembly));
    let watch = |method| server.ask(method, &watcher).by(Admin).header("if-match", "*").expect(204);
    watch(actix_web::http::Method::PUT).await;
    let say = |person| {
        let body = json!({"kind": "comment", "body": "It is slow again."});
        with_key(server.post(&format!("{path}/journal"), body).by(person), "said")
    };
    let first = say(Rob).expect(201).await;
    watch(actix_web::http::Method::DELETE).await;
    server.get(&path).by(Rob).expect(404).await;
    let again = say(Rob).expect(201).await;
    assert_eq!((is_replayed(&again), again.json()), (true, first.json()));
    assert!(!is_replayed(&say(Rita).expect(201).await), "another caller's key is another key");
}

#[actix_web::test]
async fn of_two_nodes_one_does_the_work_and_both_answer_the_same() {
    let server = Server::start().await;
    let other = server.beside().await;
    for (round, (body, status)) in
        [(json!({"title": "Once"}), 201), (json!({"titel": "Never"}), 422)].into_iter().cycle().take(8).enumerate()
    {
        let ask = async |node: &Server| {
            with_key(node.post(INCIDENTS, body.clone()).by(Rita), &round.to_string()).expect(status).await
        };
        let (one, two) = join(ask(&server), ask(&other)).await;
        assert_eq!(one.json(), two.json(), "round {round}");
        assert!(is_replayed(&one) != is_replayed(&two), "round {round}: one of them is the first");
    }
    assert_eq!(total(&server).await, "4");
}

/// Another node, which commits its answer while this one works.
#[actix_web::test]
async fn whoever_finds_the_key_taken_answers_what_is_kept() {
    let server = Server::start().await;
    let ask = |key: &str| with_key(server.post(INCIDENTS, json!({"title": "Once"})).by(Rita), key);
    let first = ask("one").expect(201).await;
    let mut connection = AnyConnection::open(&server.url()).unwrap();
    connection.begin_write().unwrap();
    let columns = (
        (idempotency::caller_id, idempotency::route, idempotency::request_hash, idempotency::created_at),
        (idempotency::status, idempotency::headers, idempotency::body),
    );
    type Row = ((String, String, String, pointsman::clock::Moment), (i32, pointsman::db::JsonText, Vec<u8>));
    let ((caller, route, hash, at), (status, headers, body)): Row =
        idempotency::table.select(columns).first(&mut connection).unwrap();
    let copy = (
        idempotency::caller_id.eq(caller),
        idempotency::route.eq(route),
        idempotency::key.eq("two"),
        idempotency::request_hash.eq(hash),
        idempotency::created_at.eq(at),
        idempotency::status.eq(status),
        idempotency::headers.eq(headers),
        idempotency::body.eq(body),
    );
    diesel::insert_into(idempotency::table).values(copy).execute(&mut connection).unwrap();
    let commit = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(400));
        connection.commit().unwrap();
    });
    let second = ask("two").expect(201).await;
    commit.join().unwrap();
    assert_eq!((is_replayed(&second), second.json()), (true, first.json()));
    assert_eq!(total(&server).await, "1");
}

#[actix_web::test]
async fn a_key_is_worked_on_once_at_a_time() {
    let server = Server::start().await;
    let ask = || with_key(server.post(INCIDENTS, json!({"title": "Once"})).by(Rita), "one").send();
    // Who she is, is known by then, so that all of them come before the first one is committed.
    server.get(INCIDENTS).by(Rita).expect(200).await;
    let answers = join_all((0..6).map(|_| ask())).await;
    let of = |status: u16| answers.iter().filter(move |answer| answer.status == status).collect::<Vec<_>>();
    assert_eq!(of(201).iter().filter(|answer| !is_replayed(answer)).count(), 1);
    assert_eq!(of(201).len() + of(409).len(), 6);
    assert!(!of(409).is_empty(), "none came while the first one ran");
    for early in of(409) {
        assert_eq!(
            (early.json()["code"].as_str(), early.header("retry-after").as_str()),
            (Some("idempotency_in_flight"), "1")
        );
    }
    assert_eq!(total(&server).await, "1");
}

#[actix_web::test]
async fn operations_of_a_batch_are_answered_again_refusals_too() {
    let server = Server::start().await;
    let (_, path) = incident(&server).await;
    let id = path.rsplit('/').next().unwrap();
    let operations = json!({"operations": [
        {"op": "create", "body": {"title": "One"}},
        {"op": "create", "body": {"titel": "Two"}},
        {"op": "update", "id": id, "if_match": "\"7\"", "body": {"title": "x"}},
        {"op": "update", "id": id, "if_match": "7", "body": {"title": "x"}},
        {"op": "update", "id": id, "if_match": "\"7\", \"1\"", "body": {"title": "Of a list"}},
    ]});
    let ask = |query: &str, key: &str, body: &Value| {
        with_key(server.post(&format!("{INCIDENTS}/batch{query}"), body.clone()).by(Admin), key)
    };
    let first = ask("", "batch", &operations).expect(200).await;
    let statuses: Vec<Value> =
        first.json()["results"].as_array().unwrap().iter().map(|result| result["status"].clone()).collect();
    assert_eq!(statuses, [201, 422, 412, 422, 200], "{}", first.text());
    let again = ask("", "batch", &operations).expect(200).await;
    assert_eq!((is_replayed(&first), is_replayed(&again)), (false, true));
    assert_eq!(first.json(), again.json());
    assert_eq!(total(&server).await, "2");
    let atomic = || ask("?atomic=true", "atomic", &operations).expect(422);
    let (first, again) = (atomic().await, atomic().await);
    assert_eq!((is_replayed(&first), is_replayed(&again)), (false, true));
    assert_eq!(first.json(), again.json());
    let unseen = json!({"operations": [{"op": "update", "id": id, "body": {"title": "x"}}]});
    ask("?atomic=true", "unseen", &unseen).expect(428).await;
}

#[actix_web::test]
async fn a_key_is_its_callers_own_and_opens_nothing_that_is_closed() {
    let server = Server::start().await;
    let new = || with_key(server.post(INCIDENTS, json!({"title": "Only for Rita"})), "same");
    let first = new().by(Rita).expect(201).await;
    let others = new().by(Rob).expect(201).await;
    assert!(!is_replayed(&others));
    assert_ne!(others.field("id"), first.field("id"));
    let narrow = people::token_for(&server.assembly, Rita, "incident.read");
    assert!(!is_replayed(&new().with(&narrow).expect(403).await));
    assert!(is_replayed(&new().by(Rita).expect(201).await));
}
