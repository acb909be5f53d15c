//! What sources tell of: recognised, reconciled, rehearsed, audited.

use serde_json::{Value, json};

use super::{ITEMS, impact, item};
use crate::support::{Answer, Person::*, Server};

pub const IMPORTS: &str = "/api/v1/configuration-imports";

/// Starts an import and works it off; gives it, and its rows.
pub async fn import(server: &Server, query: &str, content: Value) -> (Value, Vec<Value>) {
    let queued = server.post(&format!("{IMPORTS}?{query}"), content).by(Admin).expect(202).await;
    worked_off(server, &queued).await
}

pub async fn worked_off(server: &Server, queued: &Answer) -> (Value, Vec<Value>) {
    assert!(server.assembly.jobs().work_off().await.unwrap() > 0);
    let path = format!("{IMPORTS}/{}", queued.field("id"));
    let done = server.get(&path).by(Admin).expect(200).await.json();
    assert_eq!(done["job"]["state"], "succeeded", "{done}");
    let rows = server.get(&format!("{path}/rows?limit=200")).by(Admin).expect(200).await.json();
    (done, rows["items"].as_array().unwrap().clone())
}

pub fn outcomes(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

async fn count(server: &Server) -> String {
    server.get(&format!("{ITEMS}?count=true")).by(Admin).expect(200).await.field("total")
}

pub fn host(more: Value) -> Value {
    let mut host = json!({"key": "device:1", "class": "server", "title": "esx-1", "state": "live", "attributes": {"serial_number": "S-1", "memory_mib": 1024}});
    host.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    host
}

#[actix_web::test]
async fn a_rehearsal_tells_what_the_import_then_does() {
    let server = Server::start().await;
    let content = json!({
        "items": [
            host(json!({"support_team": "network", "owner": "alex"})),
            {"key": "vm:1", "class": "virtual_machine", "title": "web-1", "state": "live", "attributes": {"hostname": "web-1.acme"}},
            {"key": "vm:2", "class": "virtual_machine", "title": "web-2", "state": "live", "attributes": {"cpu_count": "two"}},
            {"key": "x:1", "class": "sever", "title": "x"},
            {"class": "server", "title": "the same", "attributes": {"serial_number": "S-1"}},
            {"key": "x:2", "class": "server", "title": "y", "state": "on fire", "support_team": "nobody"},
        ],
        "relations": [
            {"from": "vm:1", "relation": "runs_on", "to": "device:1"},
            {"from": "vm:1", "relation": "runs_on", "to": "device:9"},
        ],
    });
    let expected = ["created", "created", "refused", "refused", "ambiguous", "refused", "created", "refused"];
    let (rehearsed, rows) = import(&server, "source=inventory&rehearse=true", content.clone()).await;
    assert_eq!(outcomes(&rows), expected);
    assert_eq!(count(&server).await, "0");
    let pointers: Vec<Value> =
        rows.iter().flat_map(|row| row["errors"].as_array().unwrap()).map(|e| e["pointer"].clone()).collect();
    assert_eq!(
        pointers,
        [
            "/items/2/attributes/cpu_count",
            "/items/3/class",
            "/items/4",
            "/items/5/support_team",
            "/items/5/state",
            "/relations/1/to"
        ]
    );
    let (done, rows) = import(&server, "source=inventory", content.clone()).await;
    assert_eq!(outcomes(&rows), expected);
    assert_eq!(done["counts"], rehearsed["counts"]);
    assert_eq!(count(&server).await, "2");
    let id = rows[0]["record_id"].as_str().unwrap();
    let made = server.get(&format!("{ITEMS}/{id}")).by(Alex).expect(200).await.json();
    assert_eq!((&made["state"], &made["attributes"]["serial_number"]), (&json!("live"), &json!("S-1")));
    assert_eq!(made["owner_id"], json!(Alex.id(&server.assembly)));
    assert_eq!(impact(&server, (ITEMS, id), "").await, ["web-1"]);
    let history = server.get(&format!("{ITEMS}/{id}/history")).by(Admin).expect(200).await.json();
    assert_eq!(history["items"][0]["via"], "source:inventory");

    // Once more: nothing is done twice.
    let (_, rows) = import(&server, "source=inventory", content).await;
    assert_eq!(outcomes(&rows)[..2], ["unchanged", "unchanged"]);
    assert_eq!((outcomes(&rows)[6], count(&server).await), ("unchanged", "2".to_owned()));
}

#[actix_web::test]
async fn the_word_of_the_higher_source_stands() {
    let server = Server::start().await;
    let (_, rows) = import(&server, "source=inventory", json!({"items": [host(json!({}))]})).await;
    let path = format!("{ITEMS}/{}", rows[0]["record_id"].as_str().unwrap());
    // Recognised by its serial number: this source has no key for it yet.
    let said = json!({"class": "server", "title": "ESX1", "attributes": {"serial_number": "S-1", "memory_mib": 2048, "ip_address": "10.0.0.1"}});
    let (_, rows) = import(&server, "source=discovery", json!({"items": [said]})).await;
    assert_eq!(outcomes(&rows), ["updated"]);
    assert_eq!(rows[0]["changes"], json!([{"field": "attributes.ip_address", "from": null, "to": "10.0.0.1"}]));
    let kept: Vec<(&str, &str)> = rows[0]["kept"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kept| (kept["field"].as_str().unwrap(), kept["source"].as_str().unwrap()))
        .collect();
    assert_eq!(kept, [("title", "inventory"), ("attributes.memory_mib", "inventory")]);
    // By hand counts more than both; what is stale counts nothing.
    let now = server.get(&path).by(Admin).expect(200).await;
    server.patch(&path, json!({"title": "Host one"})).by(Admin).seen(&now).expect(200).await;
    let (_, rows) = import(&server, "source=inventory", json!({"items": [host(json!({}))]})).await;
    assert_eq!((outcomes(&rows), &rows[0]["kept"][0]["source"]), (vec!["different"], &json!("manual")));
    server.at("2026-07-01T11:00:00Z");
    let (_, rows) = import(&server, "source=discovery", json!({"items": [{"class": "server", "title": "ESX1", "attributes": {"serial_number": "S-1", "memory_mib": 2048}}]})).await;
    assert_eq!(rows[0]["changes"], json!([{"field": "attributes.memory_mib", "from": 1024, "to": 2048}]));
    // Which can be made otherwise, field by field.
    let source = server.get("/api/v1/data-sources?q=discovery").by(Admin).expect(200).await.json()["items"][0].clone();
    let one = format!("/api/v1/data-sources/{}", source["id"].as_str().unwrap());
    server.patch(&one, json!({"priorities": {"title": 90}})).by(Admin).header("if-match", "*").expect(200).await;
    let (_, rows) = import(
        &server,
        "source=discovery",
        json!({"items": [{"class": "server", "title": "ESX1", "attributes": {"serial_number": "S-1"}}]}),
    )
    .await;
    assert_eq!(rows[0]["changes"][0]["to"], "ESX1");
    let history =
        server.get(&format!("{path}/field-history?field=attributes.memory_mib")).by(Admin).expect(200).await.json();
    let values: Vec<(&Value, &Value)> =
        history["items"].as_array().unwrap().iter().map(|e| (&e["via"], &e["to"])).collect();
    assert_eq!(values, [(&json!("source:discovery"), &json!(2048)), (&json!("source:inventory"), &json!(1024))]);
}

#[actix_web::test]
async fn what_can_not_be_told_apart_is_ambiguous() {
    let server = Server::start().await;
    for title in ["one", "two"] {
        item(&server, "server", title, json!({"hostname": "same.acme", "serial_number": format!("S-{title}")})).await;
    }
    let by = |attributes: Value| json!({"class": "server", "title": "other", "attributes": attributes});
    let content = json!({"items": [
        by(json!({"hostname": "same.acme"})),
        by(json!({"hostname": "same.acme", "serial_number": "S-one"})),
        // By its serial number it is another one, whatever its name.
        by(json!({"hostname": "same.acme", "serial_number": "S-three"})),
    ]});
    let (_, rows) = import(&server, "source=discovery&rehearse=true", content).await;
    assert_eq!(outcomes(&rows), ["ambiguous", "different", "created"]);
    assert_eq!(rows[0]["candidates"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn an_audit_tells_what_is_missing_unknown_and_different() {
    let server = Server::start().await;
    item(&server, "server", "kept", json!({"hostname": "kept", "cpu_count": 4})).await;
    item(&server, "server", "gone", json!({"hostname": "gone"})).await;
    item(&server, "printer", "elsewhere", json!({})).await;
    let csv = "class,title,attributes.hostname,attributes.cpu_count\nserver,kept,kept,8\nserver,new,new,2\n";
    let path = format!("{IMPORTS}?source=inventory&rehearse=true&scope=is_a%20%3D%20server");
    let queued = server.ask(actix_web::http::Method::POST, &path).body("text/csv", csv).by(Admin).expect(202).await;
    let (done, rows) = worked_off(&server, &queued).await;
    let told: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["outcome"].as_str().unwrap(), row["title"].as_str().unwrap())).collect();
    // A value that was written by hand is kept, and told.
    assert_eq!(told, [("different", "kept"), ("created", "new"), ("missing", "gone")]);
    assert_eq!(rows[0]["kept"], json!([{"field": "attributes.cpu_count", "holds": 4, "says": 8, "source": "manual"}]));
    assert_eq!((&done["counts"]["missing"], count(&server).await), (&json!(1), "3".to_owned()));
    let only =
        server.get(&format!("{IMPORTS}/{}/rows?outcome=missing", queued.field("id"))).by(Admin).expect(200).await;
    assert_eq!(only.json()["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn relations_that_a_source_no_longer_names_are_missing() {
    let server = Server::start().await;
    let vm = |key: &str| json!({"key": key, "class": "virtual_machine", "title": key});
    let runs = |vm: &str| json!({"from": vm, "relation": "runs_on", "to": "device:1"});
    let items = json!([host(json!({})), vm("vm:1"), vm("vm:2"), vm("vm:3")]);
    let all = json!({"items": items, "relations": [runs("vm:1"), runs("vm:2"), runs("vm:3")]});
    import(&server, "source=inventory", all).await;
    // vm:3 is not named again, so what is said of it is no news; nor is what others have said.
    let by_hand = import(&server, "source=discovery", json!({"items": [vm("vm:2")]})).await.1[0]["record_id"].clone();
    let path = format!("{ITEMS}/{}/relations", by_hand.as_str().unwrap());
    let host_id = server.get(&format!("{ITEMS}?q=esx-1")).by(Admin).expect(200).await.json()["items"][0]["id"].clone();
    let depends = json!({"relation": "depends_on", "record_id": host_id});
    server.post(&path, depends).by(Admin).header("if-match", "*").expect(201).await;

    server.at("2026-03-04T11:00:00Z");
    let less = json!({"items": [host(json!({})), vm("vm:1"), vm("vm:2")], "relations": [runs("vm:2")]});
    let scope = "scope=is_a%20%3D%20server";
    for query in [format!("source=inventory&rehearse=true&{scope}"), format!("source=inventory&{scope}")] {
        let (done, rows) = import(&server, &query, less.clone()).await;
        let missing: Vec<_> = rows.iter().filter(|row| row["outcome"] == "missing").collect();
        assert_eq!((missing.len(), &done["counts"]["missing"]), (1, &json!(1)), "{rows:?}");
        assert_eq!((&missing[0]["pointer"], &missing[0]["record_id"]), (&json!("/relations"), &rows[1]["record_id"]));
        assert!(missing[0]["title"].as_str().unwrap().contains(" runs_on CI"), "{missing:?}");
    }
    let (done, _) = import(&server, "source=inventory", less).await;
    assert_eq!(done["counts"]["missing"], 0, "without a scope nothing is looked for");
}

#[actix_web::test]
async fn what_makes_no_import_is_refused() {
    let server = Server::start().await;
    let one = json!({"items": [host(json!({}))]});
    let start = |query: &str, body: Value| server.post(&format!("{IMPORTS}?{query}"), body).by(Admin);
    start("source=inventry", one.clone()).expect(400).await;
    start("source=inventory&scope=is_a%20is", one.clone()).expect(400).await;
    start("source=inventory", json!({"items": []})).expect(422).await;
    start("source=inventory", json!({"items": [{"titel": "x"}]})).expect(422).await;
    let csv = |text: &'static str| {
        server.ask(actix_web::http::Method::POST, &format!("{IMPORTS}?source=inventory")).body("text/csv", text)
    };
    let refused = csv("class,titel\nserver,x\n").by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/columns/1");
    server.post(&format!("{IMPORTS}?source=inventory"), one).by(Alex).expect(403).await;
}

#[actix_web::test]
async fn relations_come_as_csv_as_they_do_as_json() {
    let server = Server::start().await;
    let named = |key: &str| json!({"key": key, "class": "server", "title": key, "state": "live"});
    import(&server, "source=inventory", json!({"items": [named("web"), named("one"), named("two")]})).await;
    let text = "from,relation,to,group,min_up\nweb,depends_on,one,nodes,1\n\
                web , depends_on,two,nodes,\none,runs_onto,two,,\nweb,depends_on,nothing,,\n";
    let send = |query: &str, text: &str| {
        let path = format!("{IMPORTS}?{query}");
        server.ask(actix_web::http::Method::POST, &path).body("text/csv", text.to_owned()).by(Admin)
    };
    for query in ["source=inventory&rehearse=true", "source=inventory"] {
        let (_, rows) = worked_off(&server, &send(query, text).expect(202).await).await;
        assert_eq!(outcomes(&rows), ["created", "created", "refused", "refused"], "{query}");
        let places: Vec<&Value> = rows[2..].iter().map(|row| &row["errors"][0]["pointer"]).collect();
        assert_eq!(places, ["/relations/2/relation", "/relations/3/to"]);
        let web = server.get(&format!("{ITEMS}?title=web")).by(Admin).expect(200).await.json()["items"][0].clone();
        let path = format!("{ITEMS}/{}/redundancy-groups", web["id"].as_str().unwrap());
        let groups = server.get(&path).by(Admin).expect(200).await.json();
        let members = groups[0]["members"].as_array().map_or(0, Vec::len);
        assert_eq!(members, if query.contains("rehearse") { 0 } else { 2 });
    }
    let (_, rows) = worked_off(&server, &send("source=inventory", text).expect(202).await).await;
    assert_eq!(outcomes(&rows)[..2], ["unchanged", "unchanged"]);
    let refused = send("source=inventory", "from,relation\na,uses\n").expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/columns");
}

#[actix_web::test]
async fn things_are_recognised_however_their_names_are_written() {
    let server = Server::start().await;
    let made = item(&server, "server", "ESX-1", json!({"serial_number": "S-1", "hostname": "esx-1.acme"})).await;
    let titled = item(&server, "server", "Mail", json!({})).await;
    let by = |title: &str, attributes: Value| json!({"class": "server", "title": title, "attributes": attributes});
    for (row, id) in [
        (by("other", json!({"serial_number": " s-1 "})), &made),
        (by("other", json!({"hostname": "ESX-1.ACME"})), &made),
        (by("esx-1", json!({"serial_number": "s-1", "hostname": "Esx-1.Acme"})), &made),
        (by(" mail", json!({})), &titled),
    ] {
        let (_, rows) = import(&server, "source=discovery&rehearse=true", json!({"items": [row]})).await;
        assert_eq!(rows[0]["record_id"], json!(id), "{row} {rows:?}");
    }
    // By its better name it is another one, however the weaker one is written.
    let other = by("x", json!({"serial_number": "s-2", "hostname": "ESX-1.acme"}));
    // The same twice in one import, too.
    let twice = by("y", json!({"serial_number": "S-2 "}));
    let (_, rows) = import(&server, "source=discovery", json!({"items": [other, twice]})).await;
    assert_eq!(outcomes(&rows), ["created", "ambiguous"]);
    // How it is written stands by the word of the one that counts more, and is neither a difference nor a drift.
    server.at("2026-03-04T11:00:00Z");
    let spelt = by("esx-1", json!({"serial_number": "s-1", "hostname": "ESX-1.acme"}));
    let (_, rows) = import(&server, "source=discovery", json!({"items": [spelt]})).await;
    assert_eq!((outcomes(&rows), &rows[0]["kept"]), (vec!["unchanged"], &json!([])));
    let drift = server.get("/api/v1/unauthorised-changes").by(Admin).expect(200).await.json();
    assert_eq!(drift["items"], json!([]));
    let filter = "/api/v1/configuration_items?filter=title.folded%20%3D%20%22esx-1%20%22";
    assert_eq!(server.get(filter).by(Admin).expect(200).await.json()["items"][0]["id"], json!(made));
}
