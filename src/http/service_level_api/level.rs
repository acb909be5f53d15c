//! A service level as it is read and written.

use std::borrow::Cow;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Error, Result},
    http::directory_api::{
        change::{given, met, typed, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::RowId,
    record::{
        service_level::{
            again::{Subject, note},
            row::{Agreement, NewServiceLevel, ServiceLevelRow, Terms, check},
        },
        store::Desk,
    },
    schema::service_level,
};

/// What is promised for records of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ServiceLevel {
    /// Its id.
    id: RowId,
    /// Its name.
    #[schema(examples("Incidents are resolved in time"))]
    name: String,
    /// What it is for.
    description: String,
    /// Of which kind of records.
    #[schema(examples("incident"))]
    kind: String,
    /// With whom it was agreed.
    agreement: Agreement,
    /// What is measured.
    #[schema(examples("resolution"))]
    metric: String,
    /// When its clock counts, and how long it may take.
    terms: Terms,
    /// Whether it counts. When it no longer does, its clocks end as cancelled, unless another service level takes them over.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// A merge patch of a service level: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevelChange {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 100)]
    name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// A merge patch of its terms.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    terms: Option<ServiceLevelTermsChange>,
    /// Whether it counts.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

/// A merge patch of the terms of a service level.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct ServiceLevelTermsChange(Map<String, Value>);

impl PartialSchema for ServiceLevelTermsChange {
    fn schema() -> RefOr<Schema> {
        let mut schema = Terms::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.clear();
            object.description =
                Some("A merge patch of the terms of a service level: what is left out stays.".to_owned());
        }
        schema
    }
}

impl ToSchema for ServiceLevelTermsChange {
    fn name() -> Cow<'static, str> {
        "ServiceLevelTermsChange".into()
    }
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Terms::schemas(schemas);
    }
}

impl ServiceLevelTermsChange {
    fn merged(self, terms: &Terms) -> Result<Terms> {
        #[derive(Deserialize)]
        struct Whole {
            terms: Terms,
        }
        let mut merged = serde_json::to_value(terms).map_err(Error::internal)?;
        if let Some(merged) = merged.as_object_mut() {
            for (name, value) in self.0 {
                if value.is_null() {
                    merged.remove(&name)
                } else {
                    merged.insert(name, value)
                };
            }
        }
        Ok(typed::<Whole>(&json!({ "terms": merged }), &[])?.terms)
    }
}

impl ServiceLevel {
    fn of(row: ServiceLevelRow) -> Result<Self> {
        let ServiceLevelRow { id, name, description, kind, agreement, metric, content, active, version, .. } = row;
        let agreement = Agreement::named(&agreement).ok_or_else(|| Error::internal("no such agreement"))?;
        let (created_at, updated_at, terms) = (row.created_at, row.updated_at, content.read()?);
        Ok(ServiceLevel {
            id,
            name,
            description,
            kind,
            agreement,
            metric,
            terms,
            active,
            version,
            created_at,
            updated_at,
        })
    }
}

fn matching(wanted: &Wanted) -> service_level::BoxedQuery<'static, Backend> {
    narrowed!(service_level::table.into_boxed(), Some(wanted), service_level::name, service_level::active)
}

impl Resource for ServiceLevel {
    const NOUN: Noun = Noun {
        one: "service level",
        a: "a service level",
        many: "service levels",
        label: super::TAG,
        about: "A service level says how long something may take: until the first response, until the resolution, between updates. It belongs \
                to an agreement with a customer (SLA), within the house (OLA) or with a supplier (UC). Each record has a clock for what each agreement \
                measures; it counts the time of a calendar, pauses and stops as the terms say, and warns before the target is used up.",
        read: "service_level.read",
        manage: "service_level.write",
        has_active: true,
        on_create: "Records that are open get their clocks within some seconds; with `retroactive`, counted from when they were opened.",
        on_change: "Clocks that run follow within some seconds: what they have counted, pauses and all, counts by the new terms.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["kind", "agreement", "metric"],
    };
    type New = NewServiceLevel;
    type Change = ServiceLevelChange;

    fn examples() -> Examples {
        let terms = json!({
            "calendar": "business-hours", "start": null, "pause": "state = on_hold AND hold_reason = caller",
            "stop": "phase = done OR phase = closed", "cancel": "phase = cancelled", "reset": null, "after_stop": "resume",
            "retroactive": true, "warnings": [50, 75], "objective": 95,
            "targets": [
                {"duration": "PT4H", "calendar": "around-the-clock", "priority": 1}, {"duration": "PT8H", "priority": 2},
                {"duration": "PT40H"},
            ],
        });
        let new = json!({
            "name": "Incidents are resolved in time", "description": "What was agreed with all customers", "kind": "incident",
            "agreement": "sla", "metric": "resolution", "terms": terms,
        });
        let added = json!({
            "active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of(
            "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b15",
            new,
            &added,
            json!({"terms": {"warnings": [80], "pause": null}}),
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
        ServiceLevelRow::find(connection, id)?.map(ServiceLevel::of).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(wanted), wanted, service_level::name, service_level::id);
        query.load(connection)?.into_iter().map(ServiceLevel::of).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(wanted).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewServiceLevel) -> Result<String> {
        let row = new.row(desk.kernel, desk.unit.reference(), desk.cause.at)?;
        unique(row.insert(desk.unit.connection()?), "name")?;
        note(desk, &Subject::Kind(row.kind.clone()))?;
        Ok(row.id.to_string())
    }

    fn patched(&self, change: &ServiceLevelChange) -> Result<Self> {
        let mut after = self.clone();
        let ServiceLevelChange { name, description, terms, active } = change.clone();
        after.name = name.map(|name| name.trim().to_owned()).unwrap_or(after.name);
        after.description = description.unwrap_or(after.description);
        if let Some(terms) = terms {
            after.terms = terms.merged(&after.terms)?;
        }
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        let texts = (after.name.as_str(), after.description.as_str());
        check(desk.kernel, desk.unit.reference(), &before.kind, texts, &after.terms, Vec::new())?;
        let row = ServiceLevelRow {
            id: before.id,
            name: after.name.clone(),
            description: after.description.clone(),
            kind: before.kind.clone(),
            agreement: before.agreement.as_str().to_owned(),
            metric: before.metric.clone(),
            content: JsonText::of(&after.terms)?,
            active: after.active,
            version: before.version + 1,
            created_at: before.created_at,
            updated_at: desk.cause.at,
        };
        met(unique(row.update(desk.unit.connection()?), "name")?)?;
        note(desk, &Subject::Kind(before.kind.clone()))
    }
}
