//! Meetings of change advisory boards: who comes, what is on the agenda, what was said and decided.
//!
//! A meeting decides nothing by itself: who approves does so by the approvals of the change. What it does decide is that it has looked at a
//! change afterwards, which lets an emergency be closed.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Change, ChangePractice, EMERGENCY, NORMAL,
    lifecycle::{ASSESS, AUTHORISE, IMPLEMENT, REVIEW},
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    id::{RecordId, RowId, TeamId, UserId},
    record::{
        draft::Aside,
        header::Header,
        notification::invitation::{self, Invitation, News},
        practice::{Details, Practice},
        store::{self, Desk},
        visibility,
    },
    schema::{cab_agenda_item, cab_meeting, change, record},
};

/// How many of those that wait are looked at: many of them may stand on the agenda already, or be hidden from who calls the meeting.
const LOOKED_AT: i64 = 1_000;
/// The most changes on one agenda.
pub const MOST: usize = 200;
/// What is not there where there is no such change on an agenda.
const ITEM: &str = "agenda item";

/// Where a meeting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CabMeetingState)]
pub enum MeetingState {
    /// It is called.
    Planned,
    /// It was held; its minutes are kept.
    Held,
    /// It does not take place.
    Cancelled,
}

impl MeetingState {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            MeetingState::Planned => "planned",
            MeetingState::Held => "held",
            MeetingState::Cancelled => "cancelled",
        }
    }
    /// From its word.
    pub fn stored(text: &str) -> MeetingState {
        let all = [MeetingState::Planned, MeetingState::Held, MeetingState::Cancelled];
        all.into_iter().find(|state| state.as_str() == text).unwrap_or(MeetingState::Planned)
    }
}

/// A meeting as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = cab_meeting, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct MeetingRow {
    pub id: RowId,
    pub name: String,
    pub starts_at: Moment,
    pub ends_at: Moment,
    pub place: String,
    pub chair_id: UserId,
    pub team_id: Option<TeamId>,
    pub state: String,
    pub attendees: JsonText,
    pub minutes: String,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// Why a change is on an agenda.
pub mod reason {
    /// It waits to be authorised.
    pub const AUTHORISE: &str = "authorise";
    /// It was made in an emergency, and is looked at afterwards.
    pub const REVIEW: &str = "review";
    /// Somebody has put it there.
    pub const ASKED: &str = "asked";
}

/// What a board decides of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CabDecision)]
pub enum CabDecision {
    /// It recommends that it is approved.
    Recommended,
    /// It advises against it.
    AdvisedAgainst,
    /// It comes again.
    Deferred,
    /// It has looked at it after it was made.
    Reviewed,
}

impl CabDecision {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            CabDecision::Recommended => "recommended",
            CabDecision::AdvisedAgainst => "advised_against",
            CabDecision::Deferred => "deferred",
            CabDecision::Reviewed => "reviewed",
        }
    }
    /// From its word.
    pub fn stored(text: &str) -> Option<CabDecision> {
        let all = [CabDecision::Recommended, CabDecision::AdvisedAgainst, CabDecision::Deferred, CabDecision::Reviewed];
        all.into_iter().find(|decision| decision.as_str() == text)
    }
}

/// A change on an agenda.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = cab_agenda_item, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ItemRow {
    pub id: RowId,
    pub meeting_id: RowId,
    pub change_id: RecordId,
    pub position: i32,
    pub reason: String,
    pub decision: Option<String>,
    pub minutes: String,
    pub decided_at: Option<Moment>,
}

impl MeetingRow {
    /// The one of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let found = cab_meeting::table.find(id).first(connection).optional()?;
        found.ok_or_else(|| Error::not_found("cab meeting"))
    }
}

/// Tells those who are asked to come that a meeting is called, is another, or does not take place.
pub fn invite(desk: &mut Desk<'_, '_>, before: Option<&MeetingRow>, after: &MeetingRow) -> Result<()> {
    let people = |row: &MeetingRow| -> Result<BTreeSet<UserId>> {
        let is_called = MeetingState::stored(&row.state) == MeetingState::Planned && row.ends_at > desk.cause.at;
        let asked = if is_called { row.attendees.read()? } else { Vec::new() };
        Ok(asked.into_iter().chain(is_called.then_some(row.chair_id)).collect())
    };
    let (was, now) = (before.map(people).transpose()?.unwrap_or_default(), people(after)?);
    let plan = |row: &MeetingRow| (row.name.clone(), row.starts_at, row.ends_at, row.place.clone());
    let is_other = before.is_some_and(|before| plan(before) != plan(after));
    let is_held = MeetingState::stored(&after.state) == MeetingState::Held;
    let of = |news| Invitation {
        news,
        name: after.name.clone(),
        starts_at: after.starts_at,
        ends_at: after.ends_at,
        place: after.place.clone(),
    };
    invitation::tell(desk, now.difference(&was).copied(), &of(News::Called))?;
    if is_other {
        invitation::tell(desk, now.intersection(&was).copied(), &of(News::Changed))?;
    }
    if !is_held {
        invitation::tell(desk, was.difference(&now).copied(), &of(News::Cancelled))?;
    }
    Ok(())
}

impl ItemRow {
    /// The agenda of a meeting, in its order.
    pub fn of_meeting(connection: &mut AnyConnection, meeting: RowId) -> Result<Vec<Self>> {
        let mine = cab_agenda_item::table.filter(cab_agenda_item::meeting_id.eq(meeting));
        Ok(mine.order((cab_agenda_item::position, cab_agenda_item::id)).load(connection)?)
    }
}

/// Puts changes on the agenda of a meeting: those that are named, or all that wait for a board. Those that stand there stay.
pub fn put(desk: &mut Desk<'_, '_>, meeting: RowId, named: Option<Vec<RecordId>>) -> Result<()> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let connection = desk.unit.connection()?;
    let row = MeetingRow::find(connection, meeting)?;
    must_take_place(&row)?;
    let there = ItemRow::of_meeting(connection, meeting)?;
    let is_named = named.is_some();
    let wanted: Vec<(RecordId, &'static str)> = match named {
        Some(ids) => ids.into_iter().map(|id| (id, reason::ASKED)).collect(),
        None => waiting(connection)?,
    };
    let seen = visibility::among(kernel, connection, &caller, wanted.iter().map(|(id, _)| *id).collect())?;
    let is_change = |id: &RecordId| seen.get(id).is_some_and(|header| header.kind == "change");
    if is_named && !wanted.iter().all(|(id, _)| is_change(id)) {
        return Err(Error::invalid("/change_ids", "no_such_reference", "There is no such change."));
    }
    let is_new = |id: &RecordId| !there.iter().any(|item| item.change_id == *id);
    let mut new: Vec<_> = wanted.into_iter().filter(|(id, _)| is_change(id) && is_new(id)).collect();
    if !is_named {
        new.truncate(MOST.saturating_sub(there.len()));
    }
    if there.len() + new.len() > MOST {
        return Err(Error::new(Code::Conflict, format!("An agenda has at most {MOST} changes.")));
    }
    let last = there.last().map_or(0, |item| item.position);
    for ((change_id, reason), position) in new.iter().zip(last + 1..) {
        let row = ItemRow {
            id: RowId::new(),
            meeting_id: meeting,
            change_id: *change_id,
            position,
            reason: (*reason).to_owned(),
            decision: None,
            minutes: String::new(),
            decided_at: None,
        };
        diesel::insert_into(cab_agenda_item::table).values(&row).execute(desk.unit.connection()?)?;
    }
    let put: Vec<RecordId> = new.into_iter().map(|(id, _)| id).collect();
    if put.is_empty() { Ok(()) } else { tell(desk, "agenda_filled", &row, &json!({"change_ids": [[], put]})) }
}

/// Tells the audit trail what was done to the agenda of a meeting.
fn tell(desk: &mut Desk<'_, '_>, action: &str, meeting: &MeetingRow, changes: &Value) -> Result<()> {
    desk.tell(action, ("cab_meeting", meeting.id.as_str(), meeting.version), changes)
}

/// The changes that wait for a board: to be authorised, or to be looked at afterwards.
fn waiting(connection: &mut AnyConnection) -> Result<Vec<(RecordId, &'static str)>> {
    let both = || record::table.inner_join(change::table.on(change::record_id.eq(record::id)));
    let is_looked_at = change::change_type.eq_any([NORMAL, EMERGENCY]);
    let standing = both().filter(record::state.eq_any([ASSESS, AUTHORISE])).filter(is_looked_at);
    let standing: Vec<RecordId> = standing.order(record::id).limit(LOOKED_AT).select(record::id).load(connection)?;
    let made = both().filter(change::cab_review.eq("due")).filter(record::state.eq_any([IMPLEMENT, REVIEW]));
    let made: Vec<RecordId> = made.order(record::id).limit(LOOKED_AT).select(record::id).load(connection)?;
    let with = |ids: Vec<RecordId>, reason| ids.into_iter().map(move |id| (id, reason));
    // What was made already is looked at first: it can't be closed before.
    Ok(with(made, reason::REVIEW).chain(with(standing, reason::AUTHORISE)).collect())
}

fn must_take_place(meeting: &MeetingRow) -> Result<()> {
    if MeetingState::stored(&meeting.state) == MeetingState::Cancelled {
        return Err(Error::new(Code::Conflict, "The meeting does not take place."));
    }
    Ok(())
}

/// A meeting that takes place, one of its agenda, and the change that this is about, if the caller sees that.
fn on_agenda(desk: &mut Desk<'_, '_>, (meeting, item): (RowId, RowId)) -> Result<(MeetingRow, ItemRow, Header)> {
    let connection = desk.unit.connection()?;
    let meeting = MeetingRow::find(connection, meeting)?;
    let mine = cab_agenda_item::table.find(item).filter(cab_agenda_item::meeting_id.eq(meeting.id));
    let row: Option<ItemRow> = mine.first(connection).optional()?;
    let row = row.ok_or_else(|| Error::not_found(ITEM))?;
    let (kernel, caller, of) = (desk.kernel, &desk.cause.caller, row.change_id);
    let change = store::visible(kernel, desk.unit.settled(of)?, caller, &ChangePractice::KIND, of);
    let change = change.map_err(|e| if e.code == Code::NotFound { Error::not_found(ITEM) } else { e })?;
    must_take_place(&meeting)?;
    Ok((meeting, row, change))
}

/// What becomes of a change on an agenda; what is not said stays.
#[derive(Clone, Debug, Default)]
pub struct ItemChange {
    /// Its place, from 1: those behind it move on.
    pub position: Option<i32>,
    /// What the board has decided.
    pub decision: Option<CabDecision>,
    /// What was said of it.
    pub minutes: Option<String>,
}

/// Keeps what becomes of a change on an agenda. A change that a board has looked at is told so.
pub fn change(desk: &mut Desk<'_, '_>, of: (RowId, RowId), new: &ItemChange) -> Result<()> {
    let at = desk.cause.at;
    let (meeting, row, change) = on_agenda(desk, of)?;
    if new.decision.is_some() && at < meeting.starts_at {
        return Err(Error::new(Code::Conflict, "The meeting has not begun."));
    }
    // Each is written alone: one keeps the minutes while another says what was decided.
    let mine = || diesel::update(cab_agenda_item::table.find(row.id));
    if let Some(position) = new.position {
        move_to(desk, &row, position)?;
    }
    if let Some(minutes) = &new.minutes {
        mine().set(cab_agenda_item::minutes.eq(minutes)).execute(desk.unit.connection()?)?;
        let told = json!({"change_id": [null, row.change_id], "minutes": [row.minutes, minutes]});
        tell(desk, "minuted", &meeting, &told)?;
    }
    if let Some(decision) = new.decision {
        let decided = (cab_agenda_item::decision.eq(decision.as_str()), cab_agenda_item::decided_at.eq(at));
        mine().set(decided).execute(desk.unit.connection()?)?;
        let told = json!({"meeting_id": meeting.id, "decision": decision});
        let mut aside = Aside::new("read", "cab_decided", "cab", Value::Null, told);
        if decision == CabDecision::Reviewed {
            must_be_made(desk, &change)?;
            aside = aside.with_field("cab_review", "done");
        }
        store::beside::<ChangePractice>(desk, change.id, None, aside)?;
    }
    Ok(())
}

/// Takes a change from an agenda, of which the board has decided nothing yet.
pub fn remove(desk: &mut Desk<'_, '_>, of: (RowId, RowId)) -> Result<()> {
    let (meeting, row, _) = on_agenda(desk, of)?;
    if row.decision.is_some() {
        return Err(Error::new(Code::Conflict, "What the board has decided stays on the agenda."));
    }
    diesel::delete(cab_agenda_item::table.find(row.id)).execute(desk.unit.connection()?)?;
    tell(desk, "agenda_shortened", &meeting, &json!({"change_ids": [[row.change_id], []]}))
}

/// Moves a change to another place on its agenda; beyond the end is the end.
fn move_to(desk: &mut Desk<'_, '_>, row: &ItemRow, position: i32) -> Result<()> {
    let connection = desk.unit.connection()?;
    let mut order = ItemRow::of_meeting(connection, row.meeting_id)?;
    order.retain(|other| other.id != row.id);
    let place = usize::try_from(position.saturating_sub(1)).unwrap_or_default().min(order.len());
    order.insert(place, row.clone());
    for (item, position) in order.iter().zip(1..).filter(|(item, position)| item.position != *position) {
        let here = cab_agenda_item::position.eq(position);
        diesel::update(cab_agenda_item::table.find(item.id)).set(here).execute(connection)?;
    }
    Ok(())
}

/// Refuses to call a change reviewed that does not wait for it, or by who asked for it or made it.
fn must_be_made(desk: &mut Desk<'_, '_>, change: &Header) -> Result<()> {
    let who = Some(desk.cause.caller.user);
    if change.requester_id == who || change.assignee_id == who || Some(change.opened_by_id) == who {
        return Err(Error::new(Code::Conflict, "Who asked for a change, opened it or made it does not review it."));
    }
    let details = Change::load(desk.unit.settled(change.id)?, &[change.id])?.pop();
    let is_due = details.is_some_and(|details| details.cab_review.as_deref() == Some("due"));
    if is_due && change.state == REVIEW {
        return Ok(());
    }
    Err(Error::new(Code::Conflict, "It does not wait for a review, or was not made yet."))
}
