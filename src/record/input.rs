//! What a caller may write: checked against the fields of the kind, every wrong place at once.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{
    journal::{self, Note},
    kind::{Field, Holds, Kind, LONG, Step, Write},
};
use crate::{
    clock::Moment,
    error::{Error, FieldError, Result, did_you_mean},
};

/// For fields of a merge patch: one that is given is `Some`, even when it is null, so that null is refused where it can't
/// stand and empties where it can.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// On which occasion fields are written.
#[derive(Clone, Copy)]
pub enum Occasion {
    /// A new record.
    Create,
    /// A change of a record.
    Change,
    /// A step of the lifecycle.
    Step(&'static Step),
}

/// Input that fits the kind.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Fields of the header and of the details, by name.
    pub fields: Map<String, Value>,
    /// Custom fields: a merge patch, an object or null.
    pub custom: Option<Value>,
    /// What the record's class says that it has: a merge patch, an object or null.
    pub attributes: Option<Value>,
    /// The tags.
    pub tags: Option<BTreeSet<String>>,
    /// What is added to the journal.
    pub notes: Vec<Note>,
}

/// Fields that add to the journal and are not stored themselves.
pub const NOTES: &[(&str, &str)] = &[
    (journal::COMMENT, "A comment that everybody who sees the record can read."),
    (journal::WORK_NOTE, "A note for those who work on it."),
];

/// The longest name of a class, in characters.
pub const CLASS_NAME: usize = 60;

/// Tags of a record at most.
pub const MOST_TAGS: usize = 50;

/// Characters of a tag at most.
pub const TAG_LENGTH: usize = 60;

/// Checks input field by field: unknown and read-only names, types, ranges, lengths, choices.
pub fn accept(kind: &Kind, occasion: Occasion, input: Map<String, Value>) -> Result<Accepted> {
    let mut accepted = Accepted::default();
    let mut errors = Vec::new();
    if matches!(occasion, Occasion::Create) {
        for field in kind.all_fields().filter(|f| f.write == Write::Required && !input.contains_key(f.name)) {
            errors.push(FieldError::new(pointer(field.name), "required", format!("`{}` is required.", field.name)));
        }
    }
    for (name, value) in input {
        if let Err(e) = accept_one(kind, occasion, &mut accepted, &name, value) {
            errors.push(e);
        }
    }
    if errors.is_empty() { Ok(accepted) } else { Err(Error::invalid_all(errors)) }
}

/// Whether a field holds nothing: it is not there, null, or text without a word.
pub fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}

/// The JSON pointer of a top-level field.
pub fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn accept_one(
    kind: &Kind,
    occasion: Occasion,
    accepted: &mut Accepted,
    name: &str,
    value: Value,
) -> std::result::Result<(), FieldError> {
    if let Some((note, _)) = NOTES.iter().find(|(note, _)| *note == name) {
        let Value::String(body) = value else { return Err(wrong_type(name, "text")) };
        accepted.notes.push(Note { kind: note, body: checked_text(name, body, LONG, true)?, minutes: None });
        return Ok(());
    }
    let Some(field) = kind.field(name) else {
        let near = did_you_mean(name, kind.all_fields().map(|f| f.name));
        return Err(FieldError::new(pointer(name), "unknown_field", format!("There is no field `{name}`{near}.")));
    };
    check_writable(field, occasion)?;
    if value.is_null() && !matches!(field.holds, Holds::Custom | Holds::Tags | Holds::Attributes) {
        if !field.nullable {
            return Err(FieldError::new(pointer(name), "required", format!("`{name}` can't be empty.")));
        }
        accepted.fields.insert(name.to_owned(), Value::Null);
        return Ok(());
    }
    if field.holds == Holds::Tags {
        accepted.tags = Some(if value.is_null() { BTreeSet::new() } else { checked_tags(name, &value)? });
    } else if matches!(field.holds, Holds::Custom | Holds::Attributes) {
        if !value.is_object() && !value.is_null() {
            return Err(wrong_type(name, "an object"));
        }
        let place = if field.holds == Holds::Custom { &mut accepted.custom } else { &mut accepted.attributes };
        *place = Some(value);
    } else {
        accepted.fields.insert(name.to_owned(), checked(field, value)?);
    }
    Ok(())
}

fn check_writable(field: &Field, occasion: Occasion) -> std::result::Result<(), FieldError> {
    let (code, detail) = match (field.write, occasion) {
        (Write::Caller | Write::Required, _) => return Ok(()),
        (Write::Step, Occasion::Step(step)) if step.accepts.contains(&field.name) => return Ok(()),
        (Write::Step, _) => {
            ("not_writable_here", format!("`{}` is written by the transitions that accept it.", field.name))
        }
        (Write::Server, _) if field.name == "state" => {
            ("read_only", "`state` is changed by transitions: POST …/transitions.".to_owned())
        }
        (Write::Server, _) => ("read_only", format!("`{}` is written by the server.", field.name)),
    };
    Err(FieldError::new(pointer(field.name), code, detail))
}

fn wrong_type(name: &str, wanted: &str) -> FieldError {
    FieldError::new(pointer(name), "wrong_type", format!("`{name}` must be {wanted}."))
}

/// A value that fits what the field holds, in the form in which it is stored.
fn checked(field: &Field, value: Value) -> std::result::Result<Value, FieldError> {
    let name = field.name;
    match (field.holds, value) {
        (Holds::Line(most), Value::String(s)) => {
            checked_text(name, s, most, field.write == Write::Required).and_then(|s| match s.contains(['\n', '\r']) {
                true => Err(FieldError::new(pointer(name), "not_one_line", format!("`{name}` must be one line."))),
                false => Ok(Value::String(s)),
            })
        }
        // Which classes there are is known to the store.
        (Holds::Class, Value::String(s)) => checked_text(name, s, CLASS_NAME, true).map(Value::String),
        (Holds::Text(most), Value::String(s)) => checked_text(name, s, most, false).map(Value::String),
        (Holds::Integer(from, to), Value::Number(n)) => match n.as_i64() {
            Some(i) if (i64::from(from)..=i64::from(to)).contains(&i) => Ok(Value::from(i)),
            _ => Err(FieldError::new(
                pointer(name),
                "out_of_range",
                format!("`{name}` must be a whole number from {from} to {to}."),
            )),
        },
        (Holds::Time, Value::String(s)) => match s.parse::<Moment>() {
            Ok(at) => Ok(Value::String(at.to_string())),
            Err(_) => Err(FieldError::new(pointer(name), "not_a_time", format!("`{name}` must be an RFC 3339 time."))),
        },
        (Holds::Choice(choices), Value::String(s)) => {
            if choices.contains(&s.as_str()) {
                return Ok(Value::String(s));
            }
            let near = did_you_mean(&s, choices.iter().copied());
            let detail = format!("`{name}` must be one of {}{near}", choices.join(", "));
            Err(FieldError::new(pointer(name), "not_a_choice", format!("{detail}.")))
        }
        (Holds::User | Holds::Team | Holds::Organisation | Holds::Record(_), Value::String(s)) => {
            match s.parse::<crate::id::RowId>() {
                Ok(id) => Ok(Value::String(id.to_string())),
                Err(_) => Err(FieldError::new(pointer(name), "not_an_id", format!("`{name}` must be a UUID."))),
            }
        }
        (Holds::Integer(..), _) => Err(wrong_type(name, "a whole number")),
        _ => Err(wrong_type(name, "text")),
    }
}

fn checked_text(name: &str, text: String, most: usize, needed: bool) -> std::result::Result<String, FieldError> {
    let length = text.chars().count();
    if length > most {
        let detail = format!("`{name}` has {length} characters; at most {most} are allowed.");
        return Err(FieldError::new(pointer(name), "too_long", detail));
    }
    if needed && text.trim().is_empty() {
        return Err(FieldError::new(pointer(name), "required", format!("`{name}` can't be empty.")));
    }
    if text.contains('\0') {
        return Err(FieldError::new(pointer(name), "nul_character", format!("`{name}` holds the character U+0000.")));
    }
    Ok(text)
}

fn checked_tags(name: &str, value: &Value) -> std::result::Result<BTreeSet<String>, FieldError> {
    let Value::Array(items) = value else { return Err(wrong_type(name, "a list of words")) };
    if items.len() > MOST_TAGS {
        return Err(FieldError::new(pointer(name), "too_many", format!("At most {MOST_TAGS} tags are allowed.")));
    }
    items
        .iter()
        .map(|item| match item.as_str().map(str::trim) {
            Some(tag) if !tag.is_empty() && tag.chars().count() <= TAG_LENGTH && !tag.contains('\0') => {
                Ok(tag.to_owned())
            }
            _ => Err(FieldError::new(
                pointer(name),
                "bad_tag",
                format!("A tag is 1 to {TAG_LENGTH} characters of text."),
            )),
        })
        .collect()
}
