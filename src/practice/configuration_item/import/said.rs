//! What a row of an import says, in the form in which it is stored. Whoever asked for the import names nobody whom they do not see.

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{Ground, Item, known::Known};
use crate::{
    error::{FieldError, Result},
    practice::configuration_item::ConfigurationItemPractice,
    record::{
        class::{Class, PLACE},
        input::pointer,
        kind::Kind,
        practice::Practice,
        store::Desk,
    },
    schema::{organisation, team, user_account},
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;

/// What a row says, field by field, in the form in which it is stored; or every place that is wrong.
pub fn spoken(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    known: &mut Known,
    (class, item): (&Class, &Item),
) -> Result<std::result::Result<Map<String, Value>, Vec<FieldError>>> {
    let mut said = Map::new();
    let mut wrong = Vec::new();
    let texts = [
        ("title", &item.title),
        ("description", &item.description.clone().flatten()),
        ("environment", &item.environment),
        ("criticality", &item.criticality),
    ];
    for (field, text) in texts {
        said.extend(text.clone().map(|text| (field.to_owned(), Value::from(text))));
    }
    let (c, horizon) = (desk.unit.connection()?, &ground.horizon);
    let mut named = |given: &str, field: &str, id: &str, found: Option<Value>| match found {
        Some(found) => drop(said.insert(id.to_owned(), found)),
        None => {
            let detail = format!("There is no {} `{given}`.", field.replace('_', " "));
            wrong.push(FieldError::new(pointer(field), "no_such_reference", detail));
        }
    };
    if let Some(Some(name)) = &item.owner {
        if !known.users.contains_key(name) {
            let active = user_account::table.filter(user_account::active.eq(true));
            let found = active.filter(user_account::user_name.eq(name)).select(user_account::id).first(c).optional()?;
            let found = seen(found, |id| horizon.sees_active_user(c, id))?;
            known.users.insert(name.clone(), found);
        }
        named(name, "owner", "owner_id", known.users.get(name).copied().flatten().map(|id| id.to_string().into()));
    }
    if let Some(Some(name)) = &item.support_team {
        if !known.teams.contains_key(name) {
            let active = team::table.filter(team::active.eq(true));
            let found = active.filter(team::name.eq(name)).select(team::id).first(c).optional()?;
            let found = seen(found, |id| horizon.sees_active_team(c, id))?;
            known.teams.insert(name.clone(), found);
        }
        let found = known.teams.get(name).copied().flatten().map(|id| id.to_string().into());
        named(name, "support_team", "support_team_id", found);
    }
    if let Some(name) = &item.organisation {
        if !known.organisations.contains_key(name) {
            let active = organisation::table.filter(organisation::active.eq(true));
            let found = active.filter(organisation::name.eq(name)).select(organisation::id).first(c).optional()?;
            let found = seen(found, |id| horizon.sees_active_organisation(c, id))?;
            known.organisations.insert(name.clone(), found);
        }
        let found = known.organisations.get(name).copied().flatten().map(|id| id.to_string().into());
        named(name, "organisation", "organisation_id", found);
    }
    if let Some(state) = item.state.as_ref().filter(|state| KIND.lifecycle.state(state).is_none()) {
        let near = crate::error::did_you_mean(state, KIND.lifecycle.states.iter().map(|s| s.name));
        wrong.push(FieldError::new("/state", "not_a_choice", format!("There is no state `{state}`{near}.")));
    }
    let clears = ground.weights.clears(&ground.asked.source);
    if clears {
        let emptied = [
            ("description", &item.description, Value::from("")),
            ("owner_id", &item.owner, Value::Null),
            ("support_team_id", &item.support_team, Value::Null),
        ];
        let emptied = emptied.into_iter().filter(|(_, given, _)| **given == Some(None));
        said.extend(emptied.map(|(field, _, nothing)| (field.to_owned(), nothing)));
    }
    // What the class does not have holds nothing anyway: columns are of all classes of a CSV text.
    let is_said = |(name, value): &(&String, &Value)| !value.is_null() || (clears && class.field(name).is_some());
    let given = item.attributes.iter().filter(is_said).map(|(name, value)| (name.clone(), value.clone()));
    let given: Map<String, Value> = given.collect();
    let nothing: Vec<String> = given.iter().filter(|(_, v)| v.is_null()).map(|(name, _)| name.clone()).collect();
    let (attributes, errors) = class.merge(Map::new(), Some(given.into()), false)?;
    wrong.extend(errors);
    let attributes = attributes.into_iter().chain(nothing.into_iter().map(|name| (name, Value::Null)));
    said.extend(attributes.map(|(name, value)| (format!("{PLACE}.{name}"), value)));
    Ok(if wrong.is_empty() { Ok(said) } else { Err(wrong) })
}

/// What is said as the body of a write.
pub fn body(said: &Map<String, Value>) -> Map<String, Value> {
    let mut body = Map::new();
    let mut attributes = Map::new();
    for (field, value) in said {
        match field.strip_prefix("attributes.") {
            Some(name) => attributes.insert(name.to_owned(), value.clone()),
            None => body.insert(field.clone(), value.clone()),
        };
    }
    if !attributes.is_empty() {
        body.insert(PLACE.to_owned(), attributes.into());
    }
    body
}

/// What was found, if it is seen.
fn seen<I: Copy>(found: Option<I>, sees: impl FnOnce(I) -> Result<bool>) -> Result<Option<I>> {
    match found {
        Some(id) if sees(id)? => Ok(Some(id)),
        _ => Ok(None),
    }
}
