//! Running wild: loops, recursion and callbacks that never end.

use super::{Attack, Ends::*, Row, made, rows};

const ROWS: &[Row] = &[
    (Limit, "a loop as good as endless", "for n in 0..9000000000000 { }"),
    (Limit, "loops in loops", "for i in 0..1000 { for j in 0..1000 { for k in 0..1000 { } } }"),
    (Limit, "a range to the end of numbers", "for n in -9223372036854775807..9223372036854775807 { }"),
    (Limit, "a range in tiny steps", "for n in range(0, 9223372036854775807, 1) { }"),
    (Error("script"), "a range in steps of nothing", "for n in range(0, 10, 0) { }"),
    (Passed, "a range in a huge step", "for n in range(0, 9223372036854775807, 9223372036854775806) { }"),
    (Passed, "a range in steps backwards", "for n in range(9223372036854775807, 0, -4611686018427387904) { }"),
    (
        Limit,
        "a range of decimals in steps that round to nothing",
        "for n in range(0.0, 1.0, 0.0000000000000000001) { }",
    ),
    (Limit, "characters again and again", "for n in 0..100 { for c in text() { } }"),
    (Limit, "recursion that branches", "twice(0)"),
    (Limit, "recursion that is deep", "deep(1000)"),
    (Limit, "recursion of two", "ping(0)"),
    (Limit, "the decision asks itself", "route(i)"),
    (Limit, "recursion through a callback", "around(list())"),
    (Limit, "recursion through a method", "let m = #{ n: 0 }; m.again()"),
    (Limit, "callbacks in callbacks", "one(1)"),
    (Limit, "callbacks in a filter", "list().filter(|x| one(x).len() > 0)"),
    (Limit, "a sort that never ends", "list().sort(|x, y| { for k in 0..100000 {} 0 });"),
    (Limit, "a sort that swallows errors", r#"for n in 0..1000 { list().sort(|x, y| nothing(x, y)); }"#),
    (Limit, "a reduction of reductions", "list().reduce(|s, v| list().map(|t| one(t)))"),
    (Limit, "a callback that filters its own list", "list().for_each(|x| list().retain(|y| one(y).len() > 1))"),
    (Limit, "removing duplicates by a slow comparison", "list().dedup(|a, b| { for k in 0..1000 {} false })"),
    (Limit, "finding what is never there", "for n in 0..1000 { list().find(|x| x == -1); }"),
    (Limit, "whether some or all, for ever", "for n in 0..1000 { list().some(|x| list().all(|y| y >= 0) && false); }"),
    (Limit, "a switch that goes round", "for n in 0..100000 { switch n % 3 { 0 => (), 1 => (), _ => () } }"),
    (Limit, "a block that goes on", "for n in 0..100000 { if n < 0 { break } else { continue } }"),
    (Limit, "asking whether a team exists for ever", r#"for n in 0..100000 { team_exists("network"); }"#),
    (Limit, "looking at the hours for ever", "for n in 0..100000 { business_hours(); }"),
    (Limit, "reading the record for ever", "for n in 0..100000 { i.title; i.description; i.caller?.vip; }"),
    (Limit, "reading a list of the record for ever", "for n in 0..100000 { i.tags; }"),
];

pub fn attacks() -> Vec<Attack> {
    let more = "fn ping(n) { pong(n) } fn pong(n) { ping(n) + 1 } fn around(a) { a.map(|x| around(list())) } fn again() { this.again() }";
    let with_more = |mut attack: Attack| {
        attack.source += more;
        attack
    };
    let tests = |count: usize| (0..count).map(|n| format!("fn test_{n}() {{ for i in 0..9000000000000 {{ }} }}\n"));
    let plain = "fn route(i) { leave() }\n";
    let decides = "fn route(i) { for n in 0..9000000000000 { } }\nfn test_often() { for n in 0..1000 { expect(route(incident()), ()); } }";
    let tested = [
        made(Decided, "a test that never ends", format!("{plain}{}", tests(1).collect::<String>())),
        made(Decided, "many tests that never end", format!("{plain}{}", tests(9).collect::<String>())),
        made(Limit, "a test that decides for ever", decides),
        made(
            Decided,
            "a test that decides what is quick, for ever",
            format!("{plain}fn test_often() {{ for n in 0..100000 {{ route(incident()); }} }}"),
        ),
        made(
            Decided,
            "a test that makes up records for ever",
            format!("{plain}fn test_often() {{ for n in 0..100000 {{ incident(#{{ title: \"x\" }}); }} }}"),
        ),
    ];
    rows(ROWS).map(with_more).chain(tested).collect()
}
