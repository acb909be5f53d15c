//! A database that is away: stopped, hung or locked by another. The server says so, and is back when it is back.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use pointsman::db::AnyConnection;

use crate::{
    ask::{Expected, back, look},
    cluster::Cluster,
    storm::Weather,
    support::process::{Running, prepare, prepared},
};

/// How long an answer may take that says that the database is away.
const SAID: Duration = Duration::from_secs(2);

pub fn stopped(weather: &mut Weather) {
    let (cluster, _folder, token) = prepared_cluster();
    let server = Running::start(&cluster.url());
    let all = [
        Expected::probe("/livez", &[200]),
        Expected::probe("/readyz", &[503]),
        Expected::reads(&[503]),
        Expected::writes(&[503]),
    ];
    cluster.crash();
    look(weather, &server, &token, away(weather), weather.allowed(SAID), &all);
    cluster.start();
    back(weather, &server, &token);
}

pub fn hung(weather: &mut Weather) {
    let (cluster, _folder, token) = prepared_cluster();
    let server = Running::start_with(&cluster.url(), &["database.deadline_seconds=1"]);
    let all = [
        Expected::probe("/livez", &[200]),
        Expected::probe("/readyz", &[503]),
        Expected::reads(&[503]),
        Expected::writes(&[503]),
    ];
    cluster.hang();
    look(weather, &server, &token, away(weather), weather.allowed(SAID), &all);
    cluster.go_on();
    back(weather, &server, &token);
}

/// Another process holds the database as a forgotten transaction would.
pub fn locked(weather: &mut Weather) {
    let (database, token) = prepared();
    let server = Running::start(&database.url());
    let mut other = AnyConnection::open(&database.url()).unwrap();
    let all = [
        Expected::probe("/livez", &[200]),
        Expected::probe("/readyz", &[200]),
        Expected::reads(&[200]),
        Expected::writes(&[503]),
    ];
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    look(weather, &server, &token, away(weather), weather.allowed(SAID), &all);
    other.batch_execute("ROLLBACK").unwrap();
    back(weather, &server, &token);
}

fn away(weather: &Weather) -> Duration {
    Duration::from_secs(weather.size(4, 60))
}

fn prepared_cluster() -> (Cluster, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::make(folder.path(), None);
    let token = prepare(&cluster.url());
    (cluster, folder, token)
}
