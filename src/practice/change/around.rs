//! What stands around a change that is still to be made: what it meets, and how much depends on it. It is looked at when the change is
//! planned or takes a step, and again, a little later, when others move, a window is another, or things are related otherwise.
//!
//! **Invariant:** a step that rests on an approval is taken only while the change meets nothing that it did not when it was approved.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    Change, ChangePractice,
    conflict::{Conflict, ConflictKind, Span},
    lifecycle, plan,
    window::{WindowKind, WindowRow},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, FieldError, Result},
    id::{RecordId, RowId, UserId},
    insert_rows,
    record::{
        approval::{
            policy::{self, Standing},
            row::ApprovalRow,
        },
        draft::{Aside, Draft},
        header::Header,
        policies,
        practice::{Details, Practice},
        store::{self, Desk},
        timer,
    },
    schema::{change_conflict, change_window},
};

/// The setting that is locked while a change is taken into the schedule.
const SCHEDULE: &str = "change_schedule";
/// The timer of a change that is to look around again.
pub(super) const TIMER: &str = "look_around";
/// By when whatever went by what stood there before is committed.
const KNOWN: TimeDelta = TimeDelta::seconds(2);
/// The most changes that look around again because of one thing: the first that are to be made. The others do with their next step.
const MOST: i64 = 5_000;

/// One thing that a change met when it was last planned.
#[derive(Insertable)]
#[diesel(table_name = change_conflict)]
struct Met {
    change_id: RecordId,
    mark: String,
}

/// What stands around a change.
struct Around {
    met: Vec<Conflict>,
    criticality: Option<String>,
}

impl Around {
    fn of(desk: &mut Desk<'_, '_>, header: &Header) -> Result<Self> {
        let (kernel, now, connection) = (desk.kernel, desk.cause.at, desk.unit.connection()?);
        let touched = plan::touched_by(connection, header)?;
        let met = plan::of(kernel, connection, header, &touched, now)?;
        Ok(Around { met, criticality: plan::criticality(kernel, connection, touched)? })
    }

    fn count(&self) -> i32 {
        i32::try_from(self.met.len()).unwrap_or(i32::MAX)
    }

    /// In words that whoever sees the change may read.
    fn blackout(&self) -> Option<String> {
        self.met.iter().find(|met| met.kind.is_blackout()).map(Conflict::told)
    }

    /// Why it is more than what was known before, if it is.
    fn worse(&self, known: &BTreeSet<String>, before: &Change) -> Option<Error> {
        let new = || self.met.iter().filter(|met| !known.contains(&met.mark()));
        let refused = |field: &str, detail: String| {
            let error = FieldError::new(field, "approval", detail.clone());
            Error::new(Code::IllegalTransition, detail).with_errors(vec![error])
        };
        if let Some(met) = new().find(|met| met.kind.is_blackout()).or_else(|| new().next()) {
            let field = if met.kind == ConflictKind::AssigneeBusy { "/assignee_id" } else { "/conflict_count" };
            let met = met.told();
            let detail = format!(
                "It meets {met}, which it did not when it was approved: plan it anew, and it is asked about again."
            );
            return Some(refused(field, detail));
        }
        let is_more = plan::is_more_critical(self.criticality.as_deref(), before.criticality.as_deref());
        let detail = "More depends on it than when it was approved: plan it anew, and it is asked about again.";
        is_more.then(|| refused("/criticality", detail.to_owned()))
    }

    /// Keeps what is met, in the place of what was met before.
    fn keep(&self, connection: &mut AnyConnection, id: RecordId) -> Result<()> {
        diesel::delete(change_conflict::table.filter(change_conflict::change_id.eq(id))).execute(connection)?;
        let marks: BTreeSet<String> = self.met.iter().map(Conflict::mark).collect();
        let rows: Vec<Met> = marks.into_iter().map(|mark| Met { change_id: id, mark }).collect();
        insert_rows!(connection, change_conflict::table, rows)?;
        Ok(())
    }
}

/// What a change met when it was last planned.
fn known(connection: &mut AnyConnection, id: RecordId) -> Result<BTreeSet<String>> {
    let mine = change_conflict::table.filter(change_conflict::change_id.eq(id)).select(change_conflict::mark);
    Ok(mine.load(connection)?.into_iter().collect())
}

/// Holds a change that is still to be made against others and against windows, and sees how much depends on it.
pub(super) fn look(draft: &mut Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let is_begun = draft.old().is_some_and(|(_, old)| old.actual_start.is_some());
    if is_begun {
        return Ok(());
    }
    let rests_on_approval = draft.step.is_some_and(|step| step.needs_approval);
    if rests_on_approval || draft.header.state == lifecycle::SCHEDULED {
        lock_schedule(desk)?;
    }
    let (id, begins) = (draft.header.id, draft.step.is_some_and(|step| step.name == lifecycle::IMPLEMENT));
    let header = if begins { begun(&draft.header, desk.cause.at) } else { draft.header.clone() };
    let around = Around::of(desk, &header)?;
    let was_asked = draft.old().is_some_and(|(header, _)| lifecycle::ASKED.contains(&header.state.as_str()));
    let worse = if was_asked { around.worse(&known(desk.unit.connection()?, id)?, &draft.details) } else { None };
    if rests_on_approval && was_asked {
        return worse.map_or(Ok(()), Err);
    }
    let details = &mut draft.details;
    details.conflict_count = around.count();
    details.blackout = around.blackout();
    details.criticality.clone_from(&around.criticality);
    if worse.is_some() && draft.step.is_none() && !is_asked_again(desk, draft)? {
        // Something else is met in the place of what was known: that is seen when it looks around again, which asks about it.
        tell(desk, BTreeSet::from([id]));
        return Ok(());
    }
    around.keep(desk.unit.connection()?, id)
}

/// Whether something is other that is approved, so that this very write asks again.
fn is_asked_again(desk: &mut Desk<'_, '_>, draft: &Draft<Change>) -> Result<bool> {
    let Some(was) = draft.was()? else { return Ok(false) };
    policies::is_other_than_approved(desk, draft, (&was, &draft.after()?))
}

/// Waits for others who take changes into the schedule, or move them: of two that meet, whoever comes second sees the first.
fn lock_schedule(desk: &mut Desk<'_, '_>) -> Result<()> {
    desk.unit.connection()?.lock_setting(SCHEDULE)?;
    Ok(())
}

/// A change as if it began at a moment.
fn begun(header: &Header, at: Moment) -> Header {
    let Some(Span { from, until }) = plan::span(header).map(|span| span.begun(at)) else { return header.clone() };
    Header { planned_start: Some(from), planned_end: Some(until), ..header.clone() }
}

/// A change that is still to be made.
fn to_be_made(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<Option<Header>> {
    let header = Header::find(desk.unit.settled(id)?, id)?;
    Ok(header.filter(|header| lifecycle::BEFORE_WORK.contains(&header.state.as_str())))
}

/// What a change touches is other than it was: whoever has approved is asked again, and others look around again. Once work has begun it stays
/// as it was approved.
pub(super) fn relinked(desk: &mut Desk<'_, '_>, id: RecordId, relation: &str) -> Result<()> {
    if relation != plan::AFFECTS {
        return Ok(());
    }
    let Some(header) = to_be_made(desk, id)? else {
        return Err(Error::new(
            Code::Conflict,
            "What a change affects stays as it was approved once work has begun, or it is over.",
        ));
    };
    let cause = desk.cause.trusted();
    let desk = &mut Desk { kernel: desk.kernel, unit: &mut *desk.unit, cause: &cause };
    if header.state == lifecycle::SCHEDULED {
        lock_schedule(desk)?;
    }
    let around = Around::of(desk, &header)?;
    write(desk, &header, &around, true)?;
    match Taken::of(&header, None) {
        Some(taken) => taken.tell(desk, &header),
        None => Ok(()),
    }
}

/// Looks around again because something there has changed. Whoever has approved is asked again where it is worse.
pub(super) fn recheck(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<()> {
    let Some(header) = to_be_made(desk, id)? else { return Ok(()) };
    // The schedule is not locked: it takes no other time than it did, and whoever moves near it lets it look again.
    let around = Around::of(desk, &header)?;
    let connection = desk.unit.connection()?;
    let known = known(connection, id)?;
    let Some(before) = Change::load(connection, &[id])?.pop() else { return Ok(()) };
    let marks: BTreeSet<String> = around.met.iter().map(Conflict::mark).collect();
    if marks == known && around.criticality == before.criticality {
        return Ok(());
    }
    let is_worse = around.worse(&known, &before).is_some();
    write(desk, &header, &around, is_worse)
}

/// Writes what stands around a change as a change of it, and asks the policies again what that means: also who approves, where that is wanted,
/// or where no approval stands any more.
fn write(desk: &mut Desk<'_, '_>, header: &Header, around: &Around, is_asked_again: bool) -> Result<()> {
    let id = header.id;
    let aside = Aside::new("read", "replanned", "conflicts", Value::Null, json!(around.count()))
        .with_field("conflict_count", around.count())
        .with_field("blackout", json!(around.blackout()))
        .with_field("criticality", json!(around.criticality));
    store::beside::<ChangePractice>(desk, id, None, aside)?;
    around.keep(desk.unit.settled(id)?, id)?;
    let asked = last_asked(desk, id)?;
    store::decide_again::<ChangePractice>(desk, id, None, "assess_risk")?;
    let is_asked = last_asked(desk, id)? != asked;
    if is_asked || !lifecycle::ASKED.contains(&header.state.as_str()) {
        return Ok(());
    }
    let stands = policy::in_the_way(desk.unit.settled(id)?, &ChangePractice::KIND, header)?;
    if is_asked_again || matches!(stands, Standing::None) {
        store::decide_again::<ChangePractice>(desk, id, None, policy::DECISION)?;
    }
    Ok(())
}

/// What policies asked for last.
fn last_asked(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<Option<RowId>> {
    Ok(ApprovalRow::last_by_policy(desk.unit.settled(id)?, id)?.map(|approval| approval.id))
}

/// The time that a change takes up, and whose and of what.
#[derive(PartialEq)]
struct Taken {
    span: Span,
    assignee: Option<UserId>,
    own: [Option<RecordId>; 2],
}

impl Taken {
    fn of(header: &Header, begun: Option<Moment>) -> Option<Self> {
        let span = plan::span(header).filter(|_| plan::TAKES_TIME.contains(&header.state.as_str()))?;
        let span = begun.map_or(span, |at| span.begun(at));
        let own = [header.configuration_item_id, header.service_id];
        Some(Taken { span, assignee: header.assignee_id, own })
    }

    /// Lets those look around again who stand near it.
    fn tell(&self, desk: &mut Desk<'_, '_>, header: &Header) -> Result<()> {
        let connection = desk.unit.connection()?;
        let touched = plan::touched_by(connection, header)?;
        let near: BTreeSet<RecordId> = plan::near(desk.kernel, connection, &touched)?.into_keys().collect();
        let within = (self.span.from, Some(self.span.until));
        let found = plan::to_be_made(connection, within, Some(&near), self.assignee, MOST)?;
        tell(desk, found.into_iter().filter(|id| *id != header.id).collect());
        Ok(())
    }
}

/// In the order of their ids, so that two who tell the same changes do not wait for each other.
fn tell(desk: &mut Desk<'_, '_>, changes: BTreeSet<RecordId>) {
    let due_at = desk.cause.at.plus(KNOWN);
    for id in changes {
        timer::set(desk, id, TIMER, due_at);
    }
}

/// Lets others look around again where a change takes up its time otherwise than before: it was taken into the schedule or out of it, moved,
/// given to somebody else, or begun.
pub(super) fn moved(written: &Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let before = written.old().and_then(|(header, old)| Some((header, Taken::of(header, old.actual_start)?)));
    let after = Taken::of(&written.header, written.details.actual_start).map(|taken| (&written.header, taken));
    let is_same = before.as_ref().map(|(_, taken)| taken) == after.as_ref().map(|(_, taken)| taken);
    let both = [before, after].into_iter().flatten().filter(|_| !is_same);
    both.into_iter().try_for_each(|(header, taken)| taken.tell(desk, header))
}

/// Lets the changes look around again that touch one of these things, which stand otherwise to each other than they did. How much depends on
/// what lies further off is looked at with their next step.
pub(super) fn related(desk: &mut Desk<'_, '_>, ends: &[RecordId]) -> Result<()> {
    look_again(desk, Some(&ends.iter().copied().collect()))
}

/// Lets all changes look around again: what depends on what follows from other relations than it did.
pub fn dependence_changed(desk: &mut Desk<'_, '_>) -> Result<()> {
    look_again(desk, None)
}

/// Lets the changes that are still to be made look around again: all, or those that touch one of these things.
fn look_again(desk: &mut Desk<'_, '_>, items: Option<&BTreeSet<RecordId>>) -> Result<()> {
    let found = plan::to_be_made(desk.unit.connection()?, (desk.cause.at, None), items, None, MOST)?;
    tell(desk, found.into_iter().collect());
    Ok(())
}

/// Lets the changes look around again that a window concerns.
pub fn window_changed(desk: &mut Desk<'_, '_>, window: &WindowRow) -> Result<()> {
    let found = concerned(desk, window)?.into_iter().collect();
    tell(desk, found);
    Ok(())
}

/// Lets the changes look around again that the windows of a calendar concern, which has other open hours.
pub fn calendar_changed(desk: &mut Desk<'_, '_>, calendar: RowId) -> Result<()> {
    let of_it = change_window::table.filter(change_window::calendar_id.eq(calendar));
    let windows: Vec<WindowRow> = of_it.filter(change_window::active.eq(true)).load(desk.unit.connection()?)?;
    let mut found = BTreeSet::new();
    for window in &windows {
        found.extend(concerned(desk, window)?);
    }
    tell(desk, found);
    Ok(())
}

/// The changes that a window concerns: those of what it is about and of what is next to that. A blackout is of its time; a maintenance window
/// is of all time, since others are not within it.
fn concerned(desk: &mut Desk<'_, '_>, window: &WindowRow) -> Result<Vec<RecordId>> {
    let now = desk.cause.at;
    let within = match WindowKind::stored(&window.kind) {
        WindowKind::Blackout => (window.starts_at.map_or(now, |from| from.max(now)), window.ends_at),
        WindowKind::Maintenance => (now, None),
    };
    let connection = desk.unit.connection()?;
    let about: Option<BTreeSet<RecordId>> = match window.about() {
        Some(item) => Some(plan::near(desk.kernel, connection, &[item])?.into_keys().collect()),
        None => None,
    };
    plan::to_be_made(connection, within, about.as_ref(), None, MOST)
}
