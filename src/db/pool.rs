//! The pool of connections and the threads that read, and the handle through which everything reaches the store.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{
    connection::SimpleConnection,
    r2d2::{self, ManageConnection},
};

use tokio::sync::oneshot;

use super::{AnyConnection, Engine};
use crate::error::{Code, Error, Result};

/// A job for a reader thread.
type Reading = Box<dyn FnOnce() + Send>;

/// Stack of a reader thread: looking at a record may ask policies.
const STACK: usize = 16 * 1024 * 1024;
/// Connections that are kept for short statements apart from other work.
const APART: u32 = 8;
/// Connections for threads that are no reader's and read here.
const OTHERS: u32 = 4;
/// What part of the deadline a connection is waited for: of half a minute one and a half seconds.
const CONNECTING: u32 = 20;
/// How long who asks waits for the store, when nothing else is said.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often a store that is away is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// How long a connection that answered is taken to be there still: to ask each time would be another way to the store and back.
const TRUSTED: Duration = Duration::from_secs(1);
/// How many reads may wait before new ones are turned away.
const QUEUE: usize = 10_000;

/// After so many reads a connection forgets what it has prepared. Most reads are alike, but filters make ever new statements, of
/// about 20 kB each, and nobody tells how many there are.
const FORGET_EVERY: u32 = 300;

/// The store, for reading. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    connections: r2d2::Pool<Opener>,
    apart: r2d2::Pool<Opener>,
    readers: flume::Sender<Reading>,
    url: Arc<str>,
    engine: Engine,
    deadline: Duration,
    away: Arc<AtomicBool>,
}

impl Database {
    /// Opens a pool of `readers` connections, on SQLite at most two for each core. It connects when first used, so that a store
    /// that is away does not keep the server from starting.
    pub fn open(url: &str, readers: u32) -> Result<Self> {
        Database::open_within(url, readers, DEADLINE)
    }

    /// The same, where who asks waits so long at most.
    pub fn open_within(url: &str, readers: u32, deadline: Duration) -> Result<Self> {
        let engine = Engine::of(url)?;
        let readers = match engine {
            // It reads in this process: more would only take memory.
            Engine::Sqlite => readers.min(2 * cores()),
            Engine::Postgres => readers,
        };
        let pool = |most: u32| {
            r2d2::Pool::builder()
                .max_size(most)
                .min_idle(Some(0))
                .connection_timeout(deadline / CONNECTING)
                .test_on_check_out(engine == Engine::Postgres)
                .error_handler(Box::new(r2d2::LoggingErrorHandler))
                .build_unchecked(Opener { url: url.into() })
        };
        let (connections, apart) = (pool(readers.max(1) + OTHERS), pool(APART));
        let (sender, jobs) = flume::bounded::<Reading>(QUEUE);
        for n in 0..readers.max(1) {
            let jobs = jobs.clone();
            let serve = move || jobs.iter().for_each(|job| job());
            let thread = thread::Builder::new().name(format!("reader-{n}")).stack_size(STACK);
            thread.spawn(serve).map_err(Error::internal)?;
        }
        let away = Arc::default();
        Ok(Database { connections, apart, readers: sender, url: url.into(), engine, deadline, away })
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The address that it was opened with. It may hold a password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection of its own, outside the pool.
    pub fn connect(&self) -> Result<AnyConnection> {
        Ok(AnyConnection::open(&self.url)?)
    }

    /// Reads on this thread, all of it as of one moment.
    pub fn read_here<T, W: FnOnce(&mut AnyConnection) -> Result<T>>(&self, work: W) -> Result<T> {
        self.take(&self.connections)?.run(|connection| connection.snapshot(work))
    }

    /// Runs a short statement, committed by itself, on a connection that is kept for such: for who holds a connection already
    /// and needs another, so that nobody who holds one waits for the rest of the pool.
    pub fn apart<T>(&self, work: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        self.take(&self.apart)?.run(work)
    }

    fn take(&self, pool: &r2d2::Pool<Opener>) -> Result<r2d2::PooledConnection<Opener>> {
        self.is_here()?;
        pool.get().map_err(|e| {
            let is_busy = pool.state().connections >= pool.max_size();
            let error = if is_busy { busy() } else { self.lost() };
            Error { source: Some(Box::new(e)), ..error }
        })
    }

    /// Reads a row or two by their keys, each statement by itself. On SQLite that takes less time than handing it to another
    /// thread, so it is done at once, on a connection that no long list holds; PostgreSQL is waited for elsewhere.
    pub async fn read_one<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match self.engine {
            Engine::Sqlite => self.apart(work),
            Engine::Postgres => self.on_reader(Database::read_directly, work).await,
        }
    }

    /// Reads on a reader thread, all of it as of one moment.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.on_reader(Database::read_here, work).await
    }

    /// Reads on a reader thread, for work that finds out by itself whether what it read goes together. On PostgreSQL each statement is
    /// by itself, since to open and end a transaction are two more ways there and back; on SQLite all of it is as of one moment.
    pub async fn read_loosely<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match self.engine {
            Engine::Sqlite => self.on_reader(Database::read_here, work).await,
            Engine::Postgres => self.on_reader(Database::read_directly, work).await,
        }
    }

    fn read_directly<T, W: FnOnce(&mut AnyConnection) -> Result<T>>(&self, work: W) -> Result<T> {
        self.take(&self.connections)?.run(work)
    }

    async fn on_reader<T: Send + 'static, W: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static>(
        &self,
        read: fn(&Self, W) -> Result<T>,
        work: W,
    ) -> Result<T> {
        self.is_here()?;
        let (reply, answer) = oneshot::channel();
        let database = self.clone();
        let job = move || {
            // Whoever asked may be gone while others were served.
            if reply.is_closed() {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| read(&database, work)));
            let _ = reply.send(outcome.unwrap_or_else(|_| Err(Error::internal("a read panicked"))));
        };
        self.readers.try_send(Box::new(job)).map_err(|_| busy())?;
        self.in_time(answer).await
    }

    /// Waits for an answer of the store, but not for ever: one that hangs is as good as away.
    pub(super) async fn in_time<T>(&self, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.deadline, answer).await {
            Ok(answered) => answered.map_err(Error::internal)?,
            Err(_) => Err(self.lost()),
        }
    }

    /// An error while the store is away, so that nobody waits for what is known.
    pub(super) fn is_here(&self) -> Result<()> {
        if self.away.load(Ordering::Acquire) { Err(away()) } else { Ok(()) }
    }

    /// Says that the store is away, and looks for it until it is back.
    pub(super) fn lost(&self) -> Error {
        if !self.away.swap(true, Ordering::AcqRel) {
            let (url, flag) = (self.url.clone(), self.away.clone());
            let look = move || {
                while AnyConnection::open(&url).is_err() {
                    thread::sleep(LOOK);
                }
                flag.store(false, Ordering::Release);
            };
            if thread::Builder::new().name("looking".to_owned()).spawn(look).is_err() {
                self.away.store(false, Ordering::Release);
            }
        }
        away()
    }
}

fn cores() -> u32 {
    thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX / 2))
}

fn busy() -> Error {
    Error::new(Code::Unavailable, "Too many reads are waiting.").retry_after(1)
}

fn away() -> Error {
    Error::new(Code::Unavailable, "The database is not available at the moment.").retry_after(1)
}

/// Opens connections for the pool.
struct Opener {
    url: Arc<str>,
}

/// A connection of the pool.
struct Pooled {
    connection: AnyConnection,
    reads: u32,
    /// When it last did what was asked of it; nothing when it must be tried first.
    answered: Option<Instant>,
}

impl Pooled {
    fn run<T>(&mut self, work: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        let outcome = work(&mut self.connection);
        self.answered = outcome.is_ok().then(Instant::now);
        outcome
    }
}

impl ManageConnection for Opener {
    type Connection = Pooled;
    type Error = r2d2::Error;

    fn connect(&self) -> std::result::Result<Pooled, r2d2::Error> {
        let mut connection = AnyConnection::open(&self.url).map_err(r2d2::Error::ConnectionError)?;
        connection.hurry().map_err(r2d2::Error::QueryError)?;
        Ok(Pooled { connection, reads: 0, answered: Some(Instant::now()) })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> std::result::Result<(), r2d2::Error> {
        match pooled.answered {
            Some(at) if at.elapsed() < TRUSTED => Ok(()),
            _ => pooled.connection.batch_execute("SELECT 1").map_err(r2d2::Error::QueryError),
        }
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.reads += 1;
        std::thread::panicking()
            || diesel::r2d2::R2D2Connection::is_broken(&mut pooled.connection)
            || (pooled.reads.is_multiple_of(FORGET_EVERY) && pooled.connection.forget_prepared().is_err())
    }
}
