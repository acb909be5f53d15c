//! How fast impact is told: 100,000 configuration items with 400,000 relations, to depth 20, from the graph that a node holds and
//! by recursive SQL.
//!
//! `cargo bench --bench impact` measures SQLite; `tests/postgres --durable --run cargo bench --bench impact` both databases. What is told
//! must not take more than 50 milliseconds.
//!
//! The items stand in twenty layers; each depends on four or five of the layer below; of every tenth, two are
//! enough. So the failure of one in the
//! lowest layer hits most of all, and the failure of one in the sixteenth a few hundred.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that can't be made ends the run")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use diesel::{RunQueryDsl, connection::SimpleConnection, sql_types::BigInt};
use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    db::{AnyConnection, Engine},
    id::RecordId,
    record::graph::impact::{Asked, Direction, impact},
};

const ITEMS: usize = 100_000;
const LAYERS: usize = 20;
const ROUNDS: usize = 30;
/// Where a PostgreSQL server is, as for the tests.
const SERVER: &str = "POINTSMAN_TEST_DATABASE_URL";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    measure(&folder.path().join("impact.db").display().to_string());
    if let Ok(server) = std::env::var(SERVER) {
        let mut connection = AnyConnection::open(&server).unwrap();
        connection.batch_execute("CREATE DATABASE impact TEMPLATE template0").unwrap();
        let (address, parameters) = server.split_once('?').unwrap_or((&server, ""));
        let (host, _) = address.rsplit_once('/').unwrap();
        measure(&format!("{host}/impact?{parameters}"));
        connection.batch_execute("DROP DATABASE impact WITH (FORCE)").unwrap();
    }
}

/// The id of an item.
fn id(n: usize) -> String {
    format!("{n:08x}-0000-7000-8000-{n:012x}")
}

fn measure(url: &str) {
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(url.to_owned());
    let assembly = Assembly::open(config, Clock::System).unwrap();
    let mut connection = AnyConnection::open(url).unwrap();
    let filling = Instant::now();
    fill(&mut connection, assembly.server.user.as_str(), assembly.server.organisation.as_str());
    println!("{:?}: filled in {:.1} s", connection.engine(), filling.elapsed().as_secs_f64());
    let loading = Instant::now();
    let graph = assembly.kernel.graph(&mut connection).unwrap();
    println!("  the graph read anew                          {:>9.1} ms, {:?}", ms(loading.elapsed()), graph.size());
    let times = rounds(ROUNDS, || {
        connection
            .batch_execute(&format!("UPDATE relation SET source = 'changed' WHERE from_id = '{}'", id(ITEMS - 1)))
            .unwrap();
        black_box(assembly.kernel.graph(&mut connection).unwrap());
    });
    println!("  {:<44} {times}", "a change, and the graph with it");
    for (name, start) in [("the lowest layer", 17), ("the sixteenth layer", 15 * ITEMS / LAYERS + 17)] {
        for direction in [Direction::Up, Direction::Down] {
            let starts = vec![id(start).parse::<RecordId>().unwrap()];
            let asked = Asked { starts, direction, depth: 20, kind: None, limit: 50 };
            let ask = |connection: &mut AnyConnection| {
                impact(&assembly.kernel, connection, &assembly.server, &asked).unwrap()
            };
            let total = ask(&mut connection).total;
            let times = rounds(ROUNDS, || drop(black_box(ask(&mut connection))));
            println!("  {:<44} {times}, {total} found", format!("{name}, {direction:?}, from the graph"));
            let sql = recursive(direction, start);
            let found = number(&mut connection, &sql);
            let times = rounds(3, || {
                black_box(number(&mut connection, &sql));
            });
            println!("  {:<44} {times}, {found} found", "    by recursive SQL, without redundancy");
        }
    }
}

/// Median and slowest.
fn rounds(rounds: usize, mut work: impl FnMut()) -> String {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    format!("{:>9.1} ms ({:.1} at most)", ms(times[times.len() / 2]), ms(*times.last().unwrap()))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What is reached, by one statement; groups can't be told there.
fn recursive(direction: Direction, start: usize) -> String {
    let (near, far) = match direction {
        Direction::Up => ("to_id", "from_id"),
        Direction::Down => ("from_id", "to_id"),
    };
    format!(
        "WITH RECURSIVE hit(id, depth) AS (SELECT id, 0 FROM record WHERE id = '{}' UNION SELECT relation.{far}, hit.depth + 1 FROM hit \
         JOIN relation ON relation.{near} = hit.id WHERE hit.depth < 20) SELECT CAST(count(DISTINCT id) - 1 AS BIGINT) AS n FROM hit",
        id(start)
    )
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[expect(clippy::disallowed_methods, reason = "what is compared with is bare SQL")]
fn number(connection: &mut AnyConnection, sql: &str) -> i64 {
    let query = diesel::sql_query(sql);
    let rows: Vec<Number> = match connection {
        AnyConnection::Sqlite(c) => query.load(c),
        AnyConnection::Postgres(c) => query.load(c),
    }
    .unwrap();
    rows.first().expect("a number").n
}

/// Items, relations and groups, as fast as the database makes them.
fn fill(connection: &mut AnyConnection, user: &str, organisation: &str) {
    let (items, layer) = (ITEMS, ITEMS / LAYERS);
    let (numbers, hex, pad) = match connection.engine() {
        Engine::Sqlite => (
            format!(
                "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {})",
                items - 1
            ),
            (|n: &str| format!("(printf('%08x', {n}) || '-0000-7000-8000-' || printf('%012x', {n}))"))
                as fn(&str) -> String,
            "printf('CI%07d', n)".to_owned(),
        ),
        Engine::Postgres => (
            format!("WITH numbers(n) AS (SELECT generate_series(0, {}))", items - 1),
            (|n: &str| format!("(lpad(to_hex({n}), 8, '0') || '-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))"))
                as fn(&str) -> String,
            "'CI' || lpad(n::text, 7, '0')".to_owned(),
        ),
    };
    let own = hex("n");
    let record = format!(
        "INSERT INTO record (id, kind, number, state, phase, title, description, organisation_id, opened_by_id, priority, impact, urgency, \
         custom, tags, version, opened_at, updated_at, escalation_level) {numbers} SELECT {own}, 'configuration_item', {pad}, 'live', 'open', \
         'Item', '', '{organisation}', '{user}', 0, 0, 0, '{{}}', '[]', 1, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 0 FROM numbers"
    );
    let details = format!(
        "INSERT INTO configuration_item (record_id, class, environment, criticality, attributes) {numbers} \
         SELECT {own}, 'server', 'production', 'bronze', '{{}}' FROM numbers"
    );
    let groups = format!(
        "INSERT INTO redundancy_group (id, record_id, name, min_up) {numbers} \
         SELECT {own}, {own}, 'four', 2 FROM numbers WHERE n >= {layer} AND n % 10 = 0"
    );
    // The parts of a number that are multiplied by primes spread the four over the layer below.
    let target = format!("((n / {layer} - 1) * {layer} + (n * 7919 + k * 104729 + k * k * n) % {layer})");
    let relations = format!(
        "INSERT INTO relation (id, relation_type, from_kind, from_id, to_kind, to_id, group_id, source, created_by_id, created_at) {numbers} \
         SELECT {}, 'depends_on', 'configuration_item', {own}, 'configuration_item', {}, CASE WHEN n % 10 = 0 THEN {own} END, 'manual', \
         '{user}', '2026-01-01 00:00:00' FROM numbers \
         CROSS JOIN (SELECT 0 AS k UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) AS five \
         WHERE n >= {layer} AND (k < 4 OR n % 4 = 0) ON CONFLICT DO NOTHING",
        hex("(n * 5 + k)"),
        hex(&target),
    );
    // One change of the epoch is enough.
    let (before, after) = match connection.engine() {
        Engine::Sqlite => ("DROP TRIGGER relation_added; DROP TRIGGER redundancy_group_added;", ""),
        Engine::Postgres => (
            "ALTER TABLE relation DISABLE TRIGGER relation_counts;",
            "ALTER TABLE relation ENABLE TRIGGER relation_counts;",
        ),
    };
    for sql in [
        before,
        &record,
        &details,
        &groups,
        &relations,
        after,
        "UPDATE setting SET value = 'filled' WHERE name = 'graph_epoch'",
        "ANALYZE",
    ] {
        connection.batch_execute(sql).unwrap();
    }
}
