//! `pointsman policy`.

mod compare;
mod diff;
mod fmt;
mod folder;
mod pull;
mod push;
mod report;
mod shelf;
mod sort;
mod versions;

use std::{path::PathBuf, process::ExitCode};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::{import::moment, output};
use crate::{
    assembly::Assembly,
    clock::{Clock, Moment},
    config::Config,
    error::{Error, Result},
    id::RowId,
    integration::servicenow::{
        learn::{self, LearnReport, Split},
        log::Log,
    },
    policy::{
        coverage::Least,
        library::{NAME, is_name},
        offline, reference,
        runner::on_ample_stack,
        store::TableRow,
        table::write::Examined,
    },
    record::{
        cause::{Cause, Policies, Via},
        store::Desk,
    },
};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Check a folder of policies and tables, without a server. Exits 1 where one has an error.
    Check {
        /// A folder of the shape of `rules/`: `<decision>/<name>.rhai`, `tables/<name>.json` and `calendars/<name>.json`.
        folder: PathBuf,
    },
    /// Run the tests in a folder of policies, without a server, and tell what they reach. Exits 1 where one fails, or where the
    /// tests of a script reach too little of it.
    Test {
        /// A folder of the shape of `rules/`.
        folder: PathBuf,
        /// How many per cent of the lines of each script its tests have to reach.
        #[arg(long, value_name = "PER CENT", value_parser = clap::value_parser!(u8).range(..=100))]
        least_lines: Option<u8>,
        /// How many per cent of the sides of its branches.
        #[arg(long, value_name = "PER CENT", value_parser = clap::value_parser!(u8).range(..=100))]
        least_branches: Option<u8>,
        /// Also write what came of it to this file, as JUnit XML.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Bring a server's policies and tables into a folder, for version control and for work without a server
    ///
    /// Exits 0 when it is done, 1 where files that were changed here would be overwritten (then nothing is written), 2 on
    /// trouble.
    Pull(pull::Task),
    /// Send what was changed in a folder to a server, as new versions
    ///
    /// Exits 0 when it is done, also where there was nothing to do, 1 where something is refused, 2 on trouble. Pushing again
    /// goes on where it ended.
    Push(push::Task),
    /// Compare a folder with a server, or with another folder
    ///
    /// From the server to the folder, or from the folder to the other one, which needs no server. Exits 0 where they are the
    /// same, 1 where they differ, 2 on trouble. What a stored version would do otherwise, a back-test on the server tells.
    Diff(diff::Task),
    /// Lay out scripts and tables in one way
    ///
    /// What they mean, and their comments, stay as they are. Exits 0 when all are laid out, 1 where `--check` finds one that is
    /// not, 2 where one can't be read, which is left as it is.
    Fmt(fmt::Task),
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
    /// The exit code where it can't be done: 2 where 1 has a meaning of its own.
    pub fn on_trouble(&self) -> ExitCode {
        match self {
            Task::Pull(_) | Task::Push(_) | Task::Diff(_) | Task::Fmt(_) => ExitCode::from(2),
            Task::Check { .. } | Task::Test { .. } | Task::Definitions { .. } | Task::LearnTable { .. } => {
                ExitCode::FAILURE
            }
        }
    }

    /// Does it.
    pub fn run(self, config: Config, json: bool) -> Result<ExitCode> {
        match self {
            Task::Check { folder } => report(&offline::check_folder(&folder)?, json),
            Task::Test { folder, least_lines: lines, least_branches: branches, junit } => {
                let tested = offline::test_folder(&folder, Least { lines, branches })?;
                if let Some(file) = junit {
                    let failed = |e| Error::internal(format!("{} can't be written: {e}", file.display()));
                    std::fs::write(&file, tested.junit()).map_err(failed)?;
                }
                report(&tested, json)
            }
            Task::Pull(task) => task.run(json),
            Task::Push(task) => task.run(json),
            Task::Diff(task) => task.run(json),
            Task::Fmt(task) => task.run(json),
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

/// Stores a table as a new version; gives what it is called. One that may not be called so, or that would break what is live,
/// is refused.
fn keep(config: Config, name: &str, content: &serde_json::Value) -> Result<String> {
    if !is_name(name) {
        return Err(Error::invalid("--save", "wrong_form", NAME));
    }
    let assembly = Assembly::open(config, Clock::System)?;
    let (live, old) = assembly
        .database
        .read_here(|connection| Ok((assembly.policies.current(connection)?, TableRow::find(connection, name)?)))?;
    let examined = on_ample_stack(|| Examined::of(&assembly.policies, &live, name, old.as_ref(), content))??;
    let (kernel, cause) = (assembly.kernel.clone(), learning(&assembly));
    let row = assembly.writer.run_blocking(move |unit| {
        let mut desk = Desk { kernel: &kernel, unit, cause: &cause };
        let old = TableRow::find(desk.unit.connection()?, examined.name())?;
        examined.save(&mut desk, old.as_ref(), if old.is_some() { "updated" } else { "created" })
    })?;
    Ok(format!("{} version {}", row.name, row.version))
}

/// Who and what is behind a table that was learnt.
fn learning(assembly: &Assembly) -> Cause {
    Cause {
        caller: assembly.server.clone(),
        via: Via::Import,
        request_id: RowId::new().to_string(),
        reason: "Learnt from an incident event log".to_owned(),
        at: assembly.clock.now(),
        policies: Policies::Decide,
        depth: 0,
    }
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wrote {} to {}.", self.files.join(" and "), self.folder)
    }
}

impl std::fmt::Display for Learnt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
