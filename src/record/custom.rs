//! Custom fields: what administrators define, and the values that records hold.
//!
//! Values stand as JSON in the record's header, where they are read, and as rows of `custom_value`, where filters find them.

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{draft::Draft, pending::CustomValue, practice::Details, store::Desk};
use crate::{
    clock::Moment,
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
}

/// What a custom field may hold.
pub const TYPES: &[&str] = &["text", "integer", "decimal", "boolean", "date", "time", "choice"];

/// The longest text in a custom field, in characters.
pub const LONGEST: usize = 4_000;

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
    let fields = fields_of(desk.unit.reference(), draft.kind.name)?;
    if fields.is_empty() && patch.is_none() {
        return Ok(Vec::new());
    }
    let (mut values, changes): (Map<String, Value>, _) = match patch {
        Some(Value::Object(changes)) => (draft.header.custom.read()?, changes),
        Some(_) => Default::default(),
        None => (draft.header.custom.read()?, Map::new()),
    };
    let mut errors = Vec::new();
    for (name, value) in changes {
        match fields.iter().find(|f| f.name == name) {
            None => {
                let near = did_you_mean(&name, fields.iter().map(|f| f.name.as_str()));
                errors.push(error(&name, "unknown_field", format!("There is no custom field `{name}`{near}.")));
            }
            Some(_) if value.is_null() => {
                values.shift_remove(&name);
            }
            Some(field) => match fitting(field, value)? {
                Ok(value) => {
                    values.insert(name, value);
                }
                Err(e) => errors.push(e),
            },
        }
    }
    for field in fields.iter().filter(|f| f.required && !values.contains_key(&f.name)) {
        errors.push(error(&field.name, "required", format!("`custom.{}` is required.", field.name)));
    }
    values.sort_keys();
    draft.header.custom = JsonText::of(&values)?;
    Ok(errors)
}

/// Writes the rows that filters find the values by.
pub fn write<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) -> Result<()> {
    let old = draft.old().map(|(h, _)| &h.custom);
    let empty = JsonText::empty_object();
    if *old.unwrap_or(&empty) == draft.header.custom {
        return Ok(());
    }
    let record_id = draft.header.id;
    if old.is_some() {
        desk.unit.deferred.recustomised.push(record_id);
    }
    let values: Map<String, Value> = draft.header.custom.read()?;
    let rows = values.into_iter().map(|(name, value)| {
        let text_value = match &value {
            Value::String(s) => Some(s.chars().take(1_000).collect()),
            Value::Bool(b) => Some(b.to_string()),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        };
        CustomValue { record_id, name, text_value, number_value: value.as_f64() }
    });
    desk.unit.deferred.custom_values.extend(rows);
    Ok(())
}

fn error(name: &str, code: &str, detail: String) -> FieldError {
    FieldError::new(format!("/custom{}", super::input::pointer(name)), code, detail)
}

/// The value in the form in which it is stored, or what is wrong with it.
fn fitting(field: &CustomField, value: Value) -> Result<std::result::Result<Value, FieldError>> {
    let name = &field.name;
    let choices: Vec<String> = field.choices.read()?;
    let fits = match (field.field_type.as_str(), &value) {
        ("text", Value::String(s)) => s.chars().count() <= LONGEST && !s.contains('\0'),
        ("integer", Value::Number(n)) => n.is_i64(),
        ("decimal", Value::Number(_)) | ("boolean", Value::Bool(_)) => true,
        ("date", Value::String(s)) => s.parse::<chrono::NaiveDate>().is_ok(),
        ("time", Value::String(s)) => s.parse::<Moment>().is_ok(),
        ("choice", Value::String(s)) => choices.contains(s),
        _ => false,
    };
    if fits {
        return Ok(Ok(value));
    }
    let wanted = match field.field_type.as_str() {
        "choice" => format!("one of {}", choices.join(", ")),
        "text" => "text of at most 4,000 characters".to_owned(),
        "date" => "a date such as 2026-01-31".to_owned(),
        "time" => "an RFC 3339 time".to_owned(),
        other => format!("of type {other}"),
    };
    Ok(Err(error(name, "wrong_type", format!("`custom.{name}` must be {wanted}."))))
}
