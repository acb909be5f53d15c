//! The life of an incident, through the API alone.

use serde_json::json;

use crate::support::{Person::*, Server, people};

#[actix_web::test]
async fn an_incident_is_ranked_routed_resolved_and_closed() {
    let server = Server::start().await;
    let new = json!({"title": "Mail does not arrive", "impact": 2, "urgency": 2});
    let made = server.post("/api/v1/incidents", new).by(Rita).expect(201).await;
    assert_eq!(made.field("number"), "INC0000001");
    assert_eq!(
        (made.field("state"), made.field("phase"), made.field("priority")),
        ("new".into(), "open".into(), "3".into())
    );
    assert_eq!(made.field("team_id"), people::team(&server.assembly, "service-desk").to_string());
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(made.header("location"), format!("/api/v1/incidents/{}", made.field("id")));

    let path = "/api/v1/incidents/INC0000001";
    let started = server.post(&format!("{path}/start"), json!({})).by(Alex).expect(200).await;
    assert_eq!(started.field("state"), "in_progress");
    let missing = server.post(&format!("{path}/resolve"), json!({})).by(Alex).expect(409).await;
    assert_eq!(missing.json()["code"], "illegal_transition");
    let pointers: Vec<String> = missing.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pointers, ["/resolution_code", "/resolution_notes", "/resolution_kind"]);
    let how = json!({"resolution_code": "fixed", "resolution_notes": "The queue was full and was emptied.", "resolution_kind": "permanent"});
    let resolved = server.post(&format!("{path}/resolve"), how).by(Alex).expect(200).await;
    assert_eq!(
        (resolved.field("phase"), resolved.field("resolved_at")),
        ("done".into(), "2026-03-03T11:00:00Z".into())
    );

    server.at("2026-03-20T11:00:00Z");
    assert_eq!(server.assembly.jobs().fire_timers().await.unwrap(), 1);
    let closed = server.get(path).by(Rita).expect(200).await;
    assert_eq!((closed.field("state"), closed.field("closed_at")), ("closed".into(), "2026-03-20T11:00:00Z".into()));
}

#[actix_web::test]
async fn the_callers_answer_resumes_what_waits_for_them() {
    let server = Server::start().await;
    let made = server.post("/api/v1/incidents", json!({"title": "Printer"})).by(Rita).expect(201).await;
    let path = format!("/api/v1/incidents/{}", made.field("id"));
    server.post(&format!("{path}/start"), json!({})).by(Alex).expect(200).await;
    let hold = json!({"hold_reason": "caller"});
    server.post(&format!("{path}/hold"), hold).by(Alex).expect(409).await;
    let hold = json!({"hold_reason": "caller", "comment": "Which printer is it?"});
    let held = server.post(&format!("{path}/hold"), hold).by(Alex).expect(200).await;
    assert_eq!((held.field("state"), held.field("phase")), ("on_hold".into(), "waiting".into()));
    let answered = server.patch(&path, json!({"comment": "The blue one."})).by(Rita).seen(&held).expect(200).await;
    assert_eq!((answered.field("state"), answered.field("hold_reason")), ("in_progress".into(), String::new()));
}

#[actix_web::test]
async fn start_hold_and_resolution_flow_down_and_closure_does_not() {
    let server = Server::start().await;
    let parent = server.post("/api/v1/incidents", json!({"title": "Mail is down"})).by(Alex).expect(201).await;
    let child = json!({"title": "No mail here", "parent_id": parent.field("id")});
    let child = server.post("/api/v1/incidents", child).by(Alex).expect(201).await;
    let twin = json!({"title": "Mail down?", "duplicate_of_id": parent.field("id")});
    let twin = server.post("/api/v1/incidents", twin).by(Alex).expect(201).await;
    let path = |answer: &crate::support::Answer| format!("/api/v1/incidents/{}", answer.field("id"));
    let states = async || {
        let mut states = Vec::new();
        for one in [&parent, &child, &twin] {
            states.push(server.get(&path(one)).by(Alex).expect(200).await.field("state"));
        }
        states
    };
    let parent_path = path(&parent);
    server.post(&format!("{parent_path}/start"), json!({})).by(Alex).expect(200).await;
    assert_eq!(states().await, ["in_progress", "in_progress", "new"]);
    server.post(&format!("{parent_path}/hold"), json!({"hold_reason": "supplier"})).by(Alex).expect(200).await;
    assert_eq!(states().await, ["on_hold", "on_hold", "new"]);
    let how = json!({"resolution_code": "fixed", "resolution_notes": "The queue was full and was emptied.", "resolution_kind": "permanent"});
    server.post(&format!("{parent_path}/resolve"), how).by(Alex).expect(200).await;
    assert_eq!(states().await, ["resolved", "resolved", "resolved"]);
    server.post(&format!("{parent_path}/close"), json!({})).by(Alex).expect(200).await;
    assert_eq!(states().await, ["closed", "resolved", "resolved"]);
    let looped = server.patch(&parent_path, json!({"parent_id": child.field("id")})).by(Alex).header("if-match", "*");
    assert_eq!(looped.expect(422).await.json()["errors"][0]["code"], "loop");
}

#[actix_web::test]
async fn what_is_hidden_looks_like_what_is_not_there() {
    let server = Server::start().await;
    let made = server.post("/api/v1/incidents", json!({"title": "Secret"})).by(Rita).expect(201).await;
    let path = format!("/api/v1/incidents/{}", made.field("id"));
    for (person, status) in [(Admin, 200), (Alex, 200), (Nora, 200), (Rita, 200), (Rob, 404), (Bea, 404), (Ben, 404)] {
        server.get(&path).by(person).expect(status).await;
        let list = server.get("/api/v1/incidents?count=true").by(person).expect(200).await.json();
        assert_eq!(list["total"], u8::from(status == 200), "{person:?}");
        assert_eq!(list["items"].as_array().unwrap().len(), usize::from(status == 200), "{person:?}");
    }
    server.get(&path).expect(401).await;
}

#[actix_web::test]
async fn a_requester_reports_for_themselves_and_leaves_the_rest_to_the_desk() {
    let server = Server::start().await;
    let team = people::team(&server.assembly, "network").to_string();
    let (rob, bea) = (Rob.id(&server.assembly).to_string(), Bea.id(&server.assembly).to_string());
    for (field, value) in [("team_id", &team), ("assignee_id", &bea), ("requester_id", &rob)] {
        let refused =
            server.post("/api/v1/incidents", json!({"title": "Mine", field: value})).by(Rita).expect(422).await;
        assert_eq!(refused.json()["errors"][0]["code"], "beyond_reach", "{field}");
    }
    let for_rob = json!({"title": "Rob's mail", "requester_id": rob});
    let made = server.post("/api/v1/incidents", for_rob).by(Alex).expect(201).await;
    server.get(&format!("/api/v1/incidents/{}", made.field("id"))).by(Rob).expect(200).await;
}

#[actix_web::test]
async fn a_step_is_no_way_around_the_permission_to_change() {
    let server = Server::start().await;
    let made = server.post("/api/v1/incidents", json!({"title": "Mine"})).by(Rita).expect(201).await;
    let cancel = format!("/api/v1/incidents/{}/cancel", made.field("id"));
    server.post(&cancel, json!({"title": "Other", "impact": 1})).by(Rita).expect(403).await;
    server.post(&format!("{cancel}?dryrun=true"), json!({})).by(Rita).expect(400).await;
    let done = server.post(&cancel, json!({"comment": "It works again."})).by(Rita).expect(200).await;
    assert_eq!((done.field("title"), done.field("state")), ("Mine".into(), "cancelled".into()));
}

#[actix_web::test]
async fn what_lies_beyond_an_agents_view_can_not_be_referred_to() {
    let server = Server::start().await;
    let made = server.post("/api/v1/incidents", json!({"title": "Mail"})).by(Rita).expect(201).await;
    let path = format!("/api/v1/incidents/{}", made.field("id"));
    let ben = Ben.id(&server.assembly).to_string();
    for field in ["requester_id", "assignee_id"] {
        let refused = server.patch(&path, json!({field: ben})).by(Alex).header("if-match", "*").expect(422).await;
        assert_eq!(refused.json()["errors"][0]["code"], "no_such_reference", "{field}");
    }
    server
        .ask(actix_web::http::Method::PUT, &format!("{path}/watchers/{ben}"))
        .by(Alex)
        .header("if-match", "*")
        .expect(404)
        .await;
    server.patch(&path, json!({"requester_id": ben})).by(Admin).header("if-match", "*").expect(200).await;
    // What stays as it is may be hidden.
    let same = json!({"requester_id": ben, "title": "Mail is late"});
    server.patch(&path, same).by(Alex).header("if-match", "*").expect(200).await;
}

#[actix_web::test]
async fn one_contact_makes_one_incident_whatever_versions_are_named() {
    let server = Server::start().await;
    let contact = server.post("/api/v1/interactions", json!({"title": "Call"})).by(Alex).expect(201).await;
    let path = format!("/api/v1/interactions/{}", contact.field("id"));
    let newer = server.patch(&path, json!({"title": "A call"})).by(Alex).seen(&contact).expect(200).await;
    assert_eq!(newer.field("version"), "2");
    let me = Alex.id(&server.assembly).to_string();
    let watch = server.ask(actix_web::http::Method::PUT, &format!("{path}/watchers/{me}")).by(Alex);
    let watched = watch.header("if-match", "\"1\", \"2\"").send().await;
    assert!(watched.status.is_success(), "{}", watched.text());
    let convert = server.post(&format!("{path}/convert"), json!({})).by(Alex);
    convert.header("if-match", "\"1\", \"2\", \"3\"").expect(201).await;
    let list = server.get("/api/v1/incidents?count=true").by(Alex).expect(200).await.json();
    assert_eq!(list["total"], 1);
}

#[actix_web::test]
async fn a_tree_is_no_deeper_than_what_flows_down() {
    let server = Server::start().await;
    let mut parent = None;
    for n in 0..6 {
        let body = json!({"title": format!("Level {n}"), "parent_id": parent});
        parent = Some(server.post("/api/v1/incidents", body).by(Alex).expect(201).await.field("id"));
    }
    let body = json!({"title": "Too deep", "parent_id": parent});
    let refused = server.post("/api/v1/incidents", body).by(Alex).expect(422).await;
    assert_eq!(refused.json()["errors"][0]["code"], "too_deep");
    let top = "/api/v1/incidents/INC0000001";
    server.post(&format!("{top}/start"), json!({})).by(Alex).expect(200).await;
    let deepest = server.get(&format!("/api/v1/incidents/{}", parent.unwrap())).by(Alex).expect(200).await;
    assert_eq!(deepest.field("state"), "in_progress");
}
