//! What versions of policies are pinned to: modules always, lookup tables where they are told to.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server};

const VERSIONS: &str = "/api/v1/policies/routing_incidents/versions";
const MODULE: &str = "/api/v1/policy-modules/printers";

fn module(word: &str) -> Value {
    let source = format!(
        "//! What is a printer?\n\nfn is_printer(category) {{ category == \"{word}\" }}\n\
         fn test_it() {{ expect(is_printer(\"{word}\"), true); }}\n"
    );
    json!({"source": source, "message": format!("{word} is a printer")})
}

const POLICY: &str = "use \"printers\";\n\nfn route(incident) {\n    rule \"Printers\" when is_printer(incident.category) then assign(\"network\");\n    \
                      rule \"Table\" when table(\"category_teams\").has(incident.category) then assign(table(\"category_teams\").find(incident.category).team);\n    \
                      rule \"Everything else\" when true then assign(\"service-desk\");\n}\n";

async fn put(server: &Server, path: &str, body: Value, status: u16) -> Answer {
    server.ask(Method::PUT, path).json(body).by(Admin).header("if-match", "*").expect(status).await
}

async fn write(server: &Server, body: Value) -> Answer {
    server.post(VERSIONS, body).by(Admin).expect(201).await
}

async fn publish(server: &Server, version: &Answer) {
    let path = format!("{VERSIONS}/{}/publish", version.field("number"));
    server.post(&path, json!({})).by(Admin).header("if-match", "*").expect(200).await;
}

/// The team that an incident of a category goes to.
async fn routed(server: &Server, category: &str) -> String {
    let body = json!({"title": "It jams", "category": category});
    let made = server.post("/api/v1/incidents", body).by(Alex).expect(201).await;
    let read = server.get(&format!("/api/v1/incidents/{}?expand=team", made.field("id"))).by(Admin).expect(200).await;
    read.json()["team"]["name"].as_str().unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn a_policy_goes_on_with_the_module_that_it_was_written_with() {
    let server = Server::start().await;
    let missing = server.post("/api/v1/policies/validate", json!({"decision": "routing", "source": POLICY})).by(Admin);
    let missing = missing.expect(200).await.json();
    assert_eq!(missing["diagnostics"][0]["code"], "unknown_module", "{missing}");

    let made = server.ask(Method::PUT, MODULE).json(module("laser")).by(Admin).expect(201).await;
    assert_eq!((made.field("version"), made.header("location")), ("1".into(), MODULE.into()));
    let first = write(&server, json!({"source": POLICY})).await;
    assert_eq!(first.json()["uses"], json!({"modules": {"printers": 1}, "tables": {}}), "{}", first.text());
    assert_eq!(first.json()["diagnostics"], json!([]));
    publish(&server, &first).await;
    assert_eq!([routed(&server, "laser").await, routed(&server, "inkjet").await], ["network", "service-desk"]);

    server.ask(Method::PUT, MODULE).json(module("inkjet")).by(Admin).expect(428).await;
    let second = put(&server, MODULE, module("inkjet"), 200).await;
    assert_eq!(second.json()["used_by"], json!([{"policy": "routing_incidents", "version": 2, "module_version": 1}]));
    assert_eq!([routed(&server, "laser").await, routed(&server, "inkjet").await], ["network", "service-desk"]);

    let written_anew = write(&server, json!({"source": POLICY})).await;
    let number = written_anew.field("number");
    let diff = server.get(&format!("{VERSIONS}/{number}/diff")).by(Admin).expect(200).await.json();
    assert_eq!(diff["uses_changed"], json!([{"what": "module", "name": "printers", "from": 1, "to": 2}]), "{diff}");
    assert_eq!((&diff["text"], &diff["rules_changed"]), (&json!(""), &json!([])));
    let simulated = json!({
        "decision": "routing", "record": {"category": "inkjet"}, "policy": "routing_incidents", "version": written_anew.json()["number"],
    });
    let simulated = server.post("/api/v1/policies/simulate", simulated).by(Admin).expect(200).await.json();
    assert_eq!(simulated["would"]["write"][0]["to"], "network", "{simulated}");
    publish(&server, &written_anew).await;
    assert_eq!([routed(&server, "laser").await, routed(&server, "inkjet").await], ["service-desk", "network"]);
    // What the first version decided is made again with what it was pinned to.
    let incidents = server.get("/api/v1/incidents?sort=opened_at&fields=number").by(Admin).expect(200).await.json();
    let oldest = incidents["items"].as_array().unwrap()[0]["number"].as_str().unwrap().to_owned();
    let decisions = server.get(&format!("/api/v1/incidents/{oldest}/decisions")).by(Admin).expect(200).await.json();
    let routing = decisions["items"].as_array().unwrap().iter().find(|d| d["kind"] == "routing").unwrap();
    let replay = format!("/api/v1/decisions/{}/replay", routing["id"].as_str().unwrap());
    let replay = server.post(&replay, json!({})).by(Admin).expect(200).await.json();
    assert_eq!((&replay["same"], &replay["now"]["effects"][0]["team"]), (&json!(true), &json!("network")), "{replay}");
}

#[actix_web::test]
async fn what_is_wrong_with_a_module_keeps_it_out() {
    let server = Server::start().await;
    for (source, code) in [
        ("fn a() { leave() }", "decides_in_module"),
        ("fn route(record) { }", "decides_in_module"),
        ("fn a() { b() }", "unknown_function"),
        ("fn a( {", "syntax"),
        ("fn a() { 1 }\nfn test_a() { expect(a(), 2); }", "test_failed"),
    ] {
        let refused = server.ask(Method::PUT, MODULE).json(json!({"source": source})).by(Admin).expect(422).await;
        assert_eq!(refused.json()["errors"][0]["code"], code, "{source}: {}", refused.text());
    }
    server.get(MODULE).by(Admin).expect(404).await;
    server.get(&format!("{MODULE}/versions")).by(Admin).expect(404).await;
    server.ask(Method::PUT, MODULE).json(module("laser")).by(Rita).expect(403).await;
    server.ask(Method::PUT, &format!("{MODULE}?dry_run=true")).json(module("laser")).by(Admin).expect(201).await;
    server.get(MODULE).by(Admin).expect(404).await;
}

#[actix_web::test]
async fn the_versions_of_a_module_are_kept_and_compared() {
    let server = Server::start().await;
    server.ask(Method::PUT, MODULE).json(module("laser")).by(Admin).expect(201).await;
    put(&server, MODULE, module("inkjet"), 200).await;
    let list = server.get("/api/v1/policy-modules").by(Admin).expect(200).await.json();
    let listed: Vec<_> = list["items"].as_array().unwrap().iter().map(|m| (&m["name"], &m["version"])).collect();
    assert_eq!(listed, [(&json!("criticality"), &json!(1)), (&json!("printers"), &json!(2))]);
    let versions = server.get(&format!("{MODULE}/versions")).by(Admin).expect(200).await.json();
    assert_eq!(versions["items"][1]["message"], "laser is a printer");
    assert_eq!(versions["items"][0]["description"], "What is a printer?");
    let old = server.get(&format!("{MODULE}/versions/1")).by(Admin).expect(200).await.json();
    assert_eq!(old["source"], module("laser")["source"]);
    let diff = server.get(&format!("{MODULE}/versions/2/diff?against=1")).by(Admin).expect(200).await.json();
    let text = diff["text"].as_str().unwrap();
    assert!(text.contains("\n-fn is_printer(category) { category == \"laser\" }\n"), "{text}");
    assert!(text.contains("\n+fn is_printer(category) { category == \"inkjet\" }\n"), "{text}");
    let read = server.get(MODULE).by(Admin).expect(200).await;
    server.get(MODULE).by(Admin).header("if-none-match", &read.header("etag")).expect(304).await;
}

#[actix_web::test]
async fn a_version_keeps_its_tables_where_it_is_told_to() {
    let server = Server::start().await;
    server.ask(Method::PUT, MODULE).json(module("laser")).by(Admin).expect(201).await;
    let table = |team: &str| {
        json!({"doc": "Teams", "keys": 1, "rows": [["mail", team]],
               "columns": [{"name": "category", "type": "text"}, {"name": "team", "type": "text"}]})
    };
    let path = "/api/v1/lookup-tables/category_teams";
    put(&server, path, table("network"), 200).await;
    let pinned = write(&server, json!({"source": POLICY, "keep_tables": true})).await;
    assert_eq!(pinned.json()["uses"]["tables"], json!({"category_teams": 2}), "{}", pinned.text());
    publish(&server, &pinned).await;
    put(&server, path, table("service-desk"), 200).await;
    assert_eq!(routed(&server, "mail").await, "network", "it is pinned to the table of then");
    // A table that it would break without the pin is no matter to it.
    let broken = json!({"doc": "Teams", "keys": 1, "rows": [["mail", "x"]],
                        "columns": [{"name": "category", "type": "text"}, {"name": "group", "type": "text"}]});
    put(&server, path, broken, 200).await;
    put(&server, path, table("service-desk"), 200).await;
    publish(&server, &write(&server, json!({"source": POLICY})).await).await;
    assert_eq!(routed(&server, "mail").await, "service-desk");
}

#[actix_web::test]
async fn a_module_that_is_named_again_and_again_is_linked_once() {
    let server = Server::start().await;
    let source = format!(
        "{}fn route(incident) {{\n    rule \"All\" when true then assign(\"service-desk\");\n}}\n",
        "use \"criticality\";\n".repeat(1_500)
    );
    let checked = server.post("/api/v1/policies/validate", json!({"decision": "routing", "source": source})).by(Admin);
    let problems = checked.expect(200).await.json()["diagnostics"].clone();
    let errors = problems.as_array().unwrap().iter().filter(|d| d["severity"] == "error").count();
    assert_eq!(errors, 0, "{problems}");
    let many: String = (0..2_000).map(|n| format!("use \"m{n}\";\n")).collect();
    let source = format!("{many}fn route(incident) {{ leave() }}\n");
    let checked = server.post("/api/v1/policies/validate", json!({"decision": "routing", "source": source})).by(Admin);
    let problems = checked.expect(200).await.json()["diagnostics"].clone();
    assert_eq!(problems.as_array().unwrap().len(), 17, "sixteen that are not there, and one that is too many");
}
