//! Random calendars against a slow oracle, which goes through UTC minute by minute, asks the zone what time it is there, and
//! looks that up in what the calendar says.

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::{prelude::*, sample::select};

use super::{
    super::{
        Calendar,
        content::{Content, ExceptionalDay, Holiday, OpenHours, WeeklyHours},
    },
    at,
};
use crate::clock::Moment;

/// Zones with rules of their own: changes at midnight and by half an hour, days left out, summer time that is negative or pauses
/// for a month, odd offsets.
const ZONES: &[Tz] = &[
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::Europe__Dublin,
    Tz::America__New_York,
    Tz::America__Santiago,
    Tz::America__St_Johns,
    Tz::America__Scoresbysund,
    Tz::Africa__Casablanca,
    Tz::Antarctica__Troll,
    Tz::Asia__Beirut,
    Tz::Asia__Kathmandu,
    Tz::Asia__Tehran,
    Tz::Australia__Lord_Howe,
    Tz::Pacific__Apia,
    Tz::Pacific__Chatham,
    Tz::Pacific__Kwajalein,
];

/// Days on which something happens somewhere, or to everybody.
const DAYS: &[&str] = &[
    "2026-03-08",
    "2026-03-29",
    "2026-04-05",
    "2026-09-06",
    "2026-10-04",
    "2026-10-25",
    "2026-11-01",
    "2011-12-30",
    "1993-08-21",
    "2028-02-29",
    "2027-02-28",
    "2026-12-31",
    "1999-12-31",
    "2024-03-10",
    "2026-02-15",
    "2019-03-31",
    "2005-03-27",
    "2099-12-31",
];

/// What a calendar says, in minutes.
struct Oracle {
    zone: Tz,
    week: Vec<Vec<(u32, u32)>>,
    special: Vec<(NaiveDate, Vec<(u32, u32)>)>,
}

impl Oracle {
    fn new(zone: Tz, content: &Content) -> Oracle {
        let minute = |text: String| text[..2].parse::<u32>().unwrap() * 60 + text[3..].parse::<u32>().unwrap();
        let span = |span: &OpenHours| {
            let (from, until) = (minute(span.from.to_string()), minute(span.until.to_string()));
            (from, if until < from { until + 1440 } else { until })
        };
        let spans = |hours: &[OpenHours]| hours.iter().map(span).collect::<Vec<_>>();
        let exceptions = content.exceptions.iter().map(|day| (day.date, spans(&day.hours)));
        let holidays = content.holidays.iter().map(|day| (day.date, Vec::new()));
        let week = content.hours.days().iter().map(|(_, hours)| spans(hours)).collect();
        Oracle { zone, week, special: exceptions.chain(holidays).collect() }
    }

    /// Whether it is open in the minute in which the moment lies.
    fn is_open(&self, moment: NaiveDateTime) -> bool {
        let local = self.zone.from_utc_datetime(&moment).naive_local();
        let minute = local.hour() * 60 + local.minute();
        let holds = |day: NaiveDate, minute: u32| {
            let special = self.special.iter().find(|(special, _)| *special == day).map(|(_, hours)| hours);
            let hours = special.unwrap_or(&self.week[day.weekday().num_days_from_monday() as usize]);
            hours.iter().any(|(from, until)| *from <= minute && minute < *until)
        };
        holds(local.date(), minute) || holds(local.date().pred_opt().unwrap(), minute + 1440)
    }

    /// The open pieces of the minutes from one moment until another, in order.
    fn pieces(&self, from: Moment, until: Moment) -> Vec<(Moment, Moment)> {
        let mut pieces = Vec::new();
        let mut minute = from.utc().naive_utc().with_second(0).unwrap().with_nanosecond(0).unwrap();
        while Moment::from_utc(minute) < until {
            let next = minute + TimeDelta::minutes(1);
            if self.is_open(minute) {
                pieces.push((Moment::from_utc(minute).max(from), Moment::from_utc(next).min(until)));
            }
            minute = next;
        }
        pieces
    }
}

fn sum(pieces: &[(Moment, Moment)]) -> TimeDelta {
    pieces.iter().map(|(from, until)| until.since(*from)).sum()
}

/// The moment by which so much of the pieces has passed.
fn reached(pieces: &[(Moment, Moment)], from: Moment, open: TimeDelta) -> Option<Moment> {
    let mut owed = open;
    if owed.is_zero() {
        return Some(from);
    }
    for (from, until) in pieces {
        if until.since(*from) >= owed {
            return Some(from.plus(owed));
        }
        owed -= until.since(*from);
    }
    None
}

fn time(minutes: u32) -> super::super::content::TimeOfDay {
    format!("{:02}:{:02}", minutes / 60, minutes % 60).parse().unwrap()
}

/// Spans between sorted minutes of a day.
fn cut(minutes: &[u32]) -> Vec<OpenHours> {
    let pair = |pair: &[u32]| OpenHours { from: time(pair[0]), until: time(pair[1]) };
    minutes.chunks_exact(2).map(pair).collect()
}

/// The hours of a day: some by day, which may touch both midnights; or some from six o'clock on, of which the last may end on the
/// next day before six; or all of it.
fn any_hours(style: u8) -> BoxedStrategy<Vec<OpenHours>> {
    let minutes = |least: u32| {
        prop::collection::btree_set(least..=1440_u32, 0..6).prop_map(|set| set.into_iter().collect::<Vec<_>>())
    };
    match style {
        0 => minutes(0).prop_map(|minutes| cut(&minutes)).boxed(),
        1 => (minutes(360), prop::option::of(0..360_u32))
            .prop_map(|(minutes, over)| {
                let mut hours = cut(&minutes);
                if let (Some(last), Some(over)) = (hours.last_mut(), over) {
                    last.until = time(over);
                }
                hours
            })
            .boxed(),
        _ => Just(cut(&[0, 1440])).boxed(),
    }
}

prop_compose! {
    fn any_content(around: NaiveDate)(style in 0..7_u8)(
        week in prop::collection::vec(any_hours(style.min(5) / 2), 7),
        holidays in prop::collection::btree_set(-4..5_i64, 0..3),
        exceptions in prop::collection::btree_map(-4..5_i64, any_hours(style.min(5) / 2), 0..3),
    ) -> Content {
        let day = |offset: i64| around + TimeDelta::days(offset);
        let [monday, tuesday, wednesday, thursday, friday, saturday, sunday] = week.try_into().unwrap();
        let holiday = |offset| Holiday { date: day(offset), name: "H".into() };
        let exception = |(offset, hours)| ExceptionalDay { date: day(offset), name: "E".into(), hours };
        Content {
            hours: WeeklyHours { monday, tuesday, wednesday, thursday, friday, saturday, sunday },
            holidays: holidays.into_iter().map(holiday).collect(),
            exceptions: exceptions.into_iter().map(exception).collect(),
        }
    }
}

fn any_day() -> impl Strategy<Value = NaiveDate> {
    let some = (1975..2190_i32, 1..=365_u32).prop_map(|(year, day)| NaiveDate::from_yo_opt(year, day).unwrap());
    prop_oneof![2 => select(DAYS).prop_map(|day| day.parse().unwrap()), 1 => some]
}

fn any_zone() -> impl Strategy<Value = Tz> {
    prop_oneof![2 => select(ZONES), 1 => select(&TZ_VARIANTS[..])]
}

/// A moment within some days of one, on a whole minute more often than not.
fn near(day: NaiveDate, days: i64) -> impl Strategy<Value = Moment> {
    let start = Moment::from_utc(day.and_hms_opt(0, 0, 0).unwrap());
    let rest = prop_oneof![2 => Just(0_i64), 1 => 0..60_000_000_i64];
    (-days * 1440..days * 1440, rest)
        .prop_map(move |(minutes, rest)| start.plus(TimeDelta::minutes(minutes)).plus(TimeDelta::microseconds(rest)))
}

prop_compose! {
    fn any_case()(day in any_day())(
        zone in any_zone(), content in any_content(day), moments in prop::collection::vec(near(day, 3), 3),
        open in 0..3_000_i64, day in Just(day),
    ) -> (Tz, Content, NaiveDate, Vec<Moment>, TimeDelta) {
        (zone, content, day, moments, TimeDelta::minutes(open))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn it_says_what_the_oracle_says((zone, content, day, mut moments, open) in any_case()) {
        let (calendar, oracle) = (Calendar::new(zone, &content).unwrap(), Oracle::new(zone, &content));
        moments.sort();
        let [a, b, c] = moments[..] else { unreachable!() };
        let end = Moment::from_utc(day.and_hms_opt(0, 0, 0).unwrap()).plus(TimeDelta::days(4));
        let (until_b, until_end) = (oracle.pieces(a, b), oracle.pieces(a, end));

        prop_assert_eq!(calendar.between(a, b), sum(&until_b));
        prop_assert_eq!(calendar.between(b, a), -sum(&until_b));
        prop_assert_eq!(calendar.between(a, b) + calendar.between(b, c), calendar.between(a, c));
        for moment in [a, b, c] {
            prop_assert_eq!(calendar.is_open(moment), oracle.is_open(moment.utc().naive_utc()));
        }

        let due = calendar.add(a, open);
        match reached(&until_end, a, open) {
            Some(expected) => prop_assert_eq!(due, Some(expected)),
            None => prop_assert!(due.is_none_or(|due| due > end)),
        }

        // The spans are the pieces, put together where they meet.
        let mut joined: Vec<(Moment, Moment)> = Vec::new();
        for (from, until) in until_b {
            match joined.last_mut().filter(|last| last.1 == from) {
                Some(last) => last.1 = until,
                None => joined.push((from, until)),
            }
        }
        prop_assert_eq!(calendar.open_spans(a, b).collect::<Vec<_>>(), joined);
    }
}

proptest! {
    #[test]
    fn both_directions_undo_each_other(
        (zone, content, _, mut moments, _) in any_case(), microseconds in 0..2_000_000_000_000_i64, years in 0..40_i64,
    ) {
        let calendar = Calendar::new(zone, &content).unwrap();
        moments.sort();
        let (a, c) = (moments[0], moments[2].plus(TimeDelta::days(years * 365)));
        let open = TimeDelta::microseconds(microseconds);
        let instant = TimeDelta::microseconds(1);
        if let Some(due) = calendar.add(a, open) {
            prop_assert!(due >= a);
            prop_assert_eq!(calendar.between(a, due), open);
            // The earliest such moment, and never out of hours: time passes right before it.
            prop_assert!(open.is_zero() || calendar.is_open(due.minus(instant)));
            prop_assert!(calendar.add(a, open + instant).is_none_or(|later| later > due));
        }
        if let Some(begun) = calendar.add(a, -open) {
            prop_assert!(begun <= a);
            prop_assert_eq!(calendar.between(begun, a), open);
            prop_assert!(open.is_zero() || calendar.is_open(begun));
        }
        let passed = calendar.between(a, c);
        prop_assert!(passed >= TimeDelta::zero() && passed <= c.since(a));
        let due = calendar.add(a, passed).unwrap();
        prop_assert!(due <= c && calendar.between(due, c).is_zero());
        prop_assert!(passed.is_zero() || due == c || !calendar.is_open(c.minus(instant)));
        let begun = calendar.add(c, -passed).unwrap();
        prop_assert!(begun >= a && calendar.between(a, begun).is_zero());
    }
}

/// Second by second where the clocks are changed.
#[test]
fn edges_lie_on_the_right_second() {
    let content = Content {
        hours: WeeklyHours { sunday: cut(&[60, 90, 110, 130, 179, 181]), ..WeeklyHours::default() },
        ..Content::default()
    };
    for (zone, change) in [
        (Tz::Europe__Berlin, "2026-03-29T01:00:00Z"),
        (Tz::Europe__Berlin, "2026-10-25T01:00:00Z"),
        (Tz::America__New_York, "2026-11-01T06:00:00Z"),
        (Tz::Australia__Lord_Howe, "2026-10-03T15:30:00Z"),
    ] {
        let (calendar, oracle) = (Calendar::new(zone, &content).unwrap(), Oracle::new(zone, &content));
        for seconds in -7_500..7_500 {
            let moment = at(change).plus(TimeDelta::seconds(seconds));
            assert_eq!(calendar.is_open(moment), oracle.is_open(moment.utc().naive_utc()), "{zone} {moment}");
        }
    }
}
