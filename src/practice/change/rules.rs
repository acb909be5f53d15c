//! The rules of changes.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::{APPROVED, Change, ChangePractice, EMERGENCY, NORMAL, RISKS, lifecycle, model, plan};
use crate::{
    clock::Moment,
    error::{Code, Error, FieldError, Result},
    id::{RecordId, TeamId},
    record::{
        approval::policy::{self, Wish},
        decide::Effect,
        draft::{Aside, Draft},
        header::Header,
        input::pointer,
        kind::{Step, Write},
        store::{self, Desk},
    },
    schema::{change, record},
};

/// How far back the failures of a team count.
const HISTORY: chrono::TimeDelta = chrono::TimeDelta::days(365);
/// The setting that is locked while a change is taken into the schedule.
const SCHEDULE: &str = "change_schedule";
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
    if draft.step.is_some() || draft.old().map(|(header, _)| team(header)) != Some(team(&draft.header)) {
        // What is planned for later has not failed yet, and what was planned for long ago is made now.
        let until = desk.cause.at;
        draft.details.team_failures = draft.header.team_id.map_or(Ok(0), |team| failures(desk, team, until))?;
    }
    if draft.step.is_some() || draft.old().map(|(header, _)| plans(header)) != Some(plans(&draft.header)) {
        look_around(draft, desk)?;
    }
    Ok(())
}

/// What decides what a change gets in the way of.
fn plans(header: &Header) -> impl PartialEq + use<> {
    let Header { planned_start, planned_end, assignee_id, configuration_item_id, service_id, .. } = header.clone();
    (planned_start, planned_end, assignee_id, configuration_item_id, service_id)
}

/// Holds a change that is still to be made against others and against windows, and sees how much depends on it. A step that rests on an
/// approval goes on only while it meets no more than when it was approved.
fn look_around(draft: &mut Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let is_begun = draft.old().is_some_and(|(_, old)| old.actual_start.is_some());
    if is_begun {
        return Ok(());
    }
    if draft.step.is_some_and(|step| step.needs_approval) || draft.header.state == lifecycle::SCHEDULED {
        lock_schedule(desk)?;
    }
    let begins = draft.step.is_some_and(|step| step.name == lifecycle::IMPLEMENT);
    let header = if begins { moved_to(&draft.header, desk.cause.at) } else { draft.header.clone() };
    let Around { conflicts, blackout, criticality } = Around::of(desk, &header)?;
    let details = &mut draft.details;
    let was_asked = |state: &str| [lifecycle::AUTHORISE, lifecycle::SCHEDULED].contains(&state);
    let is_approved = draft.step.is_some_and(|step| step.needs_approval)
        && draft.before.as_ref().is_some_and(|(header, _)| was_asked(&header.state));
    if is_approved {
        let is_worse = conflicts > details.conflict_count || (blackout.is_some() && blackout != details.blackout);
        return if is_worse { Err(met_since(blackout.as_deref())) } else { Ok(()) };
    }
    (details.conflict_count, details.blackout, details.criticality) = (conflicts, blackout, criticality);
    Ok(())
}

/// Waits for others who take changes into the schedule, or move them: of two that meet, whoever comes second sees the first.
fn lock_schedule(desk: &mut Desk<'_, '_>) -> Result<()> {
    desk.unit.connection()?.lock_setting(SCHEDULE)?;
    Ok(())
}

/// What stands around a change as it is planned.
struct Around {
    conflicts: i32,
    blackout: Option<String>,
    criticality: Option<String>,
}

impl Around {
    fn of(desk: &mut Desk<'_, '_>, header: &Header) -> Result<Self> {
        let (kernel, connection) = (desk.kernel, desk.unit.connection()?);
        let touched = plan::touched_by(connection, header)?;
        let found = plan::of(kernel, connection, header, &touched)?;
        Ok(Around {
            conflicts: i32::try_from(found.len()).unwrap_or(i32::MAX),
            blackout: found.into_iter().filter(|met| met.kind.is_blackout()).find_map(|met| met.window),
            criticality: plan::criticality(kernel, connection, touched)?,
        })
    }
}

fn met_since(blackout: Option<&str>) -> Error {
    let met = blackout.map_or("another change or a window".to_owned(), |name| format!("the blackout {name}"));
    let detail =
        format!("It meets {met}, which it did not when it was approved: plan it anew, and it is asked about again.");
    let error = FieldError::new("/conflict_count", "approval", detail.clone());
    Error::new(Code::IllegalTransition, detail).with_errors(vec![error])
}

/// A change as if it began at a moment, and took until its planned end, or as long as it is planned to.
fn moved_to(header: &Header, at: Moment) -> Header {
    let Some(span) = plan::span(header) else { return header.clone() };
    let is_in_time = span.from <= at && at < span.until;
    let until = if is_in_time { span.until } else { at.plus(span.until.since(span.from)) };
    Header { planned_start: Some(at), planned_end: Some(until), ..header.clone() }
}

/// What a change touches is other than it was: whoever has approved is asked again.
pub(super) fn relinked(desk: &mut Desk<'_, '_>, id: RecordId, relation: &str) -> Result<()> {
    let header = if relation == plan::AFFECTS { Header::find(desk.unit.settled(id)?, id)? } else { None };
    let Some(header) = header.filter(|header| lifecycle::BEFORE_WORK.contains(&header.state.as_str())) else {
        return Ok(());
    };
    let cause = desk.cause.trusted();
    let desk = &mut Desk { kernel: desk.kernel, unit: &mut *desk.unit, cause: &cause };
    if header.state == lifecycle::SCHEDULED {
        lock_schedule(desk)?;
    }
    let around = Around::of(desk, &header)?;
    let aside = Aside::new("read", "replanned", "conflicts", Value::Null, json!(around.conflicts))
        .with_field("conflict_count", around.conflicts)
        .with_field("blackout", json!(around.blackout))
        .with_field("criticality", json!(around.criticality));
    store::beside::<ChangePractice>(desk, id, None, aside)?;
    store::decide_again::<ChangePractice>(desk, id, None, "assess_risk")?;
    if [lifecycle::AUTHORISE, lifecycle::SCHEDULED].contains(&header.state.as_str()) {
        store::decide_again::<ChangePractice>(desk, id, None, policy::DECISION)?;
    }
    Ok(())
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
    let by_caller = |name: &&&str| draft.kind.field(name).is_some_and(|field| field.write != Write::Server);
    let changed = APPROVED.iter().filter(by_caller).filter(|name| before.get(**name) != after.get(**name));
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
