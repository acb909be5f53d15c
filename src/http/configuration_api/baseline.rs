//! Baselines of configuration items, and what is different from them.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{self, Call, Reply},
        directory_api::change::{NAME, line, prose, unique},
        endpoint::{Answer, Content, Endpoint, in_query, uuid},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        schema::schema,
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId},
    practice::configuration_item::baseline::{
        self, BaselineRow, MOST,
        difference::{BaselineRelation, Difference},
        snapshot::Snapshot,
    },
    record::{
        person::{self, Person},
        store::Reading,
    },
};

const TAG: &str = "Configuration baseline";
const READ: &str = "configuration_baseline.read";
const WRITE: &str = "configuration_baseline.write";
const PATH: &str = "/api/v1/configuration-baselines";

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.tag(
        TAG,
        "What configuration items were at a moment, with their attributes and relations, and what differs from then.",
    );
    api.mount(taking(), take).mount(listing(), list).mount(getting(), get).mount(deleting(), delete);
    api.mount(listing_items(), list_items).mount(comparing(), compare);
}

/// What configuration items were at a moment.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigurationBaseline {
    /// Its id.
    id: RowId,
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// What is in it: the filter that found it.
    filter: String,
    /// How many configuration items are in it.
    items: i32,
    /// Who took it.
    created_by: Option<Person>,
    /// When it was asked for.
    created_at: Moment,
    /// The moment of which it tells; null until it is taken, which the job of the same id does.
    #[schema(required = true)]
    taken_at: Option<Moment>,
}

/// A configuration item as it was.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigurationBaselineItem {
    /// The configuration item.
    record_id: RecordId,
    /// Its number.
    #[schema(examples("CI0000007"))]
    number: String,
    /// Its title.
    title: String,
    /// What its fields held, attributes as `attributes.name`.
    #[schema(value_type = Object)]
    fields: BTreeMap<String, Value>,
    /// The relations that it had, as this end names them.
    relations: Vec<BaselineRelation>,
    /// Its redundancy groups, and how many of each had to be up.
    redundancy_groups: BTreeMap<String, i32>,
}

/// What makes a baseline.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConfigurationBaseline {
    /// Its name; each is there once.
    #[schema(max_length = 200, examples("Before the move"))]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    description: String,
    /// What is in it: a filter of configuration items; all of them where it is empty.
    #[serde(default)]
    #[schema(required = false, max_length = 2000, examples("is_a = server"))]
    filter: String,
}

fn example() -> Value {
    json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b1c", "name": "Before the move", "description": "", "filter": "is_a = server",
        "items": 40,
        "created_by": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"},
        "created_at": "2026-03-02T08:15:00Z", "taken_at": "2026-03-02T08:15:01Z",
    })
}

fn endpoint(method: Method, rest: &str, id: &'static str) -> Endpoint {
    let permission = if method == Method::GET { READ } else { WRITE };
    Endpoint {
        parameters: if rest.is_empty() { Vec::new() } else { vec![parameter::id("baseline")] },
        problems: if rest.is_empty() { Vec::new() } else { vec![Code::NotFound] },
        ..Endpoint::new(method, format!("{PATH}{rest}"), id, TAG, permission)
    }
}

fn id_of(text: &str) -> Result<RowId> {
    text.parse().map_err(|_| Error::not_found("baseline"))
}

fn shown(reading: &mut Reading<'_>, rows: Vec<BaselineRow>) -> Result<Vec<ConfigurationBaseline>> {
    let people = person::people(reading.connection, rows.iter().map(|row| row.created_by_id).collect::<Vec<_>>())?;
    let shown = rows.into_iter().map(|row| {
        let BaselineRow { id, name, description, filter, items, created_by_id, created_at, taken_at } = row;
        let created_by = people.get(&created_by_id).cloned();
        ConfigurationBaseline { id, name, description, filter, items, created_by, created_at, taken_at }
    });
    Ok(shown.collect())
}

fn taking() -> Endpoint {
    let mut endpoint = endpoint(Method::POST, "", "create_configuration_baseline");
    endpoint.summary = "Take a baseline".into();
    endpoint.description = format!(
        "Of what the filter finds and you may see, at most {MOST} configuration items, all of it as of one moment. It is done in the \
         background, by the job of the same id; `taken_at` says when it was."
    )
    .into();
    endpoint.parameters = vec![dry_run(), idempotency_key(), reason()];
    let body = json!({"name": "Before the move", "filter": "is_a = server"});
    let mut asked_for = example();
    (asked_for["items"], asked_for["taken_at"]) = (0.into(), Value::Null);
    endpoint.request = Some(Content::json(schema::<NewConfigurationBaseline>(), body));
    endpoint.responses = vec![
        Answer::json(202, "It is being taken.", schema::<ConfigurationBaseline>(), asked_for)
            .header("Location", "Where it is."),
    ];
    endpoint.problems = vec![Code::Invalid, Code::Conflict, Code::BadQuery, Code::IdempotencyMismatch];
    endpoint
}

async fn take(call: Call, Body(body): Body<Value>) -> Result<HttpResponse> {
    let NewConfigurationBaseline { name, description, filter } = fit(body.clone())?;
    let (name, description) = (line("name", &name, NAME)?, prose("description", &description, 2_000)?);
    let filter = prose("filter", &filter, 2_000)?;
    call.write(&body, move |desk| {
        let row = unique(baseline::order(desk, &name, &description, &filter), "name")?;
        let (kernel, cause, id) = (desk.kernel, desk.cause, row.id);
        let mut reading = Reading { kernel, connection: desk.unit.connection()?, cause };
        let shown = shown(&mut reading, vec![row])?.pop();
        let body = serde_json::to_value(shown).map_err(Error::internal)?;
        Ok(Reply { status: 202, ..Reply::created(format!("{PATH}/{id}"), body) })
    })
    .await
}

fn listing() -> Endpoint {
    let mut endpoint = endpoint(Method::GET, "", "list_configuration_baselines");
    endpoint.summary = "List baselines".into();
    endpoint.description = "The newest first.".into();
    endpoint.parameters = sheet::parameters().into();
    let page = sheet::shape("ConfigurationBaseline", schema::<ConfigurationBaseline>());
    endpoint.responses = vec![
        Answer::json(200, "A page of baselines.", page, json!({"items": [example()], "next_cursor": null}))
            .header("Link", "The `next` page (RFC 8288)."),
    ];
    endpoint.problems = vec![Code::BadCursor, Code::BadQuery];
    endpoint
}

async fn list(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            let rows = BaselineRow::list(reading.connection, asked.after_id()?, asked.rows())?;
            asked.cut(shown(reading, rows)?, |row| (Vec::new(), row.id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

fn getting() -> Endpoint {
    let mut endpoint = endpoint(Method::GET, "/{id}", "get_configuration_baseline");
    endpoint.summary = "Read a baseline".into();
    endpoint.description = "What it is of.".into();
    endpoint.responses = vec![Answer::json(200, "The baseline.", schema::<ConfigurationBaseline>(), example())];
    endpoint
}

async fn get(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let id = id_of(&id)?;
    let shown = call
        .read(move |reading| {
            let row = BaselineRow::find(reading.connection, id)?;
            Ok(shown(reading, vec![row])?.pop())
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn deleting() -> Endpoint {
    let mut endpoint = endpoint(Method::DELETE, "/{id}", "delete_configuration_baseline");
    endpoint.summary = "Delete a baseline".into();
    endpoint.description =
        "The configuration items stay as they are. While it is being taken, its job has to be cancelled before.".into();
    endpoint.parameters.extend([dry_run(), reason()]);
    endpoint.problems.push(Code::Conflict);
    endpoint.responses = vec![Answer::empty(204, "It is gone.")];
    endpoint
}

async fn delete(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let id = id_of(&id)?;
    call.write(&Value::Null, move |desk| {
        let row = BaselineRow::find(desk.unit.connection()?, id)?;
        row.delete(desk.unit.connection()?)?;
        desk.tell("deleted", ("configuration_baseline", row.id.as_str(), 2), &json!({"name": [row.name, null]}))?;
        Ok(Reply::empty())
    })
    .await
}

fn listing_items() -> Endpoint {
    let mut endpoint = endpoint(Method::GET, "/{id}/items", "list_configuration_baseline_items");
    endpoint.summary = "Read what is in a baseline".into();
    endpoint.description =
        "Each configuration item as it was, by its id. A baseline that is being taken holds those that are done."
            .into();
    endpoint.parameters.extend(sheet::parameters());
    let example = json!({
        "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "number": "CI0000007", "title": "web-1",
        "fields": {"state": "live", "attributes.memory_mib": 4_096},
        "relations": [{"relation": "runs_on", "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73", "group": null}],
        "redundancy_groups": {"database": 1},
    });
    let page = sheet::shape("ConfigurationBaselineItem", schema::<ConfigurationBaselineItem>());
    endpoint.responses = vec![
        Answer::json(200, "A page of what is in it.", page, json!({"items": [example], "next_cursor": null}))
            .header("Link", "The `next` page (RFC 8288)."),
    ];
    endpoint.problems.extend([Code::BadCursor, Code::BadQuery]);
    endpoint
}

async fn list_items(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let id = id_of(&id)?;
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            reading.cause.caller.require("configuration_item.read")?;
            let row = BaselineRow::find(reading.connection, id)?;
            let items = row.items(reading.connection, asked.after_id()?, asked.rows())?;
            let items = items.into_iter().map(ConfigurationBaselineItem::from).collect();
            asked.cut(items, |item: &ConfigurationBaselineItem| (Vec::new(), item.record_id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

impl From<(RecordId, Snapshot)> for ConfigurationBaselineItem {
    fn from((record_id, snapshot): (RecordId, Snapshot)) -> Self {
        let Snapshot { number, title, fields, relations, related_by, groups } = snapshot;
        let relations = relations.into_iter().chain(related_by.unwrap_or_default()).map(BaselineRelation::from);
        let (relations, redundancy_groups) = (relations.collect(), groups.unwrap_or_default());
        ConfigurationBaselineItem { record_id, number, title, fields, relations, redundancy_groups }
    }
}

fn comparing() -> Endpoint {
    let mut endpoint = endpoint(Method::GET, "/{id}/differences", "list_configuration_baseline_differences");
    endpoint.summary = "Tell what differs from a baseline".into();
    endpoint.description =
        "From then to now, or to another baseline: what was added, removed or changed, field by field, attribute by \
                            attribute, and which relations came and went."
            .into();
    let against = "The id of the baseline that is compared with; with what is there now, if nothing is said.";
    endpoint.parameters.push(in_query("against", against, uuid(), "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b1d"));
    endpoint.parameters.extend(sheet::parameters());
    let relation = |id: &str| json!({"relation": "runs_on", "record_id": id, "group": null});
    let example = json!({
        "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "number": "CI0000007", "title": "web-1", "how": "changed",
        "changes": [{"field": "attributes.memory_mib", "from": 4_096, "to": 8_192}],
        "relations_removed": [relation("01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73")],
        "relations_added": [relation("01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e74")],
    });
    let page = sheet::shape("ConfigurationDifference", schema::<Difference>());
    endpoint.responses = vec![
        Answer::json(200, "A page of what differs.", page, json!({"items": [example], "next_cursor": null}))
            .header("Link", "The `next` page (RFC 8288)."),
    ];
    endpoint.problems.extend([Code::BadCursor, Code::BadQuery, Code::Conflict]);
    endpoint
}

async fn compare(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let id = id_of(&id)?;
    let query = desk::query(&request)?;
    let against = query.iter().find(|(name, _)| name == "against").map(|(_, value)| id_of(value)).transpose()?;
    let sheet = Sheet::read(request.path(), query, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            reading.cause.caller.require("configuration_item.read")?;
            let row = BaselineRow::find(reading.connection, id)?;
            let other = against.map(|other| BaselineRow::find(reading.connection, other)).transpose()?;
            let rows = usize::try_from(asked.rows()).unwrap_or(0);
            let found = row.compared(reading, other.as_ref(), asked.after_id()?, rows)?;
            asked.cut(found, |found: &Difference| (Vec::new(), found.record_id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}
