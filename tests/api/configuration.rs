//! Configuration: classes and attributes, relations and redundancy, and what fails when something does.

mod choices;
mod correctness;
mod drift;
mod given_up;
pub mod import;
mod keeping;
mod missing;
mod model;
mod reconcile;
mod references;
mod resume;
mod returned;
mod topologies;

use serde_json::{Value, json};

use crate::support::{Answer, Ask, Person::*, Server};

pub const ITEMS: &str = "/api/v1/configuration_items";
pub const SERVICES: &str = "/api/v1/services";

/// A configuration item of a class that is in use; gives its id.
pub async fn item(server: &Server, class: &str, title: &str, attributes: Value) -> String {
    let body = json!({"title": title, "class": class, "attributes": attributes});
    let id = server.post(ITEMS, body).by(Admin).expect(201).await.field("id");
    server.post(&format!("{ITEMS}/{id}/go_live"), json!({})).by(Admin).expect(200).await;
    id
}

pub async fn service(server: &Server, title: &str) -> String {
    server.post(SERVICES, json!({"title": title})).by(Admin).expect(201).await.field("id")
}

/// Relates two records; the path of the first without its id.
pub async fn relate(
    server: &Server,
    (path, id): (&str, &str),
    relation: &str,
    other: &str,
    group: Option<&str>,
) -> Answer {
    let body = json!({"relation": relation, "record_id": other, "group": group});
    server.post(&format!("{path}/{id}/relations"), body).by(Admin).expect(201).await
}

/// Says how many of a group must be up.
pub async fn group(server: &Server, (path, id): (&str, &str), name: &str, min_up: i32) {
    let path = format!("{path}/{id}/redundancy-groups/{name}");
    put(server, &path, json!({"min_up": min_up})).by(Admin).header("if-match", "*").expect(204).await;
}

pub fn put<'a>(server: &'a Server, path: &str, body: Value) -> Ask<'a> {
    server.ask(actix_web::http::Method::PUT, path).json(body)
}

/// The titles of what would be hit, or of what something rests on, in order.
pub async fn impact(server: &Server, (path, id): (&str, &str), query: &str) -> Vec<String> {
    titles(&server.get(&format!("{path}/{id}/impact?{query}")).by(Alex).expect(200).await.json()["records"])
}

pub fn titles(records: &Value) -> Vec<String> {
    let title = |record: &Value| record["record"]["title"].as_str().unwrap().to_owned();
    records.as_array().unwrap().iter().map(title).collect()
}
