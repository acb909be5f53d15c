//! Hashing off the threads that answer requests, a few at a time, and with less of the processor than they get.
//!
//! **Invariant:** never more than `slots` hashes run at once, even when their requests are gone: there are as many threads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::sync::{Semaphore, oneshot};

use super::password::{self, Verdict};
use crate::error::{Code, Error, Result};

/// A job for a thread that hashes.
type Job = Box<dyn FnOnce() + Send>;

/// Of 99; a nice value of 9 on Linux, with which a thread gets about an eighth of what others get that want the processor, too.
const PRIORITY: u8 = 25;

/// The way to hash and verify passwords in a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hasher {
    jobs: flume::Sender<Job>,
    admitted: Arc<Semaphore>,
}

impl Hasher {
    /// `slots` hashes at once and `waiting` more in line; who comes then is asked to come again.
    ///
    /// # Errors
    /// When the threads can't be started.
    pub fn new(slots: usize, waiting: usize) -> Result<Self> {
        let slots = slots.max(1);
        let (jobs, line) = flume::unbounded::<Job>();
        for n in 0..slots {
            let line = line.clone();
            let serve = move || {
                stand_back();
                line.iter().for_each(|job| job());
            };
            thread::Builder::new().name(format!("hasher-{n}")).spawn(serve).map_err(Error::internal)?;
        }
        Ok(Hasher { jobs, admitted: Arc::new(Semaphore::new(slots + waiting)) })
    }

    /// [`password::hash`] on a thread of its own. [`Code::TooManyRequests`] when the line is full.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || password::hash(&password)).await
    }

    /// [`password::verify`] on a thread of its own. [`Code::TooManyRequests`] when the line is full.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<Verdict> {
        self.run(move || password::verify(&password, stored.as_deref())).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = self.admitted.clone().try_acquire_owned().map_err(|_| {
            Error::new(Code::TooManyRequests, "Too many passwords are being checked at the moment.").retry_after(1)
        })?;
        let (reply, answer) = oneshot::channel();
        let job = move || {
            // Whoever asked may be gone while others were served.
            if reply.is_closed() {
                return drop(place);
            }
            let outcome = catch_unwind(AssertUnwindSafe(work));
            drop(place);
            let _ = reply.send(outcome.unwrap_or_else(|_| Err(Error::internal("hashing panicked"))));
        };
        self.jobs.send(Box::new(job)).map_err(|_| Error::internal("nobody hashes"))?;
        answer.await.map_err(Error::internal)?
    }
}

/// Leaves the processor to threads that answer requests: what this thread does would hold them up for whole time slices.
pub fn stand_back() {
    let priority = ThreadPriorityValue::try_from(PRIORITY).map(ThreadPriority::Crossplatform);
    if let Some(e) = priority.map(set_current_thread_priority).ok().and_then(std::result::Result::err) {
        tracing::debug!(cause = ?e, "a thread that should stand back has the priority of every other");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    #[test]
    fn slots_bound_what_runs_and_the_line_turns_away() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let hasher = Hasher::new(1, 1).unwrap();
            let (release, gate) = mpsc::channel::<()>();
            let running = Arc::new(AtomicUsize::new(0));
            let most = Arc::new(AtomicUsize::new(0));
            let work = |gate: Option<mpsc::Receiver<()>>| {
                let (running, most) = (running.clone(), most.clone());
                move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    if let Some(gate) = gate {
                        gate.recv().map_err(Error::internal)?;
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                }
            };
            let first = tokio::spawn({
                let (hasher, work) = (hasher.clone(), work(Some(gate)));
                async move { hasher.run(work).await }
            });
            let second = tokio::spawn({
                let (hasher, work) = (hasher.clone(), work(None));
                async move { hasher.run(work).await }
            });
            while hasher.admitted.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            let refused = hasher.run(|| Ok(())).await.unwrap_err();
            assert_eq!((refused.code, refused.retry_after), (Code::TooManyRequests, Some(1)));
            release.send(()).unwrap();
            first.await.unwrap().unwrap();
            second.await.unwrap().unwrap();
            assert_eq!(most.load(Ordering::SeqCst), 1);
            hasher.run(|| Ok(())).await.unwrap();
        });
    }

    #[test]
    fn a_cancelled_request_keeps_its_slot_until_the_hash_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let hasher = Hasher::new(1, 0).unwrap();
            let (release, gate) = mpsc::channel::<()>();
            let (started, start) = mpsc::channel::<()>();
            let request = tokio::spawn({
                let hasher = hasher.clone();
                async move {
                    hasher
                        .run(move || {
                            started.send(()).map_err(Error::internal)?;
                            gate.recv().map_err(Error::internal)
                        })
                        .await
                }
            });
            while start.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
            request.abort();
            assert!(request.await.unwrap_err().is_cancelled());
            assert!(hasher.run(|| Ok(())).await.is_err());
            release.send(()).unwrap();
            while hasher.run(|| Ok(())).await.is_err() {
                tokio::task::yield_now().await;
            }
        });
    }
}
