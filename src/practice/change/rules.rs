//! The rules of changes.

use diesel::prelude::*;

use super::{Change, ChangePractice, EMERGENCY, NORMAL, RISKS, around, lifecycle, model, plan};
use crate::{
    clock::Moment,
    error::{Error, FieldError, Result},
    id::TeamId,
    record::{
        approval::policy::{self, Wish},
        decide::Effect,
        draft::Draft,
        header::Header,
        input::pointer,
        kind::{Step, Write},
        policies,
        store::Desk,
    },
    schema::{change, record},
};

/// How far back the failures of a team count.
const HISTORY: chrono::TimeDelta = chrono::TimeDelta::days(365);
/// What counts as a failure.
const FAILURES: &[&str] = &["failed", "backed_out"];

/// Refuses what does not go together, and works out what follows from what is given.
pub(super) fn settle(draft: &mut Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    model::fill(draft, desk)?;
    let errors =
        [in_order(draft), fixed(draft), model::departures(draft, desk)?, model::lacking_tasks(draft, desk)?].concat();
    if !errors.is_empty() {
        return Err(Error::invalid_all(errors));
    }
    let team = |header: &Header| (header.team_id, header.planned_start);
    // Nothing is changed and nothing said: a decision is asked again.
    let is_judged = draft.step.is_some() || (draft.is_same() && draft.notes.is_empty());
    if is_judged || draft.old().map(|(header, _)| team(header)) != Some(team(&draft.header)) {
        // What is planned for later has not failed yet, and what was planned for long ago is made now. Without a team it is as with the one before.
        let (until, known) = (desk.cause.at, draft.details.team_failures);
        let team = draft.header.team_id.or_else(|| draft.old().and_then(|(header, _)| header.team_id));
        draft.details.team_failures = team.map_or(Ok(known), |team| failures(desk, team, until))?;
    }
    if draft.step.is_some() || draft.old().map(|(header, _)| plans(header)) != Some(plans(&draft.header)) {
        around::look(draft, desk)?;
    }
    handed_over(draft, desk)
}

/// Refuses that a change that is being made becomes somebody's who was not agreed to: whoever has had a say in its approval, or with whom the
/// policies would not have agreed by themselves.
fn handed_over(draft: &mut Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let Some((before, _)) = draft.old().filter(|(header, _)| header.state == lifecycle::IMPLEMENT) else {
        return Ok(());
    };
    let is_asked_for = before.requester_id != draft.header.requester_id;
    if !policies::is_by_others(desk, draft)? {
        return Ok(());
    }
    let name = if is_asked_for { "requester_id" } else { "assignee_id" };
    let missing = if policy::is_given_by_policies(desk.unit.settled(draft.header.id)?, draft.header.id)? {
        policies::agree::<ChangePractice>(desk, draft)?
    } else {
        Some(policy::missing("Whoever has had a say in its approval has no part in it while it is made."))
    };
    let Some(missing) = missing else { return Ok(()) };
    policies::testify(desk, draft);
    Err(Error::invalid(pointer(name), "duties", missing.detail))
}

/// What decides what a change gets in the way of.
fn plans(header: &Header) -> impl PartialEq + use<> {
    let Header { planned_start, planned_end, assignee_id, configuration_item_id, service_id, .. } = header.clone();
    (planned_start, planned_end, assignee_id, configuration_item_id, service_id)
}

/// Times that end before they begin, or are longer than any change.
fn in_order(draft: &Draft<Change>) -> Vec<FieldError> {
    let (header, details) = (&draft.header, &draft.details);
    let mut wrong = Vec::new();
    let spans =
        [("planned", header.planned_start, header.planned_end), ("outage", details.outage_start, details.outage_end)];
    for (name, start, end) in spans {
        let length = start.zip(end).map(|(start, end)| end.since(start));
        let mut refuse = |code: &'static str, detail: String| {
            wrong.push(FieldError::new(format!("/{name}_end"), code, detail));
        };
        if length.is_some_and(|length| length < chrono::TimeDelta::zero()) {
            refuse("out_of_range", format!("`{name}_end` is before `{name}_start`."));
        } else if length.is_some_and(|length| length > plan::LONGEST) {
            refuse(
                "out_of_range",
                format!("`{name}_end` is at most {} days after it begins.", plan::LONGEST.num_days()),
            );
        }
    }
    wrong
}

/// What can't be other any more.
fn fixed(draft: &Draft<Change>) -> Vec<FieldError> {
    let Some((header, old)) = draft.old() else { return Vec::new() };
    let is_late = header.state != lifecycle::NEW || draft.details.change_type == EMERGENCY;
    let is_other_type = old.change_type != draft.details.change_type;
    let wrong = [
        (
            "change_type",
            is_other_type && is_late,
            "The type is fixed once a change has left `new`; what begins as an emergency is made as one.",
        ),
        ("change_type", is_other_type && !is_late && old.model.is_some(), "The model is of this type alone."),
        ("model", old.model != draft.details.model, "The model is given when the change is made."),
        (
            "team_id",
            header.state == lifecycle::IMPLEMENT && header.team_id != draft.header.team_id,
            "The risk was judged with this team, and work has begun.",
        ),
    ];
    let wrong = wrong.into_iter().filter(|(_, is_wrong, _)| *is_wrong);
    let mut errors: Vec<FieldError> =
        wrong.map(|(name, _, detail)| FieldError::new(format!("/{name}"), "fixed", detail)).collect();
    if !lifecycle::BEFORE_WORK.contains(&header.state.as_str()) {
        errors.extend(approved_otherwise(draft));
    }
    errors
}

/// What is other than it was approved.
fn approved_otherwise(draft: &Draft<Change>) -> Vec<FieldError> {
    let (Ok(Some(before)), Ok(after)) = (draft.was(), draft.after()) else { return Vec::new() };
    let by_caller = |name: &&str| draft.kind.field(name).is_some_and(|field| field.write != Write::Server);
    let changed = policy::changed(draft.kind, &before, &after).filter(by_caller);
    let detail = "It was approved so, and work has begun.";
    changed.map(|name| FieldError::new(pointer(name), "fixed", detail)).collect()
}

/// How many of a hundred changes of a team failed that ended in the year before.
fn failures(desk: &mut Desk<'_, '_>, team: TeamId, until: Moment) -> Result<i32> {
    let ended = change::table
        .inner_join(record::table.on(record::id.eq(change::record_id)))
        .filter(record::team_id.eq(team))
        .filter(change::actual_end.lt(until))
        .filter(change::actual_end.ge(until.minus(HISTORY)))
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
    let times = [("/planned_start", draft.header.planned_start), ("/planned_end", draft.header.planned_end)];
    if step.name == lifecycle::IMPLEMENT {
        let empty = times.iter().filter(|(_, time)| time.is_none());
        let detail = "What it meets is known of a time alone.";
        wrong.extend(empty.map(|(place, _)| FieldError::new(*place, "required", detail)));
    }
    if step.name == "cancel" {
        wrong.extend(given_up(details));
    }
    if step.name == "close" && details.cab_review.as_deref() == Some("due") {
        wrong.push(FieldError::new("", "cab_review", "A change advisory board has not looked at it yet."));
    }
    wrong
}

/// What is in the way of cancelling: what was begun did not go well, and a board looks at what was done in an emergency.
fn given_up(details: &Change) -> Vec<FieldError> {
    if details.actual_start.is_none() {
        let detail = "It was not begun, so nothing came of it.";
        return Vec::from_iter(details.result.as_ref().map(|_| FieldError::new("/result", "not_begun", detail)));
    }
    let mut wrong = Vec::new();
    if details.result.as_deref().is_some_and(|result| !FAILURES.contains(&result)) {
        let detail = "It was begun: say whether it was `backed_out`, or `failed`.";
        wrong.push(FieldError::new("/result", "required", detail));
    }
    if details.cab_review.is_some() {
        let detail = "A board looks at what was done: complete it, as `backed_out` or `failed`.";
        wrong.push(FieldError::new("", "cab_review", detail));
    }
    wrong
}

/// What a step changes in the change itself.
pub(super) fn enter(draft: &mut Draft<Change>, step: &Step, at: Moment) {
    let details = &mut draft.details;
    match step.name {
        "implement" => details.actual_start = Some(at),
        "complete" => details.actual_end = Some(at),
        "cancel" => details.actual_end = details.actual_start.map(|_| at),
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
    // Who could not say who approves of an emergency could not say either that a board looks at it afterwards.
    let is_unanswered = matches!(effect, Effect::Approval(Wish::Unanswered(_)));
    let reviews = *effect == Effect::ReviewAfterwards || (is_unanswered && details.change_type == EMERGENCY);
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
