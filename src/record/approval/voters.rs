//! Who is asked: people, members of teams, holders of roles, owners of what is affected, the requester's manager.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    auth::permission::View,
    db::{AnyConnection, sql::among},
    error::Result,
    id::{RecordId, TeamId, UserId},
    record::{header::Header, kernel::Kernel},
    schema::{link, organisation, role, team_member, user_account, user_role},
};

/// Leads the name of a role where approvers are named in words.
pub const ROLE: &str = "role:";
/// Those who are named in other ways than by their own name.
pub const BY_PART: &[&str] = &["manager", "ci_owner"];

/// The kind of record whose owners are asked.
const ITEM: &str = "configuration_item";
/// The relation to what else is affected.
const AFFECTS: &str = "affects";

/// How approvers are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApproverKind {
    /// A person: `user_id`.
    User,
    /// The members of a team: `team_id`.
    Team,
    /// Who holds a role and sees the record by it: `role`.
    Role,
    /// The owners of the configuration items that the record is about or affects.
    CiOwner,
    /// The manager of the record's requester; of who opened it, where records of its kind have no requester.
    Manager,
}

impl ApproverKind {
    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            ApproverKind::User => "user",
            ApproverKind::Team => "team",
            ApproverKind::Role => "role",
            ApproverKind::CiOwner => "ci_owner",
            ApproverKind::Manager => "manager",
        }
    }
}

/// Who is to be asked. People are looked up when the stage opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// How they are named.
    pub kind: ApproverKind,
    /// For `user`: who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub user_id: Option<UserId>,
    /// For `team`: whose members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub team_id: Option<TeamId>,
    /// For `role`: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, max_length = 60)]
    pub role: Option<String>,
}

impl Approver {
    /// Whether it names what its kind needs and nothing else.
    pub fn is_whole(&self) -> bool {
        let given = (self.user_id.is_some(), self.team_id.is_some(), self.role.is_some());
        match self.kind {
            ApproverKind::User => given == (true, false, false),
            ApproverKind::Team => given == (false, true, false),
            ApproverKind::Role => given == (false, false, true),
            ApproverKind::CiOwner | ApproverKind::Manager => given == (false, false, false),
        }
    }
}

/// Somebody who is asked, and because of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub user: UserId,
    /// How they were named first.
    pub because: ApproverKind,
}

/// Whom these approvers come to now: each person who is active once, in the order in which they are named.
pub fn named(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    record: &Header,
    approvers: &[Approver],
) -> Result<Vec<Named>> {
    let mut all: Vec<Named> = Vec::new();
    for approver in approvers {
        let found = match approver.kind {
            ApproverKind::User => approver.user_id.into_iter().collect(),
            ApproverKind::Team => approver.team_id.map_or(Ok(Vec::new()), |team| members(connection, team))?,
            ApproverKind::Role => holders(kernel, connection, record, approver.role.as_deref().unwrap_or_default())?,
            ApproverKind::CiOwner => owners(kernel, connection, record)?,
            ApproverKind::Manager => manager(connection, record)?,
        };
        let active = active(connection, &found)?;
        for user in found.into_iter().filter(|user| active.contains(user)) {
            if !all.iter().any(|known| known.user == user) {
                all.push(Named { user, because: approver.kind });
            }
        }
    }
    Ok(all)
}

/// Those of these people who may come in.
fn active(connection: &mut AnyConnection, people: &[UserId]) -> Result<BTreeSet<UserId>> {
    let wanted = among(connection.engine(), "user_account.id", people.iter().map(UserId::as_str));
    let active = user_account::table.filter(wanted).filter(user_account::active.eq(true)).select(user_account::id);
    Ok(active.load(connection)?.into_iter().collect())
}

fn members(connection: &mut AnyConnection, team: TeamId) -> Result<Vec<UserId>> {
    let members = team_member::table.filter(team_member::team_id.eq(team)).select(team_member::user_id);
    Ok(members.order(team_member::user_id).load(connection)?)
}

/// Who holds a role and sees the record by their view or their team: what is hidden from them is not shown to them so.
fn holders(kernel: &Kernel, connection: &mut AnyConnection, record: &Header, name: &str) -> Result<Vec<UserId>> {
    let holders: Vec<UserId> = user_role::table
        .inner_join(role::table.on(role::id.eq(user_role::role_id)))
        .filter(role::name.eq(name))
        .select(user_role::user_id)
        .order(user_role::user_id)
        .load(connection)?;
    if kernel.practice(&record.kind)?.kind().public {
        return Ok(holders);
    }
    let views = views(connection, &holders)?;
    let homes = homes(connection, &holders)?;
    let place: String =
        organisation::table.find(record.organisation_id).select(organisation::path).first(connection)?;
    let mates = record.team_id.map_or(Ok(Vec::new()), |team| members(connection, team))?;
    let sees = |user: &UserId| {
        let view = views.iter().filter(|(who, _)| who == user).map(|(_, sees)| View::of(sees)).max();
        let is_below = || homes.iter().any(|(who, path)| who == user && place.starts_with(path.as_str()));
        match view.unwrap_or(View::Own) {
            View::All => true,
            View::Organisation => is_below() || mates.contains(user),
            View::Own => false,
        }
    };
    Ok(holders.iter().filter(|user| sees(user)).copied().collect())
}

/// How far each role of these people sees.
fn views(connection: &mut AnyConnection, people: &[UserId]) -> Result<Vec<(UserId, String)>> {
    let wanted = among(connection.engine(), "user_role.user_id", people.iter().map(UserId::as_str));
    let views = user_role::table.inner_join(role::table.on(role::id.eq(user_role::role_id))).filter(wanted);
    Ok(views.select((user_role::user_id, role::sees)).load(connection)?)
}

/// Where these people belong, as paths.
fn homes(connection: &mut AnyConnection, people: &[UserId]) -> Result<Vec<(UserId, String)>> {
    let wanted = among(connection.engine(), "user_account.id", people.iter().map(UserId::as_str));
    let homes = user_account::table
        .inner_join(organisation::table.on(organisation::id.eq(user_account::organisation_id)))
        .filter(wanted);
    Ok(homes.select((user_account::id, organisation::path)).load(connection)?)
}

/// The owners of the configuration items that the record is, is about or affects.
fn owners(kernel: &Kernel, connection: &mut AnyConnection, record: &Header) -> Result<Vec<UserId>> {
    let affected: Vec<RecordId> = link::table
        .filter(link::from_id.eq(record.id))
        .filter(link::relation.eq(AFFECTS))
        .select(link::to_id)
        .order(link::id)
        .load(connection)?;
    let own = (record.kind == ITEM).then_some(record.id);
    let mut items: Vec<RecordId> = own.into_iter().chain(record.configuration_item_id).chain(affected).collect();
    items.dedup();
    let headers: Vec<Header> =
        Header::find_all(connection, &items)?.into_iter().filter(|header| header.kind == ITEM).collect();
    let shown = kernel.practice(ITEM)?.render(connection, headers)?;
    let owner = |item: &serde_json::Map<String, Value>| item.get("owner_id")?.as_str()?.parse().ok();
    let mut owners: Vec<UserId> = shown.iter().filter_map(owner).collect();
    owners.sort_unstable();
    Ok(owners)
}

fn manager(connection: &mut AnyConnection, record: &Header) -> Result<Vec<UserId>> {
    let of = record.requester_id.unwrap_or(record.opened_by_id);
    let manager: Option<Option<UserId>> =
        user_account::table.find(of).select(user_account::manager_id).first(connection).optional()?;
    Ok(manager.flatten().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approver_names_what_its_kind_needs_and_nothing_else() {
        let approver = |kind, user: bool, team: bool, role: bool| Approver {
            kind,
            user_id: user.then(UserId::new),
            team_id: team.then(TeamId::new),
            role: role.then(|| "agent".to_owned()),
        };
        let kinds = [
            (ApproverKind::User, (true, false, false)),
            (ApproverKind::Team, (false, true, false)),
            (ApproverKind::Role, (false, false, true)),
            (ApproverKind::CiOwner, (false, false, false)),
            (ApproverKind::Manager, (false, false, false)),
        ];
        for (kind, needed) in kinds {
            for n in 0..8 {
                let (user, team, role) = (n & 1 > 0, n & 2 > 0, n & 4 > 0);
                let whole = approver(kind, user, team, role).is_whole();
                assert_eq!(whole, (user, team, role) == needed, "{kind:?} {n}");
            }
        }
    }
}
