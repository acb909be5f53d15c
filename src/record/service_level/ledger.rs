//! The ledger of a clock: what made it go, stop and change, and what follows from that. All of it is pure.
//!
//! **Invariant:** what a clock shows can be derived again from its ledger and its calendar, at any time.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clock::State;
use crate::{clock::Moment, record::calendar::Calendar};

/// What happened to a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It began to count.
    Started,
    /// It stopped counting for a while.
    Paused,
    /// It went on, after a pause or a stop.
    Resumed,
    /// Another target or calendar counts from here on, for all that it has counted.
    Retargeted,
    /// It counts from nothing again, in another round.
    Reset,
    /// A part of the target was used up.
    Warned,
    /// The target was used up.
    Breached,
    /// What it waited for happened.
    Stopped,
    /// It does not apply any more.
    Cancelled,
}

impl Event {
    /// All of them, with their words: as they are stored and asked for.
    pub const WORDS: [(&'static str, Event); 9] = [
        ("started", Event::Started),
        ("paused", Event::Paused),
        ("resumed", Event::Resumed),
        ("retargeted", Event::Retargeted),
        ("reset", Event::Reset),
        ("warned", Event::Warned),
        ("breached", Event::Breached),
        ("stopped", Event::Stopped),
        ("cancelled", Event::Cancelled),
    ];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }

    /// What begins with it; nothing where it all goes on.
    fn turns(self) -> Option<Stretch> {
        match self {
            Event::Started | Event::Resumed | Event::Reset => Some(Stretch::Running),
            Event::Paused => Some(Stretch::Paused),
            Event::Stopped | Event::Cancelled => Some(Stretch::Stopped),
            Event::Retargeted | Event::Warned | Event::Breached => None,
        }
    }

    /// As it was stored.
    pub fn named(word: &str) -> Option<Event> {
        Self::WORDS.iter().find(|(one, _)| *one == word).map(|(_, one)| *one)
    }
}

/// A moment at which something happened to a clock.
pub type Happening = (Moment, Event);

/// What a stretch of a clock's life was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ServiceClockSegmentState)]
pub enum Stretch {
    /// It counted.
    Running,
    /// It would have counted, but nobody works then.
    OutOfHours,
    /// It was paused.
    Paused,
    /// It had stopped, and went on later.
    Stopped,
}

/// Stretches of the present round, in order, up to a moment: whether it ran, was paused or stopped. One that lasted no time is
/// left out.
pub fn stretches(ledger: &[Happening], until: Moment) -> Vec<(Moment, Moment, Stretch)> {
    let mut found = Vec::new();
    let mut now: Option<(Moment, Stretch)> = None;
    for (at, event) in ledger {
        let Some(next) = event.turns() else { continue };
        found.extend(now.map(|(from, stretch)| (from, *at, stretch)));
        if *event == Event::Reset {
            found.clear();
        }
        now = Some((*at, next));
    }
    let last = now.filter(|(_, stretch)| *stretch != Stretch::Stopped);
    found.extend(last.map(|(from, stretch)| (from, until, stretch)));
    found.retain(|(from, until, _)| from < until);
    found
}

/// How much was counted up to a moment.
pub fn elapsed(ledger: &[Happening], calendar: &Calendar, until: Moment) -> TimeDelta {
    let ran = stretches(ledger, until).into_iter().filter(|(.., stretch)| *stretch == Stretch::Running);
    ran.map(|(from, until, _)| calendar.between(from, until)).sum()
}

/// When so much was counted, if it was before the last stretch ended; while it runs, when it will have been if nothing else
/// happens.
pub fn reached(ledger: &[Happening], calendar: &Calendar, target: TimeDelta) -> Option<Moment> {
    let ends = ledger.last().map(|(at, _)| *at)?;
    let mut owed = target;
    for (from, until, _) in stretches(ledger, ends).into_iter().filter(|(.., stretch)| *stretch == Stretch::Running) {
        let counted = calendar.between(from, until);
        if counted >= owed {
            return calendar.add(from, owed);
        }
        owed -= counted;
    }
    if is_running(ledger) { calendar.add(ends, owed) } else { None }
}

/// What it does after the last happening, and when it ended, if it has.
pub fn state(ledger: &[Happening]) -> (State, Option<Moment>) {
    let last = ledger.iter().rev().find(|(_, event)| event.turns().is_some());
    match last {
        Some((at, Event::Stopped)) => (State::Stopped, Some(*at)),
        Some((at, Event::Cancelled)) => (State::Cancelled, Some(*at)),
        Some((_, Event::Paused)) => (State::Paused, None),
        Some(_) | None => (State::Running, None),
    }
}

/// Whether it counts after the last happening.
pub fn is_running(ledger: &[Happening]) -> bool {
    !ledger.is_empty() && state(ledger).0 == State::Running
}

/// The stretches with the hours in which nobody works apart, for whoever wants to see how a deadline came about.
pub fn segments(ledger: &[Happening], calendar: &Calendar, until: Moment) -> Vec<(Moment, Moment, Stretch)> {
    let mut segments = Vec::new();
    for (from, until, stretch) in stretches(ledger, until) {
        if stretch != Stretch::Running {
            segments.push((from, until, stretch));
            continue;
        }
        let mut at = from;
        for (opens, closes) in calendar.open_spans(from, until) {
            if at < opens {
                segments.push((at, opens, Stretch::OutOfHours));
            }
            segments.push((opens, closes, Stretch::Running));
            at = closes;
        }
        if at < until {
            segments.push((at, until, Stretch::OutOfHours));
        }
    }
    segments
}
