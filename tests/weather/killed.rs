//! A server that is killed while many write: what it acknowledged is there, whole and once, and it is back at once.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use diesel::prelude::*;
use pointsman::{db::AnyConnection, schema};

use crate::{
    load::{Writer, write_until},
    storm::{Weather, panics},
    support::process::{Running, command, prepared},
};

/// How long a server may take until it is ready again.
const READY: Duration = Duration::from_secs(2);

pub fn under_writers(weather: &mut Weather) {
    let (database, token) = prepared();
    let url = database.url();
    let mut writers: Vec<Writer> = (0..16).map(|n| Writer::new(&format!("Writer {n}"))).collect();
    let cycles = weather.size(4, 50);
    let (mut slowest, mut panicked) = (Duration::ZERO, Vec::new());
    for cycle in 0..cycles {
        let started = Instant::now();
        let server = Running::start(&url);
        slowest = slowest.max(started.elapsed());
        // Never after the same number, so that the kill comes at another place each time.
        let enough = 40 + cycle * 7 % 30;
        write_until(&server, &token, &mut writers, |count| count >= enough, || server.signal("KILL"));
        panicked.extend(panics(&server));
    }
    let started = Instant::now();
    let server = Running::start(&url);
    slowest = slowest.max(started.elapsed());
    for writer in writers.iter_mut().filter(|writer| writer.owed) {
        assert!(writer.write(&server, &token), "a retry is not acknowledged");
    }
    drop(server);
    weather.same("kills", cycles, cycles);
    weather.within("ready again, the slowest time", slowest, weather.allowed(READY));
    weather.none("panics", &panicked);
    look(weather, &url, &writers);
}

/// Holds what is in the store against what was acknowledged.
fn look(weather: &mut Weather, url: &str, writers: &[Writer]) {
    use schema::{audit, decision, incident, outbox, record};
    let mut connection = AnyConnection::open(url).unwrap();
    let c = &mut connection;
    let acknowledged: HashSet<&String> = writers.iter().flat_map(|writer| &writer.acknowledged).collect();
    let rows: Vec<(String, String)> = record::table.select((record::id, record::title)).load(c).unwrap();
    let ids: HashSet<String> = rows.iter().map(|(id, _)| id.clone()).collect();
    let titles: HashSet<&String> = rows.iter().map(|(_, title)| title).collect();
    let keys: usize = writers.iter().map(|writer| writer.keys).sum();
    weather.at_least("writes acknowledged", acknowledged.len(), weather.size(150, 2_000));
    weather.same("of them lost", acknowledged.iter().filter(|id| !ids.contains(**id)).count(), 0);
    weather.at_least("keys sent again after their answer was lost", retried(writers), 1);
    weather.same("records, as many as there were keys", rows.len(), keys);
    weather.same("records that a key made twice", rows.len() - titles.len(), 0);
    let parts: [(&str, Vec<String>); 4] = [
        ("details", incident::table.select(incident::record_id).load(c).unwrap()),
        ("audit rows", audit::table.select(audit::subject_id).load(c).unwrap()),
        ("events", outbox::table.select(outbox::record_id).load(c).unwrap()),
        ("decisions", decision::table.select(decision::record_id).load(c).unwrap()),
    ];
    for (part, found) in parts {
        let found: HashSet<String> = found.into_iter().collect();
        weather.same(&format!("records without their {part}"), ids.difference(&found).count(), 0);
    }
    verify(weather, url);
}

fn retried(writers: &[Writer]) -> usize {
    writers.iter().map(|writer| writer.retried).sum()
}

/// The audit trail must be whole.
pub fn verify(weather: &mut Weather, url: &str) {
    let verified = command(url).args(["--json", "audit", "verify"]).output().unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    weather.same("audit rows of a trail that is whole", verdict["whole"] == true && verified.status.success(), true);
}
