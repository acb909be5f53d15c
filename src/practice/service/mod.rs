//! Service: what customers are served with. Here as a plain record that others refer to.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    details_table,
    id::{RecordId, TeamId, UserId},
    record::{
        kind::{CRITICALITY, Field, Holds, Kind, Lifecycle, Phase, State, Step},
        practice::Practice,
    },
    schema::service,
};

/// The practice.
pub struct ServicePractice;

/// A row of the table `service`. The fields are documented, for people and portals, in [`FIELDS`].
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = service, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented in the table FIELDS")]
pub struct Service {
    pub record_id: RecordId,
    pub owner_id: Option<UserId>,
    pub support_team_id: Option<TeamId>,
    pub criticality: String,
}

details_table!(service, Service, id => Service {
    record_id: id,
    owner_id: None,
    support_team_id: None,
    criticality: "bronze".to_owned(),
});

const FIELDS: &[Field] = &[
    Field::optional("owner_id", "Owner", "Who answers for the service.", Holds::User),
    Field::optional("support_team_id", "Support team", "The team that runs it.", Holds::Team),
    CRITICALITY,
];

const STATES: &[State] = &[
    State { name: "pipeline", label: "Pipeline", phase: Phase::Open },
    State { name: "operational", label: "Operational", phase: Phase::Open },
    State { name: "retired", label: "Retired", phase: Phase::Closed },
];

impl Practice for ServicePractice {
    type Details = Service;
    const IN_USE: &'static [&'static str] = &["operational"];
    const KIND: Kind = Kind {
        name: "service",
        plural: "services",
        label: "Service",
        prefix: "SVC",
        doc: "What customers are served with: who owns it, who runs it, how much depends on it.",
        without: &[
            "requester_id",
            "assignee_id",
            "team_id",
            "priority",
            "impact",
            "urgency",
            "service_id",
            "configuration_item_id",
            "escalation_level",
            "escalated_at",
            "planned_start",
            "planned_end",
        ],
        fields: FIELDS,
        lifecycle: Lifecycle {
            initial: "operational",
            states: STATES,
            steps: &[
                Step {
                    done: "withdrawn",
                    ..Step::new("withdraw", "Withdraw", &["operational"], "pipeline", "It goes back to planning.")
                },
                Step {
                    done: "launched",
                    ..Step::new("launch", "Launch", &["pipeline"], "operational", "Customers are served with it.")
                },
                Step::new(
                    "retire",
                    "Retire",
                    &["pipeline", "operational"],
                    "retired",
                    "Nobody is served with it any more.",
                ),
            ],
        },
        decisions: &[],
        public: true,
    };
}
