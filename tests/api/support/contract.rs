//! Whether what the server says is what its OpenAPI document promises.

use std::sync::OnceLock;

use actix_web::http::Method;
use chrono::DateTime;
use pointsman::cli::serve;
use serde_json::Value;

use super::Answer;

/// The document that is served.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(&serve::openapi().unwrap()).unwrap())
}

/// Stops when an answer is none that the document promises for its request.
pub fn holds(method: &Method, uri: &str, answer: &Answer) {
    let path = uri.split('?').next().unwrap();
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let Some(operation) = operation(path, method) else { return };
    let status = answer.status.as_str();
    let promised = followed(&operation["responses"][status]);
    assert!(!promised.is_null(), "{method} {uri}: {status} is not documented: {}", answer.text());
    if answer.bytes.is_empty() {
        return;
    }
    let given = answer.header("content-type");
    let media_type = given.split(';').next().unwrap();
    // An answer without contents is of any media type.
    let Some(contents) = promised["content"].as_object() else { return };
    let content = contents.get(media_type);
    let content = content.unwrap_or_else(|| panic!("{method} {uri}: {status} as {media_type} is not documented"));
    if media_type.ends_with("json") && !media_type.ends_with("x-ndjson") {
        let picks = |query: &str| query.split('&').any(|pair| pair.starts_with("fields="));
        let faults = match answer.status.is_success() && uri.split('?').nth(1).is_some_and(picks) {
            true => faults_of_parts(&content["schema"], &answer.json()),
            false => faults(&content["schema"], &answer.json()),
        };
        assert!(faults.is_empty(), "{method} {uri}: {status}: {}\n{}", faults.join("\n"), answer.text());
    }
}

/// The operation of a path; a fixed segment goes before a parameter.
fn operation(path: &str, method: &Method) -> Option<&'static Value> {
    let fits = |template: &str| {
        let (mut wanted, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(w), Some(g)) if w == g || w.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let paths = document()["paths"].as_object().unwrap();
    let (_, item) = paths.iter().filter(|(template, _)| fits(template)).min_by_key(|(t, _)| t.matches('{').count())?;
    item.get(method.as_str().to_lowercase())
}

/// What a reference leads to.
fn followed(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => document().pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => value,
    }
}

/// What of a value does not fit a schema of the document.
pub fn faults(schema: &'static Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, "", true, &mut found);
    found
}

/// What of a record, or of the records of a page, is not in the part that `fields` picks: `IncidentPart`.
fn faults_of_parts(schema: &'static Value, value: &Value) -> Vec<String> {
    let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    let part = &document()["components"]["schemas"][format!("{}Part", name.trim_end_matches("Page"))];
    assert!(part.is_object(), "{name} has no part");
    let records = value["items"].as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    records.iter().flat_map(|record| faults(part, record)).collect()
}

/// `closed` says whether properties that the schema does not name are faults.
fn check(schema: &'static Value, value: &Value, at: &str, closed: bool, found: &mut Vec<String>) {
    let schema = followed(schema);
    let mut fault = |what: String| found.push(format!("{at}: {what}: {value}"));
    if let Some(types) = schema.get("type") {
        let one = |name: &Value| is(name.as_str().unwrap(), value);
        if !types.as_array().map_or_else(|| one(types), |types| types.iter().any(one)) {
            return fault(format!("is not of type {types}"));
        }
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        fault(format!("is none of {}", schema["enum"]));
    }
    if let (Some(number), least, most) = (value.as_f64(), schema["minimum"].as_f64(), schema["maximum"].as_f64())
        && (least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most))
    {
        fault("is out of range".to_owned());
    }
    let length = value.as_str().map(|text| text.chars().count()).or_else(|| value.as_array().map(Vec::len));
    let bound = |name: &str| schema[name].as_u64().map(|bound| bound as usize);
    if let Some(length) = length
        && (bound("maxLength").or(bound("maxItems")).is_some_and(|most| length > most)
            || bound("minLength").or(bound("minItems")).is_some_and(|least| length < least))
    {
        fault("is too long or too short".to_owned());
    }
    match (schema["format"].as_str(), value.as_str()) {
        (Some("date-time"), Some(text)) if DateTime::parse_from_rfc3339(text).is_err() => {
            fault("is no time".to_owned())
        }
        (Some("uuid"), Some(text)) if text.len() != 36 => fault("is no UUID".to_owned()),
        _ => {}
    }
    for any in ["anyOf", "oneOf"].iter().filter_map(|name| schema[*name].as_array()) {
        let of_each: Vec<Vec<String>> = any
            .iter()
            .map(|one| {
                let mut found = Vec::new();
                check(one, value, at, closed, &mut found);
                found
            })
            .collect();
        if of_each.iter().all(|faults| !faults.is_empty()) {
            found.extend(of_each.into_iter().min_by_key(Vec::len).unwrap());
        }
    }
    let parts = schema["allOf"].as_array().map_or(&[][..], Vec::as_slice);
    for part in parts {
        check(part, value, at, closed && parts.len() == 1, found);
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = schema.get("items") {
            check(items, item, &format!("{at}/{index}"), true, found);
        }
    }
    if let Some(object) = value.as_object() {
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        found.extend(required.filter(|name| !object.contains_key(*name)).map(|name| format!("{at}: lacks `{name}`")));
        let others = &schema["additionalProperties"];
        for (name, item) in object {
            let at = format!("{at}/{name}");
            match schema["properties"].get(name) {
                Some(property) => check(property, item, &at, true, found),
                None if others.is_object() => check(others, item, &at, true, found),
                None if others == false || (closed && others.is_null() && schema["properties"].is_object()) => {
                    found.push(format!("{at}: is not documented"));
                }
                None => {}
            }
        }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is none of JSON Schema"),
    }
}
