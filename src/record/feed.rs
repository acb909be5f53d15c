//! The events of all records, in the order of their ids, for those who follow them: only about what they see.
//!
//! Ids are made before the commit. Where there is more than one writer, an event may become visible after one with a greater
//! id, so a reader looks again at the last seconds and remembers what it has seen of them.
//!
//! **Invariant:** an event is given once by each [`Place`], and a place holds no more than [`MOST_SEEN`] ids.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{kernel::Kernel, outbox::Event, visibility};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::{AnyConnection, Engine},
    error::Result,
    id::{RecordId, RowId},
    schema::outbox,
};

/// Ids that a place remembers at most.
pub const MOST_SEEN: usize = 20_000;
/// Rows read with one query.
const AT_ONCE: i64 = 500;
/// Events given at once.
const MOST_GIVEN: usize = 200;
/// How far back PostgreSQL is looked at again. A transaction that takes longer is missed by those who follow.
const OVERLAP: TimeDelta = TimeDelta::seconds(5);

/// An event, as those who follow read it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Told {
    /// Its id: `Last-Event-ID` resumes after it.
    pub id: RowId,
    /// When it happened.
    pub at: Moment,
    /// What happened, in the past tense.
    #[schema(examples("incident.resolved"))]
    pub event: String,
    /// The record's id.
    pub record_id: RecordId,
    /// The record's kind.
    #[schema(examples("incident"))]
    pub kind: String,
    /// What is told of it: the record's number, version and state, and which fields changed.
    pub payload: Value,
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Names of events, or `incident.*` for all of a family; empty for all.
    pub types: Vec<String>,
    /// Kinds of records; empty for all.
    pub kinds: Vec<String>,
}

impl Wanted {
    /// Whether an event is wanted.
    pub fn fits(&self, event: &str, kind: &str) -> bool {
        let named = |pattern: &String| match pattern.strip_suffix('*') {
            Some(family) => event.starts_with(family),
            None => event == pattern,
        };
        (self.types.is_empty() || self.types.iter().any(named))
            && (self.kinds.is_empty() || self.kinds.iter().any(|k| k == kind))
    }
}

/// How far somebody has read.
#[derive(Clone, Debug)]
pub struct Place {
    /// Everything up to here has been read for good.
    floor: String,
    /// The greatest id that was read.
    last: String,
    /// What was read above the floor.
    seen: BTreeSet<RowId>,
}

impl Place {
    /// After this event. Where ids come out of order, what happened shortly before it is given again.
    pub fn after(id: RowId, engine: Engine) -> Self {
        let last = id.to_string();
        Place { floor: floor_below(&last, engine), last, seen: BTreeSet::new() }
    }

    /// After all that there is now.
    pub fn newest(connection: &mut AnyConnection) -> Result<Self> {
        let last: Option<RowId> =
            outbox::table.select(outbox::id).order(outbox::id.desc()).first(connection).optional()?;
        let Some(last) = last else {
            return Ok(Place { floor: String::new(), last: String::new(), seen: BTreeSet::new() });
        };
        let mut place = Place::after(last, connection.engine());
        loop {
            let rows = place.unseen(connection, MOST_GIVEN)?;
            if rows.is_empty() {
                return Ok(place);
            }
            place.pass(&rows, connection.engine());
        }
    }

    /// The next events that the caller sees and wants, and whether there may be more of them at once.
    pub fn read(
        &mut self,
        kernel: &Kernel,
        connection: &mut AnyConnection,
        caller: &Caller,
        wanted: &Wanted,
    ) -> Result<(Vec<Told>, bool)> {
        let rows = self.unseen(connection, MOST_GIVEN)?;
        self.pass(&rows, connection.engine());
        let more = rows.len() >= MOST_GIVEN;
        let mut ids: Vec<RecordId> = rows.iter().map(|row| row.record_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let seen =
            if ids.is_empty() { Default::default() } else { visibility::among(kernel, connection, caller, ids)? };
        let mut told = Vec::new();
        for Event { id, at, event, record_id, payload } in rows {
            let Some(header) = seen.get(&record_id).filter(|h| wanted.fits(&event, &h.kind)) else { continue };
            told.push(Told { id, at, event, record_id, kind: header.kind.clone(), payload: payload.read()? });
        }
        Ok((told, more))
    }

    /// Up to `most` rows that were not read yet.
    fn unseen(&self, connection: &mut AnyConnection, most: usize) -> Result<Vec<Event>> {
        let (mut unseen, mut from) = (Vec::new(), self.floor.clone());
        loop {
            let rows: Vec<Event> =
                outbox::table.filter(outbox::id.gt(&from)).order(outbox::id).limit(AT_ONCE).load(connection)?;
            let is_last = (rows.len() as i64) < AT_ONCE;
            if let Some(row) = rows.last() {
                from = row.id.to_string();
            }
            unseen.extend(rows.into_iter().filter(|row| !self.seen.contains(&row.id)));
            if is_last || unseen.len() >= most {
                unseen.truncate(most);
                return Ok(unseen);
            }
        }
    }

    /// Remembers rows as read, and forgets what is too old to be met again.
    fn pass(&mut self, rows: &[Event], engine: Engine) {
        self.seen.extend(rows.iter().map(|row| row.id));
        if let Some(greatest) = self.seen.last().filter(|id| id.as_str() > self.last.as_str()) {
            self.last = greatest.to_string();
        }
        let below = floor_below(&self.last, engine);
        // Nothing that is still unread may fall under the floor: rows come in order, so the last of them is the limit.
        let read_to = rows.last().map_or(self.last.as_str(), |row| row.id.as_str());
        let below = if read_to < below.as_str() { read_to.to_owned() } else { below };
        if below > self.floor {
            self.floor = below;
        }
        while let Some(first) = self.seen.first().copied() {
            if first.as_str() > self.floor.as_str() {
                if self.seen.len() <= MOST_SEEN {
                    break;
                }
                self.floor = first.to_string();
            }
            self.seen.pop_first();
        }
    }
}

/// The place below which nothing new appears any more. Ids begin with the milliseconds of their making.
fn floor_below(id: &str, engine: Engine) -> String {
    if engine == Engine::Sqlite {
        // One writer: what is committed later has a greater id.
        return id.to_owned();
    }
    let digits: String = id.chars().filter(|c| *c != '-').take(12).collect();
    let millis = i64::from_str_radix(&digits, 16).unwrap_or(0);
    let earlier = format!("{:012x}", (millis - OVERLAP.num_milliseconds()).max(0));
    format!("{}-{}", &earlier[..8], &earlier[8..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: RowId) -> Event {
        let at = crate::clock::Clock::System.now();
        let payload = crate::db::JsonText::empty_object();
        Event { id, at, event: "incident.created".into(), record_id: RecordId::new(), payload }
    }

    #[test]
    fn only_what_is_wanted_is_given() {
        let wanted = |types: &[&str], kinds: &[&str]| Wanted {
            types: types.iter().map(|&t| t.to_owned()).collect(),
            kinds: kinds.iter().map(|&k| k.to_owned()).collect(),
        };
        let cases: &[(&[&str], &[&str], bool)] = &[
            (&[], &[], true),
            (&["incident.resolved"], &[], true),
            (&["incident.*"], &[], true),
            (&["incident.resolve"], &[], false),
            (&["service.*"], &["incident"], false),
            (&[], &["service", "incident"], true),
            (&["incident.*"], &["service"], false),
        ];
        for (types, kinds, fits) in cases {
            assert_eq!(wanted(types, kinds).fits("incident.resolved", "incident"), *fits, "{types:?} {kinds:?}");
        }
    }

    #[test]
    fn one_writer_needs_no_second_look_and_several_do() {
        let (first, second) = (RowId::new(), RowId::new());
        let mut place = Place::after(first, Engine::Sqlite);
        place.pass(&[event(second)], Engine::Sqlite);
        assert_eq!((place.floor.as_str(), place.seen.len()), (second.as_str(), 0));
        let mut place = Place::after(first, Engine::Postgres);
        place.pass(&[event(second)], Engine::Postgres);
        assert!(place.floor.as_str() < first.as_str() && place.seen.contains(&second));
    }

    #[test]
    fn what_a_place_remembers_is_bounded() {
        let mut place = Place::after(RowId::new(), Engine::Postgres);
        let rows: Vec<Event> = (0..MOST_SEEN + 10).map(|_| event(RowId::new())).collect();
        place.pass(&rows, Engine::Postgres);
        assert_eq!((place.seen.len(), place.floor.as_str()), (MOST_SEEN, rows[9].id.as_str()));
    }
}
