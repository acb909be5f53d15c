//! The context of one run: it travels as the call's tag, and the script's functions write into it.
//!
//! **Invariant:** what a run said, asked and tried is only here; nothing of it outlives the run, and it has bounds.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rhai::{Dynamic, EvalAltResult, NativeCallContext, Position};

use super::{
    decision::{Decision, Effect, Placed},
    diagnostic::LIMIT,
    facts::{Cell, FactSchema, Value},
    host::{Answer, Asked, Host, HostCall},
    limits::{self, MAX_LEFT, MAX_LOOKED_UP, MAX_SAID, MAX_TRIED, Over},
    program::Program,
    table::{Row, Table},
    trace::Tried,
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
    /// The rules, in the order they were tried; a run has them with it where no script code runs.
    pub tried: Vec<Tried>,
    /// What was asked of the host.
    pub calls: Vec<HostCall>,
    /// Who answers in the place of the host, in a test that says so.
    pub instead: Option<Arc<dyn Host>>,
    /// Bytes that look-ups and effects hold together.
    left: usize,
}

impl State {
    fn leave(&mut self, bytes: usize, at: Position) -> Native<()> {
        self.left += bytes;
        if self.left > MAX_LEFT { Err(over(Over::Left, at)) } else { Ok(()) }
    }
}

/// Notes that a rule was tried.
pub fn note(tried: &mut Vec<Tried>, one: Tried) -> Native<()> {
    if tried.len() == MAX_TRIED {
        return Err(over(Over::Tried, one.at));
    }
    tried.push(one);
    Ok(())
}

/// The mistake of a run that leaves more in the log than it may.
fn over(what: Over, at: Position) -> Box<EvalAltResult> {
    mistake(LIMIT, limits::stop(what), at)
}

struct Inner {
    decision: Decision,
    host: Arc<dyn Host>,
    testing: Option<Testing>,
    /// Whether a rule ended the policy. Every rule asks, and so it is not locked with the rest.
    decided: AtomicBool,
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
        let changed = Arc::clone(changed);
        let state = State { now, changed, effects, tried, calls, instead: None, left: 0 };
        let (decided, state) = (AtomicBool::new(false), Mutex::new(state));
        Context(Arc::new(Inner { decision, host: Arc::clone(host), testing, decided, state }))
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
    /// Whether a rule ended the policy.
    pub fn is_decided(&self) -> bool {
        self.0.decided.load(Relaxed)
    }
    /// Ends the policy.
    pub fn decide(&self) {
        self.0.decided.store(true, Relaxed);
    }
    /// The decision that is being made.
    pub fn decision(&self) -> Decision {
        self.0.decision
    }
    /// Who answers.
    pub fn host(&self) -> Arc<dyn Host> {
        // Only a test puts somebody in its place.
        let instead = self.0.testing.as_ref().and_then(|_| self.state().instead.clone());
        instead.unwrap_or_else(|| Arc::clone(&self.0.host))
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
        let mut state = self.state();
        if state.effects.len() == MAX_SAID {
            return Err(over(Over::Said, at));
        }
        state.leave(effect.bytes(), at)?;
        state.effects.push(Placed { effect, line, column });
        Ok(Said)
    }

    /// Notes a look-up. One that was made before is known.
    fn record(&self, call: HostCall, at: Position) -> Native<()> {
        let mut state = self.state();
        if state.calls.contains(&call) {
            return Ok(());
        }
        if state.calls.len() == MAX_LOOKED_UP {
            return Err(over(Over::LookedUp, at));
        }
        state.leave(call.bytes(), at)?;
        state.calls.push(call);
        Ok(())
    }

    fn answered(&self, function: Asked, about: &str, answer: bool, at: Position) -> Native<bool> {
        let arguments = vec![Cell::Text(about.into())];
        self.record(HostCall { function, arguments, result: Answer::Bool(answer) }, at).map(|()| answer)
    }

    /// Asks whether there is such a team.
    pub fn team_exists(&self, name: &str, at: Position) -> Native<bool> {
        self.answered(Asked::TeamExists, name, self.host().team_exists(name), at)
    }
    /// Asks whether there is such a user.
    pub fn user_exists(&self, name: &str, at: Position) -> Native<bool> {
        let answer = self.host().user_exists(name);
        let answer = answer.map_err(|e| mistake("unavailable", format!("users can't be looked up: {e}"), at))?;
        self.answered(Asked::UserExists, name, answer, at)
    }
    /// Asks whether a calendar is open now; nothing where there is no such calendar.
    pub fn business_hours(&self, calendar: &str, at: Position) -> Native<Option<bool>> {
        let now = self.state().now;
        let answer = self.host().business_hours(calendar, now);
        let arguments = vec![Cell::Text(calendar.into()), Cell::Text(now.to_string().into())];
        let result = answer.map_or(Answer::Nothing, Answer::Bool);
        self.record(HostCall { function: Asked::BusinessHours, arguments, result }, at).map(|()| answer)
    }
    /// Asks who of a team is on call now.
    pub fn on_call(&self, team: &str, at: Position) -> Native<Option<String>> {
        let now = self.state().now;
        let answer = self.host().on_call(team, now);
        let arguments = vec![Cell::Text(team.into()), Cell::Text(now.to_string().into())];
        let result = answer.clone().map_or(Answer::Nothing, Answer::Text);
        self.record(HostCall { function: Asked::OnCall, arguments, result }, at).map(|()| answer)
    }
    /// Asks for a table.
    pub fn table(&self, name: &str, at: Position) -> Native<Option<Arc<Table>>> {
        let table = self.host().table(name);
        let result = table.as_ref().map_or(Answer::Nothing, |t| Answer::Head(Arc::clone(t.head())));
        let arguments = vec![Cell::Text(name.into())];
        self.record(HostCall { function: Asked::Table, arguments, result }, at).map(|()| table)
    }
    /// Asks a table for a row.
    pub fn find(&self, table: &Table, key: &[Cell], at: Position) -> Native<Option<Row>> {
        let row = self.host().find(table, key);
        let mut arguments = vec![Cell::Text(table.name().into())];
        arguments.extend_from_slice(key);
        let result = row.clone().map_or(Answer::Nothing, Answer::Row);
        self.record(HostCall { function: Asked::Find, arguments, result }, at).map(|()| row)
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
