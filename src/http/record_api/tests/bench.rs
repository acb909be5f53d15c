//! What the tests work with: a server on a fresh database, and people who call it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use actix_web::{
    HttpRequest,
    body::MessageBody,
    dev::ServiceResponse,
    http::{Method, header, header::HeaderMap},
    test::{TestRequest, call_service, init_service},
    web,
};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::{
    auth::{
        account::{NewUser, create_organisation, create_user},
        caller::{Caller, Sees},
    },
    clock::Clock,
    config::{self, AttachmentStorage},
    db::{AnyConnection, Database, migrate, writer::Writer},
    error::{Code, Error, Result},
    http::{
        app::{Authenticate, Parts, app},
        desk::Service,
        limit::Limiter,
        mount::Api,
        probe::Ready,
        record_api,
        shutdown::Shutdown,
    },
    id::{OrganisationId, UserId},
    practice,
    record::{
        decide::{Answer, Decide, Question},
        kernel::Kernel,
    },
};

/// A server, and whom it knows by the token in `Authorization: Bearer`.
pub struct Bench {
    pub parts: Parts,
    pub service: web::Data<Service>,
    pub people: HashMap<&'static str, Caller>,
    folder: tempfile::TempDir,
}

/// An answer with its whole body.
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The body, of an answer that must have this status.
    #[track_caller]
    pub fn must(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }
}

struct ByToken(HashMap<&'static str, Caller>);

impl Authenticate for ByToken {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Arc<Caller>>> {
        let token = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
        let caller = token.and_then(|token| self.0.get(token)).cloned();
        let caller = caller.ok_or_else(|| Error::new(Code::Unauthenticated, "The token is missing or wrong."));
        Box::pin(std::future::ready(caller.map(Arc::new)))
    }
}

struct AlwaysReady;

impl Ready for AlwaysReady {
    fn check(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Policies that want nothing.
struct NoPolicies;

impl Decide for NoPolicies {
    fn decide(&self, _: &mut AnyConnection, _: &Question<'_>) -> Result<Answer> {
        Ok(Answer::default())
    }
}

impl Bench {
    pub fn new() -> Self {
        Bench::with(AttachmentStorage::Database)
    }
    /// With attachments as files.
    pub fn in_directory() -> Self {
        Bench::with(AttachmentStorage::Directory)
    }

    fn with(storage: AttachmentStorage) -> Self {
        // A fault of the server shows beside the test that met it; another test may have set it up already.
        let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init();
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("test.db").to_str().unwrap().to_owned();
        let mut connection = AnyConnection::open(&url).unwrap();
        migrate::up(&mut connection).unwrap();
        let now = Clock::System.now();
        let acme = create_organisation(&mut connection, "Acme", None, now).unwrap();
        let other = create_organisation(&mut connection, "Other", None, now).unwrap();
        let mut person = |name: &str, at| create_user(&mut connection, &NewUser::person(name, name, at), now).unwrap();
        let requests =
            ["record.read", "stream.read", "incident.read", "incident.create", "incident.comment", "service.read"];
        let people = HashMap::from([
            ("admin", caller(person("admin", acme), acme, &["*"], Sees::All)),
            ("agent", caller(person("agent", acme), acme, &["*"], Sees::Organisations(Arc::new([acme])))),
            ("ada", caller(person("ada", acme), acme, &requests, Sees::Own)),
            ("bob", caller(person("bob", acme), acme, &requests, Sees::Own)),
            ("stranger", caller(person("stranger", other), other, &["*"], Sees::Organisations(Arc::new([other])))),
        ]);
        practice::ALL.iter().for_each(|practice| practice.ship(&mut connection, Clock::System.now()).unwrap());
        drop(connection);
        let database = Database::open(&url, 4).unwrap();
        let writer = Writer::start(&database, 1, 64).unwrap();
        let kernel = Arc::new(Kernel::new(practice::ALL, Arc::new(NoPolicies), database.clone(), 7));
        let service = Service { kernel, database, writer, clock: Clock::System, in_flight: Mutex::default() };
        let service = web::Data::new(service);
        let mut api = Api::new();
        record_api::mount(&mut api, practice::ALL);
        let limits = config::Attachments { storage, directory: folder.path().join("files"), max_bytes: 1_000_000 };
        let (limits, kept) = (web::Data::new(limits), service.clone());
        let server = config::Server::default();
        let parts = Parts {
            api: api.build().unwrap(),
            limiter: Arc::new(Limiter::new(&server)),
            server: Arc::new(server),
            authenticate: Arc::new(ByToken(people.clone())),
            ready: Arc::new(AlwaysReady),
            figures: crate::telemetry::figures().unwrap(),
            shutdown: Shutdown::new(),
            state: Arc::new(move |config| {
                config.app_data(kept.clone()).app_data(limits.clone());
            }),
        };
        Bench { parts, service, people, folder }
    }

    /// Where its attachments are, when they are files.
    pub fn directory(&self) -> std::path::PathBuf {
        self.folder.path().join("files")
    }

    pub fn user(&self, name: &str) -> String {
        self.people[name].user.to_string()
    }

    /// The answer before its body is read.
    pub async fn open(
        &self,
        who: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> ServiceResponse<impl MessageBody + 'static> {
        let app = init_service(app(&self.parts)).await;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") };
        let request = TestRequest::with_uri(&path).method(method).set_payload(body);
        let request = request.insert_header(("authorization", format!("Bearer {who}")));
        let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
        call_service(&app, request.to_request()).await
    }

    pub async fn send(&self, who: &str, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Got {
        let response = self.open(who, method, path, headers, body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = actix_web::body::to_bytes(response.into_body()).await.map_err(|_| "it breaks off").unwrap();
        Got { status, headers, body: body.to_vec() }
    }

    pub async fn get(&self, who: &str, path: &str) -> Got {
        self.send(who, Method::GET, path, &[], Vec::new()).await
    }

    /// Sends JSON with these headers.
    pub async fn ask(&self, who: &str, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Got {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send(who, method, path, &all, body.to_string().into_bytes()).await
    }

    pub async fn post(&self, who: &str, path: &str, body: Value) -> Got {
        self.ask(who, Method::POST, path, &[], body).await
    }

    /// The number of a new incident.
    pub async fn incident(&self, who: &str, title: &str) -> String {
        let made = self.post(who, "incidents", serde_json::json!({"title": title})).await.must(201);
        made["number"].as_str().unwrap().to_owned()
    }
}

/// The values of one field of a list's items.
pub fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    let items = list.get("items").unwrap_or(list).as_array().unwrap();
    items.iter().map(|item| &item[field]).collect()
}

fn caller(user: UserId, organisation: OrganisationId, permissions: &[&str], sees: Sees) -> Caller {
    Caller {
        permissions: Arc::new(permissions.iter().map(|&p| p.to_owned()).collect::<BTreeSet<_>>()),
        sees,
        ..Caller::server(user, organisation)
    }
}
