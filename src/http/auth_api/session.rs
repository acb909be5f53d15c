//! Login, refresh, logout and the change of one's own password.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{TAG, noted};
use crate::{
    auth::{
        account,
        caller::Caller,
        gate::Credential,
        login::{self, Outcome},
        password,
        session::{self, Refreshed, Tokens},
    },
    config::Secret,
    error::{Code, Error, Result},
    http::{
        authenticate::Identity,
        body::Body,
        desk::{self, Service},
        endpoint::{Access, Answer, Content, Endpoint, in_query, yes_or_no},
        mount::Api,
        request_id::RequestId,
        schema::schema,
    },
};

/// A user name and a password.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The name to sign in with, in any case.
    #[schema(max_length = 200)]
    user_name: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    #[schema(max_length = 1024)]
    password: Secret,
}

/// A refresh token.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// The newest refresh token of the session.
    #[schema(value_type = String, format = Password)]
    #[schema(max_length = 1024)]
    refresh_token: Secret,
}

/// A change of one's own password.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    /// The password as it is.
    #[schema(value_type = String, format = Password)]
    #[schema(max_length = 1024)]
    old_password: Secret,
    /// The password as it shall be: at least 12 characters, none of the commonest, not made of the user name.
    #[schema(value_type = String, format = Password)]
    #[schema(min_length = 12, max_length = 1024)]
    new_password: Secret,
}

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(sign_in(), log_in);
    api.mount(renewal(), refresh);
    api.mount(sign_out(), log_out);
    api.mount(password_change(), change_password);
}

fn post(path: &'static str, id: &'static str, access: Access) -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: path.into(),
        id: id.into(),
        tag: TAG.into(),
        access,
        summary: "".into(),
        description: "".into(),
        parameters: Vec::new(),
        request: None,
        responses: vec![Answer::empty(204, "It is done.")],
        problems: vec![Code::Unauthenticated],
    }
}

fn tokens() -> Answer {
    let example = json!({
        "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIs…",
        "token_type": "Bearer",
        "expires_in": 600,
        "refresh_token": "pm_rt_6Jx1cYkq4oY0m2u3v5w7x9zAbCdEfGhIjKlMnOpQrSt",
        "session_expires_at": "2026-04-01T08:00:00Z",
        "must_change_password": false,
    });
    Answer::json(200, "The tokens.", schema::<Tokens>(), example)
}

fn sign_in() -> Endpoint {
    Endpoint {
        summary: "Sign in".into(),
        description: "Opens a session. The answer to a failed login is the same whether the name is unknown, the password wrong or the \
            user disabled. After some failures of an account or an address the next attempt has to wait (429 with `Retry-After`); failures of others never \
            hold up who has signed in from the same address before. \
            When `must_change_password` is true, everything but `POST /api/v1/auth/password` is refused until that is done."
            .into(),
        request: Some(Content::json(
            schema::<Login>(),
            json!({"user_name": "ada.lovelace", "password": "correct horse battery staple"}),
        )),
        responses: vec![tokens()],
        problems: vec![Code::Unauthenticated, Code::TooManyRequests],
        ..post("/api/v1/auth/login", "create_session", Access::Public)
    }
}

async fn log_in(
    Body(given): Body<Login>,
    request: HttpRequest,
    request_id: RequestId,
    service: web::Data<Service>,
    identity: web::Data<Identity>,
) -> Result<HttpResponse> {
    let address = request.peer_addr().map(|peer| peer.ip());
    let (name, begun) = (given.user_name.clone(), service.clock.now());
    let attempt = service.writer.run(move |unit| login::begin(unit.connection()?, &name, address, begun)).await?;
    let verdict = identity.hasher.verify(given.password.expose().to_owned(), attempt.stored_hash()).await?;
    let (mint, now, name) = (identity.mint.clone(), service.clock.now(), given.user_name);
    let outcome = service
        .writer
        .run(move |unit| {
            let outcome = login::finish(unit.connection()?, &mint, &attempt, &verdict, now)?;
            if matches!(outcome, Outcome::Done(_))
                && let Some(user) = account::find_user(unit.reference(), &name)?
            {
                unit.deferred.audit.push(noted(user, "user.signed_in", request_id.as_str(), now)?);
            }
            Ok(outcome)
        })
        .await?;
    Ok(HttpResponse::Ok().json(outcome.into_result()?))
}

fn renewal() -> Endpoint {
    Endpoint {
        summary: "Go on with a session".into(),
        description: "Gives the next pair of tokens. A refresh token is good once: whoever sends one a second time ends the session, because two \
            parties hold it. So don't repeat this request when its answer was lost; sign in again. The session ends at \
            `session_expires_at`, however often it goes on."
            .into(),
        request: Some(Content::json(
            schema::<Refresh>(),
            json!({"refresh_token": "pm_rt_6Jx1cYkq4oY0m2u3v5w7x9zAbCdEfGhIjKlMnOpQrSt"}),
        )),
        responses: vec![tokens()],
        ..post("/api/v1/auth/refresh", "refresh_session", Access::Public)
    }
}

async fn refresh(
    Body(given): Body<Refresh>,
    request_id: RequestId,
    service: web::Data<Service>,
    identity: web::Data<Identity>,
) -> Result<HttpResponse> {
    let (mint, now, id) = (identity.mint.clone(), service.clock.now(), request_id.clone());
    let refreshed = service
        .writer
        .run(move |unit| {
            let refreshed = session::refresh(unit.connection()?, &mint, given.refresh_token.expose(), now)?;
            if let Refreshed::Reused { user, .. } = &refreshed {
                unit.deferred.audit.push(noted(*user, "user.refresh_token_reused", id.as_str(), now)?);
            }
            Ok(refreshed)
        })
        .await?;
    if let Refreshed::Reused { user, family } = &refreshed {
        tracing::warn!(%user, session = %family, "a refresh token was used twice; its session has been ended");
        identity.gate.expire();
    }
    Ok(HttpResponse::Ok().json(refreshed.into_result()?))
}

fn sign_out() -> Endpoint {
    Endpoint {
        summary: "Sign out".into(),
        description: "Ends the session that the access token belongs to; its access and refresh tokens are worth nothing from now on. With \
            `everywhere=true` all sessions of the user end. Personal tokens stay; they are revoked by \
            `DELETE /api/v1/auth/tokens/{id}`. Who came in with one has no session to end: 409."
            .into(),
        parameters: vec![in_query("everywhere", "End all of one's sessions.", yes_or_no(), false)],
        problems: vec![Code::Unauthenticated, Code::Conflict],
        ..post("/api/v1/auth/logout", "end_session", Access::PasswordDue)
    }
}

async fn log_out(
    request: HttpRequest,
    caller: Caller,
    credential: Credential,
    service: web::Data<Service>,
    identity: web::Data<Identity>,
) -> Result<HttpResponse> {
    let everywhere = everywhere(&request)?;
    let Credential::Session(family) = credential else {
        return Err(Error::new(Code::Conflict, "You came in with a token, not by a login: revoke the token instead."));
    };
    let (user, now, id) = (caller.user, service.clock.now(), RequestId::of(&request));
    service
        .writer
        .run(move |unit| {
            let connection = unit.connection()?;
            let action = if everywhere {
                session::end_everywhere(connection, user, now)?;
                "user.signed_out_everywhere"
            } else {
                session::end(connection, family, now)?;
                "user.signed_out"
            };
            unit.deferred.audit.push(noted(user, action, id.as_str(), now)?);
            Ok(())
        })
        .await?;
    identity.gate.expire();
    Ok(HttpResponse::NoContent().finish())
}

fn everywhere(request: &HttpRequest) -> Result<bool> {
    match desk::query(request)?.as_slice() {
        [] => Ok(false),
        [(name, value)] if name == "everywhere" && value == "true" => Ok(true),
        [(name, value)] if name == "everywhere" && value == "false" => Ok(false),
        _ => Err(Error::new(Code::Malformed, "The only parameter is `everywhere`, which is `true` or `false`.")),
    }
}

fn password_change() -> Endpoint {
    Endpoint {
        summary: "Change one's own password".into(),
        description: "Needs the old password, also from who is signed in. This session goes on; all others of the user end. A wrong old \
            password counts like a failed login, and is answered by 422 so that it isn't taken for an expired session."
            .into(),
        request: Some(Content::json(
            schema::<PasswordChange>(),
            json!({"old_password": "d3k7x-9qmzt-5hw2c-v8rny", "new_password": "correct horse battery staple"}),
        )),
        problems: vec![Code::Unauthenticated, Code::Invalid, Code::TooManyRequests],
        ..post("/api/v1/auth/password", "change_password", Access::PasswordDue)
    }
}

async fn change_password(
    Body(given): Body<PasswordChange>,
    request: HttpRequest,
    caller: Caller,
    credential: Credential,
    service: web::Data<Service>,
    identity: web::Data<Identity>,
) -> Result<HttpResponse> {
    let Credential::Session(family) = credential else {
        return Err(Error::new(Code::Forbidden, "Only a session can change the password, not a token."));
    };
    let (old, new) = (given.old_password.expose(), given.new_password.expose());
    password::check_change(old, new, &caller.user_name, "/new_password")?;
    let address = request.peer_addr().map(|peer| peer.ip());
    let (name, begun) = (caller.user_name.clone(), service.clock.now());
    let attempt = service.writer.run(move |unit| login::begin(unit.connection()?, &name, address, begun)).await?;
    let verdict = identity.hasher.verify(old.to_owned(), attempt.stored_hash()).await?;
    // Hashed whatever the verdict: a refusal takes as long as a change.
    let hash = identity.hasher.hash(new.to_owned()).await?;
    let keep = Some(family);
    let (user, now, id) = (caller.user, service.clock.now(), RequestId::of(&request));
    let outcome = service
        .writer
        .run(move |unit| {
            let outcome = login::change_password(unit.connection()?, &attempt, &verdict, &hash, keep, now)?;
            if outcome == Outcome::Done(()) {
                unit.deferred.audit.push(noted(user, "user.password_changed", id.as_str(), now)?);
            }
            Ok(outcome)
        })
        .await?;
    identity.gate.expire();
    match outcome {
        Outcome::Done(()) => Ok(HttpResponse::NoContent().finish()),
        Outcome::Refused => Err(Error::invalid("/old_password", "wrong_password", "The old password is wrong.")),
    }
}
