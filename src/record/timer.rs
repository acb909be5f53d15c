//! Timers: what is to happen to a record at a later moment.
//!
//! **Invariant:** a timer's effects and the mark that it fired are committed together, so each fires once, on any number of
//! nodes. Setting a timer anew retires the one before it.

use diesel::prelude::*;

use super::{header::Header, store::Desk};
use crate::{
    clock::Moment,
    error::Result,
    id::{RecordId, RowId},
    schema::timer,
};

/// When a timer that could not do its work is tried again.
const RETRY: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// A timer that is due.
#[derive(Clone, Debug, Queryable)]
pub struct Due {
    /// Its id.
    pub id: RowId,
    /// The record.
    pub record_id: RecordId,
    /// What is to happen.
    pub name: String,
    /// When it was to happen.
    pub due_at: Moment,
}

/// Sets a timer, in place of the one of that name.
pub fn set(desk: &mut Desk<'_, '_>, record: RecordId, name: &str, due_at: Moment) -> Result<()> {
    stop(desk, record, name)?;
    let connection = desk.unit.connection()?;
    let last: Option<i32> = timer::table
        .filter(timer::record_id.eq(record))
        .filter(timer::name.eq(name))
        .select(diesel::dsl::max(timer::generation))
        .first(connection)?;
    diesel::insert_into(timer::table)
        .values((
            timer::id.eq(RowId::new()),
            timer::record_id.eq(record),
            timer::name.eq(name),
            timer::due_at.eq(due_at),
            timer::generation.eq(last.unwrap_or(0) + 1),
        ))
        .execute(connection)?;
    Ok(())
}

/// Retires the timer of that name, if there is one.
pub fn stop(desk: &mut Desk<'_, '_>, record: RecordId, name: &str) -> Result<()> {
    let at = desk.cause.at;
    let waiting =
        timer::table.filter(timer::record_id.eq(record)).filter(timer::name.eq(name)).filter(timer::fired_at.is_null());
    diesel::update(waiting)
        .set((timer::fired_at.eq(at), timer::error.eq("retired")))
        .execute(desk.unit.connection()?)?;
    Ok(())
}

/// The earliest timers that are due, at most `most`.
pub fn due(desk: &mut Desk<'_, '_>, most: i64) -> Result<Vec<RowId>> {
    let due = timer::table.filter(timer::fired_at.is_null()).filter(timer::due_at.le(desk.cause.at));
    Ok(due.order((timer::due_at, timer::id)).limit(most).select(timer::id).load(desk.unit.connection()?)?)
}

/// Fires a timer with its effects; false when another node has.
pub fn fire(desk: &mut Desk<'_, '_>, id: RowId) -> Result<bool> {
    let now = desk.cause.at;
    // Whoever marks it first holds its row until the effects are committed, too.
    let mine = timer::table.find(id).filter(timer::fired_at.is_null());
    if diesel::update(mine).set(timer::fired_at.eq(now)).execute(desk.unit.connection()?)? == 0 {
        return Ok(false);
    }
    let due: Due = timer::table
        .find(id)
        .select((timer::id, timer::record_id, timer::name, timer::due_at))
        .first(desk.unit.connection()?)?;
    if let Some(header) = Header::find(desk.unit.settled(due.record_id)?, due.record_id)? {
        desk.kernel.practice(&header.kind)?.timer(&due.name, due.record_id, desk)?;
    }
    Ok(true)
}

/// Puts a timer off that could not do its work and still waits, and says why.
pub fn put_off(desk: &mut Desk<'_, '_>, id: RowId, error: &str) -> Result<()> {
    let waiting = timer::table.find(id).filter(timer::fired_at.is_null());
    diesel::update(waiting)
        .set((timer::due_at.eq(desk.cause.at.plus(RETRY)), timer::error.eq(error)))
        .execute(desk.unit.connection()?)?;
    Ok(())
}
