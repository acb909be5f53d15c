//! The rules of problems.

use super::Problem;
use crate::{
    clock::Moment,
    error::{FieldError, Result},
    record::{
        draft::Draft,
        header::Header,
        kind::{Phase, Step},
        link,
        store::Reading,
        visibility,
    },
};

/// Of how many changes that are to remove a cause it is told that they are under way.
const FIXES: i64 = 20;

/// Closed because the cause is gone.
pub(super) const RESOLVED: &str = "resolved";
/// Closed because it is lived with.
pub(super) const RISK_ACCEPTED: &str = "risk_accepted";

/// What follows from the fields: a known error is one of which both cause and workaround are known, and a workaround that changes is not
/// the one that was published.
pub(super) fn derive(draft: &mut Draft<Problem>, at: Moment) {
    let published = draft.old().map(|(_, was)| was.workaround.clone());
    let details = &mut draft.details;
    if published.is_some_and(|published| published != details.workaround) {
        (details.workaround_published_at, details.workaround_audience) = (None, None);
    }
    let is_said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let is_known = is_said(&details.cause) && is_said(&details.workaround);
    details.known_error_at = if is_known { details.known_error_at.or(Some(at)) } else { None };
}

/// Whether its cause is gone.
pub(super) fn is_gone(header: &Header, details: &Problem) -> bool {
    header.phase == Phase::Done.as_str() || details.closure.as_deref() == Some(RESOLVED)
}

/// What is in the way of a step: the cause is not gone while a change that is to remove it, and that whoever asks sees, is under way.
pub(super) fn obstacles(draft: &Draft<Problem>, step: &Step, reading: &mut Reading<'_>) -> Result<Vec<FieldError>> {
    if step.name != "resolve" {
        return Ok(Vec::new());
    }
    let Reading { kernel, connection, cause } = reading;
    let change = kernel.practice("change")?.kind();
    let fixes = link::active_that_do(connection, change, ("fixes", draft.header.id), None, FIXES)?;
    let seen = visibility::among(kernel, connection, &cause.caller, fixes.iter().map(|fix| fix.id).collect())?;
    let detail = |fix: &Header| {
        format!("{} is to fix it, and is not done: finish it, cancel it, or take the link away.", fix.number)
    };
    let open = fixes.iter().filter(|fix| seen.contains_key(&fix.id));
    Ok(open.map(|fix| FieldError::new("", "fix_under_way", detail(fix))).collect())
}

/// What a step changes in the problem itself.
pub(super) fn enter(draft: &mut Draft<Problem>, step: &Step) {
    let details = &mut draft.details;
    match step.name {
        "return_to_fix" => details.resolution_notes = None,
        "close" => details.closure = Some(RESOLVED.to_owned()),
        "accept_risk" => details.closure = Some(RISK_ACCEPTED.to_owned()),
        _ => (),
    }
}
