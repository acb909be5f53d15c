//! Servers in processes of their own, as they run in production.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
};

use super::{Person, Person::*, TestDatabase, people};

/// How long a server may take to start or to stop.
pub const SOON: Duration = Duration::from_secs(10);

/// A server in a process of its own. It is killed when it is dropped.
pub struct Running {
    pub child: Child,
    pub address: SocketAddr,
    /// All that it prints and logs. A pipe that nobody reads would hold up a server that has much to say.
    output: tempfile::NamedTempFile,
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
        let mut running = Running::begin(command(url), more);
        running.wait_until_ready();
        running
    }

    /// Starts a server by a command that may wrap the program, and waits for nothing.
    pub fn begin(mut command: Command, more: &[&str]) -> Running {
        let output = tempfile::NamedTempFile::new().unwrap();
        let written = output.reopen().unwrap();
        command.stdout(written.try_clone().unwrap()).stderr(written);
        let settings = ["server.listen=127.0.0.1:0", "server.rate_per_second=100000", "server.rate_burst=100000"];
        let settings = settings.iter().chain(&["log.filter=error"]).chain(more);
        let child = command.arg("serve").args(settings.flat_map(|setting| ["--set", setting])).spawn().unwrap();
        Running { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), output }
    }

    /// Waits until it says where it listens, and until it is ready.
    pub fn wait_until_ready(&mut self) {
        let started = Instant::now();
        while !self.is_ready() {
            let ended = self.child.try_wait().unwrap();
            let waited = started.elapsed() < SOON && ended.is_none();
            assert!(waited, "the server does not start: {ended:?}, {}", self.printed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_ready(&mut self) -> bool {
        if self.address.port() == 0 {
            let printed = self.printed();
            let after = printed.split_once("listens on http://").and_then(|(_, after)| after.split_once('\n'));
            let Some((address, _)) = after else { return false };
            self.address = address.parse().unwrap();
        }
        self.ask("GET", "/readyz", "", "").is_some_and(|(status, _)| status == 200)
    }

    /// One request on a connection of its own. Nothing, when there is no whole answer.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> Option<(u16, String)> {
        self.ask_with(method, path, token, "", body)
    }

    /// The same with more headers, each a line.
    pub fn ask_with(&self, method: &str, path: &str, token: &str, more: &str, body: &str) -> Option<(u16, String)> {
        self.hear(method, path, token, more, body).map(|heard| (heard.status, heard.body))
    }

    /// The same with the headers of the answer.
    pub fn hear(&self, method: &str, path: &str, token: &str, more: &str, body: &str) -> Option<Heard> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(6 * SOON)).ok()?;
        stream.write_all(request_with(method, path, token, &format!("{CLOSE}{more}"), body).as_bytes()).ok()?;
        Heard::read(&mut BufReader::new(stream))
    }

    /// What it has printed and logged so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.output.path()).unwrap()
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to end; gives its exit code and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        self.signal("TERM");
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

/// The header of a request that is the only one of its connection.
const CLOSE: &str = "Connection: close\r\n";

/// A request as it is sent on a connection of its own.
pub fn request(method: &str, path: &str, token: &str, body: &str) -> String {
    request_with(method, path, token, CLOSE, body)
}

/// A request as it is sent, with more headers, each a line.
pub fn request_with(method: &str, path: &str, token: &str, more: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         {more}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Heard {
    pub status: u16,
    /// In small letters, each with its value.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Heard {
    /// Reads one. Nothing, when it is not whole.
    pub fn read(reader: &mut impl BufRead) -> Option<Heard> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut heard =
            Heard { status: line.split(' ').nth(1)?.parse().ok()?, headers: Vec::new(), body: String::new() };
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.trim().split_once(':') else { break };
            heard.headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut body = vec![0; heard.header("content-length").unwrap_or("0").parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        Some(Heard { body: String::from_utf8(body).ok()?, ..heard })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Status and body of an answer. Nothing, when it is not whole.
pub fn answer(stream: TcpStream) -> Option<(u16, String)> {
    Heard::read(&mut BufReader::new(stream)).map(|heard| (heard.status, heard.body))
}

/// A store with people, and a token of Rita's.
pub fn prepared() -> (TestDatabase, String) {
    let database = TestDatabase::create();
    let token = prepare(&database.url());
    (database, token)
}

/// A store with people, and a token of one of them.
pub fn prepared_for(person: Person) -> (TestDatabase, String) {
    let database = TestDatabase::create();
    let token = prepare_for(&database.url(), person);
    (database, token)
}

/// The same, of the database at an address.
pub fn prepare(url: &str) -> String {
    prepare_for(url, Rita)
}

fn prepare_for(url: &str, person: Person) -> String {
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(url.to_owned());
    let assembly = Assembly::open(config, Clock::System).unwrap();
    people::settle(&assembly);
    people::token_for(&assembly, person, "*")
}
