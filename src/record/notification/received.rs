//! What came by mail: from whom, with which id, and what became of it, so that a message that comes again changes nothing.

use diesel::prelude::*;

use crate::{
    clock::Moment,
    db::{AnyConnection, sql::lower},
    error::Result,
    id::{RecordId, UserId},
    insert_unless_there,
    schema::{mail_received, user_account},
};

/// Rows that are forgotten at once.
const PRUNED: i64 = 1_000;

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = mail_received, treat_none_as_default_value = false)]
pub struct ReceivedRow {
    /// Who sent it.
    pub user_id: UserId,
    /// Its id, as they gave it.
    pub message_id: String,
    /// The record that it was about.
    pub record_id: Option<RecordId>,
    /// What became of it.
    pub outcome: String,
    /// Who handed it in.
    pub taken_by_id: UserId,
    /// When.
    pub received_at: Moment,
}

impl ReceivedRow {
    /// The message of somebody with this id.
    pub fn find(connection: &mut AnyConnection, user: UserId, message: &str) -> Result<Option<Self>> {
        Ok(mail_received::table.find((user, message)).first(connection).optional()?)
    }

    /// Remembers it; false where it is known already.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<bool> {
        Ok(insert_unless_there!(connection, mail_received::table, self)? == 1)
    }

    /// Forgets what came before a moment; gives how many rows.
    pub fn prune(connection: &mut AnyConnection, before: Moment) -> Result<usize> {
        let old: Vec<(UserId, String)> = mail_received::table
            .filter(mail_received::received_at.lt(before))
            .order(mail_received::received_at)
            .limit(PRUNED)
            .select((mail_received::user_id, mail_received::message_id))
            .load(connection)?;
        for (user, message) in &old {
            diesel::delete(mail_received::table.find((user, message))).execute(connection)?;
        }
        Ok(old.len())
    }
}

/// The active people with an address, two at most: more than one is none.
pub fn people_at(connection: &mut AnyConnection, address: &str) -> Result<Vec<UserId>> {
    let same = user_account::email
        .is_not_null()
        .and(lower(user_account::email.assume_not_null()).eq(address.to_ascii_lowercase()));
    let people = user_account::table
        .filter(same)
        .filter(user_account::active.eq(true))
        .filter(user_account::service_account.eq(false));
    Ok(people.order(user_account::id).limit(2).select(user_account::id).load(connection)?)
}
