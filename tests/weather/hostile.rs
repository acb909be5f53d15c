//! Clients that mean harm or know no better: each gets the status that is its own, and those who behave hardly notice.

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
};
use serde_json::json;

use crate::{
    load::INCIDENTS,
    scripts::table,
    storm::{Over, Weather, panics},
    support::{
        Person, people,
        process::{Heard, Running, prepared, request_with},
    },
};

/// Those who behave, and how often each asks.
const HEALTHY: usize = 4;
const RHYTHM: Duration = Duration::from_millis(20);
/// By when the server gives up a head, and a body; both with a second for itself.
const HEAD: Duration = Duration::from_secs(6);
const BODY: Duration = Duration::from_secs(11);
/// How much slower the slowest hundredth of the healthy may be.
const RATIO: f64 = 2.0;

/// Those who try hostile policies.
const HOSTILE: usize = 4;

/// One bad request: what it is, its bytes, and what may be answered.
type Attack = (&'static str, Vec<u8>, &'static [u16]);

/// Requests that are wrong, monstrous or made to take long, each on a connection of its own.
pub fn requests(weather: &mut Weather) {
    let ((database, rita), rounds) = (prepared(), weather.size(1, 20));
    let (server, token) = (Running::start(&database.url()), admin(&database.url()));
    let made = server.ask("POST", INCIDENTS, &token, "{\"title\": \"Attacked\"}");
    assert_eq!(made.map(|(status, _)| status), Some(201));
    custom_field(&server, &token);
    let attacks = [bodies(&token), queries(&token), heads(&token)].concat();
    let (wrong, slowest) = beside_the_healthy(weather, &server, &rita, || {
        let (mut wrong, mut slowest) = (Vec::new(), Duration::ZERO);
        for (what, bytes, statuses) in std::iter::repeat_n(&attacks, rounds).flatten() {
            let started = Instant::now();
            let heard = send(&server, bytes);
            slowest = slowest.max(started.elapsed());
            let fits = heard.as_ref().is_some_and(|heard| statuses.contains(&heard.status));
            wrong.extend(Some((*what, statuses, heard)).filter(|_| !fits));
        }
        (wrong, slowest)
    });
    weather.none(&format!("of {} attacks, answered by another status", attacks.len()), &wrong);
    weather.within("the slowest answer to one", slowest, weather.allowed(Duration::from_secs(1)));
    weather.none("panics", &panics(&server));
}

/// Connections that are slow, silent or full of rubbish, all at once.
pub fn connections(weather: &mut Weather) {
    let ((database, token), slow) = (prepared(), weather.size(20, 200));
    let server = Running::start(&database.url());
    let head = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    let body = request_with("POST", INCIDENTS, &token, "", &" ".repeat(5_000));
    let body = &body[..body.len() - 5_000];
    let idle = weather.size(250, 1_000);
    let (silent, heads, bodies, rubbish) = beside_the_healthy(weather, &server, &token, || {
        std::thread::scope(|scope| {
            let silent = scope.spawn(|| keep_silent(&server, idle));
            let heads = scope.spawn(|| drip(&server, head, slow));
            let bodies = scope.spawn(|| drip(&server, body, slow));
            let rubbish: Vec<_> = (0..slow).map(|n| pipelined(&server, n)).collect();
            (silent.join().unwrap(), heads.join().unwrap(), bodies.join().unwrap(), rubbish)
        })
    });
    weather.same("connections that said nothing and were closed", silent.len(), idle);
    weather.within("the last of them after", silent.into_iter().max().unwrap_or_default(), weather.allowed(HEAD));
    for (what, told, limit) in [("heads", heads, HEAD), ("bodies", bodies, BODY)] {
        let others: Vec<_> = told.iter().filter(|(status, _)| *status != Some(408)).collect();
        weather.none(&format!("slow {what} with another answer than 408"), &others);
        let last = told.iter().map(|(_, after)| *after).max().unwrap_or_default();
        weather.within(&format!("slow {what}, the last given up after"), last, weather.allowed(limit));
    }
    let others: Vec<_> = rubbish.iter().filter(|statuses| **statuses != [200, 400]).collect();
    weather.none("rubbish behind a good request with other answers than 200, 400", &others);
    weather.none("panics", &panics(&server));
}

/// Policies that mean harm: one is live, and administrators check, rehearse, keep and test others.
pub fn policies(weather: &mut Weather) {
    let ((database, rita), sample) = (prepared(), weather.size(12, 1));
    let (server, token) = (Running::start(&database.url()), admin(&database.url()));
    let scripts: Vec<String> = table::all().into_iter().step_by(sample).map(|attack| attack.source).collect();
    let (statuses, slowest) = beside_the_healthy(weather, &server, &rita, || {
        live(&server, &token, "hostile", &table::routing("for n in 0..9000000000000 { }"));
        let each = scripts.chunks(scripts.len().div_ceil(HOSTILE));
        std::thread::scope(|scope| {
            let all: Vec<_> = each.map(|some| scope.spawn(|| tried(&server, &token, some))).collect();
            let all: Vec<Vec<_>> = all.into_iter().map(|one| one.join().unwrap()).collect();
            let slowest = all.iter().flatten().map(|(_, took)| *took).max().unwrap_or_default();
            (all.concat().into_iter().map(|(status, _)| status).collect::<Vec<_>>(), slowest)
        })
    });
    weather.told("requests with hostile policies", statuses.len() as f64);
    let wrong: Vec<_> = statuses.iter().filter(|status| !matches!(status, Some(200 | 201 | 413 | 422))).collect();
    weather.none("of them, answered by another status", &wrong);
    // Each waits for those of the others, and two are tried at a time.
    weather.within("the slowest answer to one", slowest, weather.allowed(Duration::from_secs(5)));
    weather.none("panics", &panics(&server));
}

/// Makes a policy that is asked first, and publishes it.
fn live(server: &Running, token: &str, name: &str, source: &str) {
    let policy = json!({"name": name, "decision": "routing", "kind": "incident", "position": 0});
    let versions = format!("/api/v1/policies/{name}/versions");
    for (path, body, more, expected) in [
        ("/api/v1/policies".to_owned(), policy, "", 201),
        (versions.clone(), json!({"source": source}), "", 201),
        (format!("{versions}/1/publish"), json!({}), "If-Match: *\r\n", 200),
    ] {
        let answer = server.ask_with("POST", &path, token, more, &body.to_string());
        assert_eq!(answer.as_ref().map(|(status, _)| *status), Some(expected), "{path}: {answer:?}");
    }
}

/// Has each script checked, rehearsed, kept and tested; gives the status of each answer and when it came.
fn tried(server: &Running, token: &str, scripts: &[String]) -> Vec<(Option<u16>, Duration)> {
    let mut heard = Vec::new();
    let mut ask = |path: &str, body: &serde_json::Value| {
        let started = Instant::now();
        let answer = server.ask("POST", path, token, &body.to_string());
        heard.push((answer.as_ref().map(|(status, _)| *status), started.elapsed()));
        answer.filter(|(status, _)| *status == 201).and_then(|(_, body)| serde_json::from_str(&body).ok())
    };
    for source in scripts {
        ask("/api/v1/policies/validate", &json!({"decision": "routing", "source": source}));
        ask("/api/v1/policies/simulate", &json!({"decision": "routing", "record": {}, "source": source}));
        let versions = "/api/v1/policies/routing_incidents/versions";
        let kept: Option<serde_json::Value> = ask(versions, &json!({"source": source}));
        if let Some(number) = kept.and_then(|version| version["number"].as_i64()) {
            ask(&format!("{versions}/{number}/test"), &json!({}));
        }
    }
    heard
}

fn admin(url: &str) -> String {
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(url.to_owned());
    people::token_for(&Assembly::open(config, Clock::System).unwrap(), Person::Admin, "*")
}

/// A field with a pattern that a matcher that goes back on its steps never gets through.
fn custom_field(server: &Running, token: &str) {
    let field =
        json!({"kind": "incident", "name": "code", "label": "Code", "field_type": "text", "pattern": "((a+)+)+"});
    let made = server.ask("POST", "/api/v1/custom-fields", token, &field.to_string());
    assert_eq!(made.map(|(status, _)| status), Some(201));
}

fn bodies(token: &str) -> Vec<Attack> {
    let post = |path: &str, body: &str| request_with("POST", path, token, "", body).into_bytes();
    let incident = |body: &str| post(INCIDENTS, body);
    let title = |title: &str| incident(&json!({"title": title}).to_string());
    let pattern = json!({"kind": "incident", "name": "other", "label": "Other", "field_type": "text", "pattern": "((x{999}){999}){999}"});
    let announced = |path: &str, length: u64| {
        let text = request_with("POST", path, token, "", "");
        text.replace("Content-Length: 0", &format!("Content-Length: {length}")).into_bytes()
    };
    let mut not_text = incident("{\"title\": \"??\"}");
    let at = not_text.len() - 4;
    not_text[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
    vec![
        ("a body that nests deeply", incident(&"[".repeat(500_000)), &[400]),
        (
            "a field that nests deeply",
            incident(&format!("{{\"title\": \"x\", \"custom\": {}", "{\"a\":".repeat(100_000))),
            &[400],
        ),
        ("U+0000 in a text", incident("{\"title\": \"a\\u0000b\"}"), &[422]),
        ("U+0000 in a name", incident("{\"title\": \"x\", \"a\\u0000b\": 1}"), &[422]),
        ("a lone surrogate", incident("{\"title\": \"\\ud800\"}"), &[400]),
        ("bytes that are no text", not_text, &[400]),
        ("2^63", incident("{\"title\": \"x\", \"impact\": 9223372036854775808}"), &[422]),
        ("1e400", incident("{\"title\": \"x\", \"impact\": 1e400}"), &[400]),
        ("an empty title", title(""), &[422]),
        ("an enormous title", title(&"x".repeat(900_000)), &[422]),
        (
            "100,000 fields",
            incident(
                &json!((0..100_000).map(|n| (n.to_string(), n.into())).collect::<serde_json::Map<_, _>>()).to_string(),
            ),
            &[413, 422],
        ),
        ("a body that is too large", announced(INCIDENTS, 1 << 30), &[413]),
        ("an upload that is too large", announced("/api/v1/incidents/INC0000001/attachments?name=x", 1 << 40), &[413]),
        ("a pattern that grows", post("/api/v1/custom-fields", &pattern.to_string()), &[422]),
        (
            "a text against a pattern",
            incident(&json!({"title": "x", "custom": {"code": "a".repeat(3_900) + "!"}}).to_string()),
            &[422],
        ),
    ]
}

fn queries(token: &str) -> Vec<Attack> {
    let get = |query: &str| request_with("GET", &format!("{INCIDENTS}?{query}"), token, "", "").into_bytes();
    let terms = |count: usize| get(&format!("filter={}", vec!["impact=1"; count].join("%20OR%20")));
    let like = |text: &str| get(&format!("filter=description:%22{text}%22"));
    vec![
        ("100 terms", terms(100), &[200]),
        ("101 terms", terms(101), &[400]),
        ("parentheses that nest deeply", get(&format!("filter={}", "(".repeat(4_000))), &[400]),
        ("NOT that nests deeply", get(&format!("filter={}impact=1", "NOT%20".repeat(1_000))), &[400]),
        ("a filter that is too long", get(&format!("filter={}", "x".repeat(5_000))), &[400]),
        ("a pattern of LIKE", like(&"%25_".repeat(1_000)), &[200]),
        ("escapes in a pattern of LIKE", like(&"%5C%5C%25".repeat(500)), &[200]),
        ("a search of operators", get(&format!("q={}", "%22*%5E-NEAR(".repeat(60))), &[200, 400]),
        ("a search of one letter, often", get(&format!("q={}", "a%20".repeat(450))), &[200, 400]),
        ("U+0000 in a filter", get("filter=title=%22a%00b%22"), &[400]),
        ("2^63 in a filter", get("filter=impact=9223372036854775808"), &[200, 400]),
        ("2^63 as the limit", get("limit=9223372036854775808"), &[400]),
        ("a cursor of nothing", get(&format!("cursor={}", "A".repeat(8_000))), &[400]),
        ("every reference, again and again", get(&format!("expand={}", vec!["team"; 150].join(","))), &[400]),
    ]
}

fn heads(token: &str) -> Vec<Attack> {
    let get = |path: &str, more: &str| request_with("GET", path, token, more, "").into_bytes();
    vec![
        ("a long path", get(&format!("{INCIDENTS}/{}", "x".repeat(60_000)), ""), &[404]),
        ("a path out of the tree", get("/api/v1/../../../etc/passwd", ""), &[404]),
        ("U+0000 in a path", get("/api/v1/incidents/%00", ""), &[400]),
        ("bytes that are no text in a path", get("/api/v1/incidents/%ff%fe", ""), &[400, 404]),
        (
            "a condition without an end",
            get(INCIDENTS, &format!("If-None-Match: {}\r\n", "\"1\",".repeat(5_000))),
            &[200],
        ),
        ("a token that is too long", request_with("GET", INCIDENTS, &"x".repeat(60_000), "", "").into_bytes(), &[401]),
        ("two lengths", get("/livez", "Content-Length: 7\r\n"), &[400]),
        ("a length and chunks", get("/livez", "Transfer-Encoding: chunked\r\n"), &[400]),
        ("a length below nothing", b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_vec(), &[400]),
        ("a version of its own", b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400]),
        ("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
    ]
}

/// Sends bytes on a connection of their own, for as long as the server listens, and gives its answer.
fn send(server: &Running, bytes: &[u8]) -> Option<Heard> {
    let mut stream = TcpStream::connect(server.address).ok()?;
    stream.set_read_timeout(Some(BODY)).ok()?;
    // A server that has seen enough need not take the rest.
    drop(stream.write_all(bytes));
    Heard::read(&mut BufReader::new(stream))
}

/// Opens connections and says nothing; gives after how long each was closed, of those that were.
fn keep_silent(server: &Running, count: usize) -> Vec<Duration> {
    let open = |_| Some((TcpStream::connect(server.address).ok()?, Instant::now()));
    let silent: Vec<_> = (0..count).filter_map(open).collect();
    let closed = |(stream, since): (TcpStream, Instant)| {
        stream.set_read_timeout(Some(2 * BODY)).ok()?;
        std::io::copy(&mut stream.take(4096), &mut std::io::sink()).ok()?;
        Some(since.elapsed())
    };
    silent.into_iter().filter_map(closed).collect()
}

/// Begins requests and goes on a byte at a time; gives for each the status of the answer and when it came.
fn drip(server: &Running, begun: &str, count: usize) -> Vec<(Option<u16>, Duration)> {
    let one = || {
        let started = Instant::now();
        let Ok(mut stream) = TcpStream::connect(server.address) else { return (None, started.elapsed()) };
        drop(stream.write_all(begun.as_bytes()));
        drop(stream.set_read_timeout(Some(Duration::from_millis(200))));
        // Until there is an answer to read.
        while stream.peek(&mut [0]).is_err() && started.elapsed() < 3 * BODY {
            drop(stream.write_all(b" "));
        }
        let heard = Heard::read(&mut BufReader::new(stream));
        (heard.map(|heard| heard.status), started.elapsed())
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// A good request and rubbish behind it, in one piece; gives the statuses of all answers.
fn pipelined(server: &Running, n: usize) -> Vec<u16> {
    let mut bytes = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    bytes.extend((0..512).map(|i| ((i * 31 + n * 17) % 255) as u8 | 0x80));
    bytes.extend(b"\r\n\r\n");
    let Ok(mut stream) = TcpStream::connect(server.address) else { return Vec::new() };
    drop(stream.write_all(&bytes));
    drop(stream.set_read_timeout(Some(BODY)));
    let mut reader = BufReader::new(stream);
    std::iter::from_fn(|| Heard::read(&mut reader).map(|heard| heard.status)).take(3).collect()
}

/// Does `work` while others behave, and compares how they fared with how they fare alone.
fn beside_the_healthy<T>(weather: &mut Weather, server: &Running, token: &str, work: impl FnOnce() -> T) -> T {
    let alone = weather.size(Duration::from_secs(2), Duration::from_secs(15));
    let (before, ()) = healthy_while(server, token, || std::thread::sleep(alone));
    let (beside, done) = healthy_while(server, token, work);
    weather.none("healthy requests that failed", &[before.1, beside.1].concat());
    weather.at_least("healthy requests meanwhile", beside.0.len(), 1);
    let (before, beside) = (p99(before.0), p99(beside.0));
    weather.told("p99 of the healthy alone, in ms", before);
    weather.told("p99 beside hostile clients, in ms", beside);
    let ratio = beside / before;
    // A short run has few requests, on a machine that does other things as well.
    match weather.size(false, true) {
        true => weather.at_most("how much slower that is", (ratio * 100.0).round() / 100.0, RATIO),
        false => weather.told("how much slower that is", ratio),
    }
    done
}

/// The times of the answers that were as they should be, and the others.
type Fared = (Vec<Duration>, Vec<String>);

fn healthy_while<T>(server: &Running, token: &str, work: impl FnOnce() -> T) -> (Fared, T) {
    let over = AtomicBool::new(false);
    let ask = || {
        let (mut times, mut failed) = (Vec::new(), Vec::new());
        while !over.load(Ordering::Relaxed) {
            for (method, body, expected) in [("GET", "", 200), ("POST", "{\"title\": \"In the crowd\"}", 201)] {
                let started = Instant::now();
                match server.ask(method, INCIDENTS, token, body) {
                    Some((status, _)) if status == expected => times.push(started.elapsed()),
                    other => failed.push(format!("{method}: {other:?}")),
                }
                std::thread::sleep(RHYTHM);
            }
        }
        (times, failed)
    };
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..HEALTHY).map(|_| scope.spawn(ask)).collect();
        let done = {
            let _over = Over(&over);
            work()
        };
        let all: Vec<Fared> = asking.into_iter().map(|one| one.join().unwrap()).collect();
        let (times, failed): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        ((times.concat(), failed.concat()), done)
    })
}

/// In milliseconds.
fn p99(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let slowest = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    slowest.as_secs_f64() * 1_000.0
}
