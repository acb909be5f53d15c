//! Going through history: read ahead, judged on all cores, added up in order, kept with each sign of life.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    asked::Asked,
    history::{self, Case, Place},
    judge::{Judge, Judged},
    report::BackTestReport,
};
use crate::{
    clock::{Clock, Moment},
    db::{AnyConnection, Database, JsonText, writer::Writer},
    error::{Error, Result},
    id::{RecordId, RowId},
    insert_rows,
    policy::{live::Policies, runner},
    record::{
        job::{JobRow, Told},
        pending::Pending,
    },
    schema::back_test_difference,
};

/// In what steps history is gone through.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many decisions a thread judges at once.
    pub chunk: i64,
    /// How often a node tells of itself and keeps what it has.
    pub beat: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { chunk: 500, beat: Duration::from_secs(1) }
    }
}

/// How many differing decisions are kept to be read one by one.
const KEPT: u64 = 10_000;
/// How many of them differ in the same way.
const KEPT_ALIKE: u64 = 200;

/// What it works with.
#[derive(Clone)]
pub struct Stage {
    /// The policies.
    pub policies: Arc<Policies>,
    /// For reading.
    pub database: Database,
    /// For writing.
    pub writer: Writer<Pending>,
    /// What time it is.
    pub clock: Clock,
    /// In what steps it is done.
    pub pace: Pace,
}

/// How far a back-test is; stored with the job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The last decision that is in the report.
    pub after: Option<Place>,
    /// What it comes to so far.
    pub report: BackTestReport,
    /// How many were kept of those that differ in the same way.
    alike: BTreeMap<String, u64>,
}

/// A decision that would have come out otherwise.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = back_test_difference, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct DifferenceRow {
    pub job_id: RowId,
    pub seq: i64,
    pub decision_id: RowId,
    pub at: Moment,
    pub record_id: RecordId,
    pub fields: JsonText,
    pub why_before: String,
    pub why_after: String,
}

impl DifferenceRow {
    /// Those of a back-test after the one of that number, in order.
    pub fn list(connection: &mut AnyConnection, job: RowId, after: i64, limit: i64) -> Result<Vec<Self>> {
        use back_test_difference as difference;
        let rows = difference::table.filter(difference::job_id.eq(job)).filter(difference::seq.gt(after));
        Ok(rows.order(difference::seq).limit(limit).load(connection)?)
    }
}

/// What became of some decisions.
struct Part {
    last: Place,
    report: BackTestReport,
    /// Those that differ, each with how.
    differences: Vec<(String, DifferenceRow)>,
}

/// Goes through history from where the job left off; gives what came in the way of the end, if something did.
///
/// # Errors
/// A version is gone, or the store is away.
pub fn run(stage: &Stage, mut job: JobRow, node: RowId, ending: &AtomicBool) -> Result<Told> {
    let asked: Asked = job.asked.read()?;
    let mut progress: Progress = if job.done == 0 { Progress::default() } else { job.progress.read()? };
    let judge = stage.database.read_here(|connection| {
        let live = stage.policies.current(connection)?;
        job.total = history::count(connection, &asked)?;
        asked.judge(connection, &stage.policies, &live)
    })?;
    if job.done == 0 {
        progress.report = BackTestReport::new(&judge);
    }
    let work = Work { stage, asked: &asked, judge: &judge, node };
    work.go_through(&mut job, &mut progress, ending)
}

struct Work<'a> {
    stage: &'a Stage,
    asked: &'a Asked,
    judge: &'a Judge,
    node: RowId,
}

impl Work<'_> {
    fn go_through(&self, job: &mut JobRow, progress: &mut Progress, ending: &AtomicBool) -> Result<Told> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (to_judge, waiting) = flume::bounded::<(usize, Vec<Case>)>(threads);
        let (judged, parts) = flume::unbounded::<(usize, Result<Part>)>();
        let enough = AtomicBool::new(progress.report.kept >= KEPT);
        thread::scope(|scope| {
            for n in 0..threads {
                let (waiting, judged, enough) = (waiting.clone(), judged.clone(), &enough);
                let serve = move || {
                    stand_back();
                    for (place, cases) in waiting {
                        let part = catch_unwind(AssertUnwindSafe(|| self.judge(&cases, enough)));
                        let part = part.unwrap_or_else(|_| Err(Error::internal("a back-test panicked")));
                        if judged.send((place, part)).is_err() {
                            return;
                        }
                    }
                };
                let thread = thread::Builder::new().name(format!("back-test-{n}")).stack_size(runner::STACK);
                thread.spawn_scoped(scope, serve).map_err(Error::internal)?;
            }
            drop((waiting, judged));
            self.add_up(job, progress, ending, Lines { to_judge, parts, ahead: 2 * threads, enough: &enough })
        })
    }

    /// Keeps the threads busy, and adds up what they come to in the order of history.
    fn add_up(&self, job: &mut JobRow, progress: &mut Progress, ending: &AtomicBool, lines: Lines<'_>) -> Result<Told> {
        let (mut read_to, mut sent, mut taken) = (progress.after, 0_usize, 0_usize);
        let (mut early, mut rows, mut beat) = (BTreeMap::new(), Vec::new(), Instant::now());
        let mut is_read = false;
        loop {
            while !is_read && sent - taken < lines.ahead {
                let read = |connection: &mut AnyConnection| {
                    history::next(connection, self.asked, read_to, self.stage.pace.chunk)
                };
                let cases = self.stage.database.read_here(read)?;
                let Some(last) = cases.last() else {
                    is_read = true;
                    break;
                };
                read_to = Some(last.place);
                lines.to_judge.send((sent, cases)).map_err(Error::internal)?;
                sent += 1;
            }
            if taken == sent {
                return self.keep(job, progress, &mut rows);
            }
            let (place, part) = lines.parts.recv().map_err(Error::internal)?;
            early.insert(place, part?);
            while let Some(part) = early.remove(&taken) {
                taken += 1;
                self.take(job, progress, part, &mut rows);
                lines.enough.store(progress.report.kept >= KEPT, Ordering::Relaxed);
            }
            if beat.elapsed() >= self.stage.pace.beat {
                beat = Instant::now();
                let told = self.keep(job, progress, &mut rows)?;
                if told != Told::GoOn {
                    return Ok(told);
                }
                if ending.load(Ordering::Relaxed) {
                    return Ok(Told::Lost);
                }
            }
        }
    }

    fn take(&self, job: &mut JobRow, progress: &mut Progress, part: Part, rows: &mut Vec<DifferenceRow>) {
        job.done += i64::try_from(part.report.decisions).unwrap_or(i64::MAX);
        progress.after = Some(part.last);
        progress.report.merge(part.report);
        for (how, row) in part.differences {
            let alike = progress.alike.entry(how).or_default();
            if *alike < KEPT_ALIKE && progress.report.kept < KEPT {
                *alike += 1;
                progress.report.kept += 1;
                let seq = i64::try_from(progress.report.kept).unwrap_or(i64::MAX);
                rows.push(DifferenceRow { job_id: job.id, seq, ..row });
            }
        }
    }

    /// Stores what there is, with a sign of life.
    fn keep(&self, job: &mut JobRow, progress: &Progress, rows: &mut Vec<DifferenceRow>) -> Result<Told> {
        job.progress = JsonText::of(progress)?;
        let (job, node, now, rows) = (job.clone(), self.node, self.stage.clock.now(), std::mem::take(rows));
        self.stage.writer.run_blocking(move |unit| {
            let connection = unit.connection()?;
            let told = job.beat(connection, node, now)?;
            if told != Told::Lost {
                insert_rows!(connection, back_test_difference::table, &rows)?;
            }
            Ok(told)
        })
    }

    fn judge(&self, cases: &[Case], enough: &AtomicBool) -> Result<Part> {
        let mut part = Part {
            last: cases.last().ok_or_else(|| Error::internal("a part without decisions"))?.place,
            report: BackTestReport::new(self.judge),
            differences: Vec::new(),
        };
        let mut alike: BTreeMap<String, u64> = BTreeMap::new();
        for case in cases {
            let judged = self.judge.judge(case);
            part.report.add(self.asked, case, &judged);
            let Ok(judged) = judged else { continue };
            let Some(how) = how(&judged).filter(|_| !enough.load(Ordering::Relaxed)) else { continue };
            let times = alike.entry(how.clone()).or_default();
            *times += 1;
            if *times <= KEPT_ALIKE {
                part.differences.push((how, self.row(case, &judged)?));
            }
        }
        Ok(part)
    }

    fn row(&self, case: &Case, judged: &Judged) -> Result<DifferenceRow> {
        let (decision, number) = (self.judge.decision(), judged.number());
        Ok(DifferenceRow {
            job_id: case.place.id,
            seq: 0,
            decision_id: case.place.id,
            at: case.place.at,
            record_id: case.record,
            fields: JsonText::of(&judged.differences())?,
            why_before: judged.before.why(decision, number),
            why_after: judged.after.why(decision, number),
        })
    }
}

/// What leads to the threads and back.
struct Lines<'a> {
    to_judge: flume::Sender<(usize, Vec<Case>)>,
    parts: flume::Receiver<(usize, Result<Part>)>,
    /// How many parts may be under way.
    ahead: usize,
    enough: &'a AtomicBool,
}

/// How both sides differ, as one text; nothing where they don't.
fn how(judged: &Judged) -> Option<String> {
    let how = judged.differences().into_iter().map(|(field, [before, after])| format!("{field} {before} {after}"));
    let how: Vec<String> = how.collect();
    Some(how.join("\n")).filter(|how| !how.is_empty())
}

/// Requests come first.
fn stand_back() {
    // Where the system does not allow it, the work is done all the same.
    let _ = thread_priority::set_current_thread_priority(thread_priority::ThreadPriority::Min);
}
