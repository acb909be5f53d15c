//! Links that decide once, without signing in.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{TAG, approval_id, endpoint};
use crate::{
    auth::{
        link_token,
        throttle::{self, Trial},
    },
    clock::Length,
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{self, Call, Reply, Service},
        directory_api::change::with_secret,
        endpoint::{Access, Answer, Content, Endpoint, in_path, patterned},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        request_id::RequestId,
        schema::schema,
    },
    id::UserId,
    record::{
        approval::{
            link::{self, ApprovalByLink, ApprovalLink, Usable},
            row::{APPROVE, REJECT},
            vote::{self, Ballot},
        },
        cause::{Cause, Policies, Via},
        store::Desk,
    },
};

/// What failed attempts are counted as.
const TRIAL: &str = "approval-link";
const EXAMPLE: &str = "pm_al_6Jx1cYkq4oY0m2u3v5w7x9zAbCdEfGhIjKlMnOpQrSt6Jx1cYkq4oY0m2u3v5w7x9zAbCdEfGhIjKlMnOpQrSt";

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(make(), make_link).mount(look(), get_by_link).mount(decide(), decide_by_link);
}

/// Whose link is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApprovalLink {
    /// Whose vote it casts: somebody whose vote is waited for in the open stage.
    user_id: UserId,
    /// For how long it is good: seven days when it is left out, which is the longest; and never longer than the stage's due time.
    #[serde(default)]
    #[schema(required = false)]
    good_for: Option<Length>,
}

/// What somebody says by a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VoteByLink {
    /// Whether they approve.
    vote: ApprovalChoice,
    /// What they say about it; needed to reject.
    #[serde(default)]
    #[schema(required = false, max_length = 4000)]
    comment: String,
}

/// To approve or to reject.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ApprovalChoice {
    /// It goes on.
    Approve,
    /// It does not.
    Reject,
}

fn make() -> Endpoint {
    let example = json!({
        "token": EXAMPLE, "user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "expires_at": "2026-03-04T08:15:00Z",
    });
    let body = json!({"user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "good_for": "PT24H"});
    Endpoint {
        summary: "Make a link by which somebody decides".into(),
        description: "Whoever has the link decides in the name of the one whom it is for, once and without signing in: give it to nobody else. \
                      The record's history tells who made it. It is good until it is used, its time is over, or the stage is decided."
            .into(),
        parameters: vec![parameter::id("approval"), dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(schema::<NewApprovalLink>(), body)),
        responses: vec![Answer::json(201, "The link.", schema::<ApprovalLink>(), example)],
        problems: vec![Code::NotFound, Code::Conflict, Code::Invalid],
        ..endpoint(Method::POST, "/{id}/links", "create_approval_link", Access::Permission(link::PERMISSION.into()))
    }
}

async fn make_link(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let id = approval_id(&id)?;
    let NewApprovalLink { user_id, good_for } = fit(body.clone())?;
    with_secret(&call, &body, "token", move |desk| {
        let (case, record) = vote::seen(desk, id)?;
        let (made, token) = link::make(desk, case, &record, user_id, good_for.as_ref())?;
        let body = serde_json::to_value(made).map_err(Error::internal)?;
        Ok((Reply { status: 201, ..Reply::ok(body) }, token))
    })
    .await
}

fn by_link(method: Method, id: &'static str, example: Value) -> Endpoint {
    let form = patterned(link_token::LENGTH, "^pm_al_[A-Za-z0-9_-]{86}$");
    Endpoint {
        method,
        path: "/api/v1/approval-links/{token}".into(),
        id: id.into(),
        tag: TAG.into(),
        access: Access::Public,
        summary: "".into(),
        description: "".into(),
        parameters: vec![in_path("token", "The token of the link.", form, EXAMPLE)],
        request: None,
        responses: vec![Answer::json(200, "What is asked.", schema::<ApprovalByLink>(), example)],
        problems: vec![Code::NotFound, Code::Gone, Code::TooManyRequests],
    }
}

fn example() -> Value {
    json!({
        "title": "Replace the core switch on Saturday", "description": "Two hours without network in the main building.",
        "record": {
            "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "kind": "incident", "number": "INC0000042",
            "title": "The core switch drops packets",
        },
        "stage": "Owner and manager", "asked_by": "Ada Lovelace", "voter": "Grace Hopper", "state": "pending", "vote": null,
        "due_at": "2026-03-04T08:15:00Z", "expires_at": "2026-03-04T08:15:00Z",
    })
}

fn look() -> Endpoint {
    Endpoint {
        summary: "Read what a link asks".into(),
        description: "Changes nothing, however often it is read: mail programs do. A link that was used, is too old or no longer needed is 410; \
                      one that this server did not make is 404, and after some of those the next attempt has to wait."
            .into(),
        ..by_link(Method::GET, "get_approval_by_link", example())
    }
}

async fn get_by_link(
    token: web::Path<String>,
    request: HttpRequest,
    service: web::Data<Service>,
) -> Result<HttpResponse> {
    let shown =
        with_link(&service, &request, token.into_inner(), false, |desk, usable| usable.shown(desk.unit.connection()?));
    Ok(HttpResponse::Ok().json(shown.await?))
}

fn decide() -> Endpoint {
    let mut after = example();
    (after["state"], after["vote"]) = ("approved".into(), "approve".into());
    let mut endpoint = by_link(Method::POST, "decide_by_link", after);
    endpoint.parameters.push(dry_run());
    endpoint.problems.extend([Code::Conflict, Code::Invalid]);
    Endpoint {
        summary: "Decide by a link".into(),
        description: "Once: afterwards the link is 410. The vote is that of the one whom the link is for.".into(),
        request: Some(Content::json(schema::<VoteByLink>(), json!({"vote": "approve", "comment": "Go ahead."}))),
        ..endpoint
    }
}

async fn decide_by_link(
    token: web::Path<String>,
    request: HttpRequest,
    service: web::Data<Service>,
    Body(VoteByLink { vote, comment }): Body<VoteByLink>,
) -> Result<HttpResponse> {
    let vote = match vote {
        ApprovalChoice::Approve => APPROVE,
        ApprovalChoice::Reject => REJECT,
    };
    let ballot = Ballot { vote, comment, in_name_of: None };
    ballot.check()?;
    let rehearses = desk::flag(&desk::query(&request)?, "dry_run");
    let shown =
        with_link(&service, &request, token.into_inner(), rehearses, move |desk, usable| usable.cast(desk, &ballot));
    Ok(HttpResponse::Ok().json(shown.await?))
}

/// Does something with the link of a token in the name of the one whom it is for. Tokens that this server did not make are
/// counted, and hold up the next attempt.
async fn with_link(
    service: &Service,
    request: &HttpRequest,
    token: String,
    rehearses: bool,
    mut work: impl FnMut(&mut Desk<'_, '_>, Usable) -> Result<ApprovalByLink> + Send + 'static,
) -> Result<ApprovalByLink> {
    let trial = Trial::of_bearer(TRIAL, request.peer_addr().map(|peer| peer.ip()));
    let (kernel, now) = (service.kernel.clone(), service.clock.now());
    let request_id = RequestId::of(request).as_str().to_owned();
    let done = service.writer.run(move |unit| {
        let connection = unit.connection()?;
        throttle::admit(connection, &trial, now)?;
        let Some(link) = link::find(connection, &token)? else {
            throttle::count_failure(connection, &trial, now)?;
            return Ok(None);
        };
        let usable = link::usable(connection, link, now)?;
        if rehearses {
            unit.discard();
        }
        let cause = Cause {
            caller: usable.caller().into(),
            via: Via::Link,
            request_id: request_id.clone(),
            reason: String::new(),
            at: now,
            policies: Policies::Decide,
            depth: 0,
        };
        work(&mut Desk { kernel: &kernel, unit, cause: &cause }, usable).map(Some)
    });
    done.await?.ok_or_else(|| Error::new(Code::NotFound, "There is no such link."))
}
