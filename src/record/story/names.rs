//! What people call those whom a story names by id.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde_json::Value;

use super::{
    super::{person::people, store::Reading, visibility, watcher},
    Chapter,
};
use crate::{
    db::sql::among,
    error::Result,
    schema::{organisation, team},
};

/// The names of people, teams and organisations, and titles and numbers of the records that the caller sees.
pub(super) fn of(reading: &mut Reading<'_>, chapters: &[Chapter]) -> Result<BTreeMap<String, String>> {
    let mut ids = BTreeSet::new();
    for change in chapters.iter().flat_map(|chapter| &chapter.entry.changes) {
        gather(&change.field, &change.from, &mut ids);
        gather(&change.field, &change.to, &mut ids);
    }
    let (engine, mut names) = (reading.connection.engine(), BTreeMap::new());
    let people = people(reading.connection, ids.iter().filter_map(|id| id.parse().ok()))?;
    names.extend(people.into_values().map(|person| (person.id.to_string(), person.display_name)));
    let teams = team::table.filter(among(engine, "team.id", ids.iter().copied())).select((team::id, team::name));
    names.extend(teams.load::<(String, String)>(reading.connection)?);
    let organisations = organisation::table.filter(among(engine, "organisation.id", ids.iter().copied()));
    let organisations = organisations.select((organisation::id, organisation::name));
    names.extend(organisations.load::<(String, String)>(reading.connection)?);
    let records = ids.iter().filter(|id| !names.contains_key(**id)).filter_map(|id| id.parse().ok()).collect();
    let records = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, records)?;
    names.extend(
        records.into_values().map(|record| (record.id.to_string(), format!("{} ({})", record.title, record.number))),
    );
    Ok(names)
}

/// The ids in what a field held. What people write is none, even if it looks like one.
fn gather<'a>(name: &str, value: &'a Value, ids: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(id) if name.ends_with("_id") || name == watcher::ROLE => {
            ids.insert(id);
        }
        Value::Array(items) => items.iter().for_each(|item| gather(name, item, ids)),
        Value::Object(_) if matches!(name, "custom" | "attributes") => (),
        Value::Object(members) => members.iter().for_each(|(name, value)| gather(name, value, ids)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}
