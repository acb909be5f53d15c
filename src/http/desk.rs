//! From a request to the store and back: reading as of one moment, and writing through the one write path, with dry run and
//! idempotency on every write.

use std::{
    collections::HashSet,
    future::{Ready, ready},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{StatusCode, header},
    web,
};
use serde_json::{Map, Value};

use super::{
    entity_tag::{IfMatch, etag},
    gate, idempotency, problem,
    request_id::RequestId,
};
use crate::{
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
    /// What `If-Match` asks for.
    pub if_match: Option<IfMatch>,
    /// The idempotency key, and the route that it belongs to.
    pub key: Option<idempotency::Key>,
}

/// What a write answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// 200, 201 or 204; for a refusal that was kept, its own.
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
        let caller = gate::caller_of(request)?;
        let dry_run = !request.method().is_safe() && flag(&query(request)?, "dry_run");
        let cause = Cause {
            at: service.clock.now(),
            caller,
            via: Via::Api,
            request_id: RequestId::of(request).as_str().to_owned(),
            reason: header_text(request, "x-reason").unwrap_or_default(),
            policies: Policies::Decide,
            depth: 0,
        };
        let key = idempotency::Key::of(request, &cause)?;
        Ok(Call { if_match: IfMatch::of(request)?, cause: Arc::new(cause), dry_run, key, service })
    }

    /// What `If-Match` asks for; an error when the header is missing.
    pub fn expected(&self) -> Result<IfMatch> {
        let missing = || Error::new(Code::PreconditionRequired, "Send the record's `ETag` in `If-Match`.");
        self.if_match.clone().ok_or_else(missing)
    }

    /// What `If-Match` asks for, where the header may be missing.
    pub fn expected_if_given(&self) -> IfMatch {
        self.if_match.clone().unwrap_or(IfMatch::Any)
    }

    /// Reads as of one moment.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reading<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.service.database.read(self.as_caller(work)).await
    }

    /// Reads a row or two by their keys, each statement by itself. Policies can't be asked here.
    pub async fn read_one<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reading<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.service.database.read_one(self.as_caller(work)).await
    }

    /// Reads what finds out by itself whether it goes together.
    pub async fn read_loosely<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reading<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.service.database.read_loosely(self.as_caller(work)).await
    }

    /// Work on a connection, in the caller's name.
    fn as_caller<T, W: FnOnce(&mut Reading<'_>) -> Result<T>>(
        &self,
        work: W,
    ) -> impl FnOnce(&mut AnyConnection) -> Result<T> + use<T, W> {
        let (kernel, cause) = (self.service.kernel.clone(), self.cause.clone());
        move |connection| work(&mut Reading { kernel: &kernel, connection, cause: &cause })
    }

    /// Writes in one transaction. With an idempotency key, the work is done [`once`](Call::once); with `dry_run`, nothing is
    /// kept.
    ///
    /// `body` is what makes two requests with one key the same, beside their query and conditions.
    pub async fn write(
        &self,
        body: &Value,
        work: impl FnMut(&mut Desk<'_, '_>) -> Result<Reply> + Send + 'static,
    ) -> Result<HttpResponse> {
        let key = self.key_with(body);
        let _guard = self.enter(key.as_ref())?;
        let (reply, replayed) = self.once(key, work).await?;
        let mut response = reply.into_response();
        if replayed {
            mark_replayed(&mut response);
        }
        Ok(response)
    }

    /// The idempotency key of a request with this body. A rehearsal has none.
    pub fn key_with(&self, body: &Value) -> Option<idempotency::Key> {
        self.key.clone().filter(|_| !self.dry_run).map(|key| key.with_body(body))
    }

    /// Writes in one transaction, or finds the answer that was kept for the key: the second value tells which. What is
    /// answered is kept in the same transaction, so that a retry after any failure gets it; a refusal that is final is kept
    /// in the next one.
    pub async fn once(
        &self,
        key: Option<idempotency::Key>,
        mut work: impl FnMut(&mut Desk<'_, '_>) -> Result<Reply> + Send + 'static,
    ) -> Result<(Reply, bool)> {
        let (kernel, cause, dry_run) = (self.service.kernel.clone(), self.cause.clone(), self.dry_run);
        let asked = key.clone();
        let outcome = self
            .service
            .writer
            .run(move |unit| {
                if let Some(kept) = asked.as_ref().map(|k| k.kept(unit.connection()?)).transpose()?.flatten() {
                    return Ok((kept, true));
                }
                if dry_run {
                    // From here on everything can be taken back.
                    unit.connection()?;
                    unit.discard();
                }
                let reply = work(&mut Desk { kernel: &kernel, unit, cause: &cause })?;
                if let Some(key) = &asked {
                    key.keep(unit.connection()?, &reply, cause.at)?;
                }
                // What a rehearsal made is nowhere.
                let location = reply.location.clone().filter(|_| !dry_run);
                Ok((Reply { location, ..reply }, false))
            })
            .await;
        match (outcome, key) {
            (Err(refused), Some(key)) if idempotency::is_final(&refused) => self.refused(key, refused).await,
            (outcome, _) => outcome,
        }
    }

    /// Keeps a refusal, unless another node has kept an answer since: then that is the one.
    async fn refused(&self, key: idempotency::Key, refused: Error) -> Result<(Reply, bool)> {
        let (refusal, at) = (key.refusal(&refused, &self.cause)?, self.cause.at);
        let keep = self.service.writer.run(move |unit| {
            let connection = unit.connection()?;
            let kept = key.kept(connection)?;
            if kept.is_none() {
                key.keep(connection, &refusal, at)?;
            }
            Ok(kept)
        });
        keep.await?.map_or(Err(refused), |kept| Ok((kept, true)))
    }

    /// Enters a key among those that this node works on.
    pub fn enter(&self, key: Option<&idempotency::Key>) -> Result<Option<InFlight>> {
        key.map(|key| InFlight::enter(&self.service, key.lock_name())).transpose()
    }
}

/// Tells that an answer is one that was given before.
pub fn mark_replayed(response: &mut HttpResponse) {
    response.headers_mut().insert(REPLAYED, header::HeaderValue::from_static("true"));
}

/// Tells that an answer is one that was given before.
pub const REPLAYED: header::HeaderName = header::HeaderName::from_static("idempotency-replayed");

/// A key stays in flight until its request is answered.
pub struct InFlight {
    service: web::Data<Service>,
    name: String,
}

impl InFlight {
    /// Enters the key, unless another request with it is still running.
    fn enter(service: &web::Data<Service>, name: String) -> Result<Self> {
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

    /// As an answer.
    pub fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK));
        if let Some(version) = self.version {
            response.insert_header((header::ETAG, etag(version)));
        }
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        match self.status {
            204 => response.finish(),
            400.. => response.content_type(problem::MEDIA_TYPE).json(self.body),
            _ => response.json(self.body),
        }
    }
}

/// The pairs of the query string, decoded.
pub fn query(request: &HttpRequest) -> Result<Vec<(String, String)>> {
    if request.query_string().is_empty() {
        return Ok(Vec::new());
    }
    web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(web::Query::into_inner)
        .map_err(|_| Error::new(Code::Malformed, "The query string is not understood."))
}

/// The whole number of a parameter, if it is given.
pub fn number<N: FromStr>(request: &HttpRequest, name: &str) -> Result<Option<N>> {
    let given = query(request)?.into_iter().find(|(n, _)| n == name).map(|(_, given)| given.parse()).transpose();
    given.map_err(|_| Error::new(Code::BadQuery, format!("`{name}` is a whole number.")))
}

/// Whether a parameter that is `true` or `false` is true. That it is one of them was checked before the handler ran.
pub fn flag(query: &[(String, String)], name: &str) -> bool {
    query.iter().any(|(n, value)| n == name && value == "true")
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
