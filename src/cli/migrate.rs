//! `pointsman migrate`.

use std::fmt;

use clap::Subcommand;
use serde::Serialize;

use super::output;
use crate::{
    config::Config,
    db::{AnyConnection, migrate},
    error::Result,
};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Apply what is missing.
    Up,
    /// Take back the newest migration. What only it holds is lost.
    Down,
    /// Which migrations there are, and which are applied.
    Status,
}

#[derive(Serialize)]
struct Moved {
    applied: Vec<String>,
    taken_back: Vec<String>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Status(Vec<migrate::Step>);

impl Task {
    /// Does it.
    pub fn run(self, config: &Config, json: bool) -> Result<()> {
        let mut connection = AnyConnection::open(config.database.url.expose())?;
        migrate::exclusively(&mut connection, |connection| match self {
            Task::Up => output::print(&Moved { applied: migrate::up(connection)?, taken_back: Vec::new() }, json),
            Task::Down => {
                output::print(&Moved { applied: Vec::new(), taken_back: vec![migrate::down(connection)?] }, json)
            }
            Task::Status => output::print(&Status(migrate::status(connection)?), json),
        })
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.applied.iter().map(|n| format!("applied     {n}"));
        let lines: Vec<String> = lines.chain(self.taken_back.iter().map(|n| format!("taken back  {n}"))).collect();
        f.write_str(if lines.is_empty() { "The database is up to date." } else { "" })?;
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |s: &migrate::Step| format!("{}  {}", if s.applied { "applied" } else { "missing" }, s.name);
        f.write_str(&self.0.iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}
