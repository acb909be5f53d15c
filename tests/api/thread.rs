//! The thread through the practices, as a manager would follow it: an incident, its problem, a known error, a change, its approval, the
//! work, the review, and the incident's end. By the API alone, and told at the end.

use std::collections::BTreeSet;

use actix_web::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    Person::{self, *},
    Server, golden,
};

/// Somebody writes something, a minute later; what then stands there.
async fn wrote(server: &Server, who: Person, path: &str, what: Value) -> Value {
    server.at(&server.assembly.clock.now().plus(TimeDelta::minutes(1)).to_string());
    let answer = server.post(path, what).by(who).send().await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    answer.json()
}

/// Somebody looks.
async fn sees(server: &Server, who: Person, path: &str) -> Value {
    server.get(path).by(who).expect(200).await.json()
}

fn path(plural: &str, record: &Value) -> String {
    format!("/api/v1/{plural}/{}", record["id"].as_str().unwrap())
}

/// One property of each.
fn each<'a>(items: &'a Value, name: &str) -> Vec<&'a Value> {
    items.as_array().unwrap().iter().map(|item| &item[name]).collect()
}

/// The board that looks at what may go wrong: it meets in the change's second stage.
async fn board(server: &Server, members: &[Person]) {
    let name = json!({"name": "change-advisory-board", "organisation_id": null});
    let board = wrote(server, Admin, "/api/v1/teams", name).await;
    for member in members {
        let seat = format!("{}/members/{}", path("teams", &board), member.id(&server.assembly));
        let seat = server.ask(Method::PUT, &seat).by(Admin).header("if-match", "*").send().await;
        assert!(seat.status.is_success(), "{}", seat.text());
    }
}

/// The last approval of a record, once somebody has agreed to it.
async fn agreed(server: &Server, who: Person, record: &str, comment: &str) -> Value {
    let approval = sees(server, Admin, &format!("{record}/approvals")).await["items"][0]["id"].clone();
    let approve = format!("/api/v1/approvals/{}/approve", approval.as_str().unwrap());
    wrote(server, who, &approve, json!({"comment": comment})).await
}

/// Tasks that follow each other, the first of which is done first.
async fn tasks(server: &Server, who: Person, record: &str, titles: &[&str]) -> Vec<String> {
    let mut made: Vec<String> = Vec::new();
    for title in titles {
        let task = json!({"title": title, "depends_on": made.last().into_iter().collect::<Vec<_>>()});
        let task = wrote(server, who, &format!("{record}/tasks"), task).await;
        made.push(task["id"].as_str().unwrap().to_owned());
    }
    made
}

async fn done(server: &Server, who: Person, record: &str, task: &str) {
    server.at(&server.assembly.clock.now().plus(TimeDelta::minutes(1)).to_string());
    let done = server.patch(&format!("{record}/tasks/{task}"), json!({"state": "done"}));
    done.by(who).header("if-match", "*").expect(200).await;
}

/// Every decision that counts about any record of a story stands in it, once, with a sentence about that record; and no other does.
async fn every_decision_is_told(server: &Server, told: &Value) {
    let (mut logged, mut explained) = (BTreeSet::new(), BTreeSet::new());
    for record in told["records"].as_array().unwrap() {
        let plural = format!("{}s", record["kind"].as_str().unwrap());
        let log = sees(server, Admin, &format!("{}/decisions?limit=100", path(&plural, record))).await;
        assert_eq!(log["next_cursor"], Value::Null);
        let counts = log["items"].as_array().unwrap().iter().filter(|one| one["mode"] == "live");
        logged.extend(counts.map(|one| (record["number"].to_string(), one["id"].to_string(), one["kind"].to_string())));
    }
    for chapter in told["chapters"].as_array().unwrap() {
        for one in chapter["decisions"].as_array().unwrap() {
            let number = chapter["number"].as_str().unwrap();
            assert!(one["sentence"].as_str().unwrap().starts_with(number), "{one}");
            let is_new =
                explained.insert((chapter["number"].to_string(), one["id"].to_string(), one["decision"].to_string()));
            assert!(is_new, "{one} is told twice");
        }
    }
    assert_eq!(explained, logged);
    let kinds: BTreeSet<&str> = logged.iter().map(|(_, _, kind)| kind.as_str()).collect();
    for decision in ["\"priority\"", "\"routing\"", "\"escalation\"", "\"guard\"", "\"assess_risk\"", "\"approve\""] {
        assert!(kinds.contains(decision), "{decision}: {kinds:?}");
    }
}

#[actix_web::test]
async fn from_an_incident_to_its_end() {
    let server = Server::start().await;
    let server = &server;
    let manager = format!("/api/v1/users/{}/roles/change_manager", Nora.id(&server.assembly));
    server.ask(Method::PUT, &manager).by(Admin).header("if-match", "*").expect(200).await;

    board(server, &[Vera, Rob, Bea, Rita]).await;

    // The shop runs on a server.
    let shop = json!({"title": "Shop", "criticality": "gold"});
    let shop = wrote(server, Admin, "/api/v1/services", shop).await;
    let machine = json!({"title": "shop-db-1", "class": "server"});
    let machine = wrote(server, Admin, "/api/v1/configuration_items", machine).await;
    wrote(server, Admin, &format!("{}/go_live", path("configuration_items", &machine)), json!({})).await;
    let rests = json!({"relation": "depends_on", "record_id": machine["id"]});
    wrote(server, Admin, &format!("{}/relations", path("services", &shop)), rests).await;

    // Tuesday, eleven o'clock: Rita can't order. Policies give it a priority and a team, and a clock runs.
    let broken = json!({
        "title": "The shop does not answer", "description": "Orders end in an error since ten.", "impact": 1, "urgency": 2,
        "category": "software", "service_id": shop["id"],
    });
    let typed = json!({"title": broken["title"], "description": broken["description"], "service_id": shop["id"]});
    let incident = wrote(server, Rita, "/api/v1/incidents", broken.clone()).await;
    let first = path("incidents", &incident);
    assert!(incident["priority"].is_i64() && incident["team_id"].is_string(), "{incident:#}");
    let clocks = sees(server, Alex, &format!("{first}/service-clocks")).await;
    assert!(each(&clocks["items"], "metric").contains(&&json!("resolution")), "{clocks:#}");

    // Alex takes it. Nothing is known about it, so he raises a problem.
    let known = wrote(server, Alex, "/api/v1/known-errors/suggest", typed.clone()).await;
    assert_eq!(known["items"], json!([]));
    wrote(server, Alex, &format!("{first}/start"), json!({})).await;
    server.at("2026-03-03T12:00:00Z");
    let raised =
        wrote(server, Alex, &format!("{first}/raise-problem"), json!({"title": "The database runs full"})).await;
    let problem = path("problems", &raised["problem"]);

    // Nora finds out why, and how to live with it: from now on it is a known error.
    server.at("2026-03-03T13:00:00Z");
    for step in ["assess", "analyse"] {
        wrote(server, Nora, &format!("{problem}/{step}"), json!({})).await;
    }
    let why = |question: &str, answer: &str| json!({"question": question, "answer": answer});
    let whys = [
        why("Why is no order stored?", "The disk is full."),
        why("Why is it full?", "Old logs are never removed."),
        why("Why not?", "Nobody said how long they are kept."),
    ];
    let whys = json!({"title": "Why the shop stopped", "finding": {"technique": "five_whys", "whys": whys}});
    wrote(server, Nora, &format!("{problem}/analyses"), whys).await;
    let cause = json!({"cause": "Old logs are kept for ever.", "workaround": "Remove the logs of last month."});
    wrote(server, Nora, &format!("{problem}/fix"), cause).await;
    wrote(server, Nora, &format!("{problem}/publish-workaround"), json!({"audience": "public"})).await;
    let comments = sees(server, Rita, &format!("{first}/journal")).await;
    assert_eq!(each(&comments["items"], "body"), [&json!("Workaround: Remove the logs of last month.")]);

    // Rob types the same, and is helped at once.
    server.at("2026-03-03T14:00:00Z");
    let known = wrote(server, Alex, "/api/v1/known-errors/suggest", typed.clone()).await;
    assert_eq!(known["items"][0]["workaround"], "Remove the logs of last month.");
    let again = wrote(server, Rob, "/api/v1/incidents", broken).await;
    let second = path("incidents", &again);
    let same = json!({"relation": "caused_by", "record_id": known["items"][0]["id"]});
    wrote(server, Alex, &format!("{second}/links"), same).await;
    let comments = sees(server, Rob, &format!("{second}/journal")).await;
    assert_eq!(each(&comments["items"], "body"), [&json!("Workaround: Remove the logs of last month.")]);

    // What ends it is a change. What it would hit is looked at before anybody is asked.
    let plan = json!({
        "title": "Keep logs for a week", "change_type": "normal", "assignee_id": Alex.id(&server.assembly),
        "configuration_item_id": machine["id"], "implementation_plan": "Rotate daily, keep seven, restart the database.",
        "backout_plan": "Restore the old settings.", "test_plan": "Done on the test shop.",
        "planned_start": "2026-03-04T20:00:00Z", "planned_end": "2026-03-04T21:00:00Z",
        "outage_start": "2026-03-04T20:30:00Z", "outage_end": "2026-03-04T20:35:00Z",
    });
    let raised = wrote(server, Alex, &format!("{problem}/raise-change"), plan).await;
    let change = path("changes", &raised["change"]);
    let preview = sees(server, Alex, &format!("{change}/impact-preview")).await;
    assert_eq!(each(&preview["touches"], "title"), ["shop-db-1", "Shop"], "{preview:#}");
    assert_eq!((&preview["outage_minutes"], &preview["conflicts"]), (&json!(5), &json!([])));
    assert_eq!(preview["open_incidents"].as_array().unwrap().len(), 2);
    let work =
        tasks(server, Alex, &change, &["Take a backup", "Rotate the logs", "Tell the shop that it is over"]).await;

    // Its risk is assessed, and those who have to agree are asked. Nobody goes on before they have.
    wrote(server, Alex, &format!("{change}/assess"), json!({})).await;
    wrote(server, Alex, &format!("{change}/request_authorisation"), json!({})).await;
    server.post(&format!("{change}/schedule"), json!({})).by(Nora).expect(409).await;
    // The change manager comes first, then the board, of which more than one has to agree. Rita has no say: it is asked for in her name.
    let approval = agreed(server, Nora, &change, "Do it at night.").await;
    assert_eq!(each(&approval["stages"], "name"), ["Change manager", "Change advisory board"]);
    assert_eq!(each(&approval["stages"], "state"), ["approved", "open"]);
    agreed(server, Vera, &change, "Tell the shop before.").await;
    server.post(&format!("{change}/schedule"), json!({})).by(Nora).expect(409).await;
    assert_eq!(agreed(server, Rob, &change, "").await["state"], "approved");
    wrote(server, Nora, &format!("{change}/schedule"), json!({})).await;

    // Wednesday night: it is made, and goes well. On Thursday it is looked at again.
    server.at("2026-03-04T20:00:00Z");
    wrote(server, Alex, &format!("{change}/implement"), json!({})).await;
    done(server, Alex, &change, &work[0]).await;
    done(server, Alex, &change, &work[1]).await;
    server.post(&format!("{change}/complete"), json!({"result": "successful"})).by(Alex).expect(409).await;
    done(server, Alex, &change, &work[2]).await;
    server.at("2026-03-04T20:50:00Z");
    wrote(server, Alex, &format!("{change}/complete"), json!({"result": "successful"})).await;
    server.at("2026-03-05T09:00:00Z");
    let learned = json!({"review_notes": "Five minutes were enough. The other shops are next."});
    assert_eq!(wrote(server, Nora, &format!("{change}/close"), learned).await["state"], "closed");
    let caused = sees(server, Alex, &format!("{change}/caused-incidents")).await;
    assert_eq!(caused["items"], json!([]));

    // So the problem is solved, and with it both incidents.
    wrote(server, Nora, &format!("{problem}/resolve"), json!({"resolution_notes": "Logs are kept for a week."})).await;
    let code = json!({"resolution_code": "fixed"});
    let solved = wrote(server, Nora, &format!("{problem}/resolve-incidents"), code).await;
    assert_eq!(each(&solved["incidents"], "state"), ["resolved", "resolved"], "{solved:#}");
    assert_eq!(wrote(server, Nora, &format!("{problem}/close"), json!({})).await["state"], "closed");
    assert_eq!(sees(server, Rita, &first).await["resolution_notes"], "Logs are kept for a week.");

    // The story, from the incident on: everything that was done, in order, and why.
    let story = format!("/api/v1/records/{}/story", incident["number"].as_str().unwrap());
    let told = sees(server, Admin, &story).await;
    assert_eq!(each(&told["records"], "kind"), ["incident", "problem", "incident", "change"], "{told:#}");
    assert_eq!(told["complete"], true);
    let chapters = told["chapters"].as_array().unwrap();
    assert!(chapters.is_sorted_by_key(|chapter| chapter["at"].as_str().unwrap()));
    every_decision_is_told(server, &told).await;
    let page = server.get(&story).by(Admin).header("accept", "text/markdown").expect(200).await.text();
    golden::holds("tests/api/golden/thread.md", &page);
}
