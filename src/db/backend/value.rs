//! How ids and moments are read from the two databases: without a text or a date in between, since lists read thousands.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::{
    backend::Backend,
    deserialize::{FromSql, Result},
    pg::Pg,
    sql_types::{Text, Timestamp},
    sqlite::Sqlite,
};

use super::{MultiBackend, MultiRawValue};
use crate::{clock::Moment, id::Id};

type RawValue<'a, D> = <D as Backend>::RawValue<'a>;

impl FromSql<Timestamp, Sqlite> for Moment {
    fn from_sql(mut value: RawValue<'_, Sqlite>) -> Result<Self> {
        let text = value.read_text();
        let at = read(text).map_or_else(|| NaiveDateTime::parse_from_str(text, "%F %T%.f"), Ok)?;
        Ok(Moment::from_utc(at))
    }
}

impl FromSql<Timestamp, Pg> for Moment {
    fn from_sql(value: RawValue<'_, Pg>) -> Result<Self> {
        <NaiveDateTime as FromSql<Timestamp, Pg>>::from_sql(value).map(Moment::from_utc)
    }
}

impl FromSql<Timestamp, MultiBackend> for Moment {
    fn from_sql(value: MultiRawValue<'_>) -> Result<Self> {
        value.from_sql::<Self, Timestamp>()
    }
}

impl<K: 'static> FromSql<Text, Sqlite> for Id<K> {
    fn from_sql(mut value: RawValue<'_, Sqlite>) -> Result<Self> {
        Ok(Id::stored(value.read_text())?)
    }
}

impl<K: 'static> FromSql<Text, Pg> for Id<K> {
    fn from_sql(value: RawValue<'_, Pg>) -> Result<Self> {
        Ok(Id::stored(std::str::from_utf8(value.as_bytes())?)?)
    }
}

impl<K: 'static> FromSql<Text, MultiBackend> for Id<K> {
    fn from_sql(value: MultiRawValue<'_>) -> Result<Self> {
        value.from_sql::<Self, Text>()
    }
}

/// `2026-03-31 15:00:00.123456`, in a year of four digits and with any fraction or none.
fn read(text: &str) -> Option<NaiveDateTime> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        bytes.get(from..to)?.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
    };
    let mark = |at: usize, mark: u8| (bytes.get(at) == Some(&mark)).then_some(());
    [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')].into_iter().try_for_each(|(at, b)| mark(at, b))?;
    let day = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    let microseconds = match bytes.len() {
        19 => 0,
        21..=26 => {
            mark(19, b'.')?;
            number(20, bytes.len())? * 10_u32.pow(u32::try_from(26 - bytes.len()).ok()?)
        }
        _ => return None,
    };
    day.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, microseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_diesel_reads_them() {
        let texts = [
            "2026-03-31 15:00:01",
            "2026-03-31 15:00:01.5",
            "2026-03-31 15:00:01.123",
            "2026-03-31 15:00:01.123456",
            "0001-01-01 00:00:00",
            "9999-12-31 23:59:59.999999",
        ];
        for text in texts {
            assert_eq!(read(text), NaiveDateTime::parse_from_str(text, "%F %T%.f").ok(), "{text}");
        }
        let others = [
            "",
            "2026-03-31",
            "2026-02-30 00:00:00",
            "2026-03-31T15:00:01",
            "2026-03-31 15:00:01.",
            "2026-03-31 24:00:00",
            "2026-03-31 15:00:0x",
            "-026-03-31 15:00:00",
            "2026-03-31 15:00:01.1234567",
        ];
        for text in others {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
