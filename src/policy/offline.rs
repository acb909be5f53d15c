//! Checking and testing a folder of policies without a server: what the command line and pipelines do.
//!
//! The folder has the shape of `rules/`: `<decision>/<name>.rhai`, `modules/<name>.rhai`, `tables/<name>.json` and
//! `calendars/<name>.json`; the calendars that ship are there in any case. Any team and any user is taken to be there. Custom fields
//! are unknown offline, so a script that reads one is warned of, not failed.
//!
//! **Invariant:** a file that is wrong is a finding of the report, so that one run shows everything; only a folder that can't
//! be read is an error.

mod junit;
mod text;

use std::{fs, path::Path, sync::Arc};

use rhai::Position;
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    coverage::{Coverage, Least, Share},
    decision::{DECISIONS, Decision},
    diagnostic::{Diagnostic, Severity},
    facts::{FactSchema, Schemas},
    host::{Host, Offline},
    library::{calendar, texts},
    module::{Linked, Module, Modules, check_module, compile_module},
    program::{Program, compile},
    runner::on_ample_stack,
    table::{
        Table,
        check::{Finding, findings},
    },
    testing::{TestResult, run_covered},
    validate::check,
};
use crate::{
    error::{Code, Error, Result, did_you_mean},
    record::calendar::Calendars,
};

/// What the check, or the test, of a folder came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The folder.
    pub folder: String,
    /// The files, in the order in which policies are asked, then the modules, the tables and the calendars.
    pub files: Vec<FileReport>,
    /// How many findings are errors.
    pub errors: usize,
    /// How many findings are warnings.
    pub warnings: usize,
    /// How many tests passed; 0 where none were to be run.
    pub passed: usize,
    /// How many tests did not.
    pub failed: usize,
    /// Whether tests were to be run.
    pub tested: bool,
    /// How many lines of all scripts the tests reach.
    pub lines: Share,
    /// How many sides of branches.
    pub branches: Share,
    /// How many scripts' tests reach less than was asked.
    pub uncovered: usize,
}

/// What one file came to.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// The file, from the folder on: `routing/incidents.rhai`.
    pub path: String,
    /// The decision that it answers; none for a module, a table or a calendar.
    pub decision: Option<Decision>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Its tests: functions, then cases, in the order of the source.
    pub tests: Vec<TestResult>,
    /// What the tests reach; none for a table, a script that doesn't compile, and where no tests were to be run.
    pub coverage: Option<Coverage>,
    /// In what they reach less than was asked.
    pub uncovered: Vec<String>,
}

/// Checks every file.
///
/// # Errors
/// The folder can't be read or holds no policy, no module and no table.
pub fn check_folder(folder: &Path) -> Result<Report> {
    report(folder, None)
}

/// Checks every file and runs every test; those of each script have to reach so much of it.
///
/// # Errors
/// The folder can't be read or holds no policy, no module and no table.
pub fn test_folder(folder: &Path, least: Least) -> Result<Report> {
    report(folder, Some(least))
}

impl Report {
    /// Whether the command has to end with a failure: an error was found, a test is red, or too little is covered.
    pub fn failed(&self) -> bool {
        self.errors > 0 || self.failed > 0 || self.uncovered > 0
    }
}

fn report(folder: &Path, tests: Option<Least>) -> Result<Report> {
    if !folder.is_dir() {
        return Err(Error::new(Code::NotFound, format!("There is no folder {}.", folder.display())));
    }
    let (tables, table_reports) = tables(folder)?;
    let (calendars, calendar_reports) = calendars(folder)?;
    let host: Arc<dyn Host> = Arc::new(Offline::new(tables).with_calendars(calendars));
    let (modules, unreadable_modules) = files(folder, MODULES, "rhai")?;
    let module = |(name, source): &(String, String)| Module { name: name.clone(), version: 1, source: source.clone() };
    let known = Modules::new(modules.iter().map(module), Vec::new());
    let mut files = Vec::new();
    for spec in DECISIONS {
        let (scripts, unreadable) = self::files(folder, spec.name, "rhai")?;
        files.extend(unreadable);
        for (name, source) in scripts {
            let path = format!("{}/{name}.rhai", spec.name);
            let read = || {
                let program = compile(Linked::new(&source, &known), spec.decision);
                script(path, Some(spec.decision), program, check, &host, tests)
            };
            files.push(on_ample_stack(read)?);
        }
    }
    files.extend(unreadable_modules);
    for (name, source) in &modules {
        let path = format!("{MODULES}/{name}.rhai");
        files.push(on_ample_stack(|| script(path, None, compile_module(source), check_module, &host, tests))?);
    }
    files.extend(table_reports);
    files.extend(calendar_reports);
    files.extend(strays(folder)?);
    if files.is_empty() {
        let detail =
            format!("{} holds neither <decision>/*.rhai nor modules/*.rhai nor tables/*.json.", folder.display());
        return Err(Error::new(Code::NotFound, detail));
    }
    let found = |severity| files.iter().flat_map(|f| &f.diagnostics).filter(|d| d.severity == severity).count();
    let ran = |passed| files.iter().flat_map(|f| &f.tests).filter(|t| t.passed == passed).count();
    let covered = || files.iter().filter_map(|f| f.coverage.as_ref());
    let all = |shares: &mut dyn Iterator<Item = Share>| shares.fold(Share::of(std::iter::empty()), Share::and);
    Ok(Report {
        folder: folder.display().to_string(),
        errors: found(Severity::Error),
        warnings: found(Severity::Warning),
        passed: ran(true),
        failed: ran(false),
        tested: tests.is_some(),
        lines: all(&mut covered().map(|c| c.lines)),
        branches: all(&mut covered().map(|c| c.branches)),
        uncovered: files.iter().filter(|f| !f.uncovered.is_empty()).count(),
        files,
    })
}

/// Files by name, and what is wrong with those that can't be read.
type Files = (Vec<(String, String)>, Vec<FileReport>);

/// The files of a folder within this one that can be read, and a report on each other.
fn files(root: &Path, folder: &str, extension: &str) -> Result<Files> {
    let (mut read, mut reports) = (Vec::new(), Vec::new());
    for (name, text) in texts(&root.join(folder), extension)? {
        match text {
            Ok(text) => read.push((name, text)),
            Err(e) => {
                let found = diagnostic(&Finding::error("unreadable", "", format!("it can't be read: {e}")), "");
                let report = FileReport::of(format!("{folder}/{name}.{extension}"));
                reports.push(FileReport { diagnostics: vec![found], ..report });
            }
        }
    }
    Ok((read, reports))
}

/// The folder of modules.
const MODULES: &str = "modules";

fn script(
    path: String,
    decision: Option<Decision>,
    program: Result<Program, Vec<Diagnostic>>,
    check: fn(&Program, &Arc<FactSchema>, &dyn Host) -> Vec<Diagnostic>,
    host: &Arc<dyn Host>,
    tests: Option<Least>,
) -> FileReport {
    let report = FileReport { decision, ..FileReport::of(path) };
    let program = match program {
        Err(diagnostics) => return FileReport { diagnostics, ..report },
        Ok(program) => Arc::new(program),
    };
    let schema = Schemas::shipped().of(program.kind());
    let mut diagnostics = check(&program, schema, &**host);
    diagnostics.iter_mut().for_each(soften);
    let Some(least) = tests else { return FileReport { diagnostics, ..report } };
    let (tests, coverage) = run_covered(&program, schema, host, &[]);
    let uncovered = coverage.iter().flat_map(|coverage| least.missed(coverage)).collect();
    FileReport { diagnostics, tests, coverage, uncovered, ..report }
}

/// Which custom fields there are, only the server knows.
fn soften(found: &mut Diagnostic) {
    if found.code == "unknown_field" && found.message.starts_with("custom has no field") {
        found.severity = Severity::Warning;
        found.message.push_str(" (custom fields are known to the server alone)");
    }
}

/// The tables that can be used, and a report on each file.
fn tables(folder: &Path) -> Result<(Vec<Table>, Vec<FileReport>)> {
    let mut tables = Vec::new();
    let (texts, mut reports) = files(folder, "tables", "json")?;
    for (name, text) in texts {
        let diagnostics = match table(&name, &text) {
            Ok(table) => {
                let found = findings(&table).iter().map(|finding| diagnostic(finding, &text)).collect();
                tables.push(table);
                found
            }
            Err(problem) => vec![problem],
        };
        reports.push(FileReport { diagnostics, ..FileReport::of(format!("tables/{name}.json")) });
    }
    Ok((tables, reports))
}

fn table(name: &str, text: &str) -> Result<Table, Diagnostic> {
    let json: Json = serde_json::from_str(text).map_err(|e| {
        let place = |n: usize| u16::try_from(n.max(1)).unwrap_or(u16::MAX);
        Diagnostic::at("syntax", Position::new(place(e.line()), place(e.column())), text, e.to_string())
    })?;
    Table::from_json(name, &json).map_err(|e| {
        let first = e.errors.first();
        let code = first.map_or("wrong_type", |f| f.code.as_str());
        diagnostic(&Finding::error(code, first.map_or("", |f| f.pointer.as_str()), &e.detail), text)
    })
}

/// The calendars that can be asked, and a report on each file.
fn calendars(folder: &Path) -> Result<(Calendars, Vec<FileReport>)> {
    let mut calendars = Calendars::new();
    let (texts, mut reports) = files(folder, "calendars", "json")?;
    for (name, text) in texts {
        let diagnostics = match calendar(&name, &text).and_then(|calendar| calendar.calendar()) {
            Ok(calendar) => {
                calendars.insert(name.clone(), calendar);
                Vec::new()
            }
            Err(e) => {
                e.errors.iter().map(|e| diagnostic(&Finding::error(&e.code, &e.pointer, &e.detail), &text)).collect()
            }
        };
        let path = format!("calendars/{name}.json");
        reports.push(FileReport { diagnostics, ..FileReport::of(path) });
    }
    Ok((calendars, reports))
}

/// A finding about a table or a calendar as one about its file.
fn diagnostic(finding: &Finding, text: &str) -> Diagnostic {
    let Finding { code, level, pointer, message } = finding;
    let message = if pointer.is_empty() { message.clone() } else { format!("{pointer}: {message}") };
    Diagnostic { severity: *level, ..Diagnostic::at(code, Position::new(1, 1), text, message) }
}

/// Scripts in folders that are no decision: nobody would ever ask them.
fn strays(folder: &Path) -> Result<Vec<FileReport>> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::internal)? {
        let entry = entry.map_err(Error::internal)?;
        names.extend(entry.file_name().to_str().filter(|_| entry.path().is_dir()).map(str::to_owned));
    }
    names.sort();
    let mut reports = Vec::new();
    for name in names.iter().filter(|n| *n != MODULES && Decision::named(n).is_none()) {
        let (scripts, unreadable) = files(folder, name, "rhai")?;
        reports.extend(unreadable);
        for (file, source) in scripts {
            let near = did_you_mean(name, DECISIONS.iter().map(|d| d.name));
            let message = format!("there is no decision `{name}`{near}");
            let found = Diagnostic::at("unknown_decision", Position::new(1, 1), &source, message);
            let report = FileReport::of(format!("{name}/{file}.rhai"));
            reports.push(FileReport { diagnostics: vec![found], ..report });
        }
    }
    Ok(reports)
}

impl FileReport {
    /// Of a file about which nothing was found.
    fn of(path: String) -> FileReport {
        let (diagnostics, tests, uncovered) = (Vec::new(), Vec::new(), Vec::new());
        FileReport { path, decision: None, diagnostics, tests, coverage: None, uncovered }
    }

    fn has_failed(&self) -> bool {
        let is_wrong = |d: &Diagnostic| d.severity == Severity::Error;
        self.diagnostics.iter().any(is_wrong) || self.tests.iter().any(|t| !t.passed) || !self.uncovered.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn what_ships_is_green() {
        let report = test_folder(&rules(), Least::default()).unwrap();
        assert!(!report.failed() && report.passed >= 15, "{report}");
        let shown = report.to_string();
        assert!(shown.contains("\nok: ") && shown.contains("routing/incidents.rhai"), "{shown}");
        let checked = check_folder(&rules()).unwrap();
        assert_eq!((checked.passed, checked.failed()), (0, false));
    }

    #[test]
    fn every_finding_of_a_folder_is_shown_with_its_place() {
        let folder = folder(&[
            (
                "routing/a.rhai",
                "fn route(i) {\n    if i.urgancy == 1 { leave() }\n    if i.custom.site == \"x\" { leave() }\n}\n",
            ),
            (
                "routing/b.rhai",
                "fn route(i) { assign(\"a\") }\nfn test_b() {\n    expect(route(incident()), \"b\");\n}\n",
            ),
            ("routng/c.rhai", "fn route(i) { }"),
            ("tables/d.json", "{\n  \"keys\": 1,\n}"),
            ("tables/e.json", "{\"keys\": 0, \"columns\": [], \"rows\": []}"),
            ("calendars/f.json", "{\"zone\": \"Europe/Berlin\"}"),
            ("calendars/g.json", "{\"zone\": \"Europe/Berln\"}"),
            (
                "guard/h.rhai",
                "fn check(i, t) { if business_hours(\"f\") or business_hours() { allow() } else { allow() } }",
            ),
        ]);
        let report = test_folder(folder.path(), Least::default()).unwrap();
        assert!(report.failed());
        assert_eq!((report.errors, report.warnings, report.passed, report.failed), (5, 2, 0, 1));
        let shown = report.to_string();
        for line in [
            "  routing/a.rhai:2:10: error[unknown_field]: incident has no field `urgancy`; did you mean `urgency`?",
            "  routing/a.rhai:3:17: warning[unknown_field]: custom has no field `site`",
            "    routing/b.rhai:3:5: expected the text \"b\", got a",
            "  routng/c.rhai:1:1: error[unknown_decision]: there is no decision `routng`; did you mean `routing`?",
            "  tables/d.json:3:1: error[syntax]: ",
            "  tables/e.json:1:1: error[out_of_range]: /keys: ",
            "  calendars/g.json:1:1: error[unknown_zone]: /zone: There is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?",
            "FAILED: 0 passed, 1 failed; 8 files, 5 errors, 2 warnings",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (&json["files"][0]["decision"], &json["files"][1]["tests"][0]["passed"]),
            (&"routing".into(), &false.into())
        );
    }

    #[test]
    fn what_can_t_be_read_is_named_and_the_others_are_looked_at() {
        let folder = folder(&[
            ("routing/a.rhai", "fn route(i) { assign(\"a\") }\nfn test_a() { expect(route(incident()), \"a\") }\n"),
            ("routing/c.rhai/inside.txt", ""),
            ("calendars/d.json", "[]"),
            ("calendars/e.json", "\"e\""),
        ]);
        for path in ["routing/b.rhai", "modules/f.rhai", "tables/g.json", "calendars/h.json", "routng/i.rhai"] {
            fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            fs::write(folder.path().join(path), b"// \xff\xfe").unwrap();
        }
        let report = test_folder(folder.path(), Least::default()).unwrap();
        assert_eq!((report.files.len(), report.passed, report.errors), (9, 1, 8), "{report}");
        let shown = report.to_string();
        for path in ["routing/b.rhai", "modules/f.rhai", "tables/g.json", "calendars/h.json", "routng/i.rhai"] {
            let line = format!("  {path}:1:1: error[unreadable]: it can't be read: ");
            assert!(shown.contains(&line), "{line} is not in\n{shown}");
        }
        for line in [
            "  routing/c.rhai:1:1: error[unreadable]: it can't be read: ",
            "  calendars/d.json:1:1: error[wrong_type]: d: a calendar is a JSON object.",
            "  calendars/e.json:1:1: error[wrong_type]: e: a calendar is a JSON object.",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
    }

    #[test]
    fn a_folder_without_policies_is_an_error() {
        let empty = folder(&[]);
        assert!(check_folder(empty.path()).is_err());
        assert!(check_folder(&empty.path().join("missing")).is_err());
    }
}
