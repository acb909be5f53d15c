//! Journal and history.

use serde_json::json;

use super::bench::{Bench, each};

#[actix_web::test]
async fn the_journal_tells_each_what_is_theirs() {
    let bench = Bench::new();
    let number = bench.incident("ada", "Mail").await;
    let path = format!("incidents/{number}/journal");
    let first = bench.post("ada", &path, json!({"kind": "comment", "body": "hello"})).await;
    assert_eq!(first.header("etag"), "\"2\"");
    assert_eq!(first.json()["author"]["user_name"], "ada");
    bench.post("agent", &path, json!({"kind": "work_note", "body": "the secret"})).await.must(201);
    let time = bench.post("agent", &path, json!({"kind": "time", "minutes": 15})).await.must(201);
    assert_eq!(time["minutes"], 15);

    let all = bench.get("agent", &path).await.must(200);
    assert_eq!(each(&all, "kind"), ["time", "work_note", "comment"]);
    let public = bench.get("ada", &path).await.must(200);
    assert_eq!(each(&public, "body"), ["hello"]);
    assert_eq!(bench.get("bob", &path).await.status, 404);
    assert_eq!(bench.get("stranger", &path).await.status, 404);
    assert_eq!(bench.post("bob", &path, json!({"kind": "comment", "body": "x"})).await.status, 404);
    assert_eq!(bench.post("ada", &path, json!({"kind": "work_note", "body": "x"})).await.status, 403);
    assert_eq!(bench.post("ada", &path, json!({"kind": "time", "minutes": 5})).await.status, 403);
    for wrong in [json!({"kind": "comment"}), json!({"kind": "shout", "body": "x"}), json!({"kind": "time"})] {
        assert_eq!(bench.post("agent", &path, wrong.clone()).await.status, 422, "{wrong}");
    }
}

#[actix_web::test]
async fn pages_of_the_journal_follow_each_other_and_a_rehearsal_leaves_nothing() {
    let bench = Bench::new();
    let number = bench.incident("ada", "Mail").await;
    let path = format!("incidents/{number}/journal");
    for n in 1..=5 {
        bench.post("ada", &path, json!({"kind": "comment", "body": format!("{n}")})).await.must(201);
    }
    bench.post("ada", &format!("{path}?dry_run=true"), json!({"kind": "comment", "body": "no"})).await.must(201);
    let mut next = format!("{path}?limit=2");
    let mut bodies = Vec::new();
    loop {
        let page = bench.get("ada", &next).await.must(200);
        bodies.extend(each(&page, "body").into_iter().map(|b| b.as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("{path}?limit=2&cursor={cursor}");
    }
    assert_eq!(bodies, ["5", "4", "3", "2", "1"]);
    let cursor = bench.get("ada", &format!("{path}?limit=2")).await.must(200)["next_cursor"].clone();
    let elsewhere = format!("incidents/{number}/history?cursor={}", cursor.as_str().unwrap());
    assert_eq!(bench.get("ada", &elsewhere).await.status, 400);
}

#[actix_web::test]
async fn the_history_names_who_changed_what_and_hides_work_notes() {
    let bench = Bench::new();
    let number = bench.incident("ada", "Mail").await;
    let path = format!("incidents/{number}");
    let headers = [("if-match", "\"1\""), ("x-reason", "a better name")];
    let patch = json!({"title": "Mail queue", "work_note": "the secret"});
    bench.ask("agent", actix_web::http::Method::PATCH, &path, &headers, patch).await.must(200);
    let history = format!("{path}/history");
    let seen = bench.get("agent", &history).await.must(200);
    let newest = &seen["items"][0];
    assert_eq!(newest["by"]["user_name"], "agent");
    assert_eq!(newest["reason"], "a better name");
    assert_eq!((&newest["version"], &newest["action"]), (&json!(2), &json!("incident.updated")));
    assert!(newest.to_string().contains("the secret"));
    let change = json!({"field": "title", "from": "Mail", "to": "Mail queue"});
    assert!(newest["changes"].as_array().unwrap().contains(&change), "{newest}");
    let hidden = bench.get("ada", &history).await.must(200);
    assert!(!hidden.to_string().contains("the secret") && hidden["items"][0]["changes"][0] == change, "{hidden}");
    assert_eq!(bench.get("bob", &history).await.status, 404);
    let page = bench.get("ada", &format!("{history}?limit=1")).await.must(200);
    let next = format!("{history}?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let last = bench.get("ada", &next).await.must(200);
    assert_eq!((each(&last, "version"), &last["next_cursor"]), (vec![&json!(1)], &json!(null)));
}
