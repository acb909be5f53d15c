//! Records that are read again and again, as text, by their id and version.
//!
//! A version never changes once it is committed, and which version is the present one is asked of the database by every
//! read, so what lies here is right on any number of nodes. It is filled by readers alone: a write may still be taken back.
//!
//! **Invariant:** whether a caller sees a record is decided before it is taken from here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::fast::RandomState;

use super::document::Text;
use crate::id::RecordId;

/// How many bytes lie here at most, in two halves.
const ROOM: usize = 24 << 20;

/// What one node keeps.
#[derive(Default)]
pub struct Shelf(Mutex<Halves>);

/// When the new half is full it becomes the old one, and what nobody asked for since then goes.
#[derive(Default)]
struct Halves {
    new: HashMap<RecordId, (i32, Arc<Text>), RandomState>,
    size: usize,
    old: HashMap<RecordId, (i32, Arc<Text>), RandomState>,
}

impl Shelf {
    /// Those of these records that lie here, in the order asked for.
    pub fn take(&self, records: &[(RecordId, i32)]) -> Vec<Option<Arc<Text>>> {
        let mut halves = self.lock();
        records.iter().map(|(id, version)| halves.take(*id, *version)).collect()
    }

    /// Puts a committed version here.
    pub fn put(&self, id: RecordId, version: i32, text: &Arc<Text>) {
        self.lock().put(id, version, text.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn take(&mut self, id: RecordId, version: i32) -> Option<Arc<Text>> {
        if let Some((known, text)) = self.new.get(&id) {
            return (*known == version).then(|| text.clone());
        }
        let (known, text) = self.old.remove(&id)?;
        if known != version {
            return None;
        }
        self.put(id, version, text.clone());
        Some(text)
    }

    fn put(&mut self, id: RecordId, version: i32, text: Arc<Text>) {
        if self.size >= ROOM / 2 {
            self.old = std::mem::take(&mut self.new);
            self.size = 0;
        }
        self.size += text.size();
        if let Some((_, before)) = self.new.insert(id, (version, text)) {
            self.size = self.size.saturating_sub(before.size());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::document::Writer;

    fn text(bytes: usize) -> Arc<Text> {
        #[derive(serde::Serialize)]
        struct Long {
            text: String,
        }
        let mut writer = Writer::new(&[], &[]);
        writer.extend(&Long { text: "x".repeat(bytes) }).unwrap();
        Arc::new(writer.end().unwrap())
    }

    #[test]
    fn only_the_version_that_is_asked_for_is_given() {
        let (shelf, id, other) = (Shelf::default(), RecordId::new(), RecordId::new());
        shelf.put(id, 3, &text(10));
        let found: Vec<bool> = shelf.take(&[(id, 3), (id, 2), (other, 3)]).iter().map(Option::is_some).collect();
        assert_eq!(found, [true, false, false]);
        shelf.put(id, 4, &text(10));
        assert!(shelf.take(&[(id, 3)])[0].is_none() && shelf.take(&[(id, 4)])[0].is_some());
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let shelf = Shelf::default();
        let ids: Vec<RecordId> = (0..200).map(|_| RecordId::new()).collect();
        for id in &ids {
            shelf.put(*id, 1, &text(ROOM / 100));
            assert!(shelf.take(&[(ids[0], 1)])[0].is_some());
            let halves = shelf.lock();
            let size = |half: &HashMap<RecordId, (i32, Arc<Text>), RandomState>| {
                half.values().map(|(_, t)| t.size()).sum::<usize>()
            };
            assert_eq!(halves.size, size(&halves.new));
            assert!(size(&halves.new) + size(&halves.old) <= ROOM + ROOM / 50);
        }
        assert!(shelf.take(&[(ids[1], 1)])[0].is_none());
    }
}
