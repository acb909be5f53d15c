//! The shell as a whole, through the router.

use std::{num::NonZeroU32, sync::Arc};

use actix_web::{
    HttpResponse,
    http::{Method, header::HeaderMap},
    test::{TestRequest, call_service, init_service},
};
use serde_json::{Value, json};
use utoipa::openapi::{ObjectBuilder, Schema, schema::Type};

use super::{
    app::{Parts, app},
    endpoint::{Access, Answer, Endpoint},
    mount::Api,
    schema::named,
    support::{self, Away, anything, api, endpoint, parts},
};
use crate::config::{Secret, Server};

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

fn plain() -> Parts {
    parts(Server::default(), api().build().unwrap())
}

async fn ask(parts: &Parts, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
    let app = init_service(app(parts)).await;
    let request = TestRequest::with_uri(path).method(method).set_payload(body.to_owned());
    let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
    let (response, body) = support::body_of(call_service(&app, request.to_request()).await).await;
    Got { status: response.status().as_u16(), headers: response.headers().clone(), body }
}

async fn get(parts: &Parts, path: &str, headers: &[(&str, &str)]) -> Got {
    ask(parts, Method::GET, path, headers, "").await
}

const AGENT: (&str, &str) = ("authorization", "Bearer agent");
const JSON: (&str, &str) = ("content-type", "application/json");

#[actix_web::test]
async fn every_failure_is_a_problem_document() {
    let parts = plain();
    let large = format!("\"{}\"", "a".repeat(1024 * 1024));
    let things = "/api/v1/things";
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Method, &str, Headers, &str, u16, &str)] = &[
        (Method::GET, "/nowhere", &[], "", 404, "not_found"),
        (Method::GET, "/api/v1/things/1/2", &[], "", 404, "not_found"),
        (Method::DELETE, things, &[], "", 405, "method_not_allowed"),
        (Method::TRACE, things, &[], "", 405, "method_not_allowed"),
        (Method::TRACE, "/api/v1/things/1", &[], "", 405, "method_not_allowed"),
        (Method::TRACE, "/nowhere", &[], "", 405, "method_not_allowed"),
        (Method::GET, "/api/v1/things/1", &[], "", 401, "unauthenticated"),
        (Method::GET, "/api/v1/things/1", &[("authorization", "Bearer wrong")], "", 401, "unauthenticated"),
        (Method::GET, "/api/v1/things/1", &[("authorization", "Bearer requester")], "", 403, "forbidden"),
        (Method::GET, "/api/v1/things/1", &[("authorization", "Bearer newcomer")], "", 403, "password_change_required"),
        (
            Method::GET,
            "/api/v1/things/newest",
            &[("authorization", "Bearer newcomer")],
            "",
            403,
            "password_change_required",
        ),
        (Method::GET, "/api/v1/things/1", &[AGENT, ("accept", "text/html")], "", 406, "not_acceptable"),
        (Method::GET, "/api/v1/things/1%00", &[AGENT], "", 400, "malformed"),
        (Method::GET, "/api/v1/query?limit=x", &[], "", 400, "malformed"),
        (Method::GET, "/api/v1/query", &[], "", 400, "malformed"),
        (Method::GET, "/api/v1/query?limits=1", &[], "", 400, "bad_query"),
        (Method::GET, "/api/v1/number/x", &[], "", 404, "not_found"),
        (Method::POST, things, &[AGENT, JSON], "{", 400, "malformed"),
        (Method::POST, things, &[AGENT], "{}", 415, "unsupported_media_type"),
        (Method::POST, things, &[AGENT, JSON], &large, 413, "too_large"),
        (Method::POST, things, &[AGENT, JSON], "{\"a\":\"\\u0000\"}", 422, "invalid"),
        (Method::POST, things, &[JSON], "{", 401, "unauthenticated"),
        (Method::GET, "/api/v1/fault", &[], "", 500, "internal"),
        (Method::GET, "/api/v1/panic", &[], "", 500, "internal"),
        (Method::GET, "/api/v1/fault", &[("accept-encoding", "identity;q=0")], "", 406, "not_acceptable"),
    ];
    for (method, path, headers, body, status, code) in cases {
        let got = ask(&parts, method.clone(), path, headers, body).await;
        let problem = got.json();
        let what = format!("{method} {path} {headers:?}: {problem}");
        assert_eq!((got.status, problem["code"].as_str()), (*status, Some(*code)), "{what}");
        assert_eq!(got.header("content-type"), "application/problem+json", "{what}");
        assert_eq!(problem["type"], format!("urn:pointsman:problem:{code}"), "{what}");
        assert_eq!(
            (&problem["status"], &problem["instance"]),
            (&json!(status), &json!(path.split('?').next())),
            "{what}"
        );
        assert_eq!(problem["request_id"], got.header("x-request-id"), "{what}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{what}");
        assert!(!problem.to_string().contains("secret"), "{what}");
        assert_eq!(got.header("www-authenticate").is_empty(), *status != 401, "{what}");
        assert_eq!(got.header("x-content-type-options"), "nosniff", "{what}");
    }
}

#[actix_web::test]
async fn who_has_the_permission_gets_through() {
    let parts = plain();
    let got = get(&parts, "/api/v1/things/1", &[AGENT]).await;
    assert_eq!((got.status, got.json()), (200, json!({"id": "1"})));
    assert_eq!(got.header("cache-control"), "no-store");
    let got = ask(&parts, Method::POST, "/api/v1/things", &[AGENT, JSON], "{\"a\":[1]}").await;
    assert_eq!((got.status, got.json()), (201, json!({"by": "ada", "body": {"a": [1]}})));
    assert_eq!(
        ask(&parts, Method::POST, "/api/v1/password", &[("authorization", "Bearer newcomer")], "").await.status,
        200
    );
    // A fixed segment goes before a parameter, whatever was mounted first.
    assert_eq!(get(&parts, "/api/v1/things/newest", &[AGENT]).await.body, b"newest");
}

#[actix_web::test]
async fn other_methods_are_told_what_is_allowed() {
    let parts = plain();
    let got = ask(&parts, Method::DELETE, "/api/v1/things/1", &[AGENT], "").await;
    assert_eq!((got.status, got.header("allow")), (405, "GET, HEAD, OPTIONS"));
    let got = ask(&parts, Method::OPTIONS, "/api/v1/things", &[], "").await;
    assert_eq!((got.status, got.header("allow")), (204, "OPTIONS, POST"));
    assert_eq!(ask(&parts, Method::HEAD, "/api/v1/things/1", &[AGENT], "").await.status, 200);
    assert_eq!(ask(&parts, Method::HEAD, "/api/v1/things/1", &[], "").await.status, 401);
}

#[actix_web::test]
async fn the_request_id_is_taken_or_made() {
    let parts = plain();
    assert_eq!(get(&parts, "/livez", &[("x-request-id", "abc-1")]).await.header("x-request-id"), "abc-1");
    let made = get(&parts, "/livez", &[("x-request-id", "a b<script>")]).await;
    assert!(uuid::Uuid::try_parse(made.header("x-request-id")).is_ok());
}

#[actix_web::test]
async fn only_configured_origins_may_call_and_never_with_credentials() {
    let asks = [
        ("origin", "https://portal.example"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "if-match, x-reason"),
    ];
    let none = plain();
    assert_eq!(get(&none, "/livez", &asks[..1]).await.header("access-control-allow-origin"), "");
    for (configured, allowed) in
        [("https://portal.example", "https://portal.example"), ("*", "*"), ("https://other.example", "")]
    {
        let server = Server { cors_origins: vec![configured.into()], ..Server::default() };
        let parts = parts(server, api().build().unwrap());
        let answers = [
            get(&parts, "/livez", &asks[..1]).await,
            get(&parts, "/api/v1/things/1", &asks[..1]).await,
            ask(&parts, Method::OPTIONS, "/api/v1/things/1", &asks, "").await,
        ];
        for got in &answers {
            assert_eq!(got.header("access-control-allow-origin"), allowed, "{configured}");
            assert_eq!(got.header("access-control-allow-credentials"), "", "{configured}");
        }
        assert_eq!(answers[1].status, 401);
        if !allowed.is_empty() {
            assert_eq!(answers[2].status, 200);
            let headers = answers[2].header("access-control-allow-headers");
            assert!(headers.contains("if-match") && headers.contains("x-reason"), "{headers}");
        }
    }
}

#[actix_web::test]
async fn too_many_requests_are_refused_with_the_time_to_wait() {
    let server = Server { rate_per_second: NonZeroU32::MIN, rate_burst: NonZeroU32::MIN, ..Server::default() };
    let parts = parts(server, api().build().unwrap());
    let first = get(&parts, "/api/v1/things/1", &[("authorization", "Bearer wrong")]).await;
    assert_eq!((first.status, first.header("ratelimit")), (401, "\"caller\";r=0;t=1"));
    assert_eq!(first.header("ratelimit-policy"), "\"caller\";q=1;w=1");
    for path in ["/api/v1/things/1", "/nowhere", "/openapi.json"] {
        let refused = get(&parts, path, &[]).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, "1"), "{path}");
        assert_eq!(refused.json()["code"], "too_many_requests");
    }
    assert_eq!(get(&parts, "/api/v1/things/1", &[AGENT]).await.status, 200, "a known caller has a count of their own");
    assert_eq!(get(&parts, "/livez", &[]).await.status, 200, "probes are not counted");
}

#[actix_web::test]
async fn probes_tell_alive_ready_and_figures() {
    let mut parts = plain();
    assert_eq!(get(&parts, "/readyz", &[]).await.json(), json!({"status": "ok"}));
    let figures = String::from_utf8(get(&parts, "/metrics", &[]).await.body).unwrap();
    let counted = "http_requests_total{method=\"GET\",route=\"/readyz\",status=\"200\"}";
    assert!(figures.contains(counted) && figures.contains("http_request_duration_seconds_bucket"), "{figures}");
    parts.ready = Arc::new(Away(true));
    let away = get(&parts, "/readyz", &[]).await;
    assert_eq!((away.status, away.header("retry-after")), (503, "1"));
    parts.ready = Arc::new(Away(false));
    parts.shutdown.begin();
    assert_eq!(get(&parts, "/readyz", &[]).await.status, 503);
    assert_eq!(get(&parts, "/livez", &[]).await.status, 200);
}

#[actix_web::test]
async fn figures_can_need_a_token() {
    let server = Server { metrics_token: Some(Secret::new("let me in")), ..Server::default() };
    let parts = parts(server, api().build().unwrap());
    assert_eq!(get(&parts, "/metrics", &[]).await.status, 401);
    assert_eq!(get(&parts, "/metrics", &[("authorization", "Bearer let me out")]).await.status, 401);
    assert_eq!(get(&parts, "/metrics", &[("authorization", "Bearer let me in")]).await.status, 200);
}

#[actix_web::test]
async fn the_document_says_what_the_router_does() {
    let parts = plain();
    let document = get(&parts, "/openapi.json", &[]).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    for name in ["ProblemDetails", "FieldError"] {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    assert!(document["info"]["description"].as_str().unwrap().contains("| `stale` | 412 |"));
    let get_thing = &document["paths"]["/api/v1/things/{id}"]["get"];
    assert_eq!((&get_thing["operationId"], &get_thing["security"]), (&json!("get_thing"), &json!([{"bearer": []}])));
    assert!(get_thing["description"].as_str().unwrap().contains("`thing.read`"));
    let statuses =
        |operation: &Value| operation["responses"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(statuses(get_thing), "200 400 401 403 404 406 429 500 503");
    let create = &document["paths"]["/api/v1/things"]["post"];
    assert_eq!(statuses(create), "200 400 401 403 406 408 413 415 422 429 500 503");
    let live = &document["paths"]["/livez"]["get"];
    assert_eq!((statuses(live).as_str(), &live["security"]), ("200 400 406 500", &json!([])));
    assert!(document["paths"]["/docs/{file}"]["get"].is_object());
    for endpoint in parts.api.endpoints() {
        let path = endpoint.documented_path();
        let operation = &document["paths"][&path][endpoint.method.as_str().to_lowercase()];
        assert_eq!(operation["operationId"], endpoint.id.as_ref(), "{path}");
    }
    assert_eq!(parts.api.openapi(), api().build().unwrap().openapi());
}

#[actix_web::test]
async fn the_pages_need_no_other_server() {
    let parts = plain();
    let got = get(&parts, "/docs", &[]).await;
    assert_eq!((got.status, got.header("location")), (308, "docs/"));
    let page = String::from_utf8(get(&parts, "/docs/", &[]).await.body).unwrap();
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
    let script = String::from_utf8(get(&parts, "/docs/swagger-initializer.js", &[]).await.body).unwrap();
    assert!(script.contains("../openapi.json") && !script.contains("https://"), "{script}");
    assert_eq!(get(&parts, "/docs/nothing.js", &[]).await.json()["code"], "not_found");
}

#[test]
fn contradicting_mounts_are_refused() {
    async fn handler() -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    let base = || endpoint(Method::GET, "/a/{id}", "get_a", Access::Public);
    let state = |kind| named("State", Schema::from(ObjectBuilder::new().schema_type(kind).build()));
    let answer = |shape| vec![Answer::json(200, "It.", shape, json!(1))];
    let dangling = super::schema::inline(state(Type::String).reference());
    let cases = [
        (Endpoint { path: "/b/{id}".into(), ..base() }, "operation id `get_a`"),
        (Endpoint { id: "b".into(), ..base() }, "`GET /a/{id}` is mounted twice"),
        (
            Endpoint { id: "b".into(), path: "/a/{other}".into(), method: Method::PUT, ..base() },
            "other parameter names",
        ),
        (Endpoint { id: "b".into(), path: "/b/{other}".into(), ..base() }, "not those documented"),
        (Endpoint { id: "b".into(), path: "/b/{id}".into(), tag: "Nobody".into(), ..base() }, "`Nobody`"),
        (Endpoint { id: "b".into(), path: "/b/{id}".into(), summary: " ".into(), ..base() }, "lacks"),
        (
            Endpoint { id: "b".into(), path: "/b/{id}".into(), responses: answer(state(Type::Integer)), ..base() },
            "called `State`",
        ),
        (Endpoint { id: "b".into(), path: "/b/{id}".into(), method: Method::CONNECT, ..base() }, "no method CONNECT"),
    ];
    for (second, expected) in cases {
        let mut api = Api::new();
        api.tag("Thing", "Things.");
        api.mount(Endpoint { responses: answer(state(Type::String)), ..base() }, handler).mount(second, handler);
        let faults = api.build().map(|_| ()).unwrap_err().to_string();
        assert!(faults.contains(expected), "{faults} lacks {expected}");
    }
    let mut api = Api::new();
    api.tag("Thing", "Things.").mount(Endpoint { responses: answer(dangling), ..base() }, handler);
    assert!(api.build().map(|_| ()).unwrap_err().to_string().contains("nothing defines the schema `State`"));
    let mut api = Api::new();
    api.tag("Thing", "Things.").mount(Endpoint { responses: answer(anything()), ..base() }, handler);
    assert!(api.build().is_ok());
}
