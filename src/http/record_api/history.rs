//! The history of a record: every write to it.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::json;

use super::{a, read::visible};
use crate::{
    error::{Code, Result},
    http::{
        desk::{self, Call},
        endpoint::{Answer, Endpoint},
        mount::Api,
        schema::schema,
        sheet::{self, Sheet, under},
    },
    record::{
        history::{self, HistoryEntry},
        kind::Kind,
        query::cursor::Key,
    },
};

/// Mounts it for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_history(kind, call, id, request));
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "history", format!("list_{}_history", kind.name));
    endpoint.summary = format!("Read the history of {}", a(kind)).into();
    endpoint.description = format!(
        "Every write, the newest first: who, when, through what, why, and each field's old and new value. Work notes and time only with the permission `{}`.",
        kind.permission("work_note")
    )
    .into();
    endpoint.parameters.extend(sheet::parameters());
    let example = json!({
        "items": [{
            "version": 2, "at": "2026-03-02T08:15:00Z",
            "by": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"},
            "action": format!("{}.updated", kind.name), "via": "api",
            "request_id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11", "reason": "",
            "changes": [{"field": "title", "from": "Mail", "to": "Mail does not arrive"}],
        }],
        "next_cursor": null,
    });
    let page = sheet::shape("HistoryEntry", schema::<HistoryEntry>());
    endpoint.responses =
        vec![Answer::json(200, "A page of the history.", page, example).header("Link", "The `next` page (RFC 8288).")];
    endpoint.problems.push(Code::BadCursor);
    endpoint
}

async fn list_history(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 1)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            let record = visible(reading, kind, &id)?.id;
            let entries = history::of_record(reading, kind, record, asked.after_number()?, asked.rows())?;
            asked.cut(entries, |entry| (vec![Key::Integer(entry.version.into())], record.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}
