//! The escalations of a record: those that were, another one by hand, and the answer.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{a, beside, practice_of, write::changed};
use crate::{
    error::{Code, Error, FieldError, Result},
    http::{
        body::{Body, fit},
        desk::{Call, Reply, record_id_of},
        endpoint::{Access, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::schema,
        sheet::{self, under},
    },
    id::{TeamId, UserId},
    record::{
        escalation::{
            self, LEVELS,
            act::{self, Act},
            row::EscalationRow,
            shown::Escalation,
        },
        journal::WORK_NOTE,
        kind::Kind,
        store::Desk,
    },
};

/// Mounts them for a kind whose records are escalated.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    if escalation::is_for(kind) {
        api.mount(list(kind), move |call, id, request| list_escalations(kind, call, id, request));
        api.mount(escalate(kind), move |call, id, body| escalate_record(kind, call, id, body));
        api.mount(acknowledge(kind), move |call, id| acknowledge_record(kind, call, id));
    }
}

/// Somebody further up who is told, and expected to answer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEscalation {
    /// How far up. The record keeps the highest that it was escalated to.
    #[schema(minimum = 1, maximum = 9, examples(2))]
    level: i32,
    /// A team that is told; either this or a person.
    #[serde(default)]
    #[schema(required = false)]
    team_id: Option<TeamId>,
    /// A person who is told, and follows the record from then on.
    #[serde(default)]
    #[schema(required = false)]
    user_id: Option<UserId>,
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73", "at": "2026-03-02T08:15:00Z", "cause": "breach",
        "clock_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e75", "percent": 100, "repeats": 0, "level": 1,
        "said": [{"effect": "escalate_to", "who": "duty-manager", "level": 1}], "record_version": 4, "reason": "",
        "author": null, "again_at": null, "answered_at": "2026-03-02T08:21:00Z",
        "answered_by": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"},
        "answer": "acknowledged",
    })
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "escalations", format!("list_{}_escalations", kind.name));
    endpoint.access = Access::Permission(kind.permission(WORK_NOTE).into());
    endpoint.summary = format!("List the escalations of {}", a(kind)).into();
    endpoint.description = "Who was told of it and why, how far up, and whether somebody answered; the newest first; for those who may read work notes. Why policies said so \
                            stands in the decisions about the same version of the record."
        .into();
    sheet::of_pages(&mut endpoint, "A page of escalations.", "Escalation", schema::<Escalation>(), example());
    endpoint
}

async fn list_escalations(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let page = beside::page(
        call,
        (kind, id),
        request,
        0,
        |reading, record, asked| {
            let rows = EscalationRow::of_record(reading.connection, record.id, asked.after_id()?, asked.rows())?;
            Escalation::of(reading.connection, rows)
        },
        |one| (Vec::new(), one.id.to_string()),
    );
    page.await
}

fn escalate(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::POST, "escalations", format!("escalate_{}", kind.name));
    endpoint.access = Access::Permission(kind.permission("update").into());
    endpoint.summary = format!("Escalate {} to somebody further up", a(kind)).into();
    endpoint.description = "Who is told is expected to answer: `escalated_at` says since when, until somebody acknowledges it, takes a step, \
                            comments, or gives the record to somebody. Why stands in `X-Reason`. To give it to another team, change \
                            `team_id`."
        .into();
    endpoint.parameters.extend([if_match(false), dry_run(), idempotency_key(), reason()]);
    let body = json!({"level": 2, "user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70"});
    endpoint.request = Some(Content::json(schema::<NewEscalation>(), body));
    endpoint.responses = vec![changed(kind)];
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    endpoint
}

async fn escalate_record(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let new: NewEscalation = fit(body.clone())?;
    let level = new.level;
    if !LEVELS.contains(&level.into()) {
        let detail = format!("`level` is {} to {}.", LEVELS.start(), LEVELS.end());
        return Err(Error::invalid("/level", "out_of_range", detail));
    }
    write(kind, call, &body, id, move |desk| {
        let (who, user) = match (new.team_id, new.user_id) {
            (Some(team), None) => (act::team_name(desk, team)?, None),
            (None, Some(user)) => (act::user_name(desk, user)?, Some(user)),
            (None, None) | (Some(_), Some(_)) => {
                let detail = "Name either a team or a person: `team_id` or `user_id`.";
                return Err(Error::invalid_all(vec![FieldError::new("", "contradiction", detail)]));
            }
        };
        Ok(Act::ByHand { level, who, user })
    })
    .await
}

fn acknowledge(kind: &'static Kind) -> Endpoint {
    let mut endpoint =
        under(kind, Method::POST, "escalations/acknowledge", format!("acknowledge_{}_escalation", kind.name));
    endpoint.access = Access::Permission(kind.permission("update").into());
    endpoint.summary = format!("Acknowledge that {} was escalated", a(kind)).into();
    endpoint.description = "You know of it and see to it: nobody is told again because of what waited for an answer. 409 where nothing does. \
                            The next warning of a clock, or the next change, escalates anew."
        .into();
    endpoint.parameters.extend([if_match(false), dry_run(), idempotency_key(), reason()]);
    endpoint.responses = vec![changed(kind)];
    endpoint.problems.extend([Code::Conflict, Code::Stale]);
    endpoint
}

async fn acknowledge_record(kind: &'static Kind, call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    write(kind, call, &Value::Null, id, |_| Ok(Act::Acknowledge)).await
}

async fn write(
    kind: &'static Kind,
    call: Call,
    body: &Value,
    id: web::Path<String>,
    act: impl Fn(&mut Desk<'_, '_>) -> Result<Act> + Send + 'static,
) -> Result<HttpResponse> {
    let expected = call.expected_if_given();
    call.write(body, move |desk| {
        let id = record_id_of(desk.unit.reference(), kind, &id)?;
        let (practice, act) = (practice_of(desk.kernel, kind)?, act(desk)?);
        let outcome = expected.try_each(|version| practice.escalate(desk, id, version, &act))?;
        outcome.map(Reply::record).ok_or_else(|| Error::internal("an escalation by hand came to nothing"))
    })
    .await
}
