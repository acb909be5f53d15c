//! A source of configuration items as it is read and written: how much its word counts.

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{READ, WRITE};
use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Error, Result},
    http::directory_api::{
        change::{given, met, prose, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::RowId,
    practice::configuration_item::import::{
        reconcile::{Empty, Gone},
        row::SourceRow,
    },
    record::{catalogue::is_name, store::Desk},
    schema::data_source,
};

/// The greatest priority.
const HIGHEST: i32 = 1_000;
/// The longest that what a source said may stand, in days.
const LONGEST: i32 = 3_650;
/// Fields with priorities of their own, at most.
const FIELDS: usize = 200;

/// Somebody or something that tells of configuration items.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DataSource {
    /// Its id.
    id: RowId,
    /// Its name, as imports name it. `manual` is what people write by hand.
    #[schema(examples("discovery"))]
    name: String,
    /// What it is.
    description: String,
    /// How much its word counts: what a source has said is not overwritten by one of lower priority.
    priority: i32,
    /// The same for single fields, by name: `{"attributes.ip_address": 90}`.
    priorities: BTreeMap<String, i32>,
    /// After how many days without a word of it what it said counts no more against others; never where it is null.
    #[schema(required = true)]
    stale_days: Option<i32>,
    /// Whether it looks at the things themselves: where an import of it tells of a thing again and finds a field other than it is recorded,
    /// that is held against the changes since it last found it so, in `/unauthorised-changes`.
    reports_drift: bool,
    /// What becomes of a thing of which it has told and that an import with a `scope` no longer names.
    missing: Gone,
    /// What it says of a field by a null, or by an empty cell of a CSV text.
    empty: Empty,
    /// Whether it may import.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a source.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDataSource {
    /// Its name: lower case letters, digits and `_`.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$", examples("netbox"))]
    name: String,
    /// What it is.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    description: String,
    /// How much its word counts.
    #[schema(minimum = 0, maximum = 1000)]
    priority: i32,
    /// The same for single fields, by name.
    #[serde(default)]
    #[schema(required = false, value_type = Object)]
    priorities: BTreeMap<String, i32>,
    /// After how many days without a word of it what it said counts no more against others.
    #[serde(default)]
    #[schema(required = false, minimum = 1, maximum = 3650)]
    stale_days: Option<i32>,
    /// Whether it looks at the things themselves: what it finds other than it is recorded is held against changes.
    #[serde(default)]
    #[schema(required = false)]
    reports_drift: bool,
    /// What becomes of a thing of which it has told and that an import with a `scope` no longer names.
    #[serde(default)]
    #[schema(required = false)]
    missing: Gone,
    /// What it says of a field by a null, or by an empty cell of a CSV text.
    #[serde(default)]
    #[schema(required = false)]
    empty: Empty,
}

/// A merge patch of a source: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSourceChange {
    /// What it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// How much its word counts.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, minimum = 0, maximum = 1000)]
    priority: Option<i32>,
    /// The same for single fields, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = Object)]
    priorities: Option<BTreeMap<String, i32>>,
    /// After how many days what it said counts no more; null for never.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<i32>, minimum = 1, maximum = 3650)]
    stale_days: Option<Option<i32>>,
    /// Whether what it finds other than it is recorded is held against changes.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    reports_drift: Option<bool>,
    /// What becomes of a thing of which it has told and that an import with a `scope` no longer names.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = Gone)]
    missing: Option<Gone>,
    /// What it says of a field by a null, or by an empty cell of a CSV text.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = Empty)]
    empty: Option<Empty>,
    /// Whether it may import.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

impl DataSource {
    fn of(row: SourceRow) -> Result<Self> {
        let priorities = row.priorities.read()?;
        let SourceRow { id, name, description, priority, stale_days, active, version, created_at, updated_at, .. } =
            row;
        let (reports_drift, missing, empty) =
            (row.reports_drift, Gone::stored(&row.missing), Empty::stored(&row.empty));
        Ok(DataSource {
            id,
            name,
            description,
            priority,
            priorities,
            stale_days,
            reports_drift,
            missing,
            empty,
            active,
            version,
            created_at,
            updated_at,
        })
    }

    fn row(&self) -> Result<SourceRow> {
        Ok(SourceRow {
            id: self.id,
            name: self.name.clone(),
            description: self.description.clone(),
            priority: self.priority,
            priorities: JsonText::of(&self.priorities)?,
            stale_days: self.stale_days,
            active: self.active,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            reports_drift: self.reports_drift,
            missing: self.missing.as_str().to_owned(),
            empty: self.empty.as_str().to_owned(),
        })
    }

    fn check(&self) -> Result<()> {
        let out_of_range = |pointer: &str, detail: String| Err(Error::invalid(pointer, "out_of_range", detail));
        if !is_name(&self.name) {
            let detail =
                "`name` is lower case letters, digits and `_`, begins with a letter and has at most 60 characters.";
            return Err(Error::invalid("/name", "bad_name", detail));
        }
        prose("description", &self.description, 2_000)?;
        let all = self.priorities.values().chain([&self.priority]);
        if all.into_iter().any(|priority| !(0..=HIGHEST).contains(priority)) {
            return out_of_range("/priority", format!("Priorities are 0 to {HIGHEST}."));
        }
        if self.priorities.len() > FIELDS {
            return out_of_range("/priorities", format!("At most {FIELDS} fields have priorities of their own."));
        }
        if self.stale_days.is_some_and(|days| !(1..=LONGEST).contains(&days)) {
            return out_of_range("/stale_days", format!("`stale_days` is 1 to {LONGEST}."));
        }
        Ok(())
    }
}

fn matching(wanted: Option<&Wanted>) -> data_source::BoxedQuery<'static, Backend> {
    narrowed!(data_source::table.into_boxed(), wanted, data_source::name, data_source::active)
}

impl Resource for DataSource {
    const NOUN: Noun = Noun {
        one: "data source",
        a: "a data source",
        many: "data sources",
        label: "Data source",
        about: "Data sources tell of configuration items. When several say different things of one, the word of the one with the higher \
                priority stands, field by field, until it is stale.",
        read: READ,
        manage: WRITE,
        has_active: true,
        on_create: "It can import at once.",
        on_change: "It counts from the next import on.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["name"],
    };
    type New = NewDataSource;
    type Change = DataSourceChange;

    fn examples() -> Examples {
        let new = json!({
            "name": "netbox", "description": "Sites, racks and devices.", "priority": 60,
            "priorities": {"attributes.ip_address": 90}, "stale_days": 30, "reports_drift": false,
            "missing": "report", "empty": "keep",
        });
        let added = json!({
            "active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b1a", new, &added, json!({"priority": 70}))
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<RowId>() else { return Ok(None) };
        data_source::table.find(id).first(connection).optional()?.map(DataSource::of).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(Some(wanted)), wanted, data_source::name, data_source::id);
        query.load(connection)?.into_iter().map(DataSource::of).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(Some(wanted)).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewDataSource) -> Result<String> {
        let NewDataSource { name, description, priority, priorities, stale_days, reports_drift, missing, empty } =
            new.clone();
        let (created_at, updated_at) = (desk.cause.at, desk.cause.at);
        let (id, active, version) = (RowId::new(), true, 1);
        let made = DataSource {
            id,
            name,
            description,
            priority,
            priorities,
            stale_days,
            reports_drift,
            missing,
            empty,
            active,
            version,
            created_at,
            updated_at,
        };
        made.check()?;
        let insert = diesel::insert_into(data_source::table).values(made.row()?);
        unique(insert.execute(desk.unit.connection()?).map_err(Error::from), "name")?;
        Ok(id.to_string())
    }

    fn patched(&self, change: &DataSourceChange) -> Result<Self> {
        let mut after = self.clone();
        let DataSourceChange { description, priority, priorities, stale_days, reports_drift, missing, empty, active } =
            change.clone();
        after.description = description.unwrap_or(after.description);
        after.priority = priority.unwrap_or(after.priority);
        after.priorities = priorities.unwrap_or(after.priorities);
        after.stale_days = stale_days.unwrap_or(after.stale_days);
        after.reports_drift = reports_drift.unwrap_or(after.reports_drift);
        after.missing = missing.unwrap_or(after.missing);
        after.empty = empty.unwrap_or(after.empty);
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        after.check()?;
        let row = SourceRow { version: before.version + 1, updated_at: desk.cause.at, ..after.row()? };
        let unchanged = data_source::table.find(before.id).filter(data_source::version.eq(before.version));
        met(diesel::update(unchanged).set(&row).execute(desk.unit.connection()?)?)
    }
}
