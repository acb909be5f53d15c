//! `pointsman serve`, and the API that it serves.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use actix_web::web;
use futures_util::{FutureExt, future::LocalBoxFuture};

use super::output;
use crate::{
    assembly::Assembly,
    auth::{Gate, Hasher},
    clock::Clock,
    config::{self, Config, Secret},
    db::Database,
    error::{Error, Result},
    http::{
        app::Parts,
        approval_api, auth_api,
        authenticate::{Bearer, Identity},
        calendar_api, configuration_api,
        desk::Service,
        directory_api, docs, job_api,
        limit::Limiter,
        mail_api,
        mount::{Api, Mounted},
        on_call_api,
        policy_api::{self, Studio},
        probe::{self, Ready},
        record_api, server, service_level_api,
        shutdown::Shutdown,
        webhook_api,
    },
    policy::runner::Runner,
    practice, telemetry,
};

/// How many may wait to have a password hashed, for each that is being hashed.
const WAITING_PER_SLOT: usize = 32;

/// Threads on which scripts are compiled, tested and rehearsed.
const SCRIPT_THREADS: usize = 2;

/// Every endpoint of the server, put together.
pub fn api() -> Result<Arc<Mounted>> {
    Ok(endpoints().build()?)
}

/// Every endpoint of the server.
pub fn endpoints() -> Api {
    let mut api = Api::new();
    record_api::mount(&mut api, practice::ALL);
    configuration_api::mount(&mut api, practice::ALL);
    policy_api::mount(&mut api);
    job_api::mount(&mut api);
    auth_api::mount(&mut api);
    directory_api::mount(&mut api);
    calendar_api::mount(&mut api);
    service_level_api::mount(&mut api);
    on_call_api::mount(&mut api);
    approval_api::mount(&mut api);
    webhook_api::mount(&mut api);
    mail_api::mount(&mut api);
    probe::mount(&mut api);
    docs::mount(&mut api);
    api
}

/// The OpenAPI document as it is checked in.
pub fn openapi() -> Result<String> {
    let document: serde_json::Value = serde_json::from_slice(&api()?.openapi()).map_err(Error::internal)?;
    serde_json::to_string_pretty(&document).map_err(Error::internal)
}

/// Serves until it is told to stop.
pub fn run(config: Config) -> Result<()> {
    telemetry::init(&config.log)?;
    let assembly = Assembly::open(config, Clock::System)?;
    let parts = parts(&assembly)?;
    greet(assembly.first_password.as_ref())?;
    let settings = assembly.config.clone();
    let jobs = assembly.jobs();
    let shutdown = parts.shutdown.clone();
    actix_web::rt::System::new().block_on(async move {
        let background = actix_web::rt::spawn(async move {
            tokio::select! {
                () = jobs.run() => {}
                () = shutdown.begun() => {}
            }
        });
        let ended = server::serve(parts, |addresses| tell(&settings.server, addresses)).await;
        background.abort();
        ended
    })
}

/// The application of an assembled server.
pub fn parts(assembly: &Assembly) -> Result<Parts> {
    parts_with(assembly, api()?)
}

/// The same with other endpoints.
pub fn parts_with(assembly: &Assembly, api: Arc<Mounted>) -> Result<Parts> {
    let service = web::Data::new(Service {
        kernel: assembly.kernel.clone(),
        database: assembly.database.clone(),
        writer: assembly.writer.clone(),
        clock: assembly.clock.clone(),
        in_flight: Mutex::default(),
    });
    let server = Arc::new(assembly.config.server.clone());
    let slots = assembly.hashing_slots();
    let identity = web::Data::new(Identity {
        gate: Arc::new(Gate::new(assembly.mint.clone())),
        mint: assembly.mint.clone(),
        hasher: Hasher::new(slots, slots * WAITING_PER_SLOT)?,
    });
    let attachments = web::Data::new(assembly.config.attachments.clone());
    let studio = web::Data::new(Studio {
        policies: assembly.policies.clone(),
        runner: Runner::start(SCRIPT_THREADS)?,
        rules: assembly.config.policy.clone(),
        findings: Default::default(),
    });
    let post = web::Data::from(assembly.post.clone());
    let mail = web::Data::new(assembly.config.mail.clone());
    Ok(Parts {
        api,
        limiter: Arc::new(Limiter::new(&server)),
        server,
        authenticate: Arc::new(Bearer::new(identity.clone(), service.clone())),
        ready: Arc::new(Store(assembly.database.clone())),
        figures: telemetry::figures()?,
        shutdown: Shutdown::new(),
        state: Arc::new(move |config| {
            config.app_data(service.clone());
            config.app_data(identity.clone());
            config.app_data(attachments.clone());
            config.app_data(studio.clone());
            config.app_data(post.clone());
            config.app_data(mail.clone());
        }),
    })
}

struct Store(Database);

impl Ready for Store {
    fn check(&self) -> LocalBoxFuture<'_, Result<()>> {
        self.0.read(|_| Ok(())).boxed_local()
    }
}

/// Tells whoever started the server the first time how to sign in: even where it then can't listen, since it is told once.
fn greet(first_password: Option<&Secret>) -> Result<()> {
    if let Some(password) = first_password {
        let (name, password) = (crate::assembly::ADMINISTRATOR, password.expose());
        output::say(&format!(
            "Sign in as {name} with the one-time password {password}\n  (shown this once; you choose your own at the first sign-in)"
        ))?;
    }
    Ok(())
}

/// Tells where things are. A port that the system chose is known only now.
fn tell(server: &config::Server, addresses: &[SocketAddr]) {
    tracing::info!(?addresses, "listening");
    let listen = addresses.first().copied().unwrap_or(server.listen);
    let base = config::Server { listen, ..server.clone() }.base_url();
    let places = format!("  documentation   {base}/docs\n  OpenAPI         {base}/openapi.json");
    if let Err(error) = output::say(&format!("Pointsman listens on {base}\n{places}")) {
        tracing::warn!(%error, "where it listens can't be printed");
    }
}
