//! Timers: what is to happen to a record at a later moment.
//!
//! A replay of the past sets timers that are *held*: none of them fires before the replay has come to its end and let them go,
//! or a node that runs beside it would do today, in the middle of an incident's story, what was due then.
//!
//! **Invariant:** a timer's effects and the mark that it fired are committed together, so each fires once, on any number of
//! nodes. Setting a timer anew retires the one before it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use diesel::prelude::*;

use super::{
    approval,
    escalation::{self, act::Act},
    header::Header,
    service_level::{due, follow},
    store::Desk,
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::{RecordId, RowId},
    insert_rows,
    schema::timer,
};

/// When a timer that could not do its work is tried again.
const RETRY: TimeDelta = TimeDelta::hours(1);
/// What retired timers say of themselves.
const RETIRED: &str = "retired";

/// A timer that is set, or retired.
#[derive(Clone, Debug)]
pub struct Change {
    record_id: RecordId,
    name: String,
    /// When it was said.
    at: Moment,
    /// When it is due; nothing where it is retired.
    due_at: Option<Moment>,
    /// Whether the record has had none of this name.
    is_first: bool,
    /// Whether it is not to fire before the replay that sets it has ended.
    held: bool,
}

#[derive(Insertable)]
#[diesel(table_name = timer)]
struct New {
    id: RowId,
    record_id: RecordId,
    name: String,
    due_at: Moment,
    generation: i32,
    held: bool,
}

/// Sets a timer, in place of the one of that name.
pub fn set(desk: &mut Desk<'_, '_>, record_id: RecordId, name: &str, due_at: Moment) {
    put(desk, record_id, name, Some(due_at), false);
}

/// Sets a timer of a name that the record has never had one of.
pub fn set_first(desk: &mut Desk<'_, '_>, record_id: RecordId, name: &str, due_at: Moment) {
    put(desk, record_id, name, Some(due_at), true);
}

/// Retires the timer of that name, if there is one.
pub fn stop(desk: &mut Desk<'_, '_>, record_id: RecordId, name: &str) {
    put(desk, record_id, name, None, false);
}

fn put(desk: &mut Desk<'_, '_>, record_id: RecordId, name: &str, due_at: Option<Moment>, is_first: bool) {
    let (at, held) = (desk.cause.at, desk.cause.is_replay());
    desk.unit.deferred.timers.push(Change { record_id, name: name.to_owned(), at, due_at, is_first, held });
}

/// Writes what was said of timers last, in the order of their records: so two who set the same ones seldom wait for each other in a circle.
pub(super) fn write(connection: &mut AnyConnection, changes: Vec<Change>) -> Result<()> {
    let (first, others): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(|change| change.is_first);
    let first = first.into_iter().filter_map(|change| change.row(1)).collect::<Vec<_>>();
    insert_rows!(connection, timer::table, first)?;
    let last: BTreeMap<_, _> =
        others.into_iter().map(|change| ((change.record_id, change.name.clone()), change)).collect();
    last.into_values().try_for_each(|change| change.write(connection))
}

impl Change {
    fn row(self, generation: i32) -> Option<New> {
        let Change { record_id, name, due_at, held, .. } = self;
        Some(New { id: RowId::new(), record_id, name, due_at: due_at?, generation, held })
    }

    fn write(self, connection: &mut AnyConnection) -> Result<()> {
        let mine = timer::table.filter(timer::record_id.eq(self.record_id)).filter(timer::name.eq(&self.name));
        diesel::update(mine.filter(timer::fired_at.is_null()))
            .set((timer::fired_at.eq(self.at), timer::error.eq(RETIRED)))
            .execute(connection)?;
        if self.due_at.is_none() {
            return Ok(());
        }
        let last: Option<i32> = mine.select(diesel::dsl::max(timer::generation)).first(connection)?;
        if let Some(row) = self.row(last.unwrap_or(0) + 1) {
            diesel::insert_into(timer::table).values(row).execute(connection)?;
        }
        Ok(())
    }
}

/// When the earliest timer that waits is due.
pub fn earliest(connection: &mut AnyConnection) -> Result<Option<Moment>> {
    let waiting = timer::table.filter(timer::fired_at.is_null()).filter(timer::held.eq(false));
    let waiting = waiting.order((timer::due_at, timer::id));
    Ok(waiting.select(timer::due_at).first(connection).optional()?)
}

/// How long the earliest timer that waits has been due, and how many have been for longer than `patience`: nobody fires them.
pub fn overdue(connection: &mut AnyConnection, now: Moment, patience: TimeDelta) -> Result<(TimeDelta, i64)> {
    let lag = earliest(connection)?.map_or(TimeDelta::zero(), |due| now.since(due).max(TimeDelta::zero()));
    let late = timer::table
        .filter(timer::fired_at.is_null())
        .filter(timer::held.eq(false))
        .filter(timer::due_at.lt(now.minus(patience)))
        .count()
        .get_result(connection)?;
    Ok((lag, late))
}

/// Which of these records have timers that are held.
pub fn held(connection: &mut AnyConnection, records: &[RecordId]) -> Result<Vec<RecordId>> {
    let waiting = timer::table.filter(timer::fired_at.is_null()).filter(timer::held.eq(true));
    let theirs = waiting.filter(timer::record_id.eq_any(records)).select(timer::record_id).distinct();
    Ok(theirs.order(timer::record_id).load(connection)?)
}

/// Lets the timers of a record go that were held.
pub fn let_go(connection: &mut AnyConnection, record: RecordId) -> Result<()> {
    let waiting = timer::table.filter(timer::record_id.eq(record)).filter(timer::fired_at.is_null());
    diesel::update(waiting.filter(timer::held.eq(true))).set(timer::held.eq(false)).execute(connection)?;
    Ok(())
}

/// Fires the earliest timer that is due, after the place that is given, and that no other node is firing, with its effects.
/// One that can't do its work is put off, and says why. Nothing where none is due.
pub fn fire_next(desk: &mut Desk<'_, '_>, after: Option<Place>) -> Result<Option<Looked>> {
    let now = desk.cause.at;
    let Some((id, record, name, due_at)) = desk.unit.connection()?.lock_due_timer(now, after)? else { return Ok(None) };
    let (kernel, cause) = (desk.kernel, desk.cause);
    let late = now.since(due_at);
    let fired = desk.unit.attempt(|unit| fire(&mut Desk { kernel, unit, cause }, id, record, &name))?;
    let Err(error) = fired else { return Ok(Some(Looked::Fired { late })) };
    tracing::error!(timer = %id, name, %error, cause = ?error.source, "a timer could not do its work; it is put off");
    let why = error.to_string();
    let put_off = desk.unit.attempt(|unit| put_off(&mut Desk { kernel, unit, cause }, id, &why))?;
    Ok(Some(match put_off {
        Ok(()) => Looked::PutOff,
        Err(error) => {
            tracing::error!(timer = %id, %error, cause = ?error.source, "a timer could not be put off");
            Looked::Stuck((due_at, id))
        }
    }))
}

/// Where a timer stands among those that are due.
pub type Place = (Moment, RowId);

/// What became of a timer that was due.
#[derive(Clone, Copy, Debug)]
pub enum Looked {
    /// It did its work, so long after its time.
    Fired {
        /// How long.
        late: TimeDelta,
    },
    /// It could not do its work, and is tried again later.
    PutOff,
    /// Not even that could be written: it is passed over until the next time.
    Stuck(Place),
}

fn fire(desk: &mut Desk<'_, '_>, id: RowId, record: RecordId, name: &str) -> Result<()> {
    let mine = timer::table.find(id).filter(timer::fired_at.is_null());
    diesel::update(mine).set(timer::fired_at.eq(desk.cause.at)).execute(desk.unit.connection()?)?;
    let Some(header) = Header::find(desk.unit.settled(record)?, record)? else { return Ok(()) };
    let practice = desk.kernel.practice(&header.kind)?;
    // What a timer does is the kernel's where its name says so by how it begins, and else the practice's.
    match name.split_once(':') {
        Some((follow::TIMER, _)) => due::look(desk, practice, record, name),
        Some((escalation::TIMER, _)) => match escalation::ask::row_of(name) {
            Some(row) => practice.escalate(desk, record, None, &Act::Again(row)).map(drop),
            None => Ok(()),
        },
        Some((approval::case::TIMER, _)) => approval::stage::time_is_over(desk, record, name),
        _ => practice.timer(name, record, desk),
    }
}

/// Puts a timer off that could not do its work and still waits, and says why.
pub fn put_off(desk: &mut Desk<'_, '_>, id: RowId, error: &str) -> Result<()> {
    let waiting = timer::table.find(id).filter(timer::fired_at.is_null());
    diesel::update(waiting)
        .set((timer::due_at.eq(desk.cause.at.plus(RETRY)), timer::error.eq(error)))
        .execute(desk.unit.connection()?)?;
    Ok(())
}
