//! Attributes that are not used any more: kept where they are, and neither asked for nor taken.

use serde_json::{Value, json};

use super::{ITEMS, import::import, item};
use crate::support::{Person::*, Server};

const CLASSES: &str = "/api/v1/classes";

/// Says of each attribute of a class whether it is used.
async fn use_them(server: &Server, class: &str, used: &[(&str, bool)]) {
    let mut body = server.get(class).by(Admin).expect(200).await.json();
    for attribute in body["attributes"].as_array_mut().unwrap() {
        let chosen = used.iter().find(|(name, _)| attribute["name"] == *name);
        if let Some((_, active)) = chosen {
            attribute["active"] = json!(active);
        }
    }
    let change = json!({"attributes": body["attributes"]});
    server.patch(class, change).by(Admin).header("if-match", "*").expect(200).await;
}

async fn found(server: &Server, filter: &str) -> usize {
    let filter: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
    let list = server.get(&format!("{ITEMS}?filter={filter}")).by(Alex).expect(200).await.json();
    list["items"].as_array().unwrap().len()
}

#[actix_web::test]
async fn an_attribute_that_is_given_up_stays_where_it_is_and_is_taken_nowhere() {
    let server = Server::start().await;
    let attributes = json!([
        {"name": "tag", "label": "Tag", "field_type": "text", "required": true},
        {"name": "shelf", "label": "Shelf", "field_type": "text", "recommended": true},
    ]);
    let class =
        json!({"name": "box", "label": "Box", "attributes": attributes, "identification": [["tag"], ["shelf"]]});
    let class = server.post(CLASSES, class).by(Admin).expect(201).await;
    assert_eq!(class.json()["attributes"][0]["active"], true);
    let path = format!("{CLASSES}/{}", class.field("id"));
    let below = json!({"name": "small_box", "label": "Small box", "parent": "box"});
    server.post(CLASSES, below).by(Admin).expect(201).await;
    let old = item(&server, "small_box", "old", json!({"tag": "T-1", "shelf": "A"})).await;
    let twin = item(&server, "box", "twin", json!({"tag": "t-1", "shelf": "B"})).await;
    use_them(&server, &path, &[("tag", false)]).await;

    // It stays, is found, may be let go of, and takes nothing new.
    let one = format!("{ITEMS}/{old}");
    assert_eq!(server.get(&one).by(Alex).expect(200).await.json()["attributes"], json!({"shelf": "A", "tag": "T-1"}));
    assert_eq!(found(&server, "attributes.tag = \"T-1\"").await, 1);
    let patch =
        |attributes: Value| server.patch(&one, json!({"attributes": attributes})).by(Admin).header("if-match", "*");
    patch(json!({"tag": "T-1", "shelf": "C"})).expect(200).await;
    let refused = patch(json!({"tag": "T-2"})).expect(422).await.json();
    assert_eq!(
        (&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]),
        (&json!("/attributes/tag"), &json!("unknown_field"))
    );
    let new = |attributes: Value| server.post(ITEMS, json!({"title": "new", "class": "box", "attributes": attributes}));
    new(json!({"tag": "T-3"})).by(Admin).expect(422).await;
    let bare = new(json!({})).by(Admin).expect(201).await.field("id");
    // Another class that has it keeps it as well.
    server.patch(&one, json!({"class": "box"})).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(server.get(&one).by(Alex).expect(200).await.json()["attributes"]["tag"], "T-1");
    let form = server.get("/api/v1/meta/configuration_item").by(Alex).expect(200).await.json();
    let shown = form["classes"].as_array().unwrap().iter().find(|class| class["name"] == "small_box").unwrap();
    let names: Vec<&Value> = shown["attributes"].as_array().unwrap().iter().map(|field| &field["name"]).collect();
    assert_eq!(names, [&json!("shelf")]);

    // Nothing is recognised by it, and nothing is amiss without it; what sources go on telling of it is left out.
    let health = server.get("/api/v1/configuration-health").by(Alex).expect(200).await.json();
    assert_eq!(health["duplicates"], json!([]));
    let lacking = health["complete"].as_array().unwrap().iter().find(|check| check["check"] == "box").unwrap();
    assert_eq!((&lacking["failing"], found(&server, lacking["filter"].as_str().unwrap()).await), (&json!(1), 1));
    let told = json!({"class": "box", "title": "told", "attributes": {"tag": "T-1", "shelf": "b"}});
    let (_, rows) = import(&server, "source=inventory&rehearse=true", json!({"items": [told]})).await;
    assert_eq!(rows[0]["record_id"], json!(twin), "{rows:?}");
    assert!(!rows[0]["changes"].to_string().contains("tag"), "{rows:?}");

    // It can be used again; until then it is no less fixed than others.
    let gone = json!({"attributes": [{"name": "shelf", "label": "Shelf", "field_type": "text"}]});
    server.patch(&path, gone).by(Admin).header("if-match", "*").expect(422).await;
    patch(json!({"tag": null})).expect(200).await;
    assert_eq!(found(&server, "attributes.tag != null").await, 1);
    use_them(&server, &path, &[("tag", true)]).await;
    let missing = new(json!({})).by(Admin).expect(422).await.json();
    assert_eq!(missing["errors"][0]["pointer"], "/attributes/tag");
    let body = json!({"attributes": {"tag": "T-4"}});
    server.patch(&format!("{ITEMS}/{bare}"), body).by(Admin).header("if-match", "*").expect(200).await;
}
