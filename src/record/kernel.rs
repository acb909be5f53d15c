//! What the kernel knows of the rest of the server: the list of practices, and whom to ask for decisions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;

use super::{
    catalogue::{Catalogue, Findable},
    class::Classes,
    custom::{self, CustomField},
    decide::Decide,
    face::Faces,
    graph::{self, Graph, load::Graphs},
    held::Held,
    kind::{Field, Holds, Kind},
    practice::AnyPractice,
    service_level::Levels,
    shelf::Shelf,
};
use crate::{
    db::{AnyConnection, Database, Engine, Epoch},
    error::{Error, Result},
};

/// What the kernel knows of the rest of the server.
pub struct Kernel {
    practices: &'static [&'static dyn AnyPractice],
    decide: Arc<dyn Decide>,
    database: Database,
    references: HashMap<&'static str, Vec<&'static str>>,
    numbers: Mutex<HashMap<&'static str, std::ops::Range<i64>>>,
    faces: Faces,
    catalogues: Held<Vec<&'static str>, Arc<Catalogue>>,
    custom_fields: Held<&'static str, Arc<[CustomField]>>,
    classes: Held<&'static str, Arc<Classes>>,
    graphs: Graphs,
    shelf: Shelf,
    levels: ArcSwapOption<Levels>,
    levels_epoch: Epoch,
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
        Kernel {
            practices,
            decide,
            database,
            references: practices.iter().map(|p| (p.kind().name, hidable(practices, p.kind()))).collect(),
            numbers: Mutex::default(),
            faces: Faces::default(),
            catalogues: Held::default(),
            custom_fields: Held::default(),
            classes: Held::default(),
            graphs: Graphs::new(),
            shelf: Shelf::default(),
            levels: ArcSwapOption::empty(),
            levels_epoch: Epoch::of_service_levels(),
            auto_close_days,
        }
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

    /// The fields of a kind that refer to records which may be hidden; those of public kinds never are.
    pub fn references(&self, kind: &str) -> Result<&[&'static str]> {
        let known = self.references.get(kind).map(Vec::as_slice);
        known.ok_or_else(|| Error::not_found(format!("kind of record `{kind}`")))
    }

    /// Whom to ask for decisions.
    pub fn decide(&self) -> &dyn Decide {
        &*self.decide
    }

    /// What people, teams and organisations look like.
    pub fn faces(&self) -> &Faces {
        &self.faces
    }

    /// Records that are read again and again.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Forgets what is held of people, teams, custom fields and policies: something of them has changed here.
    pub fn expire(&self) {
        self.decide.expire();
        self.faces.forget();
        self.catalogues.forget();
        self.custom_fields.forget();
        self.classes.forget();
        self.levels_epoch.expire();
    }

    /// The service levels that are active.
    pub fn levels(&self, connection: &mut AnyConnection) -> Result<Arc<Levels>> {
        let epoch = self.levels_epoch.current(connection)?;
        if let Some(known) = self.levels.load_full().filter(|known| known.epoch == epoch) {
            return Ok(known);
        }
        let levels = Arc::new(Levels::read(self, connection, epoch)?);
        self.levels.store(Some(levels.clone()));
        Ok(levels)
    }

    /// The active custom fields of a kind.
    pub fn custom_fields(&self, connection: &mut AnyConnection, kind: &'static Kind) -> Result<Arc<[CustomField]>> {
        if let Some(held) = self.custom_fields.get([&kind.name]).pop().flatten() {
            return Ok(held);
        }
        let fields: Arc<[CustomField]> = custom::fields_of(connection, kind.name)?.into();
        self.custom_fields.put([(kind.name, fields.clone())]);
        Ok(fields)
    }

    /// The classes that records of a kind may be of.
    pub fn classes(&self, connection: &mut AnyConnection, kind: &'static Kind) -> Result<Arc<Classes>> {
        if !kind.has_classes() {
            return Ok(Arc::default());
        }
        if let Some(held) = self.classes.get([&kind.name]).pop().flatten() {
            return Ok(held);
        }
        let classes = Arc::new(Classes::read(connection, kind.name)?);
        self.classes.put([(kind.name, classes.clone())]);
        Ok(classes)
    }

    /// What depends on what, as it is now.
    pub fn graph(&self, connection: &mut AnyConnection) -> Result<Arc<Graph>> {
        self.graphs.current(connection, self.practices)
    }

    /// What lists of a kind, or of all, can be filtered by, for who may read these kinds.
    pub fn catalogue(
        &self,
        connection: &mut AnyConnection,
        kind: Option<&'static Kind>,
        readable: &[&'static Kind],
    ) -> Result<Arc<Catalogue>> {
        let key: Vec<&str> =
            std::iter::once(kind.map_or("", |k| k.name)).chain(readable.iter().map(|k| k.name)).collect();
        if let Some(held) = self.catalogues.get([&key]).pop().flatten() {
            return Ok(held);
        }
        let custom = kind.map(|k| self.custom_fields(connection, k)).transpose()?.unwrap_or_default();
        let classes = kind.map(|k| self.classes(connection, k)).transpose()?;
        let findable = self.findable(kind);
        let catalogue = Arc::new(Catalogue::new(kind, readable, &custom, classes.as_deref(), &findable));
        self.catalogues.put([(key, catalogue.clone())]);
        Ok(catalogue)
    }

    /// What lists of a kind are found by beside fields.
    fn findable(&self, kind: Option<&Kind>) -> Vec<&'static Findable> {
        let mine = self.practices.iter().filter(|practice| kind.is_some_and(|kind| kind.name == practice.kind().name));
        let beside = |practice: &&'static dyn AnyPractice| {
            let of_graph = if practice.in_use().is_empty() { &[][..] } else { graph::FINDABLE };
            practice.findable().iter().chain(of_graph)
        };
        mine.flat_map(beside).collect()
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

fn hidable(practices: &[&'static dyn AnyPractice], kind: &'static Kind) -> Vec<&'static str> {
    let is_secret = |name| practices.iter().any(|p| p.kind().name == name && !p.kind().public);
    let is_hidable = |field: &&Field| matches!(field.holds, Holds::Record(of) if is_secret(of));
    kind.all_fields().filter(is_hidable).map(|field| field.name).collect()
}
