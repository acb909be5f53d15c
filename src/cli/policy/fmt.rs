//! `pointsman policy fmt`.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;

use super::{
    folder::write,
    report::{Line, files, write_lines},
    sort::{SORTS, Sort},
};
use crate::{
    cli::output,
    error::{Code, Error, Result},
    policy::runner::on_ample_stack,
};

/// What to lay out.
#[derive(Debug, Args)]
pub struct Task {
    /// Files, and folders with all scripts (`*.rhai`) and tables (`tables/*.json`) in them.
    #[arg(required = true, value_name = "FOLDER|FILE")]
    paths: Vec<PathBuf>,
    /// Write nothing: say which files are not laid out.
    #[arg(long)]
    check: bool,
}

#[derive(Serialize)]
struct Report {
    check: bool,
    /// Files that were laid out, or would be.
    files: Vec<Line>,
    /// Files that can't be.
    wrong: Vec<Line>,
    /// Files that were laid out already.
    unchanged: usize,
}

impl Task {
    /// Does it.
    pub fn run(self, json: bool) -> Result<ExitCode> {
        let mut found = Vec::new();
        for path in &self.paths {
            collect(path, true, &mut found)?;
        }
        let mut report = Report { check: self.check, files: Vec::new(), wrong: Vec::new(), unchanged: 0 };
        for (path, sort) in found {
            let text = fs::read_to_string(&path).map_err(|why| unreadable(&path, why))?;
            let shown = path.display().to_string();
            match on_ample_stack(|| sort.laid_out(&text))? {
                Err(problem) => report.wrong.push(Line::new(&shown, "left as it is", None).with(vec![problem])),
                Ok(laid_out) if laid_out == text => report.unchanged += 1,
                Ok(_) if self.check => report.files.push(Line::new(&shown, "is not laid out", None)),
                Ok(laid_out) => {
                    write(&path, &laid_out)?;
                    report.files.push(Line::new(&shown, "laid out", None));
                }
            }
        }
        output::print(&report, json)?;
        Ok(match (report.wrong.is_empty(), report.files.is_empty() || !self.check) {
            (false, _) => ExitCode::from(2),
            (true, false) => ExitCode::FAILURE,
            (true, true) => ExitCode::SUCCESS,
        })
    }
}

/// The files at a path, and below it where it is a folder.
fn collect(path: &Path, named: bool, found: &mut Vec<(PathBuf, &'static dyn Sort)>) -> Result<()> {
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(|why| unreadable(path, why))?;
        let paths = entries.map(|entry| Ok(entry.map_err(|why| unreadable(path, why))?.path()));
        let mut paths = paths.collect::<Result<Vec<_>>>()?;
        paths.sort();
        let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        return paths.iter().filter(|path| !hidden(path)).try_for_each(|path| collect(path, false, found));
    }
    match sort_of(path, named) {
        _ if !path.exists() => return Err(Error::new(Code::NotFound, format!("There is no {}.", path.display()))),
        Some(sort) => found.push((path.to_owned(), sort)),
        None if named => {
            let detail = format!("{} is neither a script (*.rhai) nor a table (*.json).", path.display());
            return Err(Error::invalid("/paths", "wrong_form", detail));
        }
        None => {}
    }
    Ok(())
}

/// Of which sort a file is: scripts wherever they lie, others in their folder or where they are named.
fn sort_of(path: &Path, named: bool) -> Option<&'static dyn Sort> {
    let file = path.file_name()?.to_str()?;
    let folder = path.parent().and_then(|folder| folder.file_name()?.to_str());
    let fits = |sort: &&&'static dyn Sort| {
        let extension = sort.extension();
        let at_home = folder.is_some_and(|folder| sort.folders().contains(&folder));
        file.ends_with(&format!(".{extension}")) && (named || at_home || extension == "rhai")
    };
    // What editors complete with is no script.
    if file.ends_with(".d.rhai") { None } else { SORTS.iter().find(fits).copied() }
}

fn unreadable(path: &Path, why: std::io::Error) -> Error {
    Error { source: Some(why.into()), ..Error::new(Code::Internal, format!("{} can't be read.", path.display())) }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<Line> = self.files.iter().chain(&self.wrong).cloned().collect();
        write_lines(f, &lines)?;
        let what = if self.check { "not laid out" } else { "laid out anew" };
        write!(f, "{} {what}, {} wrong, {} unchanged.", files(self.files.len()), self.wrong.len(), self.unchanged)
    }
}
