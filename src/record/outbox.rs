//! Events: what happened to which record, written in the transaction in which it happened.

use diesel::prelude::*;
use serde::Serialize;

use crate::{
    clock::Moment,
    db::JsonText,
    id::{RecordId, RowId},
    schema::outbox,
};

/// Something that happened to a record. The database numbers it in the order of commits.
#[derive(Clone, Debug, Queryable, Insertable, Serialize)]
#[diesel(table_name = outbox, treat_none_as_default_value = false)]
pub struct Event {
    /// Its id, which says nothing of its place among others.
    pub id: RowId,
    /// When.
    pub at: Moment,
    /// What, in the past tense: `incident.resolved`.
    pub event: String,
    /// To which record.
    pub record_id: RecordId,
    /// The record's number and version, and what changed.
    pub payload: JsonText,
}
