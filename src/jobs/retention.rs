//! Forgets what need not be kept: old idempotency keys, ended sessions, retired keys, old login failures, bytes of uploads
//! that broke off with their server.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::Jobs;
use crate::{
    auth::{key, session, throttle},
    clock::Moment,
    db::AnyConnection,
    error::Result,
    record::attachment,
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
                + throttle::prune(connection, now)?)
        })
        .await?;
    let chunks = jobs.writer.run(move |unit| attachment::sweep_chunks(unit.connection()?, now)).await?;
    jobs.writer.run(|unit| Ok(unit.connection()?.learn_sizes()?)).await?;
    Ok(files + rows + chunks)
}

fn answers(connection: &mut AnyConnection, now: Moment) -> Result<usize> {
    let old = idempotency::created_at.lt(now.minus(ANSWERS));
    Ok(diesel::delete(idempotency::table.filter(old)).execute(connection)?)
}
