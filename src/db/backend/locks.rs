//! Rows that are locked until the transaction ends. SQLite has one writer, which needs no locks.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Integer, Text},
};

use super::AnyConnection;
use crate::{
    clock::Moment,
    db::sql::{Rows, Sql},
    id::{RecordId, RowId},
};

/// A timer that is due: its id, its record, its name, and when it was to fire.
pub type DueTimer = (RowId, RecordId, String, Moment);

/// A chain of the audit trail: its id, last sequence number and last hash, and its id once more.
type Head = (i32, i64, String, String);

impl AnyConnection {
    /// Locks one audit chain until the transaction ends, and gives its id, last sequence number and last hash: the one that this
    /// transaction has locked before, so that what it writes stands in its order, or else one that no other writer holds.
    pub fn lock_audit_chain(&mut self) -> QueryResult<(i32, i64, String)> {
        use crate::schema::audit_chain::dsl;
        match self {
            AnyConnection::Sqlite(c) => {
                dsl::audit_chain.select((dsl::id, dsl::last_seq, dsl::last_hash)).order(dsl::id).first(c)
            }
            AnyConnection::Postgres(c) => {
                let (id, seq, hash, _) = match chain(" SKIP LOCKED").get_result::<Head>(c).optional()? {
                    Some(head) => head,
                    None => chain("").get_result(c)?,
                };
                Ok((id, seq, hash))
            }
        }
    }

    /// The earliest timer that is due and stands after a place among these, locked until the transaction ends; those that others
    /// have locked are passed over.
    pub fn lock_due_timer(&mut self, now: Moment, after: Option<(Moment, RowId)>) -> QueryResult<Option<DueTimer>> {
        use crate::schema::timer::dsl;
        let due = dsl::timer.filter(dsl::fired_at.is_null()).filter(dsl::due_at.le(now)).filter(dsl::held.eq(false));
        let due = due.order((dsl::due_at, dsl::id)).select((dsl::id, dsl::record_id, dsl::name, dsl::due_at));
        let beyond = |(at, id): (Moment, RowId)| {
            let same = BoolExpressionMethods::and(dsl::due_at.eq(at), dsl::id.gt(id));
            BoolExpressionMethods::or(dsl::due_at.gt(at), same)
        };
        match (self, after) {
            // There is one writer.
            (AnyConnection::Sqlite(c), None) => due.first(c),
            (AnyConnection::Sqlite(c), Some(place)) => due.filter(beyond(place)).first(c),
            (AnyConnection::Postgres(c), None) => due.for_update().skip_locked().first(c),
            (AnyConnection::Postgres(c), Some(place)) => due.filter(beyond(place)).for_update().skip_locked().first(c),
        }
        .optional()
    }

    /// The value of a setting, which no other transaction locks or changes before this one ends.
    pub fn lock_setting(&mut self, name: &str) -> QueryResult<String> {
        use crate::schema::setting::dsl;
        let value = dsl::setting.find(name).select(dsl::value);
        match self {
            // There is one writer.
            AnyConnection::Sqlite(c) => value.first(c),
            AnyConnection::Postgres(c) => value.for_update().first(c),
        }
    }

    /// Keeps a record as it is until the transaction ends; a change of it that is under way is waited for.
    pub fn keep_record(&mut self, id: RecordId) -> QueryResult<()> {
        use crate::schema::record::dsl;
        match self {
            // There is one writer.
            AnyConnection::Sqlite(_) => Ok(()),
            AnyConnection::Postgres(c) => {
                dsl::record.find(id).select(dsl::version).for_share().first::<i32>(c).map(|_| ())
            }
        }
    }

    /// Locks a policy until the transaction ends, so that two who write it at once get versions one after the other.
    pub fn lock_policy(&mut self, id: RowId) -> QueryResult<()> {
        use crate::schema::policy::dsl;
        match self {
            // There is one writer.
            AnyConnection::Sqlite(_) => Ok(()),
            AnyConnection::Postgres(c) => {
                dsl::policy.find(id).select(dsl::version).for_update().first::<i32>(c).map(|_| ())
            }
        }
    }
}

/// A chain of the audit trail that this transaction or nobody has. Which one a transaction has, it remembers in a setting of its own: where
/// a savepoint is taken back, the lock and the setting both are as they were before it.
fn chain(or_else: &str) -> Rows<(Integer, BigInt, Text, Text)> {
    let remembered = "SELECT id, last_seq, last_hash, set_config('pointsman.audit_chain', CAST(id AS text), TRUE) FROM";
    let own = "CAST(id AS text) IS DISTINCT FROM current_setting('pointsman.audit_chain', TRUE)";
    let head = format!("SELECT * FROM audit_chain ORDER BY {own}, id LIMIT 1 FOR UPDATE{or_else}");
    Rows(Sql::new(format!("{remembered} ({head}) AS head")))
}
