//! The links of a record with others.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{a, beside};
use crate::{
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{Call, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_path, uuid},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::schema,
        sheet::{self, under},
    },
    id::RowId,
    record::{
        kind::Kind,
        link::{self, Link, Relation},
    },
};

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_links(kind, call, id, request));
    api.mount(create(kind), move |call, id, body| create_link(kind, call, id, body));
    api.mount(delete(kind), move |call, path| delete_link(kind, call, path));
}

/// What makes a link.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLink {
    /// What this record does to the other one.
    #[schema(schema_with = relations)]
    relation: String,
    /// The id or number of the other record.
    #[schema(examples("INC0000007"))]
    #[schema(max_length = 40)]
    record_id: String,
}

fn relations() -> utoipa::openapi::Schema {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some("What this record does to the other one."))
        .enum_values(Some(Relation::names()))
        .into()
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "relation": "caused_by", "label": "Caused by",
        "record": {
            "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "kind": "incident", "number": "INC0000007",
            "title": "The mail server is down", "state": "new", "phase": "open",
        },
        "created_by_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "created_at": "2026-03-02T08:15:00Z",
    })
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "links", format!("list_{}_links", kind.name));
    endpoint.summary = format!("List the links of {}", a(kind)).into();
    endpoint.description =
        "From either side, oldest first, each as this record names it. Only links with records that you may see."
            .into();
    sheet::of_pages(&mut endpoint, "A page of links.", "Link", schema::<Link>(), example());
    endpoint
}

async fn list_links(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let page = beside::page(
        call,
        (kind, id),
        request,
        0,
        |reading, record, asked| {
            let rows = usize::try_from(asked.rows()).unwrap_or(0);
            link::of_record(reading, record.id, asked.after_id()?, rows)
        },
        |link| (Vec::new(), link.id.to_string()),
    );
    page.await
}

fn create(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::POST, "links", format!("create_{}_link", kind.name));
    endpoint.access = Access::Permission(kind.permission("update").into());
    endpoint.summary = format!("Link {} with another record", a(kind)).into();
    endpoint.description =
        "You must see both. It is a change of this record: the `ETag` is its new one. `affects` links it with more services and configuration items.".into();
    endpoint.parameters.extend([if_match(false), dry_run(), idempotency_key(), reason()]);
    endpoint.request =
        Some(Content::json(schema::<NewLink>(), json!({"relation": "caused_by", "record_id": "INC0000007"})));
    endpoint.responses = vec![
        Answer::json(201, "They are linked.", schema::<Link>(), example())
            .header("ETag", "The record's version, for `If-Match`."),
    ];
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    endpoint
}

async fn create_link(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let NewLink { relation, record_id: other } = fit(body.clone())?;
    let expected = call.expected_if_given();
    call.write(&body, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let (outcome, made) = expected.try_each(|version| link::create(desk, kind, of, version, &relation, &other))?;
        let made = serde_json::to_value(made).map_err(Error::internal)?;
        Ok(Reply { status: 201, version: Some(outcome.version), location: None, body: made })
    })
    .await
}

fn delete(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::DELETE, "links/{link_id}", format!("delete_{}_link", kind.name));
    endpoint.access = Access::Permission(kind.permission("update").into());
    endpoint.summary = format!("Take a link of {} away", a(kind)).into();
    endpoint.description = "From either side. `If-Match` is the record's `ETag`.".into();
    let link = in_path("link_id", "The id of the link.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71");
    endpoint.parameters.extend([link, if_match(true), dry_run(), reason()]);
    endpoint.responses =
        vec![Answer::empty(204, "It is gone.").header("ETag", "The record's version, for `If-Match`.")];
    // What a change affects is fixed once work has begun.
    endpoint.problems.push(Code::Conflict);
    endpoint
}

async fn delete_link(kind: &'static Kind, call: Call, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, link) = path.into_inner();
    let expected = call.expected()?;
    let link: RowId = link.parse().map_err(|_| Error::not_found("link"))?;
    call.write(&Value::Null, move |desk| {
        let of = record_id_of(desk.unit.reference(), kind, &id)?;
        let outcome = expected.try_each(|version| link::delete(desk, kind, of, version, link))?;
        Ok(Reply::empty().at_version(outcome.version))
    })
    .await
}
