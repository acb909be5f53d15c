//! People as records tell of them: enough to show a name.

use std::collections::HashMap;

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::{AnyConnection, sql::among},
    error::Result,
    id::UserId,
    schema::user_account,
};

/// A person or service account.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Serialize, ToSchema)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// The name that they sign in with.
    pub user_name: String,
    /// The name that others read.
    pub display_name: String,
}

/// These people, by id, with one query.
pub fn people(
    connection: &mut AnyConnection,
    ids: impl IntoIterator<Item = UserId>,
) -> Result<HashMap<UserId, Person>> {
    let mut ids: Vec<UserId> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = among(connection.engine(), "user_account.id", ids.iter().map(UserId::as_str));
    let rows = user_account::table.filter(wanted).select((
        user_account::id,
        user_account::user_name,
        user_account::display_name,
    ));
    Ok(rows.load::<Person>(connection)?.into_iter().map(|person| (person.id, person)).collect())
}
