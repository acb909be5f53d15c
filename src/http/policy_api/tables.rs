//! Lookup tables: read, write, restore.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde_json::{Value, json};

use super::{
    Studio, audit, check_name,
    declare::{table_name, version_number},
    same_version,
    shape::{
        LookupTable, LookupTableInFull, LookupTableList, LookupTableVersion, LookupTableVersionInFull,
        LookupTableVersionList, TableContent,
    },
    tables_csv::{self, Given},
};
use crate::{
    error::{Code, Error, Result},
    http::{
        accept,
        desk::{self, Call, Reply},
        endpoint::{Access, Answer, Content, Endpoint, in_query, text, whole_number},
        entity_tag::{etag, is_known},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::{self, Shape},
    },
    policy::store::{TableRow, TableVersionRow},
    record::store::Desk,
};

/// The media types that a table can be read in.
const OFFERED: &[&str] = &["application/json", "text/csv"];

pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_tables).mount(get(), get_table).mount(put(), put_table);
    api.mount(versions(), list_versions).mount(version(), get_version).mount(restore(), restore_version);
}

fn content() -> Value {
    json!({
        "doc": "Which team gets incidents of a category", "keys": 1,
        "columns": [{"name": "category", "type": "text"}, {"name": "team", "type": "text"}],
        "rows": [["network", "network-operations"], ["*", "service-desk"]],
    })
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "name": "category_teams",
        "description": "Which team gets incidents of a category",
        "sha256": "9f2b1c0e8d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c", "version": 2,
        "created_at": "2026-03-02T08:15:00Z", "updated_at": "2026-03-05T16:40:00Z",
    })
}

fn in_full() -> Value {
    let mut example = example();
    example["content"] = content();
    example
}

fn version_example() -> Value {
    json!({
        "version": 2, "sha256": "9f2b1c0e8d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c",
        "author_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "created_at": "2026-03-05T16:40:00Z",
    })
}

fn csv() -> Content {
    Content::of(
        "text/csv",
        text_shape(),
        "category:text,team:text\nnetwork,network-operations\n*,service-desk\n".into(),
    )
}

fn text_shape() -> Shape {
    schema::inline(text())
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

fn version_of(row: &TableVersionRow) -> LookupTableVersion {
    LookupTableVersion {
        version: row.version,
        sha256: row.sha256.clone(),
        author_id: row.author_id,
        created_at: row.created_at,
    }
}

fn body(row: &TableRow) -> Result<Value> {
    let whole = LookupTableInFull { table: summary(row), content: row.content.read()? };
    serde_json::to_value(whole).map_err(Error::internal)
}

/// An endpoint of this chapter, to be completed.
fn endpoint(method: Method, path: &'static str, id: &'static str, permission: &'static str) -> Endpoint {
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
        description: "With its content; as `text/csv`, the content alone, in the form in which it can be written again. With `If-None-Match`, 304 when you have this version already.".into(),
        responses: vec![
            Answer::json(200, "The table.", schema::schema::<LookupTableInFull>(), in_full())
                .or(csv())
                .header("ETag", "Its version, for `If-Match`."),
            Answer::empty(304, "You have this version already."),
        ],
        ..endpoint(Method::GET, "/api/v1/lookup-tables/{name}", "get_lookup_table", "lookup_table.read")
    }
}

async fn get_table(call: Call, name: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let row = call.read(move |reading| find(&TableRow::find(reading.connection, &name)?)).await?;
    let tag = (header::ETAG, etag(row.version));
    if is_known(&request, row.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    if accept::choose(&request, OFFERED) == Some("text/csv") {
        let text = tables_csv::write(&row.table()?)?;
        return Ok(HttpResponse::Ok().insert_header(tag).content_type("text/csv; charset=utf-8").body(text));
    }
    Ok(HttpResponse::Ok().insert_header(tag).json(body(&row)?))
}

fn find(found: &Option<TableRow>) -> Result<TableRow> {
    found.clone().ok_or_else(|| Error::not_found("lookup table"))
}

fn put() -> Endpoint {
    let json = Content::json(schema::schema::<TableContent>(), content());
    let changed = |status, text: &'static str| {
        Answer::json(status, text, schema::schema::<LookupTableInFull>(), in_full())
            .header("ETag", "Its version, for `If-Match`.")
    };
    Endpoint {
        summary: "Make or replace a lookup table".into(),
        description: "The whole content, as JSON or as `text/csv`; at most 256 KiB. In CSV the first line names the columns, each with its type behind a colon if it is not text (`priority:int`); for a column that the table has, its type is known. The content before is kept as a version. It is live at once. `If-Match` is needed for a table that is there.".into(),
        parameters: vec![
            table_name(),
            in_query("keys", "For CSV: how many of the first columns are the key; as before, or 1, if not given.", whole_number(), 1),
            if_match(false),
            dry_run(),
            reason(),
        ],
        request: Some(json),
        responses: vec![changed(200, "It was replaced."), changed(201, "It was made.").header("Location", "Where it is.")],
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
    let keys = match desk::query(&request)?.into_iter().find(|(n, _)| n == "keys") {
        None => None,
        Some((_, text)) => Some(text.parse().map_err(|_| Error::new(Code::Malformed, "`keys` is a whole number."))?),
    };
    let (name, asked) = (name.into_inner(), call.clone());
    let answer = call
        .write(&Value::Null, move |desk| {
            let old = TableRow::find(desk.unit.connection()?, &name)?;
            match (&old, &asked.if_match) {
                (Some(row), _) => same_version(&asked.expected()?, row.version)?,
                (None, Some(_)) => return Err(Error::new(Code::Stale, "There is no such table.")),
                (None, None) => {}
            }
            let content = given.content(old.as_ref(), keys)?;
            let action = if old.is_some() { "updated" } else { "created" };
            let row = saved(desk, &name, old.as_ref(), &content, action)?;
            let reply = Reply::ok(body(&row)?).at_version(row.version);
            Ok(match old {
                Some(_) => reply,
                None => Reply { status: 201, location: Some(format!("/api/v1/lookup-tables/{name}")), ..reply },
            })
        })
        .await?;
    studio.policies.expire();
    Ok(answer)
}

fn saved(
    desk: &mut Desk<'_, '_>,
    name: &str,
    old: Option<&TableRow>,
    content: &Value,
    action: &str,
) -> Result<TableRow> {
    let (author, at) = (Some(desk.cause.caller.user), desk.cause.at);
    let row = TableRow::save(desk.unit.connection()?, name, content, author, at)?;
    let told = json!({
        "version": [old.map(|o| o.version), row.version],
        "sha256": [old.map(|o| &o.sha256), row.sha256],
    });
    audit(desk, action, ("lookup_table", row.id.as_str(), row.version), &told)?;
    Ok(row)
}

fn versions() -> Endpoint {
    Endpoint {
        summary: "List the versions of a lookup table".into(),
        description: "All of them, newest first, without their content.".into(),
        responses: vec![Answer::json(
            200,
            "The versions.",
            schema::schema::<LookupTableVersionList>(),
            json!({"items": [version_example()]}),
        )],
        ..endpoint(
            Method::GET,
            "/api/v1/lookup-tables/{name}/versions",
            "list_lookup_table_versions",
            "lookup_table.read",
        )
    }
}

async fn list_versions(call: Call, name: web::Path<String>) -> Result<HttpResponse> {
    let rows = call.read(move |r| find(&TableRow::find(r.connection, &name)?)?.versions(r.connection)).await?;
    Ok(HttpResponse::Ok().json(LookupTableVersionList { items: rows.iter().map(version_of).collect() }))
}

fn version() -> Endpoint {
    let mut example = version_example();
    example["content"] = content();
    Endpoint {
        summary: "Read a version of a lookup table".into(),
        description: "With its content.".into(),
        parameters: vec![table_name(), version_number()],
        responses: vec![Answer::json(200, "The version.", schema::schema::<LookupTableVersionInFull>(), example)],
        ..endpoint(
            Method::GET,
            "/api/v1/lookup-tables/{name}/versions/{number}",
            "get_lookup_table_version",
            "lookup_table.read",
        )
    }
}

async fn get_version(call: Call, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (name, number) = path.into_inner();
    let row = call.read(move |r| find(&TableRow::find(r.connection, &name)?)?.version(r.connection, number)).await?;
    let content = row.content.read()?;
    Ok(HttpResponse::Ok().json(LookupTableVersionInFull { version: version_of(&row), content }))
}

fn restore() -> Endpoint {
    Endpoint {
        summary: "Bring back a version of a lookup table".into(),
        description: "Its content becomes the newest version, and is live at once.".into(),
        parameters: vec![table_name(), version_number(), if_match(false), dry_run(), idempotency_key(), reason()],
        responses: vec![
            Answer::json(200, "As it is now.", schema::schema::<LookupTableInFull>(), in_full())
                .header("ETag", "Its version, for `If-Match`."),
        ],
        problems: vec![Code::NotFound, Code::Stale, Code::Conflict],
        ..endpoint(
            Method::POST,
            "/api/v1/lookup-tables/{name}/versions/{number}/restore",
            "restore_lookup_table_version",
            "lookup_table.write",
        )
    }
}

async fn restore_version(
    call: Call,
    studio: web::Data<Studio>,
    path: web::Path<(String, i32)>,
) -> Result<HttpResponse> {
    let ((name, number), expected) = (path.into_inner(), call.expected_if_given());
    let answer = call
        .write(&Value::Null, move |desk| {
            let connection = desk.unit.connection()?;
            let old = find(&TableRow::find(connection, &name)?)?;
            same_version(&expected, old.version)?;
            if old.version == number {
                return Err(Error::new(Code::Conflict, format!("Version {number} is live already.")));
            }
            let content: Value = old.version(connection, number)?.content.read()?;
            let row = saved(desk, &name, Some(&old), &content, "restored")?;
            Ok(Reply::ok(body(&row)?).at_version(row.version))
        })
        .await?;
    studio.policies.expire();
    Ok(answer)
}
