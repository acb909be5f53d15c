//! Policies about the risk and the approval of changes are rehearsed on history and in the shadow, as all others are.

use serde_json::{Value, json};

use crate::{
    change::{approvals, made, managed, normal, read, take},
    support::{Person::*, Server},
};

const NETWORK: &str =
    "fn approvals(change) {\n    rule \"The network\" when true also require(\"Network\", \"network\", \"all\");\n}\n";
const NO_WAY_BACK: &str = "fn assess_risk(change) {\n    rule \"No way back\" when change.backout_plan == () then risk(\"high\");\n    rule \"Others\" when true then risk(\"low\");\n}\n";

/// A new version of a policy that ships; its path.
async fn version(server: &Server, policy: &str, source: &str) -> String {
    let versions = format!("/api/v1/policies/{policy}/versions");
    let made = server.post(&versions, json!({"source": source})).by(Admin).expect(201).await.json();
    assert_eq!(made["diagnostics"], json!([]), "{policy}");
    format!("{versions}/{}", made["number"])
}

async fn rehearsed(server: &Server, version: &str) -> Value {
    let job = server.post(&format!("{version}/back-tests"), json!({})).by(Admin).expect(202).await.field("id");
    server.assembly.jobs().work_off().await.unwrap();
    server.get(&format!("/api/v1/back-tests/{job}")).by(Admin).expect(200).await.json()["report"].clone()
}

async fn asked(server: &Server) -> String {
    let change = made(server, normal()).await;
    take(server, &change, "assess", json!({})).await;
    take(server, &change, "request_authorisation", json!({})).await;
    change
}

#[actix_web::test]
async fn who_would_be_asked_is_rehearsed_on_what_was_asked() {
    let server = managed().await;
    asked(&server).await;
    asked(&server).await;
    let (version, path) = (version(&server, "approve_changes", NETWORK).await, "/api/v1/back-tests");
    let report = rehearsed(&server, &version).await;
    assert_eq!((&report["decisions"], &report["different"], &report["errors"]), (&json!(2), &json!(2), &json!(0)));
    let (was, would) = ("Change manager: any of role:change_manager", "Network: all of network");
    let due = json!([{"from": "Change manager: PT30H by business-hours", "to": "", "decisions": 2}]);
    assert_eq!(report["transitions"], json!({"approvers": [{"from": was, "to": would, "decisions": 2}], "due": due}));
    let approvers = json!({"network": {"before": 0, "after": 2}, "role:change_manager": {"before": 2, "after": 0}});
    assert_eq!(report["approvals"], approvers);
    let tests = server.get("/api/v1/jobs?kind=back_test").by(Admin).expect(200).await.json();
    let page = format!("{path}/{}", tests["items"][0]["id"].as_str().unwrap());
    let page = server.get(&page).by(Admin).header("accept", "text/html").expect(200).await.text();
    assert!(page.contains("<h2>Approvals of each approver</h2>"), "{page}");
}

#[actix_web::test]
async fn in_the_shadow_nobody_else_is_asked() {
    let server = managed().await;
    let version = version(&server, "approve_changes", NETWORK).await;
    server.post(&format!("{version}/shadow"), json!({})).by(Admin).expect(200).await;
    let change = asked(&server).await;
    let stages = &approvals(&server, &change).await[0]["stages"];
    assert_eq!((stages.as_array().unwrap().len(), &stages[0]["name"]), (1, &json!("Change manager")));
    let shadow = server.get(&format!("{version}/shadow")).by(Admin).expect(200).await.json();
    assert_eq!((&shadow["evaluations"], &shadow["different"], &shadow["errors"]), (&json!(1), &json!(1), &json!(0)));
    let found = server.get(&format!("{version}/divergences")).by(Admin).expect(200).await.json();
    let fields = &found["items"][0]["fields"];
    assert_eq!(fields["approvers"], json!(["Change manager: any of role:change_manager", "Network: all of network"]));
}

#[actix_web::test]
async fn risk_is_rehearsed_on_history_and_in_the_shadow() {
    let server = managed().await;
    asked(&server).await;
    let mut without = normal();
    without.as_object_mut().unwrap().remove("backout_plan");
    made(&server, without.clone()).await;
    let version = version(&server, "assess_risk_changes", NO_WAY_BACK).await;
    let report = rehearsed(&server, &version).await;
    let decisions = report["transitions"]["risk"][0]["decisions"].as_u64().unwrap();
    assert!(decisions > 0 && report["different"] == decisions && report["same"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["transitions"]["risk"][0]["to"], "high");

    server.post(&format!("{version}/shadow"), json!({})).by(Admin).expect(200).await;
    let change = made(&server, without).await;
    assert_ne!(read(&server, &change).await["risk"], "high", "the shadow decides nothing");
    let shadow = server.get(&format!("{version}/shadow")).by(Admin).expect(200).await.json();
    assert_eq!((&shadow["different"], &shadow["errors"]), (&json!(1), &json!(0)), "{shadow}");
}
