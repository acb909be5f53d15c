//! One value of a fact: what a script can read, and its JSON form.

use std::{fmt, sync::Arc};

use rhai::{Dynamic, ImmutableString};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value as Json};

use super::{Facts, FieldType, Text, read};
use crate::clock::Moment;

/// The longest text that a script is given, in bytes. What is longer is cut before the script, the log and the replay see it.
pub const MAX_TEXT: usize = 4000;

/// The number as an exact decimal, when it is not too great for one.
pub(super) fn decimal(number: &Number) -> Option<Decimal> {
    let text = number.to_string();
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// A value that a script can read. Cloning one never copies long text or records.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Absent: `()` in a script.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// An exact number; text in JSON, so that nothing is lost.
    Decimal(Decimal),
    /// Text, at most [`MAX_TEXT`] bytes.
    Text(Text),
    /// A point in time.
    Time(Moment),
    /// A list of texts.
    List(Arc<[Text]>),
    /// Another record.
    Facts(Facts),
}

/// Cuts text to [`MAX_TEXT`] bytes, at a character.
fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Text as a script sees it.
pub(super) fn text(given: &str) -> Text {
    Text::new(clipped(given))
}

impl Value {
    /// As a script sees it.
    pub fn to_dynamic(&self) -> Dynamic {
        match self {
            Value::Null => Dynamic::UNIT,
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Decimal(d) => Dynamic::from_decimal(*d),
            Value::Text(t) => t.as_str().into(),
            Value::Time(t) => Dynamic::from(*t),
            Value::List(items) => items.iter().map(|item| item.as_str().into()).collect::<rhai::Array>().into(),
            Value::Facts(f) => Dynamic::from(f.clone()),
        }
    }

    /// From a value that a script made, where it fits the type.
    pub fn from_dynamic(given: &Dynamic, wanted: &FieldType) -> Option<Value> {
        if given.is_unit() {
            return Some(Value::Null);
        }
        Some(match wanted {
            FieldType::Bool => Value::Bool(given.as_bool().ok()?),
            FieldType::Int => Value::Int(given.as_int().ok()?),
            FieldType::Decimal => Value::Decimal(match given.as_int() {
                Ok(whole) => whole.into(),
                Err(_) => given.to_string().parse().ok()?,
            }),
            FieldType::Text => Value::from(given.as_immutable_string_ref().ok()?.as_str()),
            FieldType::Time if given.is::<Moment>() => Value::Time(given.clone().try_cast()?),
            FieldType::Time => Value::Time(given.as_immutable_string_ref().ok()?.parse().ok()?),
            FieldType::TextList => {
                let items = given.as_array_ref().ok()?;
                Value::List(
                    items
                        .iter()
                        .map(|i| Some(self::text(&i.as_immutable_string_ref().ok()?)))
                        .collect::<Option<_>>()?,
                )
            }
            FieldType::Nested(_) => Value::Facts(given.clone().try_cast()?),
        })
    }

    /// From JSON, where it fits the type.
    pub fn from_json(given: &Json, wanted: &FieldType) -> Option<Value> {
        read::value(given, wanted)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(self::text(text))
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}
impl From<i64> for Value {
    fn from(i: i64) -> Self {
        Value::Int(i)
    }
}
impl From<Decimal> for Value {
    fn from(d: Decimal) -> Self {
        Value::Decimal(d)
    }
}
impl From<Moment> for Value {
    fn from(at: Moment) -> Self {
        Value::Time(at)
    }
}
impl From<Facts> for Value {
    fn from(facts: Facts) -> Self {
        Value::Facts(facts)
    }
}
impl From<&[String]> for Value {
    fn from(items: &[String]) -> Self {
        Value::List(items.iter().take(super::MAX_LIST).map(|i| self::text(i)).collect())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(maybe: Option<T>) -> Self {
        maybe.map_or(Value::Null, Into::into)
    }
}

/// A key, a cell of a table or an answer of the host: a value without records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text; `*` as a key in a table stands for any.
    Text(ImmutableString),
    /// An exact number; text in JSON, which the column's type makes a number again.
    Decimal(Decimal),
    /// A point in time; text in JSON as well.
    Time(Moment),
}

impl Cell {
    /// From what a script passes as a key; nothing for `()` and for what can't be a key.
    pub fn from_dynamic(given: &Dynamic) -> Option<Cell> {
        if let Ok(text) = given.as_immutable_string_ref() {
            return Some(Cell::Text(text.clone()));
        }
        given.as_int().map(Cell::Int).or_else(|_| given.as_bool().map(Cell::Bool)).ok().or_else(|| {
            let decimal = given.clone().try_cast::<Decimal>().map(Cell::Decimal);
            decimal.or_else(|| given.clone().try_cast::<Moment>().map(Cell::Time))
        })
    }
    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        if let Cell::Text(text) = self { text.len() } else { size_of::<Decimal>() }
    }
    /// As a script sees it.
    pub fn to_dynamic(&self) -> Dynamic {
        match self {
            Cell::Bool(b) => (*b).into(),
            Cell::Int(i) => (*i).into(),
            Cell::Decimal(d) => Dynamic::from_decimal(*d),
            Cell::Text(t) => t.clone().into(),
            Cell::Time(t) => Dynamic::from(*t),
        }
    }
}

/// The cell alone, without quotes.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Bool(yes) => yes.fmt(f),
            Cell::Int(whole) => whole.fmt(f),
            Cell::Text(text) => text.fmt(f),
            Cell::Decimal(exact) => exact.fmt(f),
            Cell::Time(at) => at.fmt(f),
        }
    }
}
