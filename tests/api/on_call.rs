//! On-call schedules through the API, and policies that ask them.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server};

const SCHEDULES: &str = "/api/v1/on-call-schedules";

async fn team(server: &Server, name: &str) -> String {
    let teams = server.get(&format!("/api/v1/teams?q={name}")).by(Admin).expect(200).await.json();
    teams["items"][0]["id"].as_str().unwrap().to_owned()
}

/// A schedule of the network team, by which Nora is always on call but for what is agreed otherwise.
async fn made(server: &Server) -> (String, Answer) {
    let layers =
        json!([{"name": "week", "members": [Nora.id(&server.assembly)], "starts": "2026-03-02T09:00:00", "days": 7}]);
    let new =
        json!({"name": "Network", "team_id": team(server, "network").await, "zone": "Europe/Berlin", "layers": layers});
    let made = server.post(SCHEDULES, new).by(Admin).expect(201).await;
    (format!("{SCHEDULES}/{}", made.field("id")), made)
}

fn names(list: &Value) -> Vec<String> {
    let name = |item: &Value| item["user"]["user_name"].as_str().unwrap_or("nobody").to_owned();
    list["items"].as_array().unwrap().iter().map(name).collect()
}

#[actix_web::test]
async fn turns_are_told_and_what_is_agreed_otherwise_comes_first() {
    let server = Server::start().await;
    let (path, made) = made(&server).await;
    assert_eq!(names(&server.get("/api/v1/on-call").by(Alex).expect(200).await.json()), ["nora"]);
    let before = server.get("/api/v1/on-call?at=2026-03-02T07:59:59Z").by(Alex).expect(200).await.json();
    assert_eq!((names(&before), &before["items"][0]["until"]), (vec!["nobody".to_owned()], &Value::Null));

    let team = made.field("team_id");
    let member = format!("/api/v1/teams/{team}/members/{}", Alex.id(&server.assembly));
    server.ask(Method::PUT, &member).header("if-match", "*").by(Admin).expect(200).await;
    let agreed = json!({
        "user_id": Alex.id(&server.assembly), "from": "2026-03-04T08:00:00Z", "until": "2026-03-05T08:00:00Z", "reason": "Swapped",
    });
    let overrides = format!("{path}/overrides");
    server.post(&overrides, agreed.clone()).by(Rita).expect(403).await;
    let added = server.post(&overrides, agreed.clone()).by(Alex).expect(201).await;
    let shifts = format!("{path}/shifts?from=2026-03-03T00:00:00Z&until=2026-03-10T00:00:00Z");
    let told = server.get(&shifts).by(Alex).expect(200).await.json();
    assert_eq!(names(&told), ["nora", "alex", "nora"]);
    assert_eq!(
        (&told["items"][1]["layer"], &told["items"][1]["until"]),
        (&Value::Null, &json!("2026-03-05T08:00:00Z"))
    );
    assert_eq!(names(&server.get(&overrides).by(Alex).expect(200).await.json()), ["alex"]);

    let one = format!("{overrides}/{}", added.field("id"));
    server.ask(Method::DELETE, &one).by(Alex).expect(204).await;
    server.ask(Method::DELETE, &one).by(Alex).expect(404).await;
    assert_eq!(names(&server.get(&shifts).by(Alex).expect(200).await.json()), ["nora"]);

    let off = server.patch(&path, json!({"active": false})).by(Admin).seen(&made).expect(200).await;
    assert_eq!(off.field("active"), "false");
    assert_eq!(server.get("/api/v1/on-call").by(Alex).expect(200).await.json()["items"], json!([]));
}

#[actix_web::test]
async fn what_is_wrong_is_refused_with_its_place() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    let layers =
        json!([{"name": "", "members": [Rita.id(&server.assembly)], "starts": "2026-03-02T09:00:00", "days": 0}]);
    let new =
        json!({"name": "Other", "team_id": team(&server, "network").await, "zone": "Europe/Berln", "layers": layers});
    let refused = server.post(SCHEDULES, new).by(Admin).expect(422).await.json();
    let places: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(places, ["/layers/0/name", "/layers/0/days", "/layers/0/members/0", "/zone"]);
    let agreed =
        json!({"user_id": Rita.id(&server.assembly), "from": "2026-03-05T08:00:00Z", "until": "2026-03-05T08:00:00Z"});
    let refused = server.post(&format!("{path}/overrides"), agreed).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"].as_array().unwrap().len(), 2);
    server
        .get(&format!("{path}/shifts?from=2026-01-01T00:00:00Z&until=2027-01-01T00:00:00Z"))
        .by(Admin)
        .expect(400)
        .await;
    server.get("/api/v1/on-call?at=today").by(Admin).expect(400).await;
    // Another organisation's team is not seen.
    server.get(&path).by(Bea).expect(404).await;
    assert_eq!(server.get("/api/v1/on-call").by(Bea).expect(200).await.json()["items"], json!([]));
}

#[actix_web::test]
async fn policies_ask_who_is_on_call_and_a_replay_answers_as_then() {
    let server = Server::start().await;
    let (path, made) = made(&server).await;
    let source = "fn route(incident) {\n    let who = on_call(\"network\");\n    rule \"On call\" when who != () then assign_to(who);\n    rule \"Else\" when true then assign(\"service-desk\");\n}\n\nfn test_on_duty() {\n    on_duty(\"network\", \"nora\");\n    expect(route(incident()), \"nora\");\n}\n\nfn test_nobody() {\n    expect(route(incident()), \"service-desk\");\n}\n";
    let versions = "/api/v1/policies/routing_incidents/versions";
    let number = server.post(versions, json!({"source": source})).by(Admin).expect(201).await.field("number");
    let publish = server.post(&format!("{versions}/{number}/publish"), json!({})).by(Admin).header("if-match", "*");
    publish.expect(200).await;
    let incident = server.post("/api/v1/incidents", json!({"title": "Switch"})).by(Alex).expect(201).await;
    assert_eq!(incident.json()["assignee_id"], json!(Nora.id(&server.assembly)));
    server.patch(&path, json!({"active": false})).by(Admin).seen(&made).expect(200).await;
    let other = server.post("/api/v1/incidents", json!({"title": "Switch"})).by(Alex).expect(201).await;
    assert_eq!(other.json()["assignee_id"], Value::Null);
    let decisions = format!("/api/v1/incidents/{}/decisions", incident.field("id"));
    let decisions = server.get(&decisions).by(Admin).expect(200).await.json();
    let routing = decisions["items"].as_array().unwrap().iter().find(|d| d["kind"] == "routing").unwrap().clone();
    let replay = format!("/api/v1/decisions/{}/replay", routing["id"].as_str().unwrap());
    assert_eq!(server.post(&replay, json!({})).by(Admin).expect(200).await.field("same"), "true");
}
