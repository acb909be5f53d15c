//! Whom and what of the directory a caller sees, and where they may change it.
//!
//! A caller who sees everything has no horizon. Any other sees their own organisation, those below it (when their view
//! reaches down) and the line above it, the teams of all these and their own, and as people those of their view, their team
//! mates and themselves. They change only what stands within their view.
//!
//! **Invariant:** what lies beyond the horizon looks like what doesn't exist.

use std::sync::Arc;

use diesel::prelude::*;

use super::caller::{Caller, Sees};
use crate::{
    db::{AnyConnection, Condition},
    error::{Error, Result},
    id::{OrganisationId, TeamId, UserId},
    schema::{organisation, team, team_member, user_account},
};

/// How far a caller sees.
#[derive(Clone)]
pub struct Horizon {
    caller: Arc<Caller>,
    /// Their own organisation, and all above it.
    line: Vec<OrganisationId>,
}

impl Horizon {
    /// The horizon of a caller.
    pub fn of(connection: &mut AnyConnection, caller: &Arc<Caller>) -> Result<Self> {
        let path: Option<String> = match caller.sees {
            Sees::All => None,
            Sees::Organisations(_) | Sees::Own => {
                organisation::table.find(caller.organisation).select(organisation::path).first(connection).optional()?
            }
        };
        let line = path.unwrap_or_default().split('/').filter_map(|id| id.parse().ok()).collect();
        Ok(Horizon { caller: caller.clone(), line })
    }

    /// The organisations in which the caller sees people and changes things; `None` is all.
    fn view(&self) -> Option<Vec<OrganisationId>> {
        match &self.caller.sees {
            Sees::All => None,
            Sees::Organisations(view) => Some(view.to_vec()),
            Sees::Own => Some(Vec::new()),
        }
    }

    /// The organisations that the caller knows of; `None` is all.
    fn known(&self) -> Option<Vec<OrganisationId>> {
        Some([self.view()?, self.line.clone()].concat())
    }

    /// The condition that an organisation is seen.
    pub fn organisations(&self) -> Option<Condition<organisation::table>> {
        Some(Box::new(organisation::id.eq_any(self.known()?)))
    }

    /// The condition that a team is seen.
    pub fn teams(&self) -> Option<Condition<team::table>> {
        let own = team::id.eq_any(self.caller.teams.to_vec());
        Some(Box::new(team::organisation_id.eq_any(self.known()?).or(own)))
    }

    /// The condition that a user is seen.
    pub fn users(&self) -> Option<Condition<user_account::table>> {
        let mates = team_member::table
            .filter(team_member::team_id.eq_any(self.caller.teams.to_vec()))
            .select(team_member::user_id);
        Some(Box::new(
            user_account::organisation_id
                .eq_any(self.view()?)
                .or(user_account::id.eq(self.caller.user))
                .or(user_account::id.eq_any(mates)),
        ))
    }

    /// Refuses to change what stands in an organisation beyond the caller's view.
    pub fn require(&self, place: OrganisationId) -> Result<()> {
        if self.view().is_none_or(|view| view.contains(&place)) { Ok(()) } else { Err(beyond()) }
    }

    /// Refuses what needs a view of everything: roots of the tree.
    pub fn require_all(&self) -> Result<()> {
        if self.view().is_none() { Ok(()) } else { Err(beyond()) }
    }

    /// Checks that an organisation is there, active, and within what the caller may change.
    pub fn check_place(&self, connection: &mut AnyConnection, place: OrganisationId, pointer: &str) -> Result<()> {
        let active: Option<bool> =
            organisation::table.find(place).select(organisation::active).first(connection).optional()?;
        if active == Some(true) && self.require(place).is_ok() {
            return Ok(());
        }
        Err(Error::invalid(
            pointer,
            "no_such_reference",
            "There is no such active organisation in which you may change things.",
        ))
    }

    /// Checks that a user is there, active, and seen.
    pub fn check_user(&self, connection: &mut AnyConnection, user: UserId, pointer: &str) -> Result<()> {
        match self.sees_active_user(connection, user)? {
            true => Ok(()),
            false => Err(Error::invalid(pointer, "not_found", "There is no such active user.")),
        }
    }

    /// Checks that a team is there, active, and seen.
    pub fn check_team(&self, connection: &mut AnyConnection, team: TeamId, pointer: &str) -> Result<()> {
        match self.sees_active_team(connection, team)? {
            true => Ok(()),
            false => Err(Error::invalid(pointer, "not_found", "There is no such active team.")),
        }
    }

    /// Whether a user is there, active, and seen.
    pub fn sees_active_user(&self, connection: &mut AnyConnection, user: UserId) -> Result<bool> {
        let mut found = user_account::table.find(user).filter(user_account::active.eq(true)).into_boxed();
        if let Some(seen) = self.users() {
            found = found.filter(seen);
        }
        Ok(found.count().get_result::<i64>(connection)? == 1)
    }

    /// Whether a user is there and seen, active or not.
    pub fn sees_user(&self, connection: &mut AnyConnection, user: UserId) -> Result<bool> {
        let mut found = user_account::table.find(user).into_boxed();
        if let Some(seen) = self.users() {
            found = found.filter(seen);
        }
        Ok(found.count().get_result::<i64>(connection)? == 1)
    }

    /// Whether a team is there, active, and seen.
    pub fn sees_active_team(&self, connection: &mut AnyConnection, team: TeamId) -> Result<bool> {
        let mut found = team::table.find(team).filter(team::active.eq(true)).into_boxed();
        if let Some(seen) = self.teams() {
            found = found.filter(seen);
        }
        Ok(found.count().get_result::<i64>(connection)? == 1)
    }

    /// Whether an organisation is there, active, and seen.
    pub fn sees_active_organisation(&self, connection: &mut AnyConnection, place: OrganisationId) -> Result<bool> {
        let mut found = organisation::table.find(place).filter(organisation::active.eq(true)).into_boxed();
        if let Some(seen) = self.organisations() {
            found = found.filter(seen);
        }
        Ok(found.count().get_result::<i64>(connection)? == 1)
    }
}

fn beyond() -> Error {
    Error::new(crate::error::Code::Forbidden, "You may read this, but change only what stands within your own view.")
}
