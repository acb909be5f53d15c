//! Reading an event log: one row per stored change of an incident, as ServiceNow's incident table exports it.
//!
//! Owns: the columns, their forms, and what is wrong with a row. Knows nothing of records.
//!
//! **Invariant:** every row of the file becomes an event of a story or a [`BadRow`] with its line and the reason; none is
//! dropped silently, and none ends the reading.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use chrono::NaiveDateTime;
use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;
use serde::Serialize;

use super::story::{self, Story};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
};

/// A word of the log; the same word is kept once.
pub type Text = Arc<str>;

/// An event log, read and put in order.
#[derive(Debug, Default)]
pub struct Log {
    /// What happened to each incident, in the order of the file.
    pub stories: Vec<Story>,
    /// Rows with something wrong.
    pub bad: Vec<BadRow>,
    /// How many rows the file has.
    pub rows: u64,
}

/// A row with something wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// The line in the file; the header is line 1.
    pub line: u64,
    /// The incident, where the row names one.
    pub number: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// Whether it was replayed all the same, because what is wrong leaves no doubt about what happened.
    pub replayed: bool,
}

/// The state of an incident as the log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// New
    New,
    /// Active
    Active,
    /// Awaiting …, with the reason for holding that it becomes here.
    Awaiting(&'static str),
    /// Resolved
    Resolved,
    /// Closed
    Closed,
}

impl State {
    /// Evidence is asked of whoever reported the incident, so waiting for it is waiting for the caller.
    fn of(name: &str) -> Option<State> {
        Some(match name {
            "New" => State::New,
            "Active" => State::Active,
            "Awaiting User Info" | "Awaiting Evidence" => State::Awaiting("caller"),
            "Awaiting Problem" => State::Awaiting("problem"),
            "Awaiting Vendor" => State::Awaiting("supplier"),
            "Resolved" => State::Resolved,
            "Closed" => State::Closed,
            _ => return None,
        })
    }

    /// The state and the reason for holding of an incident here.
    pub fn here(self) -> (&'static str, Option<&'static str>) {
        match self {
            State::New => ("new", None),
            State::Active => ("in_progress", None),
            State::Awaiting(reason) => ("on_hold", Some(reason)),
            State::Resolved => ("resolved", None),
            State::Closed => ("closed", None),
        }
    }
}

/// A row that can be read. Columns that a replay must not believe before their time (`resolved_at`, `resolved_by`,
/// `closed_at` are back-filled onto the first row) are not read at all; `closed_code` is, for the row of the resolution.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of the log")]
pub struct Row {
    pub line: u64,
    pub number: Text,
    pub state: State,
    pub reassignment_count: i32,
    pub reopen_count: i32,
    pub mod_count: i64,
    pub caller: Option<Text>,
    pub opened_by: Option<Text>,
    pub opened_at: Moment,
    pub updated_by: Option<Text>,
    pub updated_at: Moment,
    pub channel: &'static str,
    pub location: Option<Text>,
    pub category: Option<Text>,
    pub subcategory: Option<Text>,
    pub symptom: Option<Text>,
    pub item: Option<Text>,
    pub impact: i32,
    pub urgency: i32,
    pub priority: i32,
    pub group: Option<Text>,
    pub assignee: Option<Text>,
    pub problem: bool,
    pub closed_code: Option<Text>,
}

macro_rules! columns {
    ($($field:ident = $name:literal),+ $(,)?) => {
        /// Where the columns stand; their order is free.
        struct Columns { $($field: usize),+ }
        impl Columns {
            fn all(&self) -> impl Iterator<Item = usize> {
                [$(self.$field),+].into_iter()
            }
            fn find(header: &StringRecord) -> Result<Columns> {
                let mut missing = Vec::new();
                let mut place = |name: &'static str| {
                    header.iter().position(|h| h.trim().trim_start_matches('\u{feff}') == name).unwrap_or_else(|| {
                        missing.push(name);
                        0
                    })
                };
                let columns = Columns { $($field: place($name)),+ };
                if missing.is_empty() { return Ok(columns) }
                let detail = format!("The header of the log lacks: {}.", missing.join(", "));
                Err(Error::new(Code::Malformed, detail))
            }
        }
    };
}

columns! {
    number = "number", state = "incident_state", reassignment_count = "reassignment_count",
    reopen_count = "reopen_count", mod_count = "sys_mod_count", caller = "caller_id", opened_by = "opened_by",
    opened_at = "opened_at", updated_by = "sys_updated_by", updated_at = "sys_updated_at",
    channel = "contact_type", location = "location", category = "category", subcategory = "subcategory",
    symptom = "u_symptom", item = "cmdb_ci", impact = "impact", urgency = "urgency", priority = "priority",
    group = "assignment_group", assignee = "assigned_to", problem = "problem_id", closed_code = "closed_code",
}

/// What stands for nothing.
const NULL: &str = "?";
/// The most characters of a cell that is a name: as many as an incident and a user can hold.
const LONGEST: usize = 100;

impl Log {
    /// Reads a file, compressed with gzip or not.
    ///
    /// # Errors
    /// The file can't be opened or read to its end, or its header lacks a column. What is wrong with a row is no error.
    pub fn read(path: &Path) -> Result<Log> {
        let file = File::open(path).map_err(|e| unreadable(format!("{} can't be opened: {e}.", path.display())))?;
        let mut file = BufReader::new(file);
        let gzip = file.fill_buf().is_ok_and(|start| start.starts_with(&[0x1f, 0x8b]));
        if gzip { Log::parse(MultiGzDecoder::new(file)) } else { Log::parse(file) }
    }

    /// Reads the text of a log.
    ///
    /// # Errors
    /// As for [`Log::read`].
    pub fn parse(text: impl Read) -> Result<Log> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
        let header = reader.headers().map_err(|e| unreadable(format!("The header can't be read: {e}.")))?.clone();
        let columns = Columns::find(&header)?;
        let mut words = Words::default();
        let mut bad = Vec::new();
        let (mut good, mut rows) = (Vec::new(), 0);
        let mut record = csv::ByteRecord::new();
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) => rows += 1,
                Err(e) => return Err(unreadable(format!("The log can't be read after row {rows}: {e}."))),
            }
            let line = record.position().map_or(0, csv::Position::line);
            match read_row(&columns, header.len(), line, &record, &mut words) {
                Ok(row) => good.push(row),
                Err((number, reason)) => bad.push(BadRow { line, number, reason, replayed: false }),
            }
        }
        let stories = story::tell(good, &mut bad);
        bad.sort_by_key(|row| row.line);
        Ok(Log { stories, bad, rows })
    }
}

fn unreadable(detail: String) -> Error {
    Error::new(Code::Malformed, detail)
}

#[derive(Default)]
struct Words(HashSet<Text>);

impl Words {
    /// The word with single spaces, or nothing where the log has none.
    fn keep(&mut self, word: &str) -> Option<Text> {
        let word = word.split_whitespace().collect::<Vec<_>>().join(" ");
        if word.is_empty() || word == NULL {
            return None;
        }
        if let Some(kept) = self.0.get(word.as_str()) {
            return Some(Arc::clone(kept));
        }
        let kept: Text = word.into();
        self.0.insert(Arc::clone(&kept));
        Some(kept)
    }
}

/// The row, or the incident that it names and what is wrong with it.
fn read_row(
    columns: &Columns,
    width: usize,
    line: u64,
    record: &csv::ByteRecord,
    words: &mut Words,
) -> std::result::Result<Row, (Option<String>, String)> {
    let Ok(record) = StringRecord::from_byte_record(record.clone()) else {
        return Err((None, "it is not text in UTF-8".to_owned()));
    };
    if record.len() != width {
        let number = record.get(columns.number).map(str::to_owned);
        return Err((number, format!("it has {} columns and the header {width}", record.len())));
    }
    let cell = |at: usize| record.get(at).unwrap_or_default().trim();
    let Some(number) = words.keep(cell(columns.number)) else {
        return Err((None, "it names no incident".to_owned()));
    };
    let told = |reason: String| (Some(number.to_string()), reason);
    let unfit = |cell: &&str| cell.chars().count() > LONGEST || cell.chars().any(char::is_control);
    if let Some(cell) = columns.all().map(cell).find(unfit) {
        let start: String = cell.chars().filter(|c| !c.is_control()).take(20).collect();
        return Err(told(format!("`{start}…` is no line of at most {LONGEST} characters")));
    }
    let date = |name, at| read_date(cell(at)).ok_or_else(|| told(format!("{name} is no date: `{}`", cell(at))));
    let whole = |name, at| read_count(cell(at)).ok_or_else(|| told(format!("{name} is no count: `{}`", cell(at))));
    let level = |name, at, most| {
        let read = read_level(cell(at)).filter(|level| (1..=most).contains(level));
        read.ok_or_else(|| told(format!("{name} is no level from 1 to {most}: `{}`", cell(at))))
    };
    let state = State::of(cell(columns.state))
        .ok_or_else(|| told(format!("incident_state is not known: `{}`", cell(columns.state))))?;
    Ok(Row {
        line,
        state,
        reassignment_count: whole("reassignment_count", columns.reassignment_count)?,
        reopen_count: whole("reopen_count", columns.reopen_count)?,
        mod_count: whole("sys_mod_count", columns.mod_count)?.into(),
        opened_at: date("opened_at", columns.opened_at)?,
        updated_at: date("sys_updated_at", columns.updated_at)?,
        impact: level("impact", columns.impact, 3)?,
        urgency: level("urgency", columns.urgency, 3)?,
        priority: level("priority", columns.priority, 5)?,
        channel: channel(cell(columns.channel)),
        problem: words.keep(cell(columns.problem)).is_some(),
        caller: words.keep(cell(columns.caller)),
        opened_by: words.keep(cell(columns.opened_by)),
        updated_by: words.keep(cell(columns.updated_by)),
        location: words.keep(cell(columns.location)),
        category: words.keep(cell(columns.category)),
        subcategory: words.keep(cell(columns.subcategory)),
        symptom: words.keep(cell(columns.symptom)),
        item: words.keep(cell(columns.item)),
        group: words.keep(cell(columns.group)),
        assignee: words.keep(cell(columns.assignee)),
        closed_code: words.keep(cell(columns.closed_code)),
        number,
    })
}

/// `29/2/2016 01:16`, in UTC.
fn read_date(text: &str) -> Option<Moment> {
    NaiveDateTime::parse_from_str(text, "%d/%m/%Y %H:%M").ok().map(Moment::from_utc)
}

fn read_count(text: &str) -> Option<i32> {
    text.parse().ok().filter(|n| *n >= 0)
}

/// `2 - Medium` and plain `2`.
fn read_level(text: &str) -> Option<i32> {
    text.split_once(" - ").map_or(text, |(level, _)| level).trim().parse().ok()
}

fn channel(name: &str) -> &'static str {
    match name {
        "Phone" => "phone",
        "Email" => "mail",
        "Self service" | "Self-service" => "portal",
        "Chat" => "chat",
        "Walk-in" => "walk_in",
        "Event" | "Monitoring" => "alert",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_or_refused() {
        let date = |text| read_date(text).map(|at| at.to_string());
        for (text, read) in [
            ("29/2/2016 01:16", Some("2016-02-29T01:16:00Z")),
            ("3/12/2016 23:59", Some("2016-12-03T23:59:00Z")),
            ("30/2/2016 01:16", None),
            ("2016-02-29 01:16", None),
            ("?", None),
        ] {
            assert_eq!(date(text).as_deref(), read, "{text}");
        }
        for (text, read) in [("2 - Medium", Some(2)), ("1", Some(1)), ("High", None), ("?", None)] {
            assert_eq!(read_level(text), read, "{text}");
        }
        for (text, read) in [("0", Some(0)), ("-1", None), ("1.5", None)] {
            assert_eq!(read_count(text), read, "{text}");
        }
    }

    #[test]
    fn a_log_without_a_column_is_refused() {
        let error = Log::parse("number,opened_at\n".as_bytes()).unwrap_err();
        assert!(error.detail.contains("incident_state") && !error.detail.contains("opened_at"), "{error}");
    }
}
