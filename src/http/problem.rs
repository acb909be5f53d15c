//! Problem documents (RFC 9457): how every error leaves the server.
//!
//! **Invariant:** the cause of an error is logged here and never sent.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    error::{PathError, PayloadError, QueryPayloadError},
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{request_id::RequestId, secret_path};
use crate::error::{Code, Error, FieldError};

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";
const CHALLENGE: &str = "Bearer realm=\"pointsman\"";
const CHALLENGE_INVALID: &str = "Bearer realm=\"pointsman\", error=\"invalid_token\"";

/// What went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDetails {
    /// A stable URI for the kind of problem, `urn:pointsman:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(format = "uri", examples("urn:pointsman:problem:not_found"))]
    kind: String,
    /// What kind of problem it is, the same text for every occurrence.
    #[schema(examples("Not found"))]
    title: &'static str,
    /// The HTTP status.
    #[schema(examples(404))]
    status: u16,
    /// What went wrong this time.
    #[schema(examples("There is no incident that you may see."))]
    detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri-reference", examples("/api/v1/incidents/INC0000001"))]
    instance: Option<String>,
    /// Stable and machine-readable: branch on this.
    #[schema(schema_with = code_schema)]
    code: &'static str,
    /// Finds the request in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11"))]
    request_id: Option<String>,
    /// The places in the input that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

fn code_schema() -> utoipa::openapi::Schema {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some("Stable and machine-readable: branch on this."))
        .enum_values(Some(Code::ALL.iter().map(|code| code.as_str())))
        .into()
}

impl ProblemDetails {
    /// What went wrong, without where.
    pub(super) fn of(error: &Error) -> Self {
        ProblemDetails {
            kind: format!("urn:pointsman:problem:{}", error.code.as_str()),
            title: error.code.title(),
            status: error.code.status(),
            detail: error.detail.clone(),
            instance: None,
            code: error.code.as_str(),
            request_id: None,
            errors: error.errors.clone(),
        }
    }

    /// The same at a path, in a request.
    pub(super) fn at(mut self, path: &str, request_id: &str) -> Self {
        self.instance = Some(path.to_owned());
        self.request_id = Some(request_id.to_owned());
        self
    }

    fn of_request(error: &Error, request: &HttpRequest) -> Self {
        ProblemDetails::of(error).at(&secret_path::shown(request.path()), RequestId::of(request).as_str())
    }

    /// The document by itself, for one operation of many in a batch.
    pub fn of_operation(error: &Error, request: &HttpRequest) -> Self {
        log(error);
        ProblemDetails::of_request(error, request)
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        status(self.code)
    }
    /// Without a request at hand; [`respond`] replaces it by the whole document on the way out.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        document(self, &ProblemDetails::of(self), CHALLENGE)
    }
}

/// The answer to `request` that says what went wrong; the cause goes to the log.
pub fn respond(error: &Error, request: &HttpRequest) -> HttpResponse {
    log(error);
    let challenge = if request.headers().contains_key(header::AUTHORIZATION) { CHALLENGE_INVALID } else { CHALLENGE };
    document(error, &ProblemDetails::of_request(error, request), challenge)
}

fn document(error: &Error, problem: &ProblemDetails, challenge: &'static str) -> HttpResponse {
    let mut response = HttpResponse::build(status(error.code));
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
    if let Some(seconds) = error.retry_after.or_else(|| (error.code == Code::Unavailable).then_some(1)) {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    if status(error.code) == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
    }
    if matches!(error.code, Code::RequestTimeout | Code::TooLarge) {
        // The rest of the body is still on its way: this connection can't carry another request.
        response.force_close();
    }
    match serde_json::to_vec(problem) {
        Ok(body) => response.body(body),
        Err(_) => response.finish(),
    }
}

fn log(error: &Error) {
    let cause = error.source.as_deref().map(tracing::field::display);
    if error.code.status() >= 500 {
        tracing::error!(code = error.code.as_str(), detail = error.detail, cause, "request failed");
    } else {
        tracing::debug!(code = error.code.as_str(), detail = error.detail, cause, "request refused");
    }
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The answer for an error of the HTTP library, in which our own may be wrapped.
pub(super) fn respond_to_any(error: &actix_web::Error, request: &HttpRequest) -> HttpResponse {
    match error.as_error::<Error>() {
        Some(ours) => respond(ours, request),
        None => respond(&foreign(error), request),
    }
}

/// What an error of the HTTP library means here.
fn foreign(error: &actix_web::Error) -> Error {
    if let Some(e) = error.as_error::<QueryPayloadError>() {
        return Error::new(Code::Malformed, format!("The query string can't be read: {e}."));
    }
    if error.as_error::<PathError>().is_some() {
        return Error::not_found("such thing");
    }
    if let Some(e) = error.as_error::<PayloadError>() {
        return if matches!(e, PayloadError::Overflow) {
            for_status(StatusCode::PAYLOAD_TOO_LARGE)
        } else {
            Error::new(Code::Malformed, format!("The body can't be read: {e}."))
        };
    }
    let status = error.as_response_error().status_code();
    if status.is_server_error() {
        return Error::internal(error.to_string());
    }
    Error { source: Some(error.to_string().into()), ..for_status(status) }
}

/// The error for a status that something other than an endpoint answered with.
pub(super) fn for_status(status: StatusCode) -> Error {
    let code = Code::ALL
        .iter()
        .copied()
        .find(|code| code.status() == status.as_u16())
        .unwrap_or(if status.is_client_error() { Code::Malformed } else { Code::Internal });
    Error::new(code, format!("{}.", code.title()))
}
