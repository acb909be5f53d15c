//! Lookup tables: read and write.
//!
//! **Invariant:** nothing is worked out about a table while a connection is held.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde_json::{Value, json};

use super::{
    Bench, Studio, check_name,
    declare::table_name,
    may_replace,
    tables_csv::{self, Given},
    tables_shape::{LookupTable, LookupTableInFull, LookupTableList, TableContent},
};
use crate::{
    error::{Code, Error, Result},
    http::{
        accept,
        desk::{self, Call, Reply},
        endpoint::{Access, Answer, Content, Endpoint, file_body, in_query, whole_number},
        entity_tag::{etag, is_known},
        mount::Api,
        parameter::{dry_run, if_match, reason},
        schema,
    },
    policy::{
        store::TableRow,
        table::{check::Finding, write::Examined},
    },
    record::store::Desk,
};

/// The media types that a table can be read in.
const OFFERED: &[&str] = &["application/json", "text/csv"];

pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_tables).mount(get(), get_table).mount(put(), put_table);
}

pub(super) fn content() -> Value {
    json!({
        "doc": "Who is on duty at an hour of the day in UTC", "keys": 2,
        "columns": [
            {"name": "site", "type": "text"}, {"name": "hour", "type": "int", "match": "range"},
            {"name": "team", "type": "text"},
        ],
        "rows": [["north", "8..17", "north-desk"], ["north", "17..20", "duty"], ["*", "0..24", "service-desk"]],
    })
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "name": "duty_teams",
        "description": "Who is on duty at an hour of the day in UTC",
        "sha256": "9f2b1c0e8d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c", "version": 2,
        "created_at": "2026-03-02T08:15:00Z", "updated_at": "2026-03-05T16:40:00Z",
    })
}

pub(super) fn in_full() -> Value {
    let mut example = example();
    example["content"] = content();
    example["findings"] = json!([{
        "code": "test_failed", "level": "warning", "pointer": "",
        "message": "policy routing_on_duty v2, line 31, column 5: test_evening: expected the text \"duty\", got service-desk; its next version can't be published before that test is changed.",
    }]);
    example
}

fn csv() -> Content {
    Content::of(
        "text/csv",
        schema::inline(file_body()),
        "site:text,hour:int:range,team:text\nnorth,8..17,north-desk\nnorth,17..20,duty\n*,0..24,service-desk\n".into(),
    )
}

fn summary(row: &TableRow) -> LookupTable {
    LookupTable {
        id: row.id,
        name: row.name.clone(),
        description: row.description.clone(),
        sha256: row.sha256.clone(),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// A table as it is shown, with what its author should know.
fn body(row: &TableRow, findings: &[Finding]) -> Result<Value> {
    let whole = LookupTableInFull { table: summary(row), content: row.content.read()?, findings: findings.to_vec() };
    serde_json::to_value(whole).map_err(Error::internal)
}

/// An endpoint of this chapter, to be completed.
pub(super) fn endpoint(method: Method, path: &'static str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        method,
        path: path.into(),
        id: id.into(),
        tag: "LookupTable".into(),
        access: Access::Permission(permission.into()),
        summary: "".into(),
        description: "".into(),
        parameters: vec![table_name()],
        request: None,
        responses: Vec::new(),
        problems: vec![Code::NotFound],
    }
}

fn list() -> Endpoint {
    Endpoint {
        summary: "List lookup tables".into(),
        description: "All of them by name, without their content.".into(),
        parameters: Vec::new(),
        responses: vec![Answer::json(
            200,
            "The tables.",
            schema::schema::<LookupTableList>(),
            json!({"items": [example()]}),
        )],
        problems: Vec::new(),
        ..endpoint(Method::GET, "/api/v1/lookup-tables", "list_lookup_tables", "lookup_table.read")
    }
}

async fn list_tables(call: Call) -> Result<HttpResponse> {
    let rows = call.read(|reading| TableRow::all(reading.connection)).await?;
    Ok(HttpResponse::Ok().json(LookupTableList { items: rows.iter().map(summary).collect() }))
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Read a lookup table".into(),
        description: "With its content and what its author should know of it in `findings`; as `text/csv`, the content alone, in the form in which it can be written again. With `If-None-Match`, 304 when you have this version already.".into(),
        responses: vec![
            Answer::json(200, "The table.", schema::schema::<LookupTableInFull>(), in_full())
                .or(csv())
                .header("ETag", "Its version, for `If-Match`."),
            Answer::empty(304, "You have this version already."),
        ],
        ..endpoint(Method::GET, "/api/v1/lookup-tables/{name}", "get_lookup_table", "lookup_table.read")
    }
}

async fn get_table(
    call: Call,
    studio: web::Data<Studio>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let row = call.read(move |reading| find(TableRow::find(reading.connection, &name)?)).await?;
    let tag = (header::ETAG, etag(row.version));
    if is_known(&request, row.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    let as_csv = accept::choose(&request, OFFERED) == Some("text/csv");
    // Apart from what answers requests, and without a connection: to look through a long table takes a while.
    let known = studio.findings.clone();
    let shown = studio.runner.run_async(move || match as_csv {
        true => tables_csv::write(&row.table()?).map(Shown::Csv),
        false => body(&row, &known.of(&row)?).map(Shown::Json),
    });
    let mut answer = HttpResponse::Ok();
    answer.insert_header(tag);
    Ok(match shown.await?? {
        Shown::Csv(text) => answer.content_type("text/csv; charset=utf-8").body(text),
        Shown::Json(body) => answer.json(body),
    })
}

/// A table on its way out.
enum Shown {
    Json(Value),
    Csv(Vec<u8>),
}

pub(super) fn find(found: Option<TableRow>) -> Result<TableRow> {
    found.ok_or_else(|| Error::not_found("lookup table"))
}

const PUT: &str = "The whole content, as JSON or as `text/csv`; at most 10,000 rows and 1 MiB. In CSV the first line names the columns, \
each with its type behind a colon if it is not text (`priority:int`), and with how it is matched behind another \
(`hour:int:range`); for a column that the table has, both are known. The content before is kept as a version. It is \
live at once. `If-Match` is needed for a table that is there.\n\n\
Of the rows that fit a key, the most specific one answers: the one with the fewest `*`; then with the fewest ranges; \
then the one that is more specific in the leftmost column in which they differ (a value before a range before `*`); \
then the one with the narrower range. A table with two rows of which neither is more specific for some key \
(`overlap`, `duplicate`; `too_tangled` where there are too many ranges to see) is refused, and so is one that would \
break a policy that is live: which, and at which line and column, is in `errors`. What is only worth a look is in \
`findings`: keys that nothing answers (`gap`), a row that never does (`never_answers`), no rows (`empty`), too many \
ranges to look for these (`not_checked`), a test of a policy that expects what the table said before \
(`test_failed`).";

fn put() -> Endpoint {
    let json = Content::json(schema::schema::<TableContent>(), content());
    let changed = |status, text: &'static str| {
        Answer::json(status, text, schema::schema::<LookupTableInFull>(), in_full())
            .header("ETag", "Its version, for `If-Match`.")
    };
    Endpoint {
        summary: "Make or replace a lookup table".into(),
        description: PUT.into(),
        parameters: vec![
            table_name(),
            in_query(
                "keys",
                "For CSV: how many of the first columns are the key; as before, or 1, if not given.",
                whole_number(),
                1,
            ),
            if_match(false),
            dry_run(),
            reason(),
        ],
        request: Some(json.or(csv())),
        responses: vec![
            changed(200, "It was replaced."),
            changed(201, "It was made.").header("Location", "Where it is."),
        ],
        problems: vec![Code::Invalid, Code::PreconditionRequired],
        ..endpoint(Method::PUT, "/api/v1/lookup-tables/{name}", "put_lookup_table", "lookup_table.write")
    }
}

async fn put_table(
    call: Call,
    studio: web::Data<Studio>,
    name: web::Path<String>,
    given: Given,
    request: HttpRequest,
) -> Result<HttpResponse> {
    check_name(&name)?;
    let keys = desk::number(&request, "keys")?;
    let (name, asked) = (name.into_inner(), call.clone());
    let examined = studio
        .run(&call, move |bench| {
            let old = bench.database.read_here(|connection| TableRow::find(connection, &name))?;
            may_replace(&asked, old.as_ref().map(|row| row.version))?;
            let content = given.content(old.as_ref(), keys)?;
            bench.examined(&name, old.as_ref(), &content)
        })
        .await?;
    let asked = call.clone();
    let answer = call
        .write(&Value::Null, move |desk| {
            let name = examined.name();
            let old = TableRow::find(desk.unit.connection()?, name)?;
            may_replace(&asked, old.as_ref().map(|row| row.version))?;
            let action = if old.is_some() { "updated" } else { "created" };
            let reply = saved(&examined, desk, old.as_ref(), action)?;
            Ok(match old {
                Some(_) => reply,
                None => Reply { status: 201, location: Some(format!("/api/v1/lookup-tables/{name}")), ..reply },
            })
        })
        .await?;
    studio.policies.expire();
    Ok(answer)
}

impl Bench {
    /// Looks at a table before it is written.
    pub(super) fn examined(&self, name: &str, old: Option<&TableRow>, content: &Value) -> Result<Examined> {
        Examined::of(&self.policies, &*self.live()?, name, old, content)
    }
}

/// Writes a table; gives it as it is shown.
pub(super) fn saved(
    examined: &Examined,
    desk: &mut Desk<'_, '_>,
    old: Option<&TableRow>,
    action: &str,
) -> Result<Reply> {
    let row = examined.save(desk, old, action)?;
    Ok(Reply::ok(body(&row, examined.findings())?).at_version(row.version))
}
