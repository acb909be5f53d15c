//! Known errors for those who report incidents and may not read problems: what is published to everybody, and nothing else.

use serde_json::{Value, json};

use crate::support::{Person, Person::*, Server, people::token_for};

const SUGGEST: &str = "/api/v1/known-errors/suggest";

async fn made(server: &Server, plural: &str, by: Person, body: Value) -> String {
    server.post(&format!("/api/v1/{plural}"), body).by(by).expect(201).await.field("id")
}

/// A known error of somebody's organisation.
async fn known(server: &Server, by: Person, title: &str, more: Value) -> String {
    let mut body = json!({
        "title": title, "symptom": "The green lamp blinks", "cause": "Ada forgot the certificate", "workaround": format!("Do without {title}"),
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    made(server, "problems", by, body).await
}

async fn publish(server: &Server, problem: &str, audience: &str) {
    let path = format!("/api/v1/problems/{problem}/publish-workaround");
    server.post(&path, json!({"audience": audience})).by(Admin).header("if-match", "*").expect(200).await;
}

async fn linked(server: &Server, plural: &str, id: &str, relation: &str, to: &str) {
    let link = json!({"relation": relation, "record_id": to});
    server.post(&format!("/api/v1/{plural}/{id}/links"), link).by(Admin).expect(201).await;
}

async fn suggested(server: &Server, by: Person, typed: Value) -> Vec<Value> {
    let found = server.post(SUGGEST, typed).by(by).expect(200).await.json();
    found["items"].as_array().unwrap().clone()
}

fn titles(found: &[Value]) -> Vec<&str> {
    found.iter().map(|one| one["title"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn who_reports_an_incident_is_told_what_is_published_and_nothing_else() {
    let server = Server::start().await;
    let code = json!({"error_code": "E-4711"});
    let public = known(&server, Alex, "Scanners disconnect", code.clone()).await;
    let internal = known(&server, Alex, "Scanners overheat", code.clone()).await;
    known(&server, Alex, "Scanners are stolen", code.clone()).await;
    let elsewhere = known(&server, Bea, "Scanners of Bolt", code).await;
    let typed = || json!({"title": "A scanner says E-4711", "description": "The green lamp blinks"});
    assert_eq!(titles(&suggested(&server, Rita, typed()).await), [""; 0]);
    publish(&server, &public, "public").await;
    publish(&server, &internal, "internal").await;
    publish(&server, &elsewhere, "public").await;
    let found = suggested(&server, Rita, typed()).await;
    assert_eq!(
        found,
        [json!({
            "id": null, "number": null, "title": "Scanners disconnect", "symptom": null, "cause": null,
            "workaround": "Do without Scanners disconnect", "error_code": "E-4711", "known_error_at": null,
            "score": 0, "because": [],
        })]
    );
    // Who reads problems sees all of theirs, whole.
    let all = suggested(&server, Alex, typed()).await;
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|one| one["cause"] == "Ada forgot the certificate" && !one["number"].is_null()), "{all:?}");
    // Another organisation is told of it once an incident of it was.
    assert_eq!(titles(&suggested(&server, Ben, typed()).await), ["Scanners of Bolt"]);
    let incident = made(&server, "incidents", Ben, json!({"title": "My scanner"})).await;
    linked(&server, "incidents", &incident, "caused_by", &public).await;
    linked(&server, "incidents", &incident, "caused_by", &internal).await;
    let mut found = titles(&suggested(&server, Ben, typed()).await).into_iter().map(str::to_owned).collect::<Vec<_>>();
    found.sort();
    assert_eq!(found, ["Scanners disconnect", "Scanners of Bolt"]);
    assert_eq!(titles(&suggested(&server, Rita, typed()).await), ["Scanners disconnect"]);
    // Another workaround is not published yet, and nobody needs one of what is gone.
    let path = format!("/api/v1/problems/{public}");
    let other = server.patch(&path, json!({"workaround": "Ask Ada"})).by(Alex).header("if-match", "*");
    other.expect(200).await;
    assert_eq!(titles(&suggested(&server, Rita, typed()).await), [""; 0]);
    publish(&server, &public, "public").await;
    assert_eq!(suggested(&server, Rita, typed()).await[0]["workaround"], "Ask Ada");
    for (step, body) in [("assess", json!({})), ("analyse", json!({})), ("fix", json!({}))] {
        server.post(&format!("{path}/{step}"), body).by(Alex).expect(200).await;
    }
    server.post(&format!("{path}/resolve"), json!({"resolution_notes": "Gone."})).by(Alex).expect(200).await;
    assert_eq!(titles(&suggested(&server, Rita, typed()).await), [""; 0]);
}

#[actix_web::test]
async fn what_is_published_is_found_by_where_it_happens_too() {
    let server = Server::start().await;
    let shop = made(&server, "services", Admin, json!({"title": "Shop"})).await;
    let place = json!({"category": "sales", "subcategory": "till"});
    let about = known(&server, Alex, "Carts are empty", json!({"service_id": shop})).await;
    let affects = known(&server, Alex, "Night is dark", json!({})).await;
    linked(&server, "problems", &affects, "affects", &shop).await;
    let there = known(&server, Alex, "Tills jam", place.clone()).await;
    for problem in [&about, &affects, &there] {
        publish(&server, problem, "public").await;
    }
    let found = suggested(&server, Rita, json!({"title": "x", "service_id": shop})).await;
    assert_eq!(titles(&found), ["Night is dark", "Carts are empty"]);
    assert!(found.iter().all(|one| one["because"] == json!([])), "what is not published may be why: {found:?}");
    let mut typed = json!({"title": "x"});
    typed.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    assert_eq!(titles(&suggested(&server, Rita, typed.clone()).await), ["Tills jam"]);
    assert_eq!(titles(&suggested(&server, Ben, typed).await), [""; 0]);
    // Those who read problems find what affects the service as well.
    let found = suggested(&server, Alex, json!({"title": "x", "service_id": shop})).await;
    let because: Vec<Value> = found.iter().map(|one| json!([one["id"], one["because"]])).collect();
    assert_eq!(because, [json!([affects, ["affected_service"]]), json!([about, ["service"]])]);
    // Who may do neither is told nothing.
    let narrow = token_for(&server.assembly, Nora, "service.read");
    server.post(SUGGEST, json!({"title": "x", "service_id": shop})).with(&narrow).expect(403).await;
    let reporting = token_for(&server.assembly, Alex, "incident.create service.read");
    let told =
        server.post(SUGGEST, json!({"title": "x", "service_id": shop})).with(&reporting).expect(200).await.json();
    assert_eq!((&told["items"][0]["title"], &told["items"][0]["id"]), (&json!("Night is dark"), &Value::Null));
}
