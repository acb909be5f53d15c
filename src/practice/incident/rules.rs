//! The rules of incidents.

use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::{Incident, IncidentPractice};
use crate::{
    clock::Moment,
    error::{Error, FieldError, Result},
    id::{RecordId, UserId},
    record::{
        draft::Draft,
        header::Header,
        kind::Step,
        step::{self, StepChoice},
        store::Desk,
        timer,
    },
    schema::{incident, record},
};

/// The timer that closes a resolved incident.
pub(super) const AUTO_CLOSE: &str = "auto_close";

/// What a step needs beyond its required fields.
pub(super) fn obstacles(draft: &Draft<Incident>, step: &Step) -> Vec<FieldError> {
    let asks_caller = step.name == "hold" && draft.details.hold_reason.as_deref() == Some("caller");
    if asks_caller && !draft.has_comment() {
        let detail = "Holding for the caller needs a public `comment` that says what you need from them.";
        return vec![FieldError::new("/comment", "required", detail)];
    }
    Vec::new()
}

/// What a step changes in the incident itself.
pub(super) fn enter(draft: &mut Draft<Incident>, step: &Step, at: Moment) {
    let details = &mut draft.details;
    match step.name {
        "hold" => details.held_at = Some(at),
        "reopen" => {
            details.reopen_count += 1;
            (details.resolution_code, details.resolution_notes, details.resolution_kind) = (None, None, None);
        }
        _ => (),
    }
    if step.to != "on_hold" {
        (details.hold_reason, details.held_at) = (None, None);
    }
}

/// Every change of team counts, also the first one to a team and one to none.
pub(super) fn count_reassignment(draft: &mut Draft<Incident>) {
    let was = draft.old().map(|(header, _)| header.team_id);
    if was.is_some_and(|team| team != draft.header.team_id) {
        draft.details.reassignment_count += 1;
    }
}

/// Whether the caller has just answered what the incident waits for.
pub(super) fn caller_answered(draft: &Draft<Incident>, author: UserId) -> bool {
    draft.header.state == "on_hold"
        && draft.details.hold_reason.as_deref() == Some("caller")
        && draft.header.requester_id == Some(author)
        && draft.has_comment()
}

/// An incident can't be its own ancestor or duplicate.
pub(super) fn refuse_loops(draft: &Draft<Incident>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let old = draft.old().map(|(_, details)| (details.parent_id, details.duplicate_of_id));
    let links = [("/parent_id", draft.details.parent_id), ("/duplicate_of_id", draft.details.duplicate_of_id)];
    if old == Some((draft.details.parent_id, draft.details.duplicate_of_id)) {
        return Ok(());
    }
    for (pointer, start) in links {
        let mut next = start;
        for depth in 0.. {
            let Some(id) = next else { break };
            if id == draft.header.id {
                return Err(Error::invalid(pointer, "loop", "An incident can't stand above itself."));
            }
            if depth >= step::DEEPEST {
                let detail = format!("An incident has at most {} others above it.", step::DEEPEST);
                return Err(Error::invalid(pointer, "too_deep", detail));
            }
            let above = incident::table.find(id).select((incident::parent_id, incident::duplicate_of_id));
            let (parent, original): (Option<RecordId>, Option<RecordId>) = above.first(desk.unit.settled(id)?)?;
            next = if pointer == "/parent_id" { parent } else { original };
        }
    }
    Ok(())
}

/// A resolved incident closes by itself after some days, unless it is reopened.
pub(super) fn plan_auto_close(written: &Draft<Incident>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let Some(step) = written.step else { return Ok(()) };
    let was_resolved = written.old().is_some_and(|(header, _)| header.state == "resolved");
    match step.to {
        "resolved" => {
            let days = chrono::TimeDelta::days(desk.kernel.auto_close_days);
            timer::set(desk, written.header.id, AUTO_CLOSE, desk.cause.at.plus(days))
        }
        _ if was_resolved => timer::stop(desk, written.header.id, AUTO_CLOSE),
        _ => Ok(()),
    }
}

/// Closes a resolved incident when its time has come.
pub(super) fn auto_close(record: RecordId, desk: &mut Desk<'_, '_>) -> Result<()> {
    let state = Header::find(desk.unit.settled(record)?, record)?.map(|h| h.state);
    if state.as_deref() == Some("resolved") {
        let close = StepChoice::To("closed".to_owned());
        step::take::<IncidentPractice>(desk, record, None, &close, Map::new())?;
    }
    Ok(())
}

/// Start, hold (except for the caller) and resolution flow down to children; resolution also to duplicates. Closure does not.
pub(super) fn flow_down(written: &Draft<Incident>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let Some(step) = written.step else { return Ok(()) };
    let details = &written.details;
    let input = match step.name {
        "start" => json!({}),
        "hold" if details.hold_reason.as_deref() != Some("caller") => json!({"hold_reason": details.hold_reason}),
        "resolve" => json!({
            "resolution_code": details.resolution_code,
            "resolution_notes": details.resolution_notes,
            "resolution_kind": details.resolution_kind,
        }),
        _ => return Ok(()),
    };
    let Value::Object(input) = input else { return Ok(()) };
    for child in below(written.header.id, step, desk)? {
        // A child of two may have followed the other one already.
        let state = Header::find(desk.unit.settled(child)?, child)?.map(|h| h.state);
        if !state.is_some_and(|state| step.from.contains(&state.as_str())) {
            continue;
        }
        step::consequence(desk, &written.header.number, written.kind, child, step, input.clone())?;
    }
    Ok(())
}

/// The children (and, for a resolution, the duplicates) from whose state the step leads.
fn below(id: RecordId, step: &Step, desk: &mut Desk<'_, '_>) -> Result<Vec<RecordId>> {
    let of_parent = incident::parent_id.eq(id);
    let rows = record::table.inner_join(incident::table.on(incident::record_id.eq(record::id)));
    let rows = rows.filter(record::state.eq_any(step.from)).select(record::id).order(record::id);
    let connection = desk.unit.connection()?;
    let not_for_caller = incident::hold_reason.is_null().or(incident::hold_reason.assume_not_null().ne("caller"));
    Ok(match step.name {
        "hold" => rows.filter(of_parent).filter(not_for_caller).load(connection)?,
        "resolve" => rows.filter(of_parent.or(incident::duplicate_of_id.eq(id))).load(connection)?,
        _ => rows.filter(of_parent).load(connection)?,
    })
}
