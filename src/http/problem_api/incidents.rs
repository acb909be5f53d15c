//! What a problem does for its incidents: it tells them of the workaround, and resolves them.

use actix_web::{HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::PROBLEM;
use crate::{
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{Call, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint},
        job_api::Job,
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::schema,
        sheet::under,
    },
    id::RecordId,
    practice::problem::incidents::{self, Audience, Done, Reached},
    record::{input::given, store::Desk},
};

pub(super) fn mount(api: &mut Api) {
    api.mount(publish(), publish_workaround).mount(resolve(), resolve_incidents);
}

/// How a workaround is published.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WorkaroundPublication {
    /// Who reads it.
    audience: Audience,
    /// A new one; the one that the problem has, where it is not given.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 8000)]
    workaround: Option<String>,
}

/// How the incidents of a problem are resolved.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct IncidentResolution {
    /// How they were resolved, from your own list.
    #[schema(max_length = 100, examples("fixed"))]
    resolution_code: String,
    /// How, for the callers; what the problem says, where it is not given.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 8000)]
    resolution_notes: Option<String>,
}

/// What became of the incidents of a problem that were open.
#[derive(Debug, Serialize, ToSchema)]
struct ProblemIncidents {
    /// The first 50 of those to which something was to be done, as far as you may see them, the oldest first.
    incidents: Vec<Reached>,
    /// The job that does it to the others, where there are more; its result tells what became of them.
    #[schema(required = true)]
    job: Option<Job>,
}

fn verb(name: &str, id: &'static str, access: &'static str) -> Endpoint {
    let mut endpoint = under(PROBLEM, Method::POST, name, id.to_owned());
    endpoint.access = Access::Permission(PROBLEM.permission(access).into());
    endpoint.parameters.extend([if_match(false), dry_run(), idempotency_key(), reason()]);
    let example = json!({"incidents": [{
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "number": "INC0000007", "state": "on_hold", "done": true, "reason": null,
    }], "job": null});
    endpoint.responses = vec![
        Answer::json(200, "What became of them.", schema::<ProblemIncidents>(), example)
            .header("ETag", "The version of the problem, for `If-Match`."),
    ];
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    endpoint
}

fn publish() -> Endpoint {
    let mut endpoint = verb("publish-workaround", "publish_problem_workaround", "update");
    endpoint.summary = "Tell the incidents of a problem of its workaround".into();
    endpoint.description =
        "Every incident that is linked by `caused_by`, still open and has not had it gets it as a comment or a work note, in the \
         name of the server; so do those that are linked later, at once."
            .into();
    endpoint.request = Some(Content::json(schema::<WorkaroundPublication>(), json!({"audience": "public"})));
    endpoint
}

async fn publish_workaround(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let asked: WorkaroundPublication = fit(body.clone())?;
    write(call, &body, id, move |desk, id, version| {
        incidents::publish_workaround(desk, id, version, asked.workaround.as_deref(), asked.audience)
    })
    .await
}

fn resolve() -> Endpoint {
    let mut endpoint = verb("resolve-incidents", "resolve_problem_incidents", "resolve");
    endpoint.summary = "Resolve the incidents of a problem".into();
    endpoint.description = "Once the problem is resolved, every incident that is linked by `caused_by` and still open is, too, for good. \
                            Where one can't be, a work note of it says why. Needs the permission `incident.resolve` as well."
        .into();
    endpoint.request = Some(Content::json(schema::<IncidentResolution>(), json!({"resolution_code": "fixed"})));
    endpoint
}

async fn resolve_incidents(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let asked: IncidentResolution = fit(body.clone())?;
    write(call, &body, id, move |desk, id, version| {
        incidents::resolve(desk, id, version, &asked.resolution_code, asked.resolution_notes.as_deref())
    })
    .await
}

async fn write(
    call: Call,
    body: &Value,
    id: web::Path<String>,
    act: impl Fn(&mut Desk<'_, '_>, RecordId, Option<i32>) -> Result<Done> + Send + 'static,
) -> Result<HttpResponse> {
    let expected = call.expected_if_given();
    call.write(body, move |desk| {
        let of = record_id_of(desk.unit.reference(), PROBLEM, &id)?;
        let Done { outcome, reached, job } = expected.try_each(|version| act(desk, of, version))?;
        let incidents = ProblemIncidents { incidents: reached, job: job.map(Job::of) };
        let shown = serde_json::to_value(incidents).map_err(Error::internal)?;
        Ok(Reply::ok(shown).at_version(outcome.version))
    })
    .await
}
