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
    Change, ChangePractice,
    conflict::{Conflict, Ground, Near, Planned, Span, Wanted, conflicts},
    lifecycle::{AUTHORISE, BEFORE_WORK, IMPLEMENT, REVIEW, SCHEDULED},
    window,
};
use crate::{
    clock::Moment,
    db::{AnyConnection, Backend, Condition, Engine, sql::among},
    error::Result,
    id::{RecordId, UserId},
    record::{
        graph::{
            impact::{self, Asked, Direction},
            walk::DEEPEST,
        },
        header::Header,
        kernel::Kernel,
        kind::{CRITICALITY, Holds, Kind},
        practice::{Details, Practice},
        store::Reading,
        visibility,
    },
    schema::{configuration_item, link, record, service},
};

/// The relation of a change to what else it touches.
pub(super) const AFFECTS: &str = "affects";
const KIND: &Kind = &ChangePractice::KIND;
/// The longest time that a change is planned for: none that meets a moment begins earlier before it.
pub(super) const LONGEST: chrono::TimeDelta = chrono::TimeDelta::days(366);
/// The states in which a change takes up its time.
pub(super) const TAKES_TIME: &[&str] = &[SCHEDULED, IMPLEMENT];
/// The states in which a change will be made, as far as is known.
pub const AHEAD: &[&str] = &[AUTHORISE, SCHEDULED, IMPLEMENT];
/// How long a change that is made after its time goes on taking time, at least, from whenever one looks.
const OVERTIME: chrono::TimeDelta = chrono::TimeDelta::minutes(15);
/// Of how many things that take another's place it is asked what they rest on.
const SIBLINGS: usize = 50;
/// Of how many things that are hit it is asked what is known of them: the nearest.
const HIT: usize = 5_000;
/// The most changes that are made at once: the newest.
const MADE_AT_ONCE: i64 = 2_000;

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

/// The changes that take up time between two moments, as it is known now, but for one.
pub fn planned(connection: &mut AnyConnection, within: Span, but: RecordId, now: Moment) -> Result<Vec<Planned>> {
    let mut changes: Vec<Header> = meeting(within, &[SCHEDULED]).load(connection)?;
    // What is being made does not keep to its plan.
    let made = record::table.filter(record::kind.eq(KIND.name)).filter(record::state.eq(IMPLEMENT));
    let made: Vec<Header> = made.order(record::opened_at.desc()).limit(MADE_AT_ONCE).load(connection)?;
    let ids: Vec<RecordId> = made.iter().map(|change| change.id).collect();
    let begun = Change::load(connection, &ids)?;
    let begun: HashMap<RecordId, Moment> =
        begun.into_iter().filter_map(|details| Some((details.record_id, details.actual_start?))).collect();
    changes.extend(made);
    changes.retain(|change| change.id != but);
    let mut touched = touched(connection, &changes)?;
    let planned = changes.iter().filter_map(|change| {
        let items = touched.remove(&change.id).unwrap_or_default().into_iter().collect();
        let span = taken(span(change)?, begun.get(&change.id).copied(), now);
        span.meets(within).then_some(Planned { id: change.id, span, assignee: change.assignee_id, items })
    });
    Ok(planned.collect())
}

/// The changes that are still to be made after a moment and before another one, of any of these things or by this person where they are
/// named: the first so many.
pub(super) fn to_be_made(
    connection: &mut AnyConnection,
    (from, until): (Moment, Option<Moment>),
    items: Option<&BTreeSet<RecordId>>,
    assignee: Option<UserId>,
    most: i64,
) -> Result<Vec<RecordId>> {
    let mut those = record::table
        .filter(record::kind.eq(KIND.name))
        .filter(record::state.eq_any(BEFORE_WORK))
        .filter(record::planned_start.ge(from.minus(LONGEST)))
        .filter(record::planned_end.ge(from))
        .into_boxed::<Backend>();
    if let Some(until) = until {
        those = those.filter(record::planned_start.le(until));
    }
    if let Some(items) = items {
        let mine = is_of(connection.engine(), items);
        those = match assignee {
            Some(assignee) => those.filter(mine.or(record::assignee_id.eq(assignee))),
            None => those.filter(mine),
        };
    }
    let those = those.order((record::planned_start, record::id)).limit(most);
    Ok(those.select(record::id).load(connection)?)
}

/// The time that a change takes up: as it is planned; once it has begun, from then on, and for a while yet where it should be over.
fn taken(planned: Span, begun: Option<Moment>, now: Moment) -> Span {
    let Some(begun) = begun else { return planned };
    let Span { from, until } = planned.begun(begun);
    Span { from, until: until.max(now.plus(OVERTIME)) }
}

/// The states that the forward schedule shows.
pub const SHOWN: &[&str] = &[AUTHORISE, SCHEDULED, IMPLEMENT, REVIEW, "closed"];

/// The changes of these states that are planned between two moments and that the caller sees, by their beginning, at most so many; those of
/// some things alone, where they are named.
pub fn seen(
    reading: &mut Reading<'_>,
    within: Span,
    states: &[&str],
    items: Option<&BTreeSet<RecordId>>,
    most: i64,
) -> Result<Vec<Header>> {
    let engine = reading.connection.engine();
    let mut those = meeting(within, states);
    if let Some(sees) = visibility::condition(engine, &reading.cause.caller, &[KIND]) {
        those = those.filter(sees);
    }
    if let Some(items) = items {
        those = those.filter(is_of(engine, items));
    }
    let those = those.order((record::planned_start, record::id)).limit(most);
    Ok(those.load(reading.connection)?)
}

/// Everything that a change which wants this is held against between two moments, as it is known now.
pub fn ground(
    connection: &mut AnyConnection,
    wanted: &Wanted,
    within: Span,
    but: RecordId,
    now: Moment,
) -> Result<Ground> {
    let windows = window::between(connection, within, &wanted.items)?;
    Ok(Ground { planned: planned(connection, within, but, now)?, windows })
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

/// The conflicts of a change that touches this, as it is planned and with what is known now. Windows are looked at for a year on, so that the
/// next one is known.
pub fn of(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    header: &Header,
    touched: &[RecordId],
    now: Moment,
) -> Result<Vec<Conflict>> {
    let Some(then) = span(header) else { return Ok(Vec::new()) };
    let wanted = wanted(kernel, connection, header, touched)?;
    let year = Span { from: then.from, until: then.until.plus(chrono::TimeDelta::days(366)) };
    let windows = window::between(connection, year, &wanted.items)?;
    let ground = Ground { planned: planned(connection, then, header.id, now)?, windows };
    Ok(conflicts(&ground, &wanted, then))
}

/// Whether more depends on the first than on the second; on what is not known, as little as can be.
pub(super) fn is_more_critical(this: Option<&str>, that: Option<&str>) -> bool {
    let Holds::Choice(levels) = CRITICALITY.holds else { return false };
    let place = |name: Option<&str>| {
        levels.iter().position(|level| Some(*level) == name).unwrap_or(levels.len().saturating_sub(1))
    };
    place(this) < place(that)
}

/// The highest criticality of what a change touches, and of what is hit while that is down: services all of them, configuration items the
/// nearest.
pub fn criticality(kernel: &Kernel, connection: &mut AnyConnection, touched: Vec<RecordId>) -> Result<Option<String>> {
    let Holds::Choice(levels) = CRITICALITY.holds else { return Ok(None) };
    let mut of = |kind: &str, most: usize| -> Result<Vec<RecordId>> {
        let found = hit(kernel, connection, &touched, Some(kind))?;
        Ok(touched.iter().copied().chain(found.into_iter().take(most)).collect())
    };
    let (services, items) = (of("service", usize::MAX)?, of("configuration_item", HIT)?);
    let engine = connection.engine();
    let services = among(engine, "service.record_id", services.iter().map(RecordId::as_str));
    let mut found: Vec<String> =
        service::table.filter(services).select(service::criticality).distinct().load(connection)?;
    let items = among(engine, "configuration_item.record_id", items.iter().map(RecordId::as_str));
    let of_items = configuration_item::table.filter(items).select(configuration_item::criticality).distinct();
    found.extend(of_items.load::<String>(connection)?);
    Ok(levels.iter().find(|level| found.iter().any(|found| found == *level)).map(|level| (*level).to_owned()))
}

/// What is hit while these are down, the nearest first; of one kind alone, where it is named.
fn hit(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    touched: &[RecordId],
    kind: Option<&str>,
) -> Result<Vec<RecordId>> {
    let kind = kind.map(str::to_owned);
    impact::ids(kernel, connection, &Asked { starts: touched.to_vec(), kind, depth: DEEPEST, ..Asked::default() })
}

/// What takes the place of these things while they are down: what else is in their redundancy groups, and what that rests on.
pub fn instead(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    items: &BTreeSet<RecordId>,
) -> Result<BTreeSet<RecordId>> {
    let graph = kernel.graph(connection)?;
    let mut found: BTreeSet<RecordId> = items.iter().flat_map(|item| graph.siblings(*item)).collect();
    found.retain(|item| !items.contains(item));
    let siblings: Vec<RecordId> = found.iter().copied().take(SIBLINGS).collect();
    for sibling in siblings {
        let direction = Direction::Down;
        let asked = Asked { starts: vec![sibling], direction, depth: DEEPEST, ..Asked::default() };
        found.extend(impact::ids(kernel, connection, &asked)?);
    }
    Ok(found)
}

/// Where incidents may come from that a change has caused: what it touches, what is next to that, and what is hit while it is down, the
/// nearest.
pub(super) fn reach(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    touched: &[RecordId],
) -> Result<BTreeSet<RecordId>> {
    let mut found: BTreeSet<RecordId> = near(kernel, connection, touched)?.into_keys().collect();
    found.extend(hit(kernel, connection, touched, None)?.into_iter().take(HIT));
    Ok(found)
}

/// What these things rest on, and what rests on them, the nearest of each; with the things themselves.
pub(super) fn around(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    items: &[RecordId],
) -> Result<BTreeSet<RecordId>> {
    let mut found = reach(kernel, connection, items)?;
    for item in items {
        let asked = Asked { starts: vec![*item], direction: Direction::Down, depth: DEEPEST, ..Asked::default() };
        found.extend(impact::ids(kernel, connection, &asked)?.into_iter().take(HIT));
    }
    Ok(found)
}

/// That a record is of one of these things: it names it, or is said to affect it.
pub(super) fn is_of(engine: Engine, items: &BTreeSet<RecordId>) -> Condition<record::table> {
    let ids = || items.iter().map(RecordId::as_str);
    let affected = link::table.filter(link::relation.eq(AFFECTS)).filter(among(engine, "link.to_id", ids()));
    let named = among(engine, "record.configuration_item_id", ids()).or(among(engine, "record.service_id", ids()));
    Box::new(named.or(record::id.eq_any(affected.select(link::from_id))))
}

/// The incidents of these things that are open and that the caller sees: the newest 200.
pub fn open_incidents(reading: &mut Reading<'_>, items: &BTreeSet<RecordId>) -> Result<Vec<RecordId>> {
    let engine = reading.connection.engine();
    let kind = reading.kernel.practice("incident")?.kind();
    let mut open = record::table
        .filter(record::kind.eq(kind.name))
        .filter(record::phase.eq_any(["open", "waiting"]))
        .filter(is_of(engine, items))
        .into_boxed::<Backend>();
    if let Some(sees) = visibility::condition(engine, &reading.cause.caller, &[kind]) {
        open = open.filter(sees);
    }
    Ok(open.order(record::id.desc()).limit(200).select(record::id).load(reading.connection)?)
}

/// How long users notice a change.
pub fn outage(connection: &mut AnyConnection, id: RecordId) -> Result<chrono::TimeDelta> {
    let details = Change::load(connection, &[id])?.pop();
    let outage = details.and_then(|details| details.outage_start.zip(details.outage_end));
    Ok(outage.map_or(chrono::TimeDelta::zero(), |(from, until)| until.since(from)))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn what_has_begun_takes_its_own_time() {
        let at = |hour: i64| "2026-03-02T00:00:00Z".parse::<Moment>().unwrap().plus(TimeDelta::hours(hour));
        let span = |from, until| Span { from: at(from), until: at(until) };
        let overtime = |from, now: i64| Span { from: at(from), until: at(now).plus(OVERTIME) };
        for (begun, now, expected) in [
            (None, 30, span(20, 22)),
            (Some(20), 21, span(20, 22)),
            (Some(21), 21, span(21, 22)),
            (Some(20), 23, overtime(20, 23)),
            (Some(25), 26, span(25, 27)),
            (Some(18), 18, span(18, 20)),
            (Some(25), 28, overtime(25, 28)),
        ] {
            assert_eq!(taken(span(20, 22), begun.map(at), at(now)), expected, "{begun:?} {now}");
        }
    }
}
