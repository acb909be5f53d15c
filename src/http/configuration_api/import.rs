//! Imports of configuration items, and audits against a list of what was discovered.

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::Method, web};
use diesel::prelude::*;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::import_csv::from_csv;
use crate::{
    db::AnyConnection,
    error::{Code, Error, Result, did_you_mean},
    http::{
        body::{JsonOrText, LargeLimits},
        desk::{self, Call, Reply},
        endpoint::{
            Answer, Content as Body, Endpoint, file_body, in_query, moment, name_of, needed, one_of, short_text,
            yes_or_no,
        },
        job_api::{self, Job},
        mount::Api,
        parameter::{self, idempotency_key, reason},
        query::{Query, refused},
        schema::{inline, schema},
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId},
    practice::configuration_item::{
        ConfigurationItemPractice,
        import::{
            Asked, Content, KIND, MOST, Outcome,
            apply::Detail,
            missing::RELATIONS,
            row::{self, ImportRow, SourceRow},
            run::counts,
        },
    },
    record::{
        job::JobRow,
        list::{self, List},
        practice::Practice,
        query::cursor::Key,
        store::{Desk, Reading},
        visibility,
    },
    schema::data_source,
};

const TAG: &str = "Configuration import";
const IMPORT: &str = "configuration_item.import";
const CSV: &str = "text/csv";

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.tag(
        TAG,
        "Configuration items as other systems know them, brought in or compared: each is recognised, and what it says is reconciled field by \
         field with what others have said.",
    );
    api.mount(starting(), start).mount(getting(), get).mount(listing_rows(), list_rows);
}

/// An import, and what it has come to so far.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigurationImport {
    /// How far it is.
    job: Job,
    /// Who says it.
    source: String,
    /// Whether it is only rehearsed.
    rehearse: bool,
    /// The filter of the audit.
    scope: Option<String>,
    /// How many rows came to what.
    counts: ImportCounts,
}

/// How many rows of an import came to what.
#[derive(Debug, Serialize, serde::Deserialize, ToSchema)]
#[schema(as = ConfigurationImportCounts)]
struct ImportCounts {
    /// What was not there; of an audit: unknown.
    created: i64,
    /// What was changed.
    updated: i64,
    /// What is there as the source says.
    unchanged: i64,
    /// What is there otherwise than the source says, and stands by the word of another.
    different: i64,
    /// Where it can't be told which record it is.
    ambiguous: i64,
    /// What can't be stored.
    refused: i64,
    /// What is within the scope, and no row names it.
    missing: i64,
    /// What was missing, and was retired because its source says so.
    retired: i64,
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigurationImportRow {
    /// Which row; what is missing comes after all of them.
    seq: i64,
    /// What became of it.
    outcome: Outcome,
    /// Where it stands in the body; empty for what is missing, `/relations` where that is a relation. The pointers of `errors` begin there.
    #[schema(examples("/items/3"))]
    pointer: String,
    /// The record; null where there is none, or you may not see it.
    record_id: Option<RecordId>,
    /// Its number.
    number: Option<String>,
    /// What it is called; empty for a missing relation of a record that you may not see.
    title: String,
    /// The rest.
    #[serde(flatten)]
    detail: Detail,
}

/// The content as it was sent: JSON, or CSV with a header line.
struct Given(JsonOrText<Content>);

impl FromRequest for Given {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = request.app_data::<LargeLimits>().map(|large| large.0);
        let taken = JsonOrText::take_within(request, payload, CSV, limits);
        Box::pin(async move { taken.await.map(|(content, _)| Given(content)) })
    }
}

fn starting() -> Endpoint {
    let mut job = job_api::example();
    (job["state"], job["kind"]) = ("queued".into(), KIND.into());
    job["result"] = "/api/v1/configuration-imports/01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f".into();
    let content = json!({
        "items": [
            {"key": "device:17", "class": "server", "title": "esx-3", "state": "live", "attributes": {"serial_number": "S-17"}},
            {"key": "vm:4", "class": "virtual_machine", "title": "web-1", "state": "live"},
        ],
        "relations": [{"from": "vm:4", "relation": "runs_on", "to": "device:17"}],
    });
    let csv = "key,class,title,state,attributes.serial_number\r\ndevice:17,server,esx-3,live,S-17\r\n";
    Endpoint {
        summary: "Import configuration items, or compare them with a list".into(),
        description: format!(
            "Each row is recognised: by the key that its source has for it, then by the `identification` of its class. What is not there is made, \
             what differs is changed, unless a source of higher priority has said otherwise. With `rehearse=true` nothing is stored: the rows \
             tell what the import would come to. With `scope`, what the filter finds and no row names is told as `missing`, or retired where its source says so (`missing` of the data source); where \
             relations are named, so is one that the source has made and that no row names any more, though rows name both of its ends, by themselves or in other \
             relations of its type. A body of relations alone says nothing of things, so none of those is missing. Together that is an audit against what was discovered. At most {MOST} rows; it is done in the background. CSV names fields in its first line, attributes \
             as `attributes.name`, or it holds relations: where the first line names their ends, as `from,relation,to,group,min_up`. A null or an empty cell says nothing, unless the data source says otherwise (`empty`)."
        )
        .into(),
        parameters: vec![
            needed(in_query("source", "Who says it: the name of a data source.", name_of(60), "inventory")),
            in_query("rehearse", "Only tell what the import would come to.", yes_or_no(), true),
            in_query("class", "The class of items that name none.", name_of(60), "server"),
            in_query("scope", "A filter of configuration items: what it finds and no row names is missing.", short_text(2_000), "is_a = server"),
            in_query("observed_at", "When the source looked, where that was before now: what it has told of since stands, and drift is held against what was made until then.", moment(), "2026-03-02T08:00:00Z"),
            idempotency_key(),
            reason(),
        ],
        request: Some(
            Body::json(schema::<Content>(), content).or(Body::of(CSV, inline(file_body()), csv.into())),
        ),
        responses: vec![
            Answer::json(202, "It was queued.", schema::<Job>(), job).header("Location", "Where to follow it."),
        ],
        problems: vec![Code::Invalid, Code::BadQuery, Code::IdempotencyMismatch],
        ..Endpoint::new(Method::POST, "/api/v1/configuration-imports".into(), "start_configuration_import", TAG, IMPORT)
    }
}

async fn start(call: Call, request: HttpRequest, Given(given): Given) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let named = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let content = match given {
        JsonOrText::Json(content) => content,
        JsonOrText::Text(text) => {
            let kind = &ConfigurationItemPractice::KIND;
            let classes = call.read(move |reading| reading.kernel.classes(reading.connection, kind)).await?;
            from_csv(&text, &classes)?
        }
    };
    let rows = content.items.len() + content.relations.len();
    if rows == 0 || rows > MOST {
        return Err(Error::invalid("/items", "wrong_length", format!("An import has 1 to {MOST} rows.")));
    }
    let asked = Asked {
        source: named("source").unwrap_or_default(),
        rehearse: desk::flag(&query, "rehearse"),
        class: named("class"),
        scope: named("scope"),
        observed_at: Query::of(&query).moment("observed_at")?,
        content,
    };
    if asked.observed_at.is_some_and(|at| at > call.cause.at) {
        return Err(refused("observed_at", "out_of_range", "`observed_at` is not later than now.".to_owned()));
    }
    let body = serde_json::to_value(&asked).map_err(Error::internal)?;
    call.write(&body, move |desk| queue(desk, &asked)).await
}

fn queue(desk: &mut Desk<'_, '_>, asked: &Asked) -> Result<Reply> {
    let (by, at) = (desk.cause.caller.user, desk.cause.at);
    let (kernel, cause) = (desk.kernel, desk.cause);
    let connection = desk.unit.connection()?;
    check(connection, asked)?;
    if asked.scope.is_some() {
        let filter = list::Asked { filter: asked.scope.clone(), ..list::Asked::default() };
        List::new(kernel, connection, &cause.caller, Some(&ConfigurationItemPractice::KIND), &filter, at)?;
    }
    let job = row::queue(connection, asked.clone(), by, at)?;
    let told = json!({
        "source": [null, asked.source], "rehearse": [null, asked.rehearse],
        "rows": [null, asked.content.items.len() + asked.content.relations.len()],
    });
    desk.tell("started", (KIND, job.id.as_str(), 1), &told)?;
    let location = Job::path(&job);
    let body = serde_json::to_value(Job::of(job)).map_err(Error::internal)?;
    Ok(Reply { status: 202, ..Reply::created(location, body) })
}

fn check(connection: &mut AnyConnection, asked: &Asked) -> Result<()> {
    let active = data_source::table.filter(data_source::active.eq(true));
    let found: Option<SourceRow> = active.filter(data_source::name.eq(&asked.source)).first(connection).optional()?;
    if found.is_none() {
        let names: Vec<String> = active.select(data_source::name).load(connection)?;
        let near = did_you_mean(&asked.source, names.iter().map(String::as_str));
        return Err(Error::new(Code::BadQuery, format!("There is no active data source `{}`{near}.", asked.source)));
    }
    Ok(())
}

fn getting() -> Endpoint {
    let mut job = job_api::example();
    (job["state"], job["kind"]) = ("succeeded".into(), KIND.into());
    let example = json!({
        "job": job, "source": "inventory", "rehearse": true, "scope": null,
        "counts": {"created": 2, "updated": 0, "unchanged": 1, "different": 0, "ambiguous": 0, "refused": 0, "missing": 0, "retired": 0},
    });
    Endpoint {
        summary: "Read what an import came to".into(),
        description: "It grows while the job runs.".into(),
        parameters: vec![parameter::id("import, which is also that of its job")],
        responses: vec![Answer::json(200, "The import.", schema::<ConfigurationImport>(), example)],
        problems: vec![Code::NotFound],
        ..Endpoint::new(
            Method::GET,
            "/api/v1/configuration-imports/{id}".into(),
            "get_configuration_import",
            TAG,
            IMPORT,
        )
    }
}

fn found(reading: &mut Reading<'_>, id: RowId) -> Result<JobRow> {
    let absent = || Error::not_found("configuration import");
    let job = JobRow::find(reading.connection, id).map_err(|_| absent())?;
    if job.kind == KIND { Ok(job) } else { Err(absent()) }
}

async fn get(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let id: RowId = id.parse().map_err(|_| Error::not_found("configuration import"))?;
    let shown = call
        .read(move |reading| {
            let job = found(reading, id)?;
            let Asked { source, rehearse, scope, .. } = job.asked.read()?;
            let counts: ImportCounts = serde_json::from_value(counts(&job)?).map_err(Error::internal)?;
            Ok(ConfigurationImport { job: Job::of(job), source, rehearse, scope, counts })
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn listing_rows() -> Endpoint {
    let example = json!({
        "seq": 4, "outcome": "updated", "pointer": "/items/3", "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f",
        "number": "CI0000007", "title": "esx-3",
        "changes": [{"field": "attributes.memory_mib", "from": 65_536, "to": 131_072}],
        "kept": [{"field": "title", "holds": "esx-3", "says": "ESX3", "source": "manual"}],
        "errors": [], "candidates": [], "relation_id": null,
    });
    let page = sheet::shape("ConfigurationImportRow", schema::<ConfigurationImportRow>());
    let [limit, cursor] = sheet::parameters();
    let outcome = one_of(Outcome::ALL.map(Outcome::as_str));
    Endpoint {
        summary: "List what became of the rows of an import".into(),
        description: "In the order of the body; what is missing comes last.".into(),
        parameters: vec![
            parameter::id("import"),
            in_query("outcome", "Only those of which this became.", outcome, "refused"),
            limit,
            cursor,
        ],
        responses: vec![
            Answer::json(200, "A page of rows.", page, json!({"items": [example], "next_cursor": null}))
                .header("Link", "The `next` page (RFC 8288)."),
        ],
        problems: vec![Code::NotFound, Code::BadCursor, Code::BadQuery],
        ..Endpoint::new(
            Method::GET,
            "/api/v1/configuration-imports/{id}/rows".into(),
            "list_configuration_import_rows",
            TAG,
            IMPORT,
        )
    }
}

async fn list_rows(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let id: RowId = id.parse().map_err(|_| Error::not_found("configuration import"))?;
    let query = desk::query(&request)?;
    let outcome = query.iter().find(|(name, _)| name == "outcome").map(|(_, value)| value.clone());
    if let Some(unknown) = outcome.as_deref().filter(|word| Outcome::of(word).is_none()) {
        return Err(Error::new(Code::BadQuery, format!("No row comes to `{unknown}`.")));
    }
    let sheet = Sheet::read(request.path(), query, 1)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            found(reading, id)?;
            let after = asked.after_number()?.map_or(0, i64::from);
            let rows = ImportRow::list(reading.connection, id, outcome.as_deref(), after, asked.rows())?;
            asked.cut(shown(reading, rows)?, |row| (vec![Key::Integer(row.seq)], row.seq.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

fn shown(reading: &mut Reading<'_>, rows: Vec<ImportRow>) -> Result<Vec<ConfigurationImportRow>> {
    let ids = rows.iter().filter_map(|row| row.record_id).collect();
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let shown = rows.into_iter().map(|row| {
        let record = row.record_id.and_then(|id| seen.get(&id));
        // That of a relation names records.
        let is_hidden = row.pointer == RELATIONS && record.is_none();
        Ok(ConfigurationImportRow {
            seq: row.seq,
            outcome: Outcome::of(&row.outcome).unwrap_or(Outcome::Refused),
            pointer: row.pointer,
            record_id: record.map(|record| record.id),
            number: record.map(|record| record.number.clone()),
            title: if is_hidden { String::new() } else { row.title },
            detail: row.detail.read()?,
        })
    });
    shown.collect()
}
