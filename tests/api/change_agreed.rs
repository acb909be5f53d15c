//! That nothing is made but what was approved: no step, patch, link, model or later window gets around it.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::{
    change::{approvals, approve, fail, held, made, managed, normal, read, take},
    configuration::{SERVICES, item, relate, service},
    support::{Person::*, Server, people},
};

/// A normal change that was approved and scheduled.
pub async fn scheduled(server: &Server, body: Value) -> String {
    let change = asked(server, body).await;
    for approval in approvals(server, &change).await {
        approve(server, &approval).await;
    }
    take(server, &change, "schedule", json!({})).await;
    change
}

/// One that somebody is asked about.
pub async fn asked(server: &Server, body: Value) -> String {
    let change = made(server, body).await;
    take(server, &change, "assess", json!({})).await;
    take(server, &change, "request_authorisation", json!({})).await;
    change
}

pub fn states(approvals: &[Value]) -> Vec<&str> {
    approvals.iter().map(|approval| approval["state"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn a_step_takes_nothing_along_that_was_not_approved() {
    let server = managed().await;
    let change = scheduled(&server, normal()).await;
    let other = json!({"implementation_plan": "Something else."});
    let refused = server.post(&format!("{change}/implement"), other.clone()).by(Admin).expect(409).await.json();
    assert_eq!(
        (&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]),
        (&json!("/implementation_plan"), &json!("approval"))
    );
    assert_eq!(states(&approvals(&server, &change).await), ["approved"]);
    // How it is tested and who is told is approved as well.
    for plan in ["test_plan", "communication_plan"] {
        let refused = server.post(&format!("{change}/implement"), json!({plan: "None."})).by(Admin).expect(409).await;
        assert_eq!(refused.json()["errors"][0]["pointer"], format!("/{plan}"));
    }
    take(&server, &change, "implement", json!({})).await;
    let late = server.patch(&change, other).by(Admin).header("if-match", "*").expect(422).await.json();
    assert_eq!(late["errors"][0]["code"], "fixed");
    let weighed = json!({"answers": [{"question": "users", "answer": "all"}]});
    let path = format!("{change}/risk-assessment");
    server.ask(Method::PUT, &path).json(weighed).by(Admin).expect(409).await;
    assert_eq!(read(&server, &change).await["risk"], "low");
}

#[actix_web::test]
async fn the_times_that_were_approved_are_those_it_is_scheduled_for() {
    let server = managed().await;
    let change = asked(&server, normal()).await;
    approve(&server, &approvals(&server, &change).await[0]).await;
    let later = json!({"planned_start": "2026-03-10T20:00:00Z", "planned_end": "2026-03-10T22:00:00Z"});
    let refused = server.post(&format!("{change}/schedule"), later.clone()).by(Admin).expect(409).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/planned_start", "{refused}");
    // A form sends what the step needs, whether it is another or not.
    let same = json!({"planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00.000Z"});
    take(&server, &change, "schedule", same).await;
    assert_eq!(states(&approvals(&server, &change).await), ["approved"]);
    // Of what nobody was asked about, the step says it.
    let model = json!({"name": "restart", "change_type": "standard", "fields": {"implementation_plan": "One by one."}, "tasks": []});
    server.post("/api/v1/change-models", model).by(Nora).expect(201).await;
    let mut body = normal();
    body.as_object_mut().unwrap().retain(|name, _| name == "title" || name.starts_with("planned"));
    (body["change_type"], body["model"]) = (json!("standard"), json!("restart"));
    let standard = made(&server, body).await;
    assert_eq!(
        take(&server, &standard, "schedule", later.clone()).await.field("planned_start"),
        "2026-03-10T20:00:00Z"
    );
    // One that had no time is given one, and is asked about again.
    let mut body = normal();
    body.as_object_mut().unwrap().retain(|name, _| !name.starts_with("planned"));
    let change = asked(&server, body).await;
    approve(&server, &approvals(&server, &change).await[0]).await;
    take(&server, &change, "schedule", later).await;
    assert_eq!(states(&approvals(&server, &change).await), ["pending", "void"]);
}

#[actix_web::test]
async fn what_it_affects_is_fixed_once_work_has_begun() {
    let server = managed().await;
    let [web, disk] = [item(&server, "server", "web", json!({})).await, item(&server, "storage", "d", json!({})).await];
    let change = made(&server, normal()).await;
    let link = |to: &str| json!({"relation": "affects", "record_id": to});
    let path = format!("{change}/links");
    let first = server.post(&path, link(&web)).by(Admin).expect(201).await.field("id");
    take(&server, &change, "assess", json!({})).await;
    take(&server, &change, "request_authorisation", json!({})).await;
    approve(&server, &approvals(&server, &change).await[0]).await;
    take(&server, &change, "schedule", json!({})).await;
    take(&server, &change, "implement", json!({})).await;
    server.post(&path, link(&disk)).by(Admin).expect(409).await;
    let gone = server.ask(Method::DELETE, &format!("{path}/{first}")).by(Admin).header("if-match", "*");
    gone.expect(409).await;
    let page = server.get(&path).by(Admin).expect(200).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "nothing of it is written");
}

#[actix_web::test]
async fn what_a_step_finds_to_be_riskier_is_asked_about_again() {
    let server = managed().await;
    let network = people::team(&server.assembly, "network");
    let mut body = normal();
    body["team_id"] = json!(network);
    let change = asked(&server, body).await;
    approve(&server, &approvals(&server, &change).await[0]).await;
    fail(&server, network).await;
    server.at("2026-03-04T09:00:00Z");
    let refused = server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/risk", "{refused}");
    // Nor without its team.
    let nobodys = json!({"team_id": null, "assignee_id": null});
    let refused = server.post(&format!("{change}/schedule"), nobodys).by(Admin).expect(409).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/risk", "{refused}");
    // To say something judges nothing.
    server.patch(&change, json!({"comment": "What now?"})).by(Nora).header("if-match", "*").expect(200).await;
    assert_eq!(states(&approvals(&server, &change).await), ["approved"]);
    // Who asks who approves asks of the risk of now.
    let again = json!({"decision": "approve"});
    server.post(&format!("{change}/decisions"), again).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(read(&server, &change).await["risk"], "high");
    assert_eq!(states(&approvals(&server, &change).await), ["rejected", "void"], "there is no board");
}

/// A policy that goes live meanwhile and is asked again, because somebody wants to know.
#[actix_web::test]
async fn what_is_judged_again_is_asked_about_again() {
    let server = managed().await;
    let mut body = normal();
    body["backout_plan"] = Value::Null;
    let change = asked(&server, body).await;
    approve(&server, &approvals(&server, &change).await[0]).await;
    server.post("/api/v1/policies/assess_risk_plans/versions/1/publish", json!({})).by(Admin).expect(200).await;
    let again = json!({"decision": "assess_risk"});
    server.post(&format!("{change}/decisions"), again).by(Admin).header("if-match", "*").expect(200).await;
    assert_ne!(read(&server, &change).await["risk"], "low");
    let now = states(&approvals(&server, &change).await).join(" ");
    assert!(now.ends_with("void") && !now.contains("approved"), "{now}");
}

#[actix_web::test]
async fn what_was_begun_is_given_up_with_what_came_of_it() {
    let server = managed().await;
    let early = scheduled(&server, normal()).await;
    let failed = json!({"result": "failed", "result_notes": "The old one is back."});
    server.post(&format!("{early}/cancel"), failed.clone()).by(Admin).expect(409).await;
    let cancelled = take(&server, &early, "cancel", json!({})).await.json();
    assert_eq!((&cancelled["state"], &cancelled["actual_end"]), (&json!("cancelled"), &Value::Null));
    let change = scheduled(&server, normal()).await;
    take(&server, &change, "implement", json!({})).await;
    for (input, wrong) in [
        (json!({}), vec!["/result", "/result_notes"]),
        (json!({"result": "successful", "result_notes": "Fine."}), vec!["/result"]),
        (json!({"result": "backed_out"}), vec!["/result_notes"]),
    ] {
        let refused = server.post(&format!("{change}/cancel"), input).by(Admin).expect(409).await.json();
        let places: Vec<&str> =
            refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(places, wrong, "{refused}");
    }
    let cancelled = take(&server, &change, "cancel", failed.clone()).await.json();
    assert_eq!((&cancelled["state"], cancelled["actual_end"].is_string()), (&json!("cancelled"), true));
    // A board looks at what was done in an emergency.
    let mut emergency = normal();
    emergency["change_type"] = json!("emergency");
    let emergency = made(&server, emergency).await;
    approve(&server, &approvals(&server, &emergency).await[0]).await;
    take(&server, &emergency, "schedule", json!({})).await;
    take(&server, &emergency, "implement", json!({})).await;
    let refused = server.post(&format!("{emergency}/cancel"), failed).by(Admin).expect(409).await.json();
    assert_eq!(refused["errors"][0]["code"], "cab_review", "{refused}");
}

#[actix_web::test]
async fn what_was_rejected_last_is_rejected() {
    let server = managed().await;
    let change = scheduled(&server, normal()).await;
    // It is looked at once more, and this time she says no: what she said before counts no more.
    take(&server, &change, "assess", json!({})).await;
    take(&server, &change, "request_authorisation", json!({})).await;
    let again = approvals(&server, &change).await;
    assert_eq!((states(&again), &again[1]["reason"]), (vec!["pending", "void"], &json!("asked_again")));
    let path = format!("/api/v1/approvals/{}/reject", again[0]["id"].as_str().unwrap());
    server.post(&path, json!({"comment": "Not this week."})).by(Nora).expect(200).await;
    let held = server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await.json();
    assert_eq!(held["errors"][0]["code"], "approval");
    // Nor does the word of somebody else take its place.
    let friend = json!({
        "title": "It is fine", "stages": [{
            "name": "A friend", "approvers": [{"kind": "user", "user_id": Rob.id(&server.assembly)}], "quorum": {"kind": "any"},
        }],
    });
    let friend = server.post(&format!("{change}/approvals"), friend).by(Admin).expect(201).await.field("id");
    server.post(&format!("/api/v1/approvals/{friend}/approve"), json!({})).by(Rob).expect(200).await;
    server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await;
}

#[actix_web::test]
async fn a_standard_change_is_what_its_model_says() {
    let server = managed().await;
    let model = |name: &str, of: &str| {
        let fields = json!({"implementation_plan": "One node after the other."});
        json!({"name": name, "change_type": of, "fields": fields, "tasks": []})
    };
    let restart = server.post("/api/v1/change-models", model("restart-web", "standard")).by(Nora).expect(201).await;
    server.post("/api/v1/change-models", model("new-web", "normal")).by(Nora).expect(201).await;
    let body = |name: &str, of: &str| {
        json!({
            "title": "Restart", "change_type": of, "model": name, "planned_start": "2026-03-07T20:00:00Z",
            "planned_end": "2026-03-07T22:00:00Z",
        })
    };
    let mut other = body("restart-web", "standard");
    other["implementation_plan"] = json!("Drop the database.");
    let refused = server.post("/api/v1/changes", other).by(Alex).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/implementation_plan");
    let standard = made(&server, body("restart-web", "standard")).await;
    let patch = json!({"implementation_plan": "Drop the database."});
    server.patch(&standard, patch).by(Alex).header("if-match", "*").expect(422).await;
    let normal = made(&server, body("new-web", "normal")).await;
    let patch = json!({"change_type": "standard"});
    server.patch(&normal, patch).by(Alex).header("if-match", "*").expect(422).await;
    let path = format!("/api/v1/change-models/{}", restart.field("id"));
    server.patch(&path, json!({"active": false})).by(Nora).header("if-match", "*").expect(200).await;
    let refused = server.post(&format!("{standard}/schedule"), json!({})).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/model");
}

#[actix_web::test]
async fn a_freeze_that_comes_later_holds() {
    let server = managed().await;
    let change = asked(&server, normal()).await;
    let approval = &approvals(&server, &change).await[0];
    approve(&server, approval).await;
    let freeze = json!({"name": "Freeze", "kind": "blackout", "starts_at": "2026-03-07T21:00:00Z", "ends_at": "2026-03-08T06:00:00Z"});
    server.post("/api/v1/change-windows", freeze).by(Nora).expect(201).await;
    let refused = server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await.json();
    assert!(refused["detail"].as_str().unwrap().contains("It meets Freeze"), "{refused}");
    let later = json!({"planned_start": "2026-03-10T20:00:00Z", "planned_end": "2026-03-10T22:00:00Z"});
    server.patch(&change, later).by(Admin).header("if-match", "*").expect(200).await;
    for approval in approvals(&server, &change).await.iter().filter(|approval| approval["state"] == "pending") {
        approve(&server, approval).await;
    }
    take(&server, &change, "schedule", json!({})).await;
    // Nor is it begun in it, at another time than it was planned for.
    server.at("2026-03-08T05:00:00Z");
    held(&server, &change, "implement").await;
    server.at("2026-03-10T20:10:00Z");
    take(&server, &change, "implement", json!({})).await;
}

#[actix_web::test]
async fn what_it_touches_decides_who_is_asked() {
    let server = managed().await;
    let body = json!({"name": "change-advisory-board", "organisation_id": null});
    let board = server.post("/api/v1/teams", body).by(Admin).expect(201).await.field("id");
    let seat = format!("/api/v1/teams/{board}/members/{}", Rob.id(&server.assembly));
    server.ask(Method::PUT, &seat).by(Admin).header("if-match", "*").send().await;
    let (machine, shop) = (item(&server, "server", "db-1", json!({})).await, service(&server, "Shop").await);
    let gold = json!({"criticality": "gold"});
    server.patch(&format!("{SERVICES}/{shop}"), gold).by(Admin).header("if-match", "*").expect(200).await;
    relate(&server, (SERVICES, &shop), "depends_on", &machine, None).await;
    // The shop is not named, but it goes down with the machine.
    let mut body = normal();
    body["configuration_item_id"] = json!(machine);
    let change = asked(&server, body).await;
    let now = read(&server, &change).await;
    assert_eq!((&now["criticality"], &now["risk"]), (&json!("gold"), &json!("high")));
    let stages = |approval: &Value| -> Vec<String> {
        let stages = approval["stages"].as_array().unwrap();
        stages.iter().map(|stage| stage["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stages(&approvals(&server, &change).await[0]), ["Change manager", "Change advisory board"]);
    // A change of something else is asked about again once it affects the machine, from whichever end that is said.
    let other = scheduled(&server, normal()).await;
    assert_eq!(read(&server, &other).await["criticality"], Value::Null);
    let link = json!({"relation": "affected_by", "record_id": other.rsplit('/').next().unwrap()});
    server.post(&format!("/api/v1/configuration_items/{machine}/links"), link).by(Admin).expect(201).await;
    let now = approvals(&server, &other).await;
    assert_eq!((states(&now), stages(&now[0]).len()), (vec!["pending", "void"], 2));
    held(&server, &other, "implement").await;
}

#[actix_web::test]
async fn a_stage_in_which_nobody_can_decide_takes_no_other_along() {
    let server = managed().await;
    let body = json!({"name": "change-advisory-board", "organisation_id": null});
    server.post("/api/v1/teams", body).by(Admin).expect(201).await;
    let mut body = normal();
    (body["criticality"], body["risk"]) = (Value::Null, Value::Null);
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let shop = service(&server, "Shop").await;
    server
        .patch(&format!("{SERVICES}/{shop}"), json!({"criticality": "gold"}))
        .by(Admin)
        .header("if-match", "*")
        .expect(200)
        .await;
    body["service_id"] = json!(shop);
    let change = asked(&server, body).await;
    let now = approvals(&server, &change).await;
    let names: Vec<&Value> = now[0]["stages"].as_array().unwrap().iter().map(|stage| &stage["name"]).collect();
    assert_eq!(names, ["Change manager", "Change manager"], "nobody sits on the board: {now:#?}");
    let why = now[0]["description"].as_str().unwrap();
    assert!(why.starts_with("Nobody whom the policies name can decide \"Change advisory board\""), "{why}");
}

#[actix_web::test]
async fn of_two_that_meet_only_one_is_agreed_to_at_once() {
    let server = managed().await;
    let other = server.beside().await;
    let fields = json!({"implementation_plan": "One node after the other."});
    let model = json!({"name": "restart", "change_type": "standard", "fields": fields, "tasks": []});
    server.post("/api/v1/change-models", model).by(Nora).expect(201).await;
    for round in 0..6 {
        let thing = item(&server, "server", &format!("node-{round}"), json!({})).await;
        let body = json!({
            "title": "Restart it", "change_type": "standard", "model": "restart", "configuration_item_id": thing,
            "planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z",
        });
        let (one, two) = (made(&server, body.clone()).await, made(&server, body).await);
        let schedule = async |server: &Server, change: &str| {
            server.post(&format!("{change}/schedule"), json!({})).by(Admin).send().await.status.as_u16()
        };
        let statuses = futures_util::future::join(schedule(&server, &one), schedule(&other, &two)).await;
        assert!(statuses == (200, 409) || statuses == (409, 200), "round {round}: {statuses:?}");
    }
}

#[actix_web::test]
async fn a_standard_change_has_the_tasks_of_its_model() {
    let server = managed().await;
    let tasks = json!([{"title": "Drain a node"}, {"title": "Restart it"}]);
    let fields = json!({"implementation_plan": "One node after the other."});
    let model = json!({"name": "restart", "change_type": "standard", "fields": fields, "tasks": tasks});
    server.post("/api/v1/change-models", model).by(Nora).expect(201).await;
    let body = json!({
        "title": "Restart it", "change_type": "standard", "model": "restart",
        "planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z",
    });
    let (whole, less) = (made(&server, body.clone()).await, made(&server, body).await);
    let page = server.get(&format!("{less}/tasks")).by(Admin).expect(200).await.json();
    let task = format!("{less}/tasks/{}", page["items"][0]["id"].as_str().unwrap());
    server.ask(Method::DELETE, &task).by(Admin).header("if-match", "*").status().await;
    let refused = server.post(&format!("{less}/schedule"), json!({})).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["code"], "task", "{refused}");
    take(&server, &whole, "schedule", json!({})).await;
}
