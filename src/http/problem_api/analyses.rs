//! How the cause of a problem was looked for.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::{Value, json};
use utoipa::openapi::path::Parameter;

use super::PROBLEM;
use crate::{
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{Call, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_path, uuid},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        record_api::beside,
        schema::schema,
        sheet::{self, under},
    },
    id::{RecordId, RowId},
    practice::problem::analysis::{self, AnalysisRow, NewProblemAnalysis, ProblemAnalysis},
    record::{
        journal::WORK_NOTE,
        store::{Desk, Outcome},
    },
};

pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_analyses).mount(add(), add_analysis);
    api.mount(replace(), replace_analysis).mount(remove(), remove_analysis);
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "title": "Why mail stopped",
        "finding": {"technique": "five_whys", "whys": [
            {"question": "Why did mail not arrive?", "answer": "The queue was full."},
            {"question": "Why was the queue full?", "answer": "Nobody empties the disk."},
        ]},
        "author": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"},
        "created_at": "2026-03-02T08:15:00Z", "updated_at": "2026-03-02T08:15:00Z",
    })
}

fn analysis_id() -> Parameter {
    in_path("analysis_id", "The id of the analysis.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71")
}

fn list() -> Endpoint {
    let mut endpoint = under(PROBLEM, Method::GET, "analyses", "list_problem_analyses".to_owned());
    endpoint.access = Access::Permission(PROBLEM.permission(WORK_NOTE).into());
    endpoint.summary = "List how the cause of a problem was looked for".into();
    endpoint.description = "Each with its technique and what it has found, the oldest first.".into();
    sheet::of_pages(&mut endpoint, "A page of analyses.", "ProblemAnalysis", schema::<ProblemAnalysis>(), example());
    endpoint
}

async fn list_analyses(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let page = beside::page(
        call,
        (PROBLEM, id),
        request,
        0,
        |reading, record, asked| {
            let rows = AnalysisRow::of_record(reading.connection, record.id, asked.after_id()?, asked.rows())?;
            ProblemAnalysis::of(reading.connection, rows)
        },
        |one| (Vec::new(), one.id.to_string()),
    );
    page.await
}

fn writes(mut endpoint: Endpoint, summary: &'static str, description: &'static str) -> Endpoint {
    endpoint.access = Access::Permission(PROBLEM.permission("update").into());
    (endpoint.summary, endpoint.description) = (summary.into(), description.into());
    let is_new = endpoint.method == Method::POST;
    endpoint.parameters.extend([if_match(!is_new), dry_run(), reason()]);
    if is_new {
        endpoint.parameters.push(idempotency_key());
    }
    if endpoint.method != Method::DELETE {
        let asked = json!({"title": example()["title"], "finding": example()["finding"]});
        endpoint.request = Some(Content::json(schema::<NewProblemAnalysis>(), asked));
        let status = if is_new { 201 } else { 200 };
        endpoint.responses = vec![
            Answer::json(status, "It stands there.", schema::<ProblemAnalysis>(), example())
                .header("ETag", "The version of the problem, for `If-Match`."),
        ];
    }
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    endpoint
}

fn add() -> Endpoint {
    let endpoint = under(PROBLEM, Method::POST, "analyses", "add_problem_analysis".to_owned());
    writes(
        endpoint,
        "Write down how the cause of a problem was looked for",
        "By five whys, a cause-and-effect diagram or a timeline.",
    )
}

async fn add_analysis(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewProblemAnalysis = fit(body.clone())?;
    let expected = call.expected_if_given();
    write(call, &body, id.into_inner(), 201, move |desk, of| {
        expected.try_each(|version| analysis::add(desk, of, version, &new))
    })
    .await
}

fn replace() -> Endpoint {
    let mut endpoint = under(PROBLEM, Method::PUT, "analyses/{analysis_id}", "replace_problem_analysis".to_owned());
    endpoint.parameters.push(analysis_id());
    writes(endpoint, "Write an analysis of a problem anew", "In place of what stands there.")
}

async fn replace_analysis(
    call: Call,
    path: web::Path<(String, String)>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let new: NewProblemAnalysis = fit(body.clone())?;
    let (expected, (id, analysis)) = (call.expected()?, path.into_inner());
    let analysis = read(&analysis)?;
    write(call, &body, id, 200, move |desk, of| {
        expected.try_each(|version| analysis::replace(desk, (of, analysis), version, &new))
    })
    .await
}

fn read(id: &str) -> Result<RowId> {
    id.parse().map_err(|_| Error::not_found("analysis"))
}

fn remove() -> Endpoint {
    let mut endpoint = under(PROBLEM, Method::DELETE, "analyses/{analysis_id}", "remove_problem_analysis".to_owned());
    endpoint.parameters.push(analysis_id());
    endpoint.responses =
        vec![Answer::empty(204, "It is gone.").header("ETag", "The version of the problem, for `If-Match`.")];
    writes(endpoint, "Take an analysis of a problem away", "That it was there stays in the history.")
}

async fn remove_analysis(call: Call, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (expected, (id, analysis)) = (call.expected()?, path.into_inner());
    let analysis = read(&analysis)?;
    call.write(&Value::Null, move |desk| {
        let of = record_id_of(desk.unit.reference(), PROBLEM, &id)?;
        let outcome = expected.try_each(|version| analysis::remove(desk, (of, analysis), version))?;
        Ok(Reply::empty().at_version(outcome.version))
    })
    .await
}

async fn write(
    call: Call,
    body: &Value,
    id: String,
    status: u16,
    act: impl Fn(&mut Desk<'_, '_>, RecordId) -> Result<(Outcome, AnalysisRow)> + Send + 'static,
) -> Result<HttpResponse> {
    call.write(body, move |desk| {
        let of = record_id_of(desk.unit.reference(), PROBLEM, &id)?;
        let (outcome, row) = act(desk, of)?;
        let shown = ProblemAnalysis::of(desk.unit.settled(of)?, vec![row])?.pop();
        let body = serde_json::to_value(shown).map_err(Error::internal)?;
        Ok(Reply { status, version: Some(outcome.version), location: None, body })
    })
    .await
}
