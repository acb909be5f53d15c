//! The roles that ship with the server.

use std::collections::BTreeSet;

use super::permission::{ADMINISTRATOR, KindActions, View};

/// A role that ships with the server.
#[derive(Clone, Copy, Debug)]
pub struct ShippedRole {
    /// Its name.
    pub name: &'static str,
    /// Whom it is for.
    pub description: &'static str,
    /// How far it sees.
    pub view: View,
    /// What it permits on each kind of record that there is.
    pub each_kind: &'static [&'static str],
    /// What else it permits.
    pub permissions: &'static [&'static str],
}

/// The roles that ship. Edited ones are left as they are.
pub const SHIPPED: &[ShippedRole] = &[
    ShippedRole {
        name: ADMINISTRATOR,
        description: "Runs the server: may do and see everything.",
        view: View::All,
        each_kind: &[],
        permissions: &["*"],
    },
    ShippedRole {
        name: "agent",
        description: "Works on incidents, contacts and problems of their organisation.",
        view: View::Organisation,
        each_kind: &[],
        permissions: &[
            "unauthorised_change.read",
            "certification.decide",
            "certification.read",
            "configuration_health.read",
            "configuration_model.read",
            "approval.decide",
            "approval.read",
            "approval.request",
            "delegation.write",
            "incident.*",
            "interaction.*",
            "problem.*",
            "cab_meeting.read",
            "change.assess",
            "change.comment",
            "change.complete",
            "change.create",
            "change.implement",
            "change.read",
            "change.request_authorisation",
            "change.update",
            "change.work_note",
            "change_model.read",
            "change_window.read",
            "risk_question.read",
            "service.read",
            "configuration_item.read",
            "decision.read",
            "lookup_table.read",
            "calendar.read",
            "on_call.override",
            "on_call.read",
            "service_level.explain",
            "service_level.read",
            "custom_field.read",
            "directory.read",
            "stream.read",
            "token.create",
        ],
    },
    ShippedRole {
        name: "major_incident_manager",
        description: "Leads major incidents of their organisation; for agents, beside their own role.",
        view: View::Organisation,
        each_kind: &[],
        permissions: &[
            "approval.decide",
            "delegation.write",
            "incident.*",
            "major_incident.lead",
            "on_call.override",
            "on_call.read",
            "service_level.explain",
            "service_level.read",
            "directory.read",
            "stream.read",
        ],
    },
    ShippedRole {
        name: "mail_gateway",
        description: "A mail server that hands in what people write, and can do nothing else.",
        view: View::Own,
        each_kind: &[],
        permissions: &["mail.receive"],
    },
    ShippedRole {
        name: "requester",
        description: "Asks for help and follows their own records.",
        view: View::Own,
        each_kind: &[],
        permissions: &[
            "approval.decide",
            "approval.read",
            "delegation.write",
            "incident.create",
            "incident.read",
            "incident.comment",
            "incident.cancel",
            "incident.reopen",
            "interaction.create",
            "interaction.read",
            "interaction.comment",
            "service.read",
            "stream.read",
        ],
    },
    ShippedRole {
        name: "service_owner",
        description: "Keeps services and configuration items of their organisation, and reads what concerns them.",
        view: View::Organisation,
        each_kind: &["read", "comment", "work_note"],
        permissions: &[
            "unauthorised_change.read",
            "certification.*",
            "configuration_baseline.*",
            "configuration_health.*",
            "configuration_model.read",
            "job.read",
            "approval.decide",
            "approval.read",
            "approval.request",
            "delegation.write",
            "service.*",
            "configuration_item.*",
            "decision.read",
            "lookup_table.read",
            "calendar.read",
            "on_call.read",
            "service_level.explain",
            "service_level.read",
            "custom_field.read",
            "directory.read",
            "stream.read",
            "token.create",
        ],
    },
    ShippedRole {
        name: "change_manager",
        description: "Sees to it that changes come soon and break nothing: plans, weighs and approves them for their organisation.",
        view: View::Organisation,
        each_kind: &["read", "comment", "work_note"],
        permissions: &[
            "unauthorised_change.*",
            "approval.decide",
            "approval.read",
            "approval.request",
            "change.*",
            "change_model.*",
            "change_window.*",
            "risk_question.*",
            "cab_meeting.*",
            "calendar.read",
            "custom_field.read",
            "decision.read",
            "delegation.write",
            "directory.read",
            "lookup_table.read",
            "on_call.read",
            "service_level.read",
            "stream.read",
            "token.create",
        ],
    },
    ShippedRole {
        name: "policy_administrator",
        description: "Writes, tests and publishes policies and the tables that they use.",
        view: View::All,
        each_kind: &["read"],
        permissions: &[
            "configuration_model.read",
            "approval.decide",
            "approval.read",
            "delegation.write",
            "policy.*",
            "job.*",
            "lookup_table.*",
            "calendar.*",
            "on_call.*",
            "service_level.*",
            "decision.read",
            "custom_field.*",
            "directory.read",
            "stream.read",
            "token.create",
        ],
    },
    ShippedRole {
        name: "auditor",
        description: "Reads records with their history, and policies, and changes nothing.",
        view: View::All,
        each_kind: &["read"],
        permissions: &[
            "cab_meeting.read",
            "change_model.read",
            "change_window.read",
            "risk_question.read",
            "unauthorised_change.read",
            "certification.read",
            "configuration_baseline.read",
            "configuration_health.read",
            "configuration_model.read",
            "approval.read",
            "policy.read",
            "job.read",
            "decision.read",
            "lookup_table.read",
            "calendar.read",
            "on_call.read",
            "service_level.read",
            "custom_field.read",
            "directory.read",
        ],
    },
    ShippedRole {
        name: "integration",
        description: "A machine that brings in and follows records of its organisation.",
        view: View::Organisation,
        each_kind: &["read", "create", "update", "comment", "work_note"],
        permissions: &[
            "unauthorised_change.report",
            "configuration_item.import",
            "configuration_model.read",
            "job.read",
            "approval.read",
            "approval.request",
            "incident.resolve",
            "calendar.read",
            "custom_field.read",
            "directory.read",
            "stream.read",
        ],
    },
];

impl ShippedRole {
    /// Everything that the role permits, with these kinds of record.
    pub fn permits(&self, kinds: &[KindActions]) -> BTreeSet<String> {
        let records =
            kinds.iter().flat_map(|k| self.each_kind.iter().map(move |action| format!("{}.{action}", k.kind)));
        self.permissions.iter().map(|p| (*p).to_owned()).chain(records).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{bench::kinds, permission::check};

    #[test]
    fn shipped_roles_permit_only_what_is_there() {
        for role in SHIPPED {
            check(role.permits(&kinds()).iter().map(String::as_str), &kinds(), role.name).unwrap();
        }
    }

    #[test]
    fn an_auditor_changes_nothing_and_a_requester_reads_no_work_notes() {
        let by_name = |name: &str| SHIPPED.iter().find(|r| r.name == name).unwrap().permits(&kinds());
        assert!(by_name("auditor").iter().all(|p| p.ends_with(".read")));
        assert!(by_name("auditor").contains("configuration_item.read"));
        assert!(!by_name("requester").iter().any(|p| p.ends_with(".work_note")));
        assert!(!by_name("requester").iter().any(|p| p.contains('*')));
    }
}
