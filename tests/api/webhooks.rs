//! Webhooks: what is told to whom, signed by what, and who may have it so.

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::{
    auth::account::set_active,
    config::Config,
    db::Engine,
    schema::{audit, outbox, webhook},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, PATIENCE,
    Person::{self, *},
    Server, people,
    receiver::{Heard, Receiver, Reply},
};

const WEBHOOKS: &str = "/api/v1/webhooks";

/// Lets webhooks reach the receivers of the tests.
pub fn loopback(config: &mut Config) {
    config.webhooks.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    config.webhooks.timeout_seconds = 2;
}

pub async fn server() -> Server {
    Server::start_with(loopback).await
}

/// A webhook of the administrator's; gives its path and what was answered.
pub async fn hooked(server: &Server, more: Value) -> (String, Answer) {
    let mut new = json!({"name": "chat", "events": ["incident.*"]});
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = server.post(WEBHOOKS, new).by(Admin).expect(201).await;
    (format!("{WEBHOOKS}/{}", made.field("id")), made)
}

/// Makes messages of what has happened, until there are so many new ones.
pub async fn made(server: &Server, count: usize) {
    let (jobs, begun) = (server.assembly.jobs(), std::time::Instant::now());
    let mut made = 0;
    while made < count && begun.elapsed() < PATIENCE {
        made += jobs.make_messages().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(made, count);
}

pub async fn sent(server: &Server) -> usize {
    server.assembly.jobs().deliver_messages().await.unwrap()
}

pub async fn incident(server: &Server, more: Value) -> Answer {
    let mut new = json!({"title": "Mail does not arrive"});
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post("/api/v1/incidents", new).by(Admin).expect(201).await
}

/// The messages of a webhook, the newest first.
pub async fn log(server: &Server, path: &str) -> Vec<Value> {
    let list = server.get(&format!("{path}/deliveries")).by(Admin).expect(200).await.json();
    list["items"].as_array().unwrap().clone()
}

fn places(answer: &Answer) -> Vec<String> {
    answer.json()["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn webhooks_are_made_read_changed_and_turned_off() {
    let server = server().await;
    let new = json!({"name": "chat", "url": "https://chat.example/x", "events": ["incident.*"], "filter": "category = \"mail\""});
    let dry = server.post(&format!("{WEBHOOKS}?dry_run=true"), new.clone()).by(Admin).expect(201).await;
    assert_eq!(dry.field("secret"), "");
    let made = server.post(WEBHOOKS, new.clone()).by(Admin).header("idempotency-key", "one").expect(201).await;
    let path = made.header("location");
    let secret = made.field("secret");
    assert!(secret.starts_with("whsec_"));
    let read = server.get(&path).by(Admin).expect(200).await;
    assert!(!read.text().contains(&secret) && read.json()["secret"].is_null());
    let hint = read.field("secret_hint");
    assert!(
        secret.trim_end_matches('=').ends_with(hint.trim_start_matches("whsec_…")) && hint.chars().count() == 11,
        "{hint}"
    );
    assert_eq!(read.field("owner_id"), Admin.id(&server.assembly).to_string());
    let again = server.post(WEBHOOKS, new.clone()).by(Admin).header("idempotency-key", "one").expect(201).await;
    assert_eq!((again.field("id"), again.field("secret")), (made.field("id"), String::new()));
    assert_eq!(server.post(WEBHOOKS, new).by(Admin).expect(409).await.json()["errors"][0]["pointer"], "/name");

    let change = json!({"events": ["*"], "filter": null, "active": false});
    server.patch(&path, change.clone()).by(Admin).expect(428).await;
    let changed = server.patch(&path, change.clone()).by(Admin).seen(&made).expect(200).await;
    assert_eq!((changed.field("active"), changed.field("filter")), ("false".to_owned(), String::new()));
    server.patch(&path, change).by(Admin).seen(&made).expect(412).await;
    let list = server.get(&format!("{WEBHOOKS}?active=false&count=true")).by(Admin).expect(200).await;
    assert_eq!(list.field("total"), "1");
    server.ask(Method::DELETE, &path).by(Admin).expect(405).await;
    for person in [Alex, Rita] {
        server.get(WEBHOOKS).by(person).expect(403).await;
        server.get(&path).by(person).expect(403).await;
    }
    let told: Vec<(String, String)> = server
        .assembly
        .database
        .read_here(|c| {
            let of = audit::table.filter(audit::subject_kind.eq("webhook")).order(audit::subject_version);
            Ok(of.select((audit::action, audit::changes)).load(c)?)
        })
        .unwrap();
    assert_eq!(
        told.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(),
        ["webhook.created", "webhook.updated"]
    );
    assert!(told.iter().all(|(_, changes)| !changes.contains(&secret)));
}

#[actix_web::test]
async fn what_is_wrong_is_refused_with_its_place() {
    let server = server().await;
    let (path, _) = hooked(&server, json!({"url": "http://127.0.0.1:9/x"})).await;
    let cases = [
        (json!({"url": "http://10.1.2.3/"}), "/url"),
        (json!({"url": "https://169.254.169.254/latest"}), "/url"),
        (json!({"url": "https://[::ffff:10.0.0.1]/"}), "/url"),
        (json!({"url": "nonsense"}), "/url"),
        (json!({"url": "https://me:secret@example.org/"}), "/url"),
        (json!({"events": []}), "/events"),
        (json!({"events": ["incident.*", "incidnt.resolved"]}), "/events/1"),
        (json!({"events": ["res*"]}), "/events/0"),
        (json!({"filter": "nonsense = 1"}), "/filter"),
        // Fields of one kind are no fields of all.
        (json!({"events": ["*"], "filter": "category = \"mail\""}), "/filter"),
        (json!({"name": " "}), "/name"),
        (json!({"owner_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70"}), "/owner_id"),
        (json!({"secret": "whsec_AAAA"}), "/secret"),
    ];
    for (wrong, place) in cases {
        let mut new = json!({"name": "more", "url": "https://example.org/", "events": ["incident.*"]});
        new.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert_eq!(places(&server.post(WEBHOOKS, new).by(Admin).expect(422).await), [place], "{wrong}");
        let changed = server.patch(&path, wrong.clone()).by(Admin).header("if-match", "*").expect(422).await;
        assert_eq!(places(&changed), [place], "{wrong}");
    }
}

#[actix_web::test]
async fn a_message_is_signed_and_holds_the_record() {
    let (server, receiver) = (server().await, Receiver::start());
    let (path, hook) = hooked(&server, json!({"url": receiver.url(), "events": ["incident.created"]})).await;
    let record = incident(&server, json!({"impact": 2})).await;
    made(&server, 1).await;
    assert_eq!(sent(&server).await, 1);
    let heard = receiver.heard();
    let [one] = heard.as_slice() else { panic!("{heard:?}") };
    assert!(one.is_signed_with(&hook.field("secret")) && one.signatures() == 1);
    assert!(!one.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert_eq!((one.path.as_str(), one.header("content-type")), ("/hooks", "application/json"));
    assert_eq!(one.header("webhook-timestamp"), crate::support::tuesday().unix_seconds().to_string());
    let body = one.json();
    assert_eq!((&body["type"], &body["timestamp"]), (&json!("incident.created"), &json!("2026-03-03T11:00:00Z")));
    let data = &body["data"];
    assert_eq!(data["id"], record.json()["id"]);
    assert_eq!((&data["kind"], &data["version"], &data["state"]), (&json!("incident"), &json!(1), &json!("new")));
    assert!(data["changed"].as_array().unwrap().contains(&json!("impact")));
    let shown = server.get(&format!("/api/v1/incidents/{}", record.field("id"))).by(Admin).expect(200).await.json();
    assert_eq!(data["record"], shown);

    let log = log(&server, &path).await;
    assert_eq!(
        (log.len(), &log[0]["state"], &log[0]["id"]),
        (1, &json!("delivered"), &json!(one.header("webhook-id")))
    );
    let detail =
        server.get(&format!("/api/v1/webhook-deliveries/{}", one.header("webhook-id"))).by(Admin).expect(200).await;
    assert_eq!(detail.json()["body"], body);
    assert_eq!(detail.json()["attempts"][0]["status"], 204);
    let beside =
        server.get(&format!("/api/v1/incidents/{}/deliveries", record.field("number"))).by(Admin).expect(200).await;
    assert_eq!(beside.json()["items"], json!(log));
    assert_eq!(sent(&server).await, 0, "sent twice");
}

#[actix_web::test]
async fn a_secret_is_replaced_while_both_sign() {
    let (server, receiver) = (server().await, Receiver::start());
    let (path, hook) = hooked(&server, json!({"url": receiver.url()})).await;
    let rotate = format!("{path}/rotate-secret");
    let rehearsed = server.post(&format!("{rotate}?dry_run=true"), json!({})).by(Admin).expect(200).await;
    assert_eq!(rehearsed.field("secret"), "");
    let rotated = server.ask(Method::POST, &rotate).by(Admin).expect(200).await;
    let (old, new) = (hook.field("secret"), rotated.field("secret"));
    assert!(new.starts_with("whsec_") && old != new);
    assert_eq!(rotated.field("previous_secret_until"), "2026-03-04T11:00:00Z");
    let test = async || {
        server.post(&format!("{path}/test"), json!(null)).by(Admin).expect(200).await;
        receiver.heard().pop().unwrap()
    };
    let both = test().await;
    assert!(both.is_signed_with(&old) && both.is_signed_with(&new) && both.signatures() == 2);
    server.at("2026-03-04T11:00:00Z");
    let one = test().await;
    assert!(!one.is_signed_with(&old) && one.is_signed_with(&new) && one.signatures() == 1);
    let leaked = server.post(&rotate, json!({"overlap_hours": 0})).by(Admin).expect(200).await;
    let last = test().await;
    assert!(last.is_signed_with(&leaked.field("secret")) && last.signatures() == 1);
    let refused = server.post(&rotate, json!({"overlap_hours": 169})).by(Admin).expect(422).await;
    assert_eq!(places(&refused), ["/overlap_hours"]);
}

/// A webhook with somebody's eyes.
async fn eyes(server: &Server, receiver: &Receiver, person: Person, more: Value) -> String {
    let owner = person.id(&server.assembly).to_string();
    let mut new = json!({"name": person.user_name(), "url": receiver.url(), "owner_id": owner, "events": ["*"]});
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hooked(server, new).await.0
}

fn events(heard: &[Heard]) -> Vec<String> {
    let mut names: Vec<String> = heard.iter().map(|one| one.json()["type"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[actix_web::test]
async fn only_what_its_owner_may_read_is_told() {
    let server = server().await;
    let receivers = [Alex, Rita, Rob, Bea].map(|person| (person, Receiver::start()));
    for (person, receiver) in &receivers {
        eyes(&server, receiver, *person, json!({})).await;
    }
    let desk = people::team(&server.assembly, "service-desk").to_string();
    let rita = Rita.id(&server.assembly).to_string();
    let id = incident(&server, json!({"requester_id": rita, "team_id": desk})).await.field("id");
    let said = async |entry: Value| {
        server.post(&format!("/api/v1/incidents/{id}/journal"), entry).by(Alex).expect(201).await;
    };
    said(json!({"kind": "work_note", "body": "She broke it herself"})).await;
    said(json!({"kind": "comment", "body": "We look into it"})).await;
    // Three for Alex, two for Rita.
    made(&server, 5).await;
    assert_eq!(sent(&server).await, 5);
    let heard: Vec<Vec<Heard>> = receivers.iter().map(|(_, receiver)| receiver.heard()).collect();
    assert_eq!(events(&heard[0]), ["incident.commented", "incident.created", "incident.noted"]);
    assert_eq!(events(&heard[1]), ["incident.commented", "incident.created"]);
    assert!(heard[2].is_empty() && heard[3].is_empty());
    assert!(heard.iter().flatten().all(|one| !one.body.contains("broke")));
}

#[actix_web::test]
async fn what_an_owner_may_no_longer_read_is_not_sent() {
    let (server, receiver) = (server().await, Receiver::start());
    let path = eyes(&server, &receiver, Alex, json!({})).await;
    let desk = people::team(&server.assembly, "service-desk").to_string();
    let bolt = people::organisation(&server.assembly, "Bolt").to_string();
    let made_one = incident(&server, json!({"team_id": desk})).await;
    made(&server, 1).await;
    // It moves away from Alex before the message is sent.
    let change = json!({"organisation_id": bolt, "team_id": people::team(&server.assembly, "field").to_string()});
    let moved = format!("/api/v1/incidents/{}", made_one.field("id"));
    server.patch(&moved, change).by(Admin).seen(&made_one).expect(200).await;
    assert_eq!(sent(&server).await, 0);
    let log = log(&server, &path).await;
    assert_eq!((&log[0]["state"], &log[0]["attempt_count"]), (&json!("dropped"), &json!(0)));
    assert!(log[0]["why"].as_str().unwrap().contains("may not be told"));

    incident(&server, json!({"team_id": desk})).await;
    made(&server, 1).await;
    let (alex, now) = (Alex.id(&server.assembly), server.assembly.clock.now());
    let off = server.assembly.writer.run(move |unit| set_active(unit.connection()?, alex, false, now));
    off.await.unwrap();
    assert_eq!(sent(&server).await, 0);
    let log = self::log(&server, &path).await;
    assert!(log[0]["state"] == "dropped" && log[0]["why"].as_str().unwrap().contains("not active"), "{log:?}");
    assert!(receiver.heard().is_empty());
    // What is about records that they don't see, others aren't told of either.
    let turned_off = json!({"active": false});
    server.patch(&path, turned_off).by(Admin).header("if-match", "*").expect(200).await;
}

#[actix_web::test]
async fn a_filter_chooses_by_the_record() {
    let (server, receiver) = (server().await, Receiver::start());
    let filter = json!({"url": receiver.url(), "events": ["incident.created"], "filter": "category = \"mail\" AND opened_by = me"});
    hooked(&server, filter).await;
    incident(&server, json!({"category": "network"})).await;
    let fits = incident(&server, json!({"category": "mail"})).await;
    server
        .post("/api/v1/incidents", json!({"title": "Not by the owner", "category": "mail"}))
        .by(Alex)
        .expect(201)
        .await;
    let last = incident(&server, json!({"category": "mail"})).await;
    made(&server, 2).await;
    assert_eq!(sent(&server).await, 2);
    let mut ids: Vec<Value> = receiver.heard().iter().map(|one| one.json()["data"]["id"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, [fits.json()["id"].clone(), last.json()["id"].clone()]);
}

#[actix_web::test]
async fn a_receiver_that_writes_back_hears_nothing_of_itself() {
    let (server, receiver) = (server().await, Receiver::start());
    let desk = people::team(&server.assembly, "service-desk").to_string();
    let deaf = json!({"own_changes": false, "events": ["incident.commented"]});
    let path = eyes(&server, &receiver, Alex, deaf).await;
    let id = incident(&server, json!({"team_id": desk})).await.field("id");
    let comment = async |person: Person| {
        let entry = json!({"kind": "comment", "body": "Seen"});
        server.post(&format!("/api/v1/incidents/{id}/journal"), entry).by(person).expect(201).await;
    };
    comment(Admin).await;
    for _ in 0..3 {
        made(&server, 1).await;
        assert_eq!(sent(&server).await, 1);
        let by = receiver.heard()[0].json()["data"]["by"].clone();
        assert_eq!(by, Admin.id(&server.assembly).to_string());
        // The receiver answers in the name of the owner, and somebody else says something.
        comment(Alex).await;
        comment(Admin).await;
    }
    made(&server, 1).await;
    let all = json!({"own_changes": true});
    server.patch(&path, all).by(Admin).header("if-match", "*").expect(200).await;
    comment(Alex).await;
    made(&server, 1).await;
}

#[actix_web::test]
async fn nobody_gets_more_by_a_webhook_than_they_may_read() {
    let (server, receiver) = (server().await, Receiver::start());
    server.allow(&[Nora], "hook_keeper", "organisation", &["webhook.*", "incident.*"]).await;
    let (admins, _) = hooked(&server, json!({"url": receiver.url(), "name": "of the administrator"})).await;
    incident(&server, json!({})).await;
    made(&server, 1).await;
    sent(&server).await;
    let delivery = format!("/api/v1/webhook-deliveries/{}", log(&server, &admins).await[0]["id"].as_str().unwrap());

    let new = |name: &str, owner: Person| json!({"name": name, "url": receiver.url(), "events": ["*"], "owner_id": owner.id(&server.assembly).to_string()});
    server.post(WEBHOOKS, new("hers", Nora)).by(Nora).expect(201).await;
    server.post(WEBHOOKS, new("more", Admin)).by(Nora).expect(422).await;
    let change = |body: Value| server.patch(&admins, body).by(Nora).header("if-match", "*");
    change(json!({"url": "https://nora.example/"})).expect(403).await;
    change(json!({"active": false})).expect(403).await;
    for (action, body) in
        [("test", json!(null)), ("rotate-secret", json!({})), ("replay", json!({"since": "2026-01-01T00:00:00Z"}))]
    {
        server.post(&format!("{admins}/{action}"), body).by(Nora).expect(403).await;
    }
    server.ask(Method::POST, &format!("{delivery}/replay")).by(Nora).expect(403).await;
    // She sees that there was a message, and neither what it was about nor what it held.
    let shown = server.get(&delivery).by(Nora).expect(200).await.json();
    assert!(shown["record_id"].is_null() && shown["body"].is_null() && shown["attempts"][0]["answer"].is_null());
    // A token that is good for webhooks alone reads no records by them.
    let narrow = people::token_for(&server.assembly, Admin, "webhook.*");
    server.post(WEBHOOKS, new("narrow", Admin)).with(&narrow).expect(403).await;
    assert!(server.get(&delivery).with(&narrow).expect(200).await.json()["body"].is_null());
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let (server, receiver, elsewhere) = (server().await, Receiver::start(), Receiver::start());
    let (path, _) = hooked(&server, json!({"url": receiver.url()})).await;
    let location: &'static str = format!("location: {}\r\n", elsewhere.url()).leak();
    for status in [301, 302, 307, 308] {
        receiver.answer(&[Reply::Status(status, location, "")]);
        let told = server.post(&format!("{path}/test"), json!(null)).by(Admin).expect(200).await.json();
        assert_eq!((&told["state"], &told["attempts"][0]["status"]), (&json!("dead"), &json!(status)));
    }
    assert_eq!((receiver.heard().len(), elsewhere.heard().len()), (4, 0));
}

#[actix_web::test]
async fn a_test_is_sent_once_and_tells_what_came_of_it() {
    let (server, receiver) = (server().await, Receiver::start());
    let (path, hook) = hooked(&server, json!({"url": receiver.url()})).await;
    let test = format!("{path}/test");
    server.post(&format!("{test}?dry_run=true"), json!(null)).by(Admin).expect(200).await;
    assert!(receiver.heard().is_empty() && log(&server, &path).await.is_empty());
    let told = server.post(&test, json!(null)).by(Admin).header("idempotency-key", "t").expect(200).await;
    assert_eq!(told.field("state"), "delivered");
    let again = server.post(&test, json!(null)).by(Admin).header("idempotency-key", "t").expect(200).await;
    assert_eq!((again.json(), again.header("idempotency-replayed")), (told.json(), "true".to_owned()));
    let heard = receiver.heard();
    assert_eq!((heard.len(), &heard[0].json()), (1, &told.json()["body"]));
    assert_eq!(heard[0].json()["type"], "webhook.test");
    assert!(heard[0].is_signed_with(&hook.field("secret")));
    receiver.answer(&[Reply::Status(500, "", "broken\u{0}")]);
    let failed = server.post(&test, json!(null)).by(Admin).expect(200).await.json();
    assert_eq!((&failed["state"], &failed["attempts"][0]["answer"]), (&json!("dead"), &json!("broken\u{fffd}")));
    assert_eq!(sent(&server).await, 0, "a test is not tried again");
    assert!(server.get(&path).by(Admin).expect(200).await.json()["failing_since"].is_null());
}

#[actix_web::test]
async fn webhooks_move_with_the_events_of_a_restored_dump() {
    let (server, receiver) = (server().await, Receiver::start());
    incident(&server, json!({})).await;
    let (path, _) = hooked(&server, json!({"url": receiver.url()})).await;
    let mut connection = server.assembly.database.connect().unwrap();
    if connection.engine() == Engine::Sqlite {
        return;
    }
    // As if the cluster that they come from had counted much further.
    let last = outbox::table.order((outbox::xid.desc(), outbox::seq.desc())).select((outbox::xid, outbox::seq));
    let (xid, seq): (i64, i64) = last.first(&mut connection).unwrap();
    let ahead = 4_000_000_000_i64;
    diesel::update(outbox::table).set(outbox::xid.eq(outbox::xid + ahead)).execute(&mut connection).unwrap();
    let place = (webhook::cursor_xid.eq(xid + ahead), webhook::cursor_seq.eq(seq));
    diesel::update(webhook::table).set(place).execute(&mut connection).unwrap();
    connection.settle_restored_events().unwrap();
    incident(&server, json!({})).await;
    made(&server, 1).await;
    assert_eq!(log(&server, &path).await.len(), 1);
}

#[actix_web::test]
async fn a_test_that_was_refused_is_refused_again_by_its_key() {
    let server = Server::start().await;
    let path = "/api/v1/webhooks/01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70/test";
    for _ in 0..2 {
        server.post(path, json!({})).by(Admin).header("idempotency-key", "test-7").expect(404).await;
    }
}
