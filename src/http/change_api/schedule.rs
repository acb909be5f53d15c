//! The forward schedule of change: as a list, and as a calendar that others subscribe to.

use actix_web::{HttpRequest, HttpResponse, http::Method, http::header};
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{CHANGE, DAYS};
use crate::{
    clock::Moment,
    error::{Code, Result},
    http::{
        desk::{self, Call},
        endpoint::{Access, Answer, Content, Endpoint, file_body, in_query, moment},
        mount::Api,
        query::{Query, refused},
        schema::schema,
    },
    id::{RecordId, RowId, TeamId, UserId},
    practice::change::{
        conflict::Span,
        feed,
        plan::{self, SHOWN},
        window::{self, WindowKind, WindowRow},
    },
    record::header::Header,
};

/// The most changes that are told of at once, and the most times of windows.
const MOST: u16 = 2_000;

/// Mounts both.
pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_schedule).mount(calendar(), get_calendar);
}

/// A change in the forward schedule.
#[derive(Debug, Serialize, ToSchema)]
struct ForwardScheduleEntry {
    /// Its id.
    id: RecordId,
    /// Its number.
    #[schema(examples("CHG0000007"))]
    number: String,
    /// Its title.
    title: String,
    /// Its state.
    state: String,
    /// When it begins.
    planned_start: Moment,
    /// When it ends.
    planned_end: Moment,
    /// Which team has it; null for none.
    #[schema(required = true)]
    team_id: Option<TeamId>,
    /// Who makes it; null for nobody yet.
    #[schema(required = true)]
    assignee_id: Option<UserId>,
    /// What it changes; null where it says nothing.
    #[schema(required = true)]
    configuration_item_id: Option<RecordId>,
    /// The service that it changes; null where it says nothing.
    #[schema(required = true)]
    service_id: Option<RecordId>,
}

/// A time for changes, or without any, in the forward schedule.
#[derive(Debug, Serialize, ToSchema)]
struct ForwardScheduleWindow {
    /// The id of the window.
    id: RowId,
    /// Its name.
    #[schema(examples("End of year"))]
    name: String,
    /// What it is.
    kind: WindowKind,
    /// The configuration item that it is about; null where it is about a service or about everything.
    #[schema(required = true)]
    configuration_item_id: Option<RecordId>,
    /// The service that it is about; null where it is about a configuration item or about everything.
    #[schema(required = true)]
    service_id: Option<RecordId>,
    /// When this time begins.
    starts_at: Moment,
    /// When it ends.
    ends_at: Moment,
}

/// The forward schedule of change between two moments, by the beginning.
#[derive(Debug, Serialize, ToSchema)]
struct ForwardSchedule {
    /// The changes.
    items: Vec<ForwardScheduleEntry>,
    /// The maintenance windows and blackouts, a calendar's open hours one by one; none where you may not read them.
    windows: Vec<ForwardScheduleWindow>,
}

impl ForwardScheduleWindow {
    fn of((window, span): (WindowRow, Span)) -> Self {
        ForwardScheduleWindow {
            id: window.id,
            kind: WindowKind::stored(&window.kind),
            name: window.name,
            configuration_item_id: window.configuration_item_id,
            service_id: window.service_id,
            starts_at: span.from,
            ends_at: span.until,
        }
    }
}

impl ForwardScheduleEntry {
    fn of(header: Header) -> Option<Self> {
        let span = plan::span(&header)?;
        let Header { id, number, title, state, team_id, assignee_id, configuration_item_id, service_id, .. } = header;
        let (planned_start, planned_end) = (span.from, span.until);
        Some(ForwardScheduleEntry {
            id,
            number,
            title,
            state,
            planned_start,
            planned_end,
            team_id,
            assignee_id,
            configuration_item_id,
            service_id,
        })
    }
}

fn endpoint(path: &'static str, id: &'static str) -> Endpoint {
    let edge = |name, doc| in_query(name, doc, moment(), "2026-03-02T00:00:00Z");
    Endpoint {
        parameters: vec![
            edge("from", "Where to begin; a week ago, if not given."),
            edge("until", "Where to end: at most 400 days after `from`; thirteen weeks on, if not given."),
        ],
        problems: vec![Code::BadQuery],
        ..Endpoint::new(Method::GET, path.to_owned(), id, CHANGE.label, "change.read")
    }
}

fn list() -> Endpoint {
    let one = json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7b", "number": "CHG0000007", "title": "Replace the core switch", "state": "scheduled",
        "planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z", "team_id": null, "assignee_id": null,
        "configuration_item_id": null, "service_id": null,
    });
    let window = json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b21", "name": "End of year", "kind": "blackout", "configuration_item_id": null,
        "service_id": null, "starts_at": "2026-12-18T17:00:00Z", "ends_at": "2027-01-04T06:00:00Z",
    });
    Endpoint {
        summary: "Read the forward schedule of change".into(),
        description: "The changes that you may see and that are planned to be made between two moments, by their beginning: those that are \
                      asked for, agreed, being made and made. Beside them the maintenance windows and blackouts that are about everything or about \
                      what you may see. At most 2,000 of each."
            .into(),
        responses: vec![Answer::json(
            200,
            "The changes.",
            schema::<ForwardSchedule>(),
            json!({"items": [one], "windows": [window]}),
        )],
        ..endpoint("/api/v1/change-schedule", "get_change_schedule")
    }
}

fn calendar() -> Endpoint {
    let shape = crate::http::schema::inline(file_body());
    Endpoint {
        access: Access::Feed("change.read".into()),
        summary: "Subscribe to the forward schedule of change".into(),
        description: "The same as iCalendar (RFC 5545), for the calendar programs of those who want to know. What is not agreed yet is tentative. \
                      Maintenance windows and blackouts are of the categories `maintenance` and `blackout`; a blackout takes up its time. Such a \
                      program signs in with any user name and a personal access token for a password; give that token the scopes `change.read` \
                      and, for the windows, `change_window.read` alone."
            .into(),
        responses: vec![Answer::empty(200, "The calendar.").or(Content::of(
            "text/calendar",
            shape,
            json!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"),
        ))],
        ..endpoint("/api/v1/change-schedule.ics", "get_change_schedule_calendar")
    }
}

/// Changes, and times of windows.
type Schedule = (Vec<Header>, Vec<(WindowRow, Span)>);

async fn planned(call: &Call, request: &HttpRequest) -> Result<Schedule> {
    let pairs = desk::query(request)?;
    let (query, now) = (Query::read(&pairs, &["from", "until"])?, call.cause.at);
    let from = query.moment("from")?.unwrap_or(now.plus(-TimeDelta::weeks(1)));
    let until = query.moment("until")?.unwrap_or(from.plus(TimeDelta::weeks(14)));
    if until < from || until.since(from) > TimeDelta::days(DAYS) {
        let detail = format!("`until` is at most {DAYS} days after `from`.");
        return Err(refused("until", "out_of_range", detail));
    }
    call.read(move |reading| {
        let within = Span { from, until };
        let changes = plan::seen(reading, within, SHOWN, None, i64::from(MOST))?;
        Ok((changes, window::seen(reading, within, usize::from(MOST))?))
    })
    .await
}

async fn list_schedule(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let (changes, windows) = planned(&call, &request).await?;
    let items = changes.into_iter().filter_map(ForwardScheduleEntry::of).collect();
    let windows = windows.into_iter().map(ForwardScheduleWindow::of).collect();
    Ok(HttpResponse::Ok().json(ForwardSchedule { items, windows }))
}

async fn get_calendar(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let (changes, windows) = planned(&call, &request).await?;
    let text = feed::calendar(&changes, &windows, call.cause.at);
    let kind = header::HeaderValue::from_static("text/calendar; charset=utf-8");
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, kind)).body(text))
}
