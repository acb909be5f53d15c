//! A record while it is being written.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    approval::policy::Wish,
    decide::DecisionRow,
    header::Header,
    journal::Note,
    kind::{Kind, Step},
    render,
    service_level::turn::Work,
};
use crate::{db::JsonText, error::Result, id::RowId};

/// A record while it is being written: as it was, and as it will be.
#[derive(Clone, Debug)]
pub struct Draft<D> {
    /// Its kind.
    pub kind: &'static Kind,
    /// As it was stored; nothing when it is new.
    pub before: Option<(Header, D)>,
    /// The header as it will be.
    pub header: Header,
    /// The details as they will be.
    pub details: D,
    /// The step that is being taken.
    pub step: Option<&'static Step>,
    /// What is added to the journal.
    pub notes: Vec<Note>,
    /// Events beyond the usual ones.
    pub events: Vec<(String, Value)>,
    /// Rows of the decision log.
    pub decisions: Vec<DecisionRow>,
    /// What is written beside the record in the same breath.
    pub aside: Option<Aside>,
    /// What becomes of its clocks, where that was worked out before the write.
    pub clocks: Option<Vec<Work>>,
    /// Whether policies were asked about escalation because of what changes, or are not to be.
    pub is_escalation_asked: bool,
    /// What policies want of its approval.
    pub wish: Option<Wish>,
    /// The decisions that were asked for this write already.
    pub decided: Vec<&'static str>,
    /// What clocks have told of that policies were asked about, or are not to be: the clock, and how much was used up.
    pub clocks_asked: Vec<(RowId, i32)>,
}

/// Something that stands beside a record and is part of its story: a link, a watcher, an attachment.
#[derive(Clone, Debug)]
pub struct Aside {
    /// The action that the caller needs the permission for: `update`.
    pub needs: &'static str,
    /// What was done, in the past tense: `linked`.
    pub action: &'static str,
    /// What it changed, for the history: name → [old, new].
    pub changes: Map<String, Value>,
    /// Fields of the record that the server sets along with it.
    pub fields: Map<String, Value>,
    /// What is added to the journal along with it.
    pub notes: Vec<Note>,
}

impl Aside {
    /// A change of one thing called `name`.
    pub fn new(needs: &'static str, action: &'static str, name: &str, old: Value, new: Value) -> Self {
        let changes = Map::from_iter([(name.to_owned(), Value::Array(vec![old, new]))]);
        Aside { needs, action, changes, fields: Map::new(), notes: Vec::new() }
    }

    /// The same, with a field of the record that the server sets.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

impl<D: serde::Serialize + PartialEq + Clone> Draft<D> {
    /// Of a new record.
    pub fn new(kind: &'static Kind, header: Header, details: D) -> Self {
        let (notes, events, decisions) = (Vec::new(), Vec::new(), Vec::new());
        Draft {
            kind,
            before: None,
            header,
            details,
            step: None,
            notes,
            events,
            decisions,
            aside: None,
            clocks: None,
            is_escalation_asked: false,
            wish: None,
            decided: Vec::new(),
            clocks_asked: Vec::new(),
        }
    }

    /// Of a stored record, with nothing changed yet.
    pub fn of(kind: &'static Kind, header: Header, details: D) -> Self {
        Draft { before: Some((header.clone(), details.clone())), ..Draft::new(kind, header, details) }
    }

    /// The record as it will be, as JSON.
    pub fn after(&self) -> Result<Map<String, Value>> {
        render::record(self.kind, &self.header, &self.details)
    }

    /// The record as it was, as JSON.
    pub fn was(&self) -> Result<Option<Map<String, Value>>> {
        self.before.as_ref().map(|(header, details)| render::record(self.kind, header, details)).transpose()
    }

    /// Whether header and details are as they were stored.
    pub fn is_same(&self) -> bool {
        self.before.as_ref().is_some_and(|(header, details)| *header == self.header && *details == self.details)
    }

    /// Whether anything is to be written.
    pub fn is_changed(&self) -> bool {
        !self.is_same() || !self.notes.is_empty() || !self.decisions.is_empty()
    }

    /// Whether a public comment comes with it.
    pub fn has_comment(&self) -> bool {
        self.notes.iter().any(|n| n.kind == super::journal::COMMENT)
    }

    /// The header and details as they were.
    pub fn old(&self) -> Option<&(Header, D)> {
        self.before.as_ref()
    }

    /// Replaces the tags.
    pub fn set_tags(&mut self, tags: &BTreeSet<String>) -> Result<()> {
        self.header.tags = JsonText::of(tags)?;
        Ok(())
    }
}
