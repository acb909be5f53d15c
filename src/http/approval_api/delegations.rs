//! Who decides in whose name while they are absent.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::{Value, json};

use super::{TAG, answer};
use crate::{
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{self, Call, Reply},
        endpoint::{Access, Answer, Content, Endpoint, in_query, uuid},
        entity_tag::{etag, is_known},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, if_match, reason},
        schema::schema,
        sheet::{self, Sheet},
    },
    id::{RowId, UserId},
    record::approval::delegate::{self, Delegation, DelegationChange, NewDelegation},
};

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_delegations).mount(create(), create_delegation);
    api.mount(get(), get_delegation).mount(update(), update_delegation);
}

fn endpoint(method: Method, rest: &str, id: &'static str) -> Endpoint {
    Endpoint {
        access: Access::OwnPart(delegate::OWN.into()),
        problems: vec![Code::NotFound],
        ..Endpoint::new(method, format!("/api/v1/delegations{rest}"), id, TAG, "")
    }
}

fn example() -> Value {
    json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b31", "from_user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71",
        "to_user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73", "begins_at": "2026-07-06T00:00:00Z",
        "ends_at": "2026-07-20T00:00:00Z", "reason": "Summer leave", "active": true,
        "created_by_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "version": 1,
        "created_at": "2026-06-30T08:00:00Z", "updated_at": "2026-06-30T08:00:00Z",
    })
}

fn one(status: u16, description: &'static str) -> Answer {
    Answer::json(status, description, schema::<Delegation>(), example()).header("ETag", "Its version, for `If-Match`.")
}

fn list() -> Endpoint {
    let page = sheet::shape("Delegation", schema::<Delegation>());
    let of = "Only those from and to this person.";
    let mut parameters = vec![in_query("user_id", of, uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71")];
    parameters.extend(sheet::parameters());
    Endpoint {
        summary: "List who decides in whose name".into(),
        description: "The newest first: those from and to yourself, and with the permission `delegation.manage` those of everybody within your view.".into(),
        parameters,
        responses: vec![
            Answer::json(200, "A page of delegations.", page, json!({"items": [example()], "next_cursor": null}))
                .header("Link", "The `next` page (RFC 8288)."),
        ],
        problems: vec![Code::BadCursor, Code::BadQuery],
        ..endpoint(Method::GET, "", "list_delegations")
    }
}

async fn list_delegations(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let of = query.iter().find(|(name, _)| name == "user_id").map(|(_, id)| id.parse::<UserId>());
    let of = of.transpose().map_err(|_| Error::new(Code::BadQuery, "`user_id` is the id of a person."))?;
    let sheet = Sheet::read(request.path(), query, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            let (connection, caller) = (&mut *reading.connection, &reading.cause.caller);
            let rows = delegate::listed(connection, caller, of, asked.after_id()?, asked.rows())?;
            asked.cut(rows, |row| (Vec::new(), row.id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Read a delegation".into(),
        description: "With `If-None-Match`, 304 when you have this version already.".into(),
        parameters: vec![parameter::id("delegation")],
        responses: vec![one(200, "As it is now."), Answer::empty(304, "You have this version already.")],
        ..endpoint(Method::GET, "/{id}", "get_delegation")
    }
}

async fn get_delegation(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let id = delegation_id(&id)?;
    let found = call.read(move |reading| delegate::visible(reading.connection, &reading.cause.caller, id)).await?;
    let tag = (actix_web::http::header::ETAG, etag(found.version));
    if is_known(&request, found.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(HttpResponse::Ok().insert_header(tag).json(found))
}

fn create() -> Endpoint {
    let body = json!({
        "to_user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73", "begins_at": "2026-07-06T00:00:00Z",
        "ends_at": "2026-07-20T00:00:00Z", "reason": "Summer leave",
    });
    Endpoint {
        summary: "Let somebody decide in your name".into(),
        description: "Between two moments, in every approval in which you are asked. They decide once in a stage, for themselves or for one \
                      absent person. It goes one step: who stands in for you does not stand in for those whom you stand in for. \
                      For others it needs the permission `delegation.manage`."
            .into(),
        parameters: vec![dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(schema::<NewDelegation>(), body)),
        responses: vec![one(201, "It is so.").header("Location", "Where it is.")],
        problems: vec![Code::Invalid, Code::IdempotencyMismatch],
        ..endpoint(Method::POST, "", "create_delegation")
    }
}

async fn create_delegation(call: Call, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewDelegation = fit(body.clone())?;
    call.write(&body, move |desk| {
        let row = delegate::create(desk, &new)?;
        let location = Some(format!("/api/v1/delegations/{}", row.id));
        Ok(Reply { status: 201, location, ..answer(&row, row.version)? })
    })
    .await
}

fn update() -> Endpoint {
    Endpoint {
        summary: "Let a delegation end".into(),
        description: "A merge patch (RFC 7396): at another moment, or now and for good with `\"active\": false`. Your own absence; those of \
                      others need the permission `delegation.manage`."
            .into(),
        parameters: vec![parameter::id("delegation"), if_match(true), dry_run(), reason()],
        request: Some(Content::merge_patch(schema::<DelegationChange>(), json!({"active": false}))),
        responses: vec![one(200, "As it is now.")],
        problems: vec![Code::NotFound, Code::Invalid, Code::Conflict, Code::Stale, Code::PreconditionRequired],
        ..endpoint(Method::PATCH, "/{id}", "update_delegation")
    }
}

async fn update_delegation(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let (id, expected) = (delegation_id(&id)?, call.expected()?);
    let change: DelegationChange = fit(body.clone())?;
    call.write(&body, move |desk| {
        let before = delegate::visible(desk.unit.connection()?, &desk.cause.caller, id)?;
        if !expected.allows(before.version) {
            let detail = format!("The delegation is at version {} now; read it again.", before.version);
            return Err(Error::new(Code::Stale, detail));
        }
        let after = delegate::change(desk, before, &change)?;
        answer(&after, after.version)
    })
    .await
}

fn delegation_id(text: &str) -> Result<RowId> {
    text.parse().map_err(|_| Error::not_found("delegation"))
}
