//! Messages of webhooks on their way: how far each is, and every attempt to deliver it.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{TEST, row::WebhookRow};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Code, Error, Result},
    id::{RecordId, RowId},
    insert_rows,
    record::{feed::Told, journal::WORK_NOTE, kind::Kind, outbox},
    schema::{webhook_attempt, webhook_delivery},
};

/// Messages that are sent anew at once.
pub const MOST_REPLAYED: i64 = 1_000;

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookDeliveryState)]
pub enum State {
    /// It waits for its next attempt.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It was given up. It can be replayed.
    Dead,
    /// It was not sent: its owner may not read any more what it tells of.
    Dropped,
}

impl State {
    /// All of them.
    pub const ALL: [State; 4] = [State::Pending, State::Delivered, State::Dead, State::Dropped];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Delivered => "delivered",
            State::Dead => "dead",
            State::Dropped => "dropped",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A message for a webhook. What it holds may be secret, so it has no debug output.
#[derive(Clone, Queryable, Insertable)]
#[diesel(table_name = webhook_delivery, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct DeliveryRow {
    pub id: RowId,
    pub webhook_id: RowId,
    pub event_id: Option<RowId>,
    pub event: String,
    pub record_id: Option<RecordId>,
    pub happened_at: Moment,
    pub payload: JsonText,
    pub body: Option<String>,
    pub state: String,
    pub why: Option<String>,
    pub attempts: i32,
    pub next_at: Option<Moment>,
    pub claimed_by: Option<RowId>,
    pub claimed_until: Option<Moment>,
    pub created_at: Moment,
    pub ended_at: Option<Moment>,
    pub replay_of: Option<RowId>,
    pub replayed_at: Option<Moment>,
}

/// An attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = webhook_attempt, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct AttemptRow {
    pub delivery_id: RowId,
    pub number: i32,
    pub webhook_id: RowId,
    pub at: Moment,
    pub status: Option<i32>,
    pub milliseconds: i64,
    pub error: Option<String>,
    pub answer: Option<String>,
}

/// Which messages are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Of this webhook alone.
    pub webhook: Option<RowId>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only older ones than this.
    pub below: Option<RowId>,
    /// How many.
    pub rows: i64,
}

impl DeliveryRow {
    fn blank(webhook: RowId, event: &str, now: Moment) -> Self {
        DeliveryRow {
            id: RowId::new(),
            webhook_id: webhook,
            event_id: None,
            event: event.to_owned(),
            record_id: None,
            happened_at: now,
            payload: JsonText::empty_object(),
            body: None,
            state: State::Pending.as_str().to_owned(),
            why: None,
            attempts: 0,
            next_at: Some(now),
            claimed_by: None,
            claimed_until: None,
            created_at: now,
            ended_at: None,
            replay_of: None,
            replayed_at: None,
        }
    }

    /// The message that tells a webhook of an event.
    pub fn of_event(webhook: RowId, told: &Told, now: Moment) -> Result<Self> {
        Ok(DeliveryRow {
            event_id: Some(told.id),
            record_id: Some(told.record_id),
            happened_at: told.at,
            payload: JsonText::of(&told.payload)?,
            ..Self::blank(webhook, &told.event, now)
        })
    }

    /// A message that only shows whether it arrives.
    pub fn test(webhook: &WebhookRow, now: Moment) -> Result<Self> {
        let payload = JsonText::of(&json!({"webhook_id": webhook.id, "name": webhook.name}))?;
        Ok(DeliveryRow { payload, ..Self::blank(webhook.id, TEST, now) })
    }

    /// The same message once more, from the beginning.
    fn again(&self, now: Moment) -> Self {
        DeliveryRow {
            event_id: self.event_id,
            record_id: self.record_id,
            happened_at: self.happened_at,
            payload: self.payload.clone(),
            replay_of: Some(self.message_id()),
            ..Self::blank(self.webhook_id, &self.event, now)
        }
    }

    /// By what the receiver knows the message: a replay is the message that it replays.
    pub fn message_id(&self) -> RowId {
        self.replay_of.unwrap_or(self.id)
    }

    /// Whether it only shows whether it arrives.
    pub fn is_test(&self) -> bool {
        self.event == TEST
    }

    /// How far it is.
    pub fn state(&self) -> State {
        State::named(&self.state).unwrap_or(State::Dead)
    }

    /// Adds messages.
    pub fn insert_all(connection: &mut AnyConnection, rows: &[Self]) -> Result<()> {
        Ok(insert_rows!(connection, webhook_delivery::table, rows)?)
    }

    /// The message of an id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let row = webhook_delivery::table.find(id).first(connection).optional()?;
        row.ok_or_else(|| Error::not_found("delivery"))
    }

    /// Messages, the newest first.
    pub fn list(connection: &mut AnyConnection, wanted: Wanted) -> Result<Vec<Self>> {
        Ok(ordered(webhook_delivery::table.into_boxed(), wanted).load(connection)?)
    }

    /// Messages about a record, the newest first: those about events that the caller may be told of.
    pub fn of_record(
        connection: &mut AnyConnection,
        caller: &Caller,
        kind: &Kind,
        record: RecordId,
        wanted: Wanted,
    ) -> Result<Vec<Self>> {
        let mut query =
            ordered(webhook_delivery::table.into_boxed(), wanted).filter(webhook_delivery::record_id.eq(record));
        if !caller.can(&kind.permission(WORK_NOTE)) {
            query = query.filter(webhook_delivery::event.ne(outbox::noted(kind)));
        }
        if !caller.can("decision.read") {
            query = query.filter(webhook_delivery::event.ne(outbox::NOTIFIED));
        }
        Ok(query.load(connection)?)
    }

    /// How many messages of a webhook wait.
    pub fn count_waiting(connection: &mut AnyConnection, webhook: RowId) -> Result<i64> {
        let waiting = webhook_delivery::table.filter(webhook_delivery::webhook_id.eq(webhook));
        let waiting = waiting.filter(webhook_delivery::state.eq(State::Pending.as_str()));
        Ok(waiting.count().get_result(connection)?)
    }

    /// Sends this message again, with a day of attempts of its own.
    ///
    /// # Errors
    /// [`Code::Conflict`] while it still waits.
    pub fn replay(&self, connection: &mut AnyConnection, now: Moment) -> Result<Self> {
        if self.state() == State::Pending {
            return Err(Error::new(Code::Conflict, "The message is still on its way; there is nothing to replay."));
        }
        let again = self.again(now);
        diesel::update(webhook_delivery::table.find(self.id))
            .set(webhook_delivery::replayed_at.eq(now))
            .execute(connection)?;
        Self::insert_all(connection, std::slice::from_ref(&again))?;
        Ok(again)
    }

    /// Sends the messages of a webhook again that have died since then and were not replayed, the oldest first; gives how many.
    pub fn replay_dead(connection: &mut AnyConnection, webhook: RowId, since: Moment, now: Moment) -> Result<usize> {
        let dead: Vec<Self> = webhook_delivery::table
            .filter(webhook_delivery::webhook_id.eq(webhook))
            .filter(webhook_delivery::state.eq(State::Dead.as_str()))
            .filter(webhook_delivery::ended_at.ge(since))
            .filter(webhook_delivery::replayed_at.is_null())
            .filter(webhook_delivery::event.ne(TEST))
            .order(webhook_delivery::id)
            .limit(MOST_REPLAYED)
            .load(connection)?;
        for row in &dead {
            row.replay(connection, now)?;
        }
        Ok(dead.len())
    }

    /// Forgets messages that ended before `before`, with their attempts; gives how many rows.
    pub fn prune(connection: &mut AnyConnection, before: Moment) -> Result<usize> {
        let old = webhook_delivery::table.filter(webhook_delivery::ended_at.lt(before));
        let ids: Vec<RowId> =
            old.order(webhook_delivery::ended_at).limit(PRUNED).select(webhook_delivery::id).load(connection)?;
        let attempts = webhook_attempt::table.filter(webhook_attempt::delivery_id.eq_any(&ids));
        let attempts = diesel::delete(attempts).execute(connection)?;
        let rows = webhook_delivery::table.filter(webhook_delivery::id.eq_any(&ids));
        Ok(attempts + diesel::delete(rows).execute(connection)?)
    }
}

/// Messages that are forgotten at once.
const PRUNED: i64 = 1_000;

impl AttemptRow {
    /// The attempts to deliver a message, in their order.
    pub fn of(connection: &mut AnyConnection, delivery: RowId) -> Result<Vec<Self>> {
        let of = webhook_attempt::table.filter(webhook_attempt::delivery_id.eq(delivery));
        Ok(of.order(webhook_attempt::number).load(connection)?)
    }

    /// How many attempts a webhook has had since then.
    pub fn count_since(connection: &mut AnyConnection, webhook: RowId, since: Moment) -> Result<i64> {
        let of = webhook_attempt::table.filter(webhook_attempt::webhook_id.eq(webhook));
        Ok(of.filter(webhook_attempt::at.gt(since)).count().get_result(connection)?)
    }
}

type Query = webhook_delivery::BoxedQuery<'static, Backend>;

fn ordered(mut query: Query, wanted: Wanted) -> Query {
    if let Some(webhook) = wanted.webhook {
        query = query.filter(webhook_delivery::webhook_id.eq(webhook));
    }
    if let Some(state) = wanted.state {
        query = query.filter(webhook_delivery::state.eq(state.as_str()));
    }
    if let Some(below) = wanted.below {
        query = query.filter(webhook_delivery::id.lt(below));
    }
    query.order(webhook_delivery::id.desc()).limit(wanted.rows)
}
