//! Hashing off the threads that answer requests, a few at a time.
//!
//! **Invariant:** never more than `slots` hashes run at once, even when their requests are gone: the slot is freed by the
//! hash, not by who waits for it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::password::{self, Verdict};
use crate::error::{Code, Error, Result};

/// The way to hash and verify passwords in a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hasher {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Hasher {
    /// `slots` hashes at once (as many as cores) and `waiting` more in line; who comes then is asked to come again.
    pub fn new(slots: usize, waiting: usize) -> Self {
        let slots = slots.max(1);
        Hasher { running: Arc::new(Semaphore::new(slots)), admitted: Arc::new(Semaphore::new(slots + waiting)) }
    }

    /// [`password::hash`] on a thread that may block. [`Code::TooManyRequests`] when the line is full.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || password::hash(&password)).await
    }

    /// [`password::verify`] on a thread that may block. [`Code::TooManyRequests`] when the line is full.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<Verdict> {
        self.run(move || password::verify(&password, stored.as_deref())).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = self.admitted.clone().try_acquire_owned().map_err(|_| {
            Error::new(Code::TooManyRequests, "Too many passwords are being checked at the moment.").retry_after(1)
        })?;
        let slot = self.running.clone().acquire_owned().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop((slot, place));
            outcome
        })
        .await
        .map_err(Error::internal)?
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
            let hasher = Hasher::new(1, 1);
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
            let hasher = Hasher::new(1, 0);
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
