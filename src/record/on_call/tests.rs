//! Schedules are asked by hand here, without a store.

use chrono::TimeDelta;
use chrono_tz::Tz;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

fn layer(name: &str, members: &[UserId], starts: &str, days: u16, hours: Option<serde_json::Value>) -> Layer {
    let layer = json!({"name": name, "members": members, "starts": starts, "days": days});
    let mut layer: Layer = serde_json::from_value(layer).unwrap();
    layer.hours = hours.map(|hours| serde_json::from_value(hours).unwrap());
    layer
}

fn whole_week(span: serde_json::Value) -> serde_json::Value {
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    days.into_iter().map(|day| (day.to_owned(), span.clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn people_take_turns_and_hand_over_at_the_same_time_of_day() {
    let (ada, bob) = (UserId::new(), UserId::new());
    let week = layer("week", &[ada, bob], "2026-03-02T09:00:00", 7, None);
    let schedule = Schedule::new(Tz::Europe__Berlin, vec![week], Vec::new()).unwrap();
    for (moment, expected) in [
        ("2026-03-02T07:59:59Z", None),
        ("2026-03-02T08:00:00Z", Some(ada)),
        ("2026-03-09T07:59:59Z", Some(ada)),
        ("2026-03-09T08:00:00Z", Some(bob)),
        ("2026-03-16T08:00:00Z", Some(ada)),
        // Berlin's clocks went ahead on the 29th.
        ("2026-03-30T06:59:59Z", Some(bob)),
        ("2026-03-30T07:00:00Z", Some(ada)),
    ] {
        assert_eq!(schedule.on_call(at(moment)).map(|(user, _)| user), expected, "{moment}");
    }
}

#[test]
fn the_first_layer_that_is_on_call_counts_and_what_was_agreed_otherwise_before_it() {
    let (ada, bob, eve) = (UserId::new(), UserId::new(), UserId::new());
    let night = layer(
        "night",
        &[bob],
        "2026-03-02T00:00:00",
        7,
        Some(whole_week(json!([{"from": "20:00", "until": "06:00"}]))),
    );
    let week = layer("week", &[ada], "2026-03-02T00:00:00", 7, None);
    let agreed = Override { user: eve, from: at("2026-03-03T12:00:00Z"), until: at("2026-03-03T22:00:00Z") };
    let schedule = Schedule::new(Tz::UTC, vec![night, week], vec![agreed]).unwrap();
    let told: Vec<String> = schedule
        .shifts(at("2026-03-03T00:00:00Z"), at("2026-03-04T00:00:00Z"))
        .into_iter()
        .map(|shift| {
            let name =
                [(ada, "ada"), (bob, "bob"), (eve, "eve")].into_iter().find(|(id, _)| *id == shift.user).unwrap().1;
            let (from, until) = (shift.from.utc().format("%H:%M"), shift.until.utc().format("%H:%M"));
            format!("{from}-{until} {name} {}", shift.layer.unwrap_or_default())
        })
        .collect();
    assert_eq!(told, ["00:00-06:00 bob night", "06:00-12:00 ada week", "12:00-22:00 eve ", "22:00-00:00 bob night"]);
}

#[test]
fn a_hand_over_in_the_hour_that_comes_twice_happens_once() {
    let (ada, bob) = (UserId::new(), UserId::new());
    let daily = layer("day", &[ada, bob], "2026-10-24T02:30:00", 1, None);
    let schedule = Schedule::new(Tz::Europe__Berlin, vec![daily], Vec::new()).unwrap();
    let shifts = schedule.shifts(at("2026-10-24T12:00:00Z"), at("2026-10-26T12:00:00Z"));
    let edges: Vec<String> = shifts.iter().map(|shift| shift.from.to_string()).collect();
    assert_eq!(edges, ["2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    // In spring that time of day is left out: the hand-over is when the clocks jump over it.
    let daily = layer("day", &[ada, bob], "2026-03-28T02:30:00", 1, None);
    let schedule = Schedule::new(Tz::Europe__Berlin, vec![daily], Vec::new()).unwrap();
    let shifts = schedule.shifts(at("2026-03-28T12:00:00Z"), at("2026-03-30T12:00:00Z"));
    let edges: Vec<String> = shifts.iter().map(|shift| shift.from.to_string()).collect();
    assert_eq!(edges, ["2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
}

proptest! {
    /// Shifts say of every moment what the question about that moment says, and lie one after the other.
    #[test]
    fn shifts_and_questions_agree(
        start in 0..400_i64, days in 1..9_u16, people in 1..4_usize, night in any::<bool>(), hour in 0..24_u32,
        asked in prop::collection::vec(0..60_000_i64, 1..40),
        agreed in prop::collection::vec((0..60_000_i64, 1..5_000_i64), 0..4),
    ) {
        let members: Vec<UserId> = (0..people).map(|_| UserId::new()).collect();
        let from = at("2026-01-01T00:00:00Z").plus(TimeDelta::days(start));
        let starts = (from.utc().naive_utc().date()).and_hms_opt(hour, 30, 0).unwrap().format("%Y-%m-%dT%H:%M:%S").to_string();
        let hours = night.then(|| whole_week(json!([{"from": "22:00", "until": "05:00"}])));
        let layers = vec![layer("night", &members[..1], &starts, 1, hours), layer("all", &members, &starts, days, None)];
        let agreed = agreed.into_iter().map(|(begins, lasts)| {
            let from = from.plus(TimeDelta::minutes(begins));
            Override { user: members[0], from, until: from.plus(TimeDelta::minutes(lasts)) }
        });
        let schedule = Schedule::new(Tz::Europe__Berlin, layers, agreed.collect()).unwrap();
        let shifts = schedule.shifts(from, from.plus(TimeDelta::minutes(60_000)));
        prop_assert!(shifts.windows(2).all(|pair| pair[0].until <= pair[1].from));
        for minute in asked {
            let moment = from.plus(TimeDelta::minutes(minute));
            let shift = shifts.iter().find(|shift| shift.from <= moment && moment < shift.until).map(|shift| shift.user);
            prop_assert_eq!(shift, schedule.on_call(moment).map(|(user, _)| user), "{}", moment);
        }
    }
}
