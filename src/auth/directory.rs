//! From a user's id to what they may do and see, read from the directory.
//!
//! Permissions are the union of the roles', the view is the widest of them. An organisation's view reaches down its
//! subtree, found by the prefix of its path. What is read here is held by [`super::Gate`] until its epoch is another.

use std::{collections::BTreeSet, sync::Arc};

use diesel::prelude::*;

use super::{
    caller::{Caller, Sees},
    permission::View,
    role,
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::{OrganisationId, TeamId, UserId},
    schema::{organisation, team_member, user_account},
};

/// An active user, and since when their tokens count.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The user with all that their roles grant, not narrowed by a token.
    pub caller: Caller,
    /// Tokens issued before this moment are worth nothing.
    pub tokens_valid_from: Moment,
}

/// Reads where a user stands; `None` when there is no such user or they are disabled.
pub fn standing(connection: &mut AnyConnection, user: UserId) -> Result<Option<Standing>> {
    type Row = (String, String, OrganisationId, bool, Moment, String);
    let row: Option<Row> = user_account::table
        .inner_join(organisation::table.on(organisation::id.eq(user_account::organisation_id)))
        .filter(user_account::id.eq(user))
        .filter(user_account::active.eq(true))
        .select((
            user_account::user_name,
            user_account::display_name,
            user_account::organisation_id,
            user_account::must_change_password,
            user_account::tokens_valid_from,
            organisation::path,
        ))
        .first(connection)
        .optional()?;
    let Some((user_name, display_name, home, must_change_password, tokens_valid_from, path)) = row else {
        return Ok(None);
    };
    let roles = role::of_user(connection, user)?;
    let view = roles.iter().map(|(sees, _)| View::of(sees)).max().unwrap_or(View::Own);
    let permissions: BTreeSet<String> = roles.into_iter().flat_map(|(_, granted)| granted).collect();
    let teams: Vec<TeamId> = team_member::table
        .filter(team_member::user_id.eq(user))
        .select(team_member::team_id)
        .order(team_member::team_id)
        .load(connection)?;
    let caller = Caller {
        user,
        user_name,
        display_name,
        organisation: home,
        teams: teams.into(),
        permissions: Arc::new(permissions),
        sees: match view {
            View::All => Sees::All,
            View::Organisation => Sees::Organisations(subtree(connection, &path)?.into()),
            View::Own => Sees::Own,
        },
        scopes: None,
        must_change_password,
    };
    Ok(Some(Standing { caller, tokens_valid_from }))
}

/// The caller for an active user, as when they came with a password.
pub fn load_caller(connection: &mut AnyConnection, user: UserId) -> Result<Option<Caller>> {
    Ok(standing(connection, user)?.map(|s| s.caller))
}

/// The organisations whose path begins with `path`.
fn subtree(connection: &mut AnyConnection, path: &str) -> Result<Vec<OrganisationId>> {
    // `0` is the character after `/`: everything from `/a/` up to, not including, `/a0` begins with `/a/`, and an index on
    // the path finds it.
    let end = format!("{}0", path.trim_end_matches('/'));
    Ok(organisation::table
        .filter(organisation::path.ge(path))
        .filter(organisation::path.lt(end))
        .select(organisation::id)
        .order(organisation::path)
        .load(connection)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{
            account::{NewUser, create_organisation, create_user, set_active},
            bench::{Bench, at},
            role::assign_role,
        },
        schema::team,
    };

    #[test]
    fn an_agent_sees_their_organisation_and_all_below_and_nothing_beside() {
        let mut bench = Bench::new();
        let (root, c) = (bench.organisation, &mut bench.connection);
        let mut organisation = |name: &str, parent| create_organisation(c, name, Some(parent), at(0)).unwrap();
        let europe = organisation("Europe", root);
        let asia = organisation("Asia", root);
        let berlin = organisation("Berlin", europe);
        let office = organisation("Office", berlin);
        let seen = |c: &mut AnyConnection, home: OrganisationId| {
            let user = create_user(c, &NewUser::person(&format!("agent of {home}"), "Agent", home), at(0)).unwrap();
            assign_role(c, user, "requester").unwrap();
            assert_eq!(load_caller(c, user).unwrap().unwrap().sees, Sees::Own);
            assign_role(c, user, "agent").unwrap();
            match load_caller(c, user).unwrap().unwrap().sees {
                Sees::Organisations(found) => found.iter().copied().collect::<BTreeSet<_>>(),
                other @ (Sees::All | Sees::Own) => panic!("{other:?}"),
            }
        };
        assert_eq!(seen(c, root), BTreeSet::from([root, europe, asia, berlin, office]));
        assert_eq!(seen(c, europe), BTreeSet::from([europe, berlin, office]));
        assert_eq!(seen(c, asia), BTreeSet::from([asia]));
        assert_eq!(seen(c, office), BTreeSet::from([office]));
    }

    #[test]
    fn roles_add_up_and_the_widest_view_wins() {
        let mut bench = Bench::new();
        let user = bench.user("ada", "requester");
        let c = &mut bench.connection;
        assert!(!load_caller(c, user).unwrap().unwrap().can("policy.read"));
        assign_role(c, user, "auditor").unwrap();
        let caller = load_caller(c, user).unwrap().unwrap();
        assert!(caller.can("policy.read") && caller.can("incident.create"));
        assert_eq!(caller.sees, Sees::All);
    }

    #[test]
    fn without_roles_nothing_is_permitted_and_the_disabled_are_not_there() {
        let mut bench = Bench::new();
        let (home, c) = (bench.organisation, &mut bench.connection);
        let user = create_user(c, &NewUser::person("ada", "Ada", home), at(0)).unwrap();
        let caller = load_caller(c, user).unwrap().unwrap();
        assert!(caller.permissions.is_empty() && caller.sees == Sees::Own);
        set_active(c, user, false, at(1)).unwrap();
        assert!(load_caller(c, user).unwrap().is_none());
        assert!(load_caller(c, UserId::new()).unwrap().is_none());
    }

    #[test]
    fn teams_are_those_of_the_user() {
        let mut bench = Bench::new();
        let user = bench.user("ada", "agent");
        let (home, c) = (bench.organisation, &mut bench.connection);
        let (mine, other) = (TeamId::new(), TeamId::new());
        for (id, name) in [(mine, "Desk"), (other, "Network")] {
            diesel::insert_into(team::table)
                .values((
                    (team::id.eq(id), team::name.eq(name), team::description.eq(""), team::organisation_id.eq(home)),
                    (
                        team::active.eq(true),
                        team::version.eq(1),
                        team::created_at.eq(at(0)),
                        team::updated_at.eq(at(0)),
                    ),
                ))
                .execute(c)
                .unwrap();
        }
        diesel::insert_into(team_member::table)
            .values((team_member::team_id.eq(mine), team_member::user_id.eq(user)))
            .execute(c)
            .unwrap();
        assert_eq!(load_caller(c, user).unwrap().unwrap().teams.as_ref(), [mine]);
    }
}
