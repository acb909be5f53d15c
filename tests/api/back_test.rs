//! Back-tests: what a version would have decided, on what was known then; followed, stopped, resumed and read.

use std::{sync::atomic::AtomicBool, time::Duration};

use pointsman::{
    id::RowId,
    policy::back_test::run::{self, Pace, Progress, Stage},
    record::job::{JobRow, State, Told},
};
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server};

/// As what ships, but printers go to the network team, as does whatever is known to have been resolved.
const CANDIDATE: &str = r#"
fn route(incident) {
    rule "From the future" when incident.resolution_code != () or incident.state == "resolved" then assign("network");
    rule "Printers" when incident.category == "printer" then assign("network");
    rule "Never" when incident.category == "no such category" then assign("network");
    rule "Everything else" when true then assign("service-desk");
}
"#;

async fn incident(server: &Server, category: &str, person: crate::support::Person) -> Answer {
    let body = json!({"title": format!("About {category}"), "category": category});
    server.post("/api/v1/incidents", body).by(person).expect(201).await
}

/// Opens incidents, resolves one of them, and writes the candidate; gives the path of its back-tests.
async fn prepared(server: &Server) -> String {
    for category in ["printer", "mail", "mail"] {
        incident(server, category, Rita).await;
    }
    let resolved = incident(server, "mail", Rita).await;
    let path = format!("/api/v1/incidents/{}", resolved.field("id"));
    server.post(&format!("{path}/start"), json!({})).by(Alex).expect(200).await;
    let how = json!({"resolution_code": "fixed", "resolution_notes": "The queue was emptied.", "resolution_kind": "permanent"});
    server.post(&format!("{path}/resolve"), how).by(Alex).expect(200).await;
    incident(server, "printer", Ben).await;
    let versions = "/api/v1/policies/routing_incidents/versions";
    let made = server.post(versions, json!({"source": CANDIDATE})).by(Admin).expect(201).await;
    format!("{versions}/{}/back-tests", made.field("number"))
}

async fn done(server: &Server, started: &Answer) -> Value {
    assert_eq!(server.assembly.jobs().work_off().await.unwrap(), 1);
    server.get(&format!("/api/v1/back-tests/{}", started.field("id"))).by(Admin).expect(200).await.json()
}

#[actix_web::test]
async fn a_version_is_rehearsed_on_what_was_known_then() {
    let server = Server::start().await;
    let back_tests = prepared(&server).await;
    let started = server.post(&back_tests, json!({})).by(Admin).expect(202).await;
    assert_eq!((started.field("state"), started.field("percent")), ("queued".into(), "0".into()));
    assert_eq!(started.header("location"), format!("/api/v1/jobs/{}", started.field("id")));
    let read = done(&server, &started).await;
    let report = &read["report"];
    assert_eq!((&read["job"]["state"], &read["job"]["percent"]), (&json!("succeeded"), &json!(100)));
    let counts =
        ["decisions", "same", "different", "errors", "unreadable", "kept"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [5, 3, 2, 0, 0, 2], "{report:#}");
    let rules: Vec<_> = report["rules"].as_array().unwrap().iter().map(|r| (&r["tried"], &r["fitted"])).collect();
    // The first rule would fit if a decision saw what became of its incident later.
    assert_eq!(rules, [(&json!(5), &json!(0)), (&json!(5), &json!(2)), (&json!(3), &json!(0)), (&json!(3), &json!(3))]);
    assert_eq!(report["transitions"], json!({"team": [{"from": "service-desk", "to": "network", "decisions": 2}]}));
    let day = report["load"].as_object().unwrap().values().next().unwrap();
    assert_eq!(day["network"], json!({"before": 0, "after": 2}));
    assert_eq!(day["service-desk"], json!({"before": 5, "after": 3}));
}

#[actix_web::test]
async fn the_differences_say_why_and_hide_what_is_hidden() {
    let server = Server::start().await;
    let back_tests = prepared(&server).await;
    let started = server.post(&back_tests, json!({})).by(Admin).expect(202).await;
    done(&server, &started).await;
    let path = format!("/api/v1/back-tests/{}/differences", started.field("id"));
    let first = server.get(&format!("{path}?limit=1")).by(Admin).expect(200).await;
    let one = &first.json()["items"][0];
    assert_eq!(one["fields"], json!({"team": ["service-desk", "network"]}));
    assert!(one["why_before"].as_str().unwrap().contains("\"Everything else\""), "{one}");
    assert!(
        one["why_after"].as_str().unwrap().contains("rule \"Printers\" (line 4 of routing_incidents v2) fitted"),
        "{one}"
    );
    assert!(first.header("link").contains("rel=\"next\""));
    server.allow(&[Nora], "reader", "organisation", &["policy.read"]).await;
    let seen = server.get(&path).by(Nora).expect(200).await.json();
    let numbers: Vec<_> = seen["items"].as_array().unwrap().iter().map(|one| one["number"].is_null()).collect();
    assert_eq!(numbers, [false, true], "that of another organisation is hidden: {seen:#}");
    assert_eq!((&seen["items"][1]["record_id"], &seen["items"][1]["why_after"]), (&Value::Null, &Value::Null));
    let csv = server.get(&path).by(Admin).header("accept", "text/csv").expect(200).await.text();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.lines().nth(1).unwrap().contains("About printer,team,service-desk,network,"), "{csv}");
    let page =
        server.get(path.trim_end_matches("/differences")).by(Admin).header("accept", "text/html").expect(200).await;
    let page = page.text();
    assert!(page.contains("<svg") && page.contains("What becomes of team") && !page.contains("<script"), "{page}");
}

#[actix_web::test]
async fn a_job_is_stopped_and_resumed() {
    let server = Server::start().await;
    let back_tests = prepared(&server).await;
    let started = server.post(&back_tests, json!({})).by(Admin).expect(202).await;
    let job = format!("/api/v1/jobs/{}", started.field("id"));
    assert_eq!(
        server.post(&format!("{job}/cancel"), json!({})).by(Admin).expect(200).await.field("state"),
        "cancelled"
    );
    assert_eq!(server.assembly.jobs().work_off().await.unwrap(), 0);
    server.post(&format!("{job}/cancel"), json!({})).by(Admin).expect(409).await;
    assert_eq!(server.post(&format!("{job}/resume"), json!({})).by(Admin).expect(200).await.field("state"), "queued");
    assert_eq!(done(&server, &started).await["report"]["decisions"], 5);
    server.post(&format!("{job}/resume"), json!({})).by(Admin).expect(409).await;
    let listed = server.get("/api/v1/jobs?kind=back_test").by(Admin).expect(200).await.json();
    assert_eq!(listed["items"][0]["state"], "succeeded");
    server.get("/api/v1/jobs?kind=back_tests").by(Admin).expect(400).await;
    server.get("/api/v1/jobs").by(Admin).header("x-reason", "a\ttab").expect(200).await;
    let reason = server.post(&format!("{job}/resume"), json!({})).by(Admin).header("x-reason", "a\ttab");
    assert!(reason.expect(400).await.field("detail").contains("printable"));
    server.get(&job).by(Rita).expect(403).await;
    server.get(&format!("/api/v1/jobs/{}", RowId::new())).by(Admin).expect(404).await;
}

#[actix_web::test]
async fn what_is_asked_for_is_checked() {
    let server = Server::start().await;
    let back_tests = prepared(&server).await;
    for (body, pointer) in [
        (json!({"from": "2026-02-02T00:00:00Z", "until": "2026-02-01T00:00:00Z"}), "/until"),
        (json!({"resolve_within": [{"priority": 9, "minutes": 10}]}), "/resolve_within/0"),
        (json!({"resolve_within": [{"priority": 1, "minutes": 0}]}), "/resolve_within/0"),
        (json!({"resolve_within": vec![json!({"priority": 1, "minutes": 5}); 5]}), "/resolve_within"),
        (json!({"resolve_within": vec![json!({"priority": 1, "minutes": 5}); 2]}), "/resolve_within/1/priority"),
    ] {
        let refused = server.post(&back_tests, body).by(Admin).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    server.post(&back_tests.replace("/2/", "/9/"), json!({})).by(Admin).expect(404).await;
    server.post(&back_tests, json!({})).by(Alex).expect(403).await;
    let broken = server.post("/api/v1/policies/routing_incidents/versions", json!({"source": "fn route("})).by(Admin);
    let number = broken.expect(201).await.field("number");
    server.post(&back_tests.replace("/2/", &format!("/{number}/")), json!({})).by(Admin).expect(422).await;
}

#[actix_web::test]
async fn late_incidents_are_forecast_from_how_long_they_took() {
    let server = Server::start().await;
    let made = incident(&server, "mail", Rita).await;
    let path = format!("/api/v1/incidents/{}", made.field("id"));
    server.post(&format!("{path}/start"), json!({})).by(Alex).expect(200).await;
    server.at("2026-03-03T12:00:00Z");
    let how = json!({"resolution_code": "fixed", "resolution_notes": "The queue was emptied.", "resolution_kind": "permanent"});
    server.post(&format!("{path}/resolve"), how).by(Alex).expect(200).await;
    let source = "fn prioritise(incident) { rule \"All first\" when true then priority(1); }";
    let versions = "/api/v1/policies/priority_impact_and_urgency/versions";
    let made = server.post(versions, json!({"source": source})).by(Admin).expect(201).await;
    let back_tests = format!("{versions}/{}/back-tests", made.field("number"));
    let within = [(1, 30), (2, 60), (3, 600), (4, 100_000)];
    let body =
        json!({"resolve_within": within.map(|(priority, minutes)| json!({"priority": priority, "minutes": minutes}))});
    let started = server.post(&back_tests, body).by(Admin).expect(202).await;
    let read = done(&server, &started).await;
    let breaches = &read["report"]["breaches"];
    assert_eq!((&breaches["incidents"], &breaches["before"], &breaches["after"]), (&json!(1), &json!(0), &json!(1)));
}

#[actix_web::test]
async fn a_node_that_ends_leaves_what_it_has_to_the_next() {
    let server = Server::start().await;
    let back_tests = prepared(&server).await;
    let started = server.post(&back_tests, json!({})).by(Admin).expect(202).await;
    let whole = server.post(&back_tests, json!({})).by(Admin).expect(202).await;
    let id: RowId = started.field("id").parse().unwrap();
    let (assembly, ending) = (server.assembly.clone(), AtomicBool::new(true));
    let (told, rounds) = std::thread::scope(|scope| {
        let work = || {
            let pace = Pace { chunk: 1, beat: Duration::ZERO };
            let stage = Stage {
                policies: assembly.policies.clone(),
                database: assembly.database.clone(),
                writer: assembly.writer.clone(),
                clock: assembly.clock.clone(),
                pace,
            };
            let mut rounds = 0;
            loop {
                let (node, now) = (RowId::new(), assembly.clock.now());
                let taken = stage.writer.run_blocking(move |unit| JobRow::take(unit.connection()?, node, now)).unwrap();
                let job = taken.filter(|job| job.id == id).expect("the oldest is first");
                let told = run::run(&stage, job, node, &ending).unwrap();
                stage.writer.run_blocking(move |unit| JobRow::release(unit.connection()?, node)).unwrap();
                rounds += 1;
                if told != Told::Lost {
                    return (told, rounds);
                }
            }
        };
        let thread = std::thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, work).unwrap();
        thread.join().unwrap()
    });
    assert!(
        told == Told::GoOn && rounds > 5,
        "at most one decision a round, and one to see that it was the last: {rounds}"
    );
    let job = server.assembly.database.read_here(|c| JobRow::find(c, id)).unwrap();
    assert_eq!((job.done, job.total, job.state()), (5, 5, State::Queued));
    let resumed: Progress = job.progress.read().unwrap();
    server.assembly.jobs().work_off().await.unwrap();
    let read = |started: &Answer| format!("/api/v1/back-tests/{}", started.field("id"));
    let whole = server.get(&read(&whole)).by(Admin).expect(200).await.json();
    assert_eq!(serde_json::to_value(resumed.report.sorted()).unwrap(), whole["report"]);
}
