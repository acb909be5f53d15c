//! Jobs: work that takes longer than a request, with its progress, on whichever node has time.
//!
//! **Invariant:** one node at a time works on a job: the one that its row names and that has told of itself within [`SILENCE`].
//! What it keeps of its progress is stored together with that sign of life, so another node goes on where it left off.

use std::sync::{Arc, atomic::AtomicBool};

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    cause::{Cause, Policies, Via},
    kernel::Kernel,
    pending::Pending,
};
use crate::{
    auth::directory,
    clock::{Clock, Moment},
    db::{AnyConnection, Backend, Database, JsonText, writer::Writer},
    error::{Code, Error, Result},
    id::{RowId, UserId},
    schema::job,
};

/// After how long without a sign of life a node is taken to be gone.
pub const SILENCE: TimeDelta = TimeDelta::seconds(15);

/// A job.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = job, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct JobRow {
    pub id: RowId,
    pub kind: String,
    /// What it is about.
    pub subject: String,
    pub state: String,
    pub asked: JsonText,
    pub done: i64,
    pub total: i64,
    /// What the work needs to go on, and in the end what it came to.
    pub progress: JsonText,
    pub error: Option<String>,
    pub stop_asked: bool,
    pub node: Option<RowId>,
    pub beat_at: Option<Moment>,
    pub created_by: UserId,
    pub created_at: Moment,
    pub started_at: Option<Moment>,
    pub ended_at: Option<Moment>,
}

/// What the job of a practice works with.
#[derive(Clone)]
pub struct Bench {
    /// The practices and policies.
    pub kernel: Arc<Kernel>,
    /// For reading.
    pub database: Database,
    /// For writing.
    pub writer: Writer<Pending>,
    /// What time it is.
    pub clock: Clock,
}

/// How a job of a practice is done: from where it was left off, as this node, until it is done or the flag says that the node ends.
pub type Do = fn(&Bench, JobRow, RowId, &AtomicBool) -> Result<Told>;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for a node that has time.
    Queued,
    /// A node works on it.
    Running,
    /// It is done.
    Succeeded,
    /// It can't go on; `error` says why.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl State {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    fn named(name: &str) -> State {
        let all = [State::Queued, State::Running, State::Succeeded, State::Cancelled];
        all.into_iter().find(|state| state.as_str() == name).unwrap_or(State::Failed)
    }
}

/// What a node learns when it tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Go on.
    GoOn,
    /// Somebody wants it stopped.
    Stop,
    /// Another node has it.
    Lost,
}

impl JobRow {
    /// How far it is.
    pub fn state(&self) -> State {
        State::named(&self.state)
    }

    /// In whose name it is done: of whoever asked for it, as they are now.
    ///
    /// # Errors
    /// They are gone.
    pub fn cause(&self, connection: &mut AnyConnection, via: Via, at: Moment) -> Result<Cause> {
        let caller = directory::load_caller(connection, self.created_by)?;
        let caller = caller.ok_or_else(|| Error::new(Code::Conflict, "Whoever asked for it is gone."))?;
        let (request_id, reason) = (self.id.to_string(), String::new());
        Ok(Cause { caller: caller.into(), via, request_id, reason, at, policies: Policies::Decide, depth: 0 })
    }

    /// Queues a job.
    pub fn queue(
        connection: &mut AnyConnection,
        kind: &str,
        subject: String,
        asked: JsonText,
        by: UserId,
        now: Moment,
    ) -> Result<Self> {
        let row = JobRow {
            id: RowId::new(),
            kind: kind.to_owned(),
            subject,
            state: State::Queued.as_str().to_owned(),
            asked,
            done: 0,
            total: 0,
            progress: JsonText::empty_object(),
            error: None,
            stop_asked: false,
            node: None,
            beat_at: None,
            created_by: by,
            created_at: now,
            started_at: None,
            ended_at: None,
        };
        diesel::insert_into(job::table).values(&row).execute(connection)?;
        Ok(row)
    }

    /// The same with what was done before it was queued.
    pub fn begin_with(self, connection: &mut AnyConnection, done: i64, progress: &JsonText) -> Result<Self> {
        let begun = (job::done.eq(done), job::progress.eq(progress));
        diesel::update(job::table.find(self.id)).set(begun).execute(connection)?;
        Ok(JobRow { done, progress: progress.clone(), ..self })
    }

    /// The job with that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let row = job::table.find(id).first(connection).optional()?;
        row.ok_or_else(|| Error::not_found("job"))
    }

    /// Jobs older than `below`, of this kind where one is given, the newest first.
    pub fn list(
        connection: &mut AnyConnection,
        kind: Option<&str>,
        below: Option<RowId>,
        limit: i64,
    ) -> Result<Vec<Self>> {
        let mut rows = job::table.into_boxed::<Backend>();
        if let Some(kind) = kind {
            rows = rows.filter(job::kind.eq(kind.to_owned()));
        }
        if let Some(below) = below {
            rows = rows.filter(job::id.lt(below));
        }
        Ok(rows.order(job::id.desc()).limit(limit).load(connection)?)
    }

    /// The ids of the jobs about a subject that are done, the newest first.
    pub fn done_about(connection: &mut AnyConnection, kind: &str, subject: &str) -> Result<Vec<RowId>> {
        let about = job::table.filter(job::subject.eq(subject)).filter(job::kind.eq(kind));
        let done = about.filter(job::state.eq(State::Succeeded.as_str())).filter(job::done.gt(0));
        Ok(done.order(job::id.desc()).limit(20).select(job::id).load(connection)?)
    }

    /// The oldest job that waits, or whose node is gone.
    pub fn oldest_free(connection: &mut AnyConnection, now: Moment) -> Result<Option<RowId>> {
        let oldest = job::table.filter(is_free(now)).order((job::created_at, job::id)).select(job::id);
        Ok(oldest.first(connection).optional()?)
    }

    /// The oldest job that waits, or whose node is gone: from now on this node's.
    pub fn take(connection: &mut AnyConnection, node: RowId, now: Moment) -> Result<Option<Self>> {
        let Some(id) = Self::oldest_free(connection, now)? else { return Ok(None) };
        let mine = (job::state.eq(State::Running.as_str()), job::node.eq(node), job::beat_at.eq(now));
        if diesel::update(job::table.find(id).filter(is_free(now))).set(mine).execute(connection)? == 0 {
            return Ok(None);
        }
        let begun = job::table.find(id).filter(job::started_at.is_null());
        diesel::update(begun).set(job::started_at.eq(now)).execute(connection)?;
        Ok(Some(Self::find(connection, id)?))
    }

    /// Keeps how far this node's job is, and asks whether to go on.
    pub fn beat(&self, connection: &mut AnyConnection, node: RowId, now: Moment) -> Result<Told> {
        let mine = job::table.find(self.id).filter(job::node.eq(node)).filter(job::ended_at.is_null());
        let progress = (
            job::done.eq(self.done),
            job::total.eq(self.total),
            job::progress.eq(&self.progress),
            job::beat_at.eq(now),
        );
        if diesel::update(mine).set(progress).execute(connection)? == 0 {
            return Ok(Told::Lost);
        }
        let stop: bool = job::table.find(self.id).select(job::stop_asked).first(connection)?;
        Ok(if stop { Told::Stop } else { Told::GoOn })
    }

    /// Ends this node's job.
    pub fn end(
        &self,
        connection: &mut AnyConnection,
        node: RowId,
        state: State,
        error: Option<&str>,
        now: Moment,
    ) -> Result<()> {
        let mine = job::table.find(self.id).filter(job::node.eq(node)).filter(job::ended_at.is_null());
        let ended = (job::state.eq(state.as_str()), job::error.eq(error), job::ended_at.eq(now));
        diesel::update(mine).set(ended).execute(connection)?;
        Ok(())
    }

    /// Gives back what a node works on, so that another need not wait for its silence.
    pub fn release(connection: &mut AnyConnection, node: RowId) -> Result<usize> {
        let mine = job::table.filter(job::ended_at.is_null()).filter(job::node.eq(node));
        let free = (job::state.eq(State::Queued.as_str()), job::node.eq(None::<RowId>));
        Ok(diesel::update(mine).set(free).execute(connection)?)
    }

    /// Stops a job: at once while it waits, and when its node next tells of itself while it runs.
    ///
    /// # Errors
    /// [`Code::Conflict`] where it has ended.
    pub fn cancel(&self, connection: &mut AnyConnection, now: Moment) -> Result<()> {
        if self.ended_at.is_some() {
            return Err(Error::new(Code::Conflict, format!("The job is {} already.", self.state)));
        }
        let waiting = job::table.find(self.id).filter(job::state.eq(State::Queued.as_str()));
        let ended = (job::state.eq(State::Cancelled.as_str()), job::ended_at.eq(now));
        if diesel::update(waiting).set(ended).execute(connection)? == 0 {
            diesel::update(job::table.find(self.id)).set(job::stop_asked.eq(true)).execute(connection)?;
        }
        Ok(())
    }

    /// Queues a job again that was stopped or failed; it goes on where it left off.
    ///
    /// # Errors
    /// [`Code::Conflict`] where it neither was stopped nor failed.
    pub fn resume(&self, connection: &mut AnyConnection) -> Result<()> {
        if !matches!(self.state(), State::Cancelled | State::Failed) {
            return Err(Error::new(Code::Conflict, format!("The job is {}; nothing is to be resumed.", self.state)));
        }
        let again = (
            job::state.eq(State::Queued.as_str()),
            job::ended_at.eq(None::<Moment>),
            job::error.eq(None::<String>),
            job::stop_asked.eq(false),
            job::node.eq(None::<RowId>),
        );
        diesel::update(job::table.find(self.id)).set(again).execute(connection)?;
        Ok(())
    }
}

/// That a job waits, or that its node is gone.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_free(now: Moment) -> _ {
    let heard_of: Moment = now.minus(SILENCE);
    let is_silent = job::beat_at.is_null().or(job::beat_at.lt(heard_of).assume_not_null());
    let queued: &'static str = State::Queued.as_str();
    job::ended_at.is_null().and(job::state.eq(queued).or(is_silent.assume_not_null()))
}
