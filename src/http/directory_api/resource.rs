//! What organisations, teams, users, roles and calendars have in common: list, get, create and patch, with their documentation.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    change::{differences, noted, typed},
    page::{self, Wanted},
};
use crate::{
    auth::horizon::Horizon,
    db::AnyConnection,
    error::{Code, Error, Result},
    http::{
        authenticate::Identity,
        body::Body,
        desk::{self, Call, Reply},
        endpoint::{Access, Answer, Content, Endpoint},
        entity_tag::{IfMatch, etag, is_known},
        mount::Api,
        parameter::{dry_run, id, idempotency_key, if_match, reason},
        record_api::shape,
        schema::schema,
    },
    record::store::Desk,
};

/// The permission to read the directory.
pub const READ: &str = "directory.read";

/// How one kind of thing is spoken of.
pub struct Noun {
    /// `team`, `service level`
    pub one: &'static str,
    /// `a team`
    pub a: &'static str,
    /// `teams`; in paths with hyphens.
    pub many: &'static str,
    /// `Team`, also its chapter and schema.
    pub label: &'static str,
    /// What it is.
    pub about: &'static str,
    /// The permission to read it.
    pub read: &'static str,
    /// The permission to change it.
    pub manage: &'static str,
    /// Whether it can be inactive.
    pub has_active: bool,
    /// What one who makes one must know.
    pub on_create: &'static str,
    /// What one who changes one must know.
    pub on_change: &'static str,
    /// Fields that only the server writes.
    pub read_only: &'static [&'static str],
    /// Fields that can't be changed once they are there.
    pub fixed: &'static [&'static str],
}

/// Examples for the documentation.
pub struct Examples {
    /// One as it is read.
    pub one: Value,
    /// What makes one.
    pub new: Value,
    /// A patch.
    pub change: Value,
}

impl Examples {
    /// Of what makes one, with what the server adds to it when it is read.
    pub fn of(id: &str, new: Value, added: &Value, change: Value) -> Self {
        let mut one = json!({ "id": id });
        for (name, value) in [&new, added].into_iter().filter_map(Value::as_object).flatten() {
            one[name] = value.clone();
        }
        Examples { one, new, change }
    }
}

/// Such a thing.
pub trait Resource: Sized + Serialize + ToSchema + PartialEq + Send + 'static {
    /// How it is spoken of.
    const NOUN: Noun;
    /// What makes one.
    type New: DeserializeOwned + ToSchema + Send + 'static;
    /// A merge patch.
    type Change: DeserializeOwned + ToSchema + Send + 'static;

    /// Examples for the documentation.
    fn examples() -> Examples;
    /// The name that lists are ordered by, and the id.
    fn key(&self) -> (String, String);
    /// Its version.
    fn version(&self) -> i32;
    /// The one of this id; without a horizon, wherever it is.
    fn find(connection: &mut AnyConnection, horizon: Option<&Horizon>, id: &str) -> Result<Option<Self>>;
    /// A page, by [`keyset!`](super::page::keyset).
    fn page(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<Vec<Self>>;
    /// How many there are on all pages.
    fn count(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<i64>;
    /// Makes one and gives its id.
    fn create(desk: &mut Desk<'_, '_>, horizon: &Horizon, new: &Self::New) -> Result<String>;
    /// What it would be after a patch.
    fn patched(&self, change: &Self::Change) -> Result<Self>;
    /// Stores what it has become, if that may be.
    fn save(desk: &mut Desk<'_, '_>, horizon: &Horizon, before: &Self, after: &Self) -> Result<()>;
}

/// Mounts list, get, create and patch.
pub fn mount<R: Resource>(api: &mut Api) {
    mount_reading::<R>(api);
    api.mount(making::<R>(), create::<R>);
    api.mount(patching::<R>(), patch::<R>);
}

/// Mounts list and get, for what is made and changed in its own way.
pub fn mount_reading<R: Resource>(api: &mut Api) {
    api.tag(R::NOUN.label, R::NOUN.about);
    api.mount(listing::<R>(), list::<R>);
    api.mount(getting::<R>(), get::<R>);
}

/// The one of this id that the caller sees.
pub fn visible<R: Resource>(connection: &mut AnyConnection, horizon: &Horizon, id: &str) -> Result<R> {
    R::find(connection, Some(horizon), id)?.ok_or_else(|| Error::not_found(R::NOUN.one))
}

/// Refuses a version other than the one that was seen.
pub fn check_version<R: Resource>(now: &R, expected: &IfMatch) -> Result<()> {
    if expected.allows(now.version()) {
        return Ok(());
    }
    let detail = format!("The {} is at version {} now; read it again.", R::NOUN.one, now.version());
    Err(Error::new(Code::Stale, detail))
}

/// Reads what a write has made of `id`, writes the audit entry, and answers with it.
pub fn concluded<R: Resource>(desk: &mut Desk<'_, '_>, id: &str, before: Option<&R>, action: &str) -> Result<Reply> {
    let after = R::find(desk.unit.connection()?, None, id)?;
    let after = after.ok_or_else(|| Error::internal("what was just written is not there"))?;
    let subject = word(R::NOUN.one);
    let action = format!("{subject}.{action}");
    noted(desk, &action, &subject, id, after.version(), &differences(before, &after)?)?;
    answer(&after)
}

/// An answer with one.
pub fn answer<R: Resource>(it: &R) -> Result<Reply> {
    Ok(Reply::ok(serde_json::to_value(it).map_err(Error::internal)?).at_version(it.version()))
}

/// One as it is, in the documentation.
pub fn documented<R: Resource>(status: u16, description: &'static str) -> Answer {
    Answer::json(status, description, schema::<R>(), R::examples().one).header("ETag", "Its version, for `If-Match`.")
}

/// An endpoint of such a thing, to be completed.
pub fn endpoint<R: Resource>(method: Method, path: String, operation: String) -> Endpoint {
    let permission = if method == Method::GET { R::NOUN.read } else { R::NOUN.manage };
    Endpoint {
        method,
        path: path.into(),
        id: operation.into(),
        tag: R::NOUN.label.into(),
        access: Access::Permission(permission.into()),
        summary: "".into(),
        description: "".into(),
        parameters: Vec::new(),
        request: None,
        responses: Vec::new(),
        problems: Vec::new(),
    }
}

fn base<R: Resource>() -> String {
    format!("/api/v1/{}", R::NOUN.many.replace(' ', "-"))
}

/// A name as a word of the API: `service_level`.
fn word(name: &str) -> String {
    name.replace(' ', "_")
}

/// A page, in the documentation.
pub fn documented_page<R: Resource>() -> Answer {
    let example = json!({"items": [R::examples().one], "next_cursor": null, "previous_cursor": null, "total": null});
    Answer::json(200, "A page.", shape::page(&R::name(), schema::<R>()), example)
        .header("Link", "`next` and `prev` pages (RFC 8288).")
}

fn listing<R: Resource>() -> Endpoint {
    Endpoint {
        summary: format!("List {}", R::NOUN.many).into(),
        description: format!("{} By name. Only what you may see.", R::NOUN.about).into(),
        parameters: page::parameters(R::NOUN.has_active),
        responses: vec![documented_page::<R>()],
        problems: vec![Code::BadQuery, Code::BadCursor],
        ..endpoint::<R>(Method::GET, base::<R>(), format!("list_{}", word(R::NOUN.many)))
    }
}

async fn list<R: Resource>(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let wanted = Wanted::read(request.path(), &query, R::NOUN.has_active)?;
    listed::<R>(&call, request.path(), &query, wanted).await
}

/// The answer with a page of what is wanted.
pub async fn listed<R: Resource>(
    call: &Call,
    path: &str,
    query: &[(String, String)],
    wanted: Wanted,
) -> Result<HttpResponse> {
    let asked = wanted.clone();
    let (found, total) = call
        .read(move |reading| {
            let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
            let total = match asked.is_counted() {
                true => Some(R::count(reading.connection, &horizon, &asked)?),
                false => None,
            };
            Ok((R::page(reading.connection, &horizon, &asked)?, total))
        })
        .await?;
    page::respond(path, query, &wanted, found, total, R::key)
}

fn getting<R: Resource>() -> Endpoint {
    Endpoint {
        summary: format!("Read {}", R::NOUN.a).into(),
        description: "With `If-None-Match`, 304 when you have this version already.".into(),
        parameters: vec![id(R::NOUN.one)],
        responses: vec![documented::<R>(200, "As it is now."), Answer::empty(304, "You have this version already.")],
        problems: vec![Code::NotFound],
        ..endpoint::<R>(Method::GET, format!("{}/{{id}}", base::<R>()), format!("get_{}", word(R::NOUN.one)))
    }
}

async fn get<R: Resource>(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let it: R = call
        .read(move |reading| {
            let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
            visible(reading.connection, &horizon, &id)
        })
        .await?;
    let tag = (header::ETAG, etag(it.version()));
    if is_known(&request, it.version()) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(HttpResponse::Ok().insert_header(tag).json(it))
}

/// The endpoint that makes one.
pub fn making<R: Resource>() -> Endpoint {
    Endpoint {
        summary: format!("Add {}", R::NOUN.a).into(),
        description: R::NOUN.on_create.into(),
        parameters: vec![dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(schema::<R::New>(), R::examples().new)),
        responses: vec![documented::<R>(201, "It was added.").header("Location", "Where it is.")],
        problems: vec![Code::Invalid, Code::Conflict, Code::IdempotencyMismatch],
        ..endpoint::<R>(Method::POST, base::<R>(), format!("create_{}", word(R::NOUN.one)))
    }
}

/// Makes one, and gives its id and how it is read.
fn made<R: Resource>(desk: &mut Desk<'_, '_>, new: &R::New) -> Result<(String, Reply)> {
    let horizon = Horizon::of(desk.unit.reference(), &desk.cause.caller)?;
    let id = R::create(desk, &horizon, new)?;
    let reply = concluded::<R>(desk, &id, None, "created")?;
    Ok((id, reply))
}

/// Changes one, if it is the one that was seen.
fn changed<R: Resource>(desk: &mut Desk<'_, '_>, id: &str, expected: &IfMatch, change: &R::Change) -> Result<Reply> {
    let horizon = Horizon::of(desk.unit.reference(), &desk.cause.caller)?;
    let before: R = visible(desk.unit.connection()?, &horizon, id)?;
    check_version(&before, expected)?;
    let after = before.patched(change)?;
    if after == before {
        return answer(&before);
    }
    R::save(desk, &horizon, &before, &after)?;
    concluded(desk, &before.key().1, Some(&before), "updated")
}

/// Makes one as its endpoint does, where there is no request, and gives its id. What nodes keep in memory is not told.
pub fn add<R: Resource>(desk: &mut Desk<'_, '_>, body: &Value) -> Result<String> {
    desk.cause.caller.require(R::NOUN.manage)?;
    Ok(made::<R>(desk, &typed(body, R::NOUN.read_only)?)?.0)
}

/// Changes one as its endpoint does, where there is no request.
pub fn amend<R: Resource>(desk: &mut Desk<'_, '_>, id: &str, body: &Value) -> Result<()> {
    desk.cause.caller.require(R::NOUN.manage)?;
    let unwritable = [R::NOUN.read_only, R::NOUN.fixed].concat();
    changed::<R>(desk, id, &IfMatch::Any, &typed(body, &unwritable)?).map(drop)
}

async fn create<R: Resource>(
    call: Call,
    Body(body): Body<Value>,
    identity: web::Data<Identity>,
) -> Result<HttpResponse> {
    let new: R::New = typed(&body, R::NOUN.read_only)?;
    let response = call
        .write(&body, move |desk| {
            let (id, reply) = made::<R>(desk, &new)?;
            Ok(Reply { status: 201, location: Some(format!("{}/{id}", base::<R>())), ..reply })
        })
        .await?;
    identity.gate.expire();
    call.service.kernel.expire();
    Ok(response)
}

/// The endpoint that changes one.
pub fn patching<R: Resource>() -> Endpoint {
    Endpoint {
        summary: format!("Change {}", R::NOUN.a).into(),
        description: format!("A merge patch (RFC 7396). {}", R::NOUN.on_change).into(),
        parameters: vec![id(R::NOUN.one), if_match(true), dry_run(), reason()],
        request: Some(Content::merge_patch(schema::<R::Change>(), R::examples().change)),
        responses: vec![documented::<R>(200, "As it is now.")],
        problems: vec![Code::NotFound, Code::Invalid, Code::Conflict, Code::Stale, Code::PreconditionRequired],
        ..endpoint::<R>(Method::PATCH, format!("{}/{{id}}", base::<R>()), format!("update_{}", word(R::NOUN.one)))
    }
}

/// Changes one.
pub async fn patch<R: Resource>(
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
    identity: web::Data<Identity>,
) -> Result<HttpResponse> {
    let unwritable = [R::NOUN.read_only, R::NOUN.fixed].concat();
    let (expected, change): (_, R::Change) = (call.expected()?, typed(&body, &unwritable)?);
    let response = call.write(&body, move |desk| changed::<R>(desk, &id, &expected, &change)).await?;
    identity.gate.expire();
    call.service.kernel.expire();
    Ok(response)
}
