//! Clusters of incidents, of which problems are made before anybody asks.

use actix_web::{HttpRequest, HttpResponse, http::Method};
use chrono::TimeDelta;
use serde_json::{Value, json};
use utoipa::openapi::{ObjectBuilder, schema::Type};

use super::PROBLEM;
use crate::{
    error::{Code, Result},
    http::{
        body::Body,
        desk::{self, Call, Reply, object},
        endpoint::{self, Access, Answer, Content, Endpoint, in_query, needed, short_text, whole_number},
        mount::Api,
        parameter::{dry_run, idempotency_key, reason},
        query::{Query, refused},
        record_api::{counts, shape},
        schema::{Shape, named, schema},
    },
    practice::{
        incident::IncidentPractice,
        problem::cluster::{self, IncidentClusters, Question, Raised, clusters},
    },
    record::{kind::Kind, practice::Practice, tally},
};

const INCIDENT: &Kind = &IncidentPractice::KIND;
/// How long a window is where its beginning is not given.
const WINDOW: TimeDelta = TimeDelta::days(90);
/// How many incidents make a cluster where nobody says otherwise.
const LEAST: i64 = 5;

pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_clusters).mount(raise(), raise_problem);
}

fn list() -> Endpoint {
    let example = json!({
        "from": "2026-01-01T00:00:00Z", "until": "2026-04-01T00:00:00Z", "total": 812,
        "items": [{
            "key": {"category": "mail", "subcategory": "delivery"}, "label": {"category": "mail", "subcategory": "delivery"},
            "count": 96, "first_opened_at": "2026-01-02T08:15:00Z", "last_opened_at": "2026-03-30T16:40:00Z",
            "before": 41, "trend": "rising", "percent": 11.82, "cumulative_percent": 11.82, "vital": true,
            "filter": "opened_at >= \"2026-01-01T00:00:00Z\" AND opened_at < \"2026-04-01T00:00:00Z\" AND category = \"mail\" AND subcategory = \"delivery\"",
            "problems": [{
                "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "number": "PRB0000003", "title": "Mail stops when the disk is full",
                "state": "assess", "open": true, "incidents": 12,
            }],
        }],
    });
    let moment = |name, doc, at: &str| in_query(name, doc, endpoint::moment(), at);
    Endpoint {
        method: Method::GET,
        path: "/api/v1/incident-clusters".into(),
        id: "list_incident_clusters".into(),
        tag: PROBLEM.label.into(),
        access: Access::Permission(PROBLEM.permission("read").into()),
        summary: "Find incidents that come again and again".into(),
        description: "Incidents that were opened in a window and have the same values of some fields, the most first: with what share of all they \
                      are (Pareto), whether they become more than in the window of the same length before, and to which problems they belong \
                      already. Only incidents that you may see. Needs the permission `incident.read` as well."
            .into(),
        parameters: vec![
            counts::by("service_id,category"),
            moment("from", "Opened from then on; 90 days before `until`, where it is not given.", "2026-01-01T00:00:00Z"),
            moment("until", "Opened before; now, where it is not given.", "2026-04-01T00:00:00Z"),
            in_query("least", "How many make a cluster, in the window or in the one before; 5 where it is not given.", whole_number(), 5),
            in_query("filter", "Only those that fit this filter, as in the list of incidents.", short_text(4_096), "priority <= 2"),
        ],
        request: None,
        responses: vec![Answer::json(200, "The clusters.", schema::<IncidentClusters>(), example)],
        problems: vec![Code::BadQuery, Code::Forbidden],
    }
}

async fn list_clusters(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let query = Query::read(&pairs, &["by", "from", "until", "least", "filter"])?;
    let names = counts::named_in(&query);
    let by = tally::named(INCIDENT, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let until = query.moment("until")?.unwrap_or(call.cause.at);
    let from = query.moment("from")?.unwrap_or(until.minus(WINDOW));
    if from >= until {
        return Err(refused("until", "out_of_range", "`until` comes after `from`.".to_owned()));
    }
    let least = desk::number(&request, "least")?.unwrap_or(LEAST);
    let question = Question { by, from, until, filter: query.text("filter").map(str::to_owned), least };
    let found = call
        .read(move |reading| {
            reading.cause.caller.require(&INCIDENT.permission("read"))?;
            clusters(reading, INCIDENT, &question)
        })
        .await?;
    Ok(HttpResponse::Ok().json(found))
}

/// A problem that was raised from incidents.
fn raised() -> Shape {
    let problem = shape::record(PROBLEM);
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let object = ObjectBuilder::new()
        .description(Some("A problem that was raised from incidents."))
        .property("problem", problem.reference())
        .required("problem")
        .property("linked", number().description(Some("How many incidents were linked with it.")))
        .required("linked")
        .property(
            "more",
            ObjectBuilder::new()
                .schema_type(Type::Boolean)
                .description(Some("Whether there are more that belong to no problem yet.")),
        )
        .required("more");
    named("ClusterRaisedProblem", object.build()).with(problem)
}

fn raise() -> Endpoint {
    let example = json!({"problem": shape::example(PROBLEM), "linked": 96, "more": false});
    Endpoint {
        method: Method::POST,
        path: "/api/v1/incident-clusters/raise-problem".into(),
        id: "raise_problem_from_incident_cluster".into(),
        tag: PROBLEM.label.into(),
        access: Access::Permission(PROBLEM.permission("create").into()),
        summary: "Raise a problem from incidents that come again and again".into(),
        description: "Makes a proactive problem with what all of them have in common and what you add, and links those that belong to no problem \
                      yet with it by `caused_by`, the latest 200 at most; all of it or nothing. Needs the permission `incident.update` as well."
            .into(),
        parameters: vec![
            needed(in_query(
                "filter",
                "Which incidents: the `filter` of a cluster, or another one.",
                short_text(4_096),
                "phase=open",
            )),
            dry_run(),
            idempotency_key(),
            reason(),
        ],
        request: Some(Content::json(shape::change(PROBLEM), json!({"title": "Mail is delivered twice"}))),
        responses: vec![
            Answer::json(201, "It is made, and linked.", raised(), example)
                .header("ETag", "The version of the problem, for `If-Match`.")
                .header("Location", "Where the problem is."),
        ],
        problems: vec![
            Code::BadQuery,
            Code::Forbidden,
            Code::Invalid,
            Code::Conflict,
            Code::RefusedByPolicy,
            Code::IdempotencyMismatch,
        ],
    }
}

async fn raise_problem(call: Call, request: HttpRequest, Body(body): Body<Value>) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let filter = Query::of(&pairs).text("filter").map(str::to_owned);
    let filter = filter.ok_or_else(|| refused("filter", "required", "`filter` says which incidents.".to_owned()))?;
    let given = object(body.clone())?;
    call.write(&body, move |desk| {
        desk.cause.caller.require(&INCIDENT.permission("read"))?;
        let Raised { problem, linked, more } = cluster::raise(desk, INCIDENT, &filter, given.clone())?;
        let location = format!("/api/v1/{}/{}", PROBLEM.plural, problem.id);
        let shown = json!({"problem": problem.record, "linked": linked.len(), "more": more});
        Ok(Reply::created(location, shown).at_version(problem.version))
    })
    .await
}
