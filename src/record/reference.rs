//! What a record refers to: people, teams, organisations, other records.

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{
    input::pointer,
    kernel::Kernel,
    kind::{Holds, Kind},
    visibility,
};
use crate::{
    auth::caller::Caller,
    db::AnyConnection,
    error::{FieldError, Result},
    id::{OrganisationId, RecordId, TeamId, UserId},
    schema::{organisation, team, team_member, user_account},
};

/// Checks that everything that `fields` refer to exists, is active, is of the right kind, and that the
/// caller sees the records among it and may read their kinds.
pub fn check(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    kind: &Kind,
    fields: &Map<String, Value>,
) -> Result<Vec<FieldError>> {
    let mut errors = Vec::new();
    for (name, value) in fields {
        let (Some(field), Some(id)) = (kind.field(name), value.as_str()) else { continue };
        let (there, what) = match field.holds {
            Holds::User => (is_active_user(connection, id)?, "active user"),
            Holds::Team => (is_active_team(connection, id)?, "active team"),
            Holds::Organisation => (is_active_organisation(connection, id)?, "active organisation"),
            Holds::Record(of) => (is_readable_record(kernel, connection, caller, of, id)?, of),
            Holds::Line(_)
            | Holds::Text(_)
            | Holds::Integer(..)
            | Holds::Time
            | Holds::Choice(_)
            | Holds::Tags
            | Holds::Custom => continue,
        };
        if !there {
            let detail = format!("`{name}`: there is no {} {id}.", what.replace('_', " "));
            errors.push(FieldError::new(pointer(name), "no_such_reference", detail));
        }
    }
    Ok(errors)
}

fn is_active_user(connection: &mut AnyConnection, id: &str) -> Result<bool> {
    let found = user_account::table.filter(user_account::id.eq(id)).filter(user_account::active.eq(true));
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(connection)?)
}

fn is_active_team(connection: &mut AnyConnection, id: &str) -> Result<bool> {
    let found = team::table.filter(team::id.eq(id)).filter(team::active.eq(true));
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(connection)?)
}

fn is_active_organisation(connection: &mut AnyConnection, id: &str) -> Result<bool> {
    let found = organisation::table.filter(organisation::id.eq(id)).filter(organisation::active.eq(true));
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(connection)?)
}

fn is_readable_record(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    of: &str,
    id: &str,
) -> Result<bool> {
    let Ok(id) = id.parse::<RecordId>() else { return Ok(false) };
    let seen = visibility::among(kernel, connection, caller, vec![id])?;
    Ok(seen.get(&id).is_some_and(|header| header.kind == of))
}

/// Where a user belongs.
pub fn organisation_of(connection: &mut AnyConnection, user: UserId) -> Result<Option<OrganisationId>> {
    let of = user_account::table.find(user).select(user_account::organisation_id);
    Ok(of.first(connection).optional()?)
}

/// Whether a user is in a team.
pub fn is_member(connection: &mut AnyConnection, user: UserId, of: TeamId) -> Result<bool> {
    let member = team_member::table.filter(team_member::team_id.eq(of)).filter(team_member::user_id.eq(user));
    Ok(diesel::select(diesel::dsl::exists(member)).get_result(connection)?)
}
