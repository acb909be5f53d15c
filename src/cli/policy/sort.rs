//! The sorts of files that a folder of policies holds, and what commands need to know of each.
//!
//! **Invariant:** [`SORTS`] is the only list of them: another sort is another row, and no command names one.

use indicatif::ProgressBar;

use super::{
    folder::{Entry, File, Folder},
    shelf,
    versions::Versions,
};
use crate::{
    cli::remote::{Heard, Remote},
    error::Result,
    policy::{diagnostic::Diagnostic, library::is_name},
};

/// The sorts, in the order in which they are pushed: what others need comes first.
pub const SORTS: &[&dyn Sort] = &[&shelf::MODULES, &shelf::TABLES, &Versions];

/// A sort of files, and how the server keeps them.
pub trait Sort: Sync {
    /// The folders in which they lie.
    fn folders(&self) -> Vec<&'static str>;

    /// How their names end.
    fn extension(&self) -> &'static str;

    /// Whether what is pushed decides at once, without being published.
    fn is_live_at_once(&self) -> bool;

    /// By what the server knows whether two are the same.
    fn sha256(&self, text: &str) -> String;

    /// One of them in its layout. Call it on a thread with an ample stack.
    ///
    /// # Errors
    /// What is wrong with it, so that it has none.
    fn laid_out(&self, text: &str) -> Result<String, Diagnostic>;

    /// What differs between two of them, where that is better told otherwise than line by line.
    fn rows(&self, _from: &str, _to: &str) -> Option<Rows> {
        None
    }

    /// All that a server has.
    fn stored(&self, remote: &Remote, folder: &Folder, follow: Follow, bar: &ProgressBar) -> Result<Vec<Stored>>;

    /// Where the server shows one of them.
    fn address(&self, stored: &Stored) -> String;

    /// The file that holds what the server shows there.
    fn read(&self, stored: &Stored, shown: Heard) -> Result<String>;

    /// What the server says of a change before it is made.
    fn check(&self, remote: &Remote, change: &Change<'_>) -> Result<Vec<Diagnostic>>;

    /// Makes a change.
    fn store(&self, remote: &Remote, change: &Change<'_>) -> Result<Kept>;
}

/// Which versions a folder follows.
#[derive(Clone, Copy, Debug)]
pub struct Follow {
    /// The newest ones; else those that are live, and drafts that the folder holds and that are newer.
    pub drafts: bool,
    /// Without looking at what the folder holds.
    pub strictly: bool,
}

/// A version on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub version: i32,
    /// Of its content.
    pub sha256: String,
    /// Whether it is live, or was.
    pub published: bool,
}

/// Something that a server has.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Where it lies in the folder.
    pub path: String,
    /// What the server calls it.
    pub name: String,
    /// The version that the folder follows; none where none is live.
    pub head: Option<Head>,
    /// The newest version.
    pub newest: Option<Head>,
    /// What is to stand of it in the manifest, but for the version.
    pub settings: Entry,
    /// For `If-Match`.
    pub revision: i32,
}

/// A file that is to become a version.
pub struct Change<'a> {
    /// Where it lies in the folder.
    pub path: &'a str,
    /// The file.
    pub file: &'a File,
    /// What the manifest says of it.
    pub entry: Option<&'a Entry>,
    /// What it is to take the place of.
    pub stored: Option<&'a Stored>,
    /// What was changed, and why.
    pub message: &'a str,
}

/// What a change has become.
pub struct Kept {
    /// For the manifest.
    pub entry: Entry,
    /// For `If-Match`.
    pub revision: i32,
    /// What is wrong with it, nevertheless.
    pub diagnostics: Vec<Diagnostic>,
}

/// What differs between two tables: each row as JSON.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rows {
    /// Only in the one that is compared with.
    pub added: Vec<String>,
    /// Only in the one that is compared.
    pub removed: Vec<String>,
    /// Of one key: as it was and as it is.
    pub changed: Vec<(String, String)>,
}

impl Stored {
    /// What stands of a version of it in the manifest.
    pub fn entry(&self, head: &Head, waits: bool) -> Entry {
        let (version, sha256) = (Some(head.version), Some(head.sha256.clone()));
        Entry { version, sha256, waits: waits && !head.published, ..self.settings.clone() }
    }
}

/// The sort, the folder and the name of a path from the folder on; nothing where no file may lie there.
pub fn parse(path: &str) -> Option<(&'static dyn Sort, &str, &str)> {
    let (folder, file) = path.split_once('/')?;
    SORTS.iter().find_map(|sort| {
        let name = file.strip_suffix(sort.extension())?.strip_suffix('.')?;
        (sort.folders().contains(&folder) && is_name(name)).then_some((*sort, folder, name))
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_path_lies_in_the_folder_and_nowhere_else() {
        for path in ["routing/incidents.rhai", "guard/a_1.rhai", "tables/sun_teams.json"] {
            assert!(parse(path).is_some(), "{path}");
        }
        for path in [
            "../x.rhai",
            "routing/../x.rhai",
            "/etc/x.rhai",
            "routing/x",
            "routing/.rhai",
            "routing/x.json",
            "tables/x.rhai",
            "routing/a/b.rhai",
            "routing/X.rhai",
            "routing\\x.rhai",
            "routing/x.rhai/",
            "other/x.rhai",
            "policies.json",
            "",
            "routing/x y.rhai",
            "routing/..rhai",
            "tables/con:x.json",
            "routing/\u{0}.rhai",
        ] {
            assert!(parse(path).is_none(), "{path}");
        }
    }
}
