//! The decision log: why a policy decided as it did.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::{Value, json};

use super::{a, read::visible};
use crate::{
    error::{Code, Error, Result},
    http::{
        desk::{self, Call},
        endpoint::{Access, Answer, Endpoint, in_path, uuid},
        mount::Api,
        schema::schema,
        sheet::{self, Sheet, under},
    },
    id::RowId,
    record::{
        decision_log::{self, LoggedDecision},
        kind::Kind,
    },
};

const TAG: &str = "Decision";

/// Mounts the decisions about the records of a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_decisions(kind, call, id, request));
}

/// Mounts one decision about any record.
pub(super) fn mount_one(api: &mut Api) {
    api.tag(TAG, "Why a policy decided as it did, in a sentence, and whether it would do so again.");
    api.mount(get(), get_decision);
}

fn permission() -> Access {
    Access::Permission("decision.read".into())
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73", "at": "2026-03-02T08:15:00Z",
        "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "record_version": 1, "kind": "priority",
        "cause": {"via": "api"}, "policy_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e74", "policy_version": 1,
        "policy_sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", "mode": "live",
        "input": {}, "input_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "host_calls": [], "result": {"priority": 2}, "applied": [{"field": "priority", "from": null, "to": 2}],
        "discarded": [], "rules": [], "outcome": "ok", "error": null, "operations": 120, "microseconds": 38,
    })
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "decisions", format!("list_{}_decisions", kind.name));
    endpoint.access = permission();
    endpoint.summary = format!("List what policies decided about {}", a(kind)).into();
    endpoint.description = "Every evaluation, the newest first.".into();
    endpoint.parameters.extend(sheet::parameters());
    let page = sheet::shape("LoggedDecision", schema::<LoggedDecision>());
    let example = json!({"items": [example()], "next_cursor": null});
    endpoint.responses =
        vec![Answer::json(200, "A page of decisions.", page, example).header("Link", "The `next` page (RFC 8288).")];
    endpoint.problems.push(Code::BadCursor);
    endpoint
}

async fn list_decisions(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            reading.cause.caller.require(&kind.permission("read"))?;
            let record = visible(reading, kind, &id)?.id;
            let rows = decision_log::of_record(reading, record, asked.after_id()?, asked.rows())?;
            asked.cut(rows, |row| (Vec::new(), row.id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

fn get() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "/api/v1/decisions/{id}".into(),
        id: "get_decision".into(),
        tag: TAG.into(),
        access: permission(),
        summary: "Read a decision".into(),
        description: "What a policy was asked about a record that you may see, and what came of it.".into(),
        parameters: vec![in_path("id", "The id of the decision.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73")],
        request: None,
        responses: vec![Answer::json(200, "The decision.", schema::<LoggedDecision>(), example())],
        problems: vec![Code::NotFound],
    }
}

async fn get_decision(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let id: RowId = id.parse().map_err(|_| Error::not_found("decision"))?;
    let decision = call.read(move |reading| decision_log::find(reading, id)).await?;
    Ok(HttpResponse::Ok().json(decision))
}
