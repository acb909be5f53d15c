//! Fires the timers that are due.

use futures_util::future::join_all;

use super::Jobs;
use crate::{
    error::Result,
    record::timer::{self, Looked},
    telemetry,
};

/// How many are fired at once; the writer commits them together.
const AT_ONCE: usize = 32;
/// How long a timer may be due before its lateness is reported.
const PATIENCE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// Fires all that are due; gives how many. One that fails is put off, and the others go on, even where it can't be put off: it is
/// still due then, and looked at again the next time.
pub(super) async fn fire(jobs: &Jobs) -> Result<usize> {
    let (mut fired, mut passed) = (0, None);
    loop {
        let round = join_all((0..AT_ONCE).map(|_| jobs.write("due", move |desk| timer::fire_next(desk, passed)))).await;
        let mut is_over = false;
        for looked in round {
            match looked? {
                Some(Looked::Fired { late }) => {
                    fired += 1;
                    metrics::histogram!(telemetry::TIMER_LAG).record(late.as_seconds_f64());
                }
                Some(Looked::PutOff) => (),
                Some(Looked::Stuck(place)) => passed = passed.max(Some(place)),
                None => is_over = true,
            }
        }
        if is_over {
            return Ok(fired);
        }
    }
}

/// Looks for timers that are due and that nobody fires; gives how many.
pub(super) async fn audit(jobs: &Jobs) -> Result<usize> {
    let now = jobs.clock.now();
    let (lag, late) = jobs.database.read(move |connection| timer::overdue(connection, now, PATIENCE)).await?;
    metrics::gauge!(telemetry::TIMERS_OVERDUE).set(late as f64);
    if late > 0 {
        tracing::error!(late, lag = lag.num_seconds(), "timers are due and did not fire");
    }
    Ok(usize::try_from(late).unwrap_or(0))
}
