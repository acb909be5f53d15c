//! What happens around every request, from the outside in: [`frame`] (request id, headers), the log span, [`observe`]
//! (figures), [`problems`] (errors become documents), CORS, compression.

use std::time::Instant;

use actix_cors::Cors;
use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use super::{
    limit, problem,
    request_id::{self, RequestId},
    secret_path,
    shutdown::Shutdown,
};
use crate::{config, telemetry};

const API: &str = "/api/";
const DOCS: &str = "/docs";
const NOTHING_LOADS: &str = "default-src 'none'; frame-ancestors 'none'";
const OWN_FILES_LOAD: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
/// How long a browser may remember what CORS allows.
const PREFLIGHT_SECONDS: usize = 600;

/// Settles the request id, and completes the head of the answer.
pub(super) async fn frame<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let id = RequestId::settle(&request);
    let mut response = next.call(request).await?;
    let (path, stopping) = {
        let request = response.request();
        (request.path().to_owned(), request.app_data::<Shutdown>().is_some_and(Shutdown::has_begun))
    };
    let request = response.request().clone();
    let headers = response.headers_mut();
    limit::tell(&request, headers);
    protect(&path, headers);
    if let Some(value) = id.header_value() {
        headers.insert(request_id::HEADER, value);
    }
    if stopping {
        // A connection that is kept alive would hold the stop.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

fn protect(path: &str, headers: &mut HeaderMap) {
    let policy = if path.starts_with(DOCS) { OWN_FILES_LOAD } else { NOTHING_LOADS };
    let mut set = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CONTENT_SECURITY_POLICY, policy);
    if path.starts_with(API) {
        set(header::CACHE_CONTROL, "no-store");
    }
}

/// Counts and times the request under its route.
pub(super) async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let start = Instant::now();
    let method = known_method(request.method());
    let response = next.call(request).await?;
    let elapsed = start.elapsed();
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let status = response.status().as_u16();
    let labels = [("method", method.to_owned()), ("route", route.clone()), ("status", status.to_string())];
    metrics::counter!(telemetry::REQUESTS, &labels).increment(1);
    metrics::histogram!(telemetry::DURATION, &labels).record(elapsed.as_secs_f64());
    tracing::info!(route, status, elapsed_ms = elapsed.as_secs_f64() * 1000.0, "answered");
    Ok(response)
}

/// The methods that some path takes.
pub(super) const KNOWN: [Method; 7] =
    [Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS];

/// A label of few values, whatever callers send.
fn known_method(method: &Method) -> &'static str {
    const NAMES: [&str; 7] = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.iter().position(|known| known == method).map_or("other", |at| NAMES[at])
}

/// Turns every error that isn't a problem document yet into one, keeping its headers.
pub(super) async fn problems<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let is_document =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes() == problem::MEDIA_TYPE.as_bytes());
    if !is_error || (is_document && response.response().error().is_none()) {
        return Ok(response);
    }
    let (request, old) = response.into_parts();
    let mut new = match old.error() {
        Some(error) => problem::respond_to_any(error, &request),
        None => problem::respond(&problem::for_status(old.status()), &request),
    };
    for (name, value) in old.headers() {
        if !new.headers().contains_key(name) && name != header::CONTENT_LENGTH && name != header::CONTENT_ENCODING {
            new.headers_mut().append(name.clone(), value.clone());
        }
    }
    Ok(ServiceResponse::new(request, new))
}

/// The span in which a request is logged. Query strings stay out: they hold what people search for. So do secrets in paths.
pub(super) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        tracing::info_span!(
            "request",
            request_id = RequestId::of(request).as_str(),
            method = %request.method(),
            path = secret_path::shown(request.path()).as_ref(),
            user = tracing::field::Empty,
        )
    }
    fn on_request_end<B: MessageBody>(_: Span, _: &Result<ServiceResponse<B>, Error>) {}
}

/// Which pages may call from a browser. Callers are known by a header, never by a cookie, so credentials are never allowed.
pub(super) fn cors(server: &config::Server) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers(["accept", "authorization", "content-type", "if-match", "if-none-match"])
        .allowed_headers(["idempotency-key", "last-event-id", "x-reason", "x-request-id"])
        .expose_headers(["etag", "link", "location", "ratelimit", "ratelimit-policy", "retry-after"])
        .expose_headers(["x-request-id", "idempotency-replayed", "www-authenticate", "allow"])
        .max_age(PREFLIGHT_SECONDS);
    if server.cors_origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin().send_wildcard();
    }
    server.cors_origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
