//! Clocks as they are read.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Levels,
    clock::{self, ServiceClock, State},
    ledger::{self, Event, Stretch},
    row::{Agreement, ServiceLevelRow},
};
use crate::{
    clock::{Length, Moment},
    db::{AnyConnection, Backend, sql::among},
    error::{Error, Result},
    id::{RecordId, RowId},
    record::{header::Header, kind::Kind, mention, store::Reading, visibility},
    schema::{record, service_clock, service_level},
};

/// Entries of a ledger that are shown at most.
const ENTRIES: i64 = 1_000;

/// A clock of a record.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ServiceClock)]
pub struct Shown {
    /// Its id.
    pub id: RowId,
    /// The record.
    pub record: ClockedRecord,
    /// With whom it was agreed.
    pub agreement: Agreement,
    /// What is measured.
    #[schema(examples("resolution"))]
    pub metric: String,
    /// The service level whose target counts.
    pub service_level: ClockLevel,
    /// What it does.
    pub state: State,
    /// How long it may take, in the calendar's time.
    pub target: Length,
    /// The calendar whose time counts, by its name.
    #[schema(examples("business-hours"))]
    pub calendar: String,
    /// When it began to count.
    pub started_at: Moment,
    /// When the target is, was, or would have been used up; null while it is paused before that.
    pub deadline: Option<Moment>,
    /// How much was counted in this round by now.
    pub elapsed: Length,
    /// How much is left; negative beyond the target.
    pub remaining: Length,
    /// How much of the target is used up, in percent.
    pub percent: i64,
    /// When the target was missed in this round; null where it was not.
    pub breached_at: Option<Moment>,
    /// When it stopped or was cancelled.
    pub ended_at: Option<Moment>,
    /// Rounds that it has begun; more than one where it is reset.
    pub rounds: i32,
    /// Rounds before this one in which the target was missed.
    pub breached_rounds: i32,
    /// Why the target was missed, where somebody has said so.
    pub breach_reason: Option<BreachReason>,
}

/// The record of a clock.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ClockedRecord {
    /// Its id.
    pub id: RecordId,
    /// Its kind.
    #[schema(examples("incident"))]
    pub kind: String,
    /// Its number.
    #[schema(examples("INC0000012"))]
    pub number: String,
    /// Its title.
    pub title: String,
    /// Its state.
    #[schema(examples("in_progress"))]
    pub state: String,
    /// Its priority; null where it has none.
    pub priority: Option<i32>,
}

/// The service level of a clock.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ClockLevel {
    /// Its id.
    pub id: RowId,
    /// Its name.
    pub name: String,
}

/// Why a target was missed.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreachReason {
    /// A code from your own list, for counting.
    #[schema(max_length = 60, examples("supplier_late"))]
    pub code: String,
    /// In words.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    pub note: String,
}

/// A clock with how it came to what it shows.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ServiceClockWithLedger)]
pub struct WithLedger {
    /// The clock.
    #[serde(flatten)]
    pub clock: Shown,
    /// The stretches of its present round up to now, in order: when it counted, when nobody works, when it was paused. All that
    /// counted together is what has elapsed.
    pub segments: Vec<Segment>,
    /// What happened to it, in order; at most the last thousand entries.
    pub ledger: Vec<LedgerEntry>,
}

/// A stretch of the life of a clock.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ServiceClockSegment)]
pub struct Segment {
    /// When it began.
    pub from: Moment,
    /// When it ended.
    pub until: Moment,
    /// What it was.
    pub state: Stretch,
}

/// Something that happened to a clock.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ServiceClockEntry)]
pub struct LedgerEntry {
    /// Its place.
    pub seq: i32,
    /// When it happened.
    pub at: Moment,
    /// When it was noticed: later, where a timer came late.
    pub told_at: Moment,
    /// What.
    pub event: Event,
    /// The percentage of the target, of a warning or a miss.
    pub percent: Option<i32>,
    /// The target from then on.
    pub target: Length,
    /// The calendar from then on.
    pub calendar: String,
    /// Through what: `api`, `timer:due`, `consequence:INC0000001`, or `consequence` alone when you may not see of what.
    #[schema(examples("api"))]
    pub via: String,
    /// The version of the record with it.
    pub record_version: i32,
}

/// Which clocks are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of these states.
    pub states: Vec<State>,
    /// Those of this agreement.
    pub agreement: Option<Agreement>,
    /// Those that measure this.
    pub metric: Option<String>,
    /// Those that were missed in this round, or those that were not.
    pub breached: Option<bool>,
    /// Those whose deadline is before this.
    pub due_before: Option<Moment>,
    /// Those of records of teams that the caller is in.
    pub my_teams: bool,
    /// Those after this place.
    pub after: Option<(Moment, RowId)>,
}

/// The clocks that are wanted and whose records the caller sees, the earliest deadline first. Those that are paused have none.
pub fn list(reading: &mut Reading<'_>, wanted: &Wanted, most: i64) -> Result<Vec<Shown>> {
    let (kernel, connection, caller) = (reading.kernel, &mut *reading.connection, &reading.cause.caller);
    let engine = connection.engine();
    let kinds: Vec<&Kind> = kernel.practices().iter().map(|p| p.kind()).collect();
    let readable = kinds.iter().filter(|k| caller.can(&k.permission("read"))).map(|k| k.name);
    let mut query = service_clock::table.inner_join(record::table).into_boxed::<Backend>();
    query = query.filter(among(engine, "record.kind", readable)).filter(service_clock::deadline.is_not_null());
    if let Some(sees) = visibility::condition(engine, caller, &kinds) {
        query = query.filter(sees);
    }
    if !wanted.states.is_empty() {
        query = query.filter(service_clock::state.eq_any(wanted.states.iter().map(|state| state.as_str())));
    }
    if let Some(agreement) = wanted.agreement {
        query = query.filter(service_clock::agreement.eq(agreement.as_str()));
    }
    if let Some(metric) = &wanted.metric {
        query = query.filter(service_clock::metric.eq(metric.clone()));
    }
    match wanted.breached {
        Some(true) => query = query.filter(service_clock::breached_at.is_not_null()),
        Some(false) => query = query.filter(service_clock::breached_at.is_null()),
        None => (),
    }
    if let Some(before) = wanted.due_before {
        query = query.filter(service_clock::deadline.lt(before));
    }
    if wanted.my_teams {
        query = query.filter(record::team_id.eq_any(caller.teams.to_vec()));
    }
    if let Some((at, id)) = wanted.after {
        let same = service_clock::deadline.eq(at).and(service_clock::id.gt(id));
        query = query.filter(service_clock::deadline.gt(at).or(same).assume_not_null());
    }
    let query = query.order((service_clock::deadline, service_clock::id)).limit(most);
    let clocks = query.select(service_clock::all_columns).load::<ServiceClock>(connection)?;
    show(reading, clocks)
}

/// The clocks of a record, with their ledgers.
pub fn of_record(reading: &mut Reading<'_>, id: RecordId) -> Result<Vec<WithLedger>> {
    let clocks = ServiceClock::of_record(reading.connection, id)?;
    let shown = show(reading, clocks.clone())?;
    clocks.into_iter().zip(shown).map(|(clock, shown)| with_ledger(reading, &clock, shown)).collect()
}

/// The clock of an id with its ledger, if the caller sees its record, and the record.
pub fn find(reading: &mut Reading<'_>, id: RowId) -> Result<(WithLedger, Header)> {
    let hidden = || Error::not_found("clock");
    let clock = ServiceClock::find(reading.connection, id)?.ok_or_else(hidden)?;
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, vec![clock.record_id])?;
    let header = seen.into_values().next().ok_or_else(hidden)?;
    let shown = show(reading, vec![clock.clone()])?.pop().ok_or_else(hidden)?;
    Ok((with_ledger(reading, &clock, shown)?, header))
}

fn with_ledger(reading: &mut Reading<'_>, row: &ServiceClock, clock: Shown) -> Result<WithLedger> {
    let levels = reading.kernel.levels(reading.connection)?;
    let entries = clock::last_entries(reading.connection, row.id, ENTRIES)?;
    let happenings = entries.iter().map(clock::Entry::happening).collect::<Result<Vec<_>>>()?;
    let calendar = levels.calendar(&row.calendar)?;
    let until = row.ended_at.unwrap_or(reading.cause.at);
    let segments = ledger::segments(&happenings, &calendar, until).into_iter();
    let segments = segments.map(|(from, until, state)| Segment { from, until, state }).collect();
    let mut ledger = entries.into_iter().zip(happenings).map(|(entry, (at, event))| LedgerEntry {
        seq: entry.seq,
        at,
        told_at: entry.told_at,
        event,
        percent: entry.percent,
        target: Length(TimeDelta::microseconds(entry.target)),
        calendar: entry.calendar,
        via: entry.via,
        record_version: entry.record_version,
    });
    let mut ledger: Vec<LedgerEntry> = ledger.by_ref().collect();
    let vias = ledger.iter_mut().map(|entry| mention::Mention::Via(&mut entry.via)).collect();
    mention::hide(reading.kernel, reading.connection, &reading.cause.caller, vias)?;
    Ok(WithLedger { clock, segments, ledger })
}

/// Clocks with their records and service levels, as of now.
fn show(reading: &mut Reading<'_>, clocks: Vec<ServiceClock>) -> Result<Vec<Shown>> {
    let (connection, now) = (&mut *reading.connection, reading.cause.at);
    let levels = reading.kernel.levels(connection)?;
    let ids: Vec<RecordId> = clocks.iter().map(|clock| clock.record_id).collect();
    let headers = Header::find_all(connection, &ids)?;
    let headers: HashMap<RecordId, Header> = headers.into_iter().map(|header| (header.id, header)).collect();
    let names = names(connection, &clocks)?;
    let shown = clocks.into_iter().filter_map(|clock| {
        let header = headers.get(&clock.record_id)?;
        Some(shown(&levels, clock, header, &names, now))
    });
    shown.collect()
}

fn names(connection: &mut AnyConnection, clocks: &[ServiceClock]) -> Result<HashMap<RowId, String>> {
    let mut ids: Vec<RowId> = clocks.iter().map(|clock| clock.service_level_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let named = service_level::table.filter(service_level::id.eq_any(ids));
    let rows: Vec<ServiceLevelRow> = named.load(connection)?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

fn shown(
    levels: &Levels,
    clock: ServiceClock,
    header: &Header,
    names: &HashMap<RowId, String>,
    now: Moment,
) -> Result<Shown> {
    let state = clock.state()?;
    let mut elapsed = clock.elapsed;
    if state == State::Running && clock.since < now {
        let more = levels.calendar(&clock.calendar)?.between(clock.since, now);
        elapsed = elapsed.saturating_add(more.num_microseconds().unwrap_or(0));
    }
    let percent = i128::from(elapsed) * 100 / i128::from(clock.target.max(1));
    let length = |microseconds| Length(TimeDelta::microseconds(microseconds));
    Ok(Shown {
        id: clock.id,
        record: ClockedRecord {
            id: header.id,
            kind: header.kind.clone(),
            number: header.number.clone(),
            title: header.title.clone(),
            state: header.state.clone(),
            priority: (header.priority > 0).then_some(header.priority),
        },
        agreement: Agreement::named(&clock.agreement).ok_or_else(|| Error::internal("no such agreement"))?,
        metric: clock.metric,
        service_level: ClockLevel {
            id: clock.service_level_id,
            name: names.get(&clock.service_level_id).cloned().unwrap_or_default(),
        },
        state,
        target: length(clock.target),
        calendar: clock.calendar,
        started_at: clock.started_at,
        deadline: clock.deadline,
        elapsed: length(elapsed),
        remaining: length(clock.target.saturating_sub(elapsed)),
        percent: i64::try_from(percent).unwrap_or(i64::MAX),
        breached_at: clock.breached_at,
        ended_at: clock.ended_at,
        rounds: clock.rounds,
        breached_rounds: clock.breached_rounds,
        breach_reason: clock.breach_code.map(|code| BreachReason { code, note: clock.breach_note.unwrap_or_default() }),
    })
}
