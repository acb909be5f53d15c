//! `pointsman audit`.

use std::{fmt, process::ExitCode};

use clap::Subcommand;
use serde::Serialize;

use super::output;
use crate::{
    config::Config,
    db::AnyConnection,
    error::Result,
    record::audit::{self, Flaw},
};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Read the whole trail and name every row that was edited, deleted or reordered. Exits 1 where there is one.
    Verify,
}

#[derive(Serialize)]
struct Verdict {
    whole: bool,
    rows: u64,
    flaws: Vec<Flaw>,
}

impl Task {
    /// Does it.
    pub fn run(self, config: &Config, json: bool) -> Result<ExitCode> {
        let Task::Verify = self;
        let mut connection = AnyConnection::open(config.database.url.expose())?;
        let bar = output::progress(None, "Verifying");
        let flaws = connection.snapshot(|connection| audit::verify(connection, |rows| bar.inc(rows)))?;
        let verdict = Verdict { whole: flaws.is_empty(), rows: bar.position(), flaws };
        bar.finish_and_clear();
        output::print(&verdict, json)?;
        Ok(if verdict.whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole {
            return write!(f, "The audit trail is whole: {} rows.", self.rows);
        }
        write!(f, "The audit trail is not whole: {} of {} rows.", self.flaws.len(), self.rows)?;
        self.flaws.iter().try_for_each(|flaw| write!(f, "\n  chain {} row {}: {}", flaw.chain, flaw.seq, flaw.flaw))
    }
}
