//! Incident: an unplanned interruption of a service or a loss of its quality.

mod lifecycle;
pub mod major;
mod rules;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Moment,
    details_table,
    error::{FieldError, Result},
    id::RecordId,
    record::{
        draft::Draft,
        kind::{CHANNELS, Field, Holds, Kind, Step, Trigger},
        practice::Practice,
        store::{Desk, Reading},
    },
    schema::incident,
};

/// The practice.
pub struct IncidentPractice;

/// A row of the table `incident`. The fields are documented, for people and portals, in [`FIELDS`].
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = incident, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented in the table FIELDS")]
pub struct Incident {
    pub record_id: RecordId,
    pub incident_type: String,
    pub channel: String,
    pub category: Option<String>,
    pub subcategory: Option<String>,
    pub symptom: Option<String>,
    pub location: Option<String>,
    pub hold_reason: Option<String>,
    pub held_at: Option<Moment>,
    pub resolution_code: Option<String>,
    pub resolution_notes: Option<String>,
    pub resolution_kind: Option<String>,
    pub reassignment_count: i32,
    pub reopen_count: i32,
    pub parent_id: Option<RecordId>,
    pub duplicate_of_id: Option<RecordId>,
    pub major: Option<String>,
}

details_table!(incident, Incident, id => Incident {
    record_id: id,
    incident_type: "service".to_owned(),
    channel: "portal".to_owned(),
    category: None,
    subcategory: None,
    symptom: None,
    location: None,
    hold_reason: None,
    held_at: None,
    resolution_code: None,
    resolution_notes: None,
    resolution_kind: None,
    reassignment_count: 0,
    reopen_count: 0,
    parent_id: None,
    duplicate_of_id: None,
    major: None,
});

/// What an incident waits for.
const HOLD_REASONS: &[&str] = &["caller", "change", "problem", "supplier"];

const FIELDS: &[Field] = &[
    Field::optional(
        "incident_type",
        "Type",
        "What kind of thing fails.",
        Holds::Choice(&["application", "hardware", "service", "security"]),
    )
    .never_null(),
    Field::optional("channel", "Channel", "How it was reported.", Holds::Choice(CHANNELS)).never_null(),
    Field::optional("category", "Category", "What it is about, coarsely.", Holds::Line(100)),
    Field::optional("subcategory", "Subcategory", "What it is about, finely.", Holds::Line(100)),
    Field::optional("symptom", "Symptom", "What is seen of it.", Holds::Line(100)),
    Field::optional("location", "Location", "Where it happens.", Holds::Line(100)),
    Field::by_step(
        "hold_reason",
        "Waits for",
        "What an incident on hold waits for. `caller` needs a public comment that says what is asked.",
        Holds::Choice(HOLD_REASONS),
    ),
    Field::by_server("held_at", "On hold since", "When it was put on hold.", Holds::Time),
    Field::by_step("resolution_code", "Resolution code", "How it was resolved, from your own list.", Holds::Line(100)),
    Field::by_step(
        "resolution_notes",
        "Resolution notes",
        "How it was resolved, for the caller and for whoever meets it next.",
        Holds::Text(8_000),
    ),
    Field::by_step(
        "resolution_kind",
        "Resolution",
        "Whether the cause is gone (`permanent`) or avoided (`workaround`).",
        Holds::Choice(&["workaround", "permanent"]),
    ),
    Field::by_server("reassignment_count", "Reassignments", "How often the team changed.", Holds::Integer(0, i32::MAX))
        .never_null(),
    Field::by_server(
        "reopen_count",
        "Reopenings",
        "How often it came back after it was resolved or closed.",
        Holds::Integer(0, i32::MAX),
    )
    .never_null(),
    Field::optional(
        "parent_id",
        "Parent",
        "The incident of which this one is a part: its start, hold and resolution flow down to this one.",
        Holds::Record("incident"),
    ),
    Field::optional(
        "duplicate_of_id",
        "Duplicate of",
        "The incident that tells of the same thing: its resolution resolves this one.",
        Holds::Record("incident"),
    ),
    Field::by_server(
        "major",
        "Major incident",
        "Where it stands as a major incident; null where nobody proposed it.",
        Holds::Choice(&[major::PROPOSED, major::ACCEPTED, major::REJECTED]),
    ),
];

impl Practice for IncidentPractice {
    type Details = Incident;
    const KIND: Kind = Kind {
        name: "incident",
        plural: "incidents",
        label: "Incident",
        prefix: "INC",
        doc: "An unplanned interruption of a service, or a loss of its quality. The aim is to restore it soon; the cause is the business of a problem.",
        without: &["planned_start", "planned_end"],
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
            Trigger { on_change_of: &["reopen_count", "reassignment_count", "priority"], ..Trigger::of("escalation") },
        ],
        public: false,
    };

    fn settle(draft: &mut Draft<Incident>, desk: &mut Desk<'_, '_>) -> Result<()> {
        rules::refuse_loops(draft, desk)
    }
    fn count(draft: &mut Draft<Incident>) {
        rules::count_reassignment(draft);
    }
    fn obstacles(draft: &Draft<Incident>, step: &Step, _reading: &mut Reading<'_>) -> Result<Vec<FieldError>> {
        Ok(rules::obstacles(draft, step))
    }
    fn enter(draft: &mut Draft<Incident>, step: &Step, desk: &mut Desk<'_, '_>) -> Result<()> {
        rules::enter(draft, step, desk.cause.at);
        Ok(())
    }
    fn implied(draft: &Draft<Incident>, desk: &Desk<'_, '_>) -> Option<&'static str> {
        rules::caller_answered(draft, desk.cause.caller.user).then_some("resume")
    }
    fn follow(written: &Draft<Incident>, desk: &mut Desk<'_, '_>) -> Result<()> {
        rules::plan_auto_close(written, desk);
        major::follow(written, desk)?;
        rules::flow_down(written, desk)
    }
    fn propose_major(draft: &mut Draft<Incident>, _desk: &Desk<'_, '_>) -> bool {
        let is_new = draft.details.major.is_none();
        if is_new {
            draft.details.major = Some(major::PROPOSED.to_owned());
        }
        is_new
    }
    fn timer(name: &str, record: RecordId, desk: &mut Desk<'_, '_>) -> Result<()> {
        match name {
            rules::AUTO_CLOSE => rules::auto_close(record, desk),
            _ => major::remind(name, record, desk),
        }
    }
}
