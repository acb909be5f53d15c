//! What each problem is called, how bad it is, and what it looks like.
//!
//! **Invariant:** every code that a check of a script gives has a row in [`CODES`], and the example of each row has that
//! problem.

use serde::Serialize;
use utoipa::ToSchema;

use crate::policy::diagnostic::{Severity, WRONG_KIND};

/// A kind of problem that the check of a policy finds.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiagnosticCode {
    /// The stable code.
    pub code: &'static str,
    /// Whether it keeps a version from going live.
    pub severity: Severity,
    /// What it means.
    pub doc: &'static str,
    /// What it looks like: a routing policy, what stands in its function `route(incident)`, or a module.
    pub example: &'static str,
}

const fn error(code: &'static str, doc: &'static str, example: &'static str) -> DiagnosticCode {
    DiagnosticCode { code, severity: Severity::Error, doc, example }
}
const fn warning(code: &'static str, doc: &'static str, example: &'static str) -> DiagnosticCode {
    DiagnosticCode { code, severity: Severity::Warning, doc, example }
}

/// A policy with a function that is also in the module that it uses.
const USE: &str = "use \"criticality\";\nfn is_critical(value) { value == \"gold\" }\n\
                   fn route(incident) { if is_critical(incident.service?.criticality) { leave() } else { assign(\"service-desk\") } }";

/// How bad a problem is; what is in no table is an error.
pub fn severity(code: &str) -> Severity {
    CODES.iter().find(|c| c.code == code).map_or(Severity::Error, |c| c.severity)
}

/// Every code. What would fail or do nothing at run time is an error; what runs, but hardly as it was meant, is a warning.
pub const CODES: &[DiagnosticCode] = &[
    error("syntax", "The script can't be read.", "rule \"All\" when true assign(\"service-desk\");"),
    error("forbidden_word", "Policies have no use for this word of Rhai.", "while true { }"),
    error(
        "too_large",
        "The script, or something in it, is larger than policies may be.",
        "let x = ((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))));",
    ),
    error("unknown_variable", "No variable of this name is there.", "assign(team)"),
    error(
        "outside_function",
        "Code outside a function is never run.",
        "let desk = \"service-desk\";\nfn route(incident) { assign(\"service-desk\") }",
    ),
    error(
        WRONG_KIND,
        "Nothing asks for the decision about this kind of records, or the policy is about another kind.",
        "fn route(service) { leave() }",
    ),
    error(
        "no_decision_function",
        "The function that makes the decision is missing.",
        "fn rout(incident) { assign(\"service-desk\") }",
    ),
    error(
        "shadows_built_in",
        "A function that is there already has this name.",
        "fn route(incident) { leave() }\nfn assign(team) { team }\nfn test_it() { assign(\"x\") }",
    ),
    error("unknown_module", "There is no such module.", "use \"criticalty\";\nfn route(incident) { leave() }"),
    error("duplicate_function", "A module that the policy uses has a function of this name, too.", USE),
    error(
        "decides_in_module",
        "A module looks and computes; what is decided stands in the policy that uses it.",
        "fn to_the_desk() { assign(\"service-desk\") }",
    ),
    error("unknown_function", "There is no function of this name.", "asign(\"service-desk\")"),
    error("wrong_arguments", "The function, or the look-up, takes another number of arguments.", "assign()"),
    error("wrong_effect", "What this function says is no answer to the decision.", "priority(1)"),
    error(
        "not_a_decision",
        "A rule ends in something that is no decision.",
        "rule \"All\" when true then \"service-desk\";",
    ),
    error("only_in_tests", "The function is only there in test_* functions.", "assign(incident().team)"),
    error(
        "unknown_field",
        "The record, or what it refers to, has no field of this name, or a row of the case table no such word.",
        "if incident.urgancy == 1 { leave() } else { assign(\"service-desk\") }",
    ),
    error(
        "wrong_type",
        "The value is of another type than is needed: a condition that is neither true nor false, a field of a made-up record, or what a row of the case table says.",
        "rule \"Some\" when incident.urgency then leave();\nleave()",
    ),
    error(
        "not_a_choice",
        "A field of a made-up record has a value that it never has.",
        "fn route(incident) { leave() }\nfn test_it() { expect(route(incident(#{ type: \"softwear\" })), ()); }",
    ),
    error(
        "incomplete_case",
        "A row of the case table lacks its name, what it expects or, for a guard, the transition.",
        "fn route(incident) { leave() }\nfn cases() { [#{ name: \"All\" }] }",
    ),
    error(
        "never_true",
        "The comparison always comes out the same: the types differ, or the field never has the value.",
        "if incident.state == \"resovled\" { leave() } else { assign(\"service-desk\") }",
    ),
    error(
        "unknown_team",
        "There is no such team. It is a warning where the script itself asks whether the team is there.",
        "assign(\"service-dsk\")",
    ),
    error("unknown_user", "There is no such user who can be given work.", "assign_to(\"nobody\")"),
    error(
        "unknown_table",
        "There is no such lookup table.",
        "assign(table(\"category_team\").find(incident.category).team)",
    ),
    error(
        "unknown_calendar",
        "There is no such calendar.",
        "if business_hours(\"busines-hours\") { leave() } else { assign(\"service-desk\") }",
    ),
    error(
        "unknown_column",
        "The lookup table has no column of this name.",
        "assign(table(\"category_teams\").find(incident.category).taem)",
    ),
    warning(
        "unreachable",
        "What follows is never run: something before it ends the policy, fits wherever this would, or is always false.",
        "rule \"All\" when true then leave();\nrule \"Never\" when incident.impact == 1 then assign(\"service-desk\");",
    ),
    warning(
        "no_decision",
        "A path through the policy says nothing: the decision is left to the next policy, or to the default.",
        "if incident.urgency == 1 { assign(\"service-desk\") }",
    ),
    warning(
        "missing_default",
        "No case of the `switch` may fit, and none says what is to be done then.",
        "switch incident.type { \"security\" => leave() }\nleave()",
    ),
    warning(
        "may_be_empty",
        "What stands before the dot, or is a condition, may be `()`; then the policy fails.",
        "if incident.caller.vip { leave() } else { assign(\"service-desk\") }",
    ),
    warning(
        "unused_function",
        "Neither the decision nor a test calls the function.",
        "fn route(incident) { leave() }\nfn unused() { 1 }",
    ),
    warning(
        "unused_variable",
        "Nothing reads the variable. One whose name starts with `_` is meant so.",
        "let team = incident.team;\nleave()",
    ),
    warning(
        "duplicate_rule",
        "Two rules have the same name, and explanations name rules.",
        "rule \"Desk\" when incident.impact == 1 then leave();\nrule \"Desk\" when true then assign(\"service-desk\");",
    ),
    warning(
        "no_cases",
        "The case table has no row, so nothing is tested by it.",
        "fn route(incident) { leave() }\nfn cases() { [] }",
    ),
    warning(
        "duplicate_case",
        "Two rows of the case table have the same name, and reports name rows.",
        "fn route(incident) { leave() }\nfn cases() { [#{ name: \"All\", expect: \"leave\" }, #{ name: \"All\", expect: \"leave\" }] }",
    ),
];
