//! Who is on call: now, over some days, and what was agreed otherwise.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use chrono::TimeDelta;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::schedule::{self, OnCallSchedule};
use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, FieldError, Result},
    http::{
        body::Body,
        desk::{self, Call, Reply},
        directory_api::{
            change::{prose, typed},
            resource::{Resource, visible},
        },
        endpoint::{Answer, Content, Endpoint, in_path, in_query, moment, uuid},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        query::{Query, refused},
        schema::schema,
    },
    id::{RowId, TeamId, UserId},
    record::{
        on_call::row::{OverrideRow, ScheduleRow},
        person::{self, Person},
        store::{Desk, Reading},
    },
    schema::{on_call_schedule, team_member},
};

/// How many days are drawn at once.
const DAYS: i64 = 100;
/// What was agreed otherwise at most, of what is still to come.
const OVERRIDES: usize = 200;

/// A turn of somebody.
#[derive(Debug, Serialize, ToSchema)]
struct OnCallShift {
    /// Who is on call.
    user: Option<Person>,
    /// When they take over.
    from: Moment,
    /// When they hand over.
    until: Moment,
    /// The name of the layer; null where it was agreed otherwise.
    layer: Option<String>,
}

/// Turns in order. Where there is none, nobody is on call.
#[derive(Debug, Serialize, ToSchema)]
struct OnCallShiftList {
    /// The turns.
    items: Vec<OnCallShift>,
}

/// Who is on call by a schedule.
#[derive(Debug, Serialize, ToSchema)]
struct OnCallNow {
    /// The schedule.
    schedule_id: RowId,
    /// Its name.
    schedule: String,
    /// The team.
    team_id: TeamId,
    /// Who is on call; null where nobody is.
    user: Option<Person>,
    /// Until when; null where nobody is on call, or for as long as can be told.
    until: Option<Moment>,
}

/// Who is on call by each schedule.
#[derive(Debug, Serialize, ToSchema)]
struct OnCallNowList {
    /// By name of the schedule.
    items: Vec<OnCallNow>,
}

/// What is agreed otherwise.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOnCallOverride {
    /// Who is on call: a member of the team.
    user_id: UserId,
    /// From this moment.
    from: Moment,
    /// Until this one.
    until: Moment,
    /// Why.
    #[serde(default)]
    #[schema(required = false, max_length = 500)]
    reason: String,
}

/// What was agreed otherwise.
#[derive(Debug, Serialize, ToSchema)]
struct OnCallOverride {
    /// Its id.
    id: RowId,
    /// Who is on call.
    user: Option<Person>,
    /// From this moment.
    from: Moment,
    /// Until this one.
    until: Moment,
    /// Why.
    reason: String,
    /// Who said so.
    created_by: UserId,
    /// When they said so.
    created_at: Moment,
}

/// What was agreed otherwise, and is not over.
#[derive(Debug, Serialize, ToSchema)]
struct OnCallOverrideList {
    /// In the order in which it was said: the last that holds counts.
    items: Vec<OnCallOverride>,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(now(), get_now)
        .mount(shifts(), get_shifts)
        .mount(overrides(), list_overrides)
        .mount(agree(), add_override)
        .mount(disagree(), remove_override);
}

fn endpoint(method: Method, rest: &str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        parameters: vec![parameter::id(OnCallSchedule::NOUN.one)],
        problems: vec![Code::NotFound],
        ..Endpoint::new(
            method,
            format!("/api/v1/on-call-schedules/{{id}}/{rest}"),
            id,
            OnCallSchedule::NOUN.label,
            permission,
        )
    }
}

fn ada() -> Value {
    json!({"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"})
}

fn now() -> Endpoint {
    let item = json!({
        "schedule_id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b17", "schedule": "Network, first line",
        "team_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72", "user": ada(), "until": "2026-03-09T08:00:00Z",
    });
    Endpoint {
        summary: "Read who is on call".into(),
        description: "By each active schedule of the teams that you see, now or at another moment.".into(),
        parameters: vec![in_query("at", "Another moment than now.", moment(), "2026-03-02T08:00:00Z")],
        responses: vec![Answer::json(200, "Who is.", schema::<OnCallNowList>(), json!({"items": [item]}))],
        problems: vec![Code::BadQuery],
        ..Endpoint::new(
            Method::GET,
            "/api/v1/on-call".to_owned(),
            "list_on_call",
            OnCallSchedule::NOUN.label,
            "on_call.read",
        )
    }
}

async fn get_now(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let at = Query::of(&desk::query(&request)?).moment("at")?.unwrap_or_else(|| call.service.clock.now());
    let items = call.read(move |reading| {
        let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
        let query = schedule::seen(reading.connection, &horizon)?.filter(on_call_schedule::active.eq(true));
        let rows: Vec<ScheduleRow> = query.order(on_call_schedule::name).load(reading.connection)?;
        rows.into_iter().map(|row| on_call_by(reading.connection, row, at)).collect::<Result<Vec<_>>>()
    });
    Ok(HttpResponse::Ok().json(OnCallNowList { items: items.await? }))
}

fn on_call_by(connection: &mut AnyConnection, row: ScheduleRow, at: Moment) -> Result<OnCallNow> {
    let schedule = row.schedule(connection, at)?;
    let shift = schedule.shifts(at, at.plus(TimeDelta::days(DAYS))).into_iter().next().filter(|shift| shift.from == at);
    let user = shift.as_ref().map(|shift| shift.user);
    let user = person::people(connection, user)?.into_values().next();
    Ok(OnCallNow {
        schedule_id: row.id,
        schedule: row.name,
        team_id: row.team_id,
        user,
        until: shift.map(|shift| shift.until),
    })
}

fn shifts() -> Endpoint {
    let shift =
        json!({"user": ada(), "from": "2026-03-02T08:00:00Z", "until": "2026-03-09T08:00:00Z", "layer": "week"});
    let mut endpoint = endpoint(Method::GET, "shifts", "list_on_call_shifts", "on_call.read");
    endpoint.parameters.extend([
        in_query("from", "Where to begin; now where it is left out.", moment(), "2026-03-02T00:00:00Z"),
        in_query(
            "until",
            "Where to end: at most 100 days later; 14 days where it is left out.",
            moment(),
            "2026-03-16T00:00:00Z",
        ),
    ]);
    Endpoint {
        summary: "Read who is on call over some days".into(),
        description:
            "Turns between two moments, cut at both, in order: for drawing, and to see who hands over to whom.".into(),
        responses: vec![Answer::json(200, "The turns.", schema::<OnCallShiftList>(), json!({"items": [shift]}))],
        problems: vec![Code::NotFound, Code::BadQuery],
        ..endpoint
    }
}

async fn get_shifts(call: Call, id: web::Path<RowId>, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let query = Query::of(&pairs);
    let from = query.moment("from")?.unwrap_or_else(|| call.service.clock.now());
    let until = query.moment("until")?.unwrap_or_else(|| from.plus(TimeDelta::days(14)));
    let days = until.since(from);
    if days < TimeDelta::zero() || days > TimeDelta::days(DAYS) {
        return Err(refused("until", "out_of_range", format!("`until` is at most {DAYS} days after `from`.")));
    }
    let items = call.read(move |reading| {
        let row = seen(reading, *id)?;
        let shifts = row.schedule(reading.connection, from)?.shifts(from, until);
        let people = person::people(reading.connection, shifts.iter().map(|shift| shift.user))?;
        let shown = shifts.into_iter().map(|shift| OnCallShift {
            user: people.get(&shift.user).cloned(),
            from: shift.from,
            until: shift.until,
            layer: shift.layer,
        });
        Ok(shown.collect())
    });
    Ok(HttpResponse::Ok().json(OnCallShiftList { items: items.await? }))
}

/// The row of a schedule that the caller sees.
fn seen(reading: &mut Reading<'_>, id: RowId) -> Result<ScheduleRow> {
    let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
    visible::<OnCallSchedule>(reading.connection, &horizon, id.as_str())?;
    let row = ScheduleRow::find(reading.connection, id)?;
    row.ok_or_else(|| Error::not_found(OnCallSchedule::NOUN.one))
}

fn override_example() -> Value {
    json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b18", "user": ada(), "from": "2026-03-04T08:00:00Z", "until": "2026-03-05T08:00:00Z",
        "reason": "Bob is at the dentist's", "created_by": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71",
        "created_at": "2026-03-03T08:00:00Z",
    })
}

fn overrides() -> Endpoint {
    let example = json!({"items": [override_example()]});
    Endpoint {
        summary: "Read what was agreed otherwise".into(),
        description: "And is not over yet.".into(),
        responses: vec![Answer::json(200, "What was agreed.", schema::<OnCallOverrideList>(), example)],
        ..endpoint(Method::GET, "overrides", "list_on_call_overrides", "on_call.read")
    }
}

async fn list_overrides(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    let items = call.read(move |reading| {
        let row = seen(reading, *id)?;
        let rows = OverrideRow::of(reading.connection, row.id, reading.cause.at)?;
        shown(reading.connection, rows)
    });
    Ok(HttpResponse::Ok().json(OnCallOverrideList { items: items.await? }))
}

fn shown(connection: &mut AnyConnection, rows: Vec<OverrideRow>) -> Result<Vec<OnCallOverride>> {
    let people = person::people(connection, rows.iter().map(|row| row.user_id))?;
    let shown = rows.into_iter().map(|row| OnCallOverride {
        id: row.id,
        user: people.get(&row.user_id).cloned(),
        from: row.from_at,
        until: row.until_at,
        reason: row.reason,
        created_by: row.created_by,
        created_at: row.created_at,
    });
    Ok(shown.collect())
}

fn agree() -> Endpoint {
    let body = json!({
        "user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "from": "2026-03-04T08:00:00Z", "until": "2026-03-05T08:00:00Z",
        "reason": "Bob is at the dentist's",
    });
    let mut endpoint = endpoint(Method::POST, "overrides", "create_on_call_override", "on_call.override");
    endpoint.parameters.extend([dry_run(), idempotency_key(), reason()]);
    Endpoint {
        summary: "Agree otherwise".into(),
        description: "Somebody of the team is on call for a while, whoever's turn it is. Of several that hold, the last that was said counts.".into(),
        request: Some(Content::json(schema::<NewOnCallOverride>(), body)),
        responses: vec![Answer::json(201, "It was agreed.", schema::<OnCallOverride>(), override_example())],
        problems: vec![Code::NotFound, Code::Invalid, Code::IdempotencyMismatch],
        ..endpoint
    }
}

async fn add_override(call: Call, id: web::Path<RowId>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewOnCallOverride = typed(&body, &[])?;
    let why = prose("reason", &new.reason, 500)?;
    let response = call
        .write(&body, move |desk| {
            let schedule = changeable(desk, *id)?;
            check(desk, &schedule, &new)?;
            let row = OverrideRow {
                id: RowId::new(),
                schedule_id: schedule.id,
                user_id: new.user_id,
                from_at: new.from,
                until_at: new.until,
                reason: why.clone(),
                created_by: desk.cause.caller.user,
                created_at: desk.cause.at,
            };
            row.insert(desk.unit.connection()?)?;
            let told = json!({"override": [null, {"user_id": new.user_id, "from": new.from, "until": new.until, "reason": why}]});
            desk.tell("override_agreed", (SUBJECT, schedule.id.as_str(), schedule.version), &told)?;
            let shown = shown(desk.unit.connection()?, vec![row])?.pop();
            Ok(Reply { status: 201, ..Reply::ok(serde_json::to_value(shown).map_err(Error::internal)?) })
        })
        .await?;
    call.service.kernel.expire();
    Ok(response)
}

/// What the audit trail calls a schedule.
const SUBJECT: &str = "on_call_schedule";

fn changeable(desk: &mut Desk<'_, '_>, id: RowId) -> Result<ScheduleRow> {
    let (kernel, cause) = (desk.kernel, desk.cause);
    seen(&mut Reading { kernel, connection: desk.unit.connection()?, cause }, id)
}

fn check(desk: &mut Desk<'_, '_>, schedule: &ScheduleRow, new: &NewOnCallOverride) -> Result<()> {
    let connection = desk.unit.connection()?;
    let mut errors = Vec::new();
    let member = team_member::table.find((schedule.team_id, new.user_id));
    if member.count().get_result::<i64>(connection)? == 0 {
        errors.push(FieldError::new("/user_id", "not_a_member", "This is no member of the team."));
    }
    let length = new.until.since(new.from);
    if length <= TimeDelta::zero() || length > TimeDelta::days(366) {
        errors.push(FieldError::new("/until", "out_of_range", "`until` is after `from`, by a year at most."));
    }
    if OverrideRow::of(connection, schedule.id, desk.cause.at)?.len() >= OVERRIDES {
        let detail = format!("At most {OVERRIDES} things are agreed otherwise at a time.");
        errors.push(FieldError::new("", "too_many", detail));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

fn disagree() -> Endpoint {
    let mut endpoint =
        endpoint(Method::DELETE, "overrides/{override_id}", "delete_on_call_override", "on_call.override");
    let example = "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b18";
    endpoint.parameters.extend([in_path("override_id", "What was agreed.", uuid(), example), dry_run(), reason()]);
    Endpoint {
        summary: "Take back what was agreed otherwise".into(),
        description: "The turns count again.".into(),
        responses: vec![Answer::empty(204, "It was taken back.")],
        ..endpoint
    }
}

async fn remove_override(call: Call, path: web::Path<(RowId, RowId)>) -> Result<HttpResponse> {
    let (id, agreed) = path.into_inner();
    let response = call
        .write(&Value::Null, move |desk| {
            let schedule = changeable(desk, id)?;
            let removed = OverrideRow::remove(desk.unit.connection()?, schedule.id, agreed)?;
            let removed = removed.ok_or_else(|| Error::not_found("override"))?;
            let told = json!({"override": [{"user_id": removed.user_id, "from": removed.from_at, "until": removed.until_at}, null]});
            desk.tell("override_taken_back", (SUBJECT, schedule.id.as_str(), schedule.version), &told)?;
            Ok(Reply::empty())
        })
        .await?;
    call.service.kernel.expire();
    Ok(response)
}
