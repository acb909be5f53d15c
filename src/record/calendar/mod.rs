//! Calendars: when work is done. From a time zone, hours of the week, holidays and exceptional days follow the open spans of
//! time, and how much open time passes between two moments.
//!
//! Everything here is pure: it asks neither the clock nor the store ([`row`] alone knows the table).
//!
//! A moment is open if the time of day that people in the zone see at that moment lies in one of the calendar's spans. So a span
//! that falls into the gap of a change to summer time shrinks, one that holds the hour that comes twice lasts longer, and a day
//! that a zone left out has no hours. Spans hold their beginning and not their end: one that ends at 24:00 meets the next at 00:00
//! without a seam.
//!
//! A span belongs to the day on which it begins. A holiday takes away the spans that begin on it, with what reaches over its
//! midnight, and leaves what reaches into it from the day before.
//!
//! **Invariant:** `between(a, add(a, d)) == d` wherever `add` finds a moment, and `between(a, b) + between(b, c) == between(a, c)`.
//! **Invariant:** nothing is counted outside of the years [`FIRST`] to [`LAST`], so every question has an end.

pub mod content;
mod day;
pub mod holidays;
pub mod ical;
pub mod row;
#[cfg(test)]
mod tests;
mod year;

use std::{array, collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;

pub use self::year::{FIRST, LAST};
use self::{content::Content, day::Days, year::Year};
use crate::{clock::Moment, error::FieldError};

/// The calendar that is asked where none is named.
pub const BUSINESS_HOURS: &str = "business-hours";

/// Calendars by name, ready to be asked.
pub type Calendars = BTreeMap<String, Arc<Calendar>>;

/// How many years are kept once they were worked out.
const KEPT: usize = 16;

/// When it is open, ready to be asked. Cheap to ask, dear to make: share one.
pub struct Calendar {
    zone: Tz,
    days: Days,
    /// Years that were asked for, each in the place of its number.
    years: [ArcSwapOption<Year>; KEPT],
}

impl Calendar {
    /// Of a zone and what it says of its days.
    ///
    /// # Errors
    /// Every place in `content` that is wrong.
    pub fn new(zone: Tz, content: &Content) -> Result<Self, Vec<FieldError>> {
        Ok(Calendar { zone, days: content.days()?, years: array::from_fn(|_| ArcSwapOption::empty()) })
    }

    /// Whether it is open at a moment.
    pub fn is_open(&self, at: Moment) -> bool {
        let (number, at) = place(at);
        self.year(number).is_some_and(|year| year.is_open(at))
    }

    /// The first moment from `at` on at which it is open; `at` itself where it is open then, nothing where it never is again.
    pub fn next_open(&self, at: Moment) -> Option<Moment> {
        let (number, at) = place(at);
        (number.max(FIRST)..=LAST).find_map(|number| self.year(number)?.next_open(at)).and_then(moment)
    }

    /// The first moment from `at` on at which it is closed; `at` itself where it is closed then, nothing where it never is again.
    pub fn next_close(&self, at: Moment) -> Option<Moment> {
        moment(self.close(at)).filter(|close| self.year(place(*close).0).is_some() || *close == at)
    }

    /// The open spans between two moments, each from its first moment to the first after it, cut at both.
    pub fn open_spans(&self, from: Moment, until: Moment) -> impl Iterator<Item = (Moment, Moment)> {
        let mut at = from;
        std::iter::from_fn(move || {
            let open = self.next_open(at).filter(|open| *open < until)?;
            at = moment(self.close(open)).map_or(until, |close| close.min(until));
            Some((open, at))
        })
    }

    /// How much open time passes from `from` until `until`; negative where `until` is before `from`.
    pub fn between(&self, from: Moment, until: Moment) -> TimeDelta {
        if until < from {
            return -self.between(until, from);
        }
        let ((first, from), (last, until)) = (place(from), place(until));
        let passed = |number: i32, at: i64| self.year(number).map_or(0, |year| year.passed(at));
        let whole: i64 = (first.max(FIRST)..last.min(LAST + 1)).filter_map(|n| self.year(n)).map(|y| y.total()).sum();
        TimeDelta::microseconds(whole + passed(last, until) - passed(first, from))
    }

    /// The earliest moment by which so much open time has passed since `from`. Four hours from 14:00 of a day that is open from
    /// 08:00 to 18:00 are over at 18:00, not at 08:00 of the next; no time at all is over at `from`, open or not.
    ///
    /// Time that is negative is counted backwards: the latest moment from which on so much passes until `from`.
    ///
    /// Nothing where that is not within the years that calendars know.
    pub fn add(&self, from: Moment, open: TimeDelta) -> Option<Moment> {
        let (number, at) = place(from);
        let open = open.num_microseconds()?;
        let owed = self.year(number).map_or(0, |year| year.passed(at)).checked_add(open)?;
        match open {
            0 => Some(from),
            1.. => self.forwards(number, owed),
            ..0 => self.backwards(number, owed),
        }
    }

    /// The earliest moment by which so much has passed since the beginning of a year.
    fn forwards(&self, first: i32, mut owed: i64) -> Option<Moment> {
        for number in first.max(FIRST)..=LAST {
            let year = self.year(number)?;
            if owed <= year.total() {
                return moment(year.reach(owed));
            }
            owed -= year.total();
        }
        None
    }

    /// The latest moment by which no more has passed since the beginning of a year; before it where that is less than nothing.
    fn backwards(&self, last: i32, mut owed: i64) -> Option<Moment> {
        for number in (FIRST..=last.min(LAST + 1)).rev() {
            if owed >= 0 {
                return moment(self.year(number)?.reach_back(owed));
            }
            owed += self.year(number - 1)?.total();
        }
        None
    }

    /// The first moment from `at` on at which it is closed, at the latest when the years end that calendars know.
    fn close(&self, at: Moment) -> i64 {
        let (number, mut at) = place(at);
        for year in (number..).map_while(|number| self.year(number)) {
            at = year.next_close(at);
            if at < year.until {
                break;
            }
        }
        at
    }

    /// A year that calendars know, worked out where it is not at hand.
    fn year(&self, number: i32) -> Option<Arc<Year>> {
        if !(FIRST..=LAST).contains(&number) {
            return None;
        }
        let place = &self.years[usize::try_from(number).ok()? % KEPT];
        if let Some(known) = place.load_full().filter(|year| year.number == number) {
            return Some(known);
        }
        let year = Arc::new(Year::of(number, self.zone, &self.days));
        place.store(Some(Arc::clone(&year)));
        Some(year)
    }
}

/// The first moment at which the clocks of a zone show a local time; where they leave it out, that at which they jump over it.
pub fn first_shown(zone: Tz, local: NaiveDateTime) -> Option<Moment> {
    moment(year::first_shown(zone, local.and_utc().timestamp_micros()))
}

/// The year of a moment in UTC, and its microseconds since 1970.
fn place(at: Moment) -> (i32, i64) {
    (at.utc().year(), at.utc().timestamp_micros())
}

fn moment(microseconds: i64) -> Option<Moment> {
    DateTime::from_timestamp_micros(microseconds).map(Moment::from)
}
