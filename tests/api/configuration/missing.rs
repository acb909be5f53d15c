//! What an import does not name: only what it could have named is missing.

use pointsman::practice::configuration_item::import::run::run;
use serde_json::{Value, json};

use super::{
    ITEMS,
    import::{IMPORTS, import, outcomes, worked_off},
    resume::cut_off,
};
use crate::support::{Person::*, Server};

const SERVERS: &str = "scope=is_a%20%3D%20server";

fn named(key: &str) -> Value {
    json!({"key": key, "class": "server", "title": key, "state": "live"})
}

fn runs_on((from, to): (&str, &str)) -> Value {
    json!({"from": from, "relation": "runs_on", "to": to})
}

fn content(keys: &[&str], related: &[(&str, &str)]) -> Value {
    let items: Vec<Value> = keys.iter().map(|key| named(key)).collect();
    let relations: Vec<Value> = related.iter().map(|ends| runs_on(*ends)).collect();
    json!({"items": items, "relations": relations})
}

/// Lets a source retire what it no longer finds.
async fn retires(server: &Server, source: &str) {
    let sources = server.get(&format!("/api/v1/data-sources?q={source}")).by(Admin).expect(200).await.json();
    let path = format!("/api/v1/data-sources/{}", sources["items"][0]["id"].as_str().unwrap());
    server.patch(&path, json!({"missing": "retire"})).by(Admin).header("if-match", "*").expect(200).await;
}

async fn states(server: &Server) -> Vec<(String, String)> {
    let page = server.get(&format!("{ITEMS}?sort=opened_at")).by(Admin).expect(200).await.json();
    let word = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(|item| (word(item, "title"), word(item, "state"))).collect()
}

async fn found(server: &Server) -> Vec<Value> {
    let page = server.get("/api/v1/unauthorised-changes").by(Admin).expect(200).await.json();
    page["items"].as_array().unwrap().clone()
}

async fn rows(server: &Server, id: &str) -> Vec<Value> {
    let rows = server.get(&format!("{IMPORTS}/{id}/rows?limit=200")).by(Admin).expect(200).await.json();
    rows["items"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn relations_alone_say_nothing_of_things() {
    let server = Server::start().await;
    retires(&server, "inventory").await;
    let things = ["host-1", "host-2", "vm-1", "vm-2", "vm-3", "vm-4"];
    let first = content(&things, &[("vm-1", "host-1"), ("vm-2", "host-2"), ("vm-4", "host-1")]);
    import(&server, "source=inventory", first).await;
    // What vm-4 runs on is not said at all; vm-1 has moved.
    let text = "from,relation,to\nvm-1,runs_on,host-2\nvm-2,runs_on,host-2\nvm-3,runs_on,host-1\n";
    let send = |query: &str| {
        let path = format!("{IMPORTS}?source=inventory&{SERVERS}{query}");
        server.ask(actix_web::http::Method::POST, &path).body("text/csv", text.to_owned()).by(Admin)
    };
    for query in ["&rehearse=true", ""] {
        let (_, rows) = worked_off(&server, &send(query).expect(202).await).await;
        assert_eq!(outcomes(&rows), ["created", "unchanged", "created", "missing"], "{query}: {rows:?}");
        assert_eq!(rows[3]["pointer"], "/relations");
    }
    let queued = send("").expect(202).await.field("id");
    cut_off(&server, &queued, run);
    assert_eq!(outcomes(&rows(&server, &queued).await), ["unchanged", "unchanged", "unchanged", "missing"]);
    let states = states(&server).await;
    assert!(states.len() == 6 && states.iter().all(|(_, state)| state == "live"), "{states:?}");
}

#[actix_web::test]
async fn what_was_told_of_since_is_not_missing_however_late_an_import_is_done() {
    let server = Server::start().await;
    retires(&server, "discovery").await;
    let both = [("a", "b"), ("c", "b")];
    import(&server, "source=discovery", content(&["a", "b", "c"], &both)).await;
    let queue = async |at: &str, query: &str, content: Value| {
        server.at(at);
        let path = format!("{IMPORTS}?source=discovery&{SERVERS}{query}");
        server.post(&path, content).by(Admin).expect(202).await.field("id")
    };
    let things = queue("2026-03-05T11:00:00Z", "", content(&["a", "b"], &[])).await;
    let relations = queue("2026-03-05T11:00:00Z", "", content(&["a", "b", "c"], &both[..1])).await;
    let newer = queue("2026-03-06T11:00:00Z", "", content(&["a", "b", "c", "d"], &both)).await;
    let older = queue("2026-03-07T11:00:00Z", "&observed_at=2026-03-05T11:00:00Z", content(&["a"], &[])).await;
    for id in [&newer, &things, &relations, &older] {
        cut_off(&server, id, run);
    }
    for (id, expected) in [(&things, 2), (&relations, 4), (&older, 1)] {
        let rows = rows(&server, id).await;
        assert_eq!(outcomes(&rows), vec!["unchanged"; expected], "{rows:?}");
    }
    let states = states(&server).await;
    assert!(states.len() == 4 && states.iter().all(|(_, state)| state == "live"), "{states:?}");
    let ways: Vec<Value> = found(&server).await.iter().map(|found| found["finding"].clone()).collect();
    assert_eq!(ways, ["appeared"], "d alone is news");
}

#[actix_web::test]
async fn a_relation_that_was_refused_has_not_vanished() {
    let server = Server::start().await;
    let things = ["host", "vm-1", "vm-2"];
    import(&server, "source=discovery", content(&things, &[("vm-1", "host"), ("vm-2", "host")])).await;
    server.at("2026-03-04T11:00:00Z");
    let mut again = content(&things, &[("vm-1", "host"), ("vm-2", "host")]);
    again["relations"][0]["relation"] = "runs_onto".into();
    let (_, rows) = import(&server, &format!("source=discovery&{SERVERS}"), again).await;
    assert_eq!(outcomes(&rows)[3..], ["refused", "unchanged", "missing"]);
    assert_eq!(found(&server).await, [json!(null); 0]);
}

#[actix_web::test]
async fn a_relation_is_held_against_when_its_own_ends_were_looked_at() {
    let server = Server::start().await;
    let others: Vec<String> = (0..60).map(|n| format!("other-{n}")).collect();
    let mut keys: Vec<&str> = others.iter().map(String::as_str).collect();
    import(&server, "source=discovery", content(&["host", "vm-1", "vm-2"], &[("vm-2", "host")])).await;
    // Elsewhere it has looked since.
    server.at("2026-03-06T11:00:00Z");
    import(&server, "source=discovery", content(&["elsewhere"], &[])).await;
    server.at("2026-03-07T11:00:00Z");
    keys.extend(["host", "vm-1", "vm-2"]);
    let path = format!("{IMPORTS}?source=discovery");
    let more = content(&keys, &[("vm-1", "host"), ("vm-2", "host")]);
    let queued = server.post(&path, more).by(Admin).expect(202).await.field("id");
    // Those that go on find what was looked at before the job, and not by it.
    assert!(cut_off(&server, &queued, run).len() > 1);
    let all = found(&server).await;
    let related: Vec<&Value> = all.iter().filter(|found| found["finding"] == "related").collect();
    assert_eq!(related.len(), 1, "{all:?}");
    assert_eq!(related[0]["last_seen_at"], "2026-03-03T11:00:00Z");
}
