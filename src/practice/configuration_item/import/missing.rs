//! What an import does not name: of one that names configuration items those within its scope, and of one that names relations those that
//! its source has made between things that are named again, as rows of their own or as ends of other relations of the type.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use diesel::prelude::*;

use super::{
    Outcome,
    apply::{Detail, SHOWN},
    drift, gone,
    known::{Known, Maps},
    relation,
    row::{ImportRow, SeenRow},
    run::{Counts, TOGETHER, Work, keep, scope},
};
use crate::{
    db::{AnyConnection, JsonText},
    error::Result,
    id::{RecordId, RowId},
    record::{
        graph::relate::RelationRow,
        header::Header,
        job::{self, JobRow},
        store::Desk,
        visibility,
    },
    schema::relation as relations,
};

/// So many are looked at in one go.
const AT_ONCE: i64 = 500;
/// So many relations.
const RELATIONS_AT_ONCE: i64 = 5_000;
/// Where a relation that is missing would stand.
pub const RELATIONS: &str = "/relations";

/// Something that no row names: a record, or a relation that it has.
struct Missing {
    record: RecordId,
    title: String,
    relation: Option<RelationRow>,
}

impl Work<'_> {
    /// Tells of what no row names, from where it was left off: things within the scope, where rows tell of things, and relations, where rows
    /// tell of those.
    pub(super) fn missing(
        &self,
        job: &mut JobRow,
        counts: &mut Counts,
        known: &Maps,
        ending: &AtomicBool,
    ) -> Result<job::Told> {
        let asked = &self.ground.asked;
        if asked.scope.is_none() {
            return Ok(job::Told::GoOn);
        }
        let (last, mut seq) = self.bench.database.read_here(|connection| left_off(connection, job))?;
        if !asked.content.items.is_empty() {
            let told = self.missing_things((job, counts, &mut seq), last, known, ending)?;
            if told != job::Told::GoOn {
                return Ok(told);
            }
        }
        if asked.content.relations.is_empty() {
            return Ok(job::Told::GoOn);
        }
        self.missing_relations((job, counts, &mut seq), known, ending)
    }

    /// Tells of things within the scope that no row names, after the last one that was told of.
    fn missing_things(
        &self,
        (job, counts, seq): (&mut JobRow, &mut Counts, &mut i64),
        mut last: Option<Header>,
        known: &Maps,
        ending: &AtomicBool,
    ) -> Result<job::Told> {
        let (asked, is_sure) = (&self.ground.asked, self.is_sure(job, "items")?);
        loop {
            let headers = self.bench.database.read_here(|connection| {
                let scope = scope(&self.bench.kernel, connection, asked, &self.cause)?;
                scope.following(connection, last.as_ref(), AT_ONCE)
            })?;
            let Some(end) = headers.last().cloned() else { return Ok(job::Told::GoOn) };
            last = Some(end);
            let is_named = |id: &RecordId| known.records.contains_key(id) || known.candidates.contains(id);
            // What came after the source had looked is nothing that it could have named.
            let was_there = |header: &Header| header.opened_at <= self.ground.observed_at;
            // Nobody looks for what is retired.
            let is_used = |header: &Header| header.state != gone::RETIRED;
            let unnamed =
                headers.into_iter().filter(|header| !is_named(&header.id) && was_there(header) && is_used(header));
            let unnamed =
                unnamed.map(|header| Missing { record: header.id, title: header.title, relation: None }).collect();
            let told = self.tell((job, counts, seq), unnamed, is_sure, ending)?;
            if told != job::Told::GoOn {
                return Ok(told);
            }
        }
    }

    /// Whether it is known what all rows of items, or of relations, are of: one that nobody can tell may be of any of those that are missing.
    fn is_sure(&self, job: &JobRow, of: &str) -> Result<bool> {
        Ok(!self.bench.database.read_here(|connection| ImportRow::is_any_unknown(connection, job.id, of))?)
    }

    /// Tells of relations of the source that no row names, though rows name their ends.
    fn missing_relations(
        &self,
        (job, counts, seq): (&mut JobRow, &mut Counts, &mut i64),
        known: &Maps,
        ending: &AtomicBool,
    ) -> Result<job::Told> {
        let is_sure = self.is_sure(job, "relations")?;
        let mut last = self.bench.database.read_here(|connection| last_relation(connection, job.id))?;
        loop {
            let (rows, unnamed) = self.bench.database.read_here(|connection| {
                let mine = relations::table
                    .filter(relations::source.eq(&self.ground.asked.source))
                    .into_boxed::<crate::db::Backend>();
                let mine = if let Some(last) = last { mine.filter(relations::id.gt(last)) } else { mine };
                let rows: Vec<RelationRow> = mine.order(relations::id).limit(RELATIONS_AT_ONCE).load(connection)?;
                let unnamed = self.unnamed(connection, known, &rows)?;
                Ok((rows, unnamed))
            })?;
            let Some(end) = rows.last() else { return Ok(job::Told::GoOn) };
            last = Some(end.id);
            let told = self.tell((job, counts, seq), unnamed, is_sure, ending)?;
            if told != job::Told::GoOn {
                return Ok(told);
            }
        }
    }

    /// Those of these relations that no row names, though rows name their ends; as whoever asked for the import sees them.
    fn unnamed(&self, connection: &mut AnyConnection, known: &Maps, rows: &[RelationRow]) -> Result<Vec<Missing>> {
        let looked_at = self.ground.observed_at;
        let is_named = |row: &RelationRow| known.relations.contains(&row.id);
        let are_ends_named = |row: &RelationRow| known.names_ends(&(row.from_id, row.relation_type.clone(), row.to_id));
        let rows = rows.iter().filter(|row| row.created_at <= looked_at && !is_named(row) && are_ends_named(row));
        let rows: Vec<&RelationRow> = rows.collect();
        let ends: Vec<RecordId> = rows.iter().flat_map(|row| [row.from_id, row.to_id]).collect();
        // What it has told of either end since it looked, this import does not know.
        let later = SeenRow::by(connection, &self.ground.asked.source, &ends)?.into_iter();
        let later: HashSet<RecordId> = later.filter(|row| row.seen_at > looked_at).map(|row| row.record_id).collect();
        let seen = visibility::among(&self.bench.kernel, connection, &self.ground.caller, ends)?;
        let is_new = |row: &&RelationRow| [row.from_id, row.to_id].iter().any(|end| later.contains(end));
        let told = rows.into_iter().filter(|row| !is_new(row)).filter_map(|row| {
            let (from, to) = (seen.get(&row.from_id)?, seen.get(&row.to_id)?);
            let title = format!("{} {} {}", from.number, row.relation_type, to.number);
            Some(Missing {
                record: row.from_id,
                title: title.chars().take(SHOWN).collect(),
                relation: Some(row.clone()),
            })
        });
        Ok(told.collect())
    }

    /// Keeps what is missing, and does with it what the source says.
    fn tell(
        &self,
        (job, counts, seq): (&mut JobRow, &mut Counts, &mut i64),
        missing: Vec<Missing>,
        is_sure: bool,
        ending: &AtomicBool,
    ) -> Result<job::Told> {
        let done = usize::try_from(job.done).unwrap_or(usize::MAX);
        let mut missing = missing.into_iter().peekable();
        loop {
            let some: Vec<Missing> = missing.by_ref().take(TOGETHER).collect();
            let (id, from) = (job.id, *seq);
            let (told, last) = self.together((&mut *job, &mut *counts, done), move |desk, ground| {
                let (mut rows, mut seq) = (Vec::new(), from);
                for Missing { record, title, relation } in &some {
                    let became = match relation {
                        Some(row) => {
                            if is_sure {
                                drift::of_missing_relation(desk, ground, row)?;
                            }
                            Some((Outcome::Missing, Detail { relation_id: Some(row.id), ..Detail::default() }))
                        }
                        None => gone::settle(desk, ground, *record, is_sure)?,
                    };
                    let Some((outcome, detail)) = became else { continue };
                    seq += 1;
                    rows.push(ImportRow {
                        job_id: id,
                        seq,
                        outcome: outcome.as_str().to_owned(),
                        pointer: if relation.is_some() { RELATIONS } else { "" }.to_owned(),
                        record_id: Some(*record),
                        title: title.clone(),
                        detail: JsonText::of(&detail)?,
                    });
                }
                Ok((rows, seq))
            })?;
            *seq = last;
            if told != job::Told::GoOn {
                return Ok(told);
            }
            if ending.load(Ordering::Relaxed) {
                return Ok(job::Told::Lost);
            }
            if missing.peek().is_none() {
                return Ok(job::Told::GoOn);
            }
        }
    }

    /// The relations that the first rows name: a job that is taken up again has forgotten them.
    pub(super) fn named_before(&self, job: &JobRow, rows: usize, before: &Arc<Maps>) -> Result<Maps> {
        let mut all = Maps::default();
        for from in (0..rows).step_by(TOGETHER) {
            let (kernel, ground, cause) = (self.bench.kernel.clone(), self.ground.clone(), self.cause.clone());
            let before = before.clone();
            all.extend(self.bench.writer.run_blocking(move |unit| {
                unit.discard();
                let mut known = Known::of(before.clone());
                let mut desk = Desk { kernel: &kernel, unit, cause: &cause };
                let rows = &ground.asked.content.relations[from..rows.min(from + TOGETHER)];
                rows.iter().try_for_each(|row| relation::learn(&mut desk, &ground, &mut known, row))?;
                Ok(known.now)
            })?);
            let (kept, node, now) = (job.clone(), self.node, self.bench.clock.now());
            self.bench.writer.run_blocking(move |unit| keep(unit.connection()?, &kept, node, now, &[]))?;
        }
        Ok(all)
    }
}

/// The last record that was told as missing, and the greatest number of a row.
fn left_off(connection: &mut AnyConnection, job: &JobRow) -> Result<(Option<Header>, i64)> {
    let (last, seq) = ImportRow::last_missing(connection, job.id)?;
    let record = last.map(|id| Header::find(connection, id)).transpose()?;
    Ok((record.flatten(), seq.unwrap_or(job.total)))
}

/// The relation that was told as missing before the job was interrupted.
fn last_relation(connection: &mut AnyConnection, job: RowId) -> Result<Option<RowId>> {
    use crate::schema::configuration_import_row as row;
    let mine = row::table.filter(row::job_id.eq(job)).filter(row::pointer.eq(RELATIONS));
    let last: Option<JsonText> = mine.order(row::seq.desc()).select(row::detail).first(connection).optional()?;
    Ok(last.map(|detail| detail.read::<Detail>()).transpose()?.and_then(|detail| detail.relation_id))
}
