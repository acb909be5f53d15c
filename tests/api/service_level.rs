//! Service levels through the API: clocks that start, pause, warn, are missed and stop; terms that change; reports.

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::schema::{outbox, timer};
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server};

const LEVELS: &str = "/api/v1/service-levels";
const CLOCKS: &str = "/api/v1/service-clocks";

/// An incident of priority 4, at eleven o'clock on Tuesday: ten hours of working time for an answer, fifty for the rest.
async fn incident(server: &Server) -> String {
    let made = server.post("/api/v1/incidents", json!({"title": "Mail does not arrive"})).by(Rita).expect(201).await;
    format!("/api/v1/incidents/{}", made.field("id"))
}

async fn clock(server: &Server, incident: &str, metric: &str) -> Value {
    let clocks = server.get(&format!("{incident}/service-clocks")).by(Alex).expect(200).await.json();
    let clocks = clocks["items"].as_array().unwrap();
    clocks.iter().find(|clock| clock["metric"] == metric).unwrap_or_else(|| panic!("{clocks:?}")).clone()
}

fn events_of(clock: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    clock["ledger"].as_array().unwrap().iter().map(|e| format!("{} {}", text(&e["at"]), text(&e["event"]))).collect()
}

async fn fire(server: &Server) -> usize {
    server.assembly.jobs().fire_timers().await.unwrap()
}

async fn level(server: &Server, name: &str) -> Answer {
    let list = server.get(LEVELS).by(Admin).expect(200).await.json();
    let found = list["items"].as_array().unwrap().iter().find(|l| l["name"] == name).unwrap().clone();
    server.get(&format!("{LEVELS}/{}", found["id"].as_str().unwrap())).by(Admin).expect(200).await
}

fn places(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer.json()["errors"].as_array().unwrap().iter().map(|e| (text(&e["pointer"]), text(&e["code"]))).collect()
}

#[actix_web::test]
async fn a_new_incident_has_the_clocks_that_ship_and_an_answer_stops_the_first() {
    let server = Server::start().await;
    let incident = incident(&server).await;
    let resolution = clock(&server, &incident, "resolution").await;
    assert_eq!(resolution["state"], "running");
    // Seven hours are left of Tuesday, four days of ten hours follow, with a weekend between them, and three hours.
    assert_eq!(resolution["deadline"], "2026-03-10T11:00:00Z");
    assert_eq!((&resolution["target"], &resolution["percent"]), (&json!("PT50H"), &json!(0)));
    server.at("2026-03-03T12:00:00Z");
    server.patch(&incident, json!({"work_note": "Looking"})).header("if-match", "*").by(Alex).expect(200).await;
    server.patch(&incident, json!({"comment": "Any news?"})).header("if-match", "*").by(Rita).expect(200).await;
    assert_eq!(clock(&server, &incident, "response").await["state"], "running", "neither is an answer");
    server.at("2026-03-03T13:00:00Z");
    server.patch(&incident, json!({"comment": "We are looking."})).header("if-match", "*").by(Alex).expect(200).await;
    let response = clock(&server, &incident, "response").await;
    assert_eq!(
        (&response["state"], &response["elapsed"], &response["breached_at"]),
        (&json!("stopped"), &json!("PT2H"), &Value::Null)
    );
    assert_eq!(events_of(&response), ["2026-03-03T11:00:00Z started", "2026-03-03T13:00:00Z stopped"]);
    server.at("2026-04-03T13:00:00Z");
    fire(&server).await;
    let response = clock(&server, &incident, "response").await;
    assert_eq!(response["ledger"].as_array().unwrap().len(), 2, "nothing comes after the answer");
}

#[actix_web::test]
async fn a_priority_that_changes_while_it_waits_keeps_the_pause() {
    let server = Server::start().await;
    let incident = incident(&server).await;
    server.post(&format!("{incident}/start"), json!({})).by(Alex).expect(200).await;
    server.at("2026-03-03T13:00:00Z");
    let hold = json!({"hold_reason": "caller", "comment": "Which mailbox is it?"});
    server.post(&format!("{incident}/hold"), hold).by(Alex).expect(200).await;
    let waits = clock(&server, &incident, "resolution").await;
    assert_eq!(
        (&waits["state"], &waits["deadline"], &waits["elapsed"]),
        (&json!("paused"), &Value::Null, &json!("PT2H"))
    );
    server.at("2026-03-20T13:00:00Z");
    assert_eq!(fire(&server).await, 0, "nothing is due while it waits, and the answer was given");
    server.patch(&incident, json!({"impact": 1, "urgency": 1})).header("if-match", "*").by(Alex).expect(200).await;
    let urgent = clock(&server, &incident, "resolution").await;
    assert_eq!(
        (&urgent["state"], &urgent["target"], &urgent["calendar"]),
        (&json!("paused"), &json!("PT4H"), &json!("around-the-clock"))
    );
    assert_eq!((&urgent["elapsed"], &urgent["remaining"]), (&json!("PT2H"), &json!("PT2H")));
    server.at("2026-03-20T22:30:00Z");
    server.patch(&incident, json!({"comment": "The shared one."})).header("if-match", "*").by(Rita).expect(200).await;
    let resumed = clock(&server, &incident, "resolution").await;
    assert_eq!((&resumed["state"], &resumed["deadline"]), (&json!("running"), &json!("2026-03-21T00:30:00Z")));
    let kinds: Vec<&str> =
        resumed["segments"].as_array().unwrap().iter().map(|s| s["state"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["running", "paused"]);
}

#[actix_web::test]
async fn warnings_and_the_miss_are_told_once_and_a_reason_can_be_given() {
    let server = Server::start().await;
    let incident = incident(&server).await;
    server.patch(&incident, json!({"comment": "We are looking."})).header("if-match", "*").by(Alex).expect(200).await;
    // At the very moment.
    server.at("2026-03-05T16:00:00Z");
    assert_eq!(fire(&server).await, 1);
    assert_eq!(fire(&server).await, 0);
    // The server was away over the rest: what was due comes late, in order, with the moment at which it was due.
    server.at("2026-03-30T16:00:00Z");
    fire(&server).await;
    let missed = clock(&server, &incident, "resolution").await;
    assert_eq!(
        events_of(&missed),
        [
            "2026-03-03T11:00:00Z started",
            "2026-03-05T16:00:00Z warned",
            "2026-03-09T08:30:00Z warned",
            "2026-03-09T16:00:00Z warned",
            "2026-03-10T11:00:00Z breached",
        ]
    );
    assert_eq!(missed["breached_at"], "2026-03-10T11:00:00Z");
    assert_eq!(missed["ledger"][4]["told_at"], "2026-03-30T16:00:00Z");
    let told: Vec<String> = server
        .assembly
        .database
        .read_here(|c| {
            let told = outbox::table.filter(outbox::event.like("incident.service_level_%")).order(outbox::at);
            Ok(told.select(outbox::event).load(c)?)
        })
        .unwrap();
    let told: Vec<&str> = told.iter().map(|event| event.trim_start_matches("incident.service_level_")).collect();
    // Each of the two writes of the timer tells of itself, too.
    assert_eq!(told.iter().filter(|event| **event == "breached").count(), 2, "{told:?}");
    let history = server.get(&format!("{incident}/history")).by(Alex).expect(200).await.json();
    assert_eq!(history["items"][0]["action"], "incident.service_level_breached");

    let path = format!("{CLOCKS}/{}", missed["id"].as_str().unwrap());
    let reason = json!({"code": "supplier_late", "note": "The part came on Friday."});
    server.ask(Method::PUT, &format!("{path}/breach-reason")).json(reason.clone()).by(Rita).expect(403).await;
    let told =
        server.ask(Method::PUT, &format!("{path}/breach-reason")).json(reason.clone()).by(Alex).expect(200).await;
    assert_eq!(told.json()["breach_reason"], reason);
    assert_eq!(server.get(&path).by(Alex).expect(200).await.json()["breach_reason"], reason);
}

#[actix_web::test]
async fn clocks_are_listed_by_deadline_for_those_who_see_their_records() {
    let server = Server::start().await;
    for (impact, urgency) in [(3, 3), (1, 1), (2, 2)] {
        let new = json!({"title": "Mail", "impact": impact, "urgency": urgency});
        server.post("/api/v1/incidents", new).by(Alex).expect(201).await;
    }
    let list = |query: &str| server.get(&format!("{CLOCKS}?{query}")).by(Alex);
    let page = list("metric=resolution&state=running").expect(200).await.json();
    let targets: Vec<&str> = page["items"].as_array().unwrap().iter().map(|c| c["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["PT4H", "PT20H", "PT50H"]);
    let first = list("limit=4").expect(200).await.json();
    let second = list(&format!("limit=4&cursor={}", first["next_cursor"].as_str().unwrap())).expect(200).await.json();
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (4, 2));
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(list("breached=true").expect(200).await.json()["items"], json!([]));
    let soon = list("due_before=2026-03-03T12:00:00Z").expect(200).await.json();
    assert_eq!(soon["items"].as_array().unwrap().len(), 1);
    for wrong in ["state=runing", "agreement=x", "due_before=yesterday", "metrik=x", "breached=maybe"] {
        list(wrong).expect(400).await;
    }
    server.get(CLOCKS).by(Rita).expect(403).await;
    let elsewhere = server.get(CLOCKS).by(Bea).expect(200).await.json();
    assert_eq!(elsewhere["items"], json!([]), "another organisation's");
    let id = page["items"][0]["id"].as_str().unwrap();
    server.get(&format!("{CLOCKS}/{id}")).by(Bea).expect(404).await;
}

#[actix_web::test]
async fn clocks_follow_terms_and_calendars_that_change() {
    let server = Server::start().await;
    let incident = incident(&server).await;
    let shipped = level(&server, "Incident resolution").await;
    let path = format!("{LEVELS}/{}", shipped.field("id"));
    let shorter = json!({"terms": {"targets": [{"duration": "PT10H"}], "warnings": []}});
    let changed = server.patch(&path, shorter).by(Admin).seen(&shipped).expect(200).await;
    assert_eq!(changed.json()["terms"]["pause"], "state = on_hold AND hold_reason = caller", "what is left out stays");
    assert_eq!(server.assembly.jobs().recheck_clocks().await.unwrap(), 0, "not before every node knows");
    server.at("2026-03-03T11:00:03Z");
    assert_eq!(server.assembly.jobs().recheck_clocks().await.unwrap(), 1);
    assert_eq!(server.assembly.jobs().recheck_clocks().await.unwrap(), 0);
    assert_eq!(clock(&server, &incident, "resolution").await["deadline"], "2026-03-04T11:00:00Z");

    let calendars = server.get("/api/v1/calendars?q=business").by(Admin).expect(200).await.json();
    let calendar = format!("/api/v1/calendars/{}", calendars["items"][0]["id"].as_str().unwrap());
    let holiday = json!({"holidays": {"XX": {"2026-03-04": "A holiday"}}});
    server.post(&format!("{calendar}/holidays/import"), holiday).by(Admin).expect(200).await;
    server.at("2026-03-03T11:00:06Z");
    assert_eq!(server.assembly.jobs().recheck_clocks().await.unwrap(), 1);
    assert_eq!(clock(&server, &incident, "resolution").await["deadline"], "2026-03-05T11:00:00Z");
    let waiting: i64 = server
        .assembly
        .database
        .read_here(|c| {
            Ok(timer::table
                .filter(timer::fired_at.is_null())
                .filter(timer::name.eq("clock:sla:resolution"))
                .count()
                .get_result(c)?)
        })
        .unwrap();
    assert_eq!(waiting, 1, "each timer retires the one before it");

    let off = server.patch(&path, json!({"active": false})).by(Admin).seen(&changed).expect(200).await;
    assert_eq!(off.field("active"), "false");
    server.at("2026-03-03T11:00:09Z");
    assert_eq!(server.assembly.jobs().recheck_clocks().await.unwrap(), 1);
    assert_eq!(clock(&server, &incident, "resolution").await["state"], "cancelled");
}

#[actix_web::test]
async fn a_service_level_that_is_made_later_counts_from_the_beginning_where_it_is_to() {
    let server = Server::start().await;
    let incident = incident(&server).await;
    server.post(&format!("{incident}/start"), json!({})).by(Alex).expect(200).await;
    server.at("2026-03-03T12:00:00Z");
    server.post(&format!("{incident}/hold"), json!({"hold_reason": "supplier"})).by(Alex).expect(200).await;
    server.at("2026-03-03T15:00:00Z");
    server.post(&format!("{incident}/resume"), json!({})).by(Alex).expect(200).await;
    server.at("2026-03-03T16:00:00Z");
    let new = |metric: &str, retroactive: bool| {
        json!({"name": metric, "kind": "incident", "agreement": "ola", "metric": metric, "terms": {
            "calendar": "around-the-clock", "pause": "state = on_hold", "stop": "phase = done", "retroactive": retroactive,
            "targets": [{"duration": "PT3H"}],
        }})
    };
    server.post(LEVELS, new("from_the_beginning", true)).by(Admin).expect(201).await;
    server.post(LEVELS, new("from_now", false)).by(Admin).expect(201).await;
    server.at("2026-03-03T16:00:05Z");
    assert_eq!(server.assembly.jobs().recheck_clocks().await.unwrap(), 1);
    let past = clock(&server, &incident, "from_the_beginning").await;
    assert_eq!(
        (&past["started_at"], &past["deadline"]),
        (&json!("2026-03-03T11:00:00Z"), &json!("2026-03-03T17:00:00Z"))
    );
    assert_eq!(
        events_of(&past),
        ["2026-03-03T11:00:00Z started", "2026-03-03T12:00:00Z paused", "2026-03-03T15:00:00Z resumed"]
    );
    let present = clock(&server, &incident, "from_now").await;
    assert_eq!(
        (&present["started_at"], &present["deadline"]),
        (&json!("2026-03-03T16:00:05Z"), &json!("2026-03-03T19:00:05Z"))
    );
}

#[actix_web::test]
async fn what_is_wrong_is_refused_with_its_place() {
    let server = Server::start().await;
    let terms = json!({
        "calendar": "busines-hours", "pause": "state = onhold", "stop": "stat = done", "cancel": "assignee = me",
        "reset": "opened_at < now()", "warnings": [75, 50],
        "targets": [{"duration": "PT0S"}, {"duration": "PT1H", "priority": 1}, {"duration": "PT2H", "priority": 1}],
    });
    let new = json!({"name": "", "kind": "incident", "agreement": "sla", "metric": "Resolution", "terms": terms});
    let refused = server.post(LEVELS, new).by(Admin).expect(422).await;
    let found = places(&refused);
    let expected = [
        ("/metric", "wrong_form"),
        ("/name", "wrong_form"),
        ("/terms/pause", "not_a_choice"),
        ("/terms/stop", "unknown_field"),
        ("/terms/cancel", "not_allowed"),
        ("/terms/reset", "not_allowed"),
        ("/terms/calendar", "no_such_reference"),
        ("/terms/targets/0/duration", "out_of_range"),
        ("/terms/targets/2", "twice"),
        ("/terms/warnings", "out_of_range"),
    ]
    .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    assert_eq!(found, expected);
    let good = json!({"stop": "phase = done", "targets": [{"duration": "PT1H"}]});
    let new =
        |kind: &str, name: &str| json!({"name": name, "kind": kind, "agreement": "sla", "metric": "x", "terms": good});
    assert_eq!(
        places(&server.post(LEVELS, new("incidnt", "x")).by(Admin).expect(422).await),
        [("/kind".to_owned(), "not_a_choice".to_owned())]
    );
    server.post(LEVELS, new("incident", "Incident response")).by(Admin).expect(409).await;
    server.post(LEVELS, new("incident", "x")).by(Alex).expect(403).await;
    let shipped = level(&server, "Incident response").await;
    let path = format!("{LEVELS}/{}", shipped.field("id"));
    server.patch(&path, json!({"terms": {"stop": null}})).by(Admin).seen(&shipped).expect(422).await;
    server.patch(&path, json!({"terms": {"stopp": "phase = done"}})).by(Admin).seen(&shipped).expect(422).await;
    server.patch(&path, json!({"metric": "y"})).by(Admin).seen(&shipped).expect(422).await;
}

#[actix_web::test]
async fn attainment_is_counted_of_what_stopped() {
    let server = Server::start().await;
    let done = json!({"resolution_code": "fixed", "resolution_notes": "The queue was full and was emptied.", "resolution_kind": "permanent"});
    let mut incidents = Vec::new();
    for (impact, urgency) in [(1, 1), (1, 1), (3, 3)] {
        let new = json!({"title": "Mail", "impact": impact, "urgency": urgency});
        let made = server.post("/api/v1/incidents", new).by(Alex).expect(201).await;
        incidents.push(format!("/api/v1/incidents/{}", made.field("id")));
    }
    server.at("2026-03-03T13:00:00Z");
    for incident in &incidents[1..] {
        server.post(&format!("{incident}/resolve"), done.clone()).by(Alex).expect(200).await;
    }
    server.at("2026-03-03T17:00:00Z");
    // No timer has fired meanwhile: a write notices by itself that the target was missed.
    server.post(&format!("{}/resolve", incidents[0]), done).by(Alex).expect(200).await;
    server.at("2026-03-03T17:00:01Z");
    let report =
        |query: &str| server.get(&format!("/api/v1/reports/service-levels?metric=resolution&{query}")).by(Alex);
    let all = report("").expect(200).await.json();
    let item = &all["items"][0];
    assert_eq!((&item["met"], &item["missed"], &item["percent"]), (&json!(2), &json!(1), &json!(66.67)));
    let by = report("by=priority").expect(200).await.json();
    let by: Vec<_> = by["items"].as_array().unwrap().iter().map(|i| (i["key"].clone(), i["percent"].clone())).collect();
    assert_eq!(by, [(json!("1"), json!(50.0)), (json!("4"), json!(100.0))]);
    for by in ["organisation", "service", "team", "service_level", "kind", "day", "month"] {
        let found = report(&format!("by={by}")).expect(200).await.json();
        let sum: i64 = found["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["met"].as_i64().unwrap() + i["missed"].as_i64().unwrap())
            .sum();
        assert_eq!(sum, 3, "{by}: {found}");
    }
    assert_eq!(report("by=day").expect(200).await.json()["items"][0]["key"], "2026-03-03");
    assert_eq!(report("until=2026-03-03T15:00:00Z").expect(200).await.json()["items"][0]["missed"], 0);
    report("from=2020-01-01T00:00:00Z").expect(400).await;
}
