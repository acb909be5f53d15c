//! What is held on a node for half a second: names of people, fields of lists. Nobody's rights hang on it.
//!
//! The node that changes such a thing forgets it at once; another one shows the old for as long as this.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use foldhash::fast::RandomState;

use crate::db::epoch::FRESH;

/// How much of it is held at most.
const MOST: usize = 20_000;

/// Values that are looked up again and again, by their keys.
pub struct Held<K, V>(Mutex<(Instant, HashMap<K, V, RandomState>)>);

impl<K: Eq + Hash, V: Clone> Held<K, V> {
    /// The values of these keys, where they are held.
    pub fn get<'a, Q>(&self, keys: impl IntoIterator<Item = &'a Q>) -> Vec<Option<V>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized + 'a,
    {
        let held = self.lock();
        let is_fresh = held.0.elapsed() < FRESH;
        keys.into_iter().map(|key| held.1.get(key).filter(|_| is_fresh).cloned()).collect()
    }

    /// Holds what was looked up.
    pub fn put(&self, looked_up: impl IntoIterator<Item = (K, V)>) {
        let mut held = self.lock();
        if held.0.elapsed() >= FRESH || held.1.len() >= MOST {
            *held = (Instant::now(), HashMap::default());
        }
        held.1.extend(looked_up);
    }

    /// Forgets all of it.
    pub fn forget(&self) {
        self.lock().1.clear();
    }

    fn lock(&self) -> MutexGuard<'_, (Instant, HashMap<K, V, RandomState>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Default for Held<K, V> {
    fn default() -> Self {
        Held(Mutex::new((Instant::now(), HashMap::default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_goes_after_a_while_and_when_it_is_forgotten() {
        let held: Held<String, u32> = Held::default();
        held.put([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(held.get(["a", "x", "b"]), [Some(1), None, Some(2)]);
        held.forget();
        assert_eq!(held.get(["a"]), [None]);
        held.put([("a".to_owned(), 3)]);
        std::thread::sleep(FRESH);
        assert_eq!(held.get(["a"]), [None]);
    }
}
