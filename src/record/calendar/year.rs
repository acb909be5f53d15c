//! The open time of one year in UTC: its spans in order, each with how much open time lies before it, so that both directions
//! of the arithmetic are a binary search.
//!
//! All times are microseconds since 1970 in UTC; local ones, microseconds since 1970 as if the zone were UTC.

use chrono::{DateTime, Days as Later, NaiveDate, Offset, TimeZone};
use chrono_tz::Tz;

use super::day::Days;

/// The first year that calendars know.
pub const FIRST: i32 = 1970;
/// The last one.
pub const LAST: i32 = 2199;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// The open time of a year.
pub struct Year {
    /// Which one.
    pub number: i32,
    /// When it is over: the first moment of the next.
    pub until: i64,
    /// In order, none meeting the next.
    spans: Box<[Open]>,
}

/// An open span.
struct Open {
    from: i64,
    until: i64,
    /// The open time of the year that lies before it.
    before: i64,
}

/// A stretch of time in which the clocks of a zone are not changed.
struct Steady {
    from: i64,
    until: i64,
    /// By how much they are ahead of UTC.
    ahead: i64,
}

impl Year {
    /// Works it out.
    pub fn of(number: i32, zone: Tz, days: &Days) -> Year {
        let (from, until) = (beginning(number), beginning(number + 1));
        let mut spans: Vec<Open> = Vec::new();
        for steady in steady(zone, from, until) {
            for (from, until) in local_spans(days, steady.from + steady.ahead, steady.until + steady.ahead) {
                let (from, until) = ((from - steady.ahead).max(steady.from), (until - steady.ahead).min(steady.until));
                if until <= from {
                    continue;
                }
                match spans.last_mut().filter(|last| last.until == from) {
                    Some(last) => last.until = until,
                    None => spans.push(Open { from, until, before: 0 }),
                }
            }
        }
        let mut before = 0;
        for span in &mut spans {
            span.before = before;
            before += span.until - span.from;
        }
        Year { number, until, spans: spans.into() }
    }

    /// How much open time it has.
    pub fn total(&self) -> i64 {
        self.spans.last().map_or(0, |last| last.before + last.until - last.from)
    }

    /// How much of its open time has passed by a moment.
    pub fn passed(&self, at: i64) -> i64 {
        match self.spans[..self.spans.partition_point(|span| span.from <= at)].last() {
            Some(span) => span.before + at.min(span.until) - span.from,
            None => 0,
        }
    }

    /// The earliest moment by which so much of its open time has passed: more than none, and no more than it has.
    pub fn reach(&self, open: i64) -> i64 {
        let begun = self.spans.partition_point(|span| span.before < open);
        self.spans[..begun].last().map_or(self.until, |span| span.from + open - span.before)
    }

    /// The latest moment by which no more than so much of its open time has passed: less than it has.
    pub fn reach_back(&self, open: i64) -> i64 {
        let begun = self.spans.partition_point(|span| span.before <= open);
        self.spans[..begun].last().map_or(self.until, |span| span.from + open - span.before)
    }

    /// Whether it is open at a moment.
    pub fn is_open(&self, at: i64) -> bool {
        self.spans.get(self.not_over(at)).is_some_and(|span| span.from <= at)
    }

    /// The first moment from `at` on at which it is open.
    pub fn next_open(&self, at: i64) -> Option<i64> {
        self.spans.get(self.not_over(at)).map(|span| span.from.max(at))
    }

    /// The first moment from `at` on at which it is closed, at the latest when the year is over.
    pub fn next_close(&self, at: i64) -> i64 {
        self.spans.get(self.not_over(at)).filter(|span| span.from <= at).map_or(at, |span| span.until)
    }

    /// The place of the first span that is not over at a moment.
    fn not_over(&self, at: i64) -> usize {
        self.spans.partition_point(|span| span.until <= at)
    }
}

/// The first moment of a year.
fn beginning(year: i32) -> i64 {
    NaiveDate::from_ymd_opt(year, 1, 1).map_or(0, midnight)
}

fn midnight(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

/// The spans of the days that touch a stretch of local time, in order.
fn local_spans(days: &Days, from: i64, until: i64) -> impl Iterator<Item = (i64, i64)> {
    let day = |local: i64| DateTime::from_timestamp_micros(local).map(|at| at.date_naive()).unwrap_or_default();
    // What begins on the day before may reach into the first one.
    let first = day(from).checked_sub_days(Later::new(1)).unwrap_or_default();
    let touched = first.iter_days().take_while(move |day| midnight(*day) < until);
    touched.flat_map(|day| {
        let at = move |minutes: u16| midnight(day) + i64::from(minutes) * MINUTE;
        days.on(day).iter().map(move |hours| (at(hours.from), at(hours.until)))
    })
}

/// A stretch of time, in parts in which the clocks of a zone are not changed. No zone changes them and back within a day.
fn steady(zone: Tz, from: i64, until: i64) -> Vec<Steady> {
    let (mut parts, mut at) = (Vec::new(), from);
    let mut part = Steady { from, until, ahead: ahead(zone, from) };
    while at < until {
        let next = (at + DAY).min(until);
        if ahead(zone, next) == part.ahead {
            at = next;
            continue;
        }
        at = change(zone, at, next, part.ahead);
        if at < until {
            let new = Steady { from: at, until, ahead: ahead(zone, at) };
            parts.push(Steady { until: at, ..std::mem::replace(&mut part, new) });
        }
    }
    parts.push(part);
    parts
}

/// The first moment at which the clocks of a zone show a local time; where they leave it out, that at which they jump over it.
pub fn first_shown(zone: Tz, local: i64) -> i64 {
    // No zone is further from UTC than a day.
    let parts = steady(zone, local - 2 * DAY, local + 2 * DAY);
    let shows = parts.iter().find(|part| local - part.ahead < part.until);
    shows.map_or(local, |part| (local - part.ahead).max(part.from))
}

/// The first second after `before` at which a zone's clocks are no longer ahead by `known`, as they are not at `after`.
fn change(zone: Tz, mut before: i64, mut after: i64, known: i64) -> i64 {
    while after - before > SECOND {
        let middle = before + (after - before) / (2 * SECOND) * SECOND;
        if ahead(zone, middle) == known { before = middle } else { after = middle }
    }
    after
}

/// By how much the clocks of a zone are ahead of UTC.
fn ahead(zone: Tz, at: i64) -> i64 {
    let at = DateTime::from_timestamp_micros(at).unwrap_or_default().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&at).fix().local_minus_utc()) * SECOND
}
