//! What a problem did for its many incidents, by a job.

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::PROBLEM;
use crate::{
    error::{Code, Error, Result},
    http::{
        desk::Call,
        endpoint::{Access, Answer, Endpoint},
        job_api::{self, Job},
        mount::Api,
        parameter,
        schema::schema,
    },
    id::{RecordId, RowId},
    practice::problem::{
        incidents::{Reached, shown},
        run::{Asked, KIND, Progress},
    },
    record::{job::JobRow, store},
};

pub(super) fn mount(api: &mut Api) {
    api.mount(get(), get_run);
}

/// What a problem did for its incidents, and what it has come to so far.
#[derive(Debug, Serialize, ToSchema)]
struct ProblemRun {
    /// How far it is.
    job: Job,
    /// The problem.
    problem_id: RecordId,
    /// How many incidents were told, or resolved.
    done: i64,
    /// How many could not be.
    not_done: i64,
    /// The first 200 of these, as far as you may see them, and why.
    missed: Vec<Reached>,
}

fn get() -> Endpoint {
    let mut job = job_api::example();
    (job["state"], job["kind"]) = ("succeeded".into(), KIND.into());
    job["result"] = "/api/v1/problem-runs/01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f".into();
    let missed = json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "number": "INC0000007", "state": "on_hold", "done": false,
        "reason": "Its parts are not there yet.",
    });
    let example = json!({
        "job": job, "problem_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "done": 1_204, "not_done": 1, "missed": [missed],
    });
    Endpoint {
        method: Method::GET,
        path: "/api/v1/problem-runs/{id}".into(),
        id: "get_problem_run".into(),
        tag: PROBLEM.label.into(),
        access: Access::Permission(PROBLEM.permission("read").into()),
        summary: "Read what a problem did for its many incidents".into(),
        description: "Where a workaround is published to more than 50 incidents, or more are resolved, a job does it. This grows while it runs."
            .into(),
        parameters: vec![parameter::id("run, which is also that of its job")],
        request: None,
        responses: vec![Answer::json(200, "The run.", schema::<ProblemRun>(), example)],
        problems: vec![Code::NotFound],
    }
}

async fn get_run(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let absent = || Error::not_found("problem run");
    let id: RowId = id.parse().map_err(|_| absent())?;
    let run = call
        .read(move |reading| {
            let row = JobRow::find(reading.connection, id).ok().filter(|row| row.kind == KIND).ok_or_else(absent)?;
            let (asked, progress): (Asked, Progress) = (row.asked.read()?, row.progress.read()?);
            let (kernel, caller) = (reading.kernel, &reading.cause.caller);
            store::visible(kernel, reading.connection, caller, PROBLEM, asked.problem).map_err(|_| absent())?;
            let Progress { done, not_done, missed, .. } = progress;
            let missed = shown(kernel, reading.connection, caller, missed)?;
            Ok(ProblemRun { job: Job::of(row), problem_id: asked.problem, done, not_done, missed })
        })
        .await?;
    Ok(HttpResponse::Ok().json(run))
}
