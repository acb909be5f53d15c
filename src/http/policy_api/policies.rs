//! Policies themselves: list, make, read, change.

use actix_web::{HttpRequest, HttpResponse, http::Method, http::header, web};
use serde_json::{Value, json};

use super::{
    Studio, check_length, check_name,
    declare::policy_id,
    gate::check_kind,
    same_version,
    shape::{NewPolicy, Policy, PolicyChange, PolicyList},
};
use crate::{
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::{self, Call, Reply},
        endpoint::{Access, Answer, Content, Endpoint, in_query},
        entity_tag::{etag, is_known},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema,
    },
    id::RowId,
    policy::{decision::Decision, store::PolicyRow},
    record::store::Desk,
};

/// Names that are paths of their own.
const RESERVED: &[&str] = &["format", "simulate", "validate"];
/// Longest description.
pub(super) const LONGEST: usize = 4_000;

pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_policies).mount(create(), create_policy).mount(get(), get_policy);
    api.mount(patch(), patch_policy);
}

pub(super) fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "name": "routing_incidents", "decision": "routing",
        "kind": "incident", "description": "Which team gets an incident?", "position": 1, "enabled": true,
        "active_version": 3, "version": 7, "least_line_coverage": 100, "least_branch_coverage": null,
        "created_at": "2026-03-02T08:15:00Z", "updated_at": "2026-03-05T16:40:00Z",
    })
}

/// The answer of everything that changes a policy.
pub(super) fn changed() -> Answer {
    Answer::json(200, "As it is now.", schema::schema::<Policy>(), example())
        .header("ETag", "Its version, for `If-Match`.")
}

/// The reply of everything that changes a policy.
pub(super) fn reply(row: &PolicyRow) -> Result<Reply> {
    let body = serde_json::to_value(Policy::of(row)?).map_err(Error::internal)?;
    Ok(Reply::ok(body).at_version(row.version))
}

fn list() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "/api/v1/policies".into(),
        id: "list_policies".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "List policies".into(),
        description: "All of them, by decision and then in the order in which they are asked.".into(),
        parameters: vec![in_query(
            "decision",
            "Only those that answer this decision.",
            schema::schema::<Decision>().reference(),
            "routing",
        )],
        request: None,
        responses: vec![Answer::json(
            200,
            "The policies.",
            schema::schema::<PolicyList>(),
            json!({"items": [example()]}),
        )],
        problems: vec![Code::BadQuery],
    }
}

async fn list_policies(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let wanted = match query.iter().find(|(name, _)| name == "decision") {
        None => None,
        Some((_, name)) => Some(Decision::named(name).ok_or_else(|| {
            let near = crate::error::did_you_mean(name, crate::policy::decision::DECISIONS.iter().map(|d| d.name));
            Error::new(Code::BadQuery, format!("There is no decision `{name}`{near}."))
        })?),
    };
    let rows = call.read(|reading| PolicyRow::all(reading.connection)).await?;
    let items = rows.iter().map(Policy::of).collect::<Result<Vec<_>>>()?;
    let items = items.into_iter().filter(|p| wanted.is_none_or(|w| w == p.decision)).collect();
    Ok(HttpResponse::Ok().json(PolicyList { items }))
}

fn create() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies".into(),
        id: "create_policy".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.write".into()),
        summary: "Make a policy".into(),
        description: "It has no version yet and decides nothing before one is published.".into(),
        parameters: vec![dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(
            schema::schema::<NewPolicy>(),
            json!({"name": "routing_payments", "decision": "routing", "description": "Payments go to their own desk."}),
        )),
        responses: vec![
            Answer::json(201, "It was made.", schema::schema::<Policy>(), example())
                .header("ETag", "Its version, for `If-Match`.")
                .header("Location", "Where it is."),
        ],
        problems: vec![Code::Invalid],
    }
}

async fn create_policy(call: Call, Body(new): Body<NewPolicy>) -> Result<HttpResponse> {
    check_name(&new.name)?;
    check_length("/description", &new.description, LONGEST)?;
    if RESERVED.contains(&new.name.as_str()) {
        return Err(Error::invalid("/name", "taken", format!("`{}` is the name of something else.", new.name)));
    }
    check_kind(&call.service.kernel, new.kind.as_deref(), new.decision)?;
    let body = serde_json::to_value(&new).map_err(Error::internal)?;
    call.write(&body, move |desk| {
        let row = added(desk, &new)?;
        Ok(Reply { status: 201, location: Some(format!("/api/v1/policies/{}", row.name)), ..reply(&row)? })
    })
    .await
}

fn added(desk: &mut Desk<'_, '_>, new: &NewPolicy) -> Result<PolicyRow> {
    let connection = desk.unit.connection()?;
    let decision = new.decision.spec().name;
    let last = || -> Result<i32> {
        let same = PolicyRow::all(connection)?.into_iter().filter(|p| p.decision == decision);
        Ok(same.map(|p| p.position.saturating_add(1)).max().unwrap_or(0))
    };
    let row = PolicyRow {
        id: RowId::new(),
        name: new.name.clone(),
        decision: decision.to_owned(),
        kind: new.kind.clone().unwrap_or_else(|| new.decision.first_kind().to_owned()),
        description: new.description.clone(),
        position: new.position.map_or_else(last, Ok)?,
        enabled: new.enabled,
        active_version: None,
        version: 1,
        created_at: desk.cause.at,
        updated_at: desk.cause.at,
        least_line_coverage: None,
        least_branch_coverage: None,
    };
    row.insert(desk.unit.connection()?)?;
    let told = json!({"name": [null, row.name], "decision": [null, row.decision], "kind": [null, row.kind]});
    desk.tell("created", ("policy", row.id.as_str(), row.version), &told)?;
    Ok(row)
}

fn get() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "/api/v1/policies/{id}".into(),
        id: "get_policy".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "Read a policy".into(),
        description: "With `If-None-Match`, 304 when you have this version already.".into(),
        parameters: vec![policy_id()],
        request: None,
        responses: vec![changed(), Answer::empty(304, "You have this version already.")],
        problems: vec![Code::NotFound],
    }
}

async fn get_policy(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let row = call.read(move |reading| PolicyRow::find(reading.connection, &id)).await?;
    let tag = (header::ETAG, etag(row.version));
    if is_known(&request, row.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(HttpResponse::Ok().insert_header(tag).json(Policy::of(&row)?))
}

fn patch() -> Endpoint {
    Endpoint {
        method: Method::PATCH,
        path: "/api/v1/policies/{id}".into(),
        id: "update_policy".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.publish".into()),
        summary: "Change a policy".into(),
        description: "A merge patch (RFC 7396) of what may change: description, position, whether it is enabled, and how much of a version its tests have to reach. It is live at once, so it needs the permission to publish.".into(),
        parameters: vec![policy_id(), if_match(true), dry_run(), reason()],
        request: Some(Content::merge_patch(schema::schema::<PolicyChange>(), json!({"enabled": false}))),
        responses: vec![changed()],
        problems: vec![Code::NotFound, Code::Invalid],
    }
}

async fn patch_policy(
    call: Call,
    studio: web::Data<Studio>,
    id: web::Path<String>,
    Body(change): Body<PolicyChange>,
) -> Result<HttpResponse> {
    let expected = call.expected()?;
    check_length("/description", change.description.as_deref().unwrap_or_default(), LONGEST)?;
    check_share("/least_line_coverage", change.least_line_coverage)?;
    check_share("/least_branch_coverage", change.least_branch_coverage)?;
    let body = serde_json::to_value(&change).map_err(Error::internal)?;
    let answer = call
        .write(&body, move |desk| {
            let old = PolicyRow::find(desk.unit.connection()?, &id)?;
            same_version(&expected, old.version)?;
            reply(&updated(desk, &old, &change)?)
        })
        .await?;
    studio.policies.expire();
    Ok(answer)
}

/// Refuses what is no share in per cent.
fn check_share(pointer: &str, given: Option<Option<i32>>) -> Result<()> {
    if given.flatten().is_none_or(|share| (0..=100).contains(&share)) {
        return Ok(());
    }
    Err(Error::invalid(pointer, "out_of_range", "A share is 0 to 100 per cent."))
}

fn updated(desk: &mut Desk<'_, '_>, old: &PolicyRow, change: &PolicyChange) -> Result<PolicyRow> {
    let mut row = old.clone();
    row.description = change.description.clone().unwrap_or(row.description);
    row.position = change.position.unwrap_or(row.position);
    row.enabled = change.enabled.unwrap_or(row.enabled);
    row.least_line_coverage = change.least_line_coverage.unwrap_or(row.least_line_coverage);
    row.least_branch_coverage = change.least_branch_coverage.unwrap_or(row.least_branch_coverage);
    let fields = [
        ("description", json!(old.description), json!(row.description)),
        ("position", json!(old.position), json!(row.position)),
        ("enabled", json!(old.enabled), json!(row.enabled)),
        ("least_line_coverage", json!(old.least_line_coverage), json!(row.least_line_coverage)),
        ("least_branch_coverage", json!(old.least_branch_coverage), json!(row.least_branch_coverage)),
    ];
    let told: serde_json::Map<String, Value> = fields
        .into_iter()
        .filter(|(_, from, to)| from != to)
        .map(|(name, from, to)| (name.to_owned(), json!([from, to])))
        .collect();
    if told.is_empty() {
        return Ok(row);
    }
    row.version += 1;
    row.updated_at = desk.cause.at;
    row.update(desk.unit.connection()?)?;
    desk.tell("updated", ("policy", row.id.as_str(), row.version), &Value::Object(told))?;
    Ok(row)
}
