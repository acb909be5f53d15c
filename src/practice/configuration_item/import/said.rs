//! What a row of an import says, in the form in which it is stored. Whoever asked for the import names nobody whom they do not see.

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{Ground, Item, known::Known, relation};
use crate::{
    error::{FieldError, Result},
    id::{OrganisationId, TeamId, UserId},
    practice::configuration_item::ConfigurationItemPractice,
    record::{
        class::{Class, PLACE},
        custom::CustomField,
        input::pointer,
        kind::{Kind, Reference},
        notification::received::people_at,
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
    let named = [
        ("owner", "owner_id", Reference::User, item.owner.as_ref().and_then(Option::as_ref)),
        ("support_team", "support_team_id", Reference::Team, item.support_team.as_ref().and_then(Option::as_ref)),
        ("organisation", "organisation_id", Reference::Organisation, item.organisation.as_ref()),
    ];
    for (field, id, of, name) in named {
        let Some(name) = name else { continue };
        match find(desk, ground, known, of, name)? {
            Some(found) => drop(said.insert(id.to_owned(), found.into())),
            None => wrong.push(nobody(pointer(field), &field.replace('_', " "), name)),
        }
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
    // A source goes on telling of what is given up here.
    let is_used = |(name, _): &(&String, &Value)| class.field(name).is_none_or(|field| field.active);
    let mut given = Map::new();
    for (name, value) in item.attributes.iter().filter(is_used).filter(is_said) {
        let refers = class.field(name).and_then(CustomField::refers_to);
        let (Some(of), Some(text)) = (refers, value.as_str()) else {
            given.insert(name.clone(), value.clone());
            continue;
        };
        match find(desk, ground, known, of, text)? {
            Some(found) => drop(given.insert(name.clone(), found.into())),
            None => {
                let what = class.field(name).map_or("", |field| field.field_type.as_str()).replace('_', " ");
                wrong.push(nobody(format!("/{PLACE}{}", pointer(name)), &what, text));
            }
        }
    }
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

fn nobody(place: String, what: &str, name: &str) -> FieldError {
    FieldError::new(place, "no_such_reference", format!("There is no {what} `{name}`."))
}

/// The id of what a source names, if whoever asked for the import sees it: of people by user name or mail address, of teams and organisations
/// by name, of configuration items by the source's key or by number; of all by id.
fn find(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    known: &mut Known,
    of: Reference,
    name: &str,
) -> Result<Option<String>> {
    let called = (of, name.to_owned());
    if let Some(found) = known.named.get(&called) {
        return Ok(found.clone());
    }
    let (c, horizon) = (desk.unit.connection()?, &ground.horizon);
    let found = match of {
        Reference::User => {
            let named = user_account::table.filter(user_account::user_name.eq(name)).select(user_account::id);
            let id: Option<UserId> = named.first(c).optional()?.or_else(|| name.parse().ok());
            let id = match id {
                None => <[UserId; 1]>::try_from(people_at(c, name)?).ok().map(|[one]| one),
                id => id,
            };
            seen(id, |id| horizon.sees_active_user(c, id))?.map(|id| id.to_string())
        }
        Reference::Team => {
            let id: Option<TeamId> = team::table.filter(team::name.eq(name)).select(team::id).first(c).optional()?;
            seen(id.or_else(|| name.parse().ok()), |id| horizon.sees_active_team(c, id))?.map(|id| id.to_string())
        }
        Reference::Organisation => {
            let named = organisation::table.filter(organisation::name.eq(name)).select(organisation::id);
            let id: Option<OrganisationId> = named.first(c).optional()?;
            let id = id.or_else(|| name.parse().ok());
            seen(id, |id| horizon.sees_active_organisation(c, id))?.map(|id| id.to_string())
        }
        Reference::Record(of) => {
            let found = match relation::keyed(desk, ground, known, name)? {
                None => {
                    relation::called(desk, ground, name)?.filter(|header| header.kind == of).map(|header| header.id)
                }
                keyed => keyed,
            };
            // Rows make more of them, so what there is now is not kept.
            return Ok(found.map(|id| id.to_string()));
        }
    };
    known.named.insert(called, found.clone());
    Ok(found)
}

/// What was found, if it is seen.
fn seen<I: Copy>(found: Option<I>, sees: impl FnOnce(I) -> Result<bool>) -> Result<Option<I>> {
    match found {
        Some(id) if sees(id)? => Ok(Some(id)),
        _ => Ok(None),
    }
}
