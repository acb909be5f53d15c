//! Policies about several kinds of records: each is of a decision and a kind, sees the fields of that kind, and is asked about it alone.

use serde_json::{Value, json};

use crate::support::{Person::*, Server, people};

const DESK: &str = "fn route(change) {\n    rule \"All\" when change.type == \"normal\" then assign(\"network\");\n    rule \"Others\" when true then leave();\n}\n\nfn test_all() {\n    expect(route(change(#{ type: \"normal\" })), \"network\");\n}\n";

async fn version(server: &Server, policy: &str, source: &str) -> Value {
    let body = json!({"source": source, "message": "As a test"});
    server.post(&format!("/api/v1/policies/{policy}/versions"), body).by(Admin).expect(201).await.json()
}

fn codes(version: &Value) -> Vec<&str> {
    version["diagnostics"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn each_kind_has_the_facts_of_its_fields() {
    let server = Server::start().await;
    let schema = server.get("/api/v1/policy-schema").by(Admin).expect(200).await.json();
    let fields = |kind: &str| {
        let records = schema["records"].as_array().unwrap();
        let record = records.iter().find(|record| record["name"] == kind).unwrap();
        let name = |field: &Value| field["name"].as_str().unwrap().to_owned();
        record["fields"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    let (incident, change) = (fields("incident"), fields("change"));
    for name in ["type", "caller", "service", "ci", "team", "assignee", "tags", "custom", "number", "state"] {
        assert!(incident.iter().any(|field| field == name) && change.iter().any(|field| field == name), "{name}");
    }
    assert!(incident.contains(&"urgency".to_owned()) && !change.contains(&"urgency".to_owned()));
    assert!(change.contains(&"backout_plan".to_owned()) && change.contains(&"planned_start".to_owned()));
}

#[actix_web::test]
async fn a_version_is_about_the_kind_of_its_policy() {
    let server = Server::start().await;
    let of_changes = json!({"name": "routing_changes", "decision": "routing", "kind": "change"});
    assert_eq!(server.post("/api/v1/policies", of_changes).by(Admin).expect(201).await.field("kind"), "change");
    let risk = json!({"name": "risk_of_ours", "decision": "assess_risk"});
    assert_eq!(server.post("/api/v1/policies", risk).by(Admin).expect(201).await.field("kind"), "change");
    let nobody = json!({"name": "x", "decision": "routing", "kind": "service"});
    server.post("/api/v1/policies", nobody).by(Admin).expect(422).await;
    for (policy, source, expected) in [
        ("routing_changes", DESK, vec![]),
        ("routing_changes", "fn route(incident) { leave() }", vec!["wrong_kind"]),
        ("routing_changes", "fn route(record) { leave() }", vec!["wrong_kind"]),
        ("routing_incidents", "fn route(change) { leave() }", vec!["wrong_kind"]),
        ("routing_incidents", "fn route(anything) { leave() }", vec![]),
        ("risk_of_ours", "fn assess_risk(incident) { risk(\"low\") }", vec!["wrong_kind"]),
        (
            "routing_changes",
            "fn route(change) { if change.urgency == 1 { leave() } else { leave() } }",
            vec!["unknown_field"],
        ),
    ] {
        assert_eq!(codes(&version(&server, policy, source).await), expected, "{policy}: {source}");
    }
    server.post("/api/v1/policies/routing_changes/versions/2/publish", json!({})).by(Admin).expect(422).await;
    server.post("/api/v1/policies/routing_changes/versions/1/publish", json!({})).by(Admin).expect(200).await;
    let body = json!({"title": "Replace a switch", "change_type": "normal"});
    let change = server.post("/api/v1/changes", body).by(Admin).expect(201).await.json();
    assert_eq!(change["team_id"], json!(people::team(&server.assembly, "network").to_string()));
    // What is asked about changes is not asked about incidents.
    let incident = server.post("/api/v1/incidents", json!({"title": "No mail"})).by(Admin).expect(201).await.json();
    assert_ne!(incident["team_id"], change["team_id"]);
}

#[actix_web::test]
async fn each_kind_is_rehearsed_explained_and_tested_against_its_own_history() {
    let server = Server::start().await;
    let of_changes = json!({"name": "routing_changes", "decision": "routing", "kind": "change"});
    server.post("/api/v1/policies", of_changes).by(Admin).expect(201).await;
    version(&server, "routing_changes", DESK).await;
    server.post("/api/v1/policies/routing_changes/versions/1/publish", json!({})).by(Admin).expect(200).await;
    server.post("/api/v1/incidents", json!({"title": "No mail"})).by(Admin).expect(201).await;
    let body = json!({"title": "Replace a switch", "change_type": "normal"});
    let change = server.post("/api/v1/changes", body).by(Admin).expect(201).await.field("id");
    let ask = json!({"decision": "assess_risk", "record": change});
    let seen = server.post("/api/v1/policies/simulate", ask).by(Admin).expect(200).await.json();
    assert_eq!(seen["input"]["record"]["type"], "normal");
    let made_up = json!({"decision": "routing", "source": DESK, "record": {"type": "normal"}});
    let would = server.post("/api/v1/policies/simulate", made_up).by(Admin).expect(200).await.json();
    assert_eq!(would["would"]["write"][0]["to"], "network");
    let other = json!({"decision": "routing", "kind": "incident", "source": DESK, "record": {}});
    server.post("/api/v1/policies/simulate", other).by(Admin).expect(422).await;
    let decisions = server.get(&format!("/api/v1/changes/{change}/decisions")).by(Admin).expect(200).await.json();
    let of = |kind: &str| decisions["items"].as_array().unwrap().iter().find(|d| d["kind"] == kind).unwrap().clone();
    let id = of("routing")["id"].as_str().unwrap().to_owned();
    let again = server.post(&format!("/api/v1/decisions/{id}/replay"), json!({})).by(Admin).expect(200).await.json();
    assert_eq!(again["same"], true);
    let test = "/api/v1/policies/routing_changes/versions/1/back-tests";
    let job = server.post(test, json!({})).by(Admin).expect(202).await.field("id");
    server.assembly.jobs().work_off().await.unwrap();
    let report = server.get(&format!("/api/v1/back-tests/{job}")).by(Admin).expect(200).await.json();
    assert_eq!((&report["report"]["decisions"], &report["report"]["same"]), (&json!(1), &json!(1)), "{report}");
}
