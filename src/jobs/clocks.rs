//! Lets clocks follow the service levels and calendars that have changed.

use super::Jobs;
use crate::{
    clock::Moment,
    error::Result,
    id::RecordId,
    record::{
        header::Header,
        service_level::again::{self, Subject},
        store::Why,
    },
};

/// How many records are looked at in one go.
const AT_ONCE: i64 = 100;

/// Works off what is noted; gives how many records have changed clocks.
pub(super) async fn recheck(jobs: &Jobs) -> Result<usize> {
    let now = jobs.clock.now();
    let due = jobs.database.read(move |connection| again::due(connection, now)).await?;
    let mut changed = 0;
    for (subject, seen) in due {
        changed += follow(jobs, subject, seen).await?;
    }
    Ok(changed)
}

async fn follow(jobs: &Jobs, subject: Subject, seen: Moment) -> Result<usize> {
    let (mut after, mut changed, mut mine) = (String::new(), 0, seen);
    loop {
        let (now, asked) = (jobs.clock.now(), subject.clone());
        let taken = jobs.writer.run(move |unit| again::take(unit.connection()?, &asked, mine, now)).await?;
        // Another node has it, or it was noted again, and begins anew.
        let Some(until) = taken else { return Ok(changed) };
        mine = until;
        let (asked, from) = (subject.clone(), after.clone());
        let records = jobs.database.read(move |connection| asked.records(connection, &from, AT_ONCE)).await?;
        let Some(last) = records.last() else {
            jobs.writer.run(move |unit| again::done(unit.connection()?, &subject, mine)).await?;
            return Ok(changed);
        };
        after = last.to_string();
        for record in records {
            match look(jobs, record).await {
                Ok(has_changed) => changed += usize::from(has_changed),
                // The others follow all the same.
                Err(error) => tracing::error!(%record, %error, "the clocks of a record could not follow"),
            }
        }
    }
}

async fn look(jobs: &Jobs, record: RecordId) -> Result<bool> {
    jobs.write("service_level", move |desk| {
        let Some(header) = Header::find(desk.unit.settled(record)?, record)? else { return Ok(false) };
        desk.kernel.practice(&header.kind)?.look_at_clocks(desk, record, Why::OtherTerms)
    })
    .await
}
