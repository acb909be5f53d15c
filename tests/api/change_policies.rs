//! What the policies that ship say of changes: risk, freezes, two people at least, and the board. Each is asked by the API, and rehearsed.

use serde_json::{Value, json};

use crate::{
    change::{approvals, approve, fail, held, made, managed, normal, read, take},
    configuration::{SERVICES, item, relate, service},
    support::{Person::*, Server, people},
};

/// A normal change that is asked about, with this beside.
async fn asked(server: &Server, beside: Value) -> String {
    let mut body = normal();
    body.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
    let change = made(server, body).await;
    take(server, &change, "assess", json!({})).await;
    take(server, &change, "request_authorisation", json!({})).await;
    change
}

/// What becomes of the latest approval, why, and who is asked in it.
async fn latest(server: &Server, change: &str) -> (String, String, Vec<String>) {
    let approval = approvals(server, change).await.swap_remove(0);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let stages = approval["stages"].as_array().unwrap().iter().map(|stage| text(&stage["name"])).collect();
    (text(&approval["state"]), text(&approval["description"]), stages)
}

async fn decisions(server: &Server, change: &str, kind: &str) -> Vec<Value> {
    let page = server.get(&format!("{change}/decisions")).by(Admin).expect(200).await.json();
    page["items"].as_array().unwrap().iter().filter(|one| one["kind"] == kind).cloned().collect()
}

/// A standard change by a model of its own.
async fn standard(server: &Server, model: &str, beside: Value) -> String {
    let fields = json!({"implementation_plan": "One node after the other."});
    let new = json!({"name": model, "change_type": "standard", "fields": fields, "tasks": []});
    server.post("/api/v1/change-models", new).by(Nora).expect(201).await;
    let mut body = json!({
        "title": "Restart it", "change_type": "standard", "model": model, "planned_start": "2026-03-07T20:00:00Z",
        "planned_end": "2026-03-07T22:00:00Z",
    });
    body.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
    made(server, body).await
}

/// The team that looks at what much depends on, with Vera on it.
async fn board(server: &Server) {
    let body = json!({"name": "change-advisory-board", "organisation_id": null});
    let board = server.post("/api/v1/teams", body).by(Admin).expect(201).await.field("id");
    let seat = format!("/api/v1/teams/{board}/members/{}", Vera.id(&server.assembly));
    server.ask(actix_web::http::Method::PUT, &seat).by(Admin).header("if-match", "*").send().await;
}

async fn publish(server: &Server, policy: &str) {
    server.post(&format!("/api/v1/policies/{policy}/versions/1/publish"), json!({})).by(Admin).expect(200).await;
}

#[actix_web::test]
async fn a_standard_change_is_agreed_to_by_the_risk_of_now() {
    let server = managed().await;
    let network = people::team(&server.assembly, "network");
    let change = standard(&server, "restart", json!({"team_id": network})).await;
    assert_eq!(
        (&read(&server, &change).await["risk"], &read(&server, &change).await["team_failures"]),
        (&json!("low"), &json!(0))
    );
    // Meanwhile what the team does goes wrong.
    fail(&server, network).await;
    server.at("2026-03-04T09:00:00Z");
    let refused = server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await.json();
    assert_eq!(refused["errors"][0]["code"], "approval");
    assert!(refused["detail"].as_str().unwrap().contains("They say: "), "{refused}");
    let now = read(&server, &change).await;
    assert_eq!((&now["state"], &now["risk"]), (&json!("new"), &json!("low")), "nothing of it is written");
    // Why it was refused is found all the same: what was said, of which risk, and that nothing came of it.
    let said = decisions(&server, &change, "approve").await;
    assert!(said.iter().any(|one| one["input"]["record"]["risk"] == "high"), "{said:#?}");
    assert!(said.iter().all(|one| one["applied"] == json!([])));
    let risen = decisions(&server, &change, "assess_risk").await;
    assert_eq!((&risen[0]["result"][0]["level"], &risen[0]["applied"]), (&json!("high"), &json!([])), "{:#}", risen[0]);
}

#[actix_web::test]
async fn in_a_freeze_nothing_is_approved_but_an_emergency() {
    let server = managed().await;
    let freeze = json!({"name": "Quarter end", "kind": "blackout", "starts_at": "2026-03-07T21:00:00Z", "ends_at": "2026-03-08T06:00:00Z"});
    server.post("/api/v1/change-windows", freeze).by(Nora).expect(201).await;
    let at = |start: &str, end: &str| json!({"planned_start": start, "planned_end": end});
    for (start, end, state) in [
        ("2026-03-07T19:00:00Z", "2026-03-07T21:00:00Z", "pending"),
        ("2026-03-07T19:00:00Z", "2026-03-07T21:00:01Z", "rejected"),
        ("2026-03-08T05:59:59Z", "2026-03-08T07:00:00Z", "rejected"),
        ("2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z", "pending"),
    ] {
        let change = asked(&server, at(start, end)).await;
        assert_eq!(latest(&server, &change).await.0, state, "{start} to {end}");
    }
    let change = asked(&server, at("2026-03-07T20:00:00Z", "2026-03-07T22:00:00Z")).await;
    let (state, why, _) = latest(&server, &change).await;
    assert_eq!((state.as_str(), why.as_str()), ("rejected", "It falls into Quarter end; plan it for another time."));
    server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await;
    let later = at("2026-03-10T20:00:00Z", "2026-03-10T22:00:00Z");
    server.patch(&change, later).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(latest(&server, &change).await.0, "pending", "at another time others are asked");
    // Not even a standard one is made then, and the buttons say so.
    let restart = standard(
        &server,
        "restart",
        json!({"planned_start": "2026-03-07T22:00:00Z", "planned_end": "2026-03-07T23:00:00Z"}),
    )
    .await;
    let refused = server.post(&format!("{restart}/schedule"), json!({})).by(Admin).expect(409).await.json();
    assert!(refused["detail"].as_str().unwrap().contains("It falls into Quarter end"), "{refused}");
    let urgent = json!({"title": "Close the hole", "change_type": "emergency", "planned_start": "2026-03-07T22:00:00Z", "planned_end": "2026-03-07T23:00:00Z"});
    let urgent = made(&server, urgent).await;
    assert_eq!(latest(&server, &urgent).await, ("pending".to_owned(), String::new(), vec!["Emergency".to_owned()]));
}

#[actix_web::test]
async fn nobody_makes_alone_what_they_asked_for() {
    let server = managed().await;
    let [alex, nora, rita] = [Alex, Nora, Rita].map(|person| person.id(&server.assembly));
    for (n, (requester, assignee, status)) in [
        (alex, alex, 409),
        // He opened it in her name.
        (rita, alex, 409),
        (rita, rita, 409),
        (rita, nora, 200),
    ]
    .into_iter()
    .enumerate()
    {
        let day = |hour: u8| format!("2026-03-1{n}T{hour}:00:00Z");
        let parts = json!({
            "requester_id": requester, "assignee_id": assignee, "planned_start": day(20), "planned_end": day(22),
        });
        let change = standard(&server, &format!("restart-{n}"), parts).await;
        server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(status).await;
    }
    // Nor is it taken once it was agreed to.
    let change = standard(&server, "restart", json!({})).await;
    take(&server, &change, "schedule", json!({})).await;
    let took = json!({"assignee_id": alex});
    server.post(&format!("{change}/implement"), took.clone()).by(Admin).expect(409).await;
    let given = json!({"assignee_id": nora});
    server.patch(&change, given).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(latest(&server, &change).await.0, "approved", "she did not ask for it");
    server.patch(&change, took).by(Admin).header("if-match", "*").expect(200).await;
    let (state, _, stages) = latest(&server, &change).await;
    assert_eq!((state.as_str(), stages), ("pending", vec!["Change manager".to_owned()]));
    held(&server, &change, "implement").await;
    approve(&server, &approvals(&server, &change).await[0]).await;
    take(&server, &change, "implement", json!({})).await;
    // Of what is nobody's, nobody knows whether it is theirs who asked for it: it is not begun.
    let change = standard(&server, "nobodys", json!({})).await;
    take(&server, &change, "schedule", json!({})).await;
    let refused = server.post(&format!("{change}/implement"), json!({})).by(Admin).expect(409).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/assignee_id", "{refused}");
    take(&server, &change, "implement", json!({"assignee_id": nora})).await;
    // Nor does anybody make what they have agreed to.
    let change =
        asked(&server, json!({"planned_start": "2026-03-08T20:00:00Z", "planned_end": "2026-03-08T22:00:00Z"})).await;
    approve(&server, &approvals(&server, &change).await[0]).await;
    take(&server, &change, "schedule", json!({})).await;
    let own = json!({"assignee_id": nora});
    let refused = server.post(&format!("{change}/implement"), own).by(Admin).expect(409).await.json();
    assert_eq!(refused["errors"][0]["code"], "approval", "{refused}");
    take(&server, &change, "implement", json!({})).await;
    // Nor is it handed over to her while it is made, nor to another team.
    for parts in [
        json!({"assignee_id": nora}),
        json!({"requester_id": nora}),
        json!({"team_id": people::team(&server.assembly, "network")}),
    ] {
        let refused = server.patch(&change, parts).by(Admin).header("if-match", "*").expect(422).await.json();
        assert!(["duties", "fixed"].contains(&refused["errors"][0]["code"].as_str().unwrap()), "{refused}");
    }
    server.patch(&change, json!({"assignee_id": rita})).by(Admin).header("if-match", "*").expect(200).await;
    take(&server, &change, "complete", json!({"result": "successful"})).await;
    // What the policies agreed to by themselves goes to whom they agree.
    let change = standard(
        &server,
        "handed-over",
        json!({"planned_start": "2026-03-20T20:00:00Z", "planned_end": "2026-03-20T22:00:00Z"}),
    )
    .await;
    take(&server, &change, "schedule", json!({})).await;
    take(&server, &change, "implement", json!({})).await;
    server.patch(&change, json!({"assignee_id": alex})).by(Admin).header("if-match", "*").expect(422).await;
    server.patch(&change, json!({"assignee_id": rita})).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(latest(&server, &change).await.0, "approved");
    take(&server, &change, "complete", json!({"result": "successful"})).await;
    // Where the managers are asked anyhow, they are not asked twice.
    let change = asked(&server, json!({"assignee_id": alex})).await;
    assert_eq!(latest(&server, &change).await.2, ["Change manager"]);
    let asked = &approvals(&server, &change).await[0]["stages"][0]["approvers"];
    assert_eq!(asked.as_array().unwrap().len(), 1, "{asked}");
}

#[actix_web::test]
async fn what_is_for_the_board_waits_for_one() {
    let server = managed().await;
    let shop = service(&server, "Shop").await;
    let gold = json!({"criticality": "gold"});
    server.patch(&format!("{SERVICES}/{shop}"), gold).by(Admin).header("if-match", "*").expect(200).await;
    let change = asked(&server, json!({"service_id": shop})).await;
    let (state, why, _) = latest(&server, &change).await;
    assert_eq!(state, "rejected");
    assert!(why.contains("An administrator makes the team `change-advisory-board`"), "{why}");
    server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await;
    board(&server).await;
    take(&server, &change, "assess", json!({})).await;
    take(&server, &change, "request_authorisation", json!({})).await;
    assert_eq!(latest(&server, &change).await.2, ["Change manager", "Change advisory board"]);
    let asked = approvals(&server, &change).await.swap_remove(0);
    approve(&server, &asked).await;
    server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await;
    let path = format!("/api/v1/approvals/{}/approve", asked["id"].as_str().unwrap());
    server.post(&path, json!({})).by(Vera).expect(200).await;
    take(&server, &change, "schedule", json!({})).await;
}

#[actix_web::test]
async fn risk_sees_all_that_a_change_touches_and_what_it_is() {
    let server = managed().await;
    publish(&server, "assess_risk_shared_parts").await;
    let class = json!({"name": "ledger_store", "label": "Ledger store", "parent": "database", "attributes": []});
    server.post("/api/v1/classes", class).by(Admin).expect(201).await;
    for (class, environment, risk) in [
        ("switch", "production", "high"),
        ("firewall", "test", "medium"),
        ("ledger_store", "production", "high"),
        ("server", "production", "medium"),
        ("server", "test", "low"),
    ] {
        let thing = item(&server, class, &format!("{class} in {environment}"), json!({})).await;
        let where_it_is = json!({"environment": environment});
        let path = format!("/api/v1/configuration_items/{thing}");
        server.patch(&path, where_it_is).by(Admin).header("if-match", "*").expect(200).await;
        let mut body = normal();
        body["configuration_item_id"] = json!(thing);
        let own = made(&server, body).await;
        let own_risk = read(&server, &own).await["risk"].clone();
        // It is the same whether it is the first thing that is named, or one of those that are affected.
        let other = made(&server, normal()).await;
        let link = json!({"relation": "affects", "record_id": thing});
        server.post(&format!("{other}/links"), link).by(Admin).expect(201).await;
        let risks = (own_risk, read(&server, &other).await["risk"].clone());
        assert_eq!(risks, (json!(risk), json!(risk)), "{class} in {environment}");
        let seen = &decisions(&server, &own, "assess_risk").await[0]["input"]["record"];
        let ci = &seen["ci"];
        assert_eq!(
            (&ci["class"], &ci["is_a"][0], &ci["criticality"]),
            (&json!(class), &json!(class), &json!("bronze"))
        );
    }
}

/// Each of the policies about changes that ships, and what makes it speak.
#[actix_web::test]
async fn each_that_ships_goes_live_speaks_and_is_rehearsed() {
    let server = managed().await;
    let (shop, switch) = (service(&server, "Shop").await, item(&server, "switch", "core", json!({})).await);
    let runs = json!({"support_team_id": people::team(&server.assembly, "network")});
    server.patch(&format!("{SERVICES}/{shop}"), runs).by(Admin).header("if-match", "*").expect(200).await;
    let frozen = json!({"name": "Frozen", "kind": "blackout", "starts_at": "2026-05-01T00:00:00Z", "ends_at": "2026-05-02T00:00:00Z"});
    server.post("/api/v1/change-windows", frozen).by(Nora).expect(201).await;
    relate(&server, (SERVICES, &shop), "depends_on", &switch, None).await;
    let outage =
        json!({"service_id": shop, "outage_start": "2026-03-07T20:00:00Z", "outage_end": "2026-03-07T21:00:00Z"});
    let own = json!({"assignee_id": Alex.id(&server.assembly)});
    let restart = standard(&server, "restart", own.clone()).await;
    server.post(&format!("{restart}/schedule"), json!({})).by(Admin).expect(409).await;
    let in_freeze = json!({"planned_start": "2026-05-01T20:00:00Z", "planned_end": "2026-05-01T21:00:00Z"});
    let cases = [
        ("approve", "freeze_periods", in_freeze, "reject"),
        ("approve", "separation_of_duties", own, "require"),
        ("approve", "outages", outage, "require"),
        ("assess_risk", "team_history", json!({}), "risk"),
        ("assess_risk", "plans", json!({"backout_plan": null}), "risk"),
        ("assess_risk", "shared_parts", json!({"configuration_item_id": switch}), "risk"),
    ];
    let page = server.get("/api/v1/policies").by(Admin).expect(200).await.json();
    let policies = page["items"].as_array().unwrap();
    for (decision, name, beside, effect) in cases {
        let policy = format!("{decision}_{name}");
        let row = policies.iter().find(|one| one["name"] == policy.as_str()).unwrap();
        if row["active_version"].is_null() {
            publish(&server, &policy).await;
        }
        let change = asked(&server, beside).await;
        let said = decisions(&server, &change, decision).await;
        let speaks = |one: &&Value| one["policy_id"] == row["id"] && one["result"][0]["effect"] == effect;
        let spoke = said.iter().find(speaks).unwrap_or_else(|| panic!("{policy}: {said:#?}"));
        let replay = server.post(&format!("/api/v1/decisions/{}/replay", spoke["id"].as_str().unwrap()), json!({}));
        assert_eq!(replay.by(Admin).expect(200).await.json()["same"], true, "{policy}");
        let version = format!("/api/v1/policies/{policy}/versions");
        let source = server.get(&format!("{version}/1")).by(Admin).expect(200).await.field("source");
        let quiet = json!({"source": source.replacen(" when ", " when false and ", 9), "message": "Says nothing"});
        let candidate = server.post(&version, quiet).by(Admin).expect(201).await.field("number");
        let job = server
            .post(&format!("{version}/{candidate}/back-tests"), json!({}))
            .by(Admin)
            .expect(202)
            .await
            .field("id");
        server.assembly.jobs().work_off().await.unwrap();
        let report =
            server.get(&format!("/api/v1/back-tests/{job}")).by(Admin).expect(200).await.json()["report"].clone();
        let different = report["different"].as_u64().unwrap();
        assert!(different > 0 && report["errors"] == 0, "{policy}: {report:#}");
    }
}
