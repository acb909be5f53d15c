//! Approvals: who is asked, what decides, who never counts, and what becomes of it when the record changes.

mod delegations;
mod links;
mod races;
mod seen;
mod timely;

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::schema::{audit, outbox, team_member, user_account};
use serde_json::{Value, json};

use crate::support::{
    Answer,
    Person::{self, *},
    Server, people,
    sample::{all, create, kinds, one},
};

/// An incident of Rita's with the service desk, opened by Alex.
async fn incident(server: &Server) -> String {
    let body = json!({
        "title": "The core switch drops packets", "requester_id": Rita.id(&server.assembly).to_string(),
        "team_id": people::team(&server.assembly, "service-desk").to_string(),
    });
    let made = server.post("/api/v1/incidents", body).by(Alex).expect(201).await;
    format!("/api/v1/incidents/{}", made.field("id"))
}

/// An approver by name.
fn user(server: &Server, person: Person) -> Value {
    json!({"kind": "user", "user_id": person.id(&server.assembly).to_string()})
}

/// A stage that asks people by name.
fn stage(server: &Server, people: &[Person], quorum: Value) -> Value {
    let approvers: Vec<Value> = people.iter().map(|person| user(server, *person)).collect();
    json!({"name": "Those who know", "approvers": approvers, "quorum": quorum})
}

fn any() -> Value {
    json!({"kind": "any"})
}

fn asking(stages: Vec<Value>) -> Value {
    json!({"title": "Replace the core switch", "stages": stages})
}

/// Asks in the administrator's name.
async fn ask(server: &Server, record: &str, stages: Vec<Value>) -> Answer {
    server.post(&format!("{record}/approvals"), asking(stages)).by(Admin).expect(201).await
}

/// Where an approval is.
fn at(approval: &Answer) -> String {
    format!("/api/v1/approvals/{}", approval.field("id"))
}

async fn approve(server: &Server, path: &str, person: Person, status: u16) -> Answer {
    server.post(&format!("{path}/approve"), json!({})).by(person).expect(status).await
}

async fn reject(server: &Server, path: &str, person: Person, status: u16) -> Answer {
    server.post(&format!("{path}/reject"), json!({"comment": "Not now"})).by(person).expect(status).await
}

async fn state(server: &Server, path: &str) -> String {
    server.get(path).by(Admin).expect(200).await.field("state")
}

/// What the audit trail says was done to a record.
fn trail(server: &Server, record: &str) -> Vec<String> {
    let id = record.rsplit('/').next().unwrap().to_owned();
    let of = audit::table.filter(audit::subject_id.eq(id)).order(audit::subject_version).select(audit::action);
    server.assembly.database.read_here(|c| Ok(of.load(c)?)).unwrap()
}

/// The events of a record about its approvals.
fn events(server: &Server, record: &str) -> Vec<String> {
    let id = record.rsplit('/').next().unwrap().to_owned();
    let of = outbox::table.filter(outbox::record_id.eq(id)).order(outbox::id).select(outbox::event);
    let all: Vec<String> = server.assembly.database.read_here(|c| Ok(of.load(c)?)).unwrap();
    all.into_iter().filter(|event| event.contains("approv")).collect()
}

fn voters(approval: &Value, stage: usize) -> Vec<(String, Value)> {
    let voters = approval["stages"][stage]["voters"].as_array().unwrap();
    voters.iter().map(|v| (v["user_id"].as_str().unwrap().to_owned(), v["excluded"].clone())).collect()
}

async fn refused(server: &Server, record: &str, by: Person, stages: Vec<Value>) -> Value {
    let refused = server.post(&format!("{record}/approvals"), asking(stages)).by(by).expect(422).await.json();
    refused["errors"][0].clone()
}

async fn set_manager(server: &Server, of: Person, manager: Person) {
    let path = format!("/api/v1/users/{}", of.id(&server.assembly));
    let change = json!({"manager_id": manager.id(&server.assembly).to_string()});
    server.patch(&path, change).by(Admin).header("if-match", "*").expect(200).await;
}

#[actix_web::test]
async fn records_of_every_kind_are_approved_in_stages() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        let path = one(kind, &made);
        let stages = || vec![stage(&server, &[Alex], any()), stage(&server, &[Nora, Vera], json!({"kind": "all"}))];
        let dry = server.post(&format!("{path}/approvals?dry_run=true"), asking(stages())).by(Admin).expect(201).await;
        assert_eq!((dry.field("state"), dry.header("location")), ("pending".to_owned(), String::new()));
        let stale = server.post(&format!("{path}/approvals"), asking(stages())).by(Admin).header("if-match", "\"99\"");
        stale.expect(412).await;
        let asked = server.post(&format!("{path}/approvals"), asking(stages())).by(Admin).seen(&made);
        let asked = asked.expect(201).await;
        assert_eq!(asked.header("etag"), "\"2\"", "{}: it is a change of the record", kind.name);
        let approval = asked.header("location");
        assert_eq!(asked.json()["stages"][1]["state"], "waiting");
        assert_eq!(voters(&asked.json(), 1), [], "who is asked is found out when the stage opens");
        let early = server.post(&format!("{approval}/approve"), json!({})).by(Nora).send().await;
        assert_eq!(early.status.as_u16(), if kind.public { 403 } else { 404 }, "{}: not yet", kind.name);
        let first = approve(&server, &approval, Alex, 200).await;
        assert_eq!((first.field("state"), first.header("etag").as_str()), ("pending".to_owned(), "\"2\""));
        assert_eq!(first.json()["stages"][0]["state"], "approved");
        assert_eq!(first.json()["stages"][1]["needed"], 2);
        approve(&server, &approval, Vera, 200).await;
        let done = approve(&server, &approval, Nora, 200).await;
        assert_eq!((done.field("state"), done.json()["ended_at"].is_string()), ("approved".to_owned(), true));
        approve(&server, &approval, Nora, 409).await;
        let name = |what: &str| format!("{}.{what}", kind.name);
        let told = [name("approval_requested"), name("approval_voted"), name("approval_voted"), name("approved")];
        assert_eq!(trail(&server, &path)[1..], told);
        assert_eq!(events(&server, &path), told);
        let listed = server.get(&format!("{path}/approvals")).by(Admin).expect(200).await;
        assert_eq!((listed.header("etag").as_str(), &listed.json()["items"][0]), ("\"5\"", &done.json()));
        let whole = server.get(&path).by(Admin).expect(200).await;
        assert_eq!(whole.field("version"), "5");
    }
}

#[actix_web::test]
async fn each_quorum_decides_as_soon_as_it_can() {
    let server = Server::start().await;
    let people = [Nora, Vera, Rob];
    let cases: &[(Value, &str, &str)] = &[
        (any(), "a", "approved"),
        (any(), "rr", "pending"),
        (any(), "rra", "approved"),
        (any(), "rrr", "rejected"),
        (json!({"kind": "all"}), "aa", "pending"),
        (json!({"kind": "all"}), "aaa", "approved"),
        (json!({"kind": "all"}), "ar", "rejected"),
        (json!({"kind": "count", "number": 2}), "ar", "pending"),
        (json!({"kind": "count", "number": 2}), "ara", "approved"),
        (json!({"kind": "count", "number": 2}), "rr", "rejected"),
        (json!({"kind": "percent", "number": 34}), "a", "pending"),
        (json!({"kind": "percent", "number": 34}), "aa", "approved"),
        (json!({"kind": "percent", "number": 33}), "a", "approved"),
        (json!({"kind": "percent", "number": 100}), "r", "rejected"),
    ];
    for (quorum, votes, expected) in cases {
        let record = incident(&server).await;
        let approval = at(&ask(&server, &record, vec![stage(&server, &people, quorum.clone())]).await);
        for (person, vote) in people.iter().zip(votes.chars()) {
            match vote {
                'a' => approve(&server, &approval, *person, 200).await,
                _ => reject(&server, &approval, *person, 200).await,
            };
        }
        assert_eq!(state(&server, &approval).await, *expected, "{quorum} {votes}");
    }
}

#[actix_web::test]
async fn a_rejection_says_why_and_everything_is_in_the_history() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora], any())]).await);
    for body in [json!({}), json!({"comment": ""}), json!({"comment": "  "})] {
        server.post(&format!("{approval}/reject"), body).by(Nora).expect(422).await;
    }
    reject(&server, &approval, Nora, 200).await;
    let history = server.get(&format!("{record}/history")).by(Alex).expect(200).await.json();
    let entry = &history["items"][0];
    assert_eq!((&entry["action"], &entry["by"]["user_name"]), (&json!("incident.approval_rejected"), &json!("nora")));
    let told = &entry["changes"][0];
    assert_eq!(told["field"], "approval");
    assert_eq!(told["to"]["decided"], json!({"stage": "Those who know", "vote": "reject", "comment": "Not now"}));
    assert_eq!((&told["from"]["state"], &told["to"]["state"]), (&json!("pending"), &json!("rejected")));
}

#[actix_web::test]
async fn who_has_a_part_in_the_record_never_counts() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let assign = json!({"assignee_id": Alex.id(&server.assembly).to_string()});
    server.patch(&record, assign).by(Alex).header("if-match", "*").expect(200).await;
    let all = [Rita, Alex, Admin, Nora];
    let asked = ask(&server, &record, vec![stage(&server, &all, json!({"kind": "all"}))]).await;
    let excluded: Vec<Value> = voters(&asked.json(), 0).into_iter().map(|(_, excluded)| excluded).collect();
    let expected = [json!("requester"), json!("implementer"), json!("requester"), json!(null)];
    assert_eq!(excluded, expected, "requester, implementer, who asked, and Nora");
    for person in [Rita, Alex, Admin] {
        let refused = approve(&server, &at(&asked), person, 403).await;
        assert!(refused.field("detail").contains("count"), "{}", refused.text());
    }
    assert_eq!(approve(&server, &at(&asked), Nora, 200).await.field("state"), "approved", "all who count");
}

#[actix_web::test]
async fn a_quorum_that_can_never_be_reached_is_refused_when_it_is_made() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let count = |number: i32| json!({"kind": "count", "number": number});
    let cases = [
        vec![stage(&server, &[Rita], any())],
        vec![stage(&server, &[Alex], any())],
        vec![stage(&server, &[Admin], json!({"kind": "all"}))],
        vec![stage(&server, &[Nora, Vera, Nora], count(3))],
        vec![stage(&server, &[Nora, Rita], count(2))],
        vec![json!({"name": "Manager", "approvers": [{"kind": "manager"}]})],
        vec![json!({"name": "Owner", "approvers": [{"kind": "ci_owner"}]})],
    ];
    for stages in cases {
        let why = refused(&server, &record, Admin, stages.clone()).await;
        assert_eq!((&why["code"], &why["pointer"]), (&json!("unreachable"), &json!("/stages/0/quorum")), "{stages:?}");
    }
    let second = vec![stage(&server, &[Nora], any()), stage(&server, &[Rita], any())];
    assert_eq!(refused(&server, &record, Admin, second).await["pointer"], "/stages/1/quorum");
    assert_eq!(trail(&server, &record), ["incident.created"], "nothing is left of it");
}

#[actix_web::test]
async fn what_does_not_fit_is_refused_with_its_place() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let good = || stage(&server, &[Nora], any());
    let with = |name: &str, value: Value| {
        let mut stage = good();
        stage[name] = value;
        asking(vec![stage])
    };
    let by_calendar = |name: &str| {
        let mut stage = good();
        (stage["due_after"], stage["calendar"]) = (json!("PT4H"), json!(name));
        asking(vec![stage])
    };
    let covers = |names: &[&str]| {
        let mut body = asking(vec![good()]);
        body["covers"] = json!(names);
        body
    };
    let team = people::team(&server.assembly, "field").to_string();
    let cases = [
        (json!({"title": "", "stages": [good()]}), "/title"),
        (json!({"title": "x", "stages": []}), "/stages"),
        (json!({"title": "x", "stages": vec![good(); 11]}), "/stages"),
        (covers(&["titel"]), "/covers/0"),
        (covers(&["title", "version"]), "/covers/1"),
        (covers(&["state"]), "/covers/0"),
        (with("name", json!(" ")), "/stages/0/name"),
        (with("approvers", json!([])), "/stages/0/approvers"),
        (with("approvers", json!([{"kind": "user"}])), "/stages/0/approvers/0"),
        (with("approvers", json!([{"kind": "manager", "role": "agent"}])), "/stages/0/approvers/0"),
        (with("approvers", json!([{"kind": "role", "role": "emperor"}])), "/stages/0/approvers/0/role"),
        (with("approvers", json!([{"kind": "team", "team_id": team}])), "/stages/0/approvers/0/team_id"),
        (with("approvers", json!([user(&server, Bea)])), "/stages/0/approvers/0/user_id"),
        (with("quorum", json!({"kind": "count"})), "/stages/0/quorum/number"),
        (with("quorum", json!({"kind": "any", "number": 1})), "/stages/0/quorum/number"),
        (with("quorum", json!({"kind": "percent", "number": 101})), "/stages/0/quorum/number"),
        (with("due_after", json!("PT0S")), "/stages/0/due_after"),
        (with("due_after", json!("-PT1H")), "/stages/0/due_after"),
        (with("due_after", json!("PT9000H")), "/stages/0/due_after"),
        (with("calendar", json!("business-hours")), "/stages/0/calendar"),
        (by_calendar("busines-hours"), "/stages/0/calendar"),
    ];
    for (body, pointer) in cases {
        let refused = server.post(&format!("{record}/approvals"), body.clone()).by(Alex).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}: {refused}");
    }
    server.post(&format!("{record}/approvals"), json!({"stages": []})).by(Alex).expect(422).await;
    assert_eq!(trail(&server, &record), ["incident.created"]);
}

#[actix_web::test]
async fn teams_roles_owners_and_managers_are_asked_and_each_person_once() {
    let server = Server::start().await;
    let item =
        json!({"title": "Core switch", "class": "network_device", "owner_id": Nora.id(&server.assembly).to_string()});
    let item = server.post("/api/v1/configuration_items", item).by(Admin).expect(201).await.field("id");
    let other =
        json!({"title": "Firewall", "class": "network_device", "owner_id": Vera.id(&server.assembly).to_string()});
    let other = server.post("/api/v1/configuration_items", other).by(Admin).expect(201).await.field("id");
    set_manager(&server, Rita, Rob).await;
    let record = incident(&server).await;
    server.patch(&record, json!({"configuration_item_id": item})).by(Alex).header("if-match", "*").expect(200).await;
    let link = json!({"relation": "affects", "record_id": other});
    server.post(&format!("{record}/links"), link).by(Alex).expect(201).await;
    let network = people::team(&server.assembly, "network").to_string();
    let approvers = json!([
        {"kind": "team", "team_id": network}, {"kind": "ci_owner"}, {"kind": "manager"}, {"kind": "role", "role": "agent"},
        user(&server, Nora),
    ]);
    let asked =
        ask(&server, &record, vec![json!({"name": "All", "approvers": approvers, "quorum": {"kind": "all"}})]).await;
    let found: Vec<(String, String, bool)> = asked.json()["stages"][0]["voters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| {
            let text = |name: &str| v[name].as_str().unwrap().to_owned();
            (text("user_id"), text("because"), v["excluded"].is_null())
        })
        .collect();
    let id = |person: Person| person.id(&server.assembly).to_string();
    let expected = [
        (id(Nora), "team".to_owned(), true),
        (id(Vera), "ci_owner".to_owned(), true),
        (id(Rob), "manager".to_owned(), true),
        // Bea is an agent, too, and does not see the record.
        (id(Alex), "role".to_owned(), false),
    ];
    assert_eq!(found, expected);
}

#[actix_web::test]
async fn who_is_asked_is_as_the_team_is_when_the_stage_opens() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let network = people::team(&server.assembly, "network");
    let team = json!({"name": "Network", "approvers": [{"kind": "team", "team_id": network.to_string()}], "quorum": {"kind": "all"}});
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Vera], any()), team.clone()]).await);
    let vera = Vera.id(&server.assembly);
    let mut connection = server.assembly.database.connect().unwrap();
    diesel::insert_into(team_member::table)
        .values((team_member::team_id.eq(network), team_member::user_id.eq(vera)))
        .execute(&mut connection)
        .unwrap();
    let opened = approve(&server, &approval, Vera, 200).await.json();
    assert_eq!(voters(&opened, 1).len(), 2, "Vera has joined since");
    // Of another one, nobody is left when its turn comes.
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Vera], any()), team]).await);
    diesel::update(user_account::table.filter(user_account::user_name.eq("nora")))
        .set(user_account::active.eq(false))
        .execute(&mut connection)
        .unwrap();
    diesel::delete(team_member::table.filter(team_member::user_id.eq(vera))).execute(&mut connection).unwrap();
    let closed = approve(&server, &approval, Vera, 200).await.json();
    assert_eq!((&closed["state"], &closed["reason"]), (&json!("rejected"), &json!("quorum_unreachable")));
    assert_eq!(trail(&server, &record).last().unwrap(), "incident.approval_rejected");
}

#[actix_web::test]
async fn a_change_of_what_was_approved_makes_it_void_and_asks_again() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let stages = || vec![stage(&server, &[Nora], any()), stage(&server, &[Vera], any())];
    let mut of_title = asking(stages());
    of_title["covers"] = json!(["title"]);
    let granted = server.post(&format!("{record}/approvals"), of_title).by(Admin).expect(201).await;
    approve(&server, &at(&granted), Nora, 200).await;
    approve(&server, &at(&granted), Vera, 200).await;
    let mut of_description = asking(stages());
    of_description["covers"] = json!(["description", "impact"]);
    let pending = server.post(&format!("{record}/approvals"), of_description).by(Admin).expect(201).await;
    approve(&server, &at(&pending), Nora, 200).await;
    let change = async |body: Value| server.patch(&record, body).by(Alex).header("if-match", "*").expect(200).await;
    change(json!({"urgency": 1, "tags": ["switch"]})).await;
    assert_eq!(
        (state(&server, &at(&granted)).await, state(&server, &at(&pending)).await),
        ("approved".into(), "pending".into())
    );
    change(json!({"title": "The core switch is on fire"})).await;
    let void = server.get(&at(&granted)).by(Admin).expect(200).await.json();
    assert_eq!((&void["state"], &void["reason"]), (&json!("void"), &json!("changed")));
    assert_eq!(state(&server, &at(&pending)).await, "pending", "it does not cover the title");
    let again =
        server.get(&format!("{record}/approvals?limit=1")).by(Admin).expect(200).await.json()["items"][0].clone();
    assert_eq!((&again["replaces_id"], &again["state"]), (&json!(granted.field("id")), &json!("pending")));
    let states = |approval: &Value| {
        approval["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(&again), ["open", "waiting"], "from the first stage");
    assert_eq!(again["asked_by_id"], json!(Admin.id(&server.assembly).to_string()));
    let last = trail(&server, &record).last().unwrap().clone();
    assert_eq!(last, "incident.updated", "told in the same write");
    let history = server.get(&format!("{record}/history?limit=1")).by(Alex).expect(200).await.json();
    let changes = history["items"][0]["changes"].as_array().unwrap().clone();
    let told = changes.iter().find(|change| change["field"] == "approval").unwrap();
    assert_eq!((&told["from"][0]["state"], &told["to"][0]["state"]), (&json!("approved"), &json!("void")));
    assert_eq!(told["to"][1]["id"], again["id"]);
    let events = events(&server, &record);
    assert_eq!(events[events.len() - 2..], ["incident.approval_voided", "incident.approval_requested"]);
    approve(&server, &at(&granted), Nora, 409).await;
    change(json!({"description": "It burns"})).await;
    assert_eq!(state(&server, &at(&pending)).await, "void");
    let newest =
        server.get(&format!("{record}/approvals?limit=1")).by(Admin).expect(200).await.json()["items"][0].clone();
    let path = format!("/api/v1/approvals/{}", newest["id"].as_str().unwrap());
    approve(&server, &path, Nora, 200).await;
    assert_eq!(approve(&server, &path, Vera, 200).await.field("state"), "approved");
}

#[actix_web::test]
async fn who_becomes_the_implementer_counts_no_more() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let network = json!({"team_id": people::team(&server.assembly, "network").to_string()});
    server.patch(&record, network).by(Alex).header("if-match", "*").expect(200).await;
    let assign = async |person: Option<Person>| {
        let body = json!({"assignee_id": person.map(|person| person.id(&server.assembly).to_string())});
        server.patch(&record, body).by(Admin).header("if-match", "*").expect(200).await
    };
    // Before a vote: one fewer counts, and again one more.
    let waiting = ask(&server, &record, vec![stage(&server, &[Nora, Vera], json!({"kind": "all"}))]).await;
    let needed = async || server.get(&at(&waiting)).by(Admin).expect(200).await.json()["stages"][0]["needed"].clone();
    assert_eq!(needed().await, 2);
    assign(Some(Nora)).await;
    assert_eq!(needed().await, 1);
    approve(&server, &at(&waiting), Nora, 403).await;
    assign(None).await;
    assert_eq!(needed().await, 2);
    // Where nobody else is left, it is rejected.
    let alone = ask(&server, &record, vec![stage(&server, &[Nora], any())]).await;
    assign(Some(Nora)).await;
    let ended = server.get(&at(&alone)).by(Admin).expect(200).await.json();
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("rejected"), &json!("quorum_unreachable")));
    assert_eq!(events(&server, &record).last().unwrap(), "incident.approval_rejected");
    assign(None).await;
    // After a vote, what was granted by it is asked for again, of those who are left.
    let granted = ask(&server, &record, vec![stage(&server, &[Nora, Vera], any())]).await;
    assert_eq!(approve(&server, &at(&granted), Nora, 200).await.field("state"), "approved");
    assign(Some(Nora)).await;
    let void = server.get(&at(&granted)).by(Admin).expect(200).await.json();
    assert_eq!((&void["state"], &void["reason"]), (&json!("void"), &json!("separation_of_duties")));
    let again =
        server.get(&format!("{record}/approvals?limit=1")).by(Admin).expect(200).await.json()["items"][0].clone();
    assert_eq!((&again["replaces_id"], &again["state"]), (&json!(granted.field("id")), &json!("pending")));
    let path = format!("/api/v1/approvals/{}", again["id"].as_str().unwrap());
    approve(&server, &path, Nora, 403).await;
    assert_eq!(approve(&server, &path, Vera, 200).await.field("state"), "approved");
}

#[actix_web::test]
async fn what_is_closed_is_not_approved_any_more() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let pending = ask(&server, &record, vec![stage(&server, &[Nora], any())]).await;
    server.post(&format!("{record}/cancel"), json!({"comment": "It works again"})).by(Alex).expect(200).await;
    let void = server.get(&at(&pending)).by(Admin).expect(200).await.json();
    assert_eq!((&void["state"], &void["reason"]), (&json!("void"), &json!("record_closed")));
    let again = asking(vec![stage(&server, &[Nora], any())]);
    server.post(&format!("{record}/approvals"), again).by(Admin).expect(409).await;
}

#[actix_web::test]
async fn what_was_asked_is_taken_back_by_who_asked_or_works_on_it() {
    let server = Server::start().await;
    let record = incident(&server).await;
    for (person, status) in [(Nora, 200), (Admin, 200), (Rita, 403), (Ben, 403), (Bea, 404)] {
        let approval = ask(&server, &record, vec![stage(&server, &[Nora, Vera], any())]).await;
        let ended = server.post(&format!("{}/withdraw", at(&approval)), json!({"comment": "Later"})).by(person);
        let ended = ended.expect(status).await;
        let expected = if status == 200 { "withdrawn" } else { "pending" };
        assert_eq!(state(&server, &at(&approval)).await, expected, "{person:?}: {}", ended.text());
        if status == 200 {
            approve(&server, &at(&approval), Vera, 409).await;
            server.post(&format!("{}/withdraw", at(&approval)), json!({})).by(person).expect(409).await;
            assert_eq!(trail(&server, &record).last().unwrap(), "incident.approval_withdrawn");
        }
    }
}

#[actix_web::test]
async fn writes_keep_to_the_conventions() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let body = asking(vec![stage(&server, &[Nora, Vera], json!({"kind": "all"}))]);
    let post = || server.post(&format!("{record}/approvals"), body.clone()).by(Admin).header("idempotency-key", "one");
    let first = post().expect(201).await;
    let second = post().expect(201).await;
    assert_eq!((first.json(), second.header("idempotency-replayed").as_str()), (second.json(), "true"));
    let path = at(&first);
    let vote = || server.post(&format!("{path}/approve"), json!({})).by(Nora);
    vote().header("if-match", "\"7\"").expect(412).await;
    let rehearsed = server.post(&format!("{path}/approve?dry_run=true"), json!({})).by(Nora).expect(200).await;
    assert_eq!(rehearsed.json()["stages"][0]["voters"][0]["vote"], "approve");
    assert!(server.get(&path).by(Nora).expect(200).await.json()["stages"][0]["voters"][0]["vote"].is_null());
    let seen = server.get(&path).by(Nora).expect(200).await;
    let voted = vote().seen(&seen).header("idempotency-key", "two").expect(200).await;
    let replayed = vote().seen(&seen).header("idempotency-key", "two").expect(200).await;
    assert_eq!((voted.json(), replayed.header("idempotency-replayed").as_str()), (replayed.json(), "true"));
    vote().expect(409).await;
    server.get(&path).by(Nora).header("if-none-match", &voted.header("etag")).expect(304).await;
    server.post(&format!("{path}/approve"), json!({"coment": "x"})).by(Vera).expect(422).await;
    server.get("/api/v1/approvals/nothing").by(Admin).expect(404).await;
    server.ask(Method::DELETE, &path).by(Admin).expect(405).await;
}

#[actix_web::test]
async fn a_kind_without_a_requester_is_approved_too() {
    let server = Server::start().await;
    let kind = kinds().into_iter().find(|kind| kind.name == "configuration_item").unwrap();
    let body =
        json!({"title": "Core switch", "class": "network_device", "owner_id": Nora.id(&server.assembly).to_string()});
    let made = server.post(&all(kind), body).by(Admin).expect(201).await;
    let stages = vec![json!({"name": "Owner", "approvers": [{"kind": "ci_owner"}]})];
    let approval = ask(&server, &one(kind, &made), stages).await;
    assert_eq!(approve(&server, &at(&approval), Nora, 200).await.field("state"), "approved");
}
