//! Problems and many records: known errors among others, clusters of which problems are made, workarounds for hundreds, and policies.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::{Answer, Person, Person::*, Server};

const SUGGEST: &str = "/api/v1/known-errors/suggest";

async fn made(server: &Server, plural: &str, by: Person, body: Value) -> Answer {
    server.post(&format!("/api/v1/{plural}"), body).by(by).expect(201).await
}

/// A known error.
async fn known(server: &Server, by: Person, title: &str, more: Value) -> String {
    let mut body = json!({"title": title, "cause": "Nobody knows", "workaround": "Wait"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    made(server, "problems", by, body).await.field("id")
}

async fn linked(server: &Server, plural: &str, id: &str, relation: &str, to: &str) {
    let link = json!({"relation": relation, "record_id": to});
    server.post(&format!("/api/v1/{plural}/{id}/links"), link).by(Admin).expect(201).await;
}

/// What is suggested, and why.
async fn suggested(server: &Server, by: Person, typed: Value) -> Vec<(String, Value)> {
    let found = server.post(SUGGEST, typed).by(by).expect(200).await.json();
    let items = found["items"].as_array().unwrap().iter();
    items.map(|one| (one["id"].as_str().unwrap().to_owned(), one["because"].clone())).collect()
}

#[actix_web::test]
async fn words_that_everybody_uses_suggest_nothing() {
    let server = Server::start().await;
    let printer = known(&server, Alex, "The printer does not print", json!({})).await;
    assert_eq!(suggested(&server, Alex, json!({"title": "The shop does not answer"})).await, []);
    let found = suggested(&server, Alex, json!({"title": "The printer on the first floor won't print"})).await;
    assert_eq!(found, [(printer.clone(), json!(["words"]))]);
    // What is over does not make a word a rare one again.
    for n in 0..20 {
        let body = json!({"title": format!("Number {n}"), "cause": "x", "workaround": "y"});
        let gone = format!("/api/v1/problems/{}", made(&server, "problems", Alex, body).await.field("id"));
        server.post(&format!("{gone}/assess"), json!({})).by(Alex).expect(200).await;
        server.post(&format!("{gone}/analyse"), json!({})).by(Alex).expect(200).await;
        server.post(&format!("{gone}/fix"), json!({})).by(Alex).expect(200).await;
        let notes = json!({"resolution_notes": "Gone."});
        server.post(&format!("{gone}/resolve"), notes).by(Alex).expect(200).await;
    }
    assert_eq!(suggested(&server, Alex, json!({"title": "The shop does not answer"})).await, []);
}

#[actix_web::test]
async fn a_pasted_log_hides_neither_the_title_nor_the_code() {
    let server = Server::start().await;
    let by_words = known(&server, Alex, "Warehouse scanners disconnect", json!({})).await;
    let by_code = known(&server, Alex, "Tablespace", json!({"error_code": "ORA-01555"})).await;
    let log: Vec<String> = (0..2_000).map(|n| format!("{:05}", 10_000 + n)).collect();
    let log = format!("{} ORA-01555: snapshot too old", log.join(" "));
    let typed = json!({"title": "Scanners in the warehouse stand still", "description": log});
    let mut found: Vec<String> = suggested(&server, Alex, typed).await.into_iter().map(|(id, _)| id).collect();
    found.sort();
    let mut expected = vec![by_words, by_code];
    expected.sort();
    assert_eq!(found, expected);
}

#[actix_web::test]
async fn known_errors_of_others_take_nobodys_place() {
    let server = Server::start().await;
    for _ in 0..110 {
        known(&server, Bea, "Invoices come twice in billing", json!({"error_code": "E-4711"})).await;
    }
    // Enough others, so that these words are not quite usual.
    let own = known(&server, Alex, "Invoices come twice", json!({"error_code": "E-4711"})).await;
    for n in 0..500 {
        known(&server, Bea, &format!("Something{n} else{n}"), json!({})).await;
    }
    let found = suggested(&server, Alex, json!({"title": "Invoices come twice", "description": "E-4711"})).await;
    assert_eq!(found.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [own]);
}

#[actix_web::test]
async fn known_errors_are_found_by_what_they_touch() {
    let server = Server::start().await;
    let mut items = Vec::new();
    for title in ["web-1", "db-1", "other"] {
        let item = made(&server, "configuration_items", Admin, json!({"title": title, "class": "server"})).await;
        let path = format!("/api/v1/configuration_items/{}/go_live", item.field("id"));
        server.post(&path, json!({})).by(Admin).expect(200).await;
        items.push(item.field("id"));
    }
    let rests = json!({"relation": "depends_on", "record_id": items[1]});
    let relations = format!("/api/v1/configuration_items/{}/relations", items[0]);
    server.post(&relations, rests).by(Admin).expect(201).await;
    let about = known(&server, Alex, "About it", json!({"configuration_item_id": items[0]})).await;
    let affects = known(&server, Alex, "Affects it", json!({})).await;
    linked(&server, "problems", &affects, "affects", &items[0]).await;
    let nearby = known(&server, Alex, "Below it", json!({"configuration_item_id": items[1]})).await;
    known(&server, Alex, "Elsewhere", json!({"configuration_item_id": items[2]})).await;
    let found = suggested(&server, Alex, json!({"title": "x", "configuration_item_id": items[0]})).await;
    let expected =
        [(about, json!(["configuration_item"])), (affects, json!(["affected_item"])), (nearby, json!(["item_nearby"]))];
    assert_eq!(found, expected);
}

#[actix_web::test]
async fn a_problem_is_raised_from_a_cluster() {
    let server = Server::start().await;
    server.at("2026-03-02T11:00:00Z");
    let mut all = Vec::new();
    for n in 0..6 {
        let body =
            json!({"title": format!("Mail \"{n}\""), "category": "mail \"x\"", "subcategory": "delivery", "impact": 2});
        all.push(made(&server, "incidents", Rita, body).await.field("id"));
    }
    made(&server, "incidents", Rita, json!({"title": "Something else"})).await;
    let known = made(&server, "problems", Alex, json!({"title": "A full disk"})).await;
    linked(&server, "incidents", &all[0], "caused_by", &known.field("id")).await;
    let hidden = made(&server, "problems", Bea, json!({"title": "Of others"})).await;
    linked(&server, "incidents", &all[1], "caused_by", &hidden.field("id")).await;
    server.at("2026-03-03T11:00:00Z");
    let clusters = "/api/v1/incident-clusters?by=category,subcategory&least=2";
    let found = server.get(clusters).by(Alex).expect(200).await.json();
    let cluster = &found["items"][0];
    assert_eq!((&cluster["count"], &found["total"]), (&json!(6), &json!(7)), "{found:#}");
    let problems = json!([{
        "id": known.field("id"), "number": known.field("number"), "title": "A full disk", "state": "new", "open": true, "incidents": 1,
    }]);
    assert_eq!(cluster["problems"], problems);
    // The filter of a cluster lists its incidents.
    let filter = utf8_percent_encode(cluster["filter"].as_str().unwrap(), NON_ALPHANUMERIC).to_string();
    let listed = server.get(&format!("/api/v1/incidents?filter={filter}")).by(Alex).expect(200).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 6);
    let raise = format!("/api/v1/incident-clusters/raise-problem?filter={filter}");
    server.post(&raise, json!({"title": "x"})).by(Rita).expect(403).await;
    let untitled = server.post(&raise, json!({})).by(Alex).expect(422).await.json();
    assert_eq!(untitled["errors"][0]["pointer"], "/title");
    let raised = server.post(&raise, json!({"title": "Mail again and again"})).by(Alex).expect(201).await;
    assert!(raised.header("location").contains("/problems/"));
    let raised = raised.json();
    let problem = &raised["problem"];
    assert_eq!(
        (&problem["origin"], &raised["linked"], &raised["more"]),
        (&json!("proactive"), &json!(4), &json!(false))
    );
    assert_eq!(
        (&problem["category"], &problem["impact"]),
        (&json!("mail \"x\""), &json!(2)),
        "what they have in common"
    );
    let again = server.get(clusters).by(Alex).expect(200).await.json();
    let told: Vec<&Value> =
        again["items"][0]["problems"].as_array().unwrap().iter().map(|one| &one["incidents"]).collect();
    assert_eq!(told, [&json!(4), &json!(1)]);
    server.post(&raise, json!({"title": "Once more"})).by(Alex).expect(409).await;
    for wrong in ["x".to_owned(), "0".repeat(4_096), "0".repeat(4_097)] {
        let raise = format!("/api/v1/incident-clusters/raise-problem?filter={wrong}");
        let refused = server.post(&raise, json!({"title": "x"})).by(Alex).expect(400).await.json();
        assert_eq!(refused["errors"][0]["pointer"], "filter", "{refused}");
    }
    server.post("/api/v1/incident-clusters/raise-problem", json!({"title": "x"})).by(Alex).expect(400).await;
}

#[actix_web::test]
async fn what_is_asked_of_clusters_is_asked_as_a_whole() {
    let server = Server::start().await;
    for n in 0..4 {
        let body = json!({"title": format!("Mail {n}"), "category": "mail", "urgency": 1 + n % 2});
        made(&server, "incidents", Rita, body).await;
    }
    server.at("2026-03-03T12:00:00Z");
    let clusters = |more: &str| {
        let path = format!("/api/v1/incident-clusters?by=category&least=1&{more}");
        let answer = server.get(&path).by(Alex).send();
        async move {
            let answer = answer.await;
            (answer.status.as_u16(), answer.json())
        }
    };
    let filter = |text: &str| format!("filter={}", utf8_percent_encode(text, NON_ALPHANUMERIC));
    // What closes a parenthesis that it has not opened asks for no more than it may.
    let (status, refused) = clusters(&filter("urgency = 1) OR (urgency = 2")).await;
    assert_eq!((status, &refused["errors"][0]["pointer"]), (400, &json!("filter")));
    let (_, found) = clusters(&filter("urgency = 1 OR urgency = 3")).await;
    assert_eq!((&found["total"], &found["items"][0]["count"]), (&json!(2), &json!(2)));
    let listed = filter(found["items"][0]["filter"].as_str().unwrap());
    let listed = server.get(&format!("/api/v1/incidents?{listed}")).by(Alex).expect(200).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    // Its filter has to be one that can be given again.
    let room = |bytes: usize| filter(&format!("title != \"{}\"", "x".repeat(bytes)));
    assert_eq!(clusters(&room(3_900)).await.0, 200);
    let (status, refused) = clusters(&room(4_000)).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (400, &json!("too_long")));
    let terms = filter(&["urgency = 1"; 98].join(" OR "));
    assert_eq!(clusters(&terms).await.1["errors"][0]["code"], "too_many_terms");
    // A window begins and ends where databases know what time it is.
    let (status, found) = clusters("from=0001-01-01T00:00:00Z&until=9999-12-31T00:00:00Z").await;
    assert_eq!((status, &found["items"][0]["before"]), (200, &json!(0)));
    for wrong in ["from=0000-12-31T00:00:00Z", "from=0001-01-01T00:00:00%2B01:00", "until=9999-12-31T23:00:00-02:00"] {
        let (status, refused) = clusters(wrong).await;
        assert_eq!((status, &refused["errors"][0]["pointer"]), (400, &json!(&wrong[..wrong.find('=').unwrap()])));
    }
    // What is typed is no filter.
    let typed = json!({"title": "x", "category": "\"mail\" OR", "subcategory": "x".repeat(100)});
    assert_eq!(suggested(&server, Alex, typed).await, []);
}

#[actix_web::test]
async fn a_job_reaches_the_incidents_of_which_there_are_many() {
    let server = Server::start().await;
    let problem =
        made(&server, "problems", Alex, json!({"title": "A full disk", "workaround": "Use the web mail."})).await;
    let path = format!("/api/v1/problems/{}", problem.field("id"));
    for n in 0..60 {
        let incident = made(&server, "incidents", Rita, json!({"title": format!("Mail {n}")})).await;
        linked(&server, "incidents", &incident.field("id"), "caused_by", &problem.field("id")).await;
    }
    let publish = format!("{path}/publish-workaround");
    let told = server.post(&publish, json!({"audience": "public"})).by(Alex).expect(200).await.json();
    assert_eq!(told["incidents"].as_array().unwrap().len(), 50);
    assert_eq!(
        (&told["job"]["done"], &told["job"]["total"], &told["job"]["state"]),
        (&json!(50), &json!(0), &json!("queued"))
    );
    let result = told["job"]["result"].as_str().unwrap().to_owned();
    assert_eq!(server.assembly.jobs().work_off().await.unwrap(), 1);
    let run = server.get(&result).by(Alex).expect(200).await.json();
    assert_eq!(
        (&run["done"], &run["not_done"], &run["job"]["state"]),
        (&json!(60), &json!(0), &json!("succeeded")),
        "{run:#}"
    );
    assert_eq!((&run["job"]["done"], &run["job"]["percent"]), (&json!(60), &json!(100)));
    server.get(&result).by(Bea).expect(404).await;
    server.get(&result).by(Rita).expect(403).await;
    let comments = "/api/v1/incidents?limit=100&count=true&q=web";
    assert_eq!(server.get(comments).by(Alex).expect(200).await.json()["total"], 60, "each was told");
    // Where a policy refuses, it is told why.
    for (step, input) in [
        ("assess", json!({})),
        ("analyse", json!({})),
        ("fix", json!({"cause": "The disk is full."})),
        ("resolve", json!({"resolution_notes": "Done"})),
    ] {
        server.post(&format!("{path}/{step}"), input).by(Alex).expect(200).await;
    }
    let resolve = json!({"resolution_code": "fixed"});
    let resolved = server.post(&format!("{path}/resolve-incidents"), resolve).by(Alex).expect(200).await.json();
    let one = &resolved["incidents"][0];
    assert_eq!((&one["done"], &one["state"]), (&json!(false), &json!("new")));
    assert!(one["reason"].as_str().unwrap().contains("Say in a sentence what was done"), "{one}");
    assert_eq!(server.assembly.jobs().work_off().await.unwrap(), 1);
    let run = server.get(resolved["job"]["result"].as_str().unwrap()).by(Alex).expect(200).await.json();
    assert_eq!((&run["done"], &run["not_done"]), (&json!(0), &json!(60)));
    assert_eq!(run["missed"].as_array().unwrap().len(), 60);
}

#[actix_web::test]
async fn policies_rank_route_and_guard_problems() {
    let server = Server::start().await;
    for (name, decision, source) in [
        ("routing_problems", "routing", "fn route(problem) { rule \"All\" when true then assign(\"network\"); }"),
        (
            "guard_problems",
            "guard",
            "fn check(problem, transition) { rule \"Its impact is known\" when problem.impact == 3 and transition.name == \"assess\" \
             also refuse(\"impact\", \"Say whom it hits.\"); }",
        ),
    ] {
        let policy = json!({"name": name, "decision": decision, "kind": "problem", "position": 0});
        server.post("/api/v1/policies", policy).by(Admin).expect(201).await;
        let versions = format!("/api/v1/policies/{name}/versions");
        server.post(&versions, json!({"source": source})).by(Admin).expect(201).await;
        let publish = server.post(&format!("{versions}/1/publish"), json!({})).by(Admin).header("if-match", "*");
        publish.expect(200).await;
    }
    let problem = made(&server, "problems", Alex, json!({"title": "A full disk"})).await;
    let path = format!("/api/v1/problems/{}", problem.field("id"));
    let expanded = server.get(&format!("{path}?expand=team")).by(Admin).expect(200).await.json();
    assert_eq!((&expanded["priority"], &expanded["team"]["name"]), (&json!(4), &json!("network")));
    let refused = server.post(&format!("{path}/assess"), json!({})).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/impact");
    let worse = json!({"impact": 1, "urgency": 1});
    server.patch(&path, worse).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(server.get(&path).by(Admin).expect(200).await.json()["priority"], 1);
    server.post(&format!("{path}/assess"), json!({})).by(Admin).expect(200).await;
}
