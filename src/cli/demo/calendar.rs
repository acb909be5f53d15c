//! When people work, and when they report. All in UTC, like the business hours of the shipped policies.

use chrono::{DateTime, Datelike, Days, TimeDelta, Timelike, Utc};
use rand::{Rng, RngExt};

use crate::clock::Moment;

/// The working day: from this hour to that one.
const DAY: std::ops::Range<u32> = 8..18;
/// How many of a hundred reports come in each hour of a working day: few at night, a peak in the morning, a dent at noon.
const HOURS: [u32; 24] = [0, 0, 0, 0, 0, 1, 2, 6, 13, 14, 11, 8, 5, 9, 10, 8, 6, 3, 2, 1, 1, 0, 0, 0];
/// How many of a hundred weekend reports are reported nevertheless.
const WEEKEND_PERCENT: u32 = 15;

fn is_weekend(at: DateTime<Utc>) -> bool {
    at.weekday().number_from_monday() > 5
}

/// The same moment where somebody works then; otherwise `late` minutes into the next working day.
pub fn at_work(at: Moment, late: i64) -> Moment {
    let mut day = at.utc();
    if !is_weekend(day) && DAY.contains(&day.hour()) {
        return at;
    }
    if day.hour() >= DAY.end || is_weekend(day) {
        day = day + Days::new(1);
        while is_weekend(day) {
            day = day + Days::new(1);
        }
    }
    let morning = day.date_naive().and_hms_opt(DAY.start, 0, day.second()).map(Moment::from_utc);
    morning.unwrap_or(at).plus(TimeDelta::minutes(late))
}

/// A moment in the `days` before `until` at which somebody reports something.
pub fn arrival(rng: &mut impl Rng, until: Moment, days: i64) -> Moment {
    loop {
        let back = TimeDelta::days(rng.random_range(0..=days));
        let day = until.minus(back).utc();
        if is_weekend(day) && rng.random_range(0..100) >= WEEKEND_PERCENT {
            continue;
        }
        let clock = (hour(rng), rng.random_range(0..60), rng.random_range(0..60));
        let at = day.date_naive().and_hms_opt(clock.0, clock.1, clock.2).map(Moment::from_utc);
        if let Some(at) = at.filter(|at| *at <= until && *at > until.minus(TimeDelta::days(days))) {
            return at;
        }
    }
}

fn hour(rng: &mut impl Rng) -> u32 {
    let mut left = rng.random_range(0..HOURS.iter().sum());
    for (hour, weight) in (0..).zip(HOURS) {
        if left < weight {
            return hour;
        }
        left -= weight;
    }
    DAY.start
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

    use super::*;

    #[test]
    fn work_waits_for_the_next_working_day() {
        for (at, expected) in [
            ("2026-03-03T11:00:00Z", "2026-03-03T11:00:00Z"),
            ("2026-03-03T06:30:00Z", "2026-03-03T08:07:00Z"),
            ("2026-03-03T18:00:00Z", "2026-03-04T08:07:00Z"),
            ("2026-03-06T22:15:00Z", "2026-03-09T08:07:00Z"),
            ("2026-03-07T10:00:00Z", "2026-03-09T08:07:00Z"),
            ("2026-03-08T03:00:00Z", "2026-03-09T08:07:00Z"),
        ] {
            assert_eq!(at_work(at.parse().unwrap(), 7).to_string(), expected, "{at}");
        }
    }

    #[test]
    fn reports_come_in_the_days_before_and_mostly_when_people_work() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let until: Moment = "2026-03-31T15:00:00Z".parse().unwrap();
        let arrivals: Vec<Moment> = (0..500).map(|_| arrival(&mut rng, until, 30)).collect();
        assert!(arrivals.iter().all(|at| *at <= until && until.since(*at) <= TimeDelta::days(30)));
        let at_work = arrivals.iter().filter(|at| at_work(**at, 1) == **at).count();
        assert!((350..480).contains(&at_work), "{at_work}");
    }
}
