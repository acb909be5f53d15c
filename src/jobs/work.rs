//! Works on jobs: one at a time on each node, on a thread of its own.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::sync::oneshot;

use super::Jobs;
use crate::{
    error::{Error, Result},
    id::RowId,
    policy::{
        back_test::{self, run::Stage},
        runner,
    },
    record::job::{Bench, JobRow, State, Told},
};

/// Tells the work that this node ends, when whoever waits for it is dropped.
struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Works on all jobs that wait, one after the other; gives how many.
pub(super) async fn work_off(jobs: &Jobs) -> Result<usize> {
    let mut worked = 0;
    loop {
        let (node, now) = (jobs.node, jobs.clock.now());
        // Mostly there is none, and the writer need not hear of that twice a second.
        if jobs.database.read(move |connection| JobRow::oldest_free(connection, now)).await?.is_none() {
            return Ok(worked);
        }
        let Some(job) = jobs.writer.run(move |unit| JobRow::take(unit.connection()?, node, now)).await? else {
            return Ok(worked);
        };
        let ending = Ending(Arc::default());
        let outcome = on_a_thread(jobs, job.clone(), ending.0.clone()).await;
        end(jobs, job, outcome).await?;
        worked += 1;
    }
}

async fn on_a_thread(jobs: &Jobs, job: JobRow, ending: Arc<AtomicBool>) -> Result<Told> {
    let (stage, bench, node) = (jobs.stage(), jobs.bench(), jobs.node);
    apart("job", move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| do_it(&stage, &bench, job, node, &ending)));
        if ending.load(Ordering::Relaxed) {
            // Nobody waits any more: the next node need not wait for this one's silence.
            let given_back = stage.writer.run_blocking(move |unit| JobRow::release(unit.connection()?, node));
            tracing::debug!(?given_back, "a job was given back");
        }
        outcome.unwrap_or_else(|_| Err(Error::internal("a job panicked")))
    })
    .await
}

/// Does something on a thread of its own, with a stack on which scripts may run. A panic there is an error.
pub(super) async fn apart<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(runner::STACK);
    // Whoever asked may be gone.
    thread.spawn(move || drop(reply.send(work()))).map_err(Error::internal)?;
    answer.await.map_err(Error::internal)?
}

/// What there is to be done for each kind of job.
fn do_it(stage: &Stage, bench: &Bench, job: JobRow, node: RowId, ending: &AtomicBool) -> Result<Told> {
    let of_practices = || bench.kernel.practices().iter().flat_map(|practice| practice.jobs());
    match job.kind.as_str() {
        back_test::KIND => back_test::run::run(stage, job, node, ending),
        other => match of_practices().find(|(kind, _)| *kind == other) {
            Some((_, work)) => work(bench, job, node, ending),
            None => Err(Error::internal(format!("nobody knows how to do the job `{other}`"))),
        },
    }
}

async fn end(jobs: &Jobs, job: JobRow, outcome: Result<Told>) -> Result<()> {
    let (state, error) = match outcome {
        Ok(Told::GoOn) => (State::Succeeded, None),
        Ok(Told::Stop) => (State::Cancelled, None),
        Ok(Told::Lost) => return Ok(()),
        Err(error) => {
            tracing::warn!(job = %job.id, %error, cause = ?error.source, "a job failed");
            (State::Failed, Some(error.detail))
        }
    };
    let (node, now) = (jobs.node, jobs.clock.now());
    jobs.writer.run(move |unit| job.end(unit.connection()?, node, state, error.as_deref(), now)).await
}
