//! The rules of incidents.

use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::{Incident, IncidentPractice};
use crate::{
    clock::Moment,
    db::sql::among,
    error::{Error, FieldError, Result},
    id::{RecordId, UserId},
    record::{
        cause::DEEPEST,
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
    let was = draft.old().map(|(header, details)| (header.team_id, details.reassignment_count));
    if let Some((team, count)) = was {
        draft.details.reassignment_count = count + i32::from(team != draft.header.team_id);
    }
}

/// Whether the caller has just answered what the incident waits for.
pub(super) fn caller_answered(draft: &Draft<Incident>, author: UserId) -> bool {
    draft.header.state == "on_hold"
        && draft.details.hold_reason.as_deref() == Some("caller")
        && draft.header.requester_id == Some(author)
        && draft.has_comment()
}

/// An incident can't be its own ancestor or duplicate, and what flows down from the topmost reaches all.
pub(super) fn refuse_loops(draft: &Draft<Incident>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let old = draft.old().map(|(_, details)| (details.parent_id, details.duplicate_of_id));
    let links = [("/parent_id", draft.details.parent_id), ("/duplicate_of_id", draft.details.duplicate_of_id)];
    if old == Some((draft.details.parent_id, draft.details.duplicate_of_id)) {
        return Ok(());
    }
    let under = levels_under(draft, desk)?;
    for (pointer, start) in links {
        let (mut level, mut is_too_deep) = (Vec::from_iter(start), false);
        for above in 1..=DEEPEST + 1 {
            if level.is_empty() {
                break;
            }
            if level.contains(&draft.header.id) {
                return Err(Error::invalid(pointer, "loop", "An incident can't stand above itself."));
            }
            is_too_deep |= above + under > DEEPEST;
            level = over(&level, desk)?;
        }
        if is_too_deep {
            let detail = format!("An incident has at most {DEEPEST} others above it, and so have those under it.");
            return Err(Error::invalid(pointer, "too_deep", detail));
        }
    }
    Ok(())
}

/// The parents and originals of these.
fn over(level: &[RecordId], desk: &mut Desk<'_, '_>) -> Result<Vec<RecordId>> {
    let mut found = Vec::new();
    for id in level {
        let over = incident::table.find(id).select((incident::parent_id, incident::duplicate_of_id));
        let (parent, original): (Option<RecordId>, Option<RecordId>) = over.first(desk.unit.settled(*id)?)?;
        found.extend([parent, original].into_iter().flatten());
    }
    Ok(found)
}

/// How many levels of children and duplicates hang under an incident; no more than matter are counted.
fn levels_under(draft: &Draft<Incident>, desk: &mut Desk<'_, '_>) -> Result<u8> {
    if draft.before.is_none() {
        return Ok(0);
    }
    let (connection, mut level) = (desk.unit.connection()?, vec![draft.header.id]);
    for levels in 0..DEEPEST {
        let one_of = |column| among(connection.engine(), column, level.iter().map(|id| id.as_str()));
        let hangs = one_of("incident.parent_id").or(one_of("incident.duplicate_of_id"));
        level = incident::table.filter(hangs).select(incident::record_id).load(connection)?;
        if level.is_empty() {
            return Ok(levels);
        }
    }
    Ok(DEEPEST)
}

/// A resolved incident closes by itself after some days, unless it is reopened.
pub(super) fn plan_auto_close(written: &Draft<Incident>, desk: &mut Desk<'_, '_>) {
    let Some(step) = written.step else { return };
    let was_resolved = written.old().is_some_and(|(header, _)| header.state == "resolved");
    match step.to {
        "resolved" => {
            let days = chrono::TimeDelta::days(desk.kernel.auto_close_days);
            let closes = desk.cause.at.plus(days);
            timer::set(desk, written.header.id, AUTO_CLOSE, closes);
        }
        _ if was_resolved => timer::stop(desk, written.header.id, AUTO_CLOSE),
        _ => (),
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
