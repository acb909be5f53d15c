//! A back-test of all routing decisions of a store: how long it takes, and how much memory the server has meanwhile.

use std::time::{Duration, Instant};

use pointsman::{
    assembly::ADMINISTRATOR,
    auth::account,
    clock::Clock,
    db::{AnyConnection, JsonText},
    policy::{
        back_test::{self, asked::Asked, run::Progress},
        store::PolicyRow,
    },
    record::job::{JobRow, State},
};
use serde::Serialize;

use crate::{fill::Store, measure::name, server::Server};

/// The policy that is live, and rehearsed against itself.
const POLICY: &str = "routing_incidents";
/// How often the job and the memory are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What a back-test took.
#[derive(Serialize)]
pub struct BackTest {
    pub database: &'static str,
    pub decisions: u64,
    pub seconds: f64,
    /// Resident MiB, a sample for each tenth of the decisions.
    pub memory: Vec<f64>,
    pub most: f64,
}

/// Makes all routing decisions again.
pub fn watch(store: &Store) -> BackTest {
    let mut connection = AnyConnection::open(&store.url).unwrap();
    let server = Server::start(&store.url);
    let begun = Instant::now();
    let job = queue(&mut connection);
    let mut memory = Vec::new();
    let done = loop {
        std::thread::sleep(LOOK);
        let job = JobRow::find(&mut connection, job.id).unwrap();
        while job.total > 0 && job.done * 10 >= job.total * (memory.len() as i64 + 1) {
            memory.push(server.memory().0);
        }
        match job.state() {
            State::Queued | State::Running => (),
            State::Succeeded => break job,
            State::Failed | State::Cancelled => panic!("{job:?}"),
        }
    };
    let progress: Progress = done.progress.read().unwrap();
    let report = progress.report;
    assert_eq!((report.different, report.errors, report.unreadable), (0, 0, 0), "a version decides as it did");
    BackTest {
        database: name(store.engine),
        decisions: report.decisions,
        seconds: begun.elapsed().as_secs_f64(),
        memory,
        most: server.memory().1,
    }
}

/// Queues a rehearsal of the live version.
fn queue(connection: &mut AnyConnection) -> JobRow {
    let policy = PolicyRow::find(connection, POLICY).unwrap();
    let live = policy.active_version.unwrap();
    let subject = policy.version(connection, live).unwrap().subject();
    let asked = JsonText::of(&Asked::of(connection, &policy, live, None).unwrap()).unwrap();
    let by = account::find_user(connection, ADMINISTRATOR).unwrap().unwrap();
    JobRow::queue(connection, back_test::KIND, subject, asked, by, Clock::System.now()).unwrap()
}
