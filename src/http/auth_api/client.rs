//! OAuth 2 client credentials (RFC 6749 section 4.4), and the public keys (RFC 7517).
//!
//! An error is a problem document like any other, and also holds the `error` and `error_description` of RFC 6749 section
//! 5.2, so that OAuth clients find what they look for.

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web,
};
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, Schema, schema::Type};

use super::TAG;
use crate::{
    auth::{
        key::JsonWebKeySet,
        personal::{self, ClientTokens},
    },
    config::Secret,
    error::{Code, Error, Result},
    http::{
        authenticate::{self, Identity},
        body::BodyLimits,
        desk::Service,
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        problem::{self, ProblemDetails},
        schema::{named, schema},
    },
};

/// How long others may hold the keys. A new key is also found by its absence: a token that names it makes a verifier look again.
const KEYS_HELD: &str = "public, max-age=300";

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(exchange(), token);
    api.mount(key_set(), keys);
}

fn endpoint(method: Method, path: &'static str, id: &'static str) -> Endpoint {
    Endpoint {
        method,
        path: path.into(),
        id: id.into(),
        tag: TAG.into(),
        access: Access::Public,
        summary: "".into(),
        description: "".into(),
        parameters: Vec::new(),
        request: None,
        responses: Vec::new(),
        problems: Vec::new(),
    }
}

fn key_set() -> Endpoint {
    let example = json!({"keys": [{
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
        "kid": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b15", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }]});
    Endpoint {
        summary: "The keys that access tokens are verified with".into(),
        description: "A JSON Web Key Set (RFC 7517). Hold it for five minutes, and look again when a token names a key that isn't in it.".into(),
        responses: vec![
            Answer::json(200, "The keys.", schema::<JsonWebKeySet>(), example)
                .header("Cache-Control", "How long to hold it."),
        ],
        ..endpoint(Method::GET, "/.well-known/jwks.json", "get_keys")
    }
}

async fn keys(service: web::Data<Service>, identity: web::Data<Identity>) -> Result<HttpResponse> {
    let (ring, now) = (identity.mint.keys.clone(), service.clock.now());
    let published = service
        .database
        .read(move |connection| {
            // Another node may have made a key; the ring asks the store at most once a second.
            ring.look_again(connection, now)?;
            Ok(ring.published())
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, KEYS_HELD)).json(&*published))
}

fn exchange() -> Endpoint {
    let field = |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    let form: Schema = ObjectBuilder::new()
        .description(Some("What client credentials are asked for with (RFC 6749 section 4.4.2)."))
        .property("grant_type", field("How.").enum_values(Some(["client_credentials"])))
        .required("grant_type")
        .property("scope", field("Narrower scopes than the token has, separated by spaces.").max_length(Some(4_096)))
        .property(
            "client_id",
            field("The token's id, when it isn't sent by Basic authentication.").max_length(Some(40)),
        )
        .property(
            "client_secret",
            field("The token's secret, when it isn't sent by Basic authentication.").max_length(Some(1_024)),
        )
        .build()
        .into();
    let example = json!({
        "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIs…", "token_type": "Bearer", "expires_in": 600, "scope": "incident.read",
    });
    Endpoint {
        summary: "Get an access token by client credentials".into(),
        description: "OAuth 2 (RFC 6749 section 4.4), for service accounts. The client id and secret are the id and the secret of a token of the \
            service account, sent by Basic authentication or in the form, not by both. There is no refresh token. Errors are problem \
            documents that also hold `error` and `error_description` as RFC 6749 section 5.2 has them."
            .into(),
        request: Some(Content::of(
            "application/x-www-form-urlencoded",
            named("ClientCredentials", form),
            json!({"grant_type": "client_credentials", "scope": "incident.read"}),
        )),
        responses: vec![Answer::json(200, "The token.", schema::<ClientTokens>(), example)],
        problems: vec![Code::Unauthenticated, Code::Malformed],
        ..endpoint(Method::POST, "/api/v1/auth/token", "create_client_token")
    }
}

/// An error as RFC 6749 section 5.2 names it.
struct Refused {
    error: &'static str,
    cause: Error,
}

impl Refused {
    fn request(detail: &str) -> Self {
        Refused { error: "invalid_request", cause: Error::new(Code::Malformed, detail) }
    }

    fn into_response(self, request: &HttpRequest) -> Result<HttpResponse> {
        let mut document =
            serde_json::to_value(ProblemDetails::of_operation(&self.cause, request)).map_err(Error::internal)?;
        document["error"] = self.error.into();
        document["error_description"] = self.cause.detail.into();
        let status = StatusCode::from_u16(self.cause.code.status()).map_err(Error::internal)?;
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CONTENT_TYPE, problem::MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"pointsman\""));
        }
        Ok(response.body(document.to_string()))
    }
}

/// Who asks, and for what.
struct Asked {
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
}

async fn token(
    request: HttpRequest,
    payload: web::Payload,
    service: web::Data<Service>,
    identity: web::Data<Identity>,
) -> Result<HttpResponse> {
    let form = form(&request, payload).await?;
    let asked = match Asked::read(&request, form) {
        Ok(asked) => asked,
        Err(refused) => return refused.into_response(&request),
    };
    let (mint, now) = (identity.mint.clone(), service.clock.now());
    let given = service
        .writer
        .run(move |unit| {
            let Asked { client_id, client_secret, scope } = &asked;
            personal::client_credentials(
                unit.connection()?,
                &mint,
                client_id,
                client_secret.expose(),
                scope.as_deref(),
                now,
            )
        })
        .await;
    match given {
        Ok(tokens) => Ok(HttpResponse::Ok().insert_header((header::PRAGMA, "no-cache")).json(tokens)),
        Err(cause) => refusal(cause)?.into_response(&request),
    }
}

fn refusal(cause: Error) -> Result<Refused> {
    if cause.code == Code::Unauthenticated {
        return Ok(Refused { error: "invalid_client", cause });
    }
    if cause.code == Code::Invalid {
        return Ok(Refused { error: "invalid_scope", cause: Error::new(Code::Malformed, cause.detail) });
    }
    Err(cause)
}

/// The fields of the form, within the limits of every body.
async fn form(request: &HttpRequest, payload: web::Payload) -> Result<Vec<(String, String)>> {
    type Fields = web::Form<Vec<(String, String)>>;
    let deadline =
        request.app_data::<BodyLimits>().map_or(std::time::Duration::from_secs(10), |limits| limits.deadline);
    let mut payload = payload.into_inner();
    let arriving = Fields::from_request(request, &mut payload);
    let arrived = tokio::time::timeout(deadline, arriving)
        .await
        .map_err(|_| Error::new(Code::RequestTimeout, "The body did not arrive in time."))?;
    arrived.map(web::Form::into_inner).map_err(|e| {
        let status = e.as_response_error().status_code();
        let code = Code::ALL.iter().copied().find(|code| code.status() == status.as_u16() && status.is_client_error());
        Error::new(
            code.unwrap_or(Code::Malformed),
            "The body must be a small form, `application/x-www-form-urlencoded`.",
        )
    })
}

impl Asked {
    fn read(request: &HttpRequest, form: Vec<(String, String)>) -> Result<Self, Refused> {
        let mut fields = std::collections::BTreeMap::new();
        for (name, value) in form {
            if value.contains('\0') || fields.insert(name, value).is_some() {
                return Err(Refused::request("A field is given twice or holds U+0000."));
            }
        }
        match fields.get("grant_type").map(String::as_str) {
            Some("client_credentials") => {}
            Some(_) => {
                let cause = Error::new(Code::Malformed, "The only `grant_type` here is `client_credentials`.");
                return Err(Refused { error: "unsupported_grant_type", cause });
            }
            None => return Err(Refused::request("`grant_type` is missing.")),
        }
        let in_form = (fields.remove("client_id"), fields.remove("client_secret"));
        let (client_id, client_secret) = match (basic(request)?, in_form) {
            (Some(_), (_, Some(_))) => return Err(Refused::request("Send the secret in one place, not in two.")),
            (Some((id, _)), (Some(other), None)) if id != other => {
                return Err(Refused::request("The header and the form name different clients."));
            }
            (Some(both), _) => both,
            (None, (Some(id), Some(secret))) => (id, secret),
            (None, _) => {
                let cause = Error::new(Code::Unauthenticated, "Send the client id and secret.");
                return Err(Refused { error: "invalid_client", cause });
            }
        };
        Ok(Asked { client_id, client_secret: Secret::new(client_secret), scope: fields.remove("scope") })
    }
}

/// Id and secret of `Authorization: Basic …`, each form-encoded (RFC 6749 section 2.3.1).
fn basic(request: &HttpRequest) -> Result<Option<(String, String)>, Refused> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let read = || {
        let (id, secret) = authenticate::basic(value)?;
        Some((decoded_form(&id)?, decoded_form(&secret)?))
    };
    let cause = || Error::new(Code::Unauthenticated, "The `Authorization` header is not understood.");
    read().map(Some).ok_or_else(|| Refused { error: "invalid_client", cause: cause() })
}

fn decoded_form(text: &str) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(&format!("v={text}")).ok()?.into_inner();
    match pairs.as_slice() {
        [(_, value)] => Some(value.clone()).filter(|v| !v.contains('\0')),
        _ => None,
    }
}
