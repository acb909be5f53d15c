//! Where policies about changes can't answer, nothing is easier than it would be: the risk is the highest, steps are refused, and people are
//! asked.

use diesel::prelude::*;
use pointsman::schema::{policy, policy_version};
use serde_json::{Value, json};

use crate::{
    change::{approvals, approve, made, managed, normal, put_to_rest, read, take},
    support::{Person::*, Server},
};

/// What no version of any language is.
const LOST: &str = "fn check( { never";

/// Another node, on which the live version of a policy does not compile any more.
async fn lost(server: &Server, name: &str) -> Server {
    let mut connection = server.assembly.database.connect().unwrap();
    let of_it = policy::table.filter(policy::name.eq(name.to_owned())).select(policy::id);
    let versions = policy_version::table.filter(policy_version::policy_id.eq_any(of_it));
    let changed = diesel::update(versions).set(policy_version::source.eq(LOST)).execute(&mut connection).unwrap();
    assert!(changed > 0, "{name}");
    server.beside().await
}

/// A policy that is live.
async fn live(server: &Server, name: &str, decision: &str, source: &str) {
    let new = json!({"name": name, "decision": decision, "kind": "change"});
    server.post("/api/v1/policies", new).by(Admin).expect(201).await;
    let versions = format!("/api/v1/policies/{name}/versions");
    server.post(&versions, json!({"source": source, "message": "New"})).by(Admin).expect(201).await;
    server.post(&format!("{versions}/1/publish"), json!({})).by(Admin).expect(200).await;
}

async fn failed(server: &Server, change: &str, kind: &str) -> Vec<Value> {
    let page = server.get(&format!("{change}/decisions")).by(Admin).expect(200).await.json();
    let all = page["items"].as_array().unwrap().iter().cloned();
    all.filter(|one| one["kind"] == kind && one["outcome"] == "error").collect()
}

async fn asked(server: &Server) -> String {
    let change = made(server, normal()).await;
    take(server, &change, "assess", json!({})).await;
    take(server, &change, "request_authorisation", json!({})).await;
    change
}

#[actix_web::test]
async fn a_lost_policy_of_risk_makes_it_the_highest() {
    let server = lost(&managed().await, "assess_risk_changes").await;
    let change = made(&server, normal()).await;
    assert_eq!(read(&server, &change).await["risk"], "high");
    let failed = failed(&server, &change, "assess_risk").await;
    assert_eq!(failed[0]["error"]["code"], "does_not_compile", "{failed:#?}");
    let status = server.get("/api/v1/policies/assess_risk_changes/status").by(Admin).expect(200).await.json();
    assert!(status["problem"].as_str().unwrap().starts_with("it does not compile: "), "{status}");
    assert_eq!(status["errors"], 1);
    let sound = server.get("/api/v1/policies/approve_changes/status").by(Admin).expect(200).await.json();
    assert_eq!(sound["problem"], Value::Null);
}

#[actix_web::test]
async fn a_lost_guard_among_others_refuses() {
    let server = managed().await;
    let allows = "fn check(change, transition) { allow() }\n";
    live(&server, "one", "guard", allows).await;
    live(&server, "other", "guard", allows).await;
    let change = made(&server, normal()).await;
    let server = lost(&server, "other").await;
    let refused = server.post(&format!("{change}/assess"), json!({})).by(Admin).expect(422).await.json();
    assert!(refused["detail"].as_str().unwrap().contains("\"other\""), "{refused}");
    assert_eq!(failed(&server, &change, "guard").await.len(), 1);
    assert_eq!(read(&server, &change).await["state"], "new");
}

#[actix_web::test]
async fn where_a_policy_of_approval_is_lost_people_are_asked_and_a_board_looks_at_emergencies() {
    let server = managed().await;
    live(&server, "all", "approve", "fn approvals(change) { approve() }\n").await;
    let server = lost(&server, "approve_changes").await;
    let change = asked(&server).await;
    let held = approvals(&server, &change).await.swap_remove(0);
    let state = (&held["state"], &held["description"], &held["stages"][0]["name"]);
    assert_eq!(state, (&json!("pending"), &json!("No policy says who approves."), &json!("Change manager")));
    assert_eq!(failed(&server, &change, "approve").await.len(), 1);
    assert_eq!(read(&server, &change).await["cab_review"], Value::Null);
    let urgent = made(&server, json!({"title": "Close the hole", "change_type": "emergency"})).await;
    assert_eq!(approvals(&server, &urgent).await[0]["state"], "pending");
    assert_eq!(read(&server, &urgent).await["cab_review"], "due");
}

#[actix_web::test]
async fn where_a_policy_of_approval_fails_nothing_is_approved() {
    let server = managed().await;
    live(&server, "all", "approve", "fn approvals(change) { approve() }\n").await;
    let fails = "fn approvals(change) { approve(); let x = 1 / change.conflict_count; }\n";
    live(&server, "fails", "approve", fails).await;
    let off = json!({"enabled": false});
    server.patch("/api/v1/policies/approve_changes", off).by(Admin).header("if-match", "*").expect(200).await;
    let change = asked(&server).await;
    let held = approvals(&server, &change).await.swap_remove(0);
    assert_eq!((&held["state"], &held["description"]), (&json!("pending"), &json!("No policy says who approves.")));
    let why = failed(&server, &change, "approve").await.swap_remove(0);
    assert!(why["error"]["line"].as_u64().unwrap() == 1 && why["applied"] == json!([]), "{why:#}");
    server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await;
    approve(&server, &held).await;
    take(&server, &change, "schedule", json!({})).await;
    // What is to be agreed to at once is not agreed to, and that is remembered.
    let times = json!({
        "title": "Restart it", "change_type": "standard", "planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z",
    });
    let standard = made(&server, times).await;
    let refused = server.post(&format!("{standard}/schedule"), json!({})).by(Admin).expect(409).await.json();
    assert_eq!(refused["errors"][0]["code"], "approval", "{refused}");
    assert_eq!(failed(&server, &standard, "approve").await.len(), 1);
}

#[actix_web::test]
async fn the_last_good_version_answers_for_one_that_fails() {
    let server = managed().await;
    let fails = "fn approvals(change) { approve(); let x = 1 / change.conflict_count; }\n";
    let versions = "/api/v1/policies/approve_changes/versions";
    server.post(versions, json!({"source": fails, "message": "It fails"})).by(Admin).expect(201).await;
    server.post(&format!("{versions}/2/publish"), json!({})).by(Admin).expect(200).await;
    let change = asked(&server).await;
    let asked = approvals(&server, &change).await.swap_remove(0);
    assert_eq!((&asked["state"], &asked["stages"][0]["name"]), (&json!("pending"), &json!("Change manager")));
    let failed = failed(&server, &change, "approve").await;
    assert_eq!((failed.len(), &failed[0]["policy_version"]), (1, &json!(2)));
}

#[actix_web::test]
async fn silence_is_consent_where_a_policy_says_so() {
    let server = managed().await;
    put_to_rest(&server, "approve_changes").await;
    let silent = |then: &str| {
        format!(
            "fn approvals(change) {{\n    rule \"Quick\" when true also require(\"Quick\", \"network\", \"any\", \"PT1H\", \"\", \"{then}\");\n}}\n"
        )
    };
    let new = json!({"name": "quick", "decision": "approve", "kind": "change"});
    server.post("/api/v1/policies", new).by(Admin).expect(201).await;
    let versions = "/api/v1/policies/quick/versions";
    let wrong =
        server.post(versions, json!({"source": silent("wait"), "message": "Wrong"})).by(Admin).expect(201).await;
    assert_eq!(wrong.json()["diagnostics"][0]["code"], "wrong_type");
    server.post(versions, json!({"source": silent("approve"), "message": "Right"})).by(Admin).expect(201).await;
    server.post(&format!("{versions}/2/publish"), json!({})).by(Admin).expect(200).await;
    let change = asked(&server).await;
    let stage = async || approvals(&server, &change).await[0].clone();
    let before = stage().await;
    assert_eq!((&before["state"], &before["stages"][0]["on_due"]), (&json!("pending"), &json!("approve")));
    server.at(&server.assembly.clock.now().plus(chrono::TimeDelta::minutes(61)).to_string());
    server.assembly.jobs().fire_timers().await.unwrap();
    assert_eq!(stage().await["state"], "approved");
    take(&server, &change, "schedule", json!({})).await;
}
