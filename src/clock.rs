//! The only clock, and the only types for a point in time and for a length of it that is written down.
//!
//! **Invariant:** nothing else in the server asks the system for the time; what happens "now" is handed in, so that tests,
//! replays and imports run at any moment.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{
    DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, SubsecRound, TimeDelta, Timelike, Utc,
};
use diesel::{
    backend::Backend,
    deserialize::FromSqlRow,
    expression::AsExpression,
    serialize::{self, Output, ToSql},
    sql_types::Timestamp,
};
use jiff::{
    SignedDuration,
    fmt::temporal::{SpanParser, SpanPrinter},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in UTC, to the microsecond (as fine as both databases keep).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Timestamp)]
pub struct Moment(NaiveDateTime);

impl Moment {
    /// The first that both databases can hold and order.
    pub const FIRST: Moment = Moment(match NaiveDate::from_ymd_opt(1, 1, 1) {
        Some(day) => day.and_time(NaiveTime::MIN),
        None => NaiveDateTime::MIN,
    });
    /// From a date and time that is already UTC.
    pub fn from_utc(at: NaiveDateTime) -> Self {
        Moment(at.trunc_subsecs(6))
    }
    /// The date and time in UTC.
    pub fn utc(self) -> DateTime<Utc> {
        self.0.and_utc()
    }
    /// Seconds since 1970, for tokens.
    pub fn unix_seconds(self) -> i64 {
        self.0.and_utc().timestamp()
    }
    /// Later by `delta`; at the end of time it stays there.
    #[must_use]
    pub fn plus(self, delta: TimeDelta) -> Self {
        Moment(self.0.checked_add_signed(delta).unwrap_or(if delta < TimeDelta::zero() {
            NaiveDateTime::MIN
        } else {
            NaiveDateTime::MAX
        }))
    }
    /// Earlier by `delta`.
    #[must_use]
    pub fn minus(self, delta: TimeDelta) -> Self {
        self.plus(-delta)
    }
    /// The moment, when both databases can hold and order it: in the years 1 to 9999.
    pub fn storable(self) -> Option<Self> {
        (1..=9999).contains(&self.0.year()).then_some(self)
    }
    /// RFC 3339 with all six digits of the microseconds, so that texts stand in the order of the moments.
    pub fn sortable(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Micros, true)
    }
    /// RFC 3339 without what is not needed of the fraction, in years of four digits: `2026-03-31T15:00:00Z`. Every record that is
    /// read has several, and chrono's own formatting takes ten times as long.
    fn short(self) -> Option<([u8; 27], usize)> {
        let (day, time) = (self.0.date(), self.0.time());
        let year = u32::try_from(day.year()).ok().filter(|year| *year <= 9999)?;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |from: usize, to: usize, mut number: u32| {
            for place in text[from..to].iter_mut().rev() {
                *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        };
        let parts = [(year, 0, 4), (day.month(), 5, 7), (day.day(), 8, 10)];
        let parts = parts.into_iter().chain([(time.hour(), 11, 13), (time.minute(), 14, 16), (time.second(), 17, 19)]);
        parts.for_each(|(number, from, to)| put(from, to, number));
        let microseconds = time.nanosecond() / 1_000;
        put(20, 26, microseconds);
        let end = match microseconds {
            0 => 19,
            n if n % 1_000 == 0 => 23,
            _ => 26,
        };
        text[end] = b'Z';
        Some((text, end + 1))
    }
    /// Of a text as [`Moment::short`] writes most: `2026-03-31T15:00:00Z`. Nothing for any other, which chrono reads.
    fn of_short(text: &str) -> Option<Moment> {
        let text: &[u8; 20] = text.as_bytes().try_into().ok()?;
        let [.., b'Z'] = text else { return None };
        if [4, 7, 10, 13, 16].map(|place| text[place]) != *b"--T::" {
            return None;
        }
        let number = |from: usize, to: usize| {
            let digit = |number: u32, digit: &u8| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'));
            text[from..to].iter().try_fold(0, digit)
        };
        let day = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
        day.and_hms_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?).map(Moment)
    }
    /// How long after `earlier` this is; negative when before it.
    pub fn since(self, earlier: Moment) -> TimeDelta {
        self.0 - earlier.0
    }
}

/// A day of the calendar, in the years 1 to 9999, where texts of days stand in the order of the days.
pub fn day(text: &str) -> Option<NaiveDate> {
    text.parse::<NaiveDate>().ok().filter(|day| (1..=9999).contains(&day.year()))
}

impl From<DateTime<Utc>> for Moment {
    fn from(at: DateTime<Utc>) -> Self {
        Moment::from_utc(at.naive_utc())
    }
}
impl FromStr for Moment {
    type Err = chrono::ParseError;
    /// RFC 3339 with any offset.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if let Some(at) = Moment::of_short(s) {
            return Ok(at);
        }
        Ok(DateTime::parse_from_rfc3339(s)?.with_timezone(&Utc).into())
    }
}
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.short() {
            Some((text, length)) => f.write_str(std::str::from_utf8(&text[..length]).unwrap_or_default()),
            None => f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}
impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl<DB: Backend> ToSql<Timestamp, DB> for Moment
where
    NaiveDateTime: ToSql<Timestamp, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}
impl utoipa::PartialSchema for Moment {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}
impl utoipa::ToSchema for Moment {
    fn name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }
}

/// A length of time to the microsecond, written as ISO 8601 in hours, minutes and seconds: `PT4H`, `-PT1H30M`. Days are no part
/// of it: how long one is depends on who works when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub TimeDelta);

impl FromStr for Length {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        static PARSER: SpanParser = SpanParser::new();
        let read = PARSER.parse_duration(text).ok().and_then(|length| i64::try_from(length.as_micros()).ok());
        read.map(|microseconds| Length(TimeDelta::microseconds(microseconds))).ok_or_else(|| {
            format!("`{text}` is no duration of hours, minutes and seconds, such as `PT4H` or `PT1H30M`")
        })
    }
}
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.0.num_microseconds().unwrap_or(i64::MAX);
        f.write_str(&SpanPrinter::new().duration_to_string(&SignedDuration::from_micros(microseconds)))
    }
}
impl Serialize for Length {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl utoipa::PartialSchema for Length {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        let (minutes, seconds) = ("[0-9]{1,9}M", "[0-9]{1,9}(\\.[0-9]{1,6})?S");
        let pattern = format!("^-?PT([0-9]{{1,9}}H({minutes})?({seconds})?|{minutes}({seconds})?|{seconds})$");
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(pattern))
            .max_length(Some(41))
            .examples([serde_json::json!("PT1H30M")])
            .into()
    }
}
impl utoipa::ToSchema for Length {
    fn name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
}

/// Where "now" comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that stands still until it is set: for tests and replays.
    Set(Arc<Mutex<Moment>>),
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn set_to(at: Moment) -> Self {
        Clock::Set(Arc::new(Mutex::new(at)))
    }
    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn now(&self) -> Moment {
        match self {
            Clock::System => Utc::now().into(),
            Clock::Set(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
    /// Moves a clock that stands still; the system's clock is left alone.
    pub fn set(&self, to: Moment) {
        if let Clock::Set(at) = self {
            *at.lock().unwrap_or_else(PoisonError::into_inner) = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_hours_minutes_and_seconds() {
        for (text, microseconds, written) in [
            ("PT4H", 14_400_000_000, "PT4H"),
            ("PT90M", 5_400_000_000, "PT1H30M"),
            ("-PT0.000001S", -1, "-PT0.000001S"),
            ("PT0S", 0, "PT0S"),
            ("PT999999999H999999999M999999999.999999S", 3_660_999_996_339_999_999, "PT1016944443H25M39.999999S"),
        ] {
            let read = text.parse::<Length>().unwrap();
            assert_eq!((read.0.num_microseconds(), read.to_string().as_str()), (Some(microseconds), written), "{text}");
        }
        for text in ["", "4h", "P1D", "P1W", "P1Y", "PT", "P", "PT4", "PT4H ", "PT9999999999999H", "P1DT1H"] {
            assert!(text.parse::<Length>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn durations_are_read_as_they_were_written(microseconds in any::<i64>()) {
            let length = Length(TimeDelta::microseconds(microseconds));
            prop_assert_eq!(length.to_string().parse(), Ok(length));
        }

        #[test]
        fn moments_are_written_as_chrono_writes_them(microseconds in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            let at = DateTime::from_timestamp_micros(microseconds).unwrap();
            // Every other one without a fraction, or with one in milliseconds.
            for at in [at, at.trunc_subsecs(3), at.trunc_subsecs(0)] {
                let expected = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                prop_assert_eq!(Moment::from(at).to_string(), expected);
            }
        }

        #[test]
        fn moments_are_read_as_chrono_reads_them(text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|z|[+]00:00|[.]5Z)?") {
            let expected = DateTime::parse_from_rfc3339(&text).map(|at| Moment::from(at.with_timezone(&Utc)));
            prop_assert_eq!(text.parse::<Moment>(), expected);
        }
    }
}
