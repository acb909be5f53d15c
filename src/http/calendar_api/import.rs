//! Holidays from elsewhere.

use std::ops::RangeInclusive;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::Method, web};
use chrono::Datelike;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::{
    ToSchema,
    openapi::{
        ObjectBuilder, Schema,
        schema::{KnownFormat, SchemaFormat, Type},
    },
};

use super::calendar::{Calendar, named};
use crate::{
    db::JsonText,
    error::{Code, Error, FieldError, Result},
    http::{
        body::JsonOrText,
        desk::{self, Call, Reply},
        directory_api::{change::met, resource::Resource},
        endpoint::{Answer, Content, Endpoint, file_body, in_query, short_text},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        policy_api::Studio,
        schema::{inline, schema},
    },
    id::RowId,
    practice::change::around,
    record::{
        calendar::{
            self, FIRST, LAST,
            content::Holiday,
            holidays::{self, Found, LeftOut, RegionalHolidays},
            row::CalendarRow,
        },
        service_level::again::{Subject, note},
        store::Desk,
    },
};

/// How many years are looked at where nothing is said.
const YEARS: i32 = 10;

/// Mounts it.
pub(super) fn mount(api: &mut Api) {
    api.mount(import(), import_holidays);
}

/// What an import of holidays came to.
#[derive(Debug, Serialize, ToSchema)]
struct HolidayImport {
    /// The holidays that were added.
    added: Vec<Holiday>,
    /// Those that were there already, as they are called in the calendar.
    known: Vec<Holiday>,
    /// What was left out, and why; what has no day in the years that were asked for is only counted.
    left_out: Vec<LeftOut>,
    /// How many entries have no day in those years.
    outside: usize,
}

/// Holidays as they were sent.
struct Given {
    file: JsonOrText<RegionalHolidays>,
    /// By which a repeated request is known.
    sha256: String,
}

impl FromRequest for Given {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let taken = JsonOrText::take(request, payload, "text/calendar");
        Box::pin(async move {
            let (file, bytes) = taken.await?;
            Ok(Given { file, sha256: hex::encode(Sha256::digest(&bytes)) })
        })
    }
}

impl Given {
    fn found(&self, region: Option<&str>, years: &RangeInclusive<i32>) -> Result<Found> {
        match &self.file {
            JsonOrText::Json(regions) => holidays::of_region(regions, region, years),
            JsonOrText::Text(_) if region.is_some() => {
                let detail = "`region` goes with holidays by region in JSON alone.";
                Err(Error::invalid("region", "not_writable_here", detail))
            }
            JsonOrText::Text(text) => holidays::of_ical(text, years),
        }
    }
}

const ABOUT: &str = "From an iCalendar file (RFC 5545): events of whole days, of one day or several, once or every year \
(`RRULE` with `FREQ=YEARLY`, `RDATE`, `EXDATE`). Or from days by region in JSON, as the Python package `holidays` knows them. \
A day that is a holiday of the calendar already stays as it is, so that an import may be repeated. A file with a fault \
is refused with its line, and changes nothing; so is one that takes too long to look through (`too_much`).";

fn import() -> Endpoint {
    let holiday = json!({"date": "2026-12-25", "name": "Christmas Day"});
    let left_out = json!({"line": 12, "name": "Office party", "code": "not_whole_days", "detail": "It begins or ends within a day; holidays are whole days."});
    let file = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Holidays//EN\r\nBEGIN:VEVENT\r\nUID:1@example.org\r\n\
                DTSTAMP:20260101T000000Z\r\nDTSTART;VALUE=DATE:20201225\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:Christmas Day\r\n\
                END:VEVENT\r\nEND:VCALENDAR\r\n";
    let regions = json!({"holidays": {"DE": {"2026-12-25": "Christmas Day"}}});
    Endpoint {
        summary: "Add holidays from a file to a calendar".into(),
        description: ABOUT.into(),
        parameters: vec![
            parameter::id(Calendar::NOUN.one),
            in_query("from", "The first year; the present one if not given.", year(), 2026),
            in_query("until", "The last year; the ninth after the first if not given.", year(), 2028),
            in_query("region", "For JSON: whose holidays; needed where there are several.", short_text(40), "DE"),
            dry_run(),
            idempotency_key(),
            reason(),
        ],
        request: Some(Content::json(schema::<RegionalHolidays>(), regions).or(Content::of(
            "text/calendar",
            inline(file_body()),
            file.into(),
        ))),
        responses: vec![
            Answer::json(
                200,
                "What came of it.",
                schema::<HolidayImport>(),
                json!({"added": [holiday], "known": [], "left_out": [left_out], "outside": 3}),
            )
            .header("ETag", "The version of the calendar, for `If-Match`."),
        ],
        problems: vec![Code::NotFound, Code::Invalid, Code::BadQuery],
        ..Endpoint::new(
            Method::POST,
            "/api/v1/calendars/{id}/holidays/import".to_owned(),
            "import_calendar_holidays",
            Calendar::NOUN.label,
            Calendar::NOUN.manage,
        )
    }
}

/// The schema of a year that calendars know.
fn year() -> Schema {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int32);
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(format)).minimum(Some(FIRST)).maximum(Some(LAST)).into()
}

async fn import_holidays(
    call: Call,
    studio: web::Data<Studio>,
    id: web::Path<RowId>,
    given: Given,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let years = years(&query, call.cause.at.utc().year())?;
    let region = query.into_iter().find(|(name, _)| name == "region").map(|(_, region)| region);
    let same = Value::from(given.sha256.as_str());
    // Apart from what answers requests, and without a connection: to look through a long file takes a while.
    let found = studio.runner.run_async(move || given.found(region.as_deref(), &years)).await??;
    let response = call.write(&same, move |desk| imported(desk, *id, &found)).await?;
    call.service.kernel.expire();
    Ok(response)
}

/// The years that are asked for.
fn years(query: &[(String, String)], present: i32) -> Result<RangeInclusive<i32>> {
    let given = |name: &str| {
        let Some((_, text)) = query.iter().find(|(n, _)| n == name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Error::new(Code::Malformed, format!("`{name}` is a year.")))
    };
    let from = given("from")?.unwrap_or(present.clamp(FIRST, LAST));
    let until = given("until")?.unwrap_or((from + YEARS - 1).min(LAST));
    if until < from {
        let detail = format!("`until`, {until}, is before `from`, {from}.");
        return Err(Error::new(Code::BadQuery, detail.clone()).with_errors(vec![FieldError::new(
            "until",
            "out_of_range",
            detail,
        )]));
    }
    Ok(from..=until)
}

/// Joins holidays to those of a calendar.
fn imported(desk: &mut Desk<'_, '_>, id: RowId, found: &Found) -> Result<Reply> {
    let mut row = named(CalendarRow::find(desk.unit.connection()?, id)?)?;
    let mut content: calendar::content::Content = row.content.read()?;
    let joined = found.join(&mut content);
    if !joined.added.is_empty() {
        content.days().map_err(Error::invalid_all)?;
        (row.content, row.version, row.updated_at) = (JsonText::of(&content)?, row.version + 1, desk.cause.at);
        met(row.update(desk.unit.connection()?)?)?;
        let subject = (Calendar::NOUN.one, row.id.as_str(), row.version);
        desk.tell("holidays_imported", subject, &json!({"added": joined.added}))?;
        note(desk, &Subject::Calendar(row.name.clone()))?;
        around::calendar_changed(desk, row.id)?;
    }
    let import = HolidayImport {
        added: joined.added,
        known: joined.known,
        left_out: found.left_out.clone(),
        outside: found.outside,
    };
    Ok(Reply::ok(serde_json::to_value(import).map_err(Error::internal)?).at_version(row.version))
}
