//! Roles in the store: those that ship are seeded, users are given them by name.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::{
    permission::{ADMINISTRATOR, KindActions},
    shipped::{SHIPPED, ShippedRole},
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, Result},
    id::{RowId, UserId},
    insert_unless_there,
    schema::{role, user_role},
};

/// Brings the shipped roles up to date: missing ones are added, and those that nobody has edited are given what they permit
/// today. Edited ones (version above 1) are left alone.
pub fn seed_roles(connection: &mut AnyConnection, kinds: &[KindActions], now: Moment) -> Result<()> {
    SHIPPED.iter().try_for_each(|shipped| seed(connection, shipped, kinds, now))
}

fn seed(connection: &mut AnyConnection, shipped: &ShippedRole, kinds: &[KindActions], now: Moment) -> Result<()> {
    let permissions = JsonText::of(&shipped.permits(kinds))?;
    let row = (
        role::id.eq(RowId::new()),
        role::name.eq(shipped.name),
        role::description.eq(shipped.description),
        role::sees.eq(shipped.view.as_str()),
        role::permissions.eq(&permissions),
        role::shipped.eq(true),
        role::version.eq(1),
        role::created_at.eq(now),
        role::updated_at.eq(now),
    );
    if insert_unless_there!(connection, role::table, row)? == 0 {
        let unedited = role::table.filter(role::name.eq(shipped.name)).filter(role::version.eq(1));
        let outdated = role::permissions.ne(&permissions).or(role::sees.ne(shipped.view.as_str()));
        diesel::update(unedited.filter(role::shipped.eq(true)).filter(outdated))
            .set((role::permissions.eq(&permissions), role::sees.eq(shipped.view.as_str()), role::updated_at.eq(now)))
            .execute(connection)?;
    }
    Ok(())
}

/// Gives a user a role by its name; once or twice is the same.
pub fn assign_role(connection: &mut AnyConnection, user: UserId, name: &str) -> Result<()> {
    let id = find(connection, name)?;
    insert_unless_there!(connection, user_role::table, (user_role::user_id.eq(user), user_role::role_id.eq(id)))?;
    Ok(())
}

/// Takes a role from a user.
pub fn withdraw_role(connection: &mut AnyConnection, user: UserId, name: &str) -> Result<()> {
    let id = find(connection, name)?;
    diesel::delete(user_role::table.find((user, id))).execute(connection)?;
    Ok(())
}

/// The names and permissions of a user's roles, and how far each sees.
pub(super) fn of_user(connection: &mut AnyConnection, user: UserId) -> Result<Vec<(String, BTreeSet<String>)>> {
    let rows: Vec<(String, JsonText)> = user_role::table
        .inner_join(role::table.on(role::id.eq(user_role::role_id)))
        .filter(user_role::user_id.eq(user))
        .select((role::sees, role::permissions))
        .load(connection)?;
    rows.into_iter().map(|(sees, permissions)| Ok((sees, permissions.read()?))).collect()
}

/// Whether anybody has ever been made an administrator, disabled ones included.
pub fn has_administrator(connection: &mut AnyConnection) -> Result<bool> {
    let found: Option<UserId> = user_role::table
        .inner_join(role::table.on(role::id.eq(user_role::role_id)))
        .filter(role::name.eq(ADMINISTRATOR))
        .select(user_role::user_id)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

fn find(connection: &mut AnyConnection, name: &str) -> Result<RowId> {
    role::table
        .filter(role::name.eq(name))
        .select(role::id)
        .first(connection)
        .optional()?
        .ok_or_else(|| Error::invalid("/role", "unknown_role", format!("There is no role `{name}`.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::bench::{Bench, at, kinds};

    fn permits(c: &mut AnyConnection, name: &str) -> BTreeSet<String> {
        let text: JsonText = role::table.filter(role::name.eq(name)).select(role::permissions).first(c).unwrap();
        text.read().unwrap()
    }

    #[test]
    fn seeding_again_adds_new_kinds_and_keeps_what_was_edited() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        let mine = JsonText::of(&["incident.read"]).unwrap();
        diesel::update(role::table.filter(role::name.eq("agent")))
            .set((role::permissions.eq(mine), role::version.eq(2)))
            .execute(c)
            .unwrap();
        let more = [kinds(), vec![KindActions { kind: "problem", actions: vec!["read", "resolve"] }]].concat();
        seed_roles(c, &more, at(1)).unwrap();
        assert!(permits(c, "auditor").contains("problem.read"));
        assert_eq!(permits(c, "agent").len(), 1);
        assert_eq!(role::table.count().get_result::<i64>(c).unwrap(), i64::try_from(SHIPPED.len()).unwrap());
    }

    #[test]
    fn roles_are_given_once_and_taken() {
        let mut bench = Bench::new();
        let user = bench.user("ada", "requester");
        let c = &mut bench.connection;
        assign_role(c, user, "requester").unwrap();
        assert_eq!(of_user(c, user).unwrap().len(), 1);
        withdraw_role(c, user, "requester").unwrap();
        assert_eq!(of_user(c, user).unwrap().len(), 0);
        assert_eq!(assign_role(c, user, "emperor").unwrap_err().errors[0].code, "unknown_role");
    }
}
