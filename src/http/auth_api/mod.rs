//! Signing in and out, personal tokens, client credentials, and the keys that tokens are verified with.
//!
//! Needs `web::Data<Service>` and `web::Data<Identity>` as application data.
//!
//! **Invariant:** no secret is stored that was handed out, not even as the kept answer to an idempotency key.
//! **Invariant:** a refusal that counts (a failed login, a token used twice) is committed before it is answered.

mod client;
mod me;
mod session;
#[cfg(test)]
mod tests;
pub(super) mod token;

use serde_json::Map;

use super::mount::Api;
use crate::{
    clock::Moment,
    db::JsonText,
    error::Result,
    id::UserId,
    record::{audit::AuditEntry, cause::Via},
};

/// The chapter of the documentation.
const TAG: &str = "Authentication";

/// Mounts everything.
pub fn mount(api: &mut Api) {
    api.tag(
        TAG,
        "Signing in, tokens and who one is. An access token is a JWT that lives for minutes; a refresh token gives the next one, once.",
    );
    session::mount(api);
    me::mount(api);
    token::mount(api);
    client::mount(api);
}

/// What somebody did to their own account, for the audit trail.
fn noted(user: UserId, action: &str, request_id: &str, at: Moment) -> Result<AuditEntry> {
    Ok(AuditEntry {
        at,
        actor_id: Some(user),
        action: action.to_owned(),
        subject_kind: "user".to_owned(),
        subject_id: user.to_string(),
        // Sessions are no part of the user's own state, so its version stays.
        subject_version: 0,
        via: Via::Api.as_text(),
        request_id: request_id.to_owned(),
        reason: String::new(),
        changes: JsonText::of(&Map::new())?,
    })
}
