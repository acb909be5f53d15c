//! One clock: what a write, or the passing of time, does to it. Nothing here asks the store.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::{
    Level, Levels,
    clock::{Entry, ServiceClock, State},
    condition::Condition,
    ledger::{self, Event, Happening, is_running},
    row::AfterStop,
    target::Target,
};
use crate::{
    clock::Moment,
    error::Result,
    id::{OrganisationId, RecordId, RowId, TeamId},
};

/// A record as a write, or the passing of time, leaves it.
pub struct Seen<'a> {
    /// Which one.
    pub id: RecordId,
    /// As JSON, with what conditions know beside it.
    pub record: &'a Map<String, Value>,
    /// The version with it.
    pub version: i32,
    /// When.
    pub at: Moment,
    /// When it is told: later than `at` where a clock is counted again from the past. Nothing where the past is replayed: each
    /// thing is told when it happened, as it was by a timer then.
    pub told_at: Option<Moment>,
    /// Through what.
    pub via: &'a str,
    /// Whether it is only time that has passed: then a target that ends at this very moment was missed. A write at that moment
    /// still meets it.
    pub only_time: bool,
}

/// A clock in work: as it was, what happened to it in this round, and what is added.
#[derive(Clone, Debug)]
pub struct Work {
    /// As it will be.
    pub clock: ServiceClock,
    /// As it was stored; nothing for a new one.
    pub before: Option<ServiceClock>,
    /// What is added to its ledger.
    pub added: Vec<Entry>,
    ledger: Vec<Happening>,
}

fn holds(condition: Option<&Condition>, seen: &Seen<'_>) -> bool {
    condition.is_some_and(|condition| condition.holds(seen.record))
}

fn is_over(level: &Level, seen: &Seen<'_>) -> bool {
    holds(level.stop.as_ref(), seen) || holds(level.cancel.as_ref(), seen)
}

fn begins(level: &Level, seen: &Seen<'_>) -> bool {
    !is_over(level, seen) && level.start.as_ref().is_none_or(|condition| condition.holds(seen.record))
}

fn microseconds(length: TimeDelta) -> i64 {
    length.num_microseconds().unwrap_or(i64::MAX)
}

/// What becomes of a clock, or of none.
pub fn turn(
    work: Option<Work>,
    wanted: Option<(&Level, &Target)>,
    levels: &Levels,
    seen: &Seen<'_>,
) -> Result<Option<Work>> {
    match (work, wanted) {
        (None, Some((level, target))) if begins(level, seen) => Work::begin(level, target, levels, seen).map(Some),
        (None, _) => Ok(None),
        (Some(mut work), wanted) => {
            work.turn(wanted, levels, seen)?;
            Ok(Some(work))
        }
    }
}

impl Work {
    /// A stored clock with the ledger of its present round.
    pub fn of(clock: ServiceClock, entries: &[Entry]) -> Result<Self> {
        let ledger = entries.iter().map(Entry::happening).collect::<Result<_>>()?;
        Ok(Work { before: Some(clock.clone()), clock, added: Vec::new(), ledger })
    }

    /// The same; a new clock keeps the id by which it is known among these.
    #[must_use]
    pub fn known_as(mut self, others: &[Work]) -> Self {
        let same = others.iter().find(|other| other.clock.key() == self.clock.key());
        if let (None, Some(known)) = (&self.before, same) {
            self.clock.id = known.clock.id;
            self.added.iter_mut().for_each(|entry| entry.clock_id = known.clock.id);
        }
        self
    }

    /// Whether anything is to be stored.
    pub fn is_changed(&self) -> bool {
        self.before.as_ref() != Some(&self.clock)
    }

    /// What of it is new and worth telling: warnings and misses, with their percentages.
    pub fn told(&self) -> impl Iterator<Item = (Event, i32, Moment)> {
        let told = self.added.iter().filter_map(|entry| Some((Event::named(&entry.event)?, entry.percent?, entry.at)));
        told.filter(|(event, ..)| matches!(event, Event::Warned | Event::Breached))
    }

    /// When it is to be looked at next, if nothing else happens.
    pub fn next_due(&self, levels: &Levels) -> Result<Option<Moment>> {
        if !is_running(&self.ledger) {
            return Ok(None);
        }
        let next = self.thresholds(levels).find(|percent| *percent > self.clock.told);
        next.map_or(Ok(None), |percent| self.passes(percent, levels))
    }

    fn begin(level: &Level, target: &Target, levels: &Levels, seen: &Seen<'_>) -> Result<Self> {
        let clock = ServiceClock {
            id: RowId::new(),
            record_id: seen.id,
            service_level_id: level.id,
            level_version: level.version,
            agreement: level.agreement.clone(),
            metric: level.metric.clone(),
            state: State::Running.as_str().to_owned(),
            target: microseconds(target.length()),
            calendar: level.calendar_of(target).to_owned(),
            started_at: seen.at,
            since: seen.at,
            elapsed: 0,
            deadline: None,
            ended_at: None,
            told: 0,
            breached_at: None,
            rounds: 1,
            breached_rounds: 0,
            round_entry: 1,
            breach_code: None,
            breach_note: None,
            entries: 0,
            organisation_id: OrganisationId::new(),
            team_id: None,
            service_id: None,
            priority: 0,
        };
        let mut work = Work { clock, before: None, added: Vec::new(), ledger: Vec::new() };
        work.tell(Event::Started, seen.at, None, seen);
        work.wait_or_go(level, seen);
        work.conclude(levels, seen)?;
        Ok(work)
    }

    fn turn(&mut self, wanted: Option<(&Level, &Target)>, levels: &Levels, seen: &Seen<'_>) -> Result<()> {
        let is_moved = self.is_moved(levels)?;
        if seen.told_at.is_none() && self.clock.since > seen.at {
            // A replay goes on from before what was told meanwhile, which has turned out otherwise.
            self.untell(levels, seen)?;
        }
        self.pass(levels, seen)?;
        let state = self.clock.state()?;
        let has_ended = matches!(state, State::Stopped | State::Cancelled);
        match wanted {
            None if has_ended => return Ok(()),
            None => self.tell(Event::Cancelled, seen.at, None, seen),
            Some((level, _)) if has_ended && !goes_on(state, level, seen) => return Ok(()),
            Some((level, target)) => {
                let is_other = self.aim(level, target);
                if is_other || is_moved {
                    self.tell(Event::Retargeted, seen.at, None, seen);
                    self.untell(levels, seen)?;
                }
                if has_ended {
                    self.go_on(state, level, seen);
                }
                self.follow(level, seen);
            }
        }
        self.conclude(levels, seen)
    }

    /// What the conditions say now.
    fn follow(&mut self, level: &Level, seen: &Seen<'_>) {
        if holds(level.cancel.as_ref(), seen) {
            self.tell(Event::Cancelled, seen.at, None, seen);
        } else if holds(level.stop.as_ref(), seen) {
            self.tell(Event::Stopped, seen.at, None, seen);
        } else {
            if holds(level.reset.as_ref(), seen) {
                self.begin_round(seen);
            }
            self.wait_or_go(level, seen);
        }
    }

    fn wait_or_go(&mut self, level: &Level, seen: &Seen<'_>) {
        match (is_running(&self.ledger), holds(level.pause.as_ref(), seen)) {
            (true, true) => self.tell(Event::Paused, seen.at, None, seen),
            (false, false) => self.tell(Event::Resumed, seen.at, None, seen),
            (true, false) | (false, true) => (),
        }
    }

    /// A clock that had ended goes on.
    fn go_on(&mut self, state: State, level: &Level, seen: &Seen<'_>) {
        if state == State::Stopped && level.after_stop == AfterStop::Restart {
            self.begin_round(seen);
        } else {
            self.tell(Event::Resumed, seen.at, None, seen);
        }
    }

    fn begin_round(&mut self, seen: &Seen<'_>) {
        let missed = self.clock.breached_at.take().is_some();
        self.clock.breached_rounds += i32::from(missed);
        self.clock.rounds += 1;
        self.clock.told = 0;
        self.clock.round_entry = self.clock.entries + 1;
        self.tell(Event::Reset, seen.at, None, seen);
    }

    /// Whether its calendar is the same by its name and another by its hours.
    fn is_moved(&self, levels: &Levels) -> Result<bool> {
        let mut again = self.clone();
        again.derive(levels)?;
        Ok((again.clock.elapsed, again.clock.deadline) != (self.clock.elapsed, self.clock.deadline))
    }

    /// Takes the target, calendar and service level for all that was counted; tells whether target or calendar are others.
    fn aim(&mut self, level: &Level, target: &Target) -> bool {
        let (length, calendar) = (microseconds(target.length()), level.calendar_of(target));
        (self.clock.service_level_id, self.clock.level_version) = (level.id, level.version);
        let is_other = (self.clock.target, self.clock.calendar.as_str()) != (length, calendar);
        if is_other {
            (self.clock.target, self.clock.calendar) = (length, calendar.to_owned());
        }
        is_other
    }

    /// Forgets what was told of by another measure and is not true by this one.
    fn untell(&mut self, levels: &Levels, seen: &Seen<'_>) -> Result<()> {
        let mut told = 0;
        for percent in self.thresholds(levels).filter(|percent| *percent <= self.clock.told) {
            if self.passes(percent, levels)?.is_some_and(|at| at <= seen.at) {
                told = percent;
            }
        }
        self.clock.told = told;
        if told < 100 {
            self.clock.breached_at = None;
        }
        Ok(())
    }

    /// Tells of the parts of the target that were used up by now; gives whether there were any.
    fn pass(&mut self, levels: &Levels, seen: &Seen<'_>) -> Result<bool> {
        if matches!(self.clock.state()?, State::Stopped | State::Cancelled) {
            return Ok(false);
        }
        let before = self.clock.told;
        let ahead: Vec<i32> = self.thresholds(levels).filter(|percent| *percent > self.clock.told).collect();
        for percent in ahead {
            let passes = self.passes(percent, levels)?;
            let Some(at) = passes.filter(|at| *at < seen.at || (seen.only_time && *at == seen.at)) else { break };
            // By another measure it may have been long ago; it is so from then on.
            let at = self.ledger.last().map_or(at, |(last, _)| at.max(*last));
            let event = if percent < 100 { Event::Warned } else { Event::Breached };
            self.tell(event, at, Some(percent), seen);
            self.clock.told = percent;
            if percent == 100 {
                self.clock.breached_at = Some(at);
            }
        }
        Ok(self.clock.told > before)
    }

    /// The percentages that are told of.
    fn thresholds(&self, levels: &Levels) -> impl Iterator<Item = i32> + use<> {
        let level = levels.level(self.clock.service_level_id);
        let warnings = level.map(|level| level.warnings.clone()).unwrap_or_default();
        warnings.into_iter().chain([100])
    }

    /// When so much of the target is, or was, used up.
    fn passes(&self, percent: i32, levels: &Levels) -> Result<Option<Moment>> {
        let part = i128::from(self.clock.target) * i128::from(percent) / 100;
        let part = TimeDelta::microseconds(i64::try_from(part).unwrap_or(i64::MAX));
        Ok(ledger::reached(&self.ledger, &*levels.calendar(&self.clock.calendar)?, part))
    }

    fn tell(&mut self, event: Event, at: Moment, percent: Option<i32>, seen: &Seen<'_>) {
        self.clock.entries += 1;
        self.ledger.push((at, event));
        self.added.push(Entry {
            clock_id: self.clock.id,
            seq: self.clock.entries,
            at,
            told_at: seen.told_at.unwrap_or(at),
            event: event.as_str().to_owned(),
            percent,
            target: self.clock.target,
            calendar: self.clock.calendar.clone(),
            via: seen.via.to_owned(),
            record_version: seen.version,
        });
    }

    /// Puts what follows from the ledger into the clock, and what the record is.
    fn conclude(&mut self, levels: &Levels, seen: &Seen<'_>) -> Result<()> {
        self.derive(levels)?;
        if self.pass(levels, seen)? {
            self.derive(levels)?;
        }
        let id = |name: &str| seen.record.get(name).and_then(Value::as_str).unwrap_or_default();
        let clock = &mut self.clock;
        clock.organisation_id = id("organisation_id").parse().unwrap_or(clock.organisation_id);
        clock.team_id = id("team_id").parse::<TeamId>().ok();
        clock.service_id = id("service_id").parse::<RecordId>().ok();
        let priority = seen.record.get("priority").and_then(Value::as_i64);
        clock.priority = priority.and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
        Ok(())
    }

    /// What follows from the ledger: what it shows is this and nothing else.
    fn derive(&mut self, levels: &Levels) -> Result<()> {
        let calendar = levels.calendar(&self.clock.calendar)?;
        let Some((since, _)) = self.ledger.last().copied() else { return Ok(()) };
        let clock = &mut self.clock;
        clock.since = since;
        clock.elapsed = microseconds(ledger::elapsed(&self.ledger, &calendar, since));
        let target = TimeDelta::microseconds(clock.target);
        clock.deadline = ledger::reached(&self.ledger, &calendar, target);
        let (state, ended_at) = ledger::state(&self.ledger);
        if state == State::Stopped && clock.deadline.is_none() {
            clock.deadline = calendar.add(since, TimeDelta::microseconds(clock.target - clock.elapsed));
        }
        (clock.state, clock.ended_at) = (state.as_str().to_owned(), ended_at);
        Ok(())
    }
}

/// Whether a clock that has ended goes on.
fn goes_on(state: State, level: &Level, seen: &Seen<'_>) -> bool {
    match state {
        State::Cancelled => begins(level, seen),
        State::Stopped => level.after_stop != AfterStop::Stay && !is_over(level, seen),
        State::Running | State::Paused => true,
    }
}
