//! What every test stands on: a server of its own, on a fresh database, at a moment that stands still.

pub mod contract;
pub mod database;
pub mod golden;
pub mod listener;
pub mod mail_server;
pub mod people;
pub mod process;
pub mod receiver;
pub mod sample;

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{Service, ServiceResponse},
    http::{Method, StatusCode, header::HeaderMap},
    test,
};
use pointsman::{
    assembly::Assembly,
    cli::serve,
    clock::{Clock, Moment},
    config::Config,
    http::{
        app::{Parts, app},
        mount::Mounted,
    },
};
use serde_json::Value;

pub use database::TestDatabase;
pub use people::Person;

type App =
    Box<dyn Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error, Future = Answering>>;
type Answering = std::pin::Pin<Box<dyn Future<Output = Result<ServiceResponse<BoxBody>, Error>>>>;

/// A server of a test.
pub struct Server {
    /// Its parts.
    pub assembly: Arc<Assembly>,
    /// Its application, with every endpoint.
    pub parts: Parts,
    app: App,
    /// Dropped last: its database goes with its last server.
    database: Arc<TestDatabase>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

/// How long events are waited for. On PostgreSQL they are held back while a transaction of another test writes, and one of
/// those writes a month.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(300);

/// An answer that does not end by itself.
pub struct Opened(std::pin::Pin<Box<BoxBody>>);

/// A request on its way.
pub struct Ask<'a> {
    server: &'a Server,
    request: test::TestRequest,
    method: Method,
    path: String,
}

/// The moment at which tests begin: a Tuesday, eleven o'clock.
pub fn tuesday() -> Moment {
    "2026-03-03T11:00:00Z".parse().unwrap()
}

impl Server {
    /// A server with the shipped policies and the people of [`people`].
    pub async fn start() -> Server {
        Server::start_with(|_| ()).await
    }

    /// The same with other settings.
    pub async fn start_with(settings: impl FnOnce(&mut Config)) -> Server {
        log();
        let server = Server::on(Arc::new(TestDatabase::create()), settings).await;
        people::settle(&server.assembly);
        server.assembly.policies.expire();
        server
    }

    /// Another node on the same database.
    pub async fn beside(&self) -> Server {
        self.beside_with(|_| ()).await
    }

    /// The same with other settings.
    pub async fn beside_with(&self, settings: impl FnOnce(&mut Config)) -> Server {
        Server::on(self.database.clone(), settings).await
    }

    async fn on(database: Arc<TestDatabase>, settings: impl FnOnce(&mut Config)) -> Server {
        let mut config = Config::default();
        config.database.url = pointsman::config::DatabaseUrl::new(database.url());
        config.server.rate_per_second = 100_000.try_into().unwrap();
        config.server.rate_burst = 100_000.try_into().unwrap();
        // A machine may be slow; what waits for ever is seen by the test that does.
        config.database.deadline_seconds = PATIENCE.as_secs();
        settings(&mut config);
        let assembly = Assembly::open(config, Clock::set_to(tuesday())).unwrap();
        Server::around(Arc::new(assembly), database).await
    }

    /// A server of what is put together already.
    pub async fn around(assembly: Arc<Assembly>, database: Arc<TestDatabase>) -> Server {
        let parts = serve::parts_with(&assembly, api()).unwrap();
        let service = test::init_service(app(&parts)).await;
        let app: App = Box::new(Erased(service));
        Server { assembly, parts, app, database }
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// Moves the clock.
    pub fn at(&self, moment: &str) {
        self.assembly.clock.set(moment.parse().unwrap());
    }

    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }
    pub fn post(&self, path: &str, body: Value) -> Ask<'_> {
        self.ask(Method::POST, path).json(body)
    }
    pub fn patch(&self, path: &str, body: Value) -> Ask<'_> {
        self.ask(Method::PATCH, path).json(body)
    }
    /// Gives people a new role with these permissions; it sees `organisation` or `all`.
    pub async fn allow(&self, people: &[Person], role: &str, sees: &str, permissions: &[&str]) {
        let new = serde_json::json!({"name": role, "description": "", "sees": sees, "permissions": permissions});
        self.post("/api/v1/roles", new).by(Person::Admin).expect(201).await;
        for person in people {
            let path = format!("/api/v1/users/{}/roles/{role}", person.id(&self.assembly));
            self.ask(Method::PUT, &path).by(Person::Admin).header("if-match", "*").expect(200).await;
        }
    }
    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let request = test::TestRequest::with_uri(path).method(method.clone()).peer_addr(([127, 0, 0, 1], 4000).into());
        Ask { server: self, request, method, path: path.to_owned() }
    }
}

impl Ask<'_> {
    /// As somebody.
    pub fn by(self, person: Person) -> Self {
        let token = people::token(&self.server.assembly, person);
        self.with(&token)
    }
    /// With a token.
    pub fn with(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.insert_header((name, value));
        self
    }
    pub fn json(mut self, body: Value) -> Self {
        self.request = self.request.set_json(body);
        self
    }
    pub fn body(mut self, media_type: &str, body: impl Into<actix_web::web::Bytes>) -> Self {
        self.request = self.request.insert_header(("content-type", media_type)).set_payload(body);
        self
    }
    /// With the version that was seen.
    pub fn seen(self, answer: &Answer) -> Self {
        let tag = answer.header("etag");
        self.header("if-match", &tag)
    }

    /// Sends it. Whatever comes back must be what the OpenAPI document promises.
    pub async fn send(self) -> Answer {
        let response = self.server.app.call(self.request.to_request()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = actix_web::body::to_bytes(response.into_body()).await.unwrap_or_default().to_vec();
        let answer = Answer { status, headers, bytes };
        contract::holds(&self.method, &self.path, &answer);
        answer
    }

    /// Sends it and looks at nothing but the status: for answers that don't end by themselves.
    pub async fn status(self) -> u16 {
        self.server.app.call(self.request.to_request()).await.unwrap().status().as_u16()
    }

    /// Sends it and gives the answer piece by piece, as it comes.
    pub async fn open(self) -> Opened {
        let response = self.server.app.call(self.request.to_request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{}", self.path);
        Opened(Box::pin(response.into_body()))
    }

    /// Sends it and expects a status.
    pub async fn expect(self, status: u16) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        let answer = self.send().await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text());
        answer
    }
}

impl Opened {
    /// The next events of a stream: name and data. It waits for them, but not for ever.
    pub async fn events(&mut self) -> Vec<(String, Value)> {
        loop {
            let piece = std::future::poll_fn(|context| self.0.as_mut().poll_next(context));
            let piece = tokio::time::timeout(PATIENCE, piece).await.unwrap();
            let text = String::from_utf8(piece.unwrap().unwrap().to_vec()).unwrap();
            let lines = |field: &'static str| text.lines().filter_map(move |line| line.strip_prefix(field));
            let data = lines("data: ").map(|data| serde_json::from_str(data).unwrap());
            let events: Vec<_> = lines("event: ").map(str::to_owned).zip(data).collect();
            if !events.is_empty() {
                return events;
            }
        }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
    }
    /// All headers of a name.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).map(|v| v.to_str().unwrap()).collect()
    }
    /// A field of the body as text; empty when it is null.
    pub fn field(&self, name: &str) -> String {
        let value = &self.json()[name];
        if value.is_null() { String::new() } else { value.as_str().map_or_else(|| value.to_string(), str::to_owned) }
    }
}

/// Every endpoint, put together and described once: that takes longer than most tests, and no server has others.
fn api() -> Arc<Mounted> {
    static API: OnceLock<Arc<Mounted>> = OnceLock::new();
    API.get_or_init(|| serve::api().unwrap()).clone()
}

/// What the server logs, when `POINTSMAN_TEST_LOG` asks for it: `POINTSMAN_TEST_LOG=warn cargo test`.
fn log() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if let Ok(filter) = std::env::var("POINTSMAN_TEST_LOG") {
            pointsman::telemetry::init(&pointsman::config::Log { filter, ..Default::default() }).unwrap();
        }
    });
}

/// An application without its type.
struct Erased<S>(S);

impl<S, B> Service<actix_http::Request> for Erased<S>
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Answering;
    fn poll_ready(&self, context: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        self.0.poll_ready(context)
    }
    fn call(&self, request: actix_http::Request) -> Answering {
        let answer = self.0.call(request);
        Box::pin(async move { Ok(answer.await?.map_into_boxed_body()) })
    }
}

thread_local! {
    /// Tokens of the people of this test.
    pub(crate) static TOKENS: RefCell<std::collections::HashMap<(String, Person), String>> = RefCell::default();
}
