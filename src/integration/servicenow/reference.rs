//! Where an import stands: for each incident of the log its record here, and how far it was replayed.
//!
//! **Invariant:** a position is written in the transaction of the calls up to it, so that a replay that ends in the middle
//! goes on where it ended, and one that runs again does nothing.

use std::collections::HashMap;

use diesel::prelude::*;

use super::SOURCE;
use crate::{
    db::AnyConnection,
    error::Result,
    id::RecordId,
    insert_rows,
    schema::external_reference::{self, dsl},
};

/// How far an incident was replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The record here.
    pub record: RecordId,
    /// The position of the last event that was replayed.
    pub position: i64,
}

#[derive(Insertable)]
#[diesel(table_name = external_reference, treat_none_as_default_value = false)]
struct NewReference<'a> {
    source: &'a str,
    external_key: &'a str,
    record_id: RecordId,
    position: i64,
}

/// How far these were replayed, where they were at all.
pub fn positions(connection: &mut AnyConnection, keys: &[&str]) -> Result<HashMap<String, Position>> {
    let mut found = HashMap::new();
    for keys in keys.chunks(500) {
        let rows: Vec<(String, RecordId, i64)> = dsl::external_reference
            .filter(dsl::source.eq(SOURCE))
            .filter(dsl::external_key.eq_any(keys))
            .select((dsl::external_key, dsl::record_id, dsl::position))
            .load(connection)?;
        found.extend(rows.into_iter().map(|(key, record, position)| (key, Position { record, position })));
    }
    Ok(found)
}

/// Keeps positions; the flag says that the record is new here.
pub fn keep<'a>(
    connection: &mut AnyConnection,
    positions: impl IntoIterator<Item = (&'a str, Position, bool)>,
) -> Result<()> {
    let (new, moved): (Vec<_>, Vec<_>) = positions.into_iter().partition(|(_, _, new)| *new);
    let new: Vec<NewReference<'_>> = new
        .into_iter()
        .map(|(external_key, Position { record, position }, _)| NewReference {
            source: SOURCE,
            external_key,
            record_id: record,
            position,
        })
        .collect();
    insert_rows!(connection, external_reference::table, new)?;
    for (key, Position { position, .. }, _) in moved {
        diesel::update(dsl::external_reference.find((SOURCE, key)))
            .set(dsl::position.eq(position))
            .execute(connection)?;
    }
    Ok(())
}
