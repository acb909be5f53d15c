//! Which spans each day has.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

/// Minutes of a day.
pub const DAY: u16 = 24 * 60;

/// Open hours of a day, in minutes since its midnight; the end may lie on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// When they begin.
    pub from: u16,
    /// When they are over.
    pub until: u16,
}

/// The hours of every day, in the order in which they begin. None overlap, not even those of neighbours.
#[derive(Debug, Default)]
pub struct Days {
    /// From Monday on.
    pub week: [Vec<Hours>; 7],
    /// Days that are not as their weekday.
    pub special: BTreeMap<NaiveDate, Vec<Hours>>,
}

impl Days {
    /// The hours that begin on a day.
    pub fn on(&self, day: NaiveDate) -> &[Hours] {
        let usual = &self.week[day.weekday().num_days_from_monday() as usize];
        self.special.get(&day).unwrap_or(usual)
    }
}
