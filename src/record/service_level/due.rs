//! What happens to clocks when time has passed.

use chrono::TimeDelta;

use super::{
    clock::{ServiceClock, present_rounds},
    follow::timer_of,
    turn::Work,
};
use crate::{
    error::Result,
    id::RecordId,
    record::{
        practice::AnyPractice,
        store::{Desk, Why},
        timer,
    },
};

/// Tells of what has been used up by now, when the timer of a clock is due. Where there is nothing to tell yet, it is set anew: the
/// clock of this node went another way than that of whoever set it.
pub fn look(desk: &mut Desk<'_, '_>, practice: &dyn AnyPractice, record: RecordId, name: &str) -> Result<()> {
    if practice.look_at_clocks(desk, record, Why::Due)? {
        return Ok(());
    }
    let levels = desk.kernel.levels(desk.unit.reference())?;
    let connection = desk.unit.settled(record)?;
    let clocks = ServiceClock::of_record(connection, record)?;
    let Some(clock) = clocks.into_iter().find(|clock| timer_of(clock) == name) else { return Ok(()) };
    let entries = present_rounds(connection, std::slice::from_ref(&clock))?.remove(&clock.id).unwrap_or_default();
    if let Some(due) = Work::of(clock, &entries)?.next_due(&levels)? {
        // Never for now: that would not end while the clock stands.
        timer::set(desk, record, name, due.max(desk.cause.at.plus(TimeDelta::seconds(1))));
    }
    Ok(())
}
