//! The replay of an incident event log, as ServiceNow exports it: each row becomes the calls that an agent would have made,
//! at its own time, by its own user and team, through the one write path.
//!
//! Owns: reading the log ([`log`]), what happened to each incident ([`story`]), the directory that it names, the calls
//! (`agent`), how far each incident was replayed (`reference`), the comparison and its [`report`], and what can be learnt
//! from the log ([`learn`]). It knows no HTTP and writes no record itself.
//!
//! **Invariant:** running twice changes nothing, and a run that was cut off goes on where it was.

mod agent;
mod compare;
mod directory;
pub mod learn;
pub mod log;
mod reference;
mod replay;
pub mod report;
pub mod story;
#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use serde::Serialize;

use self::{directory::Needs, log::Log, report::Report, story::Story};
use crate::{
    clock::Moment,
    db::{Database, writer::Writer},
    error::{Code, Error, Result},
    record::{kernel::Kernel, pending::Pending},
};

/// Under which name the import keeps what it knows, in references and request ids.
pub const SOURCE: &str = "servicenow";

/// What is to be imported, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log: CSV, compressed with gzip or not.
    pub file: PathBuf,
    /// Only incidents reported at or after this.
    pub from: Option<Moment>,
    /// Only incidents reported before this.
    pub until: Option<Moment>,
    /// What policies may do.
    pub mode: Mode,
    /// The organisation of all that is made.
    pub organisation: String,
    /// The moment of the import: from then on, what is still open goes by the clock on the wall.
    pub now: Moment,
}

/// What policies may do in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are asked, their decisions are logged and compared, and the record follows the log.
    Observe,
    /// Their decisions are carried out; agents change the team where they did so in the log.
    Decide,
}

impl Mode {
    fn as_participle(self) -> &'static str {
        match self {
            Mode::Observe => "observed",
            Mode::Decide => "deciding",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Observe => "observe",
            Mode::Decide => "decide",
        })
    }
}

impl FromStr for Mode {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "observe" => Ok(Mode::Observe),
            "decide" => Ok(Mode::Decide),
            _ => Err(Error::new(Code::Malformed, format!("The mode is `observe` or `decide`, not `{s}`."))),
        }
    }
}

/// Who is told how far it is.
pub trait Progress {
    /// Something begins that has so many parts.
    fn begin(&self, what: &str, parts: u64);
    /// So many more are done.
    fn advance(&self, parts: u64);
}

/// Nobody is told.
impl Progress for () {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// Replays a log and holds the result against it. Blocks; not for a thread that serves requests.
///
/// # Errors
/// The file can't be read, or the store is away or full. What is wrong with a row is in the report.
pub fn run(
    kernel: Arc<Kernel>,
    database: &Database,
    writer: &Writer<Pending>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report> {
    progress.begin("Reading", 0);
    let log = Log::read(&options.file)?;
    replay_log(kernel, database, writer, log, options, progress)
}

fn replay_log(
    kernel: Arc<Kernel>,
    database: &Database,
    writer: &Writer<Pending>,
    log: Log,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report> {
    let Log { stories, mut bad, rows } = log;
    let stories: Arc<Vec<Story>> = Arc::new(stories.into_iter().filter(|s| options.selects(s)).collect());
    let tally = if stories.is_empty() {
        replay::Tally::default()
    } else {
        progress.begin("Making the directory", 0);
        let needs = Needs::of(&stories, &options.organisation);
        let of = Arc::clone(&kernel);
        let directory = writer.run_blocking(move |unit| needs.meet(&of, unit))?;
        let (kernel, stories) = (Arc::clone(&kernel), Arc::clone(&stories));
        let replay = replay::Replay { kernel, directory, mode: options.mode, stories };
        replay::run(replay, options.now, database, writer, progress)?
    };
    let comparison = database.read_here(|connection| compare::compare(&kernel, connection, &stories, progress))?;
    bad.extend(tally.refused);
    bad.sort_by_key(|row| row.line);
    let all = || stories.iter().flat_map(|s| &s.events);
    Ok(Report {
        mode: options.mode,
        rows,
        events: all().count() as u64,
        replayed: tally.replayed,
        there_already: tally.there_already,
        calls: tally.calls,
        bad_rows: bad,
        unnamed_hand_overs: all().filter(|e| e.unnamed_hand_over).map(|e| e.row.line).collect(),
        comparison,
    })
}

impl Options {
    fn selects(&self, story: &Story) -> bool {
        self.from.is_none_or(|from| story.opened_at >= from) && self.until.is_none_or(|until| story.opened_at < until)
    }
}
