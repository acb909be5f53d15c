//! Which fields a record shows to scripts, and their types. Data, not code: custom fields are added by administrators.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{Facts, Value, suggest};

/// The type of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldType {
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// An exact number.
    Decimal,
    /// Text.
    Text,
    /// A point in time.
    Time,
    /// A list of texts.
    TextList,
    /// Another record, or nothing.
    Nested(Arc<FactSchema>),
}

impl FieldType {
    /// How a sentence names it.
    pub fn named(&self) -> &str {
        match self {
            FieldType::Bool => "true or false",
            FieldType::Int => "a whole number",
            FieldType::Decimal => "a decimal number",
            FieldType::Text => "text",
            FieldType::Time => "a time",
            FieldType::TextList => "a list of texts",
            FieldType::Nested(schema) => schema.name(),
        }
    }
}

impl Serialize for FieldType {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            FieldType::Nested(schema) => schema.serialize(s),
            FieldType::Bool => s.serialize_str("bool"),
            FieldType::Int => s.serialize_str("int"),
            FieldType::Decimal => s.serialize_str("decimal"),
            FieldType::Text => s.serialize_str("text"),
            FieldType::Time => s.serialize_str("time"),
            FieldType::TextList => s.serialize_str("text_list"),
        }
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldSchema {
    /// The name in scripts.
    pub name: String,
    /// The field of the record that it is read from.
    #[serde(skip)]
    pub column: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// The only values it takes; empty: any.
    pub choices: Vec<String>,
    /// Whether it may be absent: `()` in a script.
    pub may_be_empty: bool,
    /// What a made-up record has here when a test says nothing.
    pub default: Value,
    /// What it is.
    pub doc: String,
}

impl FieldSchema {
    /// A field that may hold any value of its type and is absent unless set.
    pub fn new(name: &str, kind: FieldType, doc: &str) -> Self {
        let (name, choices, default) = (name.to_owned(), Vec::new(), Value::Null);
        FieldSchema { column: name.clone(), name, kind, choices, may_be_empty: true, default, doc: doc.to_owned() }
    }
    /// One that is read from a field of another name.
    #[must_use]
    pub fn column(mut self, column: &str) -> Self {
        column.clone_into(&mut self.column);
        self
    }
    /// One that is never absent.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.may_be_empty = false;
        self
    }
    /// With a value for made-up records.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = value.into();
        self
    }
    /// With the only values it takes.
    #[must_use]
    pub fn choices(mut self, choices: &[&str]) -> Self {
        self.choices = choices.iter().map(|&c| c.to_owned()).collect();
        self
    }
    /// What stands in it where nobody says anything: nothing, or a list without items where there always is one.
    pub fn absent(&self) -> Value {
        let is_list = matches!(self.kind, FieldType::TextList) && !self.may_be_empty;
        if is_list { Value::List(Arc::default()) } else { Value::Null }
    }
}

/// The fields of one kind of record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactSchema {
    name: String,
    fields: Vec<FieldSchema>,
    /// Positions in `fields`, by name, for binary search.
    #[serde(skip)]
    by_name: Vec<usize>,
    /// What stands before the value of each field in JSON: `"name":`.
    #[serde(skip)]
    keys: Vec<Box<str>>,
}

impl FactSchema {
    /// A schema; of two fields with one name the later is kept.
    pub fn new(name: &str, fields: Vec<FieldSchema>) -> Self {
        let mut kept: Vec<FieldSchema> = Vec::with_capacity(fields.len());
        for field in fields {
            kept.retain(|f| f.name != field.name);
            kept.push(field);
        }
        let mut by_name: Vec<usize> = (0..kept.len()).collect();
        by_name.sort_by(|&a, &b| kept[a].name.cmp(&kept[b].name));
        let keys = kept.iter().map(|field| format!("\"{}\":", field.name).into()).collect();
        FactSchema { name: name.to_owned(), fields: kept, by_name, keys }
    }

    /// The name of the kind: `incident`.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The fields, in the order they were declared.
    pub fn fields(&self) -> &[FieldSchema] {
        &self.fields
    }
    /// The fields in that order, each with what stands before its value in JSON.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = (&str, &FieldSchema)> {
        self.keys.iter().map(AsRef::as_ref).zip(&self.fields)
    }
    /// Where a field stands.
    pub fn index_of(&self, field: &str) -> Option<usize> {
        self.by_name.binary_search_by(|&i| self.fields[i].name.as_str().cmp(field)).ok().map(|at| self.by_name[at])
    }
    /// The same, where it often stands at this place: records are written in the order of their schema.
    pub(super) fn index_near(&self, place: usize, field: &str) -> Option<usize> {
        let is_there = self.fields.get(place).is_some_and(|there| there.name == field);
        if is_there { Some(place) } else { self.index_of(field) }
    }
    /// A field by name.
    pub fn field(&self, name: &str) -> Option<&FieldSchema> {
        self.index_of(name).map(|i| &self.fields[i])
    }
    /// The sentence for a field that isn't there.
    pub fn unknown_field(&self, name: &str) -> String {
        format!("{} has no field `{name}`{}", self.name, suggest(name, self.fields.iter().map(|f| &f.name)))
    }
    /// This schema and those inside it.
    pub fn all(&self) -> Vec<&FactSchema> {
        let inner = self.fields.iter().filter_map(|field| match &field.kind {
            FieldType::Nested(schema) => Some(schema.all()),
            FieldType::Bool
            | FieldType::Int
            | FieldType::Decimal
            | FieldType::Text
            | FieldType::Time
            | FieldType::TextList => None,
        });
        std::iter::once(self).chain(inner.flatten()).collect()
    }
    /// Every field of this schema and those inside it, each with the name of its schema.
    pub fn all_fields(&self) -> Vec<(&str, &FieldSchema)> {
        self.all().into_iter().flat_map(|schema| schema.fields.iter().map(|field| (schema.name(), field))).collect()
    }
    /// A made-up record: each field has its default.
    pub fn made_up(self: &Arc<Self>) -> Facts {
        let mut builder = Facts::builder(self);
        for (slot, field) in builder.values.iter_mut().zip(&self.fields) {
            *slot = field.default.clone();
        }
        builder.build()
    }
}
