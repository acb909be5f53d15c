//! What a source says by saying nothing: of a field by a null, of a thing by not naming it any more.

use serde_json::{Value, json};

use super::{
    ITEMS,
    import::{IMPORTS, host, import, outcomes, worked_off},
    item,
    resume::cut_off,
};
use crate::support::{Person::*, Server};
use pointsman::practice::configuration_item::import::run::run;

/// Says how a source is taken.
pub async fn choose(server: &Server, source: &str, choice: Value) {
    let sources = server.get(&format!("/api/v1/data-sources?q={source}")).by(Admin).expect(200).await.json();
    let path = format!("/api/v1/data-sources/{}", sources["items"][0]["id"].as_str().unwrap());
    server.patch(&path, choice).by(Admin).header("if-match", "*").expect(200).await;
}

pub async fn read(server: &Server, id: &Value) -> Value {
    server.get(&format!("{ITEMS}/{}", id.as_str().unwrap())).by(Admin).expect(200).await.json()
}

async fn csv(server: &Server, query: &str, text: &str) -> Vec<Value> {
    let path = format!("{IMPORTS}?{query}");
    let text = text.to_owned();
    let queued = server.ask(actix_web::http::Method::POST, &path).body("text/csv", text).by(Admin).expect(202).await;
    worked_off(server, &queued).await.1
}

pub fn named(key: &str) -> Value {
    json!({"key": key, "class": "server", "title": key, "state": "live"})
}

/// The outcomes of what no row named, by title, with who stands against it.
fn gone(rows: &[Value]) -> Vec<(&str, &str, &str)> {
    let gone = rows.iter().filter(|row| row["pointer"] == "");
    let mut told: Vec<_> = gone
        .map(|row| {
            let by = row["kept"][0]["source"].as_str().unwrap_or_default();
            (row["title"].as_str().unwrap(), row["outcome"].as_str().unwrap(), by)
        })
        .collect();
    told.sort_unstable();
    told
}

pub const SERVERS: &str = "scope=is_a%20%3D%20server";

#[actix_web::test]
async fn a_null_says_nothing_unless_the_source_means_it() {
    let server = Server::start().await;
    let full = host(json!({"description": "In rack 4.", "owner": "alex", "support_team": "network"}));
    let (_, rows) = import(&server, "source=inventory", json!({"items": [full]})).await;
    let id = rows[0]["record_id"].clone();
    let nothing = json!({
        "key": "device:1", "class": "server", "title": null, "environment": null, "description": null, "owner": null,
        "support_team": null, "attributes": {"memory_mib": null, "cpu_count": null},
    });
    let (_, rows) = import(&server, "source=inventory", json!({"items": [nothing]})).await;
    assert_eq!(outcomes(&rows), ["unchanged"]);
    choose(&server, "inventory", json!({"empty": "clear"})).await;
    let expected = ["description", "owner_id", "support_team_id", "attributes.memory_mib"];
    for query in ["source=inventory&rehearse=true", "source=inventory"] {
        let (_, rows) = import(&server, query, json!({"items": [nothing]})).await;
        assert_eq!(outcomes(&rows), ["updated"], "{query}");
        let mut changed: Vec<&str> =
            rows[0]["changes"].as_array().unwrap().iter().map(|change| change["field"].as_str().unwrap()).collect();
        changed.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(changed, expected, "{query}");
        if query.contains("rehearse") {
            assert_eq!(read(&server, &id).await["description"], "In rack 4.");
        }
    }
    let now = read(&server, &id).await;
    assert_eq!(
        (&now["description"], &now["owner_id"], &now["support_team_id"]),
        (&json!(""), &json!(null), &json!(null))
    );
    assert_eq!(
        (&now["title"], &now["environment"], &now["attributes"]),
        (&json!("esx-1"), &json!("production"), &json!({"serial_number": "S-1"}))
    );
    // It is said by the source, so one that counts less does not say otherwise; one that says nothing leaves it.
    let (_, rows) = import(&server, "source=inventory", json!({"items": [nothing]})).await;
    assert_eq!(outcomes(&rows), ["unchanged"]);
    let other = json!({"class": "server", "title": "esx-1", "attributes": {"serial_number": "S-1", "memory_mib": 64}});
    let (_, rows) = import(&server, "source=discovery", json!({"items": [other]})).await;
    assert_eq!((outcomes(&rows), &rows[0]["kept"][0]["source"]), (vec!["different"], &json!("inventory")));
}

#[actix_web::test]
async fn what_is_written_by_hand_or_needed_is_not_emptied() {
    let server = Server::start().await;
    choose(&server, "inventory", json!({"empty": "clear"})).await;
    let class = json!({
        "name": "badge", "label": "Badge", "identification": [["code"]],
        "attributes": [
            {"name": "code", "label": "Code", "field_type": "text", "required": true},
            {"name": "colour", "label": "Colour", "field_type": "text"},
        ],
    });
    server.post("/api/v1/classes", class).by(Admin).expect(201).await;
    let id = item(&server, "badge", "one", json!({"code": "B-1", "colour": "red"})).await;
    // Columns of other classes are empty here.
    let text = format!(
        "number,class,title,attributes.code,attributes.colour,attributes.memory_mib\n{},badge,,B-1,,\n",
        read(&server, &json!(id)).await["number"].as_str().unwrap()
    );
    let rows = csv(&server, "source=inventory", &text).await;
    assert_eq!((outcomes(&rows), &rows[0]["kept"][0]["source"]), (vec!["different"], &json!("manual")), "{rows:?}");
    let rows = csv(&server, "source=inventory", &text.replace("B-1", "")).await;
    assert_eq!((outcomes(&rows), &rows[0]["errors"][0]["code"]), (vec!["refused"], &json!("required")));
    assert_eq!(rows[0]["errors"][0]["pointer"], "/items/0/attributes/code");
    assert_eq!(read(&server, &json!(id)).await["attributes"], json!({"code": "B-1", "colour": "red"}));
}

#[actix_web::test]
async fn cells_that_are_empty_clear_where_the_source_says_so() {
    let server = Server::start().await;
    let text = "key,class,title,description,attributes.memory_mib\nd:1,server,esx-1,In rack 4.,1024\n";
    let id = csv(&server, "source=spreadsheet", text).await[0]["record_id"].clone();
    let empty = "key,class,title,description,attributes.memory_mib\nd:1,server,,,\n";
    assert_eq!(outcomes(&csv(&server, "source=spreadsheet", empty).await), ["unchanged"]);
    choose(&server, "spreadsheet", json!({"empty": "clear"})).await;
    assert_eq!(outcomes(&csv(&server, "source=spreadsheet", empty).await), ["updated"]);
    let now = read(&server, &id).await;
    assert_eq!((&now["title"], &now["description"], &now["attributes"]), (&json!("esx-1"), &json!(""), &json!({})));
}

#[actix_web::test]
async fn a_source_that_retires_takes_what_it_no_longer_finds_through_its_lifecycle() {
    let server = Server::start().await;
    let all = ["stays", "gone", "told", "kept", "broken"];
    let items: Vec<Value> = all.iter().map(|key| named(key)).collect();
    let (_, made) = import(&server, "source=inventory", json!({"items": items})).await;
    let id = |title: &str| made[all.iter().position(|key| *key == title).unwrap()]["record_id"].clone();
    // Another source tells of one; somebody has taken another out of use; one is of no source.
    import(&server, "source=discovery", json!({"items": [{"class": "server", "title": "told"}]})).await;
    let kept = format!("{ITEMS}/{}", id("kept").as_str().unwrap());
    server.post(&format!("{kept}/maintain"), json!({})).by(Admin).expect(200).await;
    item(&server, "server", "by hand", json!({})).await;
    server.at("2026-03-04T11:00:00Z");
    let less = json!({"items": [named("stays"), {"key": "broken", "class": "sever", "title": "broken"}]});
    let query = format!("source=inventory&{SERVERS}");
    let (done, rows) = import(&server, &query, json!({"items": [named("stays"), named("broken")]})).await;
    let missing = |against: &'static str| ("gone", "missing", against);
    let others = [("by hand", "missing", ""), ("kept", "missing", ""), ("told", "missing", "")];
    assert_eq!(gone(&rows), [others[0], missing(""), others[1], others[2]], "it tells of them alone, by itself");
    assert_eq!((&done["counts"]["missing"], &done["counts"]["retired"]), (&json!(4), &json!(0)));

    choose(&server, "inventory", json!({"missing": "retire"})).await;
    // A row that is not taken in names what it is of by its key; otherwise it may be of any.
    let (_, rows) = import(&server, &query, less.clone()).await;
    assert_eq!(gone(&rows)[1], missing("refused"), "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row["title"] == "broken").count(), 1);

    let less = json!({"items": [named("stays"), named("broken")]});
    let expected = [
        ("by hand", "missing", ""),
        ("gone", "retired", ""),
        ("kept", "missing", "manual"),
        ("told", "missing", "discovery"),
    ];
    let (rehearsed, rows) = import(&server, &format!("{query}&rehearse=true"), less.clone()).await;
    assert_eq!(gone(&rows), expected);
    assert_eq!(read(&server, &id("gone")).await["state"], "live", "it is only rehearsed");
    let (done, rows) = import(&server, &query, less.clone()).await;
    assert_eq!((gone(&rows), &done["counts"]), (expected.to_vec(), &rehearsed["counts"]));
    let row = rows.iter().find(|row| row["outcome"] == "retired").unwrap();
    assert_eq!(row["changes"], json!([{"field": "state", "from": "live", "to": "retired"}]));
    assert_eq!(row["record_id"], id("gone"));
    assert_eq!(read(&server, &id("gone")).await["state"], "retired");
    for (title, state) in [("stays", "live"), ("told", "live"), ("kept", "in_maintenance"), ("broken", "live")] {
        assert_eq!(read(&server, &id(title)).await["state"], state, "{title}");
    }
    let path = format!("{ITEMS}/{}/history", id("gone").as_str().unwrap());
    let last = server.get(&path).by(Admin).expect(200).await.json()["items"][0].clone();
    assert_eq!(
        (&last["action"], &last["via"], &last["reason"]),
        (&json!("configuration_item.retired"), &json!("source:inventory"), &json!("`inventory` no longer finds it."))
    );
    // What is retired is not looked for; what nobody else tells of any more goes, too.
    server.at("2026-04-04T11:00:00Z");
    let (_, rows) = import(&server, &query, less.clone()).await;
    assert_eq!(gone(&rows), [("by hand", "missing", ""), ("kept", "missing", "manual"), ("told", "retired", "")]);
}

#[actix_web::test]
async fn what_is_retired_is_retired_once_however_often_it_is_cut_off() {
    let server = Server::start().await;
    choose(&server, "inventory", json!({"missing": "retire"})).await;
    let items: Vec<Value> = (0..60).map(|n| named(&format!("vm-{n}"))).collect();
    import(&server, "source=inventory", json!({"items": items})).await;
    server.at("2026-03-04T11:00:00Z");
    let path = format!("{IMPORTS}?source=inventory&{SERVERS}");
    let queued = server.post(&path, json!({"items": [named("vm-0")]})).by(Admin).expect(202).await;
    cut_off(&server, &queued.field("id"), run);
    let counts = server.get(&format!("{IMPORTS}/{}", queued.field("id"))).by(Admin).expect(200).await.json();
    assert_eq!((&counts["counts"]["retired"], &counts["counts"]["missing"]), (&json!(59), &json!(0)));
    let retired = server.get(&format!("{ITEMS}?count=true&filter=state%20%3D%20%22retired%22")).by(Admin);
    assert_eq!(retired.expect(200).await.json()["total"], 59);
}
