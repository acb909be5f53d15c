//! Service levels: how long something may take, for whom, and by which calendar; and the clocks that count it.
//!
//! A *service level* belongs to an agreement (with a customer, within the house, with a supplier) and measures one thing of
//! records of one kind. Its conditions say when its clock starts, pauses, stops, starts again and ends; its targets say how long it
//! may take for which records. All service levels of an agreement that measure the same thing of a kind have one clock per
//! record: of all their targets the most specific one that fits counts.
//!
//! - [`condition`]: when; [`target`]: how long; [`ledger`]: what follows from what happened, all three pure;
//! - [`row`], [`clock`]: the tables; [`follow`]: what a write does to the clocks of its record; [`turn`]: one clock;
//! - [`due`]: what happens when time has passed; [`again`]: what a change of a service level or calendar does to clocks;
//! - [`attainment`]: how often targets are met.
//!
//! **Invariant:** what a clock shows can be derived again from its ledger and its calendar, at any time.
//! **Invariant:** a clock changes only together with its record.

pub mod again;
pub mod attainment;
pub mod clock;
pub mod condition;
pub mod due;
pub mod follow;
pub mod ledger;
pub mod row;
pub mod shown;
pub mod target;
#[cfg(test)]
mod tests;
pub mod turn;

use std::{collections::BTreeSet, sync::Arc};

use self::{
    condition::Condition,
    row::{AfterStop, ServiceLevelRow},
    target::{Subject, Target, most_specific},
};
use super::{
    calendar::{Calendar, Calendars, row::CalendarRow},
    kernel::Kernel,
};
use crate::{
    db::AnyConnection,
    error::{Error, Result},
    id::RowId,
};

/// A service level, ready to be asked.
#[derive(Debug)]
pub struct Level {
    /// Its id.
    pub id: RowId,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: i32,
    /// Of which kind of records.
    pub kind: String,
    /// `sla`, `ola` or `uc`.
    pub agreement: String,
    /// What is measured.
    pub metric: String,
    /// By which calendar, unless a target names another.
    pub calendar: String,
    /// When its clock begins; at once where there is none.
    pub start: Option<Condition>,
    /// While this holds it waits.
    pub pause: Option<Condition>,
    /// When it stops.
    pub stop: Option<Condition>,
    /// When it does not apply any more.
    pub cancel: Option<Condition>,
    /// When it counts from nothing again.
    pub reset: Option<Condition>,
    /// What happens when what made it stop holds no more.
    pub after_stop: AfterStop,
    /// Whether a clock that begins late counts from when the record was opened.
    pub retroactive: bool,
    /// Percentages of the target that are told of.
    pub warnings: Vec<i32>,
    /// How long it may take, and for which records.
    pub targets: Vec<Target>,
}

impl Level {
    /// The calendar by which a target counts.
    pub fn calendar_of<'a>(&'a self, target: &'a Target) -> &'a str {
        target.calendar.as_deref().unwrap_or(&self.calendar)
    }
}

/// All active service levels, with the calendars.
pub struct Levels {
    /// Under which epoch they were read.
    pub epoch: Arc<str>,
    levels: Vec<Level>,
    calendars: Calendars,
    /// Kinds that have or had any.
    kinds: BTreeSet<String>,
}

impl Levels {
    /// Of these, ready to be asked.
    pub fn new(levels: Vec<Level>, calendars: Calendars) -> Self {
        let kinds = levels.iter().map(|level| level.kind.clone()).collect();
        Levels { epoch: "".into(), levels, calendars, kinds }
    }

    /// Reads them. One that can't be read any more counts for nothing, and the log says so.
    pub fn read(kernel: &Kernel, connection: &mut AnyConnection, epoch: Arc<str>) -> Result<Self> {
        let calendars = CalendarRow::all_ready(connection)?;
        let (mut levels, mut kinds) = (Vec::new(), BTreeSet::new());
        for row in ServiceLevelRow::all(connection)? {
            kinds.insert(row.kind.clone());
            if !row.active {
                continue;
            }
            match row.level(kernel, connection) {
                Ok(level) => levels.push(level),
                Err(error) => tracing::error!(service_level = row.name, %error, "a stored service level can't be read"),
            }
        }
        Ok(Levels { epoch, levels, calendars, kinds })
    }

    /// Whether records of a kind may have clocks.
    pub fn has_had(&self, kind: &str) -> bool {
        self.kinds.contains(kind)
    }

    /// What is measured of records of a kind, by agreement.
    pub fn keys(&self, kind: &str) -> impl Iterator<Item = (&str, &str)> {
        let of_kind = self.levels.iter().filter(move |level| level.kind == kind);
        of_kind.map(|level| (level.agreement.as_str(), level.metric.as_str()))
    }

    /// Whether a target depends on the organisations above that of the record.
    pub fn asks_for_organisations(&self, kind: &str) -> bool {
        let targets = self.levels.iter().filter(|level| level.kind == kind).flat_map(|level| &level.targets);
        targets.into_iter().any(|target| target.organisation_id.is_some())
    }

    /// The service level and the target that count for what an agreement measures of a record.
    pub fn wanted(&self, key: (&str, &str), subject: &Subject<'_>) -> Option<(&Level, &Target)> {
        let levels = self.levels.iter().filter(|l| l.kind == subject.kind && (&*l.agreement, &*l.metric) == key);
        let targets = levels.flat_map(|level| level.targets.iter().map(move |target| (target, level)));
        most_specific(targets, subject).map(|(target, level)| (level, target))
    }

    /// The service level of an id, if it is active.
    pub fn level(&self, id: RowId) -> Option<&Level> {
        self.levels.iter().find(|level| level.id == id)
    }

    /// The calendar of a name.
    pub fn calendar(&self, name: &str) -> Result<Arc<Calendar>> {
        self.calendars.get(name).cloned().ok_or_else(|| Error::internal(format!("no calendar `{name}`")))
    }
}
