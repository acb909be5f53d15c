//! Lookup tables: typed columns, rows, and a key made of the first columns.
//!
//! Each column of the key says how it is matched ([`Match`]): by a value, by `*` for any, or by a range.
//!
//! **Invariant:** of the rows that fit a key, the most specific one answers: the one with the fewest `*`; then with the fewest
//! ranges; then the one that is more specific in the leftmost column in which they differ (a value before a range before `*`);
//! then the one with the narrower range, from the left; then the first.

mod area;
pub mod check;
pub mod diff;
pub mod impact;
mod index;
mod layout;
mod pattern;
mod span;
#[cfg(test)]
mod tests;
pub mod write;

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use self::{
    index::Index,
    span::{DOTS, Span},
};
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
    /// A point in time, as text in JSON: RFC 3339, or a day for its first moment in UTC.
    Time,
}

/// How a column of the key is matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TableColumnMatch)]
pub enum Match {
    /// By the value alone; `*` is a text like any other.
    Exact,
    /// By the value, or by `*` for any.
    #[default]
    Wildcard,
    /// By the value, by `*` for any, or by a range of whole numbers, decimals or times: `10..20` is from 10 to before 20,
    /// `10..=20` with the 20, `10..` from 10 on, `..20` before 20.
    Range,
}

impl Match {
    fn is_default(&self) -> bool {
        *self == Match::default()
    }
}

impl ColumnType {
    /// The cell as this type, where it fits.
    fn read(self, cell: Cell) -> Option<Cell> {
        match (self, cell) {
            (ColumnType::Decimal, Cell::Text(text)) => text.parse().ok().map(Cell::Decimal),
            (ColumnType::Decimal, Cell::Int(whole)) => Some(Cell::Decimal(Decimal::from(whole))),
            (ColumnType::Time, Cell::Text(text)) => span::moment(&text).map(Cell::Time),
            (ColumnType::Time, cell @ Cell::Time(_))
            | (ColumnType::Bool, cell @ Cell::Bool(_))
            | (ColumnType::Int, cell @ Cell::Int(_))
            | (ColumnType::Decimal, cell @ Cell::Decimal(_))
            | (ColumnType::Text, cell @ Cell::Text(_)) => Some(cell),
            (_, Cell::Bool(_) | Cell::Int(_) | Cell::Text(_) | Cell::Decimal(_) | Cell::Time(_)) => None,
        }
    }
    /// How a sentence names it.
    pub fn named(self) -> &'static str {
        match self {
            ColumnType::Bool => "true or false",
            ColumnType::Int => "a whole number",
            ColumnType::Decimal => "a decimal number",
            ColumnType::Text => "text",
            ColumnType::Time => "a time",
        }
    }
    /// The same without its article.
    fn plain(self) -> &'static str {
        self.named().trim_start_matches("a ")
    }
    /// Whether its values have an order that ranges can go by.
    fn has_order(self) -> bool {
        matches!(self, ColumnType::Int | ColumnType::Decimal | ColumnType::Time)
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
    /// How it is matched; for columns of the key alone.
    #[serde(rename = "match", default, skip_serializing_if = "Match::is_default")]
    #[schema(required = false)]
    pub matching: Match,
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
    /// The columns of the key.
    pub fn key(&self) -> &[Column] {
        &self.columns[..self.keys]
    }
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
    index: Arc<Index>,
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

impl Table {
    /// A table of these rows. What else is wrong with it, [`check::findings`] tells.
    ///
    /// # Errors
    /// No columns, a key of no or too many columns, a column named twice or matched in a way that its type has not, a cell of
    /// the wrong type.
    pub fn new(name: &str, head: Head, rows: Vec<Vec<Cell>>) -> Result<Table> {
        check_head(&head)?;
        let rows =
            rows.into_iter().enumerate().map(|(at, row)| read_row(&head, at, row)).collect::<Result<Vec<Row>>>()?;
        let index = Arc::new(Index::new(&head, &rows));
        Ok(Table { name: name.to_owned(), doc: String::new(), head: Arc::new(head), rows, index })
    }

    /// A table that gives each key the row that it was given once, and has no other: what a decision knew of a table.
    ///
    /// # Errors
    /// As for [`Table::new`].
    pub fn of_answers(name: &str, head: Head, answers: Vec<(Vec<Cell>, Vec<Cell>)>) -> Result<Table> {
        let (keys, rows): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        let table = Table::new(name, head, rows)?;
        let read = |key| table.read_key(key).map_err(|why| Error::invalid("/rows", "wrong_type", format!("{why}.")));
        let keys = keys.into_iter().map(read).collect::<Result<_>>()?;
        Ok(Table { index: Arc::new(Index::of_answers(keys)), ..table })
    }

    /// From its JSON form: `{"columns": [{"name", "type", "match"}], "keys": 1, "rows": [[…]]}`.
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

    /// The row that answers a key.
    pub fn find(&self, key: &[Cell]) -> Option<&Row> {
        self.index.find(key).and_then(|at| self.rows.get(at))
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
        check_match(at, column, at < head.keys)?;
    }
    Ok(())
}

fn check_match(at: usize, column: &Column, in_key: bool) -> Result<()> {
    let (name, given) = (&column.name, column.kind.plain());
    let detail = match column.matching {
        Match::Range if !column.kind.has_order() => format!("`{name}` is {given}, of which there are no ranges."),
        Match::Exact | Match::Range if !in_key => format!("`{name}` is not in the key, so nothing is matched by it."),
        Match::Exact | Match::Wildcard | Match::Range => return Ok(()),
    };
    Err(Error::invalid(format!("/columns/{at}/match"), "not_a_choice", detail))
}

fn read_row(head: &Head, at: usize, row: Vec<Cell>) -> Result<Row> {
    if row.len() != head.columns.len() {
        let detail = format!("The row has {} cells, the table {} columns.", row.len(), head.columns.len());
        return Err(Error::invalid(format!("/rows/{at}"), "wrong_length", detail));
    }
    let read = |(i, (column, cell)): (usize, (&Column, Cell))| {
        let read = if i < head.keys { read_key_cell(column, cell) } else { column.kind.read(cell).ok_or(None) };
        read.map_err(|why| {
            let plain = || format!("`{}` must be {}.", column.name, column.kind.named());
            let (code, detail) = why.map_or_else(|| ("wrong_type", plain()), |why| ("wrong_range", format!("{why}.")));
            Error::invalid(format!("/rows/{at}/{i}"), code, detail)
        })
    };
    head.columns.iter().zip(row).enumerate().map(read).collect()
}

/// A cell of the key, in the one way in which it is kept. What is wrong with it is said where it is a range.
fn read_key_cell(column: &Column, cell: Cell) -> Result<Cell, Option<String>> {
    match &cell {
        Cell::Text(text) if column.matching != Match::Exact && text.as_str() == ANY => Ok(cell),
        Cell::Text(text) if column.matching == Match::Range && text.contains(DOTS) => {
            let (_, one_way) = Span::parse(column.kind, text).map_err(Some)?;
            Ok(Cell::Text(one_way.into()))
        }
        Cell::Text(text) if column.matching == Match::Range && column.kind == ColumnType::Int => {
            text.trim().parse().map(Cell::Int).map_err(|_| None)
        }
        Cell::Text(_) | Cell::Bool(_) | Cell::Int(_) | Cell::Decimal(_) | Cell::Time(_) => {
            column.kind.read(cell).ok_or(None)
        }
    }
}

impl Serialize for Table {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let rows = self.rows.iter().map(|r| r.to_vec()).collect();
        let (doc, columns) = (self.doc.clone(), Arc::clone(&self.head.columns));
        Written { doc, columns, keys: self.head.keys, rows }.serialize(s)
    }
}
