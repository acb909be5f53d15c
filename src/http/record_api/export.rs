//! Lists as files: every record that fits, or as many as were asked for, as CSV or as a line of JSON each, read and sent page by page.

use std::collections::VecDeque;

use actix_web::{HttpRequest, HttpResponse, http::header, web::Bytes};
use futures_util::{Stream, stream};
use serde_json::{Map, Value};

use super::{practice_of, read::View};
use crate::{
    error::{Code, Error, Result},
    http::{accept, desk::Call, shutdown::Shutdown},
    record::{
        custom,
        document::Document,
        header::Header,
        kind::{HEADER, Kind},
        list::{Asked, List, render_headers},
        query::{fields, limit},
    },
};

/// Comma-separated values (RFC 4180).
pub(super) const CSV: &str = "text/csv";
/// A line of JSON for each record.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// Records that are held at once.
const AT_ONCE: i64 = 500;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Lines,
}

impl Format {
    /// The file that the caller wants instead of a page.
    pub fn wanted(request: &HttpRequest) -> Option<Self> {
        match accept::choose(request, &["application/json", CSV, NDJSON]) {
            Some(CSV) => Some(Format::Csv),
            Some(NDJSON) => Some(Format::Lines),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Lines => NDJSON,
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Lines => "ndjson",
        }
    }
}

/// An export on its way out.
struct Export {
    call: Call,
    kind: Option<&'static Kind>,
    asked: Asked,
    view: View,
    format: Format,
    columns: Vec<String>,
    shutdown: Option<Shutdown>,
    last: Option<Header>,
    /// How many records may still come.
    left: i64,
    /// What is sent before the next page is read.
    ready: VecDeque<Bytes>,
    ended: bool,
}

/// The list as a file: all of it, or as much as `limit` says.
pub(super) async fn respond(
    kind: Option<&'static Kind>,
    call: Call,
    request: &HttpRequest,
    asked: Asked,
    view: View,
    format: Format,
) -> Result<HttpResponse> {
    if asked.cursor.is_some() {
        return Err(Error::new(Code::BadCursor, "A file begins at the beginning: leave `cursor` out."));
    }
    let left = limit::asked(asked.limit.as_deref())?.map_or(i64::MAX, i64::from);
    let columns = match kind {
        Some(kind) => {
            let custom = call.read(|reading| custom::fields_of(reading.connection, kind.name)).await?;
            columns(kind, &custom.into_iter().map(|f| f.name).collect::<Vec<_>>())
        }
        None => HEADER.iter().map(|f| f.name.to_owned()).filter(|name| name != "custom").collect(),
    };
    let columns = match &view.fields {
        None => columns,
        Some(wanted) => picked(columns, wanted),
    };
    let heading = if format == Format::Csv { Some(line(columns.iter().map(|c| c.clone().into()))?) } else { None };
    let mut export = Export {
        call,
        kind,
        asked,
        view,
        format,
        columns,
        shutdown: request.app_data::<Shutdown>().cloned(),
        last: None,
        left,
        ready: heading.into_iter().collect(),
        ended: false,
    };
    // The first page is read before the answer begins, so that a query that is not understood is told as one.
    export.read_on().await?;
    let name = kind.map_or("records", |k| k.plural);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, format.media_type()))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{}\"", format.extension())))
        .streaming(export.stream()))
}

impl Export {
    /// A page at a time. An error breaks the answer off, so that half a file does not look like a whole one.
    fn stream(self) -> impl Stream<Item = Result<Bytes>> {
        stream::unfold(self, |mut export| async move {
            if let Some(bytes) = export.ready.pop_front() {
                return Some((Ok(bytes), export));
            }
            if export.ended {
                return None;
            }
            match export.read_on().await {
                Ok(()) => export.ready.pop_front().map(|bytes| (Ok(bytes), export)),
                Err(e) => {
                    export.ended = true;
                    Some((Err(e), export))
                }
            }
        })
    }

    async fn read_on(&mut self) -> Result<()> {
        if self.shutdown.as_ref().is_some_and(Shutdown::has_begun) {
            return Err(Error::new(Code::Unavailable, "The server is stopping."));
        }
        let (kind, asked, view, last) = (self.kind, self.asked.clone(), self.view.clone(), self.last.take());
        let picked = self.view.fields.clone();
        let wanted = AT_ONCE.min(self.left);
        let (records, last) = self
            .call
            .read(move |reading| {
                let cause = reading.cause;
                let list = List::new(reading.kernel, reading.connection, &cause.caller, kind, &asked, cause.at)?;
                let headers = list.following(reading.connection, last.as_ref(), wanted)?;
                let last = headers.last().cloned();
                let mut records: Vec<Document> = match kind {
                    Some(kind) => {
                        let texts = practice_of(reading.kernel, kind)?.texts(reading.connection, &headers)?;
                        texts.into_iter().map(Document::from).collect()
                    }
                    None => render_headers(reading.kernel, &headers)?,
                };
                view.apply(reading, &mut records)?;
                Ok((records, last))
            })
            .await?;
        self.left -= records.len() as i64;
        self.ended = (records.len() as i64) < AT_ONCE || self.left == 0;
        self.last = last;
        let mut page = Vec::new();
        for record in records {
            match self.format {
                Format::Csv => {
                    let record = Value::Object(record.object(picked.as_ref())?);
                    page.extend_from_slice(&line(self.columns.iter().map(|c| cell(&record, c)))?);
                }
                Format::Lines => {
                    record.write(picked.as_ref(), &mut page)?;
                    page.push(b'\n');
                }
            }
        }
        if !page.is_empty() {
            self.ready.push_back(page.into());
        }
        Ok(())
    }
}

/// The columns of a kind: its fields, and each custom field by itself.
fn columns(kind: &Kind, custom: &[String]) -> Vec<String> {
    let fields = kind.all_fields().map(|f| f.name.to_owned()).filter(|name| name != "custom");
    fields.chain(custom.iter().map(|name| format!("custom.{name}"))).collect()
}

/// The columns that `fields=` leaves.
fn picked(columns: Vec<String>, wanted: &fields::Fields) -> Vec<String> {
    let mut all = Map::new();
    let mut custom = Map::new();
    for column in &columns {
        match column.strip_prefix("custom.") {
            Some(name) => custom.insert(name.to_owned(), true.into()),
            None => all.insert(column.clone(), true.into()),
        };
    }
    all.insert("custom".to_owned(), Value::Object(custom));
    let left = fields::pick(&Value::Object(all), wanted);
    columns.into_iter().filter(|column| cell(&left, column) == Value::Bool(true)).collect()
}

fn cell(record: &Value, column: &str) -> Value {
    let found = match column.strip_prefix("custom.") {
        Some(name) => record.get("custom").and_then(|custom| custom.get(name)),
        None => record.get(column),
    };
    found.cloned().unwrap_or_default()
}

/// A line of CSV. What a spreadsheet would take for a formula is led by an apostrophe.
pub(in crate::http) fn line(cells: impl Iterator<Item = Value>) -> Result<Bytes> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells.map(|cell| as_text(&cell))).map_err(Error::internal)?;
    writer.into_inner().map(Bytes::from).map_err(|e| Error::internal(e.to_string()))
}

fn as_text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(text) => harmless(text.clone()),
        Value::Array(items) => harmless(items.iter().map(as_text).collect::<Vec<_>>().join("; ")),
        Value::Object(object) => harmless(Value::Object(Map::clone(object)).to_string()),
    }
}

fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_disarmed() {
        let cases = [
            (json!(["plain", 1, -2, null, true]), "plain,1,-2,,true\r\n"),
            (json!(["a,b", "say \"x\"", "two\nlines"]), "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n"),
            (json!(["=1+1", "+1", "-1", "@x", "\tx"]), "'=1+1,'+1,'-1,'@x,'\tx\r\n"),
            (json!([["a", "=b"], {"k": 1}]), "a; '=b,\"{\"\"k\"\":1}\"\r\n"),
        ];
        for (cells, expected) in cases {
            let cells = cells.as_array().unwrap().iter().cloned();
            assert_eq!(String::from_utf8(line(cells).unwrap().to_vec()).unwrap(), expected);
        }
    }

    #[test]
    fn a_custom_field_is_a_column() {
        let record = json!({"title": "x", "custom": {"floor": 3}});
        assert_eq!((cell(&record, "custom.floor"), cell(&record, "custom.none")), (json!(3), Value::Null));
    }
}
