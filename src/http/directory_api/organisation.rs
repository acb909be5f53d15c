//! Organisations: a tree, in which an agent sees their own and all below.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    change::{NAME, given, line, met, unique},
    page::{Wanted, keyset, narrowed},
    resource::{Examples, Noun, READ, Resource},
};
use crate::{
    auth::{account, horizon::Horizon},
    clock::Moment,
    db::{AnyConnection, Backend},
    error::{Code, Error, Result},
    id::OrganisationId,
    record::store::Desk,
    schema::organisation,
};

/// An organisation.
#[derive(Clone, Debug, PartialEq, Queryable, Serialize, ToSchema)]
pub struct Organisation {
    /// Its id.
    id: OrganisationId,
    /// Its name; each is there once.
    name: String,
    /// The one above it; null for a root.
    #[schema(required = true)]
    parent_id: Option<OrganisationId>,
    /// Whether users, teams and records may be put into it.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes an organisation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganisation {
    /// Its name; each is there once.
    #[schema(max_length = 200)]
    name: String,
    /// The one above it; left out or null for a root.
    #[serde(default)]
    #[schema(required = false)]
    parent_id: Option<OrganisationId>,
}

/// A merge patch of an organisation: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganisationChange {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    #[schema(max_length = 200)]
    name: Option<String>,
    /// Another one above it; null makes it a root.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<OrganisationId>)]
    parent_id: Option<Option<OrganisationId>>,
    /// Whether users, teams and records may be put into it.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

const COLUMNS: (
    organisation::id,
    organisation::name,
    organisation::parent_id,
    organisation::active,
    organisation::version,
    organisation::created_at,
    organisation::updated_at,
) = (
    organisation::id,
    organisation::name,
    organisation::parent_id,
    organisation::active,
    organisation::version,
    organisation::created_at,
    organisation::updated_at,
);

fn matching(horizon: Option<&Horizon>, wanted: Option<&Wanted>) -> organisation::BoxedQuery<'static, Backend> {
    let mut query = organisation::table.into_boxed();
    if let Some(seen) = horizon.and_then(Horizon::organisations) {
        query = query.filter(seen);
    }
    narrowed!(query, wanted, organisation::name, organisation::active)
}

impl Resource for Organisation {
    const NOUN: Noun = Noun {
        one: "organisation",
        a: "an organisation",
        many: "organisations",
        label: "Organisation",
        about: "Organisations stand in a tree: who sees one sees all below it.",
        read: READ,
        manage: "organisation.manage",
        has_active: true,
        on_create: "Below `parent_id`, or as a root of its own, which takes a caller who sees everything.",
        on_change: "Another `parent_id` moves it with all below it. One that is not active takes no new users, teams and records.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &[],
    };
    type New = NewOrganisation;
    type Change = OrganisationChange;

    fn examples() -> Examples {
        let (id, parent) = ("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11", "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b12");
        Examples {
            one: json!({
                "id": id, "name": "Acme Berlin", "parent_id": parent, "active": true, "version": 1,
                "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
            }),
            new: json!({"name": "Acme Berlin", "parent_id": parent}),
            change: json!({"name": "Acme Germany"}),
        }
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, horizon: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<OrganisationId>() else { return Ok(None) };
        Ok(matching(horizon, None).filter(organisation::id.eq(id)).select(COLUMNS).first(connection).optional()?)
    }
    fn page(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = matching(Some(horizon), Some(wanted));
        Ok(keyset!(query, wanted, organisation::name, organisation::id).select(COLUMNS).load(connection)?)
    }
    fn count(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(Some(horizon), Some(wanted)).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, horizon: &Horizon, new: &NewOrganisation) -> Result<String> {
        let name = line("name", &new.name, NAME)?;
        let connection = desk.unit.connection()?;
        hold_tree(connection)?;
        match new.parent_id {
            None => horizon.require_all()?,
            Some(parent) => horizon.check_place(connection, parent, "/parent_id")?,
        }
        let made = account::create_organisation(connection, &name, new.parent_id, desk.cause.at);
        Ok(unique(made, "name")?.to_string())
    }

    fn patched(&self, change: &OrganisationChange) -> Result<Self> {
        let mut after = self.clone();
        if let Some(name) = &change.name {
            after.name = line("name", name, NAME)?;
        }
        after.parent_id = change.parent_id.unwrap_or(self.parent_id);
        after.active = change.active.unwrap_or(self.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, horizon: &Horizon, before: &Self, after: &Self) -> Result<()> {
        horizon.require(before.id)?;
        let (connection, at) = (desk.unit.connection()?, desk.cause.at);
        if before.parent_id != after.parent_id {
            hold_tree(connection)?;
            match (before.parent_id, after.parent_id) {
                (_, None) | (None, _) => horizon.require_all()?,
                // Who moves it out of one must have a say there, too.
                (Some(from), Some(_)) => horizon.require(from)?,
            }
            if let Some(to) = after.parent_id {
                horizon.check_place(connection, to, "/parent_id")?;
            }
            relocate(connection, before.id, after.parent_id)?;
        }
        let row = organisation::table.find(before.id).filter(organisation::version.eq(before.version));
        let changed = diesel::update(row)
            .set((
                organisation::name.eq(&after.name),
                organisation::parent_id.eq(after.parent_id),
                organisation::active.eq(after.active),
                organisation::version.eq(before.version + 1),
                organisation::updated_at.eq(at),
            ))
            .execute(connection)
            .map_err(Error::from);
        met(unique(changed, "name")?)
    }
}

/// Writes the roots without changing them, so that of two who change the tree at once the second waits for the first.
fn hold_tree(connection: &mut AnyConnection) -> Result<()> {
    diesel::update(organisation::table.filter(organisation::parent_id.is_null()))
        .set(organisation::version.eq(organisation::version))
        .execute(connection)?;
    Ok(())
}

/// Writes the paths of an organisation and all below it for its place below `to`.
fn relocate(connection: &mut AnyConnection, id: OrganisationId, to: Option<OrganisationId>) -> Result<()> {
    let path_of = |connection: &mut AnyConnection, id: OrganisationId| -> Result<String> {
        Ok(organisation::table.find(id).select(organisation::path).first(connection)?)
    };
    let old = path_of(connection, id)?;
    let above = match to {
        None => "/".to_owned(),
        Some(to) => path_of(connection, to)?,
    };
    if above.starts_with(&old) {
        let detail = "An organisation can't stand below itself or below what is below it.";
        return Err(Error::new(Code::Conflict, detail));
    }
    // `0` is the character after `/`: everything from `/a/` up to, not including, `/a0` begins with `/a/`.
    let end = format!("{}0", old.trim_end_matches('/'));
    let below: Vec<(OrganisationId, String)> = organisation::table
        .filter(organisation::path.ge(&old))
        .filter(organisation::path.lt(end))
        .select((organisation::id, organisation::path))
        .load(connection)?;
    for (each, path) in below {
        let rest = path.strip_prefix(&old).unwrap_or_default();
        diesel::update(organisation::table.find(each))
            .set(organisation::path.eq(format!("{above}{id}/{rest}")))
            .execute(connection)?;
    }
    Ok(())
}
