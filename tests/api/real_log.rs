//! A real log, replayed under the targets of a published table. What reports say is held against a plain count of the log's rows, and
//! each clock against its own ledger.
//!
//! Log and tables lie beside the project. `POINTSMAN_REAL_LOG=all` takes the whole log instead of its first four days, and
//! `POINTSMAN_REAL_TABLE=SNECS` another table; `--nocapture` shows what came out.

mod clusters;
mod plain;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    time::Instant,
};

use chrono::TimeDelta;
use diesel::prelude::*;
use pointsman::{
    clock::Length,
    db::AnyConnection,
    id::RecordId,
    integration::servicenow::{Mode, Options, report::Report},
    record::{
        calendar::{Calendars, row::CalendarRow},
        service_level::{
            clock::{Entry, ServiceClock, State, present_rounds},
            ledger::{self, Event, Happening},
        },
    },
    schema::{escalation, external_reference, outbox, service_clock, timer},
};
use serde_json::{Value, json};

use self::{
    plain::{Incident, Measure, Outcome, Rules},
    table::Table,
};
use crate::{
    replay::run,
    support::{Person::Admin, Server},
};

const LOG: &str = "uci498_incident_events_until_2016-04.csv.gz";
const TABLES: &str = "sla_and_matrices.json";
/// Where a sample ends that is replayed in seconds.
const SAMPLE: &str = "2016-03-04T00:00:00Z";
const PERIOD: &str = "from=2016-02-01T00:00:00Z&until=2017-03-01T00:00:00Z";
/// What is measured here beside the table: the plain clocks that are said to explain most of the log's own verdicts, on priority 3.
const PLAIN: [(&str, &str, i64); 2] =
    [("plain_91_hours", "phase = done OR phase = closed", 91), ("closed_in_211_hours", "phase = closed", 211)];

const RESOLUTION: Rules = Rules { waits: |state| state.starts_with("Awaiting"), stops: is_done, goes_on: true };
const RESPONSE: Rules = Rules { waits: |_| false, stops: |state| state != "New", goes_on: false };

fn is_done(state: &str) -> bool {
    state == "Resolved" || state == "Closed"
}

/// A file beside the project, or nothing and a word about it.
fn beside(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        eprintln!("{} is not there: no real log was replayed under published targets", path.display());
        return None;
    }
    Some(path)
}

fn replay(server: &Server, file: &Path, until: Option<&str>) -> Report {
    let options = Options {
        file: file.to_owned(),
        from: None,
        until: until.map(|until| until.parse().unwrap()),
        mode: Mode::Observe,
        organisation: "ServiceNow import".to_owned(),
        now: server.assembly.clock.now(),
    };
    run(server, &options)
}

/// What ships makes room for the table, and the plain clocks stand beside it.
async fn agree(server: &Server, table: &Table) {
    const LEVELS: &str = "/api/v1/service-levels";
    let shipped = server.get(LEVELS).by(Admin).expect(200).await.json();
    for level in shipped["items"].as_array().unwrap() {
        let path = format!("{LEVELS}/{}", level["id"].as_str().unwrap());
        server.patch(&path, json!({"active": false})).header("if-match", "*").by(Admin).expect(200).await;
    }
    let resolution =
        table.service_level("resolution", "phase = done OR phase = closed", Some("state = on_hold"), "resume");
    let response = table.service_level("response", "state != new", None, "stay");
    for level in resolution.into_iter().chain(response) {
        server.post(LEVELS, level).by(Admin).expect(201).await;
    }
    for (metric, stop, hours) in PLAIN {
        let targets = json!([{"priority": 3, "duration": format!("PT{hours}H")}]);
        let terms = json!({"calendar": "around-the-clock", "stop": stop, "after_stop": "stay", "targets": targets});
        let level = json!({"name": metric, "kind": "incident", "agreement": "ola", "metric": metric, "terms": terms});
        server.post(LEVELS, level).by(Admin).expect(201).await;
    }
}

/// Clocks by number in the log and metric.
type Clocks = HashMap<(String, String), ServiceClock>;

fn clocks(c: &mut AnyConnection) -> Clocks {
    let keys = external_reference::table.select((external_reference::record_id, external_reference::external_key));
    let keys: HashMap<RecordId, String> = keys.load::<(RecordId, String)>(c).unwrap().into_iter().collect();
    let all: Vec<ServiceClock> = service_clock::table.load(c).unwrap();
    all.into_iter().map(|clock| ((keys[&clock.record_id].clone(), clock.metric.clone()), clock)).collect()
}

#[actix_web::test]
async fn a_real_log_meets_published_targets_as_often_as_its_rows_say() {
    let (Some(log), Some(tables)) = (beside(LOG), beside(TABLES)) else { return };
    let wanted = std::env::var("POINTSMAN_REAL_TABLE").unwrap_or("North Texas".to_owned());
    let table = Table::named(&serde_json::from_slice(&std::fs::read(tables).unwrap()).unwrap(), &wanted);
    let is_whole = std::env::var("POINTSMAN_REAL_LOG").is_ok_and(|value| value == "all");
    let until = (!is_whole).then_some(SAMPLE);

    let server = Server::start().await;
    agree(&server, &table).await;
    let begun = Instant::now();
    let report = replay(&server, &log, until);
    eprintln!("{} events of {} incidents in {:?}", report.replayed, report.comparison.incidents, begun.elapsed());
    assert!(report.is_whole(), "{report}");

    let until = until.map(|until| until.parse::<pointsman::clock::Moment>().unwrap().unix_seconds() / 60);
    let incidents = plain::incidents(&log, until);
    let odd: BTreeSet<&str> = report.bad_rows.iter().filter_map(|row| row.number.as_deref()).collect();
    eprintln!("{} rows with something wrong, of {odd:?}", report.bad_rows.len());
    let clocks = server.assembly.database.read_here(|c| Ok(clocks(c))).unwrap();
    let mut compared = 0;
    for (metric, rules) in [("resolution", RESOLUTION), ("response", RESPONSE)] {
        let Some(measures) = table.measures(metric) else { continue };
        let outcomes = outcomes(&incidents, &rules, &measures);
        each_is_as_its_rows_say(&clocks, metric, &outcomes, &odd);
        reports_are_the_sum(&server, &table, metric, &outcomes, odd.len()).await;
        compared += outcomes.len();
    }
    assert!(compared >= 1_000, "{compared}");
    each_follows_from_its_ledger(&server, &clocks).await;
    nobody_is_called_for_the_past(&server).await;
    clusters::are_what_the_rows_say(&server, &incidents, odd.len()).await;
    clusters::shares_and_trends_are_what_the_rows_say(&server, &incidents, odd.len()).await;
    how_often_the_log_agrees(&incidents, &clocks);
    assert_eq!(replay(&server, &log, Some(SAMPLE)).replayed, 0, "a second time changes nothing");
}

fn outcomes<'a>(
    incidents: &'a BTreeMap<String, Incident>,
    rules: &Rules,
    measures: &[Measure; 4],
) -> BTreeMap<&'a str, Outcome> {
    incidents.iter().filter_map(|(number, one)| Some((number.as_str(), one.outcome(rules, measures)?))).collect()
}

fn each_is_as_its_rows_say(clocks: &Clocks, metric: &str, outcomes: &BTreeMap<&str, Outcome>, odd: &BTreeSet<&str>) {
    let mut differing = Vec::new();
    for (number, outcome) in outcomes.iter().filter(|(number, _)| !odd.contains(**number)) {
        let clock = &clocks[&((*number).to_owned(), metric.to_owned())];
        let here = (clock.elapsed, clock.breached_at.is_some(), clock.priority as usize);
        if here != (outcome.elapsed * 60_000_000, outcome.missed, outcome.priority) || clock.state != "stopped" {
            differing.push(format!("{number}: {outcome:?} of its rows, and {clock:?}"));
        }
    }
    assert!(differing.is_empty(), "{} of {} {metric}: {}", differing.len(), outcomes.len(), differing[0]);
}

/// Met and missed, by what they are counted together.
type Counts = BTreeMap<String, (i64, i64)>;

async fn reports_are_the_sum(
    server: &Server,
    table: &Table,
    metric: &str,
    outcomes: &BTreeMap<&str, Outcome>,
    odd: usize,
) {
    for by in ["priority", "team"] {
        let (mut expected, mut found) = (Counts::new(), Counts::new());
        for outcome in outcomes.values() {
            let key = if by == "team" { outcome.group.clone() } else { outcome.priority.to_string() };
            let (met, missed) = expected.entry(key).or_default();
            (*met, *missed) = (*met + i64::from(!outcome.missed), *missed + i64::from(outcome.missed));
        }
        let path = format!("/api/v1/reports/service-levels?{PERIOD}&agreement=sla&metric={metric}&by={by}");
        for item in server.get(&path).by(Admin).expect(200).await.json()["items"].as_array().unwrap() {
            let (met, missed) = found.entry(logged(item["label"].as_str().unwrap_or_default())).or_default();
            (*met, *missed) = (*met + item["met"].as_i64().unwrap(), *missed + item["missed"].as_i64().unwrap());
        }
        let off: i64 = expected
            .keys()
            .chain(found.keys())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|key| {
                let (one, other) =
                    (expected.get(key).copied().unwrap_or_default(), found.get(key).copied().unwrap_or_default());
                (one.0 - other.0).abs() + (one.1 - other.1).abs()
            })
            .sum();
        // An odd row may move its incident from one count to another.
        assert!(off <= 2 * odd as i64, "{metric} by {by} differ by {off}: {expected:?} {found:?}");
        show(&format!("{}, {metric} by {by}", table.organisation), &found);
    }
}

/// The group of the log that a team stands for.
fn logged(team: &str) -> String {
    team.trim_end_matches(" (another)").replace("Group without a name", "")
}

fn show(title: &str, counts: &Counts) {
    eprintln!("{title}:");
    let mut largest: Vec<_> = counts.iter().collect();
    largest.sort_by_key(|(_, (met, missed))| -(met + missed));
    for (key, (met, missed)) in largest.into_iter().take(8) {
        let key = if key.is_empty() { "nobody" } else { key };
        eprintln!("  {key:12} {met:6} met {missed:6} missed {:7.2} %", *met as f64 * 100.0 / (met + missed) as f64);
    }
}

/// Elapsed time, deadline and breach, from nothing but the ledger, the target and the calendar.
#[derive(Debug, PartialEq)]
struct Derived {
    state: State,
    elapsed: i64,
    deadline: Option<pointsman::clock::Moment>,
    missed: bool,
}

fn derive(clock: &ServiceClock, entries: &[Entry], calendars: &Calendars) -> Derived {
    let happened: Vec<Happening> = entries.iter().map(|entry| entry.happening().unwrap()).collect();
    let (calendar, target) = (&calendars[&clock.calendar], TimeDelta::microseconds(clock.target));
    let last = happened.last().unwrap().0;
    let (state, ended_at) = ledger::state(&happened);
    let elapsed = ledger::elapsed(&happened, calendar, last);
    let reached = ledger::reached(&happened, calendar, target);
    let deadline = match state {
        State::Stopped => reached.or_else(|| calendar.add(last, target - elapsed)),
        State::Running | State::Paused | State::Cancelled => reached,
    };
    let missed = reached.is_some_and(|at| at < ended_at.unwrap_or(last));
    Derived { state, elapsed: elapsed.num_microseconds().unwrap(), deadline, missed }
}

async fn each_follows_from_its_ledger(server: &Server, clocks: &Clocks) {
    let all: Vec<ServiceClock> = clocks.values().cloned().collect();
    let calendars = server.assembly.database.read_here(CalendarRow::all_ready).unwrap();
    let mut derived: HashMap<String, Derived> = HashMap::new();
    for some in all.chunks(500) {
        let ledgers = server.assembly.database.read_here(|c| present_rounds(c, some)).unwrap();
        for clock in some {
            let entries = &ledgers[&clock.id];
            let again = derive(clock, entries, &calendars);
            let stored = Derived {
                state: clock.state().unwrap(),
                elapsed: clock.elapsed,
                deadline: clock.deadline,
                missed: clock.breached_at.is_some(),
            };
            assert_eq!(again, stored, "{clock:?} {entries:?}");
            it_was_told_then(clock, entries, &again);
            derived.insert(clock.id.to_string(), again);
        }
    }
    let shown = shown(server).await;
    for clock in &shown {
        let again = &derived[clock["id"].as_str().unwrap()];
        let elapsed: Length = serde_json::from_value(clock["elapsed"].clone()).unwrap();
        assert_eq!(elapsed.0.num_microseconds(), Some(again.elapsed), "{clock}");
        assert_eq!(
            (&clock["deadline"], clock["breached_at"].is_null()),
            (&json!(again.deadline), !again.missed),
            "{clock}"
        );
    }
    let with_deadline = derived.values().filter(|clock| clock.deadline.is_some()).count();
    assert_eq!(shown.len(), with_deadline, "all that have a deadline are shown");
    eprintln!("{} clocks derived again from their ledgers, {} of them as they are shown", derived.len(), shown.len());
}

/// Everything is told at its own moment, in order, and the miss when the target was used up.
fn it_was_told_then(clock: &ServiceClock, entries: &[Entry], again: &Derived) {
    assert!(entries.iter().all(|entry| entry.told_at == entry.at), "{entries:?}");
    assert!(entries.is_sorted_by_key(|entry| entry.at), "{entries:?}");
    let of = |event: Event| entries.iter().filter(move |entry| entry.event == event.as_str());
    if of(Event::Retargeted).next().is_none() {
        let breaches: Vec<_> = of(Event::Breached).map(|entry| Some(entry.at)).collect();
        let expected: Vec<_> = again.missed.then_some(again.deadline).into_iter().collect();
        assert_eq!(
            (breaches, clock.breached_at),
            (expected.clone(), expected.into_iter().next().flatten()),
            "{entries:?}"
        );
    }
}

async fn shown(server: &Server) -> Vec<Value> {
    let (mut shown, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/api/v1/service-clocks?limit=100{cursor}")).by(Admin).expect(200).await.json();
        shown.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return shown,
        }
    }
}

/// What was missed long ago stands in the ledgers: no timer comes late, nobody is paged, and no event goes out.
async fn nobody_is_called_for_the_past(server: &Server) {
    assert_eq!(server.assembly.jobs().fire_timers().await.unwrap(), 0);
    let counts = server.assembly.database.read_here(|c| {
        let told =
            outbox::table.filter(outbox::event.like("incident.service_level_%").or(outbox::event.like("%.paged")));
        let waiting = timer::table.filter(timer::fired_at.is_null());
        Ok([
            told.count().get_result::<i64>(c)?,
            escalation::table.count().get_result(c)?,
            waiting.filter(timer::held.eq(true)).count().get_result(c)?,
        ])
    });
    assert_eq!(counts.unwrap(), [0, 0, 0], "events, escalations, timers that are held");
}

/// How often the verdict of the log itself is that of a plain clock, on incidents that ended with priority 3.
fn how_often_the_log_agrees(incidents: &BTreeMap<String, Incident>, clocks: &Clocks) {
    for (metric, _, hours) in PLAIN {
        let (mut agrees, mut missed, mut of) = (0, 0, 0);
        for (number, incident) in incidents {
            let clock = clocks.get(&(number.clone(), metric.to_owned())).filter(|clock| clock.state == "stopped");
            let Some(clock) = clock else { continue };
            of += 1;
            missed += usize::from(clock.breached_at.is_some());
            agrees += usize::from(clock.breached_at.is_none() == incident.made_sla());
        }
        let percent = f64::from(agrees as u32) * 100.0 / f64::from(of as u32);
        eprintln!(
            "{metric}: {missed} of {of} took longer than {hours} hours; {percent:.1} % as the log's made_sla says"
        );
    }
}
