//! Messages of webhooks over HTTP, as Standard Webhooks 1.0 has them.
//!
//! Owns: signatures ([`sign`]), where a message may go ([`address`]), and how an attempt is made. Which messages there are stands in `record::webhook`.
//!
//! **Invariant:** no redirect is followed, no proxy is asked, and of an answer no more than [`MOST_READ`] bytes are read.
//! **Invariant:** neither an address, which may hold a secret, nor a body or a secret is logged.

pub mod address;
pub mod sign;

use std::{
    error::Error as _,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta};
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect,
};

use self::address::{Guarded, Lookup, Reach, Refused, Side, System};
use crate::{
    clock::Moment,
    config::{Secret, Webhooks},
    integration::backoff,
    record::webhook::{
        claim::{Attempted, Verdict},
        delivery::DeliveryRow,
    },
};

/// The most that is read of an answer.
const MOST_READ: usize = 64 << 10;
/// The most that is kept of it.
const MOST_KEPT: usize = 1 << 10;
/// The longest sentence that is kept of what went wrong.
const LONGEST_ERROR: usize = 500;
/// How long a connection waits for the next message.
const IDLE: Duration = Duration::from_secs(30);

/// Sends messages.
pub struct Post {
    reach: Reach,
    lookup: Arc<dyn Lookup>,
    timeout: Duration,
    outer: Made,
    inner: Made,
    plain: Made,
}

/// A client that is made when it is first needed, or why it can't be.
type Made = OnceLock<Result<Client, String>>;

/// An attempt, and how long the receiver wants to be left alone.
pub struct Answered {
    /// What is kept of it.
    pub attempted: Attempted,
    /// What its `Retry-After` says.
    pub retry_after: Option<TimeDelta>,
}

impl Post {
    /// Sends to where the operator allows.
    pub fn new(settings: &Webhooks) -> Self {
        Post::with_lookup(settings, Arc::new(System))
    }

    /// The same with another way to look names up.
    pub fn with_lookup(settings: &Webhooks, lookup: Arc<dyn Lookup>) -> Self {
        Post {
            reach: Reach::of(settings),
            lookup,
            timeout: Duration::from_secs(settings.timeout_seconds),
            outer: Made::new(),
            inner: Made::new(),
            plain: Made::new(),
        }
    }

    /// Where messages may go.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Makes an attempt.
    pub async fn send(&self, url: &str, id: &str, at: Moment, secrets: &[Secret], body: &str) -> Answered {
        let begun = Instant::now();
        let outcome = match tokio::time::timeout(self.timeout, self.post(url, id, at, secrets, body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.too_late()),
        };
        let mut attempted = Attempted { at, status: None, milliseconds: 0, error: None, answer: None };
        let mut retry_after = None;
        match outcome {
            Ok(response) => {
                attempted.status = Some(response.status().as_u16());
                retry_after = asked(&response, at);
                let left = self.timeout.saturating_sub(begun.elapsed());
                attempted.answer = Some(beginning(response, left).await).filter(|answer| !answer.is_empty());
            }
            Err(error) => attempted.error = Some(error.chars().take(LONGEST_ERROR).collect()),
        }
        attempted.milliseconds = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        Answered { attempted, retry_after }
    }

    async fn post(&self, url: &str, id: &str, at: Moment, secrets: &[Secret], body: &str) -> Result<Response, String> {
        let url = Url::parse(url).map_err(|_| "The address is none.".to_owned())?;
        let side = self.reach.side(&url);
        // Nobody looks up an address that stands in the URL itself.
        if let Some(ip) = address::literal(&url) {
            self.reach.admit(side, &[ip]).map_err(|refused| refused.to_string())?;
        }
        let timestamp = at.unix_seconds();
        let signatures = sign::signatures(secrets, id, timestamp, body).map_err(|e| e.to_string())?;
        let request = self
            .client(side, url.scheme() == "https")?
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures)
            .body(body.to_owned());
        request.send().await.map_err(|error| self.said(&error))
    }

    fn client(&self, side: Side, encrypted: bool) -> Result<&Client, String> {
        let made = match (encrypted, side) {
            (true, Side::Outer) => &self.outer,
            (true, Side::Inner) => &self.inner,
            (false, _) => &self.plain,
        };
        let client = made.get_or_init(|| {
            let guarded = Guarded::new(self.reach.clone(), side, self.lookup.clone());
            let client = Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .pool_idle_timeout(IDLE)
                .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::new(guarded));
            // Without encryption no certificates are needed, and a small container has none.
            let client = if encrypted { client } else { client.tls_certs_only([]) };
            client.build().map_err(|error| format!("TLS can't be set up: {}.", innermost(&error)))
        });
        client.as_ref().map_err(Clone::clone)
    }

    fn too_late(&self) -> String {
        format!("There was no answer within {} seconds.", self.timeout.as_secs())
    }

    /// What went wrong, without the address.
    fn said(&self, error: &reqwest::Error) -> String {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(refused) = inner.downcast_ref::<Refused>() {
                return refused.to_string();
            }
            cause = inner.source();
        }
        match error {
            _ if error.is_timeout() => self.too_late(),
            _ if error.is_connect() => format!("No connection: {}.", innermost(error)),
            _ => format!("The connection broke: {}.", innermost(error)),
        }
    }
}

/// The last of the causes, which says what happened; those around it repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "no more is known".to_owned() };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// How long a receiver wants to be left alone: in seconds, or until a date.
fn asked(response: &Response, now: Moment) -> Option<TimeDelta> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(TimeDelta::seconds(seconds.into())),
        Err(_) => Some(Moment::from(DateTime::parse_from_rfc2822(text).ok()?.to_utc()).since(now)),
    }
}

/// How an answer begins, as text. The rest is read as well where it is short, so that the connection can be used again.
async fn beginning(mut response: Response, within: Duration) -> String {
    let (mut bytes, mut read) = (Vec::new(), 0);
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(MOST_KEPT - bytes.len())]);
            if read >= MOST_READ {
                break;
            }
        }
    };
    // One who sends without end has answered all the same.
    let _ = tokio::time::timeout(within, reading).await;
    let text = String::from_utf8_lossy(&bytes);
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().map(|c| if is_plain(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// What comes of an attempt. `chance` is from 0 to 1.
pub fn verdict(delivery: &DeliveryRow, answered: &Answered, now: Moment, chance: f64) -> Verdict {
    let status = answered.attempted.status.and_then(|status| StatusCode::from_u16(status).ok());
    if status.is_some_and(|status| status.is_success()) {
        return Verdict::Delivered;
    }
    if delivery.is_test() {
        return Verdict::Dead("A test is sent once.".to_owned());
    }
    if status == Some(StatusCode::GONE) {
        return Verdict::Gone;
    }
    let attempts = delivery.attempts + 1;
    match backoff::next(delivery.created_at, now, attempts, answered.retry_after, chance) {
        Some(at) => Verdict::Again(at),
        None => Verdict::Dead(format!("{attempts} attempts within a day have failed.")),
    }
}
