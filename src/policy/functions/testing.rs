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
        facts::{self, FactSchema, Facts, FieldType, KINDS, Value},
        syntax::named,
    },
};

/// What a decision came to in a test.
#[derive(Clone)]
pub struct Tested {
    decision: Decision,
    evaluation: Arc<Evaluation>,
}

/// The functions that are only there in tests.
pub const IN_TESTS: &[&str] = &["incident", "transition", "expect", "clock", "before"];

/// The moment at which tests start: a Tuesday morning within business hours.
const TUESDAY: &str = "2025-01-07T10:00:00Z";

/// The moment at which tests start.
pub fn test_clock() -> Moment {
    // A constant that parses; the test below holds it.
    TUESDAY.parse().unwrap_or_else(|_| Moment::from_utc(chrono::NaiveDateTime::default()))
}

/// A moment from RFC 3339 or from a weekday and a time, such as `Tue 23:00`, of the week of the tests.
fn moment(text: &str) -> Option<Moment> {
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
fn made_up(schema: &Arc<FactSchema>, given: &Map, at: Position) -> Native<Facts> {
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
    if kind == "transition" {
        return made_up(&facts::transition(), given, at);
    }
    if kind != schema.name() {
        let sentence = format!("this policy is tested with {}(…), not {kind}(…)", schema.name());
        return Err(mistake("wrong_type", sentence, at));
    }
    made_up(schema, given, at)
}

/// Runs the decision as it runs live, on a made-up record.
fn decide(call: &NativeCallContext, record: Facts, transition: Option<Facts>) -> Native<Tested> {
    let (context, at) = (Context::from_call(call)?, call.call_position());
    let program = Arc::clone(&context.testing(call.fn_name(), at)?.program);
    let (now, changed) = {
        let state = context.state();
        (state.now, Arc::clone(&state.changed))
    };
    let input = Input { record, changed, transition, now };
    let evaluation = evaluate(&program, &input, context.host());
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
            Decision::Routing => said.iter().any(|e| e.answers() && e.gist() == expected.to_string()),
        }
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
    let (holds, shown) = match actual.clone().try_cast::<Tested>() {
        Some(tested) => (tested.is(expected), tested.shown()),
        None => (equal(actual, expected), named(actual)),
    };
    if holds {
        return Ok(());
    }
    Err(mistake(EXPECTATION, format!("expected {}, got {shown}", named(expected)), at))
}

fn set_clock(call: &NativeCallContext, text: &str) -> Native<()> {
    let (context, at) = (Context::from_call(call)?, call.call_position());
    context.testing("clock", at)?;
    let sentence = || format!("\"{text}\" is no time: write \"Tue 23:00\" or 2025-01-07T23:00:00Z");
    context.state().now = moment(text).ok_or_else(|| mistake("wrong_type", sentence(), at))?;
    Ok(())
}

/// Says what fields were before: the decision sees them as changed.
fn set_before(call: &NativeCallContext, old: &Map) -> Native<()> {
    let (context, at) = (Context::from_call(call)?, call.call_position());
    let schema = Arc::clone(&context.testing("before", at)?.schema);
    let read = |(name, given): (&rhai::Identifier, &Dynamic)| {
        let field = schema.field(name).ok_or_else(|| refuse_key(&schema, name, at))?;
        Ok((name.to_string(), value(&field.kind, given, at, name)?))
    };
    let changed = old.iter().map(read).collect::<Native<BTreeMap<_, _>>>()?;
    context.state().changed = Arc::new(changed);
    Ok(())
}

/// Gives an engine what tests need. Live runs refuse it.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Tested>("outcome");
    for kind in KINDS {
        tell(engine, kind, |call: NativeCallContext, given: Map| build(&call, &given));
        tell(engine, kind, |call: NativeCallContext| build(&call, &Map::new()));
    }
    tell(engine, "transition", |call: NativeCallContext, name: ImmutableString| {
        build(&call, &Map::from([("name".into(), name.into())]))
    });
    for spec in DECISIONS {
        match spec.arguments.len() {
            1 => tell(engine, spec.function, |call: NativeCallContext, r: Facts| decide(&call, r, None)),
            _ => tell(engine, spec.function, |call: NativeCallContext, r: Facts, t: Facts| decide(&call, r, Some(t))),
        };
    }
    tell(engine, "expect", |call: NativeCallContext, actual: Dynamic, expected: Dynamic| {
        expect(&call, &actual, &expected)
    });
    tell(engine, "expect", |call: NativeCallContext, actual: Dynamic, expected: Array| {
        expect(&call, &actual, &expected.into())
    });
    tell(engine, "clock", |call: NativeCallContext, text: ImmutableString| set_clock(&call, &text));
    tell(engine, "before", |call: NativeCallContext, old: Map| set_before(&call, &old));
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
