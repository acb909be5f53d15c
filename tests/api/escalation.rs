//! Escalations through the API: by clocks, by changes, again and again, by hand; and the answer that ends them.

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::schema::outbox;
use serde_json::{Value, json};

use crate::support::{Answer, Person::*, Server, people::team};

const POLICIES: &str = "/api/v1/policies";

/// Puts a policy in the place of the one that ships.
async fn publish(server: &Server, body: &str) {
    publish_as(server, "escalation_incidents", body).await;
}

async fn publish_as(server: &Server, policy: &str, body: &str) {
    let versions = format!("{POLICIES}/{policy}/versions");
    let source =
        format!("fn escalate(incident, moment) {{\n{body}\n}}\n\nfn test_it_runs() {{\n    expect(1, 1);\n}}\n");
    let number = server.post(&versions, json!({"source": source})).by(Admin).expect(201).await.field("number");
    let publish = server.post(&format!("{versions}/{number}/publish"), json!({})).by(Admin).header("if-match", "*");
    publish.expect(200).await;
}

async fn incident(server: &Server, more: Value) -> (String, Answer) {
    let mut body = json!({"title": "Mail does not arrive"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = server.post("/api/v1/incidents", body).by(Rita).expect(201).await;
    (format!("/api/v1/incidents/{}", made.field("id")), made)
}

async fn fire(server: &Server) -> usize {
    server.assembly.jobs().fire_timers().await.unwrap()
}

/// The escalations of an incident, the oldest first.
async fn told(server: &Server, incident: &str) -> Vec<Value> {
    let list = server.get(&format!("{incident}/escalations")).by(Alex).expect(200).await.json();
    list["items"].as_array().unwrap().iter().rev().cloned().collect()
}

/// What each of them said, and whether it was answered.
async fn gists(server: &Server, incident: &str) -> Vec<String> {
    let gist = |one: &Value| {
        let said = one["said"].as_array().unwrap().iter().map(|said| {
            let level = said["level"].as_i64().map(|level| format!(" {level}")).unwrap_or_default();
            format!("{}{level} {}", said["effect"].as_str().unwrap(), said["who"].as_str().unwrap_or_default())
        });
        let said = said.collect::<Vec<_>>().join(", ");
        format!(
            "{} {}: {said} - {}",
            one["cause"].as_str().unwrap(),
            one["repeats"],
            one["answer"].as_str().unwrap_or("?")
        )
    };
    told(server, incident).await.iter().map(gist).collect()
}

async fn seen(server: &Server, incident: &str) -> Value {
    server.get(incident).by(Admin).expect(200).await.json()
}

fn events(server: &Server, named: &'static str) -> Vec<Value> {
    let payloads: Vec<String> = server
        .assembly
        .database
        .read_here(|c| {
            let named = outbox::table.filter(outbox::event.eq(named)).order(outbox::at);
            Ok(named.select(outbox::payload).load(c)?)
        })
        .unwrap();
    payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect()
}

#[actix_web::test]
async fn a_missed_promise_goes_up_and_a_warning_is_told_to_the_team() {
    let server = Server::start().await;
    let new = json!({"name": "duty-manager", "organisation_id": pointsman_organisation(&server)});
    server.post("/api/v1/teams", new).by(Admin).expect(201).await;
    let (incident, _) = incident(&server, json!({})).await;
    server.at("2026-03-04T08:30:00Z");
    fire(&server).await;
    assert_eq!(gists(&server, &incident).await, ["warning 0: notify service-desk - ?"]);
    assert_eq!(seen(&server, &incident).await["escalated_at"], Value::Null, "nobody was called");
    server.at("2026-03-04T11:00:00Z");
    fire(&server).await;
    let gists = gists(&server, &incident).await;
    assert_eq!(gists[1..], ["breach 0: escalate_to 1 duty-manager - ?"]);
    let record = seen(&server, &incident).await;
    assert_eq!((&record["escalation_level"], &record["escalated_at"]), (&json!(1), &json!("2026-03-04T11:00:00Z")));
    let told = told(&server, &incident).await;
    assert_eq!((&told[1]["percent"], told[1]["clock_id"].is_null()), (&json!(100), false));
    assert_eq!(told[1]["record_version"], record["version"]);
    assert_eq!(events(&server, "incident.escalated")[0]["level"], 1);
    // Why stands in the decision of that version.
    let decisions = server.get(&format!("{incident}/decisions")).by(Admin).expect(200).await.json();
    let why = decisions["items"].as_array().unwrap().iter().find(|d| d["record_version"] == record["version"]).unwrap();
    assert_eq!((&why["kind"], &why["outcome"]), (&json!("escalation"), &json!("ok")));
    let why = server.get(&format!("/api/v1/decisions/{}", why["id"].as_str().unwrap())).by(Admin).expect(200).await;
    assert!(why.text().contains("The duty managers hear that one was missed"), "{}", why.text());
    let again = format!("/api/v1/decisions/{}/replay", why.field("id"));
    assert_eq!(server.post(&again, json!({})).by(Admin).expect(200).await.field("same"), "true");
}

fn pointsman_organisation(server: &Server) -> String {
    crate::support::people::organisation(&server.assembly, "Acme").to_string()
}

#[actix_web::test]
async fn who_is_called_is_called_again_until_somebody_answers() {
    let server = Server::start().await;
    publish(
        &server,
        "    rule \"Twice is enough\" when moment.repeats == 2 then escalate_to(2, \"nora\");\n    rule \"Call\" when moment.cause == \"created\" also page(\"alex\");\n    rule \"Again\" when moment.cause == \"created\" then again_in(\"PT10M\");",
    )
    .await;
    let (first, _) = incident(&server, json!({})).await;
    assert_eq!(gists(&server, &first).await, ["created 0: page alex - ?"]);
    assert_eq!(events(&server, "incident.paged")[0]["who"], "alex");
    server.at("2026-03-03T11:10:00Z");
    assert_eq!((fire(&server).await, fire(&server).await), (1, 0));
    server.at("2026-03-03T11:20:00Z");
    fire(&server).await;
    server.at("2026-03-03T12:20:00Z");
    fire(&server).await;
    let gists_of_first = gists(&server, &first).await;
    assert_eq!(
        gists_of_first,
        ["created 0: page alex - ?", "created 1: page alex - ?", "created 2: escalate_to 2 nora - ?"],
        "the last does not ask for more"
    );
    // Who is escalated to follows it from then on.
    let watchers = server.get(&format!("{first}/watchers")).by(Alex).expect(200).await.json();
    let mut names: Vec<&str> =
        watchers["items"].as_array().unwrap().iter().map(|w| w["user_name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["alex", "nora"]);

    let (second, _) = incident(&server, json!({})).await;
    // The requester's own words are no answer.
    server.patch(&second, json!({"comment": "Hello?"})).header("if-match", "*").by(Rita).expect(200).await;
    assert_eq!(gists(&server, &second).await, ["created 0: page alex - ?"]);
    let answered = server.post(&format!("{second}/escalations/acknowledge"), json!({})).by(Alex).expect(200).await;
    assert_eq!(answered.json()["escalated_at"], Value::Null);
    server.at("2026-03-04T12:20:00Z");
    fire(&server).await;
    let escalations = told(&server, &second).await;
    let calls = escalations.iter().filter(|one| one["cause"] == "created").count();
    assert_eq!(calls, 1, "nobody is called after the answer: {escalations:?}");
    assert_eq!(
        (&escalations[0]["answer"], &escalations[0]["answered_by"]["user_name"], &escalations[0]["again_at"]),
        (&json!("acknowledged"), &json!("alex"), &Value::Null)
    );
    server.post(&format!("{second}/escalations/acknowledge"), json!({})).by(Alex).expect(409).await;
}

#[actix_web::test]
async fn a_step_a_comment_an_assignment_and_the_end_are_answers() {
    let server = Server::start().await;
    publish(&server, "    rule \"Call\" when moment.cause == \"created\" then page(\"service-desk\");").await;
    let alex = Alex.id(&server.assembly);
    for (way, body, answer) in [
        ("start", json!({}), "stepped"),
        ("", json!({"comment": "We look into it."}), "commented"),
        ("", json!({"assignee_id": alex}), "assigned"),
        ("resolve", resolution(), "ended"),
    ] {
        let (incident, _) = incident(&server, json!({})).await;
        match way {
            "" => server.patch(&incident, body).header("if-match", "*").by(Alex).expect(200).await,
            step => server.post(&format!("{incident}/{step}"), body).by(Alex).expect(200).await,
        };
        assert_eq!(gists(&server, &incident).await, [format!("created 0: page service-desk - {answer}")]);
        assert_eq!(seen(&server, &incident).await["escalated_at"], Value::Null);
    }
    // Work notes are for colleagues: nobody knows of them who waits.
    let (incident, _) = incident(&server, json!({})).await;
    server.patch(&incident, json!({"work_note": "Hm."})).header("if-match", "*").by(Alex).expect(200).await;
    assert_eq!(gists(&server, &incident).await, ["created 0: page service-desk - ?"]);
}

#[actix_web::test]
async fn a_change_asks_once_and_what_comes_of_it_asks_nothing() {
    let server = Server::start().await;
    publish(
        &server,
        "    rule \"Handed over\" when moment.cause == \"reassigned\" also assign(if incident.team == \"network\" { \"service-desk\" } else { \"network\" });\n    rule \"More urgent\" when moment.cause == \"reassigned\" also raise(1);\n    rule \"Reopened\" when moment.cause == \"reopened\" then escalate_to(incident.reopen_count, \"nora\");",
    )
    .await;
    let (incident, made) = incident(&server, json!({"impact": 2, "urgency": 2})).await;
    assert_eq!(made.field("priority"), "3");
    let network = team(&server.assembly, "network");
    server.patch(&incident, json!({"team_id": network})).header("if-match", "*").by(Alex).expect(200).await;
    let record = seen(&server, &incident).await;
    assert_eq!(
        (&record["reassignment_count"], &record["priority"], &record["team_id"]),
        (&json!(0), &json!(2), &json!(team(&server.assembly, "service-desk"))),
        "it was given back in the same breath"
    );
    assert_eq!(gists(&server, &incident).await.len(), 1);
    for level in 1..=2 {
        server.post(&format!("{incident}/resolve"), resolution()).by(Alex).expect(200).await;
        server.post(&format!("{incident}/reopen"), json!({})).by(Alex).expect(200).await;
        assert_eq!(seen(&server, &incident).await["escalation_level"], level);
    }
}

#[actix_web::test]
async fn a_policy_that_fails_is_asked_again_and_the_administrators_hear_of_it() {
    let server = Server::start().await;
    // One that has no good version to fall back to.
    let new = json!({"name": "escalation_own", "decision": "escalation"});
    server.post(POLICIES, new).by(Admin).expect(201).await;
    publish_as(
        &server,
        "escalation_own",
        "    let late = moment.deadline.hour;\n    rule \"x\" when late > 30 then leave();",
    )
    .await;
    let (incident, _) = incident(&server, json!({})).await;
    let waits = told(&server, &incident).await;
    assert_eq!((&waits[0]["said"], &waits[0]["repeats"]), (&json!([]), &json!(0)));
    assert_eq!(waits[0]["again_at"], "2026-03-03T11:15:00Z");
    assert_eq!(events(&server, "policy.notified")[0]["who"], "administrators");
    publish_as(&server, "escalation_own", "    rule \"Mended\" when moment.cause == \"created\" then page(\"alex\");")
        .await;
    server.at("2026-03-03T11:15:00Z");
    fire(&server).await;
    assert_eq!(gists(&server, &incident).await[1..], ["created 0: page alex - ?"]);
}

/// A policy that fails and has no good version to fall back to; then one in its place that calls Alex.
async fn failing(server: &Server) {
    let new = json!({"name": "escalation_own", "decision": "escalation"});
    server.post(POLICIES, new).by(Admin).expect(201).await;
    publish_as(
        server,
        "escalation_own",
        "    let late = moment.deadline.hour;\n    rule \"x\" when late > 30 then leave();",
    )
    .await;
}

async fn mended(server: &Server) {
    publish_as(server, "escalation_own", "    rule \"Mended\" when moment.cause == \"created\" then page(\"alex\");")
        .await;
    server.at("2026-03-03T11:15:00Z");
    fire(server).await;
}

#[actix_web::test]
async fn only_what_failed_is_asked_again_and_not_after_an_answer() {
    let server = Server::start().await;
    publish(
        &server,
        "    rule \"Call\" when moment.cause == \"created\" and incident.impact == 1 then page(\"nora\");",
    )
    .await;
    failing(&server).await;
    let (said, _) = incident(&server, json!({"impact": 1})).await;
    let (worked_on, _) = incident(&server, json!({})).await;
    let (resolved, _) = incident(&server, json!({})).await;
    assert_eq!(gists(&server, &said).await, ["created 0: page nora - ?"]);
    server.at("2026-03-03T11:05:00Z");
    server.post(&format!("{worked_on}/start"), json!({})).by(Alex).expect(200).await;
    server.post(&format!("{resolved}/resolve"), resolution()).by(Alex).expect(200).await;
    let version = seen(&server, &resolved).await["version"].clone();
    mended(&server).await;
    assert_eq!(
        gists(&server, &said).await,
        ["created 0: page nora - ?", "created 0: page alex - ?"],
        "nora is not called twice"
    );
    for incident in [&worked_on, &resolved] {
        assert_eq!(gists(&server, incident).await.len(), 1, "nobody is called after the answer");
    }
    assert_eq!(seen(&server, &resolved).await["version"], version);
    server.post(&format!("{resolved}/decisions"), json!({"decision": "escalation"})).by(Alex).expect(409).await;
}

#[actix_web::test]
async fn each_thing_that_a_write_changes_is_asked_about() {
    let server = Server::start().await;
    publish(
        &server,
        "    rule \"First\" when moment.cause == \"priority\" and incident.priority == 1 then page(\"nora\");",
    )
    .await;
    let (incident, _) = incident(&server, json!({})).await;
    let network = team(&server.assembly, "network");
    let change = json!({"impact": 1, "urgency": 1, "team_id": network});
    server.patch(&incident, change).header("if-match", "*").by(Alex).expect(200).await;
    assert_eq!(gists(&server, &incident).await, ["priority 0: page nora - ?"]);
}

#[actix_web::test]
async fn a_miss_that_comes_with_a_write_is_told_and_other_terms_call_nobody() {
    let server = Server::start().await;
    publish(&server, "    rule \"Late\" when moment.cause == \"breach\" then escalate_to(1, \"nora\");").await;
    let (first, _) = incident(&server, json!({})).await;
    let (second, _) = incident(&server, json!({})).await;
    server.at("2026-03-03T16:30:00Z");
    // By the target of priority 1 it has been late for an hour and a half.
    server.patch(&first, json!({"impact": 1, "urgency": 1})).header("if-match", "*").by(Alex).expect(200).await;
    fire(&server).await;
    let told = gists(&server, &first).await;
    assert!(told.iter().all(|gist| gist.starts_with("breach")) && !told.is_empty(), "{told:?}");
    let level = json!({
        "name": "Taken over", "kind": "incident", "agreement": "sla", "metric": "takeover",
        "terms": {"calendar": "around-the-clock", "stop": "state != new", "retroactive": true, "targets": [{"duration": "PT1M"}]},
    });
    server.post("/api/v1/service-levels", level).by(Admin).expect(201).await;
    server.at("2026-03-03T16:31:00Z");
    server.assembly.jobs().recheck_clocks().await.unwrap();
    let clocks = server.get(&format!("{second}/service-clocks")).by(Alex).expect(200).await.json();
    let taken_over = clocks["items"].as_array().unwrap().iter().find(|clock| clock["metric"] == "takeover").unwrap();
    assert!(!taken_over["breached_at"].is_null());
    fire(&server).await;
    assert_eq!(gists(&server, &second).await, Vec::<String>::new());
    // With another target in the same moment, the clock that is told of is the one that is kept.
    server.at("2026-03-11T16:31:00Z");
    fire(&server).await;
    assert!(gists(&server, &second).await.iter().any(|gist| gist.starts_with("breach 0: escalate_to 1 nora")));
}

fn resolution() -> Value {
    json!({"resolution_code": "fixed", "resolution_notes": "It was full.", "resolution_kind": "permanent"})
}

#[actix_web::test]
async fn an_answer_comes_from_somebody_who_works_on_it() {
    let server = Server::start().await;
    publish(&server, "    rule \"Call\" when moment.cause == \"created\" then page(\"nora\");").await;
    let (one, _) = incident(&server, json!({})).await;
    let watcher = format!("{one}/watchers/{}", Rob.id(&server.assembly));
    server.ask(Method::PUT, &watcher).header("if-match", "*").by(Alex).expect(204).await;
    server.patch(&one, json!({"comment": "Me too"})).header("if-match", "*").by(Rob).expect(200).await;
    assert_eq!(gists(&server, &one).await, ["created 0: page nora - ?"]);
    // Who calls somebody and says so has not answered; who is called has.
    let nora = Nora.id(&server.assembly);
    server.post(&format!("{one}/escalations"), json!({"level": 2, "user_id": nora})).by(Alex).expect(200).await;
    server.patch(&one, json!({"comment": "We have called Nora."})).header("if-match", "*").by(Alex).expect(200).await;
    assert!(!seen(&server, &one).await["escalated_at"].is_null());
    server.patch(&one, json!({"comment": "I am here."})).header("if-match", "*").by(Nora).expect(200).await;
    assert!(seen(&server, &one).await["escalated_at"].is_null());
    // A parent's start answers for its children, and whoever needs it may be the one who works on it.
    let (parent, made) = incident(&server, json!({})).await;
    let child = json!({"title": "A part of it", "parent_id": made.field("id")});
    let child = server.post("/api/v1/incidents", child).by(Alex).expect(201).await;
    server.post(&format!("{parent}/start"), json!({})).by(Alex).expect(200).await;
    let child = format!("/api/v1/incidents/{}", child.field("id"));
    assert_eq!(gists(&server, &child).await, ["created 0: page nora - stepped"]);
    server.get(&format!("{one}/escalations")).by(Rita).expect(403).await;
}

#[actix_web::test]
async fn people_escalate_by_hand_to_somebody_whom_they_see() {
    let server = Server::start().await;
    let (incident, _) = incident(&server, json!({})).await;
    let path = format!("{incident}/escalations");
    let nora = Nora.id(&server.assembly);
    server.post(&path, json!({"level": 2, "user_id": nora})).by(Rita).expect(403).await;
    for (body, pointer) in [
        (json!({"level": 0, "user_id": nora}), "/level"),
        (json!({"level": 10, "user_id": nora}), "/level"),
        (json!({"level": 1}), ""),
        (json!({"level": 1, "user_id": nora, "team_id": team(&server.assembly, "network")}), ""),
        (json!({"level": 1, "user_id": Bea.id(&server.assembly)}), "/user_id"),
    ] {
        let refused = server.post(&path, body).by(Alex).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let tried = server.post(&format!("{path}?dry_run=true"), json!({"level": 2, "user_id": nora})).by(Alex);
    assert_eq!(tried.expect(200).await.field("escalation_level"), "2");
    assert_eq!(seen(&server, &incident).await["escalation_level"], 0);
    let made = server.post(&path, json!({"level": 2, "user_id": nora})).by(Alex).header("x-reason", "The board asks.");
    let made = made.expect(200).await;
    assert_eq!(
        (made.field("escalation_level"), made.field("escalated_at")),
        ("2".to_owned(), "2026-03-03T11:00:00Z".to_owned())
    );
    let told = told(&server, &incident).await;
    assert_eq!((&told[0]["author"]["user_name"], &told[0]["reason"]), (&json!("alex"), &json!("The board asks.")));
    let history = server.get(&format!("{incident}/history")).by(Alex).expect(200).await.json();
    assert_eq!(history["items"][0]["action"], "incident.escalated_by_hand");
    assert_eq!(events(&server, "incident.escalated")[0]["who"], "nora");
    // Who answers takes a step of their own.
    server.post(&format!("{incident}/start"), json!({})).by(Nora).expect(200).await;
    assert_eq!(gists(&server, &incident).await, ["by_hand 0: escalate_to 2 nora - stepped"]);
    let lists = server.get("/api/v1/incidents?filter=escalation_level%20%3E%3D%202").by(Alex).expect(200).await.json();
    assert_eq!(lists["items"].as_array().unwrap().len(), 1);
    server.ask(Method::GET, &path).by(Bea).expect(404).await;
    server.post(&format!("{incident}/resolve"), resolution()).by(Alex).expect(200).await;
    server.post(&path, json!({"level": 3, "user_id": nora})).by(Alex).expect(409).await;
}

#[actix_web::test]
async fn an_escalation_is_tried_at_any_moment_without_effect() {
    let server = Server::start().await;
    let (incident, _) = incident(&server, json!({"impact": 1, "urgency": 1})).await;
    let id = incident.rsplit('/').next().unwrap();
    let source = "fn escalate(incident, moment) {\n    rule \"Late\" when moment.cause == \"breach\" and moment.percent >= 100 also page(\"alex\");\n    rule \"Major\" when moment.cause == \"breach\" then propose_major();\n}\n";
    for (moment, escalate) in [
        (json!({"cause": "breach", "percent": 100}), json!(["page alex", "propose major"])),
        (json!("warning"), json!([])),
        (Value::Null, json!([])),
    ] {
        let asked = json!({"decision": "escalation", "record": id, "source": source, "moment": moment});
        let came = server.post("/api/v1/policies/simulate", asked).by(Admin).expect(200).await.json();
        assert_eq!(came["would"]["escalate"], escalate, "{came}");
    }
    let asked = json!({"decision": "escalation", "record": id, "moment": {"cose": "breach"}});
    let refused = server.post("/api/v1/policies/simulate", asked).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/moment/cose");
    assert_eq!(seen(&server, &incident).await["major"], Value::Null);
}
