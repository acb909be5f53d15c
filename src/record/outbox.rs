//! Events: what happened to which record, written in the transaction in which it happened.

use diesel::prelude::*;
use serde::Serialize;

use super::{escalation, journal, kind::Kind};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::JsonText,
    id::{RecordId, RowId},
    schema::outbox,
};

/// A policy wanted somebody to know.
pub const NOTIFIED: &str = "policy.notified";
/// Ends the name of what happened when something was added that only those who work on the record read: `incident.noted`.
pub const NOTED: &str = "noted";
/// The member of an event's payload that says who did it.
pub const BY: &str = "by";

/// Whether the caller is told of an event about a record of this kind that they see.
pub fn is_for(caller: &Caller, kind: &Kind, event: &str) -> bool {
    if event == NOTIFIED {
        caller.can("decision.read")
    } else {
        let is_internal = event == noted(kind) || escalation::calls(event);
        !is_internal || caller.can(&kind.permission(journal::WORK_NOTE))
    }
}

/// The event of a record that got a work note or a booking of time and nothing else.
pub fn noted(kind: &Kind) -> String {
    format!("{}.{NOTED}", kind.name)
}

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
    /// The record's number and version, what changed, and by whom.
    pub payload: JsonText,
}
