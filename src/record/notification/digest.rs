//! Digests: one message for all that waited.
//!
//! **Invariant:** what waited stands in one digest, on any number of nodes: its row says which, in the commit that makes the digest.

use diesel::prelude::*;

use super::{
    message::{MessageRow, State, Subject},
    template::DIGEST,
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::{RowId, UserId},
    record::store::Desk,
    schema::mail_message,
};

/// People whose digests are made at once.
const AT_ONCE: i64 = 200;

/// People for whom something waits that is due.
pub fn due(connection: &mut AnyConnection, now: Moment) -> Result<Vec<UserId>> {
    let waiting = mail_message::table
        .filter(mail_message::state.eq(State::Waiting.as_str()))
        .filter(mail_message::digest_at.le(now));
    Ok(waiting.select(mail_message::user_id).distinct().limit(AT_ONCE).load(connection)?)
}

/// Makes the digest of somebody; false where another node was faster.
pub fn make(desk: &mut Desk<'_, '_>, user: UserId) -> Result<bool> {
    let (connection, now) = (desk.unit.connection()?, desk.cause.at);
    let digest = MessageRow::blank(Subject::Digest, user, DIGEST, now);
    let waiting = mail_message::table
        .filter(mail_message::user_id.eq(user))
        .filter(mail_message::state.eq(State::Waiting.as_str()))
        .filter(mail_message::digest_at.le(now));
    let taken = (
        mail_message::state.eq(State::Digested.as_str()),
        mail_message::digest_id.eq(Some::<RowId>(digest.id)),
        mail_message::ended_at.eq(now),
    );
    // A second node waits for the rows of the first one, and then finds that they wait no more.
    if diesel::update(waiting).set(taken).execute(connection)? == 0 {
        return Ok(false);
    }
    digest.insert(connection)
}
