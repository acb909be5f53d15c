//! What people, teams and organisations look like beside a record that refers to them: a name, and little more.

use std::{collections::HashMap, sync::Arc};

use diesel::{QueryDsl, RunQueryDsl};
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::{held::Held, kind::Holds};
use crate::{
    db::{AnyConnection, sql::among},
    error::{Error, Result},
    schema::{organisation, team, user_account},
};

/// JSON text of what a reference shows, by the id that it refers to.
pub type Shown = HashMap<String, Arc<str>>;

/// What is held of them on this node: lists show the same few hundred over and over.
pub type Faces = Held<String, Arc<str>>;

#[derive(Serialize, diesel::Queryable)]
struct Person {
    id: String,
    user_name: String,
    display_name: String,
    vip: bool,
}

#[derive(Serialize, diesel::Queryable)]
struct Named {
    id: String,
    name: String,
}

/// Those of these ids, all of which are of one sort. What is not there stays out, and so does whatever is no person, team or
/// organisation.
pub fn faces<'a>(
    faces: &Faces,
    connection: &mut AnyConnection,
    holds: Holds,
    ids: impl Iterator<Item = &'a str>,
) -> Result<Shown> {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let held = faces.get(ids.iter().copied());
    let missing: Vec<&str> = ids.iter().zip(&held).filter(|(_, face)| face.is_none()).map(|(id, _)| *id).collect();
    let mut found: Shown = ids.iter().zip(held).filter_map(|(id, face)| Some(((*id).to_owned(), face?))).collect();
    if !missing.is_empty() {
        let loaded = load(connection, holds, &missing)?;
        faces.put(loaded.iter().map(|(id, face)| (id.clone(), face.clone())));
        found.extend(loaded);
    }
    Ok(found)
}

fn load(connection: &mut AnyConnection, holds: Holds, ids: &[&str]) -> Result<Shown> {
    let wanted = |column: &str| among(connection.engine(), column, ids.iter().copied());
    match holds {
        Holds::User => {
            use user_account::dsl;
            let columns = (dsl::id, dsl::user_name, dsl::display_name, dsl::vip);
            let people = dsl::user_account.filter(wanted("user_account.id")).select(columns);
            shown(people.load::<Person>(connection)?, |person| &person.id)
        }
        Holds::Team => {
            let teams = team::table.filter(wanted("team.id")).select((team::id, team::name));
            shown(teams.load::<Named>(connection)?, |team| &team.id)
        }
        Holds::Organisation => {
            let columns = (organisation::id, organisation::name);
            let organisations = organisation::table.filter(wanted("organisation.id")).select(columns);
            shown(organisations.load::<Named>(connection)?, |organisation| &organisation.id)
        }
        Holds::Record(_)
        | Holds::Line(_)
        | Holds::Text(_)
        | Holds::Integer(..)
        | Holds::Time
        | Holds::Choice(_)
        | Holds::Tags
        | Holds::Custom => Ok(Shown::new()),
    }
}

fn shown<T: Serialize>(rows: Vec<T>, id: impl Fn(&T) -> &String) -> Result<Shown> {
    let json = |row: &T| Ok((id(row).clone(), to_raw_value(row).map_err(Error::internal)?.get().into()));
    rows.iter().map(json).collect()
}
