//! A policy is published again and again while three servers decide by it: each goes by the new version soon, and by it alone.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use diesel::prelude::*;
use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    db::AnyConnection,
    schema::decision,
};
use serde_json::{Value, json};

use crate::{
    load::INCIDENTS,
    storm::{Over, Weather, panics},
    support::{
        Person::Admin,
        TestDatabase, people,
        process::{Running, prepared},
    },
};

const NODES: usize = 3;
const POLICY: &str = "/api/v1/policies/routing_incidents";
/// How long is waited between two requests.
const PAUSE: Duration = Duration::from_millis(15);
/// How long a node may go on with the version before.
const SOON: Duration = Duration::from_secs(1);

/// A record that was asked for at a moment, and acknowledged.
struct Made {
    node: usize,
    asked: Instant,
    acknowledged: Instant,
    id: String,
}

/// A version that was published: when that was asked for, and when it was acknowledged.
struct Published {
    version: i32,
    asked: Instant,
    acknowledged: Instant,
}

/// Asks until the store has time: SQLite lets only one of several servers write.
fn post(server: &Running, path: &str, token: &str, body: &Value) -> Value {
    loop {
        match server.ask("POST", path, token, &body.to_string()).unwrap() {
            (200 | 201, text) => return serde_json::from_str(&text).unwrap(),
            (503, _) => thread::sleep(PAUSE),
            refused => panic!("{path}: {refused:?}"),
        }
    }
}

/// Makes records on one node until it is over.
fn make(server: &Running, node: usize, token: &str, over: &AtomicBool) -> Vec<Made> {
    let mut made = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let record = post(server, INCIDENTS, token, &json!({"title": "On one of three nodes"}));
        let id = record["id"].as_str().unwrap().to_owned();
        made.push(Made { node, asked, acknowledged: Instant::now(), id });
        thread::sleep(PAUSE);
    }
    made
}

/// Publishes two versions in turn, each time through another node.
fn publish(servers: &[Running], token: &str, versions: [i32; 2], rounds: usize) -> Vec<Published> {
    let round = |n: usize| {
        let (version, server) = (versions[n % 2], &servers[n % NODES]);
        let asked = Instant::now();
        post(server, &format!("{POLICY}/versions/{version}/publish"), token, &json!({}));
        let acknowledged = Instant::now();
        thread::sleep(SOON + SOON / 2);
        Published { version, asked, acknowledged }
    };
    (0..rounds).map(round).collect()
}

pub fn on_three_nodes(weather: &mut Weather) {
    let (database, _) = prepared();
    let token = token(&database);
    let servers: Vec<Running> = (0..NODES).map(|_| Running::start(&database.url())).collect();
    let versions = ["network", "service-desk"].map(|team| {
        let source = format!("fn route(incident) {{\n    rule \"All\" when true then assign(\"{team}\");\n}}\n");
        let made = post(&servers[0], &format!("{POLICY}/versions"), &token, &json!({"source": source}));
        i32::try_from(made["number"].as_i64().unwrap()).unwrap()
    });
    let (over, rounds) = (AtomicBool::new(false), weather.size(6, 40));
    let (made, published) = thread::scope(|scope| {
        let making = |(node, server)| {
            scope.spawn({
                let (token, over) = (&token, &over);
                move || make(server, node, token, over)
            })
        };
        let making: Vec<_> = servers.iter().enumerate().map(making).collect();
        let published = {
            let _over = Over(&over);
            publish(&servers, &token, versions, rounds)
        };
        (making.into_iter().flat_map(|one| one.join().unwrap()).collect::<Vec<_>>(), published)
    });
    judge(weather, &made, &published, &decided(&database));
    let panicked: Vec<String> = servers.iter().flat_map(panics).collect();
    weather.none("panics", &panicked);
}

/// Which version routed each record.
fn decided(database: &TestDatabase) -> HashMap<String, Option<i32>> {
    let mut connection = AnyConnection::open(&database.url()).unwrap();
    let routing = decision::table.filter(decision::kind.eq("routing")).filter(decision::place.eq(0));
    let rows: Vec<(String, Option<i32>)> =
        routing.select((decision::record_id, decision::policy_version)).load(&mut connection).unwrap();
    rows.into_iter().collect()
}

fn judge(weather: &mut Weather, made: &[Made], published: &[Published], decided: &HashMap<String, Option<i32>>) {
    let (mut longest, mut wrong) = ([Duration::ZERO; NODES], Vec::new());
    for one in made {
        let Some(version) = decided.get(&one.id).copied().flatten() else {
            wrong.push(&one.id);
            continue;
        };
        let Some(newest) = published.iter().rfind(|published| published.acknowledged <= one.asked) else { continue };
        let under_way = published.iter().filter(|p| p.asked <= one.acknowledged && p.acknowledged > one.asked);
        if ![newest].into_iter().chain(under_way).any(|allowed| allowed.version == version) {
            longest[one.node] = longest[one.node].max(one.asked - newest.acknowledged);
        }
    }
    weather.none("records that no version decided", &wrong);
    weather.at_least("publications", published.len(), 6);
    weather.at_least("decisions meanwhile on the node that made the fewest", least(made), 50);
    for (node, longest) in longest.into_iter().enumerate() {
        weather.within(&format!("node {node} went on with the version before"), longest, SOON);
    }
    let slowest = published.iter().map(|one| one.acknowledged - one.asked).max().unwrap_or_default();
    weather.note("the slowest publication", format!("{:.2} s", slowest.as_secs_f64()));
}

fn least(made: &[Made]) -> usize {
    (0..NODES).map(|node| made.iter().filter(|one| one.node == node).count()).min().unwrap_or_default()
}

/// A token of the administrator's, who publishes and makes records.
fn token(database: &TestDatabase) -> String {
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(database.url());
    people::token_for(&Assembly::open(config, Clock::System).unwrap(), Admin, "*")
}
