//! What is done with a major incident. Each is a change of the incident, in whose history it stands.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    ACCEPTED, BESIDE, PERMISSION, PROPOSED, REJECTED, REVIEW, UPDATE,
    input::{Acceptance, MajorIncidentChange, NewEntryKind, NewReviewAction, NewTimelineEntry, ReviewActionChange},
    row::{ActionRow, Audience, EntryKind, EntryRow, MajorRow, Part, Review, Role},
};
use crate::{
    auth::horizon::Horizon,
    clock::{Length, Moment},
    db::JsonText,
    error::{Code, Error, FieldError, Result},
    id::{RecordId, RowId, UserId},
    practice::incident::{Incident, IncidentPractice},
    record::{
        draft::Aside,
        header::Header,
        journal::{COMMENT, Note},
        practice::{Details, Practice},
        store::{self, Desk, Outcome},
        timer, watcher,
    },
    schema::major_incident_action,
};

/// Why an incident can't become a major one that is not active any more.
const TOO_LATE: &str = "it is too late to lead it";
/// The most parts of one major incident.
const PARTS: usize = 20;
/// The most actions of one review.
const ACTIONS: usize = 100;
/// The longest text of an entry, a title and a text of the review, in characters.
const TEXT: usize = 8_000;
const TITLE: usize = 200;
/// How often those who wait may be told at most, and at least.
const SOONEST: TimeDelta = TimeDelta::minutes(5);
const LATEST: TimeDelta = TimeDelta::days(7);

/// An incident as somebody sees it who wants to do something with it.
struct Case {
    header: Header,
    major: Option<String>,
}

impl Case {
    fn find(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<Case> {
        let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
        let connection = desk.unit.settled(id)?;
        let header = store::visible(kernel, connection, &caller, &IncidentPractice::KIND, id)?;
        let major = Incident::load(connection, &[id])?.pop().and_then(|details| details.major);
        Ok(Case { header, major })
    }

    /// The same, of one that stands there.
    fn at(desk: &mut Desk<'_, '_>, id: RecordId, wanted: &[Option<&str>]) -> Result<Case> {
        let case = Case::find(desk, id)?;
        if wanted.contains(&case.major.as_deref()) {
            return Ok(case);
        }
        let stands = case.major.as_deref().unwrap_or("not proposed");
        let detail = format!("{} is {stands} as a major incident.", case.header.number);
        Err(Error::new(Code::Conflict, detail))
    }
}

fn may_lead(desk: &Desk<'_, '_>) -> Result<()> {
    desk.cause.caller.require(PERMISSION)
}

fn write(desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>, aside: Aside) -> Result<Outcome> {
    store::beside::<IncidentPractice>(desk, id, expected, aside)
}

fn aside(needs: &'static str, action: &'static str, told: Value) -> Aside {
    Aside::new(needs, action, BESIDE, Value::Null, told)
}

/// Proposes an incident as a major one.
pub fn propose(desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>) -> Result<Outcome> {
    let case = Case::at(desk, id, &[None, Some(REJECTED)])?;
    case.header.must_be_active(TOO_LATE)?;
    write(desk, id, expected, aside("update", "major_proposed", json!(PROPOSED)).with_field("major", PROPOSED))
}

/// Accepts it: somebody leads it from now on.
pub fn accept(desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>, how: &Acceptance) -> Result<Outcome> {
    may_lead(desk)?;
    let case = Case::at(desk, id, &[None, Some(PROPOSED), Some(REJECTED)])?;
    case.header.must_be_active(TOO_LATE)?;
    check_every(how.update_every)?;
    check_user(desk, how.commander_id, "/commander_id")?;
    let outcome =
        write(desk, id, expected, aside("update", "major_accepted", json!(ACCEPTED)).with_field("major", ACCEPTED))?;
    let part = Part { role: Role::Commander, user_id: how.commander_id };
    let update_every = how.update_every.and_then(|Length(every)| every.num_microseconds());
    let row = MajorRow {
        record_id: id,
        accepted_at: desk.cause.at,
        accepted_by_id: desk.cause.caller.user,
        roles: JsonText::of(&[part])?,
        update_every,
        next_update_at: None,
        review: JsonText::of(&Review::default())?,
    };
    row.put(desk.unit.connection()?)?;
    note(desk, id, EntryKind::Decision, "Accepted as a major incident")?;
    watcher::let_follow(desk, id, false, how.commander_id)?;
    plan_update(desk, id, row.update_every)?;
    Ok(outcome)
}

/// Rejects what was proposed, or leads it no more as a major one.
pub fn reject(desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>) -> Result<Outcome> {
    may_lead(desk)?;
    Case::at(desk, id, &[Some(PROPOSED), Some(ACCEPTED)])?;
    let told = aside("update", "major_rejected", json!(REJECTED)).with_field("major", REJECTED);
    let outcome = write(desk, id, expected, told)?;
    plan_update(desk, id, None)?;
    timer::stop(desk, id, REVIEW);
    Ok(outcome)
}

/// Changes who plays which part, how often those who wait are told, or what was learned.
pub fn lead(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    change: &MajorIncidentChange,
) -> Result<Outcome> {
    may_lead(desk)?;
    let (case, mut row) = led(desk, id)?;
    let mut told = Vec::new();
    if let Some(parts) = &change.roles {
        check_parts(desk, parts)?;
        row.roles = JsonText::of(parts)?;
        told.push("roles");
    }
    if let Some(every) = change.update_every {
        check_every(every)?;
        row.update_every = every.and_then(|Length(every)| every.num_microseconds());
        told.push("update_every");
    }
    if let Some(review) = &change.review {
        let review = review.of(row.review.read()?);
        check_review(&review, desk.cause.at)?;
        row.review = JsonText::of(&review)?;
        told.push("review");
    }
    let outcome = write(desk, id, expected, aside("update", "major_changed", json!(told)))?;
    row.update(desk.unit.connection()?)?;
    for part in change.roles.iter().flatten() {
        watcher::let_follow(desk, id, false, part.user_id)?;
    }
    if change.update_every.is_some() && case.header.is_active() {
        plan_update(desk, id, row.update_every)?;
    }
    if change.review.as_ref().is_some_and(|review| matches!(review.held_at, Some(Some(_)))) {
        timer::stop(desk, id, REVIEW);
    }
    Ok(outcome)
}

/// Writes into the timeline; a public update is a comment of the incident as well.
pub fn tell(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    new: &NewTimelineEntry,
) -> Result<(Outcome, RowId)> {
    let (case, row) = led(desk, id)?;
    let body = text(&new.body, "/body", TEXT)?;
    let at = new.at.unwrap_or(desk.cause.at);
    if at > desk.cause.at {
        return Err(Error::invalid("/at", "out_of_range", "`at` has not come yet."));
    }
    let kind = match new.kind {
        NewEntryKind::Update => EntryKind::Update,
        NewEntryKind::Event => EntryKind::Event,
        NewEntryKind::Decision => EntryKind::Decision,
    };
    let is_update = kind == EntryKind::Update;
    let action = if is_update { "major_update_given" } else { "major_timeline_kept" };
    // The words stand in the timeline, which has its own readers.
    let mut aside = aside("update", action, json!({"kind": kind, "audience": new.audience}));
    if is_update && new.audience == Audience::Public {
        desk.cause.caller.require(&IncidentPractice::KIND.permission(COMMENT))?;
        aside.notes.push(Note { kind: COMMENT, body: body.clone(), minutes: None });
    }
    let outcome = write(desk, id, expected, aside)?;
    let entry = EntryRow { at, ..EntryRow::new(id, desk.cause, kind, new.audience, &body) };
    entry.insert(desk.unit.connection()?)?;
    // Those who wait are told by what is public, and now.
    if is_update && new.audience == Audience::Public && new.at.is_none() && case.header.is_active() {
        plan_update(desk, id, row.update_every)?;
    }
    Ok((outcome, entry.id))
}

/// Agrees what is to be done afterwards.
pub fn add_action(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    new: &NewReviewAction,
) -> Result<(Outcome, RowId)> {
    led(desk, id)?;
    if ActionRow::of_record(desk.unit.connection()?, id)?.len() >= ACTIONS {
        return Err(Error::new(Code::Conflict, format!("A major incident has at most {ACTIONS} actions.")));
    }
    let title = text(&new.title, "/title", TITLE)?;
    if let Some(owner) = new.owner_id {
        check_user(desk, owner, "/owner_id")?;
    }
    let outcome = write(desk, id, expected, aside("update", "major_action_agreed", Value::Null))?;
    let (owner_id, due_at, created_at) = (new.owner_id, new.due_at, desk.cause.at);
    let action = ActionRow { id: RowId::new(), record_id: id, title, owner_id, due_at, done_at: None, created_at };
    action.insert(desk.unit.connection()?)?;
    Ok((outcome, action.id))
}

/// Changes what was agreed, or says that it is done.
pub fn change_action(
    desk: &mut Desk<'_, '_>,
    (id, action): (RecordId, RowId),
    expected: Option<i32>,
    change: &ReviewActionChange,
) -> Result<Outcome> {
    led(desk, id)?;
    let mine = major_incident_action::table.find(action).filter(major_incident_action::record_id.eq(id));
    let found: Option<ActionRow> = mine.first(desk.unit.connection()?).optional()?;
    let mut row = found.ok_or_else(|| Error::not_found("action"))?;
    if let Some(title) = &change.title {
        row.title = text(title, "/title", TITLE)?;
    }
    if let Some(owner) = change.owner_id {
        owner.map_or(Ok(()), |owner| check_user(desk, owner, "/owner_id"))?;
        row.owner_id = owner;
    }
    row.due_at = change.due_at.unwrap_or(row.due_at);
    row.done_at = match change.done {
        None => row.done_at,
        Some(false) => None,
        Some(true) => row.done_at.or(Some(desk.cause.at)),
    };
    let done = if change.done == Some(true) { "major_action_done" } else { "major_action_changed" };
    let outcome = write(desk, id, expected, aside("update", done, json!(row.id)))?;
    row.update(desk.unit.connection()?)?;
    Ok(outcome)
}

/// Reminds whoever tells those who wait, when an update was due and was not given.
pub(super) fn remind_of_update(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<()> {
    let case = Case::find(desk, id)?;
    let Some(row) = MajorRow::find(desk.unit.connection()?, id)?.filter(|_| case.header.is_active()) else {
        return Ok(());
    };
    let told = json!({"due_at": row.next_update_at, "who_id": row.teller()?});
    write(desk, id, None, aside("read", "major_update_due", told))?;
    note(desk, id, EntryKind::MissedUpdate, "An update was due")?;
    plan_update(desk, id, row.update_every)
}

/// Reminds the commander that the review has not been held.
pub(super) fn remind_of_review(desk: &mut Desk<'_, '_>, id: RecordId, again: TimeDelta) -> Result<()> {
    let case = Case::find(desk, id)?;
    let Some(row) = MajorRow::find(desk.unit.connection()?, id)? else { return Ok(()) };
    let review: Review = row.review.read()?;
    if review.held_at.is_some() || case.header.is_active() || case.major.as_deref() != Some(ACCEPTED) {
        return Ok(());
    }
    let commander = row.parts()?.into_iter().find(|part| part.role == Role::Commander).map(|part| part.user_id);
    write(desk, id, None, aside("read", "major_review_due", json!({"who_id": commander})))?;
    timer::set(desk, id, REVIEW, desk.cause.at.plus(again));
    Ok(())
}

/// The next update is due so long from now; none where nobody is to be reminded.
pub(super) fn plan_update(desk: &mut Desk<'_, '_>, id: RecordId, every: Option<i64>) -> Result<()> {
    let due = every.map(|every| desk.cause.at.plus(TimeDelta::microseconds(every)));
    MajorRow::expect_update(desk.unit.connection()?, id, due)?;
    match due {
        Some(due) => timer::set(desk, id, UPDATE, due),
        None => timer::stop(desk, id, UPDATE),
    }
    Ok(())
}

fn note(desk: &mut Desk<'_, '_>, id: RecordId, kind: EntryKind, body: &str) -> Result<()> {
    EntryRow::new(id, desk.cause, kind, Audience::Internal, body).insert(desk.unit.connection()?)
}

/// An incident that is led as a major one.
fn led(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<(Case, MajorRow)> {
    let case = Case::at(desk, id, &[Some(ACCEPTED)])?;
    let row = MajorRow::find(desk.unit.connection()?, id)?;
    Ok((case, row.ok_or_else(|| Error::internal("a major incident has no row"))?))
}

fn check_user(desk: &mut Desk<'_, '_>, user: UserId, pointer: &str) -> Result<()> {
    let connection = desk.unit.reference();
    Horizon::of(connection, &desk.cause.caller)?.check_user(connection, user, pointer)
}

fn check_every(every: Option<Length>) -> Result<()> {
    match every {
        Some(Length(every)) if every < SOONEST || every > LATEST => {
            let detail = format!("`update_every` is {} to {}.", Length(SOONEST), Length(LATEST));
            Err(Error::invalid("/update_every", "out_of_range", detail))
        }
        _ => Ok(()),
    }
}

fn check_parts(desk: &mut Desk<'_, '_>, parts: &[Part]) -> Result<()> {
    let commanders = parts.iter().filter(|part| part.role == Role::Commander).count();
    let is_twice = |n: usize, part: &Part| parts[..n].contains(part);
    if parts.len() > PARTS || parts.iter().enumerate().any(|(n, part)| is_twice(n, part)) {
        let detail = format!("There are at most {PARTS} roles, each person once in each.");
        return Err(Error::invalid("/roles", "wrong_form", detail));
    }
    if commanders != 1 {
        return Err(Error::invalid("/roles", "wrong_form", "One of the roles is the commander, and just one."));
    }
    for (n, part) in parts.iter().enumerate() {
        check_user(desk, part.user_id, &format!("/roles/{n}/user_id"))?;
    }
    Ok(())
}

fn check_review(review: &Review, now: Moment) -> Result<()> {
    let texts = [
        ("summary", &review.summary),
        ("cause", &review.cause),
        ("went_well", &review.went_well),
        ("went_badly", &review.went_badly),
    ];
    let too_long = |(name, text): &(&str, &String)| {
        let detail = format!("`{name}` has at most {TEXT} characters.");
        (text.chars().count() > TEXT).then(|| FieldError::new(format!("/review/{name}"), "too_long", detail))
    };
    let mut errors: Vec<FieldError> = texts.iter().filter_map(too_long).collect();
    if review.held_at.is_some_and(|at| at > now) {
        errors.push(FieldError::new("/review/held_at", "out_of_range", "`held_at` has not come yet."));
    }
    if review.held_at.is_some() && review.summary.trim().is_empty() {
        errors.push(FieldError::new("/review/summary", "required", "A review that was held says what happened."));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

fn text(given: &str, pointer: &str, most: usize) -> Result<String> {
    let trimmed = given.trim();
    if trimmed.is_empty() || trimmed.chars().count() > most || trimmed.contains('\0') {
        let detail = format!("It has 1 to {most} characters.");
        return Err(Error::invalid(pointer, "wrong_length", detail));
    }
    Ok(trimmed.to_owned())
}
