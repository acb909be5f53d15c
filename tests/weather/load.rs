//! Those who ask while the weather is rough.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::{
    storm::{Over, until},
    support::{PATIENCE, process::Running},
};

pub const INCIDENTS: &str = "/api/v1/incidents";

/// Somebody who makes records one after the other, each by a key of its own, and asks again with the same key when the answer
/// was lost.
#[derive(Default)]
pub struct Writer {
    name: String,
    /// How many keys were used.
    pub keys: usize,
    /// Whether the answer to the last key is still to come.
    pub owed: bool,
    /// The ids of the records that were acknowledged.
    pub acknowledged: Vec<String>,
    /// How often a key was sent again after its answer was lost or was a refusal.
    pub retried: usize,
    /// How often what was asked again had been done.
    pub replayed: usize,
    /// The statuses of refusals, and how often each came.
    pub refused: BTreeMap<u16, usize>,
}

impl Writer {
    pub fn new(name: &str) -> Writer {
        Writer { name: name.to_owned(), ..Writer::default() }
    }

    fn title(&self, key: usize) -> String {
        format!("{}, {key}", self.name)
    }

    /// The titles of all records that were asked for.
    pub fn titles(&self) -> Vec<String> {
        (1..=self.keys).map(|key| self.title(key)).collect()
    }

    /// Makes one record, or asks again for the one that is owed; gives the status of the answer.
    pub fn write(&mut self, server: &Running, token: &str) -> Option<u16> {
        if self.owed {
            self.retried += 1;
        } else {
            self.keys += 1;
            self.owed = true;
        }
        let title = self.title(self.keys);
        let key = format!("Idempotency-Key: {title}\r\n");
        let heard = server.hear("POST", INCIDENTS, token, &key, &format!("{{\"title\": \"{title}\"}}"))?;
        self.replayed += usize::from(heard.header("idempotency-replayed").is_some());
        if heard.status == 201 {
            let record: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
            self.acknowledged.push(record["id"].as_str().unwrap().to_owned());
            self.owed = false;
        } else {
            *self.refused.entry(heard.status).or_default() += 1;
        }
        Some(heard.status)
    }
}

/// What became of the writes so far.
#[derive(Default)]
pub struct Progress {
    pub acknowledged: AtomicUsize,
    pub refused: AtomicUsize,
}

impl Progress {
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Lets all write until there is `enough`, then does `last` while they go on, and stops them. With a rhythm, each waits so long
/// from one write to the next.
pub fn write_until<T>(
    server: &Running,
    token: &str,
    writers: &mut [Writer],
    rhythm: Duration,
    enough: impl Fn(&Progress) -> bool,
    last: impl FnOnce() -> T,
) -> T {
    let (progress, over) = (Progress::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for writer in writers {
            let (progress, over) = (&progress, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let next = Instant::now() + rhythm;
                    match writer.write(server, token) {
                        Some(201) => progress.acknowledged.fetch_add(1, Ordering::Relaxed),
                        Some(_) => progress.refused.fetch_add(1, Ordering::Relaxed),
                        None => 0,
                    };
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            });
        }
        // Also where the storm ends here, so that the writers end, too.
        let _over = Over(&over);
        until("enough is written", PATIENCE, || enough(&progress));
        last()
    })
}
