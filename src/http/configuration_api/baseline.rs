//! Baselines of configuration items, and what is different from them.

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
    practice::configuration_item::baseline::{self, BaselineRow, Difference, MOST, differences},
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
    api.mount(comparing(), compare);
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
    /// When.
    created_at: Moment,
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
        "created_at": "2026-03-02T08:15:00Z",
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
        let BaselineRow { id, name, description, filter, items, created_by_id, created_at } = row;
        let created_by = people.get(&created_by_id).cloned();
        ConfigurationBaseline { id, name, description, filter, items, created_by, created_at }
    });
    Ok(shown.collect())
}

fn taking() -> Endpoint {
    let mut endpoint = endpoint(Method::POST, "", "create_configuration_baseline");
    endpoint.summary = "Take a baseline".into();
    endpoint.description =
        format!("Of what the filter finds and you may see, at most {MOST} configuration items.").into();
    endpoint.parameters = vec![dry_run(), idempotency_key(), reason()];
    let body = json!({"name": "Before the move", "filter": "is_a = server"});
    endpoint.request = Some(Content::json(schema::<NewConfigurationBaseline>(), body));
    endpoint.responses = vec![
        Answer::json(201, "It was taken.", schema::<ConfigurationBaseline>(), example())
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
        let row = unique(baseline::take(desk, &name, &description, &filter), "name")?;
        let told = json!({"name": [null, row.name], "filter": [null, row.filter], "items": [null, row.items]});
        desk.tell("created", ("configuration_baseline", row.id.as_str(), 1), &told)?;
        let (kernel, cause, id) = (desk.kernel, desk.cause, row.id);
        let mut reading = Reading { kernel, connection: desk.unit.connection()?, cause };
        let shown = shown(&mut reading, vec![row])?.pop();
        Ok(Reply::created(format!("{PATH}/{id}"), serde_json::to_value(shown).map_err(Error::internal)?))
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
    endpoint.description = "What it is of. What was in it is told by what differs.".into();
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
    endpoint.description = "The configuration items stay as they are.".into();
    endpoint.parameters.extend([dry_run(), reason()]);
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
    endpoint.problems.extend([Code::BadCursor, Code::BadQuery]);
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
            let before = row.snapshots(reading.connection)?;
            let after = match against {
                Some(other) => BaselineRow::find(reading.connection, other)?.snapshots(reading.connection)?,
                None => row.now(reading.kernel, reading.connection, reading.cause, &before)?,
            };
            let last: Option<RecordId> = asked.after_id()?;
            let rest =
                differences(&before, &after).into_iter().filter(|found| last.is_none_or(|last| found.record_id > last));
            let rows = usize::try_from(asked.rows()).unwrap_or(0);
            asked.cut(rest.take(rows).collect(), |found: &Difference| (Vec::new(), found.record_id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}
