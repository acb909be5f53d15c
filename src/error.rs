//! The one error of the server, and the table of its codes.
//!
//! Owns: what went wrong, said so that a caller can act on it. Every failure is one [`Error`]: a [`Code`] from the table
//! below, a sentence, and where it helps, the places in the input that are wrong. It becomes an RFC 9457 problem document
//! in `http::problem`; this module knows no HTTP library.
//!
//! **Invariant:** nothing that a caller can read holds SQL, a path of the server or a stack trace: those go into
//! [`Error::source`], which is logged and never sent.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $status:literal, $title:literal;)+) => {
        /// Stable, machine-readable reasons. Clients branch on these, never on sentences.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The code as it stands in a problem document.
            pub const fn as_str(self) -> &'static str { match self { $(Code::$name => $text,)+ } }
            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 { match self { $(Code::$name => $status,)+ } }
            /// The short title, the same for every occurrence.
            pub const fn title(self) -> &'static str { match self { $(Code::$name => $title,)+ } }
            /// What it means, for the documentation.
            pub fn meaning(self) -> String { match self { $(Code::$name => [$($doc),+].concat().trim().to_owned(),)+ } }
        }
    };
}

codes! {
    /// The request is not well-formed: JSON that does not parse, a parameter of the wrong form.
    Malformed = "malformed", 400, "The request is malformed";
    /// The filter, sort or field list does not parse, or names a field that is not there.
    BadQuery = "bad_query", 400, "The query is not understood";
    /// The cursor was not made by this server for this filter and sort.
    BadCursor = "bad_cursor", 400, "The cursor does not fit";
    /// No credentials, or credentials that are wrong, expired or revoked.
    Unauthenticated = "unauthenticated", 401, "Authentication is needed";
    /// The caller is known and may see this, but may not do it.
    Forbidden = "forbidden", 403, "Not allowed";
    /// The password must be changed before anything else.
    PasswordChangeRequired = "password_change_required", 403, "The password must be changed first";
    /// It does not exist, or the caller may not see it.
    NotFound = "not_found", 404, "Not found";
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// None of the accepted media types can be made.
    NotAcceptable = "not_acceptable", 406, "Not acceptable";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", 408, "The request took too long";
    /// The state does not allow it.
    Conflict = "conflict", 409, "The state does not allow it";
    /// The lifecycle has no such step from here, or something it needs is missing.
    IllegalTransition = "illegal_transition", 409, "The transition is not open";
    /// The same idempotency key is being worked on at this moment.
    IdempotencyInFlight = "idempotency_in_flight", 409, "The first request is still running";
    /// It was there, and is over for good: a link that was used.
    Gone = "gone", 410, "It is over";
    /// The record has changed since the version in `If-Match`.
    Stale = "stale", 412, "The record has changed";
    /// The body is larger than the limit.
    TooLarge = "too_large", 413, "The body is too large";
    /// The media type of the body is not supported here.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type";
    /// The body is valid JSON and breaks a rule.
    Invalid = "invalid", 422, "The input breaks a rule";
    /// A policy refused the write; the detail names the policy and its rule.
    RefusedByPolicy = "refused_by_policy", 422, "A policy refused it";
    /// The idempotency key was used before with another body.
    IdempotencyMismatch = "idempotency_mismatch", 422, "The idempotency key was used for another request";
    /// `If-Match` is needed on this request.
    PreconditionRequired = "precondition_required", 428, "If-Match is needed";
    /// Too many requests; wait as long as `Retry-After` says.
    TooManyRequests = "too_many_requests", 429, "Too many requests";
    /// A fault of the server. The request id finds it in the log.
    Internal = "internal", 500, "The server failed";
    /// The store is away; wait as long as `Retry-After` says.
    Unavailable = "unavailable", 503, "The store is not available";
    /// The disk is full.
    InsufficientStorage = "insufficient_storage", 507, "The store is full";
}

/// One wrong place in the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body, or the name of the parameter.
    pub pointer: String,
    /// Stable reason, such as `required`, `unknown_field`, `wrong_type`, `not_a_choice`, `too_long`.
    pub code: String,
    /// One sentence that says what is wrong and, where it can, what was meant.
    pub detail: String,
}

/// What went wrong, for the caller and (in `source`) for the log.
#[derive(Debug)]
pub struct Error {
    /// The code from the table.
    pub code: Code,
    /// One sentence about this occurrence.
    pub detail: String,
    /// The places that are wrong.
    pub errors: Vec<FieldError>,
    /// After how many seconds a retry makes sense.
    pub retry_after: Option<u64>,
    /// The cause, for the log alone.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a code and a sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Error { code, detail: sentence(detail.into()), errors: Vec::new(), retry_after: None, source: None }
    }

    /// 404: there is no such thing, or the caller may not see it; the two must look the same.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Error::new(Code::NotFound, format!("There is no {what} that you may see."))
    }

    /// 422 with one wrong place.
    pub fn invalid(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Error::invalid_all(vec![FieldError::new(pointer, code, detail)])
    }

    /// 422 with every wrong place at once.
    pub fn invalid_all(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|e| e.detail.as_str()).collect::<Vec<_>>().join(" ");
        Error { errors, ..Error::new(Code::Invalid, detail) }
    }

    /// 403: the caller lacks a permission.
    pub fn forbidden(permission: &str) -> Self {
        Error::new(Code::Forbidden, format!("This needs the permission `{permission}`."))
    }

    /// 500 with the cause kept for the log.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error { source: Some(source.into()), ..Error::new(Code::Internal, "Something failed on our side.") }
    }

    /// The same error with its wrong places.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// The same error, with its places below a part of the request: `/fields` for what is wrong in an object of that name.
    #[must_use]
    pub fn below(mut self, part: &str) -> Self {
        self.errors.iter_mut().for_each(|wrong| wrong.pointer.insert_str(0, part));
        self
    }

    /// The same error with a time to wait, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl FieldError {
    /// A wrong place: where, which kind of wrong, and a sentence.
    pub fn new(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        FieldError { pointer: pointer.into(), code: code.to_owned(), detail: sentence(detail.into()) }
    }
}

/// A sentence that ends with a question, such as [`did_you_mean`] asks, needs no full stop.
fn sentence(mut text: String) -> String {
    if text.ends_with("?.") {
        text.pop();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

/// `"; did you mean `x`?"` for the candidate nearest to `given`, or nothing when none is near.
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    candidates
        .into_iter()
        // Names whose lengths differ by more are never near enough, and comparing long ones takes long.
        .filter(|c| c.len().abs_diff(given.len()) <= 4 * (1 + c.len().min(given.len()) / 4))
        .map(|c| (strsim::damerau_levenshtein(given, c), c))
        .filter(|(distance, c)| *distance <= 1 + c.len().min(given.len()) / 4)
        .min()
        .map_or_else(String::new, |(_, c)| format!("; did you mean `{c}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_needs_no_full_stop() {
        let said = |given: &str| {
            let near = did_you_mean(given, ["title", "state"]);
            Error::invalid("", "unknown_field", format!("There is no `{given}`{near}.")).detail
        };
        assert_eq!(said("titel"), "There is no `titel`; did you mean `title`?");
        assert_eq!(said("xyzzy"), "There is no `xyzzy`.");
    }
}
