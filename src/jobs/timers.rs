//! Fires the timers that are due.

use super::Jobs;
use crate::{
    error::Result,
    id::RowId,
    record::{cause::Via, store::Desk, timer},
};

/// How many are looked up at once.
const AT_ONCE: i64 = 100;

/// Fires all that are due, each in a transaction of its own; gives how many. One that fails is put off, and the others go on,
/// even where it can't be put off: it is still due then, and looked at again the next time.
pub(super) async fn fire(jobs: &Jobs) -> Result<usize> {
    let mut fired = 0;
    loop {
        let mut settled = 0;
        for id in write(jobs, |desk| timer::due(desk, AT_ONCE)).await? {
            match fire_one(jobs, id).await {
                Ok(mine) => (fired, settled) = (fired + usize::from(mine), settled + 1),
                Err(error) => {
                    tracing::error!(timer = %id, %error, cause = ?error.source, "a timer could not be put off");
                }
            }
        }
        if settled == 0 {
            return Ok(fired);
        }
    }
}

async fn fire_one(jobs: &Jobs, id: RowId) -> Result<bool> {
    match write(jobs, move |desk| timer::fire(desk, id)).await {
        Ok(fired) => Ok(fired),
        Err(error) => {
            tracing::error!(timer = %id, %error, cause = ?error.source, "a timer could not do its work; it is put off");
            let why = error.to_string();
            write(jobs, move |desk| timer::put_off(desk, id, &why)).await?;
            Ok(false)
        }
    }
}

async fn write<T: Send + 'static>(
    jobs: &Jobs,
    mut work: impl FnMut(&mut Desk<'_, '_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (kernel, cause) = (jobs.kernel.clone(), jobs.cause(Via::Timer("due".to_owned())));
    jobs.writer.run(move |unit| work(&mut Desk { kernel: &kernel, unit, cause: &cause })).await
}
