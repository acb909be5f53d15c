//! `Idempotency-Key`: a retried POST does its work once and gets the first answer again.
//!
//! **Invariant:** the answer is kept in the transaction of the work, so that there is never one without the other.

use actix_web::{HttpRequest, http::Method};
use diesel::prelude::*;
use serde_json::Value;

use super::desk::Reply;
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    record::cause::Cause,
    schema::idempotency,
};

const LONGEST: usize = 255;

/// An idempotency key of a caller on a route.
#[derive(Clone, Debug)]
pub struct Key {
    caller: String,
    route: String,
    key: String,
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
        Ok(Some(Key { caller: cause.caller.user.to_string(), route: request.path().to_owned(), key: key.to_owned() }))
    }

    /// The key of one operation of a batch.
    #[must_use]
    pub fn part(&self, index: usize) -> Self {
        Key { key: format!("{}#{index}", self.key), ..self.clone() }
    }

    /// A name for the key among all that are being worked on.
    pub fn lock_name(&self) -> String {
        format!("{} {} {}", self.caller, self.route, self.key)
    }

    /// The answer that was kept for this key, if the request is the same.
    pub fn kept(&self, connection: &mut AnyConnection, digest: &str) -> Result<Option<Reply>> {
        let row = idempotency::table
            .find((&self.caller, &self.route, &self.key))
            .select((idempotency::request_hash, idempotency::status, idempotency::headers, idempotency::body))
            .first::<(String, i32, JsonText, Vec<u8>)>(connection)
            .optional()?;
        let Some((hash, status, headers, body)) = row else { return Ok(None) };
        if hash != digest {
            let detail = "This idempotency key was used with another body.";
            return Err(Error::new(Code::IdempotencyMismatch, detail));
        }
        let (version, location): (Option<i32>, Option<String>) = headers.read()?;
        let body: Value = serde_json::from_slice(&body).map_err(Error::internal)?;
        Ok(Some(Reply { status: u16::try_from(status).unwrap_or(200), version, location, body }))
    }

    /// Keeps an answer.
    pub fn keep(&self, connection: &mut AnyConnection, digest: &str, reply: &Reply, at: Moment) -> Result<()> {
        diesel::insert_into(idempotency::table)
            .values((
                idempotency::caller_id.eq(&self.caller),
                idempotency::route.eq(&self.route),
                idempotency::key.eq(&self.key),
                idempotency::request_hash.eq(digest),
                idempotency::created_at.eq(at),
                idempotency::status.eq(i32::from(reply.status)),
                idempotency::headers.eq(JsonText::of(&(reply.version, &reply.location))?),
                idempotency::body.eq(serde_json::to_vec(&reply.body).map_err(Error::internal)?),
            ))
            .execute(connection)?;
        Ok(())
    }
}
