//! Reading records: one, a list, its open transitions, its history and its decisions.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, ContentType},
    },
    web,
};
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, path::Parameter, schema::Type};

use super::{
    a, export, many, practice_of,
    property::{expandable, property},
    shape,
};
use crate::{
    error::{Code, Result},
    http::{
        desk::{self, Call, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_query, patterned, short_text, text},
        entity_tag::{IfNoneMatch, etag, etag_of},
        mount::Api,
        parameter, schema, sheet,
    },
    record::{
        document::Document,
        expand,
        header::{Header, Place},
        kind::{HEADER, Kind},
        list::{Asked, List, Page},
        mention,
        query::fields::{self, Fields},
        render,
        step::StepStatus,
        store::{self, Reading},
    },
};

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(Some(kind)), move |call, request| list_records(Some(kind), call, request));
    api.mount(get(kind), move |call, id, request| get_record(kind, call, id, request));
    api.mount(transitions(kind), move |call, id| list_transitions(kind, call, id));
}

/// Mounts the list over all kinds.
pub(super) fn mount_all_kinds(api: &mut Api) {
    api.mount(list(None), move |call, request| list_records(None, call, request));
}

/// The header fields as a kind of its own, for lists over all kinds.
fn any_kind() -> schema::Shape {
    let needed = ["id", "kind", "number", "state", "phase", "title", "version", "opened_at", "updated_at"];
    common("Record", "What all kinds of records have in common.", &needed).with(common(
        "RecordPart",
        "What `fields` picks of that.",
        &[],
    ))
}

fn common(name: &str, doc: &str, needed: &[&str]) -> schema::Shape {
    let object = HEADER.iter().fold(ObjectBuilder::new().description(Some(doc)), |object, field| {
        let property: utoipa::openapi::RefOr<utoipa::openapi::Schema> = match field.name {
            "state" | "kind" => ObjectBuilder::new().schema_type(Type::String).description(Some(field.doc)).into(),
            _ => property(&ANY, field, field.nullable),
        };
        object.property(field.name, property)
    });
    let object = needed.iter().fold(expandable(&ANY, object), |object, name| object.required(*name));
    shape::with_components(&ANY, name.to_owned(), object)
}

const ANY: Kind = Kind {
    name: "record",
    plural: "records",
    label: "Record",
    prefix: "",
    doc: "What all kinds of records have in common.",
    without: &[],
    fields: &[],
    lifecycle: crate::record::kind::Lifecycle { initial: "new", states: &[], steps: &[] },
    decisions: &[],
    public: false,
};

fn list(kind: Option<&'static Kind>) -> Endpoint {
    let shown = kind.unwrap_or(&ANY);
    let item = kind.map_or_else(any_kind, shape::shown);
    let access = kind.map_or(Access::SignedIn, |k| Access::Permission(k.permission("read").into()));
    Endpoint {
        method: Method::GET,
        path: format!("/api/v1/{}", shown.plural).into(),
        id: format!("list_{}", shown.plural).into(),
        tag: shown.label.into(),
        access,
        summary: format!("List {}", many(shown)).into(),
        description: LIST.into(),
        parameters: list_parameters(),
        request: None,
        responses: vec![
            Answer::json(
                200,
                "A page.",
                shape::page(shown.label, item),
                json!({
                    "items": [shape::example(shown)], "next_cursor": null, "previous_cursor": null, "total": null,
                }),
            )
            .or(Content::of(
                export::CSV,
                schema::inline(text()),
                json!("number,title\r\nINC0000042,Mail does not arrive\r\n"),
            ))
            .or(Content::of(export::NDJSON, schema::inline(text()), json!("{\"number\":\"INC0000042\"}\n")))
            .header("Link", "`next` and `prev` pages (RFC 8288)."),
        ],
        problems: vec![Code::BadQuery, Code::BadCursor],
    }
}

const LIST: &str = "Only what you may see. Any `field=value` pair in the query string filters too (`state=new,in_progress` means either). \
Without `sort`, the newest come first; a search by `q` without `sort` gives those whose number or title has the words first, each group newest first, at most a thousand. \
With `Accept: text/csv` or `application/x-ndjson` they come as one file: all of them, or as many as `limit` says, which may be more than 200 then, in the order of `sort` and without `cursor`; custom fields are columns of their own, and what a spreadsheet would take for a formula is led by an apostrophe. A file that breaks off is not whole.";

/// `filter` and `q`.
pub(super) fn list_filters() -> [Parameter; 2] {
    [
        in_query(
            "filter",
            "Which ones: `state = \"new\" AND (priority <= 2 OR tags : \"vip\") AND opened_at > now() - 7d`. Fields of references by dots (`service.owner = me`), custom fields as `custom.name`. `:` finds a part of a text, whatever the case of the letters A to Z.",
            short_text(4_096),
            "phase = \"open\" AND team = my_teams",
        ),
        in_query(
            "q",
            "Words to be found in number, title, description or comments; of the last one the beginning is enough.",
            short_text(2_000),
            "mail queue",
        ),
    ]
}

/// The parameters of every list.
fn list_parameters() -> Vec<Parameter> {
    let [filter, q] = list_filters();
    vec![
        filter,
        q,
        in_query(
            "sort",
            "Fields in order, `-` for descending. Ties are broken by id.",
            patterned(400, "^[a-z0-9_., -]+$"),
            "-priority,opened_at",
        ),
        parameter::limit(),
        parameter::cursor(),
        parameter::count(),
        fields_parameter(),
        expand_parameter(),
    ]
}

/// Names, separated by commas.
const NAMES: &str = "^[a-z0-9_., ]+$";

fn fields_parameter() -> Parameter {
    in_query(
        "fields",
        "Only these fields, and what `expand` embeds: the answer is then an `…Part` of what is told here. A client that was generated and checks what it reads does better without.",
        patterned(4_096, NAMES),
        "number,title,state",
    )
}

fn expand_parameter() -> Parameter {
    in_query(
        "expand",
        "Embed what these references point to, beside their ids.",
        patterned(1_000, NAMES),
        "assignee,team",
    )
}

/// What `fields` and `expand` ask for.
#[derive(Clone, Default)]
pub(super) struct View {
    pub fields: Option<Fields>,
    expand: Vec<String>,
}

impl View {
    fn read(kind: Option<&'static Kind>, query: &[(String, String)]) -> Result<Self> {
        let given = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        if given("fields").is_none() && given("expand").is_none() {
            return Ok(View::default());
        }
        let all: Vec<&crate::record::kind::Field> =
            kind.map_or_else(|| HEADER.iter().collect(), |k| k.all_fields().collect());
        let references: Vec<&str> = all.iter().filter(|f| f.is_reference()).map(|f| f.short_name()).collect();
        let known: Vec<&str> = all.iter().map(|f| f.name).chain(references.iter().copied()).collect();
        let expand =
            given("expand").map(|text| fields::parse_expand(text, &references)).transpose()?.unwrap_or_default();
        // What is embedded is wanted, whatever else is.
        let picked = |text: &str| {
            fields::parse(&[vec![text], expand.iter().map(String::as_str).collect()].concat().join(","), &known)
        };
        Ok(View { fields: given("fields").map(picked).transpose()?, expand })
    }

    /// Hides what the caller may not know of, and embeds what is wanted.
    pub fn apply(&self, reading: &mut Reading<'_>, records: &mut [Document]) -> Result<()> {
        mention::hide_references(reading.kernel, reading.connection, &reading.cause.caller, records)?;
        expand::embed(reading, &self.expand, records)
    }
}

/// Parameters of lists that are not fields.
const RESERVED: &[&str] = &["filter", "q", "sort", "limit", "cursor", "count", "fields", "expand"];

/// What the parameters of a list ask for.
pub(super) fn asked_of(query: &[(String, String)]) -> Asked {
    let given = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    Asked {
        filter: given("filter"),
        sort: given("sort"),
        q: given("q"),
        limit: given("limit"),
        cursor: given("cursor"),
        count: desk::flag(query, "count"),
        pairs: query.iter().filter(|(n, _)| !RESERVED.contains(&n.as_str())).cloned().collect(),
    }
}

async fn list_records(kind: Option<&'static Kind>, call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let (asked, view) = (asked_of(&query), View::read(kind, &query)?);
    if let Some(format) = export::Format::wanted(&request) {
        return export::respond(kind, call, &request, asked, view, format).await;
    }
    let (body, page) = call
        .read_loosely(move |reading| {
            let list =
                List::new(reading.kernel, reading.connection, &reading.cause.caller, kind, &asked, reading.cause.at)?;
            let mut page = list.page(reading.connection, &asked)?;
            view.apply(reading, &mut page.records)?;
            Ok((page_body(&page, view.fields.as_ref())?, page))
        })
        .await?;
    Ok(page_response(request.path(), &query, body, &page))
}

/// What a page takes beside its items.
const PAGE_FRAME: usize = 512;

/// The page as JSON text.
fn page_body(page: &Page, picked: Option<&Fields>) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(page.records.iter().map(|record| record.size() + 1).sum::<usize>() + PAGE_FRAME);
    body.extend_from_slice(b"{\"items\":[");
    for (n, record) in page.records.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        record.write(picked, &mut body)?;
    }
    let rest = json!({"next_cursor": page.next, "previous_cursor": page.previous, "total": page.total}).to_string();
    body.extend_from_slice(b"],");
    body.extend_from_slice(rest.trim_start_matches('{').as_bytes());
    Ok(body)
}

fn page_response(path: &str, query: &[(String, String)], body: Vec<u8>, page: &Page) -> HttpResponse {
    let link = |rel: &str, cursor: &Option<String>| Some(sheet::link(path, query, rel, cursor.as_deref()?));
    let links: Vec<String> = [link("next", &page.next), link("prev", &page.previous)].into_iter().flatten().collect();
    let mut response = HttpResponse::Ok();
    if !links.is_empty() {
        response.insert_header((header::LINK, links.join(", ")));
    }
    response.content_type(ContentType::json()).body(body)
}

fn get(kind: &'static Kind) -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: format!("/api/v1/{}/{{id}}", kind.plural).into(),
        id: format!("get_{}", kind.name).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("read").into()),
        summary: format!("Read {}", a(kind)).into(),
        description: "With `If-None-Match`, 304 when you have this version already. With `expand`, the `ETag` and the 304 cover what is embedded, too; such a tag names the same version in `If-Match`.".into(),
        parameters: vec![parameter::record_id(kind), fields_parameter(), expand_parameter()],
        request: None,
        responses: vec![
            Answer::json(200, "As it is now.", shape::shown(kind), shape::example(kind))
                .header("ETag", "Its version, for `If-Match`."),
            Answer::empty(304, "You have this version already."),
        ],
        problems: vec![Code::NotFound, Code::BadQuery],
    }
}

async fn get_record(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let view = View::read(Some(kind), &desk::query(&request)?)?;
    let known = IfNoneMatch::of(&request);
    let wish = Arc::new((id.into_inner(), view, known));
    let at_once = match wish.1.expand.is_empty() {
        true => {
            let wish = wish.clone();
            call.read_one(move |reading| show_one(reading, kind, &wish)).await?
        }
        false => None,
    };
    let shown = match at_once {
        Some(shown) => shown,
        // What it is to be shown with, or a change in the meantime, makes one moment needed.
        None => call.read(move |reading| show_one(reading, kind, &wish)).await?.ok_or_else(|| store::absent(kind))?,
    };
    let mut response = match shown.body {
        Some(_) => HttpResponse::Ok(),
        None => HttpResponse::NotModified(),
    };
    response.insert_header((header::ETAG, shown.tag));
    Ok(match shown.body {
        Some(body) => response.content_type(ContentType::json()).body(body),
        None => response.finish(),
    })
}

/// A record, and its tag; without the record when the caller has it.
struct Shown {
    tag: String,
    body: Option<web::Bytes>,
}

/// Nothing, when the record has changed while it was read.
fn show_one(
    reading: &mut Reading<'_>,
    kind: &'static Kind,
    wish: &(String, View, IfNoneMatch),
) -> Result<Option<Shown>> {
    let (id, view, known) = wish;
    let place = place(reading, kind, id)?;
    // The version covers the record, not what is embedded in it.
    let tag = etag(place.version);
    if view.expand.is_empty() && known.names(&tag) {
        return Ok(Some(Shown { tag, body: None }));
    }
    let mut records = render::present(reading.kernel, reading.connection, kind, &[(place.id, place.version)])?;
    view.apply(reading, &mut records)?;
    let Some(record) = records.first() else { return Ok(None) };
    let body = record.bytes(view.fields.as_ref())?;
    if view.expand.is_empty() {
        return Ok(Some(Shown { tag, body: Some(body) }));
    }
    let tag = etag_of(place.version, &body);
    let body = (!known.names(&tag)).then_some(body);
    Ok(Some(Shown { tag, body }))
}

fn transitions(kind: &'static Kind) -> Endpoint {
    let shape = schema::list(schema::schema::<StepStatus>());
    Endpoint {
        method: Method::GET,
        path: format!("/api/v1/{}/{{id}}/transitions", kind.plural).into(),
        id: format!("list_{}_transitions", kind.name).into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("read").into()),
        summary: format!("Which transitions of {} are open", a(kind)).into(),
        description: "The steps that lead from the present state: which are open to you now and, for each that is not, what is missing. Draw your buttons from it.".into(),
        parameters: vec![parameter::record_id(kind)],
        request: None,
        responses: vec![Answer::json(200, "The steps.", shape, json!([{
            "name": "close", "label": "Close", "to": "closed", "open": true, "accepts": [], "requires": [], "requires_when": [], "missing": [],
        }]))],
        problems: vec![Code::NotFound],
    }
}

async fn list_transitions(kind: &'static Kind, call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let steps = call
        .read(move |reading| {
            let header = visible(reading, kind, &id)?;
            practice_of(reading.kernel, kind)?.steps(reading, header)
        })
        .await?;
    Ok(HttpResponse::Ok().json(steps))
}

/// Where the record with that id or number stands, if the caller sees it.
fn place(reading: &mut Reading<'_>, kind: &'static Kind, id: &str) -> Result<Place> {
    let id = record_id_of(reading.connection, kind, id)?;
    store::visible_place(reading.connection, &reading.cause.caller, kind, id)
}

/// The record with that id or number, if the caller sees it.
pub(in crate::http) fn visible(reading: &mut Reading<'_>, kind: &'static Kind, id: &str) -> Result<Header> {
    let id = record_id_of(reading.connection, kind, id)?;
    store::visible(reading.kernel, reading.connection, &reading.cause.caller, kind, id)
}
