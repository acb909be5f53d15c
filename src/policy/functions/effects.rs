//! Saying effects. Each is a plain function that writes into the run's context, so that a mistake is reported where it
//! was made.

use rhai::{Dynamic, Engine, ImmutableString, NativeCallContext};

use super::{lookup, reference::tell};
use crate::policy::{
    context::{Context, Native, Said, mistake},
    decision::{Effect, PRIORITIES},
    facts::{Cell, suggest},
    syntax::named,
};

/// Every function that says an effect, with how many arguments it takes.
pub const EFFECTS: &[(&str, usize)] = &[
    ("priority", 1),
    ("at_least", 1),
    ("raise", 1),
    ("matrix", 3),
    ("assign", 1),
    ("assign_to", 1),
    ("notify", 1),
    ("leave", 0),
    ("refuse", 2),
    ("allow", 0),
];

/// The text of an argument; a mistake when it is `()` or something else.
fn text(call: &NativeCallContext, what: &str, given: &Dynamic) -> Native<ImmutableString> {
    let wrong = |_| {
        let sentence = format!("{} needs {what}; this is {}", call.fn_name(), named(given));
        mistake("wrong_type", sentence, call.call_position())
    };
    given.as_immutable_string_ref().map(|t| t.clone()).map_err(wrong)
}

fn within(call: &NativeCallContext, what: &str, given: i64, allowed: std::ops::RangeInclusive<i64>) -> Native<i64> {
    if allowed.contains(&given) {
        return Ok(given);
    }
    let sentence = format!("{what} is {} to {}, not {given}", allowed.start(), allowed.end());
    Err(mistake("out_of_range", sentence, call.call_position()))
}

fn no_team(call: &NativeCallContext, context: &Context, name: &str, what: &str) -> Box<rhai::EvalAltResult> {
    let sentence = format!("there is no {what} \"{name}\"{}", suggest(name, context.host().team_names()));
    mistake("unknown_team", sentence, call.call_position())
}

fn say(call: &NativeCallContext, effect: Effect) -> Native<Said> {
    Context::from_call(call)?.say(call.fn_name(), effect, call.call_position())
}

fn assign(call: &NativeCallContext, team: &Dynamic) -> Native<Said> {
    let (context, team) = (Context::from_call(call)?, text(call, "the name of a team", team)?);
    if !context.team_exists(&team) {
        return Err(no_team(call, &context, &team, "team"));
    }
    say(call, Effect::AssignTeam { team: team.into() })
}

fn assign_to(call: &NativeCallContext, user: &Dynamic) -> Native<Said> {
    let (context, user) = (Context::from_call(call)?, text(call, "a user name", user)?);
    if !context.user_exists(&user, call.call_position())? {
        let sentence = format!("there is no user \"{user}\"");
        return Err(mistake("unknown_user", sentence, call.call_position()));
    }
    say(call, Effect::AssignUser { user: user.into() })
}

fn notify(call: &NativeCallContext, who: &Dynamic) -> Native<Said> {
    let (context, who) = (Context::from_call(call)?, text(call, "a team or a user name", who)?);
    if !context.team_exists(&who) && !context.user_exists(&who, call.call_position())? {
        return Err(no_team(call, &context, &who, "team or user"));
    }
    say(call, Effect::Notify { who: who.into() })
}

/// The priority in the first column after the key.
fn matrix(call: &NativeCallContext, name: &str, impact: Dynamic, urgency: Dynamic) -> Native<Said> {
    let (context, at) = (Context::from_call(call)?, call.call_position());
    let table = lookup::table(call, &context, name)?;
    let shown = (named(&impact), named(&urgency));
    let Some(row) = lookup::find(call, &context, &table, &[impact, urgency])? else {
        let sentence = format!("table `{name}` has no row for impact {} and urgency {}", shown.0, shown.1);
        return Err(mistake("no_row", sentence, at));
    };
    match row.get(table.head().keys) {
        Some(Cell::Int(priority)) => {
            let priority = within(call, "a priority", *priority, PRIORITIES)?;
            say(call, Effect::Priority { priority })
        }
        Some(Cell::Bool(_) | Cell::Decimal(_) | Cell::Text(_) | Cell::Time(_)) | None => {
            let sentence = format!("the column after the key of table `{name}` must be a whole number");
            Err(mistake("wrong_type", sentence, at))
        }
    }
}

/// Gives an engine the effects.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Said>("decision");
    tell(engine, "priority", |call: NativeCallContext, p: i64| {
        let priority = within(&call, "a priority", p, PRIORITIES)?;
        say(&call, Effect::Priority { priority })
    });
    tell(engine, "at_least", |call: NativeCallContext, p: i64| {
        let priority = within(&call, "a priority", p, PRIORITIES)?;
        say(&call, Effect::AtLeast { priority })
    });
    tell(engine, "raise", |call: NativeCallContext, by: i64| {
        let by = within(&call, "a number of steps", by, 1..=PRIORITIES.end() - 1)?;
        say(&call, Effect::Raise { by })
    });
    tell(engine, "matrix", |call: NativeCallContext, table: ImmutableString, impact: Dynamic, urgency: Dynamic| {
        matrix(&call, &table, impact, urgency)
    });
    tell(engine, "assign", |call: NativeCallContext, team: Dynamic| assign(&call, &team));
    // Rhai finds a function of exact types faster than one that takes anything.
    tell(engine, "assign", |call: NativeCallContext, team: ImmutableString| assign(&call, &team.into()));
    tell(engine, "assign_to", |call: NativeCallContext, user: Dynamic| assign_to(&call, &user));
    tell(engine, "notify", |call: NativeCallContext, who: Dynamic| notify(&call, &who));
    tell(engine, "leave", |call: NativeCallContext| say(&call, Effect::Leave));
    tell(engine, "allow", |call: NativeCallContext| say(&call, Effect::Allow));
    tell(engine, "refuse", |call: NativeCallContext, field: ImmutableString, text: ImmutableString| {
        say(&call, Effect::Refuse { field: field.into(), text: text.into() })
    });
}
