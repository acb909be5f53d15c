//! The job of an import: rows in groups, each group a transaction together with the sign of life that tells of it.
//!
//! **Invariant:** a row is taken in once, however often the job is interrupted: what became of it and how far the job is commit with it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use diesel::prelude::*;
use serde_json::json;

use super::{
    Asked, Ground, Item, Outcome,
    apply::{self, Detail, Told},
    drift::Looked,
    known::{Known, Maps},
    reconcile::Weights,
    relation,
    row::{self, ImportRow},
};
use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    id::{RecordId, RowId},
    practice::configuration_item::ConfigurationItemPractice,
    record::{
        cause::{Cause, Via},
        job::{self, Bench, JobRow},
        kernel::Kernel,
        list::{self, List},
        practice::Practice,
        store::Desk,
    },
    schema::configuration_import_row,
};

/// The setting that is locked while things are recognised and made.
const TURN: &str = "configuration_import";
/// Rows of one transaction.
pub(super) const TOGETHER: usize = 50;

/// How many rows came to what.
pub type Counts = BTreeMap<String, i64>;

/// Does it, from where it was left off.
///
/// # Errors
/// The store is away, or who asked for it is gone.
pub fn run(bench: &Bench, mut job: JobRow, node: RowId, ending: &AtomicBool) -> Result<job::Told> {
    if is_rehearsal_begun(&job)? {
        begin_again(bench, &mut job, node)?;
    }
    let mut counts: Counts = job.progress.read()?;
    let (cause, ground, mut before) = bench.database.read_here(|connection| {
        let asked = row::asked(connection, &job)?;
        let cause = job.cause(connection, Via::Source(asked.source.clone()), bench.clock.now())?;
        let ground = Arc::new(ground(connection, &bench.kernel, (asked, &cause), job.created_at)?);
        let before = Arc::new(known_of(connection, job.id, &ground.asked.content.items)?);
        Ok((cause, ground, before))
    })?;
    let asked = &ground.asked;
    let rows = asked.content.items.len() + asked.content.relations.len();
    job.total = i64::try_from(rows).unwrap_or(i64::MAX);
    let work = Work { bench, ground: ground.clone(), cause: Arc::new(cause.trusted()), node };
    let mut done = usize::try_from(job.done).unwrap_or(0);
    if asked.scope.is_some() && done > asked.content.items.len() {
        let named = work.named_before(&job, done - asked.content.items.len(), &before)?;
        Arc::make_mut(&mut before).extend(named);
    }
    while done < rows {
        let until = (done + TOGETHER).min(rows);
        let (told, learned) = work.group(&mut job, &mut counts, done..until, &before)?;
        Arc::make_mut(&mut before).extend(learned);
        done = until;
        if told != job::Told::GoOn {
            return Ok(told);
        }
        if ending.load(Ordering::Relaxed) {
            return Ok(job::Told::Lost);
        }
    }
    work.missing(&mut job, &mut counts, &before, ending)
}

/// Whether it is a rehearsal that was cut off: what it knew of what it had made and taken back is lost.
fn is_rehearsal_begun(job: &JobRow) -> Result<bool> {
    Ok(job.done > 0 && job.asked.read::<Asked>()?.rehearse)
}

fn begin_again(bench: &Bench, job: &mut JobRow, node: RowId) -> Result<()> {
    (job.done, job.progress) = (0, JsonText::empty_object());
    let (begun, now) = (job.clone(), bench.clock.now());
    bench.writer.run_blocking(move |unit| {
        let connection = unit.connection()?;
        let rows = configuration_import_row::table.filter(configuration_import_row::job_id.eq(begun.id));
        diesel::delete(rows).execute(connection)?;
        keep(connection, &begun, node, now, &[]).map(drop)
    })
}

fn ground(
    connection: &mut AnyConnection,
    kernel: &Kernel,
    (asked, cause): (Asked, &Cause),
    began: Moment,
) -> Result<Ground> {
    let (caller, horizon) = (cause.caller.clone(), Horizon::of(connection, &cause.caller)?);
    let keys = asked.content.items.iter().filter_map(|item| item.key.clone()).collect();
    let weights = Weights::read(connection)?;
    let observed_at = asked.observed_at.unwrap_or(began);
    let looked = match weights.report_drift(&asked.source) {
        true => {
            let scope = scope(kernel, connection, &asked, cause)?;
            Some(Looked::of(connection, &asked.source, &scope, observed_at)?)
        }
        false => None,
    };
    Ok(Ground { asked, weights, observed_at, caller, horizon, looked, keys })
}

/// The configuration items among which the source looks: all of them where nothing is said.
pub(super) fn scope<'a>(
    kernel: &'a Kernel,
    connection: &mut AnyConnection,
    asked: &Asked,
    cause: &'a Cause,
) -> Result<List<'a>> {
    let kind = &const { ConfigurationItemPractice::KIND };
    let within = list::Asked { filter: asked.scope.clone(), ..list::Asked::default() };
    List::new(kernel, connection, &cause.caller, Some(kind), &within, cause.at)
}

/// What the rows of configuration items that are done have come to know.
fn known_of(connection: &mut AnyConnection, job: RowId, items: &[Item]) -> Result<Maps> {
    use configuration_import_row as row;
    let last = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let mine = row::table.filter(row::job_id.eq(job)).filter(row::record_id.is_not_null()).filter(row::seq.le(last));
    let rows: Vec<(i64, Option<RecordId>)> = mine.select((row::seq, row::record_id)).load(connection)?;
    let unsure = [Outcome::Ambiguous, Outcome::Refused].map(Outcome::as_str);
    let unsure = row::table.filter(row::job_id.eq(job)).filter(row::outcome.eq_any(unsure));
    let unsure: Vec<JsonText> = unsure.select(row::detail).load(connection)?;
    let mut known = Maps::default();
    for detail in unsure {
        known.candidates.extend(detail.read::<Detail>()?.candidates);
    }
    for (seq, record) in rows {
        let (Some(record), Some(at)) = (record, usize::try_from(seq - 1).ok()) else { continue };
        known.records.insert(record, at);
        known.keys.extend(items.get(at).and_then(|item| item.key.clone()).map(|key| (key, record)));
    }
    Ok(known)
}

/// What the rows of a job are taken in with.
pub(super) struct Work<'a> {
    pub(super) bench: &'a Bench,
    pub(super) ground: Arc<Ground>,
    pub(super) cause: Arc<Cause>,
    pub(super) node: RowId,
}

impl Work<'_> {
    /// Takes in some rows.
    fn group(
        &self,
        job: &mut JobRow,
        counts: &mut Counts,
        rows: std::ops::Range<usize>,
        before: &Arc<Maps>,
    ) -> Result<(job::Told, Maps)> {
        let (id, before, end) = (job.id, before.clone(), rows.end);
        self.together((job, counts, end), move |desk, ground| {
            let (mut known, asked) = (Known::of(before.clone()), &ground.asked);
            let mut told = Vec::new();
            for at in rows.clone() {
                told.push(match asked.content.items.get(at) {
                    Some(item) => apply::item(desk, ground, &mut known, (at, item))?,
                    None => {
                        let at = at - asked.content.items.len();
                        relation::take(desk, ground, &mut known, (at, &asked.content.relations[at]))?
                    }
                });
            }
            Ok((import_rows(id, asked, rows.start, &told)?, known.now))
        })
    }

    /// Does something in one transaction, with what came of it and how far the job is then. A rehearsal takes it back and keeps only what it
    /// came to.
    pub(super) fn together<T: Send + 'static>(
        &self,
        (job, counts, done): (&mut JobRow, &mut Counts, usize),
        act: impl Fn(&mut Desk<'_, '_>, &Ground) -> Result<(Vec<ImportRow>, T)> + Send + 'static,
    ) -> Result<(job::Told, T)> {
        let (kernel, ground, cause) = (self.bench.kernel.clone(), self.ground.clone(), self.cause.clone());
        let (node, now) = (self.node, self.bench.clock.now());
        let (was, counted) = (job.clone(), counts.clone());
        let outcome = self.bench.writer.run_blocking(move |unit| {
            // Of two imports that tell of one thing at the same time, the second finds what the first has made.
            unit.connection()?.lock_setting(TURN)?;
            if ground.asked.rehearse {
                unit.discard();
            }
            let mut desk = Desk { kernel: &kernel, unit, cause: &cause };
            let (rows, learned) = act(&mut desk, &ground)?;
            let (job, counts) = progress(&was, &counted, done, &rows)?;
            let said = match ground.asked.rehearse {
                true => job::Told::GoOn,
                false => keep(desk.unit.connection()?, &job, node, now, &rows)?,
            };
            Ok((said, job, counts, rows, learned))
        })?;
        let (mut told, after, counted, rows, learned) = outcome;
        if self.ground.asked.rehearse {
            let kept = after.clone();
            told = self.bench.writer.run_blocking(move |unit| keep(unit.connection()?, &kept, node, now, &rows))?;
        }
        (*job, *counts) = (after, counted);
        Ok((told, learned))
    }
}

fn progress(job: &JobRow, counts: &Counts, done: usize, rows: &[ImportRow]) -> Result<(JobRow, Counts)> {
    let mut counts = counts.clone();
    for row in rows {
        *counts.entry(row.outcome.clone()).or_default() += 1;
    }
    let progress = JsonText::of(&counts)?;
    Ok((JobRow { done: i64::try_from(done).unwrap_or(i64::MAX), progress, ..job.clone() }, counts))
}

fn import_rows(job_id: RowId, asked: &Asked, from: usize, told: &[Told]) -> Result<Vec<ImportRow>> {
    let items = asked.content.items.len();
    let row = |(at, told): (usize, &Told)| {
        let place = if at < items { format!("/items/{at}") } else { format!("/relations/{}", at - items) };
        // What a rehearsal made is nowhere.
        let is_nowhere = asked.rehearse && told.outcome == Outcome::Created;
        Ok(ImportRow {
            job_id,
            seq: i64::try_from(at + 1).unwrap_or(i64::MAX),
            outcome: told.outcome.as_str().to_owned(),
            pointer: place,
            record_id: told.record.filter(|_| !is_nowhere),
            title: told.title.clone(),
            detail: JsonText::of(&told.detail)?,
        })
    };
    told.iter().enumerate().map(|(n, told)| row((from + n, told))).collect()
}

pub(super) fn keep(
    connection: &mut AnyConnection,
    job: &JobRow,
    node: RowId,
    now: Moment,
    rows: &[ImportRow],
) -> Result<job::Told> {
    let told = job.beat(connection, node, now)?;
    if told == job::Told::Lost {
        // Nothing that this group did stands: another node does it.
        return Err(Error::new(Code::Conflict, "Another node has the job."));
    }
    ImportRow::insert_all(connection, rows)?;
    Ok(told)
}

/// What an import came to so far.
pub fn counts(job: &JobRow) -> Result<serde_json::Value> {
    let counts: Counts = job.progress.read()?;
    let all = Outcome::ALL.iter().map(|outcome| (outcome.as_str(), counts.get(outcome.as_str()).copied().unwrap_or(0)));
    Ok(json!(all.collect::<BTreeMap<_, _>>()))
}
