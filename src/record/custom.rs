//! Custom fields: what administrators define, and the values that records hold.
//!
//! Values stand as JSON in the record's header, where they are read, and as rows of `custom_value`, where filters find them.

use diesel::prelude::*;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::{class, draft::Draft, kind::Reference, pending::CustomValue, practice::Details, reference, store::Desk};
use crate::{
    clock::{Moment, day},
    db::{AnyConnection, JsonText},
    error::{Error, FieldError, Result, did_you_mean},
    id::RowId,
    schema::custom_field,
};

/// A field that administrators defined.
#[derive(Clone, Debug, Queryable, Insertable, AsChangeset, serde::Serialize)]
#[diesel(table_name = custom_field, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct CustomField {
    pub id: RowId,
    pub kind: String,
    pub name: String,
    pub label: String,
    pub help: String,
    pub field_type: String,
    pub choices: JsonText,
    pub required: bool,
    pub pattern: Option<String>,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub target_class: Option<String>,
}

/// What a custom field may hold.
pub const TYPES: &[&str] = &[
    "text",
    "integer",
    "decimal",
    "boolean",
    "date",
    "time",
    "choice",
    "user",
    "team",
    "organisation",
    CONFIGURATION_ITEM,
];
/// The type that refers to configuration items.
pub const CONFIGURATION_ITEM: &str = "configuration_item";

impl CustomField {
    /// What it refers to, if its values are ids of something else.
    pub fn refers_to(&self) -> Option<Reference> {
        Some(match self.field_type.as_str() {
            "user" => Reference::User,
            "team" => Reference::Team,
            "organisation" => Reference::Organisation,
            CONFIGURATION_ITEM => Reference::Record(CONFIGURATION_ITEM),
            _ => return None,
        })
    }
}

/// The longest text in a custom field, in characters.
pub const LONGEST: usize = 4_000;
/// The longest text that the index of values holds, in characters: PostgreSQL refuses longer keys.
pub const INDEXED: usize = 500;
/// What a compiled pattern may take.
const PATTERN_BYTES: usize = 256 * 1024;
/// The greatest whole number that every reader of JSON, and the number column, holds exactly.
const EXACT: u64 = (1 << 53) - 1;
/// Below this, a number that travelled as a 64-bit float still has all its whole digits.
const WHOLE_DIGITS: f64 = 1e15;

/// The answer when there is no such field.
pub fn no_such_field() -> Error {
    Error::not_found("custom field")
}

/// The active fields of a kind.
pub fn fields_of(connection: &mut AnyConnection, kind: &str) -> Result<Vec<CustomField>> {
    let active = custom_field::table.filter(custom_field::kind.eq(kind)).filter(custom_field::active.eq(true));
    Ok(active.order(custom_field::name).load(connection)?)
}

/// Merges a patch (RFC 7396) into the draft's custom fields; gives every wrong place.
pub fn take_in<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<D>,
    patch: Option<Value>,
) -> Result<Vec<FieldError>> {
    let is_new = draft.before.is_none();
    if patch.is_none() && !is_new {
        return Ok(Vec::new());
    }
    let fields = desk.kernel.custom_fields(desk.unit.reference(), draft.kind)?;
    if fields.is_empty() && patch.is_none() {
        return Ok(Vec::new());
    }
    let is_whole = is_new || !matches!(patch, Some(Value::Object(_)));
    let was: Map<String, Value> = draft.header.custom.read()?;
    let (values, mut errors) = merge(PLACE, &fields, was.clone(), patch, is_whole)?;
    errors.extend(reference::check_given(desk, PLACE, &fields, &was, &values)?);
    draft.header.custom = JsonText::of(&values)?;
    Ok(errors)
}

/// A text as it is looked up where the case of A to Z and the spaces around it say nothing. The databases fold A to Z alone, so does this.
pub fn folded(text: &str) -> String {
    text.trim_matches(' ').to_ascii_lowercase()
}

/// What a record calls its custom fields.
pub const PLACE: &str = "custom";

/// Values of `fields`, which stand in `place`, after a patch: an object, or null for none. Gives every wrong place, too. What must be
/// given is asked for where the patch `is_whole`, or empties it.
pub fn merge(
    place: &str,
    fields: &[CustomField],
    mut values: Map<String, Value>,
    patch: Option<Value>,
    is_whole: bool,
) -> Result<(Map<String, Value>, Vec<FieldError>)> {
    let changes = match patch {
        Some(Value::Object(changes)) => changes,
        Some(_) => {
            values.clear();
            Map::new()
        }
        None => Map::new(),
    };
    let mut errors = Vec::new();
    let emptied: Vec<String> = changes.iter().filter(|(_, v)| v.is_null()).map(|(name, _)| name.clone()).collect();
    let is_asked = |f: &&CustomField| f.required && (is_whole || emptied.contains(&f.name));
    for (name, value) in changes {
        match fields.iter().find(|f| f.name == name) {
            // A field that was given up keeps what records hold, and lets go of it.
            None if values.get(&name) == Some(&value) => (),
            None if value.is_null() && values.contains_key(&name) => {
                values.shift_remove(&name);
            }
            None => {
                let near = did_you_mean(&name, fields.iter().map(|f| f.name.as_str()));
                let what = if place == PLACE { "custom field" } else { "attribute" };
                errors.push(error(place, &name, "unknown_field", format!("There is no {what} `{name}`{near}.")));
            }
            Some(_) if value.is_null() => {
                values.shift_remove(&name);
            }
            Some(field) => match fitting(place, field, value)? {
                Ok(value) => {
                    values.insert(name, value);
                }
                Err(e) => errors.push(e),
            },
        }
    }
    for field in fields.iter().filter(is_asked).filter(|f| super::input::is_empty(values.get(&f.name))) {
        errors.push(error(place, &field.name, "required", format!("`{place}.{}` is required.", field.name)));
    }
    values.sort_keys();
    Ok((values, errors))
}

/// Writes the rows that filters find the values by: those of custom fields, and of what the record's class says that it has.
pub fn write<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) -> Result<()> {
    let has_changed = match draft.old() {
        Some((header, details)) => {
            header.custom != draft.header.custom || (draft.kind.has_classes() && *details != draft.details)
        }
        None => draft.kind.has_classes() || draft.header.custom != JsonText::empty_object(),
    };
    if !has_changed {
        return Ok(());
    }
    let record_id = draft.header.id;
    if draft.old().is_some() {
        desk.unit.deferred.recustomised.push(record_id);
    }
    let values: Map<String, Value> = draft.header.custom.read()?;
    let values = values.into_iter().chain(class::findable(draft)?);
    let rows = values.map(|(name, value)| {
        let text_value = match &value {
            Value::String(s) => Some(s.clone()),
            Value::Bool(b) => Some(b.to_string()),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        };
        CustomValue { record_id, name, text_value, number_value: value.as_f64() }
    });
    desk.unit.deferred.custom_values.extend(rows);
    Ok(())
}

pub(super) fn error(place: &str, name: &str, code: &str, detail: String) -> FieldError {
    FieldError::new(format!("/{place}{}", super::input::pointer(name)), code, detail)
}

/// The value in the form in which it is stored and found, or what is wrong with it.
pub fn fitting(place: &str, field: &CustomField, value: Value) -> Result<std::result::Result<Value, FieldError>> {
    let name = &field.name;
    let choices: Vec<String> = field.choices.read()?;
    let fits = match (field.field_type.as_str(), value) {
        ("text", Value::String(s)) => (s.chars().count() <= LONGEST && !s.contains('\0')).then_some(Value::String(s)),
        ("integer", Value::Number(n)) => n.as_i64().filter(|i| i.unsigned_abs() <= EXACT).map(Value::from),
        ("decimal", Value::Number(n)) => n.as_f64().filter(|f| f.abs() < WHOLE_DIGITS).map(|_| Value::Number(n)),
        ("boolean", Value::Bool(b)) => Some(Value::Bool(b)),
        ("date", Value::String(s)) => day(&s).map(|day| day.to_string().into()),
        ("time", Value::String(s)) => s.parse().ok().and_then(Moment::storable).map(|at| at.sortable().into()),
        ("choice", Value::String(s)) => choices.contains(&s).then_some(Value::String(s)),
        (_, Value::String(s)) if field.refers_to().is_some() => s.parse::<RowId>().ok().map(|id| id.to_string().into()),
        _ => None,
    };
    let Some(value) = fits else {
        let wanted = match field.field_type.as_str() {
            "choice" => format!("one of {}", choices.join(", ")),
            "text" => format!("text of at most {LONGEST} characters"),
            "integer" => format!("a whole number from -{EXACT} to {EXACT}"),
            "decimal" => "a number of at most 15 digits".to_owned(),
            "date" => "a date such as 2026-01-31".to_owned(),
            "time" => "an RFC 3339 time".to_owned(),
            of if field.refers_to().is_some() => format!("the id of a {}", of.replace('_', " ")),
            other => format!("of type {other}"),
        };
        return Ok(Err(error(place, name, "wrong_type", format!("`{place}.{name}` must be {wanted}."))));
    };
    Ok(match (&field.pattern, &value) {
        (Some(pattern), Value::String(text)) if !whole(pattern).map_err(Error::internal)?.is_match(text) => {
            Err(error(place, name, "no_match", format!("`{place}.{name}` does not match the pattern `{pattern}`.")))
        }
        _ => Ok(value),
    })
}

/// A pattern as an expression that the whole of a text must match.
pub fn whole(pattern: &str) -> std::result::Result<Regex, regex::Error> {
    let bounded = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
    // By itself first, so that a parenthesis too many does not close the one around it.
    bounded(pattern)?;
    bounded(&format!(r"\A(?:{pattern})\z"))
}
