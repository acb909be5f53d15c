//! Moves what SQLite has logged into its file, beside the writer, so that no write waits for it.
//!
//! The writer would do it by itself with every thousandth page, in the middle of a request: in a database of gigabytes the pages lie
//! everywhere. It still does where this falls behind. Neither waits for readers, so the log grows while there is no moment without one.

use std::{thread, time::Duration};

use super::Database;
use crate::error::{Error, Result};

/// The pause after each time.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the thread. It works after every hint that something was committed, and ends when nobody can give one any more.
pub(super) fn start(database: &Database) -> Result<flume::Sender<()>> {
    let (hint, hints) = flume::bounded(1);
    let database = database.clone();
    let work = move || {
        let mut connection = None;
        for () in &hints {
            let moved = match connection.take() {
                Some(open) => Ok(open),
                None => database.connect(),
            }
            .and_then(|mut open| {
                open.checkpoint()?;
                Ok(open)
            });
            match moved {
                Ok(open) => connection = Some(open),
                // The writer does it, then.
                Err(e) => tracing::debug!(error = %e, "what was logged could not be moved"),
            }
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name("checkpoint".to_owned()).spawn(work).map_err(Error::internal)?;
    Ok(hint)
}
