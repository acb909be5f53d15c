//! Major incidents through the API: proposed, accepted, led, told of, and learned from.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server};

async fn incident(server: &Server) -> String {
    let body = json!({"title": "Nobody gets mail", "impact": 1, "urgency": 1});
    let made = server.post("/api/v1/incidents", body).by(Rita).expect(201).await;
    format!("/api/v1/incidents/{}", made.field("id"))
}

/// One that Nora leads, of which those who wait are told every half an hour.
async fn accepted(server: &Server) -> String {
    let major = format!("{}/major-incident", incident(server).await);
    let how = json!({"commander_id": Nora.id(&server.assembly), "update_every": "PT30M"});
    server.post(&format!("{major}/accept"), how).by(Admin).expect(200).await;
    major
}

async fn fire(server: &Server) -> usize {
    server.assembly.jobs().fire_timers().await.unwrap()
}

async fn kinds(server: &Server, major: &str, by: crate::support::Person) -> Vec<String> {
    let timeline = server.get(&format!("{major}/timeline?limit=200")).by(by).expect(200).await.json();
    let kind = |entry: &Value| entry["kind"].as_str().unwrap().to_owned();
    timeline["items"].as_array().unwrap().iter().map(kind).collect()
}

async fn actions(server: &Server, incident: &str) -> Vec<String> {
    let history = server.get(&format!("{incident}/history")).by(Admin).expect(200).await.json();
    let action = |item: &Value| item["action"].as_str().unwrap().trim_start_matches("incident.").to_owned();
    history["items"].as_array().unwrap().iter().rev().map(action).collect()
}

fn pointer(answer: &Answer) -> String {
    answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn it_is_proposed_rejected_proposed_again_and_accepted() {
    let server = Server::start().await;
    let incident = incident(&server).await;
    let major = format!("{incident}/major-incident");
    assert_eq!(server.get(&major).by(Rita).expect(200).await.json()["state"], Value::Null);
    server.post(&format!("{major}/propose"), json!({})).by(Rita).expect(403).await;
    server.post(&format!("{major}/reject"), json!({})).by(Admin).expect(409).await;
    let proposed = server.post(&format!("{major}/propose"), json!({})).by(Alex).expect(200).await;
    assert_eq!(proposed.field("state"), "proposed");
    server.post(&format!("{major}/propose"), json!({})).by(Alex).expect(409).await;
    server.post(&format!("{major}/reject"), json!({})).by(Alex).expect(403).await;
    server.post(&format!("{major}/reject"), json!({})).by(Admin).expect(200).await;
    server.post(&format!("{major}/propose"), json!({})).by(Alex).expect(200).await;
    let how = json!({"commander_id": Nora.id(&server.assembly), "update_every": "PT30M"});
    server.post(&format!("{major}/accept"), how.clone()).by(Alex).expect(403).await;
    for (body, place) in [
        (json!({"commander_id": Nora.id(&server.assembly), "update_every": "PT1M"}), "/update_every"),
        (json!({"commander_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70"}), "/commander_id"),
    ] {
        assert_eq!(pointer(&server.post(&format!("{major}/accept"), body).by(Admin).expect(422).await), place);
    }
    let tried = server.post(&format!("{major}/accept?dry_run=true"), how.clone()).by(Admin).expect(200).await;
    assert_eq!(tried.field("state"), "accepted");
    assert_eq!(server.get(&major).by(Alex).expect(200).await.field("state"), "proposed");
    let accepted = server.post(&format!("{major}/accept"), how).by(Admin).expect(200).await.json();
    assert_eq!(
        (&accepted["state"], &accepted["roles"][0]["person"]["user_name"], &accepted["next_update_at"]),
        (&json!("accepted"), &json!("nora"), &json!("2026-03-03T11:30:00Z"))
    );
    assert_eq!(server.get(&incident).by(Rita).expect(200).await.field("major"), "accepted");
    assert_eq!(
        actions(&server, &incident).await,
        ["created", "major_proposed", "major_rejected", "major_proposed", "major_accepted"]
    );
    let list = server.get("/api/v1/incidents?filter=major%20%3D%20accepted").by(Alex).expect(200).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn who_waits_is_told_in_time_or_somebody_is_reminded() {
    let server = Server::start().await;
    let major = accepted(&server).await;
    let incident = major.trim_end_matches("/major-incident").to_owned();
    server.at("2026-03-03T11:20:00Z");
    let update = json!({"kind": "update", "audience": "public", "body": "Half of the offices have mail again."});
    let told = server.post(&format!("{major}/timeline"), update).by(Nora).expect(201).await.json();
    assert_eq!((&told["author"]["user_name"], &told["at"]), (&json!("nora"), &json!("2026-03-03T11:20:00Z")));
    let comments = server.get(&format!("{incident}/journal")).by(Rita).expect(200).await.json();
    assert_eq!(comments["items"][0]["body"], "Half of the offices have mail again.");
    let clocks = server.get(&format!("{incident}/service-clocks")).by(Alex).expect(200).await.json();
    let response = clocks["items"].as_array().unwrap().iter().find(|clock| clock["metric"] == "response").unwrap();
    assert_eq!(response["state"], "running", "an update for all is no answer to one");
    // The one that was due at half past is not missed, and the next is due half an hour after this one.
    server.at("2026-03-03T11:30:00Z");
    fire(&server).await;
    assert!(!actions(&server, &incident).await.contains(&"major_update_due".to_owned()));
    server.at("2026-03-03T11:50:00Z");
    assert!(fire(&server).await >= 1);
    assert!(actions(&server, &incident).await.contains(&"major_update_due".to_owned()));
    let now = server.get(&major).by(Alex).expect(200).await.json();
    assert_eq!(now["next_update_at"], "2026-03-03T12:20:00Z");
    assert_eq!(kinds(&server, &major, Alex).await, ["decision", "update", "missed_update"]);
    assert_eq!(kinds(&server, &major, Rita).await, ["update"], "the rest is internal");

    let happened = json!({"kind": "event", "body": "The disk was full.", "at": "2026-03-03T09:12:00Z"});
    server.post(&format!("{major}/timeline"), happened).by(Alex).expect(201).await;
    assert_eq!(kinds(&server, &major, Alex).await[0], "event", "in the order in which things happened");
    for (body, place) in [
        (json!({"kind": "event", "body": " "}), "/body"),
        (json!({"kind": "event", "body": "x", "at": "2026-03-04T00:00:00Z"}), "/at"),
    ] {
        assert_eq!(pointer(&server.post(&format!("{major}/timeline"), body).by(Alex).expect(422).await), place);
    }
    server.post(&format!("{major}/timeline"), json!({"kind": "step", "body": "x"})).by(Alex).expect(422).await;
    let mut pages = Vec::new();
    let mut next = format!("{major}/timeline?limit=1");
    loop {
        let page = server.get(&next).by(Alex).expect(200).await.json();
        pages.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["kind"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("{major}/timeline?limit=1&cursor={cursor}");
    }
    assert_eq!(pages, ["event", "decision", "update", "missed_update"]);
    // With its end nobody waits any more.
    let resolution =
        json!({"resolution_code": "fixed", "resolution_notes": "Made room.", "resolution_kind": "permanent"});
    server.post(&format!("{incident}/resolve"), resolution).by(Nora).expect(200).await;
    assert_eq!(server.get(&major).by(Alex).expect(200).await.json()["next_update_at"], Value::Null);
    assert_eq!(kinds(&server, &major, Rita).await, ["update", "step"]);
    server.at("2026-03-03T14:00:00Z");
    fire(&server).await;
    assert_eq!(actions(&server, &incident).await.iter().filter(|a| *a == "major_update_due").count(), 1);
    // It comes back, and so do the updates; until it is led as a major one no more.
    server.post(&format!("{incident}/reopen"), json!({})).by(Alex).expect(200).await;
    assert_eq!(server.get(&major).by(Alex).expect(200).await.json()["next_update_at"], "2026-03-03T14:30:00Z");
    let rejected = server.post(&format!("{major}/reject"), json!({})).by(Admin).expect(200).await.json();
    assert_eq!((&rejected["state"], &rejected["next_update_at"]), (&json!("rejected"), &Value::Null));
}

#[actix_web::test]
async fn parts_change_and_the_review_ends_with_actions() {
    let server = Server::start().await;
    let major = accepted(&server).await;
    let incident = major.trim_end_matches("/major-incident").to_owned();
    let (nora, alex) = (Nora.id(&server.assembly), Alex.id(&server.assembly));
    let roles = json!({"roles": [{"role": "commander", "user_id": alex}, {"role": "communication_lead", "user_id": nora}], "update_every": null});
    server.patch(&major, roles.clone()).by(Admin).expect(428).await;
    server.patch(&major, roles.clone()).by(Alex).header("if-match", "*").expect(403).await;
    let none = json!({"roles": [{"role": "scribe", "user_id": alex}]});
    assert_eq!(pointer(&server.patch(&major, none).by(Admin).header("if-match", "*").expect(422).await), "/roles");
    let changed = server.patch(&major, roles).by(Admin).header("if-match", "*").expect(200).await.json();
    assert_eq!((&changed["update_every"], &changed["next_update_at"]), (&Value::Null, &Value::Null));
    assert_eq!(changed["roles"][1]["role"], "communication_lead");
    let resolution =
        json!({"resolution_code": "fixed", "resolution_notes": "Made room.", "resolution_kind": "permanent"});
    server.post(&format!("{incident}/resolve"), resolution).by(Alex).expect(200).await;
    // Nobody has held the review after five days.
    server.at("2026-03-08T11:00:00Z");
    fire(&server).await;
    assert!(actions(&server, &incident).await.contains(&"major_review_due".to_owned()));
    let review = |held: &str, summary: &str| json!({"review": {"held_at": held, "summary": summary, "cause": "Nobody watched the disk."}});
    let later = server.patch(&major, review("2026-04-01T10:00:00Z", "x")).by(Admin).header("if-match", "*");
    assert_eq!(pointer(&later.expect(422).await), "/review/held_at");
    let empty = server.patch(&major, review("2026-03-08T10:00:00Z", " ")).by(Admin).header("if-match", "*");
    assert_eq!(pointer(&empty.expect(422).await), "/review/summary");
    let held = review("2026-03-08T10:00:00Z", "The disk was full for two hours.");
    server.patch(&major, held).by(Admin).header("if-match", "*").expect(200).await;
    let action = json!({"title": "Watch the disk", "owner_id": nora, "due_at": "2026-03-20T00:00:00Z"});
    let agreed = server.post(&format!("{major}/actions"), action).by(Alex).expect(200).await.json();
    assert_eq!(
        (&agreed["actions"][0]["owner"]["user_name"], &agreed["actions"][0]["done_at"]),
        (&json!("nora"), &Value::Null)
    );
    let path = format!("{major}/actions/{}", agreed["actions"][0]["id"].as_str().unwrap());
    server.at("2026-03-18T09:00:00Z");
    let done = server.patch(&path, json!({"done": true, "due_at": null})).by(Nora).header("if-match", "*");
    let done = done.expect(200).await.json();
    assert_eq!(
        (&done["actions"][0]["done_at"], &done["actions"][0]["due_at"], &done["actions"][0]["title"]),
        (&json!("2026-03-18T09:00:00Z"), &Value::Null, &json!("Watch the disk"))
    );
    let other = format!("{major}/actions/01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70");
    server.patch(&other, json!({"done": true})).by(Nora).header("if-match", "*").expect(404).await;
    fire(&server).await;
    let due = actions(&server, &incident).await.iter().filter(|a| *a == "major_review_due").count();
    assert_eq!(due, 1, "it was held");
    // What is left out of the review stays as it is, and who waits reads none of it.
    let more = json!({"review": {"went_well": "The desk."}});
    let more = server.patch(&major, more).by(Admin).header("if-match", "*").expect(200).await.json();
    assert_eq!(
        (&more["review"]["cause"], &more["review"]["held_at"]),
        (&json!("Nobody watched the disk."), &json!("2026-03-08T10:00:00Z"))
    );
    let theirs = server.get(&major).by(Rita).expect(200).await.json();
    assert_eq!((&theirs["actions"], &theirs["review"]["cause"]), (&json!([]), &json!("")));
    for wrong in [json!({"roles": null}), json!({"review": null}), json!({"review": {"summary": null}})] {
        server.patch(&major, wrong).by(Admin).header("if-match", "*").expect(422).await;
    }
    for (method, path) in [(Method::GET, major.clone()), (Method::GET, format!("{major}/timeline"))] {
        server.ask(method, &path).by(Bea).expect(404).await;
    }
}

#[actix_web::test]
async fn a_policy_proposes_what_stops_a_service_on_which_everything_depends() {
    let server = Server::start().await;
    let versions = "/api/v1/policies/escalation_major_incidents/versions/1/publish";
    server.post(versions, json!({})).by(Admin).header("if-match", "*").expect(200).await;
    let service = json!({"title": "Mail", "criticality": "gold"});
    let service = server.post("/api/v1/services", service).by(Admin).expect(201).await.field("id");
    let body = json!({"title": "Nobody gets mail", "impact": 1, "urgency": 1, "service_id": service});
    let made = server.post("/api/v1/incidents", body.clone()).by(Alex).expect(201).await;
    assert_eq!((made.field("priority"), made.field("major")), ("1".to_owned(), "proposed".to_owned()));
    let said = server.get(&format!("/api/v1/incidents/{}/escalations", made.field("id"))).by(Alex).expect(200).await;
    assert_eq!(said.json()["items"][0]["said"][0]["effect"], "propose_major");
    assert_eq!(made.json()["escalated_at"], Value::Null, "a proposal calls nobody");
}
