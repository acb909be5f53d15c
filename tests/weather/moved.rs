//! A clock that jumps while the server runs, as one that is put right: tokens, timers, ids, limits and streams go on.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use diesel::prelude::*;
use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    db::AnyConnection,
    schema::{decision, outbox, timer},
};
use serde_json::{Value, json};

use crate::{
    held,
    load::{INCIDENTS, Progress, Writer, write_until},
    storm::{KilledOnPanic, Weather, panics, until},
    support::{
        PATIENCE,
        Person::Alex,
        people,
        process::{Running, command, prepared, request},
    },
};

/// How long a timer that is due may wait.
const FIRED: Duration = Duration::from_secs(5);
/// Somebody with a session, and their password.
const WANDA: &str = "wanda";
const PASSWORD: &str = "track seven to the harbour";

/// The time that a server believes in: by libfaketime, which reads at every call how far it is off.
struct Time {
    library: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Time {
    /// Nothing, where there is no such library.
    fn find() -> Option<Time> {
        let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
        let named = |folder: PathBuf| folder.join("faketime/libfaketimeMT.so.1");
        let library = folders.chain([PathBuf::from("/usr/local/lib")]).map(named).find(|path| path.exists())?;
        Some(Time { library, file: tempfile::NamedTempFile::new().unwrap() })
    }

    /// The program, in this time.
    fn command(&self, url: &str) -> Command {
        let mut command = command(url);
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", self.file.path());
        // What is measured from one moment to another is by a clock that never jumps.
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }

    /// Puts it so many minutes ahead of the true time.
    fn set(&self, minutes: i64) {
        // At once, so that nobody reads half of it.
        let next = self.file.path().with_extension("next");
        std::fs::write(&next, format!("{:+}", minutes * 60)).unwrap();
        std::fs::rename(next, self.file.path()).unwrap();
    }
}

/// A session of somebody's.
struct Session<'a> {
    server: &'a Running,
    access: String,
    refresh: String,
}

impl Session<'_> {
    fn post(server: &Running, path: &str, token: &str, body: &Value) -> Value {
        let (status, text) = server.ask("POST", path, token, &body.to_string()).unwrap();
        assert!(status < 300, "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Signs somebody in by a one-time password, and anew with one of their own.
    fn open<'a>(server: &'a Running, user: &str, one_time: &str) -> Session<'a> {
        let login = |password: &str| {
            let body = json!({"user_name": user, "password": password});
            let tokens = Session::post(server, "/api/v1/auth/login", "", &body);
            Session { server, access: text(&tokens["access_token"]), refresh: text(&tokens["refresh_token"]) }
        };
        let body = json!({"old_password": one_time, "new_password": PASSWORD});
        Session::post(server, "/api/v1/auth/password", &login(one_time).access, &body);
        login(PASSWORD)
    }

    /// Whether the access token is good, or was refused as one that is not.
    fn is_good(&self) -> bool {
        let (status, said) = self.server.ask("GET", "/api/v1/auth/me", &self.access, "").unwrap();
        assert!(matches!(status, 200 | 401), "{status} {said}");
        status == 200
    }

    fn renew(&mut self) {
        let body = json!({"refresh_token": self.refresh});
        let tokens = Session::post(self.server, "/api/v1/auth/refresh", "", &body);
        (self.access, self.refresh) = (text(&tokens["access_token"]), text(&tokens["refresh_token"]));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Collects the ids of the events that a stream tells of, until it ends.
fn follow(address: SocketAddr, token: &str, opened: &AtomicBool, told: &Mutex<Vec<String>>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let path = "/api/v1/stream?types=incident.created";
    stream.write_all(request("GET", path, token, "").as_bytes()).unwrap();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        opened.fetch_or(line.starts_with("retry:"), Ordering::Relaxed);
        told.lock().unwrap().extend(line.strip_prefix("id: ").map(str::to_owned));
    }
}

/// Resolves a record, whose timer is then due so many minutes after the true time; gives its id.
fn resolved(server: &Running, token: &str, connection: &mut AnyConnection, minutes: i64) -> String {
    let made = Session::post(server, INCIDENTS, token, &json!({"title": "To be closed by a timer"}));
    let id = text(&made["id"]);
    let how = json!({"resolution_code": "fixed", "resolution_kind": "permanent", "resolution_notes": "The queue was emptied."});
    Session::post(server, &format!("{INCIDENTS}/{id}/start"), token, &json!({}));
    Session::post(server, &format!("{INCIDENTS}/{id}/resolve"), token, &how);
    let due = Clock::System.now().plus(TimeDelta::minutes(minutes));
    let of_record = timer::table.filter(timer::record_id.eq(&id)).filter(timer::name.eq("auto_close"));
    assert_eq!(diesel::update(of_record).set(timer::due_at.eq(due)).execute(connection).unwrap(), 1);
    id
}

fn written(writers: &[Writer]) -> usize {
    writers.iter().map(|writer| writer.acknowledged.len()).sum()
}

/// A token of somebody's who may work on records.
fn token_of_alex(url: &str) -> String {
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(url);
    people::token_for(&Assembly::open(config, Clock::System).unwrap(), Alex, "*")
}

fn closings(connection: &mut AnyConnection, id: &str) -> i64 {
    let closed = outbox::table.filter(outbox::record_id.eq(id)).filter(outbox::event.eq("incident.closed"));
    closed.count().get_result(connection).unwrap()
}

pub fn clock(weather: &mut Weather) {
    let Some(time) = Time::find() else {
        return weather.skip("needs libfaketime (apt-get install libfaketime)");
    };
    let (database, token) = prepared();
    let url = database.url();
    let mut connection = AnyConnection::open(&url).unwrap();
    let alex = token_of_alex(&url);
    // Tokens that seem to be older than their user are worth nothing, so theirs was made long ago.
    time.set(-180);
    let given = time.command(&url).args(["--json", "admin", "create", WANDA]).output().unwrap();
    let given: Value = serde_json::from_slice(&given.stdout).unwrap();
    let settings = ["server.rate_per_second=100", "server.rate_burst=200"];
    let mut server = Running::begin(time.command(&url), &settings);
    server.wait_until_ready();
    let mut session = Session::open(&server, WANDA, given["one_time_password"].as_str().unwrap());

    time.set(0);
    let mut writers = [Writer::new("Writer 1"), Writer::new("Writer 2")];
    let (address, mut fired, mut early, mut expired) = (server.address, Vec::new(), Vec::new(), 0);
    let (opened, told) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let _end = KilledOnPanic(server.child.id());
        scope.spawn(|| follow(address, &token, &opened, &told));
        until("the stream is open", PATIENCE, || opened.load(Ordering::Relaxed));
        for _ in 0..weather.size(1, 5) {
            time.set(0);
            let some = |progress: &Progress| progress.acknowledged() >= 20;
            let write = |writers: &mut [Writer]| {
                write_until(&server, &token, writers, Duration::from_millis(50), some, || ());
            };
            write(&mut writers);
            let soon = resolved(&server, &alex, &mut connection, 30);
            let later = resolved(&server, &alex, &mut connection, 90);
            session.renew();
            for (minutes, closed) in [(60, Some(&soon)), (-60, None), (0, None), (120, Some(&later))] {
                time.set(minutes);
                write(&mut writers);
                expired += usize::from(!session.is_good());
                session.renew();
                assert!(session.is_good(), "a token that was just given is refused");
                match closed {
                    Some(id) => fired.push(until("a timer fires", PATIENCE, || closings(&mut connection, id) > 0)),
                    None => early.extend(Some(&later).filter(|id| closings(&mut connection, id) > 0).cloned()),
                }
            }
            let twice = [soon, later].into_iter().filter(|id| closings(&mut connection, id) != 1);
            early.extend(twice);
        }
        let written = written(&writers);
        until("all is told", PATIENCE, || told.lock().unwrap().len() >= written);
        server.signal("TERM");
    });
    let (events, written) = (told.into_inner().unwrap(), written(&writers));
    let refused: Vec<_> = writers.iter().flat_map(|writer| &writer.refused).collect();
    let negative: i64 =
        decision::table.filter(decision::microseconds.lt(0)).count().get_result(&mut connection).unwrap();
    weather.none("requests refused, whether by a limit or a failure", &refused);
    weather.within("a timer that was due waited at most", fired.into_iter().max().unwrap(), weather.allowed(FIRED));
    weather.none("timers that fired early or not once", &early);
    weather.at_least("access tokens refused that the jump had made old", expired, 1);
    weather.same("events told by a stream that was open all the time", events.len(), written);
    weather.same("of them told twice", events.len() - events.iter().collect::<HashSet<_>>().len(), 0);
    weather.same("decisions that took less than no time", negative, 0);
    weather.none("panics", &panics(&server));
    held::against(weather, &url, &writers, written);
}
