//! The graph that each node of the server holds. When its epoch is another, what has changed since is read anew, or all where that is
//! too much or not known.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;
use diesel::{
    dsl::{exists, max},
    prelude::*,
};

use super::{
    Given, Graph, Names, Parts, Standing,
    types::{Impacts, RelationTypeRow},
};
use crate::{
    db::{AnyConnection, Condition, Epoch},
    error::Result,
    id::{RecordId, RowId},
    record::{kind::Phase, practice::AnyPractice},
    schema::{graph_change, record, redundancy_group, relation},
};

/// So many changes are read one by one; after more, all is.
const MOST: usize = 1_000;

/// The graph as it was last read.
pub struct Graphs {
    held: ArcSwapOption<Graph>,
    epoch: Epoch,
    /// Of several who find it out of date, one reads.
    reading: Mutex<()>,
}

impl Graphs {
    /// None yet.
    pub fn new() -> Self {
        Graphs { held: ArcSwapOption::empty(), epoch: Epoch::of_graph(), reading: Mutex::new(()) }
    }

    /// The graph, as this connection sees it now.
    pub fn current(&self, connection: &mut AnyConnection, practices: &[&dyn AnyPractice]) -> Result<Arc<Graph>> {
        let epoch = self.epoch.seen_by(connection)?;
        let known = || self.held.load_full().filter(|graph| *graph.epoch == *epoch);
        if let Some(graph) = known() {
            return Ok(graph);
        }
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(graph) = known() {
            return Ok(graph);
        }
        let held = self.held.load_full().unwrap_or_default();
        let graph = Arc::new(connection.at_one_moment(|connection| {
            let epoch = self.epoch.seen_by(connection)?;
            read(connection, practices, &held, epoch.into())
        })?);
        // What a transaction sees of its own may be taken back.
        if !connection.awaits_epochs()? {
            self.held.store(Some(graph.clone()));
        }
        Ok(graph)
    }
}

impl Default for Graphs {
    fn default() -> Self {
        Graphs::new()
    }
}

/// Reads the graph as it is now, where this one is held.
fn read(
    connection: &mut AnyConnection,
    practices: &[&dyn AnyPractice],
    held: &Graph,
    epoch: Arc<str>,
) -> Result<Graph> {
    let Some(changed) = changed_since(connection, &held.epoch)? else {
        return read_whole(connection, practices, epoch);
    };
    let theirs = relation::from_id.eq_any(&changed).or(relation::to_id.eq_any(&changed));
    let rows: Vec<Row> = carrying(&held.types).filter(theirs).load(connection)?;
    let parts = Parts {
        groups: redundancy_group::table.filter(redundancy_group::record_id.eq_any(&changed)).load(connection)?,
        relations: rows.into_iter().map(Given::of).collect(),
        idle: idle(connection, practices, Box::new(record::id.eq_any(changed.clone())))?,
    };
    Ok(held.renewed(epoch, &changed, parts))
}

/// Reads all of it.
fn read_whole(connection: &mut AnyConnection, practices: &[&dyn AnyPractice], epoch: Arc<str>) -> Result<Graph> {
    let names = RelationTypeRow::all(connection)?.into_iter().map(|row| {
        let impact = row.impacts();
        Names { name: row.name, inverse: row.inverse, impact }
    });
    let names: Vec<Names> = names.collect();
    let rows: Vec<Row> = carrying(&names).load(connection)?;
    let has_relations =
        exists(relation::table.filter(relation::from_id.eq(record::id).or(relation::to_id.eq(record::id))));
    let parts = Parts {
        groups: redundancy_group::table.load(connection)?,
        relations: rows.into_iter().map(Given::of).collect(),
        idle: idle(connection, practices, Box::new(has_relations))?,
    };
    Ok(Graph::new(epoch, names, parts))
}

/// How those of these records stand that do not serve. Most do.
fn idle(
    connection: &mut AnyConnection,
    practices: &[&dyn AnyPractice],
    of: Condition<record::table>,
) -> Result<Vec<(RecordId, Standing)>> {
    let mut found = Vec::new();
    let kinds = practices.iter().map(|practice| (practice.kind().name, practice.in_use()));
    let nobody: Condition<record::table> = Box::new(record::kind.eq(""));
    let is_idle = kinds.filter(|(_, in_use)| !in_use.is_empty()).fold(nobody, |others, (kind, in_use)| {
        Box::new(others.or(record::kind.eq(kind).and(record::state.ne_all(in_use))))
    });
    let rows = record::table.filter(is_idle).filter(of).select((record::id, record::phase));
    for (id, phase) in rows.load::<(RecordId, String)>(connection)? {
        let is_in = |phases: &[Phase]| phases.iter().any(|one| one.as_str() == phase);
        let standing = match (is_in(&[Phase::Waiting]), is_in(&[Phase::Closed, Phase::Cancelled])) {
            (true, _) => Standing::Out,
            (_, true) => Standing::Gone,
            (false, false) => Standing::Idle,
        };
        found.push((id, standing));
    }
    Ok(found)
}

/// The records whose relations, groups or standing have changed since an epoch; nothing where all is to be read.
fn changed_since(connection: &mut AnyConnection, epoch: &str) -> Result<Option<Vec<RecordId>>> {
    let known = graph_change::table.filter(graph_change::epoch.eq(epoch)).select(max(graph_change::seq));
    let Some(known) = known.first::<Option<i64>>(connection)? else { return Ok(None) };
    let changes: Vec<(Option<RecordId>, Option<RecordId>)> = graph_change::table
        .filter(graph_change::seq.gt(known))
        .select((graph_change::from_id, graph_change::to_id))
        .limit(i64::try_from(MOST + 1).unwrap_or(i64::MAX))
        .load(connection)?;
    if changes.len() > MOST || changes.iter().any(|(from, _)| from.is_none()) {
        return Ok(None);
    }
    let ids: HashSet<RecordId> = changes.into_iter().flat_map(|(from, to)| [from, to]).flatten().collect();
    Ok(Some(ids.into_iter().collect()))
}

/// A relation as it is read: type, both ends with their kinds, group.
type Row = (String, RecordId, String, RecordId, String, Option<RowId>);

impl Given {
    fn of((of, from, from_kind, to, to_kind, group): Row) -> Self {
        Given { of, from: (from, from_kind), to: (to, to_kind), group }
    }
}

/// The relations of the types that carry failure.
#[diesel::dsl::auto_type(no_type_alias)]
fn carrying(types: &[Names]) -> _ {
    let names: Vec<String> = types.iter().filter(|n| n.impact != Impacts::None).map(|n| n.name.clone()).collect();
    relation::table.filter(relation::relation_type.eq_any(names)).select((
        relation::relation_type,
        relation::from_id,
        relation::from_kind,
        relation::to_id,
        relation::to_kind,
        relation::group_id,
    ))
}
