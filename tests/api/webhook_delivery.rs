//! Messages of webhooks on their way: tried again, given up, replayed, and never sent by two nodes at once.

use std::collections::BTreeSet;

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::{
    id::RowId,
    record::{
        feed::Place,
        webhook::{claim, delivery::State},
    },
    schema::{audit, webhook, webhook_attempt, webhook_delivery},
};
use serde_json::{Value, json};

use crate::{
    support::{
        PATIENCE,
        Person::*,
        Server,
        receiver::{Receiver, Reply},
    },
    webhooks::{hooked, incident, log, loopback, made, sent, server},
};

const BROKEN: Reply = Reply::Status(500, "", "Not today.");

/// A server with a webhook, and a message for it.
async fn with_message(receiver: &Receiver) -> (Server, String) {
    let server = server().await;
    let (path, _) = hooked(&server, json!({"url": receiver.url(), "events": ["incident.created"]})).await;
    incident(&server, json!({})).await;
    made(&server, 1).await;
    (server, path)
}

async fn detail(server: &Server, delivery: &Value) -> Value {
    let path = format!("/api/v1/webhook-deliveries/{}", delivery["id"].as_str().unwrap());
    server.get(&path).by(Admin).expect(200).await.json()
}

fn moment(value: &Value) -> pointsman::clock::Moment {
    value.as_str().unwrap().parse().unwrap()
}

/// Moves the clock to the next attempt of the newest message.
async fn wait(server: &Server, path: &str) {
    let next = log(server, path).await[0]["next_at"].as_str().unwrap().to_owned();
    server.at(&next);
}

#[actix_web::test]
async fn what_fails_is_tried_again_later_and_when_the_receiver_says() {
    let receiver = Receiver::start();
    let (server, path) = with_message(&receiver).await;
    let busy = Reply::Status(503, "retry-after: 3600\r\n", "");
    receiver.answer(&[BROKEN, busy, Reply::Hang]);
    assert_eq!(sent(&server).await, 1);
    assert_eq!(sent(&server).await, 0, "before it is due");
    let first = log(&server, &path).await.remove(0);
    assert_eq!((&first["state"], &first["attempt_count"]), (&json!("pending"), &json!(1)));
    let waited = moment(&first["next_at"]).since(server.assembly.clock.now()).num_milliseconds();
    assert!((4_500..=5_000).contains(&waited), "{waited}");
    wait(&server, &path).await;
    assert_eq!(sent(&server).await, 1);
    let second = log(&server, &path).await.remove(0);
    assert_eq!(moment(&second["next_at"]).since(server.assembly.clock.now()).num_seconds(), 3_600);
    assert!(!server.get(&path).by(Admin).expect(200).await.json()["failing_since"].is_null());
    wait(&server, &path).await;
    assert_eq!(sent(&server).await, 1);
    wait(&server, &path).await;
    assert_eq!(sent(&server).await, 1);

    let told = detail(&server, &first).await;
    assert_eq!(
        (&told["state"], &told["attempt_count"], &told["next_at"]),
        (&json!("delivered"), &json!(4), &Value::Null)
    );
    let statuses: Vec<&Value> = told["attempts"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [&json!(500), &json!(503), &Value::Null, &json!(204)]);
    assert_eq!(told["attempts"][0]["answer"], "Not today.");
    assert!(told["attempts"][2]["error"].as_str().unwrap().contains("no answer within 2 seconds"));
    assert!(told["attempts"][2]["milliseconds"].as_i64().unwrap() >= 2_000);
    let heard = receiver.heard();
    let ids: BTreeSet<&str> = heard.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!((heard.len(), ids.len()), (4, 1), "a message is the same each time");
    let times: BTreeSet<&str> = heard.iter().map(|one| one.header("webhook-timestamp")).collect();
    assert_eq!(times.len(), 4, "and says each time when it was sent");
    assert!(server.get(&path).by(Admin).expect(200).await.json()["failing_since"].is_null());
}

#[actix_web::test]
async fn a_message_dies_within_a_day_and_is_replayed() {
    let receiver = Receiver::start();
    let (server, path) = with_message(&receiver).await;
    receiver.answer(&vec![BROKEN; 8]);
    for _ in 0..7 {
        assert_eq!(sent(&server).await, 1);
        wait(&server, &path).await;
    }
    let replay = format!("/api/v1/webhook-deliveries/{}/replay", log(&server, &path).await[0]["id"].as_str().unwrap());
    server.ask(Method::POST, &replay).by(Admin).expect(409).await;
    assert_eq!(sent(&server).await, 1);
    let dead = log(&server, &path).await.remove(0);
    assert_eq!((&dead["state"], &dead["attempt_count"]), (&json!("dead"), &json!(8)));
    assert!(moment(&dead["ended_at"]).since(moment(&dead["created_at"])) <= chrono::TimeDelta::hours(24));
    let list = server.get(&format!("{path}/deliveries?state=dead")).by(Admin).expect(200).await.json();
    assert_eq!(list["items"], json!([dead]));
    server.get(&format!("{path}/deliveries?state=deed")).by(Admin).expect(400).await;
    let original = receiver.heard()[0].clone();

    server.ask(Method::POST, &format!("{replay}?dry_run=true")).by(Admin).expect(201).await;
    let again = server.ask(Method::POST, &replay).by(Admin).expect(201).await;
    assert_eq!(
        (again.json()["replay_of"].clone(), again.json()["message_id"].clone()),
        (dead["id"].clone(), dead["id"].clone())
    );
    server.get(&again.header("location")).by(Admin).expect(200).await;
    receiver.answer(&[BROKEN]);
    assert_eq!(sent(&server).await, 1);
    wait(&server, &path).await;
    assert_eq!(sent(&server).await, 1, "it has a day of its own");
    let heard = receiver.heard();
    assert_eq!((heard.len(), heard[1].header("webhook-id")), (2, original.header("webhook-id")));
    assert_eq!(heard[1].json()["data"]["event_id"], original.json()["data"]["event_id"]);
    assert_eq!(detail(&server, &again.json()).await["state"], "delivered");
    assert!(!detail(&server, &dead).await["replayed_at"].is_null());
}

#[actix_web::test]
async fn all_that_died_since_a_moment_is_replayed_once() {
    let (server, receiver) = (server().await, Receiver::start());
    let (path, _) = hooked(&server, json!({"url": receiver.url(), "events": ["incident.created"]})).await;
    for _ in 0..5 {
        incident(&server, json!({})).await;
    }
    made(&server, 5).await;
    let mut connection = server.assembly.database.connect().unwrap();
    let now = server.assembly.clock.now();
    let dead = (
        webhook_delivery::state.eq("dead"),
        webhook_delivery::ended_at.eq(now),
        webhook_delivery::next_at.eq(None::<pointsman::clock::Moment>),
    );
    diesel::update(webhook_delivery::table).set(dead).execute(&mut connection).unwrap();
    let one: String = webhook_delivery::table.select(webhook_delivery::id).first(&mut connection).unwrap();
    let earlier = webhook_delivery::ended_at.eq(now.minus(chrono::TimeDelta::hours(1)));
    diesel::update(webhook_delivery::table.find(one)).set(earlier).execute(&mut connection).unwrap();
    let replay = async |since: &str| {
        let body = json!({"since": since});
        server.post(&format!("{path}/replay"), body).by(Admin).expect(200).await.json()["replayed"].clone()
    };
    assert_eq!(replay("2026-03-03T11:00:00.000001Z").await, 0);
    assert_eq!(replay("2026-03-03T11:00:00Z").await, 4);
    assert_eq!(replay("2026-03-03T11:00:00Z").await, 0, "replayed twice");
    assert_eq!(sent(&server).await, 4);
    let ids: BTreeSet<String> = receiver.heard().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 4);
    let off = json!({"active": false});
    server.patch(&path, off).by(Admin).header("if-match", "*").expect(200).await;
    server.post(&format!("{path}/replay"), json!({"since": "2026-01-01T00:00:00Z"})).by(Admin).expect(409).await;
}

#[actix_web::test]
async fn one_who_wants_no_more_gets_no_more() {
    let receiver = Receiver::start();
    let (server, path) = with_message(&receiver).await;
    receiver.answer(&[Reply::Status(410, "", "")]);
    assert_eq!(sent(&server).await, 1);
    let off = server.get(&path).by(Admin).expect(200).await;
    assert_eq!(
        (off.field("active"), off.field("disabled_at")),
        ("false".to_owned(), "2026-03-03T11:00:00Z".to_owned())
    );
    assert!(off.field("disabled_why").contains("410"));
    let told: i64 = audit::table
        .filter(audit::action.eq("webhook.disabled"))
        .count()
        .get_result(&mut server.assembly.database.connect().unwrap())
        .unwrap();
    assert_eq!(told, 1);
    let newest = || Place::newest(&mut server.assembly.database.connect().unwrap()).unwrap();
    let before = newest();
    incident(&server, json!({})).await;
    // PostgreSQL tells of it once every transaction that began before has ended, those of other tests as well.
    let begun = std::time::Instant::now();
    while newest() <= before && begun.elapsed() < PATIENCE {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let on = server.patch(&path, json!({"active": true})).by(Admin).seen(&off).expect(200).await;
    assert_eq!((on.field("disabled_at"), on.field("disabled_why")), (String::new(), String::new()));
    incident(&server, json!({})).await;
    made(&server, 1).await;
    assert_eq!((sent(&server).await, receiver.heard().len()), (1, 2), "what happened meanwhile is not told");
}

#[actix_web::test]
async fn one_that_fails_for_days_is_turned_off() {
    let receiver = Receiver::start();
    let (server, path) = with_message(&receiver).await;
    receiver.answer(&[BROKEN, BROKEN]);
    sent(&server).await;
    server.at("2026-03-08T11:00:00Z");
    sent(&server).await;
    let off = server.get(&path).by(Admin).expect(200).await;
    assert!(off.field("active") == "false" && off.field("disabled_why").contains("five days"));
    let mut connection = server.assembly.database.connect().unwrap();
    diesel::update(webhook::table)
        .set((
            webhook::active.eq(true),
            webhook::dead_in_a_row.eq(99),
            webhook::failing_since.eq(None::<pointsman::clock::Moment>),
        ))
        .execute(&mut connection)
        .unwrap();
    incident(&server, json!({})).await;
    made(&server, 1).await;
    let long_ago = server.assembly.clock.now().minus(chrono::TimeDelta::days(2));
    let waiting = webhook_delivery::table.filter(webhook_delivery::state.eq("pending"));
    diesel::update(waiting).set(webhook_delivery::created_at.eq(long_ago)).execute(&mut connection).unwrap();
    receiver.answer(&[BROKEN, BROKEN]);
    sent(&server).await;
    assert!(server.get(&path).by(Admin).expect(200).await.field("disabled_why").contains("100 messages in a row"));
}

#[actix_web::test]
async fn of_two_nodes_one_makes_and_one_sends_each_message() {
    let (server, receiver) = (server().await, Receiver::start());
    let other = server.beside_with(loopback).await;
    hooked(&server, json!({"url": receiver.url(), "events": ["incident.created"]})).await;
    for round in 1..=3 {
        for _ in 0..10 {
            incident(&server, json!({})).await;
        }
        let (here, there) = (server.assembly.jobs(), other.assembly.jobs());
        let mut count = 0;
        while count < 10 {
            let (one, two) = futures_util::future::join(here.make_messages(), there.make_messages()).await;
            count += one.unwrap() + two.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(count, 10, "in round {round}");
        let (one, two) = futures_util::future::join(here.deliver_messages(), there.deliver_messages()).await;
        assert_eq!(one.unwrap() + two.unwrap(), 10, "in round {round}");
        let heard = receiver.heard();
        let ids: BTreeSet<&str> = heard.iter().map(|one| one.header("webhook-id")).collect();
        assert_eq!((heard.len(), ids.len()), (10, 10), "in round {round}");
        server.at(&format!("2026-03-03T12:0{round}:00Z"));
        other.at(&format!("2026-03-03T12:0{round}:00Z"));
    }
}

#[actix_web::test]
async fn the_claim_of_a_node_that_died_lapses() {
    let receiver = Receiver::start();
    let (server, path) = with_message(&receiver).await;
    let id: RowId = log(&server, &path).await[0]["id"].as_str().unwrap().parse().unwrap();
    let (dead, now) = (RowId::new(), server.assembly.clock.now());
    let claimed = server.assembly.writer.run(move |unit| claim::claim(unit.connection()?, &[id], dead, now));
    assert_eq!(claimed.await.unwrap(), [id]);
    assert_eq!(sent(&server).await, 0);
    server.at("2026-03-03T11:01:00Z");
    assert_eq!((sent(&server).await, receiver.heard().len()), (1, 1));
    let late =
        server.assembly.writer.run(move |unit| claim::end(unit.connection()?, id, dead, (State::Dropped, "late"), now));
    assert!(!late.await.unwrap(), "who lost the claim has no say any more");
    assert_eq!(log(&server, &path).await[0]["state"], "delivered");
}

#[actix_web::test]
async fn a_webhook_sends_no_more_in_a_minute_than_it_may() {
    let receiver = Receiver::start();
    let server = Server::start_with(|config| {
        loopback(config);
        config.webhooks.messages_per_minute = 3;
    })
    .await;
    hooked(&server, json!({"url": receiver.url(), "events": ["incident.created"]})).await;
    for _ in 0..5 {
        incident(&server, json!({})).await;
    }
    made(&server, 5).await;
    assert_eq!(sent(&server).await, 3);
    server.at("2026-03-03T11:00:59Z");
    assert_eq!(sent(&server).await, 0);
    server.at("2026-03-03T11:01:01Z");
    assert_eq!((sent(&server).await, receiver.heard().len()), (2, 5));
}

#[actix_web::test]
async fn an_address_is_checked_when_it_is_connected_to() {
    let receiver = Receiver::start();
    let (server, path) = with_message(&receiver).await;
    // This node's operator allows nothing, whatever was allowed when the webhook was saved.
    let strict = server.beside().await;
    assert_eq!(sent(&strict).await, 1);
    let told = detail(&server, &log(&server, &path).await[0]).await;
    let attempt = &told["attempts"][0];
    assert!(attempt["error"].as_str().unwrap().contains("127.0.0.1 is not public"), "{attempt}");
    assert_eq!((&told["state"], &attempt["status"]), (&json!("pending"), &Value::Null));
    // A name is looked up when it is connected to.
    let named = receiver.url().replace("127.0.0.1", "localhost");
    server.patch(&path, json!({"url": named})).by(Admin).header("if-match", "*").expect(200).await;
    let refused = strict.post(&format!("{path}/test"), Value::Null).by(Admin).expect(200).await.json();
    assert!(refused["attempts"][0]["error"].as_str().unwrap().contains("is not public"), "{refused}");
    assert!(receiver.heard().is_empty());
}

#[actix_web::test]
async fn what_has_ended_is_forgotten_after_a_month() {
    let receiver = Receiver::start();
    let (server, path) = with_message(&receiver).await;
    sent(&server).await;
    incident(&server, json!({})).await;
    made(&server, 1).await;
    server.at("2026-04-02T10:59:59Z");
    server.assembly.jobs().forget_old().await.unwrap();
    assert_eq!(log(&server, &path).await.len(), 2);
    server.at("2026-04-02T11:00:01Z");
    server.assembly.jobs().forget_old().await.unwrap();
    let left = log(&server, &path).await;
    assert_eq!((left.len(), &left[0]["state"]), (1, &json!("pending")));
    let attempts: i64 =
        webhook_attempt::table.count().get_result(&mut server.assembly.database.connect().unwrap()).unwrap();
    assert_eq!(attempts, 0);
}

#[actix_web::test]
async fn the_log_is_read_page_by_page_and_beside_the_record() {
    let (server, receiver) = (server().await, Receiver::start());
    let (path, _) = hooked(&server, json!({"url": receiver.url()})).await;
    let record = incident(&server, json!({})).await;
    let one = format!("/api/v1/incidents/{}", record.field("id"));
    for kind in ["comment", "work_note", "comment"] {
        server.post(&format!("{one}/journal"), json!({"kind": kind, "body": "Said"})).by(Admin).expect(201).await;
    }
    made(&server, 4).await;
    let mut next = format!("{path}/deliveries?limit=3");
    let mut read = Vec::new();
    loop {
        let page = server.get(&next).by(Admin).expect(200).await.json();
        read.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("{path}/deliveries?limit=3&cursor={cursor}");
    }
    assert_eq!(read.len(), 4);
    assert!(read.windows(2).all(|pair| pair[0]["id"].as_str() > pair[1]["id"].as_str()));
    let beside = server.get(&format!("{one}/deliveries")).by(Admin).expect(200).await.json();
    assert_eq!(beside["items"], json!(read));
    server.get(&format!("{one}/deliveries")).by(Alex).expect(403).await;
    server.get("/api/v1/incidents/INC9999999/deliveries").by(Admin).expect(404).await;
    server.get(&format!("/api/v1/webhook-deliveries/{}", RowId::new())).by(Admin).expect(404).await;
}
