//! Many operations in one request: the same permissions, policies and audit as single calls.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::Method};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::{
    many,
    parameter::{dry_run, idempotency_key, reason},
    practice_of, shape,
};
use crate::{
    error::{Code, Error, FieldError, Result},
    http::{
        body::{Body, fit},
        desk::{self, Call, InFlight, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_query, yes_or_no},
        mount::Api,
        problem::Problem,
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
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

/// What an operation does, once it is understood.
#[derive(Clone)]
enum Work {
    Create,
    Update(String, Option<i32>),
    Step(String, Option<i32>, StepChoice),
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
            Code::NotFound,
            Code::RefusedByPolicy,
            Code::IdempotencyMismatch,
            Code::IdempotencyInFlight,
        ],
    }
}

const BATCH: &str = "Up to 1,000 operations. Each needs the permission that its single call needs, passes the same policies and leaves the same history. \
Without `atomic`, each stands by itself: those that fail are told with a problem of their own, the others stay, and their order is not promised. \
With `atomic=true` they are done in order and stored together, or, when one fails, not at all: the answer is then the problem of that one, with the place of the operation in its `errors`. \
An `Idempotency-Key` holds for the whole request: a retry repeats only operations that were not stored.";

async fn run(kind: &'static Kind, call: Call, request: HttpRequest, Body(body): Body<Value>) -> Result<HttpResponse> {
    let Batch { operations } = fit(body.clone())?;
    if !(1..=MOST).contains(&operations.len()) {
        let detail = format!("`operations` holds 1 to {MOST} of them.");
        return Err(Error::invalid("/operations", "wrong_length", detail));
    }
    let atomic = match desk::query(&request)?.iter().find(|(n, _)| n == "atomic").map(|(_, v)| v.as_str()) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::new(Code::Malformed, "`atomic` is `true` or `false`.")),
    };
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
    let key = call.key.clone().filter(|_| !call.dry_run);
    let digest = hex::encode(Sha256::digest(body.to_string()));
    let _guard = key.as_ref().map(|key| InFlight::enter(&call.service, key.lock_name())).transpose()?;
    let handed_in: Vec<(Operation, Result<oneshot::Receiver<Result<Reply>>>)> = operations
        .into_iter()
        .enumerate()
        .map(|(index, operation)| {
            let answer = hand_in(kind, call, key.as_ref().map(|k| k.part(index)), digest.clone(), operation.clone());
            (operation, answer)
        })
        .collect();
    let mut results = Vec::with_capacity(handed_in.len());
    for (_, answer) in handed_in {
        let reply = match answer {
            Ok(answer) => answer.await.map_err(Error::internal).and_then(|verdict| verdict),
            Err(turned_away) => Err(turned_away),
        };
        match reply {
            Ok(reply) => results.push(reply.body),
            // Another body with this key is a fault of the request, not of one operation.
            Err(e) if e.code == Code::IdempotencyMismatch => return Err(e),
            Err(e) => {
                let failed = BatchResult {
                    status: e.code.status(),
                    id: None,
                    etag: None,
                    record: None,
                    problem: Some(Problem::of_operation(&e, request)),
                };
                results.push(serde_json::to_value(failed).map_err(Error::internal)?);
            }
        }
    }
    Ok(HttpResponse::Ok().json(json!({"results": results})))
}

fn hand_in(
    kind: &'static Kind,
    call: &Call,
    key: Option<crate::http::idempotency::Key>,
    digest: String,
    operation: Operation,
) -> Result<oneshot::Receiver<Result<Reply>>> {
    let (kernel, cause, rehearsal) = (call.service.kernel.clone(), call.cause.clone(), call.dry_run);
    call.service.writer.submit(move |unit| {
        if let Some(key) = &key
            && let Some(kept) = key.kept(unit.connection()?, &digest)?
        {
            return Ok(kept);
        }
        let mut desk = Desk { kernel: &kernel, unit, cause: &cause };
        let done = carry_out(kind, &mut desk, &operation)?;
        let body = serde_json::to_value(result(&operation, done)).map_err(Error::internal)?;
        let reply = Reply::ok(body);
        if let Some(key) = &key {
            key.keep(unit.connection()?, &digest, &reply, cause.at)?;
        }
        if rehearsal {
            unit.discard();
        }
        Ok(reply)
    })
}

fn carry_out(kind: &'static Kind, desk: &mut Desk<'_, '_>, operation: &Operation) -> Result<Outcome> {
    let practice = practice_of(desk.kernel, kind)?;
    let mut body = operation.body.clone();
    match understood(kind, operation, &mut body)? {
        Work::Create => practice.create(desk, body),
        Work::Update(id, expected) => {
            let id = in_batch(desk, kind, &id)?;
            practice.change(desk, id, expected, body)
        }
        Work::Step(id, expected, choice) => {
            let id = in_batch(desk, kind, &id)?;
            practice.step(desk, id, expected, &choice, body)
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
    let expected = expected(operation.if_match.as_deref());
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
    match choice {
        Some(choice) => Ok(Work::Step(id, expected, choice)),
        None if operation.if_match.is_none() => {
            Err(Error::new(Code::PreconditionRequired, "`update` needs the record's `ETag` in `if_match`."))
        }
        None => Ok(Work::Update(id, expected)),
    }
}

fn step(kind: &'static Kind, name: &str) -> Result<&'static Step> {
    let open = || kind.lifecycle.steps.iter().filter(|s| !s.automatic);
    open().find(|s| s.name == name).ok_or_else(|| {
        let names = ["create", "update", "transition"].into_iter().chain(open().map(|s| s.name));
        let detail = format!("There is no operation `{name}`{}", crate::error::did_you_mean(name, names));
        Error::invalid("/op", "not_a_choice", detail)
    })
}

/// The version that `if_match` names; one that this server never gave fits no record.
fn expected(if_match: Option<&str>) -> Option<i32> {
    let tag = if_match.map(str::trim).filter(|tag| *tag != "*")?;
    Some(tag.trim_matches('"').parse().unwrap_or(-1))
}

fn result(operation: &Operation, done: Outcome) -> BatchResult {
    BatchResult {
        status: if operation.op == "create" { 201 } else { 200 },
        id: Some(done.id.to_string()),
        etag: Some(desk::etag(done.version)),
        record: Some(done.record),
        problem: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_in_if_match() {
        let cases = [
            (None, None),
            (Some("*"), None),
            (Some("\"3\""), Some(3)),
            (Some(" 3 "), Some(3)),
            (Some("\"x\""), Some(-1)),
        ];
        for (given, version) in cases {
            assert_eq!(expected(given), version, "{given:?}");
        }
    }

    #[test]
    fn places_stand_under_their_operation() {
        let of_field = at_operation(3, in_body(Error::invalid("/title", "required", "`title` is required.")));
        assert_eq!(of_field.errors[0].pointer, "/operations/3/body/title");
        let of_all = at_operation(0, Error::not_found("incident"));
        assert_eq!((of_all.errors[0].pointer.as_str(), of_all.code), ("/operations/0", Code::NotFound));
    }
}
