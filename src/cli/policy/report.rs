//! What commands say of files.

use std::fmt;

use serde::Serialize;

use crate::{
    error::{Error, FieldError},
    policy::diagnostic::{Diagnostic, Severity},
};

/// What became of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Where it lies in the folder.
    pub path: String,
    /// What became of it.
    pub what: String,
    /// The version on the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

impl Line {
    /// A file and what became of it.
    pub fn new(path: &str, what: impl Into<String>, version: Option<i32>) -> Self {
        Line { path: path.to_owned(), what: what.into(), version, diagnostics: Vec::new() }
    }

    /// The same with what is wrong.
    #[must_use]
    pub fn with(mut self, diagnostics: Vec<Diagnostic>) -> Self {
        self.diagnostics = diagnostics;
        self
    }

    /// Whether something of level error is wrong.
    pub fn is_wrong(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }
}

/// Lines below each other, with what is wrong below each.
pub fn write_lines(f: &mut fmt::Formatter<'_>, lines: &[Line]) -> fmt::Result {
    let width = lines.iter().map(|line| line.path.chars().count()).max().unwrap_or(0);
    for line in lines {
        let version = line.version.map_or_else(String::new, |number| format!(" (version {number})"));
        writeln!(f, "{:width$}  {}{version}", line.path, line.what)?;
        for found in &line.diagnostics {
            writeln!(f, "  {}", found.told(&line.path))?;
        }
    }
    Ok(())
}

/// So many files.
pub fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// What a server refuses, as if it had been found in a file.
pub fn told(why: &Error) -> Vec<Diagnostic> {
    let whole = [FieldError::new("", why.code.as_str(), why.detail.clone())];
    let errors = if why.errors.is_empty() { &whole[..] } else { &why.errors };
    errors.iter().map(diagnostic).collect()
}

fn diagnostic(wrong: &FieldError) -> Diagnostic {
    let FieldError { pointer, code, detail } = wrong;
    let placed = placed(detail);
    let (line, column, detail) = placed.unwrap_or((1, 1, detail));
    let message = match pointer.as_str() {
        "" | "/source" => detail.to_owned(),
        pointer => format!("{pointer}: {detail}"),
    };
    Diagnostic {
        code: code.clone(),
        severity: Severity::Error,
        line,
        column,
        end_line: line,
        end_column: column + 1,
        message,
        suggestion: None,
    }
}

/// The place that a sentence begins with: `line 3, column 5: …`.
fn placed(detail: &str) -> Option<(usize, usize, &str)> {
    let (line, rest) = detail.strip_prefix("line ")?.split_once(", column ")?;
    let (column, rest) = rest.split_once(": ")?;
    Some((line.parse().ok()?, column.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_refuses_has_a_place() {
        let why = Error::invalid_all(vec![
            FieldError::new("/source", "test_failed", "line 12, column 5: test_x: expected the text \"a\", got b."),
            FieldError::new("/rows/3", "duplicate", "This key is in the table already, at /rows/0."),
        ]);
        let shown: Vec<String> = told(&why).iter().map(|found| found.told("routing/x.rhai")).collect();
        assert_eq!(
            shown,
            [
                "routing/x.rhai:12:5: error[test_failed]: test_x: expected the text \"a\", got b.",
                "routing/x.rhai:1:1: error[duplicate]: /rows/3: This key is in the table already, at /rows/0.",
            ]
        );
        let shown = told(&Error::new(crate::error::Code::Conflict, "It needs 1 approval(s)."));
        assert_eq!(shown[0].told("a"), "a:1:1: error[conflict]: It needs 1 approval(s).");
    }
}
