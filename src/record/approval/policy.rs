//! Approvals that policies ask for or give.
//!
//! **Invariant:** where no policy could say anything, or whom it names can't decide, it is held: who manages changes is asked, and where
//! nobody can be, the approval is refused.

use serde_json::{Map, Value};

use super::{
    again::Effects,
    ask::{self, ApprovalQuorum, NewApproval, NewApprovalStage, OnDue, QuorumKind},
    case::Case,
    row::{ApprovalRow, reason, state},
    stage::{self, Ground, action},
    voters::{Approver, ApproverKind},
};
use crate::{
    db::AnyConnection,
    error::{FieldError, Result},
    id::RecordId,
    record::{
        header::Header,
        kind::{Holds, Kind, Trigger},
        store::Desk,
    },
};

/// The decision that says who approves.
pub const DECISION: &str = "approve";
/// The role whose holders are asked where policies say nothing.
pub const FALLBACK: &str = "change_manager";

/// What policies want of the approval of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// It is given, by these policies.
    Granted(String),
    /// It is not given, for this reason.
    Refused(String),
    /// These people are asked, one stage after the other.
    Asked(Vec<NewApprovalStage>),
    /// Somebody could not say anything, or nobody did: whoever manages changes is asked, after those that others name.
    Unanswered(Vec<NewApprovalStage>),
}

/// The approval that comes of a wish, for a record that holds this; it is to be stored once the record is.
pub fn drawn_up(
    desk: &mut Desk<'_, '_>,
    (kind, header): (&'static Kind, &Header),
    record: &Map<String, Value>,
    wish: &Wish,
    effects: &mut Effects,
) -> Result<Case> {
    let covers = covered(kind, record);
    let case = match wish {
        Wish::Granted(by) => {
            let mut case = blank(desk, header, (by, Vec::new()), &covers)?;
            case.end(state::APPROVED, reason::POLICY, desk.cause.at);
            case
        }
        Wish::Refused(why) => {
            let mut case = blank(desk, header, (why, Vec::new()), &covers)?;
            case.end(state::REJECTED, reason::POLICY, desk.cause.at);
            case
        }
        Wish::Asked(stages) => {
            let (stages, why) = reachable(desk, header, stages, &covers)?;
            begun(desk, header, (&why, stages), &covers)?
        }
        Wish::Unanswered(stages) => {
            let stages: Vec<NewApprovalStage> = stages.iter().cloned().chain([held()]).collect();
            let (stages, _) = reachable(desk, header, &stages, &covers)?;
            begun(desk, header, ("No policy says who approves.", stages), &covers)?
        }
    };
    let now = case.approval.state.as_str();
    effects.add(stage::action_of(now, action::REQUESTED), Value::Null, case.told());
    Ok(case)
}

/// What is covered: the fields whose change asks the policies again.
fn covered(kind: &Kind, record: &Map<String, Value>) -> Map<String, Value> {
    approved(kind).iter().map(|name| ((*name).to_owned(), record.get(*name).cloned().unwrap_or_default())).collect()
}

/// Of an approval that is asked for again with nobody behind it, whoever asked before is who asks: they have no part in it either.
fn blank(
    desk: &mut Desk<'_, '_>,
    header: &Header,
    (why, stages): (&str, Vec<NewApprovalStage>),
    covers: &Map<String, Value>,
) -> Result<Case> {
    let title = header.title.chars().take(ask::TITLE).collect();
    let description = why.chars().take(ask::PROSE).collect();
    let mut case = ask::drawn_up(desk, header, &NewApproval { title, description, covers: None, stages }, covers)?;
    case.approval.by_policy = true;
    if !desk.cause.is_by_somebody() {
        let last = ApprovalRow::last_by_policy(desk.unit.reference(), header.id)?;
        case.approval.asked_by_id = last.map_or(case.approval.asked_by_id, |last| last.asked_by_id);
    }
    Ok(case)
}

fn begun(
    desk: &mut Desk<'_, '_>,
    header: &Header,
    asked: (&str, Vec<NewApprovalStage>),
    covers: &Map<String, Value>,
) -> Result<Case> {
    let mut case = blank(desk, header, asked, covers)?;
    let (kernel, at) = (desk.kernel, desk.cause.at);
    let connection = desk.unit.reference();
    stage::begin(&mut Ground { kernel, connection, record: header, at }, &mut case)?;
    Ok(case)
}

/// The stages, with whoever manages changes in the place of those in which nobody could decide; and what is to be said of that.
fn reachable(
    desk: &mut Desk<'_, '_>,
    header: &Header,
    stages: &[NewApprovalStage],
    covers: &Map<String, Value>,
) -> Result<(Vec<NewApprovalStage>, String)> {
    let case = blank(desk, header, ("", stages.to_vec()), covers)?;
    let (kernel, at) = (desk.kernel, desk.cause.at);
    let mut ground = Ground { kernel, connection: desk.unit.reference(), record: header, at };
    let (mut kept, mut undecidable) = (Vec::new(), Vec::new());
    for (wanted, row) in stages.iter().zip(&case.stages) {
        if stage::reach(&mut ground, &case.approval, row)?.is_enough {
            kept.push(wanted.clone());
            continue;
        }
        if undecidable.is_empty() {
            kept.push(held());
        }
        undecidable.push(format!("\"{}\"", wanted.name));
    }
    let why = match undecidable.is_empty() {
        true => String::new(),
        false => format!(
            "Nobody whom the policies name can decide {}: whoever manages changes is asked instead, until an administrator says who can.",
            undecidable.join(", ")
        ),
    };
    Ok((kept, why))
}

/// Whoever manages changes is asked in the place of whom policies would have named.
fn held() -> NewApprovalStage {
    let role =
        |name: &str| Approver { kind: ApproverKind::Role, user_id: None, team_id: None, role: Some(name.to_owned()) };
    NewApprovalStage {
        name: "Change manager".to_owned(),
        approvers: vec![role(FALLBACK), role(crate::auth::permission::ADMINISTRATOR)],
        quorum: ApprovalQuorum { kind: QuorumKind::Any, number: None },
        due_after: None,
        calendar: None,
        on_due: OnDue::Reject,
    }
}

/// What is in the way of a step that needs every approval that stands to be given; nothing where there is none either, and the
/// policies may still be asked. Where policies say who approves, what they have asked for last is given as well: what others ask for
/// comes on top of it, and does not take its place. What was given by whoever has a part in the record by now is not given.
pub fn in_the_way(connection: &mut AnyConnection, kind: &Kind, record: &Header) -> Result<Standing> {
    let standing = Case::standing(connection, record.id)?;
    let of_policies = if asks_policies(kind) { ApprovalRow::last_by_policy(connection, record.id)? } else { None };
    if standing.iter().any(|case| case.rests_on_a_part(record)) {
        return Ok(Standing::Missing(missing(
            "Who has a part in it has had a say in its approval: name them before, and others are asked.",
        )));
    }
    let last = of_policies.as_ref().map(|last| last.state.as_str()).filter(|last| *last != state::VOID);
    let pending = standing.iter().find(|case| case.approval.is_pending());
    Ok(match (pending, last) {
        (Some(case), _) => {
            Standing::Missing(missing(&format!("The approval \"{}\" is not decided yet.", case.approval.title)))
        }
        (None, Some(state::APPROVED)) => Standing::Given,
        (None, Some(ended)) => Standing::Missing(missing(&format!("Its approval is {ended}: ask for it again."))),
        (None, None) if standing.is_empty() || asks_policies(kind) => Standing::None,
        (None, None) => Standing::Given,
    })
}

/// Whether what stands rests on who has a part in the record: policies give it by themselves, or somebody has voted who has a part in it now.
pub fn rests_on_parts(connection: &mut AnyConnection, record: &Header) -> Result<bool> {
    if is_given_by_policies(connection, record.id)? {
        return Ok(true);
    }
    let mut standing = Case::standing(connection, record.id)?.into_iter();
    Ok(standing.any(|case| case.approval.by_policy && case.rests_on_a_part(record)))
}

/// Whether what policies said last of a record's approval is that they give it by themselves, and that stands.
pub fn is_given_by_policies(connection: &mut AnyConnection, record: RecordId) -> Result<bool> {
    let last = ApprovalRow::last_by_policy(connection, record)?;
    Ok(last.is_some_and(|last| last.state == state::APPROVED && last.reason == reason::POLICY))
}

/// Whether policies say who approves of records of a kind.
pub fn asks_policies(kind: &Kind) -> bool {
    trigger(kind).is_some()
}

fn trigger(kind: &Kind) -> Option<&Trigger> {
    kind.decisions.iter().find(|trigger| trigger.decision == DECISION)
}

/// What is approved of records of a kind: what a change of asks the policies again.
pub fn approved(kind: &Kind) -> &'static [&'static str] {
    trigger(kind).map(|trigger| trigger.on_change_of).unwrap_or_default()
}

/// What is approved of a record and has changed.
pub fn changed<'a>(
    kind: &Kind,
    before: &'a Map<String, Value>,
    after: &'a Map<String, Value>,
) -> impl Iterator<Item = &'static str> + use<'a> {
    approved(kind).iter().copied().filter(|name| before.get(*name) != after.get(*name))
}

/// What of a record, as it is now, is not covered by what policies asked for last, where that is given. What was not asked about when it was
/// given is as it was before this write.
pub fn beyond(
    connection: &mut AnyConnection,
    kind: &Kind,
    record: &Header,
    (was, now): (&Map<String, Value>, &Map<String, Value>),
) -> Result<Option<Vec<&'static str>>> {
    let last = ApprovalRow::last_by_policy(connection, record.id)?.filter(|last| last.state == state::APPROVED);
    let Some(given) = last else { return Ok(None) };
    let covered = given.covered()?;
    let is_beyond = |name: &&str| {
        let held = |of: &Map<String, Value>| of.get(*name).cloned().unwrap_or_default();
        let (asked, now) = (covered.get(*name).cloned().unwrap_or_else(|| held(was)), held(now));
        asked != now && !is_eased(kind, name, &asked, &now)
    };
    Ok(Some(approved(kind).iter().copied().filter(is_beyond).collect()))
}

/// Whether what was asked about is still approved as it is now, because there is less of it. Words of a choice stand in their order.
pub fn is_eased(kind: &Kind, name: &str, asked: &Value, now: &Value) -> bool {
    let place = |value: &Value| {
        let holds = kind.field(name).map(|field| field.holds);
        let word =
            if let Some(Holds::Choice(words)) = holds { words.iter().position(|word| value == word) } else { None };
        word.and_then(|place| i64::try_from(place).ok()).or_else(|| value.as_i64())
    };
    let is_less = now.is_null() || place(now).zip(place(asked)).is_some_and(|(now, asked)| now < asked);
    is_less && trigger(kind).is_some_and(|trigger| trigger.eases.contains(&name))
}

/// How a record stands with its approvals.
pub enum Standing {
    /// All that say something are given.
    Given,
    /// One is not.
    Missing(FieldError),
    /// There is none that says anything.
    None,
}

/// Says that an approval is missing.
pub fn missing(detail: &str) -> FieldError {
    FieldError::new("", "approval", detail)
}
