//! The context of one run: it travels as the call's tag, and the script's functions write into it.
//!
//! **Invariant:** what a run said, asked and tried is only here; nothing of it outlives the run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rhai::{Dynamic, EvalAltResult, NativeCallContext, Position};

use super::{
    decision::{Decision, Effect, Placed},
    facts::{Cell, FactSchema, Value},
    host::{Answer, Asked, Host, HostCall},
    program::Program,
    table::Table,
};
use crate::clock::Moment;

/// What a native function gives.
pub type Native<T> = Result<T, Box<EvalAltResult>>;

/// A mistake of a script, with a code for machines; it travels inside Rhai's error, which knows the place.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// Stable reason, such as `unknown_team`.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
}

/// Rhai's error for a mistake at a place.
pub fn mistake(code: &'static str, message: impl Into<String>, at: Position) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(Dynamic::from(Mistake { code, message: message.into() }), at).into()
}

/// What a rule came to: where it is, and which part of its condition was false, if one was.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// Where the rule's name stands.
    pub at: Position,
    /// Whether it fitted.
    pub fitted: bool,
    /// Which part of an `and` was the first to be false.
    pub failed_part: usize,
}

/// What tests need beyond a decision.
#[derive(Clone)]
pub struct Testing {
    /// The program whose tests run.
    pub program: Arc<Program>,
    /// The schema of the records that they make up.
    pub schema: Arc<FactSchema>,
}

/// What one run has said, asked and tried.
pub struct State {
    /// The moment that the run takes for now.
    pub now: Moment,
    /// Fields that changed, with their old values.
    pub changed: Arc<BTreeMap<String, Value>>,
    /// What was said.
    pub effects: Vec<Placed>,
    /// The rules, in the order they were tried.
    pub tried: Vec<Tried>,
    /// What was asked of the host.
    pub calls: Vec<HostCall>,
    /// Whether a rule ended the policy.
    pub decided: bool,
}

struct Inner {
    decision: Decision,
    host: Arc<dyn Host>,
    testing: Option<Testing>,
    state: Mutex<State>,
}

/// The context of one run. Cloning shares it.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

impl Context {
    /// For one run.
    pub fn new(
        decision: Decision,
        host: &Arc<dyn Host>,
        now: Moment,
        changed: &Arc<BTreeMap<String, Value>>,
        testing: Option<Testing>,
    ) -> Context {
        let (effects, tried, calls) = (Vec::new(), Vec::new(), Vec::new());
        let state = Mutex::new(State { now, changed: Arc::clone(changed), effects, tried, calls, decided: false });
        Context(Arc::new(Inner { decision, host: Arc::clone(host), testing, state }))
    }

    /// From the tag of a running call.
    pub fn of(tag: Option<&Dynamic>, at: Position) -> Native<Context> {
        let found = tag.and_then(|t| t.read_lock::<Context>()).map(|c| c.clone());
        found.ok_or_else(|| mistake("no_context", "this only works while a policy runs", at))
    }

    /// From a native function's call.
    pub fn from_call(call: &NativeCallContext) -> Native<Context> {
        Context::of(call.tag(), call.call_position())
    }

    /// The state; hold it shortly and never while script code runs.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The decision that is being made.
    pub fn decision(&self) -> Decision {
        self.0.decision
    }
    /// The host.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.0.host
    }
    /// What a test has; a mistake at the place when no test runs.
    pub fn testing(&self, what: &str, at: Position) -> Native<&Testing> {
        let sentence = || mistake("only_in_tests", format!("`{what}` is only there in test_* functions"), at);
        self.0.testing.as_ref().ok_or_else(sentence)
    }

    /// Says an effect, where the decision allows its function.
    pub fn say(&self, function: &str, effect: Effect, at: Position) -> Native<Said> {
        let spec = self.decision().spec();
        if !spec.effects.contains(&function) {
            return Err(mistake("wrong_effect", wrong_effect(function, self.decision()), at));
        }
        let (line, column) = (at.line().unwrap_or(0), at.position().unwrap_or(0));
        self.state().effects.push(Placed { effect, line, column });
        Ok(Said)
    }

    fn record(&self, function: Asked, arguments: Vec<Cell>, result: Answer) {
        self.state().calls.push(HostCall { function, arguments, result });
    }

    /// Asks whether there is such a team.
    pub fn team_exists(&self, name: &str) -> bool {
        let answer = self.0.host.team_exists(name);
        self.record(Asked::TeamExists, vec![Cell::Text(name.into())], Answer::Bool(answer));
        answer
    }
    /// Asks whether there is such a user.
    pub fn user_exists(&self, name: &str, at: Position) -> Native<bool> {
        let answer = self.0.host.user_exists(name);
        let answer = answer.map_err(|e| mistake("unavailable", format!("users can't be looked up: {e}"), at))?;
        self.record(Asked::UserExists, vec![Cell::Text(name.into())], Answer::Bool(answer));
        Ok(answer)
    }
    /// Asks whether now is within business hours.
    pub fn business_hours(&self) -> bool {
        let now = self.state().now;
        let answer = self.0.host.business_hours(now);
        self.record(Asked::BusinessHours, vec![Cell::Text(now.to_string().into())], Answer::Bool(answer));
        answer
    }
    /// Asks for a table.
    pub fn table(&self, name: &str) -> Option<Arc<Table>> {
        let table = self.0.host.table(name);
        let answer = table.as_ref().map_or(Answer::Nothing, |t| Answer::Head(Arc::clone(t.head())));
        self.record(Asked::Table, vec![Cell::Text(name.into())], answer);
        table
    }
    /// Asks a table for a row.
    pub fn find(&self, table: &Table, key: &[Cell]) -> Option<super::table::Row> {
        let row = table.find(key).cloned();
        let mut arguments = vec![Cell::Text(table.name().into())];
        arguments.extend_from_slice(key);
        self.record(Asked::Find, arguments, row.clone().map_or(Answer::Nothing, Answer::Row));
        row
    }
}

/// The sentence for an effect that another decision has.
pub fn wrong_effect(function: &str, decision: Decision) -> String {
    let spec = decision.spec();
    let allowed = spec.effects.iter().map(|e| format!("{e}(…)")).collect::<Vec<_>>().join(", ");
    format!("`{function}` is no answer to the {} decision; it has {allowed}", spec.name)
}

/// What a script holds after it said an effect: what a rule's `then` and `also` need.
#[derive(Clone, Debug)]
pub struct Said;
