//! The graph that each node of the server holds, read anew when its epoch is another.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use diesel::prelude::*;

use super::{
    Given, GivenGroup, Graph, Names,
    types::{Impacts, RelationTypeRow},
};
use crate::{
    db::{AnyConnection, Epoch},
    error::Result,
    id::{RecordId, RowId},
    schema::{redundancy_group, relation},
};

/// The graph as it was last read.
pub struct Graphs {
    held: ArcSwapOption<Graph>,
    epoch: Epoch,
    /// Of several who find it out of date, one reads.
    reading: Mutex<()>,
}

/// A relation as it is read: type, both ends with their kinds, group.
type Row = (String, RecordId, String, RecordId, String, Option<RowId>);

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
        let graph = Arc::new(connection.at_one_moment(|connection| read(connection, epoch.clone()))?);
        self.held.store(Some(graph.clone()));
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

/// Reads all of it.
pub fn read(connection: &mut AnyConnection, epoch: Arc<str>) -> Result<Graph> {
    let names = RelationTypeRow::all(connection)?.into_iter().map(|row| {
        let impact = row.impacts();
        Names { name: row.name, inverse: row.inverse, impact }
    });
    let names: Vec<Names> = names.collect();
    let carrying: Vec<&str> = names.iter().filter(|n| n.impact != Impacts::None).map(|n| n.name.as_str()).collect();
    let groups: Vec<GivenGroup> = redundancy_group::table.load(connection)?;
    let rows: Vec<Row> = relation::table
        .filter(relation::relation_type.eq_any(carrying))
        .select((
            relation::relation_type,
            relation::from_id,
            relation::from_kind,
            relation::to_id,
            relation::to_kind,
            relation::group_id,
        ))
        .load(connection)?;
    let given = rows.into_iter().map(|(of, from, from_kind, to, to_kind, group)| Given {
        of,
        from: (from, from_kind),
        to: (to, to_kind),
        group,
    });
    Ok(Graph::new(epoch, names, groups, given))
}
