//! Checking and testing a folder of policies without a server: what the command line and pipelines do.
//!
//! The folder has the shape of `rules/`: `<decision>/<name>.rhai` and `tables/<name>.json`. Any team and any user is taken to
//! be there. Custom fields are unknown offline, so a script that reads one is warned of, not failed.
//!
//! **Invariant:** a file that is wrong is a finding of the report, so that one run shows everything; only a folder that can't
//! be read is an error.

use std::{fmt, fs, path::Path, sync::Arc};

use rhai::Position;
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    decision::{DECISIONS, Decision},
    diagnostic::{Diagnostic, Severity},
    facts,
    host::{Host, Offline},
    library::files,
    program::compile,
    runner::on_ample_stack,
    table::{
        Table,
        check::{Finding, findings},
    },
    testing::{TestResult, run_tests},
    validate::check,
};
use crate::error::{Code, Error, Result, did_you_mean};

/// What the check, or the test, of a folder came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The folder.
    pub folder: String,
    /// The files, in the order in which policies are asked, then the tables.
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
}

/// What one file came to.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// The file, from the folder on: `routing/incidents.rhai`.
    pub path: String,
    /// The decision that it answers; none for a table.
    pub decision: Option<Decision>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Its tests, in the order of the source.
    pub tests: Vec<TestResult>,
}

/// Checks every file.
///
/// # Errors
/// The folder can't be read or holds no policy and no table.
pub fn check_folder(folder: &Path) -> Result<Report> {
    report(folder, false)
}

/// Checks every file and runs every test.
///
/// # Errors
/// The folder can't be read or holds no policy and no table.
pub fn test_folder(folder: &Path) -> Result<Report> {
    report(folder, true)
}

impl Report {
    /// Whether the command has to end with a failure: an error was found, or a test is red.
    pub fn failed(&self) -> bool {
        self.errors > 0 || self.failed > 0
    }
}

fn report(folder: &Path, tested: bool) -> Result<Report> {
    if !folder.is_dir() {
        return Err(Error::new(Code::NotFound, format!("There is no folder {}.", folder.display())));
    }
    let (tables, table_reports) = tables(folder)?;
    let host: Arc<dyn Host> = Arc::new(Offline::new(tables));
    let mut files = Vec::new();
    for spec in DECISIONS {
        for (name, source) in self::files(&folder.join(spec.name), "rhai")? {
            let path = format!("{}/{name}.rhai", spec.name);
            files.push(on_ample_stack(|| script(path, &source, spec.decision, &host, tested))?);
        }
    }
    files.extend(table_reports);
    files.extend(strays(folder)?);
    if files.is_empty() {
        let detail = format!("{} holds neither <decision>/*.rhai nor tables/*.json.", folder.display());
        return Err(Error::new(Code::NotFound, detail));
    }
    let found = |severity| files.iter().flat_map(|f| &f.diagnostics).filter(|d| d.severity == severity).count();
    let ran = |passed| files.iter().flat_map(|f| &f.tests).filter(|t| t.passed == passed).count();
    Ok(Report {
        folder: folder.display().to_string(),
        errors: found(Severity::Error),
        warnings: found(Severity::Warning),
        passed: ran(true),
        failed: ran(false),
        tested,
        files,
    })
}

fn script(path: String, source: &str, decision: Decision, host: &Arc<dyn Host>, tested: bool) -> FileReport {
    let schema = facts::incident();
    let (diagnostics, tests) = match compile(source, decision) {
        Err(problems) => (problems, Vec::new()),
        Ok(program) => {
            let mut found = check(&program, &schema, &**host);
            found.iter_mut().for_each(soften);
            let program = Arc::new(program);
            (found, if tested { run_tests(&program, &schema, host) } else { Vec::new() })
        }
    };
    FileReport { path, decision: Some(decision), diagnostics, tests }
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
    let (mut tables, mut reports) = (Vec::new(), Vec::new());
    for (name, text) in files(&folder.join("tables"), "json")? {
        let diagnostics = match table(&name, &text) {
            Ok(table) => {
                let found = findings(&table).iter().map(|finding| diagnostic(finding, &text)).collect();
                tables.push(table);
                found
            }
            Err(problem) => vec![problem],
        };
        reports.push(FileReport {
            path: format!("tables/{name}.json"),
            decision: None,
            diagnostics,
            tests: Vec::new(),
        });
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

/// A finding about a table as one about its file.
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
    for name in names.iter().filter(|n| Decision::named(n).is_none()) {
        for (file, source) in files(&folder.join(name), "rhai")? {
            let near = did_you_mean(name, DECISIONS.iter().map(|d| d.name));
            let message = format!("there is no decision `{name}`{near}");
            let found = Diagnostic::at("unknown_decision", Position::new(1, 1), &source, message);
            let path = format!("{name}/{file}.rhai");
            reports.push(FileReport { path, decision: None, diagnostics: vec![found], tests: Vec::new() });
        }
    }
    Ok(reports)
}

/// As a test runner prints it: a line for each finding and each test, then the counts.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.files.iter().map(|file| file.path.chars().count()).max().unwrap_or(0);
        for file in &self.files {
            let verdict = if file.has_failed() { "FAILED" } else { "ok" };
            let tests =
                if file.tests.is_empty() { String::new() } else { format!("  {}", plural(file.tests.len(), "test")) };
            writeln!(f, "{:width$}  {verdict}{tests}", file.path)?;
            file.write_details(f)?;
        }
        write!(f, "\n{}: ", if self.failed() { "FAILED" } else { "ok" })?;
        if self.tested {
            write!(f, "{} passed, {} failed; ", self.passed, self.failed)?;
        }
        let (files, errors) = (plural(self.files.len(), "file"), plural(self.errors, "error"));
        writeln!(f, "{files}, {errors}, {}", plural(self.warnings, "warning"))
    }
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

impl FileReport {
    fn has_failed(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error) || self.tests.iter().any(|t| !t.passed)
    }

    fn write_details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.diagnostics {
            let level = match found.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let Diagnostic { line, column, code, message, .. } = found;
            writeln!(f, "  {}:{line}:{column}: {level}[{code}]: {message}", self.path)?;
        }
        let width = self.tests.iter().map(|t| t.name.chars().count()).max().unwrap_or(0);
        for test in &self.tests {
            let verdict = if test.passed { "ok" } else { "FAILED" };
            writeln!(f, "  {:width$}  {verdict:6}  {:>6} µs", test.name, test.microseconds)?;
            if let Some(error) = &test.error {
                writeln!(f, "    {}:{}:{}: {}", self.path, error.line, error.column, error.message)?;
            }
        }
        Ok(())
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
        let report = test_folder(&rules()).unwrap();
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
        ]);
        let report = test_folder(folder.path()).unwrap();
        assert!(report.failed());
        assert_eq!((report.errors, report.warnings, report.passed, report.failed), (4, 2, 0, 1));
        let shown = report.to_string();
        for line in [
            "  routing/a.rhai:2:10: error[unknown_field]: incident has no field `urgancy`; did you mean `urgency`?",
            "  routing/a.rhai:3:17: warning[unknown_field]: custom has no field `site`",
            "    routing/b.rhai:3:5: expected the text \"b\", got a",
            "  routng/c.rhai:1:1: error[unknown_decision]: there is no decision `routng`; did you mean `routing`?",
            "  tables/d.json:3:1: error[syntax]: ",
            "  tables/e.json:1:1: error[out_of_range]: /keys: ",
            "FAILED: 0 passed, 1 failed; 5 files, 4 errors, 2 warnings",
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
    fn a_folder_without_policies_is_an_error() {
        let empty = folder(&[]);
        assert!(check_folder(empty.path()).is_err());
        assert!(check_folder(&empty.path().join("missing")).is_err());
    }
}
