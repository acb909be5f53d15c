//! What a write does to the clocks of its record.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    Level, Levels,
    clock::{ServiceClock, present_rounds},
    condition::{ANSWERED, ASKED, STEP},
    ledger::Event,
    target::{Subject, Target},
    turn::{Seen, Work, turn},
};
use crate::{
    clock::Length,
    error::Result,
    id::OrganisationId,
    record::{
        audit::AuditRow,
        cause::Cause,
        draft::{Aside, Draft},
        journal::COMMENT,
        mention::CONSEQUENCE,
        practice::Details,
        store::Desk,
        timer,
    },
    schema::{audit, organisation},
};

/// Versions of a record that a clock is counted again from at most.
const PAST: i64 = 10_000;
/// What the names of the timers of clocks begin with.
pub const TIMER: &str = "clock";

/// The name of the timer of a clock, among those of its record.
pub fn timer_of(clock: &ServiceClock) -> String {
    format!("{TIMER}:{}:{}", clock.agreement, clock.metric)
}

/// What passes at a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// A write, which has its version already.
    Write,
    /// Nothing but time.
    Time,
}

/// What becomes of the clocks of a record with what passes; `record` is the record after it.
pub fn work_out<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &Draft<D>,
    record: &Map<String, Value>,
    passing: Passing,
) -> Result<Vec<Work>> {
    let levels = desk.kernel.levels(desk.unit.reference())?;
    if !levels.has_had(draft.kind.name) {
        return Ok(Vec::new());
    }
    let id = draft.header.id;
    let (stored, mut rounds) = match draft.before.is_some() {
        true => {
            let connection = desk.unit.settled(id)?;
            let clocks = ServiceClock::of_record(connection, id)?;
            let rounds = present_rounds(connection, &clocks)?;
            (clocks, rounds)
        }
        false => Default::default(),
    };
    let line = line(desk, &levels, draft)?;
    let via = desk.cause.via.as_text();
    let by_requester = draft.header.requester_id == Some(desk.cause.caller.user);
    // An update for all who wait, which comes with something beside the record, is no answer to the requester.
    let has_comment = draft.has_comment() && draft.aside.is_none();
    let written = Written::of(has_comment, by_requester, &via, draft.step.map(|step| step.name));
    let told = with_write(record.clone(), written);
    let only_time = passing == Passing::Time;
    let version = draft.header.version + i32::from(only_time);
    let at = desk.cause.at;
    let told_at = (only_time || !desk.cause.is_replay()).then_some(at);
    let seen = Seen { id, record: &told, version, at, told_at, via: &via, only_time };
    let mut works = Vec::new();
    let keys: BTreeSet<(&str, &str)> =
        levels.keys(draft.kind.name).chain(stored.iter().map(ServiceClock::key)).collect();
    for key in keys {
        let clock = stored.iter().find(|clock| clock.key() == key).cloned();
        let work = match clock {
            Some(clock) => {
                let entries = rounds.remove(&clock.id).unwrap_or_default();
                Some(Work::of(clock, &entries)?)
            }
            None => from_the_past(desk, draft, &levels, (key, &line), &seen)?,
        };
        let wanted = levels.wanted(key, &Subject { kind: draft.kind.name, record: &told, line: &line });
        works.extend(turn(work, wanted, &levels, &seen)?.filter(Work::is_changed));
    }
    Ok(works)
}

/// Keeps what was worked out: clocks, ledgers, timers, and events of what is to be told.
pub fn keep<D: Details>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>, works: Vec<Work>) -> Result<()> {
    if works.is_empty() {
        return Ok(());
    }
    let levels = desk.kernel.levels(desk.unit.reference())?;
    for work in works {
        if !desk.cause.is_replay() {
            draft.events.extend(events(draft.kind.name, &draft.header.number, &work));
        }
        let name = timer_of(&work.clock);
        match (work.next_due(&levels)?, &work.before) {
            (Some(due), None) => timer::set_first(desk, work.clock.record_id, &name, due),
            (Some(due), Some(_)) => timer::set(desk, work.clock.record_id, &name, due),
            (None, None) => (),
            (None, Some(_)) => timer::stop(desk, work.clock.record_id, &name),
        }
        desk.unit.deferred.keep_clock(work.clock, work.before.is_none(), work.added);
    }
    Ok(())
}

/// What is to be told of a clock to those who follow events.
fn events(kind: &str, number: &str, work: &Work) -> Vec<(String, Value)> {
    let clock = &work.clock;
    let told = work.told().map(|(event, percent, at)| {
        let target = Length(chrono::TimeDelta::microseconds(clock.target));
        let payload = json!({
            "number": number, "agreement": clock.agreement, "metric": clock.metric, "percent": percent, "at": at,
            "target": target, "deadline": clock.deadline, "priority": clock.priority,
        });
        (format!("{kind}.{}", name_of(event)), payload)
    });
    told.collect()
}

fn name_of(event: Event) -> &'static str {
    if event == Event::Breached { "service_level_breached" } else { "service_level_warned" }
}

/// What the history says of clocks that time alone has changed. Who follows events takes a miss by its name for one of today.
pub fn aside(works: &[Work], cause: &Cause) -> Aside {
    let worst = works.iter().flat_map(Work::told).max_by_key(|(_, percent, _)| *percent).filter(|_| !cause.is_replay());
    let action = worst.map_or("service_level_changed", |(event, ..)| name_of(event));
    let shown = works.iter().map(|work| {
        let clock = &work.clock;
        let percent = work.told().map(|(_, percent, _)| percent).max();
        json!({"agreement": clock.agreement, "metric": clock.metric, "percent": percent, "deadline": clock.deadline})
    });
    Aside::new("read", action, "service_level", Value::Null, shown.collect())
}

/// The organisation of a record and those above it, where a target asks for them.
fn line<D: Details>(desk: &mut Desk<'_, '_>, levels: &Levels, draft: &Draft<D>) -> Result<Vec<OrganisationId>> {
    if !levels.asks_for_organisations(draft.kind.name) {
        return Ok(Vec::new());
    }
    let path = organisation::table.find(draft.header.organisation_id).select(organisation::path);
    let path: Option<String> = path.first(desk.unit.reference()).optional()?;
    Ok(path.unwrap_or_default().split('/').filter_map(|id| id.parse().ok()).collect())
}

/// What a write is, beside what it leaves: whether it answers, asks, and which step it takes.
#[derive(Clone, Copy, Default)]
struct Written {
    answered: bool,
    asked: bool,
    step: Option<&'static str>,
}

impl Written {
    /// Of a write by the record's requester or somebody else, through `via`. What the server says by itself is no answer.
    fn of(has_comment: bool, by_requester: bool, via: &str, step: Option<&'static str>) -> Self {
        let is_said = has_comment && !via.starts_with("timer:") && !via.starts_with(CONSEQUENCE);
        Written { answered: is_said && !by_requester, asked: is_said && by_requester, step }
    }

    /// Of a write that the audit trail tells of, which left the record like this. Steps are not told there.
    fn then(row: &AuditRow, told: &Map<String, Value>, record: &Map<String, Value>) -> Self {
        let requester = record.get("requester_id").and_then(Value::as_str);
        let by_requester = requester.is_some() && requester == row.actor_id.as_ref().map(|id| id.as_str());
        Written::of(told.contains_key(COMMENT), by_requester, &row.via, None)
    }
}

fn with_write(mut record: Map<String, Value>, written: Written) -> Map<String, Value> {
    let Written { answered, asked, step } = written;
    record.extend([
        (ANSWERED.to_owned(), answered.into()),
        (ASKED.to_owned(), asked.into()),
        (STEP.to_owned(), step.map_or(Value::Null, Value::from)),
    ]);
    record
}

/// A clock that begins late, counted from when the record was opened as if it had been there all the time; nothing where it is
/// to begin now.
fn from_the_past<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &Draft<D>,
    levels: &Levels,
    (key, line): ((&str, &str), &[OrganisationId]),
    now: &Seen<'_>,
) -> Result<Option<Work>> {
    if draft.before.is_none() {
        return Ok(None);
    }
    let wanted = levels.wanted(key, &Subject { kind: draft.kind.name, record: now.record, line });
    let begins_late = wanted.is_some_and(|(level, _)| level.retroactive);
    let Some(mut record) = draft.was()?.filter(|_| begins_late) else { return Ok(None) };
    let past = audit::table.filter(audit::subject_id.eq(draft.header.id.as_str()));
    let past = past.order(audit::subject_version.desc()).limit(PAST);
    let rows: Vec<AuditRow> = past.load(desk.unit.settled(draft.header.id)?)?;
    let mut states = Vec::new();
    for row in rows {
        let told: Map<String, Value> = row.changes.read()?;
        let state = with_write(record.clone(), Written::then(&row, &told, &record));
        states.push((row.at, row.subject_version, row.via, state));
        undo(&mut record, told);
    }
    let mut work = None;
    for (at, version, via, state) in states.into_iter().rev() {
        let told_at = Some(now.at);
        let seen = Seen { record: &state, at, told_at, version, via: &via, only_time: false, ..*now };
        let then: Option<(&Level, &Target)> =
            levels.wanted(key, &Subject { kind: draft.kind.name, record: &state, line });
        work = turn(work, then, levels, &seen)?;
    }
    Ok(work)
}

/// The record before a write that changed this.
fn undo(record: &mut Map<String, Value>, told: Map<String, Value>) {
    for (field, change) in told {
        if let (Some(held), Some(before)) = (record.get_mut(&field), change.get(0)) {
            *held = before.clone();
        }
    }
}
