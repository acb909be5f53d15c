//! Who sees which approval: who sees its record, who asked for it, and who is or was asked or stands in for them.
//!
//! **Invariant:** every read of approvals comes through [`found`]; what is hidden looks like what is not there.

use std::sync::Arc;

use diesel::prelude::*;

use super::{
    case::Case,
    delegate,
    row::{ApprovalRow, state},
};
use crate::{
    auth::caller::Caller,
    db::{
        Backend,
        sql::{self, Sql},
    },
    error::{Error, Result},
    id::{RecordId, RowId, UserId},
    record::{header::Header, store::Reading, visibility},
    schema::{approval, approval_stage, approval_voter, record},
};

/// The permission to read the approvals of records that one sees. Those that one has a part in need none.
pub const PERMISSION: &str = "approval.read";

/// Which ones are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The one of this id.
    pub id: Option<RowId>,
    /// Those of this record.
    pub record: Option<RecordId>,
    /// Those in this state.
    pub state: Option<String>,
    /// Those that wait for the caller's vote, also in the name of another.
    pub mine: bool,
    /// Those after this one: the list begins with the newest.
    pub after: Option<RowId>,
    /// So many at most.
    pub limit: i64,
}

/// The approvals in whose open stage the vote of one of these people is waited for. A function would have to name the type.
macro_rules! awaited {
    ($people:expr) => {
        approval_voter::table
            .inner_join(approval_stage::table.on(approval_stage::id.eq(approval_voter::stage_id)))
            .filter(approval_stage::state.eq(state::OPEN))
            .filter(approval_voter::user_id.eq_any($people))
            .filter(approval_voter::excluded.is_null())
            .filter(approval_voter::vote.is_null())
            .select(approval_voter::approval_id)
    };
}

/// The approvals that are wanted and that the caller sees, the newest first, each with its record.
pub fn found(reading: &mut Reading<'_>, wanted: &Wanted) -> Result<Vec<(Case, Header)>> {
    let (caller, at) = (&reading.cause.caller, reading.cause.at);
    let absent = delegate::absent(reading.connection, caller.user, at)?;
    let people: Vec<UserId> = absent.iter().copied().chain([caller.user]).collect();
    let mut query =
        approval::table.inner_join(record::table.on(record::id.eq(approval::record_id))).into_boxed::<Backend>();
    let asked = approval_voter::table
        .filter(approval_voter::user_id.eq_any(people).or(approval_voter::voted_by_id.eq(caller.user)))
        .select(approval_voter::approval_id);
    let takes_part = approval::asked_by_id.eq(caller.user).or(approval::id.eq_any(asked));
    query = match by_record(reading, caller) {
        Some(sees_record) => query.filter(takes_part.or(sees_record)),
        None => query.filter(takes_part),
    };
    if let Some(id) = wanted.id {
        query = query.filter(approval::id.eq(id));
    }
    if let Some(of) = wanted.record {
        query = query.filter(approval::record_id.eq(of));
    }
    if let Some(state) = &wanted.state {
        query = query.filter(approval::state.eq(state.clone()));
    }
    if let Some(after) = wanted.after {
        query = query.filter(approval::id.lt(after));
    }
    if wanted.mine {
        let me = caller.user;
        let own = approval::id.eq_any(awaited!(vec![me]));
        let has_decided = approval_voter::table
            .inner_join(approval_stage::table.on(approval_stage::id.eq(approval_voter::stage_id)))
            .filter(approval_stage::state.eq(state::OPEN))
            .filter(approval_voter::voted_by_id.eq(me))
            .select(approval_voter::approval_id);
        // Who has a part in the record decides in nobody's name.
        let has_no_part = approval::asked_by_id
            .ne(me)
            .and(record::opened_by_id.ne(me))
            .and(record::requester_id.is_null().or(record::requester_id.assume_not_null().ne(me)))
            .and(record::assignee_id.is_null().or(record::assignee_id.assume_not_null().ne(me)));
        let of_others = approval::id.eq_any(awaited!(absent)).and(has_no_part);
        query = query.filter(own.or(of_others)).filter(approval::id.ne_all(has_decided));
    }
    let rows: Vec<(ApprovalRow, Header)> =
        query.order(approval::id.desc()).limit(wanted.limit).load(reading.connection)?;
    let (approvals, records): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let cases = if approvals.is_empty() { Vec::new() } else { Case::of_rows(reading.connection, approvals)? };
    Ok(cases.into_iter().zip(records).collect())
}

/// The one of that id, if the caller sees it.
pub fn visible(reading: &mut Reading<'_>, id: RowId) -> Result<(Case, Header)> {
    let wanted = Wanted { id: Some(id), limit: 1, ..Wanted::default() };
    found(reading, &wanted)?.pop().ok_or_else(|| Error::not_found("approval"))
}

/// The condition that the caller sees the record and may read approvals of it; nothing where they may not.
fn by_record(reading: &Reading<'_>, caller: &Arc<Caller>) -> Option<Sql<diesel::sql_types::Bool>> {
    if !caller.can(PERMISSION) {
        return None;
    }
    let engine = reading.connection.engine();
    let kinds: Vec<_> = reading.kernel.practices().iter().map(|p| p.kind()).collect();
    let readable = kinds.iter().filter(|k| caller.can(&k.permission("read"))).map(|k| k.name);
    let readable = sql::among(engine, "record.kind", readable);
    let sees = visibility::condition(engine, caller, &kinds);
    Some(Sql::all([Some(readable), sees].into_iter().flatten()))
}
