//! Forgets what need not be kept: old idempotency keys, ended sessions, retired keys, old login failures, links of
//! approvals that are long over, messages of webhooks and mail that have ended, bytes of uploads that broke off with their server.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::Jobs;
use crate::{
    auth::{key, session, throttle},
    clock::Moment,
    db::AnyConnection,
    error::Result,
    record::{
        approval, attachment,
        notification::{message::MessageRow, received::ReceivedRow},
        webhook::delivery::DeliveryRow,
    },
    schema::idempotency,
};

/// How long answers to idempotent requests are kept.
const ANSWERS: TimeDelta = TimeDelta::hours(24);

/// Forgets; gives how many rows.
pub(super) async fn forget(jobs: &Jobs) -> Result<usize> {
    let now = jobs.clock.now();
    let directory = jobs.attachments.directory.clone();
    let files = jobs.database.read(move |connection| attachment::sweep_files(connection, &directory, now));
    let files = files.await?;
    let rows = jobs
        .writer
        .run(move |unit| {
            let connection = unit.connection()?;
            Ok(answers(connection, now)?
                + session::prune(connection, now)?
                + key::prune(connection, now)?
                + throttle::prune(connection, now)?
                + approval::link::prune(connection, now)?)
        })
        .await?;
    let ended = now.minus(TimeDelta::days(jobs.webhooks.keep_days.into()));
    let messages = jobs.writer.run(move |unit| DeliveryRow::prune(unit.connection()?, ended)).await?;
    let mailed = now.minus(TimeDelta::days(jobs.mail.keep_days.into()));
    let mail = jobs.writer.run(move |unit| {
        let connection = unit.connection()?;
        Ok(MessageRow::prune(connection, mailed)? + ReceivedRow::prune(connection, mailed)?)
    });
    let mail = mail.await?;
    let chunks = jobs.writer.run(move |unit| attachment::sweep_chunks(unit.connection()?, now)).await?;
    jobs.writer.run(|unit| Ok(unit.connection()?.learn_sizes()?)).await?;
    Ok(files + rows + messages + mail + chunks)
}

fn answers(connection: &mut AnyConnection, now: Moment) -> Result<usize> {
    let old = idempotency::created_at.lt(now.minus(ANSWERS));
    Ok(diesel::delete(idempotency::table.filter(old)).execute(connection)?)
}
