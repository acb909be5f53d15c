//! Lookup tables: typed columns, rows, and a key made of the first columns.
//!
//! **Invariant:** of the rows that fit a key, the one with the fewest wildcards answers; among equals the first.

use std::{collections::HashMap, sync::Arc};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::facts::{Cell, suggest};
use crate::error::{Error, Result};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// An exact number, as text in JSON.
    Decimal,
    /// Text.
    Text,
}

impl ColumnType {
    /// The cell as this type, where it fits.
    fn read(self, cell: Cell) -> Option<Cell> {
        match (self, cell) {
            (ColumnType::Decimal, Cell::Text(text)) => text.parse().ok().map(Cell::Decimal),
            (ColumnType::Decimal, Cell::Int(whole)) => Some(Cell::Decimal(Decimal::from(whole))),
            (ColumnType::Bool, cell @ Cell::Bool(_))
            | (ColumnType::Int, cell @ Cell::Int(_))
            | (ColumnType::Decimal, cell @ Cell::Decimal(_))
            | (ColumnType::Text, cell @ Cell::Text(_)) => Some(cell),
            (_, Cell::Bool(_) | Cell::Int(_) | Cell::Text(_) | Cell::Decimal(_)) => None,
        }
    }
    /// How a sentence names it.
    pub fn named(self) -> &'static str {
        match self {
            ColumnType::Bool => "true or false",
            ColumnType::Int => "a whole number",
            ColumnType::Decimal => "a decimal number",
            ColumnType::Text => "text",
        }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name, by which scripts read it.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

/// The head of a table: enough to know what its rows mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The columns.
    pub columns: Arc<[Column]>,
    /// How many of the first columns are the key.
    pub keys: usize,
}

impl Head {
    /// Where a column stands.
    pub fn index_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }
    /// The sentence for a column that isn't there.
    pub fn unknown_column(&self, table: &str, column: &str) -> String {
        format!("table `{table}` has no column `{column}`{}", suggest(column, self.columns.iter().map(|c| &c.name)))
    }
}

/// One row, shared.
pub type Row = Arc<[Cell]>;

/// A lookup table.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    doc: String,
    head: Arc<Head>,
    rows: Vec<Row>,
    /// Rows without a wildcard, by key.
    exact: HashMap<Vec<Cell>, usize>,
    /// Rows with one, those with the fewest first.
    patterns: Vec<usize>,
}

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    doc: String,
    columns: Arc<[Column]>,
    keys: usize,
    rows: Vec<Vec<Cell>>,
}

const ANY: &str = "*";

fn is_any(cell: &Cell) -> bool {
    matches!(cell, Cell::Text(text) if text.as_str() == ANY)
}

/// Whether a key's part fits a cell of a row. Ranges, when they come, are read here.
fn fits(pattern: &Cell, key: &Cell) -> bool {
    is_any(pattern) || pattern == key
}

impl Table {
    /// A table of checked rows.
    ///
    /// # Errors
    /// No columns, a key of no or too many columns, a column named twice, a cell of the wrong type, a key twice.
    pub fn new(name: &str, head: Head, rows: Vec<Vec<Cell>>) -> Result<Table> {
        check_head(&head)?;
        let rows =
            rows.into_iter().enumerate().map(|(at, row)| read_row(&head, at, row)).collect::<Result<Vec<Row>>>()?;
        let mut table = Table {
            name: name.to_owned(),
            doc: String::new(),
            head: Arc::new(head),
            rows,
            exact: HashMap::new(),
            patterns: Vec::new(),
        };
        table.index()?;
        Ok(table)
    }

    fn index(&mut self) -> Result<()> {
        for (at, row) in self.rows.iter().enumerate() {
            let key = &row[..self.head.keys];
            if key.iter().any(is_any) {
                self.patterns.push(at);
            } else if self.exact.insert(key.to_vec(), at).is_some() {
                return Err(Error::invalid(format!("/rows/{at}"), "duplicate", "This key is in the table already."));
            }
        }
        let (rows, keys) = (&self.rows, self.head.keys);
        self.patterns.sort_by_key(|&at| rows[at][..keys].iter().filter(|c| is_any(c)).count());
        Ok(())
    }

    /// From its JSON form: `{"columns": [{"name", "type"}], "keys": 1, "rows": [[…]]}`.
    ///
    /// # Errors
    /// As for [`Table::new`], and JSON of another shape.
    pub fn from_json(name: &str, json: &Json) -> Result<Table> {
        let written =
            Written::deserialize(json).map_err(|e| Error::invalid("", "wrong_type", format!("Not a table: {e}.")))?;
        let table = Table::new(name, Head { columns: written.columns, keys: written.keys }, written.rows)?;
        Ok(Table { doc: written.doc, ..table })
    }

    /// Its JSON form.
    pub fn to_json(&self) -> Json {
        serde_json::json!({"doc": self.doc, "columns": self.head.columns, "keys": self.head.keys, "rows": self.rows})
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// What it says of itself.
    pub fn doc(&self) -> &str {
        &self.doc
    }
    /// Columns and key.
    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }
    /// The rows, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row that fits the key best.
    pub fn find(&self, key: &[Cell]) -> Option<&Row> {
        if let Some(&at) = self.exact.get(key) {
            return self.rows.get(at);
        }
        let fitting = |at: &&usize| {
            let pattern = &self.rows[**at][..self.head.keys];
            pattern.len() == key.len() && pattern.iter().zip(key).all(|(p, k)| fits(p, k))
        };
        self.patterns.iter().find(fitting).and_then(|&at| self.rows.get(at))
    }

    /// The key with each part as its column's type; the sentence says what is wrong with it.
    ///
    /// # Errors
    /// Too many or too few parts, or one of another type.
    pub fn read_key(&self, key: Vec<Cell>) -> Result<Vec<Cell>, String> {
        if key.len() != self.head.keys {
            let (name, wanted, given) = (&self.name, self.head.keys, key.len());
            return Err(format!("table `{name}` is looked up by {wanted} value(s), {given} given"));
        }
        let read = |(column, cell): (&Column, Cell)| {
            let sentence = || format!("column `{}` of table `{}` is {}", column.name, self.name, column.kind.named());
            column.kind.read(cell).ok_or_else(sentence)
        };
        self.head.columns.iter().zip(key).map(read).collect()
    }
}

fn check_head(head: &Head) -> Result<()> {
    if head.keys == 0 || head.keys >= head.columns.len() {
        let detail = "The key must be at least one column and leave at least one.";
        return Err(Error::invalid("/keys", "out_of_range", detail));
    }
    for (at, column) in head.columns.iter().enumerate() {
        if head.index_of(&column.name) != Some(at) {
            let detail = format!("The column `{}` is there twice.", column.name);
            return Err(Error::invalid(format!("/columns/{at}"), "duplicate", detail));
        }
    }
    Ok(())
}

fn read_row(head: &Head, at: usize, row: Vec<Cell>) -> Result<Row> {
    if row.len() != head.columns.len() {
        let detail = format!("The row has {} cells, the table {} columns.", row.len(), head.columns.len());
        return Err(Error::invalid(format!("/rows/{at}"), "wrong_length", detail));
    }
    let read = |(i, (column, cell)): (usize, (&Column, Cell))| {
        if i < head.keys && is_any(&cell) {
            return Ok(cell);
        }
        column.kind.read(cell).ok_or_else(|| {
            let detail = format!("`{}` must be {}.", column.name, column.kind.named());
            Error::invalid(format!("/rows/{at}/{i}"), "wrong_type", detail)
        })
    };
    head.columns.iter().zip(row).enumerate().map(read).collect()
}

impl Serialize for Table {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let rows = self.rows.iter().map(|r| r.to_vec()).collect();
        let (doc, columns) = (self.doc.clone(), Arc::clone(&self.head.columns));
        Written { doc, columns, keys: self.head.keys, rows }.serialize(s)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn columns() -> Json {
        json!([{"name": "category", "type": "text"}, {"name": "level", "type": "int"}, {"name": "team", "type": "text"}])
    }

    #[test]
    fn the_row_with_the_fewest_wildcards_answers() {
        let rows = json!([["*", "*", "desk"], ["mail", "*", "mail"], ["mail", 1, "mail-gold"], ["*", 1, "gold"]]);
        let table = Table::from_json("t", &json!({"columns": columns(), "keys": 2, "rows": rows})).unwrap();
        for (category, level, team) in
            [("mail", 1, "mail-gold"), ("mail", 2, "mail"), ("x", 1, "gold"), ("x", 2, "desk")]
        {
            let key = [Cell::Text(category.into()), Cell::Int(level)];
            assert_eq!(table.find(&key).unwrap()[2], Cell::Text(team.into()), "{category} {level}");
        }
        let again = Table::from_json("t", &serde_json::to_value(&table).unwrap()).unwrap();
        assert_eq!(again.rows(), table.rows());
    }

    #[test]
    fn mistakes_in_a_table_are_named() {
        for (keys, rows, pointer) in [
            (0, json!([]), "/keys"),
            (3, json!([]), "/keys"),
            (1, json!([["a", 1, "t"], ["a", 2, "t"]]), "/rows/1"),
            (1, json!([["a", "1", "t"]]), "/rows/0/1"),
            (1, json!([["a", "*", "t"]]), "/rows/0/1"),
            (1, json!([["a", 1]]), "/rows/0"),
        ] {
            let error = Table::from_json("t", &json!({"columns": columns(), "keys": keys, "rows": rows})).unwrap_err();
            assert_eq!(error.errors[0].pointer, pointer, "{rows}");
        }
    }
}
