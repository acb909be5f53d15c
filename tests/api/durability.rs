//! A real server, killed and stopped: what it acknowledged is there, and it ends when it is told to.

use std::{
    io::Write,
    net::TcpStream,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use diesel::prelude::*;
use pointsman::{db::AnyConnection, schema};

use crate::support::{
    TestDatabase,
    process::{Running, SOON, answer, command, prepared, request},
};

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let (database, token) = prepared();
    let mut acknowledged = Vec::new();
    for round in 0..2 {
        let mut server = Running::start(&database.url());
        let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        let written: Vec<String> = std::thread::scope(|scope| {
            let write = |writer: usize| {
                let (server, over, count, token) = (&server, &over, &count, &token);
                scope.spawn(move || {
                    let mut numbers = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let body = format!("{{\"title\": \"Round {round}, writer {writer}, {}\"}}", numbers.len());
                        let Some((201, text)) = server.ask("POST", "/api/v1/incidents", token, &body) else { continue };
                        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
                        numbers.push(record["id"].as_str().unwrap().to_owned());
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    numbers
                })
            };
            let writers: Vec<_> = (0..4).map(write).collect();
            let started = Instant::now();
            while count.load(Ordering::Relaxed) < 20 && started.elapsed() < 6 * SOON {
                std::thread::sleep(Duration::from_millis(10));
            }
            // By its id, while the writers hold the handle.
            let killed =
                Command::new("sh").args(["-c", &format!("kill -KILL {}", server.child.id())]).status().unwrap();
            assert!(killed.success());
            over.store(true, Ordering::Relaxed);
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        server.kill();
        assert!(written.len() >= 20, "hardly anything was written before the kill");
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
    std::thread::sleep(Duration::from_millis(600));
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
