//! What is needed to draw a form of any kind of record: the attributes of each class, what administrators have made to choose from, and what a
//! step needs in some cases.

use serde_json::{Value, json};

use crate::support::{Person::*, Server, people::token_for};

fn named<'a>(all: &'a Value, name: &str) -> &'a Value {
    all.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}: {all}"))
}

#[actix_web::test]
async fn a_form_of_configuration_items_has_the_attributes_of_each_class() {
    let server = Server::start().await;
    let attributes = json!([
        {"name": "kernel", "label": "Kernel", "help": "As `uname -r` says.", "field_type": "text", "required": true, "pattern": "[0-9.]+"},
        {"name": "tier", "label": "Tier", "field_type": "choice", "choices": ["web", "data"], "recommended": true},
        {"name": "stands_in", "label": "Stands in", "field_type": "configuration_item", "target_class": "rack"},
        {"name": "keeper", "label": "Keeper", "field_type": "user"},
    ]);
    let class = json!({
        "name": "linux_server", "label": "Linux server", "description": "All that runs it.", "parent": "server", "attributes": attributes,
    });
    server.post("/api/v1/classes", class).by(Admin).expect(201).await;
    // Whoever reads configuration items needs nothing else for it.
    let reader = token_for(&server.assembly, Alex, "configuration_item.read");
    server.get("/api/v1/classes").with(&reader).expect(403).await;
    let form = server.get("/api/v1/meta/configuration_item").with(&reader).expect(200).await.json();
    let choices = &named(&form["fields"], "class")["choices"];
    let classes: Vec<&Value> = form["classes"].as_array().unwrap().iter().map(|class| &class["name"]).collect();
    assert_eq!(choices.as_array().unwrap().iter().collect::<Vec<_>>(), classes);
    let linux = named(&form["classes"], "linux_server");
    assert_eq!(
        (&linux["label"], &linux["description"], &linux["parent"]),
        (&json!("Linux server"), &json!("All that runs it."), &json!("server"))
    );
    let of = |name: &str, what: &[&str]| -> Vec<Value> {
        let field = named(&linux["attributes"], name);
        what.iter().map(|what| field[*what].clone()).collect()
    };
    assert_eq!(
        of("kernel", &["type", "required", "nullable", "pattern", "help", "max_length"]),
        [json!("text"), json!(true), json!(false), json!("[0-9.]+"), json!("As `uname -r` says."), json!(4_000)]
    );
    assert_eq!(of("tier", &["type", "choices", "recommended"]), [json!("choice"), json!(["web", "data"]), json!(true)]);
    assert_eq!(
        of("stands_in", &["type", "target", "target_class"]),
        [json!("record"), json!("configuration_item"), json!("rack")]
    );
    assert_eq!(of("keeper", &["type"]), [json!("user")]);
    assert_eq!(of("serial_number", &["type", "required"]), [json!("text"), json!(false)], "from above");
    let incident = server.get("/api/v1/meta/incident").by(Alex).expect(200).await.json();
    assert_eq!(incident["classes"], json!([]));
}

#[actix_web::test]
async fn a_form_of_changes_has_the_models_and_what_a_step_needs_in_some_cases() {
    let server = Server::start().await;
    for (name, active) in [("restart-web", true), ("add-disk", true), ("old-way", false)] {
        let model = json!({"name": name, "change_type": "standard"});
        let model = server.post("/api/v1/change-models", model).by(Admin).expect(201).await;
        if !active {
            let path = format!("/api/v1/change-models/{}", model.field("id"));
            server.patch(&path, json!({"active": false})).by(Admin).header("if-match", "*").expect(200).await;
        }
    }
    let form = server.get("/api/v1/meta/change").by(Alex).expect(200).await.json();
    let model = named(&form["fields"], "model");
    assert_eq!((&model["type"], &model["choices"]), (&json!("choice"), &json!(["add-disk", "restart-web"])));
    let not_well = json!({"field": "result", "holds": ["successful_with_issues", "failed", "backed_out"]});
    let emergency = json!({"field": "change_type", "holds": ["emergency"]});
    let begun = json!({"field": "actual_start", "holds": []});
    let needs = |step: &str| -> Vec<(Value, Value)> {
        let needs = named(&form["transitions"], step)["requires_when"].as_array().unwrap().iter();
        needs.map(|need| (need["field"].clone(), need["when"].clone())).collect()
    };
    assert_eq!(needs("complete"), [(json!("result_notes"), json!([not_well]))]);
    assert_eq!(needs("close"), [(json!("review_notes"), json!([not_well, emergency]))]);
    assert_eq!(needs("cancel"), [(json!("result"), json!([begun])), (json!("result_notes"), json!([begun]))]);
    assert_eq!(needs("assess"), []);
    // The same stands with the steps of a record.
    let made = server
        .post("/api/v1/changes", json!({"title": "x", "change_type": "normal"}))
        .by(Admin)
        .expect(201)
        .await
        .field("id");
    let steps = server.get(&format!("/api/v1/changes/{made}/transitions")).by(Admin).expect(200).await.json();
    let cancel = named(&steps, "cancel");
    assert_eq!((&cancel["open"], &cancel["requires_when"][1]["field"]), (&json!(true), &json!("result_notes")));
}
