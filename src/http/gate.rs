//! What a request passes before its handler runs: rate limit, credentials, permission, an acceptable answer.

use std::{any::Any, future::Ready, panic::AssertUnwindSafe, sync::Arc};

use actix_web::{
    FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Responder,
    dev::Payload,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web,
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use utoipa::openapi::{
    RefOr, Schema,
    path::{Parameter, ParameterIn},
    schema::Type,
};

use super::{
    accept, bounds,
    endpoint::{Access, Endpoint},
    limit::{Counted, Limiter},
    problem,
};
use crate::{
    auth::caller::Caller,
    error::{Code, Error, FieldError, Result, did_you_mean},
};

/// Lies with a request whose caller may come by HTTP Basic as well.
pub(super) struct BasicToo;

const BASIC_CHALLENGE: &str = "Basic realm=\"pointsman\", charset=\"UTF-8\"";

/// Finds out who calls. The application holds one as `Arc<dyn Authenticate>`.
pub trait Authenticate: Send + Sync {
    /// The caller behind the credentials of `request`.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] without credentials or with wrong ones; [`Code::Unavailable`] when the store is away.
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Arc<Caller>>>;
}

/// The caller, for handlers behind [`Access::SignedIn`] and narrower.
impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(caller_of(request).map(|caller| Caller::clone(&caller)))
    }
}

/// The caller that was let in.
pub(super) fn caller_of(request: &HttpRequest) -> Result<Arc<Caller>> {
    let caller = request.extensions().get::<Arc<Caller>>().cloned();
    caller.ok_or_else(|| Error::new(Code::Unauthenticated, "Sign in first."))
}

/// Lets `request` through to `handler`, or says why not. A panic on the way is a fault like any other.
pub(super) async fn pass<F, Args>(
    endpoint: Arc<Endpoint>,
    handler: F,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse
where
    F: Handler<Args>,
    F::Output: Responder + 'static,
    Args: FromRequest,
{
    let answer = AssertUnwindSafe(answer(&endpoint, handler, &request, payload.into_inner())).catch_unwind().await;
    match answer {
        Ok(Ok(response)) => unbuffered(response),
        Ok(Err(error)) => challenged(&endpoint, problem::respond_to_any(&error, &request)),
        Err(panic) => problem::respond(&Error::internal(format!("panic: {}", said(&*panic))), &request),
    }
}

async fn answer<F, Args>(
    endpoint: &Endpoint,
    handler: F,
    request: &HttpRequest,
    mut payload: Payload,
) -> Result<HttpResponse, actix_web::Error>
where
    F: Handler<Args>,
    F::Output: Responder + 'static,
    Args: FromRequest,
{
    admit(endpoint, request).await?;
    let input = Args::from_request(request, &mut payload).await.map_err(Into::into)?;
    Ok(handler.call(input).await.respond_to(request).map_into_boxed_body())
}

async fn admit(endpoint: &Endpoint, request: &HttpRequest) -> Result<()> {
    match &endpoint.access {
        Access::Probe => {}
        Access::Public => count(request, Counted::peer(request))?,
        Access::SignedIn => {
            known(request).await.and_then(password_settled)?;
        }
        Access::PasswordDue => {
            known(request).await?;
        }
        Access::OwnPart(permission) => {
            let caller = known(request).await.and_then(password_settled)?;
            if !caller.covers_scope(permission) {
                return Err(Error::forbidden(permission));
            }
        }
        Access::Permission(permission) => known(request).await.and_then(password_settled)?.require(permission)?,
        Access::Either(one, other) => {
            let caller = known(request).await.and_then(password_settled)?;
            if !caller.can(other) {
                caller.require(one)?;
            }
        }
        Access::Feed(permission) => {
            request.extensions_mut().insert(BasicToo);
            known(request).await.and_then(password_settled)?.require(permission)?;
        }
    }
    // PostgreSQL can't store U+0000, and no text with it is ever found.
    if request.uri().path_and_query().is_some_and(|target| target.as_str().contains("%00")) {
        return Err(Error::new(Code::Malformed, "Path and query must not hold U+0000."));
    }
    check_parameters(endpoint, request)?;
    bounds::check_headers(endpoint, request)?;
    let offered = endpoint.media_types();
    if !offered.is_empty() && accept::choose(request, &offered).is_none() {
        return Err(Error::new(Code::NotAcceptable, format!("The answer can be {}.", offered.join(", "))));
    }
    Ok(())
}

/// Refuses a parameter that the endpoint does not have: a misspelt `dry_run` must not write. Lists take any field's name and
/// check it themselves.
fn check_parameters(endpoint: &Endpoint, request: &HttpRequest) -> Result<()> {
    let pairs = super::desk::query(request)?;
    if pairs.is_empty() {
        return Ok(());
    }
    let in_query = |p: &&Parameter| p.parameter_in == ParameterIn::Query;
    for parameter in endpoint.parameters.iter().filter(in_query) {
        check_given(parameter, &pairs)?;
    }
    let known: Vec<&str> = endpoint.parameters.iter().filter(in_query).map(|p| p.name.as_str()).collect();
    if known.contains(&"filter") {
        return Ok(());
    }
    let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) else { return Ok(()) };
    let near = did_you_mean(name, known.iter().copied());
    let detail = format!("There is no parameter `{name}` here{near}.");
    let wrong = FieldError::new(name.as_str(), "unknown_parameter", detail.clone());
    Err(Error::new(Code::BadQuery, detail).with_errors(vec![wrong]))
}

/// Refuses a parameter that is given twice or without a value, or is neither `true` nor `false` where it must be.
fn check_given(parameter: &Parameter, pairs: &[(String, String)]) -> Result<()> {
    let name = parameter.name.as_str();
    let given: Vec<&str> = pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
    let (code, detail) = match given.as_slice() {
        [_, _, ..] => ("repeated", format!("`{name}` is given more than once.")),
        [""] => ("required", format!("`{name}` has no value; leave it out instead.")),
        [text] if is_yes_or_no(parameter) && !["true", "false"].contains(text) => {
            ("wrong_type", format!("`{name}` is `true` or `false`."))
        }
        [text] => return bounds::check(parameter, text),
        [] => return Ok(()),
    };
    let wrong = FieldError::new(name, code, detail.clone());
    Err(Error::new(Code::Malformed, detail).with_errors(vec![wrong]))
}

fn is_yes_or_no(parameter: &Parameter) -> bool {
    matches!(&parameter.schema, Some(RefOr::T(Schema::Object(object))) if object.schema_type == Type::Boolean.into())
}

/// The caller, counted and kept with the request. Who can't be known is counted by address.
async fn known(request: &HttpRequest) -> Result<Arc<Caller>> {
    let Some(authenticate) = request.app_data::<Arc<dyn Authenticate>>().cloned() else {
        return Err(Error::internal("nothing is set up to authenticate callers"));
    };
    let caller = authenticate.authenticate(request).await;
    count(request, caller.as_ref().map_or_else(|_| Counted::peer(request), |caller| Counted::User(caller.user)))?;
    let caller = caller?;
    tracing::Span::current().record("user", tracing::field::display(caller.user));
    request.extensions_mut().insert(caller.clone());
    Ok(caller)
}

fn password_settled(caller: Arc<Caller>) -> Result<Arc<Caller>> {
    if caller.must_change_password {
        return Err(Error::new(Code::PasswordChangeRequired, "Change your password, then sign in again."));
    }
    Ok(caller)
}

pub(super) fn count(request: &HttpRequest, who: Counted) -> Result<()> {
    request.app_data::<Arc<Limiter>>().map_or(Ok(()), |limiter| limiter.count(request, who))
}

/// Programs that know HTTP Basic alone ask for a password only where they are told that they may.
fn challenged(endpoint: &Endpoint, mut response: HttpResponse) -> HttpResponse {
    if let (Access::Feed(_), StatusCode::UNAUTHORIZED) = (&endpoint.access, response.status()) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(BASIC_CHALLENGE));
    }
    response
}

/// Compression would hold back events until a block is full.
fn unbuffered(mut response: HttpResponse) -> HttpResponse {
    let is_stream =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
    if is_stream {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
    }
    response
}

fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
