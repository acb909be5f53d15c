//! Webhooks as they are stored.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::json;

use crate::{
    auth::{caller::Caller, directory::load_caller},
    clock::Moment,
    config::Secret,
    db::{AnyConnection, JsonText},
    error::{Error, Result},
    id::{RowId, UserId},
    record::{
        feed::Place,
        kernel::Kernel,
        kind::Kind,
        list::{Asked, List},
        pattern,
        store::Desk,
    },
    schema::webhook,
};

/// Webhooks that may be active at once: each is looked at every second.
pub const MOST_ACTIVE: i64 = 200;
/// So many messages that died in a row turn a webhook off.
const DEAD_IN_A_ROW: i32 = 100;
/// So long without a single message that arrived turns a webhook off.
const FAILING: TimeDelta = TimeDelta::days(5);

/// A webhook. It has no debug output, since it holds secrets.
#[derive(Clone, Queryable, Insertable)]
#[diesel(table_name = webhook, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct WebhookRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub url: String,
    pub events: JsonText,
    pub filter: Option<String>,
    pub owner_id: UserId,
    pub own_changes: bool,
    pub secret: String,
    pub previous_secret: Option<String>,
    pub previous_until: Option<Moment>,
    pub active: bool,
    pub disabled_at: Option<Moment>,
    pub disabled_why: Option<String>,
    pub dead_in_a_row: i32,
    pub failing_since: Option<Moment>,
    pub cursor_xid: i64,
    pub cursor_seq: i64,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

impl WebhookRow {
    /// The webhook of an id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<Self>> {
        Ok(webhook::table.find(id).first(connection).optional()?)
    }

    /// The webhook of an id, which is there.
    pub fn named(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        Self::find(connection, id)?.ok_or_else(|| Error::not_found("webhook"))
    }

    /// Those that are active.
    pub fn active(connection: &mut AnyConnection) -> Result<Vec<Self>> {
        Ok(webhook::table.filter(webhook::active.eq(true)).order(webhook::id).load(connection)?)
    }

    /// How many are active.
    pub fn count_active(connection: &mut AnyConnection) -> Result<i64> {
        Ok(webhook::table.filter(webhook::active.eq(true)).count().get_result(connection)?)
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(webhook::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores what people change of it in place of the version before; gives how many rows were that.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<usize> {
        let before = webhook::table.find(self.id).filter(webhook::version.eq(self.version - 1));
        let wanted = (
            webhook::name.eq(&self.name),
            webhook::description.eq(&self.description),
            webhook::url.eq(&self.url),
            webhook::events.eq(&self.events),
            webhook::filter.eq(&self.filter),
            webhook::owner_id.eq(self.owner_id),
            webhook::own_changes.eq(self.own_changes),
        );
        let secrets = (
            webhook::secret.eq(&self.secret),
            webhook::previous_secret.eq(&self.previous_secret),
            webhook::previous_until.eq(self.previous_until),
        );
        let standing = (
            webhook::active.eq(self.active),
            webhook::disabled_at.eq(self.disabled_at),
            webhook::disabled_why.eq(&self.disabled_why),
            webhook::version.eq(self.version),
            webhook::updated_at.eq(self.updated_at),
        );
        Ok(diesel::update(before).set((wanted, secrets, standing)).execute(connection)?)
    }

    /// Makes it begin anew, with what happens from now on and nothing held against it.
    pub fn begin_anew(&self, connection: &mut AnyConnection) -> Result<()> {
        let (xid, seq) = Place::newest(connection)?.to_keep();
        let begun = (
            (webhook::cursor_xid.eq(xid), webhook::cursor_seq.eq(seq)),
            (webhook::dead_in_a_row.eq(0), webhook::failing_since.eq(None::<Moment>)),
        );
        diesel::update(webhook::table.find(self.id)).set(begun).execute(connection)?;
        Ok(())
    }

    /// How far it has read in the outbox.
    pub fn place(&self) -> Place {
        Place::kept(self.cursor_xid, self.cursor_seq)
    }

    /// The patterns of the events that it wants.
    pub fn patterns(&self) -> Result<Vec<String>> {
        self.events.read()
    }

    /// With what its messages are signed: the newest first.
    pub fn secrets(&self, now: Moment) -> Vec<Secret> {
        let previous = self.previous_secret.as_ref().filter(|_| self.previous_until.is_some_and(|until| now < until));
        [&self.secret].into_iter().chain(previous).map(Secret::new).collect()
    }

    /// Whose visibility counts; nobody where they are no longer active.
    pub fn owner(&self, connection: &mut AnyConnection) -> Result<Option<Caller>> {
        load_caller(connection, self.owner_id)
    }

    /// Notes that a message of it arrived.
    pub fn arrived(connection: &mut AnyConnection, id: RowId) -> Result<()> {
        // Mostly there is nothing to note, and its row need not be locked.
        let troubled = webhook::dead_in_a_row.ne(0).or(webhook::failing_since.is_not_null());
        diesel::update(webhook::table.find(id).filter(troubled))
            .set((webhook::dead_in_a_row.eq(0), webhook::failing_since.eq(None::<Moment>)))
            .execute(connection)?;
        Ok(())
    }

    /// Notes that an attempt failed, after which the message may be dead, and turns the webhook off where that is enough.
    pub fn failed(desk: &mut Desk<'_, '_>, id: RowId, is_dead: bool) -> Result<()> {
        let (connection, now) = (desk.unit.connection()?, desk.cause.at);
        let begins = webhook::table.find(id).filter(webhook::failing_since.is_null());
        diesel::update(begins).set(webhook::failing_since.eq(now)).execute(connection)?;
        if is_dead {
            let one_more = webhook::dead_in_a_row.eq(webhook::dead_in_a_row + 1);
            diesel::update(webhook::table.find(id)).set(one_more).execute(connection)?;
        }
        let (dead, since): (i32, Option<Moment>) =
            webhook::table.find(id).select((webhook::dead_in_a_row, webhook::failing_since)).first(connection)?;
        if dead >= DEAD_IN_A_ROW {
            return Self::turn_off(desk, id, &format!("{dead} messages in a row could not be delivered."));
        }
        match since.filter(|since| now.since(*since) >= FAILING) {
            Some(_) => Self::turn_off(desk, id, "No attempt has succeeded for five days."),
            None => Ok(()),
        }
    }

    /// Turns it off, and tells the audit trail why.
    pub fn turn_off(desk: &mut Desk<'_, '_>, id: RowId, why: &str) -> Result<()> {
        let (connection, now) = (desk.unit.connection()?, desk.cause.at);
        let off = (
            webhook::active.eq(false),
            webhook::disabled_at.eq(now),
            webhook::disabled_why.eq(why),
            webhook::version.eq(webhook::version + 1),
            webhook::updated_at.eq(now),
        );
        let active = webhook::table.find(id).filter(webhook::active.eq(true));
        if diesel::update(active).set(off).execute(connection)? == 0 {
            return Ok(());
        }
        let version: i32 = webhook::table.find(id).select(webhook::version).first(connection)?;
        tracing::warn!(webhook = %id, why, "a webhook was turned off");
        let told = json!({"active": [true, false], "disabled_why": [null, why]});
        desk.tell("disabled", ("webhook", id.as_str(), version), &told)
    }
}

/// The list of the records that a filter lets through, for an owner; nothing where there is no filter.
pub fn filtered<'a>(
    kernel: &'a Kernel,
    connection: &mut AnyConnection,
    owner: &'a Caller,
    patterns: &[String],
    filter: Option<&str>,
    now: Moment,
) -> Result<Option<List<'a>>> {
    let Some(filter) = filter else { return Ok(None) };
    let kind: Option<&'static Kind> = pattern::kind_of(kernel, patterns).filter(|k| owner.can(&k.permission("read")));
    let asked = Asked { filter: Some(filter.to_owned()), ..Asked::default() };
    List::new(kernel, connection, owner, kind, &asked, now).map(Some)
}
