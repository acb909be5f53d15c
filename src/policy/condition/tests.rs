//! What conditions come to here, beside what Rhai makes of the same ones.
//!
//! A rule inside an `if` is run by Rhai alone. So each condition is asked twice at the same place of a script: as a rule of the
//! policy, and as one inside `if true`.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::policy::{
    decision::Decision,
    evaluate::{Evaluation, Input, Outcome, evaluate},
    facts::{self, FactSchema, Facts, FieldSchema, FieldType, Value},
    functions::test_clock,
    host::Host,
    library::Library,
    program::compile,
    runner::on_ample_stack,
};

/// What stands before the rule.
const BEFORE: &str = "let n = 2; let t = \"net\"; let nothing = (); let s = i.service; let l = [1, \"a\"];";

const OPERANDS: &[&str] = &[
    "i.title",
    "i.category",
    "i.impact",
    "i.urgency",
    "i.priority",
    "i.opened_at",
    "i.escalated_at",
    "i.caller.vip",
    "i.caller",
    "i.caller?.user_name",
    "i.service",
    "i.service.name",
    "i.service?.name",
    "i.service?.nothing",
    "i?.service?.name",
    "i?.title",
    "i.ci?.environment",
    "i.tags",
    "i.tags.len()",
    "i.custom.cost",
    "i.custom?.since",
    "i.custom.nothing",
    "i.title.len()",
    "i.nothing",
    "i.nothing?.more",
    "i[\"title\"]",
    "(i.service)?.name",
    "i.title.name",
    "i",
    "n",
    "t",
    "nothing",
    "nothing?.name",
    "nothing.name",
    "s",
    "s.name",
    "s?.name",
    "l",
    "n.name",
    "()",
    "0",
    "1",
    "2",
    "-1",
    "1.5",
    "true",
    "false",
    "'n'",
    "\"\"",
    "\"net\"",
    "\"network\"",
    "\"gold\"",
    "[\"net\"]",
    "#{ name: 1 }",
    "now()",
    "was(\"urgency\")",
    "t + \"work\"",
    "i.category ?? \"net\"",
    "team_exists(\"service-desk\")",
    "team_exists(i.category)",
    "changed(\"urgency\")",
    "{ 5 }",
    "assign(\"service-desk\")",
    "l.pop()",
];

const LISTS: &[&str] = &["[\"net\", \"network\"]", "[]", "[1, 2]", "[\"net\", 2]", "l", "i.tags", "t", "1..3"];

const WORDS: &[&str] = &["\"net\"", "\"\"", "\"Data Leak\"", "\"--\"", "t", "n", "i.category"];

fn leaf() -> impl Strategy<Value = String> {
    let operand = || prop::sample::select(OPERANDS);
    let compared = prop::sample::select(&["==", "!=", "<", "<=", ">", ">="][..]);
    prop_oneof![
        6 => (operand(), compared, operand()).prop_map(|(a, how, b)| format!("{a} {how} {b}")),
        2 => operand().prop_map(str::to_owned),
        2 => (operand(), operand()).prop_map(|(a, b)| format!("{a}.contains({b})")),
        1 => (operand(), prop::sample::select(LISTS), any::<bool>())
            .prop_map(|(a, list, not)| format!("{a} {}in {list}", if not { "!" } else { "" })),
        1 => (operand(), prop::collection::vec(prop::sample::select(WORDS), 0..3))
            .prop_map(|(a, words)| format!("{a}.mentions({})", words.join(", "))),
        1 => prop::collection::vec(prop::sample::select(WORDS), 1..9)
            .prop_map(|words| format!("i.mentions({})", words.join(", "))),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
            inner.clone().prop_map(|a| format!("not ({a})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.prop_map(|a| format!("({a})")),
        ]
    })
}

fn schema() -> Arc<FactSchema> {
    let custom = |name, kind| FieldSchema::new(name, kind, "");
    facts::incident_with(vec![custom("cost", FieldType::Decimal), custom("since", FieldType::Time)])
}

/// One field of many kinds, there or absent.
fn given() -> impl Strategy<Value = Vec<Option<usize>>> {
    prop::collection::vec(prop::option::of(0_usize..4), 12)
}

fn record(given: &[Option<usize>]) -> Facts {
    let schema = schema();
    let texts = ["net", "network", "gold", "A data leak, they say"];
    let times = ["2025-01-07T10:00:00Z", "2025-01-07T10:00:01Z", "2024-01-07T10:00:00Z", "2026-01-07T10:00:00Z"];
    let text = |at: usize| Value::from(given[at].map(|n| texts[n]));
    let whole = |at: usize| Value::from(given[at].map(|n| n as i64));
    let time = |at: usize| Value::from(given[at].map(|n| times[n].parse::<crate::clock::Moment>().unwrap()));
    let nested = |field: &str| match schema.field(field).map(|field| field.kind.clone()) {
        Some(FieldType::Nested(nested)) => nested,
        kind => panic!("{field}: {kind:?}"),
    };
    let mut custom = Facts::builder(&nested("custom"));
    custom.set("cost", given[0].map(|n| Decimal::new(n as i64 * 5, 1))).unwrap().set("since", time(1)).unwrap();
    let mut caller = Facts::builder(&nested("caller"));
    caller.set("vip", given[2].map(|n| n == 1)).unwrap().set("user_name", text(3)).unwrap();
    let service = given[4].map(|_| {
        let mut service = Facts::builder(&nested("service"));
        service.set("name", text(5)).unwrap();
        service.build()
    });
    let mut builder = Facts::builder(&schema);
    builder.set("title", text(6)).unwrap().set("category", text(7)).unwrap().set("impact", whole(8)).unwrap();
    builder
        .set("urgency", whole(9))
        .unwrap()
        .set("opened_at", time(10))
        .unwrap()
        .set("escalated_at", time(11))
        .unwrap();
    builder.set("caller", caller.build()).unwrap().set("custom", custom.build()).unwrap();
    builder.set("service", service).unwrap().set("tags", &["net".to_owned()][..]).unwrap();
    builder.build()
}

fn host() -> Arc<dyn Host> {
    static HOST: LazyLock<Arc<dyn Host>> = LazyLock::new(|| Arc::new(Library::shipped().unwrap().offline()));
    Arc::clone(&HOST)
}

fn run(source: &str, record: Facts) -> Evaluation {
    let host = host();
    let input = Input::new(record, test_clock()).changed([("urgency".to_owned(), Value::from(3))].into());
    let run = || evaluate(&compile(source, Decision::Routing).unwrap(), &input, &host);
    let evaluation = on_ample_stack(run).unwrap();
    assert!(evaluation.operations > 0);
    Evaluation { operations: 0, microseconds: 0, ..evaluation }
}

/// What a condition comes to.
fn both(condition: &str, record: &Facts) -> Evaluation {
    same(BEFORE, &format!("\nrule \"r\" when {condition} then assign(\"service-desk\");\n"), record)
}

/// What rules come to as those of the policy, which must be what they come to inside `if true`.
fn same(before: &str, rules: &str, record: &Facts) -> Evaluation {
    let known = run(&format!("fn route(i) {{ {before}{rules}}}"), record.clone());
    let by_script = run(&format!("fn route(i) {{ {before} if true {{{rules}}} }}"), record.clone());
    assert_eq!(known, by_script, "{rules}\n{record:?}");
    known
}

/// Whether a script compiles: one that reads what is not there is no policy.
fn compiles(before: &str, condition: &str) -> bool {
    let source = format!("fn route(i) {{ {before} {condition} }}");
    on_ample_stack(|| compile(&source, Decision::Routing).is_ok()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn conditions_come_to_what_rhai_says(condition in condition(), given in given()) {
        prop_assume!(compiles(BEFORE, &condition));
        both(&condition, &record(&given));
    }

    #[test]
    fn so_they_do_where_rhai_was_not_asked_before(first in condition(), second in condition(), given in given()) {
        let rules = [first, second].map(|condition| {
            format!("\nrule \"r\" when {condition} also notify(\"service-desk\") then assign(i.team);")
        });
        prop_assume!(compiles("if true {", &format!("{} }}", rules.concat())));
        same("", &rules.concat(), &record(&given));
    }
}

#[test]
fn every_pair_of_values_compares_as_rhai_compares() {
    let plain: Vec<_> = OPERANDS.iter().filter(|o| !o.contains(['(', '[', '{'])).collect();
    let record = record(&[Some(1); 12]);
    // Those that fail by themselves fail in the other test, too.
    let plain: Vec<_> = plain.into_iter().filter(|one| !both(&format!("{one} == ()"), &record).failed()).collect();
    for left in &plain {
        // Which part was false tells what the comparison came to.
        let rules = plain.iter().map(|right| {
            let compared = ["==", "!=", "<", "<=", ">", ">="];
            compared.map(|how| format!("\nrule \"r\" when {left} {how} {right} and false then leave();")).concat()
        });
        let rules: Vec<String> = rules.collect();
        // One that fails ends the run: then each pair is asked by itself.
        if same(BEFORE, &rules.concat(), &record).failed() {
            rules.iter().for_each(|rules| drop(same(BEFORE, rules, &record)));
        }
    }
}

#[test]
fn conditions_that_only_read_do_not_need_rhai() {
    let steps = |condition: &str| {
        let source = format!("fn route(i) {{ rule \"r\" when {condition} then leave(); }}");
        let input = Input::new(record(&[Some(2); 12]), test_clock());
        let run = || evaluate(&compile(&source, Decision::Routing).unwrap(), &input, &host());
        let evaluation = on_ample_stack(run).unwrap();
        assert!(!evaluation.failed(), "{condition}: {evaluation:?}");
        assert!(evaluation.effects.is_empty(), "{condition} does not fit");
        evaluation.operations
    };
    for condition in [
        "i.impact == 1",
        "i.service?.name == \"net\"",
        "i.ci?.environment != ()",
        "i.opened_at < i.escalated_at",
        "i.caller.vip",
        "i.title.contains(\"phishing\")",
        "i.mentions(\"phishing\", \"data leak\")",
        "i.category in [\"a\", \"b\"]",
        "not (i.impact == 2)",
    ] {
        // The call, the rule, the condition, and what is inside a `not`.
        assert!(steps(condition) <= 4, "{condition} takes {} steps", steps(condition));
    }
}

#[test]
fn functions_of_a_script_take_the_place_of_the_servers() {
    for (own, condition) in [
        ("fn contains(text) { this == \"net\" }", "i.title.contains(\"x\")"),
        ("fn mentions(word) { word == \"x\" }", "i.mentions(\"x\")"),
        ("fn contains(list, word) { word == \"net\" }", "i.title in [\"x\"]"),
    ] {
        let source = format!("fn route(i) {{ rule \"r\" when {condition} then leave(); }}\n{own}");
        let evaluation = run(&source, record(&[Some(0); 12]));
        assert_eq!((evaluation.outcome, evaluation.effects.len()), (Outcome::Ok, 1), "{own}: {evaluation:?}");
    }
}
