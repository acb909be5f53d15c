//! The id of a request: taken from the caller when it is harmless, made otherwise. It is in the answer, in every log line
//! and in every problem document.

use std::{convert::Infallible, future::Ready, sync::Arc};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{Payload, ServiceRequest},
    http::header::{HeaderName, HeaderValue},
};

use crate::id::RowId;

/// Where it travels.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 128;

/// The id of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of `request`, which is made on the spot where the middleware has not seen it.
    pub fn of(request: &impl HttpMessage) -> RequestId {
        request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::made)
    }

    /// Takes the caller's id or makes one, and keeps it with the request.
    pub(super) fn settle(request: &ServiceRequest) -> RequestId {
        let given = request.headers().get(HEADER).and_then(|v| v.to_str().ok()).filter(|v| is_harmless(v));
        let id = given.map_or_else(RequestId::made, |given| RequestId(given.into()));
        request.extensions_mut().insert(id.clone());
        id
    }

    pub(super) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }

    fn made() -> RequestId {
        RequestId(RowId::new().as_str().into())
    }
}

fn is_harmless(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&b))
}

impl FromRequest for RequestId {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(RequestId::of(request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken() {
        let long = "a".repeat(129);
        let cases = [
            ("abc-1_2.3:4", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("<x>", false),
            (&long, false),
            (&long[1..], true),
        ];
        for (id, expected) in cases {
            assert_eq!(is_harmless(id), expected, "{id}");
        }
    }
}
