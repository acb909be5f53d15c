//! `filter=`: which records are in a list.
//!
//! The language is close to AIP-160, with the precedence of SQL: `NOT` binds tighter than `AND`, `AND` tighter than `OR`
//! (in AIP-160 `OR` is the tighter one, which nobody expects).
//!
//! ```text
//! filter     = any
//! any        = all { "OR" all }
//! all        = one { "AND" one }
//! one        = "NOT" one | "(" any ")" | comparison
//! comparison = path ( "=" | "!=" | "<" | "<=" | ">" | ">=" | ":" ) value
//! path       = word of letters, digits and "_", in parts joined by "."
//! value      = word | "quoted" | 'quoted' | "now()" [ ( "-" | "+" ) number ( "m" | "h" | "d" | "w" ) ]
//! ```
//!
//! A bare word is read as its field's type wants it: `null`, `true`, `2`, `2.5`, `me`, `my_teams`, a choice, a time, a day, a text. A
//! quoted value is a text, a choice, a time, a day or the id or name of a reference, never a keyword. In quotes, `\` stands before `"`, `'` and `\`.
//!
//! **Invariant:** a [`Filter`] from here is within the limits and every value in it has its field's type, so that who compiles
//! it meets no surprise. `And` never stands directly in `And`, nor `Or` in `Or`, and both have two parts at least.

mod lexer;
mod parser;
mod print;
mod simple;
#[cfg(test)]
mod tests;
mod value;

use chrono::NaiveDate;
use rust_decimal::Decimal;

pub use self::{print::Quoted, simple::simple};
use super::{Fault, check_text};
use crate::{clock::Moment, error::Result};

/// Comparisons in one filter at most.
pub const MAX_TERMS: usize = 100;
/// Parentheses and `NOT`s around one comparison at most.
pub const MAX_DEPTH: usize = 20;

/// What may be asked about: the fields of one list.
pub trait Fields {
    /// The type of the field with this dotted path.
    fn find(&self, path: &str) -> Option<FieldType>;
    /// Every path, for suggestions.
    fn names(&self) -> Vec<String>;
}

/// What a field holds, and so what it may be compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Any text. `:` finds a part of it, whatever the case of the letters A to Z.
    Text,
    /// A whole number.
    Integer,
    /// An exact decimal number.
    Decimal,
    /// Yes or no.
    Boolean,
    /// A point in time.
    Time,
    /// A day of the calendar.
    Date,
    /// One of these.
    Choice(Vec<String>),
    /// A reference to a person.
    User,
    /// A reference to a team.
    Team,
    /// A reference to an organisation.
    Organisation,
    /// A reference to a record.
    Record,
    /// A set of texts. `:` asks whether one is in it; `= null` whether it is empty.
    Tags,
}

/// A condition on a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of these hold.
    And(Vec<Filter>),
    /// One of these holds.
    Or(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// A field compares with a value.
    Compare {
        /// The field's path, one that [`Fields::find`] knows.
        field: String,
        /// How.
        op: Op,
        /// With what; of the field's type.
        value: Value,
    },
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `:`, of a text that contains the value, of tags that have it.
    Has,
}

impl Op {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Less => "<",
            Op::LessOrEqual => "<=",
            Op::Greater => ">",
            Op::GreaterOrEqual => ">=",
            Op::Has => ":",
        }
    }
}

/// What a field is compared with, in the field's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the field is empty. Only with `=` and `!=`, of any type.
    Null,
    /// Of a text, a choice (one that exists), a tag, or the name or number of what a reference points to.
    Text(String),
    /// Of a whole number.
    Integer(i64),
    /// Of a decimal number.
    Decimal(Decimal),
    /// Of yes or no.
    Boolean(bool),
    /// Of a point in time, in the years 1 to 9999.
    Time(Moment),
    /// Of a day, in the years 1 to 9999.
    Date(NaiveDate),
    /// Of a reference: a UUID in its canonical form.
    Id(String),
    /// Of a reference to a person: the caller.
    Me,
    /// Of a reference to a team: any of the caller's.
    MyTeams,
}

/// Reads a filter. `now` is what `now()` stands for.
///
/// # Errors
/// `bad_query` with one place, `filter`, whose code is `too_long`, `too_deep`, `too_many_terms`, `syntax`, `unknown_field`,
/// `wrong_operator`, `wrong_type` or `not_a_choice`.
pub fn parse(text: &str, fields: &dyn Fields, now: Moment) -> Result<Filter> {
    read(text, fields, now).map_err(|fault| fault.of_parameter("filter"))
}

fn read(text: &str, fields: &dyn Fields, now: Moment) -> Result<Filter, Fault> {
    check_text(text)?;
    let end = text.trim_end().chars().count() + 1;
    parser::filter(lexer::tokens(text)?, end, fields, now)
}

/// One filter that asks for all of `filters`, or nothing when there are none.
///
/// # Errors
/// `bad_query` when together they have more than [`MAX_TERMS`] comparisons.
pub fn all(filters: Vec<Filter>) -> Result<Option<Filter>> {
    let terms = filters.iter().map(Filter::terms).sum::<usize>();
    if terms > MAX_TERMS {
        return Err(too_many_terms(1).of_parameter("filter"));
    }
    Ok(if filters.is_empty() { None } else { Some(Filter::and(filters)) })
}

impl Filter {
    /// That a field compares with a value. The field is one that the list knows, and the value of its type.
    pub fn compare(field: &str, op: Op, value: Value) -> Filter {
        Filter::Compare { field: field.to_owned(), op, value }
    }

    /// As text that is read as the same filter.
    ///
    /// # Errors
    /// `bad_query` when it is too long or too deep to be read, as one is that just could be and more was added to.
    pub fn written(&self) -> Result<String> {
        let text = self.to_string();
        let fault = check_text(&text).err().or_else(|| (self.depth() > MAX_DEPTH).then(|| too_deep(1)));
        fault.map_or(Ok(text), |fault| Err(fault.of_parameter("filter")))
    }

    /// How many parentheses and `NOT`s are around a comparison of it at most, as it is written.
    fn depth(&self) -> usize {
        // Only `OR` needs parentheses, wherever it stands in something else.
        let within = |part: &Filter| part.depth() + usize::from(matches!(part, Filter::Or(_)));
        match self {
            Filter::And(parts) | Filter::Or(parts) => parts.iter().map(within).max().unwrap_or_default(),
            Filter::Not(inner) => 1 + inner.depth() + usize::from(matches!(**inner, Filter::And(_) | Filter::Or(_))),
            Filter::Compare { .. } => 0,
        }
    }

    /// How many comparisons there are in it.
    pub fn terms(&self) -> usize {
        match self {
            Filter::And(parts) | Filter::Or(parts) => parts.iter().map(Filter::terms).sum(),
            Filter::Not(inner) => inner.terms(),
            Filter::Compare { .. } => 1,
        }
    }

    /// All of `parts`; one alone stays as it is.
    fn and(parts: Vec<Filter>) -> Filter {
        let flat = parts.into_iter().flat_map(|part| if let Filter::And(inner) = part { inner } else { vec![part] });
        one_or(flat.collect(), Filter::And)
    }

    /// Any of `parts`; one alone stays as it is.
    fn or(parts: Vec<Filter>) -> Filter {
        let flat = parts.into_iter().flat_map(|part| if let Filter::Or(inner) = part { inner } else { vec![part] });
        one_or(flat.collect(), Filter::Or)
    }
}

fn one_or(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

fn too_deep(at: usize) -> Fault {
    Fault::new(at, "too_deep", format!("parentheses and `NOT` nest {MAX_DEPTH} deep at most"))
}

fn too_many_terms(at: usize) -> Fault {
    Fault::new(at, "too_many_terms", format!("a filter has {MAX_TERMS} comparisons at most"))
}
