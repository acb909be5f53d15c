//! Versions of a lookup table: read, compare, bring back.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::{Value, json};

use super::{
    Studio,
    declare::{table_name, version_number},
    same_version,
    tables::{content, endpoint, find, in_full, saved},
    tables_shape::{
        LookupTableDifference, LookupTableInFull, LookupTableRowChange, LookupTableVersion, LookupTableVersionInFull,
        LookupTableVersionList,
    },
};
use crate::{
    error::{Code, Error, Result},
    http::{
        desk::{self, Call},
        endpoint::{Answer, Endpoint, in_query, whole_number},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema,
    },
    policy::{
        store::{TableRow, TableVersionRow},
        table::{
            Row,
            diff::{Difference, difference},
        },
    },
};

pub(super) fn mount(api: &mut Api) {
    api.mount(versions(), list_versions).mount(version(), get_version).mount(diff(), compare_versions);
    api.mount(restore(), restore_version);
}

fn version_example() -> Value {
    json!({
        "version": 2, "sha256": "9f2b1c0e8d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c",
        "author_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "created_at": "2026-03-05T16:40:00Z",
    })
}

fn version_of(row: &TableVersionRow) -> LookupTableVersion {
    LookupTableVersion {
        version: row.version,
        sha256: row.sha256.clone(),
        author_id: row.author_id,
        created_at: row.created_at,
    }
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
    let rows = call.read(move |r| find(TableRow::find(r.connection, &name)?)?.versions(r.connection)).await?;
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
    let row = call.read(move |r| find(TableRow::find(r.connection, &name)?)?.version(r.connection, number)).await?;
    let content = row.content.read()?;
    Ok(HttpResponse::Ok().json(LookupTableVersionInFull { version: version_of(&row), content }))
}

fn diff() -> Endpoint {
    Endpoint {
        summary: "Compare two versions of a lookup table".into(),
        description: "Which rows were added, removed and changed from this version to another. A row is known by its key; the order of rows means nothing. Where the columns of the key are others, every row is.".into(),
        parameters: vec![
            table_name(),
            version_number(),
            in_query("to", "The number of the other version; the one that is live, if not given.", whole_number(), 3),
        ],
        responses: vec![Answer::json(200, "The difference.", schema::schema::<LookupTableDifference>(), json!({
            "from": 2, "to": 3, "columns_changed": false,
            "added": [["south", "8..17", "south-desk"]], "removed": [["north", "17..20", "duty"]],
            "changed": [{"from": ["*", "0..24", "service-desk"], "to": ["*", "0..24", "duty"]}],
        }))],
        problems: vec![Code::NotFound, Code::BadQuery],
        ..endpoint(
            Method::GET,
            "/api/v1/lookup-tables/{name}/versions/{number}/diff",
            "compare_lookup_table_versions",
            "lookup_table.read",
        )
    }
}

async fn compare_versions(call: Call, path: web::Path<(String, i32)>, request: HttpRequest) -> Result<HttpResponse> {
    let ((name, number), other) = (path.into_inner(), desk::number(&request, "to")?);
    let found = call.read(move |r| {
        let row = find(TableRow::find(r.connection, &name)?)?;
        let to = other.unwrap_or(row.version);
        let mut table = |number| row.table_of(r.connection, number);
        Ok(shown(number, to, difference(&table(number)?, &table(to)?)))
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

fn shown(from: i32, to: i32, found: Difference) -> LookupTableDifference {
    let Difference { columns_changed, added, removed, changed } = found;
    let cells = |row: &Row| row.iter().cloned().collect::<Vec<_>>();
    let rows = |rows: Vec<Row>| rows.iter().map(cells).collect();
    let change = |(from, to): &(Row, Row)| LookupTableRowChange { from: cells(from), to: cells(to) };
    let changed = changed.iter().map(change).collect();
    LookupTableDifference { from, to, columns_changed, added: rows(added), removed: rows(removed), changed }
}

fn restore() -> Endpoint {
    Endpoint {
        summary: "Bring back a version of a lookup table".into(),
        description: "Its content becomes the newest version, and is live at once. Refused as if it were written anew: when a policy that is live would break.".into(),
        parameters: vec![table_name(), version_number(), if_match(false), dry_run(), idempotency_key(), reason()],
        responses: vec![
            Answer::json(200, "As it is now.", schema::schema::<LookupTableInFull>(), in_full())
                .header("ETag", "Its version, for `If-Match`."),
        ],
        problems: vec![Code::NotFound, Code::Stale, Code::Conflict, Code::Invalid],
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
    let examined = studio
        .run(&call, move |bench| {
            let (old, content) = bench.database.read_here(|connection| {
                let old = find(TableRow::find(connection, &name)?)?;
                let content: Value = old.version(connection, number)?.content.read()?;
                Ok((old, content))
            })?;
            bench.examined(&name, Some(&old), &content)
        })
        .await?;
    let answer = call
        .write(&Value::Null, move |desk| {
            let old = find(TableRow::find(desk.unit.connection()?, examined.name())?)?;
            same_version(&expected, old.version)?;
            if old.version == number {
                return Err(Error::new(Code::Conflict, format!("Version {number} is live already.")));
            }
            saved(&examined, desk, Some(&old), "restored")
        })
        .await?;
    studio.policies.expire();
    Ok(answer)
}
