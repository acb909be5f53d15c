//! Links and watchers.

use actix_web::http::Method;
use serde_json::json;

use super::bench::{Bench, each};

const ANY: &[(&str, &str)] = &[("if-match", "*")];

#[actix_web::test]
async fn a_link_shows_on_both_sides_and_only_to_those_who_see_both() {
    let bench = Bench::new();
    let (mine, cause) = (bench.incident("ada", "Mail").await, bench.incident("bob", "Server").await);
    let links = format!("incidents/{mine}/links");
    let new = json!({"relation": "caused_by", "record_id": cause});
    assert_eq!(bench.post("ada", &links, new.clone()).await.status, 403);
    assert_eq!(bench.post("stranger", &links, new.clone()).await.status, 404);
    let made = bench.post("agent", &links, new.clone()).await;
    assert_eq!(made.header("etag"), "\"2\"");
    assert_eq!(made.json()["record"]["number"], cause.as_str());
    assert_eq!(bench.post("agent", &links, new).await.status, 409);
    let back = json!({"relation": "caused_by", "record_id": mine});
    assert_eq!(bench.post("agent", &format!("incidents/{cause}/links"), back).await.status, 409);

    let other = bench.get("agent", &format!("incidents/{cause}/links")).await.must(200);
    assert_eq!(each(&other, "relation"), ["causes"]);
    let of_ada = bench.get("ada", &links).await.must(200);
    assert_eq!(of_ada["items"], json!([]), "ada does not see the other end");
    assert_eq!(bench.get("bob", &links).await.status, 404);
    let elsewhere = bench.post("stranger", "incidents", json!({"title": "Theirs"})).await.must(201);
    let hidden = json!({"relation": "relates_to", "record_id": elsewhere["number"]});
    let refused = bench.post("agent", &links, hidden).await.must(422);
    assert_eq!(refused["errors"][0]["pointer"], "/record_id");
    let unknown = bench.post("agent", &links, json!({"relation": "cause_by", "record_id": cause})).await.must(422);
    assert!(unknown["detail"].as_str().unwrap().contains("caused_by"), "{unknown}");

    let one = format!("{links}/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(bench.send("agent", Method::DELETE, &one, &[], vec![]).await.status, 428);
    assert_eq!(bench.send("agent", Method::DELETE, &one, &[("if-match", "\"1\"")], vec![]).await.status, 412);
    let gone = bench.send("agent", Method::DELETE, &one, &[("if-match", "\"2\"")], vec![]).await;
    assert_eq!((gone.status, gone.header("etag")), (204, "\"3\""));
    assert_eq!(bench.send("agent", Method::DELETE, &one, ANY, vec![]).await.status, 404);
    assert_eq!(bench.get("agent", &links).await.must(200)["items"], json!([]));
    let history = bench.get("agent", &format!("incidents/{mine}/history")).await.must(200);
    assert_eq!(each(&history, "action"), ["incident.unlinked", "incident.linked", "incident.created"]);
}

#[actix_web::test]
async fn an_incident_affects_more_configuration_items() {
    let bench = Bench::new();
    let number = bench.incident("agent", "Mail").await;
    let links = format!("incidents/{number}/links");
    for title in ["one", "two"] {
        let item = bench.post("agent", "configuration_items", json!({"title": title, "class": "server"})).await;
        let new = json!({"relation": "affects", "record_id": item.must(201)["id"]});
        bench.post("agent", &links, new).await.must(201);
    }
    let page = bench.get("agent", &format!("{links}?limit=1")).await;
    let next = format!("{links}?limit=1&cursor={}", page.json()["next_cursor"].as_str().unwrap());
    assert_eq!(page.header("etag"), "\"3\"");
    let last = bench.get("agent", &next).await.must(200);
    assert_eq!((&last["items"][0]["record"]["title"], &last["next_cursor"]), (&json!("two"), &json!(null)));
    let wrong = json!({"relation": "affects", "record_id": bench.incident("agent", "Other").await});
    assert_eq!(bench.post("agent", &links, wrong).await.status, 422);
    let rehearsed = json!({"relation": "relates_to", "record_id": bench.incident("agent", "Third").await});
    bench.post("agent", &format!("{links}?dry_run=true"), rehearsed).await.must(201);
    assert_eq!(bench.get("agent", &links).await.must(200)["items"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn whoever_watches_a_record_sees_it() {
    let bench = Bench::new();
    let number = bench.incident("ada", "Mail").await;
    let (record, watchers) = (format!("incidents/{number}"), format!("incidents/{number}/watchers"));
    let bob = format!("{watchers}/{}", bench.user("bob"));
    assert_eq!(bench.send("bob", Method::PUT, &bob, ANY, vec![]).await.status, 404);
    assert_eq!(bench.send("ada", Method::PUT, &bob, ANY, vec![]).await.status, 403);
    assert_eq!(bench.send("agent", Method::PUT, &bob, &[], vec![]).await.status, 428);
    let added = bench.send("agent", Method::PUT, &bob, ANY, vec![]).await;
    assert_eq!((added.status, added.header("etag")), (204, "\"2\""));
    assert_eq!(bench.send("agent", Method::PUT, &bob, ANY, vec![]).await.header("etag"), "");
    bench.get("bob", &record).await.must(200);
    let ada = format!("{watchers}/{}", bench.user("ada"));
    assert_eq!(bench.send("ada", Method::PUT, &ada, ANY, vec![]).await.status, 204);
    let seen = bench.get("bob", &watchers).await.must(200);
    assert_eq!(each(&seen, "user_name"), ["ada", "bob"]);
    assert_eq!(bench.send("bob", Method::DELETE, &bob, ANY, vec![]).await.status, 204);
    assert_eq!(bench.get("bob", &record).await.status, 404);
    bench.get("ada", &record).await.must(200);
    assert_eq!(bench.get("agent", &watchers).await.must(200)["items"].as_array().unwrap().len(), 1);
    let nobody = format!("{watchers}/{number}");
    assert_eq!(bench.send("agent", Method::PUT, &nobody, ANY, vec![]).await.status, 404);
}
