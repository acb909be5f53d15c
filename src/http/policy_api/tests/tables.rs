//! Lookup tables and what ships without being live, through the router.

use super::*;

async fn put(bench: &Bench, table: &str, body: &Value) -> Got {
    bench.ask(Method::PUT, &format!("/lookup-tables/{table}"), &[("if-match", "*")], &body.to_string()).await
}

async fn make(bench: &Bench, table: &str, body: &Value) -> Got {
    bench.ask(Method::PUT, &format!("/lookup-tables/{table}"), &[], &body.to_string()).await
}

fn hours(rows: &Value) -> Value {
    let columns = json!([{"name": "hour", "type": "int", "match": "range"}, {"name": "team", "type": "text"}]);
    json!({"columns": columns, "keys": 1, "rows": rows})
}

fn codes(findings: &Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn a_range_decides_and_the_decision_is_replayed() {
    let bench = Bench::new();
    let made = make(&bench, "hours", &hours(&json!([["0..10", "service-desk"], ["10..24", "workplace"]]))).await;
    assert_eq!((made.status, &made.body["findings"]), (201, &json!([])), "{}", made.text);
    let source = "fn route(incident) {\n    rule \"By the hour\" when true then assign(table(\"hours\").find(now().hour).team);\n}\n";
    let number = bench.write(source).await;
    assert_eq!(bench.publish(number).await.status, 200);
    let (incident, team) = bench.incident("network").await;
    assert_eq!(team, "workplace");
    let changed = put(&bench, "hours", &hours(&json!([["0..=10", "service-desk"], ["11..24", "workplace"]]))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(bench.incident("network").await.1, "service-desk");
    let again = bench.post(&format!("/decisions/{}/replay", bench.decision(&incident, "routing")), Value::Null).await;
    assert_eq!((again.status, &again.body["same"]), (200, &json!(true)), "{}", again.text);
    assert_eq!(again.body["then"]["host_calls"][1]["result"], json!(["10..24", "workplace"]));
}

#[actix_web::test]
async fn what_an_author_should_know_comes_back_and_what_is_wrong_is_refused() {
    let bench = Bench::new();
    let gap = hours(&json!([["0..8", "a"], ["10..24", "b"], ["5..7", "c"]]));
    let made = make(&bench, "hours", &gap).await;
    assert_eq!((made.status, codes(&made.body["findings"])), (201, vec!["gap"]), "{}", made.text);
    assert_eq!(made.body["findings"][0]["level"], "warning");
    assert!(made.body["findings"][0]["message"].as_str().unwrap().contains("8..10"), "{}", made.text);
    assert_eq!(bench.get("/lookup-tables/hours").await["findings"], made.body["findings"]);
    for (rows, code, pointer, other) in [
        (json!([["0..8", "a"], ["5..12", "b"]]), "overlap", "/rows/1", "/rows/0"),
        (json!([["0..8", "a"], ["0..8", "b"]]), "duplicate", "/rows/1", "/rows/0"),
        (json!([["8..0", "a"]]), "wrong_range", "/rows/0/0", "8..0"),
    ] {
        let refused = put(&bench, "hours", &hours(&rows)).await;
        let first = &refused.body["errors"][0];
        assert_eq!((refused.status, &first["code"], &first["pointer"]), (422, &json!(code), &json!(pointer)));
        assert!(first["detail"].as_str().unwrap().contains(other), "{first}");
    }
    let many: Vec<Value> = (0..10_001).map(|n| json!([n, "t"])).collect();
    let refused = put(&bench, "hours", &hours(&many.into())).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["code"]), (422, &json!("too_long")), "{}", refused.text);
    let many: Vec<Value> = (0..10_000).map(|n| json!([n, "service-desk"])).collect();
    assert_eq!(put(&bench, "hours", &hours(&many.into())).await.status, 200);
    assert_eq!(bench.get("/lookup-tables/hours").await["version"], 2);
}

#[actix_web::test]
async fn a_table_that_would_break_what_is_live_is_not_written() {
    let bench = Bench::new();
    let shipped = bench.get("/lookup-tables/priority_matrix").await["content"].clone();
    let columns = |names: &[&str]| -> Value { names.iter().map(|n| json!({"name": n, "type": "text"})).collect() };
    let mut hole = shipped.clone();
    hole["rows"].as_array_mut().unwrap().remove(0);
    let mut text = shipped;
    text["columns"][2]["type"] = "text".into();
    text["rows"] = json!([]);
    for (table, body, code, start) in [
        (
            "category_teams",
            json!({"columns": columns(&["category", "group"]), "keys": 1, "rows": []}),
            "unknown_column",
            "It would break policy routing_incidents v1, line ",
        ),
        (
            "category_teams",
            json!({"columns": columns(&["category", "site", "team"]), "keys": 2, "rows": []}),
            "wrong_arguments",
            "It would break policy routing_incidents v1, line ",
        ),
        ("priority_matrix", hole, "test_failed", "It would break policy priority_impact_and_urgency v1, line "),
        ("priority_matrix", text, "wrong_type", "It would break policy priority_impact_and_urgency v1, line "),
    ] {
        let refused = put(&bench, table, &body).await;
        let first = &refused.body["errors"][0];
        assert_eq!((refused.status, &first["code"]), (422, &json!(code)), "{}", refused.text);
        assert!(first["detail"].as_str().unwrap().starts_with(start), "{first}");
        assert_eq!(bench.get(&format!("/lookup-tables/{table}")).await["version"], 1);
    }
    // What a test expects of the table is for the next version of the policy.
    let moved = json!({"columns": columns(&["category", "team"]), "keys": 1, "rows": [["network", "workplace"]]});
    let written = put(&bench, "category_teams", &moved).await;
    assert_eq!((written.status, codes(&written.body["findings"])), (200, vec!["test_failed"; 2]), "{}", written.text);
    assert_eq!(bench.incident("network").await.1, "workplace");
}

#[actix_web::test]
async fn a_version_that_would_break_what_is_live_is_not_restored() {
    let bench = Bench::new();
    let one = json!({"columns": [{"name": "a", "type": "text"}, {"name": "team", "type": "text"}], "keys": 1, "rows": [["x", "workplace"]]});
    assert_eq!(make(&bench, "places", &json!({"columns": one["columns"], "keys": 1, "rows": []})).await.status, 201);
    let mut two = one.clone();
    two["columns"][1]["name"] = "desk".into();
    assert_eq!(put(&bench, "places", &two).await.status, 200);
    let source =
        "fn route(incident) {\n    if table(\"places\").has(\"x\") { assign(table(\"places\").find(\"x\").desk) }\n}\n";
    let number = bench.write(source).await;
    assert_eq!(bench.publish(number).await.status, 200);
    let refused = bench.post("/lookup-tables/places/versions/1/restore", Value::Null).await;
    let first = &refused.body["errors"][0];
    assert_eq!((refused.status, &first["code"]), (422, &json!("unknown_column")), "{}", refused.text);
    assert!(
        first["detail"].as_str().unwrap().contains(&format!("routing_incidents v{number}, line 2, column ")),
        "{first}"
    );
    bench.post("/policies/routing_incidents/rollback", Value::Null).await;
    assert_eq!(bench.post("/lookup-tables/places/versions/1/restore", Value::Null).await.status, 200);
}

#[actix_web::test]
async fn two_versions_are_compared_row_by_row() {
    let bench = Bench::new();
    make(&bench, "hours", &hours(&json!([["0..8", "a"], ["8..17", "b"], ["17..24", "c"]]))).await;
    put(&bench, "hours", &hours(&json!([["17..24", "c"], ["8..17", "x"], ["0..7", "a"], [7, "y"]]))).await;
    let found = bench.get("/lookup-tables/hours/versions/1/diff?to=2").await;
    let expected = json!({
        "from": 1, "to": 2, "columns_changed": false, "added": [["0..7", "a"], [7, "y"]], "removed": [["0..8", "a"]],
        "changed": [{"from": ["8..17", "b"], "to": ["8..17", "x"]}],
    });
    assert_eq!(found, expected);
    assert_eq!(bench.get("/lookup-tables/hours/versions/1/diff").await, expected, "the other is the one that is live");
    let back = bench.get("/lookup-tables/hours/versions/2/diff?to=1").await;
    assert_eq!((&back["added"], &back["removed"]), (&expected["removed"], &expected["added"]));
    for (path, status) in [("versions/1/diff?to=3", 404), ("versions/9/diff", 404), ("versions/1/diff?to=x", 400)] {
        let got = bench.ask(Method::GET, &format!("/lookup-tables/hours/{path}"), &[], "").await;
        assert_eq!(got.status, status, "{path}: {}", got.text);
    }
}

#[actix_web::test]
async fn what_ships_beside_what_is_live_waits_to_be_published() {
    let bench = Bench::new();
    let policies = bench.get("/policies").await;
    let items = policies["items"].as_array().unwrap();
    let mut live: Vec<&str> =
        items.iter().filter(|p| !p["active_version"].is_null()).filter_map(|p| p["name"].as_str()).collect();
    live.sort_unstable();
    let expected = [
        "approve_changes",
        "approve_freeze_periods",
        "approve_separation_of_duties",
        "assess_risk_changes",
        "escalation_incidents",
        "guard_incidents",
        "priority_impact_and_urgency",
        "priority_problems",
        "routing_incidents",
    ];
    assert_eq!(live, expected);
    for decision in ["priority", "routing", "guard", "escalation"] {
        let mine: Vec<&Value> = items.iter().filter(|p| p["decision"] == decision).collect();
        assert!(mine.len() >= 5, "{decision}");
        let is_live = |p: &&Value| !p["active_version"].is_null();
        assert!(
            mine.last().is_some_and(is_live) && mine.into_iter().skip_while(|p| !is_live(p)).all(|p| is_live(&p)),
            "they are asked last"
        );
    }
    let before = bench.post("/incidents", json!({"title": "Ransomware on my screen"})).await;
    assert_ne!(before.body["priority"], 1);
    for policy in items.iter().filter(|p| p["active_version"].is_null()) {
        let path = format!("/policies/{}/versions/1/publish", policy["name"].as_str().unwrap());
        let published = bench.post(&path, Value::Null).await;
        assert_eq!((published.status, &published.body["active_version"]), (200, &json!(1)), "{}", published.text);
    }
    let after = bench.post("/incidents", json!({"title": "Ransomware on my screen"})).await;
    assert_eq!((after.status, &after.body["priority"]), (201, &json!(1)), "{}", after.text);
    assert_eq!(bench.incident("network").await.1, "network-operations", "the others leave it to what was live");
}
