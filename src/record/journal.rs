//! The journal of a record: what people said about it and the time they spent.
//!
//! **Invariant:** entries are added and never changed. Work notes are for those with the permission to read them.

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    kind::Kind,
    mention::{self, Mention},
    person::{self, Person},
    store::Reading,
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::{RecordId, RowId, UserId},
    schema::journal,
};

/// Everybody who sees the record reads it.
pub const COMMENT: &str = "comment";
/// Only those who work on it read it.
pub const WORK_NOTE: &str = "work_note";
/// Minutes of work, with a word about what was done.
pub const TIME: &str = "time";
/// All kinds of entries.
pub const KINDS: &[&str] = &[COMMENT, WORK_NOTE, TIME];

/// Something to be added to the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// `comment`, `work_note` or `time`.
    pub kind: &'static str,
    /// What is said.
    pub body: String,
    /// Minutes spent, for `time`.
    pub minutes: Option<i32>,
}

/// An entry of the journal.
#[derive(Clone, Debug, Queryable, Insertable, Serialize)]
#[diesel(table_name = journal, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct Entry {
    pub id: RowId,
    pub record_id: RecordId,
    pub at: Moment,
    pub author_id: UserId,
    pub kind: String,
    pub body: String,
    pub minutes: Option<i32>,
    pub via: String,
}

/// An entry as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JournalEntry {
    /// Its id; later entries have greater ones.
    pub id: RowId,
    /// When.
    pub at: Moment,
    /// By whom.
    pub author: Option<Person>,
    /// `comment`: for everybody who sees the record. `work_note`: for those who work on it. `time`: minutes of work.
    #[schema(examples("comment"))]
    pub kind: String,
    /// What is said.
    pub body: String,
    /// Minutes spent, for `time`.
    pub minutes: Option<i32>,
    /// Through what it came.
    #[schema(examples("api"))]
    pub via: String,
}

/// The entries of the journal of a record of a kind before entry `below`, the newest first, as the caller may read them.
pub fn of_record(
    reading: &mut Reading<'_>,
    kind: &Kind,
    record: RecordId,
    below: Option<RowId>,
    limit: i64,
) -> Result<Vec<JournalEntry>> {
    let (connection, caller) = (&mut *reading.connection, &reading.cause.caller);
    let mut entries = journal::table.filter(journal::record_id.eq(record)).into_boxed::<crate::db::Backend>();
    if let Some(below) = below {
        entries = entries.filter(journal::id.lt(below));
    }
    if !caller.can(&kind.permission(WORK_NOTE)) {
        entries = entries.filter(journal::kind.eq(COMMENT));
    }
    let entries: Vec<Entry> = entries.order(journal::id.desc()).limit(limit).load(connection)?;
    let mut entries = shown(connection, entries)?;
    let vias = entries.iter_mut().map(|entry| Mention::Via(&mut entry.via)).collect();
    mention::hide(reading.kernel, connection, caller, vias)?;
    Ok(entries)
}

/// Entries with the names of their authors.
pub fn shown(connection: &mut AnyConnection, entries: Vec<Entry>) -> Result<Vec<JournalEntry>> {
    let people = person::people(connection, entries.iter().map(|e| e.author_id))?;
    let entries = entries.into_iter().map(|Entry { id, at, author_id, kind, body, minutes, via, .. }| JournalEntry {
        author: people.get(&author_id).cloned(),
        id,
        at,
        kind,
        body,
        minutes,
        via,
    });
    Ok(entries.collect())
}
