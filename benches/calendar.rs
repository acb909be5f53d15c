//! How fast a calendar answers, against a walk from day to day that asks the zone for the beginning and end of each span.
//!
//! `cargo bench --bench calendar` prints nanoseconds; a deadline a month away must not take more than two microseconds.

#![expect(clippy::unwrap_used, reason = "a measurement that can't be made ends the run")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use pointsman::{
    clock::Moment,
    record::calendar::{Calendar, content::Content},
};

const ZONE: Tz = Tz::Europe__Berlin;
/// What a deadline a month away takes: 21 days of ten hours.
const MONTH: TimeDelta = TimeDelta::hours(210);
/// For how long each is measured.
const LONG: Duration = Duration::from_millis(300);

fn main() {
    let content: Content = serde_json::from_str(CONTENT).unwrap();
    let calendar = Calendar::new(ZONE, &content).unwrap();
    let starts: Vec<Moment> =
        (0..1_000).map(|n| at("2026-01-05T09:17:00Z").plus(TimeDelta::minutes(n * 397))).collect();
    for start in &starts {
        assert_eq!(calendar.add(*start, MONTH), Some(walked(&content, *start, MONTH)), "{start}");
    }
    let walk = nanoseconds(&starts, |start| walked(&content, start, MONTH));
    let add = nanoseconds(&starts, |start| calendar.add(start, MONTH));
    let between = nanoseconds(&starts, |start| calendar.between(start, start.plus(TimeDelta::days(30))));
    let open = nanoseconds(&starts, |start| calendar.is_open(start));
    let cold = nanoseconds(&starts, |start| Calendar::new(ZONE, &content).unwrap().add(start, MONTH));
    println!("a deadline a month away, by a walk        {walk:>10.0} ns");
    println!("a deadline a month away                   {add:>10.0} ns   {:>6.1} times as fast", walk / add);
    println!("how much of a month is open               {between:>10.0} ns   {:>6.1} times as fast", walk / between);
    println!("whether it is open                        {open:>10.0} ns");
    println!("the first deadline of a calendar          {cold:>10.0} ns");
}

const CONTENT: &str = r#"{
    "hours": {
        "monday": [{"from": "08:00", "until": "18:00"}], "tuesday": [{"from": "08:00", "until": "18:00"}],
        "wednesday": [{"from": "08:00", "until": "18:00"}], "thursday": [{"from": "08:00", "until": "18:00"}],
        "friday": [{"from": "08:00", "until": "18:00"}]
    },
    "holidays": [
        {"date": "2026-04-03", "name": "Good Friday"}, {"date": "2026-04-06", "name": "Easter Monday"},
        {"date": "2026-05-01", "name": "Labour Day"}, {"date": "2026-05-14", "name": "Ascension Day"},
        {"date": "2026-05-25", "name": "Whit Monday"}, {"date": "2026-12-25", "name": "Christmas Day"}
    ]
}"#;

fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

/// What one call takes, the best of some rounds.
fn nanoseconds<T>(starts: &[Moment], work: impl Fn(Moment) -> T) -> f64 {
    let round = || {
        let (began, mut calls) = (Instant::now(), 0_u32);
        while began.elapsed() < LONG {
            for start in starts.iter().take(100) {
                black_box(work(black_box(*start)));
                calls += 1;
            }
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
    };
    (0..5).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// When so much of the calendar's time is over, found by going from day to day.
fn walked(content: &Content, start: Moment, mut owed: TimeDelta) -> Moment {
    let local = |day: NaiveDate, hour| -> DateTime<Utc> {
        ZONE.from_local_datetime(&day.and_hms_opt(hour, 0, 0).unwrap()).unwrap().to_utc()
    };
    let mut day = start.utc().with_timezone(&ZONE).date_naive();
    loop {
        let is_free = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        if !is_free && content.holidays.binary_search_by_key(&day, |holiday| holiday.date).is_err() {
            let (from, until) = (local(day, 8).max(start.utc()), local(day, 18));
            if until - from >= owed {
                return (from + owed).into();
            }
            owed -= (until - from).max(TimeDelta::zero());
        }
        day = day.succ_opt().unwrap();
    }
}
