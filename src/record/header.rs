//! The row that every record has, whatever its kind.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Moment,
    db::{JsonText, sql::among},
    error::{Code, Error, Result},
    id::{OrganisationId, RecordId, TeamId, UserId},
    on_either,
    record::kind::Phase,
    schema::record,
};

/// The row of a record in the table `record`. The fields are documented, for people and portals, in [`super::kind::HEADER`].
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = record, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented in the table HEADER")]
pub struct Header {
    pub id: RecordId,
    pub kind: String,
    pub number: String,
    pub state: String,
    pub phase: String,
    pub title: String,
    pub description: String,
    pub organisation_id: OrganisationId,
    pub requester_id: Option<UserId>,
    pub opened_by_id: UserId,
    pub assignee_id: Option<UserId>,
    pub team_id: Option<TeamId>,
    /// 0 where the kind has no priority, because sort keys are never null.
    pub priority: i32,
    /// 0 where the kind has no impact.
    pub impact: i32,
    /// 0 where the kind has no urgency.
    pub urgency: i32,
    pub service_id: Option<RecordId>,
    pub configuration_item_id: Option<RecordId>,
    pub planned_start: Option<Moment>,
    pub planned_end: Option<Moment>,
    pub custom: JsonText,
    pub tags: JsonText,
    pub version: i32,
    pub opened_at: Moment,
    pub updated_at: Moment,
    pub resolved_at: Option<Moment>,
    pub closed_at: Option<Moment>,
    pub escalation_level: i32,
    pub escalated_at: Option<Moment>,
}

/// What of a record decides who sees it, and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub struct Place {
    /// Its id.
    pub id: RecordId,
    /// Its version.
    pub version: i32,
    /// Whose it is.
    pub organisation_id: OrganisationId,
    /// Which team has it.
    pub team_id: Option<TeamId>,
}

impl Place {
    /// Of the record of this kind with that id.
    pub fn find(connection: &mut crate::db::AnyConnection, kind: &str, id: RecordId) -> Result<Option<Place>> {
        let of_kind = record::table.filter(record::id.eq(id)).filter(record::kind.eq(kind));
        let place = of_kind.select((record::id, record::version, record::organisation_id, record::team_id));
        Ok(on_either!(connection, c => place.first(c)).optional()?)
    }
}

impl Header {
    /// Whether somebody still has to do something about it.
    pub fn is_active(&self) -> bool {
        [Phase::Open, Phase::Waiting].iter().any(|phase| phase.as_str() == self.phase)
    }

    /// Refuses one about which nobody has to do anything any more; `why` says what that means for who asks.
    pub fn must_be_active(&self, why: &str) -> Result<()> {
        match self.is_active() {
            true => Ok(()),
            false => Err(Error::new(Code::Conflict, format!("{} is {}; {why}.", self.number, self.state))),
        }
    }

    /// What of it decides who sees it.
    pub fn place(&self) -> Place {
        let Header { id, version, organisation_id, team_id, .. } = *self;
        Place { id, version, organisation_id, team_id }
    }

    /// The record with that id.
    pub fn find(connection: &mut crate::db::AnyConnection, id: RecordId) -> Result<Option<Header>> {
        Ok(on_either!(connection, c => record::table.find(id).first(c)).optional()?)
    }

    /// The id of the record that a path means: by id or by number, in large or small letters.
    pub fn id_of(connection: &mut crate::db::AnyConnection, text: &str) -> Result<Option<RecordId>> {
        match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => {
                let named = record::table.filter(record::number.eq(text.to_ascii_uppercase()));
                let named = named.select(record::id);
                Ok(on_either!(connection, c => named.first(c)).optional()?)
            }
        }
    }

    /// The records with those ids, in no order.
    pub fn find_all(connection: &mut crate::db::AnyConnection, ids: &[RecordId]) -> Result<Vec<Header>> {
        match ids {
            [] => return Ok(Vec::new()),
            [id] => return Ok(Header::find(connection, *id)?.into_iter().collect()),
            _ => (),
        }
        let wanted = among(connection.engine(), "record.id", ids.iter().map(RecordId::as_str));
        Ok(record::table.filter(wanted).load(connection)?)
    }
}
