//! Hostile policies through the API: each is over soon, and the server answers others meanwhile.
//!
//! What each of them does to the engine itself is tested beside it, in `policy::attacks`.

use std::time::{Duration, Instant};

use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::{Person::*, Server};

/// How soon a hostile policy must be over by the clock on the wall, in a debug build on a busy machine: four times the half second of
/// processor time that storms hold each script to (`tests/weather/scripts`).
const SOON: Duration = Duration::from_secs(2);

/// A routing policy that does `code`, with functions that multiply.
fn body(code: &str) -> String {
    const MORE: &str = "
        fn list() { let a = []; for n in 0..250 { a.push(n); } a }
        fn one(x) { list().map(|y| two(y)) }
        fn two(x) { list().map(|y| three(y)) }
        fn three(x) { list().map(|y| y) }
        fn rec(n) { rec(n + 1) + rec(n) }";
    format!("fn route(i) {{ {code} }} {MORE}")
}

/// Name and source of each attack.
fn attacks() -> Vec<(&'static str, String)> {
    let many_tests: String = (0..50).map(|n| format!("fn test_{n}() {{ rec({n}) }}\n")).collect();
    let nested = |n: usize| format!("let x = {}1{};", "[".repeat(n), "]".repeat(n));
    vec![
        ("an endless loop", body("loop { }")),
        ("a loop as good as endless", body("for n in 0..9000000000000 { }")),
        ("loops in loops", body("for i in 0..1000 { for j in 0..1000 { for k in 0..1000 { } } }")),
        (
            "a comparison of arrays that hold themselves twice",
            body("let a = []; for n in 0..40 { a = [a, a]; } let b = a; a == b"),
        ),
        ("recursion", body("rec(0)")),
        ("a string that doubles", body("let s = \"aaaaaaaa\"; for n in 0..60 { s += s; }")),
        ("an array that doubles", body("let a = [1]; for n in 0..60 { a += a; }")),
        ("a map that grows", body("let m = #{}; for n in 0..100000 { m[\"k\" + n] = n; }")),
        ("deep nesting", body(&nested(10_000))),
        ("a literal of a megabyte", body(&format!("let s = \"{}\";", "a".repeat(900_000)))),
        ("a literal beyond the limit of bodies", body(&format!("let s = \"{}\";", "a".repeat(1 << 20)))),
        ("sleep", body("sleep(3600);")),
        ("a property of a constant", body("const M = #{p: 1}; M.p = 5; i.title = \"x\";")),
        ("callbacks in callbacks", body("one(1)")),
        ("a padded string", body("let s = \"a\"; s.pad(1000000000, \"b\");")),
        ("a padded array", body("let a = []; a.pad(1000000000, 1);")),
        ("a sort that never ends", body("list().sort(|x, y| { for k in 0..100000 {} 0 });")),
        (
            "a replacement that grows",
            body(
                "let s = \"aaaaaaaaaa\"; for n in 0..8 { s += s; } for n in 0..1000 { let t = s; t.replace(\"a\", s); }",
            ),
        ),
        ("endless tests", format!("{} fn test_wild() {{ for n in 0..9000000000000 {{ }} }}", body("assign(\"x\")"))),
        ("many endless tests", body("assign(\"x\")") + many_tests.as_str()),
        ("an import", body("import \"/etc/passwd\" as p;")),
        ("eval", body("eval(\"40 + 2\")")),
    ]
}

/// Sends the attack, and asks for something else at the same time; gives the attack's status and answer. Both are over
/// soon; a machine that was busy elsewhere for a moment is given another try.
async fn attacked(server: &Server, what: &str, path: &str, asked: Value) -> (u16, String) {
    for _ in 0..2 {
        if let Ok(answer) = attacked_once(server, what, path, &asked).await {
            return answer;
        }
    }
    attacked_once(server, what, path, &asked).await.unwrap()
}

async fn attacked_once(server: &Server, what: &str, path: &str, asked: &Value) -> Result<(u16, String), String> {
    let attack = async {
        let started = Instant::now();
        let answer = server.post(path, asked.clone()).by(Admin).send().await;
        (answer, started.elapsed())
    };
    let other = async {
        let started = Instant::now();
        server.get("/api/v1/incidents").by(Alex).expect(200).await;
        started.elapsed()
    };
    let ((answer, took), waited) = join(attack, other).await;
    assert!(answer.status.as_u16() < 500, "{what} at {path}: {}", answer.text());
    if took.max(waited) < SOON {
        Ok((answer.status.as_u16(), answer.text()))
    } else {
        Err(format!("{what} took {took:?} at {path}, and others waited {waited:?}"))
    }
}

/// Lets every thread build its engine before anything is timed.
async fn warm(server: &Server) {
    for _ in 0..4 {
        let asked = json!({"decision": "routing", "record": {}, "source": body("assign(\"network\")")});
        server.post("/api/v1/policies/simulate", asked).by(Admin).expect(200).await;
    }
    server.get("/api/v1/incidents").by(Alex).expect(200).await;
}

#[actix_web::test]
async fn hostile_sources_are_checked_soon() {
    let server = Server::start().await;
    warm(&server).await;
    for (what, source) in attacks() {
        let asked = json!({"decision": "routing", "source": source});
        attacked(&server, what, "/api/v1/policies/validate", asked).await;
    }
}

#[actix_web::test]
async fn hostile_sources_are_rehearsed_soon_and_decide_nothing() {
    let server = Server::start().await;
    warm(&server).await;
    for (what, source) in attacks().into_iter().filter(|(_, source)| !source.contains("fn test_")) {
        let asked = json!({"decision": "routing", "record": {}, "source": source});
        let (status, text) = attacked(&server, what, "/api/v1/policies/simulate", asked).await;
        if status == 200 {
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer["runs"][0]["effects"], json!([]), "{what} decided something: {text}");
            assert!(!answer["runs"][0]["error"].is_null(), "{what} did not fail: {text}");
        }
    }
}

#[actix_web::test]
async fn hostile_versions_are_tested_soon_and_do_no_harm_when_they_are_live() {
    let server = Server::start().await;
    warm(&server).await;
    let versions = "/api/v1/policies/routing_incidents/versions";
    for (what, source) in attacks() {
        let made = server.post(versions, json!({"source": source})).by(Admin).send().await;
        assert!(made.status.as_u16() < 500, "{what}: {}", made.text());
        if made.status != 201 {
            continue;
        }
        let path = format!("{versions}/{}", made.field("number"));
        attacked(&server, what, &format!("{path}/test"), json!({})).await;
        let published =
            server.post(&format!("{path}/publish"), json!({})).by(Admin).header("if-match", "*").send().await;
        assert!(published.status.as_u16() < 500, "{what}: {}", published.text());
        if published.status == 200 {
            // Nothing tested it. It fails on every record, and records are made and have a team all the same.
            let (_, text) =
                attacked(&server, what, "/api/v1/incidents", json!({"title": "Mail does not arrive"})).await;
            let made: Value = serde_json::from_str(&text).unwrap();
            assert!(made["team_id"].is_string(), "{what}: {text}");
            server.post("/api/v1/policies/routing_incidents/rollback", json!({})).by(Admin).expect(200).await;
        }
    }
}

#[actix_web::test]
async fn many_attacks_at_once_leave_room_for_others() {
    let server = Server::start().await;
    warm(&server).await;
    let asked = json!({"decision": "routing", "record": {}, "source": body("for n in 0..9000000000000 { }")});
    let attack =
        async |_| server.post("/api/v1/policies/simulate", asked.clone()).by(Admin).send().await.status.as_u16();
    let others = async {
        let mut slowest = Duration::ZERO;
        for n in 0..5 {
            let started = Instant::now();
            let body = json!({"title": format!("Printer {n}")});
            server.post("/api/v1/incidents", body).by(Rita).expect(201).await;
            slowest = slowest.max(started.elapsed());
        }
        slowest
    };
    let (statuses, slowest) = join(futures_util::future::join_all((0..16).map(attack)), others).await;
    assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
    assert!(slowest < 4 * SOON, "others waited {slowest:?}");
}
