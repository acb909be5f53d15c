//! Maintenance windows and blackouts as they are read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend},
    error::{Error, FieldError, Result},
    http::directory_api::{
        change::{DESCRIPTION, given, line, met, prose, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::{RecordId, RowId},
    practice::change::{
        around,
        window::{WindowKind, WindowRow},
    },
    record::{calendar::row::CalendarRow, store::Desk, visibility},
    schema::change_window,
};

/// The longest name, in characters: changes tell of it.
const NAME: usize = 100;

/// When changes are to be made, or must not be.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChangeWindow {
    /// Its id.
    id: RowId,
    /// Its name; each is there once.
    name: String,
    /// What it is for.
    description: String,
    /// What it is.
    kind: WindowKind,
    /// The configuration item that it is about; null where it is about a service or about everything.
    #[schema(required = true)]
    configuration_item_id: Option<RecordId>,
    /// The service that it is about; null where it is about a configuration item or about everything.
    #[schema(required = true)]
    service_id: Option<RecordId>,
    /// The calendar whose open hours are its times; null where it is one span.
    #[schema(required = true)]
    calendar_id: Option<RowId>,
    /// When it begins, or when the calendar begins to count; null for always.
    #[schema(required = true)]
    starts_at: Option<Moment>,
    /// When it ends, or when the calendar ends to count; null for never.
    #[schema(required = true)]
    ends_at: Option<Moment>,
    /// Whether it counts.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a window.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChangeWindow {
    /// Its name; each is there once.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    description: String,
    /// What it is.
    kind: WindowKind,
    /// The configuration item that it is about.
    #[serde(default)]
    #[schema(required = false)]
    configuration_item_id: Option<RecordId>,
    /// The service that it is about.
    #[serde(default)]
    #[schema(required = false)]
    service_id: Option<RecordId>,
    /// The calendar whose open hours are its times.
    #[serde(default)]
    #[schema(required = false)]
    calendar_id: Option<RowId>,
    /// When it begins. Needed, as `ends_at` is, where there is no calendar.
    #[serde(default)]
    #[schema(required = false)]
    starts_at: Option<Moment>,
    /// When it ends.
    #[serde(default)]
    #[schema(required = false)]
    ends_at: Option<Moment>,
}

/// A merge patch of a window: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWindowChange {
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// The calendar whose open hours are its times; null for one span.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<RowId>)]
    calendar_id: Option<Option<RowId>>,
    /// When it begins.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<Moment>)]
    starts_at: Option<Option<Moment>>,
    /// When it ends.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<Moment>)]
    ends_at: Option<Option<Moment>>,
    /// Whether it counts.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

impl From<WindowRow> for ChangeWindow {
    fn from(row: WindowRow) -> Self {
        ChangeWindow {
            id: row.id,
            kind: WindowKind::stored(&row.kind),
            name: row.name,
            description: row.description,
            configuration_item_id: row.configuration_item_id,
            service_id: row.service_id,
            calendar_id: row.calendar_id,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            active: row.active,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<&ChangeWindow> for WindowRow {
    fn from(window: &ChangeWindow) -> Self {
        WindowRow {
            id: window.id,
            name: window.name.clone(),
            description: window.description.clone(),
            kind: window.kind.as_str().to_owned(),
            configuration_item_id: window.configuration_item_id,
            service_id: window.service_id,
            calendar_id: window.calendar_id,
            starts_at: window.starts_at,
            ends_at: window.ends_at,
            active: window.active,
            version: window.version,
            created_at: window.created_at,
            updated_at: window.updated_at,
        }
    }
}

fn matching(wanted: &Wanted) -> change_window::BoxedQuery<'static, Backend> {
    narrowed!(change_window::table.into_boxed(), Some(wanted), change_window::name, change_window::active)
}

impl Resource for ChangeWindow {
    const NOUN: Noun = Noun {
        one: "change window",
        a: "a change window",
        many: "change windows",
        label: "ChangeWindow",
        about: "Maintenance windows say when changes of a configuration item, a service or everything are to be made; blackouts say when they \
                must not. Each is one span, or the open hours of a calendar. What a maintenance window is about waits for the next one when it is \
                over, or for it to be made inactive.",
        read: "change_window.read",
        manage: "change_window.write",
        has_active: true,
        on_create: "Changes that are still to be made are held against it a little later, and all that are planned from then on.",
        on_change: "Changes that are still to be made are held against it anew a little later.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["name", "kind", "configuration_item_id", "service_id"],
    };
    type New = NewChangeWindow;
    type Change = ChangeWindowChange;

    fn examples() -> Examples {
        let new = json!({
            "name": "End of year", "description": "The books are closed.", "kind": "blackout", "configuration_item_id": null,
            "service_id": null, "calendar_id": null, "starts_at": "2026-12-18T17:00:00Z", "ends_at": "2027-01-04T06:00:00Z",
        });
        let added = json!({"active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z"});
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b21", new, &added, json!({"active": false}))
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<RowId>() else { return Ok(None) };
        let row: Option<WindowRow> = change_window::table.find(id).first(connection).optional()?;
        Ok(row.map(ChangeWindow::from))
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(wanted), wanted, change_window::name, change_window::id);
        Ok(query.load::<WindowRow>(connection)?.into_iter().map(ChangeWindow::from).collect())
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(wanted).count().get_result(connection)?)
    }
    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewChangeWindow) -> Result<String> {
        let at = desk.cause.at;
        let window = ChangeWindow {
            id: RowId::new(),
            name: line("name", &new.name, NAME)?,
            description: prose("description", &new.description, DESCRIPTION)?,
            kind: new.kind,
            configuration_item_id: new.configuration_item_id,
            service_id: new.service_id,
            calendar_id: new.calendar_id,
            starts_at: new.starts_at,
            ends_at: new.ends_at,
            active: true,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        check(desk, &window)?;
        let row = WindowRow::from(&window);
        let insert = diesel::insert_into(change_window::table).values(&row);
        unique(insert.execute(desk.unit.connection()?).map_err(Error::from), "name")?;
        around::window_changed(desk, &row)?;
        Ok(window.id.to_string())
    }
    fn patched(&self, change: &ChangeWindowChange) -> Result<Self> {
        let ChangeWindowChange { description, calendar_id, starts_at, ends_at, active } = change.clone();
        let mut after = self.clone();
        after.description = prose("description", &description.unwrap_or(after.description), DESCRIPTION)?;
        after.calendar_id = calendar_id.unwrap_or(after.calendar_id);
        after.starts_at = starts_at.unwrap_or(after.starts_at);
        after.ends_at = ends_at.unwrap_or(after.ends_at);
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }
    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        check(desk, after)?;
        let row = WindowRow { version: before.version + 1, updated_at: desk.cause.at, ..WindowRow::from(after) };
        let unchanged = change_window::table.find(before.id).filter(change_window::version.eq(before.version));
        met(diesel::update(unchanged).set(&row).execute(desk.unit.connection()?)?)?;
        around::window_changed(desk, &WindowRow::from(before))?;
        around::window_changed(desk, &row)
    }
}

/// Refuses times that make no sense, and what the caller does not see.
fn check(desk: &mut Desk<'_, '_>, window: &ChangeWindow) -> Result<()> {
    let mut errors = Vec::new();
    let missing =
        |pointer: &str, what: &str| FieldError::new(pointer, "no_such_reference", format!("There is no such {what}."));
    if window.configuration_item_id.is_some() && window.service_id.is_some() {
        let detail = "A window is about a configuration item or about a service.";
        errors.push(FieldError::new("/service_id", "contradiction", detail));
    }
    if window.calendar_id.is_none() {
        for (pointer, at) in [("/starts_at", window.starts_at), ("/ends_at", window.ends_at)] {
            if at.is_none() {
                errors.push(FieldError::new(pointer, "required", "Say when, or by which calendar."));
            }
        }
    }
    if window.starts_at.zip(window.ends_at).is_some_and(|(from, until)| until <= from) {
        errors.push(FieldError::new("/ends_at", "out_of_range", "It ends after it begins."));
    }
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let about = [
        ("/configuration_item_id", "configuration_item", window.configuration_item_id),
        ("/service_id", "service", window.service_id),
    ];
    for (pointer, kind, id) in about.into_iter().filter_map(|(pointer, kind, id)| Some((pointer, kind, id?))) {
        let seen = visibility::among(kernel, desk.unit.connection()?, &caller, vec![id])?;
        if seen.get(&id).is_none_or(|header| header.kind != kind) {
            errors.push(missing(pointer, &kind.replace('_', " ")));
        }
    }
    if let Some(calendar) = window.calendar_id
        && CalendarRow::find(desk.unit.connection()?, calendar)?.is_none()
    {
        errors.push(missing("/calendar_id", "calendar"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}
