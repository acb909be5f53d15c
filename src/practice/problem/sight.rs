//! Of which known errors somebody may be told: whoever reads problems, of those that they see; anybody else who makes incidents, of those whose
//! workaround is published to everybody who sees its incidents.
//!
//! **Invariant:** whoever may not read problems is told of those of their own organisation, or of which an incident of it has been told, alone.

use std::collections::HashSet;

use diesel::{prelude::*, sql_types::Bool};

use super::{ProblemPractice, known_error::Typed, told::Audience, word};
use crate::{
    auth::caller::{Caller, Sees},
    db::{
        AnyConnection, Backend, Engine,
        sql::{Sql, among},
    },
    error::Result,
    id::{OrganisationId, RecordId},
    record::{practice::Practice, store::Reading, visibility},
    schema::{known_error_word, problem, record, workaround_told},
};

/// The permission of those who may be told of what is published.
pub const TELLS: &str = "incident.create";
/// So many known errors whose workaround is published are looked at, those that changed last.
const PUBLISHED: i64 = 5_000;

/// Of which known errors somebody may be told.
pub(super) enum Sight {
    /// Of those that they see.
    Seen,
    /// Of these, and of what is published of them.
    Published(HashSet<RecordId>),
}

impl Sight {
    /// Of whoever asks.
    ///
    /// # Errors
    /// They may neither read problems nor make incidents.
    pub(super) fn of(reading: &mut Reading<'_>) -> Result<Self> {
        let kind = &const { ProblemPractice::KIND };
        let caller = &reading.cause.caller;
        if caller.can(&kind.permission("read")) {
            return Ok(Sight::Seen);
        }
        caller.require(TELLS)?;
        Ok(Sight::Published(published(reading.connection, caller)?))
    }

    /// The condition that a problem is one of them; none where all are.
    pub(super) fn condition(&self, engine: Engine, caller: &Caller) -> Option<Sql<Bool>> {
        match self {
            Sight::Seen => visibility::condition(engine, caller, &[&const { ProblemPractice::KIND }]),
            Sight::Published(ids) => Some(among(engine, "record.id", ids.iter().map(RecordId::as_str))),
        }
    }
}

/// The known errors whose workaround is published to everybody, and of which the caller's organisation may be told.
fn published(connection: &mut AnyConnection, caller: &Caller) -> Result<HashSet<RecordId>> {
    let each = known_error_word::is_code.eq(false).and(known_error_word::word.eq(word::EACH));
    let public =
        problem::workaround_audience.eq(Audience::Public.as_str()).and(problem::workaround_published_at.is_not_null());
    let mut known = known_error_word::table
        .inner_join(record::table.on(record::id.eq(known_error_word::record_id)))
        .inner_join(problem::table.on(problem::record_id.eq(known_error_word::record_id)))
        .filter(each)
        .filter(public)
        .order(record::updated_at.desc())
        .limit(PUBLISHED)
        .select(record::id)
        .into_boxed::<Backend>();
    let organisations: Option<Vec<OrganisationId>> = match &caller.sees {
        Sees::All => None,
        Sees::Organisations(seen) => Some(seen.iter().copied().chain([caller.organisation]).collect()),
        Sees::Own => Some(vec![caller.organisation]),
    };
    if let Some(organisations) = organisations {
        let (engine, told) = (connection.engine(), told(connection, &organisations)?);
        let told = among(engine, "record.id", told.iter().map(RecordId::as_str));
        known = known.filter(Sql::any([of(engine, &organisations), told]));
    }
    Ok(known.load(connection)?.into_iter().collect())
}

/// That a record is of one of these organisations.
fn of(engine: Engine, organisations: &[OrganisationId]) -> Sql<Bool> {
    among(engine, "record.organisation_id", organisations.iter().map(OrganisationId::as_str))
}

/// The problems of whose workaround an incident of these organisations has been told, so that its requester reads it.
fn told(connection: &mut AnyConnection, organisations: &[OrganisationId]) -> Result<Vec<RecordId>> {
    let told = workaround_told::table
        .inner_join(record::table.on(record::id.eq(workaround_told::incident_id)))
        .filter(workaround_told::audience.eq(Audience::Public.as_str()))
        .filter(of(connection.engine(), organisations))
        .select(workaround_told::problem_id)
        .distinct();
    Ok(told.order(workaround_told::problem_id.desc()).limit(PUBLISHED).load(connection)?)
}

/// Those of these problems that happen where somebody says: with the same service, or the same category and subcategory; `most` of each.
pub(super) fn there(
    connection: &mut AnyConnection,
    ids: &HashSet<RecordId>,
    typed: &Typed,
    most: i64,
) -> Result<Vec<RecordId>> {
    let engine = connection.engine();
    let these = |column: &str| among(engine, column, ids.iter().map(RecordId::as_str));
    let mut found = Vec::new();
    if let Some(service) = typed.service_id {
        let there = record::table.filter(these("record.id")).filter(record::service_id.eq(service));
        found.extend(there.select(record::id).limit(most).load::<RecordId>(connection)?);
    }
    if let (Some(category), Some(subcategory)) = (&typed.category, &typed.subcategory) {
        let there = problem::table.filter(these("problem.record_id")).filter(problem::category.eq(category));
        let there = there.filter(problem::subcategory.eq(subcategory)).select(problem::record_id).limit(most);
        found.extend(there.load::<RecordId>(connection)?);
    }
    Ok(found)
}
