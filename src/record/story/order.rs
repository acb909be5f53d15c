//! What comes after what.
//!
//! The writes of a record follow each other by their versions. Between records the moment counts, and at one moment the place in the audit trail:
//! there, what a write causes stands after it. A decision belongs to the write that it went into; one that has changed nothing, a step that was
//! refused or a question that was asked again, stands by itself.

use std::collections::{HashMap, VecDeque};

use super::{
    super::{
        header::Header,
        history::{HistoryEntry, Written},
        kind::Kind,
        person::Person,
    },
    Chapter, Shown, StoryDecision,
    decided::Decided,
};
use crate::{
    clock::Moment,
    id::{RowId, UserId},
};

/// The decision that lets steps through or refuses them.
const GUARD: &str = "guard";
/// A place after all of the trail.
const LAST: (i32, i64) = (i32::MAX, i64::MAX);

/// A chapter that waits for its turn.
pub(super) struct Waiting {
    at: Moment,
    place: (i32, i64),
    chapter: Chapter,
}

/// What happened to one record, in order.
pub(super) fn line(
    (header, kind): (&Header, &'static Kind),
    writes: Vec<Shown>,
    mut decisions: Vec<Decided>,
    sentences: &mut HashMap<RowId, StoryDecision>,
    actors: &HashMap<UserId, Person>,
) -> VecDeque<Waiting> {
    let mut said = |these: Vec<Decided>| these.iter().filter_map(|decision| sentences.remove(&decision.id)).collect();
    let waiting = |place, entry: HistoryEntry, is_cut, decisions| Waiting {
        at: entry.at,
        place,
        chapter: Chapter { number: header.number.clone(), kind, entry, is_cut, decisions },
    };
    let mut line: Vec<Waiting> = Vec::new();
    for (Written { place, entry, .. }, is_cut) in writes {
        let mine = decisions.extract_if(.., |decision| went_into(decision, &entry)).collect();
        line.push(waiting(place, entry, is_cut, said(mine)));
    }
    let mut apart: Vec<Vec<Decided>> = Vec::new();
    for decision in decisions {
        match apart.iter_mut().find(|group| group.first().is_some_and(|first| is_asked_with(first, &decision))) {
            Some(group) => group.push(decision),
            None => apart.push(vec![decision]),
        }
    }
    for group in apart {
        if let Some(entry) = asked(kind, &group, actors) {
            line.push(waiting(LAST, entry, false, said(group)));
        }
    }
    // What changed nothing comes after the write that left the record as it was then.
    line.sort_by_key(|one| (one.chapter.entry.version, one.place == LAST, one.at));
    let mut next: Option<(Moment, (i32, i64))> = None;
    for one in line.iter_mut().rev() {
        one.place = next.filter(|(at, _)| one.place == LAST && *at == one.at).map_or(one.place, |(_, place)| place);
        next = Some((one.at, one.place));
    }
    line.into()
}

fn went_into(decision: &Decided, entry: &HistoryEntry) -> bool {
    (decision.version, decision.at, &decision.request_id) == (entry.version, entry.at, &entry.request_id)
}

fn is_asked_with(one: &Decided, other: &Decided) -> bool {
    (one.version, one.at, &one.request_id) == (other.version, other.at, &other.request_id)
}

/// What policies were asked and has changed nothing, as an entry of its own.
fn asked(kind: &Kind, group: &[Decided], actors: &HashMap<UserId, Person>) -> Option<HistoryEntry> {
    let first = group.first()?;
    // A guard is asked about a step, with others that are asked before it, and logged with the step where it lets it through.
    let what = if group.iter().any(|decision| decision.decision == GUARD) { "refused" } else { "asked_again" };
    Some(HistoryEntry {
        version: first.version,
        at: first.at,
        by: first.actor.and_then(|actor| actors.get(&actor).cloned()),
        action: format!("{}.{what}", kind.name),
        via: first.via.clone(),
        request_id: first.request_id.clone(),
        reason: String::new(),
        changes: Vec::new(),
    })
}

/// What happened to all of them, in order.
pub(super) fn merged(mut lines: Vec<VecDeque<Waiting>>) -> Vec<Chapter> {
    let mut chapters = Vec::new();
    let first = |line: &VecDeque<Waiting>| line.front().map(|next| (next.at, next.place));
    while let Some(line) = lines.iter_mut().filter(|line| !line.is_empty()).min_by_key(|line| first(line)) {
        chapters.extend(line.pop_front().map(|next| next.chapter));
    }
    chapters
}
