//! The tasks of a record.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::{Value, json};

use super::{a, beside};
use crate::{
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{Call, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_path, uuid},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::schema,
        sheet::{self, under},
    },
    id::{RecordId, RowId},
    record::{
        kind::Kind,
        query::cursor::Key,
        store::{Desk, Outcome},
        task::{
            act,
            input::{NewTask, TaskChange},
            row::TaskRow,
            shown::Task,
        },
    },
};

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_tasks(kind, call, id, request));
    api.mount(create(kind), move |call, id, body| add_task(kind, call, id, body));
    api.mount(change(kind), move |call, path, body| change_task(kind, call, path, body));
    api.mount(remove(kind), move |call, path| remove_task(kind, call, path));
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7a", "position": 1, "title": "Take a backup", "description": "", "team_id": null,
        "assignee": null, "depends_on": [], "state": "open", "created_at": "2026-03-02T08:40:00Z", "done_at": null, "done_by": null,
    })
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "tasks", format!("list_{}_tasks", kind.name));
    endpoint.summary = format!("List the tasks of {}", a(kind)).into();
    endpoint.description = "In their order. A task can be done when all that it depends on is done or skipped.".into();
    sheet::of_pages(&mut endpoint, "A page of tasks.", "Task", schema::<Task>(), example());
    endpoint
}

async fn list_tasks(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let page = beside::page(
        call,
        (kind, id),
        request,
        1,
        |reading, record, asked| {
            let after: Option<(i32, RowId)> = asked.after_number()?.zip(asked.after_id()?);
            let rows = TaskRow::of_record(reading.connection, record.id)?.into_iter();
            let rows = rows.filter(|row| after.is_none_or(|after| (row.position, row.id) > after));
            let rows = rows.take(usize::try_from(asked.rows()).unwrap_or_default()).collect();
            Task::of(reading.connection, rows)
        },
        |task| (vec![Key::Integer(task.position.into())], task.id.to_string()),
    );
    page.await
}

fn writes(kind: &'static Kind, mut endpoint: Endpoint, (summary, description): (String, &'static str)) -> Endpoint {
    endpoint.access = Access::Permission(kind.permission("update").into());
    (endpoint.summary, endpoint.description) = (summary.into(), description.into());
    endpoint.parameters.extend([if_match(endpoint.method == Method::PATCH), dry_run(), reason()]);
    if endpoint.method == Method::POST {
        endpoint.parameters.push(idempotency_key());
    }
    if endpoint.method == Method::PATCH {
        endpoint.problems.push(Code::PreconditionRequired);
    }
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    endpoint
}

fn create(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::POST, "tasks", format!("add_{}_task", kind.name));
    endpoint.request = Some(Content::json(schema::<NewTask>(), json!({"title": "Take a backup"})));
    endpoint.responses = vec![
        Answer::json(201, "It was added.", schema::<Task>(), example())
            .header("Location", "Where the tasks are.")
            .header("ETag", "The record's version, for `If-Match`."),
    ];
    let words =
        (format!("Add a task to {}", a(kind)), "What it depends on stands before it. It is a change of the record.");
    writes(kind, endpoint, words)
}

async fn add_task(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let new: NewTask = fit(body.clone())?;
    let expected = call.expected_if_given();
    call.write(&body, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let (outcome, made) = expected.try_each(|version| act::add(desk, (kind, of), version, &new))?;
        let shown = shown(desk, of, made)?;
        Ok(Reply::created(format!("/api/v1/{}/{of}/tasks", kind.plural), shown).at_version(outcome.version))
    })
    .await
}

fn shown(desk: &mut Desk<'_, '_>, of: RecordId, task: RowId) -> Result<Value> {
    let connection = desk.unit.settled(of)?;
    let row = TaskRow::find(connection, of, task)?;
    serde_json::to_value(Task::of(connection, vec![row])?.pop()).map_err(Error::internal)
}

fn one(kind: &'static Kind, method: Method, id: String) -> Endpoint {
    let mut endpoint = under(kind, method, "tasks/{task_id}", id);
    let example = "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7a";
    endpoint.parameters.push(in_path("task_id", "The id of the task.", uuid(), example));
    endpoint
}

fn change(kind: &'static Kind) -> Endpoint {
    let mut endpoint = one(kind, Method::PATCH, format!("update_{}_task", kind.name));
    endpoint.request = Some(Content::merge_patch(schema::<TaskChange>(), json!({"state": "done"})));
    endpoint.responses = vec![
        Answer::json(200, "As it is now.", schema::<Task>(), example())
            .header("ETag", "The record's version, for `If-Match`."),
    ];
    let words = (
        format!("Change a task of {}, or say that it is done", a(kind)),
        "A merge patch (RFC 7396). 409 where something that it depends on is still to be done. `If-Match` is the version of the record.",
    );
    writes(kind, endpoint, words)
}

async fn change_task(
    kind: &'static Kind,
    call: Call,
    path: web::Path<(String, String)>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    call.expected()?;
    let change: TaskChange = fit(body.clone())?;
    let write = move |desk: &mut Desk<'_, '_>, of, task, version| act::change(desk, (kind, of), task, version, &change);
    written(kind, call, path, &body, write, |desk, of, task| shown(desk, of, task).map(Reply::ok)).await
}

fn remove(kind: &'static Kind) -> Endpoint {
    let mut endpoint = one(kind, Method::DELETE, format!("remove_{}_task", kind.name));
    endpoint.responses =
        vec![Answer::empty(204, "It is gone.").header("ETag", "The record's version, for `If-Match`.")];
    writes(kind, endpoint, (format!("Remove a task of {}", a(kind)), "409 where another task depends on it."))
}

async fn remove_task(kind: &'static Kind, call: Call, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let write = move |desk: &mut Desk<'_, '_>, of, task, version| act::remove(desk, (kind, of), task, version);
    written(kind, call, path, &Value::Null, write, |_, _, _| Ok(Reply::empty())).await
}

/// Does something with a task, as a change of its record.
async fn written(
    kind: &'static Kind,
    call: Call,
    path: web::Path<(String, String)>,
    body: &Value,
    write: impl Fn(&mut Desk<'_, '_>, RecordId, RowId, Option<i32>) -> Result<Outcome> + Send + 'static,
    answer: fn(&mut Desk<'_, '_>, RecordId, RowId) -> Result<Reply>,
) -> Result<HttpResponse> {
    let (id, task) = path.into_inner();
    let task: RowId = task.parse().map_err(|_| Error::not_found("task"))?;
    let expected = call.expected_if_given();
    call.write(body, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let outcome = expected.try_each(|version| write(desk, of, task, version))?;
        Ok(answer(desk, of, task)?.at_version(outcome.version))
    })
    .await
}
