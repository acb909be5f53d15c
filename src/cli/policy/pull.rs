//! `pointsman policy pull`.

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{
    compare::{Item, State, compare, fetch},
    folder::{Folder, Manifest},
    report::{Line, files, write_lines},
    sort::Follow,
};
use crate::{
    cli::{output, remote::Address},
    error::Result,
};

/// What to bring, and where to.
#[derive(Debug, Args)]
pub struct Task {
    /// The folder to write to; it is made where it is not there.
    folder: PathBuf,
    #[command(flatten)]
    server: Address,
    /// The newest version of each policy, instead of the one that is live.
    #[arg(long)]
    drafts: bool,
    /// Overwrite what was changed here, and drafts that were pushed from here.
    #[arg(long)]
    force: bool,
    /// Remove files of what the server has no more.
    #[arg(long)]
    prune: bool,
}

#[derive(Serialize)]
struct Report {
    folder: String,
    server: String,
    /// What became of files.
    files: Vec<Line>,
    /// Files that were left as they are.
    unchanged: usize,
    /// Policies that are not live, and are not in the folder.
    not_live: usize,
    /// Files that were changed here: nothing was written for their sake.
    refused: Vec<Line>,
}

impl Task {
    /// Does it.
    pub fn run(self, json: bool) -> Result<ExitCode> {
        let remote = self.server.connect()?;
        let folder = Folder::open_or_new(&self.folder)?;
        let follow = Follow { drafts: self.drafts, strictly: self.force };
        let items = compare(&folder, &remote, follow)?;
        let count = |state| items.iter().filter(|item| item.state == state).count();
        let mut report = Report {
            folder: folder.shown(),
            server: remote.base().to_owned(),
            files: Vec::new(),
            unchanged: count(State::Same),
            not_live: count(State::NotLive),
            refused: items.iter().filter(|item| self.refuses(item)).map(line).collect(),
        };
        if report.refused.is_empty() {
            let texts = fetch(&remote, items.iter().filter(|item| is_written(item)))?;
            for (path, text) in &texts {
                folder.write(path, text)?;
            }
            for item in items.iter().filter(|item| self.removes(item)) {
                folder.remove(&item.path)?;
            }
            folder.save(&self.manifest(&items))?;
            report.files = items.iter().filter_map(|item| self.told(item)).collect();
        }
        output::print(&report, json)?;
        Ok(if report.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Whether something would be lost.
    fn refuses(&self, item: &Item) -> bool {
        let changed = match item.state {
            State::Changed | State::Both => true,
            State::Gone => self.prune && !is_as_pulled(item),
            State::Same | State::New | State::Behind | State::Missing | State::NotLive | State::Forgotten => false,
        };
        changed && !self.force
    }

    fn removes(&self, item: &Item) -> bool {
        self.prune && item.state == State::Gone
    }

    fn manifest(&self, items: &[Item]) -> Manifest {
        let entry = |item: &Item| match item.state {
            State::Same | State::Changed | State::Behind | State::Both | State::Missing => item.held(),
            State::New => item.entry.cloned(),
            State::Gone => item.entry.filter(|_| !self.prune).cloned(),
            State::NotLive | State::Forgotten => None,
        };
        let files = items.iter().filter_map(|item| Some((item.path.clone(), entry(item)?)));
        Manifest { drafts: self.drafts, files: files.collect() }
    }

    fn told(&self, item: &Item) -> Option<Line> {
        let what = match item.state {
            State::Missing => "new",
            State::Behind | State::Changed | State::Both => "written",
            State::Gone if self.prune => "removed: no longer on the server",
            State::Gone => "no longer on the server; `--prune` removes it",
            State::New => "only here",
            State::Same | State::NotLive | State::Forgotten => return None,
        };
        Some(Line::new(&item.path, what, item.version()))
    }
}

/// Whether the server's version is written in place of the file, or of none.
fn is_written(item: &Item) -> bool {
    matches!(item.state, State::Behind | State::Changed | State::Both | State::Missing)
}

/// Whether a file is as it came.
fn is_as_pulled(item: &Item) -> bool {
    item.file.map(|file| &file.sha256) == item.entry.and_then(|entry| entry.sha256.as_ref())
}

fn line(item: &Item) -> Line {
    Line::new(&item.path, item.state.named(), item.version())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.refused.is_empty() {
            write_lines(f, &self.refused)?;
            let (count, folder) = (files(self.refused.len()), &self.folder);
            return write!(
                f,
                "\nrefused: {count} of {folder} changed; push, or take the server's with `--force`. Nothing was written."
            );
        }
        write_lines(f, &self.files)?;
        let written = self.files.iter().filter(|line| matches!(line.what.as_str(), "new" | "written")).count();
        write!(
            f,
            "{}{} written, {} unchanged.",
            if self.files.is_empty() { "" } else { "\n" },
            files(written),
            self.unchanged
        )?;
        if self.not_live > 0 {
            write!(f, " Not live, and only there: {}; `--drafts` takes the newest versions.", self.not_live)?;
        }
        Ok(())
    }
}
