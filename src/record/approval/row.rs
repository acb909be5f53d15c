//! Approvals as they are stored.

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{quorum::Quorum, voters::Approver};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText, sql::among},
    error::{Error, Result},
    id::{RecordId, RowId, UserId},
    schema::{approval, approval_stage, approval_voter},
};

/// States of approvals and of their stages.
pub mod state {
    /// An approval that is not decided.
    pub const PENDING: &str = "pending";
    /// A stage whose turn has not come.
    pub const WAITING: &str = "waiting";
    /// A stage in which people are asked.
    pub const OPEN: &str = "open";
    /// Enough have approved.
    pub const APPROVED: &str = "approved";
    /// Too many have not.
    pub const REJECTED: &str = "rejected";
    /// Its time was over before it was decided, and that ends it.
    pub const EXPIRED: &str = "expired";
    /// What was to be approved is no longer so, or it was taken back.
    pub const VOID: &str = "void";
    /// Who asked has taken it back.
    pub const WITHDRAWN: &str = "withdrawn";

    /// Those of approvals.
    pub const OF_APPROVALS: &[&str] = &[PENDING, APPROVED, REJECTED, EXPIRED, VOID, WITHDRAWN];
}

/// Why an approval or a stage ended as it did, where no vote says so.
pub mod reason {
    /// So many don't count that the quorum can't be reached.
    pub const UNREACHABLE: &str = "quorum_unreachable";
    /// Its time was over.
    pub const DUE: &str = "due";
    /// Policies decided it by themselves.
    pub const POLICY: &str = "policy";
    /// A field that it covers has changed.
    pub const CHANGED: &str = "changed";
    /// Somebody who decided has become one who must not.
    pub const DUTIES: &str = "separation_of_duties";
    /// Policies were asked again.
    pub const ASKED_AGAIN: &str = "asked_again";
    /// The record was closed or given up.
    pub const CLOSED: &str = "record_closed";
}

/// To approve.
pub const APPROVE: &str = "approve";
/// Not to.
pub const REJECT: &str = "reject";

/// An approval.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = approval, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ApprovalRow {
    pub id: RowId,
    pub record_id: RecordId,
    pub title: String,
    pub description: String,
    pub state: String,
    pub reason: String,
    /// Field → its value when it was asked.
    pub covers: JsonText,
    pub asked_by_id: UserId,
    pub replaces_id: Option<RowId>,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub ended_at: Option<Moment>,
    /// Whether policies asked for it or gave it: they are asked again when what it covers changes.
    pub by_policy: bool,
}

/// A stage of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = approval_stage, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct StageRow {
    pub id: RowId,
    pub approval_id: RowId,
    pub position: i32,
    pub name: String,
    pub approvers: JsonText,
    pub quorum: String,
    pub quorum_number: Option<i32>,
    pub due_after: Option<String>,
    pub on_due: String,
    pub state: String,
    pub reason: String,
    pub opened_at: Option<Moment>,
    pub due_at: Option<Moment>,
    pub ended_at: Option<Moment>,
    pub calendar: Option<String>,
}

/// Somebody who is asked in a stage.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = approval_voter, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct VoterRow {
    pub id: RowId,
    pub stage_id: RowId,
    pub approval_id: RowId,
    pub user_id: UserId,
    pub because: String,
    /// Why they don't count, if they don't.
    pub excluded: Option<String>,
    pub vote: Option<String>,
    pub comment: String,
    pub voted_at: Option<Moment>,
    pub voted_by_id: Option<UserId>,
    pub via: Option<String>,
}

impl ApprovalRow {
    /// The one of a record that policies asked for last.
    pub fn last_by_policy(connection: &mut AnyConnection, record: RecordId) -> Result<Option<Self>> {
        let of_record = approval::table.filter(approval::record_id.eq(record)).filter(approval::by_policy.eq(true));
        Ok(of_record.order(approval::id.desc()).first(connection).optional()?)
    }
    /// The fields that it covers, with their values when it was asked.
    pub fn covered(&self) -> Result<Map<String, Value>> {
        self.covers.read()
    }

    /// Whether it is not decided.
    pub fn is_pending(&self) -> bool {
        self.state == state::PENDING
    }
}

impl StageRow {
    /// How many have to approve.
    pub fn quorum(&self) -> Result<Quorum> {
        let stored = Quorum::of(&self.quorum, self.quorum_number);
        stored.ok_or_else(|| Error::internal(format!("the stage {} has no quorum", self.id)))
    }

    /// Who is to be asked.
    pub fn approvers(&self) -> Result<Vec<Approver>> {
        self.approvers.read()
    }

    /// Whether people are asked in it now.
    pub fn is_open(&self) -> bool {
        self.state == state::OPEN
    }
}

impl VoterRow {
    /// Whether their vote is waited for.
    pub fn is_awaited(&self) -> bool {
        self.excluded.is_none() && self.vote.is_none()
    }
}

/// The stages of these approvals, in their order, by approval.
pub fn stages(connection: &mut AnyConnection, of: &[RowId]) -> Result<BTreeMap<RowId, Vec<StageRow>>> {
    let wanted = among(connection.engine(), "approval_stage.approval_id", of.iter().map(RowId::as_str));
    let rows: Vec<StageRow> = approval_stage::table.filter(wanted).order(approval_stage::position).load(connection)?;
    Ok(by(rows, |stage| stage.approval_id))
}

/// Who is asked in these approvals, in the order in which they were named, by approval.
pub fn voters(connection: &mut AnyConnection, of: &[RowId]) -> Result<BTreeMap<RowId, Vec<VoterRow>>> {
    let wanted = among(connection.engine(), "approval_voter.approval_id", of.iter().map(RowId::as_str));
    let rows: Vec<VoterRow> = approval_voter::table.filter(wanted).order(approval_voter::id).load(connection)?;
    Ok(by(rows, |voter| voter.approval_id))
}

fn by<T>(rows: Vec<T>, of: impl Fn(&T) -> RowId) -> BTreeMap<RowId, Vec<T>> {
    let mut by: BTreeMap<RowId, Vec<T>> = BTreeMap::new();
    for row in rows {
        by.entry(of(&row)).or_default().push(row);
    }
    by
}
