//! Names: functions and how many arguments they take, effects, teams, users, tables, calendars.

use std::{collections::HashSet, sync::Arc};

use rhai::{ASTNode, Expr, FnCallExpr};

use super::{
    Problems, Script,
    known::{Known, Sort},
    script::{Function, Role, each_node},
    walk::Walk,
};
use crate::{
    policy::{
        context::wrong_effect,
        facts::{self, suggest},
        functions::{EFFECTS, again_after, approval_end, approval_time, is_only_in_tests},
        table::ColumnType,
        tokens::Range,
    },
    record::{
        approval::{ask::ApprovalQuorum, voters},
        escalation::LEVELS,
    },
};

/// The teams that a script itself asks for by `team_exists("…")`.
pub fn teams_asked_for(functions: &[Function]) -> HashSet<String> {
    let mut asked = HashSet::new();
    for function in functions {
        each_node(&function.body, |node| {
            if let ASTNode::Expr(Expr::FnCall(call, _)) = node
                && call.name == "team_exists"
            {
                asked.extend(call.args.first().and_then(text_literal).map(str::to_owned));
            }
        });
    }
    asked
}

/// Functions of the script that stand in the way of those that are there already.
pub fn shadowing(script: &Script, problems: &mut Problems) {
    for function in script.functions.iter().filter(|f| matches!(f.role, Role::Helper | Role::Test)) {
        if script.native(&function.name, function.params.len()).next().is_some() {
            let message = || format!("`{}` is there already; give this function another name", function.name);
            problems.add("shadows_built_in", script.name_of(function), message);
        }
    }
}

pub fn text_literal(expr: &Expr) -> Option<&str> {
    if let Expr::StringConstant(text, _) = expr { Some(text.as_str()) } else { None }
}

/// What a rule says in `then` or `also`.
pub fn effect(walk: &mut Walk, effect: &Expr, known: &Known) {
    if matches!(known.sort, Sort::Any | Sort::Decision) {
        return;
    }
    let range = walk.script.whole(effect);
    let example = walk.script.decision.spec().effects.first().copied().unwrap_or_default();
    walk.report("not_a_decision", range, || {
        format!("a rule ends in a decision such as {example}(…); {}", known.named())
    });
}

/// A function that is called after a dot. Functions of the script take what stands before it as `this`.
pub fn method(walk: &mut Walk, call: &FnCallExpr, range: Option<Range>) {
    let given = call.args.len();
    if walk.script.own(&call.name, given).is_none() {
        known_function(walk, call, given + 1, range);
    }
}

/// A function that is called by its name.
pub fn call(walk: &mut Walk, call: &FnCallExpr, range: Option<Range>) {
    let name = call.name.as_str();
    known_function(walk, call, call.args.len(), range);
    let decision = walk.script.decision;
    let is_effect = EFFECTS.contains(&(name, call.args.len()));
    if is_effect && !decision.spec().effects.contains(&name) && !walk.in_test() {
        walk.report("wrong_effect", range, || wrong_effect(name, decision));
    }
    if is_only_in_tests(name) && walk.function.role == Role::Decision {
        walk.report("only_in_tests", range, || format!("`{name}` is only there in test_* functions"));
    }
    if let ("escalate_to", Some(Expr::IntegerConstant(level, at))) = (name, call.args.first())
        && !LEVELS.contains(level)
    {
        let place = walk.script.word(*at);
        walk.report("wrong_type", place, || format!("a level is {} to {}, not {level}", LEVELS.start(), LEVELS.end()));
    }
    if name == "require" {
        required(walk, call);
    }
    // What is looked up comes first, but for the level that stands before it.
    let named = call.args.get(usize::from(name == "escalate_to"));
    if let Some(given) = named.and_then(text_literal) {
        let place = named.and_then(|a| walk.script.word(a.position()));
        looked_up(walk, name, given, place);
    }
}

fn known_function(walk: &mut Walk, call: &FnCallExpr, params: usize, range: Option<Range>) {
    let (script, name, receivers) = (walk.script, call.name.as_str(), params - call.args.len());
    if call.is_operator_call() || script.native(name, params).next().is_some() {
        return;
    }
    let native = script.native.get(name).into_iter().flatten().map(|f| f.params.saturating_sub(receivers));
    let own = script.functions.iter().filter(|f| f.name == name).map(|f| f.params.len());
    let mut arities: Vec<usize> = native.chain(own).collect();
    arities.sort_unstable();
    arities.dedup();
    if arities.is_empty() {
        walk.report("unknown_function", range, || {
            format!("there is no function `{name}`{}", suggest_function(script, name))
        });
    } else {
        let wanted = arities.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
        let given = call.args.len();
        walk.report("wrong_arguments", range, || format!("`{name}` takes {wanted} argument(s), {given} given"));
    }
}

/// Suggests what this decision has before what else there is.
fn suggest_function(script: &Script, name: &str) -> String {
    let own = suggest(name, script.decision.spec().effects);
    if !own.is_empty() {
        return own;
    }
    let all = script.native.keys().map(String::as_str).chain(script.functions.iter().map(|f| f.name.as_str()));
    suggest(name, all.filter(|n| n.starts_with(char::is_alphabetic) && !n.contains('$')))
}

/// A script is not blamed for what nobody can tell at the moment.
fn may_be_user(script: &Script, name: &str) -> bool {
    script.host.user_exists(name).unwrap_or(true)
}

/// A name that is written out.
fn looked_up(walk: &mut Walk, function: &str, given: &str, place: Option<Range>) {
    let (script, host) = (walk.script, walk.script.host);
    match function {
        "assign" | "on_call" if !host.team_exists(given) => {
            let message = || format!("there is no team \"{given}\"{}", suggest(given, host.team_names()));
            missing_team(walk, given, place, message);
        }
        "assign_to" if !may_be_user(script, given) => {
            walk.report("unknown_user", place, || format!("there is no user \"{given}\""));
        }
        "again_in" => {
            if let Err((_, why)) = again_after(given) {
                walk.report("wrong_type", place, || why);
            }
        }
        "notify" | "page" | "escalate_to" if !host.team_exists(given) && !may_be_user(script, given) => {
            let message = || format!("there is no team or user \"{given}\"{}", suggest(given, host.team_names()));
            missing_team(walk, given, place, message);
        }
        "table" | "matrix" if host.table(given).is_none() => {
            walk.report("unknown_table", place, || {
                format!("there is no table \"{given}\"{}", suggest(given, host.table_names()))
            });
        }
        "matrix" => matrix(walk, given, place),
        "business_hours" => calendar(walk, given, place),
        _ => {}
    }
}

/// A team that is not there; a script that asks whether it is expects it to be missing.
fn missing_team(walk: &mut Walk, team: &str, place: Option<Range>, message: impl FnOnce() -> String) {
    walk.report("unknown_team", place, message);
    if walk.script.asked.contains(team) {
        walk.soften("unknown_team", place);
    }
}

/// What is written out of who has to approve, how many of them, within which time of which calendar, and what becomes of it then.
fn required(walk: &mut Walk, call: &FnCallExpr) {
    for (n, argument) in call.args.iter().enumerate() {
        let Some(given) = text_literal(argument) else { continue };
        let place = walk.script.word(argument.position());
        let (script, host) = (walk.script, walk.script.host);
        let is_otherwise = || given.starts_with(voters::ROLE) || voters::BY_PART.contains(&given);
        let wrong = match n {
            1 if !is_otherwise() && !host.team_exists(given) && !may_be_user(script, given) => {
                let message = || format!("there is no team or user \"{given}\"{}", suggest(given, host.team_names()));
                missing_team(walk, given, place, message);
                continue;
            }
            2 => given.parse::<ApprovalQuorum>().err(),
            3 => approval_time(given).err().map(|(_, why)| why),
            4 if given.is_empty() => None,
            4 => {
                calendar(walk, given, place);
                continue;
            }
            5 => {
                // A time that is reckoned is one.
                let within = call.args.get(3).and_then(text_literal).unwrap_or("PT1H");
                approval_end(within, given).err().map(|(_, why)| why)
            }
            _ => None,
        };
        if let Some(why) = wrong {
            walk.report("wrong_type", place, || why);
        }
    }
}

fn calendar(walk: &mut Walk, given: &str, place: Option<Range>) {
    let names = walk.script.host.calendar_names();
    if !names.iter().any(|name| name == given) {
        let message = || format!("there is no calendar \"{given}\"{}", suggest(given, names));
        walk.report("unknown_calendar", place, message);
    }
}

/// A table that is no matrix: of another key, or without a whole number after it.
fn matrix(walk: &mut Walk, name: &str, place: Option<Range>) {
    let Some(table) = walk.script.host.table(name) else { return };
    let head = table.head();
    if head.keys != 2 {
        walk.report("wrong_arguments", place, || {
            format!("table `{name}` is looked up by {} value(s), matrix gives 2", head.keys)
        });
    } else if head.columns.get(2).is_none_or(|column| column.kind != ColumnType::Int) {
        walk.report("wrong_type", place, || {
            format!("the column after the key of table `{name}` must be a whole number")
        });
    }
}

/// What a function that is called by its name gives.
pub fn gives(walk: &Walk, call: &FnCallExpr) -> Known {
    match call.name.as_str() {
        "table" => {
            let table = call.args.first().and_then(text_literal).and_then(|name| walk.script.host.table(name));
            table.map_or(Known::ANY, |table| Known::of(Sort::Table(Arc::clone(&table))))
        }
        name => match facts::made_up_of(name, walk.script.schema) {
            Some(schema) => Known::record(&schema),
            None => result(walk, name, call.args.len()),
        },
    }
}

/// What the native functions of a name give, where all give the same sort.
pub fn result(walk: &Walk, name: &str, params: usize) -> Known {
    let mut sorts = walk.script.native(name, params).map(|f| Sort::of_native(&f.gives));
    let Some(first) = sorts.next() else { return Known::ANY };
    if sorts.all(|sort| sort.meets(&first) && !matches!(sort, Sort::Any)) { Known::of(first) } else { Known::ANY }
}
