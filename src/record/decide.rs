//! The port through which the kernel asks policies. `policy` implements it; the kernel knows only this.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{
    approval::policy::Wish,
    cause::Cause,
    kind::{Kind, Step},
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::Result,
    id::{RecordId, RowId, TeamId, UserId},
    schema::decision,
};

/// A question to the policies.
pub struct Question<'a> {
    /// `priority`, `routing`, `guard`, `escalation`, `assess_risk`, `approve`.
    pub decision: &'static str,
    /// What kind of record it is about.
    pub kind: &'static Kind,
    /// The record as it would be stored.
    pub record: &'a Map<String, Value>,
    /// The record as it was, where there was one.
    pub before: Option<&'a Map<String, Value>>,
    /// The step that is being taken.
    pub step: Option<&'static Step>,
    /// Why an escalation is asked about, as policies see it.
    pub moment: Option<&'a Map<String, Value>>,
    /// The policies that are asked; all of them where none is named.
    pub only: &'a [RowId],
    /// What the person wrote along with it.
    pub note: Option<&'a str>,
    /// Whether nothing comes of it: then an error of a policy does not count against it.
    pub rehearsal: bool,
    /// Who and what is behind it, and when.
    pub cause: &'a Cause,
}

/// What the policies want.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Set the priority.
    Priority(i32),
    /// Give it to a team.
    Team(TeamId),
    /// Give it to a person.
    Assignee(UserId),
    /// Tell somebody; carried as an event.
    Notify(String),
    /// Tell somebody at once, who is expected to answer.
    Page {
        /// The name of a team or a user.
        who: String,
        /// The user, where it is one.
        user: Option<UserId>,
    },
    /// Tell somebody further up, who is expected to answer.
    Escalate {
        /// How far up.
        level: i32,
        /// The name of a team or a user.
        who: String,
        /// The user, where it is one.
        user: Option<UserId>,
    },
    /// Propose it as a major incident.
    ProposeMajor,
    /// Ask again after a time.
    Again(TimeDelta),
    /// These policies failed: ask them again later, and tell the administrators.
    Unanswered(Vec<RowId>),
    /// This may go wrong with it: `low`, `medium`, `high`.
    Risk(String),
    /// This is to become of its approval.
    Approval(Wish),
    /// A board looks at it after it was made.
    ReviewAfterwards,
    /// Don't let it happen: the field that is wrong, why, and which policy says so.
    Refuse {
        /// The field that is wrong, or empty.
        field: String,
        /// Why, for the person at the screen.
        text: String,
        /// Which policy and rule.
        policy: String,
    },
}

/// The answer: effects in order, and a row of the decision log for each evaluation.
#[derive(Debug, Default)]
pub struct Answer {
    /// What is to happen.
    pub effects: Vec<Effect>,
    /// What is to be remembered.
    pub log: Vec<DecisionRow>,
}

/// Whoever answers questions.
pub trait Decide: Send + Sync {
    /// Answers a question. An error of a policy is not an error here: it falls back and is logged.
    fn decide(&self, connection: &mut AnyConnection, question: &Question<'_>) -> Result<Answer>;
    /// Something that is looked up for answers has changed here: teams, custom fields, policies.
    fn expire(&self) {}
}

/// Who is told where policies fail.
pub const ADMINISTRATORS: &str = "administrators";

/// The mode of rows of versions that run in the shadow of the live one.
pub const SHADOW: &str = "shadow";

/// A row of the decision log. The kernel says [which record](DecisionRow::of) it is about, and what was `applied` and
/// `discarded`.
#[derive(Clone, Debug, Queryable, Insertable, serde::Serialize)]
#[diesel(table_name = decision, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct DecisionRow {
    pub id: RowId,
    pub at: Moment,
    pub record_id: RecordId,
    pub record_version: i32,
    pub kind: String,
    pub cause: JsonText,
    pub policy_id: Option<RowId>,
    pub policy_version: Option<i32>,
    pub policy_sha256: String,
    pub mode: String,
    pub input: JsonText,
    pub input_sha256: String,
    pub host_calls: JsonText,
    pub result: JsonText,
    pub applied: JsonText,
    pub discarded: JsonText,
    pub rules: JsonText,
    pub outcome: String,
    pub error: Option<JsonText>,
    pub operations: i64,
    pub microseconds: i64,
    pub place: i32,
    pub differs: Option<JsonText>,
}

impl DecisionRow {
    /// The same row about this version of a record.
    #[must_use]
    pub fn of(self, record_id: RecordId, record_version: i32) -> Self {
        DecisionRow { record_id, record_version, ..self }
    }
}
