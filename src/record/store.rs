//! The one write path. API, batch, import, timers and consequences all come through here, and nothing else writes a record.
//!
//! Each write: permission and visibility → input → the practice's rules → policies → rows of record, details, journal,
//! audit, events and decisions, all in one transaction.
//!
//! **Invariant:** nothing else writes `record.state`.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    audit::AuditEntry,
    cause::Cause,
    class, custom,
    draft::{Aside, Draft},
    escalation::{self, occasion},
    finish,
    header::{Header, Place},
    input::{self, Accepted, Occasion, accept},
    journal::{self, Note},
    kernel::Kernel,
    kind::{Kind, Phase},
    pending::Pending,
    policies,
    practice::{Details, Practice},
    reference,
    service_level::follow::{self, Passing},
    step, visibility,
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

impl Desk<'_, '_> {
    /// Tells the audit trail what was done to something that is no record: `subject` is its kind, id and version.
    pub fn tell(&mut self, action: &str, subject: (&str, &str, i32), changes: &serde_json::Value) -> Result<()> {
        self.unit.deferred.audit.push(AuditEntry::of(self.cause, action, subject, changes)?);
        Ok(())
    }
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

/// Makes a record.
pub fn create<P: Practice>(desk: &mut Desk<'_, '_>, input: Map<String, Value>) -> Result<Outcome> {
    let kind: &'static Kind = &const { P::KIND };
    desk.cause.caller.require(&kind.permission("create"))?;
    let accepted = accept(kind, Occasion::Create, input)?;
    let id = RecordId::new();
    let mut draft = Draft::new(kind, blank_header(kind, id, desk.cause), P::Details::blank(id));
    take_in(desk, &mut draft, accepted)?;
    let state = P::begins_in(&draft);
    step::stand(&mut draft, state, desk.cause)?;
    P::settle(&mut draft, desk)?;
    policies::decide_all::<P>(desk, &mut draft)?;
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
        return finish::unchanged(desk, draft);
    }
    match with_implied::<P>(desk, &draft)? {
        Some(stepped) => draft = stepped,
        None => P::settle(&mut draft, desk)?,
    }
    policies::decide_all::<P>(desk, &mut draft)?;
    finish::write::<P>(desk, draft)
}

/// The draft with the step that the change brings with it. Where that is not open, the change stands without it.
fn with_implied<P: Practice>(desk: &mut Desk<'_, '_>, draft: &Draft<P::Details>) -> Result<Option<Draft<P::Details>>> {
    let implied = P::implied(draft, desk).and_then(|name| draft.kind.lifecycle.step(name));
    let Some(step) = implied else { return Ok(None) };
    let mut stepped = draft.clone();
    match step::enter::<P>(desk, &mut stepped, step) {
        Ok(()) => Ok(Some(stepped)),
        Err(e) if matches!(e.code, Code::IllegalTransition | Code::RefusedByPolicy) => Ok(None),
        Err(e) => Err(e),
    }
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
    set(&mut draft, aside.fields.clone())?;
    draft.notes.extend(aside.notes.iter().cloned());
    draft.aside = Some(aside);
    finish::write::<P>(desk, draft)
}

/// Why clocks are looked at though nobody has written anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Time has passed.
    Due,
    /// Service levels or calendars are others than they were.
    OtherTerms,
}

/// Looks at the clocks of a record again though nothing has changed but the time, or what they go by; tells whether anything
/// has come of it.
pub fn look_at_clocks<P: Practice>(desk: &mut Desk<'_, '_>, id: RecordId, why: Why) -> Result<bool> {
    let mut draft = open_draft::<P>(desk, id, None)?;
    let record = draft.after()?;
    let mut clocks = follow::work_out(desk, &draft, &record, Passing::Time)?;
    if clocks.is_empty() {
        return Ok(false);
    }
    draft.aside = Some(follow::aside(&clocks, desk.cause));
    for occasion in clocks.iter().filter_map(occasion::Occasion::of_clock) {
        match why {
            Why::Due => escalation::ask::about_clock::<P>(desk, &mut draft, &occasion)?,
            // Nobody is called because of what others have agreed about the past.
            Why::OtherTerms => draft.clocks_asked.extend(occasion.told()),
        }
    }
    if !draft.is_same() {
        // What was told stays so; another team or priority may have another target from now on.
        let record = draft.after()?;
        let again = follow::work_out(desk, &draft, &record, Passing::Time)?;
        clocks = again.into_iter().map(|work| work.known_as(&clocks)).collect();
    }
    draft.is_escalation_asked = true;
    draft.clocks = Some(clocks);
    finish::write::<P>(desk, draft)?;
    Ok(true)
}

/// Asks the policies a decision again, though nothing has changed, and carries out what they say.
pub fn decide_again<P: Practice>(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    decision: &str,
) -> Result<Outcome> {
    let mut draft = open_draft::<P>(desk, id, expected)?;
    desk.cause.caller.require(&draft.kind.permission("update"))?;
    if decision == escalation::DECISION && escalation::is_for(draft.kind) {
        draft.header.must_be_active(escalation::TOO_LATE)?;
        escalation::ask::ask::<P>(desk, &mut draft, &occasion::Occasion::of(occasion::REQUESTED))?;
    } else {
        P::settle(&mut draft, desk)?;
        policies::decide_again::<P>(desk, &mut draft, decision)?;
    }
    if draft.is_same() && draft.events.is_empty() && draft.wish.is_none() {
        return finish::unchanged(desk, draft);
    }
    finish::write::<P>(desk, draft)
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
        Some(header) if visibility::sees(connection, caller, kernel.practice(kind.name)?.kind(), &header.place())? => {
            Ok(header)
        }
        _ => Err(absent(kind)),
    }
}

/// Where the record with that id stands, if the caller sees it: enough to take it from the shelf.
pub fn visible_place(
    connection: &mut AnyConnection,
    caller: &crate::auth::caller::Caller,
    kind: &Kind,
    id: RecordId,
) -> Result<Place> {
    let there = Place::find(connection, kind.name, id)?;
    match there {
        Some(place) if visibility::sees(connection, caller, kind, &place)? => Ok(place),
        _ => Err(absent(kind)),
    }
}

/// What is said of a record that is not there or hidden: the two must look the same.
pub fn absent(kind: &Kind) -> Error {
    Error::not_found(kind.name.replace('_', " "))
}

pub(super) fn open_draft<P: Practice>(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
) -> Result<Draft<P::Details>> {
    let kind: &'static Kind = &const { P::KIND };
    let connection = desk.unit.settled(id)?;
    desk.cause.caller.require(&kind.permission("read"))?;
    let header = visible(desk.kernel, connection, &desk.cause.caller, kind, id)?;
    if let Some(expected) = expected.filter(|v| *v != header.version) {
        let detail = format!("{} is at version {}, not {expected}.", header.number, header.version);
        return Err(Error::new(Code::Stale, detail));
    }
    let details = load_details::<P::Details>(connection, id)?;
    Ok(Draft::of(kind, header, details))
}

pub(super) fn load_details<D: Details>(connection: &mut AnyConnection, id: RecordId) -> Result<D> {
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
        escalation_level: 0,
        escalated_at: None,
    }
}

/// Puts accepted input into a draft and checks what it refers to.
pub(super) fn take_in<D: Details>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>, accepted: Accepted) -> Result<()> {
    let caller = &desk.cause.caller;
    for note in &accepted.notes {
        caller.require(&draft.kind.permission(note.kind))?;
    }
    let Accepted { fields, custom, attributes, tags, notes } = accepted;
    for id in fields.values().filter_map(|v| v.as_str()?.parse().ok()) {
        desk.unit.settled(id)?;
    }
    let mut errors = beyond_reach(caller, &fields);
    let was = draft.was()?.unwrap_or_default();
    errors.extend(reference::check(desk.kernel, desk.unit.reference(), caller, draft.kind, &was, &fields)?);
    let [organisation_given, requester_given] =
        ["organisation_id", "requester_id"].map(|name| fields.contains_key(name));
    set(draft, fields)?;
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
    errors.extend(class::take_in(desk, draft, attributes)?);
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

/// Puts fields into header and details.
pub(super) fn set<D: Details>(draft: &mut Draft<D>, fields: Map<String, Value>) -> Result<()> {
    let (details, header): (Map<_, _>, Map<_, _>) =
        fields.into_iter().partition(|(name, _)| draft.kind.is_detail(name));
    if !header.is_empty() {
        draft.header = merged(&draft.header, header)?;
    }
    if !details.is_empty() {
        draft.details = merged(&draft.details, details)?;
    }
    Ok(())
}

fn merged<T: Serialize + serde::de::DeserializeOwned>(current: &T, patch: Map<String, Value>) -> Result<T> {
    let mut object = super::render::object(current)?;
    object.extend(patch);
    serde_json::from_value(Value::Object(object)).map_err(Error::internal)
}
