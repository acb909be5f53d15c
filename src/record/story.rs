//! The story of a record: what was done to it and to all that it is linked with, and what was decided about them, in order.
//!
//! **Invariant:** it tells nothing that the histories, the decision log and the links of its records would not tell the same reader.

use std::collections::{BTreeMap, HashMap, VecDeque};

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    decide::DecisionRow,
    header::Header,
    history::{self, HistoryEntry},
    kind::Kind,
    link,
    store::Reading,
    visibility,
};
use crate::{
    error::Result,
    id::{RecordId, RowId},
    schema::decision,
};

/// How many links away a record may be.
const FURTHEST: u8 = 4;
/// How many records one story is about.
const RECORDS: usize = 50;
/// How many writes to one record it tells of, from the first one on.
const WRITES: usize = 1_000;
/// How many are read in one go.
const AT_ONCE: i64 = 200;

/// A record of a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoryRecord {
    /// Its id.
    pub id: RecordId,
    /// Its kind.
    #[schema(examples("incident"))]
    pub kind: String,
    /// Its number.
    #[schema(examples("INC0000042"))]
    pub number: String,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub state: String,
    /// How many links it is away from the record whose story it is; 0 for that itself.
    pub distance: u8,
}

/// What happened at one moment to one record.
#[derive(Debug)]
pub struct Chapter {
    /// The number of the record.
    pub number: String,
    /// What was done.
    pub entry: HistoryEntry,
    /// What was decided with it.
    pub decisions: Vec<DecisionRow>,
}

/// A story.
#[derive(Debug)]
pub struct Story {
    /// What it is about, the nearest first.
    pub records: Vec<StoryRecord>,
    /// What happened, in order.
    pub chapters: Vec<Chapter>,
    /// Whether that is all.
    pub complete: bool,
}

/// The story of a record that the caller sees.
///
/// # Errors
/// None that the caller is to blame for.
pub fn of_record(reading: &mut Reading<'_>, record: Header) -> Result<Story> {
    let (records, mut complete) = linked(reading, record)?;
    let with_decisions = reading.cause.caller.can("decision.read");
    let mut chapters = Vec::new();
    for one in &records {
        let kind = reading.kernel.practice(&one.kind)?.kind();
        let (entries, is_all) = entries(reading, kind, one.id)?;
        complete &= is_all;
        let mut decided = if with_decisions { decisions(reading, one.id)? } else { BTreeMap::new() };
        chapters.extend(entries.into_iter().map(|entry| {
            let decisions = decided.remove(&entry.version).unwrap_or_default();
            Chapter { number: one.number.clone(), entry, decisions }
        }));
    }
    // What happened to several at once stands in the order of the records: what causes before what follows.
    chapters.sort_by_key(|chapter| chapter.entry.at);
    Ok(Story { records, chapters, complete })
}

/// The record and those that can be reached from it by links, the nearest first; and whether these are all. What everybody may see — services,
/// things — is not passed through: all the world hangs together by it.
fn linked(reading: &mut Reading<'_>, record: Header) -> Result<(Vec<StoryRecord>, bool)> {
    let mut found = vec![told(&record, 0)];
    let mut ahead = VecDeque::from([(record.id, 0)]);
    let mut complete = true;
    while let Some((id, distance)) = ahead.pop_front() {
        let others: Vec<RecordId> =
            link::of_record(reading, id, None, RECORDS + 1)?.into_iter().map(|link| link.record.id).collect();
        let seen: HashMap<_, _> =
            visibility::among(reading.kernel, reading.connection, &reading.cause.caller, others.clone())?;
        for header in others.iter().filter_map(|id| seen.get(id)) {
            let is_new = found.iter().all(|known| known.id != header.id);
            if !is_new || reading.kernel.practice(&header.kind)?.kind().public {
                continue;
            }
            if distance == FURTHEST || found.len() == RECORDS {
                complete = false;
                continue;
            }
            found.push(told(header, distance + 1));
            ahead.push_back((header.id, distance + 1));
        }
    }
    Ok((found, complete))
}

fn told(header: &Header, distance: u8) -> StoryRecord {
    let Header { id, kind, number, title, state, .. } = header;
    let [kind, number, title, state] = [kind, number, title, state].map(String::clone);
    StoryRecord { id: *id, kind, number, title, state, distance }
}

/// What was done to a record, in order, and whether that is all.
fn entries(reading: &mut Reading<'_>, kind: &Kind, of: RecordId) -> Result<(Vec<HistoryEntry>, bool)> {
    let (mut entries, mut below) = (Vec::new(), None);
    loop {
        let page = history::of_record(reading, kind, of, below, AT_ONCE)?;
        below = page.last().map(|entry| entry.version);
        let is_last = page.is_empty();
        entries.extend(page);
        if is_last || entries.len() >= WRITES {
            entries.reverse();
            return Ok((entries, is_last));
        }
    }
}

/// What was decided about a record, by the version that it went into. What only ran beside is left out.
fn decisions(reading: &mut Reading<'_>, of: RecordId) -> Result<BTreeMap<i32, Vec<DecisionRow>>> {
    let (mut by_version, mut after): (BTreeMap<i32, Vec<DecisionRow>>, Option<RowId>) = Default::default();
    loop {
        let mut rows = decision::table.filter(decision::record_id.eq(of)).into_boxed::<crate::db::Backend>();
        if let Some(after) = after {
            rows = rows.filter(decision::id.gt(after));
        }
        let rows: Vec<DecisionRow> = rows.order(decision::id).limit(AT_ONCE).load(reading.connection)?;
        let Some(last) = rows.last() else { return Ok(by_version) };
        after = Some(last.id);
        for row in rows.into_iter().filter(|row| matches!(row.mode.as_str(), "live" | "last_good")) {
            by_version.entry(row.record_version).or_default().push(row);
        }
        if by_version.len() > WRITES {
            return Ok(by_version);
        }
    }
}
