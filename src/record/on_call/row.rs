//! On-call schedules as they are written and stored.

use chrono_tz::Tz;
use diesel::prelude::*;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Layer, Override, Schedule};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, FieldError, Result},
    id::{RowId, TeamId, UserId},
    record::calendar::content,
    schema::{on_call_override, on_call_schedule, team, team_member},
};

/// The longest name.
pub const NAME: usize = 100;
/// Layers of a schedule at most.
pub const LAYERS: usize = 10;
/// Members of a layer at most.
pub const MEMBERS: usize = 100;

/// A schedule.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = on_call_schedule)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ScheduleRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub team_id: TeamId,
    pub zone: String,
    pub layers: JsonText,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// What was agreed otherwise.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable)]
#[diesel(table_name = on_call_override)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct OverrideRow {
    pub id: RowId,
    pub schedule_id: RowId,
    pub user_id: UserId,
    pub from_at: Moment,
    pub until_at: Moment,
    pub reason: String,
    pub created_by: UserId,
    pub created_at: Moment,
}

/// What makes a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOnCallSchedule {
    /// Its name. Each is there once.
    #[schema(max_length = 100, examples("Network, first line"))]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    pub description: String,
    /// The team. Of several schedules of a team, policies are told the one that comes first by name, and where nobody is on call by it,
    /// the next.
    pub team_id: TeamId,
    /// The time zone that its hours are in, by its name in the IANA database.
    #[schema(max_length = 40, examples("Europe/Berlin"))]
    pub zone: String,
    /// Who takes turns. Of several layers the first that is on call counts, so what has hours of its own comes first.
    #[schema(min_items = 1, max_items = 10)]
    pub layers: Vec<Layer>,
}

/// Refuses what can't be stored, with every place that is wrong; gives the zone.
pub fn check(
    connection: &mut AnyConnection,
    (name, description): (&str, &str),
    (team_id, zone, layers): (TeamId, &str, &[Layer]),
) -> Result<Tz> {
    let mut errors = Vec::new();
    let length = name.trim().chars().count();
    if length == 0 || length > NAME {
        errors.push(FieldError::new("/name", "wrong_form", format!("`name` has 1 to {NAME} characters.")));
    }
    if description.chars().count() > 2_000 {
        errors.push(FieldError::new("/description", "too_long", "`description` has at most 2000 characters."));
    }
    if team::table.find(team_id).count().get_result::<i64>(connection)? == 0 {
        errors.push(FieldError::new("/team_id", "no_such_reference", "There is no such team."));
    }
    let members: Vec<UserId> =
        team_member::table.filter(team_member::team_id.eq(team_id)).select(team_member::user_id).load(connection)?;
    if layers.is_empty() || layers.len() > LAYERS {
        errors.push(FieldError::new("/layers", "out_of_range", format!("There are 1 to {LAYERS} layers.")));
    }
    for (n, layer) in layers.iter().enumerate() {
        errors.extend(check_layer(n, layer, &members));
    }
    let zone = content::zone(zone);
    errors.extend(zone.as_ref().err().into_iter().flat_map(|error| error.errors.clone()));
    let zone = match zone {
        Ok(zone) if errors.is_empty() => zone,
        _ => return Err(Error::invalid_all(errors)),
    };
    Schedule::new(zone, layers.to_vec(), Vec::new()).map_err(Error::invalid_all)?;
    Ok(zone)
}

fn check_layer(n: usize, layer: &Layer, members: &[UserId]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, code: &str, detail: String| {
        errors.push(FieldError::new(format!("/layers/{n}/{field}"), code, detail));
    };
    let length = layer.name.trim().chars().count();
    if length == 0 || length > NAME {
        wrong("name", "wrong_form", format!("`name` has 1 to {NAME} characters."));
    }
    if !(1..=366).contains(&layer.days) {
        wrong("days", "out_of_range", "A turn lasts 1 to 366 days.".to_owned());
    }
    if layer.members.is_empty() || layer.members.len() > MEMBERS {
        wrong("members", "out_of_range", format!("1 to {MEMBERS} people take turns."));
    }
    for (m, member) in layer.members.iter().enumerate().filter(|(_, member)| !members.contains(member)) {
        let _ = member;
        wrong(&format!("members/{m}"), "not_a_member", "This is no member of the team.".to_owned());
    }
    errors
}

impl ScheduleRow {
    /// All schedules that are active, by name.
    pub fn active(connection: &mut AnyConnection) -> Result<Vec<Self>> {
        let active = on_call_schedule::table.filter(on_call_schedule::active.eq(true));
        Ok(active.order(on_call_schedule::name).load(connection)?)
    }

    /// The schedule of an id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<Self>> {
        Ok(on_call_schedule::table.find(id).first(connection).optional()?)
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(on_call_schedule::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores it in place of the version before; gives how many rows were that.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<usize> {
        let before = on_call_schedule::table.find(self.id).filter(on_call_schedule::version.eq(self.version - 1));
        Ok(diesel::update(before).set(self).execute(connection)?)
    }

    /// Ready to be asked about moments from `from` on.
    pub fn schedule(&self, connection: &mut AnyConnection, from: Moment) -> Result<Schedule> {
        self.ready(OverrideRow::of(connection, self.id, from)?)
    }

    fn ready(&self, overrides: Vec<OverrideRow>) -> Result<Schedule> {
        let overrides =
            overrides.into_iter().map(|row| Override { user: row.user_id, from: row.from_at, until: row.until_at });
        let (zone, overrides) = (content::zone(&self.zone)?, overrides.collect());
        Schedule::new(zone, self.layers.read()?, overrides).map_err(Error::invalid_all)
    }
}

/// The active schedules by team, in the order of their names, ready to be asked. One that can't be read counts for nothing, and
/// the log says so.
pub fn by_team(connection: &mut AnyConnection) -> Result<Vec<(TeamId, Schedule)>> {
    let mut schedules = Vec::new();
    for row in ScheduleRow::active(connection)? {
        let overrides = OverrideRow::last(connection, row.id)?;
        match row.ready(overrides) {
            Ok(schedule) => schedules.push((row.team_id, schedule)),
            Err(error) => tracing::error!(schedule = row.name, %error, "a stored on-call schedule can't be read"),
        }
    }
    Ok(schedules)
}

/// How much of what was agreed otherwise policies know, of each schedule.
const KNOWN: i64 = 1_000;

impl OverrideRow {
    /// What was agreed otherwise in a schedule, in the order in which it was; of very much the latest.
    fn last(connection: &mut AnyConnection, schedule: RowId) -> Result<Vec<Self>> {
        let mine = on_call_override::table.filter(on_call_override::schedule_id.eq(schedule));
        let mine = mine.order((on_call_override::created_at.desc(), on_call_override::id.desc())).limit(KNOWN);
        let mut last: Vec<Self> = mine.load(connection)?;
        last.reverse();
        Ok(last)
    }

    /// What was agreed otherwise in a schedule and ends after a moment, in the order in which it was.
    pub fn of(connection: &mut AnyConnection, schedule: RowId, ends_after: Moment) -> Result<Vec<Self>> {
        let mine = on_call_override::table.filter(on_call_override::schedule_id.eq(schedule));
        let mine = mine.filter(on_call_override::until_at.gt(ends_after));
        Ok(mine.order((on_call_override::created_at, on_call_override::id)).load(connection)?)
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(on_call_override::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Takes it away; gives what it was.
    pub fn remove(connection: &mut AnyConnection, schedule: RowId, id: RowId) -> Result<Option<Self>> {
        let mine = on_call_override::table.find(id).filter(on_call_override::schedule_id.eq(schedule));
        let found = mine.first(connection).optional()?;
        diesel::delete(on_call_override::table.find(id)).execute(connection)?;
        Ok(found)
    }
}
