//! The word that the server is stopping, for all that would otherwise go on: streams, timers, idle connections.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether the server is stopping. Clones tell of the same stop.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    /// Of a server that runs.
    #[expect(
        clippy::new_without_default,
        reason = "two of them know nothing of each other, so each is made on purpose"
    )]
    pub fn new() -> Self {
        Shutdown(Arc::new(watch::Sender::new(false)))
    }
    /// Tells everyone to stop.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
    /// Whether the stop has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
    /// Returns once the stop has begun.
    pub async fn begun(&self) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}
