//! From a draft to what is live: review by others, what the operator asks for, a moment in the future, and what differs.

use pointsman::{assembly::Assembly, error::Code, schema::audit};
use serde_json::{Value, json};

use diesel::prelude::*;

use crate::support::{Answer, Person::*, Server, people::organisation};

const VERSIONS: &str = "/api/v1/policies/routing_incidents/versions";

fn source(team: &str) -> String {
    format!(
        "fn route(incident) {{\n    rule \"Printers\" when incident.category == \"printer\" then assign(\"{team}\");\n    \
         rule \"Everything else\" when true then assign(\"service-desk\");\n}}\n"
    )
}

async fn version(server: &Server, source: &str) -> String {
    let made = server.post(VERSIONS, json!({"source": source})).by(Admin).expect(201).await;
    format!("{VERSIONS}/{}", made.field("number"))
}

/// Lets Nora and Bea approve policies.
async fn reviewers(server: &Server) {
    server.allow(&[Nora, Bea], "reviewer", "all", &["policy.read", "policy.approve"]).await;
}

async fn publish(server: &Server, version: &str, body: Value, status: u16) -> Answer {
    server.post(&format!("{version}/publish"), body).by(Admin).expect(status).await
}

async fn review(server: &Server, version: &str, person: crate::support::Person, body: Value, status: u16) -> Answer {
    server.post(&format!("{version}/reviews"), body).by(person).expect(status).await
}

async fn live(server: &Server) -> Value {
    server.get("/api/v1/policies/routing_incidents").by(Admin).expect(200).await.json()["active_version"].clone()
}

#[actix_web::test]
async fn a_version_goes_live_when_others_approve_of_it_and_it_was_rehearsed() {
    let server = Server::start_with(|config| (config.policy.approvals, config.policy.back_test) = (2, true)).await;
    reviewers(&server).await;
    let two = version(&server, &source("network")).await;
    review(&server, &two, Nora, json!({"approves": true}), 409).await;
    assert_eq!(
        server.post(&format!("{two}/submit"), json!({})).by(Admin).expect(200).await.field("state"),
        "in_review"
    );
    server.post(&format!("{two}/submit"), json!({})).by(Admin).expect(409).await;
    review(&server, &two, Admin, json!({"approves": true}), 409).await;
    review(&server, &two, Alex, json!({"approves": true}), 403).await;
    assert_eq!(review(&server, &two, Nora, json!({"approves": true}), 200).await.field("state"), "in_review");
    assert_eq!(
        review(&server, &two, Nora, json!({"approves": true}), 200).await.field("state"),
        "in_review",
        "once each"
    );
    let refused = publish(&server, &two, json!({}), 409).await;
    assert!(refused.field("detail").contains("2 approval(s)"), "{}", refused.text());
    assert_eq!(review(&server, &two, Bea, json!({"approves": true}), 200).await.field("state"), "approved");
    let refused = publish(&server, &two, json!({}), 409).await;
    assert!(refused.field("detail").contains("back-test"), "{}", refused.text());
    server.post("/api/v1/incidents", json!({"title": "For the rehearsal"})).by(Rita).expect(201).await;
    let nothing = json!({"until": "1970-01-02T00:00:00Z"});
    server.post(&format!("{two}/back-tests"), nothing).by(Admin).expect(202).await;
    server.assembly.jobs().work_off().await.unwrap();
    publish(&server, &two, json!({}), 409).await;
    server.post(&format!("{two}/back-tests"), json!({})).by(Admin).expect(202).await;
    server.assembly.jobs().work_off().await.unwrap();
    let bundle = server.get(&format!("{two}/review")).by(Nora).expect(200).await.json();
    assert_eq!((&bundle["approvals"], &bundle["approvals_needed"]), (&json!(2), &json!(2)));
    assert_eq!((bundle["back_tests"].as_array().unwrap().len(), &bundle["tests"]["green"]), (1, &json!(true)));
    assert_eq!(bundle["diff"]["rules_added"], json!(["Printers"]));
    publish(&server, &two, json!({}), 200).await;
    assert_eq!(live(&server).await, 2);
    // What is edited is another version, of which nobody has approved.
    let three = version(&server, &source("service-desk")).await;
    publish(&server, &three, json!({}), 409).await;
    let back = server.post("/api/v1/policies/routing_incidents/rollback", json!({})).by(Admin).expect(200).await;
    assert_eq!(back.field("active_version"), "1", "to go back needs nobody's approval");
}

#[actix_web::test]
async fn a_version_that_is_not_approved_goes_back_to_its_author() {
    let server = Server::start_with(|config| config.policy.approvals = 1).await;
    reviewers(&server).await;
    let two = version(&server, &source("network")).await;
    server.post(&format!("{two}/submit"), json!({})).by(Admin).expect(200).await;
    let back = server.post("/api/v1/policies/routing_incidents/rollback", json!({"to": 2})).by(Admin);
    assert_eq!(back.expect(422).await.json()["errors"][0]["code"], "never_live", "no way around the others");
    review(&server, &two, Nora, json!({"approves": true}), 200).await;
    review(&server, &two, Nora, json!({"approves": false}), 422).await;
    let no = json!({"approves": false, "comment": "Printers are not a matter of the network."});
    assert_eq!(review(&server, &two, Nora, no, 200).await.field("state"), "draft");
    publish(&server, &two, json!({}), 409).await;
    // Another's approval does not outweigh it.
    server.post(&format!("{two}/submit"), json!({})).by(Admin).expect(200).await;
    review(&server, &two, Bea, json!({"approves": true}), 200).await;
    let refused = publish(&server, &two, json!({}), 409).await;
    assert!(refused.field("detail").contains("did not approve"), "{}", refused.text());
    let red = version(&server, "fn route(incident) { assign(\"nowhere\") }").await;
    server.post(&format!("{red}/submit"), json!({})).by(Admin).expect(422).await;
}

#[actix_web::test]
async fn a_version_goes_live_when_it_is_to_if_it_still_may() {
    let server = Server::start_with(|config| config.policy.approvals = 1).await;
    reviewers(&server).await;
    let mut versions = Vec::new();
    for team in ["network", "service-desk"] {
        let one = version(&server, &source(team)).await;
        server.post(&format!("{one}/submit"), json!({})).by(Admin).expect(200).await;
        review(&server, &one, Nora, json!({"approves": true}), 200).await;
        publish(&server, &one, json!({"at": "2026-03-03T12:00:00Z"}), 200).await;
        versions.push(one);
    }
    assert_eq!(server.get(&versions[0]).by(Admin).expect(200).await.field("publish_at"), "2026-03-03T12:00:00Z");
    // Who has read the policy before a moment was named has not seen that.
    let seen = server.get("/api/v1/policies/routing_incidents").by(Admin).expect(200).await;
    publish(&server, &versions[0], json!({"at": "2026-03-03T12:00:00Z"}), 200).await;
    let late = server.post(&format!("{}/publish", versions[1]), json!({})).by(Admin).seen(&seen);
    late.expect(412).await;
    assert_eq!((live(&server).await, server.assembly.jobs().publish_due().await.unwrap()), (json!(1), 0));
    review(&server, &versions[1], Nora, json!({"approves": false, "comment": "Not after all."}), 200).await;
    server.at("2026-03-03T12:00:01Z");
    assert_eq!(server.assembly.jobs().publish_due().await.unwrap(), 1);
    assert_eq!((live(&server).await, server.assembly.jobs().publish_due().await.unwrap()), (json!(2), 0));
    let told: Vec<String> = server
        .assembly
        .database
        .read_here(|c| Ok(audit::table.filter(audit::subject_kind.eq("policy")).select(audit::action).load(c)?))
        .unwrap();
    for (action, times) in [("policy.scheduled", 3), ("policy.rejected", 1), ("policy.published", 1)] {
        assert_eq!(told.iter().filter(|told| *told == action).count(), times, "{action} in {told:?}");
    }
    server.post(&format!("{}/unschedule", versions[1]), json!({})).by(Admin).expect(409).await;
}

#[actix_web::test]
async fn what_was_examined_before_something_changed_is_examined_again() {
    let server = Server::start().await;
    let Assembly { database, policies, writer, .. } = &*server.assembly;
    let as_of = database.read_here(|connection| Ok(policies.current(connection)?.as_of())).unwrap();
    let stands = || {
        let as_of = as_of.clone();
        writer.run(move |unit| as_of.must_be_now(unit.connection()?))
    };
    stands().await.unwrap();
    let acme = organisation(&server.assembly, "Acme");
    let team = json!({"name": "printers", "organisation_id": acme.to_string()});
    server.post("/api/v1/teams", team).by(Admin).expect(201).await;
    assert_eq!(stands().await.unwrap_err().code, Code::Conflict);
}

#[actix_web::test]
async fn several_go_live_together_or_none_does() {
    let server = Server::start().await;
    let draft = async |policy: &str, source: &str| {
        let versions = format!("/api/v1/policies/{policy}/versions");
        server.post(&versions, json!({"source": source})).by(Admin).expect(201).await.json()["number"].clone()
    };
    let routing = draft("routing_incidents", &source("network")).await;
    let priority = draft("priority_impact_and_urgency", "fn prioritise(incident) { priority(2) }").await;
    let red = draft(
        "priority_impact_and_urgency",
        "fn prioritise(incident) { priority(2) }\n\nfn test_red() { expect(1, 2); }\n",
    )
    .await;
    let publish = |versions: Value| server.post("/api/v1/policy-publications", json!({"versions": versions})).by(Admin);
    let one = |policy: &str, number: &Value| json!({"policy": policy, "number": number});
    let wrong = [
        (
            json!([one("routing_incidents", &routing), one("priority_impact_and_urgency", &red)]),
            422,
            "/versions/1/source",
        ),
        (json!([one("routing_incidents", &routing), one("nothing", &red)]), 422, "/versions/1"),
        (json!([one("routing_incidents", &routing), one("routing_incidents", &routing)]), 422, "/versions/1"),
        (
            json!([one("routing_incidents", &json!(1)), one("priority_impact_and_urgency", &priority)]),
            409,
            "/versions/0",
        ),
        (json!([{"policy": "routing_incidents", "number": routing, "seen": 99}]), 409, "/versions/0"),
        (json!([]), 422, "/versions"),
    ];
    for (versions, status, pointer) in wrong {
        let refused = publish(versions).expect(status).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
        assert_eq!(live(&server).await, 1);
    }
    let both = json!([one("routing_incidents", &routing), one("priority_impact_and_urgency", &priority)]);
    let published = publish(both).expect(200).await.json();
    let numbers: Vec<_> = published["policies"].as_array().unwrap().iter().map(|one| &one["active_version"]).collect();
    assert_eq!(numbers, [&routing, &priority]);
    let body = json!({"title": "No ink", "category": "printer"});
    let made = server.post("/api/v1/incidents", body).by(Rita).expect(201).await.json();
    assert_eq!((&made["priority"], &live(&server).await), (&json!(2), &routing));
}

#[actix_web::test]
async fn versions_are_compared_in_what_they_say_and_do() {
    let server = Server::start().await;
    let (two, three) = (version(&server, &source("network")).await, version(&server, &source("service-desk")).await);
    let diff = server.get(&format!("{three}/diff?against=2")).by(Admin).expect(200).await.json();
    assert_eq!((&diff["from"], &diff["to"]), (&json!(2), &json!(3)));
    assert!(diff["text"].as_str().unwrap().contains("\n-    rule \"Printers\""), "{diff}");
    assert_eq!(server.get(&format!("{two}/diff")).by(Admin).expect(200).await.field("from"), "1");
    server.get(&format!("{two}/diff?against=x")).by(Admin).expect(400).await;
    server.post("/api/v1/incidents", json!({"title": "No ink", "category": "printer"})).by(Rita).expect(201).await;
    let started = server.post(&format!("{three}/back-tests"), json!({"against": 2})).by(Admin).expect(202).await;
    server.assembly.jobs().work_off().await.unwrap();
    let read = server.get(&format!("/api/v1/back-tests/{}", started.field("id"))).by(Admin).expect(200).await.json();
    assert_eq!(
        read["report"]["transitions"],
        json!({"team": [{"from": "network", "to": "service-desk", "decisions": 1}]})
    );
}

#[actix_web::test]
async fn a_version_in_the_shadow_changes_nothing_and_tells_where_it_differs() {
    let server = Server::start().await;
    let two = version(&server, &source("network")).await;
    let shadow = format!("{two}/shadow");
    assert_eq!(server.post(&shadow, json!({})).by(Admin).expect(200).await.field("state"), "shadow");
    server.post(&shadow, json!({})).by(Admin).expect(409).await;
    server.post(&shadow, json!({})).by(Nora).expect(403).await;
    for (category, person) in [("printer", Rita), ("mail", Rita), ("printer", Ben)] {
        let body = json!({"title": "About it", "category": category});
        let made = server.post("/api/v1/incidents", body).by(person).expect(201).await.field("id");
        let decisions = server.get(&format!("/api/v1/incidents/{made}/decisions")).by(Admin).expect(200).await.json();
        let routing: Vec<&Value> =
            decisions["items"].as_array().unwrap().iter().filter(|d| d["kind"] == "routing").collect();
        let modes: Vec<&str> = routing.iter().map(|d| d["mode"].as_str().unwrap()).collect();
        assert_eq!(modes, ["shadow", "live"]);
        assert_eq!(routing[0]["applied"], json!([]));
        assert_ne!(routing[1]["applied"], json!([]), "what was carried out stands with what decided");
        let read = server.get(&format!("/api/v1/incidents/{made}?expand=team")).by(Admin).expect(200).await.json();
        assert_eq!(read["team"]["name"], "service-desk");
        let replayed =
            server.post(&format!("/api/v1/decisions/{}/replay", routing[0]["id"].as_str().unwrap()), json!({}));
        assert_eq!(replayed.by(Admin).expect(200).await.json()["same"], true);
    }
    let fares = server.get(&shadow).by(Admin).expect(200).await.json();
    assert_eq!((&fares["evaluations"], &fares["errors"], &fares["different"]), (&json!(3), &json!(0), &json!(2)));
    let found = server.get(&format!("{two}/divergences?limit=1")).by(Admin).expect(200).await;
    let one = &found.json()["items"][0];
    assert_eq!(one["fields"], json!({"team": ["service-desk", "network"]}));
    assert!(one["why"].as_str().unwrap().contains("\"Printers\""), "{one}");
    assert!(found.header("link").contains("rel=\"next\""));
    server.allow(&[Rob], "reader", "all", &["policy.read", "incident.read"]).await;
    let found = server.get(&format!("{two}/divergences?limit=1")).by(Rob).expect(200).await.json();
    assert!(found["items"][0]["number"].is_string() && found["items"][0]["why"].is_null(), "{found}");
    // A back-test counts each decision once, whoever ran in its shadow.
    let started = server.post(&format!("{two}/back-tests"), json!({})).by(Admin).expect(202).await;
    server.assembly.jobs().work_off().await.unwrap();
    let read = server.get(&format!("/api/v1/back-tests/{}", started.field("id"))).by(Admin).expect(200).await.json();
    assert_eq!((&read["report"]["decisions"], &read["report"]["different"]), (&json!(3), &json!(2)));
    publish(&server, &two, json!({}), 200).await;
    let promoted = server.post("/api/v1/incidents", json!({"title": "No ink", "category": "printer"})).by(Rita);
    let promoted = promoted.expect(201).await.field("id");
    let read = server.get(&format!("/api/v1/incidents/{promoted}?expand=team")).by(Admin).expect(200).await.json();
    assert_eq!(read["team"]["name"], "network");
    server.post(&format!("{two}/unshadow"), json!({})).by(Admin).expect(409).await;
}

#[actix_web::test]
async fn a_version_in_the_shadow_that_fails_is_let_go_of() {
    let server = Server::start().await;
    let failing = "fn route(incident) { if incident.category == \"printer\" { 1 / 0 } assign(\"service-desk\") }";
    let two = version(&server, failing).await;
    server.post(&format!("{two}/shadow"), json!({})).by(Admin).expect(200).await;
    for n in 0..20 {
        let category = if n < 2 { "printer" } else { "mail" };
        let body = json!({"title": "About it", "category": category});
        server.post("/api/v1/incidents", body).by(Rita).expect(201).await;
        if n < 19 {
            assert_eq!(server.assembly.jobs().watch_shadows().await.unwrap(), 0, "after {n}");
        }
    }
    assert_eq!(server.assembly.jobs().watch_shadows().await.unwrap(), 1);
    assert_eq!(server.get(&two).by(Admin).expect(200).await.field("state"), "draft");
    assert_eq!(server.assembly.jobs().watch_shadows().await.unwrap(), 0);
}

#[actix_web::test]
async fn a_policy_that_is_not_live_is_rehearsed_in_its_place() {
    let server = Server::start().await;
    server.post("/api/v1/incidents", json!({"title": "Paper", "category": "printer"})).by(Rita).expect(201).await;
    let first = json!({"name": "printers", "decision": "routing", "kind": "incident", "position": 1});
    server.post("/api/v1/policies", first).by(Admin).expect(201).await;
    let versions = "/api/v1/policies/printers/versions";
    let only = "fn route(incident) {\n    rule \"Printers\" when incident.category == \"printer\" then assign(\"network\");\n}\n";
    server.post(versions, json!({"source": only})).by(Admin).expect(201).await;
    let started = server.post(&format!("{versions}/1/back-tests"), json!({})).by(Admin).expect(202).await;
    server.assembly.jobs().work_off().await.unwrap();
    let read = server.get(&format!("/api/v1/back-tests/{}", started.field("id"))).by(Admin).expect(200).await.json();
    assert_eq!((&read["report"]["different"], &read["report"]["rules"][0]["fitted"]), (&json!(1), &json!(1)));

    // So it is in the shadow; and what leaves the shadow is what it was before.
    server.post(&format!("{versions}/1/submit"), json!({})).by(Admin).expect(200).await;
    server.post(&format!("{versions}/1/shadow"), json!({})).by(Admin).expect(200).await;
    server.post("/api/v1/incidents", json!({"title": "Toner", "category": "printer"})).by(Rita).expect(201).await;
    let shadow = server.get(&format!("{versions}/1/shadow")).by(Admin).expect(200).await.json();
    assert_eq!(shadow["different"], 1, "{shadow}");
    let status = server.get("/api/v1/policies/printers/status").by(Admin).expect(200).await.json();
    assert_eq!(status["evaluations"], 0, "the shadow is not what is live");
    server.post(&format!("{versions}/1/unshadow"), json!({})).by(Admin).expect(200).await;
    assert_eq!(server.get(&format!("{versions}/1")).by(Admin).expect(200).await.field("state"), "in_review");
}
