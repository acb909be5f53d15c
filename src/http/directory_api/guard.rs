//! What keeps rights from growing by themselves, and the server from being left without an administrator.
//!
//! Whoever sets somebody's password, makes their tokens or gives them a role could act in their name. So all of that, and
//! any other change of a user, needs every permission and the view that this user has.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::{
    auth::{
        caller::{Caller, Sees},
        permission::{ADMINISTRATOR, View},
    },
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    id::UserId,
    schema::{role, user_account, user_role},
};

/// Refuses to give or take permissions that the caller lacks, or a view wider than theirs.
pub fn require_covers<'a>(caller: &Caller, permissions: impl IntoIterator<Item = &'a str>, view: View) -> Result<()> {
    if let Some(lacking) = permissions.into_iter().find(|permission| !caller.can(permission)) {
        let detail = format!("This would reach further than you may yourself: you lack `{lacking}`.");
        return Err(Error::new(Code::Forbidden, detail));
    }
    let own = match caller.sees {
        Sees::All => View::All,
        Sees::Organisations(_) => View::Organisation,
        Sees::Own => View::Own,
    };
    if view > own {
        let detail = format!("This would reach further than you may yourself: you don't see `{}`.", view.as_str());
        return Err(Error::new(Code::Forbidden, detail));
    }
    Ok(())
}

/// Refuses to change a user, active or not, whose roles reach further than the caller's own rights.
pub fn require_over(connection: &mut AnyConnection, caller: &Caller, user: UserId) -> Result<()> {
    let roles: Vec<(String, JsonText)> = user_role::table
        .inner_join(role::table.on(role::id.eq(user_role::role_id)))
        .filter(user_role::user_id.eq(user))
        .select((role::sees, role::permissions))
        .load(connection)?;
    for (sees, permissions) in roles {
        let permissions: BTreeSet<String> = permissions.read()?;
        require_covers(caller, permissions.iter().map(String::as_str), View::of(&sees))?;
    }
    Ok(())
}

/// Refuses to take the last active administrator who is a person.
pub fn keep_an_administrator(connection: &mut AnyConnection, losing: UserId) -> Result<()> {
    // Writes the row of the role without changing it, so that of two who do this at once the second waits and counts anew.
    diesel::update(role::table.filter(role::name.eq(ADMINISTRATOR)))
        .set(role::version.eq(role::version))
        .execute(connection)?;
    let administrators: Vec<UserId> = user_role::table
        .inner_join(role::table.on(role::id.eq(user_role::role_id)))
        .inner_join(user_account::table.on(user_account::id.eq(user_role::user_id)))
        .filter(role::name.eq(ADMINISTRATOR))
        .filter(user_account::active.eq(true))
        .filter(user_account::service_account.eq(false))
        .select(user_role::user_id)
        .load(connection)?;
    if administrators == [losing] {
        return Err(Error::new(Code::Conflict, "This is the last active administrator; make another one first."));
    }
    Ok(())
}
