//! What somebody wants to be told of, and when.

use chrono::{Days, NaiveTime, TimeDelta, Timelike};
use chrono_tz::Tz;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::language;
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, FieldError, Result},
    id::UserId,
    insert_unless_there,
    record::{
        calendar::{
            Calendar,
            content::{self, Content, TimeOfDay, WeeklyHours},
            first_shown,
        },
        escalation,
        kernel::Kernel,
        pattern,
    },
    schema::notification_preference,
};

/// Rules of one person at most.
pub const MOST_RULES: usize = 50;
/// The version of what somebody wants who never said anything.
pub const UNSAID: i32 = 1;

/// How somebody wants to be told of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NotificationDelivery)]
pub enum Delivery {
    /// Not at all.
    Off,
    /// At once.
    Immediately,
    /// In one mail at each full hour.
    Hourly,
    /// In one mail a day.
    Daily,
}

/// What somebody wants for some events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NotificationRule)]
pub struct Rule {
    /// Which events: `incident.resolved`, `incident.*`, `*.resolved` or `*`. Of several that fit the one that says it most
    /// precisely counts, and of those the first.
    #[schema(max_length = 100, examples("incident.*"))]
    pub event: String,
    /// How they want to be told.
    pub delivery: Delivery,
}

/// What somebody wants to be told of, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preferences {
    /// For which events what counts; at once where none does.
    pub rules: Vec<Rule>,
    /// When the mail of the day comes, in their zone.
    pub daily_at: TimeOfDay,
    /// When nothing comes, in their zone.
    pub quiet_hours: WeeklyHours,
    /// Whether what is about a record of priority 1 comes all the same.
    pub urgent_passes: bool,
    /// Whether they want to be told of what they do themselves.
    pub own_changes: bool,
    /// Their language, where it is another than the directory says.
    pub language: Option<String>,
    /// Their zone, where it is another than the directory says.
    pub zone: Option<String>,
}

impl Default for Preferences {
    fn default() -> Self {
        Preferences {
            rules: Vec::new(),
            daily_at: TimeOfDay::EIGHT,
            quiet_hours: WeeklyHours::default(),
            urgent_passes: false,
            own_changes: false,
            language: None,
            zone: None,
        }
    }
}

/// What somebody wants, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What they want.
    pub preferences: Preferences,
    /// Counts the changes.
    pub version: i32,
    /// When it was last changed; nothing where it never was.
    pub updated_at: Option<Moment>,
}

impl Preferences {
    /// What somebody wants.
    pub fn of(connection: &mut AnyConnection, user: UserId) -> Result<Kept> {
        let row: Option<(JsonText, i32, Moment)> = notification_preference::table
            .find(user)
            .select((
                notification_preference::content,
                notification_preference::version,
                notification_preference::updated_at,
            ))
            .first(connection)
            .optional()?;
        Ok(match row {
            Some((content, version, at)) => Kept { preferences: content.read()?, version, updated_at: Some(at) },
            None => Kept { preferences: Preferences::default(), version: UNSAID, updated_at: None },
        })
    }

    /// Stores it in place of the version before.
    pub fn keep(&self, connection: &mut AnyConnection, user: UserId, before: i32, now: Moment) -> Result<()> {
        let row = (
            notification_preference::content.eq(JsonText::of(self)?),
            notification_preference::version.eq(before + 1),
            notification_preference::updated_at.eq(now),
        );
        let known = notification_preference::table.find(user).filter(notification_preference::version.eq(before));
        let mut kept = diesel::update(known).set(row.clone()).execute(connection)?;
        if kept == 0 && before == UNSAID {
            let row = (notification_preference::user_id.eq(user), row.0, row.1, row.2);
            kept = insert_unless_there!(connection, notification_preference::table, row)?;
        }
        match kept {
            1 => Ok(()),
            // For the writer, which runs the job again.
            _ => Err(Error {
                source: Some("optimistic lock".into()),
                ..Error::new(Code::Stale, "It has changed meanwhile.")
            }),
        }
    }

    /// Refuses what can't be stored, with every place that is wrong.
    pub fn check(&self, kernel: &Kernel, now: Moment) -> Result<()> {
        let mut faults = Vec::new();
        if self.rules.len() > MOST_RULES {
            faults.push(FieldError::new("/rules", "too_long", format!("There are {MOST_RULES} rules at most.")));
        }
        for (n, rule) in self.rules.iter().enumerate() {
            faults.extend(pattern::fault_of(kernel, &rule.event, &format!("/rules/{n}/event")));
        }
        if let Some(tag) = &self.language {
            faults.extend(language::checked(tag).err().into_iter().flat_map(|e| e.errors));
        }
        if let Some(name) = &self.zone {
            faults.extend(content::zone(name).err().into_iter().flat_map(|e| e.errors));
        }
        match self.quiet(Tz::UTC) {
            Ok(quiet) if quiet.is_open(now) && quiet.next_close(now).is_none() => {
                let detail = "Quiet hours leave some time in which mail may come; turn it off by a rule otherwise.";
                faults.push(FieldError::new("/quiet_hours", "never_ends", detail));
            }
            Ok(_) => (),
            Err(wrong) => faults.extend(
                wrong
                    .into_iter()
                    .map(|fault| FieldError { pointer: fault.pointer.replacen("/hours", "/quiet_hours", 1), ..fault }),
            ),
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::invalid_all(faults)) }
    }

    /// How they want to be told of an event.
    pub fn delivery(&self, event: &str) -> Delivery {
        let fitting = self.rules.iter().filter(|rule| pattern::fits(&rule.event, event));
        // The last of the greatest, so from behind.
        let best = fitting.rev().max_by_key(|rule| pattern::precision(&rule.event));
        match best.map_or(Delivery::Immediately, |rule| rule.delivery) {
            Delivery::Off => Delivery::Off,
            // Who is paged is called at once.
            Delivery::Hourly | Delivery::Daily if escalation::pages(event) => Delivery::Immediately,
            wanted @ (Delivery::Immediately | Delivery::Hourly | Delivery::Daily) => wanted,
        }
    }

    /// When the digest is due that what happens now waits for; nothing for what does not wait.
    pub fn digest_at(&self, delivery: Delivery, zone: Tz, now: Moment) -> Option<Moment> {
        match delivery {
            Delivery::Off | Delivery::Immediately => None,
            Delivery::Hourly => Some(next_hour(now)),
            Delivery::Daily => Some(self.next_day(zone, now)),
        }
    }

    fn next_day(&self, zone: Tz, now: Moment) -> Moment {
        let minutes = u32::from(self.daily_at.minutes());
        let (days, minutes) = (u64::from(minutes / MINUTES_OF_DAY), minutes % MINUTES_OF_DAY);
        let time = NaiveTime::from_hms_opt(minutes / 60, minutes % 60, 0).unwrap_or_default();
        let today = now.utc().with_timezone(&zone).date_naive();
        let on = |ahead: u64| {
            let day = today.checked_add_days(Days::new(ahead + days))?;
            first_shown(zone, day.and_time(time)).filter(|at| *at > now)
        };
        // `24:00` of yesterday may be ahead, too, but that is `00:00` of a day that is asked for here.
        (0..3).find_map(on).unwrap_or_else(|| now.plus(TimeDelta::days(1)))
    }

    /// Until when nothing may come, where it is quiet now.
    pub fn quiet_until(&self, zone: Tz, now: Moment, priority: i32) -> Option<Moment> {
        if priority == 1 && self.urgent_passes {
            return None;
        }
        let quiet = self.quiet(zone).ok()?;
        if quiet.is_open(now) { quiet.next_close(now) } else { None }
    }

    fn quiet(&self, zone: Tz) -> Result<Calendar, Vec<FieldError>> {
        Calendar::new(zone, &Content { hours: self.quiet_hours.clone(), ..Content::default() })
    }
}

const MINUTES_OF_DAY: u32 = 24 * 60;

/// The next full hour. Zones whose hours begin in between are rare, and an hour is an hour.
pub fn next_hour(now: Moment) -> Moment {
    let passed = i64::from(now.utc().minute()) * 60 + i64::from(now.utc().second());
    let begun = now.minus(TimeDelta::seconds(passed)).utc();
    let begun = begun.with_nanosecond(0).map_or(now, Moment::from);
    begun.plus(TimeDelta::hours(1))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::json;

    use super::*;

    /// Moments of two years and a bit, in which every zone's clocks change.
    fn moments() -> impl Strategy<Value = Moment> {
        (0_i64..2 * 366 * 86_400 * 1_000).prop_map(|ms| at("2026-01-01T00:00:00Z").plus(TimeDelta::milliseconds(ms)))
    }
    fn zones() -> impl Strategy<Value = Tz> {
        select(&chrono_tz::TZ_VARIANTS[..])
    }
    fn time_of_day(minutes: u32) -> String {
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }

    proptest! {
        #[test]
        fn what_waits_for_a_digest_waits_no_longer_than_it_must(
            zone in zones(), now in moments(), minutes in 0_u32..1_440, later in 0_i64..100_000,
        ) {
            let wants = wants(json!({"daily_at": time_of_day(minutes)}));
            for (delivery, longest) in [(Delivery::Hourly, TimeDelta::hours(1)), (Delivery::Daily, TimeDelta::hours(49))] {
                let due = wants.digest_at(delivery, zone, now).unwrap();
                // A zone may leave a whole day out.
                prop_assert!(due > now && due.since(now) <= longest, "{due}");
                let (then, next) = (now.plus(TimeDelta::seconds(later)), due.plus(TimeDelta::microseconds(-1)));
                prop_assert!(then >= due || wants.digest_at(delivery, zone, then) == Some(due), "they come together");
                prop_assert!(next < now || wants.digest_at(delivery, zone, next) == Some(due));
            }
            let shown = wants.digest_at(Delivery::Daily, zone, now).unwrap().utc().with_timezone(&zone);
            let after = (shown.hour() * 60 + shown.minute()).checked_sub(minutes);
            prop_assert!(after.is_none_or(|gap| gap <= 60 || minutes == 0), "no sooner than the clock shows it: {shown}");
        }

        #[test]
        fn mail_that_waits_comes_as_soon_as_it_is_no_longer_quiet(
            zone in zones(), now in moments(), spans in vec((select(&DAYS[..]), 0_u32..1_380, 1_u32..60), 0..6),
        ) {
            let mut hours = serde_json::Map::new();
            for (day, from, length) in spans {
                hours.insert(day.to_owned(), json!([{"from": time_of_day(from), "until": time_of_day(from + length)}]));
            }
            let wants = wants(json!({"quiet_hours": hours}));
            let Some(until) = wants.quiet_until(zone, now, 3) else { return Ok(()) };
            prop_assert!(until > now && until.since(now) <= TimeDelta::hours(3));
            prop_assert_eq!(wants.quiet_until(zone, until, 3), None);
            for part in 0..8 {
                let between = now.plus(until.since(now) * part / 8);
                prop_assert_eq!(wants.quiet_until(zone, between, 3), Some(until));
            }
        }

        #[test]
        fn where_rules_of_another_precision_stand_does_not_matter(
            rules in vec((select(&PATTERNS[..]), select(&DELIVERIES[..])), 0..8), event in select(&PATTERNS[..4]),
        ) {
            let rules = rules.into_iter().map(|(event, delivery)| Rule { event: event.to_owned(), delivery });
            let mut wants = Preferences { rules: rules.collect(), ..Preferences::default() };
            let before = wants.delivery(event);
            for rank in [|precision: usize| precision, |precision: usize| 2 - precision] {
                wants.rules.sort_by_key(|rule| rank(pattern::precision(&rule.event)));
                prop_assert_eq!(wants.delivery(event), before);
            }
        }
    }

    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    const DELIVERIES: [Delivery; 4] = [Delivery::Off, Delivery::Immediately, Delivery::Hourly, Delivery::Daily];
    /// Four events, and what fits some of them.
    const PATTERNS: [&str; 9] = [
        "incident.created",
        "incident.resolved",
        "service.created",
        "incident.paged",
        "incident.*",
        "*.resolved",
        "*.created",
        "service.*",
        "*",
    ];

    fn wants(json: serde_json::Value) -> Preferences {
        serde_json::from_value(json).unwrap()
    }
    fn at(text: &str) -> Moment {
        text.parse().unwrap()
    }

    #[test]
    fn the_most_precise_rule_counts_and_of_those_the_first() {
        let rules = json!([
            {"event": "*", "delivery": "daily"}, {"event": "incident.*", "delivery": "off"},
            {"event": "*.resolved", "delivery": "hourly"}, {"event": "incident.created", "delivery": "immediately"},
        ]);
        let wants = wants(json!({"rules": rules}));
        let cases = [
            ("incident.created", Delivery::Immediately),
            ("incident.commented", Delivery::Off),
            ("incident.resolved", Delivery::Off),
            ("interaction.resolved", Delivery::Hourly),
            ("interaction.created", Delivery::Daily),
        ];
        for (event, expected) in cases {
            assert_eq!(wants.delivery(event), expected, "{event}");
        }
        assert_eq!(Preferences::default().delivery("incident.created"), Delivery::Immediately);
    }

    #[test]
    fn digests_come_at_the_hour_and_at_the_time_of_the_day_where_they_live() {
        let wants = wants(json!({"daily_at": "07:30"}));
        let cases = [
            (Delivery::Hourly, "UTC", "2026-03-03T11:00:00Z", "2026-03-03T12:00:00Z"),
            (Delivery::Hourly, "UTC", "2026-03-03T11:59:59.5Z", "2026-03-03T12:00:00Z"),
            (Delivery::Daily, "UTC", "2026-03-03T07:29:00Z", "2026-03-03T07:30:00Z"),
            (Delivery::Daily, "UTC", "2026-03-03T07:30:00Z", "2026-03-04T07:30:00Z"),
            (Delivery::Daily, "Europe/Berlin", "2026-03-03T06:00:00Z", "2026-03-03T06:30:00Z"),
            // The day on which summer begins.
            (Delivery::Daily, "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T05:30:00Z"),
            (Delivery::Daily, "Pacific/Auckland", "2026-03-03T11:00:00Z", "2026-03-03T18:30:00Z"),
        ];
        for (delivery, zone, now, expected) in cases {
            let due = wants.digest_at(delivery, zone.parse().unwrap(), at(now));
            assert_eq!(due, Some(at(expected)), "{delivery:?} {zone} {now}");
        }
        assert_eq!(wants.digest_at(Delivery::Immediately, Tz::UTC, at("2026-03-03T11:00:00Z")), None);
    }

    #[test]
    fn the_end_of_the_day_is_the_beginning_of_the_next() {
        let wants = wants(json!({"daily_at": "24:00"}));
        let due = wants.digest_at(Delivery::Daily, Tz::UTC, at("2026-03-03T11:00:00Z"));
        assert_eq!(due, Some(at("2026-03-04T00:00:00Z")));
    }

    #[test]
    fn it_is_quiet_where_they_live_and_urgent_matters_pass_where_they_say_so() {
        let quiet = json!({"tuesday": [{"from": "22:00", "until": "06:00"}]});
        let mut wants = wants(json!({"quiet_hours": quiet}));
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let night = at("2026-03-03T22:00:00Z");
        assert_eq!(wants.quiet_until(berlin, night, 3), Some(at("2026-03-04T05:00:00Z")));
        assert_eq!(wants.quiet_until(berlin, night, 1), Some(at("2026-03-04T05:00:00Z")));
        assert_eq!(wants.quiet_until(berlin, at("2026-03-03T20:59:00Z"), 3), None);
        wants.urgent_passes = true;
        assert_eq!(wants.quiet_until(berlin, night, 1), None);
        assert_eq!(wants.quiet_until(berlin, night, 2), Some(at("2026-03-04T05:00:00Z")));
    }
}
