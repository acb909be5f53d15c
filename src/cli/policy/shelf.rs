//! Files that the server keeps whole under a name, in versions: lookup tables, and modules.

use indicatif::ProgressBar;
use rhai::Position;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    folder::{Entry, Folder},
    report::told,
    sort::{Change, Follow, Head, Kept, Rows, Sort, Stored, parse},
};
use crate::{
    cli::remote::{Ask, Heard, Remote},
    error::{Code, Error, Result},
    policy::{
        diagnostic::Diagnostic,
        format::format,
        library::is_name,
        store::sha256,
        table::{Row, Table, diff::difference},
    },
};

/// Lookup tables.
pub const TABLES: Shelf = Shelf {
    folder: "tables",
    extension: "json",
    path: "lookup-tables",
    field: "content",
    live_at_once: true,
    written: |content| Table::from_json("", content)?.laid_out(),
    content: |text| Ok(read_table(text)?.to_json()),
    // Of the content: a layout is no change.
    sha256: |text| sha256(&read_table(text).map_or_else(|_| text.to_owned(), |table| table.to_json().to_string())),
    laid_out: |text| read_table(text).and_then(|table| table.laid_out()).map_err(|why| first(&why)),
    rows,
};

/// Modules. A new version of one changes no policy before that is written anew.
pub const MODULES: Shelf = Shelf {
    folder: "modules",
    extension: "rhai",
    path: "policy-modules",
    field: "source",
    live_at_once: false,
    sha256: |text| sha256(text),
    laid_out: format,
    written: |source| Ok(source.as_str().unwrap_or_default().to_owned()),
    content: |text| Ok(json!({"source": text})),
    rows: |_, _| None,
};

/// How such files are kept.
pub struct Shelf {
    folder: &'static str,
    extension: &'static str,
    /// Where they are, below `/api/v1/`.
    path: &'static str,
    /// In which field the server shows what one holds.
    field: &'static str,
    live_at_once: bool,
    /// The file of what the server shows.
    written: fn(&Value) -> Result<String>,
    /// What the server is given for a file.
    content: fn(&str) -> Result<Value>,
    sha256: fn(&str) -> String,
    laid_out: fn(&str) -> Result<String, Diagnostic>,
    rows: fn(&str, &str) -> Option<Rows>,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    name: String,
    sha256: String,
    version: i32,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    #[serde(default)]
    findings: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    code: String,
    level: crate::policy::diagnostic::Severity,
    pointer: String,
    message: String,
}

impl Sort for Shelf {
    fn folders(&self) -> Vec<&'static str> {
        vec![self.folder]
    }

    fn extension(&self) -> &'static str {
        self.extension
    }

    fn is_live_at_once(&self) -> bool {
        self.live_at_once
    }

    fn sha256(&self, text: &str) -> String {
        (self.sha256)(text)
    }

    fn laid_out(&self, text: &str) -> Result<String, Diagnostic> {
        (self.laid_out)(text)
    }

    fn rows(&self, from: &str, to: &str) -> Option<Rows> {
        (self.rows)(from, to)
    }

    fn stored(&self, remote: &Remote, _: &Folder, _: Follow, _: &ProgressBar) -> Result<Vec<Stored>> {
        let list: List = remote.ask(&Ask::get(self.path))?.read()?;
        list.items.into_iter().map(|one| self.of(one)).collect()
    }

    fn address(&self, stored: &Stored) -> String {
        format!("{}/{}", self.path, stored.name)
    }

    fn read(&self, stored: &Stored, shown: Heard) -> Result<String> {
        let text = (self.written)(&shown.body[self.field])?;
        if stored.head.as_ref().is_some_and(|head| head.sha256 == self.sha256(&text)) {
            return Ok(text);
        }
        Err(Error::new(Code::Conflict, format!("{} has changed meanwhile: try again.", stored.path)))
    }

    fn check(&self, remote: &Remote, change: &Change<'_>) -> Result<Vec<Diagnostic>> {
        Ok(self.put(remote, change, "?dry_run=true")?.diagnostics)
    }

    fn store(&self, remote: &Remote, change: &Change<'_>) -> Result<Kept> {
        self.put(remote, change, "")
    }
}

impl Shelf {
    fn of(&self, one: Summary) -> Result<Stored> {
        if !is_name(&one.name) {
            let detail = format!("The server names something {:?}, which can't be a file.", one.name);
            return Err(Error::invalid("", "wrong_form", detail));
        }
        let head = Head { version: one.version, sha256: one.sha256, published: true };
        Ok(Stored {
            path: format!("{}/{}.{}", self.folder, one.name, self.extension),
            name: one.name,
            revision: head.version,
            newest: Some(head.clone()),
            head: Some(head),
            settings: Entry::default(),
        })
    }

    fn put(&self, remote: &Remote, change: &Change<'_>, query: &str) -> Result<Kept> {
        let name = parse(change.path).map_or("", |(_, _, name)| name);
        let ask = Ask::put(format!("{}/{name}{query}", self.path), (self.content)(&change.file.text)?);
        let ask = change.stored.into_iter().fold(ask, |ask, stored| ask.seen(stored.revision)).because(change.message);
        let shown: Shown = remote.ask(&ask)?.read()?;
        let Summary { sha256, version, .. } = shown.summary;
        let entry = Entry { version: Some(version), sha256: Some(sha256), ..Entry::default() };
        let diagnostics = shown.findings.into_iter().map(Found::diagnostic).collect();
        Ok(Kept { entry, revision: version, diagnostics })
    }
}

impl Found {
    fn diagnostic(self) -> Diagnostic {
        let Found { code, level, pointer, message } = self;
        let message = if pointer.is_empty() { message } else { format!("{pointer}: {message}") };
        Diagnostic { severity: level, code, ..Diagnostic::at("", Position::START, "", message) }
    }
}

/// What is wrong with a file first.
fn first(why: &Error) -> Diagnostic {
    let whole = || Diagnostic::at(why.code.as_str(), Position::START, "", &why.detail);
    told(why).into_iter().next().unwrap_or_else(whole)
}

fn read_table(text: &str) -> Result<Table> {
    let json: Value = serde_json::from_str(text).map_err(|why| {
        let detail = format!("line {}, column {}: {why}", why.line(), why.column().max(1));
        Error::invalid("", "syntax", detail)
    })?;
    Table::from_json("", &json)
}

/// Which rows differ, where the columns are the same.
fn rows(from: &str, to: &str) -> Option<Rows> {
    let found = difference(&read_table(from).ok()?, &read_table(to).ok()?);
    let json = |row: &Row| serde_json::to_string(row).unwrap_or_default();
    let all = |rows: &[Row]| rows.iter().map(json).collect::<Vec<_>>();
    let (added, removed) = (all(&found.added), all(&found.removed));
    let changed: Vec<_> = found.changed.iter().map(|(from, to)| (json(from), json(to))).collect();
    let any = !added.is_empty() || !removed.is_empty() || !changed.is_empty();
    (any && !found.columns_changed).then_some(Rows { added, removed, changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        r#"{"keys": 1, "columns": [{"name": "a", "type": "int"}, {"name": "b", "type": "text"}], "rows": ROWS}"#;

    fn table(rows: &str) -> String {
        TABLE.replace("ROWS", rows)
    }

    #[test]
    fn a_layout_is_no_change_and_a_row_is() {
        let (one, laid_out) = (table(r#"[[1, "x"]]"#), TABLES.laid_out(&table(r#"[[1, "x"]]"#)).unwrap());
        assert_ne!(one, laid_out);
        assert_eq!(TABLES.sha256(&one), TABLES.sha256(&laid_out));
        assert_ne!(TABLES.sha256(&one), TABLES.sha256(&table(r#"[[1, "y"]]"#)));
    }

    #[test]
    fn a_file_that_is_no_table_says_where() {
        for (text, line, code) in
            [("{\n  \"keys\": 1,\n}", 3, "syntax"), ("{\"keys\": 0, \"columns\": [], \"rows\": []}", 1, "out_of_range")]
        {
            let found = TABLES.laid_out(text).unwrap_err();
            assert_eq!((found.line, found.code.as_str()), (line, code), "{}", found.message);
        }
    }

    #[test]
    fn rows_are_told_where_columns_are_the_same() {
        let found = TABLES.rows(&table(r#"[[1, "x"], [2, "y"]]"#), &table(r#"[[2, "z"], [3, "y"]]"#)).unwrap();
        assert_eq!((found.added, found.removed), (vec!["[3,\"y\"]".to_owned()], vec!["[1,\"x\"]".to_owned()]));
        assert_eq!(found.changed, [("[2,\"y\"]".to_owned(), "[2,\"z\"]".to_owned())]);
        assert_eq!(TABLES.rows(&table("[]"), &table("[]").replace("\"b\"", "\"c\"")), None);
    }

    #[test]
    fn a_hostile_name_is_refused() {
        for name in ["../x", "a/b", "", "A", "a.json", "..", "a\u{0}"] {
            let one = Summary { name: name.to_owned(), sha256: String::new(), version: 1 };
            assert!(TABLES.of(one).is_err(), "{name}");
        }
    }
}
