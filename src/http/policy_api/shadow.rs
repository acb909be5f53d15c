//! Versions that run beside the live one, without effect: start, look, stop.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Studio,
    declare::{policy_id, version_number},
    gate::may_know_why,
    shape::PolicyVersion,
    versions,
};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        desk::{self, Call, Reply},
        endpoint::{Answer, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, reason},
        schema,
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId},
    policy::{
        live,
        log::explain,
        shadow::{self, Figures, SAMPLE},
        store::{PolicyRow, VersionRow},
    },
    record::{
        decide::DecisionRow,
        store::{Desk, Reading},
        visibility,
    },
};

/// How a version in the shadow fares, over its latest evaluations.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyShadow {
    /// The version.
    version: PolicyVersion,
    /// How many evaluations the figures are made of, 1,000 at most.
    evaluations: usize,
    /// How many of them failed. It is let go of when more than 5 % do, after 20 evaluations.
    errors: usize,
    /// With how many of them the decision would have come out otherwise.
    different: usize,
}

/// A decision that would have come out otherwise with a version in the shadow.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyDivergence {
    /// The evaluation in the decision log.
    decision_id: RowId,
    /// When.
    at: Moment,
    /// The record; null for one that you may not see, as are its number and the explanation. That also needs `decision.read`.
    record_id: Option<RecordId>,
    /// Its number.
    number: Option<String>,
    /// For each field that differs what was live came to, and what the shadow would have.
    #[schema(value_type = std::collections::BTreeMap<String, [String; 2]>)]
    fields: Value,
    /// Why the shadow would have.
    why: Option<String>,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(start(), start_shadow).mount(stop(), stop_shadow).mount(get(), get_shadow);
    api.mount(divergences(), list_divergences);
}

fn endpoint(method: Method, rest: &str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        parameters: vec![policy_id(), version_number(), dry_run(), idempotency_key(), reason()],
        responses: vec![Answer::json(
            200,
            "The version.",
            schema::schema::<PolicyVersion>(),
            versions::summary("shadow"),
        )],
        problems: vec![Code::NotFound, Code::Conflict, Code::Invalid],
        ..Endpoint::new(method, format!("/api/v1/policies/{{id}}/versions/{{number}}/{rest}"), id, "Policy", permission)
    }
}

fn start() -> Endpoint {
    Endpoint {
        summary: "Let a version run in the shadow of the live one".into(),
        description: "Every decision that is made from now on is also made with this version in the place of its policy. Nothing of that is carried out; where it would have come out otherwise, that is kept. One version of each policy at a time; its checks and tests must be green. To promote it, publish it.".into(),
        ..endpoint(Method::POST, "shadow", "start_policy_shadow", "policy.publish")
    }
}

async fn start_shadow(call: Call, studio: web::Data<Studio>, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (id, number) = path.into_inner();
    versions::examined(&call, &studio, id.clone(), number).await?.must_be_green()?;
    let answer =
        call.write(&Value::Null, move |desk| moved(desk, &id, number, "shadow_started", shadow::start)).await?;
    studio.policies.expire();
    Ok(answer)
}

fn stop() -> Endpoint {
    Endpoint {
        summary: "Let a version run in the shadow no more".into(),
        description: "What was found meanwhile is kept.".into(),
        problems: vec![Code::NotFound, Code::Conflict],
        responses: vec![Answer::json(
            200,
            "The version.",
            schema::schema::<PolicyVersion>(),
            versions::summary("draft"),
        )],
        ..endpoint(Method::POST, "unshadow", "stop_policy_shadow", "policy.publish")
    }
}

async fn stop_shadow(call: Call, studio: web::Data<Studio>, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let (id, number) = path.into_inner();
    let answer = call.write(&Value::Null, move |desk| moved(desk, &id, number, "shadow_stopped", shadow::stop)).await?;
    studio.policies.expire();
    Ok(answer)
}

type Move = fn(&mut Desk<'_, '_>, PolicyRow, VersionRow) -> Result<VersionRow>;

fn moved(desk: &mut Desk<'_, '_>, id: &str, number: i32, action: &str, change: Move) -> Result<Reply> {
    let connection = desk.unit.connection()?;
    let policy = PolicyRow::find(connection, id)?;
    let version = policy.version(connection, number)?;
    let (subject, before) = ((policy.id, policy.version), version.state.clone());
    let version = change(desk, policy, version)?;
    let told = json!({"number": [null, number], "state": [before, version.state]});
    desk.tell(action, ("policy", subject.0.as_str(), subject.1), &told)?;
    Ok(Reply::ok(serde_json::to_value(PolicyVersion::from(&version)).map_err(Error::internal)?))
}

fn get() -> Endpoint {
    let example = json!({"version": versions::summary("shadow"), "evaluations": SAMPLE, "errors": 0, "different": 12});
    Endpoint {
        summary: "How a version in the shadow fares".into(),
        description: "Over its latest evaluations, by all nodes.".into(),
        parameters: vec![policy_id(), version_number()],
        responses: vec![Answer::json(200, "How it fares.", schema::schema::<PolicyShadow>(), example)],
        problems: vec![Code::NotFound],
        ..endpoint(Method::GET, "shadow", "get_policy_shadow", "policy.read")
    }
}

fn found(reading: &mut Reading<'_>, id: &str, number: i32) -> Result<(PolicyRow, VersionRow)> {
    let policy = PolicyRow::find(reading.connection, id)?;
    let version = policy.version(reading.connection, number)?;
    Ok((policy, version))
}

async fn get_shadow(call: Call, path: web::Path<(String, i32)>) -> Result<HttpResponse> {
    let shown = call
        .read(move |reading| {
            let (_, version) = found(reading, &path.0, path.1)?;
            let Figures { evaluations, errors, different } = Figures::of(reading.connection, &version)?;
            Ok(PolicyShadow { version: PolicyVersion::from(&version), evaluations, errors, different })
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn divergences() -> Endpoint {
    let [limit, cursor] = sheet::parameters();
    let example = json!({
        "items": [{
            "decision_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "at": "2026-03-02T08:15:00Z",
            "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "number": "INC0000012",
            "fields": {"team": ["service-desk", "network-operations"]},
            "why": "INC0000012 went to network-operations because rule \"The category table\" (line 20 of routing_incidents v4) fitted.",
        }],
        "next_cursor": null,
    });
    let page = sheet::shape("PolicyDivergence", schema::schema::<PolicyDivergence>());
    Endpoint {
        summary: "Where a version in the shadow differs".into(),
        description: "The decisions that would have come out otherwise with it, the newest first.".into(),
        parameters: vec![policy_id(), version_number(), limit, cursor],
        responses: vec![
            Answer::json(200, "A page of them.", page, example).header("Link", "The `next` page (RFC 8288)."),
        ],
        problems: vec![Code::NotFound, Code::BadCursor],
        ..endpoint(Method::GET, "divergences", "list_policy_divergences", "policy.read")
    }
}

async fn list_divergences(call: Call, path: web::Path<(String, i32)>, request: HttpRequest) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 0)?;
    let (below, rows) = (sheet.after_id()?, sheet.rows());
    let found = call
        .read(move |reading| {
            let (policy, version) = found(reading, &path.0, path.1)?;
            let rows = shadow::divergences(reading.connection, &version, below, rows)?;
            seen(reading, &policy, rows)
        })
        .await?;
    let cut = sheet.cut(found, |one| (Vec::new(), one.decision_id.to_string()))?;
    Ok(sheet.respond(&cut, None))
}

/// The divergences, without what the caller may not see.
fn seen(reading: &mut Reading<'_>, policy: &PolicyRow, rows: Vec<DecisionRow>) -> Result<Vec<PolicyDivergence>> {
    let ids = rows.iter().map(|row| row.record_id).collect();
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let may_know_why = may_know_why(&reading.cause.caller);
    let shown = rows.into_iter().map(|row| {
        let header = seen.get(&row.record_id);
        let entry = header
            .filter(|_| may_know_why)
            .map(|h| live::entry(&row, policy.name.clone(), h.number.clone()))
            .transpose()?;
        Ok(PolicyDivergence {
            decision_id: row.id,
            at: row.at,
            record_id: header.map(|h| h.id),
            number: header.map(|h| h.number.clone()),
            fields: row.differs.map(|d| d.read()).transpose()?.unwrap_or_default(),
            why: entry.map(|e| explain(e.decision, e.record.as_deref(), &e.run)),
        })
    });
    shown.collect()
}
