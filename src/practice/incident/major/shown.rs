//! Major incidents as the API shows them.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use super::row::{ActionRow, Audience, EntryKind, EntryRow, MajorRow, Review, Role};
use crate::{
    clock::{Length, Moment},
    db::AnyConnection,
    error::Result,
    id::{RecordId, RowId, UserId},
    practice::incident::Incident,
    record::{
        person::{Person, people},
        practice::Details,
    },
};

/// How an incident stands as a major one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MajorIncident {
    /// `proposed`, `accepted` or `rejected`; null where nobody proposed it.
    #[schema(required = true, examples("accepted"))]
    pub state: Option<String>,
    /// When it was accepted.
    #[schema(required = true)]
    pub accepted_at: Option<Moment>,
    /// Who accepted it.
    #[schema(required = true)]
    pub accepted_by: Option<Person>,
    /// Who plays which part.
    pub roles: Vec<MajorIncidentRoleOf>,
    /// How often those who wait are told how it stands.
    #[schema(required = true)]
    pub update_every: Option<Length>,
    /// When the next update is due.
    #[schema(required = true)]
    pub next_update_at: Option<Moment>,
    /// What was learned; empty for those who may not read the incident's work notes.
    pub review: Review,
    /// What is to be done afterwards, in the order in which it was agreed; empty for those who may not read work notes.
    pub actions: Vec<ReviewAction>,
}

/// Who plays a part.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MajorIncidentRoleOf {
    /// The part.
    pub role: Role,
    /// Who plays it; null where they are not there any more.
    #[schema(required = true)]
    pub person: Option<Person>,
}

/// Something that is to be done after a major incident.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReviewAction {
    /// Its id.
    pub id: RowId,
    /// What is to be done.
    pub title: String,
    /// Who does it.
    #[schema(required = true)]
    pub owner: Option<Person>,
    /// By when.
    #[schema(required = true)]
    pub due_at: Option<Moment>,
    /// When it was done.
    #[schema(required = true)]
    pub done_at: Option<Moment>,
    /// When it was agreed.
    pub created_at: Moment,
}

/// An entry of the timeline of a major incident.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TimelineEntry {
    /// Its id.
    pub id: RowId,
    /// When it happened.
    pub at: Moment,
    /// When it was told.
    pub told_at: Moment,
    /// Who told it; null where they are not there any more.
    #[schema(required = true)]
    pub author: Option<Person>,
    /// What it is.
    #[schema(value_type = EntryKind)]
    pub kind: String,
    /// Who may read it.
    #[schema(value_type = Audience)]
    pub audience: String,
    /// What happened.
    pub body: String,
}

impl MajorIncident {
    /// That of an incident; review and actions for those who work on it alone.
    pub fn of(connection: &mut AnyConnection, record: RecordId, internal: bool) -> Result<Self> {
        let whole = Self::whole(connection, record)?;
        Ok(match internal {
            true => whole,
            false => MajorIncident { review: Review::default(), actions: Vec::new(), ..whole },
        })
    }

    fn whole(connection: &mut AnyConnection, record: RecordId) -> Result<Self> {
        let state = Incident::load(connection, &[record])?.pop().and_then(|details| details.major);
        let row = MajorRow::find(connection, record)?;
        let actions = ActionRow::of_record(connection, record)?;
        let parts = row.as_ref().map(MajorRow::parts).transpose()?.unwrap_or_default();
        let ids = parts.iter().map(|part| part.user_id).chain(actions.iter().filter_map(|action| action.owner_id));
        let people = people(connection, ids.chain(row.as_ref().map(|row| row.accepted_by_id)))?;
        let person = |id: UserId| people.get(&id).cloned();
        let role = |part: super::row::Part| MajorIncidentRoleOf { role: part.role, person: person(part.user_id) };
        Ok(MajorIncident {
            state,
            accepted_at: row.as_ref().map(|row| row.accepted_at),
            accepted_by: row.as_ref().and_then(|row| person(row.accepted_by_id)),
            roles: parts.into_iter().map(role).collect(),
            update_every: row.as_ref().and_then(|row| row.update_every).map(|n| Length(TimeDelta::microseconds(n))),
            next_update_at: row.as_ref().and_then(|row| row.next_update_at),
            review: row.as_ref().map(|row| row.review.read()).transpose()?.unwrap_or_default(),
            actions: actions.into_iter().map(|action| ReviewAction::of(action, &people)).collect(),
        })
    }
}

impl ReviewAction {
    fn of(row: ActionRow, people: &HashMap<UserId, Person>) -> Self {
        let owner = row.owner_id.and_then(|id| people.get(&id).cloned());
        let ActionRow { id, title, due_at, done_at, created_at, .. } = row;
        ReviewAction { id, title, owner, due_at, done_at, created_at }
    }
}

impl TimelineEntry {
    /// These rows, in their order.
    pub fn of(connection: &mut AnyConnection, rows: Vec<EntryRow>) -> Result<Vec<Self>> {
        let people = people(connection, rows.iter().map(|row| row.author_id))?;
        let shown = rows.into_iter().map(|row| {
            let author = people.get(&row.author_id).cloned();
            let EntryRow { id, at, told_at, kind, audience, body, .. } = row;
            TimelineEntry { id, at, told_at, author, kind, audience, body }
        });
        Ok(shown.collect())
    }
}
