//! What may be there twice, and what nobody has looked at for long: each figure, and the lists behind it.

use serde_json::{Value, json};

use super::{ITEMS, item, relate};
use crate::support::{Person::*, Server};

/// The titles of what a filter finds, in order.
async fn found(server: &Server, filter: &str) -> Vec<String> {
    let filter: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
    let list = server.get(&format!("{ITEMS}?filter={filter}&sort=number")).by(Alex).expect(200).await.json();
    list["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

async fn health(server: &Server, query: &str) -> Value {
    server.get(&format!("/api/v1/configuration-health?{query}")).by(Alex).expect(200).await.json()
}

/// How many fail a check, and what its filter finds.
async fn failing(server: &Server, health: &Value, name: &str) -> (Value, Vec<String>) {
    let check = health["correct"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap();
    (check["failing"].clone(), found(server, check["filter"].as_str().unwrap()).await)
}

#[actix_web::test]
async fn what_is_recognised_by_several_things_together_is_there_twice_too() {
    let server = Server::start().await;
    let container = |space: &str| json!({"namespace": space});
    let port = |of: &str, mac: Value| json!({"interface_of": of, "mac_address": mac});
    let mut ids = Vec::new();
    for (class, title, attributes) in [
        ("container", "web", container("shop")),
        ("container", "Web ", container("SHOP")),
        ("container", "web", container("other")),
        ("network_interface", "eth0", port("esx-1", Value::Null)),
        ("network_interface", "ETH0", port("esx-1", Value::Null)),
        ("network_interface", "eth0", port("esx-2", json!("00:16:3e:00:00:01"))),
        ("network_interface", "eth1", port("esx-2", json!("00:16:3E:00:00:01"))),
        ("server", "web", json!({"serial_number": "S-1"})),
        ("printer", "eth0", json!({"serial_number": "s-1"})),
    ] {
        ids.push(item(&server, class, title, attributes).await);
    }
    let told = health(&server, "").await;
    let groups: Vec<(&str, &str, usize)> = told["duplicates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let records = group["records"].as_array().unwrap().len();
            (group["attribute"].as_str().unwrap(), group["value"].as_str().unwrap(), records)
        })
        .collect();
    let expected = [
        ("interface_of,title", "esx-1, eth0", 2),
        ("mac_address", "00:16:3e:00:00:01", 2),
        ("namespace,title", "shop, web", 2),
        ("serial_number", "S-1", 2),
    ];
    assert_eq!(groups, expected);
    for group in told["duplicates"].as_array().unwrap() {
        let mut titles: Vec<&str> =
            group["records"].as_array().unwrap().iter().map(|record| record["title"].as_str().unwrap()).collect();
        titles.reverse();
        assert_eq!(found(&server, group["filter"].as_str().unwrap()).await, titles, "{group}");
    }
    let (failing, titles) = failing(&server, &told, "duplicate").await;
    assert_eq!((failing, titles.len()), (json!(8), 8));
    assert_eq!(found(&server, "duplicate_by = \"namespace,title\"").await, ["web", "Web "]);
    assert_eq!(found(&server, "duplicate_by = null AND phase != closed").await, ["web"]);
    // What is related to something and there once is right.
    relate(&server, (ITEMS, &ids[2]), "depends_on", &ids[0], None).await;
    assert_eq!(health(&server, "").await["correct_percent"], json!(11.1));
    for (at, left) in [(1, 6), (4, 4), (6, 2), (8, 0)] {
        server.post(&format!("{ITEMS}/{}/retire", ids[at]), json!({})).by(Admin).expect(200).await;
        let told = health(&server, "").await;
        assert_eq!(self::failing(&server, &told, "duplicate").await.0, json!(left));
    }
    assert_eq!(health(&server, "").await["duplicates"], json!([]));
}

#[actix_web::test]
async fn what_was_typed_by_hand_gets_stale_where_nobody_looks_at_it() {
    let server = Server::start().await;
    let forgotten = item(&server, "server", "forgotten", json!({})).await;
    let changed = item(&server, "server", "changed", json!({})).await;
    let certified =
        server.post(ITEMS, json!({"title": "certified", "class": "server", "owner_id": Alex.id(&server.assembly)}));
    let certified = certified.by(Admin).expect(201).await.field("id");
    relate(&server, (ITEMS, &changed), "depends_on", &certified, None).await;
    server.at("2026-06-03T11:00:00Z");
    let patch = server.patch(&format!("{ITEMS}/{changed}"), json!({"description": "In rack 4."})).by(Admin);
    patch.header("if-match", "*").expect(200).await;
    let campaign = json!({"name": "Summer", "filter": "title = certified", "due_at": "2026-07-03T11:00:00Z"});
    let campaign = server.post("/api/v1/certification-campaigns", campaign).by(Admin).expect(201).await.field("id");
    let decide = format!("/api/v1/certification-campaigns/{campaign}/items/{certified}/decide");
    server.post(&decide, json!({"outcome": "certified"})).by(Alex).expect(200).await;
    server.at("2027-03-04T11:00:00Z");
    let told = health(&server, "").await;
    assert_eq!(failing(&server, &told, "stale").await, (json!(1), vec!["forgotten".to_owned()]));
    assert_eq!(told["correct_percent"], json!(66.6));
    let patient = health(&server, "review_days=400").await;
    assert_eq!(failing(&server, &patient, "stale").await.0, json!(0));
    assert_eq!(failing(&server, &health(&server, "review_days=200").await, "stale").await.0, json!(3));
    // A source that tells of it counts from then on, by its own measure.
    let row = json!({"items": [{"number": server.get(&format!("{ITEMS}/{forgotten}")).by(Admin).expect(200).await.field("number"), "class": "server"}]});
    super::import::import(&server, "source=inventory", row).await;
    let told = health(&server, "").await;
    assert_eq!(failing(&server, &told, "stale").await.0, json!(0));
    server.at("2027-05-04T11:00:00Z");
    let told = health(&server, "").await;
    assert_eq!(failing(&server, &told, "stale").await, (json!(1), vec!["forgotten".to_owned()]));
}
