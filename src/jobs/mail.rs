//! Makes messages of events for people, brings together what waited for a digest, and sends what is due.

use std::sync::Arc;

use futures_util::future::join_all;

use super::Jobs;
use crate::{
    error::Result,
    id::RowId,
    integration::mail::smtp::{Postman, verdict},
    record::notification::{
        claim::{self, Verdict},
        compose::{self, Composed, Outgoing},
        digest, gather,
        message::{MessageRow, State},
    },
    telemetry,
};

/// What the writes of these jobs come through.
const VIA: &str = "mail";

/// Makes messages of all events that there are; gives how many.
pub(super) async fn make(jobs: &Jobs) -> Result<usize> {
    let mut made = 0;
    if jobs.postman.is_none() {
        return Ok(made);
    }
    loop {
        let (kernel, server, settings, now) =
            (jobs.kernel.clone(), jobs.server.clone(), jobs.mail.clone(), jobs.clock.now());
        let gathered =
            jobs.database.read(move |connection| gather::gather(&kernel, connection, &server, &settings, now)).await?;
        let Some(gathered) = gathered else { return Ok(made) };
        let (more, settings) = (gathered.more, jobs.mail.clone());
        made += jobs.write(VIA, move |desk| gather::keep(desk, &gathered, &settings)).await?;
        if !more {
            return Ok(made);
        }
    }
}

/// Makes the digests that are due; gives how many.
pub(super) async fn digest(jobs: &Jobs) -> Result<usize> {
    if jobs.postman.is_none() {
        return Ok(0);
    }
    let now = jobs.clock.now();
    let mut made = 0;
    for user in jobs.database.read(move |connection| digest::due(connection, now)).await? {
        made += usize::from(jobs.write(VIA, move |desk| digest::make(desk, user)).await?);
    }
    Ok(made)
}

/// Sends messages until none is due; gives how many attempts were made.
pub(super) async fn send(jobs: &Jobs) -> Result<usize> {
    let Some(postman) = jobs.postman.clone() else { return Ok(0) };
    let mut attempts = 0;
    loop {
        let claimed = claimed(jobs).await?;
        if claimed.is_empty() {
            return Ok(attempts);
        }
        for outcome in join_all(claimed.into_iter().map(|id| send_one(jobs, &postman, id))).await {
            match outcome {
                Ok(attempted) => attempts += usize::from(attempted),
                // Its claim lapses, and then it is tried again.
                Err(error) => tracing::warn!(%error, cause = ?error.source, "mail could not be worked on"),
            }
        }
    }
}

/// Claims what is due, as much as may go at once.
async fn claimed(jobs: &Jobs) -> Result<Vec<RowId>> {
    let (node, now) = (jobs.node, jobs.clock.now());
    let most = i64::try_from(jobs.mail.in_flight).unwrap_or(i64::MAX);
    let due = jobs.database.read(move |connection| claim::due(connection, now, most)).await?;
    if due.is_empty() {
        return Ok(due);
    }
    jobs.write(VIA, move |desk| claim::claim(desk.unit.connection()?, &due, node, now)).await
}

/// Makes an attempt with a message that this node has claimed; false where nothing was sent.
async fn send_one(jobs: &Jobs, postman: &Arc<Postman>, id: RowId) -> Result<bool> {
    let (kernel, settings, now) = (jobs.kernel.clone(), jobs.mail.clone(), jobs.clock.now());
    let reading = jobs.database.read(move |connection| {
        let message = MessageRow::find(connection, id)?;
        let composed = compose::compose(&kernel, connection, &settings, &message, now)?;
        Ok((message, composed))
    });
    let (message, composed) = reading.await?;
    match composed {
        Composed::Send(outgoing) => attempt(jobs, postman, message, *outgoing).await,
        Composed::Later(until) => {
            let node = jobs.node;
            jobs.write(VIA, move |desk| claim::release(desk.unit.connection()?, id, node, Some(until))).await?;
            Ok(false)
        }
        Composed::Dropped(why) => end(jobs, id, State::Dropped, why.to_owned()).await,
        Composed::Dead(why) => end(jobs, id, State::Dead, why).await,
    }
}

async fn end(jobs: &Jobs, id: RowId, state: State, why: String) -> Result<bool> {
    let (node, now) = (jobs.node, jobs.clock.now());
    let ended = jobs.write(VIA, move |desk| claim::end(desk.unit.connection()?, id, node, (state, &why), now)).await?;
    count(state.as_str(), ended);
    Ok(false)
}

async fn attempt(jobs: &Jobs, postman: &Postman, message: MessageRow, outgoing: Outgoing) -> Result<bool> {
    let answered = postman.send(&outgoing, jobs.clock.now()).await;
    let (node, now) = (jobs.node, jobs.clock.now());
    let verdict = verdict(&message, &answered, now, rand::random());
    let outcome = match &verdict {
        Verdict::Sent => "sent",
        Verdict::Again(_) => "again",
        Verdict::Dead(_) => "dead",
    };
    let settle = jobs.write(VIA, move |desk| {
        let connection = desk.unit.connection()?;
        claim::settle(connection, &message, node, &outgoing, &answered.attempted, &verdict, now)
    });
    let settled = settle.await?;
    count(outcome, settled);
    Ok(settled)
}

fn count(outcome: &'static str, counts: bool) {
    if counts {
        metrics::counter!(telemetry::MAIL_MESSAGES, "outcome" => outcome).increment(1);
    }
}
