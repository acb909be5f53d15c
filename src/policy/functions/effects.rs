//! Saying effects. Each is a plain function that writes into the run's context, so that a mistake is reported where it
//! was made.

use chrono::TimeDelta;
use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext, Position};

use super::{lookup, reference::tell};
use crate::{
    clock::Length,
    policy::{
        context::{Context, Native, Said, mistake},
        decision::{Effect, PRIORITIES},
        facts::{Cell, suggest},
        syntax::named,
    },
    practice::change::RISKS,
    record::{
        approval::{
            ask::{ApprovalQuorum, DAYS, NAME, OnDue, is_stage_time},
            voters,
        },
        escalation::LEVELS,
    },
};

/// How soon policies may be asked again: what comes every second would take the time of everything else.
const SOONEST: TimeDelta = TimeDelta::minutes(1);
/// How late they may be asked again.
const LATEST: TimeDelta = TimeDelta::days(366);

/// The name of [`assign_team`].
pub const ASSIGN: &str = "assign";

/// Every function that says an effect, with how many arguments it takes.
pub const EFFECTS: &[(&str, usize)] = &[
    ("priority", 1),
    ("at_least", 1),
    ("raise", 1),
    ("matrix", 3),
    ("assign", 1),
    ("assign_to", 1),
    ("notify", 1),
    ("page", 1),
    ("escalate_to", 2),
    ("propose_major", 0),
    ("again_in", 1),
    ("leave", 0),
    ("refuse", 2),
    ("allow", 0),
    ("risk", 1),
    ("approve", 0),
    ("reject", 1),
    ("require", 3),
    ("require", 4),
    ("require", 5),
    ("require", 6),
    ("review_afterwards", 0),
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

fn no_team(context: &Context, name: &str, what: &str, at: Position) -> Box<EvalAltResult> {
    let sentence = format!("there is no {what} \"{name}\"{}", suggest(name, context.host().team_names()));
    mistake("unknown_team", sentence, at)
}

fn say(call: &NativeCallContext, effect: Effect) -> Native<Said> {
    Context::from_call(call)?.say(call.fn_name(), effect, call.call_position())
}

fn assign(call: &NativeCallContext, team: &Dynamic) -> Native<Said> {
    let (context, team) = (Context::from_call(call)?, text(call, "the name of a team", team)?);
    assign_team(&context, &team, call.call_position())
}

/// Gives a team the record: what `assign` does with text, wherever it stands.
///
/// # Errors
/// There is no such team, or this is no answer to the decision.
pub fn assign_team(context: &Context, team: &str, at: Position) -> Native<Said> {
    if !context.team_exists(team, at)? {
        return Err(no_team(context, team, "team", at));
    }
    context.say(ASSIGN, Effect::AssignTeam { team: team.to_owned() }, at)
}

fn assign_to(call: &NativeCallContext, user: &Dynamic) -> Native<Said> {
    let (context, user) = (Context::from_call(call)?, text(call, "a user name", user)?);
    if !context.user_exists(&user, call.call_position())? {
        let sentence = format!("there is no user \"{user}\"");
        return Err(mistake("unknown_user", sentence, call.call_position()));
    }
    say(call, Effect::AssignUser { user: user.into() })
}

/// The name of a team or a user who is there.
fn somebody(call: &NativeCallContext, who: &Dynamic) -> Native<String> {
    let (context, who, at) =
        (Context::from_call(call)?, text(call, "a team or a user name", who)?, call.call_position());
    if !context.team_exists(&who, at)? && !context.user_exists(&who, at)? {
        return Err(no_team(&context, &who, "team or user", at));
    }
    Ok(who.into())
}

fn again_in(call: &NativeCallContext, after: &str) -> Native<Said> {
    let length = again_after(after).map_err(|(code, why)| mistake(code, why, call.call_position()))?;
    say(call, Effect::AgainIn { seconds: length.num_seconds() })
}

/// After how long policies are asked again; otherwise why they can't be, with a code.
pub fn again_after(text: &str) -> Result<TimeDelta, (&'static str, String)> {
    let Length(length) = text.parse().map_err(|why| ("wrong_type", why))?;
    if length < SOONEST || length > LATEST {
        let (soonest, latest) = (Length(SOONEST), Length(LATEST));
        return Err(("out_of_range", format!("it is asked again after {soonest} to {latest}, not {text}")));
    }
    Ok(length)
}

/// Refuses a time within which nobody can approve; none at all is as long as they like.
pub fn approval_time(within: &str) -> Result<(), (&'static str, String)> {
    if within.is_empty() {
        return Ok(());
    }
    if is_stage_time(within.parse().map_err(|why| ("wrong_type", why))?) {
        return Ok(());
    }
    Err(("out_of_range", format!("a stage takes some time, and at most {DAYS} days, not {within}")))
}

/// Until when something is to be done: within which time of which calendar, and what becomes of it then.
#[derive(Default)]
struct Due<'a> {
    within: &'a str,
    calendar: &'a str,
    then: &'a str,
}

/// Refuses what can't become of a stage, or of one that is never due; gives what is usual where nothing is said.
pub fn approval_end(within: &str, then: &str) -> Result<OnDue, (&'static str, String)> {
    match OnDue::named(then) {
        Some(_) if within.is_empty() => Err(("out_of_range", "what has no time is never due".to_owned())),
        Some(on_due) => Ok(on_due),
        None if then.is_empty() => Ok(OnDue::default()),
        None => Err(("not_a_choice", format!("a stage that is due becomes `approve` or `reject`, not `{then}`"))),
    }
}

/// Who has to approve, in which stage, how many of them, and until when.
fn require(
    call: &NativeCallContext,
    (stage, who, how_many): (&str, &Dynamic, &Dynamic),
    Due { within, calendar, then }: Due<'_>,
) -> Native<Said> {
    let at = call.call_position();
    let named_otherwise = who
        .as_immutable_string_ref()
        .is_ok_and(|who| who.starts_with(voters::ROLE) || voters::BY_PART.contains(&who.as_str()));
    let who = if named_otherwise { who.to_string() } else { somebody(call, who)? };
    let how_many = how_many.to_string();
    how_many.parse::<ApprovalQuorum>().map_err(|why| mistake("out_of_range", why, at))?;
    approval_time(within).map_err(|(code, why)| mistake(code, why, at))?;
    let on_due = approval_end(within, then).map_err(|(code, why)| mistake(code, why, at))?;
    if stage.trim().is_empty() || stage.chars().count() > NAME {
        return Err(mistake("out_of_range", format!("a stage has a name of 1 to {NAME} characters"), at));
    }
    if !calendar.is_empty() {
        lookup::business_hours(call, calendar)?;
    }
    let (stage, within, calendar) = (stage.to_owned(), within.to_owned(), calendar.to_owned());
    say(call, Effect::Require { stage, who, how_many, within, calendar, on_due })
}

fn risk(call: &NativeCallContext, level: &str) -> Native<Said> {
    if !RISKS.contains(&level) {
        let near = suggest(level, RISKS);
        let sentence = format!("a risk is {}, not \"{level}\"{near}", RISKS.join(", "));
        return Err(mistake("not_a_choice", sentence, call.call_position()));
    }
    say(call, Effect::Risk { level: level.to_owned() })
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
    tell(engine, "notify", |call: NativeCallContext, who: Dynamic| {
        let who = somebody(&call, &who)?;
        say(&call, Effect::Notify { who })
    });
    tell(engine, "page", |call: NativeCallContext, who: Dynamic| {
        let who = somebody(&call, &who)?;
        say(&call, Effect::Page { who })
    });
    tell(engine, "escalate_to", |call: NativeCallContext, level: i64, who: Dynamic| {
        let (level, who) = (within(&call, "a level", level, LEVELS)?, somebody(&call, &who)?);
        say(&call, Effect::EscalateTo { level, who })
    });
    tell(engine, "propose_major", |call: NativeCallContext| say(&call, Effect::ProposeMajor));
    tell(engine, "again_in", |call: NativeCallContext, after: ImmutableString| again_in(&call, &after));
    tell(engine, "leave", |call: NativeCallContext| say(&call, Effect::Leave));
    tell(engine, "allow", |call: NativeCallContext| say(&call, Effect::Allow));
    tell(engine, "risk", |call: NativeCallContext, level: ImmutableString| risk(&call, &level));
    tell(engine, "approve", |call: NativeCallContext| say(&call, Effect::Approve));
    tell(engine, "reject", |call: NativeCallContext, text: ImmutableString| {
        say(&call, Effect::Reject { text: text.into() })
    });
    tell(engine, "require", |call: NativeCallContext, stage: ImmutableString, who: Dynamic, how_many: Dynamic| {
        require(&call, (&stage, &who, &how_many), Due::default())
    });
    tell(
        engine,
        "require",
        |call: NativeCallContext, stage: ImmutableString, who: Dynamic, how_many: Dynamic, within: ImmutableString| {
            require(&call, (&stage, &who, &how_many), Due { within: &within, ..Due::default() })
        },
    );
    tell(
        engine,
        "require",
        |call: NativeCallContext,
         stage: ImmutableString,
         who: Dynamic,
         how_many: Dynamic,
         within: ImmutableString,
         calendar: ImmutableString| {
            let due = Due { within: &within, calendar: &calendar, ..Due::default() };
            require(&call, (&stage, &who, &how_many), due)
        },
    );
    tell(
        engine,
        "require",
        |call: NativeCallContext,
         stage: ImmutableString,
         who: Dynamic,
         how_many: Dynamic,
         within: ImmutableString,
         calendar: ImmutableString,
         then: ImmutableString| {
            let due = Due { within: &within, calendar: &calendar, then: &then };
            require(&call, (&stage, &who, &how_many), due)
        },
    );
    tell(engine, "review_afterwards", |call: NativeCallContext| say(&call, Effect::ReviewAfterwards));
    tell(engine, "refuse", |call: NativeCallContext, field: ImmutableString, text: ImmutableString| {
        say(&call, Effect::Refuse { field: field.into(), text: text.into() })
    });
}
