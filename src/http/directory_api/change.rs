//! What writes of the directory have in common: reading merge patches, checking texts, the audit trail, and secrets that
//! are shown once.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{
    HttpResponse,
    body::{BoxBody, to_bytes},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    config::Secret,
    db::JsonText,
    error::{Code, Error, FieldError, Result},
    http::{
        body,
        desk::{Call, REPLAYED, Reply},
    },
    record::{audit::AuditEntry, input::pointer, store::Desk},
};

pub use crate::record::input::given;

/// The longest name, in characters: it is part of cursors and indexes.
pub const NAME: usize = 200;
/// The longest description, in characters.
pub const DESCRIPTION: usize = 2_000;
/// The longest address of mail (RFC 5321), in characters.
const EMAIL: usize = 254;

/// A body as a `T`. Fields that the server writes are refused as such, unknown ones with the one that was meant.
pub fn typed<T: DeserializeOwned>(body: &Value, read_only: &[&str]) -> Result<T> {
    if let Value::Object(given) = body {
        let wrong: Vec<FieldError> = given
            .keys()
            .filter(|name| read_only.contains(&name.as_str()))
            .map(|name| FieldError::new(pointer(name), "read_only", format!("`{name}` can't be written here.")))
            .collect();
        if !wrong.is_empty() {
            return Err(Error::invalid_all(wrong));
        }
    }
    body::parse(body.to_string().as_bytes())
}

/// A text of one line, trimmed.
pub fn line(field: &str, text: &str, most: usize) -> Result<String> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > most || text.chars().any(char::is_control) {
        let detail = format!("`{field}` is one line of 1 to {most} characters.");
        return Err(Error::invalid(pointer(field), "wrong_form", detail));
    }
    Ok(text.to_owned())
}

/// A text of several lines.
pub fn prose(field: &str, text: &str, most: usize) -> Result<String> {
    if text.chars().count() > most {
        return Err(Error::invalid(pointer(field), "too_long", format!("`{field}` has at most {most} characters.")));
    }
    Ok(text.to_owned())
}

/// An address of mail, as far as a form can tell.
pub fn email(text: &str) -> Result<String> {
    let text = line("email", text, EMAIL)?;
    match text.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text)
        }
        _ => Err(Error::invalid("/email", "wrong_form", "`email` is an address such as `ada@example.org`.")),
    }
}

/// An insert or update whose only way to conflict is a name that somebody else has.
pub fn unique<T>(outcome: Result<T>, field: &str) -> Result<T> {
    outcome.map_err(|e| {
        if e.code != Code::Conflict {
            return e;
        }
        let detail = format!("This `{field}` is taken.");
        let taken = vec![FieldError::new(pointer(field), "taken", detail.clone())];
        Error { source: e.source, ..Error::new(Code::Conflict, detail).with_errors(taken) }
    })
}

/// An update that holds the version that was read must have met its row; if not, the job looks again.
pub fn met(rows: usize) -> Result<()> {
    if rows == 1 {
        return Ok(());
    }
    let raced = Error::new(Code::Stale, "It has changed meanwhile.");
    Err(Error { source: Some("optimistic lock".into()), ..raced })
}

/// Field → [old, new] of what differs.
pub fn differences<T: Serialize>(before: Option<&T>, after: &T) -> Result<Map<String, Value>> {
    let fields = |it: &T| match serde_json::to_value(it) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::internal("only objects are compared")),
        Err(e) => Err(Error::internal(e)),
    };
    let old = before.map(fields).transpose()?.unwrap_or_default();
    let quiet = ["id", "version", "created_at", "updated_at"];
    Ok(fields(after)?
        .into_iter()
        .filter(|(name, _)| !quiet.contains(&name.as_str()))
        .filter_map(|(name, new)| {
            let old = old.get(&name).cloned().unwrap_or_default();
            (old != new).then(|| (name, json!([old, new])))
        })
        .collect())
}

/// Appends to the audit trail.
pub fn noted(
    desk: &mut Desk<'_, '_>,
    action: &str,
    subject_kind: &str,
    subject_id: &str,
    version: i32,
    changes: &impl Serialize,
) -> Result<()> {
    let cause = desk.cause;
    desk.unit.deferred.audit.push(AuditEntry {
        at: cause.at,
        actor_id: Some(cause.caller.user),
        action: action.to_owned(),
        subject_kind: subject_kind.to_owned(),
        subject_id: subject_id.to_owned(),
        subject_version: version,
        via: cause.via.as_text(),
        request_id: cause.request_id.clone(),
        reason: cause.reason.clone(),
        changes: JsonText::of(changes)?,
    });
    Ok(())
}

/// [`Call::write`] for what gives a secret: it joins the answer as `field` once the work is committed. The answer that is
/// kept for an idempotency key holds null in its place, and so does that of a dry run.
pub async fn with_secret(
    call: &Call,
    body: &Value,
    field: &'static str,
    mut work: impl FnMut(&mut Desk<'_, '_>) -> Result<(Reply, Secret)> + Send + 'static,
) -> Result<HttpResponse> {
    let place: Arc<Mutex<Option<Secret>>> = Arc::default();
    let inside = place.clone();
    let response = call
        .write(body, move |desk| {
            let (mut reply, secret) = work(desk)?;
            reply.body[field] = Value::Null;
            *inside.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
            Ok(reply)
        })
        .await?;
    // A replayed answer is of other work than that of a first run, which lost a race and left its secret here.
    let is_first = !call.dry_run && !response.headers().contains_key(REPLAYED);
    let secret = place.lock().unwrap_or_else(PoisonError::into_inner).take().filter(|_| is_first);
    let Some(secret) = secret else { return Ok(response) };
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body).await.map_err(|e| Error::internal(e.to_string()))?;
    let mut shown: Value = serde_json::from_slice(&bytes).map_err(Error::internal)?;
    shown[field] = secret.expose().into();
    Ok(head.set_body(BoxBody::new(shown.to_string())))
}
