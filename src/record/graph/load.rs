//! The graph that each node of the server holds. When its epoch is another, what has changed since is read anew, or all where that is
//! too much or not known.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;
use diesel::{dsl::max, prelude::*};

use super::{
    Given, Graph, Names,
    types::{Impacts, RelationTypeRow},
};
use crate::{
    db::{AnyConnection, Epoch},
    error::Result,
    id::{RecordId, RowId},
    schema::{graph_change, redundancy_group, relation},
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

    /// The graph, as it is now.
    pub fn current(&self, connection: &mut AnyConnection) -> Result<Arc<Graph>> {
        let epoch = self.epoch.current(connection)?;
        let known = || self.held.load_full().filter(|graph| graph.epoch == epoch);
        if let Some(graph) = known() {
            return Ok(graph);
        }
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(graph) = known() {
            return Ok(graph);
        }
        let held = self.held.load_full().unwrap_or_default();
        let graph = Arc::new(connection.at_one_moment(|connection| {
            let seen = self.epoch.seen_by(connection)?;
            read(connection, &held, seen.into())
        })?);
        // What a transaction sees of its own may be taken back.
        if !connection.awaits_epochs()? {
            self.held.store(Some(graph.clone()));
        }
        Ok(graph)
    }

    /// Makes the next one look: something was changed here.
    pub fn expire(&self) {
        self.epoch.expire();
    }
}

impl Default for Graphs {
    fn default() -> Self {
        Graphs::new()
    }
}

/// Reads the graph as it is now, where this one is held.
fn read(connection: &mut AnyConnection, held: &Graph, epoch: Arc<str>) -> Result<Graph> {
    let Some(changed) = changed_since(connection, &held.epoch)? else { return read_whole(connection, epoch) };
    let groups = redundancy_group::table.filter(redundancy_group::record_id.eq_any(&changed)).load(connection)?;
    let theirs = relation::from_id.eq_any(&changed).or(relation::to_id.eq_any(&changed));
    let given = carrying(&held.types).filter(theirs).load(connection)?;
    Ok(held.renewed(epoch, &changed, groups, given.into_iter().map(Given::of)))
}

/// Reads all of it.
fn read_whole(connection: &mut AnyConnection, epoch: Arc<str>) -> Result<Graph> {
    let names = RelationTypeRow::all(connection)?.into_iter().map(|row| {
        let impact = row.impacts();
        Names { name: row.name, inverse: row.inverse, impact }
    });
    let names: Vec<Names> = names.collect();
    let groups = redundancy_group::table.load(connection)?;
    let given = carrying(&names).load(connection)?;
    Ok(Graph::new(epoch, names, groups, given.into_iter().map(Given::of)))
}

/// The records whose relations and groups have changed since an epoch; nothing where all is to be read.
fn changed_since(connection: &mut AnyConnection, epoch: &str) -> Result<Option<Vec<RecordId>>> {
    let known = graph_change::table.filter(graph_change::epoch.eq(epoch)).select(max(graph_change::id));
    let Some(known) = known.first::<Option<i64>>(connection)? else { return Ok(None) };
    let changes: Vec<(Option<RecordId>, Option<RecordId>)> = graph_change::table
        .filter(graph_change::id.gt(known))
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
