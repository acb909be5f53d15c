//! Many records at once: batches in, files out.

use serde_json::{Value, json};

use super::rows;
use crate::support::{
    Answer,
    Person::*,
    Server,
    sample::{all, create, kinds, minimal},
};

fn statuses(answer: &Answer) -> Vec<Value> {
    answer.json()["results"].as_array().unwrap().iter().map(|result| result["status"].clone()).collect()
}

#[actix_web::test]
async fn a_batch_does_what_single_calls_would_all_or_each_by_itself() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        let (new, id) = (Value::from(minimal(&server, kind).await), made.field("id"));
        let good = |title: &str| {
            json!([
                {"op": "create", "body": new},
                {"op": "update", "id": id, "if_match": "\"1\"", "body": {"title": title}},
            ])
        };
        let bad = json!([
            {"op": "create", "body": {"titel": "x"}},
            {"op": "update", "id": id, "body": {"title": "x"}},
            {"op": "update", "id": id, "if_match": "3", "body": {"title": "x"}},
            {"op": "update", "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11", "if_match": "*", "body": {"title": "x"}},
            {"op": "no_such_step", "id": id},
        ]);
        let send = |query: &str, operations: Value| {
            server.post(&format!("{}/batch{query}", all(kind)), json!({"operations": operations})).by(Admin)
        };
        let mixed = json!([good("x").as_array().unwrap().as_slice(), bad.as_array().unwrap().as_slice()].concat());
        let before = rows(&server);
        let refused = send("?atomic=true", mixed.clone()).expect(422).await.json();
        let place = refused["errors"][0]["pointer"].as_str().unwrap();
        assert!(place.starts_with("/operations/2/body/"), "{}: {place}", kind.name);
        let rehearsed = send("?dry_run=true", mixed).expect(200).await;
        assert_eq!(json!(statuses(&rehearsed)), json!([201, 200, 422, 428, 422, 404, 422]), "{}", rehearsed.text());
        assert_eq!(rows(&server), before, "{}: something of a refused or rehearsed batch was stored", kind.name);
        assert_eq!(json!(statuses(&send("", bad).expect(200).await)), json!([422, 428, 422, 404, 422]));
        assert_eq!(rows(&server), before, "{}: something of refused operations was stored", kind.name);
        let apart = send("", good("Apart")).expect(200).await;
        assert_eq!(json!(statuses(&apart)), json!([201, 200]), "{}", apart.text());
        assert_eq!(apart.json()["results"][1]["etag"], "\"2\"");
        let mut next = good("Together");
        next[1]["if_match"] = json!("\"1\", \"2\"");
        let together = send("?atomic=true", next).expect(200).await;
        assert_eq!(json!(statuses(&together)), json!([201, 200]));
        assert_eq!(together.json()["results"][1]["record"]["title"], "Together");
        for wrong in [json!([]), json!([{"op": "create", "bodi": {}}]), json!({})] {
            send("", wrong).expect(422).await;
        }
        send("?atomic=perhaps", json!([])).expect(400).await;
    }
}

#[actix_web::test]
async fn a_list_comes_as_a_file_of_all_its_fields() {
    for kind in kinds() {
        let server = Server::start().await;
        for _ in 0..4 {
            create(&server, kind).await;
        }
        let listed = server.get(&format!("{}?sort=number", all(kind))).by(Admin).expect(200).await.json();
        let listed = listed["items"].as_array().unwrap().clone();
        let export = |accept: &str, query: &str| {
            server.get(&format!("{}?sort=number{query}", all(kind))).by(Admin).header("accept", accept).expect(200)
        };
        let lines = export("application/x-ndjson", "").await.text();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, listed, "{}", kind.name);
        let csv = export("text/csv", "").await;
        assert!(csv.header("content-disposition").contains(&format!("{}.csv", kind.plural)));
        let text = csv.text();
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        let fields: Vec<&str> = kind.all_fields().map(|f| f.name).filter(|name| *name != "custom").collect();
        assert_eq!(csv.headers().unwrap().iter().collect::<Vec<_>>(), fields, "{}", kind.name);
        let at = fields.iter().position(|name| *name == "number").unwrap();
        let numbers: Vec<Value> = csv.records().map(|row| json!(row.unwrap()[at])).collect();
        assert_eq!(numbers, listed.iter().map(|record| record["number"].clone()).collect::<Vec<_>>());
        for (query, lines) in [("&limit=2", 2), ("&limit=1000", listed.len()), ("&limit=1&fields=number", 1)] {
            assert_eq!(export("application/x-ndjson", query).await.text().lines().count(), lines, "{query}");
            assert_eq!(export("text/csv", query).await.text().lines().count(), lines + 1, "{query}");
        }
        for query in ["limit=0", "cursor=x", "filter=nonsense", "limit=1&limit=2"] {
            let refused = server.get(&format!("{}?{query}", all(kind))).by(Admin).header("accept", "text/csv");
            assert_eq!(refused.expect(400).await.header("content-type"), "application/problem+json");
        }
        server.get(&all(kind)).by(Admin).header("accept", "text/html").expect(406).await;
        // Who sees nothing gets a file of nothing.
        if !kind.public {
            let mine = server.get(&all(kind)).by(Ben).header("accept", "application/x-ndjson").send().await;
            assert!(mine.status == 403 || mine.bytes.is_empty(), "{}: {}", kind.name, mine.text());
        }
    }
}
