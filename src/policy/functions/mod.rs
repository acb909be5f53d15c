//! The functions that scripts have beyond Rhai's own: reading records, looking up, and saying effects.

pub mod cases;
mod effects;
mod lookup;
pub mod reference;
mod testing;

use std::collections::BTreeMap;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use super::{
    context::{Context, Native, mistake},
    facts::{self, Facts, Value},
};
use crate::clock::Moment;

use self::reference::{tell, tell_field, tell_property};

pub use effects::{ASSIGN, EFFECTS, again_after, approval_end, approval_time, assign_team};
pub use testing::{is_only_in_tests, moment, test_clock};

/// The longest text that `replace` and `pad` may make, in bytes: it is worked out before anything is allocated.
const MAX_MADE: usize = 4096;

/// Gives an engine every function.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Facts>("record");
    engine.register_type_with_name::<Moment>("time");
    register_fields(engine);
    register_mentions(engine);
    register_time(engine);
    register_replace(engine);
    register_pad(engine);
    lookup::register(engine);
    effects::register(engine);
    testing::register(engine);
}

/// A field of a record, which often stands at one of these places.
fn field(call: &NativeCallContext, record: &Facts, places: &[usize], name: &str) -> Native<Dynamic> {
    let unknown = || mistake("unknown_field", record.unknown_field(name), call.call_position());
    record.get_at(places, name).map(Value::to_dynamic).ok_or_else(unknown)
}

/// A getter for each field that ships, which is fast, and an indexer for the fields that administrators add.
fn register_fields(engine: &mut Engine) {
    let mut told: BTreeMap<String, (Vec<String>, Vec<usize>)> = BTreeMap::new();
    for kind in facts::Schemas::shipped().all().cloned().chain(facts::all_beside()) {
        for schema in kind.all() {
            for (place, field) in schema.fields().iter().enumerate() {
                let (docs, places) = told.entry(field.name.clone()).or_default();
                docs.push(format!("{}: {}.", schema.name(), field.doc));
                places.push(place);
            }
        }
    }
    for (name, (docs, places)) in told {
        let getter = name.clone();
        let get = move |call: NativeCallContext, record: &mut Facts| field(&call, record, &places, &name);
        tell_field(engine, &getter, &docs, get);
    }
    let get = |call: NativeCallContext, record: &mut Facts, name: ImmutableString| field(&call, record, &[], &name);
    engine.register_indexer_get(get);
}

fn register_mentions(engine: &mut Engine) {
    macro_rules! of_words { ($($word:ident)+) => {
        tell(engine, "mentions", |record: Facts, $($word: ImmutableString),+| $(record.mentions(&$word))||+);
    } }
    of_words!(a);
    of_words!(a b);
    of_words!(a b c);
    of_words!(a b c d);
    of_words!(a b c d e);
    of_words!(a b c d e f);
    of_words!(a b c d e f g);
    of_words!(a b c d e f g h);
}

fn register_time(engine: &mut Engine) {
    use chrono::{Datelike, Timelike};
    tell(engine, "now", |call: NativeCallContext| Native::Ok(Context::from_call(&call)?.state().now));
    tell_property(engine, "hour", |at: &mut Moment| i64::from(at.utc().hour()));
    tell_property(engine, "weekday", |at: &mut Moment| i64::from(at.utc().weekday().number_from_monday()));
    tell(engine, "minutes_since", |later: Moment, earlier: Moment| later.since(earlier).num_minutes());
    tell(engine, "<", |a: Moment, b: Moment| a < b);
    tell(engine, "<=", |a: Moment, b: Moment| a <= b);
    tell(engine, ">", |a: Moment, b: Moment| a > b);
    tell(engine, ">=", |a: Moment, b: Moment| a >= b);
    tell(engine, "==", |a: Moment, b: Moment| a == b);
    tell(engine, "!=", |a: Moment, b: Moment| a != b);
    tell(engine, "to_string", |at: &mut Moment| at.to_string());
    tell(engine, "changed", |call: NativeCallContext, field: ImmutableString| {
        Native::Ok(Context::from_call(&call)?.state().changed.contains_key(field.as_str()))
    });
    tell(engine, "was", |call: NativeCallContext, field: ImmutableString| {
        let context = Context::from_call(&call)?;
        let changed = std::sync::Arc::clone(&context.state().changed);
        Native::Ok(changed.get(field.as_str()).map_or(Dynamic::UNIT, Value::to_dynamic))
    });
}

fn too_long(call: &NativeCallContext) -> Box<EvalAltResult> {
    mistake("too_large", "the text would get too long", call.call_position())
}

/// Rhai's own `pad` never ends where it is given nothing to pad with.
fn register_pad(engine: &mut Engine) {
    tell(engine, "pad", |call: NativeCallContext, text: &mut ImmutableString, length: i64, with: ImmutableString| {
        let (length, there) = (usize::try_from(length).unwrap_or(0), text.chars().count());
        if length > MAX_MADE {
            return Err(too_long(&call));
        }
        let missing = with.chars().cycle().take(length.saturating_sub(there));
        *text = text.chars().chain(missing).collect::<String>().into();
        Native::Ok(())
    });
}

/// Rhai's own `replace` makes the text before anyone looks at its length.
fn register_replace(engine: &mut Engine) {
    fn replaced(call: &NativeCallContext, text: &mut ImmutableString, find: &str, with: &str) -> Native<()> {
        let found = if find.is_empty() { text.chars().count() + 1 } else { text.matches(find).count() };
        if text.len().saturating_add(found.saturating_mul(with.len())) > MAX_MADE {
            return Err(too_long(call));
        }
        *text = text.replace(find, with).into();
        Ok(())
    }
    tell(engine, "replace", |c: NativeCallContext, t: &mut ImmutableString, f: ImmutableString, w: ImmutableString| {
        replaced(&c, t, &f, &w)
    });
    tell(engine, "replace", |c: NativeCallContext, t: &mut ImmutableString, f: ImmutableString, w: char| {
        replaced(&c, t, &f, w.encode_utf8(&mut [0; 4]))
    });
    tell(engine, "replace", |c: NativeCallContext, t: &mut ImmutableString, f: char, w: ImmutableString| {
        replaced(&c, t, f.encode_utf8(&mut [0; 4]), &w)
    });
}
