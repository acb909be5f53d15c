//! Each problem that can be seen in a script, at its place.

use super::*;
use crate::policy::{library::Library, runner::on_ample_stack};

struct Known(crate::policy::host::Offline);
impl Host for Known {
    fn team_exists(&self, name: &str) -> bool {
        self.team_names().iter().any(|t| t == name)
    }
    fn user_exists(&self, _: &str) -> crate::error::Result<bool> {
        Ok(false)
    }
    fn team_names(&self) -> Vec<String> {
        vec!["network-emea".to_owned(), "service-desk".to_owned()]
    }
    fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.0.table(name)
    }
    fn table_names(&self) -> Vec<String> {
        self.0.table_names()
    }
    fn business_hours(&self, _: crate::clock::Moment) -> bool {
        true
    }
}

/// Code, line, column and end column of each problem.
fn problems(decision: Decision, source: &str) -> Vec<(String, usize, usize, usize, Option<String>)> {
    let host = Known(Library::shipped().unwrap().offline());
    let found = on_ample_stack(|| validate(source, decision, &facts::incident(), &host)).unwrap();
    found.into_iter().map(|p| (p.code, p.line, p.column, p.end_column, p.suggestion)).collect()
}

#[test]
fn each_problem_is_found_at_its_place() {
    for (inside, code, column, end, suggestion) in [
        ("if i.urgancy == 1 { }", "unknown_field", 6, 13, Some("urgency")),
        ("if i.caller.vipp { }", "unknown_field", 13, 17, Some("vip")),
        ("if i.service?.critcality == \"gold\" { }", "unknown_field", 15, 25, Some("criticality")),
        ("if i.title.size == 1 { }", "unknown_field", 12, 16, None),
        ("if i.urgency == \"1\" { }", "never_true", 17, 20, None),
        ("if i.state == \"resovled\" { }", "never_true", 15, 25, Some("resolved")),
        ("assign(\"network-emae\")", "unknown_team", 8, 22, Some("network-emea")),
        ("assign_to(\"nobody\")", "unknown_user", 11, 19, None),
        ("asign(\"service-desk\")", "unknown_function", 1, 6, Some("assign")),
        ("assign()", "wrong_arguments", 1, 7, None),
        ("refuse(\"a\", \"b\")", "wrong_effect", 1, 7, None),
        ("table(\"category_team\").has(1)", "unknown_table", 7, 22, Some("category_teams")),
        ("table(\"category_teams\").find(i.category).taem", "unknown_column", 42, 46, Some("team")),
        ("table(\"category_teams\").has(1, 2)", "wrong_arguments", 25, 28, None),
        ("table(\"environment_teams\").find(i.category).team", "wrong_arguments", 28, 32, None),
        ("i.mention(\"x\")", "unknown_function", 3, 10, Some("mentions")),
        ("rule \"r\" when i.urgancy == 1 then assign(\"service-desk\");", "unknown_field", 17, 24, Some("urgency")),
        ("rule \"r\" when true assign(\"service-desk\");", "syntax", 20, 26, None),
        ("let x = y;", "unknown_variable", 9, 10, None),
        ("while true { }", "forbidden_word", 1, 6, None),
    ] {
        let source = format!("fn route(i) {{\n{inside}\n}}\n");
        let expected = vec![(code.to_owned(), 2, column, end, suggestion.map(str::to_owned))];
        assert_eq!(problems(Decision::Routing, &source), expected, "{inside}");
    }
}

#[test]
fn tables_are_known_in_helpers_too_and_a_matrix_is_one() {
    let helper = "fn route(i) { assign(team(i.category)) }\nfn team(i) { table(\"category_teams\").find(i).taem }\n";
    let found = problems(Decision::Routing, helper);
    assert_eq!((found[0].0.as_str(), found[0].1, found[0].2), ("unknown_column", 2, 46), "{found:?}");
    let other = "fn route(i) { leave() }\nfn other(i) { i.urgancy }\n";
    assert_eq!(problems(Decision::Routing, other), [], "a helper's argument may be anything");
    for (table, code) in [("category_teams", "wrong_arguments"), ("environment_teams", "wrong_type")] {
        let source = format!("fn prioritise(i) {{ matrix(\"{table}\", i.impact, i.urgency) }}");
        assert_eq!(problems(Decision::Priority, &source)[0].0, code, "{table}");
    }
    assert_eq!(problems(Decision::Priority, "fn prioritise(i) { matrix(\"priority_matrix\", 1, 2) }"), []);
}

#[test]
fn the_decision_function_is_there_with_its_arguments() {
    for (source, code, line, column) in [
        ("fn rout(i) { }", "no_decision_function", 1, 1),
        ("\nfn route() { }", "wrong_arguments", 2, 4),
        ("fn route(i) { }\nlet x = 1;", "outside_function", 2, 1),
        ("fn route(i) { }\nfn assign(t) { }", "shadows_built_in", 2, 4),
    ] {
        let found = problems(Decision::Routing, source);
        assert_eq!((found[0].0.as_str(), found[0].1, found[0].2), (code, line, column), "{source}");
    }
}

#[test]
fn what_ships_goes_live_though_teams_that_it_asks_for_are_missing() {
    let mut warned = Vec::new();
    for script in Library::shipped().unwrap().scripts {
        let host = Known(Library::shipped().unwrap().offline());
        let found = on_ample_stack(|| validate(&script.source, script.decision, &facts::incident(), &host)).unwrap();
        let gate: Vec<_> = found.iter().filter(|p| p.severity == Severity::Error || p.code != "unknown_team").collect();
        assert!(gate.is_empty(), "{}: {gate:?}", script.name);
        warned.extend((!found.is_empty()).then_some(script.name));
    }
    assert_eq!(warned, ["incidents", "bounced"]);
}
