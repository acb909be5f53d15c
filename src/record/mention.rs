//! What is said of other records: references, links, and what a write was a consequence of.
//!
//! **Invariant:** nothing that is told of one record holds the id or number of another one that is hidden from the caller.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{document::Document, kernel::Kernel, visibility};
use crate::{
    auth::caller::{Caller, Sees},
    db::AnyConnection,
    error::Result,
};

/// Leads the number in `consequence:INC0000001`.
pub const CONSEQUENCE: &str = "consequence:";

/// A place where another record is mentioned.
pub enum Mention<'a> {
    /// Its id, or an object that holds it as `record_id`.
    Record(&'a mut Value),
    /// Through what a write came: `consequence:INC0000001`.
    Via(&'a mut String),
}

impl<'a> Mention<'a> {
    /// The member `via` of an object.
    pub fn via_of(object: &'a mut Value) -> Option<Self> {
        if let Value::String(via) = object.get_mut("via")? { Some(Mention::Via(via)) } else { None }
    }

    /// The id or number that is mentioned.
    fn word(&self) -> Option<&str> {
        match self {
            Mention::Record(Value::Object(object)) => object.get("record_id")?.as_str(),
            Mention::Record(id) => id.as_str(),
            Mention::Via(via) => via.strip_prefix(CONSEQUENCE),
        }
    }

    fn hide(self) {
        match self {
            Mention::Record(value) => *value = Value::Null,
            Mention::Via(via) => via.truncate(CONSEQUENCE.len() - 1),
        }
    }
}

/// Takes away what mentions records that are hidden from the caller, with one query for all.
pub fn hide(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    mentions: Vec<Mention<'_>>,
) -> Result<()> {
    let words: BTreeSet<String> = mentions.iter().filter_map(Mention::word).map(str::to_owned).collect();
    let seen = visibility::told_of(kernel, connection, caller, words)?;
    let is_hidden = |mention: &Mention<'_>| mention.word().is_some_and(|word| !seen.contains(word));
    mentions.into_iter().filter(is_hidden).for_each(Mention::hide);
    Ok(())
}

/// A record in a form in which its members can be looked at and emptied.
pub trait Referring {
    /// The content of a member that is a text.
    fn word(&self, name: &str) -> Option<&str>;
    /// Makes a member `null`.
    fn empty(&mut self, name: &'static str);
}

impl Referring for Document {
    fn word(&self, name: &str) -> Option<&str> {
        Document::word(self, name)
    }
    fn empty(&mut self, name: &'static str) {
        Document::empty(self, name);
    }
}

impl Referring for Map<String, Value> {
    fn word(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }
    fn empty(&mut self, name: &'static str) {
        self.insert(name.to_owned(), Value::Null);
    }
}

/// Empties the references of records to others that are hidden from the caller.
pub fn hide_references(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    records: &mut [impl Referring],
) -> Result<()> {
    if caller.sees == Sees::All {
        return Ok(());
    }
    let mut mentioned: Vec<(usize, &'static str, String)> = Vec::new();
    for (n, record) in records.iter().enumerate() {
        let fields = kernel.references(record.word("kind").unwrap_or_default());
        mentioned.extend(fields.iter().filter_map(|field| Some((n, *field, record.word(field)?.to_owned()))));
    }
    let words = mentioned.iter().map(|(_, _, word)| word.clone()).collect();
    let seen = visibility::told_of(kernel, connection, caller, words)?;
    for (n, field, _) in mentioned.into_iter().filter(|(_, _, word)| !seen.contains(word)) {
        records[n].empty(field);
    }
    Ok(())
}
