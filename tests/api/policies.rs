//! What policies do to records, through the API: refusals, consequences, and routing that is asked again.

use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server, people};

/// Adds a policy that is asked first, and publishes it.
async fn publish(server: &Server, name: &str, decision: &str, source: &str) {
    let policy = json!({"name": name, "decision": decision, "kind": "incident", "position": 0});
    server.post("/api/v1/policies", policy).by(Admin).expect(201).await;
    let path = format!("/api/v1/policies/{name}/versions");
    let version = server.post(&path, json!({"source": source})).by(Admin).expect(201).await;
    let path = format!("{path}/{}/publish", version.field("number"));
    server.post(&path, json!({})).by(Admin).header("if-match", "*").expect(200).await;
}

/// Adds a guard that refuses when the condition holds.
async fn refuse_when(server: &Server, when: &str) {
    let rule = format!("rule \"Never\" when {when} also refuse(\"title\", \"Not this one.\");");
    let source = format!("fn check(incident, transition) {{ {rule} }}");
    publish(server, "never", "guard", &source).await;
}

fn path(made: &Answer) -> String {
    format!("/api/v1/incidents/{}", made.field("id"))
}

async fn create(server: &Server, body: Value) -> Answer {
    server.post("/api/v1/incidents", body).by(Alex).expect(201).await
}

/// The decisions of one kind about a record, the newest first.
async fn decisions(server: &Server, made: &Answer, kind: &str) -> Vec<Value> {
    let list = server.get(&format!("{}/decisions", path(made))).by(Admin).expect(200).await.json();
    list["items"].as_array().unwrap().iter().filter(|d| d["kind"] == kind).cloned().collect()
}

#[actix_web::test]
async fn a_refusal_is_remembered_and_changes_nothing_else() {
    let server = Server::start().await;
    refuse_when(&server, "transition.to == \"in_progress\"").await;
    let made = create(&server, json!({"title": "Mail"})).await;
    server.post(&format!("{}/start?dry_run=true", path(&made)), json!({})).by(Alex).expect(422).await;
    assert_eq!(decisions(&server, &made, "guard").await.len(), 0, "a rehearsal leaves a trace");
    let refused = server.post(&format!("{}/start", path(&made)), json!({})).by(Alex).expect(422).await;
    assert_eq!(refused.json()["code"], "refused_by_policy");
    let logged = decisions(&server, &made, "guard").await;
    let refusing = logged.iter().find(|d| !d["result"].as_array().unwrap().is_empty()).expect("no refusal in the log");
    assert_eq!(refusing["record_version"], 1);
    let now = server.get(&path(&made)).by(Alex).expect(200).await;
    assert_eq!((now.field("state"), now.field("version")), ("new".into(), "1".into()));
    let history = server.get(&format!("{}/history", path(&made))).by(Alex).expect(200).await.json();
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_child_that_may_not_follow_stays_and_says_why() {
    let server = Server::start().await;
    refuse_when(&server, "incident.category == \"sealed\"").await;
    let parent = create(&server, json!({"title": "Mail is down"})).await;
    let child = |category: &str| json!({"title": "No mail", "parent_id": parent.field("id"), "category": category});
    let (sealed, open) = (create(&server, child("sealed")).await, create(&server, child("open")).await);
    server.post(&format!("{}/start", path(&parent)), json!({})).by(Alex).expect(200).await;
    for (one, state) in [(&parent, "in_progress"), (&sealed, "new"), (&open, "in_progress")] {
        assert_eq!(server.get(&path(one)).by(Alex).expect(200).await.field("state"), state);
    }
    let journal = server.get(&format!("{}/journal", path(&sealed))).by(Alex).expect(200).await.json();
    let note = journal["items"][0]["body"].as_str().unwrap();
    assert!(note.contains("`start`") && note.contains("Not this one."), "{note}");
    assert_eq!(journal["items"][0]["via"], format!("consequence:{}", parent.field("number")));
    assert_eq!(journal["items"][0]["kind"], "work_note");
    assert!(!decisions(&server, &sealed, "guard").await.is_empty());
}

#[actix_web::test]
async fn a_guard_may_keep_an_incident_waiting_and_the_answer_stands() {
    let server = Server::start().await;
    refuse_when(&server, "transition.name == \"resume\"").await;
    let made = server.post("/api/v1/incidents", json!({"title": "Printer"})).by(Rita).expect(201).await;
    server.post(&format!("{}/start", path(&made)), json!({})).by(Alex).expect(200).await;
    let hold = json!({"hold_reason": "caller", "comment": "Which printer is it?"});
    let held = server.post(&format!("{}/hold", path(&made)), hold).by(Alex).expect(200).await;
    let answered = server.patch(&path(&made), json!({"comment": "The blue one."})).by(Rita).seen(&held);
    assert_eq!(answered.expect(200).await.field("state"), "on_hold");
    let journal = server.get(&format!("{}/journal", path(&made))).by(Alex).expect(200).await.json();
    assert_eq!(journal["items"][0]["body"], "The blue one.");
    assert!(decisions(&server, &made, "guard").await.iter().any(|d| d["result"] != json!([])));
}

#[actix_web::test]
async fn routing_is_asked_when_the_team_is_taken_away_and_on_request() {
    let server = Server::start().await;
    let team = |name: &'static str| people::team(&server.assembly, name).to_string();
    let nora = Nora.id(&server.assembly).to_string();
    let given = json!({"title": "Mail", "team_id": team("network"), "assignee_id": nora});
    let made = create(&server, given).await;
    assert_eq!(made.field("team_id"), team("network"));
    let taken = server.patch(&path(&made), json!({"team_id": null})).by(Alex).seen(&made).expect(200).await;
    assert_eq!(taken.field("team_id"), team("service-desk"));

    publish(&server, "all_to_network", "routing", "fn route(incident) { assign(\"network\") }").await;
    let again = format!("{}/decisions", path(&made));
    let asked = |decision: &str| json!({"decision": decision});
    server.post(&again, asked("routing")).by(Rita).expect(403).await;
    let wrong = server.post(&again, asked("guard")).by(Alex).expect(422).await;
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/decision");
    server.post(&again, json!({"decision": "routing", "why": 1})).by(Alex).expect(422).await;
    let routed = server.post(&again, asked("routing")).by(Alex).expect(200).await;
    assert_eq!((routed.field("team_id"), routed.field("version")), (team("network"), "3".into()));
    let logged = decisions(&server, &made, "routing").await;
    assert_eq!(logged[0]["applied"][0]["field"], "team_id");
    let same = server.post(&again, asked("routing")).by(Alex).expect(200).await;
    assert_eq!(same.field("version"), "3", "an answer that changes nothing makes no new version");
    assert_eq!(decisions(&server, &made, "routing").await.len(), logged.len() + 1);
}

#[actix_web::test]
async fn who_is_no_member_of_the_team_is_not_given_its_work() {
    let server = Server::start().await;
    let source = "fn route(incident) { assign(\"network\"); assign_to(incident.title) }";
    publish(&server, "to_a_person", "routing", source).await;
    for (person, wanted) in [(Nora, true), (Bea, false)] {
        let made = create(&server, json!({"title": person.user_name()})).await;
        assert_eq!(made.field("assignee_id") == person.id(&server.assembly).to_string(), wanted, "{person:?}");
        let logged = &decisions(&server, &made, "routing").await[0];
        assert_eq!(logged["discarded"].as_array().unwrap().is_empty(), wanted, "{person:?}");
    }
}

#[actix_web::test]
async fn a_new_team_can_be_given_work_at_once() {
    let server = Server::start().await;
    let source =
        "fn route(incident) { if team_exists(\"Printers\") { assign(\"Printers\") } else { assign(\"network\") } }";
    publish(&server, "printers_first", "routing", source).await;
    let before = create(&server, json!({"title": "Paper jam"})).await;
    assert_eq!(before.field("team_id"), people::team(&server.assembly, "network").to_string());
    let team = server.post("/api/v1/teams", json!({"name": "Printers"})).by(Admin).expect(201).await;
    let after = create(&server, json!({"title": "Paper jam"})).await;
    assert_eq!(after.field("team_id"), team.field("id"));
}

#[actix_web::test]
async fn a_policy_that_failed_for_want_of_a_team_works_once_the_team_is_there() {
    let server = Server::start().await;
    publish(&server, "to_printers", "routing", "fn route(incident) { assign(incident.title) }").await;
    for n in 0..6 {
        create(&server, json!({"title": format!("No team {n}")})).await;
    }
    let team = server.post("/api/v1/teams", json!({"name": "Printers"})).by(Admin).expect(201).await;
    let made = create(&server, json!({"title": "Printers"})).await;
    assert_eq!(made.field("team_id"), team.field("id"));
}

#[actix_web::test]
async fn what_would_have_had_to_be_otherwise_is_found() {
    let server = Server::start().await;
    let source = "fn route(incident) { if incident.caller?.vip == true { assign(\"network\") } else { assign(\"service-desk\") } }";
    publish(&server, "vips", "routing", source).await;
    let made = create(&server, json!({"title": "Mail", "requester_id": Rita.id(&server.assembly)})).await;
    let decision = decisions(&server, &made, "routing").await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/decisions/{decision}/counterfactual");
    let found = server.post(&path, json!({})).by(Alex).expect(200).await.json();
    assert_eq!(found["outcome"]["team"], "service-desk");
    let expected = json!([{
        "field": "caller.vip", "from": false, "to": true,
        "outcome": {"team": "network", "assignee": "", "notify": ""},
    }]);
    assert_eq!((&found["changes"], &found["complete"]), (&expected, &json!(true)));
    server.post(&path, json!({})).by(Bea).expect(404).await;
}

/// What the figures of this node say of a policy; all servers of this process share them.
async fn figure(server: &Server, name: &str, policy: &str) -> f64 {
    let text = server.get("/metrics").expect(200).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{{policy=\"{policy}\"}} ")));
    line.map_or(0.0, |number| number.parse().unwrap())
}

#[actix_web::test]
async fn a_policy_that_fails_again_and_again_gives_way_and_operators_are_told() {
    let server = Server::start().await;
    let name = "routing_that_fails";
    let good = "fn route(incident) { assign(\"network\") }";
    publish(&server, name, "routing", good).await;
    let bad = "fn route(incident) { if incident.title == \"Mail\" { assign(incident.category) } else { leave() } }";
    let path = format!("/api/v1/policies/{name}/versions");
    server.post(&path, json!({"source": bad})).by(Admin).expect(201).await;
    server.post(&format!("{path}/2/publish"), json!({})).by(Admin).expect(200).await;
    let status = format!("/api/v1/policies/{name}/status");
    for n in 0..5 {
        assert_eq!(figure(&server, "policy_breaker_open", name).await, 0.0, "after {n} errors");
        let made = create(&server, json!({"title": "Mail"})).await;
        assert_eq!(made.json()["team_id"], json!(people::team(&server.assembly, "network")), "the last good version");
    }
    assert_eq!(figure(&server, "policy_failures_total", name).await, 5.0);
    assert_eq!(figure(&server, "policy_breaker_open", name).await, 1.0);
    assert_eq!(server.get(&status).by(Admin).expect(200).await.json()["breaker_open"], true);
    // It is not asked any more, not even for what it would decide well.
    let made = create(&server, json!({"title": "Light"})).await;
    assert_eq!(made.json()["team_id"], json!(people::team(&server.assembly, "network")));
    assert_eq!(figure(&server, "policy_failures_total", name).await, 5.0);
    server.post(&path, json!({"source": good})).by(Admin).expect(201).await;
    server.post(&format!("{path}/3/publish"), json!({})).by(Admin).expect(200).await;
    create(&server, json!({"title": "Mail"})).await;
    assert_eq!(figure(&server, "policy_breaker_open", name).await, 0.0);
}
