//! The fields that administrators define.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, Schema, path::Parameter, schema::Type},
};

use super::{
    body::{Body, fit},
    desk::{self, Call, Reply},
    endpoint::{Access, Answer, Content, Endpoint, in_path, in_query, short_text, uuid},
    entity_tag::{etag, is_known},
    mount::Api,
    parameter::{dry_run, idempotency_key, if_match, reason},
    schema::{list, schema, words},
};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    id::RowId,
    record::{
        custom::{self, CustomField, TYPES},
        custom_admin::{self, CHOICES, Change, LABEL, New},
        input::given,
    },
};

const TAG: &str = "Custom field";

/// Mounts them.
pub fn mount(api: &mut Api) {
    api.tag(TAG, "Fields that administrators add to kinds of records. Their values stand in `custom`.");
    api.mount(all(), list_fields);
    api.mount(create(), create_field);
    api.mount(get(), get_field);
    api.mount(update(), update_field);
}

/// A field that administrators defined.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CustomField)]
struct Shown {
    /// Its id.
    id: RowId,
    /// The kind of record that has it.
    #[schema(examples("incident"))]
    kind: String,
    /// Its name in `custom`, and in filters as `custom.name`.
    #[schema(examples("floor"))]
    name: String,
    /// For people.
    #[schema(examples("Floor"))]
    label: String,
    /// What it holds, for people.
    help: String,
    /// `text`, `integer`, `decimal`, `boolean`, `date`, `time`, `choice`, or what it refers to by its id: `user`, `team`, `organisation` or
    /// `configuration_item`.
    #[schema(examples("choice"))]
    field_type: String,
    /// The words to choose from, for `choice`.
    choices: Vec<String>,
    /// Whether new records need it.
    required: bool,
    /// The regular expression that the whole of a `text` must match.
    #[schema(examples("[A-Z]{2}-[0-9]+"))]
    pattern: Option<String>,
    /// Of which class a `configuration_item` that it refers to has to be, or of one below that; of any where it is null.
    target_class: Option<String>,
    /// Whether it can be written and is offered in forms. What records hold stays.
    active: bool,
    /// Rises with every change; the `ETag` is made of it.
    version: i32,
    /// When it was made.
    created_at: Moment,
    /// When it last changed.
    updated_at: Moment,
}

/// What makes a custom field.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCustomField {
    /// The kind of record that gets it.
    #[schema(examples("incident"))]
    #[schema(max_length = 40)]
    kind: String,
    /// Lower case letters, digits and `_`, at most 60; not the name of a field that the kind has.
    #[schema(examples("floor"))]
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$")]
    name: String,
    /// For people.
    #[schema(examples("Floor"))]
    #[schema(max_length = 100)]
    label: String,
    /// What it holds, for people.
    #[serde(default)]
    #[schema(max_length = 1000)]
    help: String,
    /// `text`, `integer`, `decimal`, `boolean`, `date`, `time`, `choice`, or what it refers to by its id: `user`, `team`, `organisation` or
    /// `configuration_item`.
    #[schema(examples("choice"))]
    #[schema(schema_with = field_type)]
    field_type: String,
    /// The words to choose from; needed for `choice`.
    #[serde(default)]
    #[schema(schema_with = choices)]
    choices: Vec<String>,
    /// Whether new records need it.
    #[serde(default)]
    required: bool,
    /// A regular expression that the whole of a `text` must match, of at most 500 characters: without look-around and
    /// back-references, so that none takes long.
    #[serde(default)]
    #[schema(examples("[A-Z]{2}-[0-9]+"))]
    #[schema(max_length = 500)]
    pattern: Option<String>,
    /// Of which class a `configuration_item` that it refers to has to be, or of one below that; of any where nothing is said.
    #[serde(default)]
    #[schema(max_length = 60, examples("server"))]
    target_class: Option<String>,
}

/// A merge patch of a custom field. Kind, name and type stay, because records hold values of it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CustomFieldChange {
    /// For people.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    #[schema(max_length = 100)]
    label: Option<String>,
    /// What it holds, for people.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    #[schema(max_length = 1000)]
    help: Option<String>,
    /// The words to choose from, for `choice`. What records hold stays.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    #[schema(schema_with = choices)]
    choices: Option<Vec<String>>,
    /// Whether new records need it.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    required: Option<bool>,
    /// The regular expression that the whole of a `text` must match; null for none. What records hold stays.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    #[schema(max_length = 500)]
    pattern: Option<Option<String>>,
    /// Of which class a `configuration_item` that it refers to has to be; null for any. What records hold stays.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    #[schema(max_length = 60)]
    target_class: Option<Option<String>>,
    /// Whether it can be written and is offered in forms.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    active: Option<bool>,
}

fn choices() -> Schema {
    words("The words to choose from, for `choice`. When they change, what records hold stays.", CHOICES, LABEL)
}

fn field_type() -> Schema {
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(TYPES.iter().copied()));
    schema.description(Some("What it holds.")).into()
}

fn shown(field: CustomField) -> Result<Shown> {
    Ok(Shown {
        choices: field.choices.read()?,
        id: field.id,
        kind: field.kind,
        name: field.name,
        label: field.label,
        help: field.help,
        field_type: field.field_type,
        required: field.required,
        pattern: field.pattern,
        target_class: field.target_class,
        active: field.active,
        version: field.version,
        created_at: field.created_at,
        updated_at: field.updated_at,
    })
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e75", "kind": "incident", "name": "floor", "label": "Floor",
        "help": "Where it happens.", "field_type": "choice", "choices": ["ground", "first"], "required": false,
        "pattern": null, "target_class": null, "active": true, "version": 1, "created_at": "2026-03-02T08:15:00Z", "updated_at": "2026-03-02T08:15:00Z",
    })
}

fn base(method: Method, path: &'static str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        method,
        path: path.into(),
        id: id.into(),
        tag: TAG.into(),
        access: Access::Permission(permission.into()),
        summary: "".into(),
        description: "".into(),
        parameters: Vec::new(),
        request: None,
        responses: Vec::new(),
        problems: Vec::new(),
    }
}

const READ: &str = "custom_field.read";
const EDIT: &str = "custom_field.edit";

fn id_parameter() -> Parameter {
    in_path("id", "The id of the field.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e75")
}

fn all() -> Endpoint {
    Endpoint {
        summary: "List custom fields".into(),
        description: "All of them, also those that are not active, by kind and name.".into(),
        parameters: vec![in_query("kind", "Only those of this kind.", short_text(100), "incident")],
        responses: vec![Answer::json(200, "The fields.", list(schema::<Shown>()), json!([example()]))],
        ..base(Method::GET, "/api/v1/custom-fields", "list_custom_fields", READ)
    }
}

async fn list_fields(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let kind = desk::query(&request)?.into_iter().find(|(n, _)| n == "kind").map(|(_, v)| v);
    let fields = call.read(move |reading| custom_admin::all(reading.connection, kind.as_deref())).await?;
    Ok(HttpResponse::Ok().json(fields.into_iter().map(shown).collect::<Result<Vec<_>>>()?))
}

fn create() -> Endpoint {
    let example_body = json!({
        "kind": "incident", "name": "floor", "label": "Floor", "field_type": "choice", "choices": ["ground", "first"],
    });
    Endpoint {
        summary: "Add a custom field to a kind of record".into(),
        description: format!(
            "Records of that kind can hold it at once. A kind has at most {} custom fields.",
            custom_admin::MOST
        )
        .into(),
        parameters: vec![dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(schema::<NewCustomField>(), example_body)),
        responses: vec![
            Answer::json(201, "It was made.", schema::<Shown>(), example())
                .header("ETag", "Its version, for `If-Match`.")
                .header("Location", "Where it is."),
        ],
        problems: vec![Code::Conflict, Code::IdempotencyMismatch, Code::IdempotencyInFlight],
        ..base(Method::POST, "/api/v1/custom-fields", "create_custom_field", EDIT)
    }
}

async fn create_field(call: Call, Body(body): Body<Value>) -> Result<HttpResponse> {
    let NewCustomField { kind, name, label, help, field_type, choices, required, pattern, target_class } =
        fit(body.clone())?;
    let new = New { kind, name, label, help, field_type, choices, required, pattern, target_class };
    let write = call.write(&body, move |desk| {
        let made = custom_admin::create(desk, new.clone())?;
        let (location, version) = (format!("/api/v1/custom-fields/{}", made.id), made.version);
        let body = serde_json::to_value(shown(made)?).map_err(Error::internal)?;
        Ok(Reply::created(location, body).at_version(version))
    });
    let response = write.await?;
    call.service.kernel.expire();
    Ok(response)
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Read a custom field".into(),
        description: "With `If-None-Match`, 304 when you have this version already.".into(),
        parameters: vec![id_parameter()],
        responses: vec![
            Answer::json(200, "As it is now.", schema::<Shown>(), example())
                .header("ETag", "Its version, for `If-Match`."),
            Answer::empty(304, "You have this version already."),
        ],
        ..base(Method::GET, "/api/v1/custom-fields/{id}", "get_custom_field", READ)
    }
}

async fn get_field(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let id = field_id(&id)?;
    let field = call.read(move |reading| custom_admin::find(reading.connection, id)).await?;
    let tag = (header::ETAG, etag(field.version));
    if is_known(&request, field.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(HttpResponse::Ok().insert_header(tag).json(shown(field)?))
}

fn update() -> Endpoint {
    Endpoint {
        summary: "Change a custom field".into(),
        description: "A merge patch (RFC 7396). Fields are never deleted: one that is not active is no longer offered nor written, and records keep what they hold.".into(),
        parameters: vec![id_parameter(), if_match(true), dry_run(), reason()],
        request: Some(Content::merge_patch(schema::<CustomFieldChange>(), json!({"required": true}))),
        responses: vec![
            Answer::json(200, "As it is now.", schema::<Shown>(), example())
                .header("ETag", "Its version, for `If-Match`."),
        ],
        problems: vec![Code::Stale, Code::PreconditionRequired],
        ..base(Method::PATCH, "/api/v1/custom-fields/{id}", "update_custom_field", EDIT)
    }
}

async fn update_field(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let (id, expected) = (field_id(&id)?, call.expected()?);
    let CustomFieldChange { label, help, choices, required, pattern, target_class, active } = fit(body.clone())?;
    let change = Change { label, help, choices, required, pattern, target_class, active };
    let write = call.write(&body, move |desk| {
        let field = expected.try_each(|version| custom_admin::change(desk, id, version, change.clone()))?;
        let version = field.version;
        let body = serde_json::to_value(shown(field)?).map_err(Error::internal)?;
        Ok(Reply::ok(body).at_version(version))
    });
    let response = write.await?;
    call.service.kernel.expire();
    Ok(response)
}

fn field_id(text: &str) -> Result<RowId> {
    text.parse().map_err(|_| custom::no_such_field())
}
