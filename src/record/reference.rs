//! What a record refers to: people, teams, organisations, other records.

use std::{str::FromStr, sync::Arc};

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{
    custom::{self, CONFIGURATION_ITEM, CustomField},
    header::Header,
    input::pointer,
    kernel::Kernel,
    kind::{Kind, Reference},
    store::Desk,
    visibility,
};
use crate::{
    auth::{caller::Caller, horizon::Horizon},
    db::AnyConnection,
    error::{FieldError, Result},
    id::{OrganisationId, RecordId, TeamId, UserId},
    schema::{team_member, user_account},
};

/// Checks that everything that `fields` refer to exists, is active, is of the right kind, and is not hidden from the caller.
/// What stays as it was may be hidden, or have been given up since.
pub fn check(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Arc<Caller>,
    kind: &Kind,
    was: &Map<String, Value>,
    fields: &Map<String, Value>,
) -> Result<Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut horizon = None;
    for (name, value) in fields {
        let field = kind.field(name).filter(|_| was.get(name) != Some(value));
        let (Some(of), Some(id)) = (field.and_then(|field| field.holds.reference()), value.as_str()) else { continue };
        let Some(what) = missing(kernel, connection, caller, &mut horizon, (of, id))? else { continue };
        let detail = format!("`{name}`: there is no {} {id}.", what.replace('_', " "));
        errors.push(FieldError::new(pointer(name), "no_such_reference", detail));
    }
    Ok(errors)
}

/// The same of what the values of custom fields or attributes refer to, which stand in `place`. A reference that is only kept may lead to
/// what has been given up since.
pub fn check_given(
    desk: &mut Desk<'_, '_>,
    place: &str,
    fields: &[CustomField],
    was: &Map<String, Value>,
    values: &Map<String, Value>,
) -> Result<Vec<FieldError>> {
    let (mut errors, mut horizon) = (Vec::new(), None);
    for field in fields.iter().filter(|field| was.get(&field.name) != values.get(&field.name)) {
        let name = &field.name;
        let (Some(of), Some(id)) = (field.refers_to(), values.get(name).and_then(Value::as_str)) else { continue };
        let (kernel, caller) = (desk.kernel, &desk.cause.caller);
        let connection = match id.parse() {
            Ok(record) => desk.unit.settled(record)?,
            Err(_) => desk.unit.connection()?,
        };
        let refuse = |code, detail| custom::error(place, name, code, format!("`{place}.{name}`: {detail}"));
        if let Some(what) = missing(kernel, connection, caller, &mut horizon, (of, id))? {
            errors.push(refuse("no_such_reference", format!("there is no {} {id}.", what.replace('_', " "))));
        } else if let Some(wanted) = &field.target_class
            && !is_of_class(kernel, connection, wanted, id)?
        {
            errors.push(refuse("wrong_class", format!("it is of the class `{wanted}`, or of one below that.")));
        }
    }
    Ok(errors)
}

/// Whether a configuration item is of a class, or of one below it.
fn is_of_class(kernel: &Kernel, connection: &mut AnyConnection, wanted: &str, id: &str) -> Result<bool> {
    let practice = kernel.practice(CONFIGURATION_ITEM)?;
    let header = id.parse().ok().map(|id| Header::find(connection, id)).transpose()?.flatten();
    let record = practice.render(connection, header.into_iter().collect())?;
    let class = record.first().and_then(|record| record.get("class")?.as_str());
    let classes = kernel.classes(connection, practice.kind())?;
    let class = class.and_then(|name| classes.get(name));
    Ok(class.is_some_and(|class| class.line.iter().any(|name| name == wanted)))
}

/// What a reference should lead to, where it leads to nothing that the caller sees. Whom they see is read once.
fn missing(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Arc<Caller>,
    horizon: &mut Option<Horizon>,
    (of, id): (Reference, &str),
) -> Result<Option<&'static str>> {
    let horizon = match horizon {
        Some(known) => known,
        unknown => unknown.insert(Horizon::of(connection, caller)?),
    };
    let (there, what) = match of {
        Reference::User => (seen(id, |id| horizon.sees_active_user(connection, id))?, "active user"),
        Reference::Team => (seen(id, |id| horizon.sees_active_team(connection, id))?, "active team"),
        Reference::Organisation => {
            (seen(id, |id| horizon.sees_active_organisation(connection, id))?, "active organisation")
        }
        Reference::Record(of) => (is_readable_record(kernel, connection, caller, of, id)?, of),
    };
    Ok((!there).then_some(what))
}

fn seen<I: FromStr>(id: &str, sees: impl FnOnce(I) -> Result<bool>) -> Result<bool> {
    id.parse().map_or(Ok(false), sees)
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
