//! The story of a record: what happened to it and to all that hangs on it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Person::*, Server};

#[actix_web::test]
async fn what_happened_is_told_in_order_with_what_was_decided() {
    let server = Server::start().await;
    let made = json!({"title": "Mail *never* arrives", "category": "mail"});
    let made = server.post("/api/v1/incidents", made).by(Rita).expect(201).await;
    let (number, path) = (made.field("number"), format!("/api/v1/incidents/{}", made.field("id")));
    server.at("2026-03-03T12:00:00Z");
    let raised = server.post(&format!("{path}/raise-problem"), json!({"title": "A full disk"})).by(Alex);
    let problem = raised.expect(201).await.json()["problem"]["number"].as_str().unwrap().to_owned();
    server.at("2026-03-03T13:00:00Z");
    let start = server.post(&format!("{path}/start"), json!({})).by(Alex).header("x-reason", "It's her turn.");
    start.expect(200).await;
    let story = format!("/api/v1/records/{number}/story");
    let told = server.get(&story).by(Alex).expect(200).await.json();
    let records: Vec<(&Value, &Value)> =
        told["records"].as_array().unwrap().iter().map(|one| (&one["number"], &one["distance"])).collect();
    assert_eq!(records, [(&json!(number), &json!(0)), (&json!(problem), &json!(1))]);
    let done: Vec<(&Value, &Value)> =
        told["chapters"].as_array().unwrap().iter().map(|one| (&one["number"], &one["action"])).collect();
    let (incident, other) = (json!(number), json!(problem));
    let expected = [
        (&incident, &json!("incident.created")),
        (&other, &json!("problem.created")),
        (&incident, &json!("incident.linked")),
        (&incident, &json!("incident.started")),
    ];
    assert_eq!(done, expected, "{told:#}");
    let decided = &told["chapters"][0]["decisions"];
    let sentences = decided.as_array().unwrap().iter().map(|one| one["sentence"].as_str().unwrap());
    assert!(sentences.clone().any(|one| one.contains("went to service-desk because rule")), "{decided}");
    let page = server.get(&story).by(Alex).header("accept", "text/markdown").expect(200).await.text();
    for line in [
        &*format!("# {number}: Mail \\*never\\* arrives"),
        &*format!("* {problem}, problem linked with it: A full disk (new)"),
        "  * State: new → in progress",
        "  * Why: It's her turn.",
        "  * Requester: rita",
        "  * Team: service-desk",
        &*format!("  * link: caused by A full disk ({problem})"),
    ] {
        assert!(page.lines().any(|one| one == line), "no {line} in\n{page}");
    }
    // Who asked for it reads of the incident alone, and no decisions.
    let hers = server.get(&story).by(Rita).expect(200).await.json();
    assert_eq!(hers["records"].as_array().unwrap().len(), 1);
    assert_eq!(hers["chapters"][0]["decisions"], json!([]));
    assert!(!hers.to_string().contains(&problem), "{hers:#}");
    server.get(&story).by(Ben).expect(404).await;
    server.get("/api/v1/records/INC9999999/story").by(Admin).expect(404).await;
}

/// The chapters of a story: record, what was done, when, and which decisions.
fn chapters(story: &Value) -> Vec<(String, String, String, Vec<String>)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let chapter = |one: &Value| {
        let decisions = one["decisions"].as_array().unwrap().iter().map(|decision| word(&decision["decision"]));
        (word(&one["number"]), word(&one["action"]), word(&one["at"]), decisions.collect())
    };
    story["chapters"].as_array().unwrap().iter().map(chapter).collect()
}

#[actix_web::test]
async fn what_was_refused_or_asked_again_stands_where_it_happened() {
    let server = Server::start().await;
    let made = server.post("/api/v1/incidents", json!({"title": "Mail"})).by(Rita).expect(201).await;
    let path = format!("/api/v1/incidents/{}", made.field("id"));
    let at = |hour: u32| server.at(&format!("2026-03-03T{hour}:00:00Z"));
    at(12);
    server.post(&format!("{path}/start"), json!({})).by(Alex).expect(200).await;
    at(13);
    let filler = json!({"resolution_code": "fixed", "resolution_notes": "Done", "resolution_kind": "permanent"});
    server.post(&format!("{path}/resolve"), filler).by(Alex).expect(422).await;
    at(14);
    server.post(&format!("{path}/decisions"), json!({"decision": "priority"})).by(Alex).expect(200).await;
    at(15);
    let comment = json!({"comment": "The disk was full."});
    server.patch(&path, comment).header("if-match", "*").by(Alex).expect(200).await;
    let told = server.get(&format!("/api/v1/records/{}/story", made.field("id"))).by(Alex).expect(200).await.json();
    let chapters = chapters(&told);
    let done: Vec<(&str, &str)> =
        chapters.iter().skip(1).map(|(_, action, at, _)| (action.as_str(), &at[11..13])).collect();
    let expected = [
        ("incident.started", "12"),
        ("incident.refused", "13"),
        ("incident.asked_again", "14"),
        ("incident.commented", "15"),
    ];
    assert_eq!(done, expected, "{told:#}");
    let [refused, again] = [2, 3].map(|n: usize| &told["chapters"][n]);
    assert!(refused["decisions"][0]["sentence"].as_str().unwrap().contains("was refuse"), "{refused}");
    assert_eq!((&refused["by"]["user_name"], &refused["version"]), (&json!("alex"), &json!(2)));
    assert_eq!(again["decisions"][0]["decision"], "priority");
    assert_eq!(chapters[1].3, ["guard"], "what was refused is no part of the start");
}

#[actix_web::test]
async fn what_something_touches_keeps_nobody_out_of_its_story() {
    let server = Server::start().await;
    let problem = server.post("/api/v1/problems", json!({"title": "A full disk"})).by(Alex).expect(201).await;
    let change = json!({"title": "A larger disk", "change_type": "normal"});
    let change = server.post("/api/v1/changes", change).by(Alex).expect(201).await;
    let links = format!("/api/v1/changes/{}/links", change.field("id"));
    for n in 0..55 {
        let item = json!({"title": format!("disk-{n}"), "class": "server"});
        let item = server.post("/api/v1/configuration_items", item).by(Admin).expect(201).await.field("id");
        let affects = json!({"relation": "affects", "record_id": item});
        server.post(&links, affects).by(Admin).expect(201).await;
    }
    let fixes = json!({"relation": "fixes", "record_id": problem.field("id")});
    server.post(&links, fixes).by(Admin).expect(201).await;
    let story = format!("/api/v1/records/{}/story", change.field("number"));
    let told = server.get(&story).by(Alex).expect(200).await.json();
    let kinds: Vec<&Value> = told["records"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!((kinds, &told["complete"]), (vec![&json!("change"), &json!("problem")], &json!(true)));
    // Sixty incidents of one problem are more than one story is about.
    for n in 0..60 {
        let incident = json!({"title": format!("Mail {n}")});
        let incident = server.post("/api/v1/incidents", incident).by(Alex).expect(201).await.field("id");
        let link = json!({"relation": "caused_by", "record_id": problem.field("id")});
        server.post(&format!("/api/v1/incidents/{incident}/links"), link).by(Alex).expect(201).await;
    }
    let told = server.get(&story).by(Alex).expect(200).await.json();
    assert_eq!((told["records"].as_array().unwrap().len(), &told["complete"]), (50, &json!(false)));
}

#[actix_web::test]
async fn long_texts_are_told_by_their_beginning() {
    let server = Server::start().await;
    let long = format!("{}# the end", "Line after line. ".repeat(1_000));
    let made = json!({"title": "Mail", "description": long});
    let made = server.post("/api/v1/incidents", made).by(Alex).expect(201).await;
    let (number, path) = (made.field("number"), format!("/api/v1/incidents/{}", made.field("id")));
    let story = format!("/api/v1/records/{number}/story");
    let told = server.get(&story).by(Alex).expect(200).await.json();
    let first = &told["chapters"][0];
    let change = first["changes"].as_array().unwrap().iter().find(|change| change["field"] == "description").unwrap();
    let beginning = format!("{}…", &long[..4_000]);
    assert_eq!((&change["to"], &told["complete"]), (&json!(beginning), &json!(true)));
    let history = first["whole_in"].as_str().unwrap();
    let whole = server.get(history).by(Alex).expect(200).await.json();
    let whole = whole["items"].as_array().unwrap().iter().find(|entry| entry["version"] == first["version"]).unwrap();
    assert!(whole.to_string().contains(&long));
    let read = |page: &'static str| server.get(&story).by(Alex).header("accept", page).expect(200);
    let page = read("text/markdown").await.text();
    let there = format!("  * There is more of this than is told here: version 1 in {history}");
    assert!(page.lines().any(|line| line == there) && !page.contains("the end"), "{page}");

    // Where there are too many of them, the story ends, with all that had happened by then.
    let begun = server.assembly.clock.now();
    for n in 0..300 {
        server.at(&begun.plus(TimeDelta::minutes(n + 1)).to_string());
        let other = json!({"description": format!("{n} {long}"), "comment": format!("{n}")});
        server.patch(&path, other).by(Alex).header("if-match", "*").expect(200).await;
    }
    let text = read("application/json").await.text();
    assert!((2_000_000..2_500_000).contains(&text.len()), "{}", text.len());
    let told: Value = serde_json::from_str(&text).unwrap();
    let versions = told["chapters"].as_array().unwrap().iter().map(|one| one["version"].as_u64().unwrap());
    assert_eq!(told["complete"], false);
    assert!(versions.eq(1..=told["chapters"].as_array().unwrap().len() as u64));
    let page = read("text/markdown").await.text();
    assert!(page.len() < 2_500_000 && page.ends_with("\nThere is more than is told here.\n"));
}
