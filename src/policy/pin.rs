//! Pinned decisions: what was decided once, and must go on to be.
//!
//! A pin keeps the input of a decision, what was looked up and what it came to. It is a test of its policy alone: what others
//! of the same decision say is not asked.
//!
//! **Invariant:** what a pin tells of its record stands in it alone where it is *shown*; else a test says that it is red, and
//! no more.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use diesel::prelude::*;
use serde_json::Value as Json;

use super::{
    chain::Verdict,
    decision::Decision,
    diagnostic::{EXPECTATION, RunError},
    evaluate::{Evaluation, Input, Outcome as Ended, evaluate},
    facts::FactSchema,
    host::{Host, HostCall, RecordedOr},
    log::LogEntry,
    outcome,
    program::Program,
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    record::decide::DecisionRow,
    schema::policy_pin,
};

/// The most pins of one policy.
pub const MOST: usize = 500;

/// A pin.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = policy_pin, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct PinRow {
    pub id: RowId,
    pub policy_id: RowId,
    pub decision_id: RowId,
    pub record_id: RecordId,
    pub name: String,
    pub comment: String,
    pub input: JsonText,
    pub host_calls: JsonText,
    pub outcome: JsonText,
    pub created_by: UserId,
    pub created_at: Moment,
}

/// What a decision came to, by field.
pub type Kept = BTreeMap<String, String>;

/// What one run of one policy comes to.
fn outcome(decision: Decision, run: &Evaluation, input: &Input) -> Kept {
    let verdict = Verdict { effects: run.effects.clone(), fallback: None, runs: Vec::new() };
    let fields = outcome::of(decision, &verdict, &input.record).into_iter();
    fields.map(|(field, value)| (field.to_owned(), value)).collect()
}

impl PinRow {
    /// Of a decision that was logged.
    ///
    /// # Errors
    /// [`Code::Conflict`] where there is nothing to keep: no stored policy made it, it failed, or its input doesn't fit the
    /// fields any more.
    pub fn of(
        row: &DecisionRow,
        entry: &LogEntry,
        schema: &Arc<FactSchema>,
        (name, comment): (&str, &str),
        (by, at): (UserId, Moment),
    ) -> Result<PinRow> {
        let conflict = |why: &str| Error::new(Code::Conflict, why);
        let policy_id = row.policy_id.ok_or_else(|| conflict("No policy made this decision."))?;
        if !matches!(entry.run.evaluation.outcome, Ended::Ok | Ended::Passed) {
            return Err(conflict("The policy failed, so that there is nothing to keep."));
        }
        let input = Input::from_json(&entry.input, schema)
            .map_err(|e| conflict(&format!("The fields have changed since: {}", e.detail)))?;
        Ok(PinRow {
            id: RowId::new(),
            policy_id,
            decision_id: row.id,
            record_id: row.record_id,
            name: name.to_owned(),
            comment: comment.to_owned(),
            input: row.input.clone(),
            host_calls: row.host_calls.clone(),
            outcome: JsonText::of(&outcome(entry.decision, &entry.run.evaluation, &input))?,
            created_by: by,
            created_at: at,
        })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`Code::Conflict`] where the decision is pinned already, or the policy has [`MOST`] pins.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        let mine = policy_pin::table.filter(policy_pin::policy_id.eq(self.policy_id));
        let same = mine.filter(policy_pin::decision_id.eq(self.decision_id));
        if diesel::select(diesel::dsl::exists(same)).get_result::<bool>(connection)? {
            return Err(Error::new(Code::Conflict, "This decision is pinned already."));
        }
        if mine.count().get_result::<i64>(connection)? >= i64::try_from(MOST).unwrap_or(i64::MAX) {
            return Err(Error::new(
                Code::Conflict,
                format!("The policy has {MOST} pins, which is as many as it may have."),
            ));
        }
        diesel::insert_into(policy_pin::table).values(self).execute(connection)?;
        Ok(())
    }

    /// The pins of a policy after that one, the oldest first.
    pub fn of_policy(
        connection: &mut AnyConnection,
        policy: RowId,
        after: Option<RowId>,
        limit: i64,
    ) -> Result<Vec<PinRow>> {
        let mut mine = policy_pin::table.filter(policy_pin::policy_id.eq(policy)).into_boxed::<crate::db::Backend>();
        if let Some(after) = after {
            mine = mine.filter(policy_pin::id.gt(after));
        }
        Ok(mine.order(policy_pin::id).limit(limit).load(connection)?)
    }

    /// All pins of a policy.
    pub fn all(connection: &mut AnyConnection, policy: RowId) -> Result<Vec<PinRow>> {
        Self::of_policy(connection, policy, None, i64::MAX)
    }

    /// One pin of a policy.
    pub fn find(connection: &mut AnyConnection, policy: RowId, id: RowId) -> Result<PinRow> {
        let one = policy_pin::table.find(id).filter(policy_pin::policy_id.eq(policy));
        one.first(connection).optional()?.ok_or_else(|| Error::not_found("pin of this policy"))
    }

    /// Forgets it.
    pub fn delete(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::delete(policy_pin::table.find(self.id)).execute(connection)?;
        Ok(())
    }
}

/// A pin that can be run.
pub struct Pinned {
    /// Its id.
    pub id: RowId,
    /// Its name.
    pub name: String,
    decision: Decision,
    /// What the decision is made on; why not, where it doesn't fit the fields any more.
    input: Result<Input>,
    outcome: Kept,
    host: Arc<dyn Host>,
    shown: bool,
}

impl Pinned {
    /// Of a row. What was looked up then is answered as then, the rest by `live`. What it comes to is told where it is `shown`.
    ///
    /// # Errors
    /// A row that this server never wrote.
    pub fn new(
        row: &PinRow,
        decision: Decision,
        schema: &Arc<FactSchema>,
        live: &Arc<dyn Host>,
        shown: bool,
    ) -> Result<Pinned> {
        let calls: Vec<HostCall> = row.host_calls.read()?;
        let input = Input::from_json(&row.input.read::<Json>()?, schema);
        let host = Arc::new(RecordedOr::new(&calls, Arc::clone(live)));
        Ok(Pinned { id: row.id, name: row.name.clone(), decision, input, outcome: row.outcome.read()?, host, shown })
    }

    /// Makes the decision again; gives why it is another one, if it is, and the microseconds that it took. The thread needs a
    /// stack of `runner::STACK`.
    pub fn run(&self, program: &Program) -> (Option<RunError>, u64) {
        let started = Instant::now();
        let error = self.differs(program).map(|error| if self.shown { error } else { hidden() });
        (error, u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn differs(&self, program: &Program) -> Option<RunError> {
        let input = match &self.input {
            Ok(input) => input,
            Err(e) => {
                return Some(at_no_place("fields_changed", format!("the fields have changed since: {}", e.detail)));
            }
        };
        let run = evaluate(program, input, &self.host);
        if let Some(error) = run.error {
            return Some(error);
        }
        let now = outcome(self.decision, &run, input);
        let said = |fields: &Kept, field: &String| match fields.get(field).map_or("", String::as_str) {
            "" => "nothing".to_owned(),
            value => format!("\"{value}\""),
        };
        let differ = now.keys().filter(|field| now.get(*field) != self.outcome.get(*field));
        let differ =
            differ.map(|field| format!("{field} was {} and is {}", said(&self.outcome, field), said(&now, field)));
        let differ: Vec<String> = differ.collect();
        if differ.is_empty() {
            return None;
        }
        let rule = run.rules.iter().rfind(|rule| rule.fitted);
        let by = rule.map_or_else(String::new, |rule| format!(" by rule \"{}\"", rule.name));
        let place = run.effects.first().map_or((0, 0), |said| (said.line, said.column));
        let (line, column) = place;
        Some(RunError { code: EXPECTATION.to_owned(), message: format!("{}{by}", differ.join(", ")), line, column })
    }
}

fn at_no_place(code: &str, message: String) -> RunError {
    RunError { code: code.to_owned(), message, line: 0, column: 0 }
}

/// All that is told of a red pin of a record that somebody may not see.
fn hidden() -> RunError {
    at_no_place(EXPECTATION, "it does not come to what it came to; its record is hidden from you".to_owned())
}
