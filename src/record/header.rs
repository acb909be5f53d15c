//! The row that every record has, whatever its kind.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Moment,
    db::JsonText,
    id::{OrganisationId, RecordId, TeamId, UserId},
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
}

impl Header {
    /// The record with that id.
    pub fn find(connection: &mut crate::db::AnyConnection, id: RecordId) -> crate::error::Result<Option<Header>> {
        Ok(record::table.find(id).first(connection).optional()?)
    }

    /// The id of the record that a path means: by id or by number, in large or small letters.
    pub fn id_of(connection: &mut crate::db::AnyConnection, text: &str) -> crate::error::Result<Option<RecordId>> {
        match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => {
                let named = record::table.filter(record::number.eq(text.to_ascii_uppercase()));
                Ok(named.select(record::id).first(connection).optional()?)
            }
        }
    }

    /// The records with those ids, in no order.
    pub fn find_all(connection: &mut crate::db::AnyConnection, ids: &[RecordId]) -> crate::error::Result<Vec<Header>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(record::table.filter(record::id.eq_any(ids)).load(connection)?)
    }
}
