//! Change: something is to be other than it is, and nothing is to break by it.
//!
//! Owns: the kind ([`fields`], [`lifecycle`]), what stands beside it, its rules ([`rules`]), and what stands around it ([`around`]).
//!
//! **Invariant:** the risk is never lower than what rules or questionnaire say.
//! **Invariant:** a change is scheduled and begun only while every approval that stands is given.

pub mod around;
pub mod cab;
pub mod caused;
pub mod conflict;
pub mod feed;
mod fields;
mod lifecycle;
pub mod model;
pub mod plan;
pub mod questionnaire;
mod rules;
pub mod window;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use self::model::ModelRow;
use crate::{
    clock::Moment,
    db::AnyConnection,
    details_table,
    error::{FieldError, Result},
    id::RecordId,
    record::{
        decide::Effect,
        draft::Draft,
        drift::Drift,
        kind::{Kind, Step, Trigger},
        practice::Practice,
        store::{Desk, Reading},
    },
    schema::change,
};

pub use fields::{EMERGENCY, NORMAL, RESULTS, RISKS, STANDARD, TYPES};

/// The practice.
pub struct ChangePractice;

/// A row of the table `change`. The fields are documented, for people and portals, in [`fields::FIELDS`].
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = change, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented in the table FIELDS")]
pub struct Change {
    pub record_id: RecordId,
    pub change_type: String,
    pub model: Option<String>,
    pub justification: Option<String>,
    pub risk: String,
    pub rule_risk: Option<String>,
    pub questionnaire_risk: Option<String>,
    pub team_failures: i32,
    pub implementation_plan: Option<String>,
    pub backout_plan: Option<String>,
    pub test_plan: Option<String>,
    pub communication_plan: Option<String>,
    pub outage_start: Option<Moment>,
    pub outage_end: Option<Moment>,
    pub conflict_count: i32,
    pub blackout: Option<String>,
    pub actual_start: Option<Moment>,
    pub actual_end: Option<Moment>,
    pub result: Option<String>,
    pub result_notes: Option<String>,
    pub cab_review: Option<String>,
    pub review_notes: Option<String>,
    pub reviewed_at: Option<Moment>,
    pub criticality: Option<String>,
}

details_table!(change, Change, id => Change {
    record_id: id,
    change_type: NORMAL.to_owned(),
    model: None,
    justification: None,
    risk: RISKS[0].to_owned(),
    rule_risk: None,
    questionnaire_risk: None,
    team_failures: 0,
    implementation_plan: None,
    backout_plan: None,
    test_plan: None,
    communication_plan: None,
    outage_start: None,
    outage_end: None,
    conflict_count: 0,
    blackout: None,
    actual_start: None,
    actual_end: None,
    result: None,
    result_notes: None,
    cab_review: None,
    review_notes: None,
    reviewed_at: None,
    criticality: None,
});

/// What is approved: a change of one of these asks again.
///
/// **Invariant:** what a caller can write of it is fixed once work has begun.
const APPROVED: &[&str] = &[
    "title",
    "description",
    "change_type",
    "service_id",
    "configuration_item_id",
    "planned_start",
    "planned_end",
    "implementation_plan",
    "backout_plan",
    "outage_start",
    "outage_end",
    "risk",
    "criticality",
    "conflict_count",
    "blackout",
];

impl Practice for ChangePractice {
    type Details = Change;
    const KIND: Kind = Kind {
        name: "change",
        plural: "changes",
        label: "Change",
        prefix: "CHG",
        doc: "Something is to be other than it is: a standard change that was agreed once and for all, a normal one, or an emergency. The aim is that \
              what is useful comes soon, and that nothing breaks by it.",
        without: &["priority", "impact", "urgency", "escalation_level", "escalated_at"],
        fields: fields::FIELDS,
        lifecycle: lifecycle::LIFECYCLE,
        decisions: &[
            Trigger { on_change_of: &["service_id", "configuration_item_id"], ..Trigger::of("routing") },
            Trigger {
                on_change_of: &[
                    "change_type",
                    "model",
                    "service_id",
                    "configuration_item_id",
                    "planned_start",
                    "planned_end",
                    "backout_plan",
                    "test_plan",
                    "outage_start",
                    "outage_end",
                    "team_id",
                    "team_failures",
                    "criticality",
                    "conflict_count",
                    "blackout",
                ],
                // It is approved as it is then: what others do later makes it no other.
                in_states: lifecycle::BEFORE_WORK,
                ..Trigger::of("assess_risk")
            },
            Trigger {
                on_change_of: APPROVED,
                eases: &["conflict_count", "blackout", "risk"],
                in_states: lifecycle::ASKED,
                ..Trigger::of("approve")
            },
            Trigger::of("guard"),
        ],
        public: false,
    };

    fn ship(connection: &mut AnyConnection, now: Moment) -> Result<()> {
        questionnaire::seed(connection, now)
    }
    fn begins_in(draft: &Draft<Change>) -> &'static str {
        if draft.details.change_type == EMERGENCY { lifecycle::AUTHORISE } else { lifecycle::NEW }
    }
    fn choices(field: &str, connection: &mut AnyConnection) -> Result<Option<Vec<String>>> {
        if field == "model" { ModelRow::names(connection).map(Some) } else { Ok(None) }
    }
    fn settle(draft: &mut Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
        rules::settle(draft, desk)
    }
    fn obstacles(draft: &Draft<Change>, step: &Step, _reading: &mut Reading<'_>) -> Result<Vec<FieldError>> {
        Ok(rules::obstacles(draft, step))
    }
    fn enter(draft: &mut Draft<Change>, step: &Step, desk: &mut Desk<'_, '_>) -> Result<()> {
        rules::enter(draft, step, desk.cause.at);
        Ok(())
    }
    fn relinked(desk: &mut Desk<'_, '_>, id: RecordId, relation: &str) -> Result<()> {
        around::relinked(desk, id, relation)
    }
    fn related(desk: &mut Desk<'_, '_>, ends: &[RecordId]) -> Result<()> {
        around::related(desk, ends)
    }
    fn drifted(desk: &mut Desk<'_, '_>, drift: &Drift) -> Result<()> {
        caused::found(desk, drift)
    }
    fn follow(written: &Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
        model::give_tasks(written, desk)?;
        around::moved(written, desk)
    }
    fn timer(name: &str, record: RecordId, desk: &mut Desk<'_, '_>) -> Result<()> {
        if name == around::TIMER { around::recheck(desk, record) } else { Ok(()) }
    }
    fn carry_out(draft: &mut Draft<Change>, effect: &Effect) -> bool {
        rules::carry_out(draft, effect)
    }
}
