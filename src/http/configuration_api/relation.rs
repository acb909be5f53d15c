//! The relations of a record, and the redundancy groups of what it depends on.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::path::Parameter};

use crate::{
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{Call, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_path, patterned, uuid},
        entity_tag::etag,
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        record_api::{a, beside, visible},
        schema::{list, schema},
        sheet::{self, Sheet, under},
    },
    id::RowId,
    record::{
        graph::relate::{self, NewRelation, RedundancyGroup, Relation},
        header::Header,
        kind::Kind,
        store::Reading,
    },
};

/// Mounts them for a kind.
pub(super) fn mount_under(api: &mut Api, kind: &'static Kind) {
    api.mount(listing(kind), move |call, id, request| list_relations(kind, call, id, request));
    api.mount(creating(kind), move |call, id, body| create_relation(kind, call, id, body));
    api.mount(deleting(kind), move |call, path| delete_relation(kind, call, path));
    api.mount(listing_groups(kind), move |call, id| list_groups(kind, call, id));
    api.mount(putting_group(kind), move |call, path, body| put_group(kind, call, path, body));
    api.mount(deleting_group(kind), move |call, path| delete_group(kind, call, path));
}

/// How many of a redundancy group must be up.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RedundancyGroupPut {
    /// So many, or the record is hit.
    #[schema(minimum = 1, maximum = 1000)]
    min_up: i32,
}

pub(super) fn record_example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "kind": "configuration_item", "number": "CI0000007", "title": "esx-3",
        "state": "live", "phase": "open",
    })
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "relation": "runs_on", "label": "Runs on", "hit": "this",
        "record": record_example(), "group": null, "source": "manual",
        "created_by_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "created_at": "2026-03-02T08:15:00Z",
    })
}

fn group_example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72", "name": "database", "min_up": 2, "up": 3, "members": [record_example()],
    })
}

fn writes(mut endpoint: Endpoint, kind: &Kind) -> Endpoint {
    endpoint.access = Access::Permission(kind.permission("update").into());
    endpoint.parameters.extend([dry_run(), reason()]);
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    endpoint
}

fn listing(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "relations", format!("list_{}_relations", kind.name));
    endpoint.summary = format!("List the relations of {}", a(kind)).into();
    endpoint.description = "From either side, oldest first, each as this record names it.".into();
    sheet::of_pages(&mut endpoint, "A page of relations.", "Relation", schema::<Relation>(), example());
    endpoint
}

async fn list_relations(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let rows = |reading: &mut Reading<'_>, record: &Header, asked: &Sheet| {
        let rows = usize::try_from(asked.rows()).unwrap_or(0);
        relate::of_record(reading, record.id, asked.after_id()?, rows)
    };
    beside::page(call, (kind, id), request, 0, rows, |relation| (Vec::new(), relation.id.to_string())).await
}

fn creating(kind: &'static Kind) -> Endpoint {
    let endpoint = under(kind, Method::POST, "relations", format!("create_{}_relation", kind.name));
    let mut endpoint = writes(endpoint, kind);
    endpoint.summary = format!("Relate {} to another record", a(kind)).into();
    endpoint.description =
        "To a service or a configuration item, by a type of relation as this record names it. It is a change of both \
         records: the `ETag` of the other one rises, too."
            .into();
    endpoint.parameters.extend([if_match(false), idempotency_key()]);
    endpoint.request =
        Some(Content::json(schema::<NewRelation>(), json!({"relation": "runs_on", "record_id": "CI0000007"})));
    endpoint.responses = vec![
        Answer::json(201, "They are related.", schema::<Relation>(), example())
            .header("ETag", "The record's version, for `If-Match`."),
    ];
    endpoint
}

async fn create_relation(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let new: NewRelation = fit(body.clone())?;
    let expected = call.expected_if_given();
    call.write(&body, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let (outcome, made) =
            expected.try_each(|version| relate::create(desk, kind, of, version, (&new, relate::BY_HAND)))?;
        let made = serde_json::to_value(made).map_err(Error::internal)?;
        Ok(Reply { status: 201, version: Some(outcome.version), location: None, body: made })
    })
    .await
}

fn deleting(kind: &'static Kind) -> Endpoint {
    let endpoint = under(kind, Method::DELETE, "relations/{relation_id}", format!("delete_{}_relation", kind.name));
    let mut endpoint = writes(endpoint, kind);
    endpoint.summary = format!("Take a relation of {} away", a(kind)).into();
    endpoint.description = "From either side. `If-Match` is the record's `ETag`. It is a change of both records: the `ETag` of the other one rises, too.".into();
    let relation = in_path("relation_id", "The id of the relation.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71");
    endpoint.parameters.extend([relation, if_match(true)]);
    endpoint.problems.push(Code::PreconditionRequired);
    endpoint.responses =
        vec![Answer::empty(204, "It is gone.").header("ETag", "The record's version, for `If-Match`.")];
    endpoint
}

async fn delete_relation(kind: &'static Kind, call: Call, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, relation) = path.into_inner();
    let expected = call.expected()?;
    let relation: RowId = relation.parse().map_err(|_| Error::not_found("relation"))?;
    call.write(&Value::Null, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let outcome = expected.try_each(|version| relate::delete(desk, kind, of, version, relation))?;
        Ok(Reply::empty().at_version(outcome.version))
    })
    .await
}

fn listing_groups(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "redundancy-groups", format!("list_{}_redundancy_groups", kind.name));
    endpoint.summary = format!("List the redundancy groups of {}", a(kind)).into();
    endpoint.description = "What it depends on of which some are enough, by name, and how each group stands.".into();
    endpoint.responses = vec![
        Answer::json(200, "The groups.", list(schema::<RedundancyGroup>()), json!([group_example()]))
            .header("ETag", "The record's version, for `If-Match`."),
    ];
    endpoint
}

async fn list_groups(kind: &'static Kind, call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let (version, groups) = call
        .read(move |reading| {
            let header = visible(reading, kind, &id)?;
            Ok((header.version, relate::groups(reading, header.id)?))
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header(("ETag", etag(version))).json(groups))
}

/// One line that does not begin with a space.
const GROUP_NAME: &str = r"^[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

fn group_name() -> Parameter {
    in_path("group", "The name of the group.", patterned(100, GROUP_NAME), "database")
}

fn putting_group(kind: &'static Kind) -> Endpoint {
    let endpoint = under(kind, Method::PUT, "redundancy-groups/{group}", format!("put_{}_redundancy_group", kind.name));
    let mut endpoint = writes(endpoint, kind);
    endpoint.summary = format!("Say how many of a redundancy group of {} must be up", a(kind)).into();
    endpoint.description = "Makes the group where there is none. Relations are put into it by their `group`.".into();
    endpoint.parameters.extend([group_name(), if_match(true)]);
    endpoint.problems.extend([Code::PreconditionRequired, Code::BadQuery]);
    endpoint.request = Some(Content::json(schema::<RedundancyGroupPut>(), json!({"min_up": 2})));
    endpoint.responses = vec![Answer::empty(204, "It counts.").header("ETag", "The record's version, for `If-Match`.")];
    endpoint
}

async fn put_group(
    kind: &'static Kind,
    call: Call,
    path: web::Path<(String, String)>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let RedundancyGroupPut { min_up } = fit(body.clone())?;
    let ((id, name), expected) = (path.into_inner(), call.expected()?);
    call.write(&body, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let put = |version| relate::put_group(desk, kind, of, version, (&name, min_up));
        Ok(Reply::empty().at_version(expected.try_each(put)?.version))
    })
    .await
}

fn deleting_group(kind: &'static Kind) -> Endpoint {
    let endpoint =
        under(kind, Method::DELETE, "redundancy-groups/{group}", format!("delete_{}_redundancy_group", kind.name));
    let mut endpoint = writes(endpoint, kind);
    endpoint.summary = format!("Take a redundancy group of {} away", a(kind)).into();
    endpoint.description = "Its relations stay; from then on each alone hits the record.".into();
    endpoint.parameters.extend([group_name(), if_match(true)]);
    endpoint.problems.push(Code::PreconditionRequired);
    endpoint.responses =
        vec![Answer::empty(204, "It is gone.").header("ETag", "The record's version, for `If-Match`.")];
    endpoint
}

async fn delete_group(kind: &'static Kind, call: Call, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let ((id, name), expected) = (path.into_inner(), call.expected()?);
    call.write(&Value::Null, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let outcome = expected.try_each(|version| relate::delete_group(desk, kind, of, version, &name))?;
        Ok(Reply::empty().at_version(outcome.version))
    })
    .await
}
