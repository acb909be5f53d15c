//! Major incidents: proposed by a policy or a person, accepted or rejected, led, told of, and learned from.
//!
//! Where it stands is the field `major` of the incident. What leading it needs stands beside it: who plays which part, how often those
//! who wait are told, the timeline, the review and its actions ([`row`]). All of it is a change of the incident ([`act`]).
//!
//! **Invariant:** while it is open and updates are due every so often, the record has a timer for the next one; who gives one in time is
//! not reminded.

pub mod act;
pub mod input;
pub mod row;
pub mod shown;

use chrono::TimeDelta;

use super::Incident;
use crate::{
    error::Result,
    id::RecordId,
    record::{draft::Draft, store::Desk, timer},
};

/// What is needed to accept, reject and lead them.
pub const PERMISSION: &str = "major_incident.lead";
/// What it is called among the changes of an incident.
pub const BESIDE: &str = "major_incident";
/// Somebody thinks that it is one.
pub const PROPOSED: &str = "proposed";
/// It is led as one.
pub const ACCEPTED: &str = "accepted";
/// It is none.
pub const REJECTED: &str = "rejected";
/// The timer of the next update.
pub const UPDATE: &str = "major_update";
/// The timer of the review.
pub const REVIEW: &str = "major_review";

/// How long after the resolution the review should have been held, and how often somebody is reminded of it from then on.
const REVIEW_WITHIN: TimeDelta = TimeDelta::days(5);

/// What a write of an incident means for it as a major one: its steps stand in the timeline, and with its end begins the time of the
/// review.
pub(super) fn follow(written: &Draft<Incident>, desk: &mut Desk<'_, '_>) -> Result<()> {
    if written.details.major.as_deref() != Some(ACCEPTED) {
        return Ok(());
    }
    let record = written.header.id;
    if let Some(step) = written.step {
        row::EntryRow::of_step(record, desk.cause, step.label).insert(desk.unit.connection()?)?;
    }
    let was_active = written.old().is_some_and(|(header, _)| header.is_active());
    if !was_active && written.header.is_active() {
        let every = row::MajorRow::find(desk.unit.connection()?, record)?.and_then(|row| row.update_every);
        timer::stop(desk, record, REVIEW);
        return act::plan_update(desk, record, every);
    }
    if was_active && !written.header.is_active() {
        act::plan_update(desk, record, None)?;
        timer::set(desk, record, REVIEW, desk.cause.at.plus(REVIEW_WITHIN));
    }
    Ok(())
}

/// Does what a timer of this name is for.
pub(super) fn remind(name: &str, record: RecordId, desk: &mut Desk<'_, '_>) -> Result<()> {
    match name {
        UPDATE => act::remind_of_update(desk, record),
        REVIEW => act::remind_of_review(desk, record, REVIEW_WITHIN),
        _ => Ok(()),
    }
}
