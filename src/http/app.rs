//! The application: mounted endpoints with everything around them.

use std::sync::Arc;

use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Compress, from_fn},
    web,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tracing_actix_web::TracingLogger;

pub use super::gate::Authenticate;
use super::{
    body::{BodyLimits, LargeLimits},
    limit::Limiter,
    middleware::{RequestSpan, cors, frame, observe, problems},
    mount::Mounted,
    probe::{MetricsToken, Ready},
    shutdown::Shutdown,
};
use crate::config;

/// Adds what handlers find by `web::Data`. It is called once for each worker, so what is shared is made outside of it.
pub type State = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// Everything that the application is made of, shared by its workers.
#[derive(Clone)]
pub struct Parts {
    /// The endpoints.
    pub api: Arc<Mounted>,
    /// The limits.
    pub server: Arc<config::Server>,
    /// Counts requests.
    pub limiter: Arc<Limiter>,
    /// Finds out who calls.
    pub authenticate: Arc<dyn Authenticate>,
    /// Checks the store.
    pub ready: Arc<dyn Ready>,
    /// The figures.
    pub figures: PrometheusHandle,
    /// Tells of the stop.
    pub shutdown: Shutdown,
    /// What handlers need.
    pub state: State,
}

/// One application, for one worker.
pub fn app(
    parts: &Parts,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .app_data(BodyLimits::from(&*parts.server))
        .app_data(LargeLimits::from(&*parts.server))
        .app_data(MetricsToken(parts.server.metrics_token.clone()))
        .app_data(parts.limiter.clone())
        .app_data(parts.authenticate.clone())
        .app_data(parts.ready.clone())
        .app_data(parts.shutdown.clone())
        .app_data(web::Data::new(parts.figures.clone()))
        .configure(|config| (parts.state)(config))
        .configure(|config| parts.api.configure(config))
        // The last one is the outermost.
        .wrap(Compress::default())
        .wrap(cors(&parts.server))
        .wrap(from_fn(problems))
        .wrap(from_fn(observe))
        .wrap(TracingLogger::<RequestSpan>::new())
        .wrap(from_fn(frame))
}
