//! What the kernel knows of the rest of the server: the list of practices, and whom to ask for decisions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{decide::Decide, practice::AnyPractice};
use crate::{
    db::{AnyConnection, Database, Engine},
    error::{Error, Result},
};

/// What the kernel knows of the rest of the server.
pub struct Kernel {
    practices: &'static [&'static dyn AnyPractice],
    decide: Arc<dyn Decide>,
    database: Database,
    numbers: Mutex<HashMap<&'static str, std::ops::Range<i64>>>,
    /// Days from resolution to closure.
    pub auto_close_days: i64,
}

/// How many numbers a node takes at once where taking them costs a commit of its own.
const NUMBERS_AT_ONCE: i64 = 50;

impl Kernel {
    /// A kernel for these practices.
    pub fn new(
        practices: &'static [&'static dyn AnyPractice],
        decide: Arc<dyn Decide>,
        database: Database,
        auto_close_days: i64,
    ) -> Self {
        Kernel { practices, decide, database, numbers: Mutex::default(), auto_close_days }
    }

    /// All practices.
    pub fn practices(&self) -> &'static [&'static dyn AnyPractice] {
        self.practices
    }

    /// The practice of a kind.
    pub fn practice(&self, kind: &str) -> Result<&'static dyn AnyPractice> {
        let found = self.practices.iter().find(|p| p.kind().name == kind);
        found.copied().ok_or_else(|| Error::not_found(format!("kind of record `{kind}`")))
    }

    /// Whom to ask for decisions.
    pub fn decide(&self) -> &dyn Decide {
        &*self.decide
    }

    /// The next number of a kind. On SQLite it is taken in the write's own transaction; on PostgreSQL in blocks, on a
    /// connection apart from the write's, so that nodes don't wait for each other's transactions to end.
    pub fn next_number(&self, writing: &mut AnyConnection, kind: &'static str, prefix: &str) -> Result<String> {
        let number = match writing.engine() {
            Engine::Sqlite => writing.take_numbers(kind, 1)?,
            Engine::Postgres => {
                let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
                let mine = numbers.entry(kind).or_insert(0..0);
                match mine.next() {
                    Some(number) => number,
                    None => {
                        let first = self.database.apart(|c| Ok(c.take_numbers(kind, NUMBERS_AT_ONCE)?))?;
                        *mine = first + 1..first + NUMBERS_AT_ONCE;
                        first
                    }
                }
            }
        };
        Ok(format!("{prefix}{number:07}"))
    }
}
