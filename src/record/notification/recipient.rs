//! Somebody who is written to: who they are, where mail reaches them, and what they want.

use std::sync::Arc;

use chrono_tz::Tz;
use diesel::prelude::*;

use super::{language, part::Part, preference::Preferences};
use crate::{
    auth::{caller::Caller, directory::load_caller},
    db::AnyConnection,
    error::Result,
    id::{RecordId, UserId},
    record::{
        header::Header,
        kernel::Kernel,
        outbox::{self, NOTIFIED},
        visibility,
    },
    schema::user_account,
};

/// Somebody who is written to.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// With what they may read.
    pub caller: Arc<Caller>,
    /// Where mail reaches them.
    pub address: String,
    /// What they want.
    pub preferences: Preferences,
    /// Their language, as far as it is known.
    pub language: Option<String>,
    /// Where they live.
    pub zone: Tz,
}

impl Recipient {
    /// Somebody, if they are active, a person, and have an address.
    pub fn load(connection: &mut AnyConnection, user: UserId) -> Result<Option<Self>> {
        type Row = (Option<String>, Option<String>, Option<String>, bool);
        let row: Option<Row> = user_account::table
            .find(user)
            .select((user_account::email, user_account::language, user_account::zone, user_account::service_account))
            .first(connection)
            .optional()?;
        let Some((Some(address), language, zone, false)) = row else { return Ok(None) };
        let Some(caller) = load_caller(connection, user)? else { return Ok(None) };
        let preferences = Preferences::of(connection, user)?.preferences;
        let language = preferences.language.clone().or(language);
        let zone = preferences.zone.clone().or(zone).and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
        Ok(Some(Recipient { caller: Arc::new(caller), address, preferences, language, zone }))
    }

    /// The languages in which they are written to, the best first.
    pub fn languages(&self, otherwise: &str) -> Vec<String> {
        language::ways(self.language.as_deref(), otherwise)
    }

    /// The record that an event is about, if they may be told of it.
    pub fn told_of(
        &self,
        kernel: &Kernel,
        connection: &mut AnyConnection,
        record: RecordId,
        event: &str,
        parts: &[Part],
    ) -> Result<Option<Header>> {
        let Some(header) = visibility::among(kernel, connection, &self.caller, vec![record])?.remove(&record) else {
            return Ok(None);
        };
        let kind = kernel.practice(&header.kind)?.kind();
        // Whom a policy names is told of it by the policy.
        let is_named = event == NOTIFIED && parts.contains(&Part::Named);
        Ok((is_named || outbox::is_for(&self.caller, kind, event)).then_some(header))
    }
}
