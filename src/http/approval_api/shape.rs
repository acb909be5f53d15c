//! Examples of approvals for the documentation.

use serde_json::{Value, json};

/// An approval that waits for its first stage.
pub(in crate::http) fn example() -> Value {
    json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b21", "title": "Replace the core switch on Saturday",
        "description": "Two hours without network in the main building.", "state": "pending", "reason": null,
        "record": {
            "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "kind": "incident", "number": "INC0000042",
            "title": "The core switch drops packets",
        },
        "covers": ["title", "description", "configuration_item_id"],
        "asked_by_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "replaces_id": null,
        "stages": [
            {
                "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b22", "name": "Owner and manager", "state": "open", "reason": null,
                "approvers": [{"kind": "ci_owner"}, {"kind": "manager"}], "quorum": {"kind": "all", "number": null},
                "needed": 1, "due_after": "PT20H", "calendar": "business-hours", "on_due": "reject",
                "opened_at": "2026-03-02T08:15:00Z", "due_at": "2026-03-04T08:15:00Z", "ended_at": null,
                "voters": [{
                    "user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "because": "ci_owner", "excluded": null, "vote": null,
                    "comment": "", "voted_at": null, "voted_by_id": null, "via": null,
                }],
            },
            {
                "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b23", "name": "Advisory board", "state": "waiting", "reason": null,
                "approvers": [{"kind": "team", "team_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72"}],
                "quorum": {"kind": "percent", "number": 50}, "needed": null, "due_after": null, "calendar": null, "on_due": "reject",
                "opened_at": null, "due_at": null, "ended_at": null, "voters": [],
            },
        ],
        "version": 1, "created_at": "2026-03-02T08:15:00Z", "updated_at": "2026-03-02T08:15:00Z", "ended_at": null,
    })
}

/// What asks for it.
pub(in crate::http) fn new() -> Value {
    json!({
        "title": "Replace the core switch on Saturday", "description": "Two hours without network in the main building.",
        "covers": ["title", "description", "configuration_item_id"],
        "stages": [
            {
                "name": "Owner and manager", "approvers": [{"kind": "ci_owner"}, {"kind": "manager"}],
                "quorum": {"kind": "all"}, "due_after": "PT20H", "calendar": "business-hours", "on_due": "reject",
            },
            {
                "name": "Advisory board",
                "approvers": [{"kind": "team", "team_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72"}],
                "quorum": {"kind": "percent", "number": 50},
            },
        ],
    })
}
