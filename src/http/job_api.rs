//! Jobs over HTTP: what takes longer than a request is followed, stopped and resumed here, whatever it is.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::path::Parameter};

use super::{
    desk::{self, Call, Reply},
    endpoint::{Answer, Endpoint, in_query, name_of},
    mount::Api,
    parameter::{self, dry_run, idempotency_key, reason},
    schema,
    sheet::{self, Sheet},
};
use crate::{
    clock::Moment,
    error::{Code, Error, Result, did_you_mean},
    id::{RowId, UserId},
    policy::back_test,
    practice,
    record::{
        job::{JobRow, State},
        store::Desk,
    },
};

/// The kinds of jobs that there are.
fn kinds() -> impl Iterator<Item = &'static str> {
    std::iter::once(back_test::KIND).chain(practice::ALL.iter().flat_map(|p| p.jobs()).map(|(kind, _)| *kind))
}

/// Work that takes longer than a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// Its id; later jobs have greater ones.
    id: RowId,
    /// What is done: `back_test`, `configuration_import`.
    #[schema(examples("back_test"))]
    kind: String,
    /// How far it is.
    state: State,
    /// How much of it is done.
    done: i64,
    /// How much there is to do; 0 before it began.
    total: i64,
    /// The share that is done, from 0 to 100.
    percent: u8,
    /// Why it failed.
    error: Option<String>,
    /// Where its result is, which grows while it runs.
    result: String,
    /// Who asked for it.
    created_by: UserId,
    /// When it was asked for.
    created_at: Moment,
    /// When a node began.
    started_at: Option<Moment>,
    /// When it ended, in whatever way.
    ended_at: Option<Moment>,
}

impl Job {
    /// Of its row.
    pub fn of(row: JobRow) -> Self {
        let percent = if row.total == 0 { 0 } else { (row.done * 100 / row.total).clamp(0, 100) };
        Job {
            state: row.state(),
            result: format!("/api/v1/{}s/{}", row.kind.replace('_', "-"), row.id),
            id: row.id,
            kind: row.kind,
            done: row.done,
            total: row.total,
            percent: u8::try_from(percent).unwrap_or(100),
            error: row.error,
            created_by: row.created_by,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }

    /// How much of it is done, and how much there is.
    pub fn progress(&self) -> (i64, i64) {
        (self.done, self.total)
    }

    /// The share that is done, from 0 to 100.
    pub fn percent(&self) -> u8 {
        self.percent
    }

    /// Where it is followed.
    pub fn path(row: &JobRow) -> String {
        format!("/api/v1/jobs/{}", row.id)
    }
}

/// An example of a job that runs.
pub fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "kind": "back_test", "state": "running",
        "done": 8_500, "total": 17_136, "percent": 49, "error": null,
        "result": "/api/v1/back-tests/01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f",
        "created_by": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "created_at": "2026-03-02T08:15:00Z",
        "started_at": "2026-03-02T08:15:00.4Z", "ended_at": null,
    })
}

/// Mounts everything.
pub fn mount(api: &mut Api) {
    api.tag(
        "Job",
        "Work that takes longer than a request. It is kept by the store: any node goes on with what another left.",
    );
    api.mount(list(), list_jobs).mount(get(), get_job).mount(cancel(), cancel_job).mount(resume(), resume_job);
}

fn job_id() -> Parameter {
    parameter::id("job")
}

fn endpoint(method: Method, rest: &str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        parameters: vec![job_id()],
        responses: vec![Answer::json(200, "The job.", schema::schema::<Job>(), example())],
        problems: vec![Code::NotFound],
        ..Endpoint::new(method, format!("/api/v1/jobs{rest}"), id, "Job", permission)
    }
}

fn list() -> Endpoint {
    let page = sheet::shape("Job", schema::schema::<Job>());
    let example = json!({"items": [example()], "next_cursor": null});
    let [limit, cursor] = sheet::parameters();
    Endpoint {
        summary: "List jobs".into(),
        description: "The newest first.".into(),
        parameters: vec![in_query("kind", "Only jobs of this kind.", name_of(40), "back_test"), limit, cursor],
        responses: vec![
            Answer::json(200, "A page of jobs.", page, example).header("Link", "The `next` page (RFC 8288)."),
        ],
        problems: vec![Code::BadCursor, Code::BadQuery],
        ..endpoint(Method::GET, "", "list_jobs", "job.read")
    }
}

async fn list_jobs(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let kind = query.iter().find(|(name, _)| name == "kind").map(|(_, kind)| kind.clone());
    if let Some(unknown) = kind.as_deref().filter(|kind| !kinds().any(|known| known == *kind)) {
        let near = did_you_mean(unknown, kinds());
        return Err(Error::new(Code::BadQuery, format!("There is no kind of job `{unknown}`{near}.")));
    }
    let sheet = Sheet::read(request.path(), query, 0)?;
    let (below, rows) = (sheet.after_id()?, sheet.rows());
    let found = call.read(move |r| JobRow::list(r.connection, kind.as_deref(), below, rows)).await?;
    let cut = sheet.cut(found.into_iter().map(Job::of).collect(), |job| (Vec::new(), job.id.to_string()))?;
    Ok(sheet.respond(&cut, None))
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Follow a job".into(),
        description: "How far it is. Ask again every second or so until `ended_at` is there.".into(),
        ..endpoint(Method::GET, "/{id}", "get_job", "job.read")
    }
}

async fn get_job(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    let row = call.read_one(move |r| JobRow::find(r.connection, *id)).await?;
    Ok(HttpResponse::Ok().json(Job::of(row)))
}

fn cancel() -> Endpoint {
    Endpoint {
        summary: "Stop a job".into(),
        description: "At once while it waits, and within a second or two while it runs: `state` is `cancelled` then. What it has come to is kept.".into(),
        parameters: vec![job_id(), dry_run(), idempotency_key(), reason()],
        problems: vec![Code::NotFound, Code::Conflict],
        ..endpoint(Method::POST, "/{id}/cancel", "cancel_job", "job.manage")
    }
}

async fn cancel_job(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    change(call, *id, |desk, job| job.cancel(desk.unit.connection()?, desk.cause.at)).await
}

fn resume() -> Endpoint {
    Endpoint {
        summary: "Go on with a job".into(),
        description: "With one that was stopped or failed, from where it left off.".into(),
        parameters: vec![job_id(), dry_run(), idempotency_key(), reason()],
        problems: vec![Code::NotFound, Code::Conflict],
        ..endpoint(Method::POST, "/{id}/resume", "resume_job", "job.manage")
    }
}

async fn resume_job(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    change(call, *id, |desk, job| job.resume(desk.unit.connection()?)).await
}

/// Changes a job and answers how it is then.
async fn change(
    call: Call,
    id: RowId,
    change: impl Fn(&mut Desk<'_, '_>, &JobRow) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    call.write(&Value::Null, move |desk| {
        let job = JobRow::find(desk.unit.connection()?, id)?;
        change(desk, &job)?;
        let job = Job::of(JobRow::find(desk.unit.connection()?, id)?);
        Ok(Reply::ok(serde_json::to_value(job).map_err(Error::internal)?))
    })
    .await
}
