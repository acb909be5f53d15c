//! Planning one change: its conflicts, the first free time, and what it would do.

use std::collections::{BTreeMap, HashMap};

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{CHANGE, DAYS, reads};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        desk::{self, Call},
        endpoint::{Answer, Endpoint, in_query, moment},
        mount::Api,
        query::{Query, refused},
        record_api::visible,
        schema::schema,
    },
    id::RecordId,
    practice::change::{
        conflict::{Conflict, ConflictKind, Near, Span, free_slot},
        plan::{self, SHOWN},
    },
    record::{header::Header, store::Reading, visibility},
};

/// How far around a change others are near it.
const AROUND: TimeDelta = TimeDelta::days(7);

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(conflicts(), list_conflicts).mount(slot(), get_free_slot).mount(preview(), get_preview);
}

/// A record that is told of in passing.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ChangeSubject {
    /// Its id.
    id: RecordId,
    /// Its kind.
    #[schema(examples("configuration_item"))]
    kind: String,
    /// Its number.
    #[schema(examples("CI0000012"))]
    number: String,
    /// Its title.
    title: String,
    /// Its state.
    state: String,
}

impl ChangeSubject {
    fn of(header: &Header) -> Self {
        let Header { id, kind, number, title, state, .. } = header.clone();
        ChangeSubject { id, kind, number, title, state }
    }
}

/// Something that a change gets in the way of, or that is in its way.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ChangeConflict {
    /// What it is.
    kind: ConflictKind,
    /// What both touch; null where it is about a person, about everything, or about what you don't see.
    #[schema(required = true)]
    item: Option<ChangeSubject>,
    /// The other change; null where there is none, or where you don't see it.
    #[schema(required = true)]
    change: Option<ChangeSubject>,
    /// The window; null where there is none.
    #[schema(required = true)]
    window: Option<String>,
    /// From when on it is over; null where that is not known.
    #[schema(required = true)]
    over_at: Option<Moment>,
}

/// What a change gets in the way of, and what is in its way.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeConflictList {
    /// The conflicts, by kind.
    items: Vec<ChangeConflict>,
}

fn shown(reading: &mut Reading<'_>, found: Vec<Conflict>) -> Result<Vec<ChangeConflict>> {
    let ids = found.iter().flat_map(|conflict| [conflict.item, conflict.change]).flatten().collect();
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let subject = |id: Option<RecordId>| id.and_then(|id| seen.get(&id)).map(ChangeSubject::of);
    let shown = found.into_iter().map(|Conflict { kind, item, change, window, over_at }| ChangeConflict {
        kind,
        item: subject(item),
        change: subject(change),
        window,
        over_at,
    });
    Ok(shown.collect())
}

fn conflict() -> Value {
    let switch = json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7c", "kind": "configuration_item", "number": "CI0000012", "title": "Core switch",
        "state": "live",
    });
    json!({"kind": "ci_in_blackout", "item": switch, "change": null, "window": "End of year", "over_at": "2027-01-04T00:00:00Z"})
}

fn conflicts() -> Endpoint {
    let mut endpoint = reads("conflicts", "list_change_conflicts");
    endpoint.summary = "List the conflicts of a change".into();
    endpoint.description = "As it is planned, with what is known now: what it touches, what that rests on and what rests on it, each held against \
                            other changes that are scheduled, maintenance windows and blackouts; and whether whoever makes it is busy. None \
                            where it has no planned times."
        .into();
    let list = json!({"items": [conflict()]});
    endpoint.responses = vec![Answer::json(200, "The conflicts.", schema::<ChangeConflictList>(), list)];
    endpoint
}

async fn list_conflicts(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let items = call
        .read(move |reading| {
            let header = visible(reading, CHANGE, &id)?;
            let found = plan::of(reading.connection, &header)?;
            shown(reading, found)
        })
        .await?;
    Ok(HttpResponse::Ok().json(ChangeConflictList { items }))
}

/// A time in which a change meets nothing.
#[derive(Debug, Serialize, ToSchema)]
struct FreeSlot {
    /// When it could begin; null where there is no such time.
    #[schema(required = true)]
    planned_start: Option<Moment>,
    /// When it would end then.
    #[schema(required = true)]
    planned_end: Option<Moment>,
}

/// The schema of a length in minutes, up to thirty days.
fn minutes() -> utoipa::openapi::Schema {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::Integer)
        .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Int32)))
        .minimum(Some(1))
        .maximum(Some(43_200))
        .into()
}

fn slot() -> Endpoint {
    let mut endpoint = reads("free-slot", "get_change_free_slot");
    endpoint.summary = "Find the first time that is free for a change".into();
    endpoint.description = "The first time of its length in which it meets no other change, no blackout and nobody who is busy, and is within the \
                            maintenance windows. Nothing is stored: write the times into the change."
        .into();
    endpoint.parameters.extend([
        in_query("from", "The earliest beginning; now, if not given.", moment(), "2026-03-02T00:00:00Z"),
        in_query(
            "until",
            "The latest end: at most 400 days later; thirteen weeks, if not given.",
            moment(),
            "2026-06-01T00:00:00Z",
        ),
        in_query("minutes", "How long it takes; as long as it is planned to, if not given.", minutes(), 120),
    ]);
    let free = json!({"planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z"});
    endpoint.responses = vec![Answer::json(200, "The time, if there is one.", schema::<FreeSlot>(), free)];
    endpoint.problems.push(Code::BadQuery);
    endpoint
}

async fn get_free_slot(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let query = Query::read(&pairs, &["from", "until", "minutes"])?;
    let from = query.moment("from")?.unwrap_or(call.cause.at);
    let until = query.moment("until")?.unwrap_or(from.plus(TimeDelta::weeks(13)));
    if until < from || until.since(from) > TimeDelta::days(DAYS) {
        let detail = format!("`until` is at most {DAYS} days after `from`.");
        return Err(refused("until", "out_of_range", detail));
    }
    let minutes = query.text("minutes").map(|text| {
        let minutes = text.parse::<i64>().ok().filter(|minutes| (1..=43_200).contains(minutes));
        minutes.ok_or_else(|| refused("minutes", "out_of_range", "`minutes` is 1 to 43200.".to_owned()))
    });
    let minutes = minutes.transpose()?.map(TimeDelta::minutes);
    let found = call
        .read(move |reading| {
            let header = visible(reading, CHANGE, &id)?;
            let planned = plan::span(&header).map(|span| span.until.since(span.from));
            let unknown =
                || refused("minutes", "required", "Say how many `minutes` it takes: it is not planned yet.".to_owned());
            let length = minutes.or(planned).ok_or_else(unknown)?;
            let within = Span { from, until };
            let ground = plan::ground(reading.connection, within, header.id)?;
            let wanted = plan::wanted(reading.connection, &header)?;
            Ok(free_slot(&ground, &wanted, length, within))
        })
        .await?;
    let (planned_start, planned_end) = found.map(|span| (span.from, span.until)).unzip();
    Ok(HttpResponse::Ok().json(FreeSlot { planned_start, planned_end }))
}

/// Something that a change would hit.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeImpact {
    /// How it stands to what the change touches.
    near: Near,
    /// What it is.
    record: ChangeSubject,
}

/// What a change would do if it were made as it is planned. Nothing is stored.
#[derive(Debug, Serialize, ToSchema)]
struct ChangePreview {
    /// Configuration items that it touches, that those rest on, and that rest on them.
    configuration_items: Vec<ChangeImpact>,
    /// Services that it touches, or that rest on what it touches.
    services: Vec<ChangeImpact>,
    /// How long users would notice it, in minutes; 0 where they would not.
    outage_minutes: i32,
    /// What it would get in the way of.
    conflicts: Vec<ChangeConflict>,
    /// Other changes of the same things within a week of it.
    changes_nearby: Vec<ChangeSubject>,
    /// Incidents of the same things that are open now.
    open_incidents: Vec<ChangeSubject>,
}

fn preview() -> Endpoint {
    let mut endpoint = reads("impact-preview", "get_change_impact_preview");
    endpoint.summary = "Preview what a change would do".into();
    endpoint.description = "In one call, and without any effect: which configuration items and services it hits, how long users notice it, what it gets \
                            in the way of, which other changes and open incidents are near. What you may not see is left out."
        .into();
    let switch = json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7c", "kind": "configuration_item", "number": "CI0000012", "title": "Core switch",
        "state": "live",
    });
    let example = json!({
        "configuration_items": [{"near": "own", "record": switch}], "services": [], "outage_minutes": 20, "conflicts": [conflict()],
        "changes_nearby": [], "open_incidents": [],
    });
    endpoint.responses = vec![Answer::json(200, "What it would do.", schema::<ChangePreview>(), example)];
    endpoint
}

async fn get_preview(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let shown = call.read(move |reading| previewed(reading, &id)).await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn previewed(reading: &mut Reading<'_>, id: &str) -> Result<ChangePreview> {
    let header = visible(reading, CHANGE, id)?;
    let wanted = plan::wanted(reading.connection, &header)?;
    let caller = reading.cause.caller.clone();
    let hit = visibility::among(reading.kernel, reading.connection, &caller, wanted.items.keys().copied().collect())?;
    let found = plan::of(reading.connection, &header)?;
    let conflicts = shown(reading, found)?;
    let incidents = plan::open_incidents(reading.connection, &wanted.items.keys().copied().collect::<Vec<_>>())?;
    let incidents = visibility::among(reading.kernel, reading.connection, &caller, incidents)?;
    let outage = plan::outage(reading.connection, header.id)?;
    let nearby = match plan::span(&header) {
        None => Vec::new(),
        Some(span) => {
            let within = Span { from: span.from.plus(-AROUND), until: span.until.plus(AROUND) };
            nearby(reading, &wanted.items, within, header.id)?
        }
    };
    let impacts = |kind: &str| impacts(&wanted.items, &hit, kind);
    Ok(ChangePreview {
        configuration_items: impacts("configuration_item"),
        services: impacts("service"),
        outage_minutes: i32::try_from(outage.num_minutes()).map_err(Error::internal)?,
        conflicts,
        changes_nearby: nearby,
        open_incidents: in_order(&incidents),
    })
}

fn impacts(items: &BTreeMap<RecordId, Near>, seen: &HashMap<RecordId, Header>, kind: &str) -> Vec<ChangeImpact> {
    let of_kind =
        items.iter().filter_map(|(id, near)| Some((*near, seen.get(id).filter(|header| header.kind == kind)?)));
    let mut found: Vec<ChangeImpact> =
        of_kind.map(|(near, header)| ChangeImpact { near, record: ChangeSubject::of(header) }).collect();
    found.sort_by(|a, b| (a.near, &a.record.number).cmp(&(b.near, &b.record.number)));
    found
}

fn in_order(seen: &HashMap<RecordId, Header>) -> Vec<ChangeSubject> {
    let mut found: Vec<ChangeSubject> = seen.values().map(ChangeSubject::of).collect();
    found.sort_by(|a, b| a.number.cmp(&b.number));
    found
}

/// The changes of the same things that the caller sees, but for one.
fn nearby(
    reading: &mut Reading<'_>,
    items: &BTreeMap<RecordId, Near>,
    within: Span,
    but: RecordId,
) -> Result<Vec<ChangeSubject>> {
    let mut near = HashMap::new();
    for change in plan::seen(reading, within, SHOWN, 500)?.into_iter().filter(|change| change.id != but) {
        let touched = plan::touched(reading.connection, &change)?;
        if touched.iter().any(|item| items.contains_key(item)) {
            near.insert(change.id, change);
        }
    }
    Ok(in_order(&near))
}
