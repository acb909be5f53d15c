//! Makes messages of events for webhooks, and delivers those that are due.
//!
//! Messages are not delivered in the order of their events: one that failed must not hold up the others.

use std::{collections::HashMap, time::Duration};

use chrono::TimeDelta;
use futures_util::{
    StreamExt,
    stream::{FuturesUnordered, Stream},
};

use super::Jobs;
use crate::{
    error::Result,
    id::RowId,
    integration::webhook::{Answered, verdict},
    record::{
        store::Desk,
        webhook::{
            claim::{self, Verdict},
            delivery::{AttemptRow, DeliveryRow, State},
            gather,
            message::{self, Composed},
            row::WebhookRow,
        },
    },
    telemetry,
};

/// How often it is looked whether more is due while messages are on their way.
const LOOK: Duration = Duration::from_secs(1);

/// Makes messages of all events that there are; gives how many.
pub(super) async fn make(jobs: &Jobs) -> Result<usize> {
    let mut made = 0;
    loop {
        let (kernel, now) = (jobs.kernel.clone(), jobs.clock.now());
        let gathered = jobs.database.read(move |connection| gather::gather(&kernel, connection, now)).await?;
        if gathered.is_empty() {
            return Ok(made);
        }
        let more = gathered.iter().any(|one| one.more);
        let keep =
            move |desk: &mut Desk<'_, '_>| gathered.iter().map(|one| gather::keep(desk, one)).sum::<Result<usize>>();
        made += jobs.write("webhooks", keep).await?;
        if !more {
            return Ok(made);
        }
    }
}

/// Messages on their way, each with its webhook.
#[derive(Default)]
struct Flight {
    each: HashMap<RowId, usize>,
    all: usize,
}

impl Flight {
    fn begin(&mut self, webhook: RowId) {
        *self.each.entry(webhook).or_default() += 1;
        self.all += 1;
    }

    fn end(&mut self, webhook: RowId) {
        self.all -= 1;
        if let Some(count) = self.each.get_mut(&webhook) {
            *count -= 1;
        }
    }
}

/// Delivers messages until none is due; gives how many attempts were made.
pub(super) async fn deliver(jobs: &Jobs) -> Result<usize> {
    let (mut sent, mut flight) = (0, Flight::default());
    let mut on_their_way = FuturesUnordered::new();
    loop {
        for (webhook, id) in claimed(jobs, &flight).await? {
            flight.begin(webhook);
            on_their_way.push(async move { (webhook, deliver_one(jobs, id).await) });
        }
        let Some(landed) = next(&mut on_their_way).await else {
            if flight.all == 0 {
                return Ok(sent);
            }
            continue;
        };
        let (webhook, outcome) = landed;
        flight.end(webhook);
        match outcome {
            Ok(attempted) => sent += usize::from(attempted),
            // Its claim lapses, and then it is tried again.
            Err(error) => tracing::warn!(%webhook, %error, cause = ?error.source, "a message could not be worked on"),
        }
    }
}

/// The next message that has landed; nothing where none has for a while, or none is on its way.
async fn next<T>(on_their_way: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
    tokio::time::timeout(LOOK, on_their_way.next()).await.ok().flatten()
}

/// Claims what is due, as far as there is room: messages with their webhooks.
async fn claimed(jobs: &Jobs, flight: &Flight) -> Result<Vec<(RowId, RowId)>> {
    let room = jobs.webhooks.in_flight.saturating_sub(flight.all);
    if room == 0 {
        return Ok(Vec::new());
    }
    let due = due(jobs, flight, room).await?;
    if due.is_empty() {
        return Ok(due);
    }
    let (node, now) = (jobs.node, jobs.clock.now());
    let claim = move |desk: &mut Desk<'_, '_>| {
        let ids: Vec<RowId> = due.iter().map(|(_, id)| *id).collect();
        let mine = claim::claim(desk.unit.connection()?, &ids, node, now)?;
        Ok(due.iter().filter(|(_, id)| mine.contains(id)).copied().collect())
    };
    jobs.write("webhooks", claim).await
}

/// What is due and may be sent, those first that have waited longest, and of no webhook more than its share.
async fn due(jobs: &Jobs, flight: &Flight, room: usize) -> Result<Vec<(RowId, RowId)>> {
    let (now, settings) = (jobs.clock.now(), jobs.webhooks.clone());
    let each = flight.each.clone();
    jobs.database
        .read(move |connection| {
            let (mut found, minute) = (Vec::new(), now.minus(TimeDelta::minutes(1)));
            let waiting = claim::waiting(connection, now)?;
            let oldest =
                waiting.first().and_then(|(_, since)| *since).map_or(0, |since| now.since(since).num_seconds());
            metrics::gauge!(telemetry::WEBHOOK_LAG).set(f64::from(i32::try_from(oldest).unwrap_or(i32::MAX)));
            for (webhook, _) in waiting {
                let flying = each.get(&webhook).copied().unwrap_or(0);
                let most = settings.in_flight_each.saturating_sub(flying).min(room - found.len());
                let made = AttemptRow::count_since(connection, webhook, minute)?;
                let left = i64::from(settings.messages_per_minute) - made - i64::try_from(flying).unwrap_or(i64::MAX);
                let most = left.min(i64::try_from(most).unwrap_or(i64::MAX));
                if most > 0 {
                    let ids = claim::due(connection, webhook, now, most)?;
                    found.extend(ids.into_iter().map(|id| (webhook, id)));
                }
            }
            Ok(found)
        })
        .await
}

/// What is to be sent.
struct Ready {
    hook: WebhookRow,
    delivery: DeliveryRow,
    composed: Composed,
}

/// Makes an attempt with a message that this node has claimed; false where nothing was sent.
async fn deliver_one(jobs: &Jobs, id: RowId) -> Result<bool> {
    let (node, now) = (jobs.node, jobs.clock.now());
    let Some(Ready { hook, delivery, composed }) = ready(jobs, id).await? else {
        jobs.write("webhooks", move |desk| claim::release(desk.unit.connection()?, id, node, None)).await?;
        return Ok(false);
    };
    let body = match composed {
        Composed::Send(body) => body,
        Composed::Dropped(why) => {
            let dropped = jobs
                .write("webhooks", move |desk| {
                    claim::end(desk.unit.connection()?, id, node, (State::Dropped, why), now)
                })
                .await?;
            count("dropped", dropped);
            return Ok(false);
        }
    };
    let message = delivery.message_id();
    let answered = jobs.post.send(&hook.url, message.as_str(), now, &hook.secrets(now), &body).await;
    settle(jobs, delivery, body, answered).await
}

/// A message with its webhook; nothing where that is no longer active.
async fn ready(jobs: &Jobs, id: RowId) -> Result<Option<Ready>> {
    let kernel = jobs.kernel.clone();
    jobs.database
        .read(move |connection| {
            let delivery = DeliveryRow::find(connection, id)?;
            let hook = WebhookRow::named(connection, delivery.webhook_id)?;
            if !hook.active {
                return Ok(None);
            }
            let composed = message::compose(&kernel, connection, &hook, &delivery)?;
            Ok(Some(Ready { hook, delivery, composed }))
        })
        .await
}

async fn settle(jobs: &Jobs, delivery: DeliveryRow, body: String, answered: Answered) -> Result<bool> {
    let node = jobs.node;
    let verdict = verdict(&delivery, &answered, jobs.clock.now(), rand::random());
    let outcome = match &verdict {
        Verdict::Delivered => "delivered",
        Verdict::Again(_) => "again",
        Verdict::Dead(_) | Verdict::Gone => "dead",
    };
    let attempted = answered.attempted;
    let settled =
        jobs.write("webhooks", move |desk| claim::settle(desk, &delivery, node, &body, &attempted, &verdict)).await?;
    count(outcome, settled);
    Ok(settled)
}

fn count(outcome: &'static str, counts: bool) {
    if counts {
        metrics::counter!(telemetry::WEBHOOK_MESSAGES, "outcome" => outcome).increment(1);
    }
}
