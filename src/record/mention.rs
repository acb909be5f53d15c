//! What is said of other records: references, links, and what a write was a consequence of.
//!
//! **Invariant:** nothing that is told of one record holds the id or number of another one that is hidden from the caller.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    document::{Document, Member},
    kernel::Kernel,
    visibility,
};
use crate::{
    auth::caller::{Caller, Sees},
    db::AnyConnection,
    error::Result,
};

/// Leads the number in `consequence:INC0000001`.
pub const CONSEQUENCE: &str = "consequence:";

/// What an object that tells of another record calls its id: a link, a relation.
pub const RECORD: &str = "record_id";

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
            Mention::Record(Value::Object(object)) => object.get(RECORD)?.as_str(),
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

/// Empties the references of records to others that are hidden from the caller.
pub fn hide_references(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    records: &mut [Document],
) -> Result<()> {
    if caller.sees == Sees::All {
        return Ok(());
    }
    let (mut kind, mut fields) = (Member::new("kind"), Vec::new());
    let mut mentioned: Vec<(usize, &'static str, String)> = Vec::new();
    let mut of_kind = None;
    for (n, record) in records.iter().enumerate() {
        let this_kind = kind.word(record).unwrap_or_default();
        if of_kind != Some(this_kind) {
            fields = kernel.references(this_kind)?.iter().map(|field| Member::new(field)).collect();
            of_kind = Some(this_kind);
        }
        let words = fields.iter_mut().filter_map(|field| Some((n, field.name, field.word(record)?.to_owned())));
        mentioned.extend(words);
    }
    let words = mentioned.iter().map(|(_, _, word)| word.clone()).collect();
    let seen = visibility::told_of(kernel, connection, caller, words)?;
    for (n, field, _) in mentioned.into_iter().filter(|(_, _, word)| !seen.contains(word)) {
        records[n].empty(field);
    }
    Ok(())
}
