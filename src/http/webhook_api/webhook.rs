//! A webhook as it is read and written.

use actix_web::{HttpResponse, web};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::Schema};

use crate::{
    auth::{caller::Caller, directory::load_caller, horizon::Horizon},
    clock::Moment,
    config::Secret,
    db::{AnyConnection, Backend, JsonText},
    error::{Code, Error, Result},
    http::{
        authenticate::Identity,
        body::Body,
        desk::{Call, Reply},
        directory_api::{
            change::{DESCRIPTION, NAME, given, line, met, prose, typed, unique, with_secret},
            guard::require_over,
            page::{Wanted, keyset, narrowed},
            resource::{self, Examples, Noun, Resource, concluded, making, patching},
        },
        endpoint::Answer,
        mount::Api,
        schema::{schema, words},
    },
    id::{RowId, UserId},
    integration::webhook::{Post, sign},
    record::{
        feed::Place,
        pattern,
        store::Desk,
        webhook::row::{MOST_ACTIVE, WebhookRow, filtered},
    },
    schema::webhook,
};

/// Events that are told to another system.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub(super) id: RowId,
    /// Its name; each is there once.
    name: String,
    /// What it is for.
    description: String,
    /// Where messages go.
    url: String,
    /// Which events: `incident.resolved`, `incident.*`, `*.resolved` or `*`.
    events: Vec<String>,
    /// Which records, in the language of lists; null for all.
    #[schema(required = true)]
    filter: Option<String>,
    /// Whose eyes it has: only what this user may read is told, as they may read it.
    pub(super) owner_id: UserId,
    /// Whether it is told what its owner does. Where it is not, a receiver that writes back as the owner hears nothing of its own
    /// changes, and of what follows from them.
    own_changes: bool,
    /// Whether it sends. What happens while it does not is not told.
    active: bool,
    /// When the server turned it off by itself.
    #[schema(required = true)]
    disabled_at: Option<Moment>,
    /// Why it did.
    #[schema(required = true)]
    disabled_why: Option<String>,
    /// Since when every attempt has failed; null when the last message arrived.
    #[schema(required = true)]
    failing_since: Option<Moment>,
    /// The end of its secret, to know it by.
    secret_hint: String,
    /// Until when messages are signed with the secret before this one as well.
    #[schema(required = true)]
    previous_secret_until: Option<Moment>,
    /// Counts its changes; it is the `ETag`.
    pub(super) version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a webhook.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Its name; each is there once.
    #[schema(max_length = 200)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    description: String,
    /// Where messages go: `https`, and a public address, unless the operator allows others.
    #[schema(max_length = 2000)]
    url: String,
    /// Which events: `incident.resolved`, `incident.*`, `*.resolved` or `*`.
    #[schema(schema_with = events)]
    events: Vec<String>,
    /// Which records, in the language of lists; the record as it is when the message is made. The fields of one kind can be
    /// asked for where all of `events` are of that kind.
    #[serde(default)]
    #[schema(required = false, max_length = 4096)]
    filter: Option<String>,
    /// Whose eyes it has; the caller's when it is left out. Needs every permission and the view of that user.
    #[serde(default)]
    #[schema(required = false)]
    owner_id: Option<UserId>,
    /// Whether it is told what its owner does. `false` for a receiver that writes back as the owner: it would never come to an
    /// end otherwise.
    #[serde(default = "yes")]
    #[schema(required = false)]
    own_changes: bool,
}

const fn yes() -> bool {
    true
}

/// A merge patch of a webhook: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 200)]
    name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// Another address. Messages that wait go there, too.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    url: Option<String>,
    /// Other events, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = events)]
    events: Option<Vec<String>>,
    /// Another filter; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<String>, max_length = 4096)]
    filter: Option<Option<String>>,
    /// Another owner.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    owner_id: Option<UserId>,
    /// Whether it is told what its owner does.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    own_changes: Option<bool>,
    /// Whether it sends. When it is turned on, it begins with what happens from then on, and sends what still waits.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

/// A webhook with its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeWebhook {
    #[serde(flatten)]
    webhook: Webhook,
    /// With what messages are signed. Shown here and never again; null in a dry run and in the replay of an idempotency key.
    #[schema(required = true)]
    secret: Option<String>,
}

fn events() -> Schema {
    words("Which events: `incident.resolved`, `incident.*`, `*.resolved` or `*`.", pattern::MOST, pattern::LONGEST)
}

/// Mounts list, get, create and patch.
pub(super) fn mount(api: &mut Api) {
    resource::mount_reading::<Webhook>(api);
    let mut create = making::<Webhook>();
    create.responses = vec![made(201, "It was added.").header("Location", "Where it is.")];
    create.problems.push(Code::Forbidden);
    api.mount(create, create_webhook);
    let mut change = patching::<Webhook>();
    change.problems.push(Code::Forbidden);
    api.mount(change, change_webhook);
}

/// The answer that holds a secret.
pub(super) fn made(status: u16, description: &'static str) -> Answer {
    let mut example = Webhook::examples().one;
    example["secret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw4Jv0mXb2c1k=".into();
    Answer::json(status, description, schema::<MadeWebhook>(), example).header("ETag", "Its version, for `If-Match`.")
}

async fn create_webhook(call: Call, post: web::Data<Post>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewWebhook = typed(&body, Webhook::NOUN.read_only)?;
    post.reach().check(&new.url)?;
    with_secret(&call, &body, "secret", move |desk| {
        let horizon = Horizon::of(desk.unit.reference(), &desk.cause.caller)?;
        let id = Webhook::create(desk, &horizon, &new)?;
        let reply = concluded::<Webhook>(desk, &id, None, "created")?;
        let secret = row(desk.unit.connection()?, &id)?.secret;
        let location = Some(format!("/api/v1/webhooks/{id}"));
        Ok((Reply { status: 201, location, ..reply }, Secret::new(secret)))
    })
    .await
}

async fn change_webhook(
    call: Call,
    id: web::Path<String>,
    body: Body<Value>,
    identity: web::Data<Identity>,
    post: web::Data<Post>,
) -> Result<HttpResponse> {
    let change: WebhookChange = typed(&body.0, Webhook::NOUN.read_only)?;
    if let Some(url) = &change.url {
        post.reach().check(url)?;
    }
    resource::patch::<Webhook>(call, id, body, identity).await
}

/// The row of a webhook that is there.
pub(super) fn row(connection: &mut AnyConnection, id: &str) -> Result<WebhookRow> {
    let id = id.parse().map_err(|_| Error::not_found(Webhook::NOUN.one))?;
    WebhookRow::named(connection, id)
}

/// Refuses to act on a webhook whose owner reaches further than the caller; gives the owner, where they are active.
pub(super) fn require_owner(desk: &mut Desk<'_, '_>, owner: UserId) -> Result<Option<Caller>> {
    let caller = desk.cause.caller.clone();
    let horizon = Horizon::of(desk.unit.reference(), &caller)?;
    let connection = desk.unit.connection()?;
    require_over(connection, &caller, owner)?;
    let found = load_caller(connection, owner)?;
    if let Some(owner) = found.as_ref().filter(|owner| owner.user != caller.user) {
        horizon.require(owner.organisation)?;
    }
    Ok(found)
}

/// The owner of a webhook to be, whom the caller sees and who reaches no further.
fn new_owner(desk: &mut Desk<'_, '_>, horizon: &Horizon, owner: UserId) -> Result<Caller> {
    let absent = || Error::invalid("/owner_id", "no_such_reference", "There is no such active user.");
    if owner != desk.cause.caller.user && !horizon.sees_active_user(desk.unit.connection()?, owner)? {
        return Err(absent());
    }
    require_owner(desk, owner)?.ok_or_else(absent)
}

impl Webhook {
    /// From its row.
    pub(super) fn of(row: WebhookRow) -> Result<Self> {
        let events = row.patterns()?;
        let ending: Vec<char> = row.secret.trim_end_matches('=').chars().rev().take(4).collect();
        Ok(Webhook {
            secret_hint: format!("{}…{}", sign::PREFIX, ending.iter().rev().collect::<String>()),
            previous_secret_until: row.previous_until,
            id: row.id,
            name: row.name,
            description: row.description,
            url: row.url,
            events,
            filter: row.filter,
            owner_id: row.owner_id,
            own_changes: row.own_changes,
            active: row.active,
            disabled_at: row.disabled_at,
            disabled_why: row.disabled_why,
            failing_since: row.failing_since,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }

    /// Refuses what can't be stored, with every place that is wrong.
    fn check(desk: &mut Desk<'_, '_>, owner: &Caller, events: &[String], filter: Option<&str>) -> Result<()> {
        let mut faults = pattern::faults(desk.kernel, events, "/events");
        let (kernel, now) = (desk.kernel, desk.cause.at);
        if let Err(why) = filtered(kernel, desk.unit.reference(), owner, events, filter, now) {
            if why.code != Code::BadQuery {
                return Err(why);
            }
            faults.push(crate::error::FieldError::new("/filter", "bad_filter", why.detail));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::invalid_all(faults)) }
    }
}

/// Refuses one more that is active where there are too many.
fn room(connection: &mut AnyConnection) -> Result<()> {
    if WebhookRow::count_active(connection)? < MOST_ACTIVE {
        return Ok(());
    }
    Err(Error::new(Code::Conflict, format!("{MOST_ACTIVE} webhooks are active already; turn one off first.")))
}

fn filter_of(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn matching(wanted: &Wanted) -> webhook::BoxedQuery<'static, Backend> {
    narrowed!(webhook::table.into_boxed(), Some(wanted), webhook::name, webhook::active)
}

impl Resource for Webhook {
    const NOUN: Noun = Noun {
        one: "webhook",
        a: "a webhook",
        many: "webhooks",
        label: "Webhook",
        about: "Webhooks tell other systems what happens, as Standard Webhooks 1.0 has it: a `POST` with `webhook-id`, `webhook-timestamp` and \
                `webhook-signature`. Any 2xx is taken for success; anything else is tried eight times within a day, and then waits as a dead letter \
                to be replayed. A message may come more than once and messages may come in another order than their events: `webhook-id` tells \
                which were had, and `data.version` which is newer.",
        read: "webhook.read",
        manage: "webhook.write",
        has_active: true,
        on_create: "It tells what happens from now on. The answer holds the secret, which nobody can read again.",
        on_change: "One that is turned on begins anew, with what happens from then on.",
        read_only: &[
            "id",
            "disabled_at",
            "disabled_why",
            "failing_since",
            "secret",
            "secret_hint",
            "previous_secret_until",
            "version",
            "created_at",
            "updated_at",
        ],
        fixed: &[],
    };
    type New = NewWebhook;
    type Change = WebhookChange;

    fn examples() -> Examples {
        let new = json!({
            "name": "chat", "description": "Tells the desk's chat of what is urgent", "url": "https://chat.example/hooks/desk",
            "events": ["incident.created", "incident.resolved"], "filter": "priority <= 2",
        });
        let added = json!({
            "owner_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "own_changes": true, "active": true, "disabled_at": null, "disabled_why": null,
            "failing_since": null, "secret_hint": "whsec_…2c1k", "previous_secret_until": null, "version": 1,
            "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        Examples::of(
            "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b15",
            new,
            &added,
            json!({"events": ["incident.*"], "filter": null}),
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
        WebhookRow::find(connection, id)?.map(Webhook::of).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(wanted), wanted, webhook::name, webhook::id);
        query.load::<WebhookRow>(connection)?.into_iter().map(Webhook::of).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(wanted).count().get_result(connection)?)
    }

    fn create(desk: &mut Desk<'_, '_>, horizon: &Horizon, new: &NewWebhook) -> Result<String> {
        let owner = new_owner(desk, horizon, new.owner_id.unwrap_or(desk.cause.caller.user))?;
        let filter = filter_of(new.filter.as_ref());
        Webhook::check(desk, &owner, &new.events, filter.as_deref())?;
        let (name, description) =
            (line("name", &new.name, NAME)?, prose("description", &new.description, DESCRIPTION)?);
        let (connection, now) = (desk.unit.connection()?, desk.cause.at);
        room(connection)?;
        let (cursor_xid, cursor_seq) = Place::newest(connection)?.to_keep();
        let row = WebhookRow {
            id: RowId::new(),
            name,
            description,
            url: new.url.clone(),
            events: JsonText::of(&new.events)?,
            filter,
            owner_id: owner.user,
            own_changes: new.own_changes,
            secret: sign::new_secret()?.expose().to_owned(),
            previous_secret: None,
            previous_until: None,
            active: true,
            disabled_at: None,
            disabled_why: None,
            dead_in_a_row: 0,
            failing_since: None,
            cursor_xid,
            cursor_seq,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        unique(row.insert(connection), "name")?;
        Ok(row.id.to_string())
    }

    fn patched(&self, change: &WebhookChange) -> Result<Self> {
        let mut after = self.clone();
        let WebhookChange { name, description, url, events, filter, owner_id, own_changes, active } = change.clone();
        if let Some(name) = name {
            after.name = line("name", &name, NAME)?;
        }
        if let Some(description) = description {
            after.description = prose("description", &description, DESCRIPTION)?;
        }
        after.url = url.unwrap_or(after.url);
        after.events = events.unwrap_or(after.events);
        if let Some(filter) = filter {
            after.filter = filter_of(filter.as_ref());
        }
        after.owner_id = owner_id.unwrap_or(after.owner_id);
        after.own_changes = own_changes.unwrap_or(after.own_changes);
        after.active = active.unwrap_or(after.active);
        if after.active && !self.active {
            (after.disabled_at, after.disabled_why, after.failing_since) = (None, None, None);
        }
        Ok(after)
    }

    fn save(desk: &mut Desk<'_, '_>, horizon: &Horizon, before: &Self, after: &Self) -> Result<()> {
        require_owner(desk, before.owner_id)?;
        let is_turned_off = before.active && Webhook { active: false, ..before.clone() } == *after;
        // One whose owner is gone can be turned off, or be given another.
        if !is_turned_off {
            let owner = new_owner(desk, horizon, after.owner_id)?;
            Webhook::check(desk, &owner, &after.events, after.filter.as_deref())?;
        }
        let (connection, now) = (desk.unit.connection()?, desk.cause.at);
        let mut row = WebhookRow::named(connection, before.id)?;
        if after.active && !before.active {
            room(connection)?;
            row.begin_anew(connection)?;
        }
        row.name.clone_from(&after.name);
        row.description.clone_from(&after.description);
        row.url.clone_from(&after.url);
        row.events = JsonText::of(&after.events)?;
        row.filter.clone_from(&after.filter);
        row.owner_id = after.owner_id;
        row.own_changes = after.own_changes;
        row.active = after.active;
        row.disabled_at = after.disabled_at;
        row.disabled_why.clone_from(&after.disabled_why);
        row.version = before.version + 1;
        row.updated_at = now;
        met(unique(row.update(connection), "name")?)
    }
}
