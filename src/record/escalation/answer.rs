//! When an escalation is answered: what waits is not repeated any more.

use diesel::prelude::*;

use super::{
    is_for,
    row::{Change, EscalationRow},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    record::{
        cause::{Cause, Via, is_by_somebody},
        draft::Draft,
        header::Header,
        outbox::NOTED,
        practice::Details,
        store::Desk,
    },
    schema::audit,
};

/// How somebody answers who says something.
const COMMENTED: &str = "commented";

/// Ends what waits for an answer, where a write is one.
pub fn follow<D: Details>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>) -> Result<()> {
    if draft.header.escalated_at.is_none() || !is_for(draft.kind) {
        return Ok(());
    }
    let Some(answer) = answer_of(draft, desk.cause) else { return Ok(()) };
    // Who calls somebody, and says so, has not answered.
    let (record, by) = (draft.header.id, desk.cause.caller.user);
    if answer != COMMENTED || EscalationRow::awaits(desk.unit.settled(record)?, record, by)? {
        end(desk, draft, answer);
    }
    Ok(())
}

/// Ends what waits for an answer.
pub fn end<D: Details>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>, answer: &'static str) {
    draft.header.escalated_at = None;
    let (record, at, by) = (draft.header.id, desk.cause.at, desk.cause.caller.user);
    desk.unit.deferred.escalations.push(Change::Answered { record, at, by, answer });
}

/// How a write answers, if it does: the record needs nobody any more, or somebody who works on it has taken it in hand. What the
/// requester says is no answer, nor an update for all who wait.
fn answer_of<D: Details>(draft: &Draft<D>, cause: &Cause) -> Option<&'static str> {
    if !draft.header.is_active() {
        return Some("ended");
    }
    let is_step = draft.step.is_some();
    if matches!(cause.via, Via::Consequence(_)) && is_step {
        return Some("stepped");
    }
    if !cause.is_by_somebody() || !cause.caller.can(&draft.kind.permission("update")) {
        return None;
    }
    let by_requester = draft.header.requester_id == Some(cause.caller.user);
    let has_said = draft.has_comment() && !by_requester && draft.aside.is_none();
    let was_assigned_to = draft.old().and_then(|(header, _)| header.assignee_id);
    let is_assigned = draft.header.assignee_id.is_some() && draft.header.assignee_id != was_assigned_to;
    [(is_step, "stepped"), (has_said, COMMENTED), (is_assigned, "assigned")]
        .into_iter()
        .find_map(|(is_so, answer)| is_so.then_some(answer))
}

/// Whether somebody has worked on a record since, before anybody was called.
pub fn came_since(connection: &mut AnyConnection, header: &Header, since: Moment) -> Result<bool> {
    let later = audit::table.filter(audit::subject_id.eq(header.id.as_str())).filter(audit::at.gt(since));
    let rows: Vec<(String, String, Option<String>)> =
        later.select((audit::action, audit::via, audit::actor_id)).limit(1_000).load(connection)?;
    let requester = header.requester_id.map(|id| id.to_string());
    let is_answer = |(action, via, actor): &(String, String, Option<String>)| {
        is_by_somebody(via) && *actor != requester && action.rsplit('.').next() != Some(NOTED)
    };
    Ok(rows.iter().any(is_answer))
}
