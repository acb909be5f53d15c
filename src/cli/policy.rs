//! `pointsman policy`.

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::{import::moment, output};
use crate::{
    assembly::Assembly,
    clock::{Clock, Moment},
    config::Config,
    error::Result,
    integration::servicenow::{
        learn::{self, LearnReport, Split},
        log::Log,
    },
    policy::{
        offline, reference,
        runner::on_ample_stack,
        store::TableRow,
        table::{
            check::{Checked, refuse_errors},
            impact::impact,
        },
    },
};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Check a folder of policies and tables, without a server. Exits 1 where one has an error.
    Check {
        /// A folder of the shape of `rules/`: `<decision>/<name>.rhai` and `tables/<name>.json`.
        folder: PathBuf,
    },
    /// Run the tests in a folder of policies, without a server. Exits 1 where one fails.
    Test {
        /// A folder of the shape of `rules/`.
        folder: PathBuf,
    },
    /// Write definition files, by which editors complete and explain what policies can call, without a server.
    Definitions {
        /// The folder to write them to.
        folder: PathBuf,
    },
    /// Learn a lookup table from categories to teams from an incident event log, on a split by time, and say how good it is on
    /// incidents that it did not learn from.
    LearnTable {
        /// The log: CSV, compressed with gzip or not.
        file: PathBuf,
        /// Learn from the first so many per cent of the incidents.
        #[arg(long, default_value_t = 70, conflicts_with = "until")]
        percent: u8,
        /// Learn from what was stored before this (RFC 3339, or a date).
        #[arg(long, value_parser = moment)]
        until: Option<Moment>,
        /// What the table is looked up by.
        #[arg(long, value_enum, default_value_t = Key::Category)]
        key: Key,
        /// Which team is learnt: the first one that had it, or the last.
        #[arg(long, value_enum, default_value_t = Lesson::First)]
        lesson: Lesson,
        /// Store it under this name, where the policies find it; without this it is only printed.
        #[arg(long)]
        save: Option<String>,
    },
}

/// What a learnt table is looked up by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Key {
    /// The category.
    Category,
    /// The category and the subcategory.
    Subcategory,
}

/// Which team of an incident is learnt.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Lesson {
    /// The first one that had it: what routing answers.
    First,
    /// The last one.
    Last,
}

#[derive(Serialize)]
struct Written {
    folder: String,
    files: Vec<String>,
}

#[derive(Serialize)]
struct Learnt {
    report: LearnReport,
    saved: Option<String>,
    table: serde_json::Value,
}

impl Task {
    /// Does it.
    pub fn run(self, config: Config, json: bool) -> Result<ExitCode> {
        match self {
            Task::Check { folder } => report(&offline::check_folder(&folder)?, json),
            Task::Test { folder } => report(&offline::test_folder(&folder)?, json),
            Task::Definitions { folder } => {
                let files = reference::write_definitions(&folder)?;
                output::print(&Written { folder: folder.display().to_string(), files }, json)?;
                Ok(ExitCode::SUCCESS)
            }
            Task::LearnTable { file, percent, until, key, lesson, save } => {
                let log = Log::read(&file)?;
                let split = until.map_or(Split::Percent(percent), Split::At);
                let learnt = learn::learn(&log, split, key.into(), lesson.into())?;
                let saved = save.map(|name| keep(config, &name, &learnt.table)).transpose()?;
                output::print(&Learnt { report: learnt.report, saved, table: learnt.table }, json)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn report(report: &offline::Report, json: bool) -> Result<ExitCode> {
    output::print(report, json)?;
    Ok(if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Stores a table as a new version; gives what it is called. One that would break what is live is refused.
fn keep(config: Config, name: &str, content: &serde_json::Value) -> Result<String> {
    let assembly = Assembly::open(config, Clock::System)?;
    let (author, now) = (assembly.server.user, assembly.clock.now());
    let checked = Checked::from_json(name, content)?;
    let live = assembly.policies.known();
    let host = assembly.policies.host(&live);
    refuse_errors(&on_ample_stack(|| impact(&live, &host, &checked.table))?)?;
    let row =
        assembly.writer.run_blocking(move |unit| TableRow::save(unit.connection()?, &checked, Some(author), now))?;
    Ok(format!("{} version {}", row.name, row.version))
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrote {} to {}.", self.files.join(" and "), self.folder)
    }
}

impl fmt::Display for Learnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        match &self.saved {
            Some(saved) => write!(f, "\nSaved as {saved}."),
            None => write!(f, "\n{}", self.table),
        }
    }
}

impl From<Key> for learn::Key {
    fn from(key: Key) -> Self {
        match key {
            Key::Category => learn::Key::Category,
            Key::Subcategory => learn::Key::Subcategory,
        }
    }
}

impl From<Lesson> for learn::Lesson {
    fn from(lesson: Lesson) -> Self {
        match lesson {
            Lesson::First => learn::Lesson::First,
            Lesson::Last => learn::Lesson::Last,
        }
    }
}
