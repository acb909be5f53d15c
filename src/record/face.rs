//! What people, teams and organisations look like beside a record that refers to them: a name, and little more.

use std::{collections::HashMap, sync::Arc};

use diesel::{QueryDsl, RunQueryDsl};
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::{
    held::Held,
    kind::{Holds, Reference},
};
use crate::{
    db::{AnyConnection, sql::among},
    error::{Error, Result},
    schema::{organisation, team, user_account},
};

/// JSON text of what a reference shows; nothing, where what it refers to is not there or not to be seen.
pub type Face = Option<Arc<str>>;

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

/// A face for each of these ids, all of which are of one sort. What is no person, team or organisation has none.
pub fn faces(faces: &Faces, connection: &mut AnyConnection, holds: Holds, ids: &[Option<&str>]) -> Result<Vec<Face>> {
    let mut found = faces.get(ids.iter().map(|id| id.unwrap_or_default()));
    let mut missing: Vec<&str> =
        ids.iter().zip(&found).filter(|(_, face)| face.is_none()).filter_map(|(id, _)| *id).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    missing.sort_unstable();
    missing.dedup();
    let loaded = load(connection, holds, &missing)?;
    for (face, id) in found.iter_mut().zip(ids).filter(|(face, _)| face.is_none()) {
        *face = id.and_then(|id| loaded.get(id)).cloned();
    }
    faces.put(loaded);
    Ok(found)
}

fn load(connection: &mut AnyConnection, holds: Holds, ids: &[&str]) -> Result<HashMap<String, Arc<str>>> {
    let wanted = |column: &str| among(connection.engine(), column, ids.iter().copied());
    match holds.reference() {
        Some(Reference::User) => {
            use user_account::dsl;
            let columns = (dsl::id, dsl::user_name, dsl::display_name, dsl::vip);
            let people = dsl::user_account.filter(wanted("user_account.id")).select(columns);
            shown(people.load::<Person>(connection)?, |person| &person.id)
        }
        Some(Reference::Team) => {
            let teams = team::table.filter(wanted("team.id")).select((team::id, team::name));
            shown(teams.load::<Named>(connection)?, |team| &team.id)
        }
        Some(Reference::Organisation) => {
            let columns = (organisation::id, organisation::name);
            let organisations = organisation::table.filter(wanted("organisation.id")).select(columns);
            shown(organisations.load::<Named>(connection)?, |organisation| &organisation.id)
        }
        Some(Reference::Record(_)) | None => Ok(HashMap::new()),
    }
}

fn shown<T: Serialize>(rows: Vec<T>, id: impl Fn(&T) -> &String) -> Result<HashMap<String, Arc<str>>> {
    let json = |row: &T| Ok((id(row).clone(), to_raw_value(row).map_err(Error::internal)?.get().into()));
    rows.iter().map(json).collect()
}
