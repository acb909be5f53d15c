//! Back-tests: rehearse a version on the decisions that were made, and read what would have come out otherwise.

use std::collections::{BTreeMap, HashMap};

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema, openapi::path::Parameter};

use super::{
    Studio, back_test_page,
    declare::{policy_id, version_number},
    gate::may_know_why,
};
use crate::{
    clock::Moment,
    db::JsonText,
    error::{Code, Error, Result},
    http::{
        accept,
        body::MaybeBody,
        desk::{self, Call, Reply},
        endpoint::{Access, Answer, Content, Endpoint},
        job_api::{self, Job},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        record_api::csv_line,
        schema,
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId},
    policy::{
        back_test::{
            self,
            asked::{Asked, Pin},
            report::BackTestReport,
            run::{DifferenceRow, Progress},
        },
        decision::{Decision, PRIORITIES},
        publish::problem,
        store::PolicyRow,
    },
    record::{
        job::JobRow,
        store::{Desk, Reading},
        visibility,
    },
};

const HTML: &str = "text/html";
const CSV: &str = "text/csv";
/// The longest time within which an incident may have to be resolved, in minutes: ten years.
const LONGEST: i32 = 5_256_000;
/// More than are ever kept.
const ALL: i64 = 100_000;

/// What a version is rehearsed on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBackTest {
    /// Decisions from this moment on; from the first, if not given.
    #[serde(default)]
    from: Option<Moment>,
    /// Decisions before this moment; to the last, if not given.
    #[serde(default)]
    until: Option<Moment>,
    /// Compare with this version of the same policy; with what is live, if not given.
    #[serde(default)]
    against: Option<i32>,
    /// For priority: within what time an incident of each priority is to be resolved. Then it is forecast how many would be
    /// late if they took as long as they did.
    #[serde(default)]
    #[schema(max_items = 4)]
    resolve_within: Vec<BackTestTarget>,
}

/// Within what time incidents are to be resolved.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BackTestTarget {
    /// Of which priority.
    #[schema(minimum = 1, maximum = 4)]
    priority: i32,
    /// In minutes after their opening.
    #[schema(minimum = 1, maximum = 5_256_000)]
    minutes: i32,
}

/// A back-test and what it has come to so far.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackTest {
    /// How far it is.
    pub job: Job,
    /// The decision.
    pub decision: Decision,
    /// The version that is rehearsed.
    pub candidate: BackTestPin,
    /// The versions that it is compared with: what was live when it was asked for.
    pub live: Vec<BackTestPin>,
    /// The lookup tables that both sides use.
    pub tables: Vec<BackTestPin>,
    /// Decisions from this moment on.
    pub from: Option<Moment>,
    /// Decisions before this moment.
    pub until: Option<Moment>,
    /// What it has come to.
    pub report: BackTestReport,
}

/// A version of a policy or of a lookup table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackTestPin {
    /// Its name.
    pub name: String,
    /// The number of the version.
    pub version: i32,
}

/// A decision that would have come out otherwise.
#[derive(Debug, Serialize, ToSchema)]
struct BackTestDifference {
    /// Which of those that are kept.
    seq: i64,
    /// The decision that was made.
    decision_id: RowId,
    /// When.
    at: Moment,
    /// The record; null for one that you may not see, as are its number and the explanations. Those also need `decision.read`.
    record_id: Option<RecordId>,
    /// Its number.
    number: Option<String>,
    /// What it is about.
    title: Option<String>,
    /// For each field that differs what it comes to with what was live, and with the candidate.
    fields: BTreeMap<String, [String; 2]>,
    /// Why what was live comes to that.
    why_before: Option<String>,
    /// Why the candidate does.
    why_after: Option<String>,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(start(), start_back_test).mount(get(), get_back_test).mount(differences(), list_differences);
}

fn back_test_id() -> Parameter {
    parameter::id("back-test, which is also that of its job")
}

fn start() -> Endpoint {
    let mut job = job_api::example();
    job["state"] = "queued".into();
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/{id}/versions/{number}/back-tests".into(),
        id: "start_back_test".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.write".into()),
        summary: "Rehearse a version on the decisions that were made".into(),
        description: "Makes every decision of the policy's kind again that is in the decision log, on the input that was logged when it was made, once with what is live and once with this version in the place of its policy, both with the lookup tables and teams of now. So nothing is known that was not known at the moment of the decision. It is done in the background: follow the job, then read the back-test.".into(),
        parameters: vec![policy_id(), version_number(), dry_run(), idempotency_key(), reason()],
        request: Some(
            Content::json(schema::schema::<NewBackTest>(), json!({"from": "2026-01-01T00:00:00Z", "resolve_within": [{"priority": 1, "minutes": 240}]})).optional(),
        ),
        responses: vec![
            Answer::json(202, "It was queued.", schema::schema::<Job>(), job).header("Location", "Where to follow it."),
        ],
        problems: vec![Code::NotFound, Code::Invalid],
    }
}

async fn start_back_test(
    call: Call,
    studio: web::Data<Studio>,
    path: web::Path<(String, i32)>,
    MaybeBody(new): MaybeBody<NewBackTest>,
) -> Result<HttpResponse> {
    let ((id, number), new) = (path.into_inner(), new.unwrap_or_default());
    check(&new)?;
    let name = id.clone();
    studio
        .run(&call, move |bench| {
            let (policy, _, build) = bench.stored(&name, number)?;
            let problems = |found: Vec<_>| Error::invalid_all(found.iter().map(problem).collect());
            build.compiled(number.into(), policy.decision()?).map(drop).map_err(problems)
        })
        .await?;
    let body = serde_json::to_value(&new).map_err(Error::internal)?;
    call.write(&body, move |desk| queue(desk, &id, number, &new)).await
}

fn check(new: &NewBackTest) -> Result<()> {
    if new.from.zip(new.until).is_some_and(|(from, until)| from >= until) {
        return Err(Error::invalid("/until", "out_of_range", "`until` must be later than `from`."));
    }
    if new.resolve_within.len() > PRIORITIES.count() {
        let detail = format!("There are but the priorities 1 to {}.", PRIORITIES.end());
        return Err(Error::invalid("/resolve_within", "too_many", detail));
    }
    for (at, target) in new.resolve_within.iter().enumerate() {
        if new.resolve_within.iter().take(at).any(|before| before.priority == target.priority) {
            let detail = format!("There is a time for priority {} already.", target.priority);
            return Err(Error::invalid(format!("/resolve_within/{at}/priority"), "duplicate", detail));
        }
        if !PRIORITIES.contains(&target.priority.into()) || !(1..=LONGEST).contains(&target.minutes) {
            let detail = format!("Minutes are from 1 to {LONGEST}, for the priorities 1 to {}.", PRIORITIES.end());
            return Err(Error::invalid(format!("/resolve_within/{at}"), "out_of_range", detail));
        }
    }
    Ok(())
}

fn queue(desk: &mut Desk<'_, '_>, id: &str, number: i32, new: &NewBackTest) -> Result<Reply> {
    let (by, at) = (desk.cause.caller.user, desk.cause.at);
    let connection = desk.unit.connection()?;
    let policy = PolicyRow::find(connection, id)?;
    let version = policy.version(connection, number)?;
    let asked = Asked {
        from: new.from,
        until: new.until,
        resolve_within: new
            .resolve_within
            .iter()
            .map(|target| (target.priority.into(), target.minutes.into()))
            .collect(),
        ..Asked::of(connection, &policy, number, new.against)?
    };
    let job = JobRow::queue(connection, back_test::KIND, version.subject(), JsonText::of(&asked)?, by, at)?;
    let told = json!({"number": [null, number], "back_test": [null, job.id]});
    desk.tell("back_test_started", ("policy", policy.id.as_str(), policy.version), &told)?;
    let location = Job::path(&job);
    let body = serde_json::to_value(Job::of(job)).map_err(Error::internal)?;
    Ok(Reply { status: 202, ..Reply::created(location, body) })
}

fn get() -> Endpoint {
    let mut job = job_api::example();
    job["state"] = "succeeded".into();
    let pin = |name: &str, version| json!({"name": name, "version": version});
    let report = json!({
        "decisions": 17_136, "same": 16_980, "different": 156, "errors": 0, "errors_before": 0, "unreadable": 0,
        "transitions": {"team": [{"from": "service-desk", "to": "network-operations", "decisions": 156}]},
        "load": {"2026-03-02": {
            "network-operations": {"before": 40, "after": 196}, "service-desk": {"before": 412, "after": 256},
        }},
        "approvals": {}, "rules": [{"name": "Payments", "line": 4, "tried": 17_136, "fitted": 156}],
        "breaches": {"incidents": 0, "before": 0, "after": 0, "days": {}}, "failures": {}, "kept": 156,
    });
    let example = json!({
        "job": job, "decision": "routing", "candidate": pin("routing_incidents", 4),
        "live": [pin("routing_incidents", 3)], "tables": [pin("category_teams", 2)],
        "from": "2026-01-01T00:00:00Z", "until": null, "report": report,
    });
    let page = schema::inline(String::schema());
    Endpoint {
        method: Method::GET,
        path: "/api/v1/back-tests/{id}".into(),
        id: "get_back_test".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "Read what a back-test came to".into(),
        description: "It grows while the job runs. As `text/html` it is one page with charts and without anything from elsewhere, to be kept or sent to whoever approves the version. Figures count all decisions, of records that you may not see, too.".into(),
        parameters: vec![back_test_id()],
        request: None,
        responses: vec![
            Answer::json(200, "The back-test.", schema::schema::<BackTest>(), example)
                .or(Content::of(HTML, page, "<!doctype html><title>Back-test</title>…".into())),
        ],
        problems: vec![Code::NotFound],
    }
}

async fn get_back_test(call: Call, id: web::Path<RowId>, request: HttpRequest) -> Result<HttpResponse> {
    let row = call.read_one(move |r| found(r, *id)).await?;
    let shown = shown(row)?;
    Ok(match accept::choose(&request, &["application/json", HTML]) {
        Some(HTML) => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header(("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"))
            .body(back_test_page::page(&shown)),
        _ => HttpResponse::Ok().json(shown),
    })
}

fn found(reading: &mut Reading<'_>, id: RowId) -> Result<JobRow> {
    let row = JobRow::find(reading.connection, id).ok().filter(|job| job.kind == back_test::KIND);
    row.ok_or_else(|| Error::not_found("back-test"))
}

fn shown(row: JobRow) -> Result<BackTest> {
    let asked: Asked = row.asked.read()?;
    let progress: Progress = if row.done == 0 { Progress::default() } else { row.progress.read()? };
    let pin = |pin: Pin| BackTestPin { name: pin.name, version: pin.version };
    Ok(BackTest {
        job: Job::of(row),
        decision: asked.decision,
        candidate: pin(asked.candidate),
        live: asked.live.into_iter().map(pin).collect(),
        tables: asked.tables.into_iter().map(pin).collect(),
        from: asked.from,
        until: asked.until,
        report: progress.report.sorted(),
    })
}

fn differences() -> Endpoint {
    let [limit, cursor] = sheet::parameters();
    let example = json!({
        "items": [{
            "seq": 1, "decision_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "at": "2026-03-02T08:15:00Z",
            "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "number": "INC0000012", "title": "No network",
            "fields": {"team": ["service-desk", "network-operations"]},
            "why_before": "INC0000012 went to service-desk because rule \"Everything else\" (line 24 of routing_incidents v3) fitted.",
            "why_after": "INC0000012 went to network-operations because rule \"The category table\" (line 20 of routing_incidents v4) fitted.",
        }],
        "next_cursor": null,
    });
    let page = sheet::shape("BackTestDifference", schema::schema::<BackTestDifference>());
    Endpoint {
        method: Method::GET,
        path: "/api/v1/back-tests/{id}/differences".into(),
        id: "list_back_test_differences".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "Read the decisions that would have come out otherwise".into(),
        description: "In the order in which they were made, each with why it comes out as it does on both sides. At most 10,000 are kept, and 200 of those that differ alike; the counts of the back-test are of all. As `text/csv` all that are kept, in one answer.".into(),
        parameters: vec![back_test_id(), limit, cursor],
        request: None,
        responses: vec![
            Answer::json(200, "A page of differences.", page, example)
                .header("Link", "The `next` page (RFC 8288).")
                .or(Content::of(CSV, schema::inline(String::schema()), "seq,at,number,field,before,after,why_before,why_after\n".into())),
        ],
        problems: vec![Code::NotFound, Code::BadCursor],
    }
}

async fn list_differences(call: Call, id: web::Path<RowId>, request: HttpRequest) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 0)?;
    let is_csv = accept::choose(&request, &["application/json", CSV]) == Some(CSV);
    let after: i64 = sheet.after_id()?.unwrap_or(0);
    let rows = if is_csv { ALL } else { sheet.rows() };
    let found = call
        .read(move |reading| {
            let job = found(reading, *id)?;
            let rows = DifferenceRow::list(reading.connection, job.id, after, rows)?;
            seen(reading, rows)
        })
        .await?;
    if is_csv {
        return Ok(HttpResponse::Ok().content_type("text/csv; charset=utf-8").body(csv(found)?));
    }
    let cut = sheet.cut(found, |one| (Vec::new(), one.seq.to_string()))?;
    Ok(sheet.respond(&cut, None))
}

/// The differences, without what the caller may not see.
fn seen(reading: &mut Reading<'_>, rows: Vec<DifferenceRow>) -> Result<Vec<BackTestDifference>> {
    let ids = rows.iter().map(|row| row.record_id).collect();
    let seen: HashMap<_, _> = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let may_know_why = may_know_why(&reading.cause.caller);
    let shown = rows.into_iter().map(|row| {
        let header = seen.get(&row.record_id);
        Ok(BackTestDifference {
            seq: row.seq,
            decision_id: row.decision_id,
            at: row.at,
            record_id: header.map(|h| h.id),
            number: header.map(|h| h.number.clone()),
            title: header.map(|h| h.title.clone()),
            fields: row.fields.read()?,
            why_before: header.filter(|_| may_know_why).map(|_| row.why_before),
            why_after: header.filter(|_| may_know_why).map(|_| row.why_after),
        })
    });
    shown.collect()
}

/// A line for each field that differs.
fn csv(found: Vec<BackTestDifference>) -> Result<Vec<u8>> {
    let head = ["seq", "at", "decision_id", "number", "title", "field", "before", "after", "why_before", "why_after"];
    let mut file = csv_line(head.into_iter().map(Value::from))?.to_vec();
    for one in found {
        for (field, [before, after]) in one.fields {
            let place = [json!(one.seq), json!(one.at), json!(one.decision_id), json!(one.number), json!(one.title)];
            let change = [json!(field), json!(before), json!(after), json!(one.why_before), json!(one.why_after)];
            file.extend_from_slice(&csv_line(place.into_iter().chain(change))?);
        }
    }
    Ok(file)
}
