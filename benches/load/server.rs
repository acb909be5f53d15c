//! The server that is measured: a process of its own, with one endpoint more, whose answers cost nothing to make.

use std::{
    io::{BufRead, BufReader, Write},
    num::NonZeroU32,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, http::Method, web};
use pointsman::{
    assembly::{Assembly, kinds},
    auth::{
        account,
        personal::{self, NewPersonalToken},
    },
    cli::serve,
    clock::Clock,
    config::{Config, DatabaseUrl},
    http::{
        endpoint::{Access, Answer, Endpoint, in_path, whole_number},
        schema, server,
    },
    telemetry,
};
use serde_json::json;

/// An agent of the demonstration's service desk.
const CALLER: &str = "maya.okafor";
/// The password of everybody.
pub const PASSWORD: &str = "measured on the loopback line";
/// More requests than a bench can send.
const UNLIMITED: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();
const TAG: &str = "Bench";
/// The largest static answer.
const LARGEST: usize = 1 << 20;

/// The settings of a bench.
pub fn config(url: &str) -> Config {
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(url.to_owned());
    config.server.listen = ([127, 0, 0, 1], 0).into();
    (config.server.rate_per_second, config.server.rate_burst) = (UNLIMITED, UNLIMITED);
    config
}

/// Serves until its standard input ends. Prints address and token.
pub fn serve(url: &str) {
    let config = config(url);
    telemetry::init(&config.log).unwrap();
    let assembly = Assembly::open(config, Clock::System).unwrap();
    let token = token(&assembly);
    let mut api = serve::endpoints();
    api.tag(TAG, "What is measured against.");
    let blank = web::Bytes::from([b"{}".as_slice(), &b" ".repeat(LARGEST)].concat());
    api.mount(endpoint(), move |size: web::Path<usize>| {
        let body = blank.slice(..(*size).clamp(2, LARGEST));
        std::future::ready(HttpResponse::Ok().content_type("application/json").body(body))
    });
    let parts = serve::parts_with(&assembly, api.build().unwrap()).unwrap();
    let jobs = assembly.jobs();
    actix_web::rt::System::new().block_on(async move {
        actix_web::rt::spawn(async move { jobs.run().await });
        let told = |addresses: &[std::net::SocketAddr]| {
            println!("{} {token}", addresses[0]);
            std::io::stdout().flush().unwrap();
        };
        server::serve(parts, told).await.unwrap();
    });
}

fn endpoint() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "/bench/{size}".into(),
        id: "get_bench".into(),
        tag: TAG.into(),
        // As the API's own answers: who asks is known and counted.
        access: Access::SignedIn,
        summary: "A static answer".into(),
        description: "JSON of so many bytes.".into(),
        parameters: vec![in_path("size", "How many bytes.", whole_number(), 100)],
        request: None,
        responses: vec![Answer::json(
            200,
            "Nothing, at length.",
            schema::inline(utoipa::openapi::ObjectBuilder::new().build()),
            json!({}),
        )],
        problems: Vec::new(),
    }
}

/// A token of the caller's that is good for everything they may do.
fn token(assembly: &Assembly) -> String {
    let now = assembly.clock.now();
    let token = assembly.writer.run_blocking(move |unit| {
        let connection = unit.connection()?;
        let caller = account::find_user(connection, CALLER)?.unwrap();
        let new = NewPersonalToken { name: "bench".into(), scopes: ["*".to_owned()].into(), expires_at: None };
        Ok(personal::create(connection, caller, &new, &kinds(), now)?.1)
    });
    token.unwrap().expose().to_owned()
}

/// A server in a process of its own; it is killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    pub token: String,
    /// From its start to its first answer.
    pub started_in: Duration,
}

impl Server {
    pub fn start(url: &str) -> Server {
        let start = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--serve", url])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Its log is written, as in production, but kept nowhere.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, token) = line.trim().split_once(' ').expect("the server did not start");
        let mut server =
            Server { child, address: address.to_owned(), token: token.to_owned(), started_in: Duration::ZERO };
        server.get("/api/v1/incidents?limit=1");
        server.started_in = start.elapsed();
        server
    }

    /// Reads a path; gives the body.
    pub fn get(&self, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        )
        .unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {text}");
        body.to_owned()
    }

    /// The processor time that it has used, in seconds.
    pub fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        ticks.map(|t| t.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    /// Its resident memory in MiB, and the most that it ever was.
    pub fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A database with the demonstration in it.
pub fn demonstrate(url: &str) {
    let assembly = Assembly::open(config(url), Clock::System).unwrap();
    let task = pointsman::cli::demo::Task { seed: 1, until: None, password: Some(PASSWORD.to_owned()) };
    task.fill(&assembly, &indicatif::ProgressBar::hidden()).unwrap();
}
