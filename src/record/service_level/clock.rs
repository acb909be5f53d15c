//! Clocks of records, and their ledgers, in the database.

use std::collections::HashMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ledger::{Event, Happening};
use crate::{
    clock::Moment,
    db::{AnyConnection, sql::among},
    error::{Error, Result},
    id::{OrganisationId, RecordId, RowId, TeamId},
    on_either,
    schema::{service_clock, service_clock_entry},
};

/// A clock of a record.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = service_clock, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct ServiceClock {
    /// Its id.
    pub id: RowId,
    /// The record.
    pub record_id: RecordId,
    /// The service level whose target counts.
    pub service_level_id: RowId,
    /// Its version that this clock follows.
    pub level_version: i32,
    /// `sla`, `ola` or `uc`.
    pub agreement: String,
    /// What is measured.
    pub metric: String,
    /// A [`State`].
    pub state: String,
    /// How long it may take, in microseconds of the calendar's time.
    pub target: i64,
    /// The name of the calendar.
    pub calendar: String,
    /// When it began to count.
    pub started_at: Moment,
    /// The last happening up to which `elapsed` was counted.
    pub since: Moment,
    /// How much was counted in this round, in microseconds.
    pub elapsed: i64,
    /// When the target is, was, or would have been used up; nothing while it is paused before that.
    pub deadline: Option<Moment>,
    /// When it stopped or was cancelled.
    pub ended_at: Option<Moment>,
    /// The greatest percentage of the target that was told of.
    pub told: i32,
    /// When the target was used up in this round.
    pub breached_at: Option<Moment>,
    /// Rounds that it has begun.
    pub rounds: i32,
    /// Rounds before this one in which the target was used up.
    pub breached_rounds: i32,
    /// The entry of its ledger that began this round.
    pub round_entry: i32,
    /// Why the target was missed: a code.
    pub breach_code: Option<String>,
    /// Why the target was missed, in words.
    pub breach_note: Option<String>,
    /// Entries of its ledger.
    pub entries: i32,
    /// Whose record it is.
    pub organisation_id: OrganisationId,
    /// Which team has the record.
    pub team_id: Option<TeamId>,
    /// The service that the record is about.
    pub service_id: Option<RecordId>,
    /// The priority of the record; 0 where it has none.
    pub priority: i32,
}

/// What a clock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ServiceClockState)]
pub enum State {
    /// It counts.
    Running,
    /// It waits.
    Paused,
    /// What it waited for has happened.
    Stopped,
    /// It does not apply any more.
    Cancelled,
}

impl State {
    /// All of them, with their words: as they are stored and asked for.
    pub const WORDS: [(&'static str, State); 4] = [
        ("running", State::Running),
        ("paused", State::Paused),
        ("stopped", State::Stopped),
        ("cancelled", State::Cancelled),
    ];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }

    /// As it was stored.
    pub fn named(word: &str) -> Option<State> {
        Self::WORDS.iter().find(|(one, _)| *one == word).map(|(_, one)| *one)
    }
}

/// An entry of a ledger.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable)]
#[diesel(table_name = service_clock_entry, treat_none_as_default_value = false)]
pub struct Entry {
    /// The clock.
    pub clock_id: RowId,
    /// Its place.
    pub seq: i32,
    /// When it happened.
    pub at: Moment,
    /// When it was noticed: later, where a timer came late.
    pub told_at: Moment,
    /// An [`Event`].
    pub event: String,
    /// The percentage of the target, of a warning.
    pub percent: Option<i32>,
    /// The target from then on, in microseconds.
    pub target: i64,
    /// The calendar from then on.
    pub calendar: String,
    /// Through what: `api`, `timer:…`.
    pub via: String,
    /// The version of the record with it.
    pub record_version: i32,
}

impl Entry {
    /// What happened, and when.
    pub fn happening(&self) -> Result<Happening> {
        let event = Event::named(&self.event);
        Ok((self.at, event.ok_or_else(|| Error::internal(format!("no event of clocks `{}`", self.event)))?))
    }
}

impl ServiceClock {
    /// What it does.
    pub fn state(&self) -> Result<State> {
        State::named(&self.state).ok_or_else(|| Error::internal(format!("no state of clocks `{}`", self.state)))
    }

    /// What it measures, for which agreement.
    pub fn key(&self) -> (&str, &str) {
        (&self.agreement, &self.metric)
    }

    /// The clocks of a record, by agreement and metric.
    pub fn of_record(connection: &mut AnyConnection, record: RecordId) -> Result<Vec<ServiceClock>> {
        let mine = service_clock::table.filter(service_clock::record_id.eq(record));
        let mine = mine.order((service_clock::agreement, service_clock::metric));
        Ok(on_either!(connection, c => mine.load(c))?)
    }

    /// The clock of an id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<ServiceClock>> {
        Ok(service_clock::table.find(id).first(connection).optional()?)
    }

    /// Stores what it has become.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::update(service_clock::table.find(self.id)).set(self).execute(connection)?;
        Ok(())
    }
}

/// The ledgers of these clocks from the beginning of their present rounds on, in order, by clock.
pub fn present_rounds(connection: &mut AnyConnection, clocks: &[ServiceClock]) -> Result<HashMap<RowId, Vec<Entry>>> {
    let mut found: HashMap<RowId, Vec<Entry>> = HashMap::new();
    if clocks.is_empty() {
        return Ok(found);
    }
    let theirs = among(connection.engine(), "service_clock_entry.clock_id", clocks.iter().map(|c| c.id.as_str()));
    let entries = service_clock_entry::table.inner_join(service_clock::table);
    let entries = entries.filter(theirs).filter(service_clock_entry::seq.ge(service_clock::round_entry));
    let entries = entries.order((service_clock_entry::clock_id, service_clock_entry::seq));
    for entry in entries.select(service_clock_entry::all_columns).load::<Entry>(connection)? {
        found.entry(entry.clock_id).or_default().push(entry);
    }
    Ok(found)
}

/// The last `most` entries of the ledger of a clock, in order.
pub fn last_entries(connection: &mut AnyConnection, clock: RowId, most: i64) -> Result<Vec<Entry>> {
    let entries = service_clock_entry::table.filter(service_clock_entry::clock_id.eq(clock));
    let mut last: Vec<Entry> = entries.order(service_clock_entry::seq.desc()).limit(most).load(connection)?;
    last.reverse();
    Ok(last)
}
