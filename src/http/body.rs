//! JSON bodies, with every limit that keeps a bad one from doing harm.
//!
//! **Invariant:** no string that reaches a handler through [`Body`] holds U+0000, which PostgreSQL can't store.

use std::time::Duration;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web::BytesMut};
use futures_util::{StreamExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    config,
    error::{Code, Error, FieldError, Result},
};

const JSON: &str = "application/json";

/// At most so many wrong places are listed.
const MOST_ERRORS: usize = 20;

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Its largest size.
    pub bytes: usize,
    /// The time from the first look at it to its last byte.
    pub deadline: Duration,
}

impl From<&config::Server> for BodyLimits {
    fn from(server: &config::Server) -> Self {
        BodyLimits { bytes: server.json_limit_bytes, deadline: Duration::from_secs(server.body_deadline_seconds) }
    }
}

impl BodyLimits {
    /// Those of most requests.
    fn of(request: &HttpRequest) -> Self {
        request.app_data().copied().unwrap_or_else(|| BodyLimits::from(&config::Server::default()))
    }
}

/// What the body of an import may be, which is larger than any other.
#[derive(Clone, Copy, Debug)]
pub struct LargeLimits(pub BodyLimits);

impl From<&config::Server> for LargeLimits {
    fn from(server: &config::Server) -> Self {
        LargeLimits(BodyLimits { bytes: server.import_limit_bytes, ..BodyLimits::from(server) })
    }
}

/// The JSON body of a request.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

/// The JSON body of a request that may also come without one.
#[derive(Clone, Debug)]
pub struct MaybeBody<T>(pub Option<T>);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (reading, media_type) = (Reading::new(request, payload), check_media_type(request));
        Box::pin(async move {
            media_type?;
            parse(&reading?.whole().await?).map(Body)
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for MaybeBody<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (reading, media_type) = (Reading::new(request, payload), check_media_type(request));
        Box::pin(async move {
            let bytes = reading?.whole().await?;
            if bytes.is_empty() {
                return Ok(MaybeBody(None));
            }
            media_type?;
            parse(&bytes).map(|body| MaybeBody(Some(body)))
        })
    }
}

/// A body that comes as JSON, or as text of one other media type.
#[derive(Clone, Debug)]
pub enum JsonOrText<T> {
    /// JSON.
    Json(T),
    /// The text.
    Text(String),
}

impl<T: DeserializeOwned> JsonOrText<T> {
    /// Reads it from a request; gives its bytes, too.
    pub fn take(
        request: &HttpRequest,
        payload: &mut Payload,
        text_type: &'static str,
    ) -> impl Future<Output = Result<(Self, BytesMut)>> + 'static + use<T> {
        Self::take_within(request, payload, text_type, None)
    }

    /// The same within other limits than those of most bodies, where some are given.
    pub fn take_within(
        request: &HttpRequest,
        payload: &mut Payload,
        text_type: &'static str,
        limits: Option<BodyLimits>,
    ) -> impl Future<Output = Result<(Self, BytesMut)>> + 'static + use<T> {
        let limits = limits.unwrap_or_else(|| BodyLimits::of(request));
        let reading = Reading::within(request, payload, limits);
        let given = media_type(request, &[JSON, text_type]);
        async move {
            let is_json = given? == JSON;
            let bytes = reading?.whole().await?;
            let body = if is_json { parse(&bytes).map(Self::Json) } else { text(&bytes).map(Self::Text) };
            Ok((body?, bytes))
        }
    }
}

/// A body on its way in.
pub struct Reading {
    payload: Payload,
    limits: BodyLimits,
}

impl Reading {
    /// From a request; an error when it says that its body is too large.
    pub fn new(request: &HttpRequest, payload: &mut Payload) -> Result<Self> {
        Reading::within(request, payload, BodyLimits::of(request))
    }

    fn within(request: &HttpRequest, payload: &mut Payload, limits: BodyLimits) -> Result<Self> {
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limits.bytes) {
            return Err(too_large(limits));
        }
        Ok(Reading { payload: payload.take(), limits })
    }

    /// All of it.
    pub async fn whole(self) -> Result<BytesMut> {
        let Reading { mut payload, limits } = self;
        let all = async {
            let mut bytes = BytesMut::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|e| Error::new(Code::Malformed, format!("The body can't be read: {e}.")))?;
                if bytes.len() + chunk.len() > limits.bytes {
                    return Err(too_large(limits));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        };
        tokio::time::timeout(limits.deadline, all).await.unwrap_or_else(|_| {
            let seconds = limits.deadline.as_secs_f32();
            Err(Error::new(Code::RequestTimeout, format!("The body did not arrive within {seconds} seconds.")))
        })
    }
}

fn too_large(limits: BodyLimits) -> Error {
    Error::new(Code::TooLarge, format!("A body may have {} bytes at most.", limits.bytes))
}

fn check_media_type(request: &HttpRequest) -> Result<()> {
    media_type(request, &[JSON, "application/merge-patch+json"]).map(drop)
}

/// In which of these media types a body comes. It has to come as it is, in UTF-8.
fn media_type(request: &HttpRequest, taken: &[&'static str]) -> Result<&'static str> {
    let refuse = |why: &str| Err(Error::new(Code::UnsupportedMediaType, why));
    let given = request.mime_type().ok().flatten();
    let given = given.filter(|m| m.get_param("charset").is_none_or(|charset| charset == "utf-8"));
    let Some(named) = given.and_then(|m| taken.iter().copied().find(|one| *one == m.essence_str())) else {
        return refuse(&format!("The body must be `{}`, in UTF-8.", taken.join("` or `")));
    };
    let encoding = request.headers().get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes);
    if encoding.is_some_and(|e| !e.eq_ignore_ascii_case(b"identity")) {
        return refuse("The body must not be compressed.");
    }
    Ok(named)
}

/// Reads `bytes` as JSON and then as a `T`.
///
/// # Errors
/// [`Code::Malformed`] with line and column when it is not JSON or nests too deeply; [`Code::Invalid`] with the place when it
/// holds U+0000 or doesn't fit `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // The parser stops at a depth of 128 by itself, and refuses lone surrogates and bytes that are not UTF-8.
    let value: Value = serde_json::from_slice(bytes).map_err(|e| {
        let detail = format!("The body is not JSON as it should be: {e}.");
        Error::new(Code::Malformed, detail.clone()).with_errors(vec![FieldError::new("", "malformed", detail)])
    })?;
    let mut nuls = Vec::new();
    find_nul(&value, &mut String::new(), &mut nuls);
    if !nuls.is_empty() {
        return Err(Error::invalid_all(nuls));
    }
    fit(value)
}

/// Reads `bytes` as text, without the mark that some put before it.
///
/// # Errors
/// [`Code::Malformed`] when it is not UTF-8 or holds U+0000.
pub fn text(bytes: &[u8]) -> Result<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        Ok(_) | Err(_) => Err(Error::new(Code::Malformed, "The body must be text in UTF-8 without U+0000.")),
    }
}

/// Reads JSON that was taken from a body as a `T`.
///
/// # Errors
/// [`Code::Invalid`] with the place when it doesn't fit `T`.
pub fn fit<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|e| misfit(&e))
}

fn find_nul(value: &Value, pointer: &mut String, found: &mut Vec<FieldError>) {
    if found.len() == MOST_ERRORS {
        return;
    }
    let here = pointer.len();
    match value {
        Value::String(text) if text.contains('\0') => {
            found.push(FieldError::new(pointer.as_str(), "nul", "A text must not hold U+0000."));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                push(pointer, &index.to_string());
                find_nul(item, pointer, found);
                pointer.truncate(here);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                push(pointer, name);
                if name.contains('\0') && found.len() < MOST_ERRORS {
                    found.push(FieldError::new(pointer.as_str(), "nul", "A name must not hold U+0000."));
                }
                find_nul(item, pointer, found);
                pointer.truncate(here);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Adds one step to a JSON pointer (RFC 6901).
fn push(pointer: &mut String, step: &str) {
    pointer.push('/');
    pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
}

/// Where and how valid JSON doesn't fit what was asked for.
fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    use serde_path_to_error::Segment;
    let said = error.inner().to_string();
    let mut quoted = said.split('`').skip(1).step_by(2);
    let mut pointer = String::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let (code, name) = match said.split_once(' ').map_or("", |(first, _)| first) {
        "missing" => ("required", quoted.next()),
        "unknown" if said.starts_with("unknown variant") => ("not_a_choice", quoted.next()),
        "unknown" => ("unknown_field", quoted.next()),
        "duplicate" => ("duplicate_field", quoted.next()),
        "invalid" if said.starts_with("invalid type") => ("wrong_type", None),
        _ => ("invalid", None),
    };
    if let (Some(name), "required" | "unknown_field") = (name, code)
        && !pointer.ends_with(&format!("/{name}"))
    {
        push(&mut pointer, name);
    }
    let meant = match (name, code) {
        (Some(name), "unknown_field" | "not_a_choice") => crate::error::did_you_mean(name, quoted),
        _ => String::new(),
    };
    let place = if pointer.is_empty() { "The body".to_owned() } else { format!("`{pointer}`") };
    Error::invalid(pointer, code, format!("{place}: {said}{meant}."))
}

#[cfg(test)]
mod tests {
    use actix_web::{error::PayloadError, test::TestRequest, web::Bytes};
    use futures_util::{Stream, stream};
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Note {
        text: String,
        kind: Option<Kind>,
        #[serde(default)]
        parts: Vec<Note>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Public,
        Work,
    }

    #[test]
    fn what_is_no_json_is_malformed_with_its_position() {
        let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
        let cases = [
            ("", "line 1 column 0"),
            ("{\"a\":\n  1,}", "line 2"),
            ("{} {}", "trailing characters"),
            ("\"\\ud800\"", "hex escape"),
            ("\"\\udc00x\"", "surrogate"),
            ("\"\\ud800\\u0041\"", "surrogate"),
            ("1e999", "out of range"),
            ("NaN", "line 1"),
            (&deep, "recursion limit"),
            ("\u{feff}{}", "line 1"),
        ];
        for (text, expected) in cases {
            let error = parse::<Value>(text.as_bytes()).unwrap_err();
            assert_eq!(error.code, Code::Malformed, "{text}");
            assert!(error.detail.contains(expected), "{text}: {}", error.detail);
        }
        assert_eq!(parse::<Value>(b"\"\xff\"").unwrap_err().code, Code::Malformed);
        let allowed = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert!(parse::<Value>(allowed.as_bytes()).is_ok());
    }

    #[test]
    fn nul_is_found_wherever_it_hides() {
        let text = r#"{"a":["x","\u0000"],"b/c":{"~d":"y\u0000"},"k\u0000":1,"fine":"\\u0000"}"#;
        let error = parse::<Value>(text.as_bytes()).unwrap_err();
        assert_eq!(error.code, Code::Invalid);
        let pointers: Vec<_> = error.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a/1", "/b~1c/~0d", "/k\0"]);
        let many = serde_json::to_vec(&vec!["\0"; 1000]).unwrap();
        assert_eq!(parse::<Value>(&many).unwrap_err().errors.len(), MOST_ERRORS);
    }

    #[test]
    fn what_does_not_fit_names_place_and_reason() {
        let cases = [
            (json!({}), "/text", "required", ""),
            (json!({"text": 1}), "/text", "wrong_type", "string"),
            (json!({"text": "a", "txt": 1}), "/txt", "unknown_field", "did you mean `text`?"),
            (json!({"text": "a", "kind": "wrk"}), "/kind", "not_a_choice", "did you mean `work`?"),
            (json!({"text": "a", "parts": [{"text": "b"}, {"text": null}]}), "/parts/1/text", "wrong_type", ""),
            (json!({"text": "a", "parts": [{"text": "b"}, {}]}), "/parts/1/text", "required", ""),
            (json!({"text": "a", "parts": [{"text": "b", "kid": 1}]}), "/parts/0/kid", "unknown_field", "`kind`"),
            (json!([]), "", "invalid", ""),
        ];
        for (body, pointer, code, said) in cases {
            let error = parse::<Note>(body.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.code, Code::Invalid, "{body}");
            let place = &error.errors[0];
            assert_eq!((place.pointer.as_str(), place.code.as_str()), (pointer, code), "{body}: {}", place.detail);
            assert!(place.detail.contains(said), "{body}: {}", place.detail);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = || prop_oneof!["[a~/\\x00\"]{0,3}", ".*"];
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), text().prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text(), inner, 0..4).prop_map(|m| m.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_body_is_taken_unchanged_or_the_nul_in_it_is_shown(value in any_json()) {
            let bytes = serde_json::to_vec(&value).unwrap();
            match parse::<Value>(&bytes) {
                Ok(parsed) => {
                    prop_assert!(!String::from_utf8_lossy(&bytes).replace("\\\\", "").contains("\\u0000"));
                    prop_assert_eq!(parsed, value);
                }
                Err(error) => for place in &error.errors {
                    let there = value.pointer(&place.pointer);
                    let in_text = there.and_then(Value::as_str).is_some_and(|text| text.contains('\0'));
                    prop_assert!(there.is_some() && (in_text || place.pointer.contains('\0')), "{:?}", place);
                },
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse::<Note>(&bytes);
        }
    }

    fn arriving(chunks: impl Stream<Item = &'static str> + 'static) -> Payload {
        Payload::Stream { payload: Box::pin(chunks.map(|c| Ok::<_, PayloadError>(Bytes::from_static(c.as_bytes())))) }
    }

    fn request(headers: &[(&'static str, &'static str)]) -> HttpRequest {
        let limits = BodyLimits { bytes: 20, deadline: Duration::from_millis(50) };
        let request = TestRequest::post().app_data(limits);
        headers.iter().fold(request, |request, header| request.insert_header(*header)).to_http_request()
    }

    #[actix_web::test]
    async fn size_time_and_media_type_are_limited() {
        const JSON: (&str, &str) = ("content-type", "application/json");
        type Case = (&'static [(&'static str, &'static str)], Payload, Result<Value, Code>);
        let cases: Vec<Case> = vec![
            (&[JSON], arriving(stream::iter(["{\"a\"", ":1}"])), Ok(json!({"a": 1}))),
            (
                &[("content-type", "application/merge-patch+json; charset=UTF-8")],
                arriving(stream::iter(["1"])),
                Ok(json!(1)),
            ),
            (
                &[("content-type", "application/json; charset=latin1")],
                arriving(stream::iter(["1"])),
                Err(Code::UnsupportedMediaType),
            ),
            (&[("content-type", "text/plain")], arriving(stream::iter(["1"])), Err(Code::UnsupportedMediaType)),
            (&[], arriving(stream::iter(["1"])), Err(Code::UnsupportedMediaType)),
            (&[JSON, ("content-encoding", "gzip")], arriving(stream::iter(["1"])), Err(Code::UnsupportedMediaType)),
            (&[JSON, ("content-length", "21")], arriving(stream::pending()), Err(Code::TooLarge)),
            (&[JSON], arriving(stream::repeat("12345")), Err(Code::TooLarge)),
            (&[JSON], arriving(stream::iter(["1"]).chain(stream::pending())), Err(Code::RequestTimeout)),
        ];
        for (headers, mut payload, expected) in cases {
            let got = Body::<Value>::from_request(&request(headers), &mut payload).await;
            assert_eq!(got.map(|b| b.0).map_err(|e| e.code), expected, "{headers:?}");
        }
        let none = MaybeBody::<Value>::from_request(&request(&[]), &mut Payload::None).await.unwrap();
        assert!(none.0.is_none());
        let untyped = MaybeBody::<Value>::from_request(&request(&[]), &mut arriving(stream::iter(["1"]))).await;
        assert_eq!(untyped.unwrap_err().code, Code::UnsupportedMediaType);
    }
}
