//! Clusters of incidents by what they are about, for those who see some of them alone.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::{Person, Person::*, Server};

const CLUSTERS: &str = "/api/v1/incident-clusters?from=2026-02-01T00:00:00Z&until=2026-03-04T00:00:00Z&least=2";

async fn made(server: &Server, plural: &str, by: Person, body: Value) -> String {
    server.post(&format!("/api/v1/{plural}"), body).by(by).expect(201).await.field("id")
}

async fn incidents(server: &Server, by: Person, many: usize, about: Value) {
    for _ in 0..many {
        let mut body = json!({"title": "It stands still"});
        body.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
        made(server, "incidents", by, body).await;
    }
}

/// Each cluster as somebody sees it: what it is called, how many now and before, what share of all, and how many its filter lists.
async fn found(server: &Server, by: Person, field: &str) -> (Value, Vec<Value>) {
    let found = server.get(&format!("{CLUSTERS}&by={field}")).by(by).expect(200).await.json();
    let mut shown = Vec::new();
    for one in found["items"].as_array().unwrap() {
        let filter = utf8_percent_encode(one["filter"].as_str().unwrap(), NON_ALPHANUMERIC).to_string();
        let listed = server.get(&format!("/api/v1/incidents?count=true&filter={filter}")).by(by).expect(200).await;
        assert_eq!(listed.field("total"), one["count"].to_string(), "{one}");
        shown.push(json!([one["label"][field], one["count"], one["before"], one["percent"], one["trend"]]));
    }
    (found["total"].clone(), shown)
}

#[actix_web::test]
async fn clusters_are_of_what_somebody_sees_whatever_they_are_about() {
    let server = Server::start().await;
    let mail = made(&server, "services", Admin, json!({"title": "Mail"})).await;
    let shop = made(&server, "services", Admin, json!({"title": "Shop"})).await;
    let web = made(&server, "configuration_items", Admin, json!({"title": "web-1", "class": "server"})).await;
    let disk = made(&server, "configuration_items", Admin, json!({"title": "disk-1", "class": "server"})).await;
    server.at("2026-01-20T10:00:00Z");
    incidents(&server, Alex, 1, json!({"service_id": mail, "configuration_item_id": web})).await;
    incidents(&server, Bea, 4, json!({"service_id": mail, "configuration_item_id": disk})).await;
    server.at("2026-03-01T10:00:00Z");
    incidents(&server, Alex, 6, json!({"service_id": mail, "configuration_item_id": web})).await;
    incidents(&server, Alex, 2, json!({"service_id": shop})).await;
    incidents(&server, Bea, 3, json!({"service_id": shop, "configuration_item_id": web})).await;
    server.at("2026-03-03T11:00:00Z");

    let (total, of_acme) = found(&server, Nora, "service_id").await;
    assert_eq!(total, 8);
    assert_eq!(of_acme, [json!(["Mail", 6, 1, 75.0, "steady"]), json!(["Shop", 2, 0, 25.0, "steady"])]);
    let (total, of_bolt) = found(&server, Bea, "service_id").await;
    assert_eq!(total, 3);
    assert_eq!(of_bolt, [json!(["Shop", 3, 0, 100.0, "steady"]), json!(["Mail", 0, 4, 0.0, "falling"])]);
    let (total, all) = found(&server, Admin, "service_id").await;
    assert_eq!(total, 11);
    assert_eq!(all, [json!(["Mail", 6, 5, 54.55, "steady"]), json!(["Shop", 5, 0, 45.45, "rising"])]);

    // Those that are about nothing are in no cluster, and count among all.
    let (_, of_acme) = found(&server, Nora, "configuration_item_id").await;
    assert_eq!(of_acme, [json!(["web-1", 6, 1, 75.0, "steady"])]);
    let (_, of_bolt) = found(&server, Bea, "configuration_item_id").await;
    assert_eq!(of_bolt, [json!(["web-1", 3, 0, 100.0, "steady"]), json!(["disk-1", 0, 4, 0.0, "falling"])]);
    let (_, all) = found(&server, Admin, "configuration_item_id").await;
    assert_eq!(all, [json!(["web-1", 9, 1, 81.82, "rising"]), json!(["disk-1", 0, 4, 0.0, "falling"])]);
    // What a cluster is about stands in what is raised of it.
    let both = server.get(&format!("{CLUSTERS}&by=service_id,configuration_item_id")).by(Nora).expect(200).await.json();
    let key = &both["items"][0]["key"];
    assert_eq!((&key["service_id"], &key["configuration_item_id"]), (&json!(mail), &json!(web)));
    let filter = utf8_percent_encode(both["items"][0]["filter"].as_str().unwrap(), NON_ALPHANUMERIC).to_string();
    let raise = format!("/api/v1/incident-clusters/raise-problem?filter={filter}");
    let raised = server.post(&raise, json!({"title": "web-1 falls over"})).by(Nora).expect(201).await.json();
    assert_eq!(
        (&raised["linked"], &raised["problem"]["service_id"], &raised["problem"]["configuration_item_id"]),
        (&json!(6), &json!(mail), &json!(web))
    );
    // Others see the same cluster, and not of which problem some of it is.
    let theirs = server.get(&format!("{CLUSTERS}&by=configuration_item_id")).by(Bea).expect(200).await.json();
    assert_eq!(theirs["items"][0]["problems"], json!([]));
    let all = server.get(&format!("{CLUSTERS}&by=configuration_item_id")).by(Admin).expect(200).await.json();
    assert_eq!(all["items"][0]["problems"][0]["incidents"], 6);
}
