//! What can be done with a webhook: another secret, a test, the dead letters once more.

use actix_web::{HttpResponse, http::Method, web};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    delivery::{WebhookDeliveryDetail, detailed, shown},
    webhook::{Webhook, made, require_owner, row},
};
use crate::{
    clock::Moment,
    config::Secret,
    error::{Code, Error, Result},
    http::{
        body::{Body, MaybeBody, fit},
        desk::{Call, Reply},
        directory_api::{
            change::{met, with_secret},
            resource::{Resource, concluded},
        },
        endpoint::{Answer, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, id, idempotency_key, reason},
        schema::schema,
    },
    id::RowId,
    integration::webhook::{Post, sign, verdict},
    record::{
        claim::CLAIM,
        store::Desk,
        webhook::{
            claim,
            delivery::{DeliveryRow, MOST_REPLAYED},
            message::{Composed, compose},
            row::WebhookRow,
        },
    },
};

/// How long messages are signed with the secret before as well, unless something else is said.
const OVERLAP_HOURS: u16 = 24;
/// The longest that they are: a week.
const LONGEST_OVERLAP: u16 = 168;

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(rotation(), rotate).mount(test(), send_test).mount(replay(), replay_dead);
}

/// How a secret is replaced.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretRotation {
    /// For how many hours messages are signed with the secret before as well: 24 if nothing is said, 0 where it has leaked.
    #[serde(default = "overlap")]
    #[schema(required = false, minimum = 0, maximum = 168)]
    overlap_hours: u16,
}

const fn overlap() -> u16 {
    OVERLAP_HOURS
}

/// Which dead letters are sent again.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeadLetterReplay {
    /// Those that have died from this moment on.
    since: Moment,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
struct ReplayedDeadLetters {
    /// How many messages are sent again.
    replayed: usize,
}

fn endpoint(rest: &str, operation: &'static str) -> Endpoint {
    Endpoint {
        parameters: vec![id("webhook"), dry_run(), idempotency_key(), reason()],
        problems: vec![Code::NotFound, Code::Forbidden],
        ..Endpoint::new(
            Method::POST,
            format!("/api/v1/webhooks/{{id}}/{rest}"),
            operation,
            Webhook::NOUN.label,
            Webhook::NOUN.manage,
        )
    }
}

/// A webhook whose owner reaches no further than the caller.
fn mine(desk: &mut Desk<'_, '_>, id: &str) -> Result<WebhookRow> {
    let hook = row(desk.unit.connection()?, id)?;
    require_owner(desk, hook.owner_id)?;
    Ok(hook)
}

fn rotation() -> Endpoint {
    Endpoint {
        summary: "Give a webhook another secret".into(),
        description: "The answer holds it, and nobody can read it again. For a while messages bear the signatures of both, so that the receiver can change over in its own time. The signatures stand in `webhook-signature`, with a space between them.".into(),
        request: Some(Content::json(schema::<SecretRotation>(), json!({"overlap_hours": 24})).optional()),
        responses: vec![made(200, "With the new secret.")],
        problems: vec![Code::NotFound, Code::Forbidden, Code::Invalid, Code::IdempotencyMismatch],
        ..endpoint("rotate-secret", "rotate_webhook_secret")
    }
}

async fn rotate(call: Call, id: web::Path<String>, MaybeBody(body): MaybeBody<Value>) -> Result<HttpResponse> {
    let body = body.unwrap_or_else(|| json!({}));
    let SecretRotation { overlap_hours } = fit(body.clone())?;
    if overlap_hours > LONGEST_OVERLAP {
        let detail = format!("`overlap_hours` is from 0 to {LONGEST_OVERLAP}.");
        return Err(Error::invalid("/overlap_hours", "out_of_range", detail));
    }
    let secret = sign::new_secret()?;
    with_secret(&call, &body, "secret", move |desk| {
        let mut hook = mine(desk, &id)?;
        let before = Webhook::of(hook.clone())?;
        let now = desk.cause.at;
        hook.previous_until = (overlap_hours > 0).then(|| now.plus(TimeDelta::hours(overlap_hours.into())));
        hook.previous_secret = hook.previous_until.is_some().then_some(hook.secret);
        hook.secret = secret.expose().to_owned();
        (hook.version, hook.updated_at) = (hook.version + 1, now);
        met(hook.update(desk.unit.connection()?)?)?;
        let reply = concluded(desk, &id, Some(&before), "secret_rotated")?;
        Ok((reply, Secret::new(secret.expose())))
    })
    .await
}

fn test() -> Endpoint {
    Endpoint {
        summary: "Send a test to a webhook".into(),
        description: "A message with the event `webhook.test` is sent at once, once, whether or not the webhook is active. The answer tells what came of it: `state` and the one attempt. A dry run sends nothing.".into(),
        responses: vec![Answer::json(200, "What came of it.", schema::<WebhookDeliveryDetail>(), super::delivery::example_of_test())],
        ..endpoint("test", "test_webhook")
    }
}

async fn send_test(call: Call, id: web::Path<String>, post: web::Data<Post>) -> Result<HttpResponse> {
    // In the name of nobody who makes attempts: those who do are told apart by it.
    let node = RowId::new();
    let asked = call.key_with(&Value::Null);
    let _guard = call.enter(asked.as_ref())?;
    let (reply, replayed) = call
        .once(asked, move |desk| {
            let (hook, now) = (mine(desk, &id)?, desk.cause.at);
            let mut delivery = DeliveryRow::test(&hook, now)?;
            // Should this node not live to tell what came of it, another sends it.
            delivery.next_at = Some(now.plus(CLAIM));
            (delivery.claimed_by, delivery.claimed_until) = (Some(node), delivery.next_at);
            DeliveryRow::insert_all(desk.unit.connection()?, std::slice::from_ref(&delivery))?;
            desk.tell("tested", ("webhook", hook.id.as_str(), hook.version), &json!({}))?;
            Ok(Reply::ok(shown(&delivery)?))
        })
        .await?;
    // A refusal is what a retry gets again.
    if reply.status >= 400 {
        let mut response = reply.into_response();
        crate::http::desk::mark_replayed(&mut response);
        return Ok(response);
    }
    let delivery: RowId = reply.body["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(lost)?;
    if call.dry_run {
        let mut body = reply.body;
        (body["body"], body["attempts"]) = (Value::Null, json!([]));
        return Ok(HttpResponse::Ok().json(body));
    }
    if !replayed {
        attempt(&call, &post, delivery, node).await?;
    }
    let told = call.read(move |reading| detailed(reading, delivery)).await?;
    let mut response = HttpResponse::Ok().json(told);
    if replayed {
        crate::http::desk::mark_replayed(&mut response);
    }
    Ok(response)
}

fn lost() -> Error {
    Error::internal("a delivery has no id")
}

/// Makes the one attempt of a test.
async fn attempt(call: &Call, post: &Post, id: RowId, node: RowId) -> Result<()> {
    let (hook, delivery, composed) = call
        .read(move |reading| {
            let delivery = DeliveryRow::find(reading.connection, id)?;
            let hook = WebhookRow::named(reading.connection, delivery.webhook_id)?;
            let composed = compose(reading.kernel, reading.connection, &hook, &delivery)?;
            Ok((hook, delivery, composed))
        })
        .await?;
    let Composed::Send(body) = composed else { return Err(Error::internal("a test is always sent")) };
    let at = call.cause.at;
    let answered = post.send(&hook.url, delivery.message_id().as_str(), at, &hook.secrets(at), &body).await;
    let verdict = verdict(&delivery, &answered, at, 0.0);
    let (kernel, cause) = (call.service.kernel.clone(), call.cause.clone());
    let settle = call.service.writer.run(move |unit| {
        let mut desk = Desk { kernel: &kernel, unit, cause: &cause };
        claim::settle(&mut desk, &delivery, node, &body, &answered.attempted, &verdict)
    });
    settle.await.map(|_| ())
}

fn replay() -> Endpoint {
    let description = format!(
        "All that have died since then and were not replayed, the oldest first, {MOST_REPLAYED} at a time: ask again until `replayed` is 0. Each has a day of attempts again, and the `webhook-id` that it had."
    );
    Endpoint {
        summary: "Replay the dead letters of a webhook".into(),
        description: description.into(),
        request: Some(Content::json(schema::<DeadLetterReplay>(), json!({"since": "2026-03-02T08:00:00Z"}))),
        responses: vec![Answer::json(
            200,
            "How many are sent again.",
            schema::<ReplayedDeadLetters>(),
            json!({"replayed": 17}),
        )],
        problems: vec![Code::NotFound, Code::Forbidden, Code::Invalid, Code::Conflict, Code::IdempotencyMismatch],
        ..endpoint("replay", "replay_webhook")
    }
}

async fn replay_dead(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let DeadLetterReplay { since } = fit(body.clone())?;
    call.write(&body, move |desk| {
        let (hook, now) = (mine(desk, &id)?, desk.cause.at);
        must_be_active(&hook)?;
        let replayed = DeliveryRow::replay_dead(desk.unit.connection()?, hook.id, since, now)?;
        let told = json!({"since": [null, since], "replayed": [null, replayed]});
        desk.tell("replayed", ("webhook", hook.id.as_str(), hook.version), &told)?;
        Ok(Reply::ok(json!({"replayed": replayed})))
    })
    .await
}

/// Refuses to send messages of a webhook that sends none.
pub(super) fn must_be_active(hook: &WebhookRow) -> Result<()> {
    if hook.active {
        return Ok(());
    }
    Err(Error::new(Code::Conflict, "The webhook is not active; turn it on first."))
}
