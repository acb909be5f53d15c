//! What becomes of the files that people bring, and of those that they should not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn file(events: &[&str]) -> String {
    let events: String = events.iter().map(|lines| format!("BEGIN:VEVENT\n{lines}\nEND:VEVENT\n")).collect();
    format!("BEGIN:VCALENDAR\nVERSION:2.0\n{events}END:VCALENDAR\n")
}

fn days(events: &[&str], years: RangeInclusive<i32>) -> Vec<String> {
    let found = of_ical(&file(events), &years).unwrap();
    assert_eq!(found.left_out, []);
    found.days.iter().map(|(day, name)| format!("{day} {name}")).collect()
}

#[test]
fn events_of_whole_days_are_holidays() {
    for (lines, expected) in [
        ("DTSTART;VALUE=DATE:20261225\nSUMMARY:Christmas\\, first day", vec!["2026-12-25 Christmas, first day"]),
        ("DTSTART:20261225", vec!["2026-12-25 Holiday"]),
        ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227\nSUMMARY:C", vec!["2026-12-25 C", "2026-12-26 C"]),
        ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261225\nSUMMARY:C", vec!["2026-12-25 C"]),
        ("DTSTART;VALUE=DATE:20261225\nDURATION:P2D\nSUMMARY:C", vec!["2026-12-25 C", "2026-12-26 C"]),
        (
            "DTSTART;VALUE=DATE:20251230\nDURATION:P1W\nSUMMARY:Y",
            vec!["2026-01-01 Y", "2026-01-02 Y", "2026-01-03 Y", "2026-01-04 Y", "2026-01-05 Y"],
        ),
        (
            "DTSTART;VALUE=DATE:20240101\nRRULE:FREQ=YEARLY\nSUMMARY:N",
            vec!["2026-01-01 N", "2027-01-01 N", "2028-01-01 N"],
        ),
        ("DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY\nSUMMARY:L", vec!["2028-02-29 L"]),
        (
            "DTSTART;VALUE=DATE:20240101\nRRULE:FREQ=YEARLY;UNTIL=20270101\nSUMMARY:N",
            vec!["2026-01-01 N", "2027-01-01 N"],
        ),
        ("DTSTART;VALUE=DATE:20240101\nRRULE:FREQ=YEARLY;COUNT=3\nSUMMARY:N", vec!["2026-01-01 N"]),
        (
            "DTSTART;VALUE=DATE:20241128\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH\nSUMMARY:T",
            vec!["2026-11-26 T", "2027-11-25 T", "2028-11-23 T"],
        ),
        (
            "DTSTART;VALUE=DATE:20240527\nRRULE:freq=yearly;BYMONTH=5;BYDAY=-1MO\nSUMMARY:M",
            vec!["2026-05-25 M", "2027-05-31 M", "2028-05-29 M"],
        ),
        (
            "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20270101\nSUMMARY:N",
            vec!["2026-01-01 N", "2028-01-01 N"],
        ),
        (
            "DTSTART;VALUE=DATE:20260403\nRDATE;VALUE=DATE:20270326,20280414\nSUMMARY:G",
            vec!["2026-04-03 G", "2027-03-26 G", "2028-04-14 G"],
        ),
    ] {
        assert_eq!(days(&[lines], 2026..=2028), expected, "{lines}");
    }
    let outside = of_ical(&file(&["DTSTART:20251231", "DTSTART:20290101"]), &(2026..=2028)).unwrap();
    assert_eq!((outside.days.len(), outside.outside), (0, 2));
}

#[test]
fn what_is_no_holiday_is_left_out_with_a_reason() {
    for (lines, code) in [
        ("DTSTART:20261225T090000Z", "not_whole_days"),
        ("DTSTART;TZID=Europe/Berlin:20261225T090000\nDTEND:20261225T100000", "not_whole_days"),
        ("DTSTART:20261225\nDURATION:PT2H", "not_whole_days"),
        ("DTSTART:20261225\nSTATUS:CANCELLED", "cancelled"),
        ("DTSTART:20261225\nRECURRENCE-ID:20261225", "one_of_series"),
        ("DTSTART:20261225\nRRULE:FREQ=WEEKLY", "rule_not_understood"),
        ("DTSTART:20261225\nRRULE:FREQ=YEARLY;BYMONTH=13", "rule_not_understood"),
        ("DTSTART:20261225\nRRULE:FREQ=YEARLY;BYEASTER=1", "rule_not_understood"),
        ("DTSTART:20261225\nDTEND:20300101", "too_long"),
    ] {
        let found =
            of_ical(&file(&["DTSTART:20260101\nSUMMARY:N", &format!("{lines}\nSUMMARY:C")]), &(2026..=2028)).unwrap();
        let left_out: Vec<_> = found.left_out.iter().map(|l| (l.line, l.name.as_str(), l.code.as_str())).collect();
        assert_eq!((found.days.len(), left_out), (1, vec![(7, "C", code)]), "{lines}");
    }
    let every = "DTSTART:20260101\nRRULE:FREQ=YEARLY";
    let found = of_ical(&file(&vec![every; RULES + 2]), &(2026..=2026)).unwrap();
    assert_eq!((found.days.len(), found.left_out.len(), found.left_out[0].code.as_str()), (1, 2, "too_many_rules"));
}

#[test]
fn a_rule_that_fits_no_day_or_every_day_is_soon_over() {
    let fits =
        |rule: &str| of_ical(&file(&[&format!("DTSTART:16010101\nRRULE:FREQ=YEARLY;{rule}")]), &(2026..=2028)).unwrap();
    assert_eq!(fits("BYMONTH=2;BYMONTHDAY=30").outside, 1);
    assert_eq!(fits("BYDAY=MO,TU,WE,TH,FR,SA,SU").left_out[0].code, "too_many_occurrences");
}

#[test]
fn a_file_that_is_too_much_is_refused_at_the_event_where_it_is() {
    let day = "DTSTART:20260101";
    let every_day = "DTSTART:16010101\nRRULE:FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU";
    let many = format!("DTSTART:16010101\nDTEND:16020101\nRRULE:FREQ=YEARLY;BYDAY=MO;COUNT={}", DAYS / 365 + 1);
    let refused = |events: &[&str]| of_ical(&file(events), &(2026..=2028)).unwrap_err().errors.swap_remove(0);
    assert!(of_ical(&file(&[day, every_day, day]), &(2026..=2028)).is_ok());
    let error = refused(&[day, &many]);
    assert_eq!((error.code.as_str(), error.detail.split(':').next().unwrap()), ("too_much", "Line 6"));
    let error = refused(&[every_day; 11]);
    assert_eq!((error.code.as_str(), error.detail.starts_with("Line 3:")), ("too_much", false), "{}", error.detail);
}

#[test]
fn a_file_may_take_so_long_and_no_longer() {
    let mut budget = Budget { days: DAYS, until: Instant::now() };
    std::thread::sleep(Duration::from_millis(2));
    let text = file(&["DTSTART:20260101\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]);
    let events = ical::events(&text).unwrap();
    assert!(matches!(days_of(&events[0], &(2026..=2028), &mut budget), Err(Apart::TooMuch)));
}

#[test]
fn a_rule_means_the_same_wherever_it_is_looked_at() {
    for (lines, expected) in [
        ("DTSTART:00040229\nRRULE:FREQ=YEARLY;INTERVAL=4\nSUMMARY:L", vec!["2028-02-29 L"]),
        (
            "DTSTART:20240105\nRRULE:FREQ=YEARLY;BYWEEKNO=1;BYDAY=FR\nSUMMARY:W",
            vec!["2026-01-02 W", "2027-01-08 W", "2028-01-07 W"],
        ),
        (
            "DTSTART:20240101\nRRULE:FREQ=YEARLY;BYYEARDAY=-1;UNTIL=99991231\nSUMMARY:Y",
            vec!["2026-12-31 Y", "2027-12-31 Y", "2028-12-31 Y"],
        ),
        (
            "DTSTART:20260101\nRRULE:FREQ=YEARLY;COUNT=2\nEXDATE:20260101\nRDATE:20280303\nSUMMARY:R",
            vec!["2027-01-01 R", "2028-03-03 R"],
        ),
    ] {
        assert_eq!(days(&[lines], 2026..=2028), expected, "{lines}");
    }
    let later = of_ical(&file(&["DTSTART:99990101\nRRULE:FREQ=YEARLY"]), &(2026..=2028)).unwrap();
    assert_eq!((later.days.len(), later.outside), (0, 1));
}

#[test]
fn rules_and_durations_that_can_t_be_are_refused() {
    for (lines, code, named) in [
        ("RRULE:FREQ=YEARLY;BYHOUR=1,2", "wrong_rule", "BYHOUR"),
        ("RRULE:FREQ=YEARLY;byminute=1", "wrong_rule", "byminute"),
        ("RRULE:BYSECOND=0,1;FREQ=YEARLY", "wrong_rule", "BYSECOND"),
        ("RRULE:FREQ=YEARLY;INTERVAL=0", "wrong_rule", "INTERVAL"),
        ("RRULE:FREQ=YEARLY;INTERVAL=00", "wrong_rule", "INTERVAL"),
        ("DURATION:-P1D", "wrong_date", "-P1D"),
    ] {
        let error = of_ical(&file(&[&format!("DTSTART:20260101\n{lines}")]), &(2026..=2028)).unwrap_err();
        let first = &error.errors[0];
        assert_eq!((error.code, first.code.as_str()), (Code::Invalid, code), "{lines}");
        assert!(first.detail.starts_with("Line 5: ") && first.detail.contains(named), "{}", first.detail);
    }
}

#[test]
fn faults_are_told_with_their_lines() {
    let text = file(&[
        "DTSTART;VALUE=DATE:20261301",
        "SUMMARY:x",
        "DTSTART:20261225\nDTEND:20261224",
        "DTSTART:20261225\nDURATION:x",
    ]);
    let error = of_ical(&text, &(2026..=2028)).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    let said: Vec<&str> = error.errors.iter().map(|e| e.detail.split(':').next().unwrap()).collect();
    assert_eq!(said, ["Line 4", "Line 6", "Line 11", "Line 15"]);
    let error = of_ical("BEGIN:VCALENDAR\nhello", &(2026..=2028)).unwrap_err();
    assert_eq!(error.code, Code::Malformed);
    assert!(error.detail.contains("line 2"), "{}", error.detail);
}

fn regions(given: serde_json::Value) -> RegionalHolidays {
    serde_json::from_value(json!({"source": "made up", "holidays": given})).unwrap()
}

#[test]
fn a_region_is_chosen_where_there_are_several() {
    let many = regions(json!({"DE": {"2025-12-25": "a", "2026-12-25": "b", "2026-01-01": ""}, "DE-BE": {}}));
    let found = of_region(&many, Some("DE"), &(2026..=2026)).unwrap();
    assert_eq!((found.days.values().map(String::as_str).collect::<Vec<_>>(), found.outside), (vec!["Holiday", "b"], 1));
    let code = |given: &RegionalHolidays, region| {
        of_region(given, region, &(2026..=2026)).map_err(|e| e.errors[0].code.clone())
    };
    assert_eq!(code(&many, None).unwrap_err(), "required");
    assert_eq!(code(&many, Some("DE-BY")).unwrap_err(), "unknown_region");
    for region in [None, Some("DE")] {
        let empty = of_region(&regions(json!({})), region, &(2026..=2026)).unwrap_err().errors.swap_remove(0);
        assert_eq!((empty.pointer.as_str(), empty.code.as_str()), ("/holidays", "required"), "{}", empty.detail);
    }
    assert_eq!(of_region(&regions(json!({"DE": {"2026-05-01": "x"}})), None, &(2026..=2026)).unwrap().days.len(), 1);
}

#[test]
fn what_is_there_stays_as_it_is() {
    let mut content = Content::default();
    content.holidays.push(Holiday { date: "2026-12-25".parse().unwrap(), name: "Xmas".into() });
    let found = of_ical(&file(&["DTSTART:20261225\nDURATION:P2D\nSUMMARY:Christmas"]), &(2026..=2026)).unwrap();
    let names = |days: &[Holiday]| days.iter().map(|h| format!("{} {}", h.date, h.name)).collect::<Vec<_>>();
    let joined = found.join(&mut content);
    assert_eq!(
        (names(&joined.added), names(&joined.known)),
        (vec!["2026-12-26 Christmas".to_owned()], vec!["2026-12-25 Xmas".to_owned()])
    );
    let once = content.clone();
    assert_eq!((found.join(&mut content).added.len(), content), (0, once));
}

proptest! {
    #[test]
    fn no_event_makes_it_panic(
        start in "(20[0-9]{6}|[0-9T]{0,9})", rest in "(DTEND|DURATION|RRULE|EXDATE|SUMMARY)(;VALUE=DATE)?:[0-9A-Z=;,-]{0,30}",
    ) {
        let _ = of_ical(&file(&[&format!("DTSTART:{start}\n{rest}")]), &(2026..=2028));
    }

    #[test]
    fn what_is_found_can_be_kept(name in ".{0,250}", day in 0..1_000_u64) {
        let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + chrono::Days::new(day);
        let name = name.replace(['\r', '\n'], " ");
        let found = of_ical(&file(&[&format!("DTSTART:{}\nSUMMARY:{name}", day.format("%Y%m%d"))]), &(2026..=2028)).unwrap();
        let mut content = Content::default();
        found.join(&mut content);
        prop_assert!(content.days().is_ok(), "{:?}", content);
    }
}

#[test]
fn real_holidays_are_read() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/holidays_2010_2027.json.gz");
    let Ok(bytes) = std::fs::read(&file) else {
        return eprintln!("{} is not there; what the test of regions makes up is of the same form", file.display());
    };
    let given: RegionalHolidays = serde_json::from_reader(flate2::read::GzDecoder::new(&*bytes)).unwrap();
    for region in given.holidays.keys() {
        let found = of_region(&given, Some(region), &(2010..=2027)).unwrap();
        assert!(found.days.len() >= 18 * 8 && found.outside == 0, "{region}: {}", found.days.len());
        let mut content = Content::default();
        assert_eq!(found.join(&mut content).added.len(), found.days.len());
        assert!(content.days().is_ok(), "{region}");
    }
}
