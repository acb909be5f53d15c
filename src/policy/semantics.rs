//! What scripts mean: the order of rules, what ends a policy, what is traced, where mistakes are reported.

use std::sync::Arc;

use super::{
    decision::{Decision, Effect},
    evaluate::{Evaluation, Input, Outcome, evaluate},
    facts,
    functions::test_clock,
    host::{Host, Offline},
    library::Library,
    program::compile,
    runner::on_ample_stack,
    testing::{TestResult, run_tests},
};

fn run(source: &str) -> Evaluation {
    let host: Arc<dyn Host> = Arc::new(Library::shipped().unwrap().offline());
    let input = Input::new(facts::incident().made_up(), test_clock());
    on_ample_stack(|| evaluate(&compile(source, Decision::Routing).unwrap(), &input, &host)).unwrap()
}

fn gists(evaluation: &Evaluation) -> Vec<String> {
    evaluation.said().map(Effect::gist).collect()
}

#[test]
fn then_ends_the_policy_and_also_goes_on() {
    let evaluation = run(r#"
fn route(incident) {
    rule "no" when incident.urgency == 1 and incident.impact == 1 then assign("a");
    rule "add" when incident.urgency == 3 also notify("b");
    rule "both" when (incident.urgency == 3 or false) and not incident.caller.vip also notify("c") then assign("d");
    rule "never" when true then assign("e");
}"#);
    assert_eq!(gists(&evaluation), ["notify b", "notify c", "d"]);
    let rules: Vec<_> = evaluation.rules.iter().collect();
    let rules: Vec<_> = rules.iter().map(|r| (&*r.name, r.line, r.fitted, &*r.because)).collect();
    let both = "(incident.urgency == 3 or false) and not incident.caller.vip";
    let expected =
        [("no", 3, false, "incident.urgency == 1"), ("add", 4, true, "incident.urgency == 3"), ("both", 5, true, both)];
    assert_eq!(rules, expected);
}

#[test]
fn the_part_of_a_condition_that_failed_is_named_as_it_is_written() {
    for (condition, part) in [
        ("true and incident.impact == 1", "incident.impact == 1"),
        ("true && (incident.impact == 1 or false)", "(incident.impact == 1 or false)"),
        ("true and not true and true", "not true"),
        ("true and\n  !incident.mentions(\"something\")", "!incident.mentions(\"something\")"),
        ("incident.title == \"an and in a text\" and true", "incident.title == \"an and in a text\""),
        ("incident.service?.criticality == \"gold\"", "incident.service?.criticality == \"gold\""),
    ] {
        let evaluation =
            run(&format!("fn route(incident) {{ rule \"when \\\"x\\\"\" when {condition} then leave(); }}"));
        assert_eq!(&*evaluation.rules.iter().next().unwrap().because, part);
    }
}

#[test]
fn a_rule_of_a_helper_ends_the_policy_too() {
    let source = "fn route(i) { help(); rule \"b\" when true then assign(\"b\"); } fn help() { rule \"a\" when true then assign(\"a\"); }";
    let evaluation = run(source);
    assert_eq!((gists(&evaluation), evaluation.rules.len()), (vec!["a".to_owned()], 1));
}

#[test]
fn mistakes_are_reported_where_they_were_made() {
    for (code, kind, column) in [
        ("let a = i.nothing;", "unknown_field", 11),
        ("let a = i.caller.number;", "unknown_field", 18),
        ("let a = i.service.name;", "empty_value", 19),
        ("let a = table(\"category_team\");", "unknown_table", 9),
        ("let t = table(\"category_teams\"); t.has(1);", "wrong_type", 36),
        ("let t = table(\"category_teams\"); t.find(\"network\").taem;", "unknown_column", 52),
        ("  priority(1)", "wrong_effect", 3),
        ("assign(i.service?.support_team)", "wrong_type", 1),
        ("rule \"r\" when i.urgency then leave();", "wrong_type", 15),
        ("rule \"r\" when true then 5;", "no_decision", 25),
        ("help(1)", "unknown_function", 1),
    ] {
        let evaluation = run(&format!("fn route(i) {{\n{code}\n}}"));
        let error = evaluation.error.unwrap_or_else(|| panic!("no error: {code}"));
        assert_eq!((error.code.as_str(), error.line, error.column), (kind, 2, column), "{code}: {error}");
    }
    assert_eq!(run("fn route(i) { 5 }").error.unwrap().code, "no_decision");
    assert_eq!(run("fn route(i) { }").outcome, Outcome::Passed);
}

fn tests_of(source: &str) -> Vec<TestResult> {
    let host: Arc<dyn Host> = Arc::new(Offline::default());
    on_ample_stack(|| run_tests(&Arc::new(compile(source, Decision::Routing).unwrap()), &facts::incident(), &host))
        .unwrap()
}

#[test]
fn tests_of_a_script_fail_where_they_should() {
    let results = tests_of(
        "fn route(incident) { rule \"vip\" when incident.caller.vip and changed(\"urgency\") then assign(\"vip\"); }
fn test_good() { before(#{ urgency: 2 }); expect(route(incident(#{ caller: #{ vip: true } })), \"vip\"); expect(route(incident()), ()); }
fn test_wrong() { before(#{ urgency: 2 }); expect(route(incident(#{ caller: #{ vip: true } })), \"desk\"); }
fn test_unknown() { incident(#{ urgancy: 1 }) }
fn test_type() { incident(#{ caller: #{ vip: 1 } }) }
fn test_endless() { for x in 0..9000000000 { } }
fn test_plain() { expect(1 + 1, 2); expect(1, \"1\"); }",
    );
    let shown: Vec<_> = results
        .iter()
        .map(|r| (r.name.as_str(), r.line, r.error.as_ref().map(|e| (e.code.as_str(), e.line, e.column))))
        .collect();
    let expected = [
        ("test_good", 2, None),
        ("test_wrong", 3, Some(("expectation", 3, 44))),
        ("test_unknown", 4, Some(("unknown_field", 4, 21))),
        ("test_type", 5, Some(("wrong_type", 5, 18))),
        ("test_endless", 6, Some(("limit", 6, 19))),
        ("test_plain", 7, Some(("expectation", 7, 37))),
    ];
    assert_eq!(shown, expected);
    let wrong = results[1].error.as_ref().unwrap();
    assert_eq!(wrong.message, "expected the text \"desk\", got vip by rule \"vip\" (line 1)");
}

#[test]
fn a_policy_reads_as_the_documentation_writes_it() {
    let source = r#"
//! Which team gets a new incident? The first rule that fits decides.

fn route(incident) {
    rule "Security wording goes to the security team"
        when incident.mentions("phishing", "ransomware", "data leak")
        then assign("security-response");

    rule "Out of hours the duty manager takes urgent VIP calls"
        when incident.caller.vip and incident.urgency <= 2 and not business_hours()
        then assign("duty-manager");

    rule "Gold services go straight to the team that runs them"
        when incident.service?.criticality == "gold" and team_exists(incident.service.support_team)
        then assign(incident.service.support_team);

    rule "Everything else" when true then assign("service-desk");
}

fn test_phishing_goes_to_security() {
    expect(route(incident(#{ title: "Phishing mail from HR" })), "security-response");
}
fn test_urgent_vip_by_night() {
    clock("Tue 23:00");
    expect(route(incident(#{ urgency: 1, caller: #{ vip: true } })), "duty-manager");
}
"#;
    let results = tests_of(source);
    assert!(results.len() == 2 && results.iter().all(|r| r.passed), "{results:?}");
}

#[test]
fn an_endless_callback_is_stopped_although_sort_loses_its_error() {
    let evaluation = run("fn route(i) { [2, 1].sort(|x, y| { for k in 0..1000000 { let z = k; } 0 }); assign(\"a\") }");
    assert_eq!((evaluation.outcome, evaluation.effects.len()), (Outcome::Limit, 0));
}
