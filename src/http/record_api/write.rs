//! Writing records: create, patch, transitions and their named verbs.

use actix_web::{HttpResponse, http::Method, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{a, practice_of, shape};
use crate::{
    error::{Code, Error, Result},
    http::{
        body::{Body, MaybeBody},
        desk::{Call, Reply, object, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason, record_id},
    },
    record::{
        kind::{Kind, Step},
        policies,
        step::StepChoice,
        store::Outcome,
    },
};

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(create(kind), move |call, body| create_record(kind, call, body));
    api.mount(patch(kind), move |call, id, body| patch_record(kind, call, id, body));
    api.mount(transition(kind), move |call, id, body| transition_record(kind, call, id, body));
    for step in kind.lifecycle.steps.iter().filter(|s| !s.automatic) {
        api.mount(verb(kind, step), move |call, id, body| step_record(kind, step, call, id, body));
    }
    if policies::askable(kind).next().is_some() {
        api.mount(decide(kind), move |call, id, body| decide_record(kind, call, id, body));
    }
}

fn create(kind: &'static Kind) -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: format!("/api/v1/{}", kind.plural).into(),
        id: format!("create_{}", kind.name).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("create").into()),
        summary: format!("Make {}", a(kind)).into(),
        description: format!("{} Policies decide what is not given: {}.", kind.doc, decisions(kind)).into(),
        parameters: vec![dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(shape::new_record(kind), shape::new_example(kind))),
        responses: vec![
            Answer::json(201, "It was made.", shape::record(kind), shape::example(kind))
                .header("ETag", "Its version, for `If-Match`.")
                .header("Location", "Where it is."),
        ],
        problems: vec![Code::Invalid, Code::RefusedByPolicy],
    }
}

async fn create_record(kind: &'static Kind, call: Call, Body(body): Body<Value>) -> Result<HttpResponse> {
    let input = object(body.clone())?;
    call.write(&body, move |desk| {
        let made = practice_of(desk.kernel, kind)?.create(desk, input.clone())?;
        Ok(Reply { status: 201, location: Some(location(kind, &made)), ..Reply::record(made) })
    })
    .await
}

fn patch(kind: &'static Kind) -> Endpoint {
    Endpoint {
        method: Method::PATCH,
        path: format!("/api/v1/{}/{{id}}", kind.plural).into(),
        id: format!("update_{}", kind.name).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("read").into()),
        summary: format!("Change {}", a(kind)).into(),
        description: format!(
            "A merge patch (RFC 7396). Needs the permission `{}`; a patch that only adds a `comment` or `work_note` needs the permission for that alone.",
            kind.permission("update")
        )
        .into(),
        parameters: vec![record_id(kind), if_match(true), dry_run(), reason()],
        request: Some(Content::merge_patch(shape::change(kind), json!({"title": "Mail arrives late"}))),
        responses: vec![changed(kind)],
        problems: vec![Code::NotFound, Code::Invalid, Code::RefusedByPolicy],
    }
}

async fn patch_record(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let (expected, input) = (call.expected()?, object(body.clone())?);
    call.write(&body, move |desk| {
        let id = record_id_of(desk.unit.reference(), kind, &id)?;
        let practice = practice_of(desk.kernel, kind)?;
        expected.try_each(|version| practice.change(desk, id, version, input.clone())).map(Reply::record)
    })
    .await
}

fn transition(kind: &'static Kind) -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: format!("/api/v1/{}/{{id}}/transitions", kind.plural).into(),
        id: format!("transition_{}", kind.name).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("read").into()),
        summary: format!("Take {} to another state", a(kind)).into(),
        description: "Takes the step that leads from the present state to the wanted one. Each step needs a permission of its own; `GET` on the same path tells which are open.".into(),
        parameters: vec![record_id(kind), if_match(false), dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(shape::transition(kind), json!({"to": kind.lifecycle.steps.first().map(|s| s.to)}))),
        responses: vec![changed(kind)],
        problems: vec![Code::NotFound, Code::IllegalTransition, Code::Invalid, Code::Stale, Code::RefusedByPolicy],
    }
}

async fn transition_record(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let mut input = object(body.clone())?;
    let Some(Value::String(to)) = input.shift_remove("to") else {
        return Err(Error::invalid("/to", "required", "`to` is the state to go to."));
    };
    take(kind, &call, StepChoice::To(to), &id, &body, input).await
}

fn verb(kind: &'static Kind, step: &'static Step) -> Endpoint {
    let content = Content::json(shape::step_input(kind, step), shape::step_example(kind, step));
    let from: Vec<String> = step.from.iter().map(|s| format!("`{s}`")).collect();
    Endpoint {
        method: Method::POST,
        path: format!("/api/v1/{}/{{id}}/{}", kind.plural, step.name).into(),
        id: format!("{}_{}", step.name, kind.name).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission(step.name).into()),
        summary: format!("{} {}", step.label, a(kind)).into(),
        description: format!("{} From {} to `{}`.", step.doc, from.join(", "), step.to).into(),
        parameters: vec![record_id(kind), if_match(false), dry_run(), idempotency_key(), reason()],
        request: Some(if step.requires.is_empty() { content.optional() } else { content }),
        responses: vec![changed(kind)],
        problems: vec![Code::NotFound, Code::IllegalTransition, Code::Invalid, Code::Stale, Code::RefusedByPolicy],
    }
}

async fn step_record(
    kind: &'static Kind,
    step: &'static Step,
    call: Call,
    id: web::Path<String>,
    MaybeBody(body): MaybeBody<Value>,
) -> Result<HttpResponse> {
    let body = body.unwrap_or_else(|| json!({}));
    let input = object(body.clone())?;
    take(kind, &call, StepChoice::Named(step), &id, &body, input).await
}

async fn take(
    kind: &'static Kind,
    call: &Call,
    choice: StepChoice,
    id: &str,
    body: &Value,
    input: Map<String, Value>,
) -> Result<HttpResponse> {
    let (expected, id) = (call.expected_if_given(), id.to_owned());
    call.write(body, move |desk| {
        let id = record_id_of(desk.unit.reference(), kind, &id)?;
        let practice = practice_of(desk.kernel, kind)?;
        expected.try_each(|version| practice.step(desk, id, version, &choice, input.clone())).map(Reply::record)
    })
    .await
}

fn decide(kind: &'static Kind) -> Endpoint {
    let names: Vec<Value> = policies::askable(kind).map(Value::from).collect();
    let example = json!({"decision": names.first()});
    Endpoint {
        method: Method::POST,
        path: format!("/api/v1/{}/{{id}}/decisions", kind.plural).into(),
        id: format!("decide_{}", kind.name).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("update").into()),
        summary: format!("Ask the policies about {} again", a(kind)).into(),
        description: "Policies decide when something changes that they look at; this asks them one decision now and carries out what they say, for instance to route by a policy that was just published; what follows from it, they are asked as well. A decision is asked in the states alone in which it is taken: who approves of a change that is being made is settled. `GET` on the same path tells what they said.".into(),
        parameters: vec![record_id(kind), if_match(false), dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(shape::decision_asked(kind, names), example)),
        responses: vec![changed(kind)],
        problems: vec![Code::NotFound, Code::Conflict, Code::Invalid, Code::Stale],
    }
}

/// The body: [`shape::decision_asked`] with the names of the kind's decisions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionAsked {
    decision: String,
}

async fn decide_record(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(asked): Body<DecisionAsked>,
) -> Result<HttpResponse> {
    let (expected, DecisionAsked { decision }) = (call.expected_if_given(), asked);
    call.write(&json!({"decision": decision}), move |desk| {
        let id = record_id_of(desk.unit.reference(), kind, &id)?;
        let practice = practice_of(desk.kernel, kind)?;
        expected.try_each(|version| practice.decide_again(desk, id, version, &decision)).map(Reply::record)
    })
    .await
}

fn decisions(kind: &Kind) -> String {
    let names: Vec<&str> = policies::askable(kind).collect();
    if names.is_empty() { "none for this kind".to_owned() } else { names.join(", ") }
}

fn location(kind: &Kind, made: &Outcome) -> String {
    format!("/api/v1/{}/{}", kind.plural, made.id)
}

pub(super) fn changed(kind: &Kind) -> Answer {
    Answer::json(200, "As it is now.", shape::record(kind), shape::example(kind))
        .header("ETag", "Its version, for `If-Match`.")
}
