//! Escalations in the database.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::occasion::Occasion;
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::Result,
    id::{RecordId, RowId, UserId},
    insert_rows,
    schema::escalation,
};

/// One time that somebody was told, or that policies are to be asked.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable)]
#[diesel(table_name = escalation, treat_none_as_default_value = false)]
pub struct EscalationRow {
    /// Its id.
    pub id: RowId,
    /// The record.
    pub record_id: RecordId,
    /// The version of the record that the write made which says it.
    pub record_version: i32,
    /// When.
    pub at: Moment,
    /// Why: what happened to the record or its clock, or `by_hand`.
    pub cause: String,
    /// The clock that it is about.
    pub clock_id: Option<RowId>,
    /// How much of the clock's target was used up.
    pub percent: Option<i32>,
    /// How often it was asked again for the same cause.
    pub repeats: i32,
    /// How far up the record was escalated with it.
    pub level: i32,
    /// What was said: a list of [`Said`].
    pub said: JsonText,
    /// The ids of the policies that failed, which alone are asked again.
    pub failed: JsonText,
    /// Why, in the words of whoever did it by hand.
    pub reason: String,
    /// Who did it by hand.
    pub author_id: Option<UserId>,
    /// When policies are asked again; nothing when they are not, or were.
    pub again_at: Option<Moment>,
    /// When somebody answered.
    pub answered_at: Option<Moment>,
    /// Who.
    pub answered_by_id: Option<UserId>,
    /// How: `acknowledged`, `stepped`, `commented`, `assigned`, `ended`.
    pub answer: Option<String>,
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EscalationEffect)]
pub struct Said {
    /// What was done.
    pub effect: SaidEffect,
    /// The name of the team or the user that it is about; the priority, for `raise`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(examples("duty-manager"))]
    pub who: Option<String>,
    /// How far up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<i32>,
}

/// What an escalation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SaidEffect {
    /// Somebody is told.
    Notify,
    /// Somebody is told at once, and expected to answer.
    Page,
    /// Somebody further up is told, and expected to answer.
    EscalateTo,
    /// Another team gets the record.
    Assign,
    /// It is more urgent.
    Raise,
    /// It is proposed as a major incident.
    ProposeMajor,
}

impl EscalationRow {
    /// Of an occasion, at which nothing is said yet.
    pub fn of(record_id: RecordId, record_version: i32, at: Moment, occasion: &Occasion) -> Self {
        let (clock_id, percent) = occasion.told().unzip();
        EscalationRow {
            id: RowId::new(),
            record_id,
            record_version,
            at,
            cause: occasion.cause.clone(),
            clock_id,
            percent,
            repeats: occasion.repeats,
            level: 0,
            said: JsonText::empty_list(),
            failed: JsonText::empty_list(),
            reason: String::new(),
            author_id: None,
            again_at: None,
            answered_at: None,
            answered_by_id: None,
            answer: None,
        }
    }

    /// What was said.
    pub fn said(&self) -> Result<Vec<Said>> {
        self.said.read()
    }

    /// The policies that failed.
    pub fn failed(&self) -> Result<Vec<RowId>> {
        self.failed.read()
    }

    /// Whether somebody waits for an answer to this record who is not the one that answers: one's own call is none.
    pub fn awaits(connection: &mut AnyConnection, record: RecordId, by: UserId) -> Result<bool> {
        let waiting =
            escalation::table.filter(escalation::record_id.eq(record)).filter(escalation::answered_at.is_null());
        let authors: Vec<Option<UserId>> = waiting.select(escalation::author_id).load(connection)?;
        Ok(!authors.contains(&Some(by)))
    }

    /// The row of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<Self>> {
        Ok(escalation::table.find(id).first(connection).optional()?)
    }

    /// Those of a record, the newest first, before row `before`, at most `limit`.
    pub fn of_record(
        connection: &mut AnyConnection,
        record: RecordId,
        before: Option<RowId>,
        limit: i64,
    ) -> Result<Vec<Self>> {
        let mut rows = escalation::table.filter(escalation::record_id.eq(record)).into_boxed::<crate::db::Backend>();
        if let Some(before) = before {
            rows = rows.filter(escalation::id.lt(before));
        }
        Ok(rows.order(escalation::id.desc()).limit(limit).load(connection)?)
    }
}

/// What is to be written of escalations, in order.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new one.
    New(Box<EscalationRow>),
    /// One that was asked again.
    Asked(RowId),
    /// All of a record that wait for an answer have one.
    Answered {
        /// The record.
        record: RecordId,
        /// When.
        at: Moment,
        /// Who answered.
        by: UserId,
        /// How.
        answer: &'static str,
    },
}

/// Writes what is to be written.
pub fn write(connection: &mut AnyConnection, changes: Vec<Change>) -> Result<()> {
    for change in changes {
        match change {
            Change::New(row) => drop(insert_rows!(connection, escalation::table, [*row])?),
            Change::Asked(id) => {
                let none: Option<Moment> = None;
                diesel::update(escalation::table.find(id)).set(escalation::again_at.eq(none)).execute(connection)?;
            }
            Change::Answered { record, at, by, answer } => {
                let waiting = escalation::table
                    .filter(escalation::record_id.eq(record))
                    .filter(escalation::answered_at.is_null());
                let answered =
                    (escalation::answered_at.eq(at), escalation::answered_by_id.eq(by), escalation::answer.eq(answer));
                diesel::update(waiting).set(answered).execute(connection)?;
            }
        }
    }
    Ok(())
}
