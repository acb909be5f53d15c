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
    clock::Moment,
    db::{AnyConnection, Database, writer::Writer},
    error::{Code, Error, Result},
    id::RecordId,
    record::{kernel::Kernel, pending::Pending, store::Unit, timer},
};

/// Events to a transaction.
const BATCH: usize = 64;
/// Incidents that are looked up at once.
const AT_ONCE: usize = 500;

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

/// Replays all that was not replayed before, and lets what is still open then go on by the clock on the wall.
pub fn run(
    replay: Replay,
    now: Moment,
    database: &Database,
    writer: &Writer<Pending>,
    progress: &dyn Progress,
) -> Result<Tally> {
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
    arrive(&replay, now, database, writer, progress)?;
    Ok(tally)
}

/// The incidents whose timers are held, those of an earlier run that was cut off as well, arrive in the present.
fn arrive(
    replay: &Arc<Replay>,
    now: Moment,
    database: &Database,
    writer: &Writer<Pending>,
    progress: &dyn Progress,
) -> Result<()> {
    let waiting = database.read_here(|connection| replay.held(connection))?;
    progress.begin("Arriving in the present", waiting.len() as u64);
    for batch in waiting.chunks(BATCH) {
        let (replay, batch): (_, Vec<RecordId>) = (Arc::clone(replay), batch.to_vec());
        let count = batch.len() as u64;
        writer.run_blocking(move |unit| batch.iter().try_for_each(|id| replay.agent().arrive(unit, *id, now)))?;
        progress.advance(count);
    }
    Ok(())
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

    fn agent(&self) -> Agent<'_> {
        Agent { kernel: &self.kernel, directory: &self.directory, mode: self.mode }
    }

    /// The records of all stories that have timers which are held.
    fn held(&self, connection: &mut AnyConnection) -> Result<Vec<RecordId>> {
        let mut held = Vec::new();
        for stories in self.stories.chunks(AT_ONCE) {
            let keys: Vec<&str> = stories.iter().map(|story| &*story.number).collect();
            let records = reference::positions(connection, &keys)?;
            let records: Vec<RecordId> = records.values().map(|position| position.record).collect();
            held.extend(timer::held(connection, &records)?);
        }
        Ok(held)
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
        let agent = self.agent();
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
