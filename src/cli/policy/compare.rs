//! What a folder holds against what a server has, file by file, with the manifest as their common ground.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    folder::{Entry, File, Folder},
    sort::{Follow, Head, SORTS, Sort, Stored, parse},
};
use crate::{
    cli::{output, remote::Remote},
    error::Result,
};

/// How a file stands to the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Both hold the same.
    Same,
    /// The server has never had it.
    New,
    /// It was changed here.
    Changed,
    /// It was changed on the server.
    Behind,
    /// It was changed here and on the server, or nobody knows where.
    Both,
    /// Only the server has it.
    Missing,
    /// It came from the server, which has it no more.
    Gone,
    /// The server has it, not live, and the folder does not follow drafts.
    NotLive,
    /// Nobody has it.
    Forgotten,
}

/// A file, here and there.
pub struct Item<'a> {
    /// Where it lies in the folder.
    pub path: String,
    /// Which sort it is of.
    pub sort: &'static dyn Sort,
    /// How the two stand to each other.
    pub state: State,
    /// The file.
    pub file: Option<&'a File>,
    /// What the manifest says of it.
    pub entry: Option<&'a Entry>,
    /// What the server has.
    pub stored: Option<Stored>,
}

impl State {
    /// In words.
    pub fn named(self) -> &'static str {
        match self {
            State::Same => "the same",
            State::New => "only here",
            State::Changed => "changed here",
            State::Behind => "changed on the server",
            State::Both => "changed here and on the server",
            State::Missing => "only on the server",
            State::Gone => "no longer on the server",
            State::NotLive => "not live",
            State::Forgotten => "nowhere",
        }
    }

    fn of(file: Option<&File>, entry: Option<&Entry>, stored: Option<&Stored>) -> State {
        let head = stored.and_then(Stored::followed);
        let base = entry.and_then(|entry| entry.sha256.as_ref());
        match (file.map(|file| &file.sha256), stored, head.map(|head| &head.sha256)) {
            (None, None, _) => State::Forgotten,
            (None, Some(stored), _) if stored.head.is_none() => State::NotLive,
            (None, Some(_), _) => State::Missing,
            (Some(_), None, _) if entry.is_some_and(|entry| entry.version.is_some()) => State::Gone,
            (Some(_), None, _) | (Some(_), Some(_), None) => State::New,
            (Some(here), Some(_), Some(there)) if here == there => State::Same,
            (Some(_), Some(_), Some(there)) if base == Some(there) => State::Changed,
            (Some(here), Some(_), Some(_)) if base == Some(here) => State::Behind,
            (Some(_), Some(_), Some(_)) => State::Both,
        }
    }
}

impl Stored {
    /// The version that a file is compared with: the newest one where the folder follows none.
    pub fn followed(&self) -> Option<&Head> {
        self.head.as_ref().or(self.newest.as_ref())
    }
}

impl Item<'_> {
    /// The number of the version on the server that it is compared with.
    pub fn version(&self) -> Option<i32> {
        self.stored.as_ref().and_then(Stored::followed).map(|head| head.version)
    }

    /// What stands in the manifest where the file holds the server's version.
    pub fn held(&self) -> Option<Entry> {
        let stored = self.stored.as_ref()?;
        let waits = self.state == State::Same && self.entry.is_some_and(|entry| entry.waits);
        Some(stored.entry(stored.followed()?, waits))
    }

    /// Whether the manifest says something else of it than the server, apart from its version.
    pub fn settings_differ(&self) -> bool {
        fn other<T: PartialEq>(given: &Option<T>, known: &Option<T>) -> bool {
            given.is_some() && given != known
        }
        let (Some(entry), Some(stored)) = (self.entry, &self.stored) else { return false };
        let known = &stored.settings;
        other(&entry.name, &known.name)
            || other(&entry.kind, &known.kind)
            || other(&entry.description, &known.description)
            || other(&entry.position, &known.position)
            || other(&entry.enabled, &known.enabled)
    }
}

/// Everything that is here or there, in the order in which it is pushed.
///
/// # Errors
/// The server can't be asked, or has something that can't lie in a folder.
pub fn compare<'a>(folder: &'a Folder, remote: &Remote, follow: Follow) -> Result<Vec<Item<'a>>> {
    let bar = output::progress(Some(0), "Asking");
    let mut items = Vec::new();
    for sort in SORTS {
        let found = sort.stored(remote, folder, follow, &bar)?;
        let mut stored: BTreeMap<String, Stored> = found.into_iter().map(|one| (one.path.clone(), one)).collect();
        let mine = |path: &&String| path.split_once('/').is_some_and(|(first, _)| sort.folders().contains(&first));
        let here = folder.files.keys().chain(folder.manifest.files.keys()).filter(mine);
        let paths: BTreeSet<String> = here.chain(stored.keys()).cloned().collect();
        items.extend(paths.into_iter().map(|path| {
            let (file, entry, stored) = (folder.files.get(&path), folder.entry(&path), stored.remove(&path));
            let state = State::of(file, entry, stored.as_ref());
            Item { path, sort: *sort, state, file, entry, stored }
        }));
    }
    bar.finish_and_clear();
    Ok(items)
}

/// What the server holds for each of these, as files.
///
/// # Errors
/// The server can't be asked.
pub fn fetch<'i, 'a: 'i>(
    remote: &Remote,
    items: impl IntoIterator<Item = &'i Item<'a>>,
) -> Result<BTreeMap<String, String>> {
    let wanted: Vec<_> = items.into_iter().filter_map(|item| Some((item, item.stored.as_ref()?))).collect();
    let bar = output::progress(Some(wanted.len() as u64), "Reading");
    let shown = remote.gather(wanted.iter().map(|(item, stored)| item.sort.address(stored)), || bar.inc(1))?;
    bar.finish_and_clear();
    let all = wanted.iter().zip(shown);
    all.map(|((item, stored), shown)| Ok((item.path.clone(), item.sort.read(stored, shown)?))).collect()
}

/// Whether a file is called as what it holds may be called on a server.
pub fn is_well_named(item: &Item) -> bool {
    parse(&item.path).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::policy::versions::Versions;

    #[test]
    fn three_sides_are_told_apart() {
        let file = |sha: &str| File { sort: &Versions, text: String::new(), sha256: sha.to_owned() };
        let entry = |sha: &str| Entry { version: Some(1), sha256: Some(sha.to_owned()), ..Entry::default() };
        let stored = |head: Option<&str>, newest: Option<&str>| {
            let of = |sha: &str| Head { version: 1, sha256: sha.to_owned(), published: true };
            Stored {
                path: String::new(),
                name: String::new(),
                head: head.map(of),
                newest: newest.map(of),
                settings: Entry::default(),
                revision: 1,
            }
        };
        let same = |sha| Some(stored(Some(sha), Some(sha)));
        for (here, base, there, state) in [
            (Some("a"), Some("a"), same("a"), State::Same),
            (Some("a"), None, same("a"), State::Same),
            (Some("b"), Some("a"), same("b"), State::Same),
            (Some("b"), Some("a"), same("a"), State::Changed),
            (Some("a"), Some("a"), same("b"), State::Behind),
            (Some("c"), Some("a"), same("b"), State::Both),
            (Some("c"), None, same("b"), State::Both),
            (Some("a"), None, None, State::New),
            (Some("a"), Some("a"), None, State::Gone),
            (Some("a"), None, Some(stored(None, None)), State::New),
            (Some("a"), None, Some(stored(None, Some("a"))), State::Same),
            (Some("a"), None, Some(stored(None, Some("b"))), State::Both),
            (None, None, same("a"), State::Missing),
            (None, Some("a"), same("a"), State::Missing),
            (None, None, Some(stored(None, Some("a"))), State::NotLive),
            (None, Some("a"), None, State::Forgotten),
        ] {
            let (here, base) = (here.map(file), base.map(entry));
            let found = State::of(here.as_ref(), base.as_ref(), there.as_ref());
            assert_eq!(found, state, "{there:?}");
        }
    }
}
