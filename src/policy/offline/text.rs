//! A report as a test runner prints it: a line for each finding, each test and each place that no test reaches, then the counts.

use std::fmt;

use super::{FileReport, Report};
use crate::policy::diagnostic::{Diagnostic, Severity};

/// The most places of one file that are printed.
const MOST: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.files.iter().map(|file| file.path.chars().count()).max().unwrap_or(0);
        for file in &self.files {
            let verdict = if file.has_failed() { "FAILED" } else { "ok" };
            write!(f, "{:width$}  {verdict}", file.path)?;
            if !file.tests.is_empty() {
                write!(f, "  {}", plural(file.tests.len(), "test"))?;
            }
            if let Some(coverage) = &file.coverage {
                write!(f, "  lines {}  branches {}", coverage.lines, coverage.branches)?;
            }
            writeln!(f)?;
            file.write_details(f)?;
        }
        write!(f, "\n{}: ", if self.failed() { "FAILED" } else { "ok" })?;
        if self.tested {
            write!(f, "{} passed, {} failed; ", self.passed, self.failed)?;
        }
        let (files, errors) = (plural(self.files.len(), "file"), plural(self.errors, "error"));
        write!(f, "{files}, {errors}, {}", plural(self.warnings, "warning"))?;
        if self.tested {
            write!(f, "; lines {}, branches {}", self.lines, self.branches)?;
        }
        writeln!(f)
    }
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

impl FileReport {
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
        self.write_coverage(f)
    }

    fn write_coverage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for why in &self.uncovered {
            writeln!(f, "  {why}.")?;
        }
        let gaps = self.coverage.iter().flat_map(|coverage| &coverage.uncovered);
        for gap in gaps.clone().take(MOST) {
            writeln!(f, "  {}:{}:{}: uncovered: {}", self.path, gap.line, gap.column, gap.message)?;
        }
        match gaps.count().saturating_sub(MOST) {
            0 => Ok(()),
            more => writeln!(f, "  and {} more, which --json tells", plural(more, "place")),
        }
    }
}
