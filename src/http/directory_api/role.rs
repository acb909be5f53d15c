//! Roles: what users may do and how far they see; and the table of permissions that roles are made of.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, http::Method};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{ToSchema, openapi::Schema};

use super::{
    change::{DESCRIPTION, given, met, prose, unique},
    guard,
    page::{Wanted, keyset},
    resource::{Examples, Noun, READ, Resource, endpoint},
};
use crate::{
    auth::{
        horizon::Horizon,
        permission::{self, ADMINISTRATOR, View},
    },
    clock::Moment,
    db::{AnyConnection, Backend, JsonText, sql::lower},
    error::{Code, Error, Result},
    http::{
        authenticate::kind_actions,
        desk::Call,
        endpoint::{Answer, Endpoint},
        mount::Api,
        schema::{schema, words},
    },
    id::RowId,
    record::store::Desk,
    schema::role,
};

/// The longest name of a role, in characters.
const NAME: usize = 60;
/// How many permissions a role lists at most.
const MOST: usize = 1_000;

/// How far a role sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleView {
    /// One's own records and those in which one takes part.
    Own,
    /// Those of one's organisation and all below it, too.
    Organisation,
    /// Everything.
    All,
}

impl From<RoleView> for View {
    fn from(view: RoleView) -> Self {
        match view {
            RoleView::Own => View::Own,
            RoleView::Organisation => View::Organisation,
            RoleView::All => View::All,
        }
    }
}

impl From<View> for RoleView {
    fn from(view: View) -> Self {
        match view {
            View::Own => RoleView::Own,
            View::Organisation => RoleView::Organisation,
            View::All => RoleView::All,
        }
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Role {
    /// Its id.
    id: RowId,
    /// Its name, in lower snake; each is there once. It stands for the id in paths.
    pub(super) name: String,
    /// Whom it is for.
    description: String,
    /// How far it sees.
    sees: RoleView,
    /// What it permits: names of permissions, `incident.*` for a whole family, or `*` for everything.
    permissions: BTreeSet<String>,
    /// Whether it came with the server.
    shipped: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a role.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// Its name: lower-case letters, digits and `_`, a letter first. It can't be changed.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$")]
    name: String,
    /// Whom it is for.
    #[serde(default)]
    #[schema(required = false)]
    #[schema(max_length = 2000)]
    description: String,
    /// How far it sees.
    sees: RoleView,
    /// What it permits: names of permissions, `incident.*` for a whole family, or `*` for everything.
    #[schema(schema_with = permission_names)]
    permissions: BTreeSet<String>,
}

/// A merge patch of a role: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleChange {
    /// Whom it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// How far it sees.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    sees: Option<RoleView>,
    /// What it permits from now on, whole: a list is replaced, not added to.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    #[schema(schema_with = permission_names)]
    permissions: Option<BTreeSet<String>>,
}

fn permission_names() -> Schema {
    let doc = "What it permits: names of permissions, `incident.*` for a whole family, or `*` for everything. A list that is given replaces the one before.";
    words(doc, MOST, 100)
}

/// A permission.
#[derive(Serialize, ToSchema)]
struct PermissionEntry {
    /// Its name.
    name: String,
    /// What it allows.
    meaning: String,
}

/// Every permission there is.
#[derive(Serialize, ToSchema)]
struct PermissionTable {
    /// By name.
    items: Vec<PermissionEntry>,
}

/// Mounts the table of permissions.
pub(super) fn mount(api: &mut Api) {
    let example = json!({"items": [{"name": "incident.resolve", "meaning": "Take the step `resolve` with visible records of this kind."}]});
    let permissions = Endpoint {
        summary: "List all permissions".into(),
        description: "Roles and the scopes of tokens are made of these, or of patterns: `incident.*` for a whole family, `*` for everything.".into(),
        responses: vec![Answer::json(200, "The table.", schema::<PermissionTable>(), example)],
        ..endpoint::<Role>(Method::GET, "/api/v1/permissions".to_owned(), "list_permissions".to_owned())
    };
    api.mount(permissions, list_permissions);
}

async fn list_permissions(call: Call) -> HttpResponse {
    let table = permission::table(&kind_actions(call.service.kernel.practices()));
    let items = table.into_iter().map(|p| PermissionEntry { name: p.name, meaning: p.meaning }).collect();
    HttpResponse::Ok().json(PermissionTable { items })
}

type Row = (RowId, String, String, String, JsonText, bool, i32, Moment, Moment);

impl Role {
    fn from_row(
        (id, name, description, sees, permissions, shipped, version, created_at, updated_at): Row,
    ) -> Result<Self> {
        let (sees, permissions) = (View::of(&sees).into(), permissions.read()?);
        Ok(Role { id, name, description, sees, permissions, shipped, version, created_at, updated_at })
    }

    /// Refuses to give it or take it where the caller may do or see less than it.
    pub(super) fn require_covered(&self, caller: &crate::auth::caller::Caller) -> Result<()> {
        guard::require_covers(caller, self.permissions.iter().map(String::as_str), self.sees.into())
    }
}

fn matching(wanted: Option<&Wanted>) -> role::BoxedQuery<'static, Backend> {
    let query = role::table.into_boxed();
    match wanted.and_then(|w| w.begins.clone()) {
        None => query,
        Some((whole, _)) => query.filter(lower(role::name).like(whole.to_ascii_lowercase()).escape('\\')),
    }
}

impl Resource for Role {
    const NOUN: Noun = Noun {
        one: "role",
        a: "a role",
        many: "roles",
        label: "Role",
        about: "Roles are given to users: they permit, and they say how far one sees. Several add up.",
        read: READ,
        manage: "role.manage",
        has_active: false,
        on_create: "It may permit nothing that you may not do, and see no further than you.",
        on_change: "It counts at once for everybody who has the role. What is added must be yours to give. The role `administrator` stays as it is. A role that \
            came with the server is no longer brought up to date by new versions of it once it was changed.",
        read_only: &["id", "shipped", "version", "created_at", "updated_at"],
        fixed: &["name"],
    };
    type New = NewRole;
    type Change = RoleChange;

    fn examples() -> Examples {
        let permissions = json!(["incident.create", "incident.read", "service.read"]);
        Examples {
            one: json!({
                "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b17", "name": "reception", "description": "Takes visitors' troubles.",
                "sees": "organisation", "permissions": permissions, "shipped": false, "version": 1,
                "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
            }),
            new: json!({
                "name": "reception", "description": "Takes visitors' troubles.", "sees": "organisation", "permissions": permissions,
            }),
            change: json!({"permissions": ["incident.create", "incident.read", "incident.comment", "service.read"]}),
        }
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let query = match id.parse::<RowId>() {
            Ok(id) => matching(None).filter(role::id.eq(id)),
            Err(_) => matching(None).filter(role::name.eq(id.to_owned())),
        };
        query.first::<Row>(connection).optional()?.map(Role::from_row).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let rows: Vec<Row> = keyset!(matching(Some(wanted)), wanted, role::name, role::id).load(connection)?;
        rows.into_iter().map(Role::from_row).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(Some(wanted)).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewRole) -> Result<String> {
        let (id, at) = (RowId::new(), desk.cause.at);
        check_name(&new.name)?;
        check_permissions(desk, &new.permissions)?;
        guard::require_covers(&desk.cause.caller, new.permissions.iter().map(String::as_str), new.sees.into())?;
        let row = (
            role::id.eq(id),
            role::name.eq(&new.name),
            role::description.eq(prose("description", &new.description, DESCRIPTION)?),
            role::sees.eq(View::from(new.sees).as_str()),
            role::permissions.eq(JsonText::of(&new.permissions)?),
            role::shipped.eq(false),
            role::version.eq(1),
            role::created_at.eq(at),
            role::updated_at.eq(at),
        );
        let inserted =
            diesel::insert_into(role::table).values(row).execute(desk.unit.connection()?).map_err(Error::from);
        unique(inserted, "name")?;
        Ok(id.to_string())
    }

    fn patched(&self, change: &RoleChange) -> Result<Self> {
        let mut after = self.clone();
        if let Some(description) = &change.description {
            after.description = prose("description", description, DESCRIPTION)?;
        }
        after.sees = change.sees.unwrap_or(self.sees);
        after.permissions = change.permissions.clone().unwrap_or(after.permissions);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        if before.name == ADMINISTRATOR {
            return Err(Error::new(Code::Conflict, "The role `administrator` stays as it is."));
        }
        check_permissions(desk, &after.permissions)?;
        let added = after.permissions.difference(&before.permissions).map(String::as_str);
        let widened = if View::from(after.sees) > View::from(before.sees) { after.sees.into() } else { View::Own };
        guard::require_covers(&desk.cause.caller, added, widened)?;
        let row = role::table.find(before.id).filter(role::version.eq(before.version));
        let changed = diesel::update(row)
            .set((
                role::description.eq(&after.description),
                role::sees.eq(View::from(after.sees).as_str()),
                role::permissions.eq(JsonText::of(&after.permissions)?),
                // A version above 1 also keeps a shipped role from being brought up to date at the next start.
                role::version.eq(before.version + 1),
                role::updated_at.eq(desk.cause.at),
            ))
            .execute(desk.unit.connection()?)?;
        met(changed)
    }
}

fn check_name(name: &str) -> Result<()> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|c| c.is_ascii_lowercase());
    let goes_on = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if begins && goes_on && name.len() <= NAME {
        return Ok(());
    }
    let detail = format!("A name of a role has 1 to {NAME} lower-case letters, digits and `_`, a letter first.");
    Err(Error::invalid("/name", "wrong_form", detail))
}

fn check_permissions(desk: &Desk<'_, '_>, permissions: &BTreeSet<String>) -> Result<()> {
    if permissions.len() > MOST {
        return Err(Error::invalid("/permissions", "too_many", format!("A role lists at most {MOST} permissions.")));
    }
    let kinds = kind_actions(desk.kernel.practices());
    permission::check(permissions.iter().map(String::as_str), &kinds, "/permissions")
}
