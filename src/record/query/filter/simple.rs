//! `state=new,in_progress`: the plain form for one field.

use super::{
    Fault, Fields, Filter, MAX_TERMS, Op, check_text,
    lexer::quoted,
    too_many_terms,
    value::{self, Raw},
};
use crate::{error::Result, record::query::shown};

/// Reads a pair of the query string, `name=value`: the field equals one of the values between the commas; of tags, it has one of them.
/// Values are the bare and quoted ones of the filter language, except that without quotes only a comma ends them.
///
/// # Errors
/// `bad_query` with one place, the parameter `name`; the codes are those of [`parse`](super::parse).
pub fn simple(name: &str, value: &str, fields: &dyn Fields) -> Result<Filter> {
    pair(name, value, fields).map_err(|fault| fault.of_parameter(&shown(name)))
}

fn pair(name: &str, value: &str, fields: &dyn Fields) -> Result<Filter, Fault> {
    let Some(field_type) = fields.find(name) else {
        let names = fields.names();
        return Err(Fault::unknown(1, "field", name, names.iter().map(String::as_str)));
    };
    check_text(value)?;
    let mut parts = Vec::new();
    for (at, raw) in values(value)? {
        let is_null = matches!(&raw, Raw::Bare(word) if word == "null");
        let op = if matches!(field_type, super::FieldType::Tags) && !is_null { Op::Has } else { Op::Equal };
        let value = value::resolve(name, &field_type, op, raw).map_err(|wrong| wrong.at(at))?;
        parts.push(Filter::Compare { field: name.to_owned(), op, value });
        if parts.len() > MAX_TERMS {
            return Err(too_many_terms(at));
        }
    }
    Ok(Filter::or(parts))
}

/// The values between the commas, each with its place.
fn values(text: &str) -> Result<Vec<(usize, Raw)>, Fault> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut next = 0;
    loop {
        next = after_blanks(&chars, next);
        let (raw, end) = item(&chars, next)?;
        found.push((next + 1, raw));
        next = after_blanks(&chars, end);
        match chars.get(next) {
            None => return Ok(found),
            Some(',') => next += 1,
            Some(_) => return Err(Fault::new(next + 1, "syntax", "expected a comma after the closing quote")),
        }
    }
}

fn item(chars: &[char], start: usize) -> Result<(Raw, usize), Fault> {
    if matches!(chars.get(start), Some('"')) {
        return quoted(chars, start).map(|(text, end)| (Raw::Quoted(text), end));
    }
    let word: String = chars.iter().skip(start).take_while(|c| **c != ',').collect();
    let end = start + word.chars().count();
    let word = word.trim_end();
    if word.is_empty() {
        return Err(Fault::new(start + 1, "syntax", "a value is missing here; for none, write `null`"));
    }
    Ok((Raw::Bare(word.to_owned()), end))
}

fn after_blanks(chars: &[char], start: usize) -> usize {
    start + chars.iter().skip(start).take_while(|c| c.is_whitespace()).count()
}
