//! A type of relation as it is read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{READ, WRITE};
use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend},
    error::{Error, Result},
    http::directory_api::{
        change::{given, met, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::RowId,
    practice::change::around,
    record::{
        graph::types::{Impacts, RelationTypeRow},
        store::Desk,
    },
    schema::relation_type,
};

/// A type of relation.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RelationType {
    /// Its id.
    id: RowId,
    /// What the record that has the relation does to the other one.
    #[schema(examples("runs_on"))]
    name: String,
    /// The same for people.
    #[schema(examples("Runs on"))]
    label: String,
    /// How the other end names it.
    #[schema(examples("runs"))]
    inverse: String,
    /// The same for people.
    #[schema(examples("Runs"))]
    inverse_label: String,
    /// What it means.
    description: String,
    /// Which end is hit when the other fails.
    impact: Impacts,
    /// Whether new relations may be of it.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a type of relation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRelationType {
    /// What the record that has the relation does to the other one. No other type uses it, for either end.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$")]
    name: String,
    /// The same for people.
    #[schema(max_length = 100)]
    label: String,
    /// How the other end names it.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$")]
    inverse: String,
    /// The same for people.
    #[schema(max_length = 100)]
    inverse_label: String,
    /// What it means.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    description: String,
    /// Which end is hit when the other fails.
    impact: Impacts,
}

/// A merge patch of a type of relation: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RelationTypeChange {
    /// For people.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 100)]
    label: Option<String>,
    /// For people, from the other end.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 100)]
    inverse_label: Option<String>,
    /// What it means.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// Which end is hit when the other fails.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    impact: Option<Impacts>,
    /// Whether new relations may be of it. Those that are there stay and carry on.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

impl RelationType {
    fn of(row: RelationTypeRow) -> Self {
        let impact = row.impacts();
        let RelationTypeRow {
            id,
            name,
            label,
            inverse,
            inverse_label,
            description,
            active,
            version,
            created_at,
            updated_at,
            ..
        } = row;
        RelationType {
            id,
            name,
            label,
            inverse,
            inverse_label,
            description,
            impact,
            active,
            version,
            created_at,
            updated_at,
        }
    }

    fn row(&self) -> RelationTypeRow {
        let RelationType { name, label, inverse, inverse_label, description, .. } = self.clone();
        RelationTypeRow {
            id: self.id,
            name,
            label: label.trim().to_owned(),
            inverse,
            inverse_label: inverse_label.trim().to_owned(),
            description,
            impact: self.impact.as_str().to_owned(),
            active: self.active,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

fn matching(wanted: Option<&Wanted>) -> relation_type::BoxedQuery<'static, Backend> {
    narrowed!(relation_type::table.into_boxed(), wanted, relation_type::name, relation_type::active)
}

impl Resource for RelationType {
    const NOUN: Noun = Noun {
        one: "relation type",
        a: "a type of relation",
        many: "relation types",
        label: "Relation type",
        about: "Types of relations between services and configuration items say how both ends name them, and which is hit when the other \
                fails.",
        read: READ,
        manage: WRITE,
        has_active: true,
        on_create: "Records can be related by it at once.",
        on_change: "Another `impact` counts at once for all relations of the type.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["name", "inverse"],
    };
    type New = NewRelationType;
    type Change = RelationTypeChange;

    fn examples() -> Examples {
        let new = json!({
            "name": "cooled_by", "label": "Cooled by", "inverse": "cools", "inverse_label": "Cools",
            "description": "Without the other it gets too hot.", "impact": "target_to_source",
        });
        let added = json!({
            "active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b19", new, &added, json!({"label": "Kept cool by"}))
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<RowId>() else { return Ok(None) };
        Ok(relation_type::table.find(id).first(connection).optional()?.map(RelationType::of))
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(Some(wanted)), wanted, relation_type::name, relation_type::id);
        Ok(query.load(connection)?.into_iter().map(RelationType::of).collect())
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(Some(wanted)).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewRelationType) -> Result<String> {
        let NewRelationType { name, label, inverse, inverse_label, description, impact } = new.clone();
        let (created_at, updated_at) = (desk.cause.at, desk.cause.at);
        let (id, active, version) = (RowId::new(), true, 1);
        let made = RelationType {
            id,
            name,
            label,
            inverse,
            inverse_label,
            description,
            impact,
            active,
            version,
            created_at,
            updated_at,
        };
        let (row, connection) = (made.row(), desk.unit.connection()?);
        row.check(&RelationTypeRow::all(connection)?)?;
        let inserted = diesel::insert_into(relation_type::table).values(&row).execute(connection).map_err(Error::from);
        unique(inserted, "name")?;
        Ok(id.to_string())
    }

    fn patched(&self, change: &RelationTypeChange) -> Result<Self> {
        let mut after = self.clone();
        let RelationTypeChange { label, inverse_label, description, impact, active } = change.clone();
        after.label = label.unwrap_or(after.label);
        after.inverse_label = inverse_label.unwrap_or(after.inverse_label);
        after.description = description.unwrap_or(after.description);
        after.impact = impact.unwrap_or(after.impact);
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        let row = RelationTypeRow { version: before.version + 1, updated_at: desk.cause.at, ..after.row() };
        let connection = desk.unit.connection()?;
        row.check(&RelationTypeRow::all(connection)?)?;
        let unchanged = relation_type::table.find(before.id).filter(relation_type::version.eq(before.version));
        met(diesel::update(unchanged).set(&row).execute(connection)?)?;
        if before.impact == after.impact { Ok(()) } else { around::dependence_changed(desk) }
    }
}
