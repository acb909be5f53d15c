//! What watches the server: is it alive, is it ready, what are its figures.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use futures_util::future::LocalBoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, schema::Type};

use super::{
    endpoint::{Access, Answer, Content, Endpoint, text},
    mount::Api,
    schema::{Shape, inline},
    shutdown::Shutdown,
};
use crate::{
    config::Secret,
    error::{Code, Error, Result},
};

const TAG: &str = "Operation";
/// The text format of Prometheus.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether requests can be served. The application holds one as `Arc<dyn Ready>`.
pub trait Ready: Send + Sync {
    /// # Errors
    /// [`Code::Unavailable`] when the store can't be asked.
    fn check(&self) -> LocalBoxFuture<'_, Result<()>>;
}

/// What a scraper must show to read the figures; nothing when it is `None`.
#[derive(Clone, Debug)]
pub(super) struct MetricsToken(pub Option<Secret>);

/// Mounts `/livez`, `/readyz` and `/metrics`.
pub fn mount(api: &mut Api) {
    api.tag(TAG, "For those who run the server.");
    let said = "The process runs and answers; it says nothing about the store.";
    api.mount(probe("get_liveness", "/livez", "Whether the server is alive", said, vec![status("ok")]), async || ok());
    let said =
        "The store answers and the server isn't stopping. A load balancer sends requests here only while this is so.";
    api.mount(probe("get_readiness", "/readyz", "Whether the server is ready", said, vec![status("ok")]), ready);
    let figures = Content::of(
        "text/plain",
        inline(text()),
        "http_requests_total{method=\"GET\",route=\"/livez\",status=\"200\"} 1".into(),
    );
    let said = "Counters and histograms in the text format of Prometheus. When `server.metrics_token` is set, it is needed as \
        a bearer token.";
    let mut metrics = probe(
        "get_metrics",
        "/metrics",
        "The server's figures",
        said,
        vec![Answer::empty(200, "The figures.").or(figures)],
    );
    metrics.problems = vec![Code::Unauthenticated];
    api.mount(metrics, exposition);
}

fn probe(
    id: &'static str,
    path: &'static str,
    summary: &'static str,
    description: &'static str,
    responses: Vec<Answer>,
) -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: path.into(),
        id: id.into(),
        tag: TAG.into(),
        access: Access::Probe,
        summary: summary.into(),
        description: description.into(),
        parameters: Vec::new(),
        request: None,
        responses,
        problems: if path == "/readyz" { vec![Code::Unavailable] } else { Vec::new() },
    }
}

fn status(word: &str) -> Answer {
    let shape: Shape = inline(
        ObjectBuilder::new()
            .property("status", ObjectBuilder::new().schema_type(Type::String).enum_values(Some([word])))
            .required("status")
            .build(),
    );
    Answer::json(200, "It is.", shape, json!({"status": word}))
}

fn ok() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn ready(request: HttpRequest) -> Result<HttpResponse> {
    if request.app_data::<Shutdown>().is_some_and(Shutdown::has_begun) {
        return Err(Error::new(Code::Unavailable, "The server is stopping.").retry_after(1));
    }
    match request.app_data::<Arc<dyn Ready>>() {
        Some(store) => store.check().await.map(|()| ok()),
        None => Err(Error::internal("nothing is set up to check the store")),
    }
}

async fn exposition(request: HttpRequest, figures: web::Data<PrometheusHandle>) -> Result<HttpResponse> {
    if let Some(MetricsToken(Some(token))) = request.app_data::<MetricsToken>() {
        let shown = request.headers().get(header::AUTHORIZATION).and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        let fits = shown.is_some_and(|shown| {
            aws_lc_rs::constant_time::verify_slices_are_equal(shown, token.expose().as_bytes()).is_ok()
        });
        if !fits {
            return Err(Error::new(Code::Unauthenticated, "The figures need the token of the configuration."));
        }
    }
    Ok(HttpResponse::Ok().content_type(EXPOSITION).body(figures.render()))
}
