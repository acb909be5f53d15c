//! What a change touches, what stands near that, and what else is scheduled.
//!
//! What a change touches is its configuration item, its service, and what it is linked with by `affects`. [`near`] alone knows how
//! things rest on each other.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::{
    conflict::{Conflict, Ground, Near, Planned, Span, Wanted, conflicts},
    lifecycle::{AUTHORISE, IMPLEMENT, REVIEW, SCHEDULED},
    window,
};
use crate::{
    db::{AnyConnection, sql::among},
    error::Result,
    id::{RecordId, UserId},
    record::{header::Header, practice::Details, store::Reading, visibility},
    schema::{link, record},
};

/// The relation of a change to what else it touches.
const AFFECTS: &str = "affects";
/// The states in which a change takes up its time.
const TAKES_TIME: &[&str] = &[SCHEDULED, IMPLEMENT];

/// What a change touches.
pub fn touched(connection: &mut AnyConnection, header: &Header) -> Result<Vec<RecordId>> {
    let linked = link::table.filter(link::from_id.eq(header.id)).filter(link::relation.eq(AFFECTS)).select(link::to_id);
    let mut items: Vec<RecordId> = linked.load(connection)?;
    items.extend([header.configuration_item_id, header.service_id].into_iter().flatten());
    items.sort_unstable();
    items.dedup();
    Ok(items)
}

/// The same things and what stands next to them: what they rest on, and what rests on them.
pub fn near(connection: &mut AnyConnection, items: &[RecordId]) -> Result<BTreeMap<RecordId, Near>> {
    let mut found: BTreeMap<RecordId, Near> = items.iter().map(|item| (*item, Near::Own)).collect();
    if items.is_empty() {
        return Ok(found);
    }
    let ids = || items.iter().map(RecordId::as_str);
    let engine = connection.engine();
    let mine = among(engine, "link.from_id", ids()).or(among(engine, "link.to_id", ids()));
    let links: Vec<(RecordId, RecordId, String)> = link::table
        .filter(link::relation.eq_any(["parent_of", "depends_on"]))
        .filter(mine)
        .select((link::from_id, link::to_id, link::relation))
        .load(connection)?;
    for (from, to, relation) in links {
        let (parent, child) = if relation == "parent_of" { (from, to) } else { (to, from) };
        if items.contains(&child) {
            found.entry(parent).or_insert(Near::Parent);
        }
        if items.contains(&parent) {
            found.entry(child).or_insert(Near::Child);
        }
    }
    Ok(found)
}

/// The changes that take up time between two moments, but for one.
pub fn planned(connection: &mut AnyConnection, within: Span, but: RecordId) -> Result<Vec<Planned>> {
    type Row = (
        RecordId,
        Option<crate::clock::Moment>,
        Option<crate::clock::Moment>,
        Option<UserId>,
        Option<RecordId>,
        Option<RecordId>,
    );
    let rows: Vec<Row> = record::table
        .filter(record::kind.eq("change"))
        .filter(record::state.eq_any(TAKES_TIME))
        .filter(record::planned_start.le(within.until))
        .filter(record::planned_end.ge(within.from))
        .filter(record::id.ne(but))
        .select((
            record::id,
            record::planned_start,
            record::planned_end,
            record::assignee_id,
            record::configuration_item_id,
            record::service_id,
        ))
        .load(connection)?;
    let affected = among(connection.engine(), "link.from_id", rows.iter().map(|row| row.0.as_str()));
    let affected: Vec<(RecordId, RecordId)> = link::table
        .filter(link::relation.eq(AFFECTS))
        .filter(affected)
        .select((link::from_id, link::to_id))
        .load(connection)?;
    let planned = rows.into_iter().filter_map(|(id, from, until, assignee, item, service)| {
        let own = affected.iter().filter(|(of, _)| *of == id).map(|(_, to)| *to);
        let items: BTreeSet<RecordId> = own.chain([item, service].into_iter().flatten()).collect();
        Some(Planned { id, span: Span { from: from?, until: until? }, assignee, items: items.into_iter().collect() })
    });
    Ok(planned.collect())
}

/// The states that the forward schedule shows.
pub const SHOWN: &[&str] = &[AUTHORISE, SCHEDULED, IMPLEMENT, REVIEW, "closed"];

/// The changes of these states that are planned between two moments and that the caller sees, by their beginning, at most so many.
pub fn seen(reading: &mut Reading<'_>, within: Span, states: &[&str], most: usize) -> Result<Vec<Header>> {
    let ids: Vec<RecordId> = record::table
        .filter(record::kind.eq("change"))
        .filter(record::state.eq_any(states))
        .filter(record::planned_start.le(within.until))
        .filter(record::planned_end.ge(within.from))
        .order((record::planned_start, record::id))
        .select(record::id)
        .load(reading.connection)?;
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let mut seen: Vec<Header> = seen.into_values().collect();
    seen.sort_by_key(|change| (change.planned_start, change.id));
    seen.truncate(most);
    Ok(seen)
}

/// Everything that a change is held against between two moments.
pub fn ground(connection: &mut AnyConnection, within: Span, but: RecordId) -> Result<Ground> {
    Ok(Ground { planned: planned(connection, within, but)?, windows: window::between(connection, within)? })
}

/// What a change wants, wherever it is put.
pub fn wanted(connection: &mut AnyConnection, header: &Header) -> Result<Wanted> {
    let items = touched(connection, header)?;
    Ok(Wanted { items: near(connection, &items)?, assignee: header.assignee_id })
}

/// When a change is to be made.
pub fn span(header: &Header) -> Option<Span> {
    let (from, until) = header.planned_start.zip(header.planned_end)?;
    Some(Span { from, until })
}

/// The conflicts of a change as it is planned. Windows are looked at for a year on, so that the next one is known.
pub fn of(connection: &mut AnyConnection, header: &Header) -> Result<Vec<Conflict>> {
    let Some(then) = span(header) else { return Ok(Vec::new()) };
    let within = Span { from: then.from, until: then.until.plus(chrono::TimeDelta::days(366)) };
    let ground = ground(connection, within, header.id)?;
    let wanted = wanted(connection, header)?;
    Ok(conflicts(&ground, &wanted, then))
}

/// The incidents of these things that are open.
pub fn open_incidents(connection: &mut AnyConnection, items: &[RecordId]) -> Result<Vec<RecordId>> {
    let engine = connection.engine();
    let ids = || items.iter().map(RecordId::as_str);
    let mine = among(engine, "record.configuration_item_id", ids()).or(among(engine, "record.service_id", ids()));
    let open = record::table.filter(record::kind.eq("incident")).filter(record::phase.eq_any(["open", "waiting"]));
    Ok(open.filter(mine).order(record::id.desc()).limit(200).select(record::id).load(connection)?)
}

/// How long users notice a change.
pub fn outage(connection: &mut AnyConnection, id: RecordId) -> Result<chrono::TimeDelta> {
    let details = super::Change::load(connection, &[id])?.pop();
    let outage = details.and_then(|details| details.outage_start.zip(details.outage_end));
    Ok(outage.map_or(chrono::TimeDelta::zero(), |(from, until)| until.since(from)))
}
