//! Epochs: how a node notices that what it remembers of the store is out of date, whoever changed it.
//!
//! An epoch is a row of `setting`. Triggers of the database (migration `0009_epoch`) give it another value in the transaction
//! of each change of what it stands for, so that no function that writes can forget to, and neither can an operator.
//!
//! **Invariant:** what was read under an epoch is right for as long as the epoch is the same.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use diesel::prelude::*;

use super::AnyConnection;
use crate::{error::Result, schema::setting};

/// How long a node may go on without a look at the store.
pub const FRESH: Duration = Duration::from_millis(500);

/// What this node knows of an epoch.
pub struct Epoch {
    name: &'static str,
    fresh: Duration,
    seen: Mutex<Seen>,
}

struct Seen {
    value: Arc<str>,
    /// When the look began that found it; nothing when the next one is due.
    looked: Option<Instant>,
    /// How often [`Epoch::expire`] was called: a look that began before does not count.
    expired: u64,
}

impl Epoch {
    /// Of what callers may do and see: users, roles, teams, organisations, and which sessions and tokens have ended.
    pub fn of_standing() -> Self {
        Epoch::named("standing_epoch")
    }

    /// Of what policies are asked with: themselves, tables, calendars, teams and custom fields.
    pub fn of_policies() -> Self {
        Epoch::named("policy_epoch")
    }

    /// Of what clocks go by: service levels, calendars and custom fields.
    pub fn of_service_levels() -> Self {
        Epoch::named("service_level_epoch")
    }

    /// Of what depends on what: relations, their types and groups.
    pub fn of_graph() -> Self {
        Epoch::named("graph_epoch")
    }

    fn named(name: &'static str) -> Self {
        Epoch { name, fresh: FRESH, seen: Mutex::new(Seen { value: "".into(), looked: None, expired: 0 }) }
    }

    /// The same with another patience, for tests.
    #[cfg(test)]
    pub fn fresh_for(self, fresh: Duration) -> Self {
        Epoch { fresh, ..self }
    }

    /// The epoch, if the last look at it is recent. Does not block.
    pub fn recent(&self) -> Option<Arc<str>> {
        let seen = self.lock();
        seen.looked.filter(|looked| looked.elapsed() < self.fresh).map(|_| seen.value.clone())
    }

    /// The epoch, looked up when the last look is not recent. Read it before what is remembered under it.
    pub fn current(&self, connection: &mut AnyConnection) -> Result<Arc<str>> {
        if let Some(recent) = self.recent() {
            return Ok(recent);
        }
        let (began, expired) = (Instant::now(), self.lock().expired);
        let found = self.seen_by(connection)?;
        let mut seen = self.lock();
        if *seen.value != *found {
            seen.value = found.as_str().into();
        }
        if seen.expired == expired {
            seen.looked = Some(began);
        }
        Ok(seen.value.clone())
    }

    /// The epoch of all that this connection sees at the moment, which may be an older one.
    pub fn seen_by(&self, connection: &mut AnyConnection) -> Result<String> {
        Ok(setting::table.find(self.name).select(setting::value).first(connection)?)
    }

    /// The epoch as it is in this transaction, until the end of which nobody else raises it.
    pub fn held(&self, connection: &mut AnyConnection) -> Result<String> {
        Ok(connection.lock_setting(self.name)?)
    }

    /// Makes the next one look: something was changed here.
    pub fn expire(&self) {
        let mut seen = self.lock();
        seen.expired += 1;
        seen.looked = None;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
