//! The databases that are measured: the demonstration's company, with as many copies of its month's incidents as wanted.
//!
//! A desk's history grows and its backlog does not: only the newest copies are of incidents that are still open.

use std::path::Path;

use pointsman::{
    clock::{Clock, Moment},
    db::{AnyConnection, Engine},
};
use uuid::{NoContext, Timestamp, Uuid};

use crate::{
    Options,
    bare::{self, Copier, Copy},
    server,
};

/// A database that was filled. It goes when it is dropped, unless it is to be kept.
pub struct Store {
    pub engine: Engine,
    pub records: usize,
    pub url: String,
    keep: bool,
}

/// The newest copies, of which some are open.
const RECENT: usize = 5_000;
/// Copies in one transaction.
const BATCH: usize = 1_000;
/// Where a PostgreSQL server is, as for the tests.
const SERVER: &str = "POINTSMAN_TEST_DATABASE_URL";

/// A store of each size on each database that is there.
pub fn stores(options: &Options) -> Vec<Store> {
    let mut stores = Vec::new();
    let engines = match std::env::var(SERVER) {
        Ok(_) => vec![Engine::Sqlite, Engine::Postgres],
        Err(_) => vec![Engine::Sqlite],
    };
    let wanted =
        |engine: &Engine| options.database.as_ref().is_none_or(|name| *name == format!("{engine:?}").to_lowercase());
    for engine in engines.into_iter().filter(wanted) {
        stores.extend(options.records.iter().map(|records| Store::of(engine, *records, options)));
    }
    stores
}

impl Store {
    fn of(engine: Engine, records: usize, options: &Options) -> Store {
        let url = match engine {
            Engine::Sqlite => options.folder.join(format!("{records}.db")).display().to_string(),
            Engine::Postgres => database(&format!("load_{records}")),
        };
        let store = Store { engine, records, url, keep: options.keep };
        if engine == Engine::Sqlite && !options.keep {
            store.remove();
        }
        if !store.is_filled() {
            eprintln!("Filling {engine:?} with {records} incidents");
            server::demonstrate(&store.url);
            store.fill();
        }
        store
    }

    fn is_filled(&self) -> bool {
        if self.engine == Engine::Sqlite && !Path::new(&self.url).exists() {
            return false;
        }
        let mut connection = AnyConnection::open(&self.url).unwrap();
        let there = match self.engine {
            Engine::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name = 'record'",
            Engine::Postgres => "SELECT count(*) FROM pg_tables WHERE tablename = 'record'",
        };
        bare::number(&mut connection, there) > 0
            && bare::number(&mut connection, "SELECT count(*) FROM record WHERE kind = 'incident'")
                >= self.records as i64
    }

    /// Copies the incidents of the demonstration back into the past, evenly, the oldest first.
    fn fill(&self) {
        let mut connection = AnyConnection::open(&self.url).unwrap();
        let mut models = |which: &str| {
            let sql = format!("SELECT id AS word FROM record WHERE kind = 'incident'{which} ORDER BY id");
            bare::words(&mut connection, &sql)
        };
        let (all, over) = (models(""), models(" AND phase NOT IN ('open', 'waiting')"));
        let next = bare::number(&mut connection, "SELECT next_number FROM number_sequence WHERE kind = 'incident'");
        let wanted = self.records.saturating_sub(all.len());
        let now = Clock::System.now();
        let bar = indicatif::ProgressBar::new(wanted as u64);
        let mut copier = Copier::new(&self.url);
        for from in (0..wanted).step_by(BATCH) {
            let copy = |n: usize| {
                // A minute between each two.
                let age = (wanted - n) as i64 * 60;
                let number = format!("INC{:07}", next + n as i64);
                let models = if wanted - n > RECENT { &over } else { &all };
                Copy { id: id_at(now, age), number, like: models[n % models.len()].clone(), earlier: age }
            };
            let copies: Vec<Copy> = (from..(from + BATCH).min(wanted)).map(copy).collect();
            copier.copy(&copies);
            bar.inc(copies.len() as u64);
        }
        bar.finish_and_clear();
        connection.learn_sizes().unwrap();
        if self.engine == Engine::Postgres {
            bare::analyse(&mut connection);
        }
    }

    fn remove(&self) {
        match self.engine {
            Engine::Sqlite => {
                for end in ["", "-wal", "-shm"] {
                    drop(std::fs::remove_file(format!("{}{end}", self.url)));
                }
            }
            Engine::Postgres => {
                let (address, _) = self.url.split_once('?').unwrap_or((&self.url, ""));
                let name = address.rsplit('/').next().unwrap_or_default();
                bare::run(&server_url(), &format!("DROP DATABASE {name} WITH (FORCE)"));
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.keep {
            self.remove();
        }
    }
}

/// An id as it was made so many seconds ago.
pub fn id_at(now: Moment, seconds: i64) -> String {
    let at = u64::try_from(now.unix_seconds() - seconds).unwrap();
    Uuid::new_v7(Timestamp::from_unix(NoContext, at, 0)).to_string()
}

fn server_url() -> String {
    std::env::var(SERVER).unwrap()
}

/// A database of the server, made where it is missing.
fn database(name: &str) -> String {
    let server = server_url();
    let mut connection = AnyConnection::open(&server).unwrap();
    if bare::number(&mut connection, &format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")) == 0 {
        bare::run(&server, &format!("CREATE DATABASE {name} TEMPLATE template0"));
    }
    let (address, parameters) = server.split_once('?').unwrap_or((&server, ""));
    let (host, _) = address.rsplit_once('/').unwrap();
    format!("{host}/{name}?{parameters}")
}
