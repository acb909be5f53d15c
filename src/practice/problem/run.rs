//! The job of a problem that has many incidents: it reaches them in parts, each a transaction together with the sign of life that tells of it.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::{
    Problem,
    reach::{self, Became, Deed, Part},
    rules,
    told::Audience,
};
use crate::{
    db::JsonText,
    error::{Code, Error, Result},
    id::{RecordId, RowId},
    record::{
        cause::Via,
        job::{self, Bench, JobRow},
        practice::Details,
        store::Desk,
        visibility,
    },
};

/// The kind of the jobs.
pub const KIND: &str = "problem_run";
/// So many incidents are kept of those to which it was not done.
const KEPT: usize = 200;

/// What is to be done; stored with the job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The problem.
    pub problem: RecordId,
    /// What it does for its incidents.
    pub deed: Deed,
    /// How many of them were open.
    pub total: i64,
}

/// What it has come to so far; stored with the job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The last incident that was looked at.
    pub last: Option<RecordId>,
    /// How many it was done to.
    pub done: i64,
    /// How many it was not done to.
    pub not_done: i64,
    /// The first of these, and why.
    pub missed: Vec<Became>,
}

impl Progress {
    fn add(&mut self, became: &[Became]) {
        for one in became {
            match one.reason {
                None => self.done += 1,
                Some(_) => {
                    self.not_done += 1;
                    self.missed.extend((self.missed.len() < KEPT).then(|| one.clone()));
                }
            }
        }
    }
}

/// Queues the job, from after the incident that was looked at last on.
pub(super) fn queue(
    desk: &mut Desk<'_, '_>,
    asked: &JsonText,
    problem: RecordId,
    last: RecordId,
    became: &[Became],
) -> Result<JobRow> {
    let (by, at) = (desk.cause.caller.user, desk.cause.at);
    let connection = desk.unit.connection()?;
    let mut progress = Progress { last: Some(last), ..Progress::default() };
    progress.add(became);
    let job = JobRow::queue(connection, KIND, problem.to_string(), asked.clone(), by, at)?;
    job.begin_with(connection, reach::TOGETHER, &JsonText::of(&progress)?)
}

/// Does it, from where it was left off.
///
/// # Errors
/// The store is away, or whoever asked for it is gone or may do it no more.
pub fn run(bench: &Bench, mut job: JobRow, node: RowId, ending: &AtomicBool) -> Result<job::Told> {
    let asked: Asked = job.asked.read()?;
    job.total = asked.total;
    loop {
        let (kernel, asked, was, now) = (bench.kernel.clone(), asked.clone(), job.clone(), bench.clock.now());
        let (told, after, is_last) = bench.writer.run_blocking(move |unit| {
            // Each part is done when it is done, with what whoever asked may do then.
            let cause = was.cause(unit.connection()?, Via::Server, now)?;
            asked.deed.permitted(&cause.caller)?;
            let mut desk = Desk { kernel: &kernel, unit, cause: &cause };
            let mut progress: Progress = was.progress.read()?;
            let part = next(&mut desk, &asked, progress.last)?;
            progress.add(&part.became);
            progress.last = part.last.or(progress.last);
            let done = (was.done + reach::TOGETHER).min(was.total);
            let job = JobRow { done, progress: JsonText::of(&progress)?, ..was.clone() };
            let told = job.beat(desk.unit.connection()?, node, now)?;
            if told == job::Told::Lost {
                // Nothing of this part stands: another node does it.
                return Err(Error::new(Code::Conflict, "Another node has the job."));
            }
            Ok((told, job, part.last.is_none()))
        })?;
        job = after;
        if is_last || told != job::Told::GoOn {
            return Ok(told);
        }
        if ending.load(Ordering::Relaxed) {
            return Ok(job::Told::Lost);
        }
    }
}

/// The next part; nothing any more where the problem has another workaround meanwhile, or one that others are told, or is gone or back.
fn next(desk: &mut Desk<'_, '_>, asked: &Asked, last: Option<RecordId>) -> Result<Part> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let connection = desk.unit.settled(asked.problem)?;
    let problem = visibility::among(kernel, connection, &caller, vec![asked.problem])?.remove(&asked.problem);
    let details = Problem::load(connection, &[asked.problem])?.pop();
    let Some((problem, details)) = problem.zip(details) else { return Ok(Part::default()) };
    let still = match &asked.deed {
        Deed::Tell { text, audience } => {
            let published = details.workaround.as_ref().filter(|_| details.workaround_published_at.is_some());
            published == Some(text)
                && !rules::is_gone(&problem, &details)
                && details.workaround_audience.as_deref().and_then(Audience::named) == Some(*audience)
        }
        Deed::Resolve { .. } => rules::is_gone(&problem, &details),
    };
    if still { reach::part(desk, &problem, &asked.deed, last) } else { Ok(Part::default()) }
}
