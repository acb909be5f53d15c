//! How an approval moves on: a stage opens, is decided, and lets the next one open; or its time is over.

use super::{
    BESIDE,
    case::{Case, TIMER, raced},
    duty,
    quorum::{Tally, Verdict},
    row::{APPROVE, ApprovalRow, StageRow, VoterRow, reason, state},
    voters,
};
use crate::{
    clock::{Length, Moment},
    db::AnyConnection,
    error::{Code, Result},
    id::{RecordId, RowId},
    record::{
        calendar::row::CalendarRow,
        draft::Aside,
        header::Header,
        kernel::Kernel,
        store::{Desk, Outcome},
    },
};

/// What has happened to an approval, in the past tense.
pub mod action {
    /// It was asked for.
    pub const REQUESTED: &str = "approval_requested";
    /// Somebody has voted, and it goes on.
    pub const VOTED: &str = "approval_voted";
    /// It was approved.
    pub const APPROVED: &str = "approved";
    /// It was not.
    pub const REJECTED: &str = "approval_rejected";
    /// Its time was over.
    pub const EXPIRED: &str = "approval_expired";
    /// A stage was approved because its time was over, and the next one has opened.
    pub const ADVANCED: &str = "approval_advanced";
    /// It was taken back.
    pub const WITHDRAWN: &str = "approval_withdrawn";
    /// It no longer says anything.
    pub const VOIDED: &str = "approval_voided";
    /// Somebody was given a link to vote by.
    pub const LINKED: &str = "approval_link_made";
}

/// What has happened to an approval that is in a state now, where it is one that others take it to.
pub fn action_of(now: &str, otherwise: &'static str) -> &'static str {
    match now {
        state::APPROVED => action::APPROVED,
        state::REJECTED => action::REJECTED,
        state::EXPIRED => action::EXPIRED,
        _ => otherwise,
    }
}

/// What moving an approval on works with.
pub struct Ground<'a> {
    /// The practices.
    pub kernel: &'a Kernel,
    /// A connection.
    pub connection: &'a mut AnyConnection,
    /// The record as it is, or as it will be.
    pub record: &'a Header,
    /// When.
    pub at: Moment,
}

/// Opens the first stage of a new approval.
pub fn begin(ground: &mut Ground<'_>, case: &mut Case) -> Result<()> {
    open(ground, case, 0)?;
    settle(ground, case)
}

/// Decides the stage that is open, if it can be, and whatever follows from that.
pub fn settle(ground: &mut Ground<'_>, case: &mut Case) -> Result<()> {
    while let Some(stage) = case.open() {
        match stage.quorum()?.verdict(case.tally(stage.id)) {
            Verdict::Open => break,
            Verdict::Approved => go_on(ground, case, "")?,
            Verdict::Rejected => refuse(case, "", ground.at),
            Verdict::Unreachable => refuse(case, reason::UNREACHABLE, ground.at),
        }
    }
    Ok(())
}

fn refuse(case: &mut Case, why: &str, at: Moment) {
    case.end_stage(state::REJECTED, why, at);
    case.end(state::REJECTED, why, at);
}

/// The open stage is approved: the next one opens, or the whole is approved.
fn go_on(ground: &mut Ground<'_>, case: &mut Case, why: &str) -> Result<()> {
    let Some(place) = case.end_stage(state::APPROVED, why, ground.at) else { return Ok(()) };
    if place + 1 < case.stages.len() {
        open(ground, case, place + 1)
    } else {
        case.end(state::APPROVED, why, ground.at);
        Ok(())
    }
}

/// Who could decide a stage if it were opened now.
pub struct Reach {
    /// How many would be asked.
    pub asked: usize,
    /// How many of them would count.
    pub counted: usize,
    /// Whether these are enough for its quorum.
    pub is_enough: bool,
}

/// Who could decide a stage if it were opened now.
pub fn reach(ground: &mut Ground<'_>, approval: &ApprovalRow, stage: &StageRow) -> Result<Reach> {
    let asked = asked(ground, approval, stage)?;
    let counted = asked.iter().filter(|voter| voter.excluded.is_none()).count();
    let verdict = stage.quorum()?.verdict(Tally { counted, ..Tally::default() });
    Ok(Reach { asked: asked.len(), counted, is_enough: verdict != Verdict::Unreachable })
}

/// Opens a stage: asks whoever its approvers come to now.
fn open(ground: &mut Ground<'_>, case: &mut Case, place: usize) -> Result<()> {
    let asked = asked(ground, &case.approval, &case.stages[place])?;
    let due_at = due_at(ground, &case.stages[place])?;
    let stage = &mut case.stages[place];
    stage.state = state::OPEN.to_owned();
    stage.opened_at = Some(ground.at);
    stage.due_at = due_at;
    case.voters.extend(asked);
    Ok(())
}

/// When the time of a stage is over that opens now: by the open time of its calendar, where it has one that can be asked.
fn due_at(ground: &mut Ground<'_>, stage: &StageRow) -> Result<Option<Moment>> {
    let Some(length) = stage.due_after.as_deref().and_then(|text| text.parse::<Length>().ok()) else { return Ok(None) };
    let named =
        stage.calendar.as_deref().map(|name| CalendarRow::named(ground.connection, name)).transpose()?.flatten();
    let by_calendar =
        named.map(|row| row.calendar()).transpose()?.and_then(|calendar| calendar.add(ground.at, length.0));
    Ok(Some(by_calendar.unwrap_or_else(|| ground.at.plus(length.0))))
}

/// Whom the approvers of a stage come to now.
fn asked(ground: &mut Ground<'_>, approval: &ApprovalRow, stage: &StageRow) -> Result<Vec<VoterRow>> {
    let named = voters::named(ground.kernel, ground.connection, ground.record, &stage.approvers()?)?;
    let asked = named.into_iter().map(|named| VoterRow {
        id: RowId::new(),
        stage_id: stage.id,
        approval_id: approval.id,
        user_id: named.user,
        because: named.because.as_str().to_owned(),
        excluded: duty::excluded(ground.record, approval, named.user).map(str::to_owned),
        vote: None,
        comment: String::new(),
        voted_at: None,
        voted_by_id: None,
        via: None,
    });
    Ok(asked.collect())
}

/// Makes what has become of an approval a change of its record, as of the version of the record that was looked at.
pub fn tell(desk: &mut Desk<'_, '_>, record: &Header, aside: Aside) -> Result<Outcome> {
    let practice = desk.kernel.practice(&record.kind)?;
    // Whoever was faster has changed what this rests on: the job looks again.
    let told = practice.beside(desk, record.id, Some(record.version), aside);
    told.map_err(|e| if e.code == Code::Stale { raced() } else { e })
}

/// What a due time that is over does to the stage of that timer. A stage that is decided stays as it is.
pub fn time_is_over(desk: &mut Desk<'_, '_>, record: RecordId, timer: &str) -> Result<()> {
    let id = timer.strip_prefix(TIMER).and_then(|rest| rest.strip_prefix(':')).and_then(|id| id.parse::<RowId>().ok());
    let Some(id) = id else { return Ok(()) };
    let at = desk.cause.at;
    let (kernel, connection) = (desk.kernel, desk.unit.settled(record)?);
    let Some(record) = Header::find(connection, record)? else { return Ok(()) };
    let cases = Case::standing(connection, record.id)?;
    let is_due = |stage: &StageRow| stage.id == id && stage.is_open() && stage.due_at.is_some_and(|due| due <= at);
    let Some(mut case) = cases.into_iter().find(|case| case.stages.iter().any(is_due)) else { return Ok(()) };
    let before = case.told_before();
    let mut ground = Ground { kernel, connection, record: &record, at };
    expire(&mut ground, &mut case)?;
    let action = action_of(&case.approval.state, action::ADVANCED);
    tell(desk, &record, Aside::new("read", action, BESIDE, before, case.told()))?;
    case.save(desk)
}

fn expire(ground: &mut Ground<'_>, case: &mut Case) -> Result<()> {
    if case.open().is_some_and(|stage| stage.on_due == APPROVE) {
        go_on(ground, case, reason::DUE)?;
        return settle(ground, case);
    }
    case.end_stage(state::EXPIRED, reason::DUE, ground.at);
    case.end(state::EXPIRED, reason::DUE, ground.at);
    Ok(())
}
