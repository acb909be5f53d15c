//! Reading facts from JSON, straight from its text where there is text: a back-test reads a million inputs.

use std::{fmt, sync::Arc};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::{Map, Number, Value as Json};

use super::{FactSchema, Facts, FieldType, Text, Value, value};

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
        (Json::Number(number), _) => OfType(wanted).number(number),
        (Json::String(text), _) => OfType(wanted).text(text),
        (Json::Array(items), FieldType::TextList) => {
            let text = |item: &Json| item.as_str().map(value::text);
            items.iter().map(text).collect::<Option<_>>().map(Value::List)
        }
        (Json::Object(fields), FieldType::Nested(schema)) => record(schema, fields).ok().map(Value::Facts),
        (Json::Bool(_) | Json::Array(_) | Json::Object(_), _) => None,
    }
}

/// Reads a record of this schema. A field that the schema doesn't have, or a value of another type, is an error.
pub struct OfSchema<'a>(pub &'a Arc<FactSchema>);

impl<'de> DeserializeSeed<'de> for OfSchema<'_> {
    type Value = Facts;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Facts, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OfSchema<'_> {
    type Value = Facts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Facts, A::Error> {
        let mut builder = Facts::builder(self.0);
        let mut next = 0;
        while let Some(index) = map.next_key_seed(Name(self.0, next))? {
            builder.values[index] = map.next_value_seed(OfType(&self.0.fields()[index].kind))?;
            next = index + 1;
        }
        Ok(builder.build())
    }
}

/// Reads the name of a field, which often is the one at this place, as the place that it has in the schema.
struct Name<'a>(&'a FactSchema, usize);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<usize, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a field of {}", self.0.name())
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.0.index_near(self.1, name).ok_or_else(|| E::custom(self.0.unknown_field(name)))
    }
}

/// Reads a value of this type, or nothing.
pub struct OfType<'a>(pub &'a FieldType);

impl<'de> DeserializeSeed<'de> for OfType<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl OfType<'_> {
    fn number(&self, number: &Number) -> Option<Value> {
        match self.0 {
            FieldType::Int => number.as_i64().map(Value::Int),
            FieldType::Decimal => value::decimal(number).map(Value::Decimal),
            FieldType::Bool | FieldType::Text | FieldType::Time | FieldType::TextList | FieldType::Nested(_) => None,
        }
    }

    fn text(&self, text: &str) -> Option<Value> {
        match self.0 {
            FieldType::Text => Some(Value::from(text)),
            FieldType::Decimal => text.parse().ok().map(Value::Decimal),
            FieldType::Time => text.parse().ok().map(Value::Time),
            FieldType::Bool | FieldType::Int | FieldType::TextList | FieldType::Nested(_) => None,
        }
    }
}

impl<'de> Visitor<'de> for OfType<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.named())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, yes: bool) -> Result<Value, E> {
        if matches!(self.0, FieldType::Bool) {
            return Ok(Value::Bool(yes));
        }
        Err(E::invalid_type(Unexpected::Bool(yes), &self))
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        self.number(&number.into()).ok_or_else(|| E::invalid_type(Unexpected::Signed(number), &self))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        self.number(&number.into()).ok_or_else(|| E::invalid_type(Unexpected::Unsigned(number), &self))
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        let read = Number::from_f64(number).and_then(|number| self.number(&number));
        read.ok_or_else(|| E::invalid_type(Unexpected::Float(number), &self))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.text(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        if !matches!(self.0, FieldType::TextList) {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(OfType(&FieldType::Text))? {
            let Value::Text(text) = item else { return Err(A::Error::invalid_type(Unexpected::Unit, &self)) };
            list.push(text);
        }
        Ok(Value::List(Arc::<[Text]>::from(list)))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        let FieldType::Nested(schema) = self.0 else { return Err(A::Error::invalid_type(Unexpected::Map, &self)) };
        OfSchema(schema).visit_map(map).map(Value::Facts)
    }
}
