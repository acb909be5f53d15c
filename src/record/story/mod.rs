//! The story of a record: what was done to it and to all that it is linked with, and what was decided about them, in order.
//!
//! - [`around`]: which records it is about; [`decided`]: what was decided about them; [`order`]: what comes after what;
//!   [`names`]: what people call what it refers to; [`short`]: what is told of long texts.
//!
//! **Invariant:** it tells nothing that the histories, the decision log and the links of its records would not tell the same reader, and
//! all that happened up to the moment at which it ends, if it has to end before today.

mod around;
pub mod decided;
mod names;
mod order;
mod short;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use self::{decided::Explain, short::Told};
use super::{
    header::Header,
    history::{self, HistoryEntry, Written},
    kind::Kind,
    store::Reading,
};
use crate::{
    clock::Moment,
    error::Result,
    id::{RecordId, RowId},
};

/// How many writes one story tells of, from the first one on.
const WRITES: i32 = 2_000;
/// How many characters of what was written one story tells, and how many of decisions.
const ROOM: usize = 2_000_000;

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

/// What a policy decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoryDecision {
    /// The id of the decision.
    pub id: RowId,
    /// Which decision it was.
    #[schema(examples("routing"))]
    pub decision: String,
    /// What it came to and why, in a sentence; of a long one, the beginning, with `…` at its end. The decision itself can be read by its id.
    pub sentence: String,
}

/// What happened at one moment to one record: a write with what was decided in it, or what was decided and changed nothing.
#[derive(Debug)]
pub struct Chapter {
    /// The number of the record.
    pub number: String,
    /// Its kind.
    pub kind: &'static Kind,
    /// What was done.
    pub entry: HistoryEntry,
    /// Whether only the beginning of something in it is told.
    pub is_cut: bool,
    /// What was decided with it.
    pub decisions: Vec<StoryDecision>,
}

/// A story.
#[derive(Debug)]
pub struct Story {
    /// What it is about, the nearest first.
    pub records: Vec<StoryRecord>,
    /// What happened, in order.
    pub chapters: Vec<Chapter>,
    /// What people call those whom the changes name by id, as far as the caller may know it.
    pub names: BTreeMap<String, String>,
    /// Whether that is all.
    pub complete: bool,
}

/// The story of a record that the caller sees. `explain` puts decisions into words.
///
/// # Errors
/// None that the caller is to blame for.
pub fn of_record(reading: &mut Reading<'_>, record: Header, explain: Explain<'_>) -> Result<Story> {
    let (found, mut complete) = around::linked(reading, record)?;
    let kinds = found.iter().map(|(header, _)| Ok(reading.kernel.practice(&header.kind)?.kind()));
    let kinds: Vec<&'static Kind> = kinds.collect::<Result<_>>()?;
    let headers: Vec<&Header> = found.iter().map(|(header, _)| header).collect();
    let (mut writes, written_until) = writes(reading, &headers, &kinds)?;
    let (mut decisions, decided_until) = decided::about(reading, &headers)?;
    // All of it ends where the first of them had to; of the moment itself some may be missing.
    let mut end = [written_until, decided_until].into_iter().flatten().min();
    decisions.retain(|decision| end.is_none_or(|end| decision.at < end));
    let (mut sentences, explained_until) = decided::explained(reading, &headers, &decisions, explain)?;
    end = [end, explained_until].into_iter().flatten().min();
    if let Some(end) = end {
        complete = false;
        writes.retain(|(written, _)| written.entry.at < end);
        decisions.retain(|decision| decision.at < end);
    }
    let actors = decided::actors(reading, &decisions)?;
    let lines = headers.iter().zip(kinds).map(|(header, kind)| {
        let mine = writes.extract_if(.., |(written, _)| written.of == header.id).collect();
        let decided = decisions.extract_if(.., |decision| decision.of == header.id).collect();
        order::line((header, kind), mine, decided, &mut sentences, &actors)
    });
    let chapters = order::merged(lines.collect());
    let names = names::of(reading, &chapters)?;
    Ok(Story { records: found.iter().map(told).collect(), chapters, names, complete })
}

fn told((header, distance): &(Header, u8)) -> StoryRecord {
    let Header { id, kind, number, title, state, .. } = header;
    let [kind, number, title, state] = [kind, number, title, state].map(String::clone);
    StoryRecord { id: *id, kind, number, title, state, distance: *distance }
}

/// A write, and whether something of it is cut.
type Shown = (Written, bool);

/// What was done to the records; and the moment up to which that is all, where it is not.
fn writes(
    reading: &mut Reading<'_>,
    headers: &[&Header],
    kinds: &[&'static Kind],
) -> Result<(Vec<Shown>, Option<Moment>)> {
    let of: Vec<(&Kind, RecordId)> = kinds.iter().copied().zip(headers.iter().map(|header| header.id)).collect();
    let (mut writes, mut room, mut end): (Vec<Shown>, _, _) = (Vec::new(), ROOM, None);
    history::of_records(reading, &of, WRITES, |mut written| {
        let Told { size, is_cut } = short::entry(&mut written.entry);
        let is_room = writes.len() < WRITES as usize && size <= room;
        if is_room {
            room -= size;
            writes.push((written, is_cut));
        } else {
            end = Some(written.entry.at);
        }
        is_room
    })?;
    let last_of = |id| writes.iter().rev().find(|(written, _)| written.of == id).map(|(written, _)| written.entry.at);
    let ends = headers.iter().filter(|header| header.version > WRITES).filter_map(|header| last_of(header.id));
    let end = ends.chain(end).min();
    Ok((writes, end))
}
