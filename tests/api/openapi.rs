//! The OpenAPI document: checked in, complete, and good for generated clients.

use std::collections::{BTreeMap, BTreeSet};

use pointsman::cli::serve;
use serde_json::{Map, Value};

use crate::support::{contract, golden};

/// Every operation: method, path, itself.
fn operations(document: &'static Value) -> Vec<(String, String, &'static Map<String, Value>)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch"] {
            if let Some(operation) = item[method].as_object() {
                found.push((method.to_owned(), path.clone(), operation));
            }
        }
    }
    found
}

#[test]
fn the_document_that_is_checked_in_is_the_one_that_is_served() {
    golden::holds("openapi/pointsman.json", &(serve::openapi().unwrap() + "\n"));
}

#[test]
fn every_operation_says_all_that_a_client_needs() {
    let document = contract::document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut faults = Vec::new();
    for (method, path, operation) in operations(document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let mut fault = |what: &str| faults.push(format!("{method} {path} ({id}): {what}"));
        for name in ["summary", "description"] {
            if operation[name].as_str().is_none_or(|text| text.trim().len() < 5) {
                fault(&format!("no {name}"));
            }
        }
        if operation["summary"].as_str().is_some_and(|text| text.ends_with('.')) {
            fault("a summary is a heading, not a sentence");
        }
        if operation["tags"].as_array().is_none_or(Vec::is_empty) {
            fault("no tag");
        }
        let Some(security) = operation["security"].as_array() else {
            fault("nothing about security");
            continue;
        };
        let responses = operation["responses"].as_object().unwrap();
        if !security.is_empty() && !responses.contains_key("401") {
            fault("no 401");
        }
        if !responses.keys().any(|status| status.starts_with('2') || status.starts_with('3')) {
            fault("no success");
        }
        if !responses.keys().any(|status| status.starts_with('4') || status.starts_with('5')) {
            fault("no error");
        }
        if path.contains('{') && !responses.contains_key("404") {
            fault("no 404");
        }
        let parameters = operation.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
        for parameter in &parameters {
            if parameter["example"].is_null() || parameter["description"].as_str().is_none_or(str::is_empty) {
                fault(&format!("the parameter {} lacks a description or an example", parameter["name"]));
            }
        }
        let request = operation.get("requestBody").into_iter();
        let answers = responses.iter().filter(|(status, _)| status.starts_with('2')).map(|(_, answer)| answer);
        for content in request.chain(answers).filter_map(|body| body["content"].as_object()) {
            for (media_type, content) in content {
                if content["example"].is_null() && content["examples"].is_null() {
                    fault(&format!("no example of {media_type}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn operation_ids_are_verbs_and_nouns_and_one_of_their_kind() {
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(contract::document()) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        let snake = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        assert!(snake && id.contains('_') && !id.ends_with('_'), "{method} {path}: {id}");
        assert!(ids.insert(id.clone()), "{id} is there twice");
    }
    assert!(ids.len() > 20);
}

#[test]
fn references_resolve_and_no_two_names_differ_by_case_alone() {
    let document = contract::document();
    let mut references = BTreeSet::new();
    collect(document, &mut references);
    assert!(references.len() > 5);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut names = BTreeMap::new();
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let plain: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        if let Some(other) = names.insert(plain, name) {
            panic!("the schemas {name} and {other} are one name to a generated client");
        }
    }
}

#[test]
fn examples_fit_their_schemas() {
    let mut faults = Vec::new();
    for (method, path, operation) in operations(contract::document()) {
        let parameters = operation.get("parameters").into_iter().flat_map(|all| all.as_array().unwrap());
        let bodies =
            operation.get("requestBody").into_iter().chain(operation["responses"].as_object().unwrap().values());
        let contents = bodies.filter_map(|body| body["content"].as_object()).flat_map(Map::values);
        for told in parameters.chain(contents).filter(|told| !told["example"].is_null()) {
            let wrong = contract::faults(&told["schema"], &told["example"]);
            faults.extend(wrong.into_iter().map(|fault| format!("{method} {path}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}
