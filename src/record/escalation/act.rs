//! What is done about a record's escalations beside its own writes: asking again, escalating by hand, acknowledging.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    BESIDE, TOO_LATE, answer,
    ask::{self, Carried},
    occasion::Occasion,
    row::{Change, EscalationRow},
};
use crate::{
    auth::horizon::Horizon,
    error::{Code, Error, Result},
    id::{RecordId, RowId, TeamId, UserId},
    record::{
        decide::Effect,
        draft::{Aside, Draft},
        finish,
        practice::{Details, Practice},
        store::{self, Desk, Outcome},
    },
    schema::{team, user_account},
};

/// Why, where somebody escalates a record themselves.
const BY_HAND: &str = "by_hand";

/// The name of a team that the caller sees.
pub fn team_name(desk: &mut Desk<'_, '_>, id: TeamId) -> Result<String> {
    let connection = desk.unit.reference();
    Horizon::of(connection, &desk.cause.caller)?.check_team(connection, id, "/team_id")?;
    Ok(team::table.find(id).select(team::name).first(connection)?)
}

/// The user name of a person whom the caller sees.
pub fn user_name(desk: &mut Desk<'_, '_>, id: UserId) -> Result<String> {
    let connection = desk.unit.reference();
    Horizon::of(connection, &desk.cause.caller)?.check_user(connection, id, "/user_id")?;
    Ok(user_account::table.find(id).select(user_account::user_name).first(connection)?)
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Act {
    /// Policies are asked again on the occasion of a row.
    Again(RowId),
    /// Somebody escalates it by hand.
    ByHand {
        /// How far up.
        level: i32,
        /// The name of the team or user who is told.
        who: String,
        /// The user, where it is one.
        user: Option<UserId>,
    },
    /// Somebody says that they know, and see to it.
    Acknowledge,
}

/// Does it; nothing comes of it where nobody waits for it any more.
pub fn act<P: Practice>(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    act: &Act,
) -> Result<Option<Outcome>> {
    let mut draft = store::open_draft::<P>(desk, id, expected)?;
    match act {
        Act::Again(row) => return again::<P>(desk, draft, *row),
        Act::ByHand { level, who, user } => by_hand::<P>(desk, &mut draft, (*level, who, *user))?,
        Act::Acknowledge => acknowledge(desk, &mut draft)?,
    }
    draft.is_escalation_asked = true;
    finish::write::<P>(desk, draft).map(Some)
}

fn again<P: Practice>(desk: &mut Desk<'_, '_>, mut draft: Draft<P::Details>, row: RowId) -> Result<Option<Outcome>> {
    let connection = desk.unit.settled(draft.header.id)?;
    let row = EscalationRow::find(connection, row)?.filter(|row| row.answered_at.is_none() && row.again_at.is_some());
    let Some(row) = row else { return Ok(None) };
    let is_over = !draft.header.is_active()
        || (draft.header.escalated_at.is_none() && answer::came_since(connection, &draft.header, row.at)?);
    let occasion = Occasion::again(connection, &row)?;
    desk.unit.deferred.escalations.push(Change::Asked(row.id));
    if is_over {
        return Ok(None);
    }
    let is_said = ask::ask::<P>(desk, &mut draft, &occasion)?;
    if draft.is_same() && draft.events.is_empty() && !is_said {
        return finish::unchanged(desk, draft).map(Some);
    }
    draft.aside = Some(Aside::new("read", "escalation_decided", BESIDE, Value::Null, json!(row.cause)));
    finish::write::<P>(desk, draft).map(Some)
}

fn by_hand<P: Practice>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<P::Details>,
    (level, who, user): (i32, &str, Option<UserId>),
) -> Result<()> {
    desk.cause.caller.require(&draft.kind.permission("update"))?;
    draft.header.must_be_active(TOO_LATE)?;
    let row = EscalationRow {
        reason: desk.cause.reason.clone(),
        author_id: Some(desk.cause.caller.user),
        ..EscalationRow::of(draft.header.id, draft.header.version + 1, desk.cause.at, &Occasion::of(BY_HAND))
    };
    let mut carried = Carried::begin(row, true);
    carried.out::<P>(desk, draft, Effect::Escalate { level, who: who.to_owned(), user })?;
    carried.keep(desk)?;
    // Whom, is read by those who work on it; the history is read by others as well.
    draft.aside = Some(Aside::new("read", "escalated_by_hand", BESIDE, Value::Null, json!({"level": level})));
    Ok(())
}

fn acknowledge<D: Details>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>) -> Result<()> {
    desk.cause.caller.require(&draft.kind.permission("update"))?;
    if draft.header.escalated_at.is_none() {
        let detail = format!("No escalation of {} waits for an answer.", draft.header.number);
        return Err(Error::new(Code::Conflict, detail));
    }
    answer::end(desk, draft, "acknowledged");
    draft.aside = Some(Aside::new("read", "escalation_acknowledged", BESIDE, Value::Null, json!("acknowledged")));
    Ok(())
}
