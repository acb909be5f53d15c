//! A server that is killed while many write: what it acknowledged is there, whole and once, and it is back at once.

use std::time::{Duration, Instant};

use crate::{
    held,
    load::{Progress, Writer, write_until},
    storm::{Weather, panics},
    support::process::{Running, prepared},
};

/// How long a server may take until it is ready again.
const READY: Duration = Duration::from_secs(2);

pub fn under_writers(weather: &mut Weather) {
    let (database, token) = prepared();
    let url = database.url();
    let mut writers: Vec<Writer> = (0..16).map(|n| Writer::new(&format!("Writer {n}"))).collect();
    let cycles = weather.size(4, 50);
    let (mut slowest, mut panicked) = (Duration::ZERO, Vec::new());
    for cycle in 0..cycles {
        let started = Instant::now();
        let server = Running::start(&url);
        slowest = slowest.max(started.elapsed());
        // Never after the same number, so that the kill comes at another place each time.
        let enough = 40 + cycle * 7 % 30;
        let enough = |progress: &Progress| progress.acknowledged() >= enough;
        write_until(&server, &token, &mut writers, Duration::ZERO, enough, || server.signal("KILL"));
        panicked.extend(panics(&server));
    }
    let started = Instant::now();
    let server = Running::start(&url);
    slowest = slowest.max(started.elapsed());
    for writer in writers.iter_mut().filter(|writer| writer.owed) {
        assert_eq!(writer.write(&server, &token), Some(201), "of a retry");
    }
    drop(server);
    weather.same("kills", cycles, cycles);
    weather.within("ready again, the slowest time", slowest, weather.allowed(READY));
    weather.none("panics", &panicked);
    weather.at_least("keys sent again after their answer was lost", writers.iter().map(|w| w.retried).sum(), 1);
    held::against(weather, &url, &writers, weather.size(150, 2_000));
}
