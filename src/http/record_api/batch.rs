//! Many operations in one request: the same permissions, policies and audit as single calls.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::Method};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{many, practice_of, shape};
use crate::{
    error::{Code, Error, FieldError, Result},
    http::{
        body::{Body, fit},
        desk::{self, Call, Reply, mark_replayed, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_query, yes_or_no},
        entity_tag::{self, IfMatch, etag},
        mount::Api,
        parameter::{dry_run, idempotency_key, reason},
        problem::ProblemDetails,
        schema::schema,
    },
    record::{
        cause::{Cause, Via},
        kind::{Kind, Step},
        step::StepChoice,
        store::{Desk, Outcome},
    },
};

/// Operations in one request at most.
const MOST: usize = 1_000;

/// Mounts it for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(batch(kind), move |call, request, body| run(kind, call, request, body));
}

/// Many operations.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Batch {
    /// What is to be done, in this order when it is atomic.
    #[schema(max_items = 1000)]
    operations: Vec<Operation>,
}

/// One operation of a batch.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BatchOperation)]
struct Operation {
    /// `create`, `update`, `transition` (with `to` in the body) or the name of a step, such as `resolve`.
    #[schema(examples("update"))]
    op: String,
    /// The id or number of the record; not for `create`.
    #[serde(default)]
    #[schema(examples("INC0000042"))]
    id: Option<String>,
    /// The version that you have seen, as in `If-Match` (`"3"`, with its quotes), or `*`. Needed for `update`.
    #[serde(default)]
    #[schema(examples("\"3\""))]
    if_match: Option<String>,
    /// What the single call would take as its body.
    #[serde(default)]
    body: Map<String, Value>,
}

/// What became of the operations.
#[derive(Debug, Serialize, ToSchema)]
struct BatchResults {
    /// One for each operation, in the order of the request.
    results: Vec<BatchResult>,
}

/// What became of one operation.
#[derive(Debug, Serialize, ToSchema)]
struct BatchResult {
    /// The status that the single call would have had.
    #[schema(examples(200))]
    status: u16,
    /// The record's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<String>,
    /// Its new `ETag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    etag: Option<String>,
    /// The record as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    record: Option<Map<String, Value>>,
    /// What went wrong, when something did; the places in it are places in the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = ProblemDetails)]
    problem: Option<Value>,
}

/// What an operation does, once it is understood.
#[derive(Clone)]
enum Work {
    Create,
    Update(String, IfMatch),
    Step(String, IfMatch, StepChoice),
}

fn batch(kind: &'static Kind) -> Endpoint {
    let first = kind.lifecycle.steps.first();
    let example = json!({"operations": [
        {"op": "create", "body": shape::new_example(kind)},
        {"op": "update", "id": format!("{}0000042", kind.prefix), "if_match": "\"3\"", "body": {"tags": ["vip"]}},
        {"op": first.map(|s| s.name), "id": format!("{}0000043", kind.prefix), "body": {}},
    ]});
    let results = json!({"results": [
        {"status": 201, "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "etag": "\"1\"", "record": shape::example(kind)},
        {"status": 412, "problem": {
            "type": "urn:pointsman:problem:stale", "title": "The record has changed", "status": 412,
            "detail": "It is at version 4, not 3.", "code": "stale",
        }},
    ]});
    Endpoint {
        method: Method::POST,
        path: format!("/api/v1/{}/batch", kind.plural).into(),
        id: format!("batch_{}", kind.plural).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("read").into()),
        summary: format!("Write many {} at once", many(kind)).into(),
        description: BATCH.into(),
        parameters: vec![
            in_query("atomic", "All or nothing.", yes_or_no(), false),
            dry_run(),
            idempotency_key(),
            reason(),
        ],
        request: Some(Content::json(schema::<Batch>(), example)),
        responses: vec![Answer::json(200, "What became of each.", schema::<BatchResults>(), results)],
        problems: vec![
            Code::Invalid,
            Code::Conflict,
            Code::Stale,
            Code::PreconditionRequired,
            Code::NotFound,
            Code::RefusedByPolicy,
        ],
    }
}

const BATCH: &str = "Up to 1,000 operations. Each needs the permission that its single call needs, passes the same policies and leaves the same history. \
Without `atomic`, each stands by itself: those that fail are told with a problem of their own, the others stay, and their order is not promised. \
With `atomic=true` they are done in order and stored together, or, when one fails, not at all: the answer is then the problem of that one, with the place of the operation in its `errors`. \
An `Idempotency-Key` holds for the whole request: a retry repeats only operations that were neither stored nor refused for good.";

async fn run(kind: &'static Kind, call: Call, request: HttpRequest, Body(body): Body<Value>) -> Result<HttpResponse> {
    let Batch { operations } = fit(body.clone())?;
    if !(1..=MOST).contains(&operations.len()) {
        let detail = format!("`operations` holds 1 to {MOST} of them.");
        return Err(Error::invalid("/operations", "wrong_length", detail));
    }
    let atomic = desk::flag(&desk::query(&request)?, "atomic");
    let cause = Arc::new(Cause { via: Via::Batch, ..(*call.cause).clone() });
    let call = Call { cause, ..call };
    if atomic {
        together(kind, &call, &body, operations).await
    } else {
        apart(kind, &call, &request, &body, operations).await
    }
}

/// All or nothing: one job.
async fn together(kind: &'static Kind, call: &Call, body: &Value, operations: Vec<Operation>) -> Result<HttpResponse> {
    call.write(body, move |desk| {
        let mut results = Vec::with_capacity(operations.len());
        for (index, operation) in operations.iter().enumerate() {
            let done = carry_out(kind, desk, operation).map_err(|e| at_operation(index, e))?;
            results.push(result(operation, done));
        }
        let body = serde_json::to_value(BatchResults { results }).map_err(Error::internal)?;
        Ok(Reply::ok(body))
    })
    .await
}

/// The error of an operation as the error of the request.
fn at_operation(index: usize, error: Error) -> Error {
    let prefix = format!("/operations/{index}");
    let mut errors: Vec<FieldError> =
        error.errors.iter().map(|e| FieldError { pointer: format!("{prefix}{}", e.pointer), ..e.clone() }).collect();
    if errors.is_empty() {
        errors.push(FieldError::new(prefix, error.code.as_str(), error.detail.clone()));
    }
    Error { detail: format!("Operation {index}: {}", error.detail), errors, ..error }
}

/// Each by itself: a job for each, so that they share commits and one failing leaves the others alone.
async fn apart(
    kind: &'static Kind,
    call: &Call,
    request: &HttpRequest,
    body: &Value,
    operations: Vec<Operation>,
) -> Result<HttpResponse> {
    let key = call.key_with(body);
    let _guard = call.enter(key.as_ref())?;
    let jobs = operations.into_iter().enumerate().map(|(index, operation)| {
        call.once(key.as_ref().map(|key| key.part(index)), move |desk| {
            let done = carry_out(kind, desk, &operation)?;
            Ok(Reply::ok(serde_json::to_value(result(&operation, done)).map_err(Error::internal)?))
        })
    });
    let (mut results, mut all_replayed) = (Vec::new(), true);
    for outcome in join_all(jobs).await {
        all_replayed &= matches!(outcome, Ok((_, true)));
        results.push(match outcome {
            Ok((refusal, _)) if refusal.status >= 400 => failure(refusal.status, refusal.body)?,
            Ok((reply, _)) => reply.body,
            // Another body with this key is a fault of the request, not of one operation.
            Err(e) if e.code == Code::IdempotencyMismatch => return Err(e),
            Err(e) => {
                let problem =
                    serde_json::to_value(ProblemDetails::of_operation(&e, request)).map_err(Error::internal)?;
                failure(e.code.status(), problem)?
            }
        });
    }
    let mut response = HttpResponse::Ok().json(json!({"results": results}));
    if all_replayed {
        mark_replayed(&mut response);
    }
    Ok(response)
}

fn failure(status: u16, problem: Value) -> Result<Value> {
    let failed = BatchResult { status, id: None, etag: None, record: None, problem: Some(problem) };
    serde_json::to_value(failed).map_err(Error::internal)
}

fn carry_out(kind: &'static Kind, desk: &mut Desk<'_, '_>, operation: &Operation) -> Result<Outcome> {
    let practice = practice_of(desk.kernel, kind)?;
    let mut body = operation.body.clone();
    match understood(kind, operation, &mut body)? {
        Work::Create => practice.create(desk, body),
        Work::Update(id, expected) => {
            let id = in_batch(desk, kind, &id)?;
            expected.try_each(|version| practice.change(desk, id, version, body.clone()))
        }
        Work::Step(id, expected, choice) => {
            let id = in_batch(desk, kind, &id)?;
            expected.try_each(|version| practice.step(desk, id, version, &choice, body.clone()))
        }
    }
    .map_err(in_body)
}

/// Places in the body of a single call, as places in an operation.
fn in_body(mut error: Error) -> Error {
    for wrong in &mut error.errors {
        wrong.pointer.insert_str(0, "/body");
    }
    error
}

/// The record that an operation names; one made earlier in the same batch counts.
fn in_batch(desk: &mut Desk<'_, '_>, kind: &Kind, id: &str) -> Result<crate::id::RecordId> {
    match id.parse() {
        Ok(id) => Ok(id),
        Err(_) => record_id_of(desk.unit.connection()?, kind, id),
    }
}

fn understood(kind: &'static Kind, operation: &Operation, body: &mut Map<String, Value>) -> Result<Work> {
    let expected = operation.if_match.as_deref().map(expected).transpose()?;
    if operation.op == "create" {
        return match operation.id {
            None => Ok(Work::Create),
            Some(_) => Err(Error::invalid("/id", "not_writable_here", "`create` takes no `id`.")),
        };
    }
    let choice = match operation.op.as_str() {
        "update" => None,
        "transition" => match body.shift_remove("to") {
            Some(Value::String(to)) => Some(StepChoice::To(to)),
            _ => return Err(Error::invalid("/body/to", "required", "`to` is the state to go to.")),
        },
        name => Some(StepChoice::Named(step(kind, name)?)),
    };
    let Some(id) = operation.id.clone() else {
        return Err(Error::invalid("/id", "required", format!("`{}` needs an `id`.", operation.op)));
    };
    match (choice, expected) {
        (Some(choice), expected) => Ok(Work::Step(id, expected.unwrap_or(IfMatch::Any), choice)),
        (None, Some(expected)) => Ok(Work::Update(id, expected)),
        (None, None) => {
            Err(Error::new(Code::PreconditionRequired, "`update` needs the record's `ETag` in `if_match`."))
        }
    }
}

fn step(kind: &'static Kind, name: &str) -> Result<&'static Step> {
    let open = || kind.lifecycle.steps.iter().filter(|s| !s.automatic);
    open().find(|s| s.name == name).ok_or_else(|| {
        let names = ["create", "update", "transition"].into_iter().chain(open().map(|s| s.name));
        let detail = format!("There is no operation `{name}`{}.", crate::error::did_you_mean(name, names));
        Error::invalid("/op", "not_a_choice", detail)
    })
}

fn expected(if_match: &str) -> Result<IfMatch> {
    let wrong = || Error::invalid("/if_match", "wrong_form", format!("`if_match` {}", entity_tag::FORM));
    IfMatch::read(if_match).ok_or_else(wrong)
}

fn result(operation: &Operation, done: Outcome) -> BatchResult {
    BatchResult {
        status: if operation.op == "create" { 201 } else { 200 },
        id: Some(done.id.to_string()),
        etag: Some(etag(done.version)),
        record: Some(done.record),
        problem: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stand_under_their_operation() {
        let of_field = at_operation(3, in_body(Error::invalid("/title", "required", "`title` is required.")));
        assert_eq!(of_field.errors[0].pointer, "/operations/3/body/title");
        let of_all = at_operation(0, Error::not_found("incident"));
        assert_eq!((of_all.errors[0].pointer.as_str(), of_all.code), ("/operations/0", Code::NotFound));
    }
}
