//! A folder of policies: its files, and the manifest that says what the scripts do not say themselves.
//!
//! **Invariant:** nothing is written outside the folder, and no file is ever half written.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::sort::{SORTS, Sort, parse};
use crate::{
    error::{Code, Error, Result},
    policy::library::files,
};

/// The file that says what was pulled.
pub const MANIFEST: &str = "policies.json";

/// A folder of the shape of `rules/`.
pub struct Folder {
    root: PathBuf,
    /// Its files, by their paths from the folder on.
    pub files: BTreeMap<String, File>,
    /// What it says of them.
    pub manifest: Manifest,
}

/// A policy, or something else that lies in a folder of policies.
pub struct File {
    /// Which sort it is of.
    pub sort: &'static dyn Sort,
    /// What it holds.
    pub text: String,
    /// By what the server knows whether it has the same.
    pub sha256: String,
}

/// What was pulled, and what the scripts do not say themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Whether the folder follows the newest versions, not those that are live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drafts: bool,
    /// By the paths of the files.
    pub files: BTreeMap<String, Entry>,
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// What the server calls it, where that doesn't follow from its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of record that a policy decides about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its place among the policies of its decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i32>,
    /// Whether it is asked at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The version that the file held when it was pulled or pushed; none before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// Of that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether it was pushed from here and is to be published yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

impl Folder {
    /// A folder that is there.
    ///
    /// # Errors
    /// It is not, a file can't be read, or the manifest is none.
    pub fn open(root: &Path) -> Result<Folder> {
        if !root.is_dir() {
            return Err(Error::new(Code::NotFound, format!("There is no folder {}.", root.display())));
        }
        Folder::open_or_new(root)
    }

    /// A folder that may be there.
    ///
    /// # Errors
    /// As for [`Folder::open`], but for its not being there.
    pub fn open_or_new(root: &Path) -> Result<Folder> {
        let mut found = BTreeMap::new();
        for sort in SORTS {
            for folder in sort.folders() {
                for (name, text) in files(&root.join(folder), sort.extension())? {
                    let sha256 = sort.sha256(&text);
                    found.insert(format!("{folder}/{name}.{}", sort.extension()), File { sort: *sort, text, sha256 });
                }
            }
        }
        Ok(Folder { root: root.to_owned(), files: found, manifest: Manifest::read(&root.join(MANIFEST))? })
    }

    /// What the manifest says of a file.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.manifest.files.get(path)
    }

    /// Where it is, for reports.
    pub fn shown(&self) -> String {
        self.root.display().to_string()
    }

    /// Writes a file, unless it holds that already.
    ///
    /// # Errors
    /// No file may lie there, or it can't be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        write(&self.place(path)?, text)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// No file may lie there, or it can't be removed.
    pub fn remove(&self, path: &str) -> Result<()> {
        fs::remove_file(self.place(path)?).map_err(Error::internal)
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// It can't be written.
    pub fn save(&self, manifest: &Manifest) -> Result<()> {
        let text = serde_json::to_string_pretty(manifest).map_err(Error::internal)? + "\n";
        write(&self.root.join(MANIFEST), &text)
    }

    /// Where a path leads. Whoever named it, a server or a manifest, may mean harm.
    fn place(&self, path: &str) -> Result<PathBuf> {
        parse(path).ok_or_else(|| outside(path))?;
        Ok(self.root.join(path))
    }
}

impl Manifest {
    fn read(path: &Path) -> Result<Manifest> {
        if !path.exists() {
            return Ok(Manifest::default());
        }
        let text = fs::read_to_string(path).map_err(Error::internal)?;
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|why| Error::invalid("", "malformed", format!("{} can't be read: {why}.", path.display())))?;
        match manifest.files.keys().find(|path| parse(path).is_none()) {
            Some(strange) => Err(outside(strange)),
            None => Ok(manifest),
        }
    }
}

fn outside(path: &str) -> Error {
    Error::invalid("", "wrong_form", format!("No file of a folder of policies is called {path:?}."))
}

/// Writes a file so that it holds the old text or the new one at every moment; not at all where it holds that already.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(outside(&path.display().to_string()));
    };
    let new = folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = fs::create_dir_all(folder).and_then(|()| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    });
    written.map_err(|why| {
        // What is left of it helps nobody, and may not be there.
        drop(fs::remove_file(&new));
        Error {
            source: Some(why.into()),
            ..Error::new(Code::Internal, format!("{} can't be written.", path.display()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_outside_and_nothing_is_left_behind() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_new(&root.path().join("policies")).unwrap();
        for path in ["../x.rhai", "routing/../../x.rhai", "/x.rhai", "x.rhai"] {
            assert!(folder.write(path, "text").is_err() && folder.remove(path).is_err(), "{path}");
        }
        assert!(!root.path().join("policies").exists());
        folder.write("routing/x.rhai", "text").unwrap();
        folder.save(&Manifest::default()).unwrap();
        let names = |folder: PathBuf| {
            let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        assert_eq!(names(root.path().join("policies")), ["policies.json", "routing"]);
        assert_eq!(names(root.path().join("policies/routing")), ["x.rhai"]);
        assert_eq!(names(root.path().to_owned()), ["policies"]);
    }

    #[test]
    fn a_manifest_names_no_file_outside_and_says_nothing_unknown() {
        let root = tempfile::tempdir().unwrap();
        for (text, part) in [
            (r#"{"files": {"../x.rhai": {}}}"#, "../x.rhai"),
            (r#"{"files": {"routing/x.rhai": {"verion": 1}}}"#, "verion"),
            ("{", "policies.json"),
        ] {
            fs::write(root.path().join(MANIFEST), text).unwrap();
            let why = Folder::open(root.path()).err().unwrap().detail;
            assert!(why.contains(part), "{why}");
        }
        fs::write(root.path().join(MANIFEST), r#"{"files": {"routing/x.rhai": {"enabled": false}}}"#).unwrap();
        let folder = Folder::open(root.path()).unwrap();
        assert_eq!(folder.entry("routing/x.rhai").unwrap().enabled, Some(false));
        assert!(Folder::open(&root.path().join("missing")).is_err());
    }
}
