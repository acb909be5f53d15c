//! What the author of a table should know: rows that are in each other's way, keys that nothing answers, rows that never do.
//!
//! **Invariant:** a table of which [`findings`] tells no error answers each key with the same row, whatever the order of its
//! rows.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::{
    Table,
    area::{Area, Areas, Spent},
};
use crate::{
    error::{Error, FieldError, Result},
    policy::diagnostic::Severity,
};

/// The most rows of a table.
const MOST_ROWS: usize = 10_000;
/// The most bytes of a table as JSON.
const MOST_BYTES: usize = 1 << 20;
/// The most columns of a key: scripts look tables up by so many values.
const MOST_KEYS: usize = 4;
/// The longest name of a column.
const LONGEST_NAME: usize = 100;
/// At most so many findings of each code are told.
const MOST_TOLD: usize = 20;

/// Something that the author of a table should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TableFinding)]
pub struct Finding {
    /// Stable reason, such as `overlap`, `duplicate`, `gap`, `never_answers`, `empty`, `test_failed`.
    pub code: String,
    /// How bad it is: a table with an error is not stored.
    pub level: Severity,
    /// JSON pointer (RFC 6901) into the content; empty for what is about all of it.
    pub pointer: String,
    /// One sentence. Another row that it is about stands in it as a pointer, too.
    pub message: String,
}

impl Finding {
    /// An error.
    pub fn error(code: &str, pointer: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { code: code.to_owned(), level: Severity::Error, pointer: pointer.into(), message: message.into() }
    }
    /// A warning.
    pub fn warning(code: &str, pointer: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { level: Severity::Warning, ..Finding::error(code, pointer, message) }
    }
}

/// Refuses what has errors, with each of their places.
///
/// # Errors
/// One of the findings is an error.
pub fn refuse_errors(findings: &[Finding]) -> Result<()> {
    let errors = findings.iter().filter(|f| f.level == Severity::Error);
    let errors: Vec<FieldError> = errors.map(|f| FieldError::new(&f.pointer, &f.code, &f.message)).collect();
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

/// A table that may be stored: no finding is an error.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The table.
    pub table: Arc<Table>,
    /// What its author should know nevertheless.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// From its JSON form.
    ///
    /// # Errors
    /// Everything that keeps it from being stored, with its places.
    pub fn from_json(name: &str, content: &Json) -> Result<Checked> {
        let table = Table::from_json(name, content)?;
        let findings = findings(&table);
        refuse_errors(&findings)?;
        Ok(Checked { table: Arc::new(table), findings })
    }
}

/// One way to look at a table.
type Check = fn(&Table, &Areas) -> Result<Vec<Finding>, Spent>;

/// Everything about a table that its author should know, errors first.
pub fn findings(table: &Table) -> Vec<Finding> {
    let mut found = limits(table);
    if !found.is_empty() {
        return found;
    }
    if table.rows().is_empty() {
        return vec![Finding::warning("empty", "/rows", "The table has no rows, so it answers nothing.")];
    }
    let areas = Areas::of(table);
    let checks: [(Check, fn() -> Finding); 3] = [(collisions, tangled), (idle_rows, given_up), (gaps, given_up)];
    for (check, otherwise) in checks {
        areas.renew();
        match check(table, &areas) {
            Ok(told) => found.extend(told.into_iter().take(MOST_TOLD)),
            Err(Spent) => {
                found.push(otherwise());
                break;
            }
        }
    }
    found.sort_by_key(|finding| finding.level == Severity::Warning);
    found
}

fn tangled() -> Finding {
    let message = "Too many ranges lie over one another to see whether two are in each other's way.";
    Finding::error("too_tangled", "/rows", message)
}

fn given_up() -> Finding {
    let message = "Too many ranges lie over one another to look for all gaps and rows that never answer.";
    Finding::warning("not_checked", "/rows", message)
}

/// What is too much.
fn limits(table: &Table) -> Vec<Finding> {
    let mut found = Vec::new();
    let (rows, keys, bytes) = (table.rows().len(), table.head().keys, table.to_json().to_string().len());
    if rows > MOST_ROWS {
        found.push(Finding::error("too_long", "/rows", format!("It has {rows} rows; {MOST_ROWS} are allowed.")));
    }
    if bytes > MOST_BYTES {
        let message = format!("It has {bytes} bytes as JSON; {MOST_BYTES} are allowed.");
        found.push(Finding::error("too_long", "", message));
    }
    if keys > MOST_KEYS {
        let message = format!("The key has {keys} columns; {MOST_KEYS} are allowed.");
        found.push(Finding::error("out_of_range", "/keys", message));
    }
    for (at, column) in table.head().columns.iter().enumerate() {
        let name = &column.name;
        let fits = name.len() <= LONGEST_NAME
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !fits {
            let message =
                format!("Scripts can't read `{name}`: a name is 1 to {LONGEST_NAME} letters, digits and `_`.");
            found.push(Finding::error("wrong_form", format!("/columns/{at}/name"), message));
        }
    }
    found
}

/// Rows that fit the same key and of which none is more specific.
fn collisions(table: &Table, areas: &Areas) -> Result<Vec<Finding>, Spent> {
    let mut found = Vec::new();
    for (row, area) in areas.all().iter().enumerate() {
        for other in areas.meeting(area)?.into_iter().filter(|&other| other < row) {
            let their = &areas.all()[other];
            if areas.shapes(row) != areas.shapes(other) || (area != their && (area.holds(their) || their.holds(area))) {
                continue;
            }
            let pointer = format!("/rows/{row}");
            found.push(if area == their {
                Finding::error("duplicate", pointer, format!("This key is in the table already, at /rows/{other}."))
            } else {
                let common = areas.ranges(table, row, &area.common(their));
                let message = format!("This row and /rows/{other} both answer {common}, and neither is more specific.");
                Finding::error("overlap", pointer, message)
            });
        }
        if found.len() >= MOST_TOLD {
            break;
        }
    }
    Ok(found)
}

/// Rows for all of whose keys a more specific one answers.
fn idle_rows(table: &Table, areas: &Areas) -> Result<Vec<Finding>, Spent> {
    let mut found = Vec::new();
    for (row, area) in areas.all().iter().enumerate() {
        let mut above: Vec<usize> = areas.meeting(area)?;
        above.retain(|&other| table.index.rank(other) < table.index.rank(row));
        if above.is_empty() || !areas.covered(area, &above)? {
            continue;
        }
        let by = above.iter().take(3).map(|other| format!("/rows/{other}")).collect::<Vec<_>>().join(", ");
        let more = if above.len() > 3 { " and others" } else { "" };
        let message = format!("This row never answers: {by}{more} are more specific and fit all of its keys.");
        found.push(Finding::warning("never_answers", format!("/rows/{row}"), message));
    }
    Ok(found)
}

/// Stretches between the ranges of a column in which nothing answers, though the other columns fit.
fn gaps(table: &Table, areas: &Areas) -> Result<Vec<Finding>, Spent> {
    let mut found = Vec::new();
    for (at, column) in table.head().key().iter().enumerate() {
        let Some(whole) = areas.hull(at) else { continue };
        let mut seen: BTreeSet<Area> = BTreeSet::new();
        for (row, area) in areas.all().iter().enumerate() {
            let line = area.with(at, whole);
            if area.holds(&line) || !seen.insert(line.clone()) {
                continue;
            }
            for piece in areas.left_in_order(&line, at, MOST_TOLD)? {
                let (missing, others) = (piece.span(at).written(column.kind), areas.others(table, row, at));
                let message = format!("No row answers {missing} of `{}`{others}.", column.name);
                found.push(Finding::warning("gap", format!("/rows/{row}"), message));
            }
            if found.len() >= MOST_TOLD {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    fn told(rows: Json) -> Vec<(String, String, String)> {
        let columns = json!([
            {"name": "site", "type": "text"}, {"name": "hour", "type": "int", "match": "range"},
            {"name": "team", "type": "text"},
        ]);
        let table = Table::from_json("t", &json!({"columns": columns, "keys": 2, "rows": rows})).unwrap();
        findings(&table).into_iter().map(|f| (f.code, f.pointer, f.message)).collect()
    }

    #[test]
    fn what_is_wrong_with_rows_is_told_with_both_of_them() {
        for (rows, code, pointer, message) in [
            (json!([]), "empty", "/rows", "no rows"),
            (json!([["n", 1, "a"], ["n", 1, "b"]]), "duplicate", "/rows/1", "at /rows/0"),
            (
                json!([["n", "0..9", "a"], ["n", "5..12", "b"]]),
                "overlap",
                "/rows/1",
                "/rows/0 both answer `5..9` of `hour`",
            ),
            (
                json!([["n", "0..9", "a"], ["n", "10..24", "b"]]),
                "gap",
                "/rows/0",
                "answers 9..10 of `hour` where `site` is `n`.",
            ),
            (json!([["n", "0..24", "a"], ["s", "8..17", "b"]]), "gap", "/rows/1", "answers ..8"),
            (
                json!([["n", "*", "a"], ["n", "..5", "b"], ["n", "5..", "c"]]),
                "never_answers",
                "/rows/0",
                "/rows/1, /rows/2 are more specific",
            ),
        ] {
            let found = told(rows.clone());
            let (told, at, said) = &found[0];
            assert_eq!((told.as_str(), at.as_str()), (code, pointer), "{rows}: {found:?}");
            // An end that is that of the whole column is shown as a number.
            let message = message.replace("..8", "0..8");
            assert!(said.contains(&message) || said.contains(message.as_str()), "{rows}: {said}");
        }
    }

    #[test]
    fn ranges_within_ranges_and_defaults_are_sound() {
        for rows in [
            json!([["n", "0..24", "a"], ["n", "8..17", "b"], ["n", 12, "c"], ["*", "*", "d"]]),
            json!([["n", "0..=9", "a"], ["n", "10..24", "b"]]),
            json!([["n", 0, "a"], ["s", 5, "b"]]),
        ] {
            assert_eq!(told(rows.clone()), [], "{rows}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let table = |columns: Json, keys: usize, rows: Vec<Json>| {
            Checked::from_json("t", &json!({"columns": columns, "keys": keys, "rows": rows})).unwrap_err().errors
        };
        let two = json!([{"name": "a", "type": "int"}, {"name": "b", "type": "text"}]);
        let errors = table(two.clone(), 1, (0..=MOST_ROWS).map(|n| json!([n, ""])).collect());
        assert_eq!((errors[0].pointer.as_str(), errors[0].code.as_str()), ("/rows", "too_long"));
        let errors = table(two, 1, vec![json!([1, "x".repeat(MOST_BYTES)])]);
        assert_eq!((errors[0].pointer.as_str(), errors[0].code.as_str()), ("", "too_long"));
        let six: Vec<Json> = ["a", "b", "c", "d", "e", "f g"].map(|name| json!({"name": name, "type": "int"})).to_vec();
        let errors = table(six.into(), 5, Vec::new());
        let places: Vec<&str> = errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(places, ["/keys", "/columns/5/name"]);
    }

    #[test]
    fn ten_thousand_rows_are_checked_and_looked_up_in_no_time() {
        let columns = json!([
            {"name": "site", "type": "text"}, {"name": "n", "type": "int", "match": "range"}, {"name": "v", "type": "int"},
        ]);
        let wide = json!(["s0", "-5..1000000", 0]);
        let mut rows: Vec<Json> =
            (0..9_998).map(|n| json!(["s0", format!("{}..{}", n * 10, n * 10 + 10), n])).collect();
        rows.extend([wide, json!(["*", "*", -1])]);
        let started = Instant::now();
        let content = json!({"columns": columns, "keys": 2, "rows": rows});
        let checked = Checked::from_json("t", &content).unwrap();
        assert_eq!(checked.findings, []);
        for n in 0..10_000 {
            let key = [crate::policy::facts::Cell::Text("s0".into()), crate::policy::facts::Cell::Int(n * 10 + 5)];
            let row = checked.table.find(&key).unwrap();
            assert_eq!(row[2], crate::policy::facts::Cell::Int(if n < 9_998 { n } else { 0 }));
        }
        // A scan would look at fifty million rows for the look-ups alone.
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn a_table_that_is_all_overlaps_is_refused() {
        let rows: Vec<Json> = (0..3_000).map(|n| json!(["*", format!("{n}..{}", 20_000 - n), "t"])).collect();
        let found = told(rows.into());
        assert_eq!(found.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["too_tangled"], "{found:?}");
    }
}
