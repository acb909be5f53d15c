//! What is different between two versions of a table.

use std::collections::{HashMap, VecDeque};

use super::{Cell, Row, Table};

/// What is different, row by row. The order of rows means nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Whether columns or key are others. Where the columns of the key are, every row is another.
    pub columns_changed: bool,
    /// Rows whose key is only in the later version.
    pub added: Vec<Row>,
    /// Rows whose key is only in the earlier version.
    pub removed: Vec<Row>,
    /// Rows of one key, as they were and as they are.
    pub changed: Vec<(Row, Row)>,
}

/// From one version to another.
pub fn difference(from: &Table, to: &Table) -> Difference {
    let mut found = Difference { columns_changed: from.head() != to.head(), ..Difference::default() };
    if from.head().key() != to.head().key() {
        (found.removed, found.added) = (from.rows().to_vec(), to.rows().to_vec());
        return found;
    }
    let keys = from.head().keys;
    let mut before: HashMap<&[Cell], VecDeque<&Row>> = HashMap::new();
    for row in from.rows() {
        before.entry(&row[..keys]).or_default().push_back(row);
    }
    for row in to.rows() {
        match before.get_mut(&row[..keys]).and_then(VecDeque::pop_front) {
            None => found.added.push(row.clone()),
            Some(old) if old != row => found.changed.push((old.clone(), row.clone())),
            Some(_) => (),
        }
    }
    // In the order in which they stood.
    let mut gone = |row: &&Row| before.get_mut(&row[..keys]).and_then(VecDeque::pop_front).is_some();
    found.removed = from.rows().iter().filter(|row| gone(row)).cloned().collect();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn table(columns: &Json, rows: &Json) -> Table {
        Table::from_json("t", &json!({"columns": columns, "keys": 1, "rows": rows})).unwrap()
    }

    #[test]
    fn rows_are_told_apart_by_their_keys() {
        let columns = json!([{"name": "age", "type": "int", "match": "range"}, {"name": "team", "type": "text"}]);
        let from = table(&columns, &json!([["..5", "a"], ["5..9", "b"], ["9..", "c"], ["*", "d"]]));
        let to = table(&columns, &json!([["*", "d"], ["9..", "x"], ["..5", "a"], ["5..8", "b"]]));
        let told = serde_json::to_value(difference(&from, &to).changed).unwrap();
        assert_eq!(told, json!([[["9..", "c"], ["9..", "x"]]]));
        let told = |rows: &[Row]| serde_json::to_value(rows).unwrap();
        let found = difference(&from, &to);
        assert_eq!((told(&found.added), told(&found.removed)), (json!([["5..8", "b"]]), json!([["5..9", "b"]])));
        assert!(!found.columns_changed);
        assert_eq!(difference(&from, &from), Difference::default());
    }

    #[test]
    fn another_key_makes_all_rows_others() {
        let from = table(&json!([{"name": "a", "type": "text"}, {"name": "t", "type": "text"}]), &json!([["x", "y"]]));
        let to = table(&json!([{"name": "b", "type": "text"}, {"name": "t", "type": "text"}]), &json!([["x", "y"]]));
        let found = difference(&from, &to);
        assert_eq!((found.columns_changed, found.added.len(), found.removed.len()), (true, 1, 1));
    }
}
