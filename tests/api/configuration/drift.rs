//! What a source finds other than it was is held against the changes since it last looked.

use serde_json::{Value, json};

use super::import::{host, import};
use crate::{
    change::{carry_out, managed, normal},
    support::{Person::*, Server},
};

const DRIFT: &str = "/api/v1/unauthorised-changes";

/// Discovery looks at a moment, and sees so much memory.
async fn sees(server: &Server, at: &str, memory: i32) -> Value {
    server.at(at);
    let seen = host(json!({"attributes": {"serial_number": "S-1", "memory_mib": memory}}));
    let (_, rows) = import(server, "source=discovery", json!({"items": [seen]})).await;
    rows[0]["record_id"].clone()
}

async fn settle(server: &Server, found: &Value) {
    let path = format!("{DRIFT}/{}/settle", found["id"].as_str().unwrap());
    server.post(&path, json!({"comment": "Put back."})).by(Admin).expect(200).await;
}

async fn found(server: &Server) -> Vec<Value> {
    let page = server.get(DRIFT).by(Admin).expect(200).await.json();
    page["items"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn what_no_change_says_is_found() {
    let server = Server::start().await;
    let item = sees(&server, "2026-03-03T11:00:00Z", 1024).await;
    assert_eq!(found(&server).await, [json!(null); 0], "what it tells of for the first time is no drift");
    sees(&server, "2026-03-04T11:00:00Z", 1024).await;
    assert_eq!(found(&server).await.len(), 0);
    sees(&server, "2026-03-05T11:00:00Z", 2048).await;
    let all = found(&server).await;
    assert_eq!(all.len(), 1);
    let one = &all[0];
    assert_eq!(
        (&one["configuration_item_id"], &one["state"], &one["source"]),
        (&item, &json!("open"), &json!("discovery"))
    );
    assert_eq!(one["summary"], "attributes.memory_mib: 1024 → 2048");
    assert_eq!(
        (&one["last_seen_at"], &one["drifted_at"]),
        (&json!("2026-03-04T11:00:00Z"), &json!("2026-03-05T11:00:00Z"))
    );
}

#[actix_web::test]
async fn what_stands_against_it_is_told_once_and_again_when_it_comes_back() {
    let server = Server::start().await;
    let item = sees(&server, "2026-03-03T11:00:00Z", 1024).await;
    let path = format!("/api/v1/configuration_items/{}", item.as_str().unwrap());
    // The word of those who write it by hand stands against what discovery says.
    let by_hand = json!({"attributes": {"memory_mib": 4096}});
    server.patch(&path, by_hand).by(Admin).header("if-match", "*").expect(200).await;
    for (at, memory, expected) in [
        ("2026-03-04T11:00:00Z", 1024, 1),
        ("2026-03-05T11:00:00Z", 1024, 1),
        ("2026-03-06T11:00:00Z", 1024, 1),
        ("2026-03-07T11:00:00Z", 4096, 1),
        ("2026-03-08T11:00:00Z", 1024, 2),
    ] {
        sees(&server, at, memory).await;
        let all = found(&server).await;
        assert_eq!((all.len(), &all[0]["field"]), (expected, &json!("attributes.memory_mib")), "{at}");
        if at == "2026-03-05T11:00:00Z" {
            settle(&server, &all[0]).await;
        }
        if at == "2026-03-06T11:00:00Z" {
            assert_eq!((&all[0]["state"], &all[0]["last_found_at"]), (&json!("settled"), &json!(at)), "it stayed so");
        }
    }
    assert_eq!(found(&server).await[0]["last_seen_at"], "2026-03-07T11:00:00Z");
    assert_eq!(server.get(&path).by(Admin).expect(200).await.json()["attributes"]["memory_mib"], 4096);
    let of_item = format!("{DRIFT}?configuration_item_id={}", item.as_str().unwrap());
    assert_eq!(server.get(&of_item).by(Admin).expect(200).await.json()["items"].as_array().unwrap().len(), 2);
    let of_another = format!("{DRIFT}?configuration_item_id=0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b21");
    assert_eq!(server.get(&of_another).by(Admin).expect(200).await.json()["items"], json!([]));
    server.get(&format!("{DRIFT}?configuration_item_id=x")).by(Admin).expect(400).await;
}

#[actix_web::test]
async fn what_was_observed_earlier_is_taken_for_what_it_is() {
    let server = Server::start().await;
    let item = sees(&server, "2026-03-03T11:00:00Z", 1024).await;
    let path = format!("/api/v1/configuration_items/{}", item.as_str().unwrap());
    server.at("2026-03-09T11:00:00Z");
    let late = async |observed: &str, memory: i32| {
        let seen = host(json!({"attributes": {"serial_number": "S-1", "memory_mib": memory}}));
        import(&server, &format!("source=discovery&observed_at={observed}"), json!({"items": [seen]})).await.1.remove(0)
    };
    assert_eq!(late("2026-03-07T11:00:00Z", 2048).await["outcome"], "updated");
    let all = found(&server).await;
    assert_eq!((all.len(), &all[0]["drifted_at"]), (1, &json!("2026-03-07T11:00:00Z")));
    // What was told of since stands.
    let older = late("2026-03-05T11:00:00Z", 512).await;
    assert_eq!((&older["outcome"], &older["kept"][0]["source"]), (&json!("different"), &json!("discovery")));
    assert_eq!(found(&server).await.len(), 1);
    assert_eq!(server.get(&path).by(Admin).expect(200).await.json()["attributes"]["memory_mib"], 2048);
    // Whoever follows the thing is told of it.
    let history = server.get(&format!("{path}/history")).by(Admin).expect(200).await.json();
    let told = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["action"] == "configuration_item.drifted")
        .unwrap()
        .clone();
    assert_eq!(told["changes"][0]["to"]["id"], all[0]["id"], "{told}");
    let ahead = "/api/v1/configuration-imports?source=discovery&observed_at=2026-03-10T11:00:00Z";
    server.post(ahead, json!({"items": [host(json!({}))]})).by(Admin).expect(400).await;
}

#[actix_web::test]
async fn a_field_that_is_told_for_the_first_time_and_where_a_thing_stands_are_no_drift() {
    let server = Server::start().await;
    sees(&server, "2026-03-03T11:00:00Z", 1024).await;
    server.at("2026-03-04T11:00:00Z");
    let more =
        json!({"attributes": {"serial_number": "S-1", "memory_mib": 1024, "cpu_count": 8}, "state": "in_maintenance"});
    import(&server, "source=discovery", json!({"items": [host(more)]})).await;
    assert_eq!(found(&server).await.len(), 0);
    // A field that is told of more seldom than others changed since it was last told of.
    server.at("2026-03-05T11:00:00Z");
    let title_alone = json!({"key": "device:1", "class": "server", "title": "esx-1"});
    import(&server, "source=discovery", json!({"items": [title_alone]})).await;
    sees(&server, "2026-03-06T11:00:00Z", 2048).await;
    assert_eq!(found(&server).await[0]["last_seen_at"], "2026-03-04T11:00:00Z");
}

#[actix_web::test]
async fn a_change_since_it_was_last_seen_says_so() {
    let server = managed().await;
    let item = sees(&server, "2026-03-03T11:00:00Z", 1024).await;
    let mut body = normal();
    body["configuration_item_id"] = item;
    let change = carry_out(&server, body).await;
    sees(&server, "2026-03-08T11:00:00Z", 2048).await;
    let all = found(&server).await;
    assert_eq!((all.len(), &all[0]["state"]), (1, &json!("authorised")), "{all:?}");
    assert!(change.ends_with(all[0]["change_id"].as_str().unwrap()));
    // What it finds after the next look is another matter.
    sees(&server, "2026-03-09T11:00:00Z", 8192).await;
    assert_eq!(found(&server).await[0]["state"], "open");
}

#[actix_web::test]
async fn other_sources_report_none_unless_they_are_told_to() {
    let server = Server::start().await;
    for memory in [1024, 2048] {
        let said = host(json!({"attributes": {"serial_number": "S-1", "memory_mib": memory}}));
        import(&server, "source=inventory", json!({"items": [said]})).await;
    }
    assert_eq!(found(&server).await.len(), 0);
    let sources = server.get("/api/v1/data-sources?q=inventory").by(Admin).expect(200).await.json();
    let path = format!("/api/v1/data-sources/{}", sources["items"][0]["id"].as_str().unwrap());
    server.patch(&path, json!({"reports_drift": true})).by(Admin).header("if-match", "*").expect(200).await;
    let rehearsed = host(json!({"attributes": {"serial_number": "S-1", "memory_mib": 512}}));
    import(&server, "source=inventory&rehearse=true", json!({"items": [rehearsed.clone()]})).await;
    assert_eq!(found(&server).await.len(), 0, "a rehearsal tells nobody");
    import(&server, "source=inventory", json!({"items": [rehearsed]})).await;
    assert_eq!(found(&server).await.len(), 1);
    let wrong = json!({
        "configuration_item_id": found(&server).await[0]["configuration_item_id"], "summary": "x",
        "last_seen_at": "2026-03-03T10:00:00Z", "drifted_at": "2026-03-03T09:00:00Z",
    });
    let refused = server.post(DRIFT, wrong).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/last_seen_at");
}

const SERVERS: &str = "scope=is_a%20%3D%20server";

fn named(key: &str) -> Value {
    json!({"key": key, "class": "server", "title": key, "state": "live"})
}

/// Discovery looks at a moment and finds these, and relations between them; gives the rows.
async fn looks(server: &Server, at: &str, query: &str, keys: &[&str], related: &[(&str, &str)]) -> Vec<Value> {
    server.at(at);
    let items: Vec<Value> = keys.iter().map(|key| named(key)).collect();
    let relation = |(from, to): &(&str, &str)| json!({"from": from, "relation": "runs_on", "to": to});
    let relations: Vec<Value> = related.iter().map(relation).collect();
    let query = format!("source=discovery{query}");
    import(server, &query, json!({"items": items, "relations": relations})).await.1
}

/// What was found, the newest first: in which way, of what, where it stands.
async fn findings(server: &Server) -> Vec<(String, String, String)> {
    let word = |found: &Value, name: &str| found[name].as_str().unwrap().to_owned();
    let told = |found: &Value| (word(found, "finding"), word(found, "configuration_item_id"), word(found, "state"));
    found(server).await.iter().map(told).collect()
}

fn id(row: &Value) -> String {
    row["record_id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_thing_that_nobody_has_recorded_is_found() {
    let server = Server::start().await;
    looks(&server, "2026-03-03T11:00:00Z", "", &["a", "b"], &[]).await;
    assert_eq!(findings(&server).await, [], "at its first look all is new");
    looks(&server, "2026-03-04T11:00:00Z", "&rehearse=true", &["a", "rogue"], &[]).await;
    assert_eq!(findings(&server).await, [], "a rehearsal tells nobody");
    let rows = looks(&server, "2026-03-04T11:00:00Z", "", &["a", "rogue"], &[]).await;
    let rogue = id(&rows[1]);
    let all = found(&server).await;
    assert_eq!((all.len(), &all[0]["finding"], &all[0]["state"]), (1, &json!("appeared"), &json!("open")));
    assert_eq!(
        (&all[0]["configuration_item_id"], &all[0]["field"], &all[0]["last_seen_at"], &all[0]["drifted_at"]),
        (&json!(rogue), &json!(null), &json!(null), &json!("2026-03-04T11:00:00Z"))
    );
    let path = format!("/api/v1/configuration_items/{rogue}/history");
    let history = server.get(&path).by(Admin).expect(200).await.json();
    assert_eq!(history["items"][0]["action"], "configuration_item.drifted");
    looks(&server, "2026-03-05T11:00:00Z", "", &["a", "rogue"], &[]).await;
    assert_eq!(found(&server).await.len(), 1, "once it is recorded it is known");
    // It has never looked for printers; another source looks for nothing; what was recorded by hand is no news.
    let printer = json!({"key": "p", "class": "printer", "title": "p"});
    import(&server, "source=discovery", json!({"items": [printer]})).await;
    import(&server, "source=inventory", json!({"items": [named("c")]})).await;
    super::item(&server, "server", "planned", json!({})).await;
    server.at("2026-03-06T11:00:00Z");
    import(&server, "source=discovery", json!({"items": [{"class": "server", "title": "planned"}]})).await;
    assert_eq!(found(&server).await.len(), 1);
    // Nor has it looked for servers there.
    for (day, keys, expected) in [(7, &["t-1"][..], 1), (8, &["t-1", "t-2"], 2)] {
        server.at(&format!("2026-03-{day:02}T11:00:00Z"));
        let testing = |key: &&str| json!({"key": key, "class": "server", "title": key, "environment": "test"});
        let items: Vec<Value> = keys.iter().map(testing).collect();
        let query = "source=discovery&scope=environment%20%3D%20%22test%22";
        import(&server, query, json!({"items": items})).await;
        assert_eq!(found(&server).await.len(), expected, "{day}");
    }
}

#[actix_web::test]
async fn a_thing_that_is_no_longer_found_is_told_once_and_again_when_it_vanishes_again() {
    let server = Server::start().await;
    let rows = looks(&server, "2026-03-03T11:00:00Z", "", &["a", "b", "c"], &[]).await;
    let (b, c) = (id(&rows[1]), id(&rows[2]));
    super::item(&server, "server", "by hand", json!({})).await;
    server.post(&format!("/api/v1/configuration_items/{c}/retire"), json!({})).by(Admin).expect(200).await;
    let scope = format!("&{SERVERS}");
    looks(&server, "2026-03-04T11:00:00Z", &format!("{scope}&rehearse=true"), &["a"], &[]).await;
    assert_eq!(findings(&server).await, []);
    for (at, keys, expected) in [
        ("2026-03-04T11:00:00Z", &["a"][..], 1),
        ("2026-03-05T11:00:00Z", &["a"], 1),
        ("2026-03-06T11:00:00Z", &["a"], 1),
        ("2026-03-07T11:00:00Z", &["a", "b"], 1),
        ("2026-03-08T11:00:00Z", &["a"], 2),
    ] {
        looks(&server, at, &scope, keys, &[]).await;
        let all = found(&server).await;
        assert_eq!((all.len(), &all[0]["configuration_item_id"]), (expected, &json!(b)), "{at}");
        assert_eq!(all[0]["finding"], "vanished");
        if at == "2026-03-04T11:00:00Z" {
            assert_eq!((&all[0]["last_seen_at"], &all[0]["state"]), (&json!("2026-03-03T11:00:00Z"), &json!("open")));
        }
        if at == "2026-03-05T11:00:00Z" {
            assert_eq!(all[0]["last_found_at"], at);
            settle(&server, &all[0]).await;
        }
    }
    // Where a row is refused of which nobody knows what it is of, that may be it.
    server.at("2026-03-09T11:00:00Z");
    let unknown = json!({"items": [{"class": "sever", "title": "b"}, named("b")]});
    import(&server, &format!("source=discovery{scope}"), unknown).await;
    assert_eq!(found(&server).await.len(), 2);
}

#[actix_web::test]
async fn relations_that_nobody_has_recorded_or_that_are_gone_are_found() {
    let server = Server::start().await;
    let all = ["host", "vm-1", "vm-2"];
    let rows = looks(&server, "2026-03-03T11:00:00Z", "", &all, &[("vm-1", "host")]).await;
    let [host, one, two] = [0, 1, 2].map(|n| id(&rows[n]));
    assert_eq!(findings(&server).await, []);
    let both = [("vm-1", "host"), ("vm-2", "host")];
    looks(&server, "2026-03-04T11:00:00Z", "&rehearse=true", &all, &both).await;
    assert_eq!(findings(&server).await, []);
    looks(&server, "2026-03-04T11:00:00Z", "", &all, &both).await;
    let open = |way: &str, of: &str| (way.to_owned(), of.to_owned(), "open".to_owned());
    assert_eq!(findings(&server).await, [open("related", &two)]);
    let first = found(&server).await[0].clone();
    assert_eq!(
        (&first["field"], &first["related_id"], &first["last_seen_at"]),
        (&json!("runs_on"), &json!(host), &json!("2026-03-03T11:00:00Z"))
    );
    let of_host = format!("{DRIFT}?configuration_item_id={host}");
    assert_eq!(server.get(&of_host).by(Admin).expect(200).await.json()["items"][0]["id"], first["id"]);
    // A thing that has appeared brings its relations with it.
    let more = ["host", "vm-1", "vm-2", "vm-3"];
    let rows = looks(&server, "2026-03-05T11:00:00Z", "", &more, &[both[0], both[1], ("vm-3", "host")]).await;
    let three = id(&rows[3]);
    assert_eq!(findings(&server).await, [open("appeared", &three), open("related", &two)]);
    // One that is gone is told once, as long as it stays so.
    let scope = format!("&{SERVERS}");
    for at in ["2026-03-06T11:00:00Z", "2026-03-07T11:00:00Z", "2026-03-08T11:00:00Z"] {
        looks(&server, at, &scope, &more, &[both[1], ("vm-3", "host")]).await;
        let found = found(&server).await;
        assert_eq!((found.len(), &found[0]["finding"]), (3, &json!("unrelated")), "{at}");
        assert_eq!((&found[0]["configuration_item_id"], &found[0]["related_id"]), (&json!(one), &json!(host)));
        if at == "2026-03-07T11:00:00Z" {
            settle(&server, &found[0]).await;
        }
    }
}

#[actix_web::test]
async fn a_change_of_either_end_says_so() {
    let server = managed().await;
    let all = ["host", "vm-1", "vm-2"];
    let rows = looks(&server, "2026-03-03T11:00:00Z", "", &all, &[("vm-1", "host")]).await;
    let mut body = normal();
    body["configuration_item_id"] = rows[0]["record_id"].clone();
    carry_out(&server, body).await;
    let scope = format!("&{SERVERS}");
    looks(&server, "2026-03-08T11:00:00Z", &scope, &["vm-1", "vm-2"], &[("vm-2", "vm-1")]).await;
    let ways: Vec<(String, String)> = findings(&server).await.into_iter().map(|(way, _, state)| (way, state)).collect();
    let told = |way: &str, state: &str| (way.to_owned(), state.to_owned());
    assert_eq!(ways, [told("vanished", "authorised"), told("related", "open")], "that of others is no change of it");
    looks(&server, "2026-03-09T11:00:00Z", "", &["host"], &[("vm-2", "host")]).await;
    let newest = found(&server).await[0].clone();
    assert_eq!((&newest["finding"], &newest["state"]), (&json!("related"), &json!("open")), "it was made since");
}
