//! The case table: that it can be read row by row, and that each row says what a row may say.

use std::collections::HashSet;

use rhai::{Dynamic, Expr, Map};

use super::{made_up, walk::Walk};
use crate::policy::{
    cases::{WRITTEN_OUT, name, said, table},
    decision::Decision,
    facts,
    functions::{
        cases::{is_word, unknown_key},
        moment,
    },
    syntax::named,
};

/// Checks the function that gives the table.
pub fn check(walk: &mut Walk) {
    let (function, script) = (walk.function, walk.script);
    let Some((_, rows)) = table(function) else {
        return walk.report("wrong_type", script.name_of(function), || WRITTEN_OUT);
    };
    if rows.is_empty() {
        walk.report("no_cases", script.name_of(function), || "this case table has no row");
    }
    let mut names = HashSet::new();
    for row in rows {
        check_row(walk, row);
        if let Some(name) = name(row).filter(|name| !names.insert((*name).to_owned())) {
            let range = script.word(row.position());
            walk.report("duplicate_case", range, || format!("there is a case \"{name}\" before this one"));
        }
    }
}

fn check_row(walk: &mut Walk, row: &Expr) {
    let Some(said) = said(row) else {
        let range = walk.script.whole(row);
        return walk.report(
            "wrong_type",
            range,
            || "a case is written out: `#{ name: \"…\", record: #{ … }, expect: … }`",
        );
    };
    let mut words = HashSet::new();
    for (word, value, at) in said {
        words.insert(word);
        let range = walk.script.word(at);
        match word {
            _ if !is_word(word) => walk.report("unknown_field", range, || unknown_key(word)),
            _ if facts::beside(word).is_some() && Some(word) != walk.script.decision.spec().beside() => {
                walk.report("unknown_field", range, || format!("this decision is not made on a {word}"));
            }
            _ => check_value(walk, word, value),
        }
    }
    let beside = walk.script.decision.spec().beside();
    for needed in ["name", "expect"].into_iter().chain(beside).filter(|word| !words.contains(word)) {
        let range = walk.script.word(row.position());
        walk.report("incomplete_case", range, || format!("this case lacks `{needed}`"));
    }
}

fn check_value(walk: &mut Walk, word: &str, value: &Expr) {
    let fits = match (word, value) {
        ("name", Expr::StringConstant(name, _)) => !name.trim().is_empty(),
        ("name", _) => false,
        ("record" | "before", Expr::Map(map, _)) => {
            let schema = walk.script.schema.clone();
            made_up::fields(walk, &schema, &map.0);
            true
        }
        ("transition" | "moment", Expr::Map(map, _)) => {
            facts::beside(word).inspect(|schema| made_up::fields(walk, schema, &map.0));
            true
        }
        _ => value.get_literal_value(None).is_none_or(|value| match word {
            "at" => value.as_immutable_string_ref().is_ok_and(|text| moment(&text).is_some()),
            "transition" | "moment" => value.is_string(),
            "without" => value.is_string() || value.as_array_ref().is_ok_and(|all| all.iter().all(Dynamic::is_string)),
            "expect" => may_come_to(walk.script.decision, &value),
            _ => value.is::<Map>(),
        }),
    };
    if !fits {
        let (decision, range) = (walk.script.decision, walk.script.whole(value));
        let shown = value.get_literal_value(None).map_or_else(|| "worked out".to_owned(), |value| named(&value));
        walk.report("wrong_type", range, || format!("{}; this is {shown}", wanted(decision, word)));
    }
}

/// Whether a decision can come to what a row expects.
fn may_come_to(decision: Decision, expected: &Dynamic) -> bool {
    let one = match decision {
        Decision::Priority => expected.is_int(),
        Decision::Routing | Decision::Escalation | Decision::AssessRisk | Decision::Approve => expected.is_string(),
        Decision::Guard => expected.is_bool() || expected.is_string(),
    };
    one || expected.is_unit() || expected.is_array()
}

fn wanted(decision: Decision, word: &str) -> &'static str {
    match (word, decision) {
        ("name", _) => "the name of a case is text that is written out",
        ("at", _) => "`at` is a time, such as \"Tue 23:00\"",
        ("without", _) => "`without` is the name of a team or a user, or a list of them",
        ("transition", _) => "`transition` is `#{ … }`, or the name of a step",
        ("moment", _) => "`moment` is `#{ … }`, or a cause",
        ("expect", Decision::Priority) => "`expect` is a priority, `()` for none, or a list of all that is said",
        ("expect", Decision::Routing) => "`expect` is a team or a user, `()` for none, or a list of all that is said",
        ("expect", Decision::AssessRisk) => "`expect` is a risk, `()` for none, or a list of all that is said",
        ("expect", Decision::Escalation | Decision::Approve) => {
            "`expect` is one of the things that are said, such as \"page nora\", `()` for none, or a list of all of them"
        }
        ("expect", Decision::Guard) => {
            "`expect` is `true`, `false`, the field that is wrong, or a list of all that is said"
        }
        (_, _) => "it is `#{ … }`: fields, and what they hold",
    }
}
