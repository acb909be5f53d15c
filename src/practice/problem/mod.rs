//! Problem: the cause, or possible cause, of one or more incidents.

pub mod analysis;
pub mod cluster;
pub mod incidents;
pub mod known_error;
mod lifecycle;
mod near;
pub mod reach;
mod rules;
pub mod run;
pub mod sight;
mod told;
mod word;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Moment,
    db::AnyConnection,
    details_table,
    error::{FieldError, Result},
    id::RecordId,
    record::{
        draft::Draft,
        job,
        kind::{Field, Holds, Kind, Step, Trigger},
        practice::Practice,
        store::{Desk, Reading},
    },
    schema::problem,
};

/// The practice.
pub struct ProblemPractice;

/// A row of the table `problem`. The fields are documented, for people and portals, in [`FIELDS`].
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = problem, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented in the table FIELDS")]
pub struct Problem {
    pub record_id: RecordId,
    pub origin: String,
    pub category: Option<String>,
    pub subcategory: Option<String>,
    pub symptom: Option<String>,
    pub error_code: Option<String>,
    pub cause: Option<String>,
    pub workaround: Option<String>,
    pub known_error_at: Option<Moment>,
    pub workaround_published_at: Option<Moment>,
    pub resolution_notes: Option<String>,
    pub closure: Option<String>,
    pub workaround_audience: Option<String>,
}

details_table!(problem, Problem, id => Problem {
    record_id: id,
    origin: REACTIVE.to_owned(),
    category: None,
    subcategory: None,
    symptom: None,
    error_code: None,
    cause: None,
    workaround: None,
    known_error_at: None,
    workaround_published_at: None,
    resolution_notes: None,
    closure: None,
    workaround_audience: None,
});

/// It began with incidents that had happened.
const REACTIVE: &str = "reactive";
/// It was found before anybody asked: in a trend, in a cluster of incidents.
pub const PROACTIVE: &str = "proactive";
/// The longest text of what is found out.
const TEXT: usize = 8_000;

const FIELDS: &[Field] = &[
    Field::optional(
        "origin",
        "Origin",
        "Whether it is looked into because of incidents that happened (`reactive`), or was found in trends and clusters (`proactive`).",
        Holds::Choice(&[REACTIVE, PROACTIVE]),
    )
    .never_null(),
    Field::optional("category", "Category", "What it is about, coarsely.", Holds::Line(100)),
    Field::optional("subcategory", "Subcategory", "What it is about, finely.", Holds::Line(100)),
    Field::optional("symptom", "Symptom", "What people see of it.", Holds::Text(TEXT)),
    Field::optional(
        "error_code",
        "Error code",
        "The code or message by which it is recognised, such as `ORA-01555`.",
        Holds::Line(200),
    ),
    Field::optional("cause", "Root cause", "Why it happens.", Holds::Text(TEXT)),
    Field::optional(
        "workaround",
        "Workaround",
        "How its incidents are dealt with until it is gone.",
        Holds::Text(TEXT),
    ),
    Field::by_server(
        "known_error_at",
        "Known error since",
        "Since when both cause and workaround are known; null while one of them is not.",
        Holds::Time,
    ),
    Field::by_server(
        "workaround_published_at",
        "Workaround published",
        "When the workaround that stands here was last written to its incidents; null where they have none, or another one.",
        Holds::Time,
    ),
    Field::by_step("resolution_notes", "Resolution notes", "How the cause was removed.", Holds::Text(TEXT)),
    Field::by_server(
        "closure",
        "Closed as",
        "Whether its cause is gone (`resolved`) or is lived with (`risk_accepted`); null while it is not closed.",
        Holds::Choice(&[rules::RESOLVED, rules::RISK_ACCEPTED]),
    ),
    Field::by_server(
        "workaround_audience",
        "Workaround published to",
        "Who reads the published workaround: everybody who sees its incidents (`public`), or those who work on them (`internal`). Incidents \
         that are linked later are told of it as well.",
        Holds::Choice(told::AUDIENCES),
    ),
];

impl Practice for ProblemPractice {
    type Details = Problem;
    const JOBS: &'static [(&'static str, job::Do)] = &[(run::KIND, run::run)];
    const KIND: Kind = Kind {
        name: "problem",
        plural: "problems",
        label: "Problem",
        prefix: "PRB",
        doc: "The cause, or possible cause, of one or more incidents, which are linked by `caused_by`. Once cause and workaround are known it is a known error, which is found while an incident is typed.",
        without: &["planned_start", "planned_end", "escalation_level", "escalated_at"],
        fields: FIELDS,
        lifecycle: lifecycle::LIFECYCLE,
        decisions: &[
            Trigger {
                on_change_of: &["impact", "urgency", "service_id", "configuration_item_id"],
                ..Trigger::of("priority")
            },
            Trigger {
                on_change_of: &["category", "subcategory", "service_id", "configuration_item_id", "priority"],
                ..Trigger::of("routing")
            },
            Trigger::of("guard"),
        ],
        public: false,
    };

    fn ship(connection: &mut AnyConnection, _now: Moment) -> Result<()> {
        word::ship(connection)
    }
    fn settle(draft: &mut Draft<Problem>, desk: &mut Desk<'_, '_>) -> Result<()> {
        rules::derive(draft, desk.cause.at);
        word::keep(draft, desk)
    }
    fn linked_from(desk: &mut Desk<'_, '_>, problem: RecordId, from: RecordId, relation: &str) -> Result<()> {
        reach::linked(desk, problem, from, relation)
    }
    fn obstacles(draft: &Draft<Problem>, step: &Step, reading: &mut Reading<'_>) -> Result<Vec<FieldError>> {
        rules::obstacles(draft, step, reading)
    }
    fn enter(draft: &mut Draft<Problem>, step: &Step, _desk: &mut Desk<'_, '_>) -> Result<()> {
        rules::enter(draft, step);
        Ok(())
    }
}
