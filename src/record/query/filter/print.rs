//! A [`Filter`] in its own language, with no parentheses that it doesn't need.

use std::fmt::{self, Display, Formatter, Write};

use super::{Filter, Value};

/// Reads back as the same filter. Times stand as they were resolved, so it may be longer than what was parsed.
impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Filter::And(parts) => joined(f, parts, " AND "),
            Filter::Or(parts) => joined(f, parts, " OR "),
            Filter::Not(inner) => {
                f.write_str("NOT ")?;
                grouped(f, inner, matches!(**inner, Filter::And(_) | Filter::Or(_)))
            }
            Filter::Compare { field, op, value } => write!(f, "{field} {} {value}", op.as_str()),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Text(text) | Value::Id(text) => Quoted(text).fmt(f),
            Value::Integer(number) => number.fmt(f),
            Value::Decimal(number) => number.fmt(f),
            Value::Boolean(yes) => yes.fmt(f),
            Value::Time(at) => write!(f, "\"{at}\""),
            Value::Date(day) => write!(f, "\"{day}\""),
            Value::Me => f.write_str("me"),
            Value::MyTeams => f.write_str("my_teams"),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Filter], word: &str) -> fmt::Result {
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            f.write_str(word)?;
        }
        // `AND` binds tighter, so only `OR` needs parentheses, wherever it stands in something else.
        grouped(f, part, matches!(part, Filter::Or(_)))?;
    }
    Ok(())
}

fn grouped(f: &mut Formatter<'_>, filter: &Filter, in_parentheses: bool) -> fmt::Result {
    if in_parentheses { write!(f, "({filter})") } else { filter.fmt(f) }
}

/// Text as a filter holds it.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}
