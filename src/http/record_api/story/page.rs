//! A story as a page to be read.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use super::{Story, StoryChapter};
use crate::record::{history::FieldChange, kind::Kind, story::StoryRecord};

/// The page; `kinds` are those of the records of the chapters.
pub(super) fn markdown(story: &Story, kinds: &[&'static Kind]) -> String {
    let mut page = String::new();
    for (n, record) in story.records.iter().enumerate() {
        let StoryRecord { number, title, state, kind, .. } = record;
        let title = escaped(title);
        // Writing to a text does not fail.
        let _ = match n {
            0 => writeln!(page, "# {number}: {title}\n\nIt is {}.\n", words(state)),
            _ => writeln!(page, "* {number}, {} linked with it: {title} ({})", words(kind), words(state)),
        };
    }
    page.push_str("\n## What happened\n\n");
    for (chapter, kind) in story.chapters.iter().zip(kinds) {
        chapter.tell(&mut page, kind, &story.names);
    }
    if !story.complete {
        page.push_str("\nThere is more than is told here.\n");
    }
    page
}

impl StoryChapter {
    fn tell(&self, page: &mut String, kind: &Kind, names: &BTreeMap<String, String>) {
        let done = self.action.rsplit('.').next().unwrap_or(&self.action);
        let by = self.by.as_ref().map(|person| format!(" by {}", escaped(&person.display_name))).unwrap_or_default();
        let via = if self.via == "api" { String::new() } else { format!(" ({})", escaped(&self.via)) };
        let _ = writeln!(page, "* {}, {}: {}{by}{via}", self.at, self.number, words(done));
        if !self.reason.is_empty() {
            let _ = writeln!(page, "  * Why: {}", escaped(&self.reason));
        }
        for FieldChange { field, from, to } in self.changes.iter().filter(|change| is_worth_telling(change)) {
            let was = if from.is_null() { String::new() } else { format!("{} → ", plain(from, names)) };
            let called = kind.field(field).map_or_else(|| words(field), |field| escaped(field.label));
            let _ = writeln!(page, "  * {called}: {was}{}", plain(to, names));
        }
        if let Some(history) = &self.whole_in {
            let _ =
                writeln!(page, "  * There is more of this than is told here: version {} in {history}", self.version);
        }
        for decision in &self.decisions {
            let _ = writeln!(page, "  * Decided: {}", escaped(&decision.sentence));
        }
    }
}

/// What people follow: not what every record has from the beginning, nor what the line above says.
fn is_worth_telling(change: &FieldChange) -> bool {
    let from_the_beginning =
        ["id", "kind", "number", "phase", "tags", "custom", "opened_at", "opened_by_id", "organisation_id"];
    let is_first = change.from.is_null() && from_the_beginning.contains(&change.field.as_str());
    let says_nothing = |value: &Value| value.is_null() || value == "" || value == 0;
    !(is_first || says_nothing(&change.from) && says_nothing(&change.to))
}

/// `fix_in_progress` as people write it.
fn words(name: &str) -> String {
    escaped(&name.replace('_', " "))
}

/// A value on one line: words of the server's as people write them, ids by the names of what they lead to, and what has parts by its parts.
fn plain(value: &Value, names: &BTreeMap<String, String>) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => match names.get(text) {
            Some(name) => escaped(name),
            None if text.chars().all(|c| c.is_ascii_lowercase() || c == '_') => words(text),
            None => escaped(text),
        },
        Value::Object(members) => match (members.get("relation"), members.get("record_id")) {
            (Some(relation), Some(Value::String(id))) => {
                let other = names.get(id).map_or_else(|| "another record".to_owned(), |name| escaped(name));
                format!("{} {other}", plain(relation, names))
            }
            _ => members.iter().filter_map(|(name, value)| part(name, value, names)).collect::<Vec<_>>().join(", "),
        },
        Value::Array(items) if items.is_empty() => "nothing".to_owned(),
        Value::Array(items) => items.iter().map(|item| plain(item, names)).collect::<Vec<_>>().join("; "),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A part of a value; ids that nobody knows by a name are left out.
fn part(name: &str, value: &Value, names: &BTreeMap<String, String>) -> Option<String> {
    let is_id = name == "id" || name.ends_with("_id");
    let is_named = value.as_str().is_some_and(|id| names.contains_key(id));
    if value.is_null() || value == "" || is_id && !is_named {
        return None;
    }
    let said = plain(value, names);
    Some(if value.is_object() { said } else { format!("{} {said}", words(name.strip_suffix("_id").unwrap_or(name))) })
}

/// Text on one line, in which nothing is taken for a mark of the page.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => safe.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' => safe.extend(['\\', c]),
            _ => safe.push(c),
        }
    }
    safe
}
