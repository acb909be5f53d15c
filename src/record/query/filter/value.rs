//! From a value as written to a value in its field's type.

use rust_decimal::Decimal;

use super::{Fault, FieldType, Op, Value};
use crate::{
    clock::{Moment, day},
    id::RowId,
    record::query::{shown, suggestion},
};

/// A value as the caller wrote it.
#[derive(Debug)]
pub(super) enum Raw {
    /// Without quotes: may be a keyword or a number.
    Bare(String),
    /// In quotes: only ever text.
    Quoted(String),
    /// `now()` with its distance.
    Moment(Moment),
}

/// What is wrong with a value or operator, still without its place.
#[derive(Debug)]
pub(super) struct Wrong {
    code: &'static str,
    detail: String,
}

impl Wrong {
    pub(super) fn at(self, at: usize) -> Fault {
        Fault::new(at, self.code, self.detail)
    }

    fn value(detail: String) -> Self {
        Wrong { code: "wrong_type", detail }
    }
}

/// Refuses an operator that means nothing for the type, whatever the value.
pub(super) fn check_operator(field: &str, field_type: &FieldType, op: Op) -> Result<(), Wrong> {
    let equality = matches!(op, Op::Equal | Op::NotEqual);
    let (fits, instead) = match field_type {
        FieldType::Text => (true, ""),
        FieldType::Integer | FieldType::Decimal | FieldType::Time | FieldType::Date => {
            (op != Op::Has, "=, !=, <, <=, > or >=")
        }
        FieldType::Boolean
        | FieldType::Choice(_)
        | FieldType::User
        | FieldType::Team
        | FieldType::Organisation
        | FieldType::Record => (equality, "= or !="),
        FieldType::Tags => (equality || op == Op::Has, ":"),
    };
    if fits {
        return Ok(());
    }
    let detail = format!("`{field}` is {}; compare it with {instead}, not {}", kind(field_type), op.as_str());
    Err(Wrong { code: "wrong_operator", detail })
}

/// The value in the type of the field. The operator is one that [`check_operator`] let pass.
pub(super) fn resolve(field: &str, field_type: &FieldType, op: Op, raw: Raw) -> Result<Value, Wrong> {
    if matches!(&raw, Raw::Bare(word) if word == "null") {
        return null(op);
    }
    match field_type {
        FieldType::Text => text(field, field_type, raw).map(Value::Text),
        FieldType::Integer => bare(raw, field, field_type, integer),
        FieldType::Decimal => bare(raw, field, field_type, decimal),
        FieldType::Boolean => bare(raw, field, field_type, boolean),
        FieldType::Time => time(field, raw),
        FieldType::Date => date(field, raw),
        FieldType::Choice(choices) => choice(field, choices, text(field, field_type, raw)?),
        FieldType::User => reference(field, field_type, raw, Some(("me", Value::Me))),
        FieldType::Team => reference(field, field_type, raw, Some(("my_teams", Value::MyTeams))),
        FieldType::Organisation | FieldType::Record => reference(field, field_type, raw, None),
        FieldType::Tags => tag(field, field_type, op, raw),
    }
}

fn null(op: Op) -> Result<Value, Wrong> {
    if matches!(op, Op::Equal | Op::NotEqual) {
        return Ok(Value::Null);
    }
    let detail = format!("`null` is compared with = or !=, not {}; for the text, write \"null\"", op.as_str());
    Err(Wrong { code: "wrong_operator", detail })
}

fn text(field: &str, field_type: &FieldType, raw: Raw) -> Result<String, Wrong> {
    match raw {
        Raw::Bare(text) | Raw::Quoted(text) => Ok(text),
        Raw::Moment(_) => Err(mismatch(field, field_type, "now()", false)),
    }
}

/// A value that is never in quotes: what `read` makes of the word.
fn bare(raw: Raw, field: &str, field_type: &FieldType, read: fn(&str) -> Option<Value>) -> Result<Value, Wrong> {
    match raw {
        Raw::Bare(word) => read(&word).ok_or_else(|| mismatch(field, field_type, &word, false)),
        Raw::Quoted(word) => Err(mismatch(field, field_type, &word, read(&word).is_some())),
        Raw::Moment(_) => Err(mismatch(field, field_type, "now()", false)),
    }
}

fn integer(word: &str) -> Option<Value> {
    number(word, false).and_then(|number| number.parse().ok()).map(Value::Integer)
}

fn decimal(word: &str) -> Option<Value> {
    let number = Decimal::from_str_exact(number(word, true)?).ok()?;
    Some(Value::Decimal(number.normalize()))
}

/// The word when it is digits, with a minus perhaps and with one point when `fraction` may follow.
fn number(word: &str, fraction: bool) -> Option<&str> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let fits = match unsigned.split_once('.') {
        Some((whole, part)) => fraction && digits(whole) && digits(part),
        None => digits(unsigned),
    };
    fits.then_some(word)
}

fn boolean(word: &str) -> Option<Value> {
    match word {
        "true" => Some(Value::Boolean(true)),
        "false" => Some(Value::Boolean(false)),
        _ => None,
    }
}

fn time(field: &str, raw: Raw) -> Result<Value, Wrong> {
    match raw {
        Raw::Moment(at) => Ok(Value::Time(at)),
        Raw::Bare(text) | Raw::Quoted(text) => match text.parse().ok().and_then(Moment::storable) {
            Some(at) => Ok(Value::Time(at)),
            None => Err(mismatch(field, &FieldType::Time, &text, false)),
        },
    }
}

/// A day; `now()` is the day that it is in UTC.
fn date(field: &str, raw: Raw) -> Result<Value, Wrong> {
    match raw {
        Raw::Moment(at) => Ok(Value::Date(at.utc().date_naive())),
        Raw::Bare(text) | Raw::Quoted(text) => {
            day(&text).map(Value::Date).ok_or_else(|| mismatch(field, &FieldType::Date, &text, false))
        }
    }
}

fn choice(field: &str, choices: &[String], given: String) -> Result<Value, Wrong> {
    const SHOWN: usize = 12;
    if choices.contains(&given) {
        return Ok(Value::Text(given));
    }
    let near = suggestion(&given, choices.iter().map(String::as_str));
    let hint = if near.is_empty() && choices.len() <= SHOWN {
        format!("; it is one of {}", choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", "))
    } else {
        near
    };
    Err(Wrong { code: "not_a_choice", detail: format!("`{}` is not a choice of `{field}`{hint}", shown(&given)) })
}

/// A UUID, the type's own keyword (bare only), or a name or number that is looked up later.
fn reference(field: &str, field_type: &FieldType, raw: Raw, keyword: Option<(&str, Value)>) -> Result<Value, Wrong> {
    let text = match raw {
        Raw::Bare(word) => match keyword {
            Some((own, value)) if own == word => return Ok(value),
            Some(_) | None if word == "me" || word == "my_teams" => {
                return Err(mismatch(field, field_type, &word, false));
            }
            Some(_) | None => word,
        },
        Raw::Quoted(text) => text,
        Raw::Moment(_) => return Err(mismatch(field, field_type, "now()", false)),
    };
    Ok(match text.parse::<RowId>() {
        Ok(id) => Value::Id(id.to_string()),
        Err(_) => Value::Text(text),
    })
}

fn tag(field: &str, field_type: &FieldType, op: Op, raw: Raw) -> Result<Value, Wrong> {
    if op == Op::Has {
        return text(field, field_type, raw).map(Value::Text);
    }
    let detail = format!("`{field}` is {}; ask for one with :, and for none with = null", kind(field_type));
    Err(Wrong { code: "wrong_operator", detail })
}

fn mismatch(field: &str, field_type: &FieldType, given: &str, only_quotes: bool) -> Wrong {
    let hint = if only_quotes { "; write it without quotes" } else { "" };
    Wrong::value(format!("`{field}` is {}, which `{}` is not{hint}", kind(field_type), shown(given)))
}

fn kind(field_type: &FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "a text",
        FieldType::Integer => "a whole number",
        FieldType::Decimal => "a decimal number",
        FieldType::Boolean => "`true` or `false`",
        FieldType::Time => "a time (RFC 3339, such as \"2026-01-01T00:00:00Z\", or `now() - 2d`)",
        FieldType::Date => "a date (such as \"2026-01-31\", or `now() - 2d`)",
        FieldType::Choice(_) => "a choice",
        FieldType::User => "a person (id, name or `me`)",
        FieldType::Team => "a team (id, name or `my_teams`)",
        FieldType::Organisation => "an organisation (id or name)",
        FieldType::Record => "a record (id or number)",
        FieldType::Tags => "a set of tags",
    }
}
