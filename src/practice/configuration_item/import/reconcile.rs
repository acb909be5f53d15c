//! Whose word counts: a source of lower priority does not overwrite what one of higher priority has said, unless that is stale.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::row::{OriginRow, SourceRow};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::RecordId,
    record::{
        history::{self, LastChange},
        input::is_empty,
    },
};

/// Who has said what nobody imported.
pub const MANUAL: &str = "manual";

/// How much the word of a source counts.
#[derive(Clone, Debug, Default)]
pub struct Weight {
    /// Of all that it says.
    pub priority: i32,
    /// Of single fields.
    pub of_fields: BTreeMap<String, i32>,
    /// After how many days what it said counts no more against others; never where nothing is said.
    pub stale_days: Option<i32>,
    /// Whether what it finds other than it is recorded is told as drift.
    pub reports_drift: bool,
    /// What becomes of a thing that it no longer finds.
    pub missing: Gone,
    /// What it says by a null or an empty cell.
    pub empty: Empty,
}

/// What becomes of a configuration item of which a source has told, and which it no longer names though it is within the scope of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DataSourceMissing)]
pub enum Gone {
    /// It is told of.
    #[default]
    Report,
    /// It is retired, unless another source still tells of it or somebody else has said in which state it is. Where it is found again, it is
    /// brought back, unless somebody else has retired it since.
    Retire,
}

/// What a null, or an empty cell of a CSV text, says of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DataSourceEmpty)]
pub enum Empty {
    /// Nothing: the field stays as it is.
    #[default]
    Keep,
    /// That it holds nothing: description, owner, support team and attributes are emptied, as far as the source may write them.
    Clear,
}

impl Gone {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Gone::Report => "report",
            Gone::Retire => "retire",
        }
    }

    /// From its word.
    pub fn stored(text: &str) -> Gone {
        if text == Gone::Retire.as_str() { Gone::Retire } else { Gone::Report }
    }
}

impl Empty {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Empty::Keep => "keep",
            Empty::Clear => "clear",
        }
    }

    /// From its word.
    pub fn stored(text: &str) -> Empty {
        if text == Empty::Clear.as_str() { Empty::Clear } else { Empty::Keep }
    }
}

/// All sources.
#[derive(Clone, Debug, Default)]
pub struct Weights(HashMap<String, Weight>);

impl Weights {
    /// Reads them.
    pub fn read(connection: &mut AnyConnection) -> Result<Self> {
        let weights = SourceRow::all(connection)?.into_iter().map(|row| {
            let of_fields = row.priorities.read()?;
            Ok((
                row.name,
                Weight {
                    priority: row.priority,
                    of_fields,
                    stale_days: row.stale_days,
                    reports_drift: row.reports_drift,
                    missing: Gone::stored(&row.missing),
                    empty: Empty::stored(&row.empty),
                },
            ))
        });
        Ok(Weights(weights.collect::<Result<_>>()?))
    }

    /// Of these.
    pub fn of(weights: impl IntoIterator<Item = (String, Weight)>) -> Self {
        Weights(weights.into_iter().collect())
    }

    /// Whether what a source finds other than it is recorded is told as drift.
    pub fn report_drift(&self, source: &str) -> bool {
        self.0.get(source).is_some_and(|weight| weight.reports_drift)
    }

    /// Whether a source retires what it no longer finds.
    pub fn retires(&self, source: &str) -> bool {
        self.0.get(source).is_some_and(|weight| weight.missing == Gone::Retire)
    }

    /// Whether a source says by a null that a field holds nothing.
    pub fn clears(&self, source: &str) -> bool {
        self.0.get(source).is_some_and(|weight| weight.empty == Empty::Clear)
    }

    /// Whether what a source said at a moment counts no more against others.
    pub fn is_stale(&self, source: &str, seen_at: Moment, now: Moment) -> bool {
        let stale_days = self.0.get(source).and_then(|weight| weight.stale_days);
        stale_days.is_some_and(|days| now.since(seen_at) > TimeDelta::days(days.into()))
    }

    fn priority(&self, source: &str, field: &str) -> i32 {
        let weight = self.0.get(source);
        weight.map_or(0, |weight| weight.of_fields.get(field).copied().unwrap_or(weight.priority))
    }

    /// Whether `source` may say what `field` holds, which `holder` has said and last confirmed at a moment; by hand there is none.
    pub fn may_write(&self, source: &str, field: &str, holder: Option<(&str, Option<Moment>)>, now: Moment) -> bool {
        let Some((holder, seen_at)) = holder else { return true };
        if holder == source || self.priority(source, field) >= self.priority(holder, field) {
            return true;
        }
        seen_at.is_some_and(|seen| self.is_stale(holder, seen, now))
    }
}

/// The state, which is reconciled as fields are.
pub const STATE: &str = "state";
/// What a new record has where nobody says anything.
const DEFAULTS: &[(&str, &str)] = &[("environment", "production"), ("criticality", "bronze"), (STATE, "planned")];
/// With this begins through what a source has written.
const VIA: &str = "source:";

/// Who has said something, and when they last did; by hand there is no moment.
pub type Holder = (String, Option<Moment>);

/// A holder, as [`Weights::may_write`] takes it.
pub fn borrowed(holder: &Option<Holder>) -> Option<(&str, Option<Moment>)> {
    holder.as_ref().map(|(source, at)| (source.as_str(), *at))
}

/// The source that has written something, if it was one.
pub(super) fn written_by(last: &LastChange) -> Option<&str> {
    last.via.strip_prefix(VIA)
}

/// Who has said what a field of a record holds. Where no source is known to, the trail tells who has put in what a new record has
/// anyway, or who has taken the record to its state.
pub fn holder_of(
    connection: &mut AnyConnection,
    (record, origins): (RecordId, &HashMap<String, OriginRow>),
    field: &str,
    holds: &Value,
) -> Result<Option<Holder>> {
    let origin = origins.get(field);
    let is_default = DEFAULTS.iter().any(|(name, value)| *name == field && holds == value);
    if origin.is_some() || !(is_default || field == STATE) {
        let held = holder(origin, &holds.to_string(), is_empty(Some(holds)));
        return Ok(held.map(|(source, at)| (source.to_owned(), at)));
    }
    let by_hand = Some((MANUAL.to_owned(), None));
    Ok(match history::last_change(connection, record, field)? {
        Some(last) => written_by(&last).map_or(by_hand, |source| Some((source.to_owned(), Some(last.at)))),
        None if is_default => None,
        None => by_hand,
    })
}

/// Who has said what a field holds now, and when they last did. What differs from what was imported was changed by hand since.
pub fn holder<'a>(origin: Option<&'a OriginRow>, now_holds: &str, is_blank: bool) -> Option<(&'a str, Option<Moment>)> {
    match origin {
        Some(origin) if origin.value == now_holds => Some((&origin.source, Some(origin.seen_at))),
        _ if is_blank => None,
        _ => Some((MANUAL, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights() -> Weights {
        let weight = |priority, stale_days| Weight { priority, stale_days, ..Weight::default() };
        let scan =
            Weight { of_fields: BTreeMap::from([("attributes.ip_address".to_owned(), 90)]), ..weight(30, Some(10)) };
        Weights::of([
            ("manual".to_owned(), weight(80, None)),
            ("netbox".to_owned(), weight(50, Some(30))),
            ("scan".to_owned(), scan),
        ])
    }

    #[test]
    fn the_word_of_the_higher_stands_until_it_is_stale() {
        let now: Moment = "2026-03-31T00:00:00Z".parse().unwrap();
        let ago = |days| Some(now.minus(TimeDelta::days(days)));
        let cases = [
            ("scan", "title", None, true),
            ("scan", "title", Some(("scan", ago(1))), true),
            ("netbox", "title", Some(("scan", ago(1))), true),
            ("scan", "title", Some(("netbox", ago(1))), false),
            ("scan", "title", Some(("netbox", ago(30))), false),
            ("scan", "title", Some(("netbox", ago(31))), true),
            ("scan", "title", Some(("manual", None)), false),
            ("scan", "attributes.ip_address", Some(("manual", None)), true),
            ("netbox", "attributes.ip_address", Some(("scan", ago(9))), false),
            ("netbox", "attributes.ip_address", Some(("scan", ago(11))), true),
            ("unknown", "title", Some(("scan", ago(1))), false),
        ];
        for (source, field, holder, may) in cases {
            assert_eq!(weights().may_write(source, field, holder, now), may, "{source} {field} {holder:?}");
        }
    }

    #[test]
    fn what_was_changed_since_was_changed_by_hand() {
        let origin = OriginRow {
            record_id: crate::id::RecordId::new(),
            field: "title".into(),
            source: "netbox".into(),
            value: "\"a\"".into(),
            seen_at: "2026-03-31T00:00:00Z".parse().unwrap(),
        };
        assert_eq!(holder(Some(&origin), "\"a\"", false).map(|h| h.0), Some("netbox"));
        assert_eq!(holder(Some(&origin), "\"b\"", false).map(|h| h.0), Some("manual"));
        assert_eq!(holder(None, "\"b\"", false).map(|h| h.0), Some("manual"));
        assert_eq!(holder(None, "null", true), None);
    }
}
