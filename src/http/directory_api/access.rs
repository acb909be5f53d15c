//! What users get in with and what they may do then: one-time passwords, tokens of service accounts, roles.
//!
//! All of it needs every permission that the user has; see [`guard`].

use actix_web::{HttpResponse, http::Method, web};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    change::{met, noted, typed, with_secret},
    guard,
    resource::{Resource, answer, check_version, documented, endpoint, visible},
    role::Role,
    user::User,
};
use crate::{
    auth::{
        account::{self, NewPassword},
        horizon::Horizon,
        password,
        permission::ADMINISTRATOR,
        personal,
        role::{assign_role, withdraw_role},
    },
    error::{Code, Error, Result},
    http::{
        auth_api::token::{self, NewToken, TokenList},
        authenticate::Identity,
        body::Body,
        desk::{Call, Reply},
        endpoint::{Access, Answer, Endpoint, in_path, short_text, uuid},
        entity_tag::IfMatch,
        mount::Api,
        parameter::{dry_run, id, idempotency_key, if_match, reason},
        schema::schema,
    },
    record::store::Desk,
    schema::user_account,
};

/// A password to be changed at the first login.
#[derive(Serialize, ToSchema)]
struct IssuedPassword {
    /// Shown here and never again; null in a dry run and in the replay of an idempotency key, because it isn't stored.
    #[schema(required = true)]
    one_time_password: Option<String>,
}

const TOKENS: &str = "/api/v1/users/{id}/tokens";

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(resetting(), reset_password);
    api.mount(listing(), list_tokens);
    api.mount(making(), create_token);
    api.mount(revoking(), revoke_token);
    api.mount(
        membership(Method::PUT, "give_role", "Give a user a role", "Giving a role that the user has changes nothing."),
        async |call: Call, path: web::Path<(String, String)>, identity: web::Data<Identity>| {
            change_role(call, path.into_inner(), identity, true).await
        },
    );
    let said = "Taking a role that the user hasn't got changes nothing. The last active administrator keeps that role.";
    api.mount(
        membership(Method::DELETE, "take_role", "Take a role from a user", said),
        async |call: Call, path: web::Path<(String, String)>, identity: web::Data<Identity>| {
            change_role(call, path.into_inner(), identity, false).await
        },
    );
}

/// The user of this id, whom the caller may change in everything.
fn subject(desk: &mut Desk<'_, '_>, id: &str) -> Result<User> {
    let horizon = Horizon::of(desk.unit.reference(), &desk.cause.caller)?;
    let connection = desk.unit.connection()?;
    let user: User = visible(connection, &horizon, id)?;
    horizon.require(user.organisation_id)?;
    guard::require_over(connection, &desk.cause.caller, user.id)?;
    Ok(user)
}

fn resetting() -> Endpoint {
    let example = json!({"one_time_password": "d3k7x-9qmzt-5hw2c-v8rny"});
    Endpoint {
        summary: "Give a user a one-time password".into(),
        description: "Ends the user's sessions. The password must be changed at the first login, before anything else is answered. Service accounts have tokens \
            and no password: 409."
            .into(),
        parameters: vec![id("user"), dry_run(), idempotency_key(), reason()],
        responses: vec![Answer::json(200, "The password.", schema::<IssuedPassword>(), example)],
        problems: vec![Code::NotFound, Code::Conflict, Code::TooManyRequests],
        ..endpoint::<User>(
            Method::POST,
            "/api/v1/users/{id}/reset_password".to_owned(),
            "reset_user_password".to_owned(),
        )
    }
}

async fn reset_password(call: Call, id: web::Path<String>, identity: web::Data<Identity>) -> Result<HttpResponse> {
    let secret = password::one_time()?;
    let hash = identity.hasher.hash(secret.expose().to_owned()).await?;
    let response = with_secret(&call, &Value::Null, "one_time_password", move |desk| {
        let user = subject(desk, &id)?;
        if user.service_account {
            return Err(Error::new(Code::Conflict, "A service account has tokens and no password."));
        }
        let new = NewPassword { hash: hash.clone(), replaces: None, one_time: true, keep: None };
        account::set_password(desk.unit.connection()?, user.id, &new, desk.cause.at)?;
        noted(desk, "user.password_reset", "user", user.id.as_str(), user.version + 1, &json!({}))?;
        Ok((Reply::ok(json!({})), secret.clone()))
    })
    .await?;
    identity.gate.expire();
    Ok(response)
}

fn listing() -> Endpoint {
    Endpoint {
        access: Access::Permission(User::NOUN.manage.into()),
        summary: "List a user's tokens".into(),
        description: "Without their secrets, which nobody can read again.".into(),
        parameters: vec![id("user")],
        responses: vec![Answer::json(200, "The tokens.", schema::<TokenList>(), json!({"items": [token::example()]}))],
        problems: vec![Code::NotFound],
        ..endpoint::<User>(Method::GET, TOKENS.to_owned(), "list_user_tokens".to_owned())
    }
}

async fn list_tokens(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let items = call
        .read(move |reading| {
            let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
            let user: User = visible(reading.connection, &horizon, &id)?;
            personal::list(reading.connection, user.id)
        })
        .await?;
    Ok(HttpResponse::Ok().json(TokenList { items }))
}

fn making() -> Endpoint {
    Endpoint {
        summary: "Make a token for a service account".into(),
        description: "Its scopes only narrow what the roles of the service account permit. Its id and secret also serve as client id and secret of OAuth 2. People \
            make their own tokens: 409."
            .into(),
        parameters: vec![id("user"), dry_run(), idempotency_key(), reason()],
        request: Some(token::content()),
        responses: vec![token::made()],
        problems: vec![Code::NotFound, Code::Conflict, Code::Invalid, Code::IdempotencyMismatch],
        ..endpoint::<User>(Method::POST, TOKENS.to_owned(), "create_user_token".to_owned())
    }
}

async fn create_token(
    call: Call,
    id: web::Path<String>,
    identity: web::Data<Identity>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let (new, mint): (NewToken, _) = (typed(&body, &[])?, identity.mint.clone());
    with_secret(&call, &body, "secret", move |desk| {
        let user = subject(desk, &id)?;
        if !user.service_account {
            return Err(Error::new(
                Code::Conflict,
                "People make their own tokens; only a service account gets one here.",
            ));
        }
        let (reply, secret) = token::issue(desk, &mint, user.id, &new)?;
        let location = reply.body["id"].as_str().map(|token| format!("/api/v1/users/{}/tokens/{token}", user.id));
        Ok((Reply { location, ..reply }, secret))
    })
    .await
}

fn revoking() -> Endpoint {
    let token = in_path("token_id", "The token's id.", uuid(), "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b14");
    Endpoint {
        summary: "Revoke a user's token".into(),
        description: "At once, and for good; people's tokens too. A token has no version, so no `If-Match` is needed."
            .into(),
        parameters: vec![id("user"), token, dry_run(), reason()],
        responses: vec![Answer::empty(204, "It is revoked.")],
        problems: vec![Code::NotFound],
        ..endpoint::<User>(Method::DELETE, format!("{TOKENS}/{{token_id}}"), "revoke_user_token".to_owned())
    }
}

async fn revoke_token(
    call: Call,
    path: web::Path<(String, String)>,
    identity: web::Data<Identity>,
) -> Result<HttpResponse> {
    let (id, token) = path.into_inner();
    let token = token::token_id(&token)?;
    let response = call
        .write(&Value::Null, move |desk| {
            let user = subject(desk, &id)?;
            token::withdraw(desk, user.id, token)
        })
        .await?;
    identity.gate.expire();
    Ok(response)
}

fn membership(method: Method, operation: &str, summary: &'static str, description: &'static str) -> Endpoint {
    let role = in_path("role", "The name of the role.", short_text(60), "agent");
    Endpoint {
        summary: summary.into(),
        description: format!(
            "{description} It needs every permission and the view that the role and the user have. `If-Match` takes the `ETag` of the user."
        )
        .into(),
        parameters: vec![id("user"), role, if_match(true), dry_run(), reason()],
        responses: vec![documented::<User>(200, "The user as they are now.")],
        problems: vec![Code::NotFound, Code::Conflict, Code::Stale, Code::PreconditionRequired],
        ..endpoint::<User>(method, "/api/v1/users/{id}/roles/{role}".to_owned(), operation.to_owned())
    }
}

async fn change_role(
    call: Call,
    (id, role): (String, String),
    identity: web::Data<Identity>,
    has: bool,
) -> Result<HttpResponse> {
    let expected = call.expected()?;
    let response = call.write(&Value::Null, move |desk| settle_role(desk, &id, &role, &expected, has)).await?;
    identity.gate.expire();
    Ok(response)
}

fn settle_role(desk: &mut Desk<'_, '_>, id: &str, role: &str, expected: &IfMatch, has: bool) -> Result<Reply> {
    let before = subject(desk, id)?;
    check_version(&before, expected)?;
    let (connection, at) = (desk.unit.connection()?, desk.cause.at);
    let role = Role::find(connection, None, role)?.ok_or_else(|| Error::not_found("role"))?;
    role.require_covered(&desk.cause.caller)?;
    if before.has_role(&role.name) == has {
        return answer(&before);
    }
    let (action, told) = if has {
        assign_role(connection, before.id, &role.name)?;
        ("user.role_given", json!({"roles": [null, role.name]}))
    } else {
        if role.name == ADMINISTRATOR {
            guard::keep_an_administrator(connection, before.id)?;
        }
        withdraw_role(connection, before.id, &role.name)?;
        ("user.role_taken", json!({"roles": [role.name, null]}))
    };
    let row = user_account::table.find(before.id).filter(user_account::version.eq(before.version));
    let counted = (user_account::version.eq(before.version + 1), user_account::updated_at.eq(at));
    met(diesel::update(row).set(counted).execute(connection)?)?;
    let after = User::find(connection, None, id)?.ok_or_else(|| Error::not_found("user"))?;
    noted(desk, action, "user", before.id.as_str(), after.version, &told)?;
    answer(&after)
}
