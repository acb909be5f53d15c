//! Configuration item: what has to be managed to deliver a service: of which class it is, what it has, what it depends on.
//!
//! - [`classes`]: those that ship; [`import`]: what sources tell of; [`baseline`]: what was there at a moment;
//! - [`health`]: how complete, correct and compliant they are; [`certification`]: who says that what is known of them is right.

pub mod baseline;
pub mod certification;
pub mod classes;
pub mod health;
pub mod import;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    details_table,
    error::Result,
    id::{RecordId, TeamId, UserId},
    record::{
        catalogue::Findable,
        class, graph, job,
        kind::{CRITICALITY, Field, Holds, Kind, Lifecycle, Phase, State, Step},
        practice::Practice,
        store::Desk,
    },
    schema::configuration_item,
};

/// The practice.
pub struct ConfigurationItemPractice;

/// A row of the table `configuration_item`. The fields are documented, for people and portals, in [`FIELDS`].
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = configuration_item, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented in the table FIELDS")]
pub struct ConfigurationItem {
    pub record_id: RecordId,
    pub class: String,
    pub environment: String,
    pub criticality: String,
    pub owner_id: Option<UserId>,
    pub support_team_id: Option<TeamId>,
    pub attributes: JsonText,
    pub certified_at: Option<Moment>,
}

details_table!(configuration_item, ConfigurationItem, id => ConfigurationItem {
    record_id: id,
    class: "other".to_owned(),
    environment: "production".to_owned(),
    criticality: "bronze".to_owned(),
    owner_id: None,
    support_team_id: None,
    attributes: JsonText::empty_object(),
    certified_at: None,
});

const FIELDS: &[Field] = &[
    Field::optional(
        "class",
        "Class",
        "What kind of thing it is: the name of a class (`GET /api/v1/classes`), which says which attributes it has.",
        Holds::Class,
    )
    .required(),
    Field::optional(
        "environment",
        "Environment",
        "What it is used for.",
        Holds::Choice(&["production", "staging", "test", "development"]),
    )
    .never_null(),
    CRITICALITY,
    Field::optional("owner_id", "Owner", "Who answers for it.", Holds::User),
    Field::optional("support_team_id", "Support team", "The team that looks after it.", Holds::Team),
    Field::optional(
        "attributes",
        "Attributes",
        "What its class says that it has, by name. A change is merged: what is left out stays.",
        Holds::Attributes,
    )
    .never_null(),
    Field::by_server(
        "certified_at",
        "Certified at",
        "When somebody who answers for it last said that what is known of it is right; null where nobody has, or somebody has said otherwise since.",
        Holds::Time,
    ),
];

const STATES: &[State] = &[
    State { name: "planned", label: "Planned", phase: Phase::Open },
    State { name: "ordered", label: "Ordered", phase: Phase::Open },
    State { name: "in_stock", label: "In stock", phase: Phase::Open },
    State { name: "live", label: "Live", phase: Phase::Open },
    State { name: "in_maintenance", label: "In maintenance", phase: Phase::Waiting },
    State { name: "retired", label: "Retired", phase: Phase::Closed },
];

impl Practice for ConfigurationItemPractice {
    type Details = ConfigurationItem;
    const IN_USE: &'static [&'static str] = &["live"];

    fn ship(connection: &mut AnyConnection, now: Moment) -> Result<()> {
        class::shipped::seed(connection, Self::KIND.name, classes::SHIPPED, now)?;
        graph::types::seed(connection, now)?;
        import::row::seed(connection, now)
    }
    const FINDABLE: &'static [Findable] = &[
        Findable {
            name: "seen_at",
            table: "configuration_seen",
            record: "record_id",
            column: "seen_at",
            holds: Holds::Time,
        },
        Findable {
            name: "source",
            table: "configuration_seen",
            record: "record_id",
            column: "source",
            holds: Holds::Line(60),
        },
    ];
    const JOBS: &'static [(&'static str, job::Do)] =
        &[(import::KIND, import::run::run), (baseline::KIND_OF_JOB, baseline::take)];
    const KIND: Kind = Kind {
        name: "configuration_item",
        plural: "configuration_items",
        label: "ConfigurationItem",
        prefix: "CI",
        doc: "Something that has to be managed to deliver a service: its class, where it is used, who looks after it.",
        without: &[
            "requester_id",
            "assignee_id",
            "team_id",
            "priority",
            "impact",
            "urgency",
            "configuration_item_id",
            "escalation_level",
            "escalated_at",
            "planned_start",
            "planned_end",
        ],
        fields: FIELDS,
        lifecycle: Lifecycle {
            initial: "planned",
            states: STATES,
            steps: &[
                Step::new("order", "Order", &["planned"], "ordered", "It has been ordered."),
                Step {
                    done: "received",
                    ..Step::new(
                        "receive",
                        "Receive",
                        &["planned", "ordered"],
                        "in_stock",
                        "It has come and waits for use.",
                    )
                },
                Step {
                    done: "went_live",
                    ..Step::new(
                        "go_live",
                        "Go live",
                        &["planned", "ordered", "in_stock", "in_maintenance"],
                        "live",
                        "It is in use.",
                    )
                },
                Step {
                    done: "taken_out",
                    ..Step::new(
                        "maintain",
                        "Maintain",
                        &["live"],
                        "in_maintenance",
                        "It is out of use while it is worked on.",
                    )
                },
                Step::new(
                    "retire",
                    "Retire",
                    &["planned", "ordered", "in_stock", "live", "in_maintenance"],
                    "retired",
                    "It is used no more.",
                ),
                Step {
                    done: "reinstated",
                    ..Step::new(
                        "reinstate",
                        "Reinstate",
                        &["retired"],
                        "live",
                        "It was retired too soon: it is in use.",
                    )
                },
            ],
        },
        decisions: &[],
        public: true,
    };

    fn timer(name: &str, record: RecordId, desk: &mut Desk<'_, '_>) -> Result<()> {
        certification::remind(desk, name, record)
    }
}
