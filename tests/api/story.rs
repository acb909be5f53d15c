//! The story of a record: what happened to it and to all that hangs on it.

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
        (&incident, &json!("incident.linked")),
        (&other, &json!("problem.created")),
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
        "  * state: new → in progress",
        "  * Why: It's her turn.",
        &*format!("  * link: caused by {problem}"),
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
