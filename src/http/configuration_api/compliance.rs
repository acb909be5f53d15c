//! A compliance rule as it is read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend},
    error::{Error, Result},
    http::directory_api::{
        change::{NAME, given, line, met, prose, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::RowId,
    practice::configuration_item::health::RuleRow,
    record::store::{Desk, Reading},
    schema::compliance_rule,
};

/// The longest filter.
const FILTER: usize = 2_000;

/// What configuration items have to comply with.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ComplianceRule {
    /// Its id.
    id: RowId,
    /// Its name.
    #[schema(examples("Production servers have an owner"))]
    name: String,
    /// What it is for.
    description: String,
    /// The configuration items that it is about, as lists of them are filtered; all that are not retired where it is empty.
    #[schema(examples("is_a = server AND environment = production"))]
    scope: String,
    /// The filter that each of them has to fit.
    #[schema(examples("owner != null"))]
    condition: String,
    /// Whether it is checked.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a compliance rule.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComplianceRule {
    /// Its name.
    #[schema(max_length = 200)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    description: String,
    /// The configuration items that it is about.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    scope: String,
    /// The filter that each of them has to fit.
    #[schema(max_length = 2000)]
    condition: String,
}

/// A merge patch of a compliance rule: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComplianceRuleChange {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 200)]
    name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// The configuration items that it is about.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    scope: Option<String>,
    /// The filter that each of them has to fit.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    condition: Option<String>,
    /// Whether it is checked.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

impl ComplianceRule {
    fn of(row: RuleRow) -> Self {
        let RuleRow { id, name, description, scope, condition, active, version, created_at, updated_at } = row;
        ComplianceRule { id, name, description, scope, condition, active, version, created_at, updated_at }
    }

    /// As a row that can be stored.
    fn row(&self, desk: &mut Desk<'_, '_>) -> Result<RuleRow> {
        for (field, filter) in [("scope", &self.scope), ("condition", &self.condition)] {
            prose(field, filter, FILTER)?;
        }
        let row = RuleRow {
            id: self.id,
            name: line("name", &self.name, NAME)?,
            description: prose("description", &self.description, 2_000)?,
            scope: self.scope.clone(),
            condition: self.condition.clone(),
            active: self.active,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        let (kernel, cause) = (desk.kernel, desk.cause);
        row.check(&mut Reading { kernel, connection: desk.unit.connection()?, cause })?;
        Ok(row)
    }
}

fn matching(wanted: Option<&Wanted>) -> compliance_rule::BoxedQuery<'static, Backend> {
    narrowed!(compliance_rule::table.into_boxed(), wanted, compliance_rule::name, compliance_rule::active)
}

impl Resource for ComplianceRule {
    const NOUN: Noun = Noun {
        one: "compliance rule",
        a: "a compliance rule",
        many: "compliance rules",
        label: "Compliance rule",
        about: "Compliance rules say what configuration items have to fit, as filters. How many don't is told by `GET \
                /api/v1/configuration-health`.",
        read: "configuration_health.read",
        manage: "configuration_health.write",
        has_active: true,
        on_create: "It is checked at once.",
        on_change: "It counts at once.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &[],
    };
    type New = NewComplianceRule;
    type Change = ComplianceRuleChange;

    fn examples() -> Examples {
        let new = json!({
            "name": "Production servers have an owner", "description": "", "scope": "is_a = server AND environment = production",
            "condition": "owner != null",
        });
        let added = json!({
            "active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b1b", new, &added, json!({"scope": "is_a = server"}))
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<RowId>() else { return Ok(None) };
        Ok(compliance_rule::table.find(id).first(connection).optional()?.map(ComplianceRule::of))
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(Some(wanted)), wanted, compliance_rule::name, compliance_rule::id);
        Ok(query.load(connection)?.into_iter().map(ComplianceRule::of).collect())
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(Some(wanted)).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewComplianceRule) -> Result<String> {
        let NewComplianceRule { name, description, scope, condition } = new.clone();
        let (created_at, updated_at) = (desk.cause.at, desk.cause.at);
        let (id, active, version) = (RowId::new(), true, 1);
        let made = ComplianceRule { id, name, description, scope, condition, active, version, created_at, updated_at };
        let row = made.row(desk)?;
        let insert = diesel::insert_into(compliance_rule::table).values(&row);
        unique(insert.execute(desk.unit.connection()?).map_err(Error::from), "name")?;
        Ok(id.to_string())
    }

    fn patched(&self, change: &ComplianceRuleChange) -> Result<Self> {
        let mut after = self.clone();
        let ComplianceRuleChange { name, description, scope, condition, active } = change.clone();
        after.name = name.unwrap_or(after.name);
        after.description = description.unwrap_or(after.description);
        after.scope = scope.unwrap_or(after.scope);
        after.condition = condition.unwrap_or(after.condition);
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        let row = RuleRow { version: before.version + 1, updated_at: desk.cause.at, ..after.row(desk)? };
        let unchanged = compliance_rule::table.find(before.id).filter(compliance_rule::version.eq(before.version));
        let changed = diesel::update(unchanged).set(&row).execute(desk.unit.connection()?).map_err(Error::from);
        met(unique(changed, "name")?)
    }
}
