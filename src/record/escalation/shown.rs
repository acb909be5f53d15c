//! Escalations as the API shows them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

use super::row::{EscalationRow, Said};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Error, Result},
    id::{RowId, UserId},
    record::person::{Person, people},
};

/// Why somebody is told of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscalationCause {
    /// It is new.
    Created,
    /// It was done, and is not, after all.
    Reopened,
    /// Another team has it.
    Reassigned,
    /// It has another priority.
    Priority,
    /// A part of the target of a service-level clock is used up.
    Warning,
    /// All of it is.
    Breach,
    /// Somebody asked policies to decide again.
    Requested,
    /// Somebody has told them.
    ByHand,
}

/// How somebody who works on a record answers an escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscalationAnswer {
    /// They said that they know.
    Acknowledged,
    /// They took a step of its lifecycle.
    Stepped,
    /// They said something about it.
    Commented,
    /// They gave it to somebody.
    Assigned,
    /// Nobody works on it any more.
    Ended,
}

/// One time that somebody was told of a record, or that policies are to be asked again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Escalation {
    /// Its id.
    pub id: RowId,
    /// When.
    pub at: Moment,
    /// Why.
    pub cause: EscalationCause,
    /// The service-level clock that it is about.
    #[schema(required = true)]
    pub clock_id: Option<RowId>,
    /// How much of the clock's target was used up.
    #[schema(required = true)]
    pub percent: Option<i32>,
    /// How often policies were asked again for the same cause.
    pub repeats: i32,
    /// How far up it went; 0 where it did not.
    pub level: i32,
    /// What was done.
    pub said: Vec<Said>,
    /// The version of the record that came of it; its decisions say why.
    pub record_version: i32,
    /// Why, in the words of whoever did it by hand; empty otherwise.
    pub reason: String,
    /// Who did it by hand; null where policies did.
    #[schema(required = true)]
    pub author: Option<Person>,
    /// When policies are asked again, unless somebody answers before.
    #[schema(required = true)]
    pub again_at: Option<Moment>,
    /// When somebody answered.
    #[schema(required = true)]
    pub answered_at: Option<Moment>,
    /// Who answered.
    #[schema(required = true)]
    pub answered_by: Option<Person>,
    /// How.
    #[schema(required = true)]
    pub answer: Option<EscalationAnswer>,
}

impl Escalation {
    /// These rows, in their order.
    pub fn of(connection: &mut AnyConnection, rows: Vec<EscalationRow>) -> Result<Vec<Self>> {
        let ids = rows.iter().flat_map(|row| [row.author_id, row.answered_by_id]).flatten();
        let people = people(connection, ids)?;
        rows.into_iter().map(|row| Escalation::one(row, &people)).collect()
    }

    fn one(row: EscalationRow, people: &HashMap<UserId, Person>) -> Result<Self> {
        let said = row.said()?;
        let person = |id: Option<UserId>| id.and_then(|id| people.get(&id).cloned());
        Ok(Escalation {
            id: row.id,
            at: row.at,
            cause: word(row.cause)?,
            clock_id: row.clock_id,
            percent: row.percent,
            repeats: row.repeats,
            level: row.level,
            said,
            record_version: row.record_version,
            reason: row.reason,
            author: person(row.author_id),
            again_at: row.again_at.filter(|_| row.answered_at.is_none()),
            answered_at: row.answered_at,
            answered_by: person(row.answered_by_id),
            answer: row.answer.map(word).transpose()?,
        })
    }
}

fn word<T: DeserializeOwned>(stored: String) -> Result<T> {
    serde_json::from_value(Value::String(stored)).map_err(Error::internal)
}
