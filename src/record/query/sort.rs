//! `sort=-priority,opened_at`: the order of a list.
//!
//! **Invariant:** no two records are equal in an order: a tie is broken by id, in the direction of the last key, so that an index
//! on `(key, id)` serves both directions.

use std::fmt;

use super::{Fault, names};
use crate::error::Result;

/// Keys in one order at most.
pub const MAX_KEYS: usize = 3;

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// The name of the field, as the catalogue has it.
    pub field: String,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.field)
    }
}

/// The keys of an order, the first deciding first. `-` turns a key round.
///
/// # Errors
/// `bad_query` for a name that is not in `sortable`, one named twice, none, or more than [`MAX_KEYS`].
pub fn parse(text: &str, sortable: &[&str]) -> Result<Vec<SortKey>> {
    keys(text, sortable).map_err(|fault| fault.of_parameter("sort"))
}

/// Whether ids descend where all keys are equal: as the last key does.
pub fn id_descends(keys: &[SortKey]) -> bool {
    keys.last().is_some_and(|key| key.descending)
}

fn keys(text: &str, sortable: &[&str]) -> Result<Vec<SortKey>, Fault> {
    let mut keys: Vec<SortKey> = Vec::new();
    for (at, name) in names(text)? {
        let field = name.strip_prefix('-').unwrap_or(name);
        if !sortable.contains(&field) {
            return Err(Fault::unknown(at, "sortable field", field, sortable.iter().copied()));
        }
        if keys.iter().any(|key| key.field == field) {
            return Err(Fault::new(at, "duplicate", format!("`{field}` is a key already")));
        }
        if keys.len() == MAX_KEYS {
            return Err(Fault::new(at, "too_many", format!("an order has {MAX_KEYS} keys at most")));
        }
        keys.push(SortKey { field: field.to_owned(), descending: field.len() < name.len() });
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Code, record::query::seen};

    const SORTABLE: &[&str] = &["priority", "opened_at", "number", "custom.cost"];

    #[test]
    fn reads_keys_and_the_direction_of_a_tie() {
        let cases = [
            ("priority", vec![("priority", false)], false),
            ("-priority", vec![("priority", true)], true),
            ("-priority,opened_at", vec![("priority", true), ("opened_at", false)], false),
            (" number , -custom.cost ", vec![("number", false), ("custom.cost", true)], true),
            ("number,priority,-opened_at", vec![("number", false), ("priority", false), ("opened_at", true)], true),
        ];
        for (text, expected, id_down) in cases {
            let keys = parse(text, SORTABLE).unwrap();
            let got: Vec<_> = keys.iter().map(|k| (k.field.as_str(), k.descending)).collect();
            assert_eq!((got, id_descends(&keys)), (expected, id_down), "{text}");
            let printed = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            assert_eq!(parse(&printed, SORTABLE).unwrap(), keys);
        }
    }

    #[test]
    fn says_where_an_order_is_wrong() {
        let long = "x".repeat(5000);
        let cases = [
            ("", "syntax", "Position 1: a name is missing here."),
            ("priority,", "syntax", "Position 10: a name is missing here."),
            (
                "priority, prioritty",
                "unknown_field",
                "Position 11: there is no sortable field `prioritty`; did you mean `priority`?",
            ),
            (
                "--priority",
                "unknown_field",
                "Position 1: there is no sortable field `-priority`; did you mean `priority`?",
            ),
            ("-", "unknown_field", "Position 1: there is no sortable field ``."),
            ("priority,-priority", "duplicate", "Position 10: `priority` is a key already."),
            ("priority,number,opened_at,custom.cost", "too_many", "Position 27: an order has 3 keys at most."),
            (&long, "too_long", "Position 1: 5000 bytes are more than the 4096 allowed."),
            ("pri\0", "syntax", "Position 4: the character U+0000 is not allowed."),
        ];
        for (text, code, detail) in cases {
            assert_eq!(seen(&parse(text, SORTABLE).unwrap_err()), (Code::BadQuery, "sort", code, detail), "{text}");
        }
    }
}
