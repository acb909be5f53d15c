//! Those who ask while the weather is rough.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::process::Running;

pub const INCIDENTS: &str = "/api/v1/incidents";

/// Somebody who makes records one after the other, each by a key of its own, and asks again with the same key when the answer
/// was lost.
pub struct Writer {
    name: String,
    /// How many keys were used.
    pub keys: usize,
    /// Whether the answer to the last key is still to come.
    pub owed: bool,
    /// The ids of the records that were acknowledged.
    pub acknowledged: Vec<String>,
    /// How often a key was sent again after its answer was lost.
    pub retried: usize,
}

impl Writer {
    pub fn new(name: &str) -> Writer {
        Writer { name: name.to_owned(), keys: 0, owed: false, acknowledged: Vec::new(), retried: 0 }
    }

    /// Makes one record, or asks again for the one whose answer was lost; whether it was acknowledged.
    pub fn write(&mut self, server: &Running, token: &str) -> bool {
        if self.owed {
            self.retried += 1;
        } else {
            self.keys += 1;
            self.owed = true;
        }
        let title = format!("{}, {}", self.name, self.keys);
        let key = format!("Idempotency-Key: {title}\r\n");
        let answer = server.ask_with("POST", INCIDENTS, token, &key, &format!("{{\"title\": \"{title}\"}}"));
        let Some((201, text)) = answer else { return false };
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        self.acknowledged.push(record["id"].as_str().unwrap().to_owned());
        self.owed = false;
        true
    }
}

/// Lets all write until `enough` says so of the number of acknowledgements, then does `last` while they go on, and stops them.
pub fn write_until(
    server: &Running,
    token: &str,
    writers: &mut [Writer],
    enough: impl Fn(usize) -> bool,
    last: impl FnOnce(),
) {
    let (count, over) = (AtomicUsize::new(0), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        for writer in writers {
            let (count, over) = (&count, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    if writer.write(server, token) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        super::storm::until("enough is written", super::support::PATIENCE, || enough(count.load(Ordering::Relaxed)));
        last();
        over.store(true, Ordering::Relaxed);
    });
}
