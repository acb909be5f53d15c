//! Interaction: one contact with the service desk.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    details_table,
    error::{Error, Result},
    id::RecordId,
    record::{
        kind::{CHANNELS, Field, Holds, Kind, Lifecycle, Phase, State, Step},
        practice::{AnyPractice, Mounted, Practice},
        raise::taken_over,
        step::StepChoice,
        store::{Desk, Outcome},
    },
    schema::interaction,
};

/// The practice.
pub struct InteractionPractice;

/// A row of the table `interaction`. The fields are documented, for people and portals, in [`FIELDS`].
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = interaction, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented in the table FIELDS")]
pub struct Interaction {
    pub record_id: RecordId,
    pub channel: String,
    pub contact: Option<String>,
    pub resolution_notes: Option<String>,
    pub target_id: Option<RecordId>,
}

details_table!(interaction, Interaction, id => Interaction {
    record_id: id,
    channel: "phone".to_owned(),
    contact: None,
    resolution_notes: None,
    target_id: None,
});

const FIELDS: &[Field] = &[
    Field::optional("channel", "Channel", "How the contact came.", Holds::Choice(CHANNELS)).never_null(),
    Field::optional("contact", "Contact", "Where to reach the person: a number, an address.", Holds::Line(200)),
    Field::by_step(
        "resolution_notes",
        "Resolution notes",
        "What was said, when it was settled at once.",
        Holds::Text(8_000),
    ),
    Field::by_step(
        "target_id",
        "Became",
        "The incident that it became, or that it was about.",
        Holds::Record("incident"),
    ),
];

const STATES: &[State] = &[
    State { name: "open", label: "Open", phase: Phase::Open },
    State { name: "linked", label: "Linked", phase: Phase::Done },
    State { name: "resolved", label: "Resolved", phase: Phase::Done },
    State { name: "closed", label: "Closed", phase: Phase::Closed },
];

const STEPS: &[Step] = &[
    Step {
        requires: &["target_id"],
        accepts: &["target_id"],
        ..Step::new("link", "Link", &["open"], "linked", "It was about an incident that is known.")
    },
    Step {
        requires: &["resolution_notes"],
        accepts: &["resolution_notes"],
        ..Step::new("resolve", "Resolve", &["open"], "resolved", "It was settled at once.")
    },
    Step::new("close", "Close", &["linked", "resolved"], "closed", "Nothing more is to be done."),
];

impl Practice for InteractionPractice {
    type Details = Interaction;
    const KIND: Kind = Kind {
        name: "interaction",
        plural: "interactions",
        label: "Interaction",
        prefix: "INT",
        doc: "One contact with the service desk, by whatever channel. It is settled at once, linked to an incident or turned into one.",
        without: &["priority", "planned_start", "planned_end", "escalation_level", "escalated_at"],
        fields: FIELDS,
        lifecycle: Lifecycle { initial: "open", states: STATES, steps: STEPS },
        decisions: &[],
        public: false,
    };
}

/// Turns a contact into an incident, in one transaction: makes the incident with what the contact holds and `input` adds,
/// and links the contact to it.
pub fn convert(
    desk: &mut Desk<'_, '_>,
    interaction: Map<String, Value>,
    id: RecordId,
    expected: Option<i32>,
    input: Map<String, Value>,
) -> Result<(Outcome, Outcome)> {
    let incidents = desk.kernel.practice("incident")?;
    let made = incidents.create(desk, taken_over(incidents.kind(), &interaction, input))?;
    let practice = Mounted::<InteractionPractice>::new();
    let link = practice.kind().lifecycle.step("link").ok_or_else(|| Error::internal("no step `link`"))?;
    let target = Map::from_iter([("target_id".to_owned(), Value::from(made.id.to_string()))]);
    let contact = practice.step(desk, id, expected, &StepChoice::Named(link), target)?;
    Ok((contact, made))
}
