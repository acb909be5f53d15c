//! Where the write path asks the policies, and what becomes of their answers.
//!
//! **Invariant:** a write asks each decision at most once, in the order of the kind's table, and what follows from it for
//! other records is at most [`DEEPEST`] deep: no policy makes another go round for ever.

use serde_json::{Map, Value, json};

use super::{
    approval::{
        duty,
        policy::{self as approval, Wish},
    },
    cause::{Cause, DEEPEST, Policies},
    decide::{Answer, DecisionRow, Effect, Question, SHADOW},
    draft::Draft,
    escalation,
    kind::{Kind, Trigger},
    outbox::NOTIFIED,
    practice::{Details, Practice},
    reference,
    render::changes,
    store::{Desk, Reading},
};
use crate::{
    clock::Length,
    db::JsonText,
    error::{Code, Error, FieldError, Result},
    id::RowId,
};

/// The decision that says who approves.
const APPROVE: &str = approval::DECISION;
/// The decision that is about a step, not about what a record holds.
const GUARD: &str = "guard";

/// The decisions that somebody may ask again.
pub fn askable(kind: &Kind) -> impl Iterator<Item = &'static str> {
    kind.decisions.iter().map(|t| t.decision).filter(|name| *name != GUARD)
}

/// Asks every decision that the change calls for, in the order of the kind's table, and carries out what they say.
pub fn decide_all<P: Practice>(desk: &mut Desk<'_, '_>, draft: &mut Draft<P::Details>) -> Result<()> {
    decide::<P>(desk, draft, draft.kind.decisions)
}

/// The same of those that stand before the approval in the table: what is agreed to is judged as it is now, not as it once was.
pub fn decide_before_approval<P: Practice>(desk: &mut Desk<'_, '_>, draft: &mut Draft<P::Details>) -> Result<()> {
    let all = draft.kind.decisions;
    let place = all.iter().position(|trigger| trigger.decision == APPROVE).unwrap_or_default();
    decide::<P>(desk, draft, all.get(..place).unwrap_or_default())
}

fn decide<P: Practice>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<P::Details>,
    triggers: &'static [Trigger],
) -> Result<()> {
    for trigger in triggers.iter().filter(|t| ![GUARD, escalation::DECISION].contains(&t.decision)) {
        if is_called_for(desk, draft, trigger)? {
            draft.decided.push(trigger.decision);
            let answer = ask(desk, draft, trigger.decision, None)?;
            carry_out::<P>(desk, draft, trigger.decision, answer)?;
        }
    }
    Ok(())
}

/// Asks the guard about the step that is being taken.
pub fn guard<D: Details>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>) -> Result<()> {
    let is_asked = draft.kind.decisions.iter().any(|t| t.decision == GUARD);
    let Answer { effects, log } = if is_asked { ask(desk, draft, GUARD, None)? } else { Answer::default() };
    draft.decisions.extend(log);
    let Some(refused) = refused(desk.cause, &effects) else { return Ok(()) };
    testify(desk, draft);
    Err(refused)
}

/// Keeps what policies said of a step that is refused: whoever asks why finds it, though nothing of it is carried out.
pub fn testify<D>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>) {
    let (id, version) = (draft.header.id, draft.header.version);
    let nothing = |row: DecisionRow| DecisionRow { applied: JsonText::empty_list(), ..row.of(id, version) };
    desk.unit.testimony.decisions.extend(draft.decisions.drain(..).map(nothing));
}

/// Why a step must not be taken, if it must not.
fn refused(cause: &Cause, effects: &[Effect]) -> Option<Error> {
    if cause.is_too_deep() {
        let detail = format!("Consequences end after {DEEPEST} records.");
        return Some(Error::new(Code::IllegalTransition, detail));
    }
    let observed = matches!(cause.policies, Policies::Observe { .. });
    let refusal = effects.iter().find_map(refusal_of).filter(|_| !observed)?;
    Some(Error::new(Code::RefusedByPolicy, refusal.detail.clone()).with_errors(vec![refusal]))
}

/// Asks one decision though nothing has changed, and carries out what the policies say; the decisions that this calls for follow.
pub fn decide_again<P: Practice>(desk: &mut Desk<'_, '_>, draft: &mut Draft<P::Details>, decision: &str) -> Result<()> {
    let Some(decision) = askable(draft.kind).find(|name| *name == decision) else {
        let near = crate::error::did_you_mean(decision, askable(draft.kind));
        let detail = format!("There is no decision `{decision}` to ask about a {}{near}.", draft.kind.name);
        return Err(Error::invalid("/decision", "not_a_choice", detail));
    };
    let state = draft.header.state.as_str();
    if !draft.kind.decisions.iter().any(|trigger| trigger.decision == decision && trigger.is_asked_in(state)) {
        let detail = format!("`{decision}` is not asked about a {} that is {state}.", draft.kind.name);
        return Err(Error::new(Code::Conflict, detail));
    }
    if decision == APPROVE {
        decide_before_approval::<P>(desk, draft)?;
    }
    let answer = ask(desk, draft, decision, None)?;
    draft.decided.push(decision);
    carry_out::<P>(desk, draft, decision, answer)?;
    decide_all::<P>(desk, draft)
}

/// Asks the policies whether they agree to a step by themselves, where nobody was asked for an approval; otherwise what is missing.
pub fn agree<P: Practice>(desk: &mut Desk<'_, '_>, draft: &mut Draft<P::Details>) -> Result<Option<FieldError>> {
    if !approval::asks_policies(draft.kind) {
        return Ok(Some(approval::missing(NOT_ASKED)));
    }
    let answer = ask(desk, draft, APPROVE, None)?;
    draft.decided.push(APPROVE);
    let missing = not_granted(&answer.effects);
    match missing {
        None => carry_out::<P>(desk, draft, APPROVE, answer)?,
        Some(_) => remember(draft, answer.log, Vec::new(), Vec::new())?,
    }
    Ok(missing)
}

/// Whether somebody else asks for a record or makes it from now on, of whom policies that agreed to it by themselves might have said otherwise,
/// or who has voted where they said who is asked.
pub fn is_by_others<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) -> Result<bool> {
    let is_other = draft.old().is_some_and(|(before, _)| duty::parts(before) != duty::parts(&draft.header));
    Ok(is_other && approval::rests_on_parts(desk.unit.settled(draft.header.id)?, &draft.header)?)
}

/// Whether they would, for whoever draws the buttons.
pub fn would_agree<D: Details>(reading: &mut Reading<'_>, draft: &Draft<D>) -> Result<Option<FieldError>> {
    Ok(not_granted(&rehearsed(reading, draft, APPROVE)?.effects))
}

/// What is said where nobody agrees, and nobody was asked.
const NOT_ASKED: &str = "It is not approved, and the policies don't agree to it by themselves.";

/// The same with what they say instead; nothing where they agree.
fn not_granted(effects: &[Effect]) -> Option<FieldError> {
    let said = effects.iter().find(|effect| matches!(effect, Effect::Approval(_)));
    match said {
        Some(Effect::Approval(Wish::Granted(_))) => None,
        Some(said) => {
            Some(approval::missing(&format!("{NOT_ASKED} They say: {}.", effect_text(said).trim_end_matches('.'))))
        }
        None => Some(approval::missing(NOT_ASKED)),
    }
}

/// Whether the guard would refuse the step, for whoever draws the buttons. Nothing is logged.
pub fn refusal<D: Details>(reading: &mut Reading<'_>, draft: &Draft<D>) -> Result<Option<FieldError>> {
    Ok(rehearsed(reading, draft, GUARD)?.effects.iter().find_map(refusal_of))
}

/// What the policies would say of a decision that a kind has. Nothing is logged.
fn rehearsed<D: Details>(reading: &mut Reading<'_>, draft: &Draft<D>, decision: &'static str) -> Result<Answer> {
    if !draft.kind.decisions.iter().any(|t| t.decision == decision) {
        return Ok(Answer::default());
    }
    let (record, before) = (draft.after()?, draft.was()?);
    let question = Question {
        decision,
        kind: draft.kind,
        record: &record,
        before: before.as_ref(),
        step: draft.step,
        moment: None,
        only: &[],
        note: None,
        rehearsal: true,
        cause: reading.cause,
    };
    reading.kernel.decide().decide(reading.connection, &question)
}

fn refusal_of(effect: &Effect) -> Option<FieldError> {
    let Effect::Refuse { field, text, policy } = effect else { return None };
    let pointer = if field.is_empty() { String::new() } else { super::input::pointer(field) };
    Some(FieldError::new(pointer, "refused_by_policy", format!("{text} ({policy})")))
}

fn is_called_for<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>, trigger: &Trigger) -> Result<bool> {
    if draft.decided.contains(&trigger.decision) {
        return Ok(false);
    }
    if !trigger.is_asked_in(&draft.header.state) {
        return Ok(false);
    }
    if trigger.decision == APPROVE && is_by_others(desk, draft)? {
        return Ok(true);
    }
    let (old_team, team) = (draft.old().and_then(|(header, _)| header.team_id), draft.header.team_id);
    let is_routing = trigger.decision == "routing";
    // Routing leaves alone what a person has given to a team, except where it is only watched.
    let routed_by_hand = is_routing && team.is_some() && team != old_team;
    let Some(before) = draft.was()? else {
        return Ok(!routed_by_hand || matches!(desk.cause.policies, Policies::Observe { .. }));
    };
    let after = draft.after()?;
    let changed = if trigger.decision == APPROVE {
        is_other_than_approved(desk, draft, (&before, &after))?
    } else {
        trigger.on_change_of.iter().any(|name| before.get(*name) != after.get(*name))
    };
    let was_in = draft.old().is_some_and(|(header, _)| trigger.is_asked_in(&header.state));
    let lost_its_team = is_routing && team.is_none() && old_team.is_some();
    Ok((changed || !was_in || lost_its_team) && !routed_by_hand)
}

/// Whether something is other that is approved. What was approved is approved with less of it as well.
pub fn is_other_than_approved<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &Draft<D>,
    (before, after): (&Map<String, Value>, &Map<String, Value>),
) -> Result<bool> {
    if approval::changed(draft.kind, before, after).next().is_none() {
        return Ok(false);
    }
    let beyond = approval::beyond(desk.unit.settled(draft.header.id)?, draft.kind, &draft.header, (before, after))?;
    Ok(beyond.is_none_or(|beyond| !beyond.is_empty()))
}

/// The public comment that comes along. Work notes stay out of what policies see, because the decision log shows that.
fn public_note<D>(draft: &Draft<D>) -> Option<&str> {
    draft.notes.iter().find(|n| n.kind == super::journal::COMMENT).map(|n| n.body.as_str())
}

/// Asks one decision; `moment` is why, for an escalation, and the policies that alone are asked.
pub fn ask<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &Draft<D>,
    decision: &'static str,
    moment: Option<(&Map<String, Value>, &[RowId])>,
) -> Result<Answer> {
    for id in [draft.header.service_id, draft.header.configuration_item_id].into_iter().flatten() {
        desk.unit.settled(id)?;
    }
    let (mut record, before) = (draft.after()?, draft.was()?);
    // Who is only watched must not see the answer: where a new record really went is what routing is compared with.
    if before.is_none() && decision == "routing" && matches!(desk.cause.policies, Policies::Observe { .. }) {
        for answer in ["team_id", "assignee_id"] {
            record.insert(answer.to_owned(), Value::Null);
        }
    }
    let note = public_note(draft);
    let question = Question {
        decision,
        kind: draft.kind,
        record: &record,
        before: before.as_ref(),
        step: draft.step,
        moment: moment.map(|(moment, _)| moment),
        only: moment.map_or(&[], |(_, only)| only),
        note,
        rehearsal: desk.unit.is_rehearsal(),
        cause: desk.cause,
    };
    desk.kernel.decide().decide(desk.unit.reference(), &question)
}

fn carry_out<P: Practice>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<P::Details>,
    decision: &'static str,
    answer: Answer,
) -> Result<()> {
    let Answer { effects, log } = answer;
    let (mut applied, mut discarded) = (Vec::new(), Vec::new());
    if let Policies::Observe { priority } = desk.cause.policies {
        discarded.extend(effects.iter().map(only_observed));
        if let (Some(priority), "priority") = (priority, decision) {
            draft.header.priority = priority;
        }
    } else {
        for effect in effects {
            match effect {
                Effect::Approval(wish) => draft.wish = Some(wish),
                Effect::Risk(_) | Effect::ReviewAfterwards => applied.extend(of_its_kind::<P>(draft, &effect)?),
                said @ (Effect::Priority(_)
                | Effect::Team(_)
                | Effect::Assignee(_)
                | Effect::Notify(_)
                | Effect::Page { .. }
                | Effect::Escalate { .. }
                | Effect::ProposeMajor
                | Effect::Again(_)
                | Effect::Unanswered(_)
                | Effect::Refuse { .. }) => apply(desk, draft, said, &mut applied, &mut discarded)?,
            }
        }
        if decision == APPROVE && draft.wish.is_none() {
            draft.wish = Some(Wish::Unanswered(Vec::new()));
        }
    }
    if let Some(unanswered @ Wish::Unanswered(_)) = draft.wish.clone().filter(|_| decision == APPROVE) {
        applied.extend(of_its_kind::<P>(draft, &Effect::Approval(unanswered))?);
    }
    remember(draft, log, applied, discarded)
}

/// Lets the practice carry out what concerns its kind alone; tells what has changed by it.
fn of_its_kind<P: Practice>(draft: &mut Draft<P::Details>, effect: &Effect) -> Result<Vec<Value>> {
    let before = draft.after()?;
    P::carry_out(draft, effect);
    let changed = changes(Some(&before), &draft.after()?).into_iter();
    Ok(changed.map(|(field, change)| json!({"field": field, "from": change[0], "to": change[1]})).collect())
}

/// Puts rows of the decision log to a draft; the last that counted is the one that answered.
pub fn remember<D>(
    draft: &mut Draft<D>,
    mut log: Vec<DecisionRow>,
    applied: Vec<Value>,
    discarded: Vec<Value>,
) -> Result<()> {
    if let Some(row) = log.iter_mut().rfind(|row| row.mode != SHADOW) {
        row.applied = JsonText::of(&applied)?;
        row.discarded = JsonText::of(&discarded)?;
    }
    draft.decisions.extend(log);
    Ok(())
}

/// Carries out one effect.
pub fn apply<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<D>,
    effect: Effect,
    applied: &mut Vec<Value>,
    discarded: &mut Vec<Value>,
) -> Result<()> {
    let header = &mut draft.header;
    let mut note = |field: &str, from: Value, to: Value| {
        if from != to {
            applied.push(json!({"field": field, "from": from, "to": to}));
        }
    };
    match effect {
        Effect::Priority(n) => {
            let from = if header.priority == 0 { Value::Null } else { header.priority.into() };
            note("priority", from, n.into());
            header.priority = n;
        }
        Effect::Team(team) => {
            if header.team_id != Some(team) {
                note("team_id", json!(header.team_id), json!(team));
                note("assignee_id", json!(header.assignee_id), Value::Null);
                (header.team_id, header.assignee_id) = (Some(team), None);
            }
        }
        Effect::Assignee(user) => {
            let stranger = match header.team_id {
                Some(team) => !reference::is_member(desk.unit.reference(), user, team)?,
                None => false,
            };
            if stranger {
                let reason = "the user is not a member of the team";
                discarded.push(json!({"effect": effect_text(&effect), "reason": reason}));
            } else {
                note("assignee_id", json!(header.assignee_id), json!(user));
                header.assignee_id = Some(user);
            }
        }
        Effect::Notify(who) => draft.events.push((NOTIFIED.to_owned(), json!({"who": who}))),
        Effect::Refuse { .. } => {
            discarded.push(json!({"effect": effect_text(&effect), "reason": "only a guard refuses"}));
        }
        Effect::Page { .. }
        | Effect::Escalate { .. }
        | Effect::ProposeMajor
        | Effect::Again(_)
        | Effect::Unanswered(_) => {
            discarded.push(json!({"effect": effect_text(&effect), "reason": "only an escalation calls somebody"}));
        }
        Effect::Risk(_) | Effect::Approval(_) | Effect::ReviewAfterwards => {
            discarded.push(json!({"effect": effect_text(&effect), "reason": "it is said of changes alone"}));
        }
    }
    Ok(())
}

/// What a policy wanted where it was only watched, with field and value as among what is applied.
pub fn only_observed(effect: &Effect) -> Value {
    let (field, to) = match effect {
        Effect::Priority(n) => ("priority", json!(n)),
        Effect::Team(team) => ("team_id", json!(team)),
        Effect::Assignee(user) => ("assignee_id", json!(user)),
        Effect::Escalate { level, .. } => ("escalation_level", json!(level)),
        Effect::Notify(_)
        | Effect::Refuse { .. }
        | Effect::Page { .. }
        | Effect::ProposeMajor
        | Effect::Again(_)
        | Effect::Approval(_)
        | Effect::ReviewAfterwards
        | Effect::Unanswered(_) => ("", Value::Null),
        Effect::Risk(risk) => ("risk", json!(risk)),
    };
    let mut told = json!({"effect": effect_text(effect), "reason": "observed: the record follows what happened"});
    if let (false, Value::Object(told)) = (field.is_empty(), &mut told) {
        told.extend([("field".to_owned(), field.into()), ("to".to_owned(), to)]);
    }
    told
}

/// What a policy wanted, in words.
pub fn effect_text(effect: &Effect) -> String {
    match effect {
        Effect::Priority(n) => format!("priority {n}"),
        Effect::Team(team) => format!("team {team}"),
        Effect::Assignee(user) => format!("assignee {user}"),
        Effect::Notify(who) => format!("notify {who}"),
        Effect::Page { who, .. } => format!("page {who}"),
        Effect::Escalate { level, who, .. } => format!("level {level}: {who}"),
        Effect::ProposeMajor => "propose major".to_owned(),
        Effect::Again(after) => format!("again in {}", Length(*after)),
        Effect::Unanswered(_) => "again, once it can be answered".to_owned(),
        Effect::Risk(risk) => format!("risk {risk}"),
        Effect::ReviewAfterwards => "review afterwards".to_owned(),
        Effect::Approval(Wish::Granted(by)) => format!("approved by {by}"),
        Effect::Approval(Wish::Refused(why)) => format!("not approved: {why}"),
        Effect::Approval(Wish::Asked(stages)) => {
            format!("ask {}", stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>().join(", "))
        }
        Effect::Approval(Wish::Unanswered(_)) => "ask who manages changes".to_owned(),
        Effect::Refuse { text, .. } => format!("refuse: {text}"),
    }
}

/// The names of the decisions that a kind has; for forms and documents.
pub fn decisions_of(kind: &Kind) -> impl Iterator<Item = &'static str> {
    kind.decisions.iter().map(|t| t.decision)
}
