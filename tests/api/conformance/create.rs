//! Making records, and getting them back.

use serde_json::{Value, json};

use super::rows;
use crate::support::{
    Person::*,
    Server,
    sample::{all, create, kinds, maximal, minimal, one, value, writable},
};
use pointsman::record::kind::{Field, Holds, Write};

#[actix_web::test]
async fn the_least_makes_a_record_that_is_found_by_id_and_number() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        assert_eq!(made.header("etag"), "\"1\"", "{}", kind.name);
        assert_eq!(made.header("location"), one(kind, &made));
        assert!(made.field("number").starts_with(kind.prefix), "{}", made.text());
        assert_eq!((made.field("kind"), made.field("version")), (kind.name.to_owned(), "1".to_owned()));
        assert_eq!(made.field("state"), kind.lifecycle.initial);
        let shown: Vec<String> = made.json().as_object().unwrap().keys().cloned().collect();
        let fields: Vec<&str> = kind.all_fields().map(|f| f.name).collect();
        assert_eq!(shown, fields, "a record shows the fields of its kind, no more, no fewer");
        let number = format!("{}/{}", all(kind), made.field("number"));
        for path in [one(kind, &made), number.to_lowercase(), number] {
            let got = server.get(&path).by(Admin).expect(200).await;
            assert_eq!((got.json(), got.header("etag")), (made.json(), "\"1\"".to_owned()));
        }
    }
}

#[actix_web::test]
async fn the_most_makes_a_record_that_holds_all_of_it() {
    for kind in kinds() {
        let server = Server::start().await;
        let body = maximal(&server, kind).await;
        let made = server.post(&all(kind), body.clone().into()).by(Admin).expect(201).await;
        let got = server.get(&one(kind, &made)).by(Admin).expect(200).await.json();
        for (name, value) in body {
            assert_eq!(got[&name], value, "{}.{name}", kind.name);
        }
    }
}

#[actix_web::test]
async fn a_version_that_is_known_is_not_sent_again() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        for (tag, status) in
            [("\"1\"", 304), ("W/\"1\"", 304), ("\"a,b\", \"1\"", 304), ("*", 304), ("\"2\"", 200), ("nonsense", 200)]
        {
            let got = server.get(&one(kind, &made)).by(Admin).header("if-none-match", tag).expect(status).await;
            assert_eq!(got.header("etag"), "\"1\"", "{tag}");
            assert_eq!(got.bytes.is_empty(), status == 304, "{tag}");
        }
    }
}

#[actix_web::test]
async fn what_is_not_there_is_not_found() {
    for kind in kinds() {
        let server = Server::start().await;
        let other = kinds().into_iter().find(|other| other.name != kind.name).unwrap();
        let other = create(&server, other).await;
        let absent = ["0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11", "nothing", "%F0%9F%98%80", "'%20OR%201=1", "%2e%2e"];
        for id in absent.into_iter().map(str::to_owned).chain([other.field("id"), other.field("number")]) {
            let path = format!("{}/{id}", all(kind));
            let problem = server.get(&path).by(Admin).expect(404).await;
            assert_eq!(problem.header("content-type"), "application/problem+json");
            server.get(&format!("{path}/transitions")).by(Admin).expect(404).await;
            let change = server.patch(&path, json!({"title": "x"})).by(Admin).header("if-match", "*");
            change.expect(404).await;
        }
    }
}

#[actix_web::test]
async fn every_wrong_field_is_named_at_once() {
    for kind in kinds() {
        let server = Server::start().await;
        for field in kind.all_fields() {
            let expected: &[&str] = match field.write {
                Write::Server => &["read_only"],
                Write::Step => &["not_writable_here"],
                Write::Required | Write::Caller => continue,
            };
            let mut body = minimal(&server, kind).await;
            body.insert(field.name.to_owned(), value(&server, field).await);
            refused(&server, kind.plural, body.into(), field.name, expected).await;
        }
        let mut body = minimal(&server, kind).await;
        body.insert("titel".to_owned(), json!("x"));
        body.insert("no/such~field".to_owned(), json!(1));
        let problem = server.post(&all(kind), body.into()).by(Admin).expect(422).await.json();
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(
            (errors[0]["pointer"].as_str(), errors[0]["code"].as_str()),
            (Some("/titel"), Some("unknown_field"))
        );
        assert!(errors[0]["detail"].as_str().unwrap().contains("`title`"), "no suggestion: {problem}");
        assert_eq!(errors[1]["pointer"], "/no~1such~0field");
        for field in kind.all_fields().filter(|f| f.write == Write::Required) {
            let mut body = minimal(&server, kind).await;
            body.shift_remove(field.name);
            refused(&server, kind.plural, body.into(), field.name, &["required"]).await;
        }
        let itself = |f: &Field| f.write != Write::Caller && f.holds == Holds::Record(kind.name);
        if !kind.all_fields().any(itself) {
            let total = server.get(&format!("{}?count=true", all(kind))).by(Admin).expect(200).await;
            assert_eq!(total.field("total"), "0", "something of a refused body was stored");
        }
    }
}

#[actix_web::test]
async fn values_of_the_wrong_type_are_refused_at_their_field() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        for field in writable(kind) {
            let wrong: Vec<Value> = match field.holds {
                Holds::Line(_) | Holds::Text(_) => vec![json!(1), json!(true), json!(["x"]), json!({"a": 1})],
                Holds::Integer(from, to) => vec![
                    json!("1"),
                    json!(1.5),
                    json!(true),
                    json!(i64::from(from) - 1),
                    json!(i64::from(to) + 1),
                    json!(u64::MAX),
                    json!(i64::MIN),
                    json!(1e300),
                    json!([1]),
                ],
                Holds::Time => vec![json!("yesterday"), json!(0), json!("2026-02-30T00:00:00Z"), json!("")],
                Holds::Choice(_) => vec![json!("no_such_choice"), json!(""), json!(1), json!(["x"])],
                Holds::User | Holds::Team | Holds::Organisation | Holds::Record(_) => vec![
                    json!("nobody"),
                    json!(1),
                    json!(""),
                    json!("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11"),
                    json!(made.field("opened_by_id") + " "),
                ],
                Holds::Tags => vec![json!("vip"), json!([1]), json!([""]), json!({"vip": true})],
                Holds::Custom | Holds::Attributes => vec![json!([]), json!("x"), json!({"no_such_field": 1})],
                // One that there is not, and one that only groups others.
                Holds::Class => vec![json!(1), json!("no_such_class"), json!("hardware")],
            };
            let empty = (!field.can_be_emptied()).then_some(Value::Null);
            for value in wrong.into_iter().chain(empty) {
                let body = json!({field.name: value});
                let problem = server.patch(&one(kind, &made), body.clone()).by(Admin).seen(&made).send().await;
                assert_eq!(problem.status, 422, "{}: {body}: {}", kind.name, problem.text());
                let pointer = problem.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
                assert!(pointer.starts_with(&format!("/{}", field.name)), "{body}: {}", problem.text());
            }
        }
        for (body, status) in
            [("[]", 400), ("\"x\"", 400), ("{", 400), ("", 400), ("{\"title\": \"a\", \"title\": ", 400), ("nul", 400)]
        {
            server.post(&all(kind), json!({})).body("application/json", body).by(Admin).expect(status).await;
        }
        server.post(&all(kind), json!({})).body("text/plain", "{}").by(Admin).expect(415).await;
    }
}

async fn refused(server: &Server, plural: &str, body: Value, field: &str, codes: &[&str]) {
    let shown = body.to_string();
    let problem = server.post(&format!("/api/v1/{plural}"), body).by(Admin).expect(422).await.json();
    let found = problem["errors"].as_array().unwrap().iter().any(|error| {
        error["pointer"] == format!("/{field}") && codes.contains(&error["code"].as_str().unwrap_or_default())
    });
    assert!(found, "{plural}: {shown}: {problem}");
}

#[actix_web::test]
async fn the_same_key_does_the_work_once() {
    for kind in kinds() {
        let server = Server::start().await;
        let body = Value::from(minimal(&server, kind).await);
        let post = |key: &str| server.post(&all(kind), body.clone()).header("idempotency-key", key).by(Admin);
        let first = post("one").expect(201).await;
        let again = post("one").expect(201).await;
        assert_eq!(first.header("idempotency-replayed"), "");
        assert_eq!(again.header("idempotency-replayed"), "true");
        for header in ["etag", "location"] {
            assert_eq!(first.header(header), again.header(header));
        }
        assert_eq!(first.json(), again.json());
        let other = json!({"title": "Another body"});
        let other = server.post(&all(kind), other).header("idempotency-key", "one").by(Admin).expect(422).await;
        assert_eq!(other.json()["code"], "idempotency_mismatch");
        assert_ne!(post("two").expect(201).await.field("id"), first.field("id"));
        post(&"k".repeat(255)).expect(201).await;
        post(&"k".repeat(256)).expect(400).await;
        // A dry run neither uses nor takes a key.
        let dry = format!("{}?dry_run=true", all(kind));
        let dry = server.post(&dry, body.clone()).header("idempotency-key", "one").by(Admin).expect(201).await;
        assert_eq!(dry.header("idempotency-replayed"), "");
        // So is the query a part of what was asked.
        let rehearsed = format!("{}?dry_run=false", all(kind));
        let other = server.post(&rehearsed, body.clone()).header("idempotency-key", "one").by(Admin).expect(422).await;
        assert_eq!(other.json()["code"], "idempotency_mismatch");
        // A refusal is an answer, too.
        let bad = || server.post(&all(kind), json!({"titel": "x"})).header("idempotency-key", "three").by(Admin);
        let (first, again) = (bad().expect(422).await, bad().expect(422).await);
        assert_eq!([&first, &again].map(|a| a.header("idempotency-replayed")), ["", "true"]);
        assert_eq!([&first, &again].map(|a| a.header("content-type")), ["application/problem+json"; 2]);
        assert_eq!(first.json(), again.json());
        assert_eq!(post("three").expect(422).await.json()["code"], "idempotency_mismatch");
    }
}

#[actix_web::test]
async fn a_dry_run_answers_the_same_and_stores_nothing() {
    for kind in kinds() {
        let server = Server::start().await;
        let body = Value::from(maximal(&server, kind).await);
        let before = rows(&server);
        let dry = server.post(&format!("{}?dry_run=true", all(kind)), body.clone()).by(Admin).expect(201).await;
        assert_eq!(rows(&server), before, "{}", kind.name);
        server.get(&one(kind, &dry)).by(Admin).expect(404).await;
        let made = server.post(&all(kind), body).by(Admin).expect(201).await;
        for field in kind.all_fields().filter(|f| !matches!(f.name, "id" | "number")) {
            assert_eq!(dry.json()[field.name], made.json()[field.name], "{}.{}", kind.name, field.name);
        }
        let (before, path) = (rows(&server), one(kind, &made));
        let change = json!({"title": "Changed", "comment": "Said", "tags": ["new"]});
        let changed = server.patch(&format!("{path}?dry_run=true"), change).by(Admin).seen(&made).expect(200).await;
        assert_eq!((changed.field("title"), changed.field("version")), ("Changed".into(), "2".into()));
        assert_eq!(rows(&server), before);
        assert_eq!(server.get(&path).by(Admin).expect(200).await.json(), made.json());
        server.get(&format!("{}?dry_run=perhaps", all(kind))).by(Admin).expect(400).await;
        server.post(&format!("{}?dry_run=perhaps", all(kind)), json!({})).by(Admin).expect(400).await;
    }
}

#[actix_web::test]
async fn those_who_come_together_get_numbers_of_their_own() {
    for kind in kinds() {
        let server = Server::start().await;
        let body = Value::from(minimal(&server, kind).await);
        let path = all(kind);
        let asks = (0..40).map(|_| server.post(&path, body.clone()).by(Admin).expect(201));
        let made = futures_util::future::join_all(asks).await;
        let numbers: std::collections::BTreeSet<String> = made.iter().map(|answer| answer.field("number")).collect();
        assert_eq!(numbers.len(), 40, "{}", kind.name);
    }
}
