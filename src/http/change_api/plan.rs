//! Planning one change: its conflicts, the first free time, and what it would do.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{CHANGE, DAYS, reads};
use crate::{
    clock::Moment,
    error::{Code, Result},
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
        conflict::{Conflict, ConflictKind, Span, free_slot},
        plan::{self, SHOWN},
    },
    record::{
        graph::{
            impact::{self, Asked, Impact},
            walk::DEEPEST,
        },
        header::Header,
        link::LinkedRecord,
        service_level::attainment::{Attainment, By, Question, attained},
        store::Reading,
        visibility,
    },
};

/// How far around a change others are near it.
const AROUND: TimeDelta = TimeDelta::days(7);

/// Records that a preview tells of as hit, and services, at most.
const HITS: usize = 200;
/// Changes near it that a preview tells of, at most.
const NEARBY: i64 = 500;
/// The time over which error budgets are reckoned.
const BUDGET: TimeDelta = TimeDelta::days(30);
/// Services whose service levels a preview tells of, at most.
const SERVICES: usize = 10;

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(conflicts(), list_conflicts).mount(slot(), get_free_slot).mount(preview(), get_preview);
}

/// Something that a change gets in the way of, or that is in its way.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ChangeConflict {
    /// What it is.
    kind: ConflictKind,
    /// What both touch; null where it is about a person, about everything, or about what you don't see.
    #[schema(required = true)]
    item: Option<LinkedRecord>,
    /// The other change; null where there is none, or where you don't see it.
    #[schema(required = true)]
    change: Option<LinkedRecord>,
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
    let subject = |id: Option<RecordId>| id.and_then(|id| seen.get(&id)).map(LinkedRecord::of);
    let shown = found.into_iter().map(|Conflict { kind, item, change, window, over_at }| ChangeConflict {
        kind,
        item: subject(item),
        change: subject(change),
        // A window may tell of what it is about.
        window: window.filter(|_| item.is_none_or(|item| seen.contains_key(&item))),
        over_at,
    });
    Ok(shown.collect())
}

fn subject(kind: &str, number: &str, title: &str) -> Value {
    let id = "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7c";
    json!({"id": id, "kind": kind, "number": number, "title": title, "state": "live", "phase": "open"})
}

fn conflict() -> Value {
    json!({"kind": "ci_in_blackout", "item": subject("configuration_item", "CI0000012", "Core switch"), "change": null, "window": "End of year", "over_at": "2027-01-04T00:00:00Z"})
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
            let touched = plan::touched_by(reading.connection, &header)?;
            let found = plan::of(reading.kernel, reading.connection, &header, &touched, reading.cause.at)?;
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
            let touched = plan::touched_by(reading.connection, &header)?;
            let wanted = plan::wanted(reading.kernel, reading.connection, &header, &touched)?;
            let ground = plan::ground(reading.connection, &wanted, within, header.id, reading.cause.at)?;
            Ok(free_slot(&ground, &wanted, length, within))
        })
        .await?;
    let (planned_start, planned_end) = found.map(|span| (span.from, span.until)).unzip();
    Ok(HttpResponse::Ok().json(FreeSlot { planned_start, planned_end }))
}

/// How the service levels of a service stand.
#[derive(Debug, Serialize, ToSchema)]
struct ServiceLevelsLeft {
    /// The service.
    service: LinkedRecord,
    /// How often each was met in the last 30 days, and what may still be missed.
    levels: Vec<Attainment>,
}

/// What would be hit by changes that are made at the same time.
#[derive(Debug, Serialize, ToSchema)]
struct ChangesAtOnce {
    /// The others, which touch the same things, what they hit, or what takes their place meanwhile.
    changes: Vec<LinkedRecord>,
    /// What would be hit while all that they touch is down as well; and what goes on, with how much of its redundancy is left then.
    impact: Impact,
}

/// What a change would do if it were made as it is planned. Nothing is stored.
#[derive(Debug, Serialize, ToSchema)]
struct ChangePreview {
    /// What it touches: its configuration item, its service, and what it is linked with by `affects`.
    touches: Vec<LinkedRecord>,
    /// What would be hit while all of that is down, each with the way and the reason; and what goes on, with how much of its redundancy
    /// is left.
    impact: Impact,
    /// The services that it touches or hits: the nearest 200.
    services: Vec<LinkedRecord>,
    /// How long users would notice it, in minutes; 0 where they would not.
    outage_minutes: i32,
    /// What it would get in the way of.
    conflicts: Vec<ChangeConflict>,
    /// Other changes of the same things, of what they hit, or of what takes their place meanwhile, within a week of it: the first 500.
    changes_nearby: Vec<LinkedRecord>,
    /// What it would do together with those of them that are made at the same time; null where none is.
    #[schema(required = true)]
    at_once: Option<ChangesAtOnce>,
    /// Incidents of the same things that are open now, at most 200.
    open_incidents: Vec<LinkedRecord>,
    /// How the service levels of the first ten of these services stand; none where you may not read them.
    service_levels: Vec<ServiceLevelsLeft>,
}

fn preview() -> Endpoint {
    let mut endpoint = reads("impact-preview", "get_change_impact_preview");
    endpoint.summary = "Preview what a change would do".into();
    endpoint.description = "In one call, and without any effect: which configuration items and services it hits and why, what goes on by redundancy and \
                            with how much of it left, also while others are made at the same time, how long users notice it, what it gets in the way \
                            of, which other changes and open incidents are near, and what the service levels of the services have left of the last \
                            30 days. What you may not see is left out."
        .into();
    let (switch, service) =
        (subject("configuration_item", "CI0000012", "Core switch"), subject("service", "SVC0000003", "Shop"));
    let hit = json!({
        "record": service, "depth": 1, "critical": true, "reason": "dependency", "redundancy": null,
        "path": [{"record": service, "relation": "depends_on"}],
    });
    let level = json!({
        "agreement": "sla", "metric": "resolution", "key": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b15", "label": "Incident resolution",
        "met": 190, "missed": 6, "percent": 96.94, "mean_seconds": 14_400.0,
        "budget": {"objective": 95.0, "allowed": 9, "left": 3},
    });
    let example = json!({
        "touches": [switch],
        "impact": {
            "direction": "up", "depth": DEEPEST, "total": 1, "by_kind": {"service": 1}, "records": [hit], "spared": [],
        },
        "services": [service], "outage_minutes": 20, "conflicts": [conflict()], "changes_nearby": [], "at_once": null, "open_incidents": [],
        "service_levels": [{"service": service, "levels": [level]}],
    });
    endpoint.responses = vec![Answer::json(200, "What it would do.", schema::<ChangePreview>(), example)];
    endpoint
}

async fn get_preview(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let shown = call.read(move |reading| previewed(reading, &id)).await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn previewed(reading: &mut Reading<'_>, id: &str) -> Result<ChangePreview> {
    let (kernel, caller) = (reading.kernel, reading.cause.caller.clone());
    let header = visible(reading, CHANGE, id)?;
    let touched = plan::touched_by(reading.connection, &header)?;
    let asked = Asked { starts: touched.clone(), depth: DEEPEST, limit: HITS, ..Asked::default() };
    let impact = impact::impact(kernel, reading.connection, &caller, &asked)?;
    let hit = impact::ids(kernel, reading.connection, &asked)?;
    let about: BTreeSet<RecordId> = touched.iter().chain(&hit).copied().collect();
    let found = plan::of(kernel, reading.connection, &header, &touched, reading.cause.at)?;
    let conflicts = shown(reading, found)?;
    let outage = plan::outage(reading.connection, header.id)?;
    let others = plan::span(&header).map_or(Ok(Vec::new()), |span| {
        let mut near = plan::instead(kernel, reading.connection, &about)?;
        near.extend(impact.spared.iter().map(|spared| spared.record.id));
        near.extend(&about);
        nearby(reading, &near, span, header.id)
    })?;
    let at_once = at_once(reading, &asked, &header, &others)?;
    let incidents = plan::open_incidents(reading, &about)?;
    let open_incidents = in_order(reading, incidents)?;
    let touches = in_order(reading, touched)?;
    let services = services(reading, &touches, &asked)?;
    let service_levels = levels_left(reading, &services)?;
    Ok(ChangePreview {
        touches,
        impact,
        services,
        outage_minutes: i32::try_from(outage.num_minutes()).unwrap_or(i32::MAX),
        conflicts,
        changes_nearby: others.iter().map(|(change, _)| LinkedRecord::of(change)).collect(),
        at_once,
        open_incidents,
        service_levels,
    })
}

/// The services that are touched, and those that are hit, the nearest first.
fn services(reading: &mut Reading<'_>, touches: &[LinkedRecord], asked: &Asked) -> Result<Vec<LinkedRecord>> {
    const KIND: &str = "service";
    let of_services = Asked { kind: Some(KIND.to_owned()), ..asked.clone() };
    let hit = impact::ids(reading.kernel, reading.connection, &of_services)?;
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, hit.clone())?;
    let touched = touches.iter().filter(|record| record.kind == KIND).cloned();
    let hit = hit.iter().filter_map(|id| seen.get(id)).map(LinkedRecord::of);
    Ok(touched.chain(hit).take(HITS).collect())
}

/// Those of these that the caller sees, by number.
fn in_order(reading: &mut Reading<'_>, ids: Vec<RecordId>) -> Result<Vec<LinkedRecord>> {
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let mut shown: Vec<LinkedRecord> = seen.values().map(LinkedRecord::of).collect();
    shown.sort_by(|a, b| a.number.cmp(&b.number));
    Ok(shown)
}

/// A change, and what it touches.
type Other = (Header, BTreeSet<RecordId>);

/// The changes near a span of time, but for one, of any of these things, that the caller sees.
fn nearby(reading: &mut Reading<'_>, about: &BTreeSet<RecordId>, span: Span, but: RecordId) -> Result<Vec<Other>> {
    let within = Span { from: span.from.minus(AROUND), until: span.until.plus(AROUND) };
    let changes = plan::seen(reading, within, SHOWN, Some(about), NEARBY)?;
    let mut touched = plan::touched(reading.connection, &changes)?;
    let others = changes.into_iter().filter(|change| change.id != but);
    let with_touched = others.map(|change| {
        let own = touched.remove(&change.id).unwrap_or_default();
        (change, own)
    });
    Ok(with_touched.collect())
}

/// What is hit by a change together with those of the others that are made at the same time; nothing where none is.
fn at_once(
    reading: &mut Reading<'_>,
    asked: &Asked,
    header: &Header,
    others: &[Other],
) -> Result<Option<ChangesAtOnce>> {
    let meets = |other: &Header| plan::span(header).zip(plan::span(other)).is_some_and(|(a, b)| a.meets(b));
    let is_then = |(other, _): &&Other| plan::AHEAD.contains(&other.state.as_str()) && meets(other);
    let then: Vec<&Other> = others.iter().filter(is_then).collect();
    if then.is_empty() {
        return Ok(None);
    }
    let theirs = then.iter().flat_map(|(_, touched)| touched).copied();
    let asked = Asked { starts: asked.starts.iter().copied().chain(theirs).collect(), ..asked.clone() };
    let impact = impact::impact(reading.kernel, reading.connection, &reading.cause.caller, &asked)?;
    Ok(Some(ChangesAtOnce { changes: then.iter().map(|(change, _)| LinkedRecord::of(change)).collect(), impact }))
}

/// How the service levels of these services stand.
fn levels_left(reading: &mut Reading<'_>, services: &[LinkedRecord]) -> Result<Vec<ServiceLevelsLeft>> {
    if !reading.cause.caller.can("service_level.read") {
        return Ok(Vec::new());
    }
    let until = reading.cause.at;
    let left = services.iter().take(SERVICES).cloned().map(|service| {
        let about = Some(service.id);
        let question = Question { service: about, ..Question::of(By::ServiceLevel, until.minus(BUDGET), until) };
        Ok(ServiceLevelsLeft { service, levels: attained(reading, &question)? })
    });
    left.collect()
}
