//! On call: who of a team is called when. Layers of people take turns; what was agreed otherwise comes before them.
//!
//! Everything here is pure ([`row`] alone knows the tables).
//!
//! **Invariant:** at every moment at most one person is on call by a schedule, whatever the clocks of its zone do.

pub mod row;
#[cfg(test)]
mod tests;

use chrono::{Days, NaiveDateTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calendar::{
    self, Calendar,
    content::{Content, WeeklyHours},
};
use crate::{clock::Moment, error::FieldError, id::UserId};

/// People who take turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OnCallLayer)]
pub struct Layer {
    /// Its name, such as `night`.
    #[schema(max_length = 100, examples("week"))]
    pub name: String,
    /// Who takes turns, in order; somebody may be there more than once.
    #[schema(min_items = 1, max_items = 100)]
    pub members: Vec<UserId>,
    /// When the first of them takes over, in the zone of the schedule, without an offset. The others follow at the same time of day.
    #[schema(value_type = String, max_length = 19, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$", examples("2026-03-02T09:00:00"))]
    pub starts: NaiveDateTime,
    /// Days of a turn.
    #[schema(minimum = 1, maximum = 366, examples(7))]
    pub days: u16,
    /// The hours of the week in which it is on call; always where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub hours: Option<WeeklyHours>,
}

/// What was agreed otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// Who is on call.
    pub user: UserId,
    /// From this moment.
    pub from: Moment,
    /// Until this one.
    pub until: Moment,
}

/// A turn of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Who is on call.
    pub user: UserId,
    /// When they take over.
    pub from: Moment,
    /// When they hand over.
    pub until: Moment,
    /// The name of the layer; nothing where it was agreed otherwise.
    pub layer: Option<String>,
}

struct Turns {
    layer: Layer,
    hours: Option<Calendar>,
}

/// A schedule, ready to be asked.
pub struct Schedule {
    zone: Tz,
    turns: Vec<Turns>,
    overrides: Vec<Override>,
}

impl Schedule {
    /// Of layers, of which the first that is on call counts, and of what was agreed otherwise, of which the last counts.
    ///
    /// # Errors
    /// Every place in the hours that is wrong.
    pub fn new(zone: Tz, layers: Vec<Layer>, overrides: Vec<Override>) -> Result<Self, Vec<FieldError>> {
        let turns = layers.into_iter().map(|layer| {
            let content = layer.hours.clone().map(|hours| Content { hours, ..Content::default() });
            let hours = content.map(|content| Calendar::new(zone, &content)).transpose()?;
            Ok(Turns { layer, hours })
        });
        Ok(Schedule { zone, turns: turns.collect::<Result<_, Vec<FieldError>>>()?, overrides })
    }

    /// Who is on call at a moment, and by which layer.
    pub fn on_call(&self, at: Moment) -> Option<(UserId, Option<&str>)> {
        let agreed = self.overrides.iter().rfind(|agreed| agreed.from <= at && at < agreed.until);
        if let Some(agreed) = agreed {
            return Some((agreed.user, None));
        }
        self.turns.iter().find_map(|turns| Some((turns.at(at, self.zone)?, Some(turns.layer.name.as_str()))))
    }

    /// The turns between two moments, in order, cut at both.
    pub fn shifts(&self, from: Moment, until: Moment) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::new();
        let mut at = from;
        while at < until {
            let next = self.next_change(at).unwrap_or(until).min(until);
            if let Some((user, layer)) = self.on_call(at) {
                let layer = layer.map(str::to_owned);
                match shifts.last_mut().filter(|last| last.until == at && last.user == user && last.layer == layer) {
                    Some(last) => last.until = next,
                    None => shifts.push(Shift { user, from: at, until: next, layer }),
                }
            }
            at = next;
        }
        shifts
    }

    /// The first moment after `at` at which anything may change.
    fn next_change(&self, at: Moment) -> Option<Moment> {
        let agreed = self.overrides.iter().flat_map(|agreed| [agreed.from, agreed.until]);
        let turns = self.turns.iter().flat_map(|turns| turns.edges(at, self.zone));
        agreed.chain(turns).filter(|edge| *edge > at).min()
    }
}

impl Turns {
    fn at(&self, at: Moment, zone: Tz) -> Option<UserId> {
        if self.hours.as_ref().is_some_and(|hours| !hours.is_open(at)) {
            return None;
        }
        let turn = usize::try_from(self.turn(at, zone)?).ok()?;
        self.layer.members.get(turn % self.layer.members.len().max(1)).copied()
    }

    /// How many turns were over before the one at a moment; nothing before the first.
    fn turn(&self, at: Moment, zone: Tz) -> Option<u64> {
        let local = at.utc().with_timezone(&zone).naive_local();
        let days = (local - self.layer.starts).num_days();
        let about = days.div_euclid(i64::from(self.layer.days.max(1)));
        // Where clocks go back, the same time of day comes twice: the hand-over is at its first time.
        let candidates = [about + 1, about, about - 1].into_iter().filter_map(|turn| u64::try_from(turn).ok());
        candidates.into_iter().find(|turn| self.hand_over(*turn, zone).is_some_and(|edge| edge <= at))
    }

    /// When a turn begins.
    fn hand_over(&self, turn: u64, zone: Tz) -> Option<Moment> {
        let days = turn.checked_mul(u64::from(self.layer.days.max(1)))?;
        let local = self.layer.starts.checked_add_days(Days::new(days))?;
        calendar::first_shown(zone, local)
    }

    /// The next edges of turn and hours after a moment.
    fn edges(&self, at: Moment, zone: Tz) -> Vec<Moment> {
        let next = self.turn(at, zone).map_or(0, |turn| turn + 1);
        let opens = self.hours.as_ref().and_then(|hours| hours.next_open(at));
        let closes = self.hours.as_ref().and_then(|hours| hours.next_close(at));
        self.hand_over(next, zone).into_iter().chain(opens).chain(closes).collect()
    }
}
