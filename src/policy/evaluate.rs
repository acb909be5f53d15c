//! Running a policy on a record.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rhai::{CallFnOptions, Dynamic, EvalAltResult, Position, Scope, plugin::RhaiResult};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use utoipa::ToSchema;

use super::{
    context::{Context, Native, Said, Testing},
    decision::{Effect, Placed},
    diagnostic::{LIMIT, LOOP, RunError, UNASKED, from_run_error},
    engine,
    entry::Arguments,
    facts::{self, FactSchema, Facts, Value},
    host::{Host, HostCall},
    limits::{LIVE, Limits, Running},
    program::Program,
    syntax::named,
    trace::{RuleTrace, Trace},
};
use crate::{
    clock::Moment,
    error::{Error, Result},
};

/// What a decision is made on.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The record; for a guard, as the transition would leave it.
    pub record: Facts,
    /// Fields that changed, with their old values.
    pub changed: Arc<BTreeMap<String, Value>>,
    /// What the decision is made on beside the record: a transition, a moment.
    pub beside: Option<Facts>,
    /// The moment of the decision.
    pub now: Moment,
}

impl Input {
    /// On a record as it is, at a moment.
    pub fn new(record: Facts, now: Moment) -> Input {
        Input { record, changed: Arc::default(), beside: None, now }
    }
    /// With fields that changed.
    #[must_use]
    pub fn changed(mut self, changed: BTreeMap<String, Value>) -> Input {
        self.changed = Arc::new(changed);
        self
    }
    /// With what else the decision is made on.
    #[must_use]
    pub fn beside(mut self, beside: Facts) -> Input {
        self.beside = Some(beside);
        self
    }

    /// Made again from its JSON form.
    ///
    /// # Errors
    /// A part that is missing or doesn't fit the schemas.
    pub fn from_json(json: &serde_json::Value, schema: &Arc<FactSchema>) -> Result<Input> {
        let record = Facts::from_json(schema, &json["record"])?;
        let no_time = |_| Error::invalid("/now", "wrong_type", "`now` must be a time.");
        let now = json["now"].as_str().unwrap_or_default().parse().map_err(no_time)?;
        let old = json["changed"].as_object().into_iter().flatten().map(|(name, value)| {
            let field = schema.field(name);
            let unknown = || Error::invalid("/changed", "unknown_field", schema.unknown_field(name));
            let read = field.and_then(|f| Value::from_json(value, &f.kind)).ok_or_else(unknown)?;
            Ok((name.clone(), read))
        });
        let changed = Arc::new(old.collect::<Result<_>>()?);
        let beside = facts::all_beside().into_iter().find_map(|schema| {
            let given = json.get(schema.name()).filter(|given| !given.is_null())?;
            Some(Facts::from_json(&schema, given))
        });
        Ok(Input { record, changed, beside: beside.transpose()?, now })
    }

    /// The arguments of a decision's function.
    fn arguments(&self, program: &Program) -> Result<Arguments<'_>, RunError> {
        let spec = program.decision().spec();
        let Some(wanted) = spec.beside() else { return Ok([Some(&self.record), None]) };
        match self.beside.as_ref().filter(|given| given.schema().name() == wanted) {
            Some(given) => Ok([Some(&self.record), Some(given)]),
            None => {
                let message = format!("the {} decision is made on a {wanted}, and none was given", spec.name);
                Err(RunError { code: format!("no_{wanted}"), message, line: 0, column: 0 })
            }
        }
    }
}

/// As the log keeps it: `record`, `changed`, `transition` and `now`, and `moment` where there is one.
impl Serialize for Input {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let beside = |name: &str| self.beside.as_ref().filter(|beside| beside.schema().name() == name);
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("record", &self.record)?;
        map.serialize_entry("changed", &*self.changed)?;
        map.serialize_entry("transition", &beside("transition"))?;
        if let Some(moment) = beside("moment") {
            map.serialize_entry("moment", moment)?;
        }
        map.serialize_entry("now", &self.now)?;
        map.end()
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It said something.
    Ok,
    /// It said nothing: the next policy is asked.
    Passed,
    /// It went over a limit.
    Limit,
    /// It failed.
    Error,
    /// It was not asked: what asks is a consequence that is too deep.
    Loop,
}

/// One run of one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evaluation {
    /// How it ended.
    pub outcome: Outcome,
    /// What it said; nothing after a limit or an error.
    pub effects: Vec<Placed>,
    /// The rules that were tried, in order.
    #[schema(value_type = Vec<RuleTrace>)]
    pub rules: Trace,
    /// What was looked up, in order.
    pub host_calls: Vec<HostCall>,
    /// Steps it took.
    pub operations: u64,
    /// Microseconds it took.
    pub microseconds: u64,
    /// Why it ended badly.
    pub error: Option<RunError>,
}

impl Evaluation {
    /// Just what it said.
    pub fn said(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().map(|placed| &placed.effect)
    }
    /// Of a policy that was not asked, for this reason.
    pub fn unasked(outcome: Outcome, code: &str, why: String) -> Evaluation {
        let error = Some(RunError { code: code.to_owned(), message: why, line: 0, column: 0 });
        let (effects, rules, host_calls) = (Vec::new(), Trace::default(), Vec::new());
        Evaluation { outcome, effects, rules, host_calls, operations: 0, microseconds: 0, error }
    }
    /// Whether the policy was asked.
    pub fn was_asked(&self) -> bool {
        self.error.as_ref().is_none_or(|error| ![LOOP, UNASKED].contains(&error.code.as_str()))
    }
    /// Whether it failed or went over a limit.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Limit | Outcome::Error)
    }
}

/// Runs a policy. The thread needs a stack of `runner::STACK`. It never fails: what goes wrong is in the evaluation.
pub fn evaluate(program: &Program, input: &Input, host: &Arc<dyn Host>) -> Evaluation {
    engine::ready();
    let running = Running::start(LIVE);
    let context = Context::new(program.decision(), host, input.now, &input.changed, None);
    let function = program.decision().spec().function;
    let result = program.problem().map_or_else(|| input.arguments(program), |problem| Err(problem.clone()));
    let result = result
        .and_then(|arguments| decide(program, arguments, &context))
        .and_then(|returned| check_returned(program, &context, &returned));
    let result = result.and_then(|()| not_stopped(&running)).map_err(|e| placed(e, program, function));
    finish(program, &context, result.err(), &running)
}

/// An error at its word, or at the function that was called when it has no place of its own.
fn placed(error: RunError, program: &Program, function: &str) -> RunError {
    let called = program.ast().iter_fn_def().find(|f| f.name == function);
    error.at_word(program.source()).or_at(called.map_or(Position::NONE, |f| f.body.start_position()))
}

/// A run that was told to end has failed, even where a callback's error was lost on the way.
fn not_stopped(running: &Running) -> Result<(), RunError> {
    let Some(message) = running.was_stopped() else { return Ok(()) };
    Err(RunError { code: LIMIT.to_owned(), message, line: 0, column: 0 })
}

/// Calls a script's decision within the running budget.
fn decide(program: &Program, arguments: Arguments, context: &Context) -> Result<Dynamic, RunError> {
    caught(program, || {
        engine::with(|e| match program.entry() {
            Some(entry) => entry.call(e, program.ast(), arguments, context),
            None => {
                Err(EvalAltResult::ErrorFunctionNotFound(program.decision().spec().function.into(), Position::NONE)
                    .into())
            }
        })
    })
}

/// Calls a function of a script's tests within the running budget.
fn call(program: &Program, function: &str, context: &Context) -> Result<Dynamic, RunError> {
    let options = CallFnOptions::new().eval_ast(false).with_tag(context.clone());
    let (ast, mut scope) = (program.test_ast(), Scope::new());
    caught(program, || engine::with(|e| e.call_fn_with_options::<Dynamic>(options, &mut scope, ast, function, ())))
}

fn caught(program: &Program, run: impl FnOnce() -> RhaiResult) -> Result<Dynamic, RunError> {
    // Turned into a plain error here: Rhai's may hold values that are large.
    let run = || run().map_err(|error| from_run_error(*error, program.linked()));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let message = "a function of the server failed".to_owned();
        Err(RunError { code: "panic".to_owned(), message, line: 0, column: 0 })
    })
}

/// A decision's function returns what it said, or nothing.
fn check_returned(program: &Program, context: &Context, returned: &Dynamic) -> Result<(), RunError> {
    if returned.is_unit() || returned.is::<Said>() || !context.state().effects.is_empty() {
        return Ok(());
    }
    let spec = program.decision().spec();
    let effect = spec.effects.first().copied().unwrap_or_default();
    let message = format!("`{}` must return a decision such as {effect}(…), not {}", spec.function, named(returned));
    Err(RunError { code: "no_decision".to_owned(), message, line: 0, column: 0 })
}

fn finish(program: &Program, context: &Context, error: Option<RunError>, running: &Running) -> Evaluation {
    let mut state = context.state();
    let effects = if error.is_some() { Vec::new() } else { std::mem::take(&mut state.effects) };
    let outcome = match &error {
        Some(e) if e.code == LIMIT => Outcome::Limit,
        Some(_) => Outcome::Error,
        None if effects.is_empty() => Outcome::Passed,
        None => Outcome::Ok,
    };
    let rules = program.trace(std::mem::take(&mut state.tried));
    let host_calls = std::mem::take(&mut state.calls);
    let (operations, microseconds) = (running.steps(), running.microseconds());
    Evaluation { outcome, effects, rules, host_calls, operations, microseconds, error }
}

/// Runs one function of a test, and what is to be done with what it gives.
pub(super) fn run_test(
    testing: Testing,
    host: &Arc<dyn Host>,
    now: Moment,
    name: &str,
    limits: Limits,
    then: &dyn Fn(&Context, Dynamic) -> Native<()>,
) -> (Option<RunError>, u64) {
    engine::ready();
    let program = Arc::clone(&testing.program);
    let context = Context::new(program.decision(), host, now, &Arc::default(), Some(testing));
    let running = Running::start(limits);
    let result = call(&program, name, &context);
    let result =
        result.and_then(|given| then(&context, given).map_err(|error| from_run_error(*error, program.linked())));
    let result = result.and_then(|()| not_stopped(&running)).map_err(|e| placed(e, &program, name));
    (result.err(), running.microseconds())
}
