//! What a version has to pass: case tables, pinned decisions and coverage, through the API.

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::{
    id::RowId,
    policy::pin::{MOST, PinRow},
    schema::{audit, policy_pin},
};
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server, people};

const POLICY: &str = "/api/v1/policies/routing_incidents";

/// Mail goes to `mail`, all else to `rest`; nothing of it is tested.
fn source(mail: &str, rest: &str) -> String {
    format!(
        "fn route(incident) {{\n    rule \"Mail\" when incident.category == \"mail\" then assign(\"{mail}\");\n    \
         rule \"Rest\" when true then assign(\"{rest}\");\n}}\n"
    )
}

async fn version(server: &Server, source: &str) -> String {
    let made = server.post(&format!("{POLICY}/versions"), json!({"source": source})).by(Admin).expect(201).await;
    format!("{POLICY}/versions/{}", made.field("number"))
}

async fn publish(server: &Server, version: &str, body: Value, status: u16) -> Answer {
    server.post(&format!("{version}/publish"), body).by(Admin).expect(status).await
}

async fn test(server: &Server, version: &str) -> Value {
    server.post(&format!("{version}/test"), json!({})).by(Admin).expect(200).await.json()
}

/// The first decision about who gets an incident that a person makes.
async fn decided(server: &Server, person: crate::support::Person, body: Value) -> String {
    let made = server.post("/api/v1/incidents", body).by(person).expect(201).await.field("id");
    let decisions = server.get(&format!("/api/v1/incidents/{made}/decisions")).by(Admin).expect(200).await.json();
    let routing = decisions["items"].as_array().unwrap().iter().rfind(|d| d["kind"] == "routing").unwrap();
    routing["id"].as_str().unwrap().to_owned()
}

async fn pin(server: &Server, decision: &str, name: &str) -> Answer {
    let path = format!("/api/v1/decisions/{decision}/pin");
    server.post(&path, json!({"name": name, "comment": format!("Why: {name}")})).by(Admin).expect(201).await
}

fn of<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap()
}

/// The details of a refusal.
fn errors(refused: &Answer) -> Vec<String> {
    let errors = refused.json()["errors"].as_array().unwrap().clone();
    errors.iter().map(|e| format!("{}: {}", e["code"].as_str().unwrap(), e["detail"].as_str().unwrap())).collect()
}

fn told(server: &Server, action: &str) -> usize {
    let told: Vec<String> = server
        .assembly
        .database
        .read_here(|c| Ok(audit::table.filter(audit::subject_kind.eq("policy")).select(audit::action).load(c)?))
        .unwrap();
    told.iter().filter(|told| *told == &format!("policy.{action}")).count()
}

/// Lets Bea read and write policies and read decisions; of records she sees those of Bolt.
async fn author(server: &Server) {
    let permissions = ["policy.read", "policy.write", "policy.publish", "decision.read"];
    server.allow(&[Bea], "author", "organisation", &permissions).await;
}

#[actix_web::test]
async fn each_row_of_a_case_table_is_reported_and_a_red_one_keeps_a_version_out() {
    let server = Server::start().await;
    let table = |team: &str| {
        format!(
            "fn cases() {{\n    [\n        #{{ name: \"Mail\", record: #{{ category: \"mail\" }}, expect: \"{team}\" }},\n        \
             #{{ name: \"Rest\", expect: \"service-desk\" }},\n    ]\n}}\n"
        )
    };
    let red = version(&server, &(source("network", "service-desk") + &*table("workplace"))).await;
    let report = test(&server, &red).await;
    assert_eq!((&report["green"], &report["passed"], &report["failed"]), (&json!(false), &json!(1), &json!(1)));
    let tests = report["tests"].as_array().unwrap();
    let shown: Vec<String> =
        tests.iter().map(|t| format!("{} {}:{} {}", t["kind"], t["line"], t["column"], t["name"])).collect();
    assert_eq!(shown, ["\"case\" 7:9 \"Mail\"", "\"case\" 8:9 \"Rest\""]);
    let refused = publish(&server, &red, json!({}), 422).await;
    let expected =
        "test_failed: line 7, column 57: Mail: expected the text \"workplace\", got network by rule \"Mail\" (line 2)";
    assert_eq!(errors(&refused), [expected]);
    let green = version(&server, &(source("network", "service-desk") + &*table("network"))).await;
    publish(&server, &green, json!({}), 200).await;
    let wrong =
        version(&server, &(source("network", "service-desk") + "fn cases() { [#{ name: \"A\", expekt: 1 }] }")).await;
    let found = server.get(&wrong).by(Admin).expect(200).await.json()["diagnostics"].clone();
    let suggested: Vec<&Value> = found.as_array().unwrap().iter().map(|d| &d["suggestion"]).collect();
    assert!(suggested.contains(&&json!("expect")), "{found}");
}

#[actix_web::test]
async fn a_pinned_decision_holds_versions_to_what_it_came_to() {
    let server = Server::start().await;
    let first = version(&server, &source("network", "service-desk")).await;
    publish(&server, &first, json!({}), 200).await;
    let decision = decided(&server, Rita, json!({"title": "No mail", "category": "mail"})).await;
    let path = format!("/api/v1/decisions/{decision}/pin");
    server.post(&path, json!({"name": " "})).by(Admin).expect(422).await;
    server.post(&path, json!({"name": "Mail"})).by(Alex).expect(403).await;
    let made = pin(&server, &decision, "Mail is the network team's").await;
    let shown = made.json();
    assert_eq!((&shown["green"], &shown["outcome"]["team"]), (&json!(true), &json!("network")));
    assert_eq!(shown["input"]["record"]["category"], "mail");
    assert_eq!(server.get(&made.header("location")).by(Admin).expect(200).await.json(), shown);
    server.post(&path, json!({"name": "Again"})).by(Admin).expect(409).await;
    let list = server.get(&format!("{POLICY}/pins")).by(Admin).expect(200).await.json();
    assert_eq!(list["items"], json!([shown]));
    // What comes to something else is red: in a test, for review, for the shadow and for going live.
    let other = version(&server, &source("service-desk", "network")).await;
    let report = test(&server, &other).await;
    assert_eq!((&report["tests"][0]["kind"], &report["tests"][0]["pin"]), (&json!("pin"), &shown["id"]));
    let refused = publish(&server, &other, json!({}), 422).await;
    let expected = "test_failed: line 2, column 55: Mail is the network team's: team was \"network\" and is \"service-desk\" by rule \"Mail\"";
    assert_eq!(errors(&refused), [expected]);
    for rest in ["submit", "shadow"] {
        server.post(&format!("{other}/{rest}"), json!({})).by(Admin).expect(422).await;
    }
    assert_eq!(server.get(&format!("{other}/review")).by(Admin).expect(200).await.json()["tests"]["green"], false);
    // Another way to the same is green.
    let same = "fn route(incident) { if incident.category == \"mail\" { assign(\"network\") } else { assign(\"service-desk\") } }";
    assert_eq!(test(&server, &version(&server, same).await).await["green"], true);
    // On purpose.
    let unknown = json!({"supersede_pins": ["01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", shown["id"]]});
    assert!(errors(&publish(&server, &other, unknown, 422).await)[0].starts_with("no_such_reference"));
    let later = json!({"supersede_pins": [shown["id"]], "at": "2026-03-03T12:00:00Z"});
    assert!(errors(&publish(&server, &other, later, 422).await)[0].starts_with("contradiction"));
    let dry = format!("{other}/publish?dry_run=true");
    server.post(&dry, json!({"supersede_pins": [shown["id"]]})).by(Admin).expect(200).await;
    assert_eq!(server.get(&format!("{POLICY}/pins")).by(Admin).expect(200).await.json()["items"], json!([shown]));
    publish(&server, &other, json!({"supersede_pins": [shown["id"]]}), 200).await;
    assert_eq!(server.get(&format!("{POLICY}/pins")).by(Admin).expect(200).await.json()["items"], json!([]));
    assert_eq!([told(&server, "pinned"), told(&server, "pin_superseded"), told(&server, "unpinned")], [1, 1, 0]);
}

#[actix_web::test]
async fn pins_are_paged_and_let_go_of() {
    let server = Server::start().await;
    for n in 0..3 {
        let decision = decided(&server, Rita, json!({"title": format!("No ink {n}")})).await;
        pin(&server, &decision, &format!("Pin {n}")).await;
    }
    let mut names = Vec::new();
    let mut path = format!("{POLICY}/pins?limit=2");
    loop {
        let page = server.get(&path).by(Admin).expect(200).await.json();
        names.extend(page["items"].as_array().unwrap().iter().map(|pin| pin["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{POLICY}/pins?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["Pin 0", "Pin 1", "Pin 2"]);
    let first = server.get(&format!("{POLICY}/pins?limit=1")).by(Admin).expect(200).await.json()["items"][0].clone();
    let path = format!("{POLICY}/pins/{}", first["id"].as_str().unwrap());
    let elsewhere = path.replace("routing_incidents", "guard_incidents");
    for (path, person, status) in
        [(&path, Alex, 403), (&elsewhere, Admin, 404), (&path, Admin, 204), (&path, Admin, 404)]
    {
        server.ask(Method::DELETE, path).by(person).expect(status).await;
    }
    assert_eq!(told(&server, "unpinned"), 1);
}

#[actix_web::test]
async fn a_pin_answers_what_was_asked_then_and_the_live_server_the_rest() {
    let server = Server::start().await;
    let asks = |team: &str, category: &str| {
        format!(
            "fn route(incident) {{\n    if team_exists(\"{team}\") {{ return assign(table(\"owners\").find(\"{category}\").team); }}\n    \
             assign(\"service-desk\")\n}}\n"
        )
    };
    let put = async |rows: Value, status: u16| {
        let columns = json!([{"name": "c", "type": "text"}, {"name": "team", "type": "text"}]);
        let table = json!({"columns": columns, "keys": 1, "rows": rows});
        let ask = server.ask(Method::PUT, "/api/v1/lookup-tables/owners").json(table).by(Admin);
        let ask = if status == 200 { ask.header("if-match", "*") } else { ask };
        ask.expect(status).await;
    };
    put(json!([["a", "network"]]), 201).await;
    let first = version(&server, &asks("network", "a")).await;
    publish(&server, &first, json!({}), 200).await;
    let decision = decided(&server, Rita, json!({"title": "For a"})).await;
    pin(&server, &decision, "It is a's").await;
    // The table says something else by now; the pin goes by what it said then.
    put(json!([["a", "service-desk"], ["b", "network"], ["c", "service-desk"]]), 200).await;
    assert_eq!(test(&server, &first).await["green"], true);
    // What nobody asked then is answered by what is there now.
    for (team, category, green) in [("network", "b", true), ("network", "c", false), ("nobody", "a", false)] {
        let report = test(&server, &version(&server, &asks(team, category)).await).await;
        assert_eq!(report["green"], green, "{team} {category}: {report}");
    }
}

#[actix_web::test]
async fn a_pin_of_a_hidden_record_is_a_name_and_green_or_red() {
    let server = Server::start().await;
    author(&server).await;
    let first = version(&server, &source("network", "service-desk")).await;
    publish(&server, &first, json!({}), 200).await;
    let secret = json!({"title": "Fire in the cellar", "category": "mail", "description": "Only for Acme"});
    let hidden = decided(&server, Rita, secret).await;
    let path = format!("/api/v1/decisions/{hidden}/pin");
    server.post(&path, json!({"name": "Mine"})).by(Bea).expect(404).await;
    let hidden = pin(&server, &hidden, "Mail").await.json();
    let open = decided(&server, Ben, json!({"title": "Rain in the attic"})).await;
    pin(&server, &open, "Rest").await;
    let other = version(&server, &source("service-desk", "network")).await;
    let words =
        ["Fire", "Acme", "Why: Mail", "was \\\"network\\\"", of(&hidden, "record_id"), of(&hidden, "decision_id")];
    let tells = |answer: &Answer| words.iter().any(|word| answer.text().contains(word));
    let ways = |person| {
        let pins = server.get(&format!("{POLICY}/pins")).by(person);
        let one = server.get(&format!("{POLICY}/pins/{}", of(&hidden, "id"))).by(person);
        let test = server.post(&format!("{other}/test"), json!({})).by(person);
        let review = server.get(&format!("{other}/review")).by(person);
        let publish = server.post(&format!("{other}/publish"), json!({})).by(person);
        [(pins, 200), (one, 200), (test, 200), (review, 200), (publish, 422)]
    };
    for person in [Bea, Admin] {
        for (ask, status) in ways(person) {
            let answer = ask.expect(status).await;
            assert!(answer.text().contains("Mail"), "{}", answer.text());
            assert_eq!(tells(&answer), person == Admin, "{person:?}: {}", answer.text());
        }
    }
    let pins = server.get(&format!("{POLICY}/pins")).by(Bea).expect(200).await.json();
    let (masked, shown) = (&pins["items"][0], &pins["items"][1]);
    assert_eq!((&masked["name"], &masked["green"], &masked["input"]), (&json!("Mail"), &json!(true), &Value::Null));
    assert_eq!(shown["input"]["record"]["title"], "Rain in the attic");
    let narrow = people::token_for(&server.assembly, Admin, "policy.*");
    let list = server.get(&format!("{POLICY}/pins")).with(&narrow).expect(200).await;
    assert!(!tells(&list), "without `decision.read`: {}", list.text());
}

#[actix_web::test]
async fn a_policy_asks_for_a_least_coverage() {
    let server = Server::start().await;
    let patch = async |body: Value, status: u16| {
        server.patch(POLICY, body).by(Admin).header("if-match", "*").expect(status).await
    };
    for wrong in [json!(101), json!(-1)] {
        assert!(errors(&patch(json!({"least_line_coverage": wrong}), 422).await)[0].starts_with("out_of_range"));
    }
    let set = patch(json!({"least_line_coverage": 100, "least_branch_coverage": 75}), 200).await.json();
    assert_eq!((&set["least_line_coverage"], &set["least_branch_coverage"]), (&json!(100), &json!(75)));
    let covered = |tests: &str| source("network", "service-desk") + tests;
    let rest = "fn test_rest() { expect(route(incident()), \"service-desk\"); }\n";
    let mail = "fn test_mail() { expect(route(incident(#{ category: \"mail\" })), \"network\"); }\n";
    let half = version(&server, &covered(rest)).await;
    let report = test(&server, &half).await;
    assert_eq!((&report["green"], &report["failed"]), (&json!(false), &json!(0)));
    let coverage = &report["coverage"];
    assert_eq!(coverage["lines"], json!({"covered": 2, "total": 2, "percent": 100.0}));
    assert_eq!(coverage["branches"], json!({"covered": 1, "total": 2, "percent": 50.0}));
    assert_eq!(coverage["rules"][0], json!({"name": "Mail", "line": 2, "fits": false, "misses": true}));
    let refused = publish(&server, &half, json!({}), 422).await;
    let expected = [
        "not_covered: Its tests reach 50.0 % (1/2) of its branches; 75 % are asked for.",
        "not_covered: line 2, column 22: in no test does rule \"Mail\" fit",
    ];
    assert_eq!(errors(&refused), expected);
    publish(&server, &version(&server, &covered(&format!("{rest}{mail}"))).await, json!({}), 200).await;
    // A pinned decision reaches as much as a test does.
    let decision = decided(&server, Rita, json!({"title": "No mail", "category": "mail"})).await;
    pin(&server, &decision, "Mail").await;
    publish(&server, &half, json!({}), 200).await;
    let off = patch(json!({"least_line_coverage": null, "least_branch_coverage": null}), 200).await.json();
    assert_eq!((&off["least_line_coverage"], &off["least_branch_coverage"]), (&Value::Null, &Value::Null));
    let pins = server.get(&format!("{POLICY}/pins")).by(Admin).expect(200).await.json();
    let untested = version(&server, &covered("fn other() { 1 }\nfn test_other() { expect(other(), 1); }\n")).await;
    publish(&server, &untested, json!({"supersede_pins": [pins["items"][0]["id"]]}), 200).await;
}

#[actix_web::test]
async fn a_red_pin_keeps_a_version_from_going_live_by_itself() {
    let server = Server::start().await;
    let first = version(&server, &source("network", "service-desk")).await;
    publish(&server, &first, json!({}), 200).await;
    let decision = decided(&server, Rita, json!({"title": "Fire", "category": "mail"})).await;
    let other = version(&server, &source("service-desk", "network")).await;
    publish(&server, &other, json!({"at": "2026-03-03T12:00:00Z"}), 200).await;
    pin(&server, &decision, "Mail").await;
    server.at("2026-03-03T12:00:01Z");
    assert_eq!(server.assembly.jobs().publish_due().await.unwrap(), 0);
    assert_eq!(told(&server, "not_published"), 1);
    let changes: Vec<String> = server
        .assembly
        .database
        .read_here(|c| {
            let of = audit::table.filter(audit::action.eq("policy.not_published"));
            Ok(of.select(audit::changes).load::<pointsman::db::JsonText>(c)?)
        })
        .unwrap()
        .iter()
        .map(|text| text.as_str().to_owned())
        .collect();
    assert!(changes[0].contains("hidden") && !changes[0].contains("network"), "{changes:?}");
}

#[actix_web::test]
async fn a_policy_has_so_many_pins_and_failures_are_not_pinned() {
    let server = Server::start().await;
    let failing = "fn route(incident) { if incident.title == \"Bad\" { 1 / 0 } assign(\"service-desk\") }";
    publish(&server, &version(&server, failing).await, json!({}), 200).await;
    let failed = decided(&server, Rita, json!({"title": "Bad"})).await;
    let pinning =
        |decision: &str| server.post(&format!("/api/v1/decisions/{decision}/pin"), json!({"name": "It"})).by(Admin);
    let refused = pinning(&failed).expect(409).await;
    assert!(refused.field("detail").contains("failed"), "{}", refused.text());
    pinning("01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f").expect(404).await;
    let one = pinning(&decided(&server, Rita, json!({"title": "One"})).await).expect(201).await.field("id");
    let last = decided(&server, Rita, json!({"title": "The last"})).await;
    fill(&server, &one, MOST - 1);
    let refused = pinning(&last).expect(409).await;
    assert!(refused.field("detail").contains("500"), "{}", refused.text());
    server.ask(Method::DELETE, &format!("{POLICY}/pins/{one}")).by(Admin).expect(204).await;
    pinning(&last).expect(201).await;
}

/// Copies a pin so many times.
fn fill(server: &Server, pin: &str, times: usize) {
    let writer = &server.assembly.writer;
    let pin = pin.to_owned();
    let write = || {
        writer.run_blocking(move |unit| {
            let connection = unit.connection()?;
            let row: PinRow = policy_pin::table.find(&pin).first(connection)?;
            for _ in 0..times {
                PinRow { id: RowId::new(), decision_id: RowId::new(), ..row.clone() }.insert(connection)?;
            }
            Ok(())
        })
    };
    // On a thread of its own: the thread of a test drives its requests and must not block.
    std::thread::scope(|scope| scope.spawn(write).join().unwrap()).unwrap();
}
