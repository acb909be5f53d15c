//! What a change of a record does to its approvals: what covers a changed field is void and asked for again, and whoever now
//! has a part in the record counts no more.

use serde_json::{Map, Value, json};

use super::{
    BESIDE,
    case::Case,
    duty, policy,
    row::{ApprovalRow, StageRow, reason, state},
    stage::{self, Ground, action},
};
use crate::{
    clock::Moment,
    db::JsonText,
    error::Result,
    id::RowId,
    record::{
        header::Header,
        kind::{Kind, Phase},
        store::Desk,
    },
};

/// What a change of a record did to its approvals.
#[derive(Debug, Default)]
pub struct Effects {
    /// For the history of the record.
    pub changes: Map<String, Value>,
    /// What has happened, in the past tense, and to which approval.
    pub events: Vec<(&'static str, Value)>,
}

/// Carries out what a change means for the record's approvals: `before` and `after` are the record's headers, `record` is
/// what it holds afterwards, `changed` which of it is new; `is_asked_again` says that policies have just said anew who approves.
pub fn follow(
    desk: &mut Desk<'_, '_>,
    (before, after): (&Header, &Header),
    record: &Map<String, Value>,
    changed: &Map<String, Value>,
    is_asked_again: bool,
) -> Result<Effects> {
    let cases = Case::standing(desk.unit.reference(), after.id)?;
    let mut effects = Effects::default();
    let kind = desk.kernel.practice(&after.kind)?.kind();
    for case in cases {
        let is_replaced = is_asked_again && case.approval.by_policy;
        match fate(&case, before, after, record, (changed, kind))? {
            Fate::Stands | Fate::Counted if is_replaced => {
                void(desk, case, after, record, (reason::ASKED_AGAIN, false), &mut effects)?;
            }
            Fate::Stands => (),
            Fate::Void { why, again } => void(desk, case, after, record, (why, again && !is_replaced), &mut effects)?,
            Fate::Counted => recount(desk, case, after, &mut effects)?,
        }
    }
    Ok(effects)
}

/// What becomes of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Stands,
    /// It no longer says anything, and is perhaps asked for again.
    Void { why: &'static str, again: bool },
    /// Others count in it.
    Counted,
}

fn fate(
    case: &Case,
    before: &Header,
    after: &Header,
    record: &Map<String, Value>,
    (changed, kind): (&Map<String, Value>, &Kind),
) -> Result<Fate> {
    let is_over = [Phase::Closed, Phase::Cancelled].iter().any(|phase| phase.as_str() == after.phase);
    let covered = case.approval.covered()?;
    let now = |name: &str| record.get(name).unwrap_or(&Value::Null);
    let differs = |(name, asked): (&String, &Value)| {
        changed.contains_key(name) && now(name) != asked && !policy::is_eased(kind, name, asked, now(name))
    };
    let other_parts = duty::parts(before) != duty::parts(after);
    Ok(if covered.iter().any(differs) {
        // What policies have said they say again.
        Fate::Void { why: reason::CHANGED, again: !is_over && !case.approval.by_policy }
    } else if is_over && case.approval.is_pending() {
        Fate::Void { why: reason::CLOSED, again: false }
    } else if other_parts && !is_over && case.rests_on_a_part(after) {
        Fate::Void { why: reason::DUTIES, again: true }
    } else if other_parts && case.approval.is_pending() {
        Fate::Counted
    } else {
        Fate::Stands
    })
}

fn void(
    desk: &mut Desk<'_, '_>,
    mut case: Case,
    after: &Header,
    record: &Map<String, Value>,
    (why, again): (&'static str, bool),
    effects: &mut Effects,
) -> Result<()> {
    let at = desk.cause.at;
    let before = case.told_before();
    case.end_stage(state::VOID, why, at);
    case.end(state::VOID, why, at);
    case.save(desk)?;
    effects.add(action::VOIDED, before, case.told());
    if again {
        let mut next = asked_again(&case, record, at)?;
        let (kernel, connection) = (desk.kernel, desk.unit.connection()?);
        stage::begin(&mut Ground { kernel, connection, record: after, at }, &mut next)?;
        next.save(desk)?;
        effects.add(action::REQUESTED, Value::Null, next.told());
        if !next.approval.is_pending() {
            effects.events.push((action::REJECTED, next.told()));
        }
    }
    Ok(())
}

/// The same approval, of the record as it is now.
fn asked_again(case: &Case, record: &Map<String, Value>, at: Moment) -> Result<Case> {
    let old = &case.approval;
    let names = old.covered()?;
    let covers: Map<String, Value> =
        names.into_iter().map(|(name, _)| (name.clone(), record.get(&name).cloned().unwrap_or_default())).collect();
    let approval = ApprovalRow {
        id: RowId::new(),
        state: state::PENDING.to_owned(),
        reason: String::new(),
        covers: JsonText::of(&covers)?,
        replaces_id: Some(old.id),
        version: 0,
        created_at: at,
        updated_at: at,
        ended_at: None,
        ..old.clone()
    };
    let stages = case.stages.iter().map(|stage| StageRow {
        id: RowId::new(),
        approval_id: approval.id,
        state: state::WAITING.to_owned(),
        reason: String::new(),
        opened_at: None,
        due_at: None,
        ended_at: None,
        ..stage.clone()
    });
    let stages = stages.collect();
    Ok(Case::new(approval, stages))
}

/// Says again who counts in the open stage, which may decide it.
fn recount(desk: &mut Desk<'_, '_>, mut case: Case, after: &Header, effects: &mut Effects) -> Result<()> {
    let (before, at, voters) = (case.told_before(), desk.cause.at, case.voters.clone());
    case.exclude(after);
    if case.voters == voters {
        return Ok(());
    }
    let (kernel, connection) = (desk.kernel, desk.unit.connection()?);
    stage::settle(&mut Ground { kernel, connection, record: after, at }, &mut case)?;
    case.save(desk)?;
    if case.told() != before {
        effects.add(stage::action_of(&case.approval.state, action::ADVANCED), before, case.told());
    }
    Ok(())
}

impl Effects {
    /// One more: the history tells of all under one name, as lists when there are several.
    pub(super) fn add(&mut self, action: &'static str, before: Value, after: Value) {
        self.events.push((action, after.clone()));
        let told = self.changes.entry(BESIDE).or_insert_with(|| json!([[], []]));
        for (side, value) in [before, after].into_iter().enumerate() {
            if let Some(list) = told[side].as_array_mut().filter(|_| !value.is_null()) {
                list.push(value);
            }
        }
    }
}
