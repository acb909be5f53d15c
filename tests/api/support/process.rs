//! Servers in processes of their own, as they run in production.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
};

use super::{Person::*, TestDatabase, people};

/// How long a server may take to start or to stop.
pub const SOON: Duration = Duration::from_secs(10);

/// A server in a process of its own. It is killed when it is dropped.
pub struct Running {
    pub child: Child,
    pub address: SocketAddr,
}

/// The program, with a database.
pub fn command(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.env("DATABASE_URL", url).env_remove("POINTSMAN_TEST_DATABASE_URL").current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Running {
    pub fn start(url: &str) -> Running {
        Running::start_with(url, &[])
    }

    /// The same with other settings.
    pub fn start_with(url: &str, more: &[&str]) -> Running {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = command(url);
        command.args(["serve", "--set", &format!("server.listen={address}"), "--set", "log.filter=error"]);
        let settings = ["server.rate_per_second=100000", "server.rate_burst=100000"];
        command.args(settings.iter().chain(more).flat_map(|setting| ["--set", setting]));
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
    pub fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> Option<(u16, String)> {
        self.ask_with(method, path, token, "", body)
    }

    /// The same with more headers, each a line.
    pub fn ask_with(&self, method: &str, path: &str, token: &str, more: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(2 * SOON)).ok()?;
        stream.write_all(request_with(method, path, token, more, body).as_bytes()).ok()?;
        answer(stream)
    }

    /// What it has printed, once it has ended.
    pub fn printed(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end; gives its exit code and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
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

/// A request as it is sent.
pub fn request(method: &str, path: &str, token: &str, body: &str) -> String {
    request_with(method, path, token, "", body)
}

fn request_with(method: &str, path: &str, token: &str, more: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         {more}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Status and body of an answer. Nothing, when it is not whole.
pub fn answer(stream: TcpStream) -> Option<(u16, String)> {
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
pub fn prepared() -> (TestDatabase, String) {
    prepared_on(TestDatabase::create())
}

/// The same, of a given database.
pub fn prepared_on(database: TestDatabase) -> (TestDatabase, String) {
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(database.url());
    let assembly = Assembly::open(config, Clock::System).unwrap();
    people::settle(&assembly);
    let token = people::token_for(&assembly, Rita, "*");
    (database, token)
}
