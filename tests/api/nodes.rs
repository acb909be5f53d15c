//! Two servers on one database, asked for the same at once: what either acknowledged is there, and there once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use diesel::prelude::*;
use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    db::AnyConnection,
    schema::{journal, link, outbox, record, timer},
};
use serde_json::Value;

use crate::support::{
    Person::*,
    TestDatabase, people,
    process::{Running, SOON, prepared},
};

const ROUNDS: usize = 8;
const INCIDENTS: &str = "/api/v1/incidents";

/// One of those who ask: always the same server, and in each round the same as everybody else.
struct Asking<'a> {
    server: &'a Running,
    token: &'a str,
    name: String,
}

impl Asking<'_> {
    fn ask(&self, method: &str, path: &str, more: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.server.ask_with(method, path, self.token, more, body).unwrap();
        assert!(status < 500, "{method} {path}: {status} {text}");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Makes a record by a key; gives its id.
    fn make(&self, title: &str) -> String {
        loop {
            let key = format!("Idempotency-Key: {title}\r\n");
            match self.ask("POST", INCIDENTS, &key, &format!("{{\"title\": \"{title}\"}}")) {
                (201, made) => return made["id"].as_str().unwrap().to_owned(),
                (409, _) => std::thread::sleep(Duration::from_millis(5)),
                other => panic!("{title}: {other:?}"),
            }
        }
    }

    /// Changes a record in the version that was seen, as often as that takes.
    fn change(&self, id: &str, comment: &str) {
        let path = format!("{INCIDENTS}/{id}");
        loop {
            let (_, seen) = self.ask("GET", &path, "", "");
            let seen = format!("If-Match: \"{}\"\r\n", seen["version"]);
            match self.ask("PATCH", &path, &seen, &format!("{{\"comment\": \"{comment}\"}}")).0 {
                200 => return,
                status => assert!(matches!(status, 409 | 412), "{status}"),
            }
        }
    }

    /// Whether this was the one whose write counted.
    fn post(&self, path: &str, body: &str, done: u16) -> bool {
        let (status, answer) = self.ask("POST", path, "", body);
        assert!(status == done || status == 409, "{path}: {status} {answer}");
        status == done
    }
}

/// What one of them was told in a round.
struct Told {
    made: String,
    comment: String,
    linked: bool,
    resolved: bool,
}

fn go_through(one: &Asking<'_>, shared: &str) -> Vec<Told> {
    let round = |n: usize| {
        let made = one.make(&format!("round-{n}"));
        let comment = format!("{} in round {n}", one.name);
        one.change(shared, &comment);
        let body = format!("{{\"relation\": \"relates_to\", \"record_id\": \"{made}\"}}");
        let linked = one.post(&format!("{INCIDENTS}/{shared}/links"), &body, 201);
        one.post(&format!("{INCIDENTS}/{made}/start"), "{}", 200);
        let how = "{\"resolution_code\": \"fixed\", \"resolution_kind\": \"permanent\", \
            \"resolution_notes\": \"The queue was full and was emptied.\"}";
        let resolved = one.post(&format!("{INCIDENTS}/{made}/resolve"), how, 200);
        Told { made, comment, linked, resolved }
    };
    (0..ROUNDS).map(round).collect()
}

#[test]
fn two_servers_write_as_one() {
    let (database, _) = prepared();
    let token = token(&database);
    let servers = [Running::start(&database.url()), Running::start(&database.url())];
    let asking = |n: usize| Asking { server: &servers[n % 2], token: &token, name: format!("Writer {n}") };
    let shared = asking(0).make("shared");
    let told: Vec<Vec<Told>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(asking).map(|one| scope.spawn(|| go_through(&{ one }, &shared))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut connection = AnyConnection::open(&database.url()).unwrap();
    let c = &mut connection;
    let mut made = BTreeSet::new();
    for n in 0..ROUNDS {
        let of_round: Vec<&Told> = told.iter().map(|rounds| &rounds[n]).collect();
        let ids: BTreeSet<&String> = of_round.iter().map(|told| &told.made).collect();
        assert_eq!(ids.len(), 1, "one key made several records: {ids:?}");
        assert_eq!(of_round.iter().filter(|told| told.linked).count(), 1, "of round {n}");
        assert_eq!(of_round.iter().filter(|told| told.resolved).count(), 1, "of round {n}");
        made.extend(ids.into_iter().cloned());
    }
    let comments: Vec<String> =
        journal::table.filter(journal::record_id.eq(&shared)).select(journal::body).load(c).unwrap();
    for comment in told.iter().flatten().map(|told| &told.comment) {
        assert_eq!(comments.iter().filter(|written| *written == comment).count(), 1, "{comment}");
    }
    let numbers: Vec<String> = record::table.select(record::number).load(c).unwrap();
    assert_eq!((numbers.len(), numbers.iter().collect::<BTreeSet<_>>().len()), (ROUNDS + 1, ROUNDS + 1));
    assert_eq!(link::table.count().get_result::<i64>(c).unwrap(), ROUNDS as i64);
    assert_eq!(timers_that_wait(c), ROUNDS as i64, "one for each record that was resolved");

    // All at once, so that both servers see them in the same second.
    let past = "2020-01-01T00:00:00Z".parse::<pointsman::clock::Moment>().unwrap();
    diesel::update(timer::table.filter(timer::fired_at.is_null())).set(timer::due_at.eq(past)).execute(c).unwrap();
    let since = Instant::now();
    while timers_that_wait(c) > 0 {
        assert!(since.elapsed() < SOON, "the timers don't fire");
        std::thread::sleep(Duration::from_millis(50));
    }
    let closed: Vec<String> =
        outbox::table.filter(outbox::event.eq("incident.closed")).select(outbox::record_id).load(c).unwrap();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    closed.into_iter().for_each(|id| *times.entry(id).or_default() += 1);
    assert_eq!(times, made.into_iter().map(|id| (id, 1)).collect());
}

fn timers_that_wait(connection: &mut AnyConnection) -> i64 {
    timer::table
        .filter(timer::fired_at.is_null())
        .filter(timer::name.eq("auto_close"))
        .count()
        .get_result(connection)
        .unwrap()
}

/// A token of Alex's, who may work on the records.
fn token(database: &TestDatabase) -> String {
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(database.url());
    people::token_for(&Assembly::open(config, Clock::System).unwrap(), Alex, "*")
}
