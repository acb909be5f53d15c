//! What a policy would have seen of a record at a moment in the past: the record, what it refers to, and the lookup tables as
//! they were then. Teams, and what it affects beside its own configuration item, are those of now.
//!
//! **Invariant:** what the audit trail tells is undone from now backwards, so nothing is from after the moment.

use std::sync::Arc;

use diesel::prelude::*;
use serde_json::{Map, Value as Json};

use super::{
    build::Tables,
    evaluate::Input,
    facts::Facts,
    gather::{self, user_name},
    live::Live,
    store::TableRow,
    table::Table,
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    record::{decide::Question, history},
    schema::{lookup_table_version, organisation},
};

/// What a script reads of something that a record refers to, and the field in which the audit trail tells of it.
type Names = &'static [(&'static str, &'static str)];

/// What a record refers to: as scripts call it, by which field, and what they read of it.
const REFERRED: &[(&str, &str, Names)] = &[
    (
        "caller",
        "requester_id",
        &[
            ("user_name", "user_name"),
            ("display_name", "display_name"),
            ("vip", "vip"),
            ("organisation", "organisation_id"),
        ],
    ),
    (
        "service",
        "service_id",
        &[
            ("name", "title"),
            ("state", "state"),
            ("criticality", "criticality"),
            ("owner", "owner_id"),
            ("support_team", "support_team_id"),
        ],
    ),
    (
        "ci",
        "configuration_item_id",
        &[
            ("name", "title"),
            ("state", "state"),
            ("class", "class"),
            ("is_a", "class"),
            ("criticality", "criticality"),
            ("owner", "owner_id"),
            ("environment", "environment"),
            ("support_team", "support_team_id"),
        ],
    ),
];

/// A record as it was.
///
/// # Errors
/// [`Code::Conflict`] where it was made only later.
pub fn record(connection: &mut AnyConnection, mut now: Map<String, Json>, at: Moment) -> Result<Map<String, Json>> {
    let id = now.get("id").and_then(Json::as_str).unwrap_or_default().to_owned();
    let not_there = || Error::new(Code::Conflict, format!("The record was not there yet at {at}."));
    for (field, held) in history::since(connection, &id, at)?.ok_or_else(not_there)? {
        if let Some(value) = now.get_mut(&field) {
            *value = held;
        }
    }
    Ok(now)
}

/// What policies would have been given of a record that is [as it was](record).
pub fn input(connection: &mut AnyConnection, live: &Live, question: &Question<'_>, at: Moment) -> Result<Input> {
    let mut input = gather::input(connection, live, question)?;
    let mut record = crate::record::render::object(&input.record)?;
    for (name, by, names) in REFERRED {
        let Some(id) = question.record.get(*by).and_then(Json::as_str) else { continue };
        let (Some(Json::Object(seen)), Some(held)) = (record.get_mut(*name), history::since(connection, id, at)?)
        else {
            continue;
        };
        for (read, told) in names.iter().filter(|(_, told)| held.contains_key(*told)) {
            seen.insert((*read).to_owned(), named(connection, live, (read, told), &held[*told])?);
        }
    }
    input.record = Facts::from_json(live.schemas().of(question.kind.name), &Json::Object(record))?;
    Ok(input)
}

/// What a script reads where the trail holds an id.
fn named(connection: &mut AnyConnection, live: &Live, (read, told): (&str, &str), held: &Json) -> Result<Json> {
    let Some(id) = held.as_str() else { return Ok(held.clone()) };
    Ok(match told {
        "class" if read == "is_a" => gather::line(connection, live, id)?.into(),
        "support_team_id" => live.team_name(id).into(),
        "owner_id" => user_name(connection, id)?.into(),
        "organisation_id" => {
            let name = organisation::table.filter(organisation::id.eq(id)).select(organisation::name);
            crate::on_either!(connection, c => name.first::<String>(c)).optional()?.into()
        }
        _ => held.clone(),
    })
}

/// The lookup tables as they were.
pub fn tables(connection: &mut AnyConnection, at: Moment) -> Result<Tables> {
    let mut tables = Tables::new();
    for row in TableRow::all(connection)? {
        let then = lookup_table_version::table
            .filter(lookup_table_version::table_id.eq(row.id))
            .filter(lookup_table_version::created_at.le(at))
            .order(lookup_table_version::version.desc())
            .select(lookup_table_version::content);
        let content: Option<crate::db::JsonText> = then.first(connection).optional()?;
        if let Some(content) = content {
            tables.insert(row.name.clone(), Arc::new(Table::from_json(&row.name, &content.read()?)?));
        }
    }
    Ok(tables)
}
