//! A class of records as it is read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{READ, WRITE};
use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Error, Result, did_you_mean},
    http::directory_api::{
        change::{given, met, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::RowId,
    record::{
        class::{
            Attribute, ClassRow, Classes,
            admin::{self, NewClass},
        },
        store::Desk,
    },
    schema::record_class,
};

/// A class of records.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Class {
    /// Its id.
    id: RowId,
    /// Of which kind of records.
    #[schema(examples("configuration_item"))]
    kind: String,
    /// Its name, as it stands in `class` of a record.
    #[schema(examples("server"))]
    name: String,
    /// For people.
    #[schema(examples("Server"))]
    label: String,
    /// What is of this class.
    description: String,
    /// The class above it, whose attributes it has, too.
    #[schema(required = true)]
    parent: Option<String>,
    /// Whether it only groups others: nothing is of this class itself.
    #[serde(rename = "abstract")]
    is_abstract: bool,
    /// What its records have beside what the class above says.
    attributes: Vec<Attribute>,
    /// All that its records have: what those above say, and its own.
    all_attributes: Vec<Attribute>,
    /// By what an imported record is recognised, the best first; those of the class above where it has none of its own.
    identification: Vec<Vec<String>>,
    /// Whether new records may be of it.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// A merge patch of a class: what is left out stays. Its name, its kind and the class above it stay.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassChange {
    /// For people.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 100)]
    label: Option<String>,
    /// What is of this class.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// Its own attributes, all of them: others may be added, none taken away, and each keeps its type. One that is not used any more is not
    /// `active`.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_items = 100)]
    attributes: Option<Vec<Attribute>>,
    /// Other ways of recognising an imported record, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = crate::record::class::identification)]
    identification: Option<Vec<Vec<String>>>,
    /// Whether it only groups others.
    #[serde(default, deserialize_with = "given", rename = "abstract")]
    #[schema(required = false, nullable = false)]
    is_abstract: Option<bool>,
    /// Whether new records may be of it. What is of it stays.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

impl Class {
    fn of(connection: &mut AnyConnection, row: ClassRow) -> Result<Self> {
        let classes = Classes::read(connection, &row.kind)?;
        Class::with(&classes, row)
    }

    fn with(classes: &Classes, row: ClassRow) -> Result<Self> {
        let all_attributes = classes.get(&row.name).map(|class| class.attributes.clone()).unwrap_or_default();
        Ok(Class {
            attributes: row.attributes.read()?,
            identification: row.identification.read()?,
            all_attributes,
            id: row.id,
            kind: row.kind,
            name: row.name,
            label: row.label,
            description: row.description,
            parent: row.parent,
            is_abstract: row.is_abstract,
            active: row.active,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn matching(wanted: Option<&Wanted>) -> record_class::BoxedQuery<'static, Backend> {
    narrowed!(record_class::table.into_boxed(), wanted, record_class::name, record_class::active)
}

impl Resource for Class {
    const NOUN: Noun = Noun {
        one: "class",
        a: "a class",
        many: "classes",
        label: "Class",
        about: "Classes say what kinds of things records are and which attributes each has. A class has the attributes of the class above \
                it, too. Lists find records by `attributes.name`, and by `is_a` of a class or any above it.",
        read: READ,
        manage: WRITE,
        has_active: true,
        on_create: "Records can be of it at once.",
        on_change: "What records hold stays. Classes are never deleted.",
        read_only: &["id", "version", "created_at", "updated_at", "all_attributes"],
        fixed: &["kind", "name", "parent"],
    };
    type New = NewClass;
    type Change = ClassChange;

    fn examples() -> Examples {
        let attribute = json!({
            "name": "kernel", "label": "Kernel", "help": "", "field_type": "text", "choices": [], "required": false,
            "recommended": true, "pattern": null, "active": true,
        });
        let new = json!({
            "kind": "configuration_item", "name": "linux_server", "label": "Linux server", "description": "", "parent": "server",
            "abstract": false, "attributes": [attribute], "identification": [["serial_number"], ["hostname"]],
        });
        let added = json!({
            "all_attributes": [attribute], "active": true, "version": 1,
            "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b18", new, &added, json!({"label": "Linux machine"}))
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<RowId>() else { return Ok(None) };
        let row: Option<ClassRow> = record_class::table.find(id).first(connection).optional()?;
        row.map(|row| Class::of(connection, row)).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(Some(wanted)), wanted, record_class::name, record_class::id);
        let rows: Vec<ClassRow> = query.load(connection)?;
        rows.into_iter().map(|row| Class::of(connection, row)).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(Some(wanted)).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewClass) -> Result<String> {
        let kinds: Vec<_> =
            desk.kernel.practices().iter().map(|p| p.kind()).filter(|kind| kind.has_classes()).collect();
        if !kinds.iter().any(|kind| kind.name == new.kind) {
            let near = did_you_mean(&new.kind, kinds.iter().map(|kind| kind.name));
            let detail = format!("Records of the kind `{}` have no classes{near}.", new.kind);
            return Err(Error::invalid("/kind", "not_a_choice", detail));
        }
        let row = new.row(desk.cause.at)?;
        let connection = desk.unit.connection()?;
        let others = ClassRow::of_kind(connection, &row.kind)?;
        admin::check(&others, &row, None)?;
        unique(admin::insert(connection, &others, std::slice::from_ref(&row)), "name")?;
        Ok(row.id.to_string())
    }

    fn patched(&self, change: &ClassChange) -> Result<Self> {
        let mut after = self.clone();
        let ClassChange { label, description, attributes, identification, is_abstract, active } = change.clone();
        after.label = label.map(|label| label.trim().to_owned()).unwrap_or(after.label);
        after.description = description.unwrap_or(after.description);
        after.attributes = attributes.unwrap_or(after.attributes);
        after.identification = identification.unwrap_or(after.identification);
        after.is_abstract = is_abstract.unwrap_or(after.is_abstract);
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        let connection = desk.unit.connection()?;
        let others = ClassRow::of_kind(connection, &before.kind)?;
        let old = others.iter().find(|row| row.id == before.id).ok_or_else(|| Error::not_found("class"))?;
        let row = ClassRow {
            label: after.label.clone(),
            description: after.description.clone(),
            attributes: JsonText::of(&after.attributes)?,
            identification: JsonText::of(&after.identification)?,
            is_abstract: after.is_abstract,
            active: after.active,
            version: before.version + 1,
            updated_at: desk.cause.at,
            ..old.clone()
        };
        admin::check(&others, &row, Some(old))?;
        let unchanged = record_class::table.find(before.id).filter(record_class::version.eq(before.version));
        met(diesel::update(unchanged).set(&row).execute(connection)?)
    }
}
