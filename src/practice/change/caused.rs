//! What a change has caused.

use diesel::prelude::*;

use super::{
    Change,
    conflict::Span,
    lifecycle::{IMPLEMENT, REVIEW},
    plan,
};
use crate::{
    clock::Moment,
    error::Result,
    id::RecordId,
    record::{header::Header, practice::Details, store::Reading, visibility},
    schema::{link, record},
};

/// The relation of an incident to the change that caused it.
const CAUSED_BY: &str = "caused_by";
/// The states in which a change is made, or was: one that is cancelled may have been begun before.
pub(super) const MADE: &[&str] = &[IMPLEMENT, REVIEW, "closed", "cancelled"];

/// When a change was made, or is being made.
fn made(header: &Header, details: &Change, now: Moment) -> Option<Span> {
    let from = details.actual_start?;
    let until = details.actual_end.unwrap_or(if MADE.contains(&header.state.as_str()) { now } else { from });
    Some(Span { from, until })
}

/// An incident that a change may have caused, and whether it is linked to it as such.
pub type Suspect = (Header, bool);

/// The incidents that a change may have caused: of the same things, of what is next to them or hit with them, opened since it began and at
/// most so long after it ended; and those that are linked to it as caused by it. Only those that the caller sees.
pub fn by(reading: &mut Reading<'_>, change: &Header, after: chrono::TimeDelta) -> Result<Vec<Suspect>> {
    let connection = &mut *reading.connection;
    let linked: Vec<RecordId> = link::table
        .filter(link::to_id.eq(change.id))
        .filter(link::relation.eq(CAUSED_BY))
        .select(link::from_id)
        .load(connection)?;
    let details = Change::load(connection, &[change.id])?.pop();
    let span = details.and_then(|details| made(change, &details, reading.cause.at));
    let mut ids = linked.clone();
    if let Some(Span { from, until }) = span {
        let items = plan::touched_by(connection, change)?;
        let reach = plan::reach(reading.kernel, connection, &items)?;
        let mine = plan::is_of(connection.engine(), &reach);
        let opened = record::table
            .filter(record::kind.eq("incident"))
            .filter(record::opened_at.ge(from))
            .filter(record::opened_at.le(until.plus(after)))
            .filter(mine);
        let opened: Vec<RecordId> = opened.select(record::id).order(record::id).limit(500).load(connection)?;
        ids.extend(opened);
    }
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let mut found: Vec<Suspect> =
        seen.into_values().map(|header| (header.clone(), linked.contains(&header.id))).collect();
    found.sort_by(|a, b| a.0.number.cmp(&b.0.number));
    Ok(found)
}
