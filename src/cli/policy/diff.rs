//! `pointsman policy diff`.

use std::{collections::BTreeMap, fmt, path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;
use similar::TextDiff;

use super::{
    compare::{Item, State, compare, fetch},
    folder::{File, Folder},
    report::files,
    sort::{Follow, Rows, Sort},
};
use crate::{
    cli::{output, remote::Address},
    error::Result,
};

/// What to compare.
#[derive(Debug, Args)]
pub struct Task {
    /// A folder of the shape of `rules/`.
    folder: PathBuf,
    /// Another one, to compare the two without a server.
    other: Option<PathBuf>,
    #[command(flatten)]
    server: Address,
}

#[derive(Serialize)]
struct Report {
    from: String,
    to: String,
    files: Vec<Difference>,
}

/// What a file differs in.
#[derive(Serialize)]
struct Difference {
    path: String,
    state: State,
    /// In words.
    what: String,
    /// Line by line, in the unified format; empty where rows tell it.
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Rows>,
    /// Whether it is described otherwise in `policies.json`.
    settings: bool,
}

impl Task {
    /// Does it.
    pub fn run(self, json: bool) -> Result<ExitCode> {
        let folder = Folder::open(&self.folder)?;
        let report = match &self.other {
            Some(other) => between(&folder, &Folder::open(other)?),
            None => self.with_server(&folder)?,
        };
        output::print(&report, json)?;
        Ok(if report.files.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn with_server(&self, folder: &Folder) -> Result<Report> {
        let remote = self.server.connect()?;
        let mut items = compare(folder, &remote, Follow { drafts: folder.manifest.drafts, strictly: false })?;
        items.retain(|item| match item.state {
            State::Same => item.settings_differ(),
            State::NotLive | State::Forgotten => false,
            State::New | State::Changed | State::Behind | State::Both | State::Missing | State::Gone => true,
        });
        let there = fetch(&remote, items.iter().filter(|item| item.state != State::Same && item.version().is_some()))?;
        let differences = items.iter().map(|item| of_item(item, &there));
        Ok(Report { from: remote.base().to_owned(), to: folder.shown(), files: differences.collect() })
    }
}

fn of_item(item: &Item, there: &BTreeMap<String, String>) -> Difference {
    let (from, to) = (there.get(&item.path).map(String::as_str), item.file.map(|file| file.text.as_str()));
    let what = if item.state == State::Same { "described otherwise" } else { item.state.named() };
    let from = from.filter(|_| item.state != State::Same);
    let to = to.filter(|_| item.state != State::Same);
    let difference = Difference::of(&item.path, item.sort, from, to);
    Difference { state: item.state, what: what.to_owned(), settings: item.settings_differ(), ..difference }
}

/// What differs between two folders.
fn between(from: &Folder, to: &Folder) -> Report {
    let mut both: BTreeMap<&String, (Option<&File>, Option<&File>)> = BTreeMap::new();
    for (path, file) in &from.files {
        both.entry(path).or_default().0 = Some(file);
    }
    for (path, file) in &to.files {
        both.entry(path).or_default().1 = Some(file);
    }
    let differences = both.into_iter().filter_map(|(path, (before, after))| {
        let sort = before.or(after)?.sort;
        let (state, what) = match (before, after) {
            (Some(before), Some(after)) if before.sha256 == after.sha256 => return None,
            (None, _) => (State::New, format!("only in {}", to.shown())),
            (_, None) => (State::Gone, format!("only in {}", from.shown())),
            (Some(_), Some(_)) => (State::Changed, "changed".to_owned()),
        };
        let [before, after] = [before, after].map(|file| file.map(|file| file.text.as_str()));
        let difference = Difference::of(path, sort, before, after);
        Some(Difference { state, what, ..difference })
    });
    let files = differences.collect();
    Report { from: from.shown(), to: to.shown(), files }
}

impl Difference {
    fn of(path: &str, sort: &dyn Sort, from: Option<&str>, to: Option<&str>) -> Self {
        let rows = from.zip(to).and_then(|(from, to)| sort.rows(from, to));
        let text = match rows {
            Some(_) => String::new(),
            None => {
                let header = |side: &str, text: Option<&str>| {
                    if text.is_some() { format!("{side}/{path}") } else { "/dev/null".to_owned() }
                };
                let (before, after) = (from.unwrap_or_default(), to.unwrap_or_default());
                let diff = TextDiff::from_lines(before, after);
                diff.unified_diff().header(&header("a", from), &header("b", to)).to_string()
            }
        };
        Difference { path: path.to_owned(), state: State::Changed, what: String::new(), text, rows, settings: false }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.files.iter().map(|file| file.path.chars().count()).max().unwrap_or(0);
        for file in &self.files {
            let settings = if file.settings { "; described otherwise in policies.json" } else { "" };
            writeln!(f, "{:width$}  {}{settings}", file.path, file.what)?;
        }
        for file in &self.files {
            file.write(f)?;
        }
        match self.files.len() {
            0 => write!(f, "{} and {} are the same.", self.from, self.to),
            count => write!(f, "\n{} from {} to {}.", files(count), self.from, self.to),
        }
    }
}

impl Difference {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.text.is_empty() {
            write!(f, "\n{}", self.text)?;
        }
        let Some(rows) = &self.rows else { return Ok(()) };
        writeln!(f, "\n--- a/{path}\n+++ b/{path}", path = self.path)?;
        for (from, to) in &rows.changed {
            writeln!(f, "-{from}\n+{to}")?;
        }
        rows.removed.iter().try_for_each(|row| writeln!(f, "-{row}"))?;
        rows.added.iter().try_for_each(|row| writeln!(f, "+{row}"))
    }
}
