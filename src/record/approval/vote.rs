//! Deciding: whose vote it is, what becomes of it, and taking back what was asked.

use serde_json::json;

use super::{
    BESIDE,
    ask::PROSE,
    case::Case,
    delegate, duty,
    row::{REJECT, VoterRow, state},
    sight,
    stage::{self, Ground, action},
};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    id::{RowId, UserId},
    record::{
        cause::Cause,
        draft::Aside,
        header::Header,
        store::{Desk, Reading},
    },
};

/// The permission that tokens are narrowed by: who is asked may decide, whatever their roles say.
pub const PERMISSION: &str = "approval.decide";

/// What somebody says.
#[derive(Clone, Debug)]
pub struct Ballot {
    /// `approve` or `reject`.
    pub vote: &'static str,
    /// What they say about it.
    pub comment: String,
    /// In whose name, where they don't say it for themselves.
    pub in_name_of: Option<UserId>,
}

impl Ballot {
    /// Refuses a rejection without a word, and too many words.
    pub fn check(&self) -> Result<()> {
        if self.vote == REJECT && self.comment.trim().is_empty() {
            return Err(Error::invalid("/comment", "required", "Say why you reject it."));
        }
        if self.comment.chars().count() > PROSE {
            let detail = format!("`comment` has at most {PROSE} characters.");
            return Err(Error::invalid("/comment", "too_long", detail));
        }
        Ok(())
    }
}

/// The approval that the caller sees, with its record as it is now.
pub fn seen(desk: &mut Desk<'_, '_>, id: RowId) -> Result<(Case, Header)> {
    let mut reading = Reading { kernel: desk.kernel, connection: desk.unit.connection()?, cause: desk.cause };
    sight::visible(&mut reading, id)
}

/// Decides in the caller's name, or in that of somebody whom they stand in for.
pub fn vote(desk: &mut Desk<'_, '_>, case: Case, record: &Header, ballot: &Ballot) -> Result<Case> {
    ballot.check()?;
    let (who, at) = (desk.cause.caller.user, desk.cause.at);
    let stage = open_stage(&case, at)?;
    let absent = delegate::absent(desk.unit.connection()?, who, at)?;
    let seat = seat(&case, record, stage, (who, &absent), ballot.in_name_of)?;
    cast(desk, case, record, seat, ballot)
}

/// The stage in which something can be said at a moment.
pub fn open_stage(case: &Case, at: Moment) -> Result<RowId> {
    let Some(stage) = case.open() else {
        let detail = format!("The approval is not pending: it is `{}`.", case.approval.state);
        return Err(Error::new(Code::Conflict, detail));
    };
    if stage.due_at.is_some_and(|due| due <= at) {
        return Err(Error::new(Code::Conflict, "The time to decide is over."));
    }
    Ok(stage.id)
}

/// Whose vote somebody casts: their own, or else that of the first whom they stand in for.
pub fn seat(
    case: &Case,
    record: &Header,
    stage: RowId,
    (who, absent): (UserId, &[UserId]),
    in_name_of: Option<UserId>,
) -> Result<RowId> {
    let could = |voter: &&VoterRow| match in_name_of {
        Some(name) => voter.user_id == name && (name == who || absent.contains(&name)),
        None => voter.user_id == who || absent.contains(&voter.user_id),
    };
    let seats: Vec<&VoterRow> = case.voters_of(stage).filter(could).collect();
    if seats.is_empty() {
        return Err(Error::new(
            Code::Forbidden,
            match in_name_of {
                Some(name) if name != who => "You don't decide in their name here.",
                _ => "You are not asked in this stage.",
            },
        ));
    }
    if let Some(part) = duty::excluded(record, &case.approval, who) {
        return Err(Error::new(Code::Forbidden, duty::sentence(part)));
    }
    if case.has_decided(stage, who) {
        return Err(Error::new(Code::Conflict, "You have decided in this stage already; nobody does so twice."));
    }
    let counted: Vec<&VoterRow> = seats.into_iter().filter(|voter| voter.excluded.is_none()).collect();
    if counted.is_empty() {
        return Err(Error::new(Code::Forbidden, "They have a part in the record: nobody decides in their name."));
    }
    let own = counted.iter().find(|voter| voter.user_id == who);
    let awaited = match own {
        Some(own) => own.is_awaited().then_some(own),
        None => counted.iter().find(|voter| voter.is_awaited()),
    };
    awaited.map(|voter| voter.id).ok_or_else(|| Error::new(Code::Conflict, "It is decided in that name already."))
}

/// Writes a vote and what follows from it, with the server's rights in the name of whoever casts it: to be asked is right enough.
pub fn cast(desk: &mut Desk<'_, '_>, mut case: Case, record: &Header, seat: RowId, ballot: &Ballot) -> Result<Case> {
    let (kernel, at, who) = (desk.kernel, desk.cause.at, desk.cause.caller.user);
    let before = case.told_before();
    let stage = case.open().map(|stage| stage.name.clone()).unwrap_or_default();
    let voter = case.voters.iter_mut().find(|voter| voter.id == seat);
    let voter = voter.ok_or_else(|| Error::internal("nobody sits there"))?;
    voter.vote = Some(ballot.vote.to_owned());
    voter.comment.clone_from(&ballot.comment);
    voter.voted_at = Some(at);
    voter.voted_by_id = Some(who);
    voter.via = Some(desk.cause.via.as_text());
    let in_name_of = Some(voter.user_id).filter(|user| *user != who);
    let connection = desk.unit.connection()?;
    stage::settle(&mut Ground { kernel, connection, record, at }, &mut case)?;
    let mut told = case.told();
    told["decided"] = json!({"stage": stage, "vote": ballot.vote, "comment": ballot.comment});
    if let Some(name) = in_name_of {
        told["decided"]["in_name_of"] = json!(name);
    }
    let action = stage::action_of(&case.approval.state, action::VOTED);
    changed(desk, case, record, Aside::new("read", action, BESIDE, before, told))
}

/// Takes back what was asked: who asked does, and who may change the record.
pub fn withdraw(desk: &mut Desk<'_, '_>, mut case: Case, record: &Header, comment: &str) -> Result<Case> {
    let caller = &desk.cause.caller;
    let kind = desk.kernel.practice(&record.kind)?.kind();
    if case.approval.asked_by_id != caller.user {
        let connection = desk.unit.connection()?;
        let sees = crate::record::visibility::sees(connection, caller, kind, &record.place())?;
        if !sees || !caller.can(&kind.permission("update")) {
            let detail = "Only who asked takes it back, and who may change the record.";
            return Err(Error::new(Code::Forbidden, detail));
        }
    }
    if !case.approval.is_pending() {
        let detail = format!("The approval is not pending: it is `{}`.", case.approval.state);
        return Err(Error::new(Code::Conflict, detail));
    }
    let before = case.told_before();
    case.end(state::WITHDRAWN, "", desk.cause.at);
    let mut told = case.told();
    if !comment.is_empty() {
        told["comment"] = comment.into();
    }
    changed(desk, case, record, Aside::new("read", action::WITHDRAWN, BESIDE, before, told))
}

/// Writes what has become of an approval beside its record.
fn changed(desk: &mut Desk<'_, '_>, mut case: Case, record: &Header, aside: Aside) -> Result<Case> {
    let cause: Cause = desk.cause.trusted();
    stage::tell(&mut Desk { kernel: desk.kernel, unit: &mut *desk.unit, cause: &cause }, record, aside)?;
    case.save(desk)?;
    Ok(case)
}

/// Tells the history of a record of a link that was made for somebody.
pub fn told_of_link(desk: &mut Desk<'_, '_>, case: Case, record: &Header, voter: &VoterRow) -> Result<Case> {
    let mut told = case.told();
    told["link_for"] = json!(voter.user_id);
    let aside = Aside::new("read", action::LINKED, BESIDE, case.told_before(), told);
    changed(desk, case, record, aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::approval::row::APPROVE;

    #[test]
    fn a_rejection_says_why() {
        let ballot = |vote, comment: &str| Ballot { vote, comment: comment.to_owned(), in_name_of: None };
        for (vote, comment, fits) in [
            (APPROVE, "", true),
            (APPROVE, "Fine", true),
            (REJECT, "", false),
            (REJECT, " \n", false),
            (REJECT, "Not on a Friday", true),
        ] {
            assert_eq!(ballot(vote, comment).check().is_ok(), fits, "{vote} {comment:?}");
        }
        assert_eq!(ballot(APPROVE, &"x".repeat(PROSE + 1)).check().unwrap_err().errors[0].code, "too_long");
    }
}
