//! Case tables and functions: what each comes to, and where.

use super::*;
use crate::policy::{decision::Decision, facts, host::Offline, program::compile, runner::on_ample_stack};

fn run_within(most: Duration, decision: Decision, source: &str) -> Vec<TestResult> {
    let (schema, host): (_, Arc<dyn Host>) = (facts::incident(), Arc::new(Offline::default()));
    on_ample_stack(|| {
        let program = Arc::new(compile(source, decision).unwrap());
        Suite::of(&program, &schema, &host, &[]).run(most)
    })
    .unwrap()
}

fn run(decision: Decision, source: &str) -> Vec<TestResult> {
    run_within(ALL, decision, source)
}

#[test]
fn many_slow_tests_hold_a_thread_no_longer_than_a_few() {
    let slow = |n: usize| format!("fn test_{n:02}() {{ for i in 0..1000000 {{ }} }}\n");
    let source = (0..50).map(slow).collect::<String>() + "fn route(incident) { assign(\"service-desk\") }";
    let results = run_within(Duration::from_millis(1), Decision::Routing, &source);
    assert_eq!(results.len(), 50);
    assert!(results.iter().all(|test| !test.passed), "{results:?}");
    assert!(results[49].microseconds == 0, "{:?}", results[49]);
}

const ROUTING: &str = r#"fn route(incident) {
    rule "Out of hours" when incident.caller?.vip == true and not business_hours() then assign("duty-manager");
    rule "Reopened" when changed("state") and was("state") == "closed" also notify("boss");
    rule "Rest" when true then assign("service-desk");
}
"#;

#[test]
fn each_row_of_a_case_table_is_a_test_of_its_own() {
    let table = r#"fn cases() {
    let vip = #{ vip: true };
    [
        #{ name: "A VIP by night", at: "Tue 23:00", record: #{ caller: vip }, expect: "duty-manager" },
        #{ name: "By day", record: #{ caller: vip }, expect: "duty-manager" },
        #{ name: "It fails", record: #{ urgency: 1 / 0 }, expect: "x" },
        #{ name: "Unknown", record: #{ urgancy: 1 }, expect: "service-desk" },
        #{ name: "Nothing but this" , expect: "service-desk" },
        #{ name: "Reopened", before: #{ state: "closed" }, expect: ["notify boss", "service-desk"] },
        #{ name: "No table", expekt: "service-desk" },
        #{ record: #{ }, expect: () },
        #{ name: "When", at: "someday", expect: "service-desk" },
        #{ name: "Silent" },
        #{ name: "Text", record: "urgent", expect: 1 },
        #{ name: "Nobody there", without: ["service-desk"], expect: "service-desk" },
        #{ name: "Who", without: 1, expect: "service-desk" },
        7,
    ]
}
"#;
    let results = run(Decision::Routing, &format!("{ROUTING}{table}"));
    let told: Vec<String> = results
        .iter()
        .map(|test| {
            assert_eq!((test.kind, test.column), (TestKind::Case, 9));
            let why =
                test.error.as_ref().map(|e| format!(" {}:{} {}", e.line, e.column, e.message)).unwrap_or_default();
            format!("{} {}{why}", test.line, test.name)
        })
        .collect();
    let expected = [
        "9 A VIP by night",
        "10 By day 10:54 expected the text \"duty-manager\", got service-desk by rule \"Rest\" (line 4)",
        "11 It fails 11:52 Division by zero: 1 / 0 (line 11, position 52)",
        "12 Unknown 12:29 incident has no field `urgancy`; did you mean `urgency`?",
        "13 Nothing but this",
        "14 Reopened",
        "15 No table 15:30 a case has no `expekt`; did you mean `expect`?",
        "16 cases, row 8 16:26 expected empty: `()`, got service-desk by rule \"Rest\" (line 4)",
        "17 When 17:26 \"someday\" is no time: write \"Tue 23:00\" or 2025-01-07T23:00:00Z",
        "18 Silent 18:9 a case says what it expects: `expect`",
        "19 Text 19:26 `record` of a case is fields; this is the text \"urgent\"",
        "20 Nobody there 4:32 there is no team \"service-desk\"",
        "21 Who 21:25 `without` of a case is text, or a list of it; this is the number 1",
        "22 cases, row 14 22:9 a case is `#{ … }`; this is the number 7",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_row_takes_a_step() {
    let source = r#"fn check(incident, transition) {
    rule "Say why" when transition.to == "cancelled" and transition.note == () also refuse("comment", "Why?");
}
fn cases() {
    [
        #{ name: "Silently", transition: #{ name: "cancel", to: "cancelled" }, expect: "comment" },
        #{ name: "By name alone", transition: "resolve", expect: true },
        #{ name: "A word too much", transition: #{ nane: "cancel" }, expect: true },
        #{ name: "Without a step", expect: true },
    ]
}
"#;
    let results = run(Decision::Guard, source);
    let passed: Vec<bool> = results.iter().map(|test| test.passed).collect();
    assert_eq!(passed, [true, true, false, false], "{results:?}");
    let why = |at: usize| results[at].error.as_ref().unwrap().message.clone();
    assert_eq!(why(2), "transition has no field `nane`; did you mean `name`?");
    assert_eq!(why(3), "the guard decision is made on a transition, and none was given");
}

#[test]
fn a_row_is_held_to_the_limits_of_a_test_and_the_others_run() {
    let table = "fn cases() { [ #{ name: \"slow\", expect: spin() }, #{ name: \"sound\", expect: \"service-desk\" } ] }\n\
                 fn spin() { for i in 0..1000000 { } \"service-desk\" }\n";
    let results = run(Decision::Routing, &format!("{ROUTING}{table}"));
    assert_eq!(results[0].error.as_ref().unwrap().code, LIMIT);
    assert!(results[1].passed, "{results:?}");
}

#[test]
fn a_case_table_that_is_not_written_out_is_red_by_itself() {
    let more = "fn cases() { let all = []; all.push(#{ expect: \"service-desk\" }); all }\n\
                fn test_rest() { expect(route(incident()), \"service-desk\"); }\n";
    let results = run(Decision::Routing, &format!("{ROUTING}{more}"));
    let found: Vec<_> = results.iter().map(|test| (test.name.as_str(), test.kind, test.passed, test.line)).collect();
    assert_eq!(found, [("cases", TestKind::Case, false, 6), ("test_rest", TestKind::Function, true, 7)]);
    assert!(results[0].error.as_ref().unwrap().message.contains("written out"), "{results:?}");
}
