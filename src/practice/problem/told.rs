//! Which incidents have had which workaround of their problem, so that nobody is told the same twice.

use std::collections::HashSet;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    db::{AnyConnection, sql::among},
    error::Result,
    id::RecordId,
    schema::workaround_told,
};

/// Who reads a workaround.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WorkaroundAudience)]
pub enum Audience {
    /// Everybody who sees the incident: it is a comment.
    Public,
    /// Those who work on it: it is a work note.
    Internal,
}

/// The audiences, as they are stored.
pub(super) const AUDIENCES: &[&str] = &["public", "internal"];

impl Audience {
    /// As it is stored.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Audience::Public => "public",
            Audience::Internal => "internal",
        }
    }

    /// The audience of that name.
    pub(super) fn named(name: &str) -> Option<Audience> {
        [Audience::Public, Audience::Internal].into_iter().find(|audience| audience.as_str() == name)
    }
}

#[derive(Insertable)]
#[diesel(table_name = workaround_told, treat_none_as_default_value = false)]
struct Row {
    problem_id: RecordId,
    incident_id: RecordId,
    workaround_sha256: String,
    audience: &'static str,
    told_at: Moment,
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Which of these incidents have had this workaround. What everybody reads, those who work on it read, too.
pub(super) fn have_had(
    connection: &mut AnyConnection,
    problem: RecordId,
    incidents: impl Iterator<Item = RecordId>,
    (audience, text): (Audience, &str),
) -> Result<HashSet<RecordId>> {
    let ids: Vec<RecordId> = incidents.collect();
    let these = among(connection.engine(), "workaround_told.incident_id", ids.iter().map(RecordId::as_str));
    let enough = match audience {
        Audience::Public => vec![Audience::Public.as_str()],
        Audience::Internal => AUDIENCES.to_vec(),
    };
    let told = workaround_told::table.filter(workaround_told::problem_id.eq(problem)).filter(these);
    let told = told.filter(workaround_told::workaround_sha256.eq(digest(text)));
    let told = told.filter(workaround_told::audience.eq_any(enough)).select(workaround_told::incident_id);
    Ok(told.load(connection)?.into_iter().collect())
}

/// Remembers that an incident has had it, in place of what it was told of before.
pub(super) fn remember(
    connection: &mut AnyConnection,
    (problem_id, incident_id): (RecordId, RecordId),
    (audience, text): (Audience, &str),
    told_at: Moment,
) -> Result<()> {
    diesel::delete(workaround_told::table.find((problem_id, incident_id))).execute(connection)?;
    let row = Row { problem_id, incident_id, workaround_sha256: digest(text), audience: audience.as_str(), told_at };
    diesel::insert_into(workaround_told::table).values(&row).execute(connection)?;
    Ok(())
}
