//! The lifecycle's side of the one write path: taking a step, what it still needs, and what flows from one record to others.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    approval::policy::{self, Standing},
    cause::Cause,
    draft::Draft,
    finish,
    header::Header,
    input::{self, Occasion, accept},
    journal,
    kind::{Kind, Phase, Step, Write},
    need::Need,
    policies,
    practice::{Details, Practice},
    store::{Desk, Outcome, Reading, load_details, open_draft, take_in},
    task,
};
use crate::{
    db::AnyConnection,
    error::{Code, Error, FieldError, Result},
    id::RecordId,
};

/// Which step to take: by its name, or by the state it leads to.
#[derive(Clone, Debug)]
pub enum StepChoice {
    /// `resolve`
    Named(&'static Step),
    /// `resolved`
    To(String),
}

/// A step, and whether it is open to the caller now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StepStatus {
    /// Its name, also the last part of its path: `resolve`.
    pub name: &'static str,
    /// The text of the button.
    pub label: &'static str,
    /// The state it leads to.
    pub to: &'static str,
    /// Whether it can be taken now, with what the record already holds.
    pub open: bool,
    /// Fields that it takes and that can't be written otherwise.
    pub accepts: &'static [&'static str],
    /// Fields that must hold something afterwards.
    pub requires: &'static [&'static str],
    /// Fields that must hold something afterwards in some cases.
    pub requires_when: &'static [Need],
    /// What it still needs: a permission, a field, something else. Each with a code and a sentence.
    pub missing: Vec<FieldError>,
}

/// Takes a step of the lifecycle.
pub fn take<P: Practice>(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    choice: &StepChoice,
    input: Map<String, Value>,
) -> Result<Outcome> {
    let mut draft = open_draft::<P>(desk, id, expected)?;
    let step = chosen(draft.kind, &draft.header.state, choice)?;
    if !(step.automatic && desk.cause.depth > 0) {
        desk.cause.caller.require(&draft.kind.permission(step.name))?;
    }
    let is_of_step = |name: &str| step.accepts.contains(&name) || input::NOTES.iter().any(|(note, _)| *note == name);
    if !input.keys().all(|name| is_of_step(name)) {
        desk.cause.caller.require(&draft.kind.permission("update"))?;
    }
    let accepted = accept(draft.kind, Occasion::Step(step), input)?;
    take_in(desk, &mut draft, accepted)?;
    refuse_unapproved(desk, &draft, step)?;
    enter::<P>(desk, &mut draft, step)?;
    policies::decide_all::<P>(desk, &mut draft)?;
    finish::write::<P>(desk, draft)
}

/// What a step of a record looks at.
fn reading<'a>(desk: &'a mut Desk<'_, '_>, id: RecordId) -> Result<Reading<'a>> {
    Ok(Reading { kernel: desk.kernel, connection: desk.unit.settled(id)?, cause: desk.cause })
}

/// Refuses to change what is approved in the very step that rests on its approval. What the step needs and nobody has said yet may be said
/// in it: of that the policies are asked again where it leads.
fn refuse_unapproved<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>, step: &Step) -> Result<()> {
    let Some((header, _)) = draft.old().filter(|_| step.needs_approval) else { return Ok(()) };
    let (before, after) = (draft.was()?.unwrap_or_default(), draft.after()?);
    let is_said_first = |name: &&str| step.requires.contains(name) && input::is_empty(before.get(*name));
    let changed = policy::changed(draft.kind, &before, &after).filter(|name| !is_said_first(name));
    let errors: Vec<FieldError> = changed
        .map(|name| {
            let detail = format!("`{name}` is approved as it is: change it before, and it is asked about again.");
            FieldError::new(input::pointer(name), "approval", detail)
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    // Where nobody was asked, the policies are in this very step, and see it as it is by then.
    let standing = policy::in_the_way(desk.unit.settled(header.id)?, draft.kind, header)?;
    if matches!(standing, Standing::None) {
        return Ok(());
    }
    let detail = format!("`{}` rests on what was approved.", step.name);
    Err(Error::new(Code::IllegalTransition, detail).with_errors(errors))
}

/// Takes a draft through a step, if nothing is missing and no guard refuses.
pub(super) fn enter<P: Practice>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<P::Details>,
    step: &'static Step,
) -> Result<()> {
    draft.step = Some(step);
    enter_state(draft, step, desk.cause)?;
    P::enter(draft, step, desk)?;
    P::settle(draft, desk)?;
    let mut lacking = missing::<P>(draft, step, &mut reading(desk, draft.header.id)?)?;
    lacking.extend(tasks(desk.unit.settled(draft.header.id)?, draft, step)?);
    if lacking.is_empty() && step.needs_approval {
        policies::decide_before_approval::<P>(desk, draft)?;
        // They may have taken away what the step needs.
        lacking = missing::<P>(draft, step, &mut reading(desk, draft.header.id)?)?;
        if lacking.is_empty() {
            lacking.extend(agreed::<P>(desk, draft)?);
        }
    }
    if !lacking.is_empty() {
        policies::testify(desk, draft);
        let detail = format!("`{}` needs more: {}", step.name, sentences(&lacking));
        return Err(Error::new(Code::IllegalTransition, detail).with_errors(lacking));
    }
    policies::guard(desk, draft)
}

/// The steps from the record's state, and what each still needs.
pub fn ahead<P: Practice>(reading: &mut Reading<'_>, header: Header) -> Result<Vec<StepStatus>> {
    let kind: &'static Kind = &const { P::KIND };
    let details = load_details::<P::Details>(reading.connection, header.id)?;
    let from_here = kind.lifecycle.steps.iter().filter(|s| s.from.contains(&header.state.as_str()) && !s.automatic);
    from_here
        .map(|step| {
            let mut draft = Draft { step: Some(step), ..Draft::of(kind, header.clone(), details.clone()) };
            let mut missing = missing::<P>(&draft, step, reading)?;
            missing.extend(tasks(reading.connection, &draft, step)?);
            let permission = kind.permission(step.name);
            if !reading.cause.caller.can(&permission) {
                let detail = format!("You need the permission `{permission}`.");
                missing.push(FieldError::new("", "permission", detail));
            }
            if missing.is_empty() {
                enter_state(&mut draft, step, reading.cause)?;
                missing.extend(approval(reading, &draft, step)?);
                missing.extend(policies::refusal(reading, &draft)?);
            }
            let Step { name, label, to, accepts, requires, requires_when, .. } = step;
            Ok(StepStatus { name, label, to, accepts, requires, requires_when, open: missing.is_empty(), missing })
        })
        .collect()
}

/// Takes a step of `on` as a consequence of a write to the record numbered `of`: with the server's rights, one level deeper.
/// Where the step is refused, as every step is that is too deep, the write stands without it, and a work note tells why; so does what this
/// gives.
pub fn consequence(
    desk: &mut Desk<'_, '_>,
    of: &str,
    kind: &'static Kind,
    on: RecordId,
    step: &'static Step,
    input: Map<String, Value>,
) -> Result<Option<String>> {
    let (kernel, cause) = (desk.kernel, desk.cause.consequence(of));
    let practice = kernel.practice(kind.name)?;
    let choice = StepChoice::Named(step);
    let taken =
        desk.unit.attempt(|unit| practice.step(&mut Desk { kernel, unit, cause: &cause }, on, None, &choice, input))?;
    match taken {
        Ok(_) => Ok(None),
        Err(e) if e.source.is_some() => Err(e),
        Err(e) => {
            let note = format!("`{}` did not flow down to here: {}", step.name, e.detail);
            let note = Map::from_iter([(journal::WORK_NOTE.to_owned(), note.into())]);
            practice.change(&mut Desk { kernel, unit: &mut *desk.unit, cause: &cause }, on, None, note)?;
            Ok(Some(e.detail))
        }
    }
}

fn chosen(kind: &'static Kind, from: &str, choice: &StepChoice) -> Result<&'static Step> {
    let lifecycle = &kind.lifecycle;
    let found = match choice {
        StepChoice::Named(step) => step.from.contains(&from).then_some(*step),
        StepChoice::To(to) if lifecycle.state(to).is_none() => {
            let near = crate::error::did_you_mean(to, lifecycle.states.iter().map(|s| s.name));
            return Err(Error::invalid("/to", "not_a_choice", format!("There is no state `{to}`{near}.")));
        }
        StepChoice::To(to) => lifecycle.step_between(from, to),
    };
    found.ok_or_else(|| {
        let open: Vec<&str> = lifecycle.steps.iter().filter(|s| s.from.contains(&from)).map(|s| s.name).collect();
        let wanted = match choice {
            StepChoice::Named(step) => step.name,
            StepChoice::To(to) => to,
        };
        let detail = match open.is_empty() {
            true => format!("`{wanted}` is not open: `{from}` is final."),
            false => format!("`{wanted}` is not open from `{from}`; open are: {}.", open.join(", ")),
        };
        Error::new(Code::IllegalTransition, detail)
    })
}

/// What is missing of the approvals of a record. Where there is none, policies may agree now; where they agreed by themselves to what others
/// ask for or make now, or the step itself shows that there is more of what was approved, they are asked whether they do.
fn agreed<P: Practice>(desk: &mut Desk<'_, '_>, draft: &mut Draft<P::Details>) -> Result<Option<FieldError>> {
    let more = match policy::in_the_way(desk.unit.settled(draft.header.id)?, draft.kind, &draft.header)? {
        Standing::Missing(missing) => return Ok(Some(missing)),
        Standing::None => None,
        Standing::Given => {
            let more = more_than_approved(desk, draft)?;
            if more.is_none() && !policies::is_by_others(desk, draft)? {
                return Ok(None);
            }
            more
        }
    };
    let missing = policies::agree::<P>(desk, draft)?;
    Ok(missing.map(|missing| more.unwrap_or(missing)))
}

/// What the server finds to be more than was approved. What a caller may write of it is looked at before.
fn more_than_approved<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) -> Result<Option<FieldError>> {
    let connection = desk.unit.settled(draft.header.id)?;
    let beyond = policy::beyond(connection, draft.kind, &draft.header, &draft.after()?)?;
    let more = beyond
        .into_iter()
        .flatten()
        .find(|name| draft.kind.field(name).is_some_and(|field| field.write == Write::Server));
    Ok(more.map(|name| {
        let detail = format!("`{name}` is more than what was approved: ask the policies again that say it, and whoever approves is asked again.");
        FieldError::new(input::pointer(name), "approval", detail)
    }))
}

/// Whether approvals would be in the way of a step; nothing is logged.
fn approval<D: Details>(reading: &mut Reading<'_>, draft: &Draft<D>, step: &Step) -> Result<Option<FieldError>> {
    if !step.needs_approval {
        return Ok(None);
    }
    match policy::in_the_way(reading.connection, draft.kind, &draft.header)? {
        Standing::Given => Ok(None),
        Standing::Missing(missing) => Ok(Some(missing)),
        Standing::None => policies::would_agree(reading, draft),
    }
}

fn tasks<D>(connection: &mut AnyConnection, draft: &Draft<D>, step: &Step) -> Result<Option<FieldError>> {
    if step.needs_tasks { task::in_the_way(connection, draft.header.id) } else { Ok(None) }
}

/// Sets state, phase and the times that go with it.
fn enter_state<D>(draft: &mut Draft<D>, step: &Step, cause: &Cause) -> Result<()> {
    stand(draft, step.to, cause)
}

/// Puts a record into a state, with its phase and the times that go with it.
pub(super) fn stand<D>(draft: &mut Draft<D>, state: &str, cause: &Cause) -> Result<()> {
    let state = draft.kind.lifecycle.state(state).ok_or_else(|| Error::internal("a step leads nowhere"))?;
    let header = &mut draft.header;
    header.state = state.name.to_owned();
    header.phase = state.phase.as_str().to_owned();
    match state.phase {
        Phase::Open | Phase::Waiting => (header.resolved_at, header.closed_at) = (None, None),
        Phase::Done => header.resolved_at = Some(cause.at),
        Phase::Closed | Phase::Cancelled => header.closed_at = Some(cause.at),
    }
    Ok(())
}

fn missing<P: Practice>(draft: &Draft<P::Details>, step: &Step, reading: &mut Reading<'_>) -> Result<Vec<FieldError>> {
    let record = draft.after()?;
    let mut missing: Vec<FieldError> = step
        .requires
        .iter()
        .filter(|name| input::is_empty(record.get(**name)))
        .map(|name| FieldError::new(input::pointer(name), "required", format!("`{name}` is required.")))
        .collect();
    let in_this_case = step.requires_when.iter().filter(|need| need.is_unmet(&record));
    missing.extend(in_this_case.map(|need| FieldError::new(input::pointer(need.field), "required", need.help)));
    missing.extend(P::obstacles(draft, step, reading)?);
    Ok(missing)
}

fn sentences(errors: &[FieldError]) -> String {
    errors.iter().map(|e| e.detail.as_str()).collect::<Vec<_>>().join(" ")
}
