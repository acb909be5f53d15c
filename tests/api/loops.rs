//! Consequences of consequences: what flows down reaches every record of a tree, and what would go round for ever ends, is seen
//! and costs nobody anything.

use diesel::prelude::*;
use pointsman::{id::RecordId, schema::incident};
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server};

/// How deep consequences may go.
const DEEPEST: usize = 5;

fn path(made: &Answer) -> String {
    format!("/api/v1/incidents/{}", made.field("id"))
}

async fn create(server: &Server, body: Value) -> Answer {
    server.post("/api/v1/incidents", body).by(Alex).expect(201).await
}

async fn state(server: &Server, of: &Answer) -> String {
    server.get(&path(of)).by(Alex).expect(200).await.field("state")
}

async fn items(server: &Server, of: &Answer, what: &str) -> Vec<Value> {
    let list = server.get(&format!("{}/{what}?limit=100", path(of))).by(Admin).expect(200).await.json();
    list["items"].as_array().unwrap().clone()
}

async fn guarded(server: &Server, of: &Answer) -> Vec<Value> {
    items(server, of, "decisions").await.into_iter().filter(|d| d["kind"] == "guard").collect()
}

/// Hangs one incident under another, behind the server's back: as writes of two nodes at one moment could.
fn hang(server: &Server, one: &Answer, under: &Answer) {
    let [one, under] = [one, under].map(|answer| answer.field("id").parse::<RecordId>().unwrap());
    let mut connection = server.assembly.database.connect().unwrap();
    let row = diesel::update(incident::table.find(one)).set(incident::parent_id.eq(Some(under)));
    assert_eq!(row.execute(&mut connection).unwrap(), 1);
}

/// Incidents, each under the one before.
async fn chain(server: &Server, length: usize) -> Vec<Answer> {
    let mut chain: Vec<Answer> = Vec::new();
    for n in 0..length {
        let made = create(server, json!({"title": format!("Level {n}")})).await;
        if let Some(above) = chain.last() {
            hang(server, &made, above);
        }
        chain.push(made);
    }
    chain
}

#[actix_web::test]
async fn what_flows_down_reaches_every_record_of_a_tree_once() {
    let server = Server::start().await;
    let top = create(&server, json!({"title": "Mail is down"})).await;
    let (mut all, mut level) = (Vec::new(), vec![top.field("id")]);
    for width in [3, 2, 1, 1, 2] {
        let mut next = Vec::new();
        for parent in &level {
            for _ in 0..width {
                let made = create(&server, json!({"title": "No mail", "parent_id": parent})).await;
                next.push(made.field("id"));
                all.push(made);
            }
        }
        level = next;
    }
    server.post(&format!("{}/start", path(&top)), json!({})).by(Alex).expect(200).await;
    assert_eq!(all.len(), 33);
    for one in &all {
        assert_eq!(state(&server, one).await, "in_progress");
        let asked = guarded(&server, one).await;
        assert!(asked.len() == 1 && asked[0]["outcome"] != "loop", "{asked:?}");
    }
}

#[actix_web::test]
async fn no_tree_is_made_that_is_deeper_than_what_flows_down() {
    let server = Server::start().await;
    let mut single = Vec::new();
    for n in 0..=DEEPEST + 1 {
        single.push(create(&server, json!({"title": format!("{n}")})).await);
    }
    let link = async |one: &Answer, field: &str, to: &Answer| {
        let body = json!({field: to.field("id")});
        let changed = server.patch(&path(one), body).by(Alex).header("if-match", "*").send().await;
        if changed.status == 200 { String::new() } else { changed.json()["errors"][0]["code"].as_str().unwrap().into() }
    };
    // From below, each under one that is under nothing yet, by both links.
    for (n, pair) in single[..=DEEPEST].windows(2).enumerate() {
        let field = if n % 2 == 0 { "parent_id" } else { "duplicate_of_id" };
        assert_eq!(link(&pair[0], field, &pair[1]).await, "");
    }
    let (deepest, top, other) = (&single[0], &single[DEEPEST], &single[DEEPEST + 1]);
    for field in ["parent_id", "duplicate_of_id"] {
        assert_eq!(link(top, field, other).await, "too_deep");
        assert_eq!(link(other, field, deepest).await, "too_deep");
        assert_eq!(link(top, field, deepest).await, "loop");
    }
    assert_eq!(link(other, "parent_id", top).await, "");
}

#[actix_web::test]
async fn consequences_that_are_too_deep_end_and_are_seen() {
    let server = Server::start().await;
    let chain = chain(&server, DEEPEST + 3).await;
    server.post(&format!("{}/start", path(&chain[0])), json!({})).by(Alex).expect(200).await;
    let (followed, stopped) = chain.split_at(DEEPEST + 1);
    for one in followed {
        assert_eq!(state(&server, one).await, "in_progress");
        let asked = guarded(&server, one).await;
        assert!(asked.len() == 1 && asked[0]["outcome"] != "loop", "{asked:?}");
    }
    for one in stopped {
        assert_eq!(state(&server, one).await, "new");
    }
    // The first that stayed says so in the log, in its journal and in its history; those under it were not come to.
    let asked = guarded(&server, &stopped[0]).await;
    assert_eq!((asked.len(), &asked[0]["outcome"], &asked[0]["error"]["code"]), (1, &json!("loop"), &json!("loop")));
    assert_eq!((&asked[0]["cause"]["depth"], &asked[0]["record_version"]), (&json!(DEEPEST + 1), &json!(1)));
    let journal = &items(&server, &stopped[0], "journal").await[0];
    let note = "`start` did not flow down to here: Consequences end after 5 records.";
    assert_eq!((&journal["kind"], &journal["body"]), (&json!("work_note"), &json!(note)));
    assert_eq!(items(&server, &stopped[0], "history").await[0]["action"], "incident.noted");
    assert!(guarded(&server, &stopped[1]).await.is_empty());
    assert_eq!(items(&server, &stopped[1], "history").await.len(), 1);

    let decision = format!("/api/v1/decisions/{}", asked[0]["id"].as_str().unwrap());
    let told = server.get(&format!("{decision}/explanation")).by(Admin).expect(200).await.json();
    let sentence = format!(
        "{} was not decided by guard_incidents v1, which was not asked: consequences are 6 deep here, and policies are asked up to 5.",
        stopped[0].field("number")
    );
    assert_eq!(told["sentence"], json!(sentence), "{told}");
    server.post(&format!("{decision}/replay"), json!({})).by(Admin).expect(409).await;
    server.post(&format!("{decision}/counterfactual"), json!({})).by(Admin).expect(409).await;
    let status = server.get("/api/v1/policies/guard_incidents/status").by(Admin).expect(200).await.json();
    assert_eq!((&status["loops"], &status["errors"], &status["evaluations"]), (&json!(1), &json!(0), &json!(7)));

    // A person starts it, and the rest follows.
    server.post(&format!("{}/start", path(&stopped[0])), json!({})).by(Alex).expect(200).await;
    assert_eq!(state(&server, &stopped[1]).await, "in_progress");
}

#[actix_web::test]
async fn consequences_that_are_too_deep_end_where_no_policy_is_live() {
    let server = Server::start().await;
    let off = server.patch("/api/v1/policies/guard_incidents", json!({"enabled": false})).by(Admin);
    off.header("if-match", "*").expect(200).await;
    let chain = chain(&server, DEEPEST + 2).await;
    server.post(&format!("{}/start", path(&chain[0])), json!({})).by(Alex).expect(200).await;
    assert_eq!(state(&server, &chain[DEEPEST]).await, "in_progress");
    assert_eq!(state(&server, &chain[DEEPEST + 1]).await, "new");
    assert!(items(&server, &chain[DEEPEST + 1], "journal").await[0]["body"].as_str().unwrap().contains("end after 5"));
}

#[actix_web::test]
async fn a_loop_that_fans_out_ends_and_loses_nothing() {
    let server = Server::start().await;
    let top = create(&server, json!({"title": "Mail is down"})).await;
    let mut under = Vec::new();
    for n in 0..3 {
        under.push(create(&server, json!({"title": format!("{n}"), "parent_id": top.field("id")})).await);
    }
    server.post(&format!("{}/start", path(&top)), json!({})).by(Alex).expect(200).await;
    // What is on hold may be put on hold for something else, so this goes round: from the top to each, and back.
    hang(&server, &top, &under[0]);
    let hold = json!({"hold_reason": "supplier", "work_note": "Their line is cut."});
    server.post(&format!("{}/hold", path(&top)), hold).by(Alex).expect(200).await;
    let mut stopped = 0;
    for one in under.iter().chain([&top]) {
        assert_eq!(state(&server, one).await, "on_hold");
        stopped += guarded(&server, one).await.iter().filter(|d| d["outcome"] == "loop").count();
        let (versions, history) =
            (server.get(&path(one)).by(Alex).expect(200).await.field("version"), items(&server, one, "history").await);
        assert_eq!(versions, history.len().to_string(), "a version without its row of the trail");
    }
    assert_eq!(stopped, 1);
    let journal = items(&server, &top, "journal").await;
    assert!(journal.iter().any(|entry| entry["body"] == "Their line is cut."), "{journal:?}");
}
