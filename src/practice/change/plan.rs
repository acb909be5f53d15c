//! What a change touches, what stands near that, and what else is scheduled.
//!
//! What a change touches is its configuration item, its service, and what it is linked with by `affects`. [`near`] alone knows how
//! things rest on each other.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    slice,
};

use diesel::prelude::*;

use super::{
    ChangePractice,
    conflict::{Conflict, Ground, Near, Planned, Span, Wanted, conflicts},
    lifecycle::{AUTHORISE, IMPLEMENT, REVIEW, SCHEDULED},
    window,
};
use crate::{
    db::{AnyConnection, Backend, sql::among},
    error::Result,
    id::RecordId,
    record::{
        graph::{
            impact::{self, Asked},
            walk::DEEPEST,
        },
        header::Header,
        kernel::Kernel,
        kind::{CRITICALITY, Holds, Kind},
        practice::{Details, Practice},
        store::Reading,
        visibility,
    },
    schema::{link, record, service},
};

/// The relation of a change to what else it touches.
pub(super) const AFFECTS: &str = "affects";
const KIND: &Kind = &ChangePractice::KIND;
/// The longest time that a change is planned for: none that meets a moment begins earlier before it.
pub(super) const LONGEST: chrono::TimeDelta = chrono::TimeDelta::days(366);
/// The states in which a change takes up its time.
const TAKES_TIME: &[&str] = &[SCHEDULED, IMPLEMENT];

/// What changes touch, each by its id.
pub fn touched(connection: &mut AnyConnection, changes: &[Header]) -> Result<HashMap<RecordId, BTreeSet<RecordId>>> {
    let ids = among(connection.engine(), "link.from_id", changes.iter().map(|change| change.id.as_str()));
    let affected: Vec<(RecordId, RecordId)> = link::table
        .filter(link::relation.eq(AFFECTS))
        .filter(ids)
        .select((link::from_id, link::to_id))
        .load(connection)?;
    let own = |change: &Header| [change.configuration_item_id, change.service_id].into_iter().flatten().collect();
    let mut touched: HashMap<RecordId, BTreeSet<RecordId>> =
        changes.iter().map(|change| (change.id, own(change))).collect();
    for (change, item) in affected {
        touched.entry(change).or_default().insert(item);
    }
    Ok(touched)
}

/// What one change touches.
pub fn touched_by(connection: &mut AnyConnection, change: &Header) -> Result<Vec<RecordId>> {
    let touched = touched(connection, slice::from_ref(change))?;
    Ok(touched.into_values().flatten().collect())
}

/// The same things and what stands next to them in the graph: what they rest on, and what rests on them.
pub fn near(kernel: &Kernel, connection: &mut AnyConnection, items: &[RecordId]) -> Result<BTreeMap<RecordId, Near>> {
    let graph = kernel.graph(connection)?;
    let own = items.iter().map(|item| (*item, Near::Own));
    let parents = items.iter().flat_map(|item| graph.supports(*item)).map(|item| (item, Near::Parent));
    let children = items.iter().flat_map(|item| graph.dependants(*item)).map(|item| (item, Near::Child));
    let mut found = BTreeMap::new();
    for (item, near) in own.chain(parents).chain(children) {
        found.entry(item).or_insert(near);
    }
    Ok(found)
}

/// The changes of these states that are planned between two moments.
fn meeting<'a>(within: Span, states: &'a [&'a str]) -> record::BoxedQuery<'a, Backend> {
    record::table
        .filter(record::kind.eq(KIND.name))
        .filter(record::state.eq_any(states))
        .filter(record::planned_start.between(within.from.minus(LONGEST), within.until))
        .filter(record::planned_end.ge(within.from))
        .into_boxed()
}

/// The changes that take up time between two moments, but for one.
pub fn planned(connection: &mut AnyConnection, within: Span, but: RecordId) -> Result<Vec<Planned>> {
    let changes: Vec<Header> = meeting(within, TAKES_TIME).filter(record::id.ne(but)).load(connection)?;
    let mut touched = touched(connection, &changes)?;
    let planned = changes.iter().filter_map(|change| {
        let items = touched.remove(&change.id).unwrap_or_default().into_iter().collect();
        Some(Planned { id: change.id, span: span(change)?, assignee: change.assignee_id, items })
    });
    Ok(planned.collect())
}

/// The states that the forward schedule shows.
pub const SHOWN: &[&str] = &[AUTHORISE, SCHEDULED, IMPLEMENT, REVIEW, "closed"];

/// The changes of these states that are planned between two moments and that the caller sees, by their beginning, at most so many.
pub fn seen(reading: &mut Reading<'_>, within: Span, states: &[&str], most: i64) -> Result<Vec<Header>> {
    let mut those = meeting(within, states);
    if let Some(sees) = visibility::condition(reading.connection.engine(), &reading.cause.caller, &[KIND]) {
        those = those.filter(sees);
    }
    let those = those.order((record::planned_start, record::id)).limit(most);
    Ok(those.load(reading.connection)?)
}

/// Everything that a change which wants this is held against between two moments.
pub fn ground(connection: &mut AnyConnection, wanted: &Wanted, within: Span, but: RecordId) -> Result<Ground> {
    let windows = window::between(connection, within, &wanted.items)?;
    Ok(Ground { planned: planned(connection, within, but)?, windows })
}

/// What a change wants, wherever it is put.
pub fn wanted(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    header: &Header,
    touched: &[RecordId],
) -> Result<Wanted> {
    Ok(Wanted { items: near(kernel, connection, touched)?, assignee: header.assignee_id })
}

/// When a change is to be made.
pub fn span(header: &Header) -> Option<Span> {
    let (from, until) = header.planned_start.zip(header.planned_end)?;
    Some(Span { from, until })
}

/// The conflicts of a change that touches this, as it is planned. Windows are looked at for a year on, so that the next one is known.
pub fn of(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    header: &Header,
    touched: &[RecordId],
) -> Result<Vec<Conflict>> {
    let Some(then) = span(header) else { return Ok(Vec::new()) };
    let wanted = wanted(kernel, connection, header, touched)?;
    let year = Span { from: then.from, until: then.until.plus(chrono::TimeDelta::days(366)) };
    let windows = window::between(connection, year, &wanted.items)?;
    let ground = Ground { planned: planned(connection, then, header.id)?, windows };
    Ok(conflicts(&ground, &wanted, then))
}

/// The highest criticality of the services among what a change touches, and of those that are hit while that is down.
pub fn criticality(kernel: &Kernel, connection: &mut AnyConnection, touched: Vec<RecordId>) -> Result<Option<String>> {
    let Holds::Choice(levels) = CRITICALITY.holds else { return Ok(None) };
    let mut ids = touched;
    let services = Some("service".to_owned());
    let asked = Asked { starts: ids.clone(), kind: services, depth: DEEPEST, ..Asked::default() };
    ids.extend(impact::ids(kernel, connection, &asked)?);
    let wanted = among(connection.engine(), "service.record_id", ids.iter().map(RecordId::as_str));
    let found: Vec<String> = service::table.filter(wanted).select(service::criticality).distinct().load(connection)?;
    Ok(levels.iter().find(|level| found.iter().any(|found| found == *level)).map(|level| (*level).to_owned()))
}

/// The incidents of these things that are open: the newest 200.
pub fn open_incidents(connection: &mut AnyConnection, items: &BTreeSet<RecordId>) -> Result<Vec<RecordId>> {
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
