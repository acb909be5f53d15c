//! The replay: events of all incidents in the order of time, a batch of them to a transaction.
//!
//! A batch is one job of the writer, so one durable commit pays for many events and the clock runs forward whichever
//! database it is. Where something in a batch is refused, nothing of it is kept and its events are replayed one by one, so
//! that one bad row costs only itself.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{
    Mode, Progress,
    agent::Agent,
    directory::Directory,
    log::BadRow,
    reference::{self, Position},
    story::{Event, Story},
};
use crate::{
    db::{Database, writer::Writer},
    error::{Code, Error, Result},
    record::{kernel::Kernel, pending::Pending, store::Unit},
};

/// Events to a transaction.
const BATCH: usize = 64;

/// What a replay works with; shared with the writer's thread.
pub struct Replay {
    /// The practices and policies.
    pub kernel: Arc<Kernel>,
    /// Who and what the log names.
    pub directory: Directory,
    /// Whether policies decide.
    pub mode: Mode,
    /// What happened.
    pub stories: Arc<Vec<Story>>,
}

/// What a replay came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Events replayed.
    pub replayed: u64,
    /// Events that were replayed before.
    pub there_already: u64,
    /// Calls made.
    pub calls: u64,
    /// Rows that were refused.
    pub refused: Vec<BadRow>,
}

/// An event: of which story, and which of its events.
type Place = (usize, usize);

/// Replays all that was not replayed before.
pub fn run(replay: Replay, database: &Database, writer: &Writer<Pending>, progress: &dyn Progress) -> Result<Tally> {
    let replay = Arc::new(replay);
    let mut tally = Tally::default();
    let order: Arc<[Place]> = replay.missing(database, &mut tally)?.into();
    progress.begin("Replaying", order.len() as u64);
    for start in (0..order.len()).step_by(BATCH) {
        let batch = start..(start + BATCH).min(order.len());
        match hand_in(&replay, &order, batch.clone(), writer) {
            Ok(calls) => {
                tally.calls += calls;
                tally.replayed += batch.len() as u64;
            }
            Err(e) if is_fault(&e) => return Err(e),
            Err(_) => one_by_one(&replay, &order, batch.clone(), writer, &mut tally)?,
        }
        progress.advance(batch.len() as u64);
    }
    Ok(tally)
}

/// Whether it is no fault of the row, so that going on would report good rows as bad.
fn is_fault(error: &Error) -> bool {
    matches!(error.code, Code::Internal | Code::Unavailable | Code::InsufficientStorage)
}

fn hand_in(replay: &Arc<Replay>, order: &Arc<[Place]>, batch: Range<usize>, writer: &Writer<Pending>) -> Result<u64> {
    let (replay, order) = (Arc::clone(replay), Arc::clone(order));
    writer.run_blocking(move |unit| replay.batch(unit, &order[batch.clone()]))
}

fn one_by_one(
    replay: &Arc<Replay>,
    order: &Arc<[Place]>,
    batch: Range<usize>,
    writer: &Writer<Pending>,
    tally: &mut Tally,
) -> Result<()> {
    for at in batch {
        match hand_in(replay, order, at..at + 1, writer) {
            Ok(calls) => {
                tally.calls += calls;
                tally.replayed += 1;
            }
            Err(e) if is_fault(&e) => return Err(e),
            Err(e) => {
                let (_, event) = replay.event(order[at]);
                let number = Some(event.row.number.to_string());
                tally.refused.push(BadRow { line: event.row.line, number, reason: e.detail, replayed: false });
            }
        }
    }
    Ok(())
}

impl Replay {
    fn event(&self, (story, event): Place) -> (&Story, &Event) {
        let story = &self.stories[story];
        (story, &story.events[event])
    }

    /// The events that were not replayed before, in the order of time; those of an incident in theirs.
    fn missing(&self, database: &Database, tally: &mut Tally) -> Result<Vec<Place>> {
        let keys: Vec<&str> = self.stories.iter().map(|s| &*s.number).collect();
        let there = database.read_here(|connection| reference::positions(connection, &keys))?;
        let mut order = Vec::new();
        for (s, story) in self.stories.iter().enumerate() {
            let done = there.get(&*story.number).map(|p| p.position);
            for (e, event) in story.events.iter().enumerate() {
                if done.is_some_and(|done| event.position <= done) {
                    tally.there_already += 1;
                } else {
                    order.push((s, e));
                }
            }
        }
        order.sort_by_key(|&(s, e)| (self.stories[s].events[e].at, s, e));
        Ok(order)
    }

    /// The calls of a batch, and how far each incident is replayed then; gives how many calls. It may run again, so it
    /// looks at the positions itself.
    fn batch(&self, unit: &mut Unit<'_>, places: &[Place]) -> Result<u64> {
        let agent = Agent { kernel: &self.kernel, directory: &self.directory, mode: self.mode };
        let keys: Vec<&str> = places.iter().map(|&place| &*self.event(place).0.number).collect();
        let before = reference::positions(unit.reference(), &keys)?;
        let mut now: HashMap<&str, Position> = HashMap::new();
        let mut calls = 0;
        for &place in places {
            let (story, event) = self.event(place);
            let key = &*story.number;
            let standing = now.get(key).or_else(|| before.get(key)).copied();
            if standing.is_some_and(|s| event.position <= s.position) {
                continue;
            }
            if standing.is_none() && place.1 > 0 {
                return Err(Error::new(Code::Conflict, "The incident could not be created from its first row."));
            }
            let record = agent.replay(unit, story, event, standing.map(|s| s.record), &mut calls)?;
            now.insert(key, Position { record, position: event.position });
        }
        let moved = now.into_iter().map(|(key, position)| (key, position, !before.contains_key(key)));
        reference::keep(unit.connection()?, moved)?;
        Ok(calls)
    }
}
