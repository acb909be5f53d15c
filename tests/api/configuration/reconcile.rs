//! Imports beside what people have done: whose word stands, what is retired, and what a caller may name.

use pointsman::db::Engine;
use serde_json::{Value, json};

use super::{
    ITEMS, SERVICES,
    import::{IMPORTS, host, import, outcomes, worked_off},
    item, service,
};
use crate::support::{Person::*, Server};

async fn one(server: &Server, query: &str, item: Value) -> Value {
    import(server, query, json!({"items": [item]})).await.1.remove(0)
}

async fn change(server: &Server, path: &str, body: Value) {
    server.patch(path, body).by(Admin).header("if-match", "*").expect(200).await;
}

fn kept(row: &Value) -> Vec<(&str, &str)> {
    let kept = row["kept"].as_array().unwrap().iter();
    kept.map(|kept| (kept["field"].as_str().unwrap(), kept["source"].as_str().unwrap())).collect()
}

#[actix_web::test]
async fn who_confirms_what_is_there_does_not_come_to_hold_it() {
    let server = Server::start().await;
    let path = format!(
        "{ITEMS}/{}",
        item(&server, "server", "esx-1", json!({"serial_number": "S-1", "memory_mib": 1024})).await
    );
    let said = |memory: i64, environment: &str| json!({"class": "server", "title": "esx-1", "environment": environment, "attributes": {"serial_number": "S-1", "memory_mib": memory}});
    let row = one(&server, "source=inventory", said(1024, "production")).await;
    assert_eq!((row["outcome"].as_str(), kept(&row)), (Some("unchanged"), vec![]));
    let row = one(&server, "source=inventory", said(2048, "production")).await;
    assert_eq!((row["outcome"].as_str(), kept(&row)), (Some("different"), vec![("attributes.memory_mib", "manual")]));
    // What a new record has anyway is nobody's word; what was put back to it by hand is somebody's.
    let row = one(&server, "source=inventory", said(1024, "staging")).await;
    assert_eq!(row["changes"][0]["field"], "environment");
    change(&server, &path, json!({"environment": "production"})).await;
    for _ in 0..2 {
        let row = one(&server, "source=inventory", said(1024, "staging")).await;
        assert_eq!((row["outcome"].as_str(), kept(&row)), (Some("different"), vec![("environment", "manual")]));
    }
    change(&server, &path, json!({"criticality": "gold"})).await;
    change(&server, &path, json!({"criticality": "bronze"})).await;
    let mut more = said(1024, "production");
    more["criticality"] = "silver".into();
    assert_eq!(kept(&one(&server, "source=inventory", more).await), [("criticality", "manual")]);
}

#[actix_web::test]
async fn a_state_is_reconciled_as_fields_are() {
    let server = Server::start().await;
    let known = one(&server, "source=discovery", host(json!({}))).await;
    let path = format!("{ITEMS}/{}", known["record_id"].as_str().unwrap());
    let row = one(&server, "source=discovery", host(json!({"state": "in_maintenance"}))).await;
    assert_eq!(row["changes"], json!([{"field": "state", "from": "live", "to": "in_maintenance"}]));
    server.post(&format!("{path}/go_live"), json!({})).by(Admin).expect(200).await;
    let row = one(&server, "source=discovery", host(json!({"state": "in_maintenance"}))).await;
    assert_eq!((row["outcome"].as_str(), kept(&row)), (Some("different"), vec![("state", "manual")]));
    // What somebody has retired stays so; the rest of the row stands.
    server.post(&format!("{path}/retire"), json!({})).by(Admin).expect(200).await;
    let more = json!({"attributes": {"serial_number": "S-1", "memory_mib": 4096}});
    let row = one(&server, "source=discovery", host(more)).await;
    assert_eq!((row["outcome"].as_str(), kept(&row)), (Some("updated"), vec![("state", "manual")]));
    assert_eq!(row["changes"], json!([{"field": "attributes.memory_mib", "from": 1024, "to": 4096}]));
    let new = json!({"class": "printer", "title": "new", "state": "in_maintenance"});
    let row = one(&server, "source=discovery", new).await;
    assert_eq!((row["outcome"].as_str(), kept(&row)), (Some("created"), vec![("state", "lifecycle")]));
}

#[actix_web::test]
async fn what_is_retired_is_recognised_by_its_key_alone() {
    let server = Server::start().await;
    let known = one(&server, "source=inventory", host(json!({}))).await;
    let path = format!("{ITEMS}/{}", known["record_id"].as_str().unwrap());
    server.post(&format!("{path}/retire"), json!({})).by(Admin).expect(200).await;
    let again = one(&server, "source=inventory", host(json!({}))).await;
    assert_eq!((&again["outcome"], &again["record_id"]), (&json!("different"), &known["record_id"]));
    let other = json!({"class": "server", "title": "esx-1", "attributes": {"serial_number": "S-1"}});
    let other = one(&server, "source=discovery", other).await;
    assert_eq!(other["outcome"], "created");
    // However many others of another class are called the same.
    for _ in 0..21 {
        server.post(ITEMS, json!({"title": "esx-9", "class": "printer"})).by(Admin).expect(201).await;
    }
    let id = item(&server, "server", "esx-9", json!({})).await;
    let found = one(&server, "source=discovery&rehearse=true", json!({"class": "server", "title": "esx-9"})).await;
    assert_eq!((&found["outcome"], &found["record_id"]), (&json!("unchanged"), &json!(id)));
}

#[actix_web::test]
async fn a_relation_that_is_there_follows_what_is_said_of_its_group() {
    let server = Server::start().await;
    let named = |key: &str| json!({"key": key, "class": "server", "title": key, "state": "live"});
    let related = |more: Value| {
        let mut relation = json!({"from": "a", "relation": "depends_on", "to": "b"});
        relation.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"items": [named("a"), named("b")], "relations": [relation]})
    };
    let (_, rows) = import(&server, "source=inventory", related(json!({}))).await;
    assert_eq!(outcomes(&rows)[2], "created");
    let grouped = || related(json!({"group": "nodes", "min_up": 2}));
    let expected = json!([{"field": "group", "from": null, "to": "nodes"}, {"field": "min_up", "from": null, "to": 2}]);
    for query in ["source=inventory&rehearse=true", "source=inventory"] {
        let (_, rows) = import(&server, query, grouped()).await;
        assert_eq!((outcomes(&rows)[2], &rows[2]["changes"]), ("updated", &expected), "{query}");
    }
    let (_, rows) = import(&server, "source=inventory", grouped()).await;
    assert_eq!(outcomes(&rows)[2], "unchanged");
    let (_, rows) = import(&server, "source=inventory", related(json!({"group": "nodes", "min_up": 1}))).await;
    assert_eq!(rows[2]["changes"], json!([{"field": "min_up", "from": 2, "to": 1}]));
    let path = format!("{ITEMS}/{}", rows[0]["record_id"].as_str().unwrap());
    let groups = server.get(&format!("{path}/redundancy-groups")).by(Admin).expect(200).await.json();
    assert_eq!((&groups[0]["min_up"], &groups[0]["members"][0]["title"]), (&json!(1), &json!("b")));
    // What can't be is refused, and not told as if it were there.
    let (_, rows) = import(&server, "source=inventory", related(json!({"group": "others", "min_up": 0}))).await;
    assert_eq!((outcomes(&rows)[2], &rows[2]["errors"][0]["pointer"]), ("refused", &json!("/relations/0/min_up")));
}

#[actix_web::test]
async fn an_import_names_what_its_caller_sees_and_may_change() {
    let server = Server::start().await;
    server.allow(&[Bea], "importer", "organisation", &["configuration_item.import", "configuration_item.update"]).await;
    let hidden = server.post("/api/v1/incidents", json!({"title": "Mail"})).by(Rita).expect(201).await.field("number");
    let own = server.post("/api/v1/incidents", json!({"title": "Mail"})).by(Ben).expect(201).await.field("number");
    let shop = service(&server, "Shop").await;
    let shop = server.get(&format!("{SERVICES}/{shop}")).by(Admin).expect(200).await.field("number");
    let row = json!({"key": "a", "class": "server", "title": "a"});
    let to = |to: &str| json!({"from": "a", "relation": "depends_on", "to": to});
    let theirs =
        json!({"class": "server", "title": "b", "organisation": "Acme", "owner": "alex", "support_team": "network"});
    let content =
        json!({"items": [row, theirs], "relations": [to(&hidden), to("INC9999999"), to(&own), to(&shop), to("a")]});
    for query in ["source=inventory&rehearse=true", "source=inventory"] {
        let queued = server.post(&format!("{IMPORTS}?{query}"), content.clone()).by(Bea).expect(202).await;
        let (_, rows) = worked_off(&server, &queued).await;
        let told: Vec<(&str, &str)> = rows[1..]
            .iter()
            .flat_map(|row| row["errors"].as_array().unwrap())
            .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
            .collect();
        let expected = [
            ("/items/1/owner", "no_such_reference"),
            ("/items/1/support_team", "no_such_reference"),
            ("/items/1/organisation", "no_such_reference"),
            ("/relations/0/to", "no_such_reference"),
            ("/relations/1/to", "no_such_reference"),
            ("/relations/2/to", "wrong_kind"),
            ("/relations/3/to", "forbidden"),
            ("/relations/4/to", "loop"),
        ];
        assert_eq!(told, expected, "{query}");
        let detail = |row: &Value, number: &str| row["errors"][0]["detail"].as_str().unwrap().replace(number, "");
        assert_eq!(detail(&rows[2], &hidden), detail(&rows[3], "INC9999999"), "the two look the same");
    }
}

#[actix_web::test]
async fn no_key_is_empty_or_too_long() {
    let server = Server::start().await;
    let long = "x".repeat(201);
    let row = |key: &str, title: &str| json!({"key": key, "class": "server", "title": title});
    let relation = json!({"from": long, "relation": "depends_on", "to": "one"});
    let content = json!({"items": [row("", "one"), row(" ", "two"), row(&long, "three")], "relations": [relation]});
    let (_, rows) = import(&server, "source=inventory", content).await;
    assert_eq!(outcomes(&rows), ["created", "created", "refused", "refused"]);
    let pointers = [&rows[2]["errors"][0]["pointer"], &rows[3]["errors"][0]["pointer"]];
    assert_eq!(pointers, ["/items/2/key", "/relations/0/from"]);
}

#[actix_web::test]
async fn a_number_names_what_is_there_and_nothing_else() {
    let server = Server::start().await;
    let known = one(&server, "source=inventory", host(json!({}))).await;
    let id = known["record_id"].as_str().unwrap();
    let number = server.get(&format!("{ITEMS}/{id}")).by(Admin).expect(200).await.field("number");
    let said = |number: &str| json!({"number": number, "class": "server", "title": "renamed"});
    let row = one(&server, "source=inventory", said(&number)).await;
    assert_eq!((row["outcome"].as_str(), row["record_id"].as_str()), (Some("updated"), Some(id)));
    let mut other = said(&number);
    other["key"] = "device:1".into();
    assert_eq!(one(&server, "source=inventory", other.clone()).await["outcome"], "unchanged");
    let second = item(&server, "server", "second", json!({})).await;
    other["number"] = server.get(&format!("{ITEMS}/{second}")).by(Admin).expect(200).await.field("number").into();
    for wrong in [other, said("CI9999999"), said("SVC0000001")] {
        let row = one(&server, "source=inventory", wrong.clone()).await;
        assert_eq!(
            (row["outcome"].as_str(), &row["errors"][0]["pointer"]),
            (Some("refused"), &json!("/items/0/number"))
        );
    }
    let csv = format!("number,title\n{number},from a sheet\n");
    let queued = server
        .ask(actix_web::http::Method::POST, &format!("{IMPORTS}?source=inventory&class=server"))
        .body("text/csv", csv)
        .by(Admin)
        .expect(202)
        .await;
    assert_eq!(worked_off(&server, &queued).await.1[0]["record_id"], id);
}

#[actix_web::test]
async fn what_a_row_means_is_not_missing_though_the_row_is_refused() {
    let server = Server::start().await;
    one(&server, "source=inventory", host(json!({}))).await;
    for title in ["one", "two"] {
        item(&server, "server", title, json!({"hostname": "same.acme"})).await;
    }
    item(&server, "server", "gone", json!({})).await;
    let unsure = json!({"class": "server", "title": "other", "attributes": {"hostname": "same.acme"}});
    let items = json!([host(json!({"support_team": "nobody"})), unsure]);
    let query = "source=inventory&rehearse=true&scope=is_a%20%3D%20server";
    let (_, rows) = import(&server, query, json!({"items": items})).await;
    assert_eq!(outcomes(&rows), ["refused", "ambiguous", "missing"]);
    assert_eq!(rows[2]["title"], "gone");
}

#[actix_web::test]
async fn relations_are_rehearsed_as_they_are_made() {
    let server = Server::start().await;
    let named = |key: &str| json!({"key": key, "class": "server", "title": key, "state": "live"});
    let (_, rows) = import(&server, "source=inventory", json!({"items": [named("a"), named("b")]})).await;
    let number = server
        .get(&format!("{ITEMS}/{}", rows[0]["record_id"].as_str().unwrap()))
        .by(Admin)
        .expect(200)
        .await
        .field("number");
    // New things fill the rows of one transaction, so that those of relations stand in others.
    let new: Vec<Value> = (0..50).map(|n| named(&format!("new-{n}"))).collect();
    let relation = |from: &str, to: &str, group: Value, min_up: Value| json!({"from": from, "relation": "depends_on", "to": to, "group": group, "min_up": min_up});
    let mut relations = vec![
        relation("a", "b", Value::Null, Value::Null),
        relation(&number, "b", Value::Null, Value::Null),
        relation("a", "b", json!("nodes"), json!(1)),
        relation("new-0", "new-1", json!("nodes"), json!(2)),
        relation("new-0", "new-1", json!("nodes"), json!(2)),
        relation("new-0", "new-1", json!("others"), json!(2)),
        relation("new-2", "new-3", json!("nodes"), json!(0)),
        relation("new-2", "new-3", json!(" spaced"), Value::Null),
        relation("a", "new-3", json!(" spaced"), Value::Null),
        relation("b", "b", Value::Null, Value::Null),
    ];
    relations.extend((10..49).map(|n| relation(&format!("new-{n}"), "b", Value::Null, Value::Null)));
    relations.push(relation("new-0", "new-1", json!("nodes"), Value::Null));
    let content = json!({"items": new, "relations": relations});
    let (rehearsed, before) = import(&server, "source=inventory&rehearse=true", content.clone()).await;
    let (done, after) = import(&server, "source=inventory", content).await;
    let told = |rows: &[Value]| -> Vec<(String, Value, Value)> {
        let told = |row: &Value| {
            (format!("{} {}", row["title"], row["outcome"]), row["changes"].clone(), row["errors"].clone())
        };
        rows.iter().map(told).collect()
    };
    assert_eq!(told(&before), told(&after));
    assert_eq!(rehearsed["counts"], done["counts"]);
    let (few, refused) = (&outcomes(&after)[50..57], &after[56]["errors"][0]["pointer"]);
    assert_eq!(few, ["created", "unchanged", "updated", "created", "unchanged", "updated", "refused"]);
    assert_eq!(refused, "/relations/6/min_up");
}

#[actix_web::test]
async fn two_imports_at_once_make_one_thing_of_what_both_tell_of() {
    let server = Server::start().await;
    if server.assembly.database.engine() == Engine::Sqlite {
        return; // Two servers do not share a file.
    }
    let other = server.beside().await;
    let items: Vec<Value> = (0..120)
        .map(|n| json!({"class": "server", "title": format!("esx-{n}"), "attributes": {"serial_number": format!("S-{n}")}}))
        .collect();
    let mut queued = Vec::new();
    for source in ["inventory", "discovery"] {
        let path = format!("{IMPORTS}?source={source}");
        queued.push(server.post(&path, json!({"items": items})).by(Admin).expect(202).await.field("id"));
    }
    let (here, there) = (server.assembly.jobs(), other.assembly.jobs());
    let (here, there) = futures_util::future::join(here.work_off(), there.work_off()).await;
    assert!(here.unwrap() + there.unwrap() > 0);
    server.assembly.jobs().work_off().await.unwrap();
    for id in queued {
        let done = server.get(&format!("{IMPORTS}/{id}")).by(Admin).expect(200).await.json();
        assert_eq!((&done["job"]["state"], &done["counts"]["ambiguous"]), (&json!("succeeded"), &json!(0)), "{done}");
    }
    assert_eq!(server.get(&format!("{ITEMS}?count=true")).by(Admin).expect(200).await.field("total"), "120");
}
