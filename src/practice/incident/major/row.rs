//! Major incidents in the database.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::Result,
    id::{RecordId, RowId, UserId},
    record::cause::Cause,
    schema::{major_incident, major_incident_action, major_incident_entry},
};

/// How a major incident is led.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = major_incident, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct MajorRow {
    /// The incident.
    pub record_id: RecordId,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// By whom.
    pub accepted_by_id: UserId,
    /// Who plays which part: a list of [`Part`].
    pub roles: JsonText,
    /// How often those who wait are told, in microseconds.
    pub update_every: Option<i64>,
    /// When the next update is due.
    pub next_update_at: Option<Moment>,
    /// What was learned: a [`Review`].
    pub review: JsonText,
}

/// A part that somebody plays in a major incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MajorIncidentRole)]
pub enum Role {
    /// Leads, and decides.
    Commander,
    /// Tells those who wait.
    CommunicationLead,
    /// Leads those who look for the cure.
    TechnicalLead,
    /// Keeps the timeline.
    Scribe,
}

/// Who plays a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MajorIncidentPart)]
pub struct Part {
    /// The part.
    pub role: Role,
    /// Who plays it. They follow the incident from then on.
    pub user_id: UserId,
}

/// What was learned of a major incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = MajorIncidentReview)]
pub struct Review {
    /// When the review was held; null before.
    pub held_at: Option<Moment>,
    /// What happened, for those who were not there.
    #[schema(max_length = 8000)]
    pub summary: String,
    /// Why it happened.
    #[schema(max_length = 8000)]
    pub cause: String,
    /// What helped.
    #[schema(max_length = 8000)]
    pub went_well: String,
    /// What did not.
    #[schema(max_length = 8000)]
    pub went_badly: String,
}

impl MajorRow {
    /// That of an incident.
    pub fn find(connection: &mut AnyConnection, record: RecordId) -> Result<Option<Self>> {
        Ok(major_incident::table.find(record).first(connection).optional()?)
    }

    /// Stores it in the place of one from before, when it was accepted once already.
    pub fn put(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::delete(major_incident::table.find(self.record_id)).execute(connection)?;
        diesel::insert_into(major_incident::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores it as it is now.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::update(major_incident::table.find(self.record_id)).set(self).execute(connection)?;
        Ok(())
    }

    /// Says when the next update is due.
    pub fn expect_update(connection: &mut AnyConnection, record: RecordId, at: Option<Moment>) -> Result<()> {
        let mine = major_incident::table.find(record);
        diesel::update(mine).set(major_incident::next_update_at.eq(at)).execute(connection)?;
        Ok(())
    }

    /// Who plays which part.
    pub fn parts(&self) -> Result<Vec<Part>> {
        self.roles.read()
    }

    /// Whoever tells those who wait: the communication lead, or else the commander.
    pub fn teller(&self) -> Result<Option<UserId>> {
        let parts = self.parts()?;
        let of = |role| parts.iter().find(|part| part.role == role).map(|part| part.user_id);
        Ok(of(Role::CommunicationLead).or_else(|| of(Role::Commander)))
    }
}

/// What an entry of the timeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TimelineKind)]
pub enum EntryKind {
    /// Those who wait were told how it stands.
    Update,
    /// Something happened.
    Event,
    /// Something was decided.
    Decision,
    /// A step of the incident. The server writes these.
    Step,
    /// An update was due and was not given. The server writes these.
    MissedUpdate,
}

impl EntryKind {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntryKind::Update => "update",
            EntryKind::Event => "event",
            EntryKind::Decision => "decision",
            EntryKind::Step => "step",
            EntryKind::MissedUpdate => "missed_update",
        }
    }
}

/// Who may read an entry of the timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TimelineAudience)]
pub enum Audience {
    /// Those who work on it.
    #[default]
    Internal,
    /// Everybody who sees the incident: an update is a public comment of it, too.
    Public,
}

impl Audience {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Audience::Internal => "internal",
            Audience::Public => "public",
        }
    }
}

/// An entry of the timeline.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable)]
#[diesel(table_name = major_incident_entry, treat_none_as_default_value = false)]
pub struct EntryRow {
    /// Its id.
    pub id: RowId,
    /// The incident.
    pub record_id: RecordId,
    /// When it happened.
    pub at: Moment,
    /// When it was told.
    pub told_at: Moment,
    /// Who told it.
    pub author_id: UserId,
    /// An [`EntryKind`].
    pub kind: String,
    /// An [`Audience`].
    pub audience: String,
    /// What happened.
    pub body: String,
}

impl EntryRow {
    /// Of now.
    pub fn new(record: RecordId, cause: &Cause, kind: EntryKind, audience: Audience, body: &str) -> Self {
        EntryRow {
            id: RowId::new(),
            record_id: record,
            at: cause.at,
            told_at: cause.at,
            author_id: cause.caller.user,
            kind: kind.as_str().to_owned(),
            audience: audience.as_str().to_owned(),
            body: body.to_owned(),
        }
    }

    /// Of a step of the incident.
    pub fn of_step(record: RecordId, cause: &Cause, label: &str) -> Self {
        EntryRow::new(record, cause, EntryKind::Step, Audience::Public, label)
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(major_incident_entry::table).values(self).execute(connection)?;
        Ok(())
    }

    /// The entry of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<Self>> {
        Ok(major_incident_entry::table.find(id).first(connection).optional()?)
    }

    /// The timeline of an incident, from the beginning, after an entry, at most `limit`; without what is internal unless wanted.
    pub fn of_record(
        connection: &mut AnyConnection,
        record: RecordId,
        after: Option<(Moment, RowId)>,
        internal: bool,
        limit: i64,
    ) -> Result<Vec<Self>> {
        use major_incident_entry as entry;
        let mut rows = entry::table.filter(entry::record_id.eq(record)).into_boxed::<crate::db::Backend>();
        if let Some((at, id)) = after {
            rows = rows.filter(entry::at.gt(at).or(entry::at.eq(at).and(entry::id.gt(id))));
        }
        if !internal {
            rows = rows.filter(entry::audience.eq(Audience::Public.as_str()));
        }
        Ok(rows.order((entry::at, entry::id)).limit(limit).load(connection)?)
    }
}

/// Something that is to be done after a major incident.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = major_incident_action, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct ActionRow {
    /// Its id.
    pub id: RowId,
    /// The incident.
    pub record_id: RecordId,
    /// What is to be done.
    pub title: String,
    /// Who does it.
    pub owner_id: Option<UserId>,
    /// By when.
    pub due_at: Option<Moment>,
    /// When it was done.
    pub done_at: Option<Moment>,
    /// When it was agreed.
    pub created_at: Moment,
}

impl ActionRow {
    /// Those of an incident, in the order in which they were agreed.
    pub fn of_record(connection: &mut AnyConnection, record: RecordId) -> Result<Vec<Self>> {
        use major_incident_action as action;
        Ok(action::table.filter(action::record_id.eq(record)).order(action::id).load(connection)?)
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(major_incident_action::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores it as it is now.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::update(major_incident_action::table.find(self.id)).set(self).execute(connection)?;
        Ok(())
    }
}
