//! The history of a record: its rows of the audit trail, as those who see the record may read them.
//!
//! **Invariant:** what a work note or a booking of time says is told only to those who may read work notes.

use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    audit::AuditRow,
    journal,
    person::{self, Person},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::{RecordId, UserId},
    schema::audit,
};

/// One write to a record.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// The record's version afterwards.
    pub version: i32,
    /// When.
    pub at: Moment,
    /// By whom; null when nobody stands behind it.
    pub by: Option<Person>,
    /// What was done, in the past tense.
    #[schema(examples("incident.resolved"))]
    pub action: String,
    /// Through what: `api`, `batch`, `import`, `timer:auto_close`, `consequence:INC0000001`.
    #[schema(examples("api"))]
    pub via: String,
    /// The request or job behind it.
    pub request_id: String,
    /// Why, in the words of whoever did it; may be empty.
    pub reason: String,
    /// What changed.
    pub changes: Vec<FieldChange>,
}

/// What became of a field.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// Its name; `comment`, `work_note`, `time`, `link`, `watcher` or `attachment` for what stands beside the record.
    pub field: String,
    /// What it held before.
    pub from: Value,
    /// What it holds now.
    pub to: Value,
}

/// What was done to a record before version `below`, the newest first.
pub fn of_record(
    connection: &mut AnyConnection,
    record: RecordId,
    below: Option<i32>,
    limit: i64,
    with_notes: bool,
) -> Result<Vec<HistoryEntry>> {
    let rows: Vec<AuditRow> = audit::table
        .filter(audit::subject_id.eq(record.as_str()))
        .filter(audit::subject_version.lt(below.unwrap_or(i32::MAX)))
        .order(audit::subject_version.desc())
        .limit(limit)
        .load(connection)?;
    let actors: Vec<UserId> = rows.iter().filter_map(|row| row.actor_id).collect();
    let mut people = person::people(connection, actors)?;
    rows.into_iter()
        .map(|row| {
            Ok(HistoryEntry {
                version: row.subject_version,
                at: row.at,
                by: row.actor_id.and_then(|id| people.get_mut(&id).cloned()),
                changes: changes(row.changes.read()?, with_notes),
                action: row.action,
                via: row.via,
                request_id: row.request_id,
                reason: row.reason,
            })
        })
        .collect()
}

fn changes(told: Map<String, Value>, with_notes: bool) -> Vec<FieldChange> {
    told.into_iter()
        .filter(|(field, _)| with_notes || !matches!(field.as_str(), journal::WORK_NOTE | journal::TIME))
        .map(|(field, change)| {
            let mut sides = change.as_array().cloned().unwrap_or_else(|| vec![Value::Null, change.clone()]).into_iter();
            let mut next = || sides.next().unwrap_or_default();
            FieldChange { field, from: next(), to: next() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn notes_are_told_to_those_who_may_read_them() {
        let Value::Object(told) = json!({
            "state": ["new", "resolved"], "work_note": [null, "the switch again"], "time": [null, "30 minutes"],
            "comment": [null, "it works"],
        }) else {
            panic!("an object")
        };
        let names = |with_notes| changes(told.clone(), with_notes).into_iter().map(|c| c.field).collect::<Vec<_>>();
        assert_eq!(names(true), ["state", "work_note", "time", "comment"]);
        assert_eq!(names(false), ["state", "comment"]);
        assert_eq!(
            changes(told, false)[0],
            FieldChange { field: "state".into(), from: json!("new"), to: json!("resolved") }
        );
    }
}
