//! What `test_*` functions have: made-up records, a clock, calls of the decision, and `expect`.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{Datelike, TimeDelta, Weekday};
use rhai::{Array, Dynamic, Engine, ImmutableString, Map, NativeCallContext, Position};

use super::reference::tell;
use crate::{
    clock::Moment,
    policy::{
        context::{Context, Native, mistake},
        decision::{DECISIONS, Decision, Effect, priority_of},
        diagnostic::EXPECTATION,
        evaluate::{Evaluation, Input, evaluate},
        facts::{self, FactSchema, Facts, FieldType, Schemas, Value},
        host::Except,
        syntax::named,
    },
    practice::change::RISKS,
};

/// What a decision came to in a test.
#[derive(Clone)]
pub(super) struct Tested {
    decision: Decision,
    evaluation: Arc<Evaluation>,
}

/// The functions that are only there in tests, beside those that make up a record.
const IN_TESTS: &[&str] = &["expect", "clock", "before", "without", "on_duty"];

/// Whether a function is only there in tests.
pub fn is_only_in_tests(name: &str) -> bool {
    IN_TESTS.contains(&name) || facts::made_up_of(name, Schemas::shipped().first()).is_some()
}

/// What can be made up of one word, and the field that it is for.
pub(super) const BY_ONE_WORD: [(&str, &str); 2] = [("transition", "name"), ("moment", "cause")];

/// The moment at which tests start: a Tuesday morning within business hours.
const TUESDAY: &str = "2025-01-07T10:00:00Z";

/// The moment at which tests start.
pub fn test_clock() -> Moment {
    // A constant that parses; the test below holds it.
    TUESDAY.parse().unwrap_or_else(|_| Moment::from_utc(chrono::NaiveDateTime::default()))
}

/// A moment from RFC 3339 or from a weekday and a time, such as `Tue 23:00`, of the week of the tests.
pub fn moment(text: &str) -> Option<Moment> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let (day, time) = text.split_once(' ')?;
    let day: Weekday = day.parse().ok()?;
    let time = chrono::NaiveTime::parse_from_str(time.trim(), "%H:%M").ok()?;
    let tuesday = test_clock().utc().date_naive();
    let days = i64::from(day.num_days_from_monday()) - i64::from(tuesday.weekday().num_days_from_monday());
    Some(Moment::from_utc((tuesday + TimeDelta::days(days)).and_time(time)))
}

fn refuse_key(schema: &FactSchema, key: &str, at: Position) -> Box<rhai::EvalAltResult> {
    mistake("unknown_field", schema.unknown_field(key), at)
}

/// A made-up record: defaults, with the fields that the test gives.
pub(super) fn made_up(schema: &Arc<FactSchema>, given: &Map, at: Position) -> Native<Facts> {
    let defaults = schema.made_up();
    let mut builder = Facts::builder(schema);
    for field in schema.fields() {
        let value = match given.get(field.name.as_str()) {
            None => defaults.get(&field.name).cloned().unwrap_or_default(),
            Some(given) => value(&field.kind, given, at, &field.name)?,
        };
        builder.set(&field.name, value).map_err(|e| mistake("unknown_field", e.detail, at))?;
    }
    given
        .keys()
        .find(|k| schema.index_of(k).is_none())
        .map_or_else(|| Ok(builder.build()), |k| Err(refuse_key(schema, k, at)))
}

fn value(kind: &FieldType, given: &Dynamic, at: Position, name: &str) -> Native<Value> {
    if let (FieldType::Nested(inner), Ok(map)) = (kind, given.as_map_ref()) {
        return made_up(inner, &map, at).map(Value::Facts);
    }
    let wrong = || mistake("wrong_type", format!("`{name}` is {}; this is {}", kind.named(), named(given)), at);
    Value::from_dynamic(given, kind).ok_or_else(wrong)
}

/// The record that the function of this call makes up.
fn build(call: &NativeCallContext, given: &Map) -> Native<Facts> {
    let (kind, at) = (call.fn_name(), call.call_position());
    let context = Context::from_call(call)?;
    let schema = &context.testing(kind, at)?.schema;
    made_up(&facts::made_up_of(kind, schema).unwrap_or_else(|| Arc::clone(schema)), given, at)
}

/// Runs the decision as it runs live, on a made-up record.
pub(super) fn decide(context: &Context, record: Facts, beside: Option<Facts>, at: Position) -> Native<Tested> {
    let program = Arc::clone(&context.testing("the decision", at)?.program);
    let (kind, given) = (program.kind(), record.schema().name());
    if kind != given {
        let sentence = format!("this policy is tested with {kind}(…), not {given}(…)");
        return Err(mistake("wrong_type", sentence, at));
    }
    let (now, changed) = {
        let state = context.state();
        (state.now, Arc::clone(&state.changed))
    };
    let input = Input { record, changed, beside, now };
    let evaluation = evaluate(&program, &input, &context.host());
    match evaluation.error {
        Some(e) => {
            let place = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
            let inside = if e.line == 0 { at } else { Position::new(place(e.line), place(e.column)) };
            Err(mistake("decision_failed", e.message, inside))
        }
        None => Ok(Tested { decision: program.decision(), evaluation: Arc::new(evaluation) }),
    }
}

impl Tested {
    /// Whether the decision came to what the test expects.
    fn is(&self, expected: &Dynamic) -> bool {
        let said: Vec<&Effect> = self.evaluation.said().collect();
        if expected.is_unit() {
            return said.is_empty();
        }
        if let Ok(items) = expected.as_array_ref() {
            return said.len() == items.len() && said.iter().zip(items.iter()).all(|(e, i)| e.gist() == i.to_string());
        }
        match self.decision {
            Decision::Priority => expected.as_int().ok() == priority_of(said, None),
            Decision::Guard => {
                let fields = || {
                    said.iter().filter_map(|e| if let Effect::Refuse { field, .. } = e { Some(field) } else { None })
                };
                match expected.as_bool() {
                    Ok(allowed) => allowed == (fields().count() == 0),
                    Err(_) => fields().any(|f| *f == expected.to_string()),
                }
            }
            Decision::Escalation | Decision::Approve => said.iter().any(|e| e.gist() == expected.to_string()),
            Decision::AssessRisk => {
                let said: Vec<String> = said.iter().map(|said| said.gist()).collect();
                let highest = RISKS.iter().rfind(|risk| said.iter().any(|said| said == *risk));
                highest.is_some_and(|risk| *risk == expected.to_string())
            }
            Decision::Routing => said.iter().any(|e| e.answers() && e.gist() == expected.to_string()),
        }
    }

    /// Refuses another outcome than what the test expects.
    pub(super) fn must_be(&self, expected: &Dynamic, at: Position) -> Native<()> {
        if self.is(expected) { Ok(()) } else { Err(unexpected(expected, &self.shown(), at)) }
    }

    /// What it came to, for a failed test.
    fn shown(&self) -> String {
        let said: Vec<String> = self.evaluation.said().map(Effect::gist).collect();
        let rule = self.evaluation.rules.iter().rfind(|r| r.fitted);
        let by = rule.map_or_else(String::new, |r| format!(" by rule \"{}\" (line {})", r.name, r.line));
        if said.is_empty() { "no decision".to_owned() } else { format!("{}{by}", said.join(", ")) }
    }
}

/// Whether two plain values are equal: of one type and shown alike.
fn equal(actual: &Dynamic, expected: &Dynamic) -> bool {
    actual.type_name() == expected.type_name() && actual.to_string() == expected.to_string()
}

fn expect(call: &NativeCallContext, actual: &Dynamic, expected: &Dynamic) -> Native<()> {
    let at = call.call_position();
    Context::from_call(call)?.testing("expect", at)?;
    match actual.clone().try_cast::<Tested>() {
        Some(tested) => tested.must_be(expected, at),
        None if equal(actual, expected) => Ok(()),
        None => Err(unexpected(expected, &named(actual), at)),
    }
}

fn unexpected(expected: &Dynamic, got: &str, at: Position) -> Box<rhai::EvalAltResult> {
    let expected = match expected.is_array() {
        true => expected.to_string(),
        false => named(expected),
    };
    mistake(EXPECTATION, format!("expected {expected}, got {got}"), at)
}

/// Sets the moment of a test.
pub(super) fn set_clock(context: &Context, text: &str, at: Position) -> Native<()> {
    context.testing("clock", at)?;
    let sentence = || format!("\"{text}\" is no time: write \"Tue 23:00\" or 2025-01-07T23:00:00Z");
    context.state().now = moment(text).ok_or_else(|| mistake("wrong_type", sentence(), at))?;
    Ok(())
}

/// Says what fields were before: the decision sees them as changed.
pub(super) fn set_before(context: &Context, old: &Map, at: Position) -> Native<()> {
    let schema = Arc::clone(&context.testing("before", at)?.schema);
    let read = |(name, given): (&rhai::Identifier, &Dynamic)| {
        let field = schema.field(name).ok_or_else(|| refuse_key(&schema, name, at))?;
        Ok((name.to_string(), value(&field.kind, given, at, name)?))
    };
    let changed = old.iter().map(read).collect::<Native<BTreeMap<_, _>>>()?;
    context.state().changed = Arc::new(changed);
    Ok(())
}

/// Says that there is no team and no user of this name.
pub(super) fn set_without(context: &Context, name: &str, at: Position) -> Native<()> {
    context.testing("without", at)?;
    let host = Except::without(context.host(), name);
    context.state().instead = Some(Arc::new(host));
    Ok(())
}

/// Says who of a team is on call.
pub(super) fn set_on_duty(context: &Context, team: &str, user: &str, at: Position) -> Native<()> {
    context.testing("on_duty", at)?;
    let host = Except::on_duty(context.host(), team, user);
    context.state().instead = Some(Arc::new(host));
    Ok(())
}

/// Gives an engine what tests need. Live runs refuse it.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Tested>("outcome");
    let beside = facts::all_beside();
    for kind in Schemas::shipped().all().chain(&beside).map(|schema| schema.name()) {
        tell(engine, kind, |call: NativeCallContext, given: Map| build(&call, &given));
        tell(engine, kind, |call: NativeCallContext| build(&call, &Map::new()));
    }
    for (kind, field) in BY_ONE_WORD {
        tell(engine, kind, |call: NativeCallContext, word: ImmutableString| {
            build(&call, &Map::from([(field.into(), word.into())]))
        });
    }
    let decided = |call: &NativeCallContext, record, beside| {
        let (context, at) = (Context::from_call(call)?, call.call_position());
        context.testing(call.fn_name(), at)?;
        decide(&context, record, beside, at)
    };
    for spec in DECISIONS {
        match spec.arguments.len() {
            1 => tell(engine, spec.function, move |call: NativeCallContext, r: Facts| decided(&call, r, None)),
            _ => tell(engine, spec.function, move |call: NativeCallContext, r: Facts, t: Facts| {
                decided(&call, r, Some(t))
            }),
        };
    }
    tell(engine, "expect", |call: NativeCallContext, actual: Dynamic, expected: Dynamic| {
        expect(&call, &actual, &expected)
    });
    tell(engine, "expect", |call: NativeCallContext, actual: Dynamic, expected: Array| {
        expect(&call, &actual, &expected.into())
    });
    tell(engine, "clock", |call: NativeCallContext, text: ImmutableString| {
        set_clock(&Context::from_call(&call)?, &text, call.call_position())
    });
    tell(engine, "without", |call: NativeCallContext, name: ImmutableString| {
        set_without(&Context::from_call(&call)?, &name, call.call_position())
    });
    tell(engine, "on_duty", |call: NativeCallContext, team: ImmutableString, user: ImmutableString| {
        set_on_duty(&Context::from_call(&call)?, &team, &user, call.call_position())
    });
    tell(engine, "before", |call: NativeCallContext, old: Map| {
        set_before(&Context::from_call(&call)?, &old, call.call_position())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_are_of_the_week_of_the_tests() {
        for (text, expected) in [
            ("Tue 23:00", "2025-01-07T23:00:00Z"),
            ("Mon 00:05", "2025-01-06T00:05:00Z"),
            ("Sunday 12:00", "2025-01-12T12:00:00Z"),
            ("2025-03-01T10:00:00+01:00", "2025-03-01T09:00:00Z"),
        ] {
            assert_eq!(moment(text), Some(expected.parse().unwrap()), "{text}");
        }
        assert_eq!(test_clock().to_string(), TUESDAY);
        assert_eq!(moment("someday"), None);
    }
}
