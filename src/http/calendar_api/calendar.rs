//! A calendar as it is read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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
    id::RowId,
    practice::change::around,
    record::{
        calendar::{
            content::{Content, ExceptionalDay, Holiday, WeeklyHours, WeeklyHoursChange},
            row::{CalendarRow, NewCalendar, check},
        },
        service_level::again::{Subject, note},
        store::Desk,
    },
    schema::calendar,
};

/// When work is done.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Calendar {
    /// Its id.
    id: RowId,
    /// Its name, by which policies ask for it.
    name: String,
    /// What it is for.
    description: String,
    /// The time zone that its hours are in, by its name in the IANA database.
    zone: String,
    /// The hours of each weekday.
    hours: WeeklyHours,
    /// Closed days: no span begins on them.
    holidays: Vec<Holiday>,
    /// Days with hours of their own, whatever their weekday or holiday says.
    exceptions: Vec<ExceptionalDay>,
    /// Whether it is offered for what is new. What uses it goes on.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    pub(super) version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// A merge patch of a calendar: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarChange {
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// Another time zone.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 40)]
    zone: Option<String>,
    /// Other hours of some weekdays.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    hours: Option<WeeklyHoursChange>,
    /// Other holidays, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_items = 2000)]
    holidays: Option<Vec<Holiday>>,
    /// Other exceptional days, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_items = 2000)]
    exceptions: Option<Vec<ExceptionalDay>>,
    /// Whether it is offered for what is new.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

impl Calendar {
    /// From its row.
    pub fn of(row: CalendarRow) -> Result<Self> {
        let Content { hours, holidays, exceptions } = row.content.read()?;
        let CalendarRow { id, name, description, zone, content: _, active, version, created_at, updated_at } = row;
        Ok(Calendar {
            id,
            name,
            description,
            zone,
            hours,
            holidays,
            exceptions,
            active,
            version,
            created_at,
            updated_at,
        })
    }

    fn content(&self) -> Content {
        Content { hours: self.hours.clone(), holidays: self.holidays.clone(), exceptions: self.exceptions.clone() }
    }
}

fn matching(wanted: &Wanted) -> calendar::BoxedQuery<'static, Backend> {
    narrowed!(calendar::table.into_boxed(), Some(wanted), calendar::name, calendar::active)
}

fn hours(from: &str, until: &str) -> Value {
    json!([{"from": from, "until": until}])
}

impl Resource for Calendar {
    const NOUN: Noun = Noun {
        one: "calendar",
        a: "a calendar",
        many: "calendars",
        label: "Calendar",
        about: "Calendars say when work is done: time zone, hours of the week, holidays, and days that are not as usual. A span \
                belongs to the day on which it begins, and may reach over midnight. One that falls into the hour that summer \
                time leaves out is shorter, one that holds the hour that comes twice is longer. They know the years 1970 to 2199.",
        read: "calendar.read",
        manage: "calendar.write",
        has_active: true,
        on_create: "Policies can ask it at once: `business_hours(\"support-berlin\")`.",
        on_change: "It counts for policies at once. One that is not active is offered for nothing new; what uses it goes on. \
                    `business-hours` is what policies ask that name none.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["name"],
    };
    type New = NewCalendar;
    type Change = CalendarChange;

    fn examples() -> Examples {
        let week = json!({
            "monday": [{"from": "08:00", "until": "12:00"}, {"from": "13:00", "until": "18:00"}],
            "tuesday": hours("08:00", "18:00"), "wednesday": hours("08:00", "18:00"), "thursday": hours("08:00", "18:00"),
            "friday": hours("08:00", "16:00"), "saturday": hours("22:00", "06:00"), "sunday": [],
        });
        let holidays = json!([{"date": "2026-12-25", "name": "Christmas Day"}]);
        let exceptions = json!([{"date": "2026-12-24", "name": "Half a day", "hours": hours("08:00", "12:00")}]);
        let new = json!({
            "name": "support-berlin", "description": "When the desk in Berlin is there", "zone": "Europe/Berlin",
            "hours": week, "holidays": holidays, "exceptions": exceptions,
        });
        let added = json!({
            "active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of(
            "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b14",
            new,
            &added,
            json!({"hours": {"saturday": hours("09:00", "13:00"), "sunday": null}}),
        )
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse() else { return Ok(None) };
        CalendarRow::find(connection, id)?.map(Calendar::of).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(wanted), wanted, calendar::name, calendar::id);
        query.load(connection)?.into_iter().map(Calendar::of).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(wanted).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewCalendar) -> Result<String> {
        let row = new.row(desk.cause.at)?;
        unique(row.insert(desk.unit.connection()?), "name")?;
        Ok(row.id.to_string())
    }

    fn patched(&self, change: &CalendarChange) -> Result<Self> {
        let mut after = self.clone();
        let CalendarChange { description, zone, hours, holidays, exceptions, active } = change.clone();
        after.description = description.unwrap_or(after.description);
        after.zone = zone.unwrap_or(after.zone);
        if let Some(hours) = hours {
            after.hours = after.hours.changed(&hours);
        }
        after.holidays = holidays.unwrap_or(after.holidays);
        after.exceptions = exceptions.unwrap_or(after.exceptions);
        after.active = active.unwrap_or(after.active);
        check(&after.description, &after.zone, &after.content(), None)?;
        let Content { hours, holidays, exceptions } = after.content().in_order();
        Ok(Calendar { hours, holidays, exceptions, ..after })
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        let row = CalendarRow {
            id: before.id,
            name: before.name.clone(),
            description: after.description.clone(),
            zone: after.zone.clone(),
            content: JsonText::of(&after.content())?,
            active: after.active,
            version: before.version + 1,
            created_at: before.created_at,
            updated_at: desk.cause.at,
        };
        met(row.update(desk.unit.connection()?)?)?;
        note(desk, &Subject::Calendar(row.name))?;
        around::calendar_changed(desk, row.id)
    }
}

/// The row of a calendar that is there.
pub fn named(found: Option<CalendarRow>) -> Result<CalendarRow> {
    found.ok_or_else(|| Error::not_found(Calendar::NOUN.one))
}
