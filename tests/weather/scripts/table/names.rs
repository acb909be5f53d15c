//! Names: of what there is already, of what there can't be, and of functions that pretend.

use super::{Attack, Ends::*, made};

pub fn attacks() -> Vec<Attack> {
    let many = |count: usize| (0..count).map(|n| format!("fn f{n}() {{}}\n")).collect::<String>();
    let params: String = (0..1000).map(|n| format!("p{n},")).collect();
    vec![
        made(
            Decided,
            "a function named as an effect",
            "fn route(i) { assign(\"network\") } fn assign(team) { leave() }",
        ),
        made(
            Error("no_decision"),
            "an effect that says nothing",
            "fn route(i) { assign(\"x\") } fn assign(team) { \"x\" }",
        ),
        made(
            Error("no_decision"),
            "functions named as operators are called",
            "fn route(i) { let a = [1]; a.len() == 0; } fn len(a) { 7 } fn to_string(a) { len(a) }",
        ),
        made(Refused("syntax"), "an operator as a function", "fn route(i) { 1 + 1 } fn +(a, b) { leave() }"),
        made(
            Error("no_decision"),
            "a function named as what it calls",
            "fn route(i) { i.mentions(\"x\") } fn mentions(r, w) { r.mentions(w) }",
        ),
        made(Decided, "a function named as a key word", "fn route(i) { leave() } fn rule(a) { }"),
        made(Refused("syntax"), "a function named and", "fn route(i) { leave() } fn and(a) { }"),
        made(Decided, "a variable named as a key word", "fn route(i) { let rule = 1; leave() }"),
        made(Refused("syntax"), "a name of one line", "fn route(_) { leave() }"),
        made(Decided, "a name of 32,000 letters", format!("fn route(i) {{ let {} = 1; leave() }}", "x".repeat(32_000))),
        made(
            Refused("syntax"),
            "a thousand parameters of one name",
            format!("fn route(i) {{ leave() }} fn f({}) {{ }}", "a,".repeat(1000)),
        ),
        made(Decided, "a thousand parameters", format!("fn route(i) {{ leave() }} fn f({params}) {{ }}")),
        made(
            Limit,
            "a thousand arguments",
            format!("fn route(i) {{ f({}) }} fn f({params}) {{ leave() }}", "1,".repeat(1000)),
        ),
        made(Refused("syntax"), "two functions of one name", "fn route(i) { leave() } fn route(i) { leave() }"),
        made(Refused("wrong_arguments"), "a decision of other arguments", "fn route() { leave() }"),
        made(Refused("no_decision_function"), "no decision", "fn router(i) { leave() }"),
        made(Refused("no_decision_function"), "nothing", ""),
        made(Refused("too_large"), "a hundred functions and one", format!("fn route(i) {{ leave() }}\n{}", many(100))),
        made(
            Refused("too_large"),
            "a hundred functions without a name",
            format!("fn route(i) {{ let a = [{}]; leave() }}", "|x| x,".repeat(101)),
        ),
        made(Refused("outside_function"), "code outside a function", "let x = 1; fn route(i) { leave() }"),
        made(
            Refused("outside_function"),
            "a rule outside a function",
            "rule \"x\" when true then leave(); fn route(i) { leave() }",
        ),
        made(Refused("syntax"), "a function in a function", "fn route(i) { fn inner() { } leave() }"),
        made(Refused("syntax"), "a variable that hides another", "fn route(i) { let a = 1; { let a = 2; } leave() }"),
        made(Refused("syntax"), "the record is hidden", "fn route(i) { let i = #{}; leave() }"),
        made(Passed, "the record is another", "fn route(i) { i = #{ title: 1 }; i.title = 2; }"),
        made(
            Passed,
            "a method on a value of its own",
            "fn route(i) { let m = #{ a: 1 }; m.grow(); m.grow(); } fn grow() { this.b = this; }",
        ),
        made(
            Error("unknown_function"),
            "a method of another type",
            "fn route(i) { let m = 1; m.grow(); } fn string.grow() { this += \"x\"; }",
        ),
        made(Error("script"), "a method without a value", "fn route(i) { grow() } fn grow() { this.x = 1 }"),
        made(
            Decided,
            "a test that is no function without arguments",
            "fn route(i) { leave() } fn test_x(a) { test_x(a) }",
        ),
        made(
            Decided,
            "a helper that decides by its own name",
            "fn route(i) { decide(i) } fn decide(record) { rule \"x\" when true then leave(); }",
        ),
        made(Refused("unknown_variable"), "a variable that is nowhere", "fn route(i) { incident.title }"),
        made(Refused("unknown_variable"), "capturing what is around", "fn route(i) { let a = 1; [1].map(|x| x + a) }"),
    ]
}
