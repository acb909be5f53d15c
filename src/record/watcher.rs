//! Watchers: people who follow a record. It is visible to them as long as they do.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    draft::Aside,
    finish,
    kind::Kind,
    person::Person,
    store::{self, Desk, Outcome},
};
use crate::{
    auth::horizon::Horizon,
    db::AnyConnection,
    error::{Error, Result},
    id::{RecordId, UserId},
    schema::{participant, user_account},
};

/// The part that a watcher plays.
pub const ROLE: &str = "watcher";

/// Who watches a record, after person `after`, at most `limit`.
pub fn of_record(
    connection: &mut AnyConnection,
    of: RecordId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<Person>> {
    let watching = participant::table
        .filter(participant::record_id.eq(of))
        .filter(participant::role.eq(ROLE))
        .select(participant::user_id);
    let mut people = user_account::table
        .filter(user_account::id.eq_any(watching))
        .select((user_account::id, user_account::user_name, user_account::display_name))
        .into_boxed::<crate::db::Backend>();
    if let Some(after) = after {
        people = people.filter(user_account::id.gt(after));
    }
    Ok(people.order(user_account::id).limit(limit).load(connection)?)
}

/// Lets somebody watch a record; nothing changes when they do already.
pub fn add(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    who: UserId,
) -> Result<Option<Outcome>> {
    let needs = allowed(desk, kind, of, who)?;
    let connection = desk.unit.reference();
    if !Horizon::of(connection, &desk.cause.caller)?.sees_active_user(connection, who)? {
        return Err(Error::not_found("active user"));
    }
    if is_watching(desk, of, who)? {
        return Ok(None);
    }
    let aside = Aside::new(needs, "watched", ROLE, Value::Null, json!(who));
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, of, expected, aside)?;
    desk.unit.deferred.participants.push(finish::watcher(of, who));
    Ok(Some(outcome))
}

/// Lets somebody follow a record in the course of a write of it, unless they do already.
pub fn let_follow(desk: &mut Desk<'_, '_>, of: RecordId, is_new: bool, who: UserId) -> Result<()> {
    let waits = desk.unit.deferred.participants.iter();
    let waits = waits.filter(|part| part.record_id == of && part.role == ROLE).any(|part| part.user_id == who);
    if !waits && (is_new || !is_watching(desk, of, who)?) {
        desk.unit.deferred.participants.push(finish::watcher(of, who));
    }
    Ok(())
}

/// Lets somebody watch a record no more; nothing changes when they don't.
pub fn remove(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    who: UserId,
) -> Result<Option<Outcome>> {
    let needs = allowed(desk, kind, of, who)?;
    if !is_watching(desk, of, who)? {
        return Ok(None);
    }
    let aside = Aside::new(needs, "unwatched", ROLE, json!(who), Value::Null);
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, of, expected, aside)?;
    diesel::delete(participant::table.find((who, of, ROLE))).execute(desk.unit.connection()?)?;
    Ok(Some(outcome))
}

/// The action whose permission is needed: whoever sees a record may watch it themselves.
fn allowed(desk: &mut Desk<'_, '_>, kind: &'static Kind, of: RecordId, who: UserId) -> Result<&'static str> {
    let caller = &desk.cause.caller;
    store::visible(desk.kernel, desk.unit.settled(of)?, caller, kind, of)?;
    let needs = if who == caller.user { "read" } else { "update" };
    caller.require(&kind.permission(needs))?;
    Ok(needs)
}

fn is_watching(desk: &mut Desk<'_, '_>, of: RecordId, who: UserId) -> Result<bool> {
    let part = participant::table.find((who, of, ROLE));
    Ok(diesel::select(diesel::dsl::exists(part)).get_result(desk.unit.connection()?)?)
}
