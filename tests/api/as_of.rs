//! Rehearsing a decision on a record as it was at a moment in the past.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server};

const SOURCE: &str = r#"
fn route(incident) {
    rule "VIP" when incident.caller.vip then assign("network");
    rule "Gold" when incident.service?.criticality == "gold" then assign("network");
    rule "Table" when table("category_teams").has(incident.category) then assign(table("category_teams").find(incident.category).team);
    rule "Everything else" when true then assign("service-desk");
}
"#;

async fn simulated(server: &Server, record: &Answer, as_of: &str, status: u16) -> Value {
    let asked = json!({"decision": "routing", "record": record.field("id"), "source": SOURCE, "as_of": as_of});
    server.post("/api/v1/policies/simulate", asked).by(Admin).expect(status).await.json()
}

async fn patch(server: &Server, path: &str, body: Value) {
    server.patch(path, body).by(Admin).header("if-match", "*").expect(200).await;
}

async fn table(server: &Server, team: &str) {
    let content = json!({"doc": "Teams", "keys": 1, "rows": [["mail", team]],
                         "columns": [{"name": "category", "type": "text"}, {"name": "team", "type": "text"}]});
    let put = server.ask(Method::PUT, "/api/v1/lookup-tables/category_teams").json(content);
    put.by(Admin).header("if-match", "*").expect(200).await;
}

#[actix_web::test]
async fn a_record_what_it_refers_to_and_the_tables_are_as_they_were() {
    let server = Server::start().await;
    let service = json!({"title": "Mail", "criticality": "silver"});
    let service = server.post("/api/v1/services", service).by(Admin).expect(201).await;
    table(&server, "network").await;
    server.at("2026-03-03T12:00:00Z");
    let body = json!({"title": "No mail", "category": "mail", "service_id": service.field("id"), "requester_id": Rita.id(&server.assembly)});
    let made = server.post("/api/v1/incidents", body).by(Admin).expect(201).await;
    server.at("2026-03-03T13:00:00Z");
    let path = format!("/api/v1/incidents/{}", made.field("id"));
    patch(&server, &path, json!({"category": "printer", "title": "No paper"})).await;
    server.at("2026-03-03T14:00:00Z");
    table(&server, "service-desk").await;
    patch(&server, &path, json!({"category": "mail", "impact": 1})).await;
    server.at("2026-03-03T15:00:00Z");
    patch(
        &server,
        &format!("/api/v1/services/{}", service.field("id")),
        json!({"criticality": "gold", "title": "E-mail"}),
    )
    .await;
    server.at("2026-03-03T16:00:00Z");
    patch(&server, &format!("/api/v1/users/{}", Rita.id(&server.assembly)), json!({"vip": true})).await;
    server.at("2026-03-03T17:00:00Z");

    for (moment, rule, category, title, criticality, vip) in [
        ("2026-03-03T12:30:00Z", "Table", "mail", "No mail", "silver", false),
        ("2026-03-03T13:30:00Z", "Everything else", "printer", "No paper", "silver", false),
        ("2026-03-03T14:30:00Z", "Table", "mail", "No paper", "silver", false),
        ("2026-03-03T15:30:00Z", "Gold", "mail", "No paper", "gold", false),
        ("2026-03-03T16:30:00Z", "VIP", "mail", "No paper", "gold", true),
    ] {
        let result = simulated(&server, &made, moment, 200).await;
        let record = &result["input"]["record"];
        let seen = [&record["category"], &record["title"], &record["service"]["criticality"], &record["caller"]["vip"]];
        assert_eq!(seen, [&json!(category), &json!(title), &json!(criticality), &json!(vip)], "{moment}: {record}");
        let fitted = result["runs"][0]["rules"].as_array().unwrap().last().unwrap();
        assert_eq!((&fitted["name"], &result["input"]["now"]), (&json!(rule), &json!(moment)), "{result}");
        let name = if criticality == "gold" { "E-mail" } else { "Mail" };
        assert_eq!(record["service"]["name"], name);
    }
    // The table of half past twelve answers, not that of now.
    let then = simulated(&server, &made, "2026-03-03T12:30:00Z", 200).await;
    assert_eq!(then["runs"][0]["effects"][0]["team"], "network", "{then}");
    let later = simulated(&server, &made, "2026-03-03T14:30:00Z", 200).await;
    assert_eq!(later["runs"][0]["effects"][0]["team"], "service-desk", "{later}");

    let too_early = simulated(&server, &made, "2026-03-03T11:30:00Z", 409).await;
    assert!(too_early["detail"].as_str().unwrap().contains("not there yet"), "{too_early}");
    let made_up = json!({"decision": "routing", "record": {}, "as_of": "2026-03-03T12:30:00Z"});
    let refused = server.post("/api/v1/policies/simulate", made_up).by(Admin).expect(422).await;
    assert_eq!(refused.json()["errors"][0]["pointer"], "/as_of");
}
