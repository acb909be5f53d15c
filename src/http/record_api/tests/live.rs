//! The stream, custom fields, decisions and the conversion of interactions.

use std::{pin::Pin, time::Duration};

use actix_web::{body::MessageBody, http::Method};
use serde_json::{Value, json};

use super::bench::{Bench, each};
use crate::{
    db::JsonText,
    id::{RecordId, RowId},
    record::decide::DecisionRow,
};

/// The next piece of a stream that holds events.
async fn next<B: MessageBody>(body: &mut Pin<Box<B>>) -> String {
    loop {
        let piece = std::future::poll_fn(|context| body.as_mut().poll_next(context));
        let piece = tokio::time::timeout(std::time::Duration::from_secs(10), piece).await.unwrap();
        let piece = piece.unwrap().map_err(|_| "it breaks off").unwrap();
        let text = String::from_utf8(piece.to_vec()).unwrap();
        if text.contains("data: ") {
            return text;
        }
    }
}

fn parts(text: &str, field: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix(field)).map(str::to_owned).collect()
}

#[actix_web::test]
async fn a_stream_tells_what_happens_from_where_it_was_left() {
    let bench = Bench::new();
    bench.incident("ada", "Before").await;
    let response = bench.open("ada", Method::GET, "stream", &[], vec![]).await;
    assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream");
    assert_eq!(response.headers().get("content-encoding").unwrap(), "identity");
    let mut body = Box::pin(response.into_body());
    bench.incident("bob", "Hidden").await;
    let number = bench.incident("ada", "Now").await;
    let first = next(&mut body).await;
    assert_eq!(parts(&first, "event: "), ["incident.created"], "{first}");
    let data: Value = serde_json::from_str(&parts(&first, "data: ")[0]).unwrap();
    assert_eq!((&data["payload"]["number"], &data["kind"]), (&json!(number), &json!("incident")));
    let id = parts(&first, "id: ")[0].clone();
    assert_eq!(data["id"], id.as_str());
    drop(body);

    bench.post("ada", &format!("incidents/{number}/journal"), json!({"kind": "comment", "body": "x"})).await.must(201);
    bench.incident("ada", "Later").await;
    let last = [("last-event-id", id.as_str())];
    let response = bench.open("ada", Method::GET, "stream", &last, vec![]).await;
    let since = next(&mut Box::pin(response.into_body())).await;
    assert_eq!(parts(&since, "event: "), ["incident.commented", "incident.created"]);
    let response = bench.open("ada", Method::GET, "stream?types=incident.comm*&kinds=incident", &last, vec![]).await;
    let some = next(&mut Box::pin(response.into_body())).await;
    assert_eq!(parts(&some, "event: "), ["incident.commented"]);
    let wrong = bench.send("ada", Method::GET, "stream", &[("last-event-id", "seven")], vec![]).await;
    assert_eq!(wrong.status, 400);
    bench.parts.shutdown.begin();
    let ended = bench.send("ada", Method::GET, "stream", &[], vec![]).await;
    assert_eq!((ended.status, ended.text().contains("data:")), (200, false));
}

#[actix_web::test]
async fn a_stream_gives_a_sign_of_life_when_nothing_happens() {
    let bench = Bench::new();
    let mut body = Box::pin(bench.open("ada", Method::GET, "stream", &[], vec![]).await.into_body());
    let mut piece = async || std::future::poll_fn(|context| body.as_mut().poll_next(context)).await.unwrap();
    assert_eq!(piece().await.ok().unwrap(), "retry: 2000\n\n");
    let soon = Duration::from_secs(2);
    assert!(tokio::time::timeout(soon, piece()).await.is_err(), "too early");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(15)).await;
    // The store is waited for in real time.
    tokio::time::resume();
    assert_eq!(tokio::time::timeout(soon, piece()).await.unwrap().ok().unwrap(), ": heartbeat\n\n");
}

#[actix_web::test]
async fn custom_fields_are_defined_by_administrators() {
    let bench = Bench::new();
    let new =
        json!({"kind": "incident", "name": "floor", "label": "Floor", "field_type": "choice", "choices": ["1", "2"]});
    assert_eq!(bench.post("ada", "custom-fields", new.clone()).await.status, 403);
    let made = bench.post("admin", "custom-fields", new.clone()).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""), "{}", made.text());
    let one = made.header("location").to_owned();
    assert_eq!(bench.post("admin", "custom-fields", new.clone()).await.status, 409);
    let wrong =
        [("name", json!("state")), ("name", json!("Floor")), ("kind", json!("incidnt")), ("field_type", json!("list"))];
    for (field, value) in wrong {
        let mut body = new.clone();
        body[field] = value;
        let refused = bench.post("admin", "custom-fields", body).await.must(422);
        assert_eq!(refused["errors"][0]["pointer"], format!("/{field}"), "{refused}");
    }
    let incident = json!({"title": "Mail", "custom": {"floor": "2"}});
    bench.post("ada", "incidents", incident.clone()).await.must(201);
    let found = bench.get("ada", "incidents?filter=custom.floor%20=%20%222%22").await.must(200);
    assert_eq!(each(&found, "title"), ["Mail"]);
    let csv = bench.send("ada", Method::GET, "incidents?fields=title,custom", &[("accept", "text/csv")], vec![]).await;
    assert_eq!(csv.text(), "title,custom.floor\r\nMail,2\r\n");
    let form = bench.get("ada", "meta/incident").await.must(200);
    assert_eq!(form["custom_fields"][0]["choices"], json!(["1", "2"]));

    let retired = json!({"active": false});
    assert_eq!(bench.ask("admin", Method::PATCH, &one, &[], retired.clone()).await.status, 428);
    assert_eq!(bench.ask("admin", Method::PATCH, &one, &[("if-match", "\"7\"")], retired.clone()).await.status, 412);
    assert_eq!(bench.ask("admin", Method::PATCH, &one, &[("if-match", "*")], json!({"name": "x"})).await.status, 422);
    assert_eq!(bench.ask("admin", Method::PATCH, &one, &[("if-match", "*")], json!({"label": null})).await.status, 422);
    let changed = bench.ask("admin", Method::PATCH, &one, &[("if-match", "\"1\"")], retired).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    assert_eq!(bench.post("ada", "incidents", incident).await.status, 422);
    assert_eq!(each(&bench.get("admin", "custom-fields?kind=incident").await.must(200), "active"), [&json!(false)]);
    let same = bench.send("admin", Method::GET, &one, &[("if-none-match", "\"2\"")], vec![]).await;
    assert_eq!(same.status, 304);
}

#[actix_web::test]
async fn decisions_are_read_by_those_who_may_and_see_the_record() {
    let bench = Bench::new();
    let made = bench.post("agent", "incidents", json!({"title": "Mail"})).await.must(201);
    let record: RecordId = made["id"].as_str().unwrap().parse().unwrap();
    let row = decision(record);
    let id = row.id;
    let written = bench.service.writer.run(move |unit| {
        use diesel::prelude::*;
        Ok(diesel::insert_into(crate::schema::decision::table).values(&row).execute(unit.connection()?)?)
    });
    written.await.unwrap();
    let (all, one) = (format!("incidents/{record}/decisions"), format!("decisions/{id}"));
    let listed = bench.get("agent", &all).await.must(200);
    assert_eq!(each(&listed, "result"), [&json!({"priority": 2})]);
    assert_eq!(bench.get("agent", &one).await.must(200)["outcome"], "ok");
    for (who, status) in [("ada", 403), ("stranger", 404)] {
        assert_eq!(bench.get(who, &all).await.status, status, "{who}");
        assert_eq!(bench.get(who, &one).await.status, status, "{who}");
    }
    assert_eq!(bench.get("agent", "decisions/nonsense").await.status, 404);
}

fn decision(record_id: RecordId) -> DecisionRow {
    let empty = JsonText::empty_list;
    DecisionRow {
        id: RowId::new(),
        at: crate::clock::Clock::System.now(),
        record_id,
        record_version: 1,
        kind: "priority".into(),
        cause: JsonText::empty_object(),
        policy_id: None,
        policy_version: None,
        policy_sha256: String::new(),
        mode: "live".into(),
        input: JsonText::empty_object(),
        input_sha256: String::new(),
        host_calls: empty(),
        result: JsonText::of(&json!({"priority": 2})).unwrap(),
        applied: empty(),
        discarded: empty(),
        rules: empty(),
        outcome: "ok".into(),
        error: None,
        operations: 1,
        microseconds: 1,
        place: 0,
        differs: None,
    }
}

#[actix_web::test]
async fn a_contact_becomes_an_incident_or_nothing_happens() {
    let bench = Bench::new();
    let contact = json!({"title": "Printer", "channel": "phone", "requester_id": bench.user("ada")});
    let contact = bench.post("agent", "interactions", contact).await.must(201);
    let path = format!("interactions/{}/convert", contact["number"].as_str().unwrap());
    assert_eq!(bench.post("ada", &path, json!({})).await.status, 403);
    assert_eq!(bench.post("stranger", &path, json!({})).await.status, 404);
    assert_eq!(bench.post("agent", &path, json!({"category": 7})).await.status, 422);
    bench.post("agent", &format!("{path}?dry_run=true"), json!({})).await.must(201);
    let both = bench.post("agent", &path, json!({"category": "print"})).await;
    assert_eq!((both.status, both.header("etag")), (201, "\"2\""), "{}", both.text());
    let both = both.json();
    assert_eq!(both["interaction"]["state"], "linked");
    assert_eq!(both["interaction"]["target_id"], both["incident"]["id"]);
    let incident = bench.get("ada", &format!("incidents/{}", both["incident"]["id"].as_str().unwrap())).await.must(200);
    assert_eq!((&incident["category"], &incident["channel"]), (&json!("print"), &json!("phone")));
    assert_eq!(bench.post("agent", &path, json!({})).await.status, 409);
    assert_eq!(bench.get("agent", "incidents").await.must(200)["items"].as_array().unwrap().len(), 1);
}
