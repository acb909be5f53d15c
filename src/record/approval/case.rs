//! An approval while it is looked at and changed: itself, its stages, and who is asked in them.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    duty,
    quorum::Tally,
    row::{self, APPROVE, ApprovalRow, REJECT, StageRow, VoterRow, state},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    insert_rows,
    record::{header::Header, store::Desk, timer},
    schema::{approval, approval_stage, approval_voter},
};

/// Leads the id of a stage in the name of the timer of its due time: `approval:0199…`.
pub const TIMER: &str = "approval";

/// An approval with all that belongs to it, as it is to be stored.
#[derive(Clone, Debug)]
pub struct Case {
    /// Itself.
    pub approval: ApprovalRow,
    /// Its stages, in order.
    pub stages: Vec<StageRow>,
    /// Who is asked.
    pub voters: Vec<VoterRow>,
    /// As it is stored; nothing when it is new.
    stored: Option<Box<Stored>>,
}

/// An approval with all that belongs to it, as it is stored.
#[derive(Clone, Debug)]
struct Stored {
    approval: ApprovalRow,
    stages: Vec<StageRow>,
    voters: Vec<VoterRow>,
}

impl Case {
    /// A new one.
    pub fn new(approval: ApprovalRow, stages: Vec<StageRow>) -> Self {
        Case { approval, stages, voters: Vec::new(), stored: None }
    }

    /// Of these rows, with all that belongs to them, in their order.
    pub fn of_rows(connection: &mut AnyConnection, approvals: Vec<ApprovalRow>) -> Result<Vec<Case>> {
        let ids: Vec<RowId> = approvals.iter().map(|row| row.id).collect();
        let (mut stages, mut voters) = (row::stages(connection, &ids)?, row::voters(connection, &ids)?);
        let cases = approvals.into_iter().map(|approval| {
            let stages = stages.remove(&approval.id).unwrap_or_default();
            let voters = voters.remove(&approval.id).unwrap_or_default();
            let stored = Stored { approval: approval.clone(), stages: stages.clone(), voters: voters.clone() };
            Case { approval, stages, voters, stored: Some(Box::new(stored)) }
        });
        Ok(cases.collect())
    }

    /// The one of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<Case>> {
        let found: Option<ApprovalRow> = approval::table.find(id).first(connection).optional()?;
        Ok(Case::of_rows(connection, found.into_iter().collect())?.pop())
    }

    /// Those of a record that still say something: undecided or approved.
    pub fn standing(connection: &mut AnyConnection, record: RecordId) -> Result<Vec<Case>> {
        let rows: Vec<ApprovalRow> = approval::table
            .filter(approval::record_id.eq(record))
            .filter(approval::state.eq_any([state::PENDING, state::APPROVED]))
            .order(approval::id)
            .load(connection)?;
        if rows.is_empty() { Ok(Vec::new()) } else { Case::of_rows(connection, rows) }
    }

    /// The stage in which people are asked now.
    pub fn open(&self) -> Option<&StageRow> {
        self.stages.iter().find(|stage| stage.is_open())
    }

    /// Where that stage stands among all.
    pub fn open_place(&self) -> Option<usize> {
        self.stages.iter().position(StageRow::is_open)
    }

    /// Who is asked in a stage.
    pub fn voters_of(&self, stage: RowId) -> impl Iterator<Item = &VoterRow> {
        self.voters.iter().filter(move |voter| voter.stage_id == stage)
    }

    /// What was said in a stage so far by those who count.
    pub fn tally(&self, stage: RowId) -> Tally {
        let mut tally = Tally::default();
        for voter in self.voters_of(stage).filter(|voter| voter.excluded.is_none()) {
            tally.counted += 1;
            tally.approvals += usize::from(voter.vote.as_deref() == Some(APPROVE));
            tally.rejections += usize::from(voter.vote.as_deref() == Some(REJECT));
        }
        tally
    }

    /// Whether this person has decided in a stage already, for themselves or for another.
    pub fn has_decided(&self, stage: RowId, who: UserId) -> bool {
        self.voters_of(stage).any(|voter| voter.voted_by_id == Some(who))
    }

    /// Whether somebody has voted in it who has a part in the record now.
    pub fn rests_on_a_part(&self, record: &Header) -> bool {
        let hands = self.voters.iter().filter(|voter| voter.vote.is_some());
        let mut hands = hands.flat_map(|voter| [Some(voter.user_id), voter.voted_by_id]).flatten();
        hands.any(|who| duty::excluded(record, &self.approval, who).is_some())
    }

    /// Says again of everybody in the open stage whether they count.
    pub fn exclude(&mut self, record: &Header) {
        let Some(stage) = self.open().map(|stage| stage.id) else { return };
        let approval = &self.approval;
        for voter in self.voters.iter_mut().filter(|v| v.stage_id == stage && v.vote.is_none()) {
            voter.excluded = duty::excluded(record, approval, voter.user_id).map(str::to_owned);
        }
    }

    /// Ends the stage in which people are asked, and gives its place.
    pub fn end_stage(&mut self, to: &str, why: &str, at: Moment) -> Option<usize> {
        let place = self.open_place()?;
        let stage = &mut self.stages[place];
        (stage.state, stage.reason, stage.ended_at) = (to.to_owned(), why.to_owned(), Some(at));
        Some(place)
    }

    /// Ends the approval. Stages that are not decided are void then.
    pub fn end(&mut self, to: &str, why: &str, at: Moment) {
        let undecided = |stage: &&mut StageRow| matches!(stage.state.as_str(), state::OPEN | state::WAITING);
        for stage in self.stages.iter_mut().filter(undecided) {
            (stage.state, stage.ended_at) = (state::VOID.to_owned(), Some(at));
        }
        let approval = &mut self.approval;
        (approval.state, approval.reason, approval.ended_at) = (to.to_owned(), why.to_owned(), Some(at));
    }

    /// In a few words, for the history of its record.
    pub fn told(&self) -> Value {
        let ApprovalRow { id, title, state, reason, .. } = &self.approval;
        let mut told = json!({"id": id, "title": title, "state": state});
        if !reason.is_empty() {
            told["reason"] = reason.as_str().into();
        }
        if let Some(stage) = self.open() {
            told["stage"] = stage.name.as_str().into();
        }
        told
    }

    /// The same as it is stored.
    pub fn told_before(&self) -> Value {
        match &self.stored {
            None => Value::Null,
            Some(stored) => {
                let Stored { approval, stages, voters } = *stored.clone();
                Case { approval, stages, voters, stored: None }.told()
            }
        }
    }

    /// Writes what has changed, and sets and retires the timers of due times. The version rises.
    pub fn save(&mut self, desk: &mut Desk<'_, '_>) -> Result<()> {
        self.approval.updated_at = desk.cause.at;
        self.approval.version += 1;
        self.write(desk.unit.connection()?)?;
        self.time(desk)
    }

    fn write(&self, connection: &mut AnyConnection) -> Result<()> {
        let Some(stored) = &self.stored else {
            insert_rows!(connection, approval::table, [self.approval.clone()])?;
            insert_rows!(connection, approval_stage::table, self.stages.clone())?;
            return Ok(insert_rows!(connection, approval_voter::table, self.voters.clone())?);
        };
        let Stored { approval, stages, voters } = &**stored;
        let unchanged = approval::table.find(approval.id).filter(approval::version.eq(approval.version));
        if diesel::update(unchanged).set(&self.approval).execute(connection)? == 0 {
            return Err(raced());
        }
        for stage in self.stages.iter().filter(|stage| !stages.contains(stage)) {
            diesel::update(approval_stage::table.find(stage.id)).set(stage).execute(connection)?;
        }
        let (known, new): (Vec<&VoterRow>, Vec<&VoterRow>) = self
            .voters
            .iter()
            .filter(|voter| !voters.contains(voter))
            .partition(|voter| voters.iter().any(|known| known.id == voter.id));
        for voter in known {
            diesel::update(approval_voter::table.find(voter.id)).set(voter).execute(connection)?;
        }
        let new: Vec<VoterRow> = new.into_iter().cloned().collect();
        Ok(insert_rows!(connection, approval_voter::table, new)?)
    }

    /// A timer for a due time that has come in sight, and none for one that has gone out of it.
    fn time(&self, desk: &mut Desk<'_, '_>) -> Result<()> {
        let before = self.stored.as_ref().map(|stored| stored.stages.as_slice()).unwrap_or_default();
        for stage in &self.stages {
            let was_open = before.iter().any(|old| old.id == stage.id && old.is_open());
            let name = format!("{TIMER}:{}", stage.id);
            match (was_open, stage.is_open(), stage.due_at) {
                (false, true, Some(due_at)) => timer::set(desk, self.approval.record_id, &name, due_at),
                (true, false, Some(_)) => timer::stop(desk, self.approval.record_id, &name),
                _ => (),
            }
        }
        Ok(())
    }
}

/// Somebody else was faster: the job looks again.
pub fn raced() -> Error {
    let error = Error::new(Code::Stale, "The approval has changed meanwhile.");
    Error { source: Some("optimistic lock".into()), ..error }
}
