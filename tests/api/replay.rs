//! The replay of a log of the past and the service levels of the present: what was missed long ago is told as of then and calls
//! nobody; what is still open goes on by the clock on the wall.

use std::{fmt::Write as _, sync::Arc};

use diesel::prelude::*;
use pointsman::{
    db::AnyConnection,
    error::Result,
    integration::servicenow::{self, Mode, Options, Progress, report::Report},
    policy::live::Policies,
    schema::{escalation, outbox, timer},
};
use serde_json::{Value, json};

use crate::support::{Person::Admin, Server};

const HEADER: &str = "number,incident_state,sys_mod_count,opened_at,sys_updated_at,impact,urgency,priority,reassignment_count,\
    reopen_count,caller_id,opened_by,sys_updated_by,contact_type,location,category,subcategory,u_symptom,cmdb_ci,\
    assignment_group,assigned_to,problem_id,closed_code";

/// Missed at noon of the day before, and closed.
const PAST: [&str; 3] = [
    "A,New,0,2/3/2026 08:00,2/3/2026 08:00",
    "A,Resolved,1,2/3/2026 08:00,2/3/2026 14:00",
    "A,Closed,2,2/3/2026 08:00,2/3/2026 15:00",
];
/// Open since three hours.
const OPEN: [&str; 2] = ["B,New,0,3/3/2026 08:00,3/3/2026 08:00", "B,Active,1,3/3/2026 08:00,3/3/2026 08:15"];
/// The same waited for its caller, which the log tells only later.
const WAITED: &str = "B,Awaiting User Info,2,3/3/2026 08:00,3/3/2026 09:15";

/// Replays a log, on a thread of its own: it waits for the writer, which a runtime does not let its own thread do.
pub fn run(server: &Server, options: &Options) -> Report {
    let assembly = &server.assembly;
    let (kernel, database, writer) = (assembly.kernel.clone(), &assembly.database, &assembly.writer);
    let progress = Expire(assembly.policies.clone());
    let replay = move || servicenow::run(kernel, database, writer, options, &progress).unwrap();
    std::thread::scope(|scope| scope.spawn(replay).join().unwrap())
}

/// As the command does: what a step of the import has made is there for the policies at once.
struct Expire(Arc<Policies>);

impl Progress for Expire {
    fn begin(&self, _: &str, _: u64) {
        self.0.expire();
    }
    fn advance(&self, _: u64) {}
}

fn import(server: &Server, rows: &[&str], mode: Mode) -> Report {
    let mut text = format!("{HEADER}\n");
    for row in rows {
        writeln!(
            text,
            "{row},1 - High,1 - High,1 - Critical,0,0,Caller 7,Opener 1,Agent 2,Phone,?,Mail,?,Slow,?,desk,?,?,code 6"
        )
        .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.csv");
    std::fs::write(&file, text).unwrap();
    let (organisation, now) = ("ServiceNow import".to_owned(), server.assembly.clock.now());
    let options = Options { file, from: None, until: None, mode, organisation, now };
    let report = run(server, &options);
    assert!(report.bad_rows.is_empty(), "{report}");
    report
}

fn read<T>(server: &Server, work: impl FnOnce(&mut AnyConnection) -> Result<T>) -> T {
    server.assembly.database.read_here(work).unwrap()
}

async fn resolution(server: &Server, incident: &str) -> Value {
    let path = format!("/api/v1/incidents/{incident}/service-clocks");
    let clocks = server.get(&path).by(Admin).expect(200).await.json();
    clocks["items"].as_array().unwrap().iter().find(|clock| clock["metric"] == "resolution").unwrap().clone()
}

/// What happened, when, and when it was told.
fn told(clock: &Value) -> Vec<String> {
    let time = |value: &Value| value.as_str().unwrap()[8..16].to_owned();
    let entries = clock["ledger"].as_array().unwrap().iter();
    entries.map(|e| format!("{} {} {}", time(&e["at"]), e["event"].as_str().unwrap(), time(&e["told_at"]))).collect()
}

fn calls(server: &Server) -> (i64, i64) {
    read(server, |c| {
        let told = outbox::event.like("%.service_level_warned").or(outbox::event.like("%.service_level_breached"));
        let told = outbox::table
            .filter(told.or(outbox::event.like("%.paged")).or(outbox::event.like("%.escalated")))
            .count()
            .get_result(c)?;
        Ok((told, escalation::table.count().get_result(c)?))
    })
}

/// Timers that wait, and whether they are held.
fn waiting(server: &Server) -> Vec<(String, bool)> {
    let waiting = timer::table.filter(timer::fired_at.is_null()).order((timer::due_at, timer::name));
    read(server, |c| Ok(waiting.select((timer::name, timer::held)).load(c)?))
}

#[actix_web::test]
async fn what_was_missed_long_ago_is_told_as_of_then_and_calls_nobody() {
    for mode in [Mode::Observe, Mode::Decide] {
        let server = Server::start().await;
        import(&server, &PAST, mode);
        let missed = resolution(&server, "INC0000001").await;
        assert_eq!(
            told(&missed),
            [
                "02T08:00 started 02T08:00",
                "02T10:00 warned 02T10:00",
                "02T11:00 warned 02T11:00",
                "02T11:36 warned 02T11:36",
                "02T12:00 breached 02T12:00",
                "02T14:00 stopped 02T14:00",
            ]
        );
        assert_eq!((&missed["breached_at"], &missed["elapsed"]), (&json!("2026-03-02T12:00:00Z"), &json!("PT6H")));
        assert_eq!((calls(&server), waiting(&server)), ((0, 0), vec![]));
    }
}

#[actix_web::test]
async fn what_is_still_open_goes_on_by_the_clock_on_the_wall() {
    let server = Server::start().await;
    import(&server, &OPEN, Mode::Observe);
    let open = resolution(&server, "INC0000001").await;
    let expected = ["03T08:00 started 03T08:00", "03T10:00 warned 03T11:00", "03T11:00 warned 03T11:00"];
    assert_eq!(told(&open), expected, "what was used up by the import was noticed then");
    assert_eq!((calls(&server), waiting(&server)), ((0, 0), vec![("clock:sla:resolution".to_owned(), false)]));
    server.at("2026-03-03T11:36:00Z");
    assert_eq!(server.assembly.jobs().fire_timers().await.unwrap(), 1);
    assert!(calls(&server).0 > 0, "from now on it is told to whom it concerns");
    assert_eq!(resolution(&server, "INC0000001").await["ledger"][3]["via"], "timer:due");
}

#[actix_web::test]
async fn timers_of_a_replay_that_was_cut_off_wait_for_its_end() {
    let server = Server::start().await;
    import(&server, &OPEN, Mode::Observe);
    let connection = &mut server.assembly.database.connect().unwrap();
    diesel::update(timer::table).set(timer::held.eq(true)).execute(connection).unwrap();
    server.at("2026-03-03T13:00:00Z");
    assert_eq!(server.assembly.jobs().fire_timers().await.unwrap(), 0);
    let again = import(&server, &OPEN, Mode::Observe);
    assert_eq!((again.replayed, waiting(&server)), (0, vec![]));
    let missed = resolution(&server, "INC0000001").await;
    assert_eq!(told(&missed)[3..], ["03T11:36 warned 03T13:00", "03T12:00 breached 03T13:00"]);
    assert_eq!(calls(&server), (0, 0));
}

#[actix_web::test]
async fn a_log_that_goes_on_from_before_what_was_told_puts_it_right() {
    let server = Server::start().await;
    server.at("2026-03-03T13:00:00Z");
    import(&server, &OPEN, Mode::Observe);
    assert_eq!(resolution(&server, "INC0000001").await["breached_at"], "2026-03-03T12:00:00Z");
    import(&server, &[OPEN[0], OPEN[1], WAITED], Mode::Observe);
    let waits = resolution(&server, "INC0000001").await;
    assert_eq!(
        (&waits["state"], &waits["elapsed"], &waits["breached_at"], &waits["deadline"]),
        (&json!("paused"), &json!("PT1H15M"), &Value::Null, &Value::Null)
    );
    assert_eq!(waiting(&server), []);
}
