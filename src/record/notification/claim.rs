//! Who sends which message, and what came of it.

use diesel::prelude::*;

use super::{
    compose::Outgoing,
    message::{AttemptRow, MessageRow, State},
};
use crate::{
    claims,
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::RowId,
    schema::{mail_attempt, mail_message},
};

claims!(mail_message, State::Pending);

/// An attempt that was made.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// When it began.
    pub at: Moment,
    /// The code of the answer, where there was one.
    pub status: Option<u16>,
    /// How long it took.
    pub milliseconds: i64,
    /// What went wrong.
    pub error: Option<String>,
}

/// What comes of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The mail server has the message.
    Sent,
    /// It failed, and another follows.
    Again(Moment),
    /// It failed, and was the last.
    Dead(String),
}

/// The messages that are due and free, the longest due first.
pub fn due(connection: &mut AnyConnection, now: Moment, most: i64) -> Result<Vec<RowId>> {
    let free = mail_message::table.filter(is_free(now)).order((mail_message::next_at, mail_message::id));
    Ok(free.limit(most).select(mail_message::id).load(connection)?)
}

/// Keeps an attempt and what comes of it; false where the message is no longer this node's.
pub fn settle(
    connection: &mut AnyConnection,
    message: &MessageRow,
    node: RowId,
    sent: &Outgoing,
    attempted: &Attempted,
    verdict: &Verdict,
    now: Moment,
) -> Result<bool> {
    let (state, why, next_at) = match verdict {
        Verdict::Sent => (State::Sent, None, None),
        Verdict::Again(at) => (State::Pending, None, Some(*at)),
        Verdict::Dead(why) => (State::Dead, Some(why.as_str()), None),
    };
    let number = message.attempts + 1;
    let mine = mail_message::table
        .find(message.id)
        .filter(mail_message::claimed_by.eq(node))
        .filter(mail_message::attempts.eq(message.attempts))
        .filter(mail_message::state.eq(State::Pending.as_str()));
    let outcome = (
        (mail_message::state.eq(state.as_str()), mail_message::why.eq(why), mail_message::attempts.eq(number)),
        (mail_message::address.eq(&sent.address), mail_message::subject.eq(&sent.subject)),
        (mail_message::text_body.eq(&sent.text), mail_message::html_body.eq(&sent.html)),
        (mail_message::template.eq(&sent.template), mail_message::next_at.eq(next_at)),
        mail_message::ended_at.eq((state != State::Pending).then_some(now)),
        (mail_message::claimed_by.eq(None::<RowId>), mail_message::claimed_until.eq(None::<Moment>)),
    );
    if diesel::update(mine).set(outcome).execute(connection)? == 0 {
        return Ok(false);
    }
    let row = AttemptRow {
        message_id: message.id,
        number,
        at: attempted.at,
        status: attempted.status.map(i32::from),
        milliseconds: attempted.milliseconds,
        error: attempted.error.clone(),
    };
    diesel::insert_into(mail_attempt::table).values(&row).execute(connection)?;
    Ok(true)
}
