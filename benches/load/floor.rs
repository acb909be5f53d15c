//! The floor of a write: the rows of a new incident, inserted by bare SQL.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use pointsman::{clock::Clock, db::Engine};

use crate::{
    bare::{Copier, Copy},
    fill::{Store, id_at},
};

/// Copies `model` for so long, from `threads` connections with `batch` records in each transaction. Gives records a second.
pub fn run(store: &Store, model: &str, threads: usize, batch: usize, seconds: u64) -> f64 {
    static RUN: AtomicUsize = AtomicUsize::new(0);
    let run = RUN.fetch_add(1, Ordering::Relaxed);
    let now = Clock::System.now();
    let work = |thread: usize| {
        // Each has an audit chain to itself, as the server's writers have.
        let mut copier = Copier::new(&store.url, &format!("id = '{model}'"), i32::try_from(thread).unwrap_or(0), false);
        let (start, mut made) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(seconds) {
            let copy = |n: usize| {
                let number = format!("FLR-{}-{run}-{thread}-{}", now.unix_seconds(), made + n);
                Copy { id: id_at(now, 0), number, like: model.to_owned(), earlier: 0 }
            };
            copier.copy(&(0..batch).map(copy).collect::<Vec<_>>());
            made += batch;
        }
        made as f64 / start.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Connections that write one commit each.
pub fn alone(engine: Engine) -> usize {
    match engine {
        Engine::Sqlite => 1,
        Engine::Postgres => 8,
    }
}

/// Connections that write in groups: as many as the server has writers.
pub fn writers(engine: Engine) -> usize {
    match engine {
        Engine::Sqlite => 1,
        Engine::Postgres => 2,
    }
}
