//! What a calendar answers: its open spans, when so much of its time is over, and how much passes between two moments.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::calendar::{Calendar, named};
use crate::{
    clock::{Length, Moment},
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::{self, Call},
        directory_api::resource::Resource,
        endpoint::{Answer, Content, Endpoint, in_query, moment, needed},
        mount::Api,
        parameter,
        query::{Query, refused},
        schema::schema,
    },
    id::RowId,
    record::calendar::{self, row::CalendarRow},
};

/// How many days are drawn at once.
const DAYS: i64 = 400;

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(hours(), get_hours).mount(deadline(), get_deadline).mount(elapsed(), get_elapsed);
}

/// A span of time in which a calendar is open.
#[derive(Debug, Serialize, ToSchema)]
struct OpenSpan {
    /// Its first moment.
    from: Moment,
    /// The first moment after it.
    until: Moment,
}

/// Spans of time in which a calendar is open, in order. None meets the next.
#[derive(Debug, Serialize, ToSchema)]
struct OpenSpanList {
    /// The spans.
    items: Vec<OpenSpan>,
}

/// What is to be counted from a moment.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeadlineQuestion {
    /// When it begins to count.
    start: Moment,
    /// How much of the calendar's time, in hours, minutes and seconds; backwards where it is negative.
    duration: Length,
}

/// When it is over.
#[derive(Debug, Serialize, ToSchema)]
struct Deadline {
    /// The earliest moment by which so much of the calendar's time has passed.
    due: Moment,
}

/// Two moments.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ElapsedQuestion {
    /// The one.
    from: Moment,
    /// The other.
    until: Moment,
}

/// What lies between them.
#[derive(Debug, Serialize, ToSchema)]
struct Elapsed {
    /// How much of the calendar's time passes from the one until the other; negative where that is before it.
    duration: Length,
}

fn endpoint(method: Method, rest: &str, id: &'static str) -> Endpoint {
    Endpoint {
        parameters: vec![parameter::id(Calendar::NOUN.one)],
        problems: vec![Code::NotFound],
        ..Endpoint::new(
            method,
            format!("/api/v1/calendars/{{id}}/{rest}"),
            id,
            Calendar::NOUN.label,
            Calendar::NOUN.read,
        )
    }
}

/// The calendar of an id, and what it answers.
async fn asked<T: Send + 'static>(
    call: &Call,
    id: RowId,
    ask: impl FnOnce(&calendar::Calendar) -> Result<T> + Send + 'static,
) -> Result<T> {
    call.read_one(move |reading| ask(&*named(CalendarRow::find(reading.connection, id)?)?.calendar()?)).await
}

fn hours() -> Endpoint {
    let span = json!({"from": "2026-03-03T07:00:00Z", "until": "2026-03-03T17:00:00Z"});
    let edge = |name, doc, example| needed(in_query(name, doc, moment(), example));
    let mut endpoint = endpoint(Method::GET, "hours", "get_calendar_hours");
    endpoint.parameters.extend([
        edge("from", "Where to begin.", "2026-03-02T00:00:00Z"),
        edge("until", "Where to end: at most 400 days later.", "2026-03-09T00:00:00Z"),
    ]);
    Endpoint {
        summary: "Read when a calendar is open".into(),
        description:
            "Its open spans between two moments, cut at both, in UTC: for drawing. Hours that meet are one span.".into(),
        responses: vec![Answer::json(200, "The spans.", schema::<OpenSpanList>(), json!({"items": [span]}))],
        problems: vec![Code::NotFound, Code::BadQuery],
        ..endpoint
    }
}

async fn get_hours(call: Call, id: web::Path<RowId>, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let query = Query::of(&pairs);
    let (from, until) = (query.needed_moment("from")?, query.needed_moment("until")?);
    let days = until.since(from);
    if days < TimeDelta::zero() || days > TimeDelta::days(DAYS) {
        let detail = format!("`until` is at most {DAYS} days after `from`.");
        return Err(refused("until", "out_of_range", detail));
    }
    let items = asked(&call, *id, move |calendar| {
        Ok(calendar.open_spans(from, until).map(|(from, until)| OpenSpan { from, until }).collect())
    });
    Ok(HttpResponse::Ok().json(OpenSpanList { items: items.await? }))
}

fn deadline() -> Endpoint {
    let body = json!({"start": "2026-03-06T13:00:00Z", "duration": "PT8H"});
    Endpoint {
        summary: "Find out when so much of a calendar's time is over".into(),
        description: "The earliest moment by which it has passed: four hours from 14:00 of a day from 08:00 to 18:00 are over at 18:00, not at 08:00 of the next. Nothing is stored.".into(),
        request: Some(Content::json(schema::<DeadlineQuestion>(), body)),
        responses: vec![Answer::json(200, "When it is over.", schema::<Deadline>(), json!({"due": "2026-03-09T11:00:00Z"}))],
        problems: vec![Code::NotFound, Code::Invalid],
        ..endpoint(Method::POST, "deadline", "get_calendar_deadline")
    }
}

async fn get_deadline(
    call: Call,
    id: web::Path<RowId>,
    Body(question): Body<DeadlineQuestion>,
) -> Result<HttpResponse> {
    let due = asked(&call, *id, move |calendar| {
        let never = || {
            let (first, last) = (calendar::FIRST, calendar::LAST);
            let detail =
                format!("The calendar is not open for so long in the years {first} to {last}, which it knows.");
            Error::invalid("/duration", "never_over", detail)
        };
        calendar.add(question.start, question.duration.0).ok_or_else(never)
    });
    Ok(HttpResponse::Ok().json(Deadline { due: due.await? }))
}

fn elapsed() -> Endpoint {
    let body = json!({"from": "2026-03-06T13:00:00Z", "until": "2026-03-09T11:00:00Z"});
    Endpoint {
        summary: "Find out how much of a calendar's time lies between two moments".into(),
        description: "The inverse of the deadline. Nothing is stored.".into(),
        request: Some(Content::json(schema::<ElapsedQuestion>(), body)),
        responses: vec![Answer::json(200, "How much.", schema::<Elapsed>(), json!({"duration": "PT8H"}))],
        problems: vec![Code::NotFound, Code::Invalid],
        ..endpoint(Method::POST, "elapsed", "get_calendar_elapsed")
    }
}

async fn get_elapsed(call: Call, id: web::Path<RowId>, Body(question): Body<ElapsedQuestion>) -> Result<HttpResponse> {
    let ElapsedQuestion { from, until } = question;
    let duration = asked(&call, *id, move |calendar| Ok(Length(calendar.between(from, until))));
    Ok(HttpResponse::Ok().json(Elapsed { duration: duration.await? }))
}
