//! Links by which somebody who is asked decides once, without signing in.
//!
//! **Invariant:** a token is told once, to whoever made the link. The store holds its digest, and audit and log nothing of it.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    case::{Case, raced},
    duty,
    row::{ApprovalRow, StageRow, VoterRow},
    shown::ApprovedRecord,
    vote::{self, Ballot},
};
use crate::{
    auth::{caller::Caller, link_token::LinkKey, secret::digest},
    clock::{Length, Moment},
    config::Secret,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{OrganisationId, RowId, UserId},
    record::{header::Header, person, store::Desk},
    schema::{approval_link, approval_voter, user_account},
};

/// The permission to make links.
pub const PERMISSION: &str = "approval.link";
/// For how long a link is good where nothing else is said, and at most.
pub const DAYS: i64 = 7;
/// For how long a link that is over is still known as one.
const REMEMBERED: TimeDelta = TimeDelta::days(30);

/// A link, as it is stored.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = approval_link, treat_none_as_default_value = false)]
pub struct LinkRow {
    digest: String,
    voter_id: RowId,
    created_by_id: UserId,
    created_at: Moment,
    expires_at: Moment,
    used_at: Option<Moment>,
}

impl LinkRow {
    /// What its token is good for.
    fn signed(voter: RowId, expires_at: Moment) -> String {
        format!("approval {voter} {}", expires_at.sortable())
    }
}

/// A link that was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApprovalLink {
    /// Shown here and never again; null in a dry run and in the replay of an idempotency key, because it isn't stored. The link is
    /// `/api/v1/approval-links/{token}`.
    #[schema(required = true)]
    pub token: Option<String>,
    /// Whose vote it casts.
    pub user_id: UserId,
    /// Until when it is good, at most.
    pub expires_at: Moment,
}

/// What is asked of who has a link.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApprovalByLink {
    /// What is to be approved, in one line.
    pub title: String,
    /// What those who are asked should know.
    pub description: String,
    /// The record that it is about.
    pub record: ApprovedRecord,
    /// The stage.
    pub stage: String,
    /// Who asked, by name.
    pub asked_by: String,
    /// Whose vote it is, by name.
    pub voter: String,
    /// Where the approval stands.
    pub state: String,
    /// What was said by this link: `approve` or `reject`; null before.
    #[schema(required = true)]
    pub vote: Option<String>,
    /// When the time to decide is over; null for never.
    #[schema(required = true)]
    pub due_at: Option<Moment>,
    /// Until when the link is good.
    pub expires_at: Moment,
}

/// Makes a link for somebody whose vote is waited for, as a change of the record. Mail goes the same way.
pub fn make(
    desk: &mut Desk<'_, '_>,
    case: Case,
    record: &Header,
    user: UserId,
    good_for: Option<&Length>,
) -> Result<(ApprovalLink, Secret)> {
    let at = desk.cause.at;
    let longest = TimeDelta::days(DAYS);
    let good_for = good_for.map_or(longest, |length| length.0);
    if good_for <= TimeDelta::zero() || good_for > longest {
        let detail = format!("A link is good for some time, and at most {DAYS} days.");
        return Err(Error::invalid("/good_for", "out_of_range", detail));
    }
    let stage = vote::open_stage(&case, at)?;
    let voter = case.voters_of(stage).find(|voter| voter.user_id == user && voter.is_awaited()).cloned();
    let voter = voter.ok_or_else(|| {
        let detail = "`user_id`: the vote of this person is not waited for in the open stage.";
        Error::invalid("/user_id", "not_asked", detail)
    })?;
    let due_at = case.open().and_then(|stage| stage.due_at);
    let expires_at = due_at.map_or(at.plus(good_for), |due| due.min(at.plus(good_for)));
    let connection = desk.unit.connection()?;
    let token = LinkKey::of(connection)?.token(&LinkRow::signed(voter.id, expires_at))?;
    let row = LinkRow {
        digest: digest(token.expose()),
        voter_id: voter.id,
        created_by_id: desk.cause.caller.user,
        created_at: at,
        expires_at,
        used_at: None,
    };
    diesel::insert_into(approval_link::table).values(&row).execute(connection)?;
    vote::told_of_link(desk, case, record, &voter)?;
    Ok((ApprovalLink { token: None, user_id: user, expires_at }, token))
}

/// The link of a token, if this server made it.
pub fn find(connection: &mut AnyConnection, token: &str) -> Result<Option<LinkRow>> {
    let row: Option<LinkRow> = approval_link::table.find(digest(token)).first(connection).optional()?;
    let key = LinkKey::of(connection)?;
    Ok(row.filter(|row| key.is_genuine(token, &LinkRow::signed(row.voter_id, row.expires_at))))
}

/// A link whose vote can be cast.
pub struct Usable {
    link: LinkRow,
    case: Case,
    record: Header,
    stage: StageRow,
    voter: VoterRow,
    organisation: OrganisationId,
}

/// What stands behind a link, if its vote can be cast at a moment.
pub fn usable(connection: &mut AnyConnection, link: LinkRow, at: Moment) -> Result<Usable> {
    let over = |why: &str| Error::new(Code::Gone, why);
    if link.used_at.is_some() {
        return Err(over("This link was used."));
    }
    if link.expires_at <= at {
        return Err(over("This link is too old."));
    }
    let voter: VoterRow = approval_voter::table.find(link.voter_id).first(connection)?;
    let case = Case::find(connection, voter.approval_id)?.ok_or_else(|| Error::internal("a vote without approval"))?;
    let record = Header::find(connection, case.approval.record_id)?;
    let record = record.ok_or_else(|| Error::internal("an approval without record"))?;
    let asked = case.open().filter(|stage| stage.id == voter.stage_id && vote::open_stage(&case, at).is_ok()).cloned();
    let Some(stage) = asked else { return Err(over("It is decided, or no longer asked.")) };
    if voter.vote.is_some() || case.has_decided(stage.id, voter.user_id) {
        return Err(over("It is decided in this name already."));
    }
    if voter.excluded.is_some() || duty::excluded(&record, &case.approval, voter.user_id).is_some() {
        return Err(over("Whose link it is has a part in the record by now, and doesn't decide."));
    }
    let account: Option<OrganisationId> = user_account::table
        .find(voter.user_id)
        .filter(user_account::active.eq(true))
        .select(user_account::organisation_id)
        .first(connection)
        .optional()?;
    let organisation = account.ok_or_else(|| over("The account whose link it is is disabled."))?;
    Ok(Usable { link, case, record, stage, voter, organisation })
}

impl Usable {
    /// The caller in whose name it votes. They are asked, and nothing else is done in their name.
    pub fn caller(&self) -> Caller {
        Caller::server(self.voter.user_id, self.organisation)
    }

    /// What is asked.
    pub fn shown(&self, connection: &mut AnyConnection) -> Result<ApprovalByLink> {
        shown(connection, self, &self.case.approval, None)
    }

    /// Casts the vote, once. The cause of the desk is that of [`caller`](Usable::caller).
    pub fn cast(self, desk: &mut Desk<'_, '_>, ballot: &Ballot) -> Result<ApprovalByLink> {
        ballot.check()?;
        let unused = approval_link::table.find(&self.link.digest).filter(approval_link::used_at.is_null());
        let used = diesel::update(unused).set(approval_link::used_at.eq(desk.cause.at));
        if used.execute(desk.unit.connection()?)? == 0 {
            return Err(raced());
        }
        let case = vote::cast(desk, self.case.clone(), &self.record, self.voter.id, ballot)?;
        shown(desk.unit.connection()?, &self, &case.approval, Some(ballot.vote))
    }
}

fn shown(
    connection: &mut AnyConnection,
    usable: &Usable,
    approval: &ApprovalRow,
    vote: Option<&str>,
) -> Result<ApprovalByLink> {
    let people = person::people(connection, [approval.asked_by_id, usable.voter.user_id])?;
    let name = |id: UserId| people.get(&id).map(|person| person.display_name.clone()).unwrap_or_default();
    Ok(ApprovalByLink {
        title: approval.title.clone(),
        description: approval.description.clone(),
        record: ApprovedRecord::of(&usable.record),
        stage: usable.stage.name.clone(),
        asked_by: name(approval.asked_by_id),
        voter: name(usable.voter.user_id),
        state: approval.state.clone(),
        vote: vote.map(str::to_owned),
        due_at: usable.stage.due_at,
        expires_at: usable.link.expires_at,
    })
}

/// Forgets links that are long over; gives how many.
pub fn prune(connection: &mut AnyConnection, now: Moment) -> Result<usize> {
    let over = approval_link::table.filter(approval_link::expires_at.lt(now.minus(REMEMBERED)));
    Ok(diesel::delete(over).execute(connection)?)
}
