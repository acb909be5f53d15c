//! Worked examples: what people expect of a calendar, one by one. The oracle says the same of random ones.

mod oracle;

use chrono::TimeDelta;
use chrono_tz::{TZ_VARIANTS, Tz};
use serde_json::{Value, json};

use super::{
    Calendar,
    content::{Content, zone},
};
use crate::clock::{Length, Moment};

pub(super) fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

fn length(text: &str) -> TimeDelta {
    text.parse::<Length>().unwrap().0
}

/// Each day from the one until the other.
fn daily(from: &str, until: &str) -> Value {
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    days.iter()
        .map(|day| ((*day).to_owned(), json!([{"from": from, "until": until}])))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn weekdays(from: &str, until: &str) -> Value {
    let mut week = daily(from, until);
    (week["saturday"], week["sunday"]) = (json!([]), json!([]));
    week
}

fn content(hours: Value) -> Content {
    serde_json::from_value(json!({"hours": hours})).unwrap()
}

fn calendar(zone_name: &str, hours: Value) -> Calendar {
    Calendar::new(zone(zone_name).unwrap(), &content(hours)).unwrap()
}

/// Two weeks around Christmas 2026 in Berlin: 08:00 to 18:00 but for lunch, half a day on Christmas Eve, holidays on the 25th and
/// 26th, and a Saturday on which everybody comes in.
fn office() -> Calendar {
    let mut hours = weekdays("08:00", "18:00");
    hours["wednesday"] = json!([{"from": "13:00", "until": "18:00"}, {"from": "08:00", "until": "12:00"}]);
    let content = json!({
        "hours": hours,
        "holidays": [{"date": "2026-12-25", "name": "Christmas Day"}, {"date": "2026-12-26", "name": "Boxing Day"}],
        "exceptions": [
            {"date": "2026-12-24", "name": "Half a day", "hours": [{"from": "08:00", "until": "12:00"}]},
            {"date": "2026-12-26", "name": "Stocktaking", "hours": [{"from": "10:00", "until": "11:00"}]},
            {"date": "2026-12-28", "name": "Moving house", "hours": []},
        ],
    });
    Calendar::new(Tz::Europe__Berlin, &serde_json::from_value(content).unwrap()).unwrap()
}

#[test]
fn deadlines_fall_where_people_expect_them() {
    let office = office();
    for (why, start, open, due) in [
        ("within a day", "2026-12-21T09:00:00+01:00", "PT2H", "2026-12-21T11:00:00+01:00"),
        (
            "at the end of a day, not at the beginning of the next",
            "2026-12-21T14:00:00+01:00",
            "PT4H",
            "2026-12-21T18:00:00+01:00",
        ),
        (
            "a microsecond more is the next day",
            "2026-12-21T14:00:00+01:00",
            "PT4H0.000001S",
            "2026-12-22T08:00:00.000001+01:00",
        ),
        ("from outside of hours", "2026-12-20T03:00:00+01:00", "PT1H", "2026-12-21T09:00:00+01:00"),
        (
            "no time at all is over at once, open or not",
            "2026-12-20T03:00:00+01:00",
            "PT0S",
            "2026-12-20T03:00:00+01:00",
        ),
        ("over lunch", "2026-12-23T11:30:00+01:00", "PT1H", "2026-12-23T13:30:00+01:00"),
        (
            "over half a day, a holiday, an open Saturday and a closed Monday",
            "2026-12-24T11:00:00+01:00",
            "PT3H",
            "2026-12-29T09:00:00+01:00",
        ),
        ("to the end of the open Saturday", "2026-12-24T11:00:00+01:00", "PT2H", "2026-12-26T11:00:00+01:00"),
        ("over the end of the year", "2026-12-31T17:00:00+01:00", "PT2H", "2027-01-01T09:00:00+01:00"),
        ("backwards within a day", "2026-12-21T11:00:00+01:00", "-PT2H", "2026-12-21T09:00:00+01:00"),
        (
            "backwards to the beginning of a day, not to the end of the one before",
            "2026-12-21T11:00:00+01:00",
            "-PT3H",
            "2026-12-21T08:00:00+01:00",
        ),
        ("backwards over a weekend", "2026-12-21T09:00:00+01:00", "-PT2H", "2026-12-18T17:00:00+01:00"),
        ("backwards over the end of the year", "2027-01-01T09:00:00+01:00", "-PT2H", "2026-12-31T17:00:00+01:00"),
    ] {
        let (start, open, due) = (at(start), length(open), at(due));
        assert_eq!(office.add(start, open), Some(due), "{why}");
        assert_eq!(office.between(start, due), open, "{why}");
    }
}

/// What lies between two moments, with the spans that it is made of.
fn spans(calendar: &Calendar, from: &str, until: &str) -> (TimeDelta, Vec<String>) {
    let shown = |(from, until)| format!("{from} {until}");
    (calendar.between(at(from), at(until)), calendar.open_spans(at(from), at(until)).map(shown).collect())
}

#[test]
fn hours_on_the_days_on_which_clocks_are_changed() {
    for (why, zone, hours, from, until, open, expected) in [
        // Berlin: 29 March 2026, 02:00 → 03:00; 25 October 2026, 03:00 → 02:00.
        (
            "a night into summer time",
            "Europe/Berlin",
            daily("22:00", "06:00"),
            "2026-03-28T12:00:00Z",
            "2026-03-29T12:00:00Z",
            "PT7H",
            vec!["2026-03-28T21:00:00Z 2026-03-29T04:00:00Z"],
        ),
        (
            "a night out of it",
            "Europe/Berlin",
            daily("22:00", "06:00"),
            "2026-10-24T12:00:00Z",
            "2026-10-25T12:00:00Z",
            "PT9H",
            vec!["2026-10-24T20:00:00Z 2026-10-25T05:00:00Z"],
        ),
        (
            "an hour that is left out",
            "Europe/Berlin",
            daily("02:00", "03:00"),
            "2026-03-28T12:00:00Z",
            "2026-03-29T12:00:00Z",
            "PT0S",
            vec![],
        ),
        (
            "an hour that comes twice",
            "Europe/Berlin",
            daily("02:00", "03:00"),
            "2026-10-24T12:00:00Z",
            "2026-10-25T12:00:00Z",
            "PT2H",
            vec!["2026-10-25T00:00:00Z 2026-10-25T02:00:00Z"],
        ),
        (
            "a day without a gap",
            "Europe/Berlin",
            daily("08:00", "18:00"),
            "2026-03-28T22:00:00Z",
            "2026-03-29T22:00:00Z",
            "PT10H",
            vec!["2026-03-29T06:00:00Z 2026-03-29T16:00:00Z"],
        ),
        // New York: 1 November 2026, 02:00 → 01:00.
        (
            "half of what comes twice is open twice",
            "America/New_York",
            daily("01:30", "02:30"),
            "2026-11-01T04:00:00Z",
            "2026-11-01T12:00:00Z",
            "PT1H30M",
            vec!["2026-11-01T05:30:00Z 2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z 2026-11-01T07:30:00Z"],
        ),
        (
            "and shorter in spring",
            "America/New_York",
            daily("01:30", "03:30"),
            "2026-03-08T05:00:00Z",
            "2026-03-08T12:00:00Z",
            "PT1H",
            vec!["2026-03-08T06:30:00Z 2026-03-08T07:30:00Z"],
        ),
        // Santiago: 6 September 2026, 00:00 → 01:00; 4 April 2026, 24:00 → 23:00. Beirut: 29 March 2026, 00:00 → 01:00.
        (
            "midnight is left out",
            "America/Santiago",
            daily("00:00", "08:00"),
            "2026-09-06T00:00:00Z",
            "2026-09-06T12:00:00Z",
            "PT7H",
            vec!["2026-09-06T04:00:00Z 2026-09-06T11:00:00Z"],
        ),
        (
            "the last hour of a day comes twice",
            "America/Santiago",
            daily("20:00", "24:00"),
            "2026-04-04T12:00:00Z",
            "2026-04-05T12:00:00Z",
            "PT5H",
            vec!["2026-04-04T23:00:00Z 2026-04-05T04:00:00Z"],
        ),
        (
            "and in Beirut, over midnight",
            "Asia/Beirut",
            daily("22:00", "02:00"),
            "2026-03-28T12:00:00Z",
            "2026-03-29T12:00:00Z",
            "PT3H",
            vec!["2026-03-28T20:00:00Z 2026-03-28T23:00:00Z"],
        ),
        // Lord Howe: half an hour, on 4 October and on 5 April 2026 at 02:00.
        (
            "half an hour less",
            "Australia/Lord_Howe",
            daily("01:00", "04:00"),
            "2026-10-03T12:00:00Z",
            "2026-10-04T00:00:00Z",
            "PT2H30M",
            vec!["2026-10-03T14:30:00Z 2026-10-03T17:00:00Z"],
        ),
        (
            "half an hour more",
            "Australia/Lord_Howe",
            daily("01:00", "04:00"),
            "2026-04-04T12:00:00Z",
            "2026-04-05T00:00:00Z",
            "PT3H30M",
            vec!["2026-04-04T14:00:00Z 2026-04-04T17:30:00Z"],
        ),
        // Apia had no 30 December 2011, which would have been a Friday.
        (
            "a day that never was",
            "Pacific/Apia",
            daily("08:00", "18:00"),
            "2011-12-29T10:00:00Z",
            "2011-12-31T10:00:00Z",
            "PT20H",
            vec!["2011-12-29T18:00:00Z 2011-12-30T04:00:00Z", "2011-12-30T18:00:00Z 2011-12-31T04:00:00Z"],
        ),
        (
            "and a night that leads there",
            "Pacific/Apia",
            daily("22:00", "06:00"),
            "2011-12-30T04:00:00Z",
            "2011-12-31T04:00:00Z",
            "PT8H",
            vec!["2011-12-30T08:00:00Z 2011-12-30T16:00:00Z"],
        ),
    ] {
        let calendar = calendar(zone, hours);
        assert_eq!(
            spans(&calendar, from, until),
            (length(open), expected.into_iter().map(str::to_owned).collect()),
            "{why}"
        );
        // Where it ends, it is over; where it began, it is counted back to.
        if let Some((first, last)) =
            calendar.next_open(at(from)).zip(calendar.add(at(from), length(open))).filter(|(f, l)| f < l)
        {
            assert_eq!(calendar.between(first, last), length(open), "{why}");
            assert_eq!(calendar.add(last, -length(open)), Some(first), "{why}");
        }
    }
    let apia = calendar("Pacific/Apia", weekdays("08:00", "18:00"));
    assert_eq!(apia.add(at("2011-12-29T17:00:00-10:00"), length("PT2H")), Some(at("2012-01-02T09:00:00+14:00")));
}

#[test]
fn around_the_clock_no_minute_is_lost_in_any_zone() {
    for zone in TZ_VARIANTS.iter().step_by(13).chain(&[Tz::Pacific__Apia, Tz::Australia__Lord_Howe, Tz::Asia__Beirut]) {
        let calendar = Calendar::new(*zone, &content(daily("00:00", "24:00"))).unwrap();
        let (from, until) = (at("2010-12-31T23:59:30Z"), at("2013-01-01T00:00:30Z"));
        assert_eq!(calendar.between(from, until), until.since(from), "{zone}");
        assert_eq!(calendar.open_spans(from, until).collect::<Vec<_>>(), [(from, until)], "{zone}");
        for minutes in [1, 60, 24 * 60, 300 * 24 * 60] {
            let open = TimeDelta::minutes(minutes);
            assert_eq!(calendar.add(from, open), Some(from.plus(open)), "{zone}");
            assert_eq!(calendar.add(until, -open), Some(until.minus(open)), "{zone}");
        }
    }
}

#[test]
fn midnight_and_leap_days_are_times_like_any_other() {
    let utc = calendar("UTC", weekdays("08:00", "18:00"));
    // 29 February 2028 is a Tuesday, and 2100 has none.
    assert_eq!(utc.add(at("2028-02-28T17:00:00Z"), length("PT2H")), Some(at("2028-02-29T09:00:00Z")));
    assert_eq!(utc.add(at("2028-02-29T17:00:00Z"), length("PT2H")), Some(at("2028-03-01T09:00:00Z")));
    assert_eq!(utc.add(at("2100-02-26T17:00:00Z"), length("PT11H")), Some(at("2100-03-01T18:00:00Z")));
    let late = calendar(
        "UTC",
        json!({"monday": [{"from": "20:00", "until": "24:00"}], "tuesday": [{"from": "00:00", "until": "04:00"}]}),
    );
    assert_eq!(late.add(at("2026-03-02T20:00:00Z"), length("PT4H")), Some(at("2026-03-03T00:00:00Z")));
    assert_eq!(
        spans(&late, "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z").1,
        ["2026-03-02T20:00:00Z 2026-03-03T04:00:00Z"]
    );
    let one = calendar("UTC", json!({"monday": [{"from": "20:00", "until": "00:00"}]}));
    assert_eq!(
        spans(&one, "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z").1,
        ["2026-03-02T20:00:00Z 2026-03-03T00:00:00Z"]
    );
}

#[test]
fn a_span_belongs_to_the_day_on_which_it_begins() {
    let content = json!({
        "hours": daily("22:00", "06:00"),
        "holidays": [{"date": "2026-03-04", "name": "Wednesday off"}],
    });
    let nights = Calendar::new(Tz::UTC, &serde_json::from_value(content).unwrap()).unwrap();
    assert_eq!(
        spans(&nights, "2026-03-03T12:00:00Z", "2026-03-06T12:00:00Z").1,
        ["2026-03-03T22:00:00Z 2026-03-04T06:00:00Z", "2026-03-05T22:00:00Z 2026-03-06T06:00:00Z"]
    );
}

#[test]
fn openings_and_closings_are_found() {
    let office = office();
    for (moment, open, opens, closes) in [
        ("2026-12-21T08:00:00+01:00", true, "2026-12-21T08:00:00+01:00", "2026-12-21T18:00:00+01:00"),
        ("2026-12-21T17:59:59.999999+01:00", true, "2026-12-21T17:59:59.999999+01:00", "2026-12-21T18:00:00+01:00"),
        ("2026-12-21T18:00:00+01:00", false, "2026-12-22T08:00:00+01:00", "2026-12-21T18:00:00+01:00"),
        ("2026-12-24T12:00:00+01:00", false, "2026-12-26T10:00:00+01:00", "2026-12-24T12:00:00+01:00"),
        ("2026-12-31T18:00:00+01:00", false, "2027-01-01T08:00:00+01:00", "2026-12-31T18:00:00+01:00"),
    ] {
        let moment = at(moment);
        assert_eq!(office.is_open(moment), open, "{moment}");
        assert_eq!(
            (office.next_open(moment), office.next_close(moment)),
            (Some(at(opens)), Some(at(closes))),
            "{moment}"
        );
    }
    // Open over the new year in UTC, with the seam between two years inside.
    let late = calendar("America/New_York", daily("08:00", "20:00"));
    assert_eq!(late.next_close(at("2026-12-31T23:59:00Z")), Some(at("2027-01-01T01:00:00Z")));
}

#[test]
fn every_question_has_an_end() {
    let closed = calendar("Europe/Berlin", json!({}));
    let (now, far) = (at("2026-03-03T11:00:00Z"), at("9999-12-31T23:59:59Z"));
    assert_eq!((closed.add(now, length("PT1S")), closed.add(now, -length("PT1S"))), (None, None));
    assert_eq!((closed.next_open(now), closed.next_close(now), closed.is_open(now)), (None, Some(now), false));
    assert_eq!((closed.between(now, far), closed.open_spans(now, far).count()), (TimeDelta::zero(), 0));
    let always = calendar("UTC", daily("00:00", "24:00"));
    let (first, end) = (at("1970-01-01T00:00:00Z"), at("2200-01-01T00:00:00Z"));
    let before = at("0001-01-01T00:00:00Z");
    assert_eq!(always.between(before, far), end.since(first));
    assert_eq!(always.open_spans(before, far).collect::<Vec<_>>(), [(first, end)]);
    assert_eq!(always.add(before, length("PT1H")), Some(at("1970-01-01T01:00:00Z")));
    assert_eq!(always.add(far, -length("PT1H")), Some(at("2199-12-31T23:00:00Z")));
    assert_eq!((always.add(now, TimeDelta::MAX), always.add(now, TimeDelta::MIN)), (None, None));
    assert_eq!((always.add(end, length("PT1S")), always.add(first, -length("PT1S"))), (None, None));
    assert_eq!((always.next_open(now), always.is_open(now)), (Some(now), true));
    assert_eq!((always.next_close(now), always.next_close(end), always.next_open(end)), (None, Some(end), None));
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let span = |from: &str, until: &str| json!({"from": from, "until": until});
    let exception = |date: &str, hours: Value| json!({"date": date, "name": "Other", "hours": hours});
    let (mut nights, mut early) = (daily("22:00", "06:00"), json!({"monday": [span("22:00", "06:00")]}));
    nights["tuesday"] = json!([span("05:59", "12:00")]);
    early["tuesday"] = json!([span("06:00", "12:00")]);
    for (content, expected) in [
        (json!({"hours": {"monday": [span("08:00", "08:00")]}}), vec![("/hours/monday/0", "empty_span")]),
        (json!({"hours": {"monday": [span("24:00", "08:00")]}}), vec![("/hours/monday/0", "empty_span")]),
        (
            json!({"hours": {"monday": [span("13:00", "18:00"), span("08:00", "13:01")]}}),
            vec![("/hours/monday/1", "overlapping_span")],
        ),
        (json!({"hours": {"monday": [span("08:00", "13:00"), span("13:00", "18:00")]}}), vec![]),
        (json!({"hours": {"monday": vec![span("08:00", "09:00"); 9]}}), vec![("/hours/monday", "too_many")]),
        (json!({"hours": nights}), vec![("/hours/monday", "overlapping_span"), ("/hours/tuesday", "")]),
        (json!({"hours": early}), vec![]),
        (
            json!({"hours": daily("22:00", "06:00"), "exceptions": [exception("2026-03-03", json!([span("05:00", "07:00")]))]}),
            vec![("/exceptions/0/hours", "overlapping_span")],
        ),
        (
            json!({"hours": daily("05:00", "22:00"), "exceptions": [exception("2026-03-03", json!([span("22:00", "06:00")]))]}),
            vec![("/exceptions/0/hours", "overlapping_span")],
        ),
        (
            json!({"exceptions": [exception("2026-03-03", json!([])), exception("2026-03-03", json!([]))]}),
            vec![("/exceptions/1/date", "duplicate_day")],
        ),
        (
            json!({"holidays": [{"date": "2026-03-03", "name": "A"}, {"date": "2026-03-03", "name": " "}, {"date": "1969-12-31", "name": "B"}]}),
            vec![
                ("/holidays/1/name", "wrong_form"),
                ("/holidays/1/date", "duplicate_day"),
                ("/holidays/2/date", "out_of_range"),
            ],
        ),
    ] {
        let shown = content.to_string();
        let content: Content = serde_json::from_value(content).unwrap();
        let errors = content.days().err().unwrap_or_default();
        let found: Vec<(&str, &str)> = errors.iter().map(|e| (e.pointer.as_str(), e.code.as_str())).collect();
        let expected: Vec<_> = expected.into_iter().filter(|(_, code)| !code.is_empty()).collect();
        assert_eq!(found, expected, "{shown}");
    }
    for wrong in ["8:00", "08:0", "24:01", "08:60", "+8:00", "", "0800", "08:00:00", "٠8:00"] {
        assert!(serde_json::from_value::<super::content::OpenHours>(span(wrong, "18:00")).is_err(), "{wrong}");
    }
    let error = zone("Europe/Berln").unwrap_err();
    assert!(error.detail.contains("did you mean `Europe/Berlin`?"), "{}", error.detail);
}
