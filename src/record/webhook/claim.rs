//! Who sends which message: a claim for a minute, and what came of it.

use diesel::prelude::*;

use super::{
    delivery::{AttemptRow, DeliveryRow, State},
    row::WebhookRow,
};
use crate::{
    claims,
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::RowId,
    record::store::Desk,
    schema::{webhook, webhook_attempt, webhook_delivery},
};

claims!(webhook_delivery, State::Pending);

/// An attempt that was made.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// When it began.
    pub at: Moment,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// How long it took.
    pub milliseconds: i64,
    /// Why there is no answer.
    pub error: Option<String>,
    /// How the answer begins.
    pub answer: Option<String>,
}

/// What comes of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has the message.
    Delivered,
    /// It failed, and another follows.
    Again(Moment),
    /// It failed, and was the last.
    Dead(String),
    /// The receiver wants no more messages at all.
    Gone,
}

/// Active webhooks that have messages which are due, each with when the first of them was.
pub fn waiting(connection: &mut AnyConnection, now: Moment) -> Result<Vec<(RowId, Option<Moment>)>> {
    Ok(webhook_delivery::table
        .inner_join(webhook::table.on(webhook::id.eq(webhook_delivery::webhook_id)))
        .filter(webhook_delivery::state.eq(State::Pending.as_str()))
        .filter(webhook_delivery::next_at.le(now))
        .filter(webhook::active.eq(true))
        .group_by(webhook_delivery::webhook_id)
        .select((webhook_delivery::webhook_id, diesel::dsl::min(webhook_delivery::next_at)))
        .order(diesel::dsl::min(webhook_delivery::next_at))
        .load(connection)?)
}

/// The messages of a webhook that are due and free, the longest due first.
pub fn due(connection: &mut AnyConnection, webhook: RowId, now: Moment, most: i64) -> Result<Vec<RowId>> {
    let of = webhook_delivery::table.filter(webhook_delivery::webhook_id.eq(webhook)).filter(is_free(now));
    let ordered = of.order((webhook_delivery::next_at, webhook_delivery::id));
    Ok(ordered.limit(most).select(webhook_delivery::id).load(connection)?)
}

/// Keeps an attempt and what comes of it; false where the message is no longer this node's.
pub fn settle(
    desk: &mut Desk<'_, '_>,
    delivery: &DeliveryRow,
    node: RowId,
    body: &str,
    attempted: &Attempted,
    verdict: &Verdict,
) -> Result<bool> {
    let (connection, now) = (desk.unit.connection()?, desk.cause.at);
    let (state, why, next_at) = match verdict {
        Verdict::Delivered => (State::Delivered, None, None),
        Verdict::Again(at) => (State::Pending, None, Some(*at)),
        Verdict::Dead(why) => (State::Dead, Some(why.as_str()), None),
        Verdict::Gone => (State::Dead, Some(GONE), None),
    };
    let number = delivery.attempts + 1;
    let mine = webhook_delivery::table
        .find(delivery.id)
        .filter(webhook_delivery::claimed_by.eq(node))
        .filter(webhook_delivery::attempts.eq(delivery.attempts))
        .filter(webhook_delivery::state.eq(State::Pending.as_str()));
    let outcome = (
        webhook_delivery::state.eq(state.as_str()),
        webhook_delivery::why.eq(why),
        webhook_delivery::body.eq(body),
        webhook_delivery::attempts.eq(number),
        webhook_delivery::next_at.eq(next_at),
        webhook_delivery::ended_at.eq((state != State::Pending).then_some(now)),
        webhook_delivery::claimed_by.eq(None::<RowId>),
        webhook_delivery::claimed_until.eq(None::<Moment>),
    );
    if diesel::update(mine).set(outcome).execute(connection)? == 0 {
        return Ok(false);
    }
    let row = AttemptRow {
        delivery_id: delivery.id,
        number,
        webhook_id: delivery.webhook_id,
        at: attempted.at,
        status: attempted.status.map(i32::from),
        milliseconds: attempted.milliseconds,
        error: attempted.error.clone(),
        answer: attempted.answer.clone(),
    };
    diesel::insert_into(webhook_attempt::table).values(&row).execute(connection)?;
    hold_against(desk, delivery, verdict)?;
    Ok(true)
}

const GONE: &str = "The receiver wants no more messages (410).";

/// What an attempt means for the webhook. A test says nothing of it.
fn hold_against(desk: &mut Desk<'_, '_>, delivery: &DeliveryRow, verdict: &Verdict) -> Result<()> {
    let webhook = delivery.webhook_id;
    match verdict {
        _ if delivery.is_test() => Ok(()),
        Verdict::Delivered => WebhookRow::arrived(desk.unit.connection()?, webhook),
        Verdict::Again(_) => WebhookRow::failed(desk, webhook, false),
        Verdict::Dead(_) => WebhookRow::failed(desk, webhook, true),
        Verdict::Gone => WebhookRow::turn_off(desk, webhook, GONE),
    }
}
