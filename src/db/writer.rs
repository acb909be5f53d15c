//! The writer: requests that arrive together are decided one by one and committed together.
//!
//! A durable commit costs a disk flush, whatever it holds, so the writer takes all jobs that wait, runs each against the
//! same transaction and answers all of them after the one commit. A job that fails leaves nothing behind and the others
//! untouched. Rows that nobody needs to read back at once are *deferred* into [`Deferred`] and written with one statement
//! per table for the whole group.
//!
//! **Invariant:** a job is answered with success only after its commit has been acknowledged by the database.
//! **Invariant:** a job may be run again (alone, in a new transaction), so it must not change what it captured.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::{AnyConnection, Database, Engine, checkpoint};
use crate::{
    error::{Code, Error, Result},
    id::RecordId,
};

/// Rows that wait to be written with those of other jobs.
pub trait Deferred: Default + Send + 'static {
    /// Writes all rows and empties itself. [`Code::Stale`] says that a row had changed meanwhile: the job runs again.
    fn flush(&mut self, connection: &mut AnyConnection) -> Result<()>;
    /// Takes over the rows of a job that succeeded.
    fn append(&mut self, other: Self);
    /// Whether a row of this record waits here.
    fn touches(&self, record: RecordId) -> bool;
    /// Whether nothing waits here.
    fn is_empty(&self) -> bool;
}

/// What a job works with: the transaction, and the rows it defers.
pub struct Unit<'a, D: Deferred> {
    connection: &'a mut AnyConnection,
    group: &'a mut D,
    savepoint: bool,
    discard: bool,
    /// The rows that this job defers.
    pub deferred: D,
    /// Rows that tell of the attempt: they are kept even if the job, or a part of it, fails. A rehearsal keeps none.
    pub testimony: D,
}

impl<D: Deferred> Unit<'_, D> {
    /// The connection for tables whose rows are never deferred. Nothing is written first.
    pub fn reference(&mut self) -> &mut AnyConnection {
        self.connection
    }

    /// The connection for reading one record: what waits for it is written first.
    pub fn settled(&mut self, record: RecordId) -> Result<&mut AnyConnection> {
        if self.deferred.touches(record) || self.group.touches(record) {
            self.connection()
        } else {
            Ok(self.connection)
        }
    }

    /// The connection for everything else: all that waits is written first, and what the job writes is taken back if it
    /// fails.
    pub fn connection(&mut self) -> Result<&mut AnyConnection> {
        self.group.flush(self.connection)?;
        if !self.savepoint {
            self.connection.begin_nested()?;
            self.savepoint = true;
        }
        self.deferred.flush(self.connection)?;
        Ok(self.connection)
    }

    /// Makes the job a rehearsal: its answer is given, and nothing of it is kept.
    pub fn discard(&mut self) {
        self.discard = true;
    }

    /// Whether nothing of the job is kept.
    pub fn is_rehearsal(&self) -> bool {
        self.discard
    }

    /// Runs a part of the job that may fail alone: what it wrote is taken back then, and the job goes on. The outer error
    /// is that of a transaction that is spoilt as a whole.
    pub fn attempt<T>(&mut self, part: impl FnOnce(&mut Unit<'_, D>) -> Result<T>) -> Result<Result<T>> {
        self.connection()?.begin_nested()?;
        let mut nothing = D::default();
        let mut unit = Unit {
            connection: &mut *self.connection,
            group: &mut nothing,
            savepoint: true,
            discard: self.discard,
            deferred: D::default(),
            testimony: std::mem::take(&mut self.testimony),
        };
        let outcome = part(&mut unit).and_then(|done| unit.deferred.flush(unit.connection).map(|()| done));
        self.testimony = unit.testimony;
        match &outcome {
            Ok(_) => self.connection.commit()?,
            Err(_) => self.connection.roll_back()?,
        }
        match outcome {
            Err(e) if e.source.is_some() && spoils_everything(e.code) => Err(e),
            alone => Ok(alone),
        }
    }
}

trait Job<D: Deferred>: Send {
    fn attempt(&mut self, unit: &mut Unit<'_, D>) -> Result<()>;
    fn answer(self: Box<Self>, verdict: Result<()>);
    /// Whether it is still to be done: not where whoever waited for it has gone before it began.
    fn is_wanted(&self) -> bool;
}

struct Work<F, T> {
    work: F,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T>>,
    awaited: bool,
}

impl<D: Deferred, T: Send, F: FnMut(&mut Unit<'_, D>) -> Result<T> + Send> Job<D> for Work<F, T> {
    fn attempt(&mut self, unit: &mut Unit<'_, D>) -> Result<()> {
        self.outcome = Some((self.work)(unit)?);
        Ok(())
    }
    fn answer(self: Box<Self>, verdict: Result<()>) {
        let Work { outcome, reply, .. } = *self;
        let lost = || Err(Error::internal("the job left no outcome"));
        // Whoever asked may be gone; the write stands all the same.
        let _ = reply.send(verdict.and_then(|()| outcome.map_or_else(lost, Ok)));
    }
    fn is_wanted(&self) -> bool {
        !(self.awaited && self.reply.is_closed())
    }
}

/// The way in for every change. Cheap to clone.
pub struct Writer<D: Deferred> {
    database: Database,
    queue: flume::Sender<Box<dyn Job<D>>>,
    commits: Arc<watch::Sender<u64>>,
    threads: Arc<Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl<D: Deferred> Clone for Writer<D> {
    fn clone(&self) -> Self {
        let database = self.database.clone();
        Writer { database, queue: self.queue.clone(), commits: self.commits.clone(), threads: self.threads.clone() }
    }
}

/// Stack of a writer thread: policies run on it.
const STACK: usize = 16 * 1024 * 1024;
/// How many jobs may wait before new ones are turned away.
const QUEUE: usize = 10_000;
/// How often a job runs again after another node changed its record.
const RETRIES: usize = 50;

impl<D: Deferred> Writer<D> {
    /// Starts `threads` writers (one on SQLite, whatever is asked) that commit up to `batch` jobs at once.
    pub fn start(database: &Database, threads: usize, batch: usize) -> Result<Self> {
        let (queue, jobs) = flume::bounded(QUEUE);
        let commits = Arc::new(watch::Sender::new(0));
        let (threads, hints) = match database.engine() {
            Engine::Sqlite => (1, Some(checkpoint::start(database)?)),
            Engine::Postgres => (threads.max(1), None),
        };
        let handles = (0..threads)
            .map(|n| {
                let desk = Desk {
                    database: database.clone(),
                    jobs: jobs.clone(),
                    batch: batch.max(1),
                    commits: commits.clone(),
                    hints: hints.clone(),
                };
                thread::Builder::new().name(format!("writer-{n}")).stack_size(STACK).spawn(move || desk.serve())
            })
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(Error::internal)?;
        let database = database.clone();
        Ok(Writer { database, queue, commits, threads: Arc::new(Mutex::new(handles)) })
    }

    /// Runs `work` in a transaction and answers when it is durable. Work that the store was not ready for in time is not begun any
    /// more; where it had begun, it may be done all the same.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_, D>) -> Result<T> + Send + 'static,
    {
        self.database.is_here()?;
        self.database.in_time(self.queue_up(work, true)?).await
    }

    /// The same for a thread that may block.
    pub fn run_blocking<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_, D>) -> Result<T> + Send + 'static,
    {
        self.submit(work)?.blocking_recv().map_err(Error::internal)?
    }

    /// Hands `work` in, to be done whether or not the answer is waited for.
    pub fn submit<T, F>(&self, work: F) -> Result<oneshot::Receiver<Result<T>>>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_, D>) -> Result<T> + Send + 'static,
    {
        self.queue_up(work, false)
    }

    fn queue_up<T, F>(&self, work: F, awaited: bool) -> Result<oneshot::Receiver<Result<T>>>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_, D>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Box::new(Work { work, outcome: None, reply, awaited }))
            .map_err(|_| Error::new(Code::Unavailable, "Too many writes are waiting.").retry_after(1))?;
        Ok(answer)
    }

    /// Counts this node's commits; a change wakes whoever follows the outbox.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Lets waiting jobs finish and ends the threads once every clone of this handle is gone.
    pub fn close(self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        drop(self.queue);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a writer thread ended by a panic");
            }
        }
    }
}

/// One writer thread.
struct Desk<D: Deferred> {
    database: Database,
    jobs: flume::Receiver<Box<dyn Job<D>>>,
    batch: usize,
    commits: Arc<watch::Sender<u64>>,
    /// Whom to tell that there is something to be moved out of the log.
    hints: Option<flume::Sender<()>>,
}

impl<D: Deferred> Desk<D> {
    fn serve(self) {
        let mut connection = None;
        while let Ok(first) = self.jobs.recv() {
            let mut group = vec![first];
            group.extend(self.jobs.try_iter().take(self.batch - 1));
            group.retain(|job| job.is_wanted());
            if !group.is_empty() {
                self.commit_group(&mut connection, group);
            }
        }
    }

    fn commit_group(&self, slot: &mut Option<AnyConnection>, mut jobs: Vec<Box<dyn Job<D>>>) {
        let verdicts = match self.attempt(slot, &mut jobs) {
            Ok(verdicts) => verdicts,
            // Alone, each gets the error that is its own, and a stale one another look at its record.
            Err(e) if jobs.len() > 1 && e.code != Code::Unavailable => {
                jobs.iter_mut().map(|job| self.alone(slot, job)).collect()
            }
            Err(e) if e.code == Code::Stale => jobs.iter_mut().map(|job| self.alone(slot, job)).collect(),
            Err(e) => {
                let code = e.code;
                tracing::warn!(error = %e, cause = ?e.source, "a group of writes failed");
                let copy = || Error { retry_after: e.retry_after, ..Error::new(code, e.detail.clone()) };
                jobs.iter().map(|_| Err(copy())).collect()
            }
        };
        self.commits.send_modify(|n| *n = n.wrapping_add(1));
        if let Some(hints) = &self.hints {
            // Where one waits already, this is told by it.
            let _ = hints.try_send(());
        }
        for (job, verdict) in jobs.into_iter().zip(verdicts) {
            job.answer(verdict);
        }
    }

    fn alone(&self, slot: &mut Option<AnyConnection>, job: &mut Box<dyn Job<D>>) -> Result<()> {
        let mut lost = None;
        for _ in 0..RETRIES {
            match self.attempt(slot, std::slice::from_mut(job)) {
                Ok(mut verdicts) => return verdicts.pop().unwrap_or(Ok(())),
                Err(e) if e.code == Code::Stale => lost = e.source,
                Err(e) => return Err(e),
            }
        }
        tracing::warn!(races = RETRIES, cause = ?lost, "a write lost every race");
        let detail = "The record is changed by others all the time; try again.";
        Err(Error { source: lost, ..Error::new(Code::Conflict, detail).retry_after(1) })
    }

    /// Runs the jobs in one transaction. `Ok` holds each job's own verdict; `Err` says that the transaction failed.
    fn attempt(&self, slot: &mut Option<AnyConnection>, jobs: &mut [Box<dyn Job<D>>]) -> Result<Vec<Result<()>>> {
        let connection = match slot.take() {
            Some(open) => slot.insert(open),
            None => slot.insert(self.reopen()?),
        };
        let outcome = run_group::<D>(connection, jobs);
        if let Err(e) = &outcome {
            let broken = connection.roll_back_all().is_err();
            if broken || e.code == Code::Unavailable {
                *slot = None;
            }
        }
        outcome
    }

    fn reopen(&self) -> Result<AnyConnection> {
        let mut connection = self.database.connect().inspect_err(|_| {
            self.database.lost();
            thread::sleep(Duration::from_millis(100));
        })?;
        connection.hurry()?;
        connection.make_room()?;
        Ok(connection)
    }
}

fn run_group<D: Deferred>(connection: &mut AnyConnection, jobs: &mut [Box<dyn Job<D>>]) -> Result<Vec<Result<()>>> {
    connection.begin_write()?;
    let mut group = D::default();
    let mut verdicts = Vec::with_capacity(jobs.len());
    for job in jobs {
        verdicts.push(run_job(connection, &mut group, job)?);
    }
    group.flush(connection)?;
    connection.commit()?;
    Ok(verdicts)
}

fn spoils_everything(code: Code) -> bool {
    matches!(code, Code::Stale | Code::Unavailable | Code::InsufficientStorage)
}

fn run_job<D: Deferred>(
    connection: &mut AnyConnection,
    group: &mut D,
    job: &mut Box<dyn Job<D>>,
) -> Result<Result<()>> {
    let (deferred, testimony) = (D::default(), D::default());
    let mut unit = Unit { connection, group, savepoint: false, discard: false, deferred, testimony };
    let verdict =
        catch_unwind(AssertUnwindSafe(|| job.attempt(&mut unit))).map_err(|_| Error::internal("a job panicked"))?;
    let keep = verdict.is_ok() && !unit.discard;
    let Unit { savepoint, discard, deferred, testimony, .. } = unit;
    match &verdict {
        // A statement that failed outside a savepoint has spoilt the whole transaction on PostgreSQL, whose commit would then
        // quietly take everything back. So has a race that was lost, or a store that is away or full.
        Err(e) if e.source.is_some() && (!savepoint || spoils_everything(e.code)) => return verdict.map(Ok),
        _ if keep => {
            if savepoint {
                connection.commit()?;
            }
            group.append(deferred);
        }
        _ if savepoint => connection.roll_back()?,
        _ => (),
    }
    if !discard {
        keep_testimony(connection, group, testimony)?;
    }
    Ok(verdict)
}

/// Keeps what tells of an attempt. Where that can't be, because it tells of something that was taken back, it goes too.
fn keep_testimony<D: Deferred>(connection: &mut AnyConnection, group: &mut D, mut testimony: D) -> Result<()> {
    if testimony.is_empty() {
        return Ok(());
    }
    group.flush(connection)?;
    connection.begin_nested()?;
    match testimony.flush(connection) {
        Ok(()) => Ok(connection.commit()?),
        Err(e) if spoils_everything(e.code) => Err(e),
        Err(e) => {
            tracing::warn!(error = %e, "what tells of a failed write could not be kept");
            Ok(connection.roll_back()?)
        }
    }
}
