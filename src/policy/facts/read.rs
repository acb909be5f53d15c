//! Reading facts from JSON.

use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};

use super::{FactSchema, Facts, FieldType, Value, value};

/// The field of a record's JSON that is wrong.
pub(super) enum Wrong<'a> {
    /// The schema has none of this name.
    Unknown(&'a str),
    /// It has a value of another type.
    Type(usize),
}

/// Reads a record of this schema from JSON that is read already.
pub(super) fn record<'a>(schema: &Arc<FactSchema>, fields: &'a Map<String, Json>) -> Result<Facts, Wrong<'a>> {
    let mut builder = Facts::builder(schema);
    let mut next = 0;
    for (name, given) in fields {
        let index = schema.index_near(next, name).ok_or(Wrong::Unknown(name))?;
        builder.values[index] = value(given, &schema.fields()[index].kind).ok_or(Wrong::Type(index))?;
        next = index + 1;
    }
    Ok(builder.build())
}

/// Reads a value of this type, or nothing, from JSON that is read already.
pub(super) fn value(given: &Json, wanted: &FieldType) -> Option<Value> {
    match (given, wanted) {
        (Json::Null, _) => Some(Value::Null),
        (Json::Bool(yes), FieldType::Bool) => Some(Value::Bool(*yes)),
        (Json::Number(number), _) => self::number(number, wanted),
        (Json::String(text), _) => self::text(text, wanted),
        (Json::Array(items), FieldType::TextList) => {
            let text = |item: &Json| item.as_str().map(value::text);
            items.iter().map(text).collect::<Option<_>>().map(Value::List)
        }
        (Json::Object(fields), FieldType::Nested(schema)) => record(schema, fields).ok().map(Value::Facts),
        (Json::Bool(_) | Json::Array(_) | Json::Object(_), _) => None,
    }
}

/// Reads a number as a value of this type.
fn number(given: &Number, wanted: &FieldType) -> Option<Value> {
    match wanted {
        FieldType::Int => given.as_i64().map(Value::Int),
        FieldType::Decimal => value::decimal(given).map(Value::Decimal),
        FieldType::Bool | FieldType::Text | FieldType::Time | FieldType::TextList | FieldType::Nested(_) => None,
    }
}

/// Reads text as a value of this type.
pub(super) fn text(given: &str, wanted: &FieldType) -> Option<Value> {
    match wanted {
        FieldType::Text => Some(Value::from(given)),
        FieldType::Decimal => given.parse().ok().map(Value::Decimal),
        FieldType::Time => given.parse().ok().map(Value::Time),
        FieldType::Bool | FieldType::Int | FieldType::TextList | FieldType::Nested(_) => None,
    }
}
