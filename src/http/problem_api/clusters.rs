//! Clusters of incidents, of which problems are made before anybody asks.

use actix_web::{HttpRequest, HttpResponse, http::Method};
use chrono::TimeDelta;
use serde_json::json;

use super::PROBLEM;
use crate::{
    error::{Code, Result},
    http::{
        desk::{self, Call},
        endpoint::{self, Access, Answer, Endpoint, in_query, short_text, whole_number},
        mount::Api,
        query::{Query, refused},
        record_api::counts,
        schema::schema,
    },
    practice::{
        incident::IncidentPractice,
        problem::cluster::{IncidentClusters, Question, clusters},
    },
    record::{kind::Kind, practice::Practice, tally},
};

const INCIDENT: &Kind = &IncidentPractice::KIND;
/// How long a window is where its beginning is not given.
const WINDOW: TimeDelta = TimeDelta::days(90);
/// How many incidents make a cluster where nobody says otherwise.
const LEAST: i64 = 5;

pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_clusters);
}

fn list() -> Endpoint {
    let example = json!({
        "from": "2026-01-01T00:00:00Z", "until": "2026-04-01T00:00:00Z", "total": 812,
        "items": [{
            "key": {"category": "mail", "subcategory": "delivery"}, "label": {"category": "mail", "subcategory": "delivery"},
            "count": 96, "first_opened_at": "2026-01-02T08:15:00Z", "last_opened_at": "2026-03-30T16:40:00Z",
            "before": 41, "trend": "rising", "percent": 11.82, "cumulative_percent": 11.82, "vital": true,
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
                      are (Pareto), and whether they become more than in the window of the same length before. Only incidents that you may \
                      see. Needs the permission `incident.read` as well."
            .into(),
        parameters: vec![
            counts::by("service_id,category"),
            moment("from", "Opened from then on; 90 days before `until`, where it is not given.", "2026-01-01T00:00:00Z"),
            moment("until", "Opened before; now, where it is not given.", "2026-04-01T00:00:00Z"),
            in_query("least", "How many make a cluster; 5 where it is not given.", whole_number(), 5),
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
