//! Classes with their attributes, types of relations, and the permissions that they need.

use serde_json::{Value, json};

use super::{ITEMS, SERVICES, group, impact, item, relate, service, titles};
use crate::support::{Person::*, Server};

const CLASSES: &str = "/api/v1/classes";

async fn count(server: &Server, filter: &str) -> String {
    let filter: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
    server.get(&format!("{ITEMS}?count=true&filter={filter}")).by(Alex).expect(200).await.field("total")
}

#[actix_web::test]
async fn a_class_has_the_attributes_of_those_above_and_its_own() {
    let server = Server::start().await;
    let kernel =
        json!({"name": "kernel", "label": "Kernel", "field_type": "text", "required": true, "pattern": "[0-9.]+"});
    let class = json!({"name": "linux_server", "label": "Linux server", "parent": "server", "attributes": [kernel]});
    server.post(CLASSES, class.clone()).by(Alex).expect(403).await;
    let made = server.post(CLASSES, class).by(Admin).expect(201).await;
    let names: Vec<Value> =
        made.json()["all_attributes"].as_array().unwrap().iter().map(|a| a["name"].clone()).collect();
    assert!(names.contains(&json!("serial_number")) && names.last() == Some(&json!("kernel")), "{names:?}");

    let new = |attributes: Value| json!({"title": "lnx-1", "class": "linux_server", "attributes": attributes});
    let wrong = [
        (json!({}), "/attributes/kernel", "required"),
        (json!({"kernel": 6}), "/attributes/kernel", "wrong_type"),
        (json!({"kernel": "six"}), "/attributes/kernel", "no_match"),
        (json!({"kernel": "6.1", "cpu_count": "two"}), "/attributes/cpu_count", "wrong_type"),
        (json!({"kernel": "6.1", "cpu_cont": 2}), "/attributes/cpu_cont", "unknown_field"),
    ];
    for (attributes, pointer, code) in wrong {
        let refused = server.post(ITEMS, new(attributes)).by(Admin).expect(422).await.json();
        assert_eq!((&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]), (&json!(pointer), &json!(code)));
    }
    let made = server.post(ITEMS, new(json!({"kernel": "6.1", "cpu_count": 8}))).by(Admin).expect(201).await;
    let path = format!("{ITEMS}/{}", made.field("id"));
    item(&server, "server", "win-1", json!({"cpu_count": 4})).await;
    item(&server, "printer", "prt-1", json!({})).await;
    for (filter, found) in [
        ("class = linux_server", "1"),
        ("class = server", "1"),
        ("is_a = server", "2"),
        ("is_a = hardware", "3"),
        ("attributes.cpu_count > 4", "1"),
        ("attributes.cpu_count != null", "2"),
        ("attributes.kernel = \"6.1\" AND is_a = hardware", "1"),
        ("is_a = server AND NOT class = server", "1"),
    ] {
        assert_eq!(count(&server, filter).await, found, "{filter}");
    }

    // A change is merged; the history tells of it; another class lets go of what it has not.
    let changed = server.patch(&path, json!({"attributes": {"cpu_count": 16}})).by(Admin).seen(&made).expect(200).await;
    assert_eq!(changed.json()["attributes"], json!({"cpu_count": 16, "kernel": "6.1"}));
    assert_eq!(count(&server, "attributes.cpu_count = 16").await, "1");
    let emptied = server.patch(&path, json!({"attributes": {"kernel": null}})).by(Admin).seen(&changed);
    assert_eq!(emptied.expect(422).await.json()["errors"][0]["code"], "required");
    let other = server.patch(&path, json!({"class": "printer"})).by(Admin).seen(&changed).expect(200).await;
    assert_eq!(other.json()["attributes"], json!({}));
    assert_eq!(count(&server, "attributes.kernel != null").await, "0");
    let history = server.get(&format!("{path}/history")).by(Admin).expect(200).await.json();
    let attributes = |n: usize| {
        let changes = history["items"][n]["changes"].as_array().unwrap();
        changes.iter().find(|change| change["field"] == "attributes").unwrap().clone()
    };
    assert_eq!(attributes(1)["from"], json!({"cpu_count": 8, "kernel": "6.1"}));
    assert_eq!(attributes(1)["to"], json!({"cpu_count": 16, "kernel": "6.1"}));
}

#[actix_web::test]
async fn classes_are_changed_but_never_take_away() {
    let server = Server::start().await;
    let found = server.get(&format!("{CLASSES}?q=printer")).by(Alex).expect(200).await.json()["items"][0].clone();
    let path = format!("{CLASSES}/{}", found["id"].as_str().unwrap());
    let read = server.get(&path).by(Alex).expect(200).await;
    let pages = json!({"name": "pages", "label": "Pages", "field_type": "integer", "recommended": true});
    let more = server.patch(&path, json!({"attributes": [pages]})).by(Admin).seen(&read).expect(200).await;
    item(&server, "printer", "prt-1", json!({"pages": 7, "model": "x"})).await;
    for (change, pointer) in [
        (json!({"attributes": []}), "/attributes"),
        (json!({"name": "plotter"}), "/name"),
        (json!({"identification": [["page"]]}), "/identification/0/0"),
    ] {
        let refused = server.patch(&path, change).by(Admin).seen(&more).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    server.patch(&path, json!({"active": false})).by(Admin).seen(&more).expect(200).await;
    let refused = server.post(ITEMS, json!({"title": "prt-2", "class": "printer"})).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/class");
    let form = server.get("/api/v1/meta/configuration_item").by(Alex).expect(200).await.json();
    let class = form["fields"].as_array().unwrap().iter().find(|field| field["name"] == "class").unwrap().clone();
    let choices = class["choices"].as_array().unwrap();
    assert!(
        choices.contains(&json!("server"))
            && !choices.contains(&json!("printer"))
            && !choices.contains(&json!("hardware"))
    );
}

#[actix_web::test]
async fn what_is_out_or_gone_counts_as_such_at_once() {
    let server = Server::start().await;
    let shop = service(&server, "Shop").await;
    let web = item(&server, "application", "web", json!({})).await;
    group(&server, (ITEMS, &web), "database", 1).await;
    relate(&server, (SERVICES, &shop), "depends_on", &web, None).await;
    let mut hosts = Vec::new();
    for n in 1..=2 {
        let database = item(&server, "database", &format!("db-{n}"), json!({})).await;
        let host = item(&server, "server", &format!("host-{n}"), json!({})).await;
        relate(&server, (ITEMS, &web), "uses", &database, Some("database")).await;
        relate(&server, (ITEMS, &database), "runs_on", &host, None).await;
        hosts.push((host, database));
    }
    let step = async |id: &str, step: &str| {
        server.post(&format!("{ITEMS}/{id}/{step}"), json!({})).by(Admin).expect(200).await;
    };
    let [(one, database), (two, _)] = hosts.as_slice() else { panic!("two") };
    assert_eq!(impact(&server, (ITEMS, two), "").await, ["db-2"]);
    // The database of the host that is out is up by itself, but does not stand in for the other.
    step(one, "maintain").await;
    assert_eq!(impact(&server, (ITEMS, two), "").await, ["db-2", "web", "Shop"]);
    let groups = server.get(&format!("{ITEMS}/{web}/redundancy-groups")).by(Alex).expect(200).await.json();
    assert_eq!((&groups[0]["up"], groups[0]["members"].as_array().unwrap().len()), (&json!(1), 2));
    step(one, "go_live").await;
    assert_eq!(impact(&server, (ITEMS, two), "").await, ["db-2"]);
    // Nothing is hit through what is retired.
    assert_eq!(impact(&server, (ITEMS, one), "").await, ["db-1"]);
    step(database, "retire").await;
    assert_eq!(impact(&server, (ITEMS, one), "").await, Vec::<String>::new());
    assert_eq!(impact(&server, (SERVICES, &shop), "direction=down").await, ["web", "db-2", "host-2"]);
}

#[actix_web::test]
async fn impact_tells_the_way_the_reason_and_what_is_left() {
    let server = Server::start().await;
    let shop = service(&server, "Shop").await;
    let web = item(&server, "application", "web", json!({})).await;
    let (one, two) =
        (item(&server, "database", "db-1", json!({})).await, item(&server, "database", "db-2", json!({})).await);
    let host = item(&server, "server", "host", json!({})).await;
    relate(&server, (SERVICES, &shop), "depends_on", &web, None).await;
    group(&server, (ITEMS, &web), "database", 1).await;
    relate(&server, (ITEMS, &web), "uses", &one, Some("database")).await;
    relate(&server, (ITEMS, &web), "uses", &two, Some("database")).await;
    // As the other end names it.
    relate(&server, (ITEMS, &host), "runs", &one, None).await;

    let told = server.get(&format!("{ITEMS}/{host}/impact")).by(Alex).expect(200).await.json();
    assert_eq!((titles(&told["records"]), &told["total"]), (vec!["db-1".to_owned()], &json!(1)));
    assert_eq!(titles(&told["spared"]), ["web"]);
    let left = &told["spared"][0]["redundancy"];
    assert_eq!(
        (&left["name"], &left["min_up"], &left["up"], &left["members"]),
        (&json!("database"), &json!(1), &json!(1), &json!(2))
    );

    // Both at once, or one while the other is out of use.
    let both = format!("direction=up&with={two}");
    assert_eq!(impact(&server, (ITEMS, &host), &both).await, ["db-1", "web", "Shop"]);
    server.post(&format!("{ITEMS}/{two}/maintain"), json!({})).by(Admin).expect(200).await;
    let told = server.get(&format!("{ITEMS}/{host}/impact?kind=service")).by(Alex).expect(200).await.json();
    assert_eq!(
        (titles(&told["records"]), &told["by_kind"]),
        (vec!["Shop".to_owned()], &json!({"configuration_item": 2, "service": 1}))
    );
    let hit = &told["records"][0];
    assert_eq!((&hit["depth"], &hit["reason"]), (&json!(3), &json!("dependency")));
    let way: Vec<(&str, &str)> = hit["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["record"]["title"].as_str().unwrap(), step["relation"].as_str().unwrap()))
        .collect();
    assert_eq!(way, [("db-1", "runs_on"), ("web", "uses"), ("Shop", "depends_on")]);
    let groups = server.get(&format!("{ITEMS}/{web}/redundancy-groups")).by(Alex).expect(200).await.json();
    assert_eq!((&groups[0]["up"], groups[0]["members"].as_array().unwrap().len()), (&json!(1), 2));

    // Down: the one that is left is needed, and so is what it runs on.
    let down = server.get(&format!("{SERVICES}/{shop}/impact?direction=down")).by(Alex).expect(200).await.json();
    let critical: Vec<(String, bool)> = titles(&down["records"])
        .into_iter()
        .zip(down["records"].as_array().unwrap().iter().map(|record| record["critical"] == true))
        .collect();
    let expected = [("web", true), ("db-1", true), ("db-2", false), ("host", true)];
    assert_eq!(critical, expected.map(|(title, critical)| (title.to_owned(), critical)));
    assert_eq!(impact(&server, (SERVICES, &shop), "direction=down&depth=1").await, ["web"]);

    // What is taken away carries nothing any more.
    let relations = server.get(&format!("{ITEMS}/{host}/relations")).by(Alex).expect(200).await;
    let relation = &relations.json()["items"][0];
    assert_eq!((&relation["relation"], &relation["hit"]), (&json!("runs"), &json!("other")));
    let one = format!("{ITEMS}/{host}/relations/{}", relation["id"].as_str().unwrap());
    server.ask(actix_web::http::Method::DELETE, &one).by(Alex).seen(&relations).expect(403).await;
    server.ask(actix_web::http::Method::DELETE, &one).by(Admin).seen(&relations).expect(204).await;
    assert_eq!(impact(&server, (ITEMS, &host), "").await, Vec::<String>::new());
    let history = server.get(&format!("{ITEMS}/{host}/history")).by(Admin).expect(200).await.json();
    assert_eq!(history["items"][0]["action"], "configuration_item.unrelated");
}

#[actix_web::test]
async fn a_relation_stands_in_the_history_of_both_its_ends() {
    let server = Server::start().await;
    let (web, shop) = (item(&server, "server", "web", json!({})).await, service(&server, "Shop").await);
    let newest = async |path: &str, id: &str| {
        let history = server.get(&format!("{path}/{id}/history")).by(Admin).expect(200).await.json();
        history["items"][0].clone()
    };
    relate(&server, (SERVICES, &shop), "depends_on", &web, None).await;
    let told = [newest(SERVICES, &shop).await, newest(ITEMS, &web).await];
    let actions = ["service.related", "configuration_item.related"];
    for (told, (action, other, relation)) in
        told.iter().zip([(actions[0], &web, "depends_on"), (actions[1], &shop, "needed_by")])
    {
        let change = &told["changes"][0];
        assert_eq!(
            (&told["action"], &change["field"], &change["from"]),
            (&json!(action), &json!("relation"), &json!(null))
        );
        assert_eq!((&change["to"]["record_id"], &change["to"]["relation"]), (&json!(other), &json!(relation)));
    }
    // Whoever takes it away from one end takes it from both, though they may change that one alone.
    server.allow(&[Alex], "cartographer", "organisation", &["configuration_item.update"]).await;
    let relations = server.get(&format!("{ITEMS}/{web}/relations")).by(Alex).expect(200).await;
    let one = format!("{ITEMS}/{web}/relations/{}", relations.json()["items"][0]["id"].as_str().unwrap());
    server.ask(actix_web::http::Method::DELETE, &one).by(Alex).seen(&relations).expect(204).await;
    let told = [newest(SERVICES, &shop).await, newest(ITEMS, &web).await];
    for (told, (action, other)) in
        told.iter().zip([("service.unrelated", &web), ("configuration_item.unrelated", &shop)])
    {
        assert_eq!((&told["action"], &told["changes"][0]["from"]["record_id"]), (&json!(action), &json!(other)));
        assert_eq!((&told["via"], &told["by"]["user_name"]), (&json!("api"), &json!("alex")));
    }
}

#[actix_web::test]
async fn relations_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let (a, b) = (item(&server, "server", "a", json!({})).await, item(&server, "server", "b", json!({})).await);
    let incident = server.post("/api/v1/incidents", json!({"title": "x"})).by(Admin).expect(201).await.field("id");
    let path = format!("{ITEMS}/{a}/relations");
    for (relation, other, group, pointer) in [
        ("runs_onto", &b, None, "/relation"),
        ("runs_on", &a, None, "/record_id"),
        ("runs_on", &incident, None, "/record_id"),
        ("runs_on", &"CI9999999".to_owned(), None, "/record_id"),
        ("runs_on", &b, Some("none"), "/group"),
    ] {
        let body = json!({"relation": relation, "record_id": other, "group": group});
        let refused = server.post(&path, body).by(Admin).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    super::group(&server, (ITEMS, &a), "pair", 1).await;
    let body = json!({"relation": "runs", "record_id": b, "group": "pair"});
    assert_eq!(server.post(&path, body).by(Admin).expect(422).await.json()["errors"][0]["pointer"], "/group");
    relate(&server, (ITEMS, &a), "runs_on", &b, None).await;
    let again = json!({"relation": "runs_on", "record_id": b});
    server.post(&path, again).by(Admin).expect(409).await;
    // A dry run relates nothing.
    let dry = json!({"relation": "uses", "record_id": b});
    server.post(&format!("{path}?dry_run=true"), dry).by(Admin).expect(201).await;
    assert_eq!(server.get(&path).by(Alex).expect(200).await.json()["items"].as_array().unwrap().len(), 1);
    for query in ["depth=0", "depth=21", "direction=sideways", "kind=incident", "with=CI9999999", "limit=1000"] {
        server.get(&format!("{ITEMS}/{a}/impact?{query}")).by(Alex).expect(400).await;
    }
    server.get(&format!("{ITEMS}/{a}/impact")).by(Rita).expect(403).await;
}
