//! What is said of other records: references, links, and what a write was a consequence of.
//!
//! **Invariant:** nothing that is told of one record holds the id or number of another one that is hidden from the caller.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    kernel::Kernel,
    kind::{Holds, Kind},
    visibility,
};
use crate::{auth::caller::Caller, db::AnyConnection, error::Result};

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

/// Empties the references of records, as JSON, to others that are hidden from the caller.
pub fn hide_references(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    records: &mut [Map<String, Value>],
) -> Result<()> {
    let mut mentions = Vec::new();
    for record in records {
        let kind = kernel.practice(record.get("kind").and_then(Value::as_str).unwrap_or_default())?.kind();
        let references = record.iter_mut().filter(|(name, _)| is_reference(kernel, kind, name));
        mentions.extend(references.map(|(_, value)| Mention::Record(value)));
    }
    hide(kernel, connection, caller, mentions)
}

/// Whether a field refers to records that may be hidden; those of public kinds never are.
pub fn is_reference(kernel: &Kernel, kind: &Kind, field: &str) -> bool {
    let Some(Holds::Record(of)) = kind.field(field).map(|f| f.holds) else { return false };
    kernel.practice(of).is_ok_and(|practice| !practice.kind().public)
}
