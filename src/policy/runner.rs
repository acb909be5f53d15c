//! Threads with ample stacks for work that must not run on a web worker: compiling, validating, testing, trying, and whatever
//! else takes a while.
//!
//! They have less of the processor than threads that answer requests.
//!
//! **Invariant:** a panic in a job is an error for its caller and costs no thread.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use crate::{
    auth::stand_back,
    error::{Code, Error, Result},
};

/// The stack of a thread that compiles or runs scripts, in bytes. A stack overflow would end the process.
pub const STACK: usize = 16 << 20;

/// Jobs that wait before the next is turned away.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads with ample stacks.
#[derive(Clone)]
pub struct Runner {
    jobs: flume::Sender<Job>,
}

impl Runner {
    /// Starts the threads; they end when the last clone of the runner is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(threads: usize) -> Result<Runner> {
        let (jobs, waiting) = flume::bounded::<Job>(QUEUE);
        for n in 0..threads.max(1) {
            let waiting = waiting.clone();
            let work = move || {
                stand_back();
                waiting.iter().for_each(|job| job());
            };
            let thread = thread::Builder::new().name(format!("policy-{n}")).stack_size(STACK);
            thread.spawn(work).map_err(Error::internal)?;
        }
        Ok(Runner { jobs })
    }

    fn submit<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<flume::Receiver<T>> {
        let (answer, answered) = flume::bounded(1);
        let job = move || {
            if let Ok(value) = catch_unwind(AssertUnwindSafe(job)) {
                // The caller may have gone: then nobody waits for the answer.
                drop(answer.send(value));
            }
        };
        let busy = |_| Error::new(Code::Unavailable, "Too much waits to be worked out.").retry_after(1);
        self.jobs.try_send(Box::new(job)).map_err(busy)?;
        Ok(answered)
    }

    /// Runs a job and blocks until it is done.
    ///
    /// # Errors
    /// Too many jobs wait, or the job panicked.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.submit(job)?.recv().map_err(Error::internal)
    }

    /// Runs a job without blocking the thread that waits.
    ///
    /// # Errors
    /// Too many jobs wait, or the job panicked.
    pub async fn run_async<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.submit(job)?.recv_async().await.map_err(Error::internal)
    }
}

/// Runs a job on a thread of its own with an ample stack, for the command line and tests.
///
/// # Errors
/// The system gives no thread, or the job panicked.
pub fn on_ample_stack<T: Send>(job: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, job).map_err(Error::internal)?;
        thread.join().map_err(|_| Error::new(Code::Internal, "The policy engine failed."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_neither_caller_nor_thread() {
        let runner = Runner::start(1).unwrap();
        assert!(runner.run(|| panic!("on purpose")).is_err());
        assert_eq!(runner.run(|| 7).unwrap(), 7);
    }
}
