//! The content of a lookup table on its way in and out: JSON or CSV.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    web::{self, Bytes},
};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::{
    config,
    error::{Code, Error, FieldError, Result},
    http::body::{self, BodyLimits},
    policy::{
        facts::Cell,
        store::TableRow,
        table::{Column, ColumnType, Table},
    },
};

/// Content as it was sent.
pub(super) enum Given {
    /// As it is stored.
    Json(Value),
    /// Text with a header line.
    Csv(String),
}

impl FromRequest for Given {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = request.mime_type().ok().flatten().map(|m| m.essence_str().to_owned());
        let limits = request.app_data().copied().unwrap_or_else(|| BodyLimits::from(&config::Server::default()));
        let arriving = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let late = |_| Error::new(Code::RequestTimeout, "The body did not arrive in time.");
            let bytes = tokio::time::timeout(limits.deadline, arriving).await.map_err(late)??;
            Ok(read(media_type.as_deref(), &bytes)?)
        })
    }
}

fn read(media_type: Option<&str>, bytes: &Bytes) -> Result<Given> {
    match media_type {
        Some("application/json") => body::parse(bytes).map(Given::Json),
        Some("text/csv") => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => {
                Ok(Given::Csv(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()))
            }
            Ok(_) | Err(_) => Err(Error::new(Code::Malformed, "The body must be text in UTF-8 without U+0000.")),
        },
        _ => Err(Error::new(Code::UnsupportedMediaType, "The body must be `application/json` or `text/csv`.")),
    }
}

impl Given {
    /// The content as it is stored. What CSV doesn't say is as in `old`.
    pub(super) fn content(&self, old: Option<&TableRow>, keys: Option<usize>) -> Result<Value> {
        match self {
            Given::Json(content) => Ok(content.clone()),
            Given::Csv(text) => from_csv(text, old.map(TableRow::table).transpose()?.as_ref(), keys),
        }
    }
}

fn from_csv(text: &str, old: Option<&Table>, keys: Option<usize>) -> Result<Value> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(malformed)?.clone();
    let columns = header.iter().enumerate().map(|(at, cell)| column(at, cell, old)).collect::<Result<Vec<_>>>()?;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(malformed)?;
        let cells = columns.iter().zip(record.iter()).enumerate().map(|(i, (column, text))| {
            cell(column.kind, text).ok_or_else(|| {
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

/// `name` or `name:type`.
fn column(at: usize, cell: &str, old: Option<&Table>) -> Result<Column> {
    let (name, kind) = cell.split_once(':').map_or((cell, None), |(name, kind)| (name.trim(), Some(kind.trim())));
    let known = || old.and_then(|t| t.head().columns.iter().find(|c| c.name == name)).map(|c| c.kind);
    let kind = match kind {
        None => known().unwrap_or(ColumnType::Text),
        Some(kind) => serde_json::from_value(kind.into()).map_err(|_| {
            let detail = format!("A column is bool, int, decimal or text, not `{kind}`.");
            Error::invalid(format!("/columns/{at}/type"), "not_a_choice", detail)
        })?,
    };
    if name.is_empty() {
        return Err(Error::invalid(format!("/columns/{at}/name"), "required", "Each column needs a name."));
    }
    Ok(Column { name: name.to_owned(), kind })
}

/// A cell of this type; `*` passes, for only the table knows where it may stand.
fn cell(kind: ColumnType, text: &str) -> Option<Value> {
    Some(match kind {
        _ if text == "*" => text.into(),
        ColumnType::Bool => text.parse::<bool>().ok()?.into(),
        ColumnType::Int => text.parse::<i64>().ok()?.into(),
        ColumnType::Decimal => text.parse::<rust_decimal::Decimal>().ok().map(|_| text.into())?,
        ColumnType::Text => text.into(),
    })
}

/// The content as CSV, in the form in which [`Given::content`] reads it.
pub(super) fn write(table: &Table) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = Vec::new();
    for column in table.head().columns.iter() {
        let kind = serde_json::to_value(column.kind).map_err(Error::internal)?;
        header.push(format!("{}:{}", column.name, kind.as_str().unwrap_or_default()));
    }
    writer.write_record(header).map_err(Error::internal)?;
    for row in table.rows() {
        writer.write_record(row.iter().map(shown)).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|e| Error::internal(e.to_string()))
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Bool(b) => b.to_string(),
        Cell::Int(n) => n.to_string(),
        Cell::Decimal(d) => d.to_string(),
        Cell::Text(t) => t.to_string(),
    }
}

#[cfg(test)]
mod tests {
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
        ] {
            assert_eq!(from_csv(text, None, None).unwrap_err().errors[0].pointer, pointer, "{text}");
        }
        assert_eq!(from_csv("a,b\nx\n", None, None).unwrap_err().code, Code::Malformed);
    }
}
