//! Personal tokens: one's own, and those that administrators make for service accounts.

use std::collections::BTreeSet;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::Schema};

use super::TAG;
use crate::{
    auth::{
        caller::Caller,
        directory,
        gate::Credential,
        permission,
        personal::{self, MOST_SCOPES, NewPersonalToken, PersonalToken},
        session::Mint,
    },
    clock::Moment,
    config::Secret,
    error::{Code, Error, FieldError, Result},
    http::{
        authenticate::{Identity, kind_actions},
        body::{self, Body},
        desk::{Call, Reply},
        directory_api::change::{noted, with_secret},
        endpoint::{Access, Answer, Content, Endpoint, in_path, uuid},
        mount::Api,
        parameter::{dry_run, idempotency_key, reason},
        schema::{schema, words},
    },
    id::{RowId, UserId},
    record::store::Desk,
};

/// A token as it is asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewToken {
    /// What it is called, so that it is known again when it is to be revoked.
    #[schema(max_length = 100)]
    name: String,
    /// What it is limited to, written like permissions: `incident.read`, `incident.*`. Each must be within what the roles of
    /// its user permit, so `*` is for those who may do everything; later it never permits more than they do then.
    #[schema(schema_with = scopes)]
    scopes: BTreeSet<String>,
    /// From when it is refused; 90 days from now when it is left out, and no later than in 365, unless the operator said
    /// otherwise.
    #[serde(default)]
    #[schema(required = false)]
    expires_at: Option<Moment>,
}

fn scopes() -> Schema {
    let doc = "What it is limited to, written like permissions: `incident.read`, `incident.*`. Each must be within what the roles of its user permit, so `*` is for those who may do everything; later it never permits more than they do then.";
    words(doc, MOST_SCOPES, 100)
}

/// A token just made.
#[derive(Serialize, ToSchema)]
struct MadeToken {
    #[serde(flatten)]
    token: PersonalToken,
    /// What goes into `Authorization: Bearer …`. Shown here and never again; null in a dry run and in the replay of an
    /// idempotency key, because it isn't stored.
    #[schema(required = true)]
    secret: Option<String>,
}

/// Tokens of a user.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TokenList {
    /// Newest first, revoked ones too.
    pub items: Vec<PersonalToken>,
}

/// Somebody who may look after their own tokens: who signed in with a password, or came with a token that is meant for
/// tokens. A narrow one that leaked tells nothing of the others.
struct Keeper;

impl FromRequest for Keeper {
    type Error = Error;
    type Future = std::future::Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload).into_inner();
        let credential = Credential::from_request(request, payload).into_inner();
        std::future::ready(caller.and_then(|caller| match credential? {
            Credential::Session(_) => Ok(Keeper),
            Credential::Client(_) | Credential::Personal(_) => caller.require(CREATE).map(|()| Keeper),
        }))
    }
}

/// The permission to make tokens.
const CREATE: &str = "token.create";

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(listing(), list);
    api.mount(making(), create);
    api.mount(revocation(), revoke);
}

/// An example of a token.
pub(in crate::http) fn example() -> Value {
    json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b14",
        "name": "nightly report",
        "scopes": ["incident.read"],
        "created_at": "2026-03-01T08:00:00Z",
        "expires_at": "2027-03-01T08:00:00Z",
        "last_used_at": null,
        "revoked_at": null,
    })
}

/// What a token is made of.
pub(in crate::http) fn content() -> Content {
    let example = json!({"name": "nightly report", "scopes": ["incident.read"], "expires_at": "2027-03-01T08:00:00Z"});
    Content::json(schema::<NewToken>(), example)
}

/// The answer that holds a secret.
pub(in crate::http) fn made() -> Answer {
    let mut example = example();
    example["secret"] = "pm_pat_6Jx1cYkq4oY0m2u3v5w7x9zAbCdEfGhIjKlMnOpQrSt".into();
    Answer::json(201, "The token with its secret.", schema::<MadeToken>(), example)
}

fn endpoint(method: Method, path: &'static str, id: &'static str) -> Endpoint {
    Endpoint {
        method,
        path: path.into(),
        id: id.into(),
        tag: TAG.into(),
        access: Access::SignedIn,
        summary: "".into(),
        description: "".into(),
        parameters: Vec::new(),
        request: None,
        responses: Vec::new(),
        problems: Vec::new(),
    }
}

fn listing() -> Endpoint {
    Endpoint {
        summary: "List one's own personal tokens".into(),
        description: "Without their secrets, which nobody can read again. A token lists them only when `token.create` is among its scopes."
            .into(),
        responses: vec![Answer::json(200, "The tokens.", schema::<TokenList>(), json!({"items": [example()]}))],
        ..endpoint(Method::GET, "/api/v1/auth/tokens", "list_tokens")
    }
}

async fn list(_: Keeper, call: Call) -> Result<HttpResponse> {
    let user = call.cause.caller.user;
    let items = call.read(move |reading| personal::list(reading.connection, user)).await?;
    Ok(HttpResponse::Ok().json(TokenList { items }))
}

fn making() -> Endpoint {
    Endpoint {
        access: Access::Permission(CREATE.into()),
        summary: "Make a personal token".into(),
        description: "A token for one's own scripts. Its scopes only narrow what one's roles permit, and a token makes no wider one than itself."
            .into(),
        parameters: vec![dry_run(), idempotency_key(), reason()],
        request: Some(content()),
        responses: vec![made()],
        problems: vec![Code::Invalid, Code::IdempotencyMismatch, Code::IdempotencyInFlight],
        ..endpoint(Method::POST, "/api/v1/auth/tokens", "create_token")
    }
}

async fn create(call: Call, identity: web::Data<Identity>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewToken = body::parse(body.to_string().as_bytes())?;
    let (user, mint) = (call.cause.caller.user, identity.mint.clone());
    with_secret(&call, &body, "secret", move |desk| issue(desk, &mint, user, &new)).await
}

/// Makes a token for a user, in a write job; the secret stays apart from the answer.
pub(in crate::http) fn issue(
    desk: &mut Desk<'_, '_>,
    mint: &Mint,
    user: UserId,
    new: &NewToken,
) -> Result<(Reply, Secret)> {
    let kinds = kind_actions(desk.kernel.practices());
    permission::check(new.scopes.iter().map(String::as_str), &kinds, "/scopes")?;
    let owner = directory::standing(desk.unit.connection()?, user)?.ok_or_else(|| Error::not_found("user"))?.caller;
    check_scopes(&desk.cause.caller, &owner, &new.scopes)?;
    let expires_at = Some(mint.issuer.personal_expiry(new.expires_at, desk.cause.at)?);
    let new = NewPersonalToken { name: new.name.clone(), scopes: new.scopes.clone(), expires_at };
    let (token, secret) = personal::create(desk.unit.connection()?, user, &new, &kinds, desk.cause.at)?;
    let told = json!({"user_id": [null, user], "name": [null, token.name], "scopes": [null, token.scopes]});
    noted(desk, "token.created", "token", token.id.as_str(), 1, &told)?;
    let location = format!("/api/v1/auth/tokens/{}", token.id);
    Ok((Reply::created(location, serde_json::to_value(&token).map_err(Error::internal)?), secret))
}

fn check_scopes(caller: &Caller, owner: &Caller, asked: &BTreeSet<String>) -> Result<()> {
    let wider: Vec<FieldError> = asked
        .iter()
        .enumerate()
        .filter_map(|(position, scope)| {
            let (code, detail) = if !caller.covers_scope(scope) {
                ("wider_than_own", format!("The token that you came in with doesn't cover `{scope}`."))
            } else if !owner.can(scope) {
                ("wider_than_roles", format!("The roles of `{}` don't permit all of `{scope}`.", owner.user_name))
            } else {
                return None;
            };
            Some(FieldError::new(format!("/scopes/{position}"), code, detail))
        })
        .collect();
    if wider.is_empty() { Ok(()) } else { Err(Error::invalid_all(wider)) }
}

fn revocation() -> Endpoint {
    Endpoint {
        summary: "Revoke a personal token".into(),
        description: "At once, and for good. A token has no version, so no `If-Match` is needed. A token revokes only when `token.create` is among its scopes."
            .into(),
        parameters: vec![
            in_path("id", "The token's id.", uuid(), "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b14"),
            dry_run(),
            reason(),
        ],
        responses: vec![Answer::empty(204, "It is revoked.")],
        problems: vec![Code::NotFound],
        ..endpoint(Method::DELETE, "/api/v1/auth/tokens/{id}", "revoke_token")
    }
}

async fn revoke(_: Keeper, call: Call, id: web::Path<String>, identity: web::Data<Identity>) -> Result<HttpResponse> {
    let (user, id) = (call.cause.caller.user, token_id(&id)?);
    let response = call.write(&Value::Null, move |desk| withdraw(desk, user, id)).await?;
    identity.gate.expire();
    Ok(response)
}

/// The id of a token in a path.
pub(in crate::http) fn token_id(text: &str) -> Result<RowId> {
    text.parse().map_err(|_| Error::not_found("token"))
}

/// Revokes a token of a user, in a write job.
pub(in crate::http) fn withdraw(desk: &mut Desk<'_, '_>, user: UserId, id: RowId) -> Result<Reply> {
    personal::revoke(desk.unit.connection()?, user, id, desk.cause.at)?;
    noted(desk, "token.revoked", "token", id.as_str(), 2, &json!({"revoked_at": [null, desk.cause.at]}))?;
    Ok(Reply::empty())
}
