//! `pointsman backup`.

use std::{fmt, path::PathBuf, process};

use clap::Args;
use serde::Serialize;

use super::output;
use crate::{
    config::Config,
    db::{AnyConnection, Engine},
    error::{Code, Error, Result},
};

/// Where to.
#[derive(Debug, Args)]
pub struct Task {
    /// The file to write. It must not exist. For SQLite it is a database that can be served at once; for PostgreSQL it is
    /// made by `pg_dump`, in its custom format.
    file: PathBuf,
}

#[derive(Serialize)]
struct Made {
    file: PathBuf,
    bytes: u64,
}

impl Task {
    /// Does it.
    pub fn run(self, config: &Config, json: bool) -> Result<()> {
        if self.file.exists() {
            return Err(Error::new(Code::Conflict, format!("{} exists already.", self.file.display())));
        }
        let url = config.database.url.expose();
        let bar = output::progress(None, "Copying");
        match Engine::of(url)? {
            Engine::Sqlite => AnyConnection::open(url)?.copy_into(&self.file.to_string_lossy())?,
            Engine::Postgres => dump(url, &self.file)?,
        }
        bar.finish_and_clear();
        let bytes = std::fs::metadata(&self.file).map_err(Error::internal)?.len();
        output::print(&Made { file: self.file, bytes }, json)
    }
}

fn dump(url: &str, file: &PathBuf) -> Result<()> {
    let status = process::Command::new("pg_dump")
        .args(["--format=custom", "--file"])
        .arg(file)
        .arg("--dbname")
        .arg(url)
        .status()
        .map_err(|e| Error::new(Code::Unavailable, format!("`pg_dump` can't be run: {e}.")))?;
    if status.success() { Ok(()) } else { Err(Error::new(Code::Internal, "`pg_dump` failed.")) }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrote {} ({} bytes).", self.file.display(), self.bytes)
    }
}
