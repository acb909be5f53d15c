//! A real server, killed and stopped: what it acknowledged is there, and it ends when it is told to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use diesel::prelude::*;
use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    db::AnyConnection,
    schema,
};

use crate::support::{Person::*, TestDatabase, people};

/// How long a server may take to start or to stop.
const SOON: Duration = Duration::from_secs(10);

/// A server in a process of its own. It is killed when it is dropped.
struct Running {
    child: Child,
    address: SocketAddr,
}

fn command(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.env("DATABASE_URL", url).env_remove("POINTSMAN_TEST_DATABASE_URL").current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Running {
    fn start(url: &str) -> Running {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = command(url);
        command.args(["serve", "--set", &format!("server.listen={address}"), "--set", "log.filter=error"]);
        let settings = ["server.rate_per_second=100000", "server.rate_burst=100000"];
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        let mut running = Running { child: command.spawn().unwrap(), address };
        let started = Instant::now();
        while running.ask("GET", "/readyz", "", "").is_none_or(|(status, _)| status != 200) {
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < SOON, "the server does not start: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// One request on a connection of its own. Nothing, when there is no whole answer.
    fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(request(method, path, token, body).as_bytes()).ok()?;
        answer(stream)
    }

    /// What it has printed, once it has ended.
    fn printed(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end; gives its exit code and how long it took.
    fn stop(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status().unwrap();
        assert!(asked.success());
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), started.elapsed());
            }
            assert!(started.elapsed() < 2 * SOON, "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn request(method: &str, path: &str, token: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer(stream: TcpStream) -> Option<(u16, String)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 {
            return None;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((status, String::from_utf8(body).ok()?))
}

/// A store with people, and a token of Rita's.
fn prepared() -> (TestDatabase, String) {
    let database = TestDatabase::create();
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(database.url());
    let assembly = Assembly::open(config, Clock::System).unwrap();
    people::settle(&assembly);
    let token = people::token_for(&assembly, Rita, "*");
    (database, token)
}

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let (database, token) = prepared();
    let mut acknowledged = Vec::new();
    for round in 0..2 {
        let mut server = Running::start(&database.url());
        let over = AtomicBool::new(false);
        let written: Vec<String> = std::thread::scope(|scope| {
            let write = |writer: usize| {
                let (server, over, token) = (&server, &over, &token);
                scope.spawn(move || {
                    let mut numbers = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let body = format!("{{\"title\": \"Round {round}, writer {writer}, {}\"}}", numbers.len());
                        let Some((201, text)) = server.ask("POST", "/api/v1/incidents", token, &body) else { continue };
                        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
                        numbers.push(record["id"].as_str().unwrap().to_owned());
                    }
                    numbers
                })
            };
            let writers: Vec<_> = (0..4).map(write).collect();
            std::thread::sleep(Duration::from_millis(700));
            // By its id, while the writers hold the handle.
            let killed =
                Command::new("sh").args(["-c", &format!("kill -KILL {}", server.child.id())]).status().unwrap();
            assert!(killed.success());
            over.store(true, Ordering::Relaxed);
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        server.kill();
        assert!(written.len() > 3, "nothing was written before the kill");
        acknowledged.extend(written);
    }
    let server = Running::start(&database.url());
    let (status, _) = server.ask("GET", &format!("/api/v1/incidents/{}", acknowledged[0]), &token, "").unwrap();
    assert_eq!(status, 200);
    drop(server);
    let mut connection = AnyConnection::open(&database.url()).unwrap();
    for id in &acknowledged {
        let rows = [
            schema::record::table.filter(schema::record::id.eq(id)).count().get_result(&mut connection),
            schema::incident::table.filter(schema::incident::record_id.eq(id)).count().get_result(&mut connection),
            schema::audit::table.filter(schema::audit::subject_id.eq(id)).count().get_result(&mut connection),
            schema::outbox::table.filter(schema::outbox::record_id.eq(id)).count().get_result(&mut connection),
        ];
        assert_eq!(rows.map(|count: QueryResult<i64>| count.unwrap()), [1, 1, 1, 1], "of the record {id}");
    }
    // What was not acknowledged is there whole or not at all.
    let records: i64 = schema::record::table.count().get_result(&mut connection).unwrap();
    let details: i64 = schema::incident::table.count().get_result(&mut connection).unwrap();
    let events: i64 = schema::outbox::table.count().get_result(&mut connection).unwrap();
    assert_eq!((records, records), (details, events));
    let verified = command(&database.url()).args(["audit", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_stop_waits_for_requests_and_then_ends() {
    let (database, token) = prepared();
    let mut server = Running::start(&database.url());
    // A body that is only half there when the stop comes, and an idle connection that is kept alive.
    let whole = request("POST", "/api/v1/incidents", &token, "{\"title\": \"Sent in two halves\"}");
    let (first, second) = whole.split_at(whole.len() - 10);
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.set_read_timeout(Some(SOON)).unwrap();
    slow.write_all(first.as_bytes()).unwrap();
    let mut idle = TcpStream::connect(server.address).unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let second = second.to_owned();
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(400));
        slow.write_all(second.as_bytes()).unwrap();
        answer(slow)
    });
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < SOON, "it took {took:?}");
    let (status, text) = sender.join().unwrap().expect("the request that was in flight got no answer");
    assert_eq!(status, 201, "{text}");
    drop(idle);
}

#[test]
fn the_first_password_is_printed_once() {
    let database = TestDatabase::create_empty();
    let mut first = Running::start(&database.url());
    first.stop();
    let printed = first.printed();
    assert!(printed.contains("one-time password") && printed.contains("/docs"), "{printed}");
    let mut second = Running::start(&database.url());
    second.stop();
    assert!(!second.printed().contains("password"));
}

#[test]
fn settings_that_nobody_knows_and_addresses_that_are_none_are_refused() {
    let database = TestDatabase::create_empty();
    let url = database.url();
    let cases: [(&str, &[&str], &str); 4] = [
        (&url, &["serve", "--set", "server.lisen=127.0.0.1:0"], "did you mean `listen`"),
        (&url, &["serve", "--set", "server.listen=nowhere"], "server.listen"),
        ("mysql://localhost/x", &["serve"], "database"),
        (&url, &["serv"], "serve"),
    ];
    for (url, arguments, named) in cases {
        let output = command(url).args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(named), "{arguments:?}: {told}");
    }
    let from_environment = command(&url).env("POINTSMAN__SERVER__LISEN", "x").arg("serve").output().unwrap();
    assert!(!from_environment.status.success());
}
