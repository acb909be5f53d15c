//! The delivery log: every message, every attempt, and a message once more.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{Required, path::Parameter},
};

use super::{
    act::must_be_active,
    webhook::{Webhook, require_owner, row},
};
use crate::{
    auth::caller::Sees,
    clock::Moment,
    error::{Code, Error, Result, did_you_mean},
    http::{
        desk::{self, Call, Reply},
        directory_api::resource::Resource,
        endpoint::{Access, Answer, Content, Endpoint, in_header, in_query, name_of, short_text, uuid},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        schema::schema,
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId},
    record::{
        store::Reading,
        visibility,
        webhook::{
            delivery::{AttemptRow, DeliveryRow, State, Wanted},
            message,
            row::WebhookRow,
        },
    },
};

/// A message on its way to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookDelivery {
    /// Its id; later ones are greater.
    id: RowId,
    /// The webhook.
    webhook_id: RowId,
    /// The `webhook-id` by which the receiver knows it: the id, or that of the message that it replays.
    message_id: RowId,
    /// The event.
    #[schema(examples("incident.resolved"))]
    event: String,
    /// The record that it is about; null for a test, and where you may not see the record.
    record_id: Option<RecordId>,
    /// When the event happened.
    happened_at: Moment,
    /// How far it is.
    state: State,
    /// Why it is dead or was dropped.
    why: Option<String>,
    /// How many attempts were made.
    attempt_count: i32,
    /// When the next attempt is due.
    next_at: Option<Moment>,
    /// When the message was made.
    created_at: Moment,
    /// When it was delivered or given up.
    ended_at: Option<Moment>,
    /// The first of the messages with this `webhook-id`, where this is not it.
    replay_of: Option<RowId>,
    /// When it was last replayed.
    replayed_at: Option<Moment>,
}

/// A message with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookDeliveryDetail {
    #[serde(flatten)]
    delivery: WebhookDelivery,
    /// What was sent last, to its owner and to those who see everything, where they may read what it tells of.
    #[schema(value_type = Option<WebhookMessage>)]
    body: Option<Value>,
    /// Every attempt, in order.
    attempts: Vec<WebhookAttempt>,
}

/// What a webhook gets as its body.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookMessage {
    /// The event.
    #[serde(rename = "type")]
    #[schema(examples("incident.resolved"))]
    event: String,
    /// When it happened.
    timestamp: Moment,
    /// Of a record: `event_id` (as in the stream), `id` and `kind` of the record, its `number`, `version` and `state` after the
    /// event, the names of the fields that `changed`, `via` what it came
    /// and `by` whom, and `record`: the record as the owner may read it when
    /// the message is sent, so its version may be newer. Of a test: `webhook_id` and `name`.
    data: Map<String, Value>,
}

/// An attempt to deliver a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookAttempt {
    /// Which one it was, from 1.
    number: i32,
    /// When it began.
    at: Moment,
    /// The status of the answer.
    status: Option<i32>,
    /// How long it took.
    milliseconds: i64,
    /// Why there was no answer.
    error: Option<String>,
    /// How the answer began, at most 1,024 characters, for those who may read the body.
    answer: Option<String>,
}

impl WebhookDelivery {
    fn of(row: &DeliveryRow) -> Self {
        WebhookDelivery {
            id: row.id,
            webhook_id: row.webhook_id,
            message_id: row.message_id(),
            event: row.event.clone(),
            record_id: row.record_id,
            happened_at: row.happened_at,
            state: row.state(),
            why: row.why.clone(),
            attempt_count: row.attempts,
            next_at: row.next_at,
            created_at: row.created_at,
            ended_at: row.ended_at,
            replay_of: row.replay_of,
            replayed_at: row.replayed_at,
        }
    }
}

/// A message as those see it who see what it is about.
pub(super) fn shown(row: &DeliveryRow) -> Result<Value> {
    serde_json::to_value(WebhookDelivery::of(row)).map_err(Error::internal)
}

/// Messages, without records that are hidden from the caller.
fn listed(reading: &mut Reading<'_>, rows: &[DeliveryRow]) -> Result<Vec<WebhookDelivery>> {
    let words: BTreeSet<String> = rows.iter().filter_map(|row| row.record_id).map(|id| id.to_string()).collect();
    let seen = visibility::told_of(reading.kernel, reading.connection, &reading.cause.caller, words)?;
    let mut all: Vec<WebhookDelivery> = rows.iter().map(WebhookDelivery::of).collect();
    for one in &mut all {
        one.record_id = one.record_id.filter(|id| seen.contains(id.as_str()));
    }
    Ok(all)
}

/// Everything of a message that the caller may read.
pub(super) fn detailed(reading: &mut Reading<'_>, id: RowId) -> Result<WebhookDeliveryDetail> {
    let row = DeliveryRow::find(reading.connection, id)?;
    let hook = WebhookRow::named(reading.connection, row.webhook_id)?;
    let caller = &reading.cause.caller;
    let is_told = row.record_id.is_none() || message::told(reading.kernel, reading.connection, caller, &row)?.is_some();
    // A body holds what its owner reads, which may be more than another sees of the same record.
    let reads = is_told && (caller.sees == Sees::All || caller.user == hook.owner_id);
    let body = row.body.as_deref().filter(|_| reads).map(serde_json::from_str).transpose().map_err(Error::internal)?;
    let attempts = AttemptRow::of(reading.connection, id)?.into_iter().map(|row| WebhookAttempt {
        number: row.number,
        at: row.at,
        status: row.status,
        milliseconds: row.milliseconds,
        error: row.error,
        answer: row.answer.filter(|_| reads),
    });
    let attempts = attempts.collect();
    let delivery = listed(reading, std::slice::from_ref(&row))?.pop();
    let delivery = delivery.ok_or_else(|| Error::internal("a delivery is not shown"))?;
    Ok(WebhookDeliveryDetail { delivery, body, attempts })
}

/// An example of a message in the log.
pub(super) fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e77", "webhook_id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b15",
        "message_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e77", "event": "incident.resolved",
        "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "happened_at": "2026-03-02T08:15:00Z", "state": "dead",
        "why": "8 attempts within a day have failed.", "attempt_count": 8, "next_at": null,
        "created_at": "2026-03-02T08:15:01Z", "ended_at": "2026-03-03T07:38:02Z", "replay_of": null, "replayed_at": null,
    })
}

fn detailed_example(mut delivery: Value, body: Value, attempt: Value) -> Value {
    (delivery["body"], delivery["attempts"]) = (body, json!([attempt]));
    delivery
}

/// An example of what came of a test.
pub(super) fn example_of_test() -> Value {
    let mut delivery = example();
    for (name, value) in [("event", json!("webhook.test")), ("state", json!("delivered")), ("attempt_count", json!(1))]
    {
        delivery[name] = value;
    }
    (delivery["record_id"], delivery["why"]) = (Value::Null, Value::Null);
    let data = json!({"webhook_id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b15", "name": "chat"});
    let body = json!({"type": "webhook.test", "timestamp": "2026-03-02T08:15:00Z", "data": data});
    let attempt = json!({
        "number": 1, "at": "2026-03-02T08:15:00Z", "status": 204, "milliseconds": 48, "error": null, "answer": null,
    });
    detailed_example(delivery, body, attempt)
}

fn example_in_full() -> Value {
    let data = json!({
        "event_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e76", "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "kind": "incident",
        "number": "INC0000042", "version": 3, "state": "resolved", "changed": ["state", "resolution_code"], "via": "api",
        "by": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70",
        "record": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "number": "INC0000042", "state": "resolved", "version": 3},
    });
    let body = json!({"type": "incident.resolved", "timestamp": "2026-03-02T08:15:00Z", "data": data});
    let attempt = json!({
        "number": 8, "at": "2026-03-03T07:38:02Z", "status": 503, "milliseconds": 212, "error": null, "answer": "Back soon.",
    });
    detailed_example(example(), body, attempt)
}

/// What a receiver gets.
pub(super) fn received() -> Endpoint {
    let in_message = |name, doc, schema, example| in_header(name, doc, Required::True, schema, example);
    Endpoint {
        access: Access::Public,
        summary: "An event that a webhook wants".into(),
        description: "As Standard Webhooks 1.0 has it. Check the signature and the time before you believe anything, remember the `webhook-id` of what you have had, and answer 2xx within 15 seconds. Anything else is tried again within a day; `Retry-After` is heeded, and 410 turns the webhook off.".into(),
        parameters: vec![
            in_message("webhook-id", "The message; the same each time that it is sent.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e77"),
            in_message("webhook-timestamp", "When it is sent, in seconds since 1970.", short_text(20), "1772439300"),
            in_message(
                "webhook-signature",
                "`v1,` and the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}` in Base64; while a secret is replaced, two of them with a space between. The key is what stands behind `whsec_` in the secret, in Base64.",
                short_text(200),
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ],
        request: Some(Content::json(schema::<WebhookMessage>(), example_in_full()["body"].clone())),
        responses: vec![Answer::empty(204, "You have it.")],
        problems: Vec::new(),
        ..endpoint(Method::POST, "", "receive_event", Webhook::NOUN.read)
    }
}

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_deliveries).mount(get(), get_delivery).mount(replay(), replay_delivery);
}

fn endpoint(method: Method, path: &str, operation: &'static str, permission: &'static str) -> Endpoint {
    let endpoint = Endpoint::new(method, format!("/api/v1/{path}"), operation, Webhook::NOUN.label, permission);
    Endpoint { problems: vec![Code::NotFound], ..endpoint }
}

fn delivery_id() -> Parameter {
    parameter::id("delivery")
}

/// The parameters of lists of messages, after those of their path.
pub(super) fn list_parameters() -> [Parameter; 3] {
    let [limit, cursor] = sheet::parameters();
    let states = "Only messages in this state: `pending`, `delivered`, `dead` or `dropped`.";
    [in_query("state", states, name_of(20), "dead"), limit, cursor]
}

/// A page of messages, in the documentation.
pub(super) fn documented_page() -> Answer {
    let page = sheet::shape("WebhookDelivery", schema::<WebhookDelivery>());
    Answer::json(200, "A page of messages.", page, json!({"items": [example()], "next_cursor": null}))
        .header("Link", "The `next` page (RFC 8288).")
}

/// What is asked of a list of messages.
pub(super) fn asked(request: &HttpRequest) -> Result<(Sheet, Wanted)> {
    let query = desk::query(request)?;
    let state = match query.iter().find(|(name, _)| name == "state").map(|(_, state)| state.clone()) {
        None => None,
        Some(name) => Some(State::named(&name).ok_or_else(|| {
            let near = did_you_mean(&name, State::ALL.iter().map(|state| state.as_str()));
            Error::new(Code::BadQuery, format!("There is no state `{name}` of a message{near}."))
        })?),
    };
    let sheet = Sheet::read(request.path(), query, 0)?;
    let wanted = Wanted { webhook: None, state, below: sheet.after_id()?, rows: sheet.rows() };
    Ok((sheet, wanted))
}

/// The answer with a page of messages.
pub(super) async fn respond(
    call: &Call,
    sheet: Sheet,
    load: impl FnOnce(&mut Reading<'_>) -> Result<Vec<DeliveryRow>> + Send + 'static,
) -> Result<HttpResponse> {
    let found = call.read(move |reading| {
        let rows = load(reading)?;
        listed(reading, &rows)
    });
    let cut = sheet.cut(found.await?, |delivery| (Vec::new(), delivery.id.to_string()))?;
    Ok(sheet.respond(&cut, None))
}

fn list() -> Endpoint {
    Endpoint {
        summary: "List the messages of a webhook".into(),
        description:
            "The newest first. Messages that have ended are kept for 30 days, unless the operator said otherwise."
                .into(),
        parameters: [parameter::id("webhook")].into_iter().chain(list_parameters()).collect(),
        responses: vec![documented_page()],
        problems: vec![Code::NotFound, Code::BadCursor, Code::BadQuery],
        ..endpoint(Method::GET, "webhooks/{id}/deliveries", "list_webhook_deliveries", Webhook::NOUN.read)
    }
}

async fn list_deliveries(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let (sheet, wanted) = asked(&request)?;
    respond(&call, sheet, move |reading| {
        let hook = row(reading.connection, &id)?;
        DeliveryRow::list(reading.connection, Wanted { webhook: Some(hook.id), ..wanted })
    })
    .await
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Read a message of a webhook".into(),
        description: "With every attempt, and with what was sent last.".into(),
        parameters: vec![delivery_id()],
        responses: vec![Answer::json(200, "The message.", schema::<WebhookDeliveryDetail>(), example_in_full())],
        ..endpoint(Method::GET, "webhook-deliveries/{id}", "get_webhook_delivery", Webhook::NOUN.read)
    }
}

async fn get_delivery(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(call.read(move |reading| detailed(reading, *id)).await?))
}

fn replay() -> Endpoint {
    Endpoint {
        summary: "Replay a message of a webhook".into(),
        description: "One that has ended, in whatever way, is sent again, with a day of attempts of its own and the `webhook-id` that it had: a receiver that has had it knows it. The record stands in it as it is now.".into(),
        parameters: vec![delivery_id(), dry_run(), idempotency_key(), reason()],
        responses: vec![
            Answer::json(201, "The message that is sent.", schema::<WebhookDelivery>(), replayed_example())
                .header("Location", "Where it is."),
        ],
        problems: vec![Code::NotFound, Code::Forbidden, Code::Conflict],
        ..endpoint(Method::POST, "webhook-deliveries/{id}/replay", "replay_webhook_delivery", Webhook::NOUN.manage)
    }
}

fn replayed_example() -> Value {
    let mut again = example();
    again["replay_of"] = again["id"].clone();
    again["id"] = "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e78".into();
    for (name, value) in
        [("state", json!("pending")), ("attempt_count", json!(0)), ("next_at", again["created_at"].clone())]
    {
        again[name] = value;
    }
    (again["why"], again["ended_at"]) = (Value::Null, Value::Null);
    again
}

async fn replay_delivery(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    call.write(&Value::Null, move |desk| {
        let row = DeliveryRow::find(desk.unit.connection()?, *id)?;
        let hook = WebhookRow::named(desk.unit.connection()?, row.webhook_id)?;
        require_owner(desk, hook.owner_id)?;
        must_be_active(&hook)?;
        let again = row.replay(desk.unit.connection()?, desk.cause.at)?;
        desk.tell(
            "message_replayed",
            ("webhook", hook.id.as_str(), hook.version),
            &json!({"delivery": [null, row.id]}),
        )?;
        let mut reading = Reading { kernel: desk.kernel, connection: desk.unit.connection()?, cause: desk.cause };
        let told = listed(&mut reading, std::slice::from_ref(&again))?.pop();
        let body = serde_json::to_value(told).map_err(Error::internal)?;
        Ok(Reply::created(format!("/api/v1/webhook-deliveries/{}", again.id), body))
    })
    .await
}
