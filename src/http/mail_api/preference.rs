//! What people want to be told of, for themselves and for those who look after them.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::{Call, Reply},
        directory_api::{
            change::{differences, given, noted, typed},
            guard::require_over,
        },
        endpoint::{Access, Answer, Content, Endpoint},
        entity_tag::{etag, is_known},
        mount::Api,
        parameter::{self, dry_run, if_match, reason},
        schema::schema,
    },
    id::UserId,
    record::{
        calendar::content::{TimeOfDay, WeeklyHours, WeeklyHoursChange},
        notification::preference::{Kept, Preferences, Rule},
        store::{Desk, Reading},
    },
};

const TAG: &str = "NotificationPreference";
/// By which tokens are narrowed.
const OWN: &str = "notification_preference.write";
/// The permission to look after others.
const OTHERS: &str = "user.manage";
const READ_ONLY: &[&str] = &["user_id", "version", "updated_at"];

/// What somebody wants to be told of by mail, and when.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct NotificationPreferences {
    /// Who.
    user_id: UserId,
    /// For which events what counts; at once where none does. Of several that fit the one that says most precisely which event it
    /// means counts, and of those the first.
    #[schema(max_items = 50)]
    rules: Vec<Rule>,
    /// When the mail of the day comes, in their zone.
    #[schema(value_type = TimeOfDay)]
    daily_at: TimeOfDay,
    /// When nothing comes, in their zone: it waits until then.
    quiet_hours: WeeklyHours,
    /// Whether what is about a record of priority 1 comes all the same.
    urgent_passes: bool,
    /// Whether they want to be told of what they do themselves.
    own_changes: bool,
    /// Their language, where it is another than the directory says.
    #[schema(required = true, examples("de"))]
    language: Option<String>,
    /// Their zone, where it is another than the directory says.
    #[schema(required = true, examples("Europe/Berlin"))]
    zone: Option<String>,
    /// Counts the changes; it is the `ETag`.
    version: i32,
    /// When it was last changed; null where it never was.
    #[schema(required = true)]
    updated_at: Option<Moment>,
}

/// A merge patch of what somebody wants: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NotificationPreferencesChange {
    /// Other rules, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_items = 50)]
    rules: Option<Vec<Rule>>,
    /// When the mail of the day comes, in their zone.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = TimeOfDay)]
    daily_at: Option<TimeOfDay>,
    /// Other quiet hours of some weekdays.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    quiet_hours: Option<WeeklyHoursChange>,
    /// Whether what is about a record of priority 1 comes all the same.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    urgent_passes: Option<bool>,
    /// Whether they want to be told of what they do themselves.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    own_changes: Option<bool>,
    /// Another language; null for that of the directory.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<String>, max_length = 35)]
    language: Option<Option<String>>,
    /// Another zone; null for that of the directory.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<String>, max_length = 40)]
    zone: Option<Option<String>>,
}

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.tag(
        TAG,
        "What people want to be told of by mail, how, and when. Without a word from them they are told at once.",
    );
    api.mount(get(mine("get_my_notification_preferences", Method::GET)), get_mine);
    api.mount(change(mine("update_my_notification_preferences", Method::PATCH)), change_mine);
    api.mount(get(theirs("get_user_notification_preferences", Method::GET)), get_theirs);
    api.mount(change(theirs("update_user_notification_preferences", Method::PATCH)), change_theirs);
}

fn mine(operation: &'static str, method: Method) -> Endpoint {
    let endpoint = Endpoint::new(method, "/api/v1/me/notification-preferences".to_owned(), operation, TAG, "");
    Endpoint { access: Access::OwnPart(OWN.into()), ..endpoint }
}

fn theirs(operation: &'static str, method: Method) -> Endpoint {
    let path = "/api/v1/users/{id}/notification-preferences".to_owned();
    Endpoint {
        parameters: vec![parameter::id("user")],
        problems: vec![Code::NotFound, Code::Forbidden],
        ..Endpoint::new(method, path, operation, TAG, OTHERS)
    }
}

fn example() -> Value {
    let night = json!([{"from": "20:00", "until": "07:00"}]);
    json!({
        "user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70",
        "rules": [{"event": "*", "delivery": "daily"}, {"event": "incident.assigned", "delivery": "immediately"}],
        "daily_at": "08:00", "urgent_passes": true, "own_changes": false, "language": null, "zone": null, "version": 2,
        "quiet_hours": {
            "monday": night, "tuesday": night, "wednesday": night, "thursday": night, "friday": night, "saturday": [], "sunday": [],
        },
        "updated_at": "2026-03-01T08:00:00Z",
    })
}

fn documented() -> Answer {
    Answer::json(200, "As it is now.", schema::<NotificationPreferences>(), example())
        .header("ETag", "Its version, for `If-Match`.")
}

fn whose(endpoint: &Endpoint) -> &'static str {
    if endpoint.parameters.is_empty() { "you want" } else { "a user wants" }
}

fn get(mut endpoint: Endpoint) -> Endpoint {
    endpoint.summary = format!("Read what {} to be told of", whose(&endpoint)).into();
    endpoint.description = "With `If-None-Match`, 304 when you have this version already.".into();
    endpoint.responses = vec![documented(), Answer::empty(304, "You have this version already.")];
    endpoint
}

fn change(mut endpoint: Endpoint) -> Endpoint {
    endpoint.summary = format!("Change what {} to be told of", whose(&endpoint)).into();
    endpoint.description =
        "A merge patch (RFC 7396). It counts for what happens from now on; quiet hours also for what waits.".into();
    let body = json!({"rules": [{"event": "incident.commented", "delivery": "hourly"}], "own_changes": false});
    endpoint.request = Some(Content::merge_patch(schema::<NotificationPreferencesChange>(), body));
    endpoint.parameters.extend([if_match(true), dry_run(), reason()]);
    endpoint.responses = vec![documented()];
    endpoint.problems.extend([Code::Invalid, Code::Stale, Code::PreconditionRequired]);
    endpoint
}

impl NotificationPreferences {
    fn of(user: UserId, kept: Kept) -> Self {
        let Kept { preferences, version, updated_at } = kept;
        let Preferences { rules, daily_at, quiet_hours, urgent_passes, own_changes, language, zone } = preferences;
        NotificationPreferences {
            user_id: user,
            rules,
            daily_at,
            quiet_hours,
            urgent_passes,
            own_changes,
            language,
            zone,
            version,
            updated_at,
        }
    }
}

async fn get_mine(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let user = call.cause.caller.user;
    answer(&call, &request, move |_| Ok(user)).await
}

async fn get_theirs(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    answer(&call, &request, move |reading| looked_after(reading, &id)).await
}

async fn answer(
    call: &Call,
    request: &HttpRequest,
    who: impl FnOnce(&mut Reading<'_>) -> Result<UserId> + Send + 'static,
) -> Result<HttpResponse> {
    let found = call
        .read(move |reading| {
            let user = who(reading)?;
            Ok(NotificationPreferences::of(user, Preferences::of(reading.connection, user)?))
        })
        .await?;
    let tag = (header::ETAG, etag(found.version));
    if is_known(request, found.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(HttpResponse::Ok().insert_header(tag).json(found))
}

/// Somebody whom the caller may look after.
fn looked_after(reading: &mut Reading<'_>, id: &str) -> Result<UserId> {
    let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
    let user = visible_user(reading.connection, &horizon, id)?;
    require_over(reading.connection, &reading.cause.caller, user)?;
    Ok(user)
}

fn visible_user(connection: &mut AnyConnection, horizon: &Horizon, id: &str) -> Result<UserId> {
    let absent = || Error::not_found("active user");
    let user = id.parse().map_err(|_| absent())?;
    if horizon.sees_active_user(connection, user)? { Ok(user) } else { Err(absent()) }
}

async fn change_mine(call: Call, Body(body): Body<Value>) -> Result<HttpResponse> {
    let user = call.cause.caller.user;
    changed(&call, &body, move |_| Ok(user)).await
}

async fn change_theirs(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    changed(&call, &body, move |reading| looked_after(reading, &id)).await
}

async fn changed(
    call: &Call,
    body: &Value,
    mut who: impl FnMut(&mut Reading<'_>) -> Result<UserId> + Send + 'static,
) -> Result<HttpResponse> {
    let (expected, change): (_, NotificationPreferencesChange) = (call.expected()?, typed(body, READ_ONLY)?);
    call.write(body, move |desk| {
        let mut reading = Reading { kernel: desk.kernel, connection: desk.unit.connection()?, cause: desk.cause };
        let user = who(&mut reading)?;
        let before = Preferences::of(reading.connection, user)?;
        if !expected.allows(before.version) {
            let detail = format!("The preferences are at version {} now; read them again.", before.version);
            return Err(Error::new(Code::Stale, detail));
        }
        let after = patched(&before.preferences, &change);
        if after != before.preferences {
            store(desk, user, &before, &after)?;
        }
        let now = NotificationPreferences::of(user, Preferences::of(desk.unit.connection()?, user)?);
        let version = now.version;
        Ok(Reply::ok(serde_json::to_value(now).map_err(Error::internal)?).at_version(version))
    })
    .await
}

fn patched(before: &Preferences, change: &NotificationPreferencesChange) -> Preferences {
    let (before, change) = (before.clone(), change.clone());
    Preferences {
        rules: change.rules.unwrap_or(before.rules),
        daily_at: change.daily_at.unwrap_or(before.daily_at),
        quiet_hours: match &change.quiet_hours {
            Some(change) => before.quiet_hours.changed(change),
            None => before.quiet_hours,
        },
        urgent_passes: change.urgent_passes.unwrap_or(before.urgent_passes),
        own_changes: change.own_changes.unwrap_or(before.own_changes),
        language: change.language.unwrap_or(before.language),
        zone: change.zone.unwrap_or(before.zone),
    }
}

fn store(desk: &mut Desk<'_, '_>, user: UserId, before: &Kept, after: &Preferences) -> Result<()> {
    after.check(desk.kernel, desk.cause.at)?;
    after.keep(desk.unit.connection()?, user, before.version, desk.cause.at)?;
    let changes = differences(Some(&before.preferences), after)?;
    let version = before.version + 1;
    noted(desk, "notification_preference.updated", "notification_preference", user.as_str(), version, &changes)
}
