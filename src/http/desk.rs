//! From a request to the store and back: reading as of one moment, and writing through the one write path, with dry run and
//! idempotency on every write.

use std::{
    collections::HashSet,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse,
    dev::Payload,
    http::{StatusCode, header},
    web,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{idempotency, request_id::RequestId};
use crate::{
    auth::caller::Caller,
    clock::Clock,
    db::{AnyConnection, Database, writer::Writer},
    error::{Code, Error, Result},
    record::{
        cause::{Cause, Policies, Via},
        kernel::Kernel,
        kind::Kind,
        pending::Pending,
        store::{self, Desk, Outcome, Reading},
    },
};

/// What every handler of the API works with; shared by all workers.
pub struct Service {
    /// The practices and policies.
    pub kernel: Arc<Kernel>,
    /// For reading.
    pub database: Database,
    /// For writing.
    pub writer: Writer<Pending>,
    /// What time it is.
    pub clock: Clock,
    /// Idempotency keys that are being worked on by this node.
    pub in_flight: Mutex<HashSet<String>>,
}

/// A request, as the write path needs it.
#[derive(Clone)]
pub struct Call {
    /// What everything works with.
    pub service: web::Data<Service>,
    /// Who and what is behind it, and when.
    pub cause: Arc<Cause>,
    /// `?dry_run=true`: check everything, store nothing.
    pub dry_run: bool,
    /// The version in `If-Match`.
    pub if_match: Option<IfMatch>,
    /// The idempotency key, and the route that it belongs to.
    pub key: Option<idempotency::Key>,
}

/// What `If-Match` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whatever version there is.
    Any,
    /// The record must be at this version.
    Version(i32),
}

/// What a write answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// 200, 201 or 204.
    pub status: u16,
    /// The version for the `ETag`.
    pub version: Option<i32>,
    /// Where the new thing is.
    pub location: Option<String>,
    /// The body.
    pub body: Value,
}

impl FromRequest for Call {
    type Error = Error;
    type Future = Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Call::of(request))
    }
}

impl Call {
    fn of(request: &HttpRequest) -> Result<Self> {
        let service = request.app_data::<web::Data<Service>>().cloned();
        let service = service.ok_or_else(|| Error::internal("nothing is set up to serve records"))?;
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Error::new(Code::Unauthenticated, "Sign in first."))?;
        let query = query(request)?;
        let dry_run = match query.iter().find(|(name, _)| name == "dry_run").map(|(_, value)| value.as_str()) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Error::new(Code::Malformed, "`dry_run` is `true` or `false`.")),
        };
        let cause = Cause {
            at: service.clock.now(),
            caller: Arc::new(caller),
            via: Via::Api,
            request_id: RequestId::of(request).as_str().to_owned(),
            reason: header_text(request, "x-reason").unwrap_or_default(),
            policies: Policies::Decide,
            depth: 0,
        };
        let key = idempotency::Key::of(request, &cause)?;
        Ok(Call { if_match: if_match(request)?, cause: Arc::new(cause), dry_run, key, service })
    }

    /// The version that `If-Match` names; an error when the header is missing.
    pub fn expected(&self) -> Result<Option<i32>> {
        match self.if_match {
            Some(IfMatch::Any) => Ok(None),
            Some(IfMatch::Version(version)) => Ok(Some(version)),
            None => Err(Error::new(Code::PreconditionRequired, "Send the record's `ETag` in `If-Match`.")),
        }
    }

    /// The version that `If-Match` names, where the header may be missing.
    pub fn expected_if_given(&self) -> Option<i32> {
        match self.if_match {
            Some(IfMatch::Version(version)) => Some(version),
            Some(IfMatch::Any) | None => None,
        }
    }

    /// Reads as of one moment.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reading<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (kernel, cause) = (self.service.kernel.clone(), self.cause.clone());
        self.service
            .database
            .read(move |connection| work(&mut Reading { kernel: &kernel, connection, cause: &cause }))
            .await
    }

    /// Writes in one transaction. With an idempotency key, the answer is kept in the same transaction, so that a retry
    /// after any failure gets it; with `dry_run`, nothing is kept.
    ///
    /// `body` is what makes two requests with one key the same.
    pub async fn write(
        &self,
        body: &Value,
        work: impl FnMut(&mut Desk<'_, '_>) -> Result<Reply> + Send + 'static,
    ) -> Result<HttpResponse> {
        let mut work = work;
        let (kernel, cause, dry_run) = (self.service.kernel.clone(), self.cause.clone(), self.dry_run);
        let key = self.key.clone().filter(|_| !dry_run);
        let digest = hex::encode(Sha256::digest(body.to_string()));
        let _guard = match &key {
            Some(key) => Some(InFlight::enter(&self.service, key.lock_name())?),
            None => None,
        };
        let (reply, replayed) = self
            .service
            .writer
            .run(move |unit| {
                if let Some(kept) = key.as_ref().map(|k| k.kept(unit.connection()?, &digest)).transpose()?.flatten() {
                    return Ok((kept, true));
                }
                if dry_run {
                    // From here on everything can be taken back.
                    unit.connection()?;
                    unit.discard();
                }
                let reply = work(&mut Desk { kernel: &kernel, unit, cause: &cause })?;
                if let Some(key) = &key {
                    key.keep(unit.connection()?, &digest, &reply, cause.at)?;
                }
                Ok((reply, false))
            })
            .await?;
        let mut response = reply.into_response();
        if replayed {
            let name = header::HeaderName::from_static("idempotency-replayed");
            response.headers_mut().insert(name, header::HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}

/// A key stays in flight until its request is answered.
pub(super) struct InFlight {
    service: web::Data<Service>,
    name: String,
}

impl InFlight {
    /// Enters the key, unless another request with it is still running.
    pub(super) fn enter(service: &web::Data<Service>, name: String) -> Result<Self> {
        let mut names = service.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.insert(name.clone()) {
            let detail = "The first request with this idempotency key is still running.";
            return Err(Error::new(Code::IdempotencyInFlight, detail).retry_after(1));
        }
        Ok(InFlight { service: service.clone(), name })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.service.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

impl Reply {
    /// A changed or looked-up thing.
    pub fn ok(body: impl Into<Value>) -> Self {
        Reply { status: 200, version: None, location: None, body: body.into() }
    }
    /// Nothing more to say.
    pub fn empty() -> Self {
        Reply { status: 204, version: None, location: None, body: Value::Null }
    }
    /// A new thing at `location`.
    pub fn created(location: String, body: impl Into<Value>) -> Self {
        Reply { status: 201, version: None, location: Some(location), body: body.into() }
    }
    /// A changed record.
    pub fn record(outcome: Outcome) -> Self {
        Reply { version: Some(outcome.version), ..Reply::ok(outcome.record) }
    }
    /// The same reply with an `ETag`.
    #[must_use]
    pub fn at_version(mut self, version: i32) -> Self {
        self.version = Some(version);
        self
    }

    fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK));
        if let Some(version) = self.version {
            response.insert_header((header::ETAG, etag(version)));
        }
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        if self.status == 204 { response.finish() } else { response.json(self.body) }
    }
}

/// The strong `ETag` of a version.
pub fn etag(version: i32) -> String {
    format!("\"{version}\"")
}

/// Whether `If-None-Match` holds this version: the caller has it already.
pub fn is_known(request: &HttpRequest, version: i32) -> bool {
    let wanted = etag(version);
    header_text(request, "if-none-match")
        .is_some_and(|tags| tags.split(',').map(|t| t.trim().trim_start_matches("W/")).any(|t| t == "*" || t == wanted))
}

/// The pairs of the query string, decoded.
pub fn query(request: &HttpRequest) -> Result<Vec<(String, String)>> {
    web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(web::Query::into_inner)
        .map_err(|_| Error::new(Code::Malformed, "The query string is not understood."))
}

/// The body as a JSON object.
pub fn object(body: Value) -> Result<Map<String, Value>> {
    let Value::Object(object) = body else {
        return Err(Error::new(Code::Malformed, "The body must be a JSON object."));
    };
    Ok(object)
}

/// Looks up a record's id by the id or number in a path. A number that nobody has gets the answer of a hidden record.
pub fn record_id_of(connection: &mut AnyConnection, kind: &Kind, text: &str) -> Result<crate::id::RecordId> {
    crate::record::header::Header::id_of(connection, text)?.ok_or_else(|| store::absent(kind))
}

fn header_text(request: &HttpRequest, name: &str) -> Option<String> {
    request.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn if_match(request: &HttpRequest) -> Result<Option<IfMatch>> {
    let Some(text) = header_text(request, "if-match") else { return Ok(None) };
    if text.trim() == "*" {
        return Ok(Some(IfMatch::Any));
    }
    let version = text.trim().strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.parse().ok());
    // A tag that this server never gave can't be the record's.
    Ok(Some(IfMatch::Version(version.unwrap_or(-1))))
}
