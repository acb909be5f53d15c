//! The clocks of records: those of one, and all that are to be watched.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::path::Parameter};

use super::TAG;
use crate::{
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::{self, Call, Reply},
        directory_api::change::{line, prose},
        endpoint::{Answer, Content, Endpoint, in_query, moment, name_of, patterned, yes_or_no},
        mount::Api,
        parameter::{self, dry_run, reason},
        query::Query,
        record_api::visible,
        schema::schema,
        sheet::{self, Sheet, under},
    },
    id::RowId,
    record::{
        draft::Aside,
        kind::Kind,
        query::cursor::Key,
        service_level::{
            clock::{ServiceClock, State},
            row::Agreement,
            shown::{self, BreachReason, Shown, Wanted, WithLedger},
        },
        store::Reading,
    },
};

/// The clocks of a record.
#[derive(Debug, Serialize, ToSchema)]
struct ServiceClockList {
    /// The clocks, by agreement and metric.
    items: Vec<WithLedger>,
}

/// Mounts the list of all clocks and what is done with one.
pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_clocks).mount(get(), get_clock).mount(explain(), explain_breach);
}

/// Mounts the clocks of records of a kind.
pub(super) fn mount_under(api: &mut Api, kind: &'static Kind) {
    api.mount(of_record(kind), move |call, id| clocks_of(kind, call, id));
}

fn example() -> Value {
    json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b16",
        "record": {
            "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "kind": "incident", "number": "INC0000012",
            "title": "Mail does not arrive", "state": "in_progress", "priority": 2,
        },
        "agreement": "sla", "metric": "resolution",
        "service_level": {"id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b15", "name": "Incidents are resolved in time"},
        "state": "running", "target": "PT8H", "calendar": "business-hours", "started_at": "2026-03-02T08:15:00Z",
        "deadline": "2026-03-03T08:15:00Z", "elapsed": "PT6H", "remaining": "PT2H", "percent": 75, "breached_at": null,
        "ended_at": null, "rounds": 1, "breached_rounds": 0, "breach_reason": null,
    })
}

fn example_with_ledger() -> Value {
    let mut clock = example();
    clock["segments"] = json!([
        {"from": "2026-03-02T08:15:00Z", "until": "2026-03-02T12:15:00Z", "state": "running"},
        {"from": "2026-03-02T12:15:00Z", "until": "2026-03-02T14:15:00Z", "state": "paused"},
        {"from": "2026-03-02T14:15:00Z", "until": "2026-03-02T16:15:00Z", "state": "running"},
    ]);
    let entry = |seq, at, event, percent: Option<i32>, via, version| {
        json!({"seq": seq, "at": at, "told_at": at, "event": event, "percent": percent, "target": "PT8H",
            "calendar": "business-hours", "via": via, "record_version": version})
    };
    clock["ledger"] = json!([
        entry(1, "2026-03-02T08:15:00Z", "started", None, "api", 1),
        entry(2, "2026-03-02T12:15:00Z", "warned", Some(50), "timer:due", 3),
        entry(3, "2026-03-02T12:15:00Z", "paused", None, "api", 4),
        entry(4, "2026-03-02T14:15:00Z", "resumed", None, "api", 5),
    ]);
    clock
}

fn endpoint(method: Method, rest: &str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint::new(method, format!("/api/v1/service-clocks{rest}"), id, TAG, permission)
}

fn of_record(kind: &'static Kind) -> Endpoint {
    Endpoint {
        summary: format!("Read the service clocks of {}", crate::http::record_api::a(kind)).into(),
        description:
            "What is left of each target, and how that came about: the ledger, and the stretches in which it counted."
                .into(),
        responses: vec![Answer::json(
            200,
            "The clocks.",
            schema::<ServiceClockList>(),
            json!({"items": [example_with_ledger()]}),
        )],
        ..under(kind, Method::GET, "service-clocks", format!("list_{}_service_clocks", kind.name))
    }
}

async fn clocks_of(kind: &'static Kind, call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let items = call.read(move |reading| {
        let record = visible(reading, kind, &id)?.id;
        shown::of_record(reading, record)
    });
    Ok(HttpResponse::Ok().json(ServiceClockList { items: items.await? }))
}

const KNOWN: &[&str] = &["state", "agreement", "metric", "breached", "due_before", "my_teams", "limit", "cursor"];

fn parameters() -> Vec<Parameter> {
    let [limit, cursor] = sheet::parameters();
    vec![
        in_query(
            "state",
            "Only those that do this: `running`, `paused`, `stopped` or `cancelled`; several with commas between them.",
            patterned(60, "^[a-z_,]*$"),
            "running",
        ),
        in_query("agreement", "Only those of this agreement: `sla`, `ola` or `uc`.", name_of(10), "sla"),
        in_query("metric", "Only those that measure this.", name_of(60), "resolution"),
        in_query("breached", "Only those whose target was missed, or only others.", yes_or_no(), false),
        in_query("due_before", "Only those whose deadline is before this.", moment(), "2026-03-02T12:00:00Z"),
        in_query("my_teams", "Only those of records that your teams have.", yes_or_no(), true),
        limit,
        cursor,
    ]
}

fn list() -> Endpoint {
    let page = sheet::shape("ServiceClock", schema::<Shown>());
    Endpoint {
        summary: "List service clocks".into(),
        description: "Of the records that you see, the earliest deadline first: what is to be done next. A clock that is paused before its target is used up has no deadline, and is not here.".into(),
        parameters: parameters(),
        responses: vec![Answer::json(200, "A page of clocks.", page, json!({"items": [example()], "next_cursor": null})).header("Link", "The `next` page (RFC 8288).")],
        problems: vec![Code::BadQuery, Code::BadCursor],
        ..endpoint(Method::GET, "", "list_service_clocks", "service_level.read")
    }
}

async fn list_clocks(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let query = Query::read(&pairs, KNOWN)?;
    let wanted = Wanted {
        states: query.choices("state", &State::WORDS)?,
        agreement: query.choice("agreement", &Agreement::WORDS)?,
        metric: query.name("metric")?.map(str::to_owned),
        breached: query.flag("breached")?,
        due_before: query.moment("due_before")?,
        my_teams: query.flag("my_teams")? == Some(true),
        after: None,
    };
    let sheet = Sheet::read(request.path(), pairs.clone(), 1)?;
    let after = sheet.after_moment()?.zip(sheet.after_id::<RowId>()?);
    let (wanted, rows) = (Wanted { after, ..wanted }, sheet.rows());
    let found = call.read(move |reading| shown::list(reading, &wanted, rows)).await?;
    let place = |clock: &Shown| (clock.deadline.map(Key::Time).into_iter().collect(), clock.id.to_string());
    Ok(sheet.respond(&sheet.cut(found, place)?, None))
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Read a service clock".into(),
        description: "With its ledger, and the stretches in which it counted.".into(),
        parameters: vec![parameter::id("clock")],
        responses: vec![Answer::json(200, "The clock.", schema::<WithLedger>(), example_with_ledger())],
        problems: vec![Code::NotFound],
        ..endpoint(Method::GET, "/{id}", "get_service_clock", "service_level.read")
    }
}

async fn get_clock(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    let (clock, _) = call.read(move |reading| shown::find(reading, *id)).await?;
    Ok(HttpResponse::Ok().json(clock))
}

fn explain() -> Endpoint {
    Endpoint {
        summary: "Say why a target was missed".into(),
        description: "For reports. Said again, it takes the place of what was said before. 409 where no target was missed. It stands in the history of the record.".into(),
        parameters: vec![parameter::id("clock"), dry_run(), reason()],
        request: Some(Content::json(schema::<BreachReason>(), json!({"code": "supplier_late", "note": "The part came on Friday."}))),
        responses: vec![Answer::json(200, "The clock.", schema::<WithLedger>(), example_with_ledger())],
        problems: vec![Code::NotFound, Code::Invalid, Code::Conflict],
        ..endpoint(Method::PUT, "/{id}/breach-reason", "explain_service_clock_breach", "service_level.explain")
    }
}

async fn explain_breach(call: Call, id: web::Path<RowId>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let told: BreachReason = crate::http::directory_api::change::typed(&body, &[])?;
    let (code, note) = (line("code", &told.code, 60)?, prose("note", &told.note, 2_000)?);
    call.write(&body, move |desk| {
        let (kernel, cause) = (desk.kernel, desk.cause);
        let (_, header) = shown::find(&mut Reading { kernel, connection: desk.unit.connection()?, cause }, *id)?;
        let clock = ServiceClock::find(desk.unit.connection()?, *id)?.ok_or_else(|| Error::not_found("clock"))?;
        if clock.breached_at.is_none() && clock.breached_rounds == 0 {
            return Err(Error::new(Code::Conflict, "Its target was not missed."));
        }
        let old = clock.breach_code.clone().map(|code| json!({"code": code, "note": clock.breach_note}));
        let new = json!({"code": code, "note": note});
        let after = ServiceClock { breach_code: Some(code.clone()), breach_note: Some(note.clone()), ..clock };
        after.update(desk.unit.connection()?)?;
        let aside = Aside::new("read", "breach_explained", "breach_reason", old.into(), new);
        kernel.practice(&header.kind)?.beside(desk, header.id, None, aside)?;
        let (shown, _) = shown::find(&mut Reading { kernel, connection: desk.unit.connection()?, cause }, *id)?;
        Ok(Reply::ok(serde_json::to_value(shown).map_err(Error::internal)?))
    })
    .await
}
