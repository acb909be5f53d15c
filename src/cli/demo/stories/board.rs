//! What is agreed about changes before any is asked for, and what boards say of them.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    cli::demo::company::{CHANGE_MANAGER, SERVICE_OWNER},
    clock::Moment,
};

/// Something that stands beside records: below which path, who adds it, and what it is in a month that ends then.
#[derive(Debug)]
pub struct Standing {
    /// The path of the API that it would be added by.
    pub path: &'static str,
    /// Who adds it.
    pub who: &'static str,
    /// What it is.
    pub body: fn(Moment) -> Value,
}

/// The model of the changes that are agreed once and for all.
pub const PATCHES: &str = "Patch a server";

/// What is there from the beginning.
pub const STANDING: &[Standing] = &[
    Standing {
        path: "change-models",
        who: CHANGE_MANAGER,
        body: |_| {
            json!({
                "name": PATCHES, "change_type": "standard",
                "description": "Patches of one server out of hours, as they have been made for years.",
                "fields": {
                    "implementation_plan": "Take a copy, install, restart, look at what it serves.",
                    "backout_plan": "Start the copy; ten minutes.",
                    "test_plan": "The checks of the monitoring are green for a quarter of an hour.",
                    "team_id": "server-operations",
                },
                "tasks": [
                    {"title": "Take a copy of the machine", "team_id": "server-operations"},
                    {"title": "Install the patches and restart", "team_id": "server-operations", "depends_on": [1]},
                    {"title": "Look at what it serves", "team_id": "service-desk", "depends_on": [2]},
                ],
            })
        },
    },
    Standing {
        path: "change-windows",
        who: CHANGE_MANAGER,
        body: |until| {
            json!({
                "name": "Stocktaking", "kind": "blackout", "description": "The halls are counted: nothing is to be other than it is.",
                "starts_at": until.plus(TimeDelta::days(8)), "ends_at": until.plus(TimeDelta::days(11)),
            })
        },
    },
    Standing {
        path: "change-windows",
        who: CHANGE_MANAGER,
        body: |until| {
            json!({
                "name": "After the last lorry", "kind": "maintenance", "description": "Both halls are closed.",
                "service_id": "Warehouse management",
                "starts_at": until.plus(TimeDelta::days(6)).minus(TimeDelta::hours(2)),
                "ends_at": until.plus(TimeDelta::days(6)).plus(TimeDelta::hours(8)),
            })
        },
    },
    Standing {
        path: "compliance-rules",
        who: SERVICE_OWNER,
        body: |_| {
            json!({
                "name": "Servers run what their makers still mend", "scope": "is_a = server",
                "condition": "attributes.operating_system != \"Windows Server 2019\"",
            })
        },
    },
    Standing {
        path: "compliance-rules",
        who: SERVICE_OWNER,
        body: |_| {
            json!({
                "name": "What much depends on has a team", "scope": "criticality = gold", "condition": "support_team != null",
            })
        },
    },
];

/// What a board says of a change: which, by its place among the plans, what it decides, and why.
pub type Word = (usize, &'static str, &'static str);

/// A meeting of the board.
#[derive(Debug)]
pub struct Meeting {
    /// What it is called.
    pub name: &'static str,
    /// When it is called, from the end of the month on, and how long after that it is held.
    pub when: (TimeDelta, TimeDelta),
    /// What else is looked at beside what waits for a board, by its place among the plans.
    pub beside: &'static [usize],
    /// What was said of each change.
    pub words: &'static [Word],
    /// What else was said, where it was held.
    pub minutes: Option<&'static str>,
}

/// One that was held, and one that is to come.
pub const MEETINGS: &[Meeting] = &[
    Meeting {
        name: "Change advisory board, last week",
        when: (TimeDelta::hours(-116), TimeDelta::hours(2)),
        beside: &[1],
        words: &[
            (2, "recommended", "By night, and one supply after the other. Priya is there herself."),
            (1, "recommended", "The old firmware stays on the switch, and the second one carries the hosts meanwhile."),
        ],
        minutes: Some(
            "Helen, Kenji and Nadia were there. From now on the makers' notes are read before a date is set.",
        ),
    },
    Meeting {
        name: "Change advisory board, this week",
        when: (TimeDelta::minutes(-30), TimeDelta::hours(24)),
        beside: &[],
        words: &[],
        minutes: None,
    },
];
