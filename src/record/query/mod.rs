//! What a caller may ask of a list: which records, in which order, which page, which fields.
//!
//! Owns the languages of `filter=`, `field=value`, `sort=`, `cursor=`, `limit=`, `fields=` and `expand=`, and gives typed
//! trees. Refuses to know databases, HTTP and the record types: what exists is handed in as a catalogue of names.
//!
//! **Invariant:** input of any size and shape ends in a value or in an error that names the parameter, the position
//! (characters, from 1) and where one is near, the name that was meant; never in a panic or a deep recursion.

pub mod cursor;
pub mod fields;
pub mod filter;
pub mod limit;
pub mod sort;

use crate::error::{Code, Error, FieldError, did_you_mean};

/// The longest parameter of a query, in bytes.
pub const MAX_BYTES: usize = 4096;

/// One thing wrong with a parameter.
#[derive(Debug)]
struct Fault {
    /// The character where it begins, from 1.
    at: usize,
    code: &'static str,
    /// A sentence without its full stop.
    detail: String,
}

impl Fault {
    fn new(at: usize, code: &'static str, detail: impl Into<String>) -> Self {
        Fault { at, code, detail: detail.into() }
    }

    /// A name that is in no catalogue.
    fn unknown<'a>(at: usize, what: &str, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Fault::new(at, "unknown_field", format!("there is no {what} `{}`{}", shown(given), suggestion(given, known)))
    }

    /// The problem that the caller sees, for the parameter `name`.
    fn of_parameter(self, name: &str) -> Error {
        let stop = if self.detail.ends_with(['?', '.']) { "" } else { "." };
        let detail = format!("Position {}: {}{stop}", self.at, self.detail);
        Error::new(Code::BadQuery, detail.clone()).with_errors(vec![FieldError::new(name, self.code, detail)])
    }
}

/// Refuses a parameter that is too long, before anything looks at its content, and one that no database would take.
fn check_text(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault::new(1, "too_long", format!("{} bytes are more than the {MAX_BYTES} allowed", text.len())));
    }
    match text.chars().position(|c| c == '\0') {
        Some(before) => Err(Fault::new(before + 1, "syntax", "the character U+0000 is not allowed")),
        None => Ok(()),
    }
}

/// The names of a comma-separated list, trimmed, each with its position; an empty name is an error.
fn names(text: &str) -> Result<Vec<(usize, &str)>, Fault> {
    check_text(text)?;
    let mut at = 1;
    let mut found = Vec::new();
    for part in text.split(',') {
        let blank = part.chars().take_while(|c| c.is_whitespace()).count();
        let name = part.trim();
        if name.is_empty() {
            return Err(Fault::new(at, "syntax", "a name is missing here"));
        }
        found.push((at + blank, name));
        at += part.chars().count() + 1;
    }
    Ok(found)
}

/// What was given, short enough for a sentence.
fn shown(given: &str) -> String {
    const LONGEST: usize = 40;
    match given.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &given[..cut]),
        None => given.to_owned(),
    }
}

/// [`did_you_mean`], but not for input so long that comparing it would be work for nothing.
fn suggestion<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const LONGEST: usize = 80;
    if given.len() > LONGEST { String::new() } else { did_you_mean(given, known) }
}

/// What a test needs to see of an error: the parameter, the reason and the sentence.
#[cfg(test)]
fn seen(error: &Error) -> (Code, &str, &str, &str) {
    let [only] = error.errors.as_slice() else { panic!("one place expected: {error:?}") };
    (error.code, &only.pointer, &only.code, &only.detail)
}
