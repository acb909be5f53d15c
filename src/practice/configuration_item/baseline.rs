//! Baselines: what configuration items were at a moment, and what is different from then.
//!
//! A baseline is taken by a job of the same id, all of it as of one moment: a job that is taken up again begins again.
//!
//! - [`snapshot`]: what is kept of each; [`difference`]: what differs between two moments.

pub mod difference;
pub mod snapshot;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use diesel::prelude::*;
use serde_json::json;

use self::{
    difference::{Difference, differences},
    snapshot::{Snapshot, Snapshots, snapshots},
};
use super::ConfigurationItemPractice;
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText, sql::among},
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    insert_rows,
    record::{
        cause::{Cause, Via},
        header::Header,
        job::{self, Bench, JobRow},
        kernel::Kernel,
        kind::Kind,
        list::{Asked, List, in_body},
        practice::Practice,
        store::{Desk, Reading},
    },
    schema::{configuration_baseline, configuration_baseline_item},
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;
/// Configuration items of a baseline at most.
pub const MOST: usize = 100_000;
/// The kind of the jobs that take them.
pub const KIND_OF_JOB: &str = "configuration_baseline";
/// So many are read in one go.
const AT_ONCE: i64 = 500;
/// A baseline.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = configuration_baseline)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct BaselineRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub filter: String,
    pub items: i32,
    pub created_by_id: UserId,
    pub created_at: Moment,
    pub taken_at: Option<Moment>,
}

/// What one configuration item was.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = configuration_baseline_item)]
struct ItemRow {
    baseline_id: RowId,
    record_id: RecordId,
    content: JsonText,
}

/// Lets a job take a baseline of what a filter finds.
pub fn order(desk: &mut Desk<'_, '_>, name: &str, description: &str, filter: &str) -> Result<BaselineRow> {
    let (kernel, cause) = (desk.kernel, desk.cause);
    let connection = desk.unit.connection()?;
    list(kernel, connection, cause, filter)?;
    let job = JobRow::queue(connection, KIND_OF_JOB, name.to_owned(), JsonText::of(&())?, cause.caller.user, cause.at)?;
    let row = BaselineRow {
        id: job.id,
        name: name.to_owned(),
        description: description.to_owned(),
        filter: filter.to_owned(),
        items: 0,
        created_by_id: cause.caller.user,
        created_at: cause.at,
        taken_at: None,
    };
    diesel::insert_into(configuration_baseline::table).values(&row).execute(connection)?;
    let told = json!({"name": [null, row.name], "filter": [null, row.filter]});
    desk.tell("created", ("configuration_baseline", row.id.as_str(), 1), &told)?;
    Ok(row)
}

/// Takes it: reads all of it as of one moment, and keeps it part by part.
///
/// # Errors
/// The store is away, the filter finds too many, or the baseline or who asked for it is gone.
pub fn take(bench: &Bench, mut job: JobRow, node: RowId, ending: &AtomicBool) -> Result<job::Told> {
    let (id, began, now) = (job.id, job.clone(), bench.clock.now());
    let told = bench.writer.run_blocking(move |unit| {
        let connection = unit.connection()?;
        let row: Option<BaselineRow> = configuration_baseline::table.find(id).first(connection).optional()?;
        // One that is taken stays as it was taken, and one that was deleted is taken no more.
        if row.is_none_or(|row| row.taken_at.is_some()) {
            return Ok(None);
        }
        let told = began.beat(connection, node, now)?;
        if told == job::Told::GoOn {
            forget_items(connection, id)?;
        }
        Ok(Some(told))
    })?;
    match told {
        Some(job::Told::GoOn) => (),
        Some(told) => return Ok(told),
        None => return Ok(job::Told::GoOn),
    }
    bench.database.read_here(|connection| {
        let row = BaselineRow::find(connection, id)?;
        let cause = job.cause(connection, Via::Api, bench.clock.now())?;
        let list = list(&bench.kernel, connection, &cause, &row.filter)?;
        (job.total, job.done) = (counted(&list, connection)?, 0);
        let mut last = None;
        loop {
            let headers = list.following(connection, last.as_ref(), AT_ONCE)?;
            last = headers.last().cloned().or(last);
            let items = snapshots(&bench.kernel, connection, headers)?.into_iter().map(|(record_id, snapshot)| {
                Ok(ItemRow { baseline_id: id, record_id, content: JsonText::of(&snapshot)? })
            });
            let items = items.collect::<Result<Vec<_>>>()?;
            let is_whole = items.is_empty();
            job.done += i64::try_from(items.len()).unwrap_or(i64::MAX);
            let (kept, taken_at, now) = (job.clone(), cause.at, bench.clock.now());
            let told = bench.writer.run_blocking(move |unit| {
                let connection = unit.connection()?;
                let told = kept.beat(connection, node, now)?;
                if told == job::Told::GoOn && is_whole {
                    let count = configuration_baseline::items.eq(i32::try_from(kept.done).unwrap_or(i32::MAX));
                    let taken = (count, configuration_baseline::taken_at.eq(taken_at));
                    diesel::update(configuration_baseline::table.find(id)).set(taken).execute(connection)?;
                } else if told == job::Told::GoOn {
                    insert_rows!(connection, configuration_baseline_item::table, items.clone())?;
                }
                Ok(told)
            })?;
            if told != job::Told::GoOn || is_whole {
                return Ok(told);
            }
            if ending.load(Ordering::Relaxed) {
                return Ok(job::Told::Lost);
            }
        }
    })
}

/// How many there are, if a baseline may hold so many.
fn counted(list: &List<'_>, connection: &mut AnyConnection) -> Result<i64> {
    let count = list.count(connection)?;
    if count > i64::try_from(MOST).unwrap_or(i64::MAX) {
        let detail = format!("The filter finds more than {MOST} configuration items; narrow it.");
        return Err(Error::invalid("/filter", "too_many", detail));
    }
    Ok(count)
}

fn forget_items(connection: &mut AnyConnection, id: RowId) -> Result<()> {
    let items = configuration_baseline_item::table.filter(configuration_baseline_item::baseline_id.eq(id));
    diesel::delete(items).execute(connection)?;
    Ok(())
}

fn list<'a>(kernel: &'a Kernel, connection: &mut AnyConnection, cause: &'a Cause, filter: &str) -> Result<List<'a>> {
    let asked = Asked { filter: Some(filter.to_owned()).filter(|f| !f.trim().is_empty()), ..Asked::default() };
    List::new(kernel, connection, &cause.caller, Some(KIND), &asked, cause.at).map_err(in_body("/filter"))
}

impl BaselineRow {
    /// The baseline of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let row = configuration_baseline::table.find(id).first(connection).optional()?;
        row.ok_or_else(|| Error::not_found("baseline"))
    }

    /// Those older than `below`, the newest first.
    pub fn list(connection: &mut AnyConnection, below: Option<RowId>, limit: i64) -> Result<Vec<Self>> {
        let mut rows = configuration_baseline::table.into_boxed::<crate::db::Backend>();
        if let Some(below) = below {
            rows = rows.filter(configuration_baseline::id.lt(below));
        }
        Ok(rows.order(configuration_baseline::id.desc()).limit(limit).load(connection)?)
    }

    /// What was there of these records.
    fn snapshots(&self, connection: &mut AnyConnection, ids: &[RecordId]) -> Result<Snapshots> {
        let mine = configuration_baseline_item::table.filter(configuration_baseline_item::baseline_id.eq(self.id));
        let these =
            among(connection.engine(), "configuration_baseline_item.record_id", ids.iter().map(RecordId::as_str));
        let rows: Vec<ItemRow> = mine.filter(these).load(connection)?;
        rows.into_iter().map(|row| Ok((row.record_id, row.content.read()?))).collect()
    }

    /// What is in it after a record, in the order of their ids.
    pub fn items(
        &self,
        connection: &mut AnyConnection,
        after: Option<RecordId>,
        limit: i64,
    ) -> Result<Vec<(RecordId, Snapshot)>> {
        use configuration_baseline_item as item;
        let mut rows = item::table.filter(item::baseline_id.eq(self.id)).into_boxed::<crate::db::Backend>();
        if let Some(after) = after {
            rows = rows.filter(item::record_id.gt(after));
        }
        let rows: Vec<ItemRow> = rows.order(item::record_id).limit(limit).load(connection)?;
        rows.into_iter().map(|row| Ok((row.record_id, row.content.read()?))).collect()
    }

    fn ids(&self, connection: &mut AnyConnection) -> Result<BTreeSet<RecordId>> {
        if self.taken_at.is_none() {
            return Err(Error::new(Code::Conflict, format!("The baseline `{}` is not taken yet.", self.name)));
        }
        let mine = configuration_baseline_item::table.filter(configuration_baseline_item::baseline_id.eq(self.id));
        let ids: Vec<RecordId> = mine.select(configuration_baseline_item::record_id).load(connection)?;
        Ok(ids.into_iter().collect())
    }

    /// What differs from it, in another one or now, of the records after one: at most `limit`.
    pub fn compared(
        &self,
        reading: &mut Reading<'_>,
        other: Option<&Self>,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Difference>> {
        let (kernel, cause) = (reading.kernel, reading.cause);
        let connection = &mut *reading.connection;
        let before = self.ids(connection)?;
        let now: BTreeSet<RecordId> = match other {
            Some(other) => other.ids(connection)?,
            // What was in the baseline is told of though the filter finds it no more.
            None => {
                let list = list(kernel, connection, cause, &self.filter)?;
                counted(&list, connection)?;
                list.ids(connection)?.into_iter().chain(before.iter().copied()).collect()
            }
        };
        let rest = before.union(&now).copied().filter(|id| after.is_none_or(|after| *id > after));
        let rest: Vec<RecordId> = rest.collect();
        let mut differing = Vec::new();
        for ids in rest.chunks(usize::try_from(AT_ONCE).unwrap_or(1)) {
            let old = self.snapshots(connection, ids)?;
            let new = match other {
                Some(other) => other.snapshots(connection, ids)?,
                None => {
                    let headers = Header::find_all(connection, ids)?;
                    snapshots(kernel, connection, headers)?
                }
            };
            differing.extend(differences(&old, &new));
            if differing.len() >= limit {
                break;
            }
        }
        differing.truncate(limit);
        Ok(differing)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// It is being taken: its job has to be cancelled before.
    pub fn delete(&self, connection: &mut AnyConnection) -> Result<()> {
        // Baselines that are older than the jobs have none.
        let job =
            JobRow::find(connection, self.id).ok().filter(|job| self.taken_at.is_none() && job.ended_at.is_none());
        if job.is_some() {
            let detail = format!("It is being taken: cancel the job {} before.", self.id);
            return Err(Error::new(Code::Conflict, detail));
        }
        forget_items(connection, self.id)?;
        match diesel::delete(configuration_baseline::table.find(self.id)).execute(connection)? {
            0 => Err(Error::new(Code::NotFound, "There is no such baseline.")),
            _ => Ok(()),
        }
    }
}
