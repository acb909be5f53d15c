//! The rules of changes.

use diesel::prelude::*;

use super::{Change, EMERGENCY, NORMAL, RISKS, lifecycle, model, plan};
use crate::{
    clock::Moment,
    error::{Error, FieldError, Result},
    id::TeamId,
    record::{decide::Effect, draft::Draft, header::Header, kind::Step, store::Desk},
    schema::{change, record},
};

/// How far back the failures of a team count.
const HISTORY: chrono::TimeDelta = chrono::TimeDelta::days(365);
/// What counts as a failure.
const FAILURES: &[&str] = &["failed", "backed_out"];

/// Refuses what does not go together, and works out what follows from what is given.
pub(super) fn settle(draft: &mut Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    model::fill(draft, desk)?;
    let errors = [in_order(draft), fixed(draft)].concat();
    if !errors.is_empty() {
        return Err(Error::invalid_all(errors));
    }
    let team = |header: &Header| (header.team_id, header.planned_start);
    if draft.old().map(|(header, _)| team(header)) != Some(team(&draft.header)) {
        let until = draft.header.planned_start.unwrap_or(desk.cause.at);
        draft.details.team_failures = draft.header.team_id.map_or(Ok(0), |team| failures(desk, team, until))?;
    }
    if draft.step.is_some() || draft.old().map(|(header, _)| plans(header)) != Some(plans(&draft.header)) {
        hold_against_others(draft, desk)?;
    }
    Ok(())
}

/// What decides what a change gets in the way of.
fn plans(header: &Header) -> impl PartialEq + use<> {
    let Header { planned_start, planned_end, assignee_id, configuration_item_id, service_id, .. } = header.clone();
    (planned_start, planned_end, assignee_id, configuration_item_id, service_id)
}

/// Counts the conflicts of a change that is still to be made.
fn hold_against_others(draft: &mut Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    if draft.details.actual_start.is_some() {
        return Ok(());
    }
    let found = plan::of(desk.kernel, desk.unit.connection()?, &draft.header)?;
    draft.details.conflict_count = i32::try_from(found.len()).unwrap_or(i32::MAX);
    draft.details.blackout = found.into_iter().filter(|met| met.kind.is_blackout()).find_map(|met| met.window);
    Ok(())
}

/// Times that end before they begin.
fn in_order(draft: &Draft<Change>) -> Vec<FieldError> {
    let (header, details) = (&draft.header, &draft.details);
    let spans =
        [("planned", header.planned_start, header.planned_end), ("outage", details.outage_start, details.outage_end)];
    let backwards = spans.into_iter().filter(|(_, start, end)| start.zip(*end).is_some_and(|(start, end)| end < start));
    let wrong = backwards.map(|(name, ..)| {
        let detail = format!("`{name}_end` is before `{name}_start`.");
        FieldError::new(format!("/{name}_end"), "out_of_range", detail)
    });
    wrong.collect()
}

/// What can't be other any more.
fn fixed(draft: &Draft<Change>) -> Vec<FieldError> {
    let Some((header, old)) = draft.old() else { return Vec::new() };
    let is_late = header.state != lifecycle::NEW || draft.details.change_type == EMERGENCY;
    let wrong = [
        (
            "change_type",
            old.change_type != draft.details.change_type && is_late,
            "The type is fixed once a change has left `new`; what begins as an emergency is made as one.",
        ),
        ("model", old.model != draft.details.model, "The model is given when the change is made."),
    ];
    let wrong = wrong.into_iter().filter(|(_, is_wrong, _)| *is_wrong);
    wrong.map(|(name, _, detail)| FieldError::new(format!("/{name}"), "fixed", detail)).collect()
}

/// How many of a hundred changes of a team failed that ended in the year before.
fn failures(desk: &mut Desk<'_, '_>, team: TeamId, until: Moment) -> Result<i32> {
    let ended = change::table
        .inner_join(record::table.on(record::id.eq(change::record_id)))
        .filter(record::team_id.eq(team))
        .filter(change::actual_end.lt(until))
        .filter(change::actual_end.ge(until.plus(-HISTORY)))
        .filter(change::result.is_not_null());
    let connection = desk.unit.connection()?;
    let all: i64 = ended.count().get_result(connection)?;
    let failed: i64 = ended.filter(change::result.eq_any(FAILURES)).count().get_result(connection)?;
    Ok(if all == 0 { 0 } else { i32::try_from(failed * 100 / all).unwrap_or(100) })
}

/// What a step needs beyond its required fields.
pub(super) fn obstacles(draft: &Draft<Change>, step: &Step) -> Vec<FieldError> {
    let (details, mut wrong) = (&draft.details, Vec::new());
    let from = draft.old().map_or(lifecycle::NEW, |(header, _)| header.state.as_str());
    let skips = from == lifecycle::NEW && step.to != lifecycle::ASSESS && step.to != "cancelled";
    if skips && details.change_type == NORMAL {
        wrong.push(FieldError::new("/change_type", "not_assessed", "A normal change is assessed before."));
    }
    if details.change_type == EMERGENCY && step.to == lifecycle::ASSESS {
        wrong.push(FieldError::new(
            "/change_type",
            "not_assessed",
            "An emergency is authorised without an assessment.",
        ));
    }
    let went_well = details.result.as_deref() == Some("successful");
    if step.name == "complete" && !went_well && details.result.is_some() && details.result_notes.is_none() {
        let detail = "`result_notes` say what went otherwise than planned.";
        wrong.push(FieldError::new("/result_notes", "required", detail));
    }
    if step.name == "close" {
        let learns = !went_well || details.change_type == EMERGENCY;
        if learns && details.review_notes.is_none() {
            let detail = "`review_notes` say what was learned of a change that did not go well, or was an emergency.";
            wrong.push(FieldError::new("/review_notes", "required", detail));
        }
        if details.cab_review.as_deref() == Some("due") {
            wrong.push(FieldError::new("", "cab_review", "A change advisory board has not looked at it yet."));
        }
    }
    wrong
}

/// What a step changes in the change itself.
pub(super) fn enter(draft: &mut Draft<Change>, step: &Step, at: Moment) {
    let details = &mut draft.details;
    match step.name {
        "implement" => details.actual_start = Some(at),
        "complete" => details.actual_end = Some(at),
        "close" => details.reviewed_at = details.review_notes.as_ref().map(|_| at),
        _ => (),
    }
}

/// Carries out what policies say of a change alone; tells whether it does.
pub(super) fn carry_out(draft: &mut Draft<Change>, effect: &Effect) -> bool {
    let details = &mut draft.details;
    if let Effect::Risk(risk) = effect {
        details.rule_risk = Some(risk.clone());
        reckon(details);
        return true;
    }
    let reviews = *effect == Effect::ReviewAfterwards;
    if reviews && details.cab_review.is_none() {
        details.cab_review = Some("due".to_owned());
    }
    reviews
}

/// The risk: the higher of what rules and answers say.
pub(super) fn reckon(details: &mut Change) {
    let said = [&details.rule_risk, &details.questionnaire_risk];
    let place = |risk: &Option<String>| RISKS.iter().position(|known| Some(*known) == risk.as_deref());
    let highest = said.into_iter().filter_map(place).max().unwrap_or_default();
    RISKS[highest].clone_into(&mut details.risk);
}
