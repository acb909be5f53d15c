//! Escalations: who was told that a record is in danger, how far up, and whether somebody answered.
//!
//! Policies say so (decision `escalation`), when the record is made or changed ([`ask`]), when a service-level clock warns of its
//! target or missed it, and again after a time that they name; or a person does ([`act`]). A *functional* escalation gives the
//! record to another team, a *hierarchical* one tells somebody on a higher level. Who is paged or told on a level is expected to
//! answer: by acknowledging it, a step, a public comment, or by giving the record to somebody ([`answer`]).
//!
//! **Invariant:** what is asked again is a timer of the record, set in the transaction that says so; it ends with the answer.
//! **Invariant:** a write asks at most once because of each thing that it changes, and what an escalation itself does asks nothing: no
//! policy makes another go round.
//! **Invariant:** where policies fail, nothing is lost: those that failed are asked again, and the administrators are told once.
//! **Invariant:** nobody is called to a record of which nobody has to do anything any more, nor because of the past.

pub mod act;
pub mod answer;
pub mod ask;
pub mod occasion;
pub mod row;
pub mod shown;

use chrono::TimeDelta;

use super::kind::Kind;

/// The decision.
pub const DECISION: &str = "escalation";
/// What an escalation is called among the changes of a record.
pub const BESIDE: &str = "escalation";
/// How far up one can escalate.
pub const LEVELS: std::ops::RangeInclusive<i64> = 1..=9;
/// What the names of the timers begin with that ask again.
pub const TIMER: &str = "escalation";
/// The event of somebody who is called at once ends with it: `incident.paged`.
pub const PAGED: &str = "paged";
/// The event of somebody further up who is told ends with it: `incident.escalated`.
pub const ESCALATED: &str = "escalated";
/// The event of a record that a policy takes for a major incident ends with it.
pub const MAJOR_PROPOSED: &str = "major_proposed";
/// After how long policies that failed are asked again.
pub const RETRY: TimeDelta = TimeDelta::minutes(15);

/// Why a record can't be escalated that is not active any more.
pub const TOO_LATE: &str = "nobody works on it any more";

/// Whether an event tells that somebody is called at once.
pub fn pages(event: &str) -> bool {
    event.rsplit('.').next() == Some(PAGED)
}

/// Whether an event tells that somebody is called, at once or further up.
pub fn calls(event: &str) -> bool {
    pages(event) || event.rsplit('.').next() == Some(ESCALATED)
}

/// Whether records of a kind are escalated.
pub fn is_for(kind: &Kind) -> bool {
    kind.decisions.iter().any(|trigger| trigger.decision == DECISION)
}
