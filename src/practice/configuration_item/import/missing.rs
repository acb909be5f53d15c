//! What an import does not name: configuration items within its scope, and relations that its source has told of before between things
//! that it tells of again.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use diesel::prelude::*;

use super::{
    Outcome,
    apply::{Detail, Known, Maps, SHOWN},
    relation,
    row::ImportRow,
    run::{Counts, Work, keep},
};
use crate::{
    db::{AnyConnection, JsonText},
    error::Result,
    id::{RecordId, RowId},
    practice::configuration_item::ConfigurationItemPractice,
    record::{
        graph::relate::RelationRow,
        header::Header,
        job::{self, JobRow},
        kind::Kind,
        list::{self, List},
        practice::Practice,
        store::{Desk, Unit},
        visibility,
    },
    schema::relation as relations,
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;
/// So many are looked at in one go.
const AT_ONCE: i64 = 500;
/// Where a relation that is missing would stand.
pub const RELATIONS: &str = "/relations";

impl Work<'_> {
    /// Tells of what is within the scope and was named by no row, from where it was left off.
    pub(super) fn missing(
        &self,
        job: &mut JobRow,
        counts: &mut Counts,
        known: &Maps,
        ending: &AtomicBool,
    ) -> Result<job::Told> {
        let Some(scope) = self.ground.asked.scope.clone() else { return Ok(job::Told::GoOn) };
        let (mut last, mut seq) = self.bench.database.read_here(|connection| left_off(connection, job))?;
        loop {
            let headers = self.bench.database.read_here(|connection| {
                let asked = list::Asked { filter: Some(scope.clone()), ..list::Asked::default() };
                let (kernel, cause) = (&self.bench.kernel, &self.cause);
                let list = List::new(kernel, connection, &cause.caller, Some(KIND), &asked, cause.at)?;
                list.following(connection, last.as_ref(), AT_ONCE)
            })?;
            let Some(end) = headers.last().cloned() else { break };
            last = Some(end);
            let unnamed = headers.into_iter().filter(|header| !known.records.contains_key(&header.id));
            let unnamed = unnamed.map(|header| ("", header.id, header.title)).collect();
            let told = self.tell((job, counts, &mut seq), unnamed, ending)?;
            if told != job::Told::GoOn {
                return Ok(told);
            }
        }
        self.missing_relations((job, counts, &mut seq), known, ending)
    }

    /// Tells of relations of the source that no row names, though rows name both of their ends.
    fn missing_relations(
        &self,
        (job, counts, seq): (&mut JobRow, &mut Counts, &mut i64),
        known: &Maps,
        ending: &AtomicBool,
    ) -> Result<job::Told> {
        let told_before = self.bench.database.read_here(|connection| told(connection, job.id))?;
        let mut last: Option<RowId> = None;
        loop {
            let (rows, unnamed) = self.bench.database.read_here(|connection| {
                let mine = relations::table
                    .filter(relations::source.eq(&self.ground.asked.source))
                    .filter(relations::created_at.lt(job.created_at))
                    .into_boxed::<crate::db::Backend>();
                let mine = if let Some(last) = last { mine.filter(relations::id.gt(last)) } else { mine };
                let rows: Vec<RelationRow> = mine.order(relations::id).limit(AT_ONCE).load(connection)?;
                let unnamed = self.unnamed(connection, known, &rows)?;
                Ok((rows, unnamed))
            })?;
            let Some(end) = rows.last() else { return Ok(job::Told::GoOn) };
            last = Some(end.id);
            let new = unnamed.into_iter().filter(|one| !told_before.contains(one));
            let new = new.map(|(record, title)| (RELATIONS, record, title)).collect();
            let told = self.tell((job, counts, seq), new, ending)?;
            if told != job::Told::GoOn {
                return Ok(told);
            }
        }
    }

    /// Those of these relations that no row names, though rows name both ends; as whoever asked for the import sees them.
    fn unnamed(
        &self,
        connection: &mut AnyConnection,
        known: &Maps,
        rows: &[RelationRow],
    ) -> Result<Vec<(RecordId, String)>> {
        let is_named = |id: &RecordId| known.records.contains_key(id);
        let rows = rows.iter().filter(|row| !known.relations.contains(&row.id));
        let rows: Vec<&RelationRow> = rows.filter(|row| is_named(&row.from_id) && is_named(&row.to_id)).collect();
        let ends = rows.iter().flat_map(|row| [row.from_id, row.to_id]).collect();
        let seen = visibility::among(&self.bench.kernel, connection, &self.ground.caller, ends)?;
        let told = rows.into_iter().filter_map(|row| {
            let (from, to) = (seen.get(&row.from_id)?, seen.get(&row.to_id)?);
            let title = format!("{} {} {}", from.number, row.relation_type, to.number);
            Some((row.from_id, title.chars().take(SHOWN).collect()))
        });
        Ok(told.collect())
    }

    /// Keeps what is missing, each with its place and what it is called.
    fn tell(
        &self,
        (job, counts, seq): (&mut JobRow, &mut Counts, &mut i64),
        missing: Vec<(&str, RecordId, String)>,
        ending: &AtomicBool,
    ) -> Result<job::Told> {
        let mut rows = Vec::new();
        for (pointer, record, title) in missing {
            *seq += 1;
            rows.push(ImportRow {
                job_id: job.id,
                seq: *seq,
                outcome: Outcome::Missing.as_str().to_owned(),
                pointer: pointer.to_owned(),
                record_id: Some(record),
                title,
                detail: JsonText::of(&Detail::default())?,
            });
        }
        *counts.entry(Outcome::Missing.as_str().to_owned()).or_default() +=
            i64::try_from(rows.len()).unwrap_or(i64::MAX);
        job.progress = JsonText::of(&counts)?;
        let (kept, node, now) = (job.clone(), self.node, self.bench.clock.now());
        let keep = move |unit: &mut Unit<'_>| keep(unit.connection()?, &kept, node, now, &rows);
        let told = self.bench.writer.run_blocking(keep)?;
        let is_over = told == job::Told::GoOn && ending.load(Ordering::Relaxed);
        Ok(if is_over { job::Told::Lost } else { told })
    }

    /// The relations that the first rows name: a job that is taken up again has forgotten them.
    pub(super) fn named_before(&self, rows: usize, before: &Arc<Maps>) -> Result<HashSet<RowId>> {
        let (kernel, ground, cause) = (self.bench.kernel.clone(), self.ground.clone(), self.cause.clone());
        let before = before.clone();
        self.bench.writer.run_blocking(move |unit| {
            unit.discard();
            let known = Known::of(before.clone());
            let mut desk = Desk { kernel: &kernel, unit, cause: &cause };
            let rows = ground.asked.content.relations.iter().take(rows);
            let named = rows.map(|row| relation::there(&mut desk, &ground, &known, row));
            named.filter_map(Result::transpose).collect()
        })
    }
}

/// The last record that was told as missing, and the greatest number of a row.
fn left_off(connection: &mut AnyConnection, job: &JobRow) -> Result<(Option<Header>, i64)> {
    let (last, seq) = ImportRow::last_missing(connection, job.id)?;
    let record = last.map(|id| Header::find(connection, id)).transpose()?;
    Ok((record.flatten(), seq.unwrap_or(job.total)))
}

/// The relations that were told as missing before the job was interrupted.
fn told(connection: &mut AnyConnection, job: RowId) -> Result<BTreeSet<(RecordId, String)>> {
    use crate::schema::configuration_import_row as row;
    let mine = row::table.filter(row::job_id.eq(job)).filter(row::pointer.eq(RELATIONS));
    let rows: Vec<(Option<RecordId>, String)> = mine.select((row::record_id, row::title)).load(connection)?;
    Ok(rows.into_iter().filter_map(|(record, title)| Some((record?, title))).collect())
}
