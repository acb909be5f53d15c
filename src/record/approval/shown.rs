//! An approval as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ask::{ApprovalQuorum, OnDue, QuorumKind},
    case::Case,
    row::{APPROVE, StageRow, VoterRow, state},
    voters::{Approver, ApproverKind},
};
use crate::{
    clock::{Length, Moment},
    error::Result,
    id::{RecordId, RowId, UserId},
    record::header::Header,
};

/// A request that others approve of a record as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Approval {
    /// Its id.
    pub id: RowId,
    /// What is to be approved, in one line.
    pub title: String,
    /// What those who are asked should know.
    pub description: String,
    /// Where it stands.
    #[schema(schema_with = states)]
    pub state: String,
    /// Why it ended so, where no vote says it: `quorum_unreachable`, `due`, `changed`, `separation_of_duties`, `record_closed`, `asked_again`, `policy`;
    /// null otherwise.
    #[schema(required = true, examples(json!(null)))]
    pub reason: Option<String>,
    /// The record that it is about.
    pub record: ApprovedRecord,
    /// The fields of the record that are approved.
    pub covers: Vec<String>,
    /// Who asked.
    pub asked_by_id: UserId,
    /// The approval in whose place it was asked for; null for a first one.
    #[schema(required = true)]
    pub replaces_id: Option<RowId>,
    /// Its stages, in order.
    pub stages: Vec<ApprovalStage>,
    /// Counts its changes; it is the `ETag`.
    pub version: i32,
    /// When it was asked for.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
    /// When it was decided or ended; null while it is pending.
    #[schema(required = true)]
    pub ended_at: Option<Moment>,
}

/// The record that an approval is about, as far as everybody learns of it who is asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApprovedRecord {
    /// Its id.
    pub id: RecordId,
    /// Its kind.
    #[schema(examples("incident"))]
    pub kind: String,
    /// Its number.
    #[schema(examples("INC0000042"))]
    pub number: String,
    /// Its title.
    pub title: String,
}

/// A stage of an approval.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApprovalStage {
    /// Its id.
    pub id: RowId,
    /// What it is called.
    pub name: String,
    /// Where it stands.
    #[schema(schema_with = stage_states)]
    pub state: String,
    /// Why it ended so, where no vote says it; null otherwise.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Who is asked.
    pub approvers: Vec<Approver>,
    /// How many have to approve.
    pub quorum: ApprovalQuorum,
    /// How many that are, of those who count; null until it opens, and where so many can't be reached.
    #[schema(required = true)]
    pub needed: Option<u32>,
    /// How long it may take; null for ever.
    #[schema(required = true)]
    pub due_after: Option<Length>,
    /// The calendar whose open time counts for that; null for all time.
    #[schema(required = true)]
    pub calendar: Option<String>,
    /// What becomes of it when that is over.
    pub on_due: OnDue,
    /// When it was opened; null while it waits for its turn.
    #[schema(required = true)]
    pub opened_at: Option<Moment>,
    /// When its time is over; null for never, and while it waits.
    #[schema(required = true)]
    pub due_at: Option<Moment>,
    /// When it was decided or ended; null before.
    #[schema(required = true)]
    pub ended_at: Option<Moment>,
    /// Who is asked, once it is open.
    pub voters: Vec<ApprovalVoter>,
}

/// Somebody who is asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApprovalVoter {
    /// Who.
    pub user_id: UserId,
    /// Because of what.
    pub because: ApproverKind,
    /// Why they don't count: `requester` or `implementer`; null for who counts.
    #[schema(required = true)]
    pub excluded: Option<String>,
    /// What they said: `approve` or `reject`; null as long as they have not.
    #[schema(required = true)]
    pub vote: Option<String>,
    /// What they said about it.
    pub comment: String,
    /// When.
    #[schema(required = true)]
    pub voted_at: Option<Moment>,
    /// Who said it: they themselves, or who stood in for them.
    #[schema(required = true)]
    pub voted_by_id: Option<UserId>,
    /// Through what: `api` or `link`.
    #[schema(required = true)]
    pub via: Option<String>,
}

fn words(doc: &str, words: &[&str]) -> utoipa::openapi::Schema {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some(doc))
        .enum_values(Some(words.iter().copied()))
        .into()
}

fn states() -> utoipa::openapi::Schema {
    words("Where it stands.", state::OF_APPROVALS)
}

fn stage_states() -> utoipa::openapi::Schema {
    let all = [state::WAITING, state::OPEN, state::APPROVED, state::REJECTED, state::EXPIRED, state::VOID];
    words("Where it stands.", &all)
}

impl Approval {
    /// Of a record.
    pub fn of(case: &Case, record: &Header) -> Result<Approval> {
        let row = &case.approval;
        Ok(Approval {
            id: row.id,
            title: row.title.clone(),
            description: row.description.clone(),
            state: row.state.clone(),
            reason: said(&row.reason),
            record: ApprovedRecord::of(record),
            covers: row.covered()?.into_iter().map(|(name, _)| name).collect(),
            asked_by_id: row.asked_by_id,
            replaces_id: row.replaces_id,
            stages: case.stages.iter().map(|stage| ApprovalStage::of(case, stage)).collect::<Result<_>>()?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
        })
    }
}

impl ApprovedRecord {
    /// As far as everybody learns of it.
    pub fn of(record: &Header) -> ApprovedRecord {
        ApprovedRecord {
            id: record.id,
            kind: record.kind.clone(),
            number: record.number.clone(),
            title: record.title.clone(),
        }
    }
}

impl ApprovalStage {
    fn of(case: &Case, stage: &StageRow) -> Result<ApprovalStage> {
        let counted = case.tally(stage.id).counted;
        let needed = stage.quorum()?.needed(counted).filter(|_| stage.opened_at.is_some());
        Ok(ApprovalStage {
            id: stage.id,
            name: stage.name.clone(),
            state: stage.state.clone(),
            reason: said(&stage.reason),
            approvers: stage.approvers()?,
            quorum: ApprovalQuorum { kind: kind(&stage.quorum), number: stage.quorum_number },
            needed: needed.and_then(|n| u32::try_from(n).ok()),
            due_after: stage.due_after.as_deref().and_then(|text| text.parse().ok()),
            calendar: stage.calendar.clone(),
            on_due: if stage.on_due == APPROVE { OnDue::Approve } else { OnDue::Reject },
            opened_at: stage.opened_at,
            due_at: stage.due_at,
            ended_at: stage.ended_at,
            voters: case.voters_of(stage.id).map(ApprovalVoter::of).collect(),
        })
    }
}

impl ApprovalVoter {
    fn of(voter: &VoterRow) -> ApprovalVoter {
        ApprovalVoter {
            user_id: voter.user_id,
            because: because(&voter.because),
            excluded: voter.excluded.clone(),
            vote: voter.vote.clone(),
            comment: voter.comment.clone(),
            voted_at: voter.voted_at,
            voted_by_id: voter.voted_by_id,
            via: voter.via.clone(),
        }
    }
}

fn said(reason: &str) -> Option<String> {
    (!reason.is_empty()).then(|| reason.to_owned())
}

fn kind(word: &str) -> QuorumKind {
    let all = [QuorumKind::Any, QuorumKind::All, QuorumKind::Count, QuorumKind::Percent];
    all.into_iter().find(|kind| kind.as_str() == word).unwrap_or_default()
}

fn because(word: &str) -> ApproverKind {
    use ApproverKind::{CiOwner, Manager, Role, Team, User};
    [User, Team, Role, CiOwner, Manager].into_iter().find(|kind| kind.as_str() == word).unwrap_or(User)
}
