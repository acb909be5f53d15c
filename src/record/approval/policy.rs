//! Approvals that policies ask for or give.
//!
//! **Invariant:** where no policy could say anything, or whom it names can't decide, it is held: who manages changes is asked, and where
//! nobody can be, the approval is refused.

use serde_json::{Map, Value};

use super::{
    again::Effects,
    ask::{self, ApprovalQuorum, NewApproval, NewApprovalStage, OnDue, QuorumKind},
    case::Case,
    row::{reason, state},
    stage::{self, Ground, action},
    voters::{Approver, ApproverKind},
};
use crate::{
    db::AnyConnection,
    error::{FieldError, Result},
    id::RecordId,
    record::{header::Header, kind::Kind, store::Desk},
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
    /// Nobody could say anything.
    Unanswered,
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
            let case = begun(desk, header, ("", stages.clone()), &covers)?;
            let nobody = case.approval.reason == reason::UNREACHABLE;
            if nobody { held(desk, header, "Whom the policies name can't decide.", &covers)? } else { case }
        }
        Wish::Unanswered => held(desk, header, "No policy says who approves.", &covers)?,
    };
    let now = case.approval.state.as_str();
    effects.add(stage::action_of(now, action::REQUESTED), Value::Null, case.told());
    Ok(case)
}

/// What is covered: the fields whose change asks the policies again.
fn covered(kind: &Kind, record: &Map<String, Value>) -> Map<String, Value> {
    let trigger = kind.decisions.iter().find(|trigger| trigger.decision == DECISION);
    let names = trigger.map(|trigger| trigger.on_change_of).unwrap_or_default();
    names.iter().map(|name| ((*name).to_owned(), record.get(*name).cloned().unwrap_or_default())).collect()
}

fn blank(
    desk: &Desk<'_, '_>,
    header: &Header,
    (why, stages): (&str, Vec<NewApprovalStage>),
    covers: &Map<String, Value>,
) -> Result<Case> {
    let title = header.title.chars().take(ask::TITLE).collect();
    let description = why.chars().take(ask::PROSE).collect();
    let mut case = ask::drawn_up(desk, header, &NewApproval { title, description, covers: None, stages }, covers)?;
    case.approval.by_policy = true;
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

/// Whoever manages changes is asked in the place of whom policies would have named.
fn held(desk: &mut Desk<'_, '_>, header: &Header, why: &str, covers: &Map<String, Value>) -> Result<Case> {
    let role =
        |name: &str| Approver { kind: ApproverKind::Role, user_id: None, team_id: None, role: Some(name.to_owned()) };
    let stage = NewApprovalStage {
        name: "Change manager".to_owned(),
        approvers: vec![role(FALLBACK), role(crate::auth::permission::ADMINISTRATOR)],
        quorum: ApprovalQuorum { kind: QuorumKind::Any, number: None },
        due_after: None,
        on_due: OnDue::Reject,
    };
    begun(desk, header, (why, vec![stage]), covers)
}

/// What is in the way of a step that needs every approval that stands to be given; nothing where there is none either, and the
/// policies may still be asked.
pub fn in_the_way(connection: &mut AnyConnection, record: RecordId) -> Result<Standing> {
    let standing = Case::standing(connection, record)?;
    Ok(match standing.iter().find(|case| case.approval.is_pending()) {
        Some(case) => {
            Standing::Missing(missing(&format!("The approval \"{}\" is not decided yet.", case.approval.title)))
        }
        None if standing.is_empty() => Standing::None,
        None => Standing::Given,
    })
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
