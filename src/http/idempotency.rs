//! `Idempotency-Key`: a retried POST does its work once and gets the first answer again.
//!
//! An answer is kept for the caller whom it was given to, and a replay shows it as it was then, even when they could no longer
//! read the record: it tells them nothing that they were not told, and a retry that got another answer could not know
//! whether the work was done. What the endpoint needs, a valid credential and its permission, a replay needs as well.
//!
//! **Invariant:** the answer is kept in the transaction of the work, so that there is never one without the other. A refusal
//! did no work, so it is kept in a transaction of its own.
//! **Invariant:** the row of a key is the only word on what was answered, on whichever node: who finds it taken when
//! keeping theirs takes their work back and answers what is kept.

use actix_web::{HttpRequest, http::Method};
use diesel::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{desk::Reply, problem::ProblemDetails};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    insert_unless_there,
    record::cause::Cause,
    schema::idempotency,
};

const LONGEST: usize = 255;

/// An idempotency key of a caller on a route, and what was asked with it.
#[derive(Clone, Debug)]
pub struct Key {
    caller: String,
    route: String,
    key: String,
    /// Of everything that makes two requests the same.
    digest: String,
}

impl Key {
    /// The key of a POST, if it has one.
    pub fn of(request: &HttpRequest, cause: &Cause) -> Result<Option<Self>> {
        let Some(given) = request.headers().get("idempotency-key").filter(|_| request.method() == Method::POST) else {
            return Ok(None);
        };
        let key = given.to_str().ok().filter(|k| (1..=LONGEST).contains(&k.len()));
        let key =
            key.ok_or_else(|| Error::new(Code::Malformed, "`Idempotency-Key` is 1 to 255 characters of ASCII."))?;
        let conditions: Vec<&[u8]> = request.headers().get_all("if-match").map(|line| line.as_bytes()).collect();
        let digest = digest(&[request.query_string().as_bytes(), &conditions.join(&b',')]);
        Ok(Some(Key {
            caller: cause.caller.user.to_string(),
            route: request.path().to_owned(),
            key: key.to_owned(),
            digest,
        }))
    }

    /// The same key for a request with this body.
    #[must_use]
    pub fn with_body(mut self, body: &Value) -> Self {
        self.digest = digest(&[self.digest.as_bytes(), body.to_string().as_bytes()]);
        self
    }

    /// The key of one operation of a batch. No header holds a line feed, so it is nobody's own key.
    #[must_use]
    pub fn part(&self, index: usize) -> Self {
        Key { key: format!("{}\n{index}", self.key), ..self.clone() }
    }

    /// A name for the key among all that are being worked on.
    pub fn lock_name(&self) -> String {
        format!("{} {} {}", self.caller, self.route, self.key)
    }

    /// The answer that was kept for this key, if the request is the same.
    pub fn kept(&self, connection: &mut AnyConnection) -> Result<Option<Reply>> {
        let row = idempotency::table
            .find((&self.caller, &self.route, &self.key))
            .select((idempotency::request_hash, idempotency::status, idempotency::headers, idempotency::body))
            .first::<(String, i32, JsonText, Vec<u8>)>(connection)
            .optional()?;
        let Some((hash, status, headers, body)) = row else { return Ok(None) };
        if hash != self.digest {
            let detail = "This idempotency key was used with another body, query or `If-Match`.";
            return Err(Error::new(Code::IdempotencyMismatch, detail));
        }
        let (version, location): (Option<i32>, Option<String>) = headers.read()?;
        let body: Value = serde_json::from_slice(&body).map_err(Error::internal)?;
        Ok(Some(Reply { status: u16::try_from(status).unwrap_or(200), version, location, body }))
    }

    /// Keeps an answer.
    ///
    /// # Errors
    /// [`Code::Stale`], as of a race that was lost, when another node has kept one meanwhile: the job runs again and finds it.
    pub fn keep(&self, connection: &mut AnyConnection, reply: &Reply, at: Moment) -> Result<()> {
        let row = (
            idempotency::caller_id.eq(&self.caller),
            idempotency::route.eq(&self.route),
            idempotency::key.eq(&self.key),
            idempotency::request_hash.eq(&self.digest),
            idempotency::created_at.eq(at),
            idempotency::status.eq(i32::from(reply.status)),
            idempotency::headers.eq(JsonText::of(&(reply.version, &reply.location))?),
            idempotency::body.eq(serde_json::to_vec(&reply.body).map_err(Error::internal)?),
        );
        match insert_unless_there!(connection, idempotency::table, row)? {
            1 => Ok(()),
            _ => Err(Error {
                source: Some("the key is kept".into()),
                ..Error::new(Code::Stale, "It was done meanwhile.")
            }),
        }
    }

    /// The document of a refusal, as its request got it.
    pub fn refusal(&self, error: &Error, cause: &Cause) -> Result<Reply> {
        let problem = ProblemDetails::of(error).at(&self.route, &cause.request_id);
        let body = serde_json::to_value(problem).map_err(Error::internal)?;
        Ok(Reply { status: error.code.status(), ..Reply::ok(body) })
    }
}

/// Whether an error is the last word on a request: not a fault of the server, nor one that tells the caller to try again.
pub fn is_final(error: &Error) -> bool {
    let passing = matches!(error.code, Code::IdempotencyInFlight | Code::IdempotencyMismatch | Code::TooManyRequests);
    error.code.status() < 500 && error.retry_after.is_none() && !passing
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
