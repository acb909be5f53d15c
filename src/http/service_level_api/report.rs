//! How often targets are met.

use actix_web::{HttpRequest, HttpResponse, http::Method};
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::TAG;
use crate::{
    clock::Moment,
    error::{Code, Result},
    http::{
        desk::{self, Call},
        endpoint::{Answer, Endpoint, in_query, moment, name_of},
        mount::Api,
        parameter::record_word,
        query::{Query, refused},
        record_api::visible,
        schema::schema,
    },
    id::RecordId,
    record::{
        service_level::{
            attainment::{Attainment, By, Question, attained},
            row::Agreement,
        },
        store::Reading,
    },
};

/// The longest period, in days.
const DAYS: i64 = 1_100;
const KNOWN: &[&str] = &["from", "until", "agreement", "metric", "kind", "service", "by"];

/// How often targets were met in a period.
#[derive(Debug, Serialize, ToSchema)]
struct AttainmentReport {
    /// Where the period begins.
    from: Moment,
    /// Where it ends.
    until: Moment,
    /// By what clocks were counted together.
    by: By,
    /// The counts, by agreement, metric and key.
    items: Vec<Attainment>,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(report(), get_report);
}

fn report() -> Endpoint {
    let item = json!({
        "agreement": "sla", "metric": "resolution", "key": "2", "label": "2", "met": 180, "missed": 20, "percent": 90.0,
        "mean_seconds": 14_400.0, "budget": null,
    });
    let example =
        json!({"from": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z", "by": "priority", "items": [item]});
    Endpoint {
        summary: "Read how often service levels were met".into(),
        description: "Of the clocks of records that you see which stopped in the period: met / (met + missed). What was cancelled counts neither way; a clock with several rounds was missed where one of them was. Counted by `service_level`, each tells its error budget, where it has an objective.".into(),
        parameters: vec![
            in_query("from", "Where the period begins; 30 days before its end where it is left out.", moment(), "2026-03-01T00:00:00Z"),
            in_query("until", "Where it ends; now where it is left out. At most 1,100 days later.", moment(), "2026-04-01T00:00:00Z"),
            in_query("agreement", "Only clocks of this agreement: `sla`, `ola` or `uc`.", name_of(10), "sla"),
            in_query("metric", "Only clocks that measure this.", name_of(60), "resolution"),
            in_query("kind", "Only clocks of records of this kind.", name_of(60), "incident"),
            in_query("service", "Only clocks of records about this service, by its id or number.", record_word(), "SVC0000003"),
            in_query("by", "By what they are counted together: `all`, `priority`, `organisation`, `service`, `team`, `service_level`, `kind`, `day` or `month`.", name_of(20), "priority"),
        ],
        responses: vec![Answer::json(200, "The counts.", schema::<AttainmentReport>(), example)],
        problems: vec![Code::BadQuery],
        ..Endpoint::new(Method::GET, "/api/v1/reports/service-levels".to_owned(), "report_service_levels", TAG, "service_level.read")
    }
}

async fn get_report(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let query = Query::read(&pairs, KNOWN)?;
    let until = query.moment("until")?.unwrap_or_else(|| call.service.clock.now());
    let from = query.moment("from")?.unwrap_or_else(|| until.minus(TimeDelta::days(30)));
    let length = until.since(from);
    if length < TimeDelta::zero() || length > TimeDelta::days(DAYS) {
        return Err(refused("until", "out_of_range", format!("`until` is at most {DAYS} days after `from`.")));
    }
    let by = query.choice("by", By::ALL)?.unwrap_or(By::All);
    let service = query.text("service").map(str::to_owned);
    let question = Question {
        agreement: query.choice("agreement", &Agreement::WORDS)?,
        metric: query.name("metric")?.map(str::to_owned),
        kind: query.name("kind")?.map(str::to_owned),
        ..Question::of(by, from, until)
    };
    let items = call
        .read(move |reading| {
            let service = service.map(|text| service_named(reading, &text)).transpose()?;
            attained(reading, &Question { service, ..question })
        })
        .await?;
    Ok(HttpResponse::Ok().json(AttainmentReport { from, until, by, items }))
}

/// The service that a caller means and sees.
fn service_named(reading: &mut Reading<'_>, text: &str) -> Result<RecordId> {
    let kind = reading.kernel.practice("service")?.kind();
    let service = visible(reading, kind, text).map_err(|error| {
        let unknown = || refused("service", "no_such_reference", format!("There is no service `{text}`."));
        if error.code == Code::NotFound { unknown() } else { error }
    });
    Ok(service?.id)
}
