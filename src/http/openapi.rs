//! The OpenAPI 3.1 document, put together from what was mounted. The same mounts give the same text, byte by byte.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use actix_web::http::Method;
use utoipa::openapi::{
    ContentBuilder, Header, HttpMethod, Info, License, OpenApi, OpenApiBuilder, PathItem, Paths, Ref, RefOr, Required,
    Response, ResponseBuilder, ResponsesBuilder, SecurityRequirement, Server, Tag,
    extensions::Extensions,
    path::{Operation, OperationBuilder, ParameterIn},
    request_body::{RequestBody, RequestBodyBuilder},
    schema::Components as Section,
    security::{Http, HttpAuthScheme, SecurityScheme},
};

use super::{
    endpoint::{Access, Answer, Content, Endpoint, text},
    follow_up::follow_ups,
    problem::{self, ProblemDetails},
    schema::{Components, schema},
};
use crate::error::Code;

const BEARER: &str = "bearer";
const BASIC: &str = "basic";
const SCHEMA_PREFIX: &str = "#/components/schemas/";
const ABOUT: &str = "A headless IT service management server: records of ITIL practices behind one set of conventions, decided \
    by policies that you can test, rehearse and explain.\n\n\
    Times are RFC 3339 in UTC, ids are UUIDs, and wherever a path takes the id of a record it takes its number as well. \
    Send a body as `application/json`, an access token as `Authorization: Bearer …`, and the version that you read as \
    `If-Match`.\n\n";

/// Builds the document; what is wrong with the mounts is added to `faults`.
pub(super) fn assemble(
    endpoints: &[&Endpoint],
    sent: &[(&'static str, Endpoint)],
    tags: &BTreeMap<String, String>,
    faults: &mut Vec<String>,
) -> OpenApi {
    let mut components = Components::default();
    let mut paths = Paths::new();
    faults.extend(components.add(&schema::<ProblemDetails>()).err());
    for endpoint in endpoints.iter().copied().chain(sent.iter().map(|(_, endpoint)| endpoint)) {
        for content in endpoint
            .request
            .iter()
            .flat_map(Content::all)
            .chain(endpoint.responses.iter().flat_map(|answer| &answer.contents))
        {
            let clash = components.add(&content.shape).err();
            faults.extend(clash.map(|clash| format!("`{}`: {clash}", endpoint.id)));
        }
    }
    for endpoint in endpoints {
        match documented_method(&endpoint.method) {
            Some(method) => {
                let item = PathItem::new(method, operation(endpoint, endpoints));
                match paths.paths.get_mut(&endpoint.documented_path()) {
                    Some(known) => known.merge_operations(item),
                    None => drop(paths.paths.insert(endpoint.documented_path(), item)),
                }
            }
            None => faults.push(format!("`{}`: OpenAPI has no method {}", endpoint.id, endpoint.method)),
        }
    }
    let document = OpenApiBuilder::new()
        .info(info())
        .servers(Some([server()]))
        .tags(Some(tags.iter().map(|(name, about)| {
            let mut tag = Tag::new(name);
            tag.description = Some(about.clone());
            tag
        })))
        .paths(paths)
        .webhooks((!sent.is_empty()).then(|| webhooks(sent)))
        .components(Some(section(components)))
        .build();
    faults.extend(dangling(&document));
    document
}

fn info() -> Info {
    let mut about = format!(
        "{ABOUT}Errors are problem documents (RFC 9457). Branch on `code`:\n\n| code | status | meaning |\n|---|---|---|\n"
    );
    for code in Code::ALL {
        let _ = writeln!(about, "| `{}` | {} | {} |", code.as_str(), code.status(), code.meaning());
    }
    let mut licence = License::new("MIT OR Apache-2.0");
    licence.identifier = Some("MIT OR Apache-2.0".into());
    let mut info = Info::new("Pointsman", env!("CARGO_PKG_VERSION"));
    info.description = Some(about);
    info.license = Some(licence);
    info
}

/// The one that serves the document; it may be public.
fn server() -> Server {
    let mut server = Server::new("/");
    server.extensions = Some(Extensions::builder().add("x-internal", false).build());
    server
}

const RATE_LIMIT: [(&str, &str); 2] = [
    ("RateLimit", "What is left of the caller's quota, `r`, and after how many seconds there is more, `t`."),
    ("RateLimit-Policy", "The quota, `q`, and the seconds that it is for, `w`."),
];

fn limited(response: ResponseBuilder) -> ResponseBuilder {
    RATE_LIMIT.iter().fold(response, |response, (name, about)| response.header(*name, header(about)))
}

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
const REPLAYED: &str = "`true` when it is the answer that was given before to this `Idempotency-Key`.";

fn section(components: Components) -> Section {
    let mut section = Section::new();
    section.schemas = components.into_inner();
    let statuses: BTreeSet<u16> = Code::ALL.iter().map(|code| code.status()).collect();
    section.responses =
        statuses.into_iter().map(|status| (problem_name(status), problem_response(status).into())).collect();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".into());
    bearer.description = Some("An access token of `POST /api/v1/auth/login`, made and checked as RFC8725 wants it, or a personal access token.".into());
    section.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let mut basic = Http::new(HttpAuthScheme::Basic);
    basic.description = Some("A personal access token as the password; the user name is not looked at. For programs that subscribe to calendars.".into());
    section.add_security_scheme(BASIC, SecurityScheme::Http(basic));
    section
}

fn problem_name(status: u16) -> String {
    format!("Problem{status}")
}

/// The answer that all errors of one status share.
fn problem_response(status: u16) -> Response {
    let codes = || Code::ALL.iter().filter(|code| code.status() == status);
    let about: Vec<_> = codes().map(|code| format!("`{}`: {}", code.as_str(), code.meaning())).collect();
    let example = codes().next().map(|code| {
        serde_json::json!({
            "type": format!("urn:pointsman:problem:{}", code.as_str()),
            "title": code.title(),
            "status": status,
            "detail": code.meaning(),
            "instance": "/api/v1/incidents/INC0000001",
            "code": code.as_str(),
            "request_id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11",
        })
    });
    let content = ContentBuilder::new().schema(Some(schema::<ProblemDetails>().schema)).example(example).build();
    let response = ResponseBuilder::new().description(about.join(" ")).content(problem::MEDIA_TYPE, content);
    let response = if status < 500 { limited(response) } else { response };
    match status {
        401 => response.header("WWW-Authenticate", header("How to authenticate.")),
        405 => response.header("Allow", header("The methods of this path.")),
        429 | 503 => response.header("Retry-After", header("Seconds to wait.")),
        _ => response,
    }
    .build()
}

fn header(about: &str) -> Header {
    let mut header = Header::new(text());
    header.description = Some(about.to_owned());
    header
}

fn operation(endpoint: &Endpoint, endpoints: &[&Endpoint]) -> Operation {
    let mut responses = ResponsesBuilder::new();
    let is_replayed = endpoint.parameters.iter().any(|p| p.name == IDEMPOTENCY_KEY);
    for answer in &endpoint.responses {
        let answer = answer.clone();
        let answer = if is_replayed { answer.header("Idempotency-Replayed", REPLAYED) } else { answer };
        let mut response = documented_answer(&answer, endpoint.access != Access::Probe);
        let links = follow_ups(endpoint, &answer, endpoints).into_iter();
        response.links = links.map(|(name, link)| (name, RefOr::T(link))).collect();
        responses = responses.response(answer.status.to_string(), response);
    }
    for status in problem_statuses(endpoint) {
        let reference = RefOr::Ref(Ref::from_response_name(problem_name(status)));
        responses = responses.response(status.to_string(), reference);
    }
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.id.as_ref()))
        .tag(endpoint.tag.as_ref())
        .summary(Some(endpoint.summary.as_ref()))
        .description(Some(described(endpoint)))
        .responses(responses)
        .build();
    operation.parameters =
        (!endpoint.parameters.is_empty()).then(|| endpoint.parameters.iter().cloned().map(RefOr::T).collect());
    operation.request_body = documented_request(endpoint);
    let schemes: &[&str] = match endpoint.access {
        Access::Public | Access::Probe => &[],
        Access::SignedIn | Access::PasswordDue | Access::OwnPart(_) | Access::Permission(_) | Access::Either(..) => {
            &[BEARER]
        }
        Access::Feed(_) => &[BEARER, BASIC],
    };
    let by = |scheme: &&str| SecurityRequirement::new(*scheme, std::iter::empty::<String>());
    operation.security = Some(schemes.iter().map(by).collect());
    operation
}

fn documented_request(endpoint: &Endpoint) -> Option<RefOr<RequestBody>> {
    endpoint.request.as_ref().map(|content| {
        let required = if content.required { Required::True } else { Required::False };
        let body = RequestBodyBuilder::new().required(Some(required));
        let add = |body: RequestBodyBuilder, content: &Content| {
            body.content(content.media_type.as_ref(), documented_content(content))
        };
        RefOr::T(content.all().fold(body, add).build())
    })
}

/// What the server sends: others answer, so nothing is said of problems and permissions.
fn webhooks(sent: &[(&'static str, Endpoint)]) -> Paths {
    let mut paths = Paths::new();
    for (name, endpoint) in sent {
        let answers = endpoint.responses.iter();
        let responses = answers.fold(ResponsesBuilder::new(), |responses, answer| {
            responses.response(answer.status.to_string(), documented_answer(answer, false))
        });
        let mut operation = OperationBuilder::new()
            .operation_id(Some(endpoint.id.as_ref()))
            .tag(endpoint.tag.as_ref())
            .summary(Some(endpoint.summary.as_ref()))
            .description(Some(endpoint.description.trim()))
            .responses(responses)
            .build();
        operation.parameters = Some(endpoint.parameters.iter().cloned().map(RefOr::T).collect());
        operation.request_body = documented_request(endpoint);
        operation.security = Some(Vec::new());
        paths.paths.insert((*name).to_owned(), PathItem::new(HttpMethod::Post, operation));
    }
    paths
}

fn described(endpoint: &Endpoint) -> String {
    let about = endpoint.description.trim();
    match &endpoint.access {
        Access::Public | Access::Probe => format!("{about}\n\nOpen to everyone."),
        Access::SignedIn => format!("{about}\n\nFor every caller who is signed in."),
        Access::PasswordDue => {
            format!("{about}\n\nFor every caller who is signed in, even when their password must be changed first.")
        }
        Access::OwnPart(permission) => {
            format!(
                "{about}\n\nFor every caller who is signed in; a token with scopes needs `{permission}` among them."
            )
        }
        Access::Permission(permission) | Access::Feed(permission) => {
            format!("{about}\n\nNeeds the permission `{permission}`.")
        }
        Access::Either(one, other) => format!("{about}\n\nNeeds the permission `{one}` or `{other}`."),
    }
}

/// `counted` says whether requests are.
fn documented_answer(answer: &Answer, counted: bool) -> Response {
    let mut response = ResponseBuilder::new().description(answer.description.as_ref());
    for content in &answer.contents {
        response = response.content(content.media_type.as_ref(), documented_content(content));
    }
    for (name, about) in &answer.headers {
        response = response.header(*name, header(about));
    }
    if counted { limited(response) } else { response }.build()
}

fn documented_content(content: &Content) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(content.shape.schema.clone())).example(Some(content.example.clone())).build()
}

/// The ways to fail that follow from what the endpoint is, and its own.
fn problem_statuses(endpoint: &Endpoint) -> BTreeSet<u16> {
    let mut codes = endpoint.problems.clone();
    codes.push(Code::Internal);
    if endpoint.access != Access::Probe {
        codes.extend([Code::TooManyRequests, Code::Unavailable]);
    }
    match endpoint.access {
        Access::Public | Access::Probe => {}
        Access::PasswordDue => codes.push(Code::Unauthenticated),
        Access::SignedIn | Access::OwnPart(_) | Access::Permission(_) | Access::Either(..) | Access::Feed(_) => {
            codes.extend([Code::Unauthenticated, Code::Forbidden])
        }
    }
    if endpoint.request.is_some() {
        codes.extend([
            Code::Malformed,
            Code::RequestTimeout,
            Code::TooLarge,
            Code::UnsupportedMediaType,
            Code::Invalid,
        ]);
    }
    // A parameter that is not there is refused everywhere.
    codes.push(Code::Malformed);
    for parameter in &endpoint.parameters {
        match parameter.name.as_str() {
            IDEMPOTENCY_KEY => codes.extend([Code::IdempotencyMismatch, Code::IdempotencyInFlight]),
            "If-Match" => codes.push(Code::Stale),
            _ => {}
        }
        if parameter.name == "If-Match" && parameter.required == Required::True {
            codes.push(Code::PreconditionRequired);
        }
    }
    if endpoint.parameters.iter().any(|p| p.parameter_in == ParameterIn::Path) {
        codes.push(Code::NotFound);
    }
    if !endpoint.media_types().is_empty() {
        codes.push(Code::NotAcceptable);
    }
    let own: BTreeSet<u16> = endpoint.responses.iter().map(|answer| answer.status).collect();
    codes.iter().map(|code| code.status()).filter(|status| !own.contains(status)).collect()
}

fn documented_method(method: &Method) -> Option<HttpMethod> {
    Some(match method.as_str() {
        "GET" => HttpMethod::Get,
        "PUT" => HttpMethod::Put,
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        "PATCH" => HttpMethod::Patch,
        _ => return None,
    })
}

/// References to schemas that are not there.
fn dangling(document: &OpenApi) -> Vec<String> {
    let Ok(value) = serde_json::to_value(document) else { return vec!["the document can't be written as JSON".into()] };
    let mut referred = BTreeSet::new();
    references(&value, &mut referred);
    let known = document.components.as_ref().map(|c| &c.schemas);
    referred
        .into_iter()
        .filter_map(|reference| reference.strip_prefix(SCHEMA_PREFIX))
        .filter(|name| !known.is_some_and(|known| known.contains_key(*name)))
        .map(|name| format!("nothing defines the schema `{name}`"))
        .collect()
}

fn references<'a>(value: &'a serde_json::Value, found: &mut BTreeSet<&'a str>) {
    if let Some(reference) = value.get("$ref").and_then(serde_json::Value::as_str) {
        found.insert(reference);
    }
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| references(field, found)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}
