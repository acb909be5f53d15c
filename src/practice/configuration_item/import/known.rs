//! What an import has come to know: which rows are which records, and what a rehearsal has made and taken back.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::identify::Identity;
use crate::{
    id::{RecordId, RowId},
    record::kind::Reference,
};

/// What an import has come to know.
#[derive(Clone, Debug, Default)]
pub struct Maps {
    /// Records that a row has named, by the number of the row.
    pub records: HashMap<RecordId, usize>,
    /// What rows say of themselves, by the number of the row.
    pub signatures: HashMap<String, usize>,
    /// Records that a row may be which can't be told.
    pub candidates: HashSet<RecordId>,
    /// Keys of the rows, with the records that they are.
    pub keys: HashMap<String, RecordId>,
    /// Relations that are there and that a row names.
    pub relations: HashSet<RowId>,
    /// Records that relations of a type name.
    pub ends: HashSet<(RecordId, String)>,
    /// Relations that a rehearsal made or put in a group, and took back: as they are stored, with the group.
    pub rehearsed: HashMap<Stored, Option<String>>,
    /// Groups that it made or changed: whose, the name, and how much of it must be up.
    pub rehearsed_groups: HashMap<(RecordId, String), i32>,
}

/// A relation as it is stored: from where, of which type, to where.
pub type Stored = (RecordId, String, RecordId);

/// What an import has come to know: before this transaction, and in it.
#[derive(Debug, Default)]
pub struct Known {
    /// What is committed.
    pub before: Arc<Maps>,
    /// What goes with this transaction.
    pub now: Maps,
    /// People, teams and organisations by what a source calls them, those that are seen.
    pub(super) named: HashMap<(Reference, String), Option<String>>,
}

impl Maps {
    /// Whether rows name both ends of a relation, by themselves or in relations of its type.
    pub fn names_ends(&self, (from, of, to): &Stored) -> bool {
        [from, to].into_iter().all(|end| self.records.contains_key(end) || self.ends.contains(&(*end, of.clone())))
    }

    /// Adds what a transaction came to know.
    pub fn extend(&mut self, more: Maps) {
        self.records.extend(more.records);
        self.signatures.extend(more.signatures);
        self.candidates.extend(more.candidates);
        self.keys.extend(more.keys);
        self.relations.extend(more.relations);
        self.ends.extend(more.ends);
        self.rehearsed.extend(more.rehearsed);
        self.rehearsed_groups.extend(more.rehearsed_groups);
    }
}

impl Known {
    /// With what is known before a transaction.
    pub fn of(before: Arc<Maps>) -> Self {
        Known { before, ..Known::default() }
    }

    /// What is known by this transaction, or else from before it.
    fn find<'k, T>(&'k self, of: impl Fn(&'k Maps) -> Option<T>) -> Option<T> {
        [&self.now, &*self.before].into_iter().find_map(of)
    }

    /// The row that has named the same thing before.
    pub fn earlier(&self, identity: &Identity, signature: Option<&str>) -> Option<usize> {
        match identity {
            Identity::Known(id) => self.find(|maps| maps.records.get(id)).copied(),
            Identity::New => signature.and_then(|words| self.find(|maps| maps.signatures.get(words))).copied(),
            Identity::Ambiguous(_) => None,
        }
    }

    /// The group in which a rehearsal has put a relation.
    pub fn rehearsed(&self, relation: &Stored) -> Option<&Option<String>> {
        self.find(|maps| maps.rehearsed.get(relation))
    }

    /// How much of a group that a rehearsal has made must be up.
    pub fn rehearsed_group(&self, of: RecordId, name: &str) -> Option<i32> {
        let group = (of, name.to_owned());
        self.find(|maps| maps.rehearsed_groups.get(&group)).copied()
    }

    /// The record that a row gave this key.
    pub fn keyed(&self, key: &str) -> Option<RecordId> {
        self.find(|maps| maps.keys.get(key)).copied()
    }

    /// Learns that a row names a relation, and which one that is where it is there.
    pub fn name(&mut self, (from, of, to): &Stored, there: Option<RowId>) {
        self.now.ends.extend([from, to].map(|end| (*end, of.clone())));
        self.now.relations.extend(there);
    }
}
