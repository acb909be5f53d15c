//! `expand=`: embeds what references point to, beside their ids, with one query for each kind of reference.

use std::collections::HashMap;

use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    kind::{HEADER, Holds},
    mention,
    store::Reading,
    visibility,
};
use crate::{
    error::Result,
    schema::{organisation, team, user_account},
};

/// Embeds the references called `names` into `records`. What the caller may not see stays out.
pub fn embed(reading: &mut Reading<'_>, names: &[String], records: &mut [Map<String, Value>]) -> Result<()> {
    for name in names {
        let Some((field, holds)) = reference(reading, name) else { continue };
        let mut ids: Vec<String> = records.iter().filter_map(|r| r.get(&field)?.as_str().map(str::to_owned)).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = load(reading, holds, &ids)?;
        for record in records.iter_mut() {
            let embedded = record.get(&field).and_then(Value::as_str).and_then(|id| found.get(id)).cloned();
            record.insert(name.clone(), embedded.unwrap_or(Value::Null));
        }
    }
    Ok(())
}

fn reference(reading: &Reading<'_>, name: &str) -> Option<(String, Holds)> {
    let details = reading.kernel.practices().iter().flat_map(|p| p.kind().fields);
    let field = HEADER.iter().chain(details).find(|f| f.short_name() == name && f.short_name() != f.name)?;
    Some((field.name.to_owned(), field.holds))
}

fn load(reading: &mut Reading<'_>, holds: Holds, ids: &[String]) -> Result<HashMap<String, Value>> {
    let connection = &mut *reading.connection;
    Ok(match holds {
        Holds::User => user_account::table
            .filter(user_account::id.eq_any(ids))
            .select((user_account::id, user_account::user_name, user_account::display_name, user_account::vip))
            .load::<(String, String, String, bool)>(connection)?
            .into_iter()
            .map(|(id, user_name, display_name, vip)| {
                let user = json!({"id": id, "user_name": user_name, "display_name": display_name, "vip": vip});
                (id, user)
            })
            .collect(),
        Holds::Team => team::table
            .filter(team::id.eq_any(ids))
            .select((team::id, team::name))
            .load::<(String, String)>(connection)?
            .into_iter()
            .map(named)
            .collect(),
        Holds::Organisation => organisation::table
            .filter(organisation::id.eq_any(ids))
            .select((organisation::id, organisation::name))
            .load::<(String, String)>(connection)?
            .into_iter()
            .map(named)
            .collect(),
        Holds::Record(of) => records(reading, of, ids)?,
        Holds::Line(_)
        | Holds::Text(_)
        | Holds::Integer(..)
        | Holds::Time
        | Holds::Choice(_)
        | Holds::Tags
        | Holds::Custom => HashMap::new(),
    })
}

fn named((id, name): (String, String)) -> (String, Value) {
    let value = json!({"id": id, "name": name});
    (id, value)
}

/// Those that the caller sees and may read, and of what they refer to in turn only what the caller sees.
fn records(reading: &mut Reading<'_>, of: &str, ids: &[String]) -> Result<HashMap<String, Value>> {
    let (kernel, connection, caller) = (reading.kernel, &mut *reading.connection, &reading.cause.caller);
    let ids = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let seen = visibility::among(kernel, connection, caller, ids)?;
    let mut rendered = kernel.practice(of)?.render(connection, seen.into_values().collect())?;
    mention::hide_references(kernel, connection, caller, &mut rendered)?;
    Ok(rendered
        .into_iter()
        .filter_map(|record| Some((record.get("id")?.as_str()?.to_owned(), Value::Object(record))))
        .collect())
}
