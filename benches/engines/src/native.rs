//! The policy as a programmer would write it, compiled with the server: what no policy engine is faster than.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::{engine::Engine, record::Case};

/// An incident, with the fields that the policy looks at.
#[derive(Deserialize)]
struct Incident {
    title: String,
    category: Option<String>,
    channel: String,
    #[serde(rename = "type")]
    kind: String,
    impact: i64,
    urgency: i64,
    reassignment_count: i64,
    reopen_count: i64,
    caller: Caller,
    service: Option<Service>,
    ci: Option<Item>,
}

#[derive(Deserialize)]
struct Caller {
    vip: bool,
}

#[derive(Deserialize)]
struct Service {
    criticality: Option<String>,
    support_team: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    environment: Option<String>,
}

fn route(incident: &Incident) -> &str {
    let category = incident.category.as_deref().unwrap_or_default();
    let gold = incident.service.as_ref().filter(|service| service.criticality.as_deref() == Some("gold"));
    let environment = incident.ci.as_ref().and_then(|item| item.environment.as_deref());
    if incident.title.contains("phishing") || incident.title.contains("ransomware") {
        "security-response"
    } else if incident.caller.vip && incident.urgency <= 2 && incident.impact <= 2 {
        "duty-manager"
    } else if let Some(team) = gold.and_then(|service| service.support_team.as_deref()) {
        team
    } else if incident.channel == "alert" && environment == Some("production") {
        "operations"
    } else if category == "network" && incident.impact == 1 {
        "network-emergency"
    } else if category == "network" {
        "network-operations"
    } else if category == "database" {
        "databases"
    } else if category == "mail" || incident.title.contains("mailbox") {
        "messaging"
    } else if incident.reassignment_count >= 3 {
        "dispatch"
    } else if incident.reopen_count >= 2 {
        "problem-management"
    } else if incident.channel == "walk_in" && incident.kind == "hardware" {
        "onsite-support"
    } else {
        "service-desk"
    }
}

/// Rust.
pub struct Native {
    records: Vec<Incident>,
    /// The one that came in last.
    read: Option<Incident>,
}

impl Native {
    /// With all records prepared.
    pub fn new(cases: &[Case]) -> Native {
        Native { records: cases.iter().map(|case| Incident::deserialize(&case.json).unwrap()).collect(), read: None }
    }
}

impl Engine for Native {
    const NAME: &'static str = "native Rust";
    type Answer<'a> = &'a str;

    #[inline]
    fn decide(&mut self, nth: usize) -> &str {
        route(&self.records[nth])
    }

    fn decide_from(&mut self, record: &Json) -> &str {
        route(self.read.insert(Incident::deserialize(record).unwrap()))
    }

    fn team(answer: &str) -> String {
        answer.to_owned()
    }
}
