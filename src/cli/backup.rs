//! `pointsman backup`.
//!
//! **Invariant:** the copied attachments are at least those that the copied database names: files are copied before it, so
//! that one that is deleted meanwhile is there, and again after it, so that one that came meanwhile is, too.

use std::{
    fmt,
    fs::{self, DirBuilder, File},
    io,
    path::{Path, PathBuf},
    process,
};

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
    /// made by `pg_dump`, in its custom format, for `pg_restore`. Attachments that are kept in a directory are copied to
    /// FILE.attachments.
    file: PathBuf,
}

#[derive(Serialize)]
struct Made {
    file: PathBuf,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Attachments>,
}

#[derive(Serialize)]
struct Attachments {
    directory: PathBuf,
    files: u64,
}

impl Task {
    /// Does it.
    pub fn run(self, config: &Config, json: bool) -> Result<()> {
        let folder = self.file.with_added_extension("attachments");
        if let Some(there) = [&self.file, &folder].into_iter().find(|path| path.exists()) {
            return Err(Error::new(Code::Conflict, format!("{} exists already.", there.display())));
        }
        let made = self.copy(config, &folder);
        if made.is_err() {
            // Half a backup would be taken for a whole one. Why it is half is what is told.
            drop((fs::remove_file(&self.file), fs::remove_dir_all(&folder)));
        }
        output::print(&made?, json)
    }

    fn copy(&self, config: &Config, folder: &Path) -> Result<Made> {
        let url = config.database.url.expose();
        let engine = Engine::of(url)?;
        let file = create(&self.file)?;
        // Whatever the setting is now: what was once put there stays there.
        let files = Some(&config.attachments.directory).filter(|directory| directory.is_dir());
        if let Some(from) = files {
            create_folder(folder)?;
            copy_files(from, folder)?;
        }
        let bar = output::progress(None, "Copying the database");
        match engine {
            Engine::Sqlite => AnyConnection::open(url)?.copy_into(&self.file.to_string_lossy())?,
            Engine::Postgres => dump(url, &self.file)?,
        }
        file.sync_all().map_err(Error::internal)?;
        bar.finish_and_clear();
        let attachments = files.map(|from| copy_files(from, folder)).transpose()?;
        let attachments = attachments.map(|files| Attachments { directory: folder.to_owned(), files });
        let bytes = file.metadata().map_err(Error::internal)?.len();
        Ok(Made { file: self.file.clone(), bytes, attachments })
    }
}

/// Makes the file, for its owner alone, since it will hold keys.
fn create(file: &Path) -> Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map_err(|e| cannot_write(file, e))
}

fn create_folder(folder: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| cannot_write(folder, e))
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    let detail = format!("{} can't be written: {error}.", path.display());
    Error { source: Some(Box::new(error)), ..Error::new(Code::Unavailable, detail) }
}

/// Copies the files that are not there whole yet, and gives how many there are. One that is deleted meanwhile is none.
fn copy_files(from: &Path, to: &Path) -> Result<u64> {
    let names: Vec<_> = fs::read_dir(from).map_err(Error::internal)?.flatten().map(|entry| entry.file_name()).collect();
    let bar = output::progress(Some(names.len() as u64), "Copying attachments");
    for name in names {
        match copy_file(&from.join(&name), &to.join(&name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(cannot_write(&to.join(&name), e)),
            Ok(()) | Err(_) => bar.inc(1),
        }
    }
    File::open(to).and_then(|folder| folder.sync_all()).map_err(Error::internal)?;
    bar.finish_and_clear();
    Ok(fs::read_dir(to).map_err(Error::internal)?.count() as u64)
}

/// A file only ever grows, and not once a record names it, so one that is as long is the same.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let length = fs::metadata(from)?.len();
    if fs::metadata(to).is_ok_and(|there| there.len() == length) {
        return Ok(());
    }
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

fn dump(url: &str, file: &Path) -> Result<()> {
    let (url, password) = without_password(url);
    let mut command = process::Command::new("pg_dump");
    command.args(["--format=custom", "--file"]).arg(file).arg("--dbname").arg(url);
    // Arguments are there for everybody on the machine to read; the environment is not.
    command.envs(password.map(|password| ("PGPASSWORD", password)));
    let status =
        command.status().map_err(|e| Error::new(Code::Unavailable, format!("`pg_dump` can't be run: {e}.")))?;
    if status.success() { Ok(()) } else { Err(Error::new(Code::Internal, "`pg_dump` failed.")) }
}

/// The address without its password, and the password: after the user's name, or among the parameters.
fn without_password(url: &str) -> (String, Option<String>) {
    let (main, parameters) = url.split_once('?').unwrap_or((url, ""));
    let mut password = None;
    let mut decoded =
        |text: &str| password = Some(percent_encoding::percent_decode_str(text).decode_utf8_lossy().into());
    let mut kept = main.to_owned();
    if let Some((scheme, rest)) = main.split_once("://")
        && let Some((user, place)) = rest.split_once('@').filter(|(user, _)| !user.contains('/'))
        && let Some((user, secret)) = user.split_once(':')
    {
        decoded(secret);
        kept = format!("{scheme}://{user}@{place}");
    }
    let mut joint = '?';
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.strip_prefix("password=") {
            Some(secret) => decoded(secret),
            None => {
                kept.extend([joint.to_string().as_str(), parameter]);
                joint = '&';
            }
        }
    }
    (kept, password)
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrote {} ({} bytes).", self.file.display(), self.bytes)?;
        match &self.attachments {
            Some(Attachments { directory, files }) => {
                write!(f, "\nWrote {files} attachments to {}.", directory.display())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_stays_in_an_address() {
        let cases = [
            ("postgres://db/x", "postgres://db/x", None),
            ("postgres://me@db:5432/x?sslmode=require", "postgres://me@db:5432/x?sslmode=require", None),
            ("postgres://me:p%40ss%3A@db/x", "postgres://me@db/x", Some("p@ss:")),
            ("postgres://me:a:b@db/x?a=1", "postgres://me@db/x?a=1", Some("a:b")),
            ("postgres://db:5432/x@y", "postgres://db:5432/x@y", None),
            ("postgres://me@/x?host=/run&password=%26&user=you", "postgres://me@/x?host=/run&user=you", Some("&")),
            ("postgresql:///x?password=secret", "postgresql:///x", Some("secret")),
        ];
        for (given, kept, password) in cases {
            assert_eq!(without_password(given), (kept.to_owned(), password.map(str::to_owned)), "{given}");
        }
    }
}
