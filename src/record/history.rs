//! The history of a record: its rows of the audit trail, as those who see the record may read them.
//!
//! **Invariant:** work notes and bookings of time are told only to those who may read work notes.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    audit::AuditRow,
    class, custom, journal,
    kind::Kind,
    mention::{self, Mention},
    outbox,
    person::{self, Person},
    store::Reading,
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText, sql::among},
    error::{Error, Result},
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
    /// Through what: `api`, `batch`, `import`, `source:discovery`, `link`, `timer:auto_close`, `consequence:INC0000001`, or `consequence` alone when you
    /// may not see of what.
    #[schema(examples("api"))]
    pub via: String,
    /// The request or job behind it.
    pub request_id: String,
    /// Why, in the words of whoever did it; may be empty.
    pub reason: String,
    /// What changed, without what concerns records that you may not see.
    pub changes: Vec<FieldChange>,
}

/// What became of a field.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// Its name; `comment`, `work_note`, `time`, `link`, `watcher`, `attachment` or `approval` for what stands beside the record.
    pub field: String,
    /// What it held before.
    pub from: Value,
    /// What it holds now.
    pub to: Value,
}

/// What was done to a record of a kind before version `below`, the newest first, as the caller may read it.
pub fn of_record(
    reading: &mut Reading<'_>,
    kind: &Kind,
    record: RecordId,
    below: Option<i32>,
    limit: i64,
) -> Result<Vec<HistoryEntry>> {
    let rows = written(&reading.cause.caller, kind, record, below).limit(limit).load(reading.connection)?;
    shown(reading, rows)
}

fn written(caller: &Caller, kind: &Kind, record: RecordId, below: Option<i32>) -> audit::BoxedQuery<'static, Backend> {
    let rows = audit::table
        .filter(audit::subject_id.eq(record.to_string()))
        .filter(audit::subject_version.lt(below.unwrap_or(i32::MAX)))
        .order(audit::subject_version.desc())
        .into_boxed::<Backend>();
    if reads_notes(caller, kind) { rows } else { rows.filter(audit::action.ne(outbox::noted(kind))) }
}

/// A pattern of changes that name a field. It lets through a few others, in which that stands in a value.
fn naming(field: &str) -> String {
    format!("%\"{field}\":%")
}

/// A write to one of several records.
#[derive(Debug)]
pub struct Written {
    /// The record.
    pub of: RecordId,
    /// Its place in the trail: chain and number. What was written in one transaction stands in one chain, the cause before what follows.
    pub place: (i32, i64),
    /// What was done.
    pub entry: HistoryEntry,
}

/// How many writes to several records are read in one go; each may hold all that its record does.
const TOGETHER: i64 = 50;

/// Reads what was done to these records, up to a version of each, in the order of the trail, as the caller may read it, for as long as it is
/// taken.
pub fn of_records(
    reading: &mut Reading<'_>,
    records: &[(&Kind, RecordId)],
    up_to: i32,
    mut take: impl FnMut(Written) -> bool,
) -> Result<()> {
    let caller = &reading.cause.caller;
    let engine = reading.connection.engine();
    let hidden: BTreeSet<String> =
        records.iter().filter(|(kind, _)| !reads_notes(caller, kind)).map(|(kind, _)| outbox::noted(kind)).collect();
    let mut last: Option<(Moment, i32, i64)> = None;
    loop {
        let mut rows = audit::table
            .filter(among(engine, "audit.subject_id", records.iter().map(|(_, id)| id.as_str())))
            .filter(audit::subject_version.le(up_to))
            .filter(audit::action.ne_all(hidden.clone()))
            .into_boxed::<Backend>();
        if let Some((at, chain, seq)) = last {
            let in_chain = audit::chain.gt(chain).or(audit::chain.eq(chain).and(audit::seq.gt(seq)));
            rows = rows.filter(audit::at.gt(at).or(audit::at.eq(at).and(in_chain)));
        }
        let rows = rows.order((audit::at, audit::chain, audit::seq)).limit(TOGETHER);
        let rows: Vec<AuditRow> = rows.load(reading.connection)?;
        last = rows.last().map(|row| (row.at, row.chain, row.seq)).filter(|_| rows.len() as i64 == TOGETHER);
        let places =
            rows.iter().map(|row| Ok((row.subject_id.parse().map_err(Error::internal)?, (row.chain, row.seq))));
        let places = places.collect::<Result<Vec<(RecordId, _)>>>()?;
        for ((of, place), entry) in places.into_iter().zip(shown(reading, rows)?) {
            if !take(Written { of, place, entry }) {
                return Ok(());
            }
        }
        if last.is_none() {
            return Ok(());
        }
    }
}

fn reads_notes(caller: &Caller, kind: &Kind) -> bool {
    caller.can(&kind.permission(journal::WORK_NOTE))
}

/// Rows of the trail as the caller may read them, in their order.
fn shown(reading: &mut Reading<'_>, rows: Vec<AuditRow>) -> Result<Vec<HistoryEntry>> {
    let (kernel, connection, caller) = (reading.kernel, &mut *reading.connection, &reading.cause.caller);
    let actors: Vec<UserId> = rows.iter().filter_map(|row| row.actor_id).collect();
    let people = person::people(connection, actors)?;
    let (mut entries, mut references) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        references.push(kernel.references(&row.subject_kind)?);
        let with_notes = reads_notes(caller, kernel.practice(&row.subject_kind)?.kind());
        entries.push(HistoryEntry {
            version: row.subject_version,
            at: row.at,
            by: row.actor_id.and_then(|id| people.get(&id).cloned()),
            changes: changes(row.changes.read()?, with_notes),
            action: row.action,
            via: row.via,
            request_id: row.request_id,
            reason: row.reason,
        });
    }
    let mentions = entries.iter_mut().zip(references).flat_map(|(entry, fields)| mentions(fields, entry)).collect();
    mention::hide(kernel, connection, caller, mentions)?;
    for entry in &mut entries {
        entry.changes.retain(|change| change.from != change.to);
    }
    Ok(entries)
}

/// What became of one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldHistoryEntry {
    /// The record's version afterwards.
    pub version: i32,
    /// When.
    pub at: Moment,
    /// By whom; null when nobody stands behind it.
    pub by: Option<Person>,
    /// Through what: `api`, `source:discovery`, `batch` and so on.
    #[schema(examples("source:discovery"))]
    pub via: String,
    /// Why; may be empty.
    pub reason: String,
    /// What it held before.
    pub from: Value,
    /// What it holds from then on.
    pub to: Value,
}

/// How many rows of the trail are looked through in one go.
const AT_ONCE: i64 = 200;

/// What became of one field of a record, or of one value in it (`attributes.hostname`), before version `below`, the newest first.
pub fn of_field(
    reading: &mut Reading<'_>,
    kind: &Kind,
    record: RecordId,
    field: &str,
    (mut below, limit): (Option<i32>, usize),
) -> Result<Vec<FieldHistoryEntry>> {
    let (outer, inner) = field.split_once('.').map_or((field, None), |(outer, inner)| (outer, Some(inner)));
    let part = |value: &Value| match inner {
        None => value.clone(),
        Some(inner) => value.get(inner).cloned().unwrap_or_default(),
    };
    let mut found = Vec::new();
    while found.len() < limit {
        let rows = written(&reading.cause.caller, kind, record, below).filter(audit::changes.like(naming(outer)));
        let rows = rows.limit(AT_ONCE).load(reading.connection)?;
        let entries = shown(reading, rows)?;
        let Some(last) = entries.last().map(|entry| entry.version) else { break };
        below = Some(last);
        for entry in entries {
            let HistoryEntry { version, at, by, via, reason, changes, .. } = entry;
            let change = changes.iter().find(|change| change.field == outer);
            let Some((from, to)) = change.map(|change| (part(&change.from), part(&change.to))) else { continue };
            if from != to {
                found.push(FieldHistoryEntry { version, at, by, via, reason, from, to });
            }
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// What the fields of a record, or of something else that the trail tells of, held at a moment, of those that have changed
/// since. Nothing where it was made only later.
pub fn since(connection: &mut AnyConnection, subject: &str, at: Moment) -> Result<Option<Map<String, Value>>> {
    let later = audit::table.filter(audit::subject_id.eq(subject)).filter(audit::at.gt(at));
    let rows: Vec<(i32, JsonText)> = later
        .order((audit::subject_version, audit::at))
        .select((audit::subject_version, audit::changes))
        .load(connection)?;
    let mut held = Map::new();
    for (version, told) in rows {
        if version <= FIRST {
            return Ok(None);
        }
        for change in changes(told.read()?, true) {
            held.entry(change.field).or_insert(change.from);
        }
    }
    Ok(Some(held))
}

/// How a field of a record was last changed.
#[derive(Clone, Debug, PartialEq)]
pub struct LastChange {
    /// Through what.
    pub via: String,
    /// When.
    pub at: Moment,
}

/// How a field of a record was last changed; nothing where it is as it was made.
pub fn last_change(connection: &mut AnyConnection, record: RecordId, field: &str) -> Result<Option<LastChange>> {
    let later = audit::table.filter(audit::subject_id.eq(record.as_str())).filter(audit::subject_version.gt(FIRST));
    let rows: Vec<(String, Moment, JsonText)> = later
        .filter(audit::changes.like(naming(field)))
        .order(audit::subject_version.desc())
        .select((audit::via, audit::at, audit::changes))
        .load(connection)?;
    for (via, at, told) in rows {
        if changes(told.read()?, true).iter().any(|change| change.field == field && change.from != change.to) {
            return Ok(Some(LastChange { via, at }));
        }
    }
    Ok(None)
}

/// The version in which everything is made.
const FIRST: i32 = 1;

/// Where an entry speaks of other records.
fn mentions<'a>(fields: &[&str], entry: &'a mut HistoryEntry) -> Vec<Mention<'a>> {
    let sides = entry.changes.iter_mut().flat_map(|FieldChange { field, from, to }| {
        let is_reference = fields.contains(&field.as_str());
        // Administrators call what they define as they like.
        let is_defined = [class::PLACE, custom::PLACE].contains(&field.as_str());
        let names_one = move |side: &Value| !is_defined && side.get(mention::RECORD).is_some();
        [from, to].into_iter().filter(move |side| is_reference || names_one(side))
    });
    sides.map(Mention::Record).chain([Mention::Via(&mut entry.via)]).collect()
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
    fn whatever_names_another_record_is_a_mention() {
        let change = |field: &str, to: Value| FieldChange { field: field.into(), from: Value::Null, to };
        let id = "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f";
        let mut entry = HistoryEntry {
            version: 2,
            at: "2026-03-03T11:00:00Z".parse().unwrap(),
            by: None,
            action: "configuration_item.related".into(),
            via: "api".into(),
            request_id: String::new(),
            reason: String::new(),
            changes: vec![
                change("relation", json!({"relation": "runs_on", "record_id": id})),
                change("problem_id", json!(id)),
                change("redundancy_group", json!({"name": "nodes", "min_up": 2})),
                change("title", json!(id)),
            ],
        };
        let mentions = mentions(&["problem_id"], &mut entry).into_iter();
        let of_records: Vec<Value> = mentions
            .filter_map(|said| if let Mention::Record(value) = said { Some(value.clone()) } else { None })
            .collect();
        assert_eq!(of_records, [json!({"relation": "runs_on", "record_id": id}), Value::Null, json!(id)]);
    }

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
