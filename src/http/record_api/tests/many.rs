//! Batches, exports and forms.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::bench::{Bench, each};

#[actix_web::test]
async fn operations_of_a_batch_stand_by_themselves_unless_it_is_atomic() {
    let bench = Bench::new();
    let number = bench.incident("agent", "Mail").await;
    let operations = json!({"operations": [
        {"op": "create", "body": {"title": "One"}},
        {"op": "create", "body": {"title": 7}},
        {"op": "update", "id": number, "if_match": "\"1\"", "body": {"title": "Mail queue"}},
        {"op": "start", "id": number},
        {"op": "update", "id": number, "if_match": "\"77\"", "body": {"title": "x"}},
        {"op": "update", "id": number, "body": {"title": "x"}},
        {"op": "explode", "id": number},
        {"op": "transition", "id": "INC9999999", "body": {"to": "in_progress"}},
    ]});
    let atomic = bench.post("agent", "incidents/batch?atomic=true", operations.clone()).await.must(422);
    assert_eq!(atomic["errors"][0]["pointer"], "/operations/1/body/title");
    assert_eq!(bench.get("agent", "incidents").await.must(200)["items"].as_array().unwrap().len(), 1);

    let rehearsed = bench.post("agent", "incidents/batch?dry_run=true", operations.clone()).await.must(200);
    assert_eq!(rehearsed["results"][0]["status"], 201);
    assert_eq!(bench.get("agent", "incidents").await.must(200)["items"].as_array().unwrap().len(), 1);

    let done = bench.post("agent", "incidents/batch", operations).await.must(200);
    let statuses = each(&done["results"], "status").into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(json!(statuses), json!([201, 422, 200, 200, 412, 428, 422, 404]), "{done}");
    assert_eq!(done["results"][1]["problem"]["errors"][0]["pointer"], "/body/title");
    assert_eq!(done["results"][3]["record"]["state"], "in_progress");
    let history = bench.get("agent", &format!("incidents/{number}/history")).await.must(200);
    assert_eq!(each(&history, "via"), ["batch", "batch", "api"]);
    for wrong in [json!({"operations": []}), json!([]), json!({"operations": [{"op": "create", "bodi": {}}]})] {
        assert_eq!(bench.post("agent", "incidents/batch", wrong.clone()).await.status, 422, "{wrong}");
    }
}

#[actix_web::test]
async fn a_batch_is_done_once_for_a_key_and_each_operation_needs_its_permission() {
    let bench = Bench::new();
    let operations = json!({"operations": [
        {"op": "create", "body": {"title": "One"}}, {"op": "create", "body": {"title": "Two"}},
    ]});
    for path in ["incidents/batch", "incidents/batch?atomic=true"] {
        let key = [("idempotency-key", path)];
        let first = bench.ask("ada", Method::POST, path, &key, operations.clone()).await.must(200);
        let second = bench.ask("ada", Method::POST, path, &key, operations.clone()).await.must(200);
        assert_eq!(first, second);
        let other = json!({"operations": [{"op": "create", "body": {"title": "Three"}}]});
        assert_eq!(bench.ask("ada", Method::POST, path, &key, other).await.status, 422);
    }
    let mine = bench.get("ada", "incidents").await.must(200);
    assert_eq!(mine["items"].as_array().unwrap().len(), 4);
    let id = &mine["items"][0]["id"];
    let cancel = json!({"operations": [{"op": "cancel", "id": id}]});
    assert_eq!(bench.post("ada", "incidents/batch", cancel.clone()).await.must(200)["results"][0]["status"], 403);
    assert_eq!(bench.post("bob", "incidents/batch", cancel).await.must(200)["results"][0]["status"], 404);
    let hidden = json!({"operations": [{"op": "update", "id": id, "if_match": "*", "body": {"comment": "x"}}]});
    assert_eq!(bench.post("bob", "incidents/batch", hidden).await.must(200)["results"][0]["status"], 404);
}

#[actix_web::test]
async fn a_whole_list_comes_as_a_file() {
    let bench = Bench::new();
    let operations: Vec<Value> =
        (0..1_000).map(|n| json!({"op": "create", "body": {"title": format!("=cmd{n}")}})).collect();
    bench.post("ada", "incidents/batch?atomic=true", json!({"operations": operations})).await.must(200);
    bench.incident("bob", "hidden from ada").await;
    let path = "incidents?fields=number,title,team_id&sort=number";
    let csv = bench.send("ada", Method::GET, path, &[("accept", "text/csv")], vec![]).await;
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    let text = csv.text();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!((lines.len(), lines[0], lines[1]), (1_001, "number,title,team_id", "INC0000001,'=cmd0,"));
    assert!(lines[1_000].starts_with("INC0001000,"), "{}", lines[1_000]);
    for (limit, lines) in [(3, 4), (500, 501), (700, 701), (5_000, 1_001)] {
        let path = format!("{path}&limit={limit}");
        let some = bench.send("ada", Method::GET, &path, &[("accept", "text/csv")], vec![]).await;
        assert_eq!(some.text().lines().count(), lines, "{limit}");
    }
    let accept = [("accept", "application/x-ndjson")];
    let lines = bench.send("ada", Method::GET, "incidents?sort=number&expand=requester", &accept, vec![]).await.text();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((lines.lines().count(), &first["requester"]["user_name"]), (1_000, &json!("ada")));
    let all = bench
        .send("agent", Method::GET, "records?filter=title%20:%20%22hidden%22", &[("accept", "text/csv")], vec![])
        .await;
    assert_eq!(all.text().lines().count(), 2, "{}", all.text());
    let wrong = bench.send("ada", Method::GET, "incidents?filter=nonsense", &[("accept", "text/csv")], vec![]).await;
    assert_eq!((wrong.status, &wrong.json()["code"]), (400, &json!("bad_query")));
    bench.parts.shutdown.begin();
    assert_eq!(bench.send("ada", Method::GET, path, &[("accept", "text/csv")], vec![]).await.status, 503);
}

#[actix_web::test]
async fn forms_tell_all_about_a_kind() {
    let bench = Bench::new();
    let kinds = bench.get("ada", "meta").await.must(200);
    assert_eq!(each(&kinds, "name"), ["incident", "service"]);
    assert_eq!(kinds[0]["permitted"], json!(["read", "create", "comment"]));
    let form = bench.get("ada", "meta/incidents").await.must(200);
    assert_eq!((&form["name"], &form["initial_state"]), (&json!("incident"), &json!("new")));
    let names = each(&form["fields"], "name");
    assert!(names.contains(&&json!("comment")) && !names.contains(&&json!("work_note")), "{names:?}");
    let resolve = form["transitions"].as_array().unwrap().iter().find(|t| t["name"] == "resolve").unwrap();
    assert_eq!(resolve["permitted"], false);
    assert_eq!(bench.get("ada", "meta/interaction").await.status, 404);
    assert_eq!(bench.get("ada", "meta/nonsense").await.status, 404);
}

#[actix_web::test]
async fn children_are_found_by_their_parent() {
    let bench = Bench::new();
    let parent = bench.post("agent", "incidents", json!({"title": "Parent"})).await.must(201);
    let child = json!({"title": "Child", "parent_id": parent["id"]});
    bench.post("agent", "incidents", child).await.must(201);
    let path = format!("incidents?parent_id={}", parent["id"].as_str().unwrap());
    assert_eq!(each(&bench.get("agent", &path).await.must(200), "title"), ["Child"]);
    let by_number = format!("incidents?filter=parent = \"{}\"", parent["number"].as_str().unwrap());
    assert_eq!(
        each(&bench.get("agent", &by_number.replace(' ', "%20").replace('"', "%22")).await.must(200), "title"),
        ["Child"]
    );
}
