//! The content of a lookup table on its way in and out: JSON or CSV.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    error::{Code, Error, FieldError, Result},
    http::body::JsonOrText,
    policy::{
        facts::Cell,
        store::TableRow,
        table::{Column, ColumnType, Match, Table},
    },
};

/// Content as it was sent: JSON as it is stored, or CSV with a header line.
pub(super) struct Given(JsonOrText<Value>);

impl FromRequest for Given {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let taken = JsonOrText::take(request, payload, "text/csv");
        Box::pin(async move { taken.await.map(|(content, _)| Given(content)) })
    }
}

impl Given {
    /// The content as it is stored. What CSV doesn't say is as in `old`.
    pub(super) fn content(&self, old: Option<&TableRow>, keys: Option<usize>) -> Result<Value> {
        match &self.0 {
            JsonOrText::Json(content) => Ok(content.clone()),
            JsonOrText::Text(text) => from_csv(text, old.map(TableRow::table).transpose()?.as_ref(), keys),
        }
    }
}

/// The table of a CSV text: the first line names the columns as `name`, `name:type` or `name:type:match`.
fn from_csv(text: &str, old: Option<&Table>, keys: Option<usize>) -> Result<Value> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
    let header = reader.headers().map_err(malformed)?.clone();
    let columns = header.iter().enumerate().map(|(at, cell)| column(at, cell, old)).collect::<Result<Vec<_>>>()?;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(malformed)?;
        let cells = columns.iter().zip(record.iter()).enumerate().map(|(i, (column, text))| {
            cell(column, text).ok_or_else(|| {
                let line = record.position().map_or(0, csv::Position::line);
                let detail = format!("line {line}: `{}` must be {}.", column.name, column.kind.named());
                FieldError::new(format!("/rows/{at}/{i}"), "wrong_type", detail)
            })
        });
        match cells.collect::<Result<Vec<Value>, FieldError>>() {
            Ok(cells) => rows.push(cells),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        errors.truncate(20);
        return Err(Error::invalid_all(errors));
    }
    let keys = keys.or_else(|| old.map(|t| t.head().keys)).unwrap_or(1);
    let doc = old.map(Table::doc).unwrap_or_default();
    Ok(json!({"doc": doc, "columns": columns, "keys": keys, "rows": rows}))
}

fn malformed(error: csv::Error) -> Error {
    Error::new(Code::Malformed, format!("The body is not CSV as it should be: {error}."))
}

/// `name`, `name:type` or `name:type:match`. What isn't said is as in the table before.
fn column(at: usize, cell: &str, old: Option<&Table>) -> Result<Column> {
    let mut parts = cell.splitn(3, ':').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let known = old.and_then(|t| t.head().columns.iter().find(|c| c.name == name));
    let kind = match parts.next() {
        None => known.map_or(ColumnType::Text, |c| c.kind),
        Some(kind) => word(kind, &format!("/columns/{at}/type"), "bool, int, decimal, text or time")?,
    };
    let matching = match parts.next() {
        None => known.map(|c| c.matching).unwrap_or_default(),
        Some(matching) => word(matching, &format!("/columns/{at}/match"), "matched exact, wildcard or range")?,
    };
    if name.is_empty() {
        return Err(Error::invalid(format!("/columns/{at}/name"), "required", "Each column needs a name."));
    }
    Ok(Column { name: name.to_owned(), kind, matching })
}

fn word<T: DeserializeOwned>(given: &str, pointer: &str, choices: &str) -> Result<T> {
    let wrong = |_| Error::invalid(pointer, "not_a_choice", format!("A column is {choices}, not `{given}`."));
    serde_json::from_value(given.into()).map_err(wrong)
}

/// A cell of this column. `*` and what has the dots of a range pass: the table knows where they may stand. Space around a
/// number means nothing, in a text it is part of it.
fn cell(column: &Column, text: &str) -> Option<Value> {
    let trimmed = text.trim();
    Some(match column.kind {
        ColumnType::Text => text.into(),
        _ if trimmed == "*" || (column.matching == Match::Range && trimmed.contains("..")) => trimmed.into(),
        ColumnType::Bool => trimmed.parse::<bool>().ok()?.into(),
        ColumnType::Int => trimmed.parse::<i64>().ok()?.into(),
        ColumnType::Decimal => trimmed.parse::<rust_decimal::Decimal>().ok().map(|_| trimmed.into())?,
        ColumnType::Time => trimmed.into(),
    })
}

/// The content as CSV, in the form in which [`Given::content`] reads it.
pub(super) fn write(table: &Table) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let word = |word: Value| word.as_str().unwrap_or_default().to_owned();
    let mut header = Vec::new();
    for column in table.head().columns.iter() {
        let kind = word(serde_json::to_value(column.kind).map_err(Error::internal)?);
        let matching = word(serde_json::to_value(column.matching).map_err(Error::internal)?);
        let is_default = column.matching == Match::default();
        header.push(if is_default {
            format!("{}:{kind}", column.name)
        } else {
            format!("{}:{kind}:{matching}", column.name)
        });
    }
    writer.write_record(header).map_err(Error::internal)?;
    for row in table.rows() {
        writer.write_record(row.iter().map(Cell::to_string)).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|e| Error::internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(content: &Value) -> Table {
        Table::from_json("t", content).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let content = json!({
            "doc": "d", "keys": 2,
            "columns": [
                {"name": "a", "type": "text"}, {"name": "n", "type": "int"}, {"name": "d", "type": "decimal"},
                {"name": "b", "type": "bool"},
            ],
            "rows": [["x, \"y\"", 1, "1.50", true], ["*", 2, "0.1", false], ["x", "*", "3", true]],
        });
        let old = table(&content);
        let text = String::from_utf8(write(&old).unwrap()).unwrap();
        assert!(text.starts_with("a:text,n:int,d:decimal,b:bool\n"), "{text}");
        assert_eq!(from_csv(&text, Some(&old), None).unwrap(), content);
        assert_eq!(from_csv(&text, None, Some(2)).unwrap()["rows"], content["rows"]);
    }

    #[test]
    fn types_are_those_of_the_table_before() {
        let old = table(&json!({
            "keys": 1, "columns": [{"name": "a", "type": "text"}, {"name": "n", "type": "int"}], "rows": [],
        }));
        assert_eq!(from_csv("a,n\nx,7\n", Some(&old), None).unwrap()["rows"], json!([["x", 7]]));
        assert_eq!(from_csv("a,n\nx,7\n", None, None).unwrap()["rows"], json!([["x", "7"]]));
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, pointer) in [
            ("a:txt,b\n", "/columns/0/type"),
            ("a,\n", "/columns/1/name"),
            ("a,n:int\nx,1\ny,one\n", "/rows/1/1"),
            ("a,b:bool\nx,yes\n", "/rows/0/1"),
            ("a:int:rnge,b\n", "/columns/0/match"),
        ] {
            assert_eq!(from_csv(text, None, None).unwrap_err().errors[0].pointer, pointer, "{text}");
        }
        assert_eq!(from_csv("a,b\nx\n", None, None).unwrap_err().code, Code::Malformed);
    }

    /// A column of the key with cells that fit it.
    fn any_key() -> impl Strategy<Value = (Value, BoxedStrategy<Value>)> {
        let range = |low: &'static str, high: &'static str| {
            let shapes = [format!("{low}..{high}"), format!("{low}..={high}"), format!("{low}.."), format!("..{high}")];
            prop_oneof![prop::sample::select(shapes.to_vec()), Just(low.to_owned()), Just("*".to_owned())]
                .prop_map(Value::from)
                .boxed()
        };
        let text = || ".*".prop_filter("storable", |text: &String| !text.contains('\0')).prop_map(Value::from).boxed();
        prop_oneof![
            Just((json!({"type": "int", "match": "range"}), range("-3", "12"))),
            Just((json!({"type": "decimal", "match": "range"}), range("0.10", "2.5"))),
            Just((json!({"type": "time", "match": "range"}), range("2026-01-01", "2026-02-01T08:30:00+02:00"))),
            Just((json!({"type": "text", "match": "exact"}), text())),
            Just((json!({"type": "text"}), text())),
            Just((json!({"type": "bool"}), any::<bool>().prop_map(Value::from).boxed())),
        ]
    }

    fn any_content() -> impl Strategy<Value = Value> {
        prop::collection::vec(any_key(), 1..4).prop_flat_map(|keys| {
            let (mut columns, cells): (Vec<Value>, Vec<_>) = keys.into_iter().unzip();
            columns.push(json!({"type": "text"}));
            for (n, column) in columns.iter_mut().enumerate() {
                column["name"] = format!("c{n}").into();
            }
            let rest = cells.clone().into_iter().chain([Just(json!("*, \"x\" ")).boxed()]).collect::<Vec<_>>();
            prop::collection::vec(rest, 0..6)
                .prop_map(move |rows| json!({"doc": "d", "columns": columns, "keys": columns.len() - 1, "rows": rows}))
        })
    }

    proptest! {
        #[test]
        fn any_table_is_read_as_it_was_written(content in any_content()) {
            let old = table(&content);
            let text = String::from_utf8(write(&old).unwrap()).unwrap();
            let new = table(&from_csv(&text, None, Some(old.head().keys)).unwrap());
            prop_assert_eq!((new.head(), new.rows()), (old.head(), old.rows()), "{}", text);
            let again = from_csv(&text, Some(&old), None).unwrap();
            prop_assert_eq!(&again["doc"], "d");
        }
    }
}
