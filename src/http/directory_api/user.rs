//! Users: people and service accounts.

use std::collections::HashMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    change::{NAME, email, given, line, met, unique},
    guard,
    page::{Wanted, keyset},
    resource::{Examples, Noun, READ, Resource},
};
use crate::{
    auth::{
        account::{self, NewUser as Account},
        horizon::Horizon,
    },
    clock::Moment,
    db::{AnyConnection, Backend, sql::lower},
    error::{Error, Result},
    id::{OrganisationId, UserId},
    record::{calendar::content, notification::language, store::Desk},
    schema::{role, team_member, user_account, user_role},
};

/// A person or a service account.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct User {
    /// The id.
    pub(super) id: UserId,
    /// The name to sign in with, in lower case; each is there once.
    pub(super) user_name: String,
    /// The name that others read.
    display_name: String,
    /// Where mail goes.
    #[schema(required = true)]
    email: Option<String>,
    /// The language in which they are written to, as a tag of BCP 47; null for the server's own.
    #[schema(required = true, examples("de-AT"))]
    language: Option<String>,
    /// The time zone that they live in; null for UTC.
    #[schema(required = true, examples("Europe/Vienna"))]
    zone: Option<String>,
    /// The organisation that they belong to.
    pub(super) organisation_id: OrganisationId,
    /// Whom they report to.
    #[schema(required = true)]
    manager_id: Option<UserId>,
    /// Whether policies may treat them with priority.
    vip: bool,
    /// Whether it is a machine: it has tokens and no password.
    pub(super) service_account: bool,
    /// Whether they may come in at all.
    active: bool,
    /// The names of their roles.
    roles: Vec<String>,
    /// Counts the changes, those of roles and passwords too; it is the `ETag`.
    pub(super) version: i32,
    /// When they were added.
    created_at: Moment,
    /// When they were last changed.
    updated_at: Moment,
}

/// What makes a user.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name to sign in with; it is kept in lower case and can't be changed.
    #[schema(max_length = 200)]
    user_name: String,
    /// The name that others read.
    #[schema(max_length = 200)]
    display_name: String,
    /// Where mail goes.
    #[serde(default)]
    #[schema(required = false)]
    #[schema(max_length = 254)]
    email: Option<String>,
    /// The language in which they are written to, as a tag of BCP 47: `de`, `pt-BR`.
    #[serde(default)]
    #[schema(required = false, max_length = 35)]
    language: Option<String>,
    /// The time zone that they live in, by its name in the IANA database.
    #[serde(default)]
    #[schema(required = false, max_length = 40)]
    zone: Option<String>,
    /// The organisation that they belong to; the caller's own when it is left out.
    #[serde(default)]
    #[schema(required = false)]
    organisation_id: Option<OrganisationId>,
    /// Whom they report to.
    #[serde(default)]
    #[schema(required = false)]
    manager_id: Option<UserId>,
    /// Whether policies may treat them with priority.
    #[serde(default)]
    #[schema(required = false)]
    vip: bool,
    /// Whether it is a machine: it has tokens and no password. It can't be changed.
    #[serde(default)]
    #[schema(required = false)]
    service_account: bool,
}

/// A merge patch of a user: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// Another name that others read.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    #[schema(max_length = 200)]
    display_name: Option<String>,
    /// Where mail goes; null for nowhere.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<String>)]
    #[schema(max_length = 254)]
    email: Option<Option<String>>,
    /// The language in which they are written to; null for the server's own.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<String>, max_length = 35)]
    language: Option<Option<String>>,
    /// The time zone that they live in; null for UTC.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<String>, max_length = 40)]
    zone: Option<Option<String>>,
    /// Another organisation.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    organisation_id: Option<OrganisationId>,
    /// Whom they report to; null for nobody.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<UserId>)]
    manager_id: Option<Option<UserId>>,
    /// Whether policies may treat them with priority.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    vip: Option<bool>,
    /// Whether they may come in at all: false ends their sessions, and their tokens rest until it is true again.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

/// How far up a line of managers is followed.
const HIGHEST: usize = 100;

#[derive(Queryable)]
struct Row {
    id: UserId,
    user_name: String,
    display_name: String,
    email: Option<String>,
    language: Option<String>,
    zone: Option<String>,
    organisation_id: OrganisationId,
    manager_id: Option<UserId>,
    vip: bool,
    service_account: bool,
    active: bool,
    version: i32,
    created_at: Moment,
    updated_at: Moment,
}

/// A macro would be needed to name the type of these columns, so the query is ended here for all.
macro_rules! rows {
    ($query:expr, $connection:expr) => {
        $query
            .select((
                user_account::id,
                user_account::user_name,
                user_account::display_name,
                user_account::email,
                user_account::language,
                user_account::zone,
                user_account::organisation_id,
                user_account::manager_id,
                user_account::vip,
                user_account::service_account,
                user_account::active,
                user_account::version,
                user_account::created_at,
                user_account::updated_at,
            ))
            .load::<Row>($connection)
    };
}

fn matching(horizon: Option<&Horizon>, wanted: Option<&Wanted>) -> user_account::BoxedQuery<'static, Backend> {
    let mut query = user_account::table.into_boxed();
    if let Some(seen) = horizon.and_then(Horizon::users) {
        query = query.filter(seen);
    }
    let Some(wanted) = wanted else { return query };
    if let Some((whole, word)) = wanted.begins.clone() {
        let shown = |pattern: String| lower(user_account::display_name).like(pattern.to_ascii_lowercase()).escape('\\');
        let signs_in = lower(user_account::user_name).like(whole.to_ascii_lowercase()).escape('\\');
        let mail = lower(user_account::email.assume_not_null()).like(whole.to_ascii_lowercase()).escape('\\');
        let has_mail = user_account::email.is_not_null().and(mail);
        query = query.filter(shown(whole).or(shown(word)).or(signs_in).or(has_mail));
    }
    if let Some(active) = wanted.active {
        query = query.filter(user_account::active.eq(active));
    }
    if let Some(team) = wanted.team {
        let members = team_member::table.filter(team_member::team_id.eq(team)).select(team_member::user_id);
        query = query.filter(user_account::id.eq_any(members));
    }
    query
}

/// Adds the roles to rows, with one query for all.
fn with_roles(connection: &mut AnyConnection, rows: Vec<Row>) -> Result<Vec<User>> {
    let ids: Vec<UserId> = rows.iter().map(|row| row.id).collect();
    let given: Vec<(UserId, String)> = user_role::table
        .inner_join(role::table.on(role::id.eq(user_role::role_id)))
        .filter(user_role::user_id.eq_any(ids))
        .order(role::name)
        .select((user_role::user_id, role::name))
        .load(connection)?;
    let mut roles: HashMap<UserId, Vec<String>> = HashMap::new();
    for (user, name) in given {
        roles.entry(user).or_default().push(name);
    }
    Ok(rows
        .into_iter()
        .map(|row| User {
            id: row.id,
            user_name: row.user_name,
            display_name: row.display_name,
            email: row.email,
            language: row.language,
            zone: row.zone,
            organisation_id: row.organisation_id,
            manager_id: row.manager_id,
            vip: row.vip,
            service_account: row.service_account,
            active: row.active,
            roles: roles.remove(&row.id).unwrap_or_default(),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
        .collect())
}

impl User {
    /// Whether they have this role.
    pub(super) fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role == name)
    }
}

impl Resource for User {
    const NOUN: Noun = Noun {
        one: "user",
        a: "a user",
        many: "users",
        label: "User",
        about: "Users are people, who sign in with a password, and service accounts, which come in with tokens.",
        read: READ,
        manage: "user.manage",
        has_active: true,
        on_create: "Without roles, and without a password: give a person one by `POST /api/v1/users/{id}/reset_password`, and a service account a \
            token by `POST /api/v1/users/{id}/tokens`.",
        on_change: "Nobody is ever deleted, because records point to them; `\"active\": false` keeps them out. It needs all permissions that the user \
            has, and the last active administrator stays.",
        read_only: &["id", "roles", "version", "created_at", "updated_at"],
        fixed: &["user_name", "service_account"],
    };
    type New = NewUser;
    type Change = UserChange;

    fn examples() -> Examples {
        let (id, organisation) = ("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b16", "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11");
        Examples {
            one: json!({
                "id": id, "user_name": "ada.lovelace", "display_name": "Ada Lovelace", "email": "ada@example.org",
                "language": "en-GB", "zone": "Europe/London", "organisation_id": organisation, "manager_id": null, "vip": false, "service_account": false,
                "active": true, "roles": ["agent"], "version": 2,
                "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:05:00Z",
            }),
            new: json!({"user_name": "ada.lovelace", "display_name": "Ada Lovelace", "email": "ada@example.org"}),
            change: json!({"active": false}),
        }
    }
    fn key(&self) -> (String, String) {
        (self.display_name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, horizon: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<UserId>() else { return Ok(None) };
        let found = rows!(matching(horizon, None).filter(user_account::id.eq(id)), connection)?;
        Ok(with_roles(connection, found)?.pop())
    }
    fn page(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = matching(Some(horizon), Some(wanted));
        let query = keyset!(query, wanted, user_account::display_name, user_account::id);
        let found = rows!(query, connection)?;
        with_roles(connection, found)
    }
    fn count(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(Some(horizon), Some(wanted)).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, horizon: &Horizon, new: &NewUser) -> Result<String> {
        let organisation = new.organisation_id.unwrap_or(desk.cause.caller.organisation);
        let connection = desk.unit.connection()?;
        horizon.check_place(connection, organisation, "/organisation_id")?;
        if let Some(manager) = new.manager_id {
            check_manager(connection, horizon, None, manager)?;
        }
        let account = Account {
            email: new.email.as_deref().map(email).transpose()?,
            language: new.language.as_deref().map(language::checked).transpose()?,
            zone: new.zone.as_deref().map(zone).transpose()?,
            manager: new.manager_id,
            vip: new.vip,
            service_account: new.service_account,
            ..Account::person(&new.user_name, &line("display_name", &new.display_name, NAME)?, organisation)
        };
        let made = account::create_user(connection, &account, desk.cause.at);
        Ok(unique(made, "user_name")?.to_string())
    }

    fn patched(&self, change: &UserChange) -> Result<Self> {
        let mut after = self.clone();
        if let Some(name) = &change.display_name {
            after.display_name = line("display_name", name, NAME)?;
        }
        if let Some(address) = &change.email {
            after.email = address.as_deref().map(email).transpose()?;
        }
        if let Some(tag) = &change.language {
            after.language = tag.as_deref().map(language::checked).transpose()?;
        }
        if let Some(name) = &change.zone {
            after.zone = name.as_deref().map(zone).transpose()?;
        }
        after.organisation_id = change.organisation_id.unwrap_or(self.organisation_id);
        after.manager_id = change.manager_id.unwrap_or(self.manager_id);
        after.vip = change.vip.unwrap_or(self.vip);
        after.active = change.active.unwrap_or(self.active);
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, horizon: &Horizon, before: &Self, after: &Self) -> Result<()> {
        horizon.require(before.organisation_id)?;
        let (connection, at) = (desk.unit.connection()?, desk.cause.at);
        guard::require_over(connection, &desk.cause.caller, before.id)?;
        if before.organisation_id != after.organisation_id {
            horizon.check_place(connection, after.organisation_id, "/organisation_id")?;
        }
        if let Some(manager) = after.manager_id.filter(|_| before.manager_id != after.manager_id) {
            check_manager(connection, horizon, Some(before.id), manager)?;
        }
        if before.active && !after.active {
            guard::keep_an_administrator(connection, before.id)?;
        }
        let row = user_account::table.find(before.id).filter(user_account::version.eq(before.version));
        let changed = diesel::update(row)
            .set((
                user_account::display_name.eq(&after.display_name),
                (
                    user_account::email.eq(&after.email),
                    user_account::language.eq(&after.language),
                    user_account::zone.eq(&after.zone),
                ),
                user_account::organisation_id.eq(after.organisation_id),
                user_account::manager_id.eq(after.manager_id),
                user_account::vip.eq(after.vip),
                user_account::version.eq(before.version + 1),
                user_account::updated_at.eq(at),
            ))
            .execute(connection)?;
        met(changed)?;
        match before.active == after.active {
            true => Ok(()),
            false => account::set_active(connection, before.id, after.active, at),
        }
    }
}

/// A time zone, by its name.
fn zone(name: &str) -> Result<String> {
    content::zone(name).map(|zone| zone.name().to_owned())
}

/// A manager is active, seen by the caller, and reports neither to the user nor to anybody below them.
fn check_manager(
    connection: &mut AnyConnection,
    horizon: &Horizon,
    user: Option<UserId>,
    manager: UserId,
) -> Result<()> {
    if !horizon.sees_active_user(connection, manager)? {
        return Err(Error::invalid("/manager_id", "no_such_reference", "There is no such active user."));
    }
    let mut above = Some(manager);
    for _ in 0..HIGHEST {
        let Some(one) = above else { return Ok(()) };
        if Some(one) == user {
            return Err(Error::invalid(
                "/manager_id",
                "loop",
                "Nobody can report to themselves or to who reports to them.",
            ));
        }
        above = user_account::table.find(one).select(user_account::manager_id).first(connection)?;
    }
    Err(Error::invalid("/manager_id", "too_high", format!("A line of managers has at most {HIGHEST}.")))
}
