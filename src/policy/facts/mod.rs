//! What a policy sees of a record: a frozen, shared value with named fields.
//!
//! Owns: the record as a script reads it, its schema, its JSON form for the decision log and back. Refuses to know: where
//! records come from, and scripts' functions (those are in `policy::script`).
//!
//! **Invariant:** facts never change once made, and passing them on never copies text or fields.
//! **Invariant:** `Facts::from_json(schema, json(facts))` gives equal facts, so that a logged decision can be replayed.

mod read;
mod scan;
mod schema;
mod shipped;
mod value;
mod words;

use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value as Json;
use smol_str::SmolStr;

pub use scan::Scan;
pub use schema::{FactSchema, FieldSchema, FieldType};
#[cfg(test)]
pub use shipped::incident_with;
pub use shipped::{
    ITEM_CLASSES, ITEM_ENVIRONMENTS, Schemas, all_beside, beside, incident, made_up_of, moment, transition,
};
pub use value::{Cell, MAX_TEXT, Value};
pub use words::Phrase;

use crate::error::{Error, Result, did_you_mean};

/// The most items that a list in a record shows to a script.
pub const MAX_LIST: usize = 200;

/// A record as a script sees it. Cloning shares it.
#[derive(Clone)]
pub struct Facts(Arc<Inner>);

struct Inner {
    schema: Arc<FactSchema>,
    values: Box<[Value]>,
    /// Title and description as words, made when first searched.
    words: OnceLock<String>,
}

impl Facts {
    /// Starts a record of this schema with every field absent.
    pub fn builder(schema: &Arc<FactSchema>) -> FactsBuilder {
        let values = schema.fields().iter().map(FieldSchema::absent).collect();
        FactsBuilder { schema: Arc::clone(schema), values }
    }

    /// Of all values, in the order of the schema.
    fn of(schema: &Arc<FactSchema>, values: Vec<Value>) -> Facts {
        Facts(Arc::new(Inner { schema: Arc::clone(schema), values: values.into(), words: OnceLock::new() }))
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<FactSchema> {
        &self.0.schema
    }

    /// The value of a field; nothing when the schema has no such field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.schema.index_of(field).and_then(|i| self.0.values.get(i))
    }

    /// The same, where somebody knows at which places of schemas a field of that name often stands.
    pub fn get_at(&self, places: &[usize], field: &str) -> Option<&Value> {
        let stands_at = |at: &&usize| self.0.schema.fields().get(**at).is_some_and(|there| there.name == field);
        match places.iter().find(stands_at) {
            Some(at) => self.0.values.get(*at),
            None => self.get(field),
        }
    }

    /// The value of the field that stands at this place of the schema.
    pub fn at(&self, place: usize) -> Option<&Value> {
        self.0.values.get(place)
    }

    /// The text of a field, if it is there and is text.
    pub fn text(&self, field: &str) -> Option<&str> {
        match self.get(field) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The sentence for a field that isn't there.
    pub fn unknown_field(&self, field: &str) -> String {
        self.0.schema.unknown_field(field)
    }

    /// Whether the title or the description holds the phrase, as whole words, in any case.
    pub fn mentions(&self, phrase: &str) -> bool {
        self.mentions_phrase(&Phrase::new(phrase))
    }

    /// The same, of a phrase that is looked for in many records.
    pub fn mentions_phrase(&self, phrase: &Phrase) -> bool {
        let text = self.0.words.get_or_init(|| {
            let parts = ["title", "description"].map(|f| self.text(f).unwrap_or_default());
            words::spaced(&parts.join(" \u{1f} "))
        });
        phrase.is_in(text)
    }

    /// Made again from its JSON form.
    ///
    /// # Errors
    /// A field that the schema doesn't have, or a value of another type.
    pub fn from_json(schema: &Arc<FactSchema>, json: &Json) -> Result<Facts> {
        let Json::Object(map) = json else {
            return Err(Error::invalid("", "wrong_type", format!("The {} must be an object.", schema.name())));
        };
        read::record(schema, map).map_err(|wrong| match wrong {
            read::Wrong::Unknown(name) => unknown(schema, name),
            read::Wrong::Type(place) => wrong_type(&schema.fields()[place]),
        })
    }
}

fn unknown(schema: &FactSchema, name: &str) -> Error {
    Error::invalid(format!("/{name}"), "unknown_field", schema.unknown_field(name))
}
fn wrong_type(field: &FieldSchema) -> Error {
    Error::invalid(
        format!("/{}", field.name),
        "wrong_type",
        format!("`{}` must be {}.", field.name, field.kind.named()),
    )
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.values.len()))?;
        for (field, value) in self.0.schema.fields().iter().zip(&self.0.values) {
            map.serialize_entry(&field.name, value)?;
        }
        map.end()
    }
}
impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.0.schema.name() == other.0.schema.name() && self.0.values == other.0.values
    }
}
impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct(self.0.schema.name());
        for (field, value) in self.0.schema.fields().iter().zip(&self.0.values) {
            out.field(&field.name, value);
        }
        out.finish()
    }
}

/// A record while it is being filled.
pub struct FactsBuilder {
    schema: Arc<FactSchema>,
    values: Vec<Value>,
}

impl FactsBuilder {
    /// Sets a field.
    ///
    /// # Errors
    /// The schema has no such field.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) -> Result<&mut Self> {
        let index = self.schema.index_of(field).ok_or_else(|| unknown(&self.schema, field))?;
        self.values[index] = value.into();
        Ok(self)
    }

    /// The finished, frozen record.
    pub fn build(self) -> Facts {
        Facts::of(&self.schema, self.values)
    }
}

/// The phrase that suggests a field name, for messages.
pub(super) fn suggest(given: &str, candidates: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let owned: Vec<String> = candidates.into_iter().map(|c| c.as_ref().to_owned()).collect();
    did_you_mean(given, owned.iter().map(String::as_str))
}

/// Text as records keep it. Most of it is short and stands in its place; what is long is shared. Scripts get a copy.
pub type Text = SmolStr;

#[cfg(test)]
mod tests;
