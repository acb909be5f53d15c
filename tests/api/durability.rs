//! A real server, started and stopped: what it prints and refuses at its start, and that it ends when it is told to.

use std::{io::Write, net::TcpStream, time::Duration};

use crate::support::{
    TestDatabase,
    process::{Running, SOON, answer, command, prepared, request},
};

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
