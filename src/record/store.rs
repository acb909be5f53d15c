//! The one write path. API, batch, import, timers and consequences all come through here, and nothing else writes a record.
//!
//! Each write: permission and visibility → input → the practice's rules → policies → rows of record, details, journal,
//! audit, events and decisions, all in one transaction.
//!
//! **Invariant:** nothing else writes `record.state`.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    cause::Cause,
    custom,
    draft::{Aside, Draft},
    finish,
    header::Header,
    input::{self, Accepted, Occasion, accept},
    journal::{self, Note},
    kernel::Kernel,
    kind::{Kind, Phase, Step},
    pending::Pending,
    policies,
    practice::{Details, Practice},
    reference, visibility,
};
use crate::{
    auth::caller::{Caller, Sees},
    db::{AnyConnection, JsonText, writer},
    error::{Code, Error, FieldError, Result},
    id::RecordId,
};

/// A transaction of the write path.
pub type Unit<'a> = writer::Unit<'a, Pending>;

/// All that a write works with.
pub struct Desk<'a, 'u> {
    /// The practices and policies.
    pub kernel: &'a Kernel,
    /// The transaction.
    pub unit: &'a mut Unit<'u>,
    /// Who and what is behind it, and when.
    pub cause: &'a Cause,
}

/// All that looking at a record works with.
pub struct Reading<'a> {
    /// The practices and policies.
    pub kernel: &'a Kernel,
    /// A connection.
    pub connection: &'a mut AnyConnection,
    /// Who looks, and when.
    pub cause: &'a Cause,
}

/// A record after a write.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its id.
    pub id: RecordId,
    /// Its number.
    pub number: String,
    /// Its version, for the `ETag`.
    pub version: i32,
    /// As JSON.
    pub record: Map<String, Value>,
    /// What was added to its journal.
    pub entries: Vec<journal::Entry>,
}

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
    /// What it still needs: a permission, a field, something else. Each with a code and a sentence.
    pub missing: Vec<FieldError>,
}

/// How deep consequences may go before they stop.
const DEEPEST: u8 = 5;

/// Makes a record.
pub fn create<P: Practice>(desk: &mut Desk<'_, '_>, input: Map<String, Value>) -> Result<Outcome> {
    let kind: &'static Kind = &const { P::KIND };
    desk.cause.caller.require(&kind.permission("create"))?;
    let accepted = accept(kind, Occasion::Create, input)?;
    let id = RecordId::new();
    let mut draft = Draft {
        kind,
        before: None,
        header: blank_header(kind, id, desk.cause),
        details: P::Details::blank(id),
        step: None,
        notes: Vec::new(),
        events: Vec::new(),
        decisions: Vec::new(),
        aside: None,
    };
    take_in(desk, &mut draft, accepted)?;
    P::settle(&mut draft, desk)?;
    policies::decide_all(desk, &mut draft)?;
    finish::write::<P>(desk, draft)
}

/// Changes fields of a record, or adds to its journal.
pub fn change<P: Practice>(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    input: Map<String, Value>,
) -> Result<Outcome> {
    let mut draft = open_draft::<P>(desk, id, expected)?;
    let noted_alone = !input.is_empty() && input.keys().all(|k| input::NOTES.iter().any(|(n, _)| n == k));
    if !noted_alone {
        desk.cause.caller.require(&draft.kind.permission("update"))?;
    }
    let accepted = accept(draft.kind, Occasion::Change, input)?;
    take_in(desk, &mut draft, accepted)?;
    if !draft.is_changed() {
        return finish::unchanged(desk, &draft);
    }
    if let Some(step) = P::implied(&draft, desk).and_then(|name| draft.kind.lifecycle.step(name)) {
        draft.step = Some(step);
        enter_state(&mut draft, step, desk.cause)?;
        P::enter(&mut draft, step, desk)?;
    }
    P::settle(&mut draft, desk)?;
    policies::decide_all(desk, &mut draft)?;
    finish::write::<P>(desk, draft)
}

/// Adds time spent to the journal.
pub fn book_time<P: Practice>(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    note: Note,
) -> Result<Outcome> {
    let mut draft = open_draft::<P>(desk, id, expected)?;
    desk.cause.caller.require(&draft.kind.permission("work_note"))?;
    draft.notes.push(note);
    finish::write::<P>(desk, draft)
}

/// Makes what stands beside a record a change of the record: its version rises, and audit and events tell of it. The rows
/// beside it are written by whoever calls, in the same transaction.
pub fn beside<P: Practice>(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    aside: Aside,
) -> Result<Outcome> {
    let mut draft = open_draft::<P>(desk, id, expected)?;
    desk.cause.caller.require(&draft.kind.permission(aside.needs))?;
    draft.aside = Some(aside);
    finish::write::<P>(desk, draft)
}

/// Takes a step of the lifecycle.
pub fn step<P: Practice>(
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
    draft.step = Some(step);
    take_in(desk, &mut draft, accepted)?;
    enter_state(&mut draft, step, desk.cause)?;
    P::enter(&mut draft, step, desk)?;
    P::settle(&mut draft, desk)?;
    let missing = missing::<P>(&draft, step)?;
    if !missing.is_empty() {
        let detail = format!("`{}` needs more: {}", step.name, sentences(&missing));
        return Err(Error::new(Code::IllegalTransition, detail).with_errors(missing));
    }
    policies::guard(desk, &mut draft)?;
    policies::decide_all(desk, &mut draft)?;
    finish::write::<P>(desk, draft)
}

/// The steps from the record's state, and what each still needs.
pub fn steps<P: Practice>(reading: &mut Reading<'_>, header: Header) -> Result<Vec<StepStatus>> {
    let kind: &'static Kind = &const { P::KIND };
    let details = load_details::<P::Details>(reading.connection, header.id)?;
    let from_here = kind.lifecycle.steps.iter().filter(|s| s.from.contains(&header.state.as_str()) && !s.automatic);
    from_here
        .map(|step| {
            let mut draft = Draft {
                kind,
                before: Some((header.clone(), details.clone())),
                header: header.clone(),
                details: details.clone(),
                step: Some(step),
                notes: Vec::new(),
                events: Vec::new(),
                decisions: Vec::new(),
                aside: None,
            };
            let mut missing = missing::<P>(&draft, step)?;
            let permission = kind.permission(step.name);
            if !reading.cause.caller.can(&permission) {
                let detail = format!("You need the permission `{permission}`.");
                missing.push(FieldError::new("", "permission", detail));
            }
            if missing.is_empty() {
                enter_state(&mut draft, step, reading.cause)?;
                missing.extend(policies::refusal(reading, &draft)?);
            }
            let Step { name, label, to, accepts, requires, .. } = step;
            Ok(StepStatus { name, label, to, accepts, requires, open: missing.is_empty(), missing })
        })
        .collect()
}

/// Runs something as a consequence of a write to `of`: with the server's rights, one level deeper.
pub fn consequence<T>(
    desk: &mut Desk<'_, '_>,
    of: &str,
    work: impl FnOnce(&mut Desk<'_, '_>) -> Result<T>,
) -> Result<Option<T>> {
    if desk.cause.depth >= DEEPEST {
        tracing::warn!(record = of, "consequences stop here: they are {DEEPEST} deep");
        return Ok(None);
    }
    let cause = desk.cause.consequence(of);
    work(&mut Desk { kernel: desk.kernel, unit: &mut *desk.unit, cause: &cause }).map(Some)
}

/// The record with that id, if the caller sees it.
pub fn visible(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &crate::auth::caller::Caller,
    kind: &Kind,
    id: RecordId,
) -> Result<Header> {
    let there = Header::find(connection, id)?.filter(|h| h.kind == kind.name);
    match there {
        Some(header) if visibility::sees(connection, caller, kernel.practice(kind.name)?.kind(), &header)? => {
            Ok(header)
        }
        _ => Err(absent(kind)),
    }
}

/// What is said of a record that is not there or hidden: the two must look the same.
pub fn absent(kind: &Kind) -> Error {
    Error::not_found(kind.name.replace('_', " "))
}

fn open_draft<P: Practice>(desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>) -> Result<Draft<P::Details>> {
    let kind: &'static Kind = &const { P::KIND };
    let connection = desk.unit.settled(id)?;
    desk.cause.caller.require(&kind.permission("read"))?;
    let header = visible(desk.kernel, connection, &desk.cause.caller, kind, id)?;
    if let Some(expected) = expected.filter(|v| *v != header.version) {
        let detail = format!("{} is at version {}, not {expected}.", header.number, header.version);
        return Err(Error::new(Code::Stale, detail));
    }
    let details = load_details::<P::Details>(connection, id)?;
    Ok(Draft {
        kind,
        before: Some((header.clone(), details.clone())),
        header,
        details,
        step: None,
        notes: Vec::new(),
        events: Vec::new(),
        decisions: Vec::new(),
        aside: None,
    })
}

fn load_details<D: Details>(connection: &mut AnyConnection, id: RecordId) -> Result<D> {
    D::load(connection, &[id])?.pop().ok_or_else(|| Error::internal(format!("record {id} has no details")))
}

fn blank_header(kind: &Kind, id: RecordId, cause: &Cause) -> Header {
    let caller = &cause.caller;
    let level = |name| if kind.without.contains(&name) { 0 } else { 3 };
    Header {
        id,
        kind: kind.name.to_owned(),
        number: String::new(),
        state: kind.lifecycle.initial.to_owned(),
        phase: kind.lifecycle.state(kind.lifecycle.initial).map_or(Phase::Open, |s| s.phase).as_str().to_owned(),
        title: String::new(),
        description: String::new(),
        organisation_id: caller.organisation,
        requester_id: (!kind.without.contains(&"requester_id")).then_some(caller.user),
        opened_by_id: caller.user,
        assignee_id: None,
        team_id: None,
        priority: 0,
        impact: level("impact"),
        urgency: level("urgency"),
        service_id: None,
        configuration_item_id: None,
        planned_start: None,
        planned_end: None,
        custom: JsonText::empty_object(),
        tags: JsonText::empty_list(),
        version: 0,
        opened_at: cause.at,
        updated_at: cause.at,
        resolved_at: None,
        closed_at: None,
    }
}

/// Puts accepted input into a draft and checks what it refers to.
fn take_in<D: Details>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>, accepted: Accepted) -> Result<()> {
    let caller = &desk.cause.caller;
    for note in &accepted.notes {
        caller.require(&draft.kind.permission(note.kind))?;
    }
    let Accepted { fields, custom, tags, notes } = accepted;
    for id in fields.values().filter_map(|v| v.as_str()?.parse().ok()) {
        desk.unit.settled(id)?;
    }
    let mut errors = reference::check(desk.kernel, desk.unit.reference(), caller, draft.kind, &fields)?;
    errors.extend(beyond_reach(caller, &fields));
    let (details, header): (Map<_, _>, Map<_, _>) =
        fields.into_iter().partition(|(name, _)| draft.kind.is_detail(name));
    let organisation_given = header.contains_key("organisation_id");
    let requester_given = header.contains_key("requester_id");
    draft.header = merged(&draft.header, header)?;
    draft.details = merged(&draft.details, details)?;
    let inherits = draft.before.is_none() && requester_given && !organisation_given && errors.is_empty();
    if let Some(requester) = draft.header.requester_id.filter(|_| inherits) {
        let theirs = reference::organisation_of(desk.unit.reference(), requester)?;
        draft.header.organisation_id = theirs.unwrap_or(draft.header.organisation_id);
    }
    if let Some(tags) = &tags {
        draft.set_tags(&BTreeSet::clone(tags))?;
    }
    draft.notes.extend(notes);
    errors.extend(custom::take_in(desk, draft, custom)?);
    errors.extend(check_assignment(desk, draft)?);
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

/// Who sees their own records alone can't make or move one for others, nor hand out the work.
fn beyond_reach(caller: &Caller, fields: &Map<String, Value>) -> Vec<FieldError> {
    if caller.sees != Sees::Own {
        return Vec::new();
    }
    let given = |name: &str| fields.get(name).and_then(Value::as_str);
    let own = [("requester_id", caller.user.as_str()), ("organisation_id", caller.organisation.as_str())];
    let others = own.into_iter().filter(|(name, mine)| given(name).is_some_and(|id| id != *mine)).map(|(name, _)| name);
    let work = ["team_id", "assignee_id"].into_iter().filter(|name| fields.contains_key(*name));
    let refuse = |name: &str| {
        let detail = format!("`{name}` is beyond what you may set.");
        FieldError::new(input::pointer(name), "beyond_reach", detail)
    };
    others.chain(work).map(refuse).collect()
}

/// An assignee is a member of the team; a change of team alone lets go of an assignee who is not.
fn check_assignment<D: Details>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>) -> Result<Vec<FieldError>> {
    let (Some(assignee), Some(team)) = (draft.header.assignee_id, draft.header.team_id) else { return Ok(Vec::new()) };
    let old = draft.old().map(|(header, _)| (header.assignee_id, header.team_id));
    if old == Some((Some(assignee), Some(team))) || reference::is_member(desk.unit.reference(), assignee, team)? {
        return Ok(Vec::new());
    }
    if old.is_some_and(|(before, _)| before == Some(assignee)) {
        draft.header.assignee_id = None;
        return Ok(Vec::new());
    }
    let detail = "`assignee_id`: the assignee is not a member of the team.";
    Ok(vec![FieldError::new("/assignee_id", "not_a_member", detail)])
}

fn merged<T: Serialize + serde::de::DeserializeOwned>(current: &T, patch: Map<String, Value>) -> Result<T> {
    let mut object = super::render::object(current)?;
    object.extend(patch);
    serde_json::from_value(Value::Object(object)).map_err(Error::internal)
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

/// Sets state, phase and the times that go with it.
fn enter_state<D>(draft: &mut Draft<D>, step: &Step, cause: &Cause) -> Result<()> {
    let state = draft.kind.lifecycle.state(step.to).ok_or_else(|| Error::internal("a step leads nowhere"))?;
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

fn missing<P: Practice>(draft: &Draft<P::Details>, step: &Step) -> Result<Vec<FieldError>> {
    let record = draft.after()?;
    let empty = |name: &&&str| match record.get(**name) {
        None | Some(Value::Null) => true,
        Some(Value::String(s)) => s.trim().is_empty(),
        Some(_) => false,
    };
    let mut missing: Vec<FieldError> = step
        .requires
        .iter()
        .filter(empty)
        .map(|name| FieldError::new(input::pointer(name), "required", format!("`{name}` is required.")))
        .collect();
    missing.extend(P::obstacles(draft, step));
    Ok(missing)
}

fn sentences(errors: &[FieldError]) -> String {
    errors.iter().map(|e| e.detail.as_str()).collect::<Vec<_>>().join(" ")
}
