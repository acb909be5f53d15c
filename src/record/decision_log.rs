//! The decision log, as those who may read decisions see it.
//!
//! **Invariant:** a decision about a hidden record looks like one that does not exist.

use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    decide::DecisionRow,
    header::Header,
    mention::{self, Mention},
    store::Reading,
    visibility,
};
use crate::{
    clock::Moment,
    error::{Error, Result},
    id::{RecordId, RowId},
    schema::decision,
};

/// One evaluation of a policy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LoggedDecision {
    /// Its id; later decisions have greater ones.
    pub id: RowId,
    /// When.
    pub at: Moment,
    /// About which record.
    pub record_id: RecordId,
    /// The version of the record that it went into.
    pub record_version: i32,
    /// Which decision.
    #[schema(examples("priority"))]
    pub kind: String,
    /// The request, actor or timer behind it.
    pub cause: Value,
    /// Which policy; null when none answered.
    pub policy_id: Option<RowId>,
    /// Which version of it.
    pub policy_version: Option<i32>,
    /// SHA-256 of its source.
    pub policy_sha256: String,
    /// Whether it counts: `live`, `last_good`, `observe`, `shadow`.
    #[schema(examples("live"))]
    pub mode: String,
    /// What the policy saw.
    pub input: Value,
    /// SHA-256 of that.
    pub input_sha256: String,
    /// What it looked up, with the answers.
    pub host_calls: Value,
    /// What it answered.
    pub result: Value,
    /// What was carried out: field, from, to.
    pub applied: Value,
    /// What was not, and why.
    pub discarded: Value,
    /// Its rules: which fitted, and for those that did not, which condition was false.
    pub rules: Value,
    /// `ok`, `passed`, `fallback`, `limit`, `error` or `loop`.
    #[schema(examples("ok"))]
    pub outcome: String,
    /// The error of the script, with its place.
    pub error: Option<Value>,
    /// Operations that it took.
    pub operations: i64,
    /// Microseconds that it took.
    pub microseconds: i64,
}

/// The decisions about a record before decision `below`, the newest first.
pub fn of_record(
    reading: &mut Reading<'_>,
    of: RecordId,
    below: Option<RowId>,
    limit: i64,
) -> Result<Vec<LoggedDecision>> {
    let mut rows = decision::table.filter(decision::record_id.eq(of)).into_boxed::<crate::db::Backend>();
    if let Some(below) = below {
        rows = rows.filter(decision::id.lt(below));
    }
    let rows: Vec<DecisionRow> = rows.order(decision::id.desc()).limit(limit).load(reading.connection)?;
    shown(reading, rows)
}

/// The decision with that id, if it is about a record that the caller sees.
pub fn find(reading: &mut Reading<'_>, id: RowId) -> Result<LoggedDecision> {
    let hidden = || Error::not_found("decision");
    let caller = &reading.cause.caller;
    let row: Option<DecisionRow> = decision::table.find(id).first(reading.connection).optional()?;
    let row = row.ok_or_else(hidden)?;
    let header = Header::find(reading.connection, row.record_id)?.ok_or_else(hidden)?;
    let kind = reading.kernel.practice(&header.kind)?.kind();
    if !caller.can(&kind.permission("read")) || !visibility::sees(reading.connection, caller, kind, &header.place())? {
        return Err(hidden());
    }
    shown(reading, vec![row])?.pop().ok_or_else(hidden)
}

fn shown(reading: &mut Reading<'_>, rows: Vec<DecisionRow>) -> Result<Vec<LoggedDecision>> {
    let mut decisions = rows.into_iter().map(as_logged).collect::<Result<Vec<_>>>()?;
    let vias = decisions.iter_mut().filter_map(|decision| Mention::via_of(&mut decision.cause)).collect();
    mention::hide(reading.kernel, reading.connection, &reading.cause.caller, vias)?;
    Ok(decisions)
}

fn as_logged(row: DecisionRow) -> Result<LoggedDecision> {
    Ok(LoggedDecision {
        id: row.id,
        at: row.at,
        record_id: row.record_id,
        record_version: row.record_version,
        kind: row.kind,
        cause: row.cause.read()?,
        policy_id: row.policy_id,
        policy_version: row.policy_version,
        policy_sha256: row.policy_sha256,
        mode: row.mode,
        input: row.input.read()?,
        input_sha256: row.input_sha256,
        host_calls: row.host_calls.read()?,
        result: row.result.read()?,
        applied: row.applied.read()?,
        discarded: row.discarded.read()?,
        rules: row.rules.read()?,
        outcome: row.outcome,
        error: row.error.map(|e| e.read()).transpose()?,
        operations: row.operations,
        microseconds: row.microseconds,
    })
}
