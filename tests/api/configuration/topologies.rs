//! Two real topologies of microservices, read where they are found.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Value, json};

use super::{ITEMS, impact, item, relate};
use crate::support::Server;

/// The topologies, where they lie beside the sources; a checkout without them has nothing to try.
fn topologies() -> Option<Vec<Value>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/service_graphs.json");
    let text = std::fs::read_to_string(&file).inspect_err(|e| eprintln!("{}: {e}: not tried", file.display())).ok()?;
    let all: Value = serde_json::from_str(&text).unwrap();
    Some(all["topologies"].as_array().unwrap().clone())
}

/// What a node of a topology rests on, found in the plainest way.
fn reachable(edges: &[(String, String)], from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(node) = next.pop() {
        for (_, to) in edges.iter().filter(|(source, _)| *source == node) {
            if to != from && found.insert(to.clone()) {
                next.push(to.clone());
            }
        }
    }
    found
}

#[actix_web::test]
async fn impact_is_what_the_topologies_say() {
    let Some(topologies) = topologies() else { return };
    for topology in topologies {
        let server = Server::start().await;
        // What is outside of a topology stands in its edges alone.
        let nodes = topology["nodes"].as_array().unwrap().iter().map(|node| &node["id"]);
        let ends = topology["edges"].as_array().unwrap().iter().flat_map(|edge| [&edge["from"], &edge["to"]]);
        let names: BTreeSet<&str> = nodes.chain(ends).map(|name| name.as_str().unwrap()).collect();
        let mut ids = BTreeMap::new();
        for name in names {
            ids.insert(name.to_owned(), item(&server, "container", name, json!({})).await);
        }
        let mut edges = Vec::new();
        for edge in topology["edges"].as_array().unwrap() {
            let [from, to] = ["from", "to"].map(|end| edge[end].as_str().unwrap().to_owned());
            relate(&server, (ITEMS, &ids[&from]), edge["type"].as_str().unwrap(), &ids[&to], None).await;
            edges.push((from, to));
        }
        let back: Vec<(String, String)> = edges.iter().map(|(from, to)| (to.clone(), from.clone())).collect();
        for (name, id) in &ids {
            for (direction, edges) in [("down", &edges), ("up", &back)] {
                let query = format!("direction={direction}&depth=20&limit=200");
                let mut found = impact(&server, (ITEMS, id), &query).await;
                found.sort();
                let expected: Vec<String> = reachable(edges, name).into_iter().collect();
                assert_eq!(found, expected, "{} {name} {direction}", topology["name"]);
            }
        }
    }
}
