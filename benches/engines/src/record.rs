//! The incidents that all engines decide on, and which team each must get.

use pointsman::policy::facts::{self, Facts};
use serde_json::{Value as Json, json};

/// An incident, and the team that it must get.
pub struct Case {
    /// As policies of the server are given it.
    pub facts: Facts,
    /// The same as JSON, of which every other engine makes what it wants to be given.
    pub json: Json,
    /// Who must get it.
    pub team: &'static str,
}

/// Incidents for which the first rule fits, some in the middle, the last but one, and none but that for everything else.
pub fn cases() -> Vec<Case> {
    let gold = json!({"name": "payments", "criticality": "gold", "support_team": "payments", "state": "operational"});
    let silver = json!({"name": "intranet", "criticality": "silver", "state": "operational"});
    let server = json!({"name": "srv-012", "class": "server", "environment": "production", "state": "in_use"});
    let vip = json!({"user_name": "vera", "display_name": "Vera Vance", "vip": true, "organisation": "Sales"});
    vec![
        case("security-response", json!({"title": "A phishing mail from somebody who says to be HR"})),
        case("duty-manager", json!({"caller": vip, "urgency": 1, "impact": 2})),
        case("payments", json!({"service": gold, "category": "software"})),
        case("operations", json!({"channel": "alert", "ci": server, "title": "The disk is full"})),
        case("network-operations", json!({"category": "network", "impact": 2, "service": silver})),
        case("messaging", json!({"category": "software", "title": "The shared mailbox does not open"})),
        case("problem-management", json!({"category": "software", "reopen_count": 2, "ci": server})),
        case("onsite-support", json!({"channel": "walk_in", "type": "hardware", "category": "notebook"})),
        case("service-desk", json!({"category": "software", "service": silver, "ci": server})),
        case("service-desk", json!({"category": "software"})),
    ]
}

/// A made-up incident with these fields, as a text of some length describes it.
fn case(team: &'static str, given: Json) -> Case {
    let schema = facts::Schemas::shipped().first().clone();
    let usual = json!({
        "number": "INC0012345",
        "title": "The report of last month can't be opened",
        "description": "Since this morning it does not work any more. Colleagues see the same. ".repeat(4),
        "opened_at": "2026-03-03T10:00:00Z",
        "caller": {"user_name": "carl", "display_name": "Carl Caller", "vip": false, "organisation": "Sales"},
        "tags": ["reports", "month-end"],
    });
    let Json::Object(mut fields) = serde_json::to_value(schema.made_up()).unwrap() else { unreachable!() };
    for (name, value) in usual.as_object().unwrap().iter().chain(given.as_object().unwrap()) {
        fields.insert(name.clone(), value.clone());
    }
    let facts = Facts::from_json(&schema, &Json::Object(fields)).unwrap();
    let json = serde_json::to_value(&facts).unwrap();
    Case { facts, json, team }
}

/// Every team that there is.
pub fn teams() -> Vec<&'static str> {
    let mut teams: Vec<_> = cases().iter().map(|case| case.team).collect();
    teams.extend(["network-emergency", "databases", "dispatch", "service-delivery", "linux", "windows", "storage"]);
    teams
}
