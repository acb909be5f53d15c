//! Servers that answer as they should, otherwise, or not at all.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use serde_json::json;

use super::*;

/// A server that gives these answers, one to each connection, and tells what it heard. An empty answer breaks off.
fn server(answers: &[&str]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (heard, hears) = mpsc::channel();
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    thread::spawn(move || {
        for answer in answers {
            let mut stream = listener.accept().unwrap().0;
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let length = head.to_lowercase();
            let length = length.split_once("content-length: ").map_or("0", |(_, rest)| rest.lines().next().unwrap());
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            drop(heard.send(format!("{head}{}", String::from_utf8(body).unwrap())));
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    (base, hears)
}

fn remote(base: &str) -> Remote {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "secret-word\n").unwrap();
    Address { server: Some(base.to_owned()), token_file: Some(file) }.connect().unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn done() -> String {
    answer("200 OK", "Content-Type: application/json\r\n", r#"{"name":"a"}"#)
}

fn problem(status: &str, headers: &str, body: &str) -> String {
    answer(status, &format!("Content-Type: application/problem+json\r\n{headers}"), body)
}

fn busy() -> String {
    problem("503 Busy", "Retry-After: 0\r\n", r#"{"code":"unavailable"}"#)
}

#[test]
fn a_question_is_asked_with_the_token_and_answered() {
    let (base, heard) = server(&[&done()]);
    let answer = remote(&(base + "/")).ask(&Ask::get("policies").seen(3).because("asked by phone")).unwrap();
    assert_eq!(answer.body, json!({"name": "a"}));
    let heard = heard.recv().unwrap();
    for part in [
        "GET /api/v1/policies HTTP",
        "authorization: Bearer secret-word\r",
        "if-match: \"3\"",
        "x-reason: asked by phone",
    ] {
        assert!(heard.contains(part), "{part} is not in {heard}");
    }
}

#[test]
fn a_server_that_is_busy_or_breaks_off_is_asked_again_with_the_same_key() {
    let (base, heard) = server(&[&busy(), "", &done()]);
    remote(&base).ask(&Ask::post("policies", json!({"a": 1}), "my-key")).unwrap();
    for _ in 0..3 {
        let heard = heard.recv().unwrap();
        assert!(heard.contains("idempotency-key: my-key") && heard.ends_with("{\"a\":1}"), "{heard}");
    }
}

#[test]
fn what_may_not_be_done_twice_is_not_asked_again_where_it_may_have_been_heard() {
    let (base, heard) = server(&[&busy(), "", &done()]);
    let why = remote(&base).ask(&Ask::put("lookup-tables/a", json!({}))).unwrap_err();
    assert_eq!(why.code, Code::Unavailable);
    assert!(why.detail.contains("has broken off"), "{}", why.detail);
    assert_eq!(heard.try_iter().count(), 2);
}

#[test]
fn what_is_in_the_way_is_said_in_a_sentence() {
    let forbidden = r#"{"code":"forbidden","detail":"This needs the permission `policy.write`. \u001b[2J"}"#;
    let html = answer("200 OK", "Content-Type: text/html\r\n", "<html>");
    for (answer, code, parts) in [
        (problem("403 No", "", forbidden), Code::Forbidden, &["`policy.write`", "\\u{1b}"][..]),
        (problem("401 No", "", r#"{"code":"unauthenticated"}"#), Code::Unauthenticated, &["Is the token right"]),
        (problem("422 No", "", r#"{"title":"New","code":"of_another_version"}"#), Code::Invalid, &["New"]),
        (html, Code::Malformed, &["is no Pointsman", "text/html"]),
        (answer("404 No", "", "none"), Code::Malformed, &["is no Pointsman", "404"]),
        (answer("301 Moved", "Location: https://elsewhere/\r\n", ""), Code::Malformed, &["https://elsewhere/"]),
    ] {
        let (base, _) = server(&[&answer]);
        let why = remote(&base).ask(&Ask::get("policies")).unwrap_err();
        assert_eq!(why.code, code, "{}", why.detail);
        for part in parts {
            assert!(why.detail.contains(part), "{part} is not in {}", why.detail);
        }
        assert!(!why.detail.contains("secret-word") && !why.detail.contains('\u{1b}'));
    }
}

#[test]
fn an_answer_of_another_shape_is_told() {
    let (base, _) = server(&[&done()]);
    let answer = remote(&base).ask(&Ask::get("policies")).unwrap();
    assert!(answer.read::<Vec<String>>().unwrap_err().detail.contains("something else than Pointsman"));
}

#[test]
fn nobody_there_is_told_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = remote(&format!("http://{free}")).ask(&Ask::get("policies")).unwrap_err();
    assert_eq!((why.code, why.detail), (Code::Unavailable, format!("There is no server at http://{free}.")));
}

#[test]
fn many_things_are_read_in_their_order() {
    let (base, heard) = server(&[&done(), &done(), &done()]);
    let read = std::cell::Cell::new(0);
    let paths = ["a", "b", "c"].map(str::to_owned);
    let answers = remote(&base).gather(paths, || read.set(read.get() + 1)).unwrap();
    assert_eq!((answers.len(), read.get(), heard.iter().count()), (3, 3, 3));
}

#[test]
fn a_server_is_named_without_a_password_and_a_token_is_one_word() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let connect = |server: &str, token: &str| {
        fs::write(file.path(), token).unwrap();
        let address = Address { server: Some(server.to_owned()), token_file: Some(file.path().to_owned()) };
        address.connect().map(|remote| remote.base().to_owned())
    };
    assert_eq!(connect("https://itsm.example/desk/", "t").unwrap(), "https://itsm.example/desk");
    for (server, token) in [
        ("", "t"),
        ("itsm.example", "t"),
        ("ftp://itsm.example", "t"),
        ("http://a:b@itsm.example", "t"),
        ("http://x/?a=b", "t"),
        ("http://x", ""),
        ("http://x", "two words"),
        ("http://x", "ü"),
    ] {
        assert!(connect(server, token).is_err(), "{server} {token}");
    }
    let missing = Address { server: Some("http://x".into()), token_file: Some("/nowhere/token".into()) };
    assert!(missing.connect().err().unwrap().detail.contains("/nowhere/token"));
}
