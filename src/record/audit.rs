//! The audit trail: a chain of hashes over everything that was written.
//!
//! Each row's hash covers its content and the hash of the row before it, so that an edited, deleted or reordered row shows.
//! There are several chains on PostgreSQL, so that writers don't wait for each other; each is whole by itself, and its head
//! is kept in `audit_chain`, so that a row cut off the end shows too.
//!
//! **Invariant:** rows are appended in the transaction of the write that they tell of, and never changed. What one transaction appends stands
//! in one chain, in its order.

use diesel::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::cause::Cause;
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::Result,
    id::UserId,
    insert_rows,
    schema::{audit, audit_chain},
};

/// Something that was done, before it has its place in a chain.
#[derive(Clone, Debug, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: Moment,
    /// By whom.
    pub actor_id: Option<UserId>,
    /// What, in the past tense: `incident.resolved`.
    pub action: String,
    /// The kind of thing it was done to.
    pub subject_kind: String,
    /// Its id.
    pub subject_id: String,
    /// Its version afterwards.
    pub subject_version: i32,
    /// Through what: `api`, `import`, `timer:auto_close`, `consequence:INC0000001`.
    pub via: String,
    /// The request or job behind it.
    pub request_id: String,
    /// Why, in the words of whoever did it.
    pub reason: String,
    /// Field → [old, new].
    pub changes: JsonText,
}

impl AuditEntry {
    /// What was done to something that is no record: `subject` is its kind, id and version.
    pub fn of(cause: &Cause, action: &str, subject: (&str, &str, i32), changes: &serde_json::Value) -> Result<Self> {
        let (kind, id, version) = subject;
        Ok(AuditEntry {
            at: cause.at,
            actor_id: Some(cause.caller.user),
            action: format!("{kind}.{action}"),
            subject_kind: kind.to_owned(),
            subject_id: id.to_owned(),
            subject_version: version,
            via: cause.via.as_text(),
            request_id: cause.request_id.clone(),
            reason: cause.reason.clone(),
            changes: JsonText::of(changes)?,
        })
    }
}

/// A row of the audit trail.
#[derive(Clone, Debug, Queryable, Insertable, Serialize)]
#[diesel(table_name = audit, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the same as in AuditEntry, and its place in the chain")]
pub struct AuditRow {
    pub chain: i32,
    pub seq: i64,
    pub at: Moment,
    pub actor_id: Option<UserId>,
    pub action: String,
    pub subject_kind: String,
    pub subject_id: String,
    pub subject_version: i32,
    pub via: String,
    pub request_id: String,
    pub reason: String,
    pub changes: JsonText,
    pub previous_hash: String,
    pub hash: String,
}

/// A place where the trail is not whole.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// Which chain.
    pub chain: i32,
    /// The sequence number of the row.
    pub seq: i64,
    /// What is wrong with it.
    pub flaw: &'static str,
}

/// Appends entries to the chain of this transaction, or one that no other writer holds.
pub fn append(connection: &mut AnyConnection, entries: Vec<AuditEntry>) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let (chain, mut seq, mut previous) = connection.lock_audit_chain()?;
    let rows: Vec<AuditRow> = entries
        .into_iter()
        .map(|entry| {
            seq += 1;
            let row = AuditRow::linked(chain, seq, &previous, entry);
            previous.clone_from(&row.hash);
            row
        })
        .collect();
    insert_rows!(connection, audit::table, rows)?;
    diesel::update(audit_chain::table.find(chain))
        .set((audit_chain::last_seq.eq(seq), audit_chain::last_hash.eq(previous)))
        .execute(connection)?;
    Ok(())
}

/// Reads every chain from its beginning and gives the places where it is not whole. `progress` hears how many rows were read.
pub fn verify(connection: &mut AnyConnection, mut progress: impl FnMut(u64)) -> Result<Vec<Flaw>> {
    let heads: Vec<(i32, i64, String)> = audit_chain::table.order(audit_chain::id).load(connection)?;
    let mut flaws = Vec::new();
    for (chain, last_seq, last_hash) in heads {
        let (mut seq, mut hash) = (0, String::new());
        loop {
            let rows: Vec<AuditRow> = audit::table
                .filter(audit::chain.eq(chain).and(audit::seq.gt(seq)))
                .order(audit::seq)
                .limit(1_000)
                .load(connection)?;
            if rows.is_empty() {
                break;
            }
            progress(rows.len() as u64);
            for row in rows {
                flaws.extend(row.flaw_after(seq, &hash));
                (seq, hash) = (row.seq, row.hash);
            }
        }
        if (seq, &hash) != (last_seq, &last_hash) {
            flaws.push(Flaw { chain, seq: last_seq.max(seq), flaw: "the end of the chain is missing or was added to" });
        }
    }
    Ok(flaws)
}

impl AuditRow {
    fn linked(chain: i32, seq: i64, previous: &str, entry: AuditEntry) -> Self {
        let mut row = AuditRow {
            chain,
            seq,
            at: entry.at,
            actor_id: entry.actor_id,
            action: entry.action,
            subject_kind: entry.subject_kind,
            subject_id: entry.subject_id,
            subject_version: entry.subject_version,
            via: entry.via,
            request_id: entry.request_id,
            reason: entry.reason,
            changes: entry.changes,
            previous_hash: previous.to_owned(),
            hash: String::new(),
        };
        row.hash = row.digest();
        row
    }

    /// SHA-256 over every other column, each led by its length, so that no two rows write the same bytes.
    fn digest(&self) -> String {
        let parts = [
            self.chain.to_string(),
            self.seq.to_string(),
            self.at.to_string(),
            self.actor_id.map(|id| id.to_string()).unwrap_or_default(),
            self.subject_version.to_string(),
        ];
        let texts = [
            &self.action,
            &self.subject_kind,
            &self.subject_id,
            &self.via,
            &self.request_id,
            &self.reason,
            &self.previous_hash,
        ];
        let mut hash = Sha256::new();
        for part in parts.iter().chain(texts).map(String::as_str).chain([self.changes.as_str()]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }

    fn flaw_after(&self, seq: i64, hash: &str) -> Option<Flaw> {
        let flaw = if self.seq != seq + 1 {
            "rows before it are missing"
        } else if self.previous_hash != hash {
            "it does not follow the row before it"
        } else if self.hash != self.digest() {
            "it was edited"
        } else {
            return None;
        };
        Some(Flaw { chain: self.chain, seq: self.seq, flaw })
    }
}
