//! What a calendar says of its days, as it is written and stored, and the check of it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{Datelike, NaiveDate};
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::{
    FIRST, LAST,
    day::{DAY, Days, Hours},
};
use crate::{
    error::{Error, FieldError, Result, did_you_mean},
    record::input::given,
};

/// Spans of a day at most.
pub const SPANS: usize = 8;
/// Holidays of a calendar at most, and exceptional days.
pub const SPECIAL_DAYS: usize = 2_000;
/// The longest name of a day, in characters.
pub const NAME: usize = 200;

/// What a calendar says of its days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Content {
    /// The hours of each weekday.
    pub hours: WeeklyHours,
    /// Closed days.
    pub holidays: Vec<Holiday>,
    /// Days with hours of their own.
    pub exceptions: Vec<ExceptionalDay>,
}

/// The hours of each weekday; a day without any is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct WeeklyHours {
    #[schema(required = true, max_items = 8)]
    pub monday: Vec<OpenHours>,
    #[schema(required = true, max_items = 8)]
    pub tuesday: Vec<OpenHours>,
    #[schema(required = true, max_items = 8)]
    pub wednesday: Vec<OpenHours>,
    #[schema(required = true, max_items = 8)]
    pub thursday: Vec<OpenHours>,
    #[schema(required = true, max_items = 8)]
    pub friday: Vec<OpenHours>,
    #[schema(required = true, max_items = 8)]
    pub saturday: Vec<OpenHours>,
    #[schema(required = true, max_items = 8)]
    pub sunday: Vec<OpenHours>,
}

/// A span of a day in which work is done, in the calendar's zone: its first minute belongs to it, its end does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenHours {
    /// When it begins, from `00:00` to `23:59`.
    #[schema(value_type = TimeOfDay)]
    pub from: TimeOfDay,
    /// When it is over: `24:00` at the end of the day, and a time that is earlier than `from` on the next day.
    #[schema(value_type = TimeOfDay)]
    pub until: TimeOfDay,
}

/// A closed day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// The day, in the years 1970 to 2199.
    pub date: NaiveDate,
    /// What is celebrated.
    #[schema(max_length = 200, examples("Christmas Day"))]
    pub name: String,
}

/// A day with hours of its own, whatever its weekday or holiday says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptionalDay {
    /// The day, in the years 1970 to 2199.
    pub date: NaiveDate,
    /// Why it is not as usual.
    #[schema(max_length = 200, examples("Stocktaking"))]
    pub name: String,
    /// Its hours; none where it is closed.
    #[schema(max_items = 8)]
    pub hours: Vec<OpenHours>,
}

/// A time of day in minutes since midnight, written as `08:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Eight in the morning.
    pub const EIGHT: TimeOfDay = TimeOfDay(8 * 60);

    /// Minutes since midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let two = |part: &str| part.parse::<u16>().ok().filter(|_| part.len() == 2 && !part.starts_with('+'));
        let read = text.split_once(':').and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)));
        match read {
            Some((hour, minute)) if minute < 60 && hour * 60 + minute <= DAY => Ok(TimeOfDay(hour * 60 + minute)),
            _ => Err(format!("`{text}` is no time of day from 00:00 to 24:00")),
        }
    }
}
impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}
impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
impl utoipa::PartialSchema for TimeOfDay {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))
            .max_length(Some(5))
            .examples([serde_json::json!("08:30")])
            .into()
    }
}
impl ToSchema for TimeOfDay {
    fn name() -> std::borrow::Cow<'static, str> {
        "TimeOfDay".into()
    }
}

impl OpenHours {
    /// In minutes since midnight; nothing where it is empty or begins at the end of the day.
    fn minutes(self) -> Option<Hours> {
        let (TimeOfDay(from), TimeOfDay(until)) = (self.from, self.until);
        let until = if until < from { until + DAY } else { until };
        (from < DAY && from != until).then_some(Hours { from, until })
    }
}

macro_rules! week { ($($day:ident)+) => {
    /// Hours of some weekdays. One that is null or an empty list is closed; one that is left out stays as it is, and is closed in a
    /// new calendar.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(missing_docs, reason = "the names say it")]
    pub struct WeeklyHoursChange {
        $(
            #[serde(default, deserialize_with = "given")]
            #[schema(required = false, value_type = Option<Vec<OpenHours>>, max_items = 8)]
            pub $day: Option<Option<Vec<OpenHours>>>,
        )+
    }

    impl WeeklyHours {
        /// The same but for what changes.
        #[must_use]
        pub fn changed(self, change: &WeeklyHoursChange) -> Self {
            WeeklyHours { $($day: change.$day.clone().map_or(self.$day, Option::unwrap_or_default),)+ }
        }

        /// The weekdays by name, from Monday on.
        pub fn days(&self) -> [(&'static str, &Vec<OpenHours>); 7] {
            [$((stringify!($day), &self.$day),)+]
        }
    }
} }
week!(monday tuesday wednesday thursday friday saturday sunday);

/// A zone of the IANA database.
pub fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        let near = did_you_mean(name, TZ_VARIANTS.iter().map(|zone| zone.name()));
        Error::invalid("/zone", "unknown_zone", format!("There is no time zone `{name}`{near}."))
    })
}

impl Content {
    /// The hours of every day.
    ///
    /// # Errors
    /// Every place that is wrong.
    pub fn days(&self) -> Result<Days, Vec<FieldError>> {
        let mut check = Check::default();
        let week = self.hours.days().map(|(day, hours)| check.hours(&format!("/hours/{day}"), hours));
        let mut special = BTreeMap::new();
        check.length("/holidays", self.holidays.len());
        for (at, holiday) in self.holidays.iter().enumerate() {
            check.day(&format!("/holidays/{at}"), holiday.date, &holiday.name);
            if special.insert(holiday.date, Vec::new()).is_some() {
                check.twice(&format!("/holidays/{at}"), holiday.date);
            }
        }
        check.length("/exceptions", self.exceptions.len());
        let mut places = BTreeMap::new();
        for (at, day) in self.exceptions.iter().enumerate() {
            let place = format!("/exceptions/{at}");
            check.day(&place, day.date, &day.name);
            special.insert(day.date, check.hours(&format!("{place}/hours"), &day.hours));
            if places.contains_key(&day.date) {
                check.twice(&place, day.date);
            }
            places.insert(day.date, place);
        }
        let days = Days { week, special };
        if check.errors.is_empty() {
            check.neighbours(&days, &places);
        }
        if check.errors.is_empty() { Ok(days) } else { Err(check.errors) }
    }

    /// The same with its days in order.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.holidays.sort_by_key(|holiday| holiday.date);
        self.exceptions.sort_by_key(|day| day.date);
        self
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Check {
    errors: Vec<FieldError>,
}

impl Check {
    fn refuse(&mut self, place: &str, code: &str, detail: String) {
        self.errors.push(FieldError::new(place, code, detail));
    }

    /// The hours of a day, in order.
    fn hours(&mut self, place: &str, given: &[OpenHours]) -> Vec<Hours> {
        if given.len() > SPANS {
            self.refuse(place, "too_many", format!("A day has at most {SPANS} spans of hours."));
            return Vec::new();
        }
        let mut hours: Vec<(usize, Hours)> = Vec::new();
        for (at, span) in given.iter().enumerate() {
            match span.minutes() {
                Some(minutes) => hours.push((at, minutes)),
                None => {
                    let OpenHours { from, until } = span;
                    let detail =
                        format!("From {from} until {until} is no time; a whole day is from 00:00 until 24:00.");
                    self.refuse(&format!("{place}/{at}"), "empty_span", detail);
                }
            }
        }
        hours.sort_by_key(|(_, hours)| hours.from);
        for pair in hours.windows(2) {
            let [(one, a), (other, b)] = pair else { continue };
            if b.from < a.until {
                let detail = format!("It overlaps with span {} of that day.", one.min(other));
                self.refuse(&format!("{place}/{}", one.max(other)), "overlapping_span", detail);
            }
        }
        hours.into_iter().map(|(_, hours)| hours).collect()
    }

    fn length(&mut self, place: &str, length: usize) {
        if length > SPECIAL_DAYS {
            self.refuse(place, "too_many", format!("A calendar has at most {SPECIAL_DAYS} of them."));
        }
    }

    fn day(&mut self, place: &str, date: NaiveDate, name: &str) {
        if !(FIRST..=LAST).contains(&date.year()) {
            let detail = format!("Calendars know the years {FIRST} to {LAST}.");
            self.refuse(&format!("{place}/date"), "out_of_range", detail);
        }
        let length = name.chars().count();
        if name.trim().is_empty() || length > NAME || name.chars().any(char::is_control) {
            let detail = format!("The name of a day is one line of 1 to {NAME} characters.");
            self.refuse(&format!("{place}/name"), "wrong_form", detail);
        }
    }

    fn twice(&mut self, place: &str, date: NaiveDate) {
        self.refuse(&format!("{place}/date"), "duplicate_day", format!("{date} is there twice."));
    }

    /// Hours that reach over midnight must not reach into those of the next day.
    fn neighbours(&mut self, days: &Days, places: &BTreeMap<NaiveDate, String>) {
        let overlap = |day: &[Hours], next: &[Hours]| match (day.last(), next.first()) {
            (Some(day), Some(next)) => day.until > next.from + DAY,
            _ => false,
        };
        let names = WeeklyHours::default().days().map(|(name, _)| name);
        for (at, day) in days.week.iter().enumerate() {
            let next = (at + 1) % 7;
            if overlap(day, &days.week[next]) {
                let detail = format!("Its last span reaches over midnight into hours of {}.", names[next]);
                self.refuse(&format!("/hours/{}", names[at]), "overlapping_span", detail);
            }
        }
        for (date, place) in places {
            let (before, after) = (date.pred_opt().unwrap_or_default(), date.succ_opt().unwrap_or_default());
            if overlap(days.on(before), days.on(*date)) {
                let detail = format!("The hours of {before} reach over midnight into its first span.");
                self.refuse(&format!("{place}/hours"), "overlapping_span", detail);
            }
            if overlap(days.on(*date), days.on(after)) {
                let detail = format!("Its last span reaches over midnight into hours of {after}.");
                self.refuse(&format!("{place}/hours"), "overlapping_span", detail);
            }
        }
    }
}
