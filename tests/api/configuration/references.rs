//! Attributes and custom fields that refer to people, teams, organisations and configuration items.

use serde_json::{Value, json};

use super::{
    ITEMS,
    import::{import, outcomes},
    item,
};
use crate::support::{Person::*, Server, people};

const CLASSES: &str = "/api/v1/classes";
const NOBODY: &str = "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b21";

/// A class with an attribute of each type that refers to something.
async fn rack(server: &Server) {
    let attribute = |name: &str, field_type: &str| json!({"name": name, "label": name, "field_type": field_type});
    let mut host = attribute("host", "configuration_item");
    host["target_class"] = "hardware".into();
    let class = json!({"name": "cabinet", "label": "Cabinet", "attributes": [
        attribute("keeper", "user"), attribute("crew", "team"), attribute("lessor", "organisation"), host,
        attribute("twin", "configuration_item"),
    ]});
    server.post(CLASSES, class).by(Admin).expect(201).await;
}

async fn found(server: &Server, filter: &str) -> Vec<String> {
    let filter: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
    let page = server.get(&format!("{ITEMS}?sort=opened_at&filter={filter}")).by(Alex).expect(200).await.json();
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

async fn number(server: &Server, id: &str) -> String {
    server.get(&format!("{ITEMS}/{id}")).by(Admin).expect(200).await.field("number")
}

async fn dangling(server: &Server) -> (Value, Vec<String>, Value) {
    let health = server.get("/api/v1/configuration-health").by(Admin).expect(200).await.json();
    let checks = health["correct"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == "dangling_reference").unwrap();
    let filter = check["filter"].as_str().unwrap();
    (check["failing"].clone(), found(server, filter).await, health["correct_percent"].clone())
}

#[actix_web::test]
async fn what_an_attribute_refers_to_is_there_and_seen() {
    let server = Server::start().await;
    rack(&server).await;
    let host = item(&server, "server", "esx-1", json!({})).await;
    let printer = item(&server, "printer", "printer", json!({})).await;
    let elsewhere = item(&server, "other", "elsewhere", json!({})).await;
    let incident = server.post("/api/v1/incidents", json!({"title": "x"})).by(Admin).expect(201).await.field("id");
    let assembly = &server.assembly;
    let (alex, network) = (Alex.id(assembly).to_string(), people::team(assembly, "network").to_string());
    let acme = people::organisation(assembly, "Acme").to_string();
    let all = json!({"keeper": alex, "crew": network, "lessor": acme, "host": host, "twin": printer});
    let made = json!({"title": "R1", "class": "cabinet", "attributes": all});
    let made = server.post(ITEMS, made).by(Admin).expect(201).await.json();
    assert_eq!(made["attributes"], all);
    for (name, value, code) in [
        ("keeper", "alex", "wrong_type"),
        ("keeper", NOBODY, "no_such_reference"),
        ("crew", &alex, "no_such_reference"),
        ("lessor", NOBODY, "no_such_reference"),
        ("twin", NOBODY, "no_such_reference"),
        ("twin", &incident, "no_such_reference"),
        ("host", &elsewhere, "wrong_class"),
    ] {
        let body = json!({"title": "R2", "class": "cabinet", "attributes": {name: value}});
        let refused = server.post(ITEMS, body).by(Admin).expect(422).await.json();
        let error = &refused["errors"][0];
        let place = format!("/attributes/{name}");
        assert_eq!((&error["pointer"], &error["code"]), (&json!(place), &json!(code)), "{refused}");
    }
    // Somebody who is hidden is told of as somebody who is not there.
    server.allow(&[Bea], "racker", "organisation", &["configuration_item.create", "configuration_item.update"]).await;
    let told = async |person: &str| {
        let body = json!({"title": "R2", "class": "cabinet", "attributes": {"keeper": person}});
        let refused = server.post(ITEMS, body).by(Bea).expect(422).await.json();
        refused["errors"].to_string().replace(person, "")
    };
    assert_eq!(told(&alex).await, told(NOBODY).await);
    // They are found by what they refer to.
    for filter in [
        format!("attributes.keeper = {alex}"),
        "attributes.keeper = me".to_owned(),
        "attributes.keeper = alex".to_owned(),
        "attributes.keeper.user_name = alex".to_owned(),
        "attributes.crew = network".to_owned(),
        "attributes.lessor.name = Acme".to_owned(),
        format!("attributes.host = {}", number(&server, &host).await),
        "attributes.host.state = live AND attributes.host.class = server".to_owned(),
        "attributes.twin.title = printer".to_owned(),
    ] {
        assert_eq!(found(&server, &filter).await, ["R1"], "{filter}");
    }
    assert_eq!(found(&server, "class = cabinet AND attributes.keeper != me").await, [""; 0]);
}

#[actix_web::test]
async fn what_is_referred_to_may_be_given_up_and_is_told_then() {
    let server = Server::start().await;
    rack(&server).await;
    let host = item(&server, "server", "esx-1", json!({})).await;
    let rob = Rob.id(&server.assembly).to_string();
    let one = item(&server, "cabinet", "R1", json!({"keeper": rob, "host": host})).await;
    item(&server, "cabinet", "R2", json!({"host": host})).await;
    let body = json!({"title": "R3", "class": "cabinet", "owner_id": rob});
    server.post(ITEMS, body).by(Admin).expect(201).await;
    let (failing, none, _) = dangling(&server).await;
    assert_eq!((failing, none), (json!(0), vec![]));
    let user = format!("/api/v1/users/{rob}");
    server.patch(&user, json!({"active": false})).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(dangling(&server).await.1, ["R1", "R3"]);
    server.post(&format!("{ITEMS}/{host}/retire"), json!({})).by(Admin).expect(200).await;
    let (failing, titles, percent) = dangling(&server).await;
    assert_eq!((failing, titles), (json!(3), vec!["R1".to_owned(), "R2".to_owned(), "R3".to_owned()]));
    assert_eq!(percent, json!(0.0), "all are orphans, too");
    // What stays is kept; what is written anew has to be there.
    let path = format!("{ITEMS}/{one}");
    let patch =
        |attributes: Value| server.patch(&path, json!({"attributes": attributes})).by(Admin).header("if-match", "*");
    let kept = patch(json!({"crew": people::team(&server.assembly, "network").to_string()})).expect(200).await.json();
    assert_eq!((&kept["attributes"]["keeper"], &kept["attributes"]["host"]), (&json!(rob), &json!(host)));
    patch(json!({"keeper": null})).expect(200).await;
    let refused = patch(json!({"keeper": rob})).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/attributes/keeper");
}

#[actix_web::test]
async fn what_a_source_names_becomes_a_reference() {
    let server = Server::start().await;
    rack(&server).await;
    let host = item(&server, "server", "esx-1", json!({})).await;
    let assembly = &server.assembly;
    let mail = json!({"email": "Nora@acme.example"});
    let nora = Nora.id(assembly).to_string();
    server.patch(&format!("/api/v1/users/{nora}"), mail).by(Admin).header("if-match", "*").expect(200).await;
    let rack =
        |key: &str, attributes: Value| json!({"key": key, "class": "cabinet", "title": key, "attributes": attributes});
    let number = number(&server, &host).await;
    let content = json!({"items": [
        {"key": "device:9", "class": "server", "title": "esx-9"},
        rack("one", json!({"keeper": "alex", "crew": "network", "lessor": "Acme", "host": number})),
        rack("two", json!({"keeper": "nora@ACME.example", "host": "device:9", "twin": "one"})),
        rack("three", json!({"keeper": "nobody", "crew": "nobody", "host": "device:10"})),
    ]});
    for query in ["source=inventory&rehearse=true", "source=inventory"] {
        let (_, rows) = import(&server, query, content.clone()).await;
        assert_eq!(outcomes(&rows), ["created", "created", "created", "refused"], "{query}: {rows:?}");
        let places: Vec<&Value> = rows[3]["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
        let expected = ["keeper", "crew", "host"].map(|name| format!("/items/3/attributes/{name}"));
        let mut places: Vec<String> = places.iter().map(|place| place.as_str().unwrap().to_owned()).collect();
        places.sort_by_key(|place| expected.iter().position(|wanted| wanted == place));
        assert_eq!(places, expected);
        if query == "source=inventory" {
            let read = async |row: &Value| {
                let path = format!("{ITEMS}/{}", row["record_id"].as_str().unwrap());
                server.get(&path).by(Admin).expect(200).await.json()["attributes"].clone()
            };
            let (alex, network) = (Alex.id(assembly).to_string(), people::team(assembly, "network").to_string());
            let acme = people::organisation(assembly, "Acme").to_string();
            let one = json!({"crew": network, "host": host, "keeper": alex, "lessor": acme});
            assert_eq!(read(&rows[1]).await, one);
            let two = json!({"host": rows[0]["record_id"], "keeper": nora, "twin": rows[1]["record_id"]});
            assert_eq!(read(&rows[2]).await, two);
        }
    }
    // It is the same when it is told again, in whichever words; another class is refused with its place.
    let again = rack("one", json!({"keeper": Alex.id(assembly).to_string(), "host": host, "crew": "network"}));
    let wrong = rack("two", json!({"host": "one"}));
    let (_, rows) = import(&server, "source=inventory", json!({"items": [again, wrong]})).await;
    assert_eq!(outcomes(&rows), ["unchanged", "refused"]);
    let error = &rows[1]["errors"][0];
    assert_eq!((&error["pointer"], &error["code"]), (&json!("/items/1/attributes/host"), &json!("wrong_class")));
    // What differs between two moments is told as of any other field.
    let order = json!({"name": "Before", "filter": "class = cabinet"});
    let baseline = server.post("/api/v1/configuration-baselines", order).by(Admin).expect(202).await.field("id");
    server.assembly.jobs().work_off().await.unwrap();
    let moved = rack("two", json!({"host": number}));
    import(&server, "source=inventory", json!({"items": [moved]})).await;
    let path = format!("/api/v1/configuration-baselines/{baseline}/differences");
    let differences = server.get(&path).by(Admin).expect(200).await.json();
    let change = &differences["items"][0]["changes"][0];
    assert_eq!((&change["field"], &change["to"]), (&json!("attributes.host"), &json!(host)), "{differences}");
}

#[actix_web::test]
async fn a_rehearsal_knows_what_it_has_taken_back() {
    let server = Server::start().await;
    let host = json!({"name": "host", "label": "Host", "field_type": "configuration_item", "required": true});
    let class = json!({"name": "blade", "label": "Blade", "attributes": [host]});
    server.post(CLASSES, class).by(Admin).expect(201).await;
    let mut items = vec![json!({"key": "device:9", "class": "server", "title": "esx-9"})];
    items.extend((0..60).map(|n| json!({"key": format!("p-{n}"), "class": "printer", "title": format!("p-{n}")})));
    let blade = |key: &str, attributes: Value| json!({"key": key, "class": "blade", "title": key, "state": "live", "attributes": attributes});
    items.extend([blade("one", json!({"host": "device:9"})), blade("two", json!({}))]);
    let runs = json!({"from": "one", "relation": "runs_on", "to": "device:9"});
    let content = json!({"items": items, "relations": [runs]});
    for query in ["source=inventory&rehearse=true", "source=inventory"] {
        let (_, rows) = import(&server, query, content.clone()).await;
        assert_eq!(outcomes(&rows)[60..], ["created", "created", "refused", "created"], "{query}: {:?}", &rows[60..]);
    }
}

#[actix_web::test]
async fn nothing_is_recognised_by_what_it_refers_to() {
    let server = Server::start().await;
    rack(&server).await;
    let class = json!({"name": "slot", "label": "Slot", "parent": "cabinet", "identification": [["title"], ["title", "host"], ["keeper"]]});
    let refused = server.post(CLASSES, class).by(Admin).expect(422).await.json();
    let told: Vec<(&Value, &Value)> =
        refused["errors"].as_array().unwrap().iter().map(|error| (&error["pointer"], &error["code"])).collect();
    let wrong = json!("wrong_type");
    assert_eq!(told, [(&json!("/identification/1/1"), &wrong), (&json!("/identification/2/0"), &wrong)]);
}

#[actix_web::test]
async fn an_attribute_may_be_called_as_what_tells_of_other_records() {
    let server = Server::start().await;
    let attribute = json!({"name": "record_id", "label": "Their id", "field_type": "text"});
    let class = json!({"name": "mirrored", "label": "Mirrored", "attributes": [attribute]});
    server.post(CLASSES, class).by(Admin).expect(201).await;
    let id = item(&server, "mirrored", "one", json!({"record_id": "x-1"})).await;
    let path = format!("{ITEMS}/{id}");
    let body = json!({"attributes": {"record_id": "x-2"}});
    server.patch(&path, body).by(Admin).header("if-match", "*").expect(200).await;
    // Admin sees all records, so nothing is looked at of what is told to them.
    server.allow(&[Bea], "reader", "organisation", &["configuration_item.read"]).await;
    let history = server.get(&format!("{path}/history")).by(Bea).expect(200).await.json();
    let change = json!([{"field": "attributes", "from": {"record_id": "x-1"}, "to": {"record_id": "x-2"}}]);
    assert_eq!(history["items"][0]["changes"], change);
    let of_field = format!("{path}/field-history?field=attributes.record_id");
    let of_field = server.get(&of_field).by(Bea).expect(200).await.json();
    assert_eq!(of_field["items"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn forms_tell_what_a_field_refers_to() {
    let server = Server::start().await;
    rack(&server).await;
    let field = |more: Value| {
        let mut field = json!({"kind": "incident", "name": "witness", "label": "Witness", "field_type": "user"});
        field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post("/api/v1/custom-fields", field).by(Admin)
    };
    field(json!({})).expect(201).await;
    let on = json!({"name": "seen_on", "field_type": "configuration_item", "target_class": "server"});
    assert_eq!(field(on).expect(201).await.json()["target_class"], "server");
    for wrong in [
        json!({"name": "a", "target_class": "server"}),
        json!({"name": "b", "field_type": "configuration_item", "target_class": "sever"}),
    ] {
        assert_eq!(field(wrong).expect(422).await.json()["errors"][0]["pointer"], "/target_class");
    }
    let form = server.get("/api/v1/meta/incident").by(Admin).expect(200).await.json();
    let of = |name: &str| {
        let all = form["custom_fields"].as_array().unwrap();
        let one = all.iter().find(|field| field["name"] == name).unwrap();
        [&one["type"], &one["target"], &one["target_class"]].map(Value::clone)
    };
    assert_eq!(of("witness"), [json!("user"), json!(null), json!(null)]);
    assert_eq!(of("seen_on"), [json!("record"), json!("configuration_item"), json!("server")]);
    let host = item(&server, "server", "esx-1", json!({})).await;
    let custom = json!({"witness": Rita.id(&server.assembly).to_string(), "seen_on": host});
    let made = server.post("/api/v1/incidents", json!({"title": "x", "custom": custom})).by(Admin).expect(201).await;
    assert_eq!(made.json()["custom"], json!({"seen_on": host, "witness": custom["witness"]}));
    let body = json!({"title": "x", "custom": {"witness": NOBODY}});
    let refused = server.post("/api/v1/incidents", body).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/custom/witness");
    let listed =
        "/api/v1/incidents?filter=custom.witness.user_name%20%3D%20rita%20AND%20custom.seen_on.class%20%3D%20server";
    assert_eq!(server.get(listed).by(Admin).expect(200).await.json()["items"].as_array().unwrap().len(), 1);
    let class = json!({"name": "shelf", "label": "Shelf", "attributes": [
        {"name": "on", "label": "On", "field_type": "configuration_item", "target_class": "rak"},
    ]});
    let refused = server.post(CLASSES, class).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/attributes/0/target_class");
}
