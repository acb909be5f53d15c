//! `pointsman policy push`.
//!
//! **Invariant:** the manifest says what was done at every moment, so that a push that broke off goes on where it was.

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{
    compare::{Item, State, compare, is_well_named},
    folder::{Entry, Folder, Manifest},
    report::{Line, told, write_lines},
    sort::{Change, Follow, Kept},
    versions::{Publication, publish},
};
use crate::{
    cli::{
        output,
        remote::{Address, Remote},
    },
    error::{Code, Error, FieldError, Result},
    id::RowId,
    policy::library::NAME,
};

/// What to send, and how far.
#[derive(Debug, Args)]
pub struct Task {
    /// A folder of the shape of `rules/`.
    folder: PathBuf,
    #[command(flatten)]
    server: Address,
    /// Make the versions live that were pushed from here: all of them, or none. A table is live as soon as it is pushed.
    #[arg(long)]
    publish: bool,
    /// Change nothing: say what would be done, and what the server finds wrong with it.
    #[arg(long)]
    dry_run: bool,
    /// What was changed, and why.
    #[arg(long, default_value = "", hide_default_value = true)]
    message: String,
    /// Push also what was changed on the server since it was pulled.
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Report {
    folder: String,
    server: String,
    dry_run: bool,
    /// What was done, in this order.
    done: Vec<Line>,
    /// What was refused.
    refused: Vec<Line>,
    /// What was not tried.
    not_done: Vec<Line>,
    /// What deserves a look.
    notes: Vec<Line>,
    /// What ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// What is to be done about it.
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'static str,
}

/// A version that was pushed from here, at some time, and is not live.
struct Waiting {
    path: String,
    name: String,
    version: i32,
    revision: i32,
}

/// A push on its way.
struct Push<'a> {
    task: &'a Task,
    remote: &'a Remote,
    folder: &'a Folder,
    manifest: Manifest,
    waiting: Vec<Waiting>,
    report: Report,
}

impl Task {
    /// Does it.
    pub fn run(self, json: bool) -> Result<ExitCode> {
        let folder = Folder::open(&self.folder)?;
        let remote = self.server.connect()?;
        let items = compare(&folder, &remote, Follow { drafts: folder.manifest.drafts, strictly: false })?;
        let report = Report {
            folder: folder.shown(),
            server: remote.base().to_owned(),
            dry_run: self.dry_run,
            done: Vec::new(),
            refused: items.iter().filter_map(|item| self.refuses(item)).collect(),
            not_done: Vec::new(),
            notes: items.iter().filter_map(note).collect(),
            trouble: None,
            hint: "Mend it, and push again.",
        };
        let manifest = folder.manifest.clone();
        let waiting = items.iter().filter_map(waiting).collect();
        let mut push = Push { task: &self, remote: &remote, folder: &folder, manifest, waiting, report };
        if push.report.refused.is_empty() {
            push.carry_out(&items)?;
        } else if items.iter().any(|item| self.has_moved(item)) {
            push.report.hint = "Pull what was changed on the server, or push over it with `--force`.";
        }
        output::print(&push.report, json)?;
        Ok(push.report.exit_code())
    }

    /// Why a file can't be pushed, so that nothing is.
    fn refuses(&self, item: &Item) -> Option<Line> {
        let misnamed = item.file.is_some() && !is_well_named(item);
        let what = match (misnamed, self.has_moved(item)) {
            (true, _) => format!("misnamed: {NAME}"),
            (false, true) => item.state.named().to_owned(),
            (false, false) => return None,
        };
        Some(Line::new(&item.path, what, item.version()))
    }

    /// Whether the server has something else than what the file was made from.
    fn has_moved(&self, item: &Item) -> bool {
        matches!(item.state, State::Both | State::Gone) && !self.force
    }
}

/// What can't be pushed, or need not be.
fn note(item: &Item) -> Option<Line> {
    let what = match item.state {
        State::Behind => "changed on the server; pull it",
        State::Missing if item.entry.is_some() => "not here; the server keeps it",
        _ if item.settings_differ() => "described otherwise in policies.json, which is not pushed for what is there",
        State::Same
        | State::New
        | State::Changed
        | State::Both
        | State::Missing
        | State::Gone
        | State::NotLive
        | State::Forgotten => return None,
    };
    Some(Line::new(&item.path, what, item.version()))
}

/// What was pushed before and waits.
fn waiting(item: &Item) -> Option<Waiting> {
    let (entry, stored) = (item.entry?, item.stored.as_ref()?);
    let head = stored.followed()?;
    let waits = entry.waits && item.state == State::Same && !head.published;
    let (path, name) = (item.path.clone(), stored.name.clone());
    waits.then_some(Waiting { path, name, version: head.version, revision: stored.revision })
}

impl Push<'_> {
    fn carry_out(&mut self, items: &[Item]) -> Result<()> {
        if !self.task.dry_run {
            self.catch_up(items)?;
        }
        let changes = items.iter().filter(|item| match item.state {
            State::New | State::Changed => true,
            State::Both | State::Gone => item.file.is_some(),
            State::Same | State::Behind | State::Missing | State::NotLive | State::Forgotten => false,
        });
        let changes: Vec<&Item> = changes.collect();
        for (at, item) in changes.iter().enumerate() {
            if !self.one(item)? {
                self.report.leave(changes[at + 1..].iter().map(|item| (&item.path, "not pushed", None)));
                return Ok(());
            }
        }
        if self.task.publish {
            return self.publish();
        }
        let what = "waits to be published: `--publish`";
        self.report.notes.extend(self.waiting.iter().map(|one| Line::new(&one.path, what, Some(one.version))));
        Ok(())
    }

    /// Takes into the manifest what the server has from here, though its answer may never have come.
    fn catch_up(&mut self, items: &[Item]) -> Result<()> {
        for item in items.iter().filter(|item| item.state == State::Same) {
            let Some(held) = item.held() else { continue };
            let entry = match item.entry {
                Some(entry) if entry.version.is_some() => {
                    Entry { version: held.version, sha256: held.sha256, waits: held.waits, ..entry.clone() }
                }
                _ => held,
            };
            self.manifest.files.insert(item.path.clone(), entry);
        }
        self.folder.save(&self.manifest)
    }

    /// Pushes a file. Gives whether to go on.
    fn one(&mut self, item: &Item) -> Result<bool> {
        let Some(file) = item.file else { return Ok(true) };
        let (entry, stored) = (item.entry, item.stored.as_ref());
        let change = Change { path: &item.path, file, entry, stored, message: &self.task.message };
        if self.task.dry_run {
            return self.check(item, &change);
        }
        // Before it is sent: where no answer comes, the next push finds it there, and knows whose it is.
        let before = self.manifest.clone();
        self.note(&item.path, Entry { waits: true, ..entry.cloned().unwrap_or_default() })?;
        match item.sort.store(self.remote, &change) {
            Ok(Kept { entry, revision, diagnostics }) => {
                let what = if item.sort.is_live_at_once() { "pushed, and live" } else { "pushed" };
                self.report.done.push(Line::new(&item.path, what, entry.version).with(diagnostics));
                if let (true, Some(version)) = (entry.waits, entry.version) {
                    let name = entry.name.clone().unwrap_or_default();
                    self.waiting.push(Waiting { path: item.path.clone(), name, version, revision });
                }
                self.note(&item.path, entry)?;
                Ok(true)
            }
            Err(why) => {
                if !is_trouble(&why) {
                    self.manifest = before;
                    self.folder.save(&self.manifest)?;
                }
                self.report.fail(&item.path, "not pushed", &why);
                Ok(false)
            }
        }
    }

    fn check(&mut self, item: &Item, change: &Change) -> Result<bool> {
        let verb = match (item.sort.is_live_at_once(), self.task.publish) {
            (true, _) => "would be pushed, and live",
            (false, true) => "would be pushed and published",
            (false, false) => "would be pushed",
        };
        match item.sort.check(self.remote, change) {
            Ok(diagnostics) => {
                self.report.done.push(Line::new(&item.path, verb, None).with(diagnostics));
                Ok(true)
            }
            Err(why) => {
                self.report.fail(&item.path, "would be refused", &why);
                Ok(!is_trouble(&why))
            }
        }
    }

    /// Makes live what waits: all of it, or nothing where one may not go live.
    fn publish(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if self.task.dry_run {
            let lines = waiting.iter().map(|one| Line::new(&one.path, "would be published", Some(one.version)));
            self.report.done.extend(lines);
            return Ok(());
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let publications: Vec<Publication<'_>> = waiting.iter().map(Waiting::publication).collect();
        match publish(self.remote, &publications, RowId::new().as_str(), &self.task.message) {
            Ok(live) => {
                for (one, settings) in waiting.iter().zip(live) {
                    let known = self.manifest.files.get(&one.path).cloned().unwrap_or_default();
                    self.report.done.push(Line::new(&one.path, "published", Some(one.version)));
                    self.note(&one.path, Entry { version: known.version, sha256: known.sha256, ..settings })?;
                }
            }
            Err(why) => {
                for (place, one) in waiting.iter().enumerate() {
                    if let Some(why) = part(&why, &format!("/versions/{place}")) {
                        self.report.fail(&one.path, "not published", &why);
                    }
                }
                self.report.leave(waiting.iter().map(|one| (&one.path, "not published", Some(one.version))));
            }
        }
        Ok(())
    }

    fn note(&mut self, path: &str, entry: Entry) -> Result<()> {
        self.manifest.files.insert(path.to_owned(), entry);
        self.folder.save(&self.manifest)
    }
}

impl Waiting {
    fn publication(&self) -> Publication<'_> {
        Publication { name: &self.name, version: self.version, revision: self.revision }
    }
}

/// What of a refusal, or of anything else that ended it, is about the version at a place.
fn part(why: &Error, place: &str) -> Option<Error> {
    let here = |wrong: &FieldError| {
        let below = wrong.pointer.strip_prefix(place).filter(|below| below.is_empty() || below.starts_with('/'))?;
        Some(FieldError { pointer: below.to_owned(), ..wrong.clone() })
    };
    let mine: Vec<FieldError> = why.errors.iter().filter_map(here).collect();
    let is_another = mine.is_empty() && !why.errors.is_empty();
    (!is_another).then(|| Error { errors: mine, ..Error::new(why.code, why.detail.clone()) })
}

/// Whether it is not the server's word that something may not be.
fn is_trouble(why: &Error) -> bool {
    matches!(why.code, Code::Unavailable | Code::Internal | Code::TooManyRequests | Code::IdempotencyInFlight)
}

impl Report {
    fn is_whole(&self) -> bool {
        self.refused.is_empty() && self.trouble.is_none()
    }

    fn fail(&mut self, path: &str, what: &str, why: &Error) {
        if is_trouble(why) {
            let source = why.source.as_ref().map_or_else(String::new, |source| format!(" ({source})"));
            self.trouble = Some(format!("{path}: {}{source}", why.detail));
            self.not_done.push(Line::new(path, "not known: the next push finds out whether it was done", None));
        } else {
            self.refused.push(Line::new(path, what, None).with(told(why)));
        }
    }

    /// Tells what was not tried.
    fn leave<'l>(&mut self, left: impl Iterator<Item = (&'l String, &'l str, Option<i32>)>) {
        let told: Vec<&str> = self.refused.iter().chain(&self.not_done).map(|line| line.path.as_str()).collect();
        let left = left.filter(|(path, ..)| !told.contains(&path.as_str()));
        let lines: Vec<Line> = left.map(|(path, what, version)| Line::new(path, what, version)).collect();
        self.not_done.extend(lines);
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Report { trouble: Some(_), .. } => ExitCode::from(2),
            _ if !self.is_whole() || (self.dry_run && self.done.iter().any(Line::is_wrong)) => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.done, &self.refused, &self.not_done, &self.notes].map(|lines| lines.iter());
        let lines: Vec<Line> = all.into_iter().flatten().cloned().collect();
        write_lines(f, &lines)?;
        if !lines.is_empty() {
            writeln!(f)?;
        }
        let (done, refused) = (self.done.len(), self.refused.len());
        match self {
            Report { trouble: Some(why), .. } => write!(f, "Broken off after {done} done: {why} Push again to go on."),
            _ if !self.is_whole() => write!(f, "{done} done, {refused} refused. {}", self.hint),
            _ if done == 0 => write!(f, "Nothing to push: {} has what {} holds.", self.server, self.folder),
            _ if self.dry_run => write!(f, "{done} would be done. Nothing was changed."),
            _ => write!(f, "{done} done."),
        }
    }
}
