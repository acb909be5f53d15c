//! Clocks are turned by hand here, without a store.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    Level, Levels,
    clock::State,
    condition::Condition,
    ledger::{self, Event, Happening, Stretch},
    row::AfterStop,
    target::{Subject, Target},
    turn::{Seen, Work, turn},
};
use crate::{
    clock::Moment,
    id::{RecordId, RowId},
    record::{
        calendar::{Calendar, content::Content},
        catalogue::Catalogue,
    },
};

const NINE_TO_FIVE: &str = r#"{"hours": {
    "monday": [{"from": "09:00", "until": "17:00"}], "tuesday": [{"from": "09:00", "until": "17:00"}],
    "wednesday": [{"from": "09:00", "until": "17:00"}], "thursday": [{"from": "09:00", "until": "17:00"}],
    "friday": [{"from": "09:00", "until": "17:00"}]}}"#;

fn calendar(zone: Tz, content: &str) -> Arc<Calendar> {
    let content: Content = serde_json::from_str(content).unwrap();
    Arc::new(Calendar::new(zone, &content).unwrap())
}

fn always() -> Arc<Calendar> {
    let whole = r#"[{"from": "00:00", "until": "24:00"}]"#;
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let hours: Vec<String> = days.iter().map(|day| format!("\"{day}\": {whole}")).collect();
    calendar(Tz::UTC, &format!("{{\"hours\": {{{}}}}}", hours.join(",")))
}

fn condition(text: &str) -> Option<Condition> {
    let catalogue = Catalogue::new(None, &[], &[], None, &[]);
    Some(Condition::read(text, &catalogue, "").unwrap())
}

/// A resolution within eight hours, four where the priority is 1, that waits while its record does.
fn resolution(agreement: &str) -> Level {
    Level {
        name: "Resolution".to_owned(),
        id: RowId::new(),
        version: 1,
        kind: "incident".to_owned(),
        agreement: agreement.to_owned(),
        metric: "resolution".to_owned(),
        calendar: "work".to_owned(),
        start: None,
        pause: condition("phase = waiting"),
        stop: condition("phase = done OR phase = closed"),
        cancel: condition("phase = cancelled"),
        reset: None,
        after_stop: AfterStop::Resume,
        retroactive: false,
        warnings: vec![50, 75],
        targets: serde_json::from_value::<Vec<Target>>(json!([
            {"duration": "PT8H"}, {"duration": "PT4H", "priority": 1}, {"duration": "PT2H", "priority": 2, "calendar": "always"},
        ]))
        .unwrap(),
    }
}

fn levels(levels: Vec<Level>) -> Levels {
    let work = calendar(Tz::Europe__Berlin, NINE_TO_FIVE);
    Levels::new(levels, BTreeMap::from([("work".to_owned(), work), ("always".to_owned(), always())]))
}

/// A record and the one clock that is looked at.
struct Desk {
    levels: Levels,
    key: (&'static str, &'static str),
    id: RecordId,
    record: Map<String, Value>,
    version: i32,
    work: Option<Work>,
}

impl Desk {
    fn new(level: Level) -> Self {
        let key = ("sla", "resolution");
        let record = Map::from_iter([("phase".to_owned(), "open".into()), ("priority".to_owned(), 3.into())]);
        Desk { levels: levels(vec![level]), key, id: RecordId::new(), record, version: 0, work: None }
    }

    /// A write that changes this.
    fn write(&mut self, at: &str, changed: Value) -> &mut Self {
        let Value::Object(changed) = changed else { panic!("an object") };
        self.record.extend(changed);
        let at: Moment = at.parse().unwrap();
        self.look(at, Some(at), false);
        self.record.extend([("answered".to_owned(), false.into()), ("asked".to_owned(), false.into())]);
        self
    }

    /// A write of the past that changes this.
    fn replay(&mut self, at: &str, phase: &str) -> &mut Self {
        self.record.insert("phase".to_owned(), phase.into());
        self.look(at.parse().unwrap(), None, false);
        self
    }

    /// A timer that is due.
    fn time(&mut self, at: &str) -> &mut Self {
        let at: Moment = at.parse().unwrap();
        self.look(at, Some(at), true);
        self
    }

    fn look(&mut self, at: Moment, told_at: Option<Moment>, only_time: bool) {
        self.version += 1;
        let record = self.record.clone();
        let seen = Seen { id: self.id, record: &record, version: self.version, at, told_at, via: "api", only_time };
        let wanted = self.levels.wanted(self.key, &Subject { kind: "incident", record: &record, line: &[] });
        self.work = turn(self.work.take(), wanted, &self.levels, &seen).unwrap();
    }

    fn work(&self) -> &Work {
        self.work.as_ref().unwrap()
    }

    fn state(&self) -> State {
        self.work().clock.state().unwrap()
    }

    /// What happened, as `09:00 started`.
    fn told(&self) -> Vec<String> {
        let entries = &self.work().added;
        entries.iter().map(|e| format!("{} {}", e.at.utc().format("%d %H:%M"), e.event)).collect()
    }

    fn deadline(&self) -> Option<String> {
        self.work().clock.deadline.map(|at| at.utc().format("%d %H:%M").to_string())
    }

    fn elapsed(&self) -> TimeDelta {
        TimeDelta::microseconds(self.work().clock.elapsed)
    }
}

// In March 2026 Berlin is one hour ahead of UTC until the 29th: work is from 08:00 to 16:00 UTC. The 2nd is a Monday.

#[test]
fn it_counts_working_time_and_pauses() {
    let mut desk = Desk::new(resolution("sla"));
    desk.write("2026-03-02T09:00:00Z", json!({}));
    assert_eq!(desk.deadline().as_deref(), Some("03 09:00"));
    assert_eq!(desk.work().next_due(&desk.levels).unwrap(), Some("2026-03-02T13:00:00Z".parse().unwrap()));
    desk.write("2026-03-02T10:00:00Z", json!({"phase": "waiting"}));
    assert_eq!((desk.state(), desk.deadline(), desk.elapsed()), (State::Paused, None, TimeDelta::hours(1)));
    assert_eq!(desk.work().next_due(&desk.levels).unwrap(), None, "nothing is due while it waits");
    desk.write("2026-03-03T10:00:00Z", json!({"phase": "open"}));
    assert_eq!(desk.deadline().as_deref(), Some("04 09:00"));
    desk.write("2026-03-04T09:00:00Z", json!({"phase": "done"}));
    assert_eq!((desk.state(), desk.elapsed()), (State::Stopped, TimeDelta::hours(8)));
    assert_eq!(desk.work().clock.breached_at, None, "what stops at the deadline is in time");
    assert_eq!(
        desk.told(),
        [
            "02 09:00 started",
            "02 10:00 paused",
            "03 10:00 resumed",
            "03 13:00 warned",
            "03 15:00 warned",
            "04 09:00 stopped"
        ]
    );
}

#[test]
fn warnings_and_the_miss_come_in_order_each_once_and_at_their_moment_however_late_the_timer() {
    let mut desk = Desk::new(resolution("sla"));
    desk.write("2026-03-02T09:00:00Z", json!({}));
    desk.time("2026-03-02T13:00:00Z").time("2026-03-02T13:00:00Z");
    assert_eq!(desk.told(), ["02 09:00 started", "02 13:00 warned"]);
    desk.time("2026-03-09T09:00:00Z");
    assert_eq!(desk.told()[2..], ["02 15:00 warned", "03 09:00 breached"]);
    assert_eq!(desk.work().clock.breached_at, Some("2026-03-03T09:00:00Z".parse().unwrap()));
    desk.time("2026-03-10T09:00:00Z");
    assert_eq!(desk.told().len(), 4);
    assert_eq!(desk.work().next_due(&desk.levels).unwrap(), None);
}

#[test]
fn a_replay_tells_each_thing_as_of_then_and_puts_right_what_was_told_of_later() {
    let mut desk = Desk::new(resolution("sla"));
    desk.replay("2026-03-02T09:00:00Z", "open").replay("2026-03-02T14:00:00Z", "open");
    assert_eq!(desk.told(), ["02 09:00 started", "02 13:00 warned"]);
    assert!(desk.work().added.iter().all(|entry| entry.told_at == entry.at));
    // Somebody looked a week later, before the replay went on.
    desk.time("2026-03-09T09:00:00Z");
    assert!(desk.work().clock.breached_at.is_some());
    desk.replay("2026-03-02T14:30:00Z", "waiting");
    assert_eq!((desk.state(), desk.deadline(), desk.elapsed()), (State::Paused, None, TimeDelta::minutes(330)));
    assert_eq!((desk.work().clock.breached_at, desk.work().clock.told), (None, 50));
    desk.replay("2026-03-03T08:00:00Z", "open").replay("2026-03-03T12:00:00Z", "done");
    assert_eq!(desk.work().clock.breached_at, Some("2026-03-03T10:30:00Z".parse().unwrap()));
}

#[test]
fn a_target_that_changes_while_it_waits_keeps_the_pause() {
    let mut desk = Desk::new(resolution("sla"));
    desk.write("2026-03-02T09:00:00Z", json!({})).write("2026-03-02T10:00:00Z", json!({"phase": "waiting"}));
    desk.write("2026-03-02T15:00:00Z", json!({"priority": 1}));
    assert_eq!((desk.state(), desk.elapsed(), desk.deadline()), (State::Paused, TimeDelta::hours(1), None));
    desk.write("2026-03-03T08:00:00Z", json!({"phase": "open"}));
    assert_eq!(desk.deadline().as_deref(), Some("03 11:00"), "three of the four hours are left");
}

#[test]
fn a_target_that_changes_counts_for_what_has_passed() {
    let mut desk = Desk::new(resolution("sla"));
    desk.write("2026-03-02T09:00:00Z", json!({})).write("2026-03-02T14:00:00Z", json!({"priority": 1}));
    // Five hours have passed; four were allowed.
    assert_eq!(desk.deadline().as_deref(), Some("02 13:00"));
    assert_eq!(
        desk.work().clock.breached_at,
        Some("2026-03-02T14:00:00Z".parse().unwrap()),
        "it is missed from now on"
    );
    desk.write("2026-03-02T14:30:00Z", json!({"priority": 3}));
    assert_eq!((desk.work().clock.breached_at, desk.work().clock.told), (None, 50), "by this measure it is not");
    desk.time("2026-03-02T15:00:00Z");
    assert_eq!(desk.told().last().unwrap(), "02 15:00 warned", "75 % of eight hours");
}

#[test]
fn another_calendar_counts_for_what_has_passed() {
    let mut desk = Desk::new(resolution("sla"));
    desk.write("2026-03-02T15:30:00Z", json!({})).write("2026-03-02T17:00:00Z", json!({"priority": 2}));
    assert_eq!(desk.elapsed(), TimeDelta::minutes(90));
    assert_eq!(desk.deadline().as_deref(), Some("02 17:30"));
    desk.write("2026-03-02T17:10:00Z", json!({"priority": 3}));
    assert_eq!((desk.elapsed(), desk.deadline().as_deref()), (TimeDelta::minutes(30), Some("03 15:30")));
}

#[test]
fn a_clock_that_waits_is_not_missed() {
    let mut desk = Desk::new(resolution("sla"));
    desk.write("2026-03-02T09:00:00Z", json!({})).write("2026-03-02T10:00:00Z", json!({"phase": "waiting"}));
    desk.time("2026-03-20T10:00:00Z");
    assert_eq!((desk.told().len(), desk.work().clock.breached_at), (2, None));
}

#[test]
fn what_comes_back_goes_on_and_the_time_between_does_not_count() {
    let mut desk = Desk::new(resolution("sla"));
    desk.write("2026-03-02T09:00:00Z", json!({})).write("2026-03-02T12:00:00Z", json!({"phase": "done"}));
    desk.write("2026-03-04T08:00:00Z", json!({"phase": "open"}));
    assert_eq!(
        (desk.state(), desk.elapsed(), desk.deadline().as_deref()),
        (State::Running, TimeDelta::hours(3), Some("04 13:00"))
    );
    let mut level = resolution("sla");
    level.after_stop = AfterStop::Restart;
    let mut desk = Desk::new(level);
    desk.write("2026-03-02T09:00:00Z", json!({})).write("2026-03-03T12:00:00Z", json!({"phase": "done"}));
    desk.write("2026-03-04T08:00:00Z", json!({"phase": "open"}));
    let clock = &desk.work().clock;
    assert_eq!((clock.rounds, clock.breached_rounds, clock.breached_at, clock.elapsed), (2, 1, None, 0));
    assert_eq!(desk.deadline().as_deref(), Some("04 16:00"));
}

#[test]
fn only_an_answer_is_a_first_response_and_it_stays_one() {
    let mut level = resolution("sla");
    (level.stop, level.pause, level.after_stop) = (condition("answered = true"), None, AfterStop::Stay);
    let mut desk = Desk::new(level);
    desk.write("2026-03-02T09:00:00Z", json!({"title": "a"})).write("2026-03-02T10:00:00Z", json!({"title": "b"}));
    desk.write("2026-03-02T10:30:00Z", json!({"asked": true}));
    assert_eq!(desk.state(), State::Running, "neither an update nor the requester's own words");
    desk.write("2026-03-02T11:00:00Z", json!({"answered": true})).write("2026-03-05T11:00:00Z", json!({"title": "c"}));
    assert_eq!((desk.state(), desk.elapsed()), (State::Stopped, TimeDelta::hours(2)));
    desk.time("2026-03-30T11:00:00Z");
    assert_eq!(desk.told(), ["02 09:00 started", "02 11:00 stopped"], "nothing is told after the answer");
}

#[test]
fn each_answer_begins_another_round() {
    let mut level = resolution("sla");
    (level.reset, level.warnings) = (condition("answered = true"), Vec::new());
    let mut desk = Desk::new(level);
    desk.write("2026-03-02T08:00:00Z", json!({})).write("2026-03-02T15:00:00Z", json!({"answered": true}));
    assert_eq!(desk.deadline().as_deref(), Some("03 15:00"));
    desk.write("2026-03-03T16:00:00Z", json!({"answered": true}))
        .write("2026-03-04T09:00:00Z", json!({"phase": "waiting", "answered": true}));
    let clock = &desk.work().clock;
    assert_eq!((clock.rounds, clock.breached_rounds, desk.state()), (4, 1, State::Paused));
}

#[test]
fn what_fits_no_target_ends_and_begins_again_when_one_fits() {
    let mut level = resolution("sla");
    level.targets.retain(|target| target.priority == Some(1));
    let mut desk = Desk::new(level);
    desk.write("2026-03-02T09:00:00Z", json!({}));
    assert!(desk.work.is_none());
    desk.write("2026-03-02T10:00:00Z", json!({"priority": 1})).write("2026-03-02T11:00:00Z", json!({"priority": 4}));
    assert_eq!(desk.state(), State::Cancelled);
    desk.write("2026-03-02T13:00:00Z", json!({"priority": 1}));
    assert_eq!(
        (desk.state(), desk.elapsed(), desk.deadline().as_deref()),
        (State::Running, TimeDelta::hours(1), Some("02 16:00"))
    );
    desk.write("2026-03-02T14:00:00Z", json!({"phase": "cancelled"})).time("2026-03-09T14:00:00Z");
    assert_eq!((desk.state(), desk.work().clock.breached_at), (State::Cancelled, None));
}

#[test]
fn midnight_takes_no_minute_from_a_clock_that_always_runs() {
    let mut level = resolution("sla");
    level.calendar = "always".to_owned();
    let mut desk = Desk::new(level);
    // Over a week, the night in which Berlin's clocks change, and leap day's place.
    desk.write("2026-03-25T00:00:00Z", json!({})).write("2026-04-01T00:00:00Z", json!({"phase": "done"}));
    assert_eq!(desk.elapsed(), TimeDelta::days(7));
}

#[test]
fn segments_tell_apart_what_counts() {
    let at = |text: &str| text.parse::<Moment>().unwrap();
    let ledger = [
        (at("2026-03-02T15:00:00Z"), Event::Started),
        (at("2026-03-03T09:00:00Z"), Event::Paused),
        (at("2026-03-03T10:00:00Z"), Event::Resumed),
        (at("2026-03-03T11:00:00Z"), Event::Stopped),
    ];
    let work = calendar(Tz::Europe__Berlin, NINE_TO_FIVE);
    let told: Vec<String> = ledger::segments(&ledger, &work, at("2026-03-05T00:00:00Z"))
        .into_iter()
        .map(|(from, until, state)| format!("{}-{} {state:?}", from.utc().format("%H:%M"), until.utc().format("%H:%M")))
        .collect();
    assert_eq!(
        told,
        [
            "15:00-16:00 Running",
            "16:00-08:00 OutOfHours",
            "08:00-09:00 Running",
            "09:00-10:00 Paused",
            "10:00-11:00 Running"
        ]
    );
}

/// Writes at random moments that change phase, priority and whether somebody answers.
fn history() -> impl Strategy<Value = Vec<(i64, u8, u8)>> {
    prop::collection::vec((1..20_000_i64, 0..4_u8, 1..5_u8), 1..25)
}

proptest! {
    /// What a clock shows follows from its ledger, minute by minute, whatever happened to it.
    #[test]
    fn a_clock_is_what_its_ledger_says(history in history(), timers in any::<bool>()) {
        let mut level = resolution("sla");
        level.after_stop = AfterStop::Resume;
        let mut desk = Desk::new(level);
        let mut minute = 0;
        let start: Moment = NaiveDate::from_ymd_opt(2026, 3, 20).unwrap().and_hms_opt(7, 0, 0).unwrap().and_utc().into();
        for (wait, phase, priority) in history {
            minute += wait;
            let at = start.plus(TimeDelta::minutes(minute));
            if timers && desk.work.is_some() {
                while let Some(due) = desk.work().next_due(&desk.levels).unwrap().filter(|due| *due < at) {
                    desk.look(due, Some(due), true);
                }
            }
            let phase = ["open", "waiting", "done", "open"][usize::from(phase)];
            desk.record.extend([("phase".to_owned(), phase.into()), ("priority".to_owned(), priority.into())]);
            desk.look(at, Some(at), false);
        }
        let Some(work) = &desk.work else { return Ok(()) };
        let clock = &work.clock;
        let ledger: Vec<Happening> = work.added.iter().map(|e| e.happening().unwrap()).collect();
        prop_assert!(ledger.is_sorted_by_key(|(at, _)| *at), "{ledger:?}");
        let calendar = desk.levels.calendar(&clock.calendar).unwrap();
        // The slow way: every minute by itself.
        let (mut counted, mut missed) = (0, None);
        let stretches = ledger::stretches(&ledger, clock.since);
        for (from, until, _) in stretches.iter().filter(|(.., s)| *s == Stretch::Running) {
            let mut at = *from;
            while at < *until {
                let next = at.plus(TimeDelta::minutes(1)).min(*until);
                counted += calendar.between(at, next).num_microseconds().unwrap();
                at = next;
                if counted >= clock.target && missed.is_none() {
                    missed = Some(at);
                }
            }
        }
        prop_assert_eq!(counted, clock.elapsed);
        if let (Some(slow), Some(fast)) = (missed, clock.deadline) {
            prop_assert!(slow.since(fast) < TimeDelta::minutes(1) && slow >= fast, "{slow} {fast}");
        }
        prop_assert_eq!(clock.breached_at.is_some(), clock.told == 100);
    }
}
