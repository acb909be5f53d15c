//! Rules that are no rules, and effects where none belong.

use super::{Attack, Ends::*, Row, made, routing, rows};

const ROWS: &[Row] = &[
    (Error("wrong_type"), "a condition that is a number", r#"rule "x" when 1 then leave();"#),
    (Error("wrong_type"), "a condition that is text", r#"rule "x" when "true" then leave();"#),
    (Error("wrong_type"), "a condition that is nothing", r#"rule "x" when () then leave();"#),
    (Error("wrong_type"), "a condition that is a list", r#"rule "x" when [true] then leave();"#),
    (Error("wrong_type"), "a condition that says an effect", r#"rule "x" when leave() then leave();"#),
    (Error("no_decision"), "an effect that is none", r#"rule "x" when true then 7;"#),
    (Error("no_decision"), "an effect that is a list of effects", r#"rule "x" when true then [leave(), leave()];"#),
    (Error("no_decision"), "an effect that is a function", r#"rule "x" when true then |a| a;"#),
    (Error("wrong_effect"), "an effect of another decision", r#"rule "x" when true then refuse("title", "no");"#),
    (Refused("syntax"), "a rule in a condition", r#"rule "x" when rule "y" when false then leave(); then leave();"#),
    (Error("no_decision"), "a rule in an effect", r#"rule "x" when true then rule "y" when false then leave();"#),
    (Decided, "a rule in an effect that fits", r#"rule "x" when true then rule "y" when true then leave();"#),
    (Refused("syntax"), "a rule whose name is no text", r#"let n = "x"; rule n when true then leave();"#),
    (Refused("syntax"), "a rule whose name is made", r#"rule `x${1}` when true then leave();"#),
    (Refused("syntax"), "a rule without a name", "rule when true then leave();"),
    (Refused("syntax"), "a rule without when", r#"rule "x" then leave();"#),
    (Refused("syntax"), "a rule without an effect", r#"rule "x" when true;"#),
    (Refused("syntax"), "a rule with then and nothing", r#"rule "x" when true then"#),
    (Refused("syntax"), "a rule that goes on after then", r#"rule "x" when true then leave() also leave();"#),
    (Refused("syntax"), "a rule by halves", r#"rule "x""#),
    (Decided, "a rule as a value", r#"let x = rule "x" when true then leave();"#),
    (Limit, "a rule in a loop", r#"for n in 0..100000 { rule "x" when n < 0 then leave(); }"#),
    (Limit, "a rule that says more and more", r#"for n in 0..100000 { rule "x" when true also leave(); }"#),
    (Limit, "a rule in a callback", r#"list().map(|n| { rule "x" when n < 0 then leave(); n })"#),
    (
        Decided,
        "a rule in a callback that ends it",
        r#"list().map(|n| { rule "x" when true then leave(); n }); assign("nobody")"#,
    ),
    (
        Decided,
        "a rule in a sort",
        r#"list().sort(|a, b| { rule "x" when true then leave(); 0 }); rule "y" when true then assign("never");"#,
    ),
    (Decided, "rules after the end", r#"helper(); rule "y" when true then assign("never"); twice(0)"#),
    (Error("wrong_type"), "an operator on effects", r#"rule "x" when leave() and leave() then leave();"#),
    (
        Passed,
        "and, or and not of everything",
        r#"rule "x" when not not not not not not true and not true or false and true then leave();"#,
    ),
    (
        Passed,
        "a name with all that is not allowed",
        "rule \"\\\" when true then leave(); // \\n\\t\\\\ \\u202e\" when false then leave();",
    ),
    (Limit, "effects without end", "for n in 0..100000 { leave(); }"),
    (Limit, "telling everybody", r#"for n in 0..100000 { notify("team " + n); }"#),
    (Limit, "effects in a sort", r#"for n in 0..1000 { list().sort(|a, b| { leave(); 0 }); }"#),
    (
        Passed,
        "conditions that ask and never fit",
        r#"rule "x" when team_exists("a") and user_exists("b") and business_hours() and i.mentions("nothing of the kind") then leave();"#,
    ),
    (Error("wrong_type"), "matching and a record", r#"rule "x" when i then leave();"#),
];

pub fn attacks() -> Vec<Attack> {
    let rules = |count: usize, line: &str| {
        (0..count).map(|n| format!("rule \"{n}\" when false then leave();{line}")).collect::<String>()
    };
    let long = format!("rule \"{}\" when false then leave();", "n".repeat(4000));
    let parts = format!("rule \"x\" when {}true then leave();", "false or true and ".repeat(1_500));
    let and = format!("rule \"x\" when {}false then leave();", "true and ".repeat(3_000));
    let also = format!("rule \"x\" when true {};", "also leave() ".repeat(2_000));
    let refuse = |text: &str| format!("fn check(i, t) {{ for n in 0..1000 {{ refuse(\"title\", \"{text}\"); }} }}");
    let helper = |attack: Attack| Attack {
        source: attack.source + "fn helper() { rule \"h\" when true then leave(); }",
        ..attack
    };
    let made_up = [
        made(Limit, "rules in one line", routing(&rules(800, ""))),
        made(Limit, "rules in lines of their own", routing(&rules(800, "\n"))),
        made(Refused("syntax"), "a rule's name of 5,000 letters", routing(&long.replace("nn", "nnn"))),
        made(Limit, "rules with long names, again and again", routing(&format!("for k in 0..100000 {{ {long} }}"))),
        made(Refused("too_large"), "a condition of many parts", routing(&parts)),
        made(Refused("too_large"), "a condition of more parts that are all true", routing(&and)),
        made(Limit, "a rule of many effects", routing(&also)),
        made(Refused("too_large"), "rules in rules in rules", routing(&"rule \"a\" when ".repeat(2000))),
        made(Limit, "long refusals", refuse(&"x".repeat(4000))),
        made(Limit, "short refusals", refuse("no")),
    ];
    rows(ROWS).map(helper).chain(made_up).collect()
}
