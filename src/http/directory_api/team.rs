//! Teams: who works together, and to whom records are given.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    change::{DESCRIPTION, NAME, email, given, line, met, prose, unique},
    page::{Wanted, keyset, narrowed},
    resource::{Examples, Noun, READ, Resource},
};
use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend},
    error::{Error, Result},
    id::{OrganisationId, TeamId},
    record::store::Desk,
    schema::team,
};

/// A team.
#[derive(Clone, Debug, PartialEq, Queryable, Serialize, ToSchema)]
pub struct Team {
    /// Its id.
    pub(super) id: TeamId,
    /// Its name; each is there once.
    name: String,
    /// What it does.
    description: String,
    /// The organisation that it belongs to.
    pub(super) organisation_id: OrganisationId,
    /// Where mail to all of it goes.
    #[schema(required = true)]
    email: Option<String>,
    /// Whether records may be given to it.
    active: bool,
    /// Counts its changes, those of its members too; it is the `ETag`.
    pub(super) version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a team.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// Its name; each is there once.
    #[schema(max_length = 200)]
    name: String,
    /// What it does.
    #[serde(default)]
    #[schema(required = false)]
    #[schema(max_length = 2000)]
    description: String,
    /// The organisation that it belongs to; the caller's own when it is left out.
    #[serde(default)]
    #[schema(required = false)]
    organisation_id: Option<OrganisationId>,
    /// Where mail to all of it goes.
    #[serde(default)]
    #[schema(required = false)]
    #[schema(max_length = 254)]
    email: Option<String>,
}

/// A merge patch of a team: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamChange {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What it does.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Another organisation.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    organisation_id: Option<OrganisationId>,
    /// Where mail to all of it goes; null for nowhere.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<String>)]
    #[schema(max_length = 254)]
    email: Option<Option<String>>,
    /// Whether records may be given to it.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

fn matching(horizon: Option<&Horizon>, wanted: Option<&Wanted>) -> team::BoxedQuery<'static, Backend> {
    let mut query = team::table.into_boxed();
    if let Some(seen) = horizon.and_then(Horizon::teams) {
        query = query.filter(seen);
    }
    narrowed!(query, wanted, team::name, team::active)
}

impl Resource for Team {
    const NOUN: Noun = Noun {
        one: "team",
        a: "a team",
        many: "teams",
        label: "Team",
        about: "Teams work together; records are given to them.",
        read: READ,
        manage: "team.manage",
        has_active: true,
        on_create: "Without members; add them by `PUT /api/v1/teams/{id}/members/{user_id}`.",
        on_change: "One that is not active keeps its members and records and is given no new records.",
        read_only: &["id", "version", "created_at", "updated_at", "members"],
        fixed: &[],
    };
    type New = NewTeam;
    type Change = TeamChange;

    fn examples() -> Examples {
        let (id, organisation) = ("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b13", "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11");
        Examples {
            one: json!({
                "id": id, "name": "Service desk", "description": "Takes every call.", "organisation_id": organisation,
                "email": "desk@example.org", "active": true, "version": 1,
                "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
            }),
            new: json!({"name": "Service desk", "description": "Takes every call.", "email": "desk@example.org"}),
            change: json!({"description": "Takes every call and chat.", "email": null}),
        }
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, horizon: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<TeamId>() else { return Ok(None) };
        Ok(matching(horizon, None).filter(team::id.eq(id)).first(connection).optional()?)
    }
    fn page(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = matching(Some(horizon), Some(wanted));
        Ok(keyset!(query, wanted, team::name, team::id).load(connection)?)
    }
    fn count(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(Some(horizon), Some(wanted)).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, horizon: &Horizon, new: &NewTeam) -> Result<String> {
        let (id, at) = (TeamId::new(), desk.cause.at);
        let organisation = new.organisation_id.unwrap_or(desk.cause.caller.organisation);
        let connection = desk.unit.connection()?;
        horizon.check_place(connection, organisation, "/organisation_id")?;
        let row = (
            team::id.eq(id),
            team::name.eq(line("name", &new.name, NAME)?),
            team::description.eq(prose("description", &new.description, DESCRIPTION)?),
            team::organisation_id.eq(organisation),
            team::email.eq(new.email.as_deref().map(email).transpose()?),
            team::active.eq(true),
            team::version.eq(1),
            team::created_at.eq(at),
            team::updated_at.eq(at),
        );
        let inserted = diesel::insert_into(team::table).values(row).execute(connection).map_err(Error::from);
        unique(inserted, "name")?;
        Ok(id.to_string())
    }

    fn patched(&self, change: &TeamChange) -> Result<Self> {
        let mut after = self.clone();
        if let Some(name) = &change.name {
            after.name = line("name", name, NAME)?;
        }
        if let Some(description) = &change.description {
            after.description = prose("description", description, DESCRIPTION)?;
        }
        if let Some(address) = &change.email {
            after.email = address.as_deref().map(email).transpose()?;
        }
        after.organisation_id = change.organisation_id.unwrap_or(self.organisation_id);
        after.active = change.active.unwrap_or(self.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, horizon: &Horizon, before: &Self, after: &Self) -> Result<()> {
        horizon.require(before.organisation_id)?;
        let (connection, at) = (desk.unit.connection()?, desk.cause.at);
        if before.organisation_id != after.organisation_id {
            horizon.check_place(connection, after.organisation_id, "/organisation_id")?;
        }
        let row = team::table.find(before.id).filter(team::version.eq(before.version));
        let changed = diesel::update(row)
            .set((
                team::name.eq(&after.name),
                team::description.eq(&after.description),
                team::organisation_id.eq(after.organisation_id),
                team::email.eq(&after.email),
                team::active.eq(after.active),
                team::version.eq(before.version + 1),
                team::updated_at.eq(at),
            ))
            .execute(connection)
            .map_err(Error::from);
        met(unique(changed, "name")?)
    }
}
