//! What was retired and comes back: by the source that has retired it, or by people.

use serde_json::{Value, json};

use super::{
    ITEMS,
    choices::{SERVERS, choose, named, read},
    import::{import, outcomes},
    relate,
};
use crate::support::{Person::*, Server};

/// The first row of an import of one thing.
async fn row(server: &Server, source: &str, item: Value) -> Value {
    import(server, &format!("source={source}"), json!({"items": [item]})).await.1.remove(0)
}

/// Has a source retire all servers but one, at a moment.
async fn scan_badly(server: &Server, at: &str) {
    server.at(at);
    let query = format!("source=inventory&{SERVERS}");
    let (done, _) = import(server, &query, json!({"items": [named("stays")]})).await;
    assert!(done["counts"]["retired"].as_i64().unwrap() > 0, "{done}");
}

fn path(row: &Value) -> String {
    format!("{ITEMS}/{}", row["record_id"].as_str().unwrap())
}

async fn last_written(server: &Server, path: &str) -> Value {
    server.get(&format!("{path}/history")).by(Admin).expect(200).await.json()["items"][0].clone()
}

#[actix_web::test]
async fn what_a_source_has_retired_and_finds_again_it_brings_back() {
    let server = Server::start().await;
    choose(&server, "inventory", json!({"missing": "retire"})).await;
    let planned = json!({"key": "planned", "class": "server", "title": "planned"});
    let keyless =
        json!({"class": "server", "title": "keyless", "state": "live", "attributes": {"serial_number": "S-9"}});
    let items = json!([named("stays"), named("said"), named("silent"), planned, keyless]);
    let (_, made) = import(&server, "source=inventory", json!({"items": items})).await;
    scan_badly(&server, "2026-03-04T11:00:00Z").await;
    for gone in &made[1..] {
        assert_eq!(read(&server, &gone["record_id"]).await["state"], "retired", "{gone}");
    }
    server.at("2026-03-05T11:00:00Z");
    let mut silent = named("silent");
    silent.as_object_mut().unwrap().remove("state");
    let items = json!([named("stays"), named("said"), silent, planned, keyless]);
    let (_, rehearsed) = import(&server, "source=inventory&rehearse=true", json!({"items": items})).await;
    assert_eq!(read(&server, &made[1]["record_id"]).await["state"], "retired", "it is only rehearsed");
    let (_, rows) = import(&server, "source=inventory", json!({"items": items})).await;
    assert_eq!(outcomes(&rows), outcomes(&rehearsed));
    assert_eq!(outcomes(&rows), ["unchanged", "updated", "updated", "updated", "updated"]);
    for at in 1..5 {
        assert_eq!(rows[at]["changes"], json!([{"field": "state", "from": "retired", "to": "live"}]));
        assert_eq!(rows[at]["record_id"], made[at]["record_id"]);
    }
    let back = read(&server, &made[2]["record_id"]).await;
    assert_eq!((&back["state"], &back["closed_at"]), (&json!("live"), &Value::Null));
    let last = last_written(&server, &path(&made[1])).await;
    assert_eq!(
        (&last["action"], &last["via"], &last["reason"]),
        (&json!("configuration_item.reinstated"), &json!("source:inventory"), &json!("`inventory` finds it again."))
    );
    // It goes on as before: what it brought back it may retire once more.
    scan_badly(&server, "2026-03-06T11:00:00Z").await;
    assert_eq!(read(&server, &made[2]["record_id"]).await["state"], "retired");
}

#[actix_web::test]
async fn what_others_have_retired_a_source_leaves_to_people() {
    let server = Server::start().await;
    choose(&server, "inventory", json!({"missing": "retire", "priority": 100})).await;
    choose(&server, "manual", json!({"priority": 1})).await;
    let items = json!([named("stays"), named("by hand"), named("again")]);
    let (_, made) = import(&server, "source=inventory", json!({"items": items})).await;
    server.post(&format!("{}/retire", path(&made[1])), json!({})).by(Admin).expect(200).await;
    scan_badly(&server, "2026-03-04T11:00:00Z").await;
    // Somebody brought it back, and retired it for good.
    for step in ["reinstate", "retire"] {
        server.post(&format!("{}/{step}", path(&made[2])), json!({})).by(Admin).expect(200).await;
    }
    server.at("2026-03-05T11:00:00Z");
    for title in ["by hand", "again"] {
        for _ in 0..2 {
            let row = row(&server, "inventory", named(title)).await;
            let kept = (&row["outcome"], &row["kept"][0]["source"], &row["kept"][0]["says"]);
            assert_eq!(kept, (&json!("different"), &json!("manual"), &json!("live")), "{title}");
        }
    }
    let mut silent = named("again");
    silent.as_object_mut().unwrap().remove("state");
    assert_eq!(row(&server, "inventory", silent).await["outcome"], "unchanged");
}

#[actix_web::test]
async fn what_one_source_has_retired_no_other_brings_back() {
    let server = Server::start().await;
    choose(&server, "inventory", json!({"missing": "retire"})).await;
    let (_, made) = import(&server, "source=inventory", json!({"items": [named("stays"), named("gone")]})).await;
    scan_badly(&server, "2026-03-04T11:00:00Z").await;
    let number = read(&server, &made[1]["record_id"]).await["number"].clone();
    choose(&server, "discovery", json!({"priority": 100})).await;
    let said = json!({"number": number, "class": "server", "title": "gone", "state": "live"});
    let row = row(&server, "discovery", said).await;
    assert_eq!((&row["outcome"], &row["kept"][0]["source"]), (&json!("different"), &json!("inventory")));
}

#[actix_web::test]
async fn people_who_may_reinstate_what_was_retired_too_soon() {
    let server = Server::start().await;
    let (_, made) = import(&server, "source=inventory", json!({"items": [named("one"), named("two")]})).await;
    let (one, two) = (path(&made[0]), made[1]["record_id"].as_str().unwrap());
    relate(&server, (ITEMS, two), "depends_on", made[0]["record_id"].as_str().unwrap(), None).await;
    let impact = || server.get(&format!("{one}/impact")).by(Admin).expect(200);
    server.post(&format!("{one}/retire"), json!({})).by(Admin).expect(200).await;
    server.post(&format!("{one}/reinstate"), json!({})).by(Alex).expect(403).await;
    let reinstate = server.post(&format!("{one}/reinstate"), json!({})).header("x-reason", "It was another one.");
    reinstate.by(Admin).expect(200).await;
    assert_eq!(impact().await.json()["records"][0]["record"]["title"], "two", "it serves again");
    let last = last_written(&server, &one).await;
    assert_eq!(
        (&last["action"], &last["reason"]),
        (&json!("configuration_item.reinstated"), &json!("It was another one."))
    );
    server.post(&format!("{one}/reinstate"), json!({})).by(Admin).expect(409).await;
}
