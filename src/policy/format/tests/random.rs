//! Scripts that nobody wrote: those that ship with other space in them, and made-up ones.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{holds, scripts};
use crate::policy::{program::parse, runner::on_ample_stack, tokens::with_comments};

/// What may stand between two tokens.
const SPACE: &[&str] =
    &[" ", "  ", "\n", "\n\n\n", "\t", " \r\n ", " /* c */ ", " // c  \n", "/* c\n  d */", "\n// c\n"];

/// The tokens of a script with other space between them. Where nothing parted two, nothing may part them again.
fn respaced(source: &str, choices: &[usize]) -> String {
    let tokens = with_comments(source);
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| tokens[before]);
        let choice = choices[at % choices.len()];
        let adjacent = before.is_some_and(|before| before.range.end == token.range.start);
        match before {
            Some(before) if before.text.starts_with("//") => {
                text.push_str(if choice.is_multiple_of(2) { "\n" } else { "\n\n \n" })
            }
            // A text that goes on in the next line leaves out as much space as stands before it.
            _ if token.text.starts_with('"') && token.text.contains('\n') => text.push('\n'),
            _ if adjacent && !choice.is_multiple_of(3) => {}
            Some(_) => text.push_str(SPACE[choice % SPACE.len()]),
            None => {}
        }
        text.push_str(token.text);
    }
    text
}

/// An expression over `a` and `b`.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "1",
        "-1",
        "0x1F",
        "1.5",
        "1.",
        "2e-3",
        "\"t\"",
        "\"q\"\"q\"",
        "'c'",
        "`x ${a} y`",
        "()",
        "[]",
        "#{}",
        "true",
        "#\"raw\"#",
        "a.b",
        "a?.b",
        "f0()",
        "`a``b ${`in ${b}`}`",
        "\"one \\\n two\"",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let operators = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "**", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "and", "or", "in", "!in",
            "??", "|", "&", "^", "<<", ">>",
        ]);
        prop_oneof![
            (two.clone(), operators).prop_map(|((x, y), op)| format!("{x} {op} {y}")),
            (inner.clone(), prop::sample::select(vec!["-", "!", "not ", "+", "- "]))
                .prop_map(|(x, op)| format!("{op}{x}")),
            inner.clone().prop_map(|x| format!("({x})")),
            two.clone().prop_map(|(x, y)| format!("f1({x},{y})")),
            two.clone().prop_map(|(x, y)| format!("[{x}, {y}][0]?.len()")),
            two.clone().prop_map(|(x, y)| format!("#{{ k: {x},\n \"l\": {y} }}.k")),
            two.clone().prop_map(|(x, y)| format!("if {x} {{ {y} }} else {{ 1 }}")),
            two.clone().prop_map(|(x, y)| format!("switch {x} {{ 1 | 2 => {y}, 3..5 if a => {{ b }} _ => 1 }}")),
            inner.clone().prop_map(|x| format!("[{x}].map(|p| p * 2).filter(|p, q| {{ p == q }})")),
            inner.clone().prop_map(|x| format!("`t ${{{x}}} u`")),
            inner.prop_map(|x| format!("{{ {x} }}")),
        ]
    })
}

/// A statement.
fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        expression().prop_map(|x| format!("let x = {x};")),
        expression().prop_map(|x| format!("a = {x};")),
        expression().prop_map(|x| format!("a.b += {x};")),
        (expression(), expression())
            .prop_map(|(x, y)| format!("if {x} {{ {y}; }} else if a {{ b }} else {{ return {y}; }}")),
        (expression(), expression()).prop_map(|(x, y)| format!("for i in 0..5 {{ f1({x}, {y}); continue; }}")),
        (expression(), expression()).prop_map(|(x, y)| format!("rule \"R\" when {x} then {y};")),
        (expression(), expression()).prop_map(|(x, y)| format!("rule \"R\" when {x} also {y} also leave() then {y};")),
        expression().prop_map(|x| format!("switch a {{ \"x\" => {x}, _ => {{ {x}; }} }}")),
        expression().prop_map(|x| format!("return {x};")),
    ]
}

fn script() -> impl Strategy<Value = String> {
    prop::collection::vec(statement(), 1..5).prop_map(|all| {
        let all = all.iter().enumerate().map(|(at, one)| one.replacen("let x", &format!("let x{at}"), 1));
        let body = all.collect::<Vec<_>>().join(" ");
        format!("//! What it is for.\nfn route(a, b) {{ {body} }}\n/// Says so.\nfn f0() {{}} fn f1(x,y) {{ x }}")
    })
}

fn run<S: Strategy<Value = String>>(cases: u32, sources: impl FnOnce() -> S + Send) {
    let tried = on_ample_stack(|| {
        let (sources, spaces) = (sources(), prop::collection::vec(0..30_usize, 1..40));
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let read = std::cell::Cell::new(0);
        let result = runner.run(&(sources, spaces), |(source, choices)| {
            for script in [respaced(&source, &choices), source] {
                read.set(read.get() + u32::from(parse(&script).is_ok()));
                holds(&script).map_err(TestCaseError::fail)?;
            }
            Ok(())
        });
        result.map(|()| read.get()).map_err(|fault| fault.to_string())
    });
    let read = tried.unwrap().unwrap_or_else(|fault| panic!("{fault}"));
    assert!(read > cases / 2, "only {read} of {} could be read", 2 * cases);
}

#[test]
fn scripts_with_other_space_keep_their_meaning() {
    let all: Vec<String> =
        scripts("rules").into_iter().chain(scripts("tests/policies")).map(|(_, source)| source).collect();
    run(60, || prop::sample::select(all));
}

#[test]
fn made_up_scripts_keep_their_meaning() {
    run(120, script);
}
