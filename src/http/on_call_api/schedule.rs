//! An on-call schedule as it is read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Error, Result},
    http::directory_api::{
        change::{given, met, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::{RowId, TeamId},
    record::{
        on_call::{
            Layer,
            row::{NewOnCallSchedule, ScheduleRow, check},
        },
        store::Desk,
    },
    schema::{on_call_schedule, team},
};

/// Who of a team is called when.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OnCallSchedule {
    /// Its id.
    id: RowId,
    /// Its name.
    #[schema(examples("Network, first line"))]
    name: String,
    /// What it is for.
    description: String,
    /// The team.
    team_id: TeamId,
    /// The time zone that its hours are in, by its name in the IANA database.
    zone: String,
    /// Who takes turns. Of several layers the first that is on call counts.
    layers: Vec<Layer>,
    /// Whether anybody is on call by it.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// A merge patch of an on-call schedule: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnCallScheduleChange {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 100)]
    name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// Another time zone.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 40)]
    zone: Option<String>,
    /// Other layers, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, min_items = 1, max_items = 10)]
    layers: Option<Vec<Layer>>,
    /// Whether anybody is on call by it.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

impl OnCallSchedule {
    fn of(row: ScheduleRow) -> Result<Self> {
        let ScheduleRow { id, name, description, team_id, zone, layers, active, version, created_at, updated_at } = row;
        let layers = layers.read()?;
        Ok(OnCallSchedule { id, name, description, team_id, zone, layers, active, version, created_at, updated_at })
    }
}

/// Those of teams within the horizon.
fn matching(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<Schedules> {
    let query = seen(connection, horizon)?;
    Ok(narrowed!(query, Some(wanted), on_call_schedule::name, on_call_schedule::active))
}

type Schedules = on_call_schedule::BoxedQuery<'static, Backend>;

/// The schedules of teams within the horizon.
pub(super) fn seen(connection: &mut AnyConnection, horizon: &Horizon) -> Result<Schedules> {
    let query = on_call_schedule::table.into_boxed();
    let Some(seen) = horizon.teams() else { return Ok(query) };
    let teams: Vec<TeamId> = team::table.filter(seen).select(team::id).load(connection)?;
    Ok(query.filter(on_call_schedule::team_id.eq_any(teams)))
}

impl Resource for OnCallSchedule {
    const NOUN: Noun = Noun {
        one: "on call schedule",
        a: "an on-call schedule",
        many: "on call schedules",
        label: "On call",
        about: "On-call schedules say who of a team is called when: layers of people who take turns of some days and hand over at the same time \
                of day, where they are to within hours of the week, and what was agreed otherwise for a while. Policies ask `on_call(\"network\")`.",
        read: "on_call.read",
        manage: "on_call.write",
        has_active: true,
        on_create: "It counts at once.",
        on_change: "It counts at once. What was agreed otherwise stays.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["team_id"],
    };
    type New = NewOnCallSchedule;
    type Change = OnCallScheduleChange;

    fn examples() -> Examples {
        let (ada, bob) = ("01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71");
        let layers = json!([{"name": "week", "members": [ada, bob], "starts": "2026-03-02T09:00:00", "days": 7}]);
        let new = json!({
            "name": "Network, first line", "description": "Who is called first", "team_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72",
            "zone": "Europe/Berlin", "layers": layers,
        });
        let added = json!({
            "active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b17", new, &added, json!({"zone": "Europe/Vienna"}))
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, horizon: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse() else { return Ok(None) };
        let found = ScheduleRow::find(connection, id)?.map(OnCallSchedule::of).transpose()?;
        let (Some(schedule), Some(seen)) = (&found, horizon.and_then(Horizon::teams)) else { return Ok(found) };
        let is_seen: i64 = team::table.find(schedule.team_id).filter(seen).count().get_result(connection)?;
        Ok(found.filter(|_| is_seen == 1))
    }
    fn page(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = matching(connection, horizon, wanted)?;
        let query = keyset!(query, wanted, on_call_schedule::name, on_call_schedule::id);
        query.load(connection)?.into_iter().map(OnCallSchedule::of).collect()
    }
    fn count(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(connection, horizon, wanted)?.count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, horizon: &Horizon, new: &NewOnCallSchedule) -> Result<String> {
        let connection = desk.unit.connection()?;
        if !horizon.sees_active_team(connection, new.team_id)? {
            return Err(Error::invalid("/team_id", "no_such_reference", "There is no such team."));
        }
        check(connection, (&new.name, &new.description), (new.team_id, &new.zone, &new.layers))?;
        let row = ScheduleRow {
            id: RowId::new(),
            name: new.name.trim().to_owned(),
            description: new.description.clone(),
            team_id: new.team_id,
            zone: new.zone.clone(),
            layers: JsonText::of(&new.layers)?,
            active: true,
            version: 1,
            created_at: desk.cause.at,
            updated_at: desk.cause.at,
        };
        unique(row.insert(desk.unit.connection()?), "name")?;
        Ok(row.id.to_string())
    }

    fn patched(&self, change: &OnCallScheduleChange) -> Result<Self> {
        let mut after = self.clone();
        let OnCallScheduleChange { name, description, zone, layers, active } = change.clone();
        after.name = name.map(|name| name.trim().to_owned()).unwrap_or(after.name);
        after.description = description.unwrap_or(after.description);
        after.zone = zone.unwrap_or(after.zone);
        after.layers = layers.unwrap_or(after.layers);
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        let connection = desk.unit.connection()?;
        check(connection, (&after.name, &after.description), (before.team_id, &after.zone, &after.layers))?;
        let row = ScheduleRow {
            id: before.id,
            name: after.name.clone(),
            description: after.description.clone(),
            team_id: before.team_id,
            zone: after.zone.clone(),
            layers: JsonText::of(&after.layers)?,
            active: after.active,
            version: before.version + 1,
            created_at: before.created_at,
            updated_at: desk.cause.at,
        };
        met(unique(row.update(desk.unit.connection()?), "name")?)
    }
}
