//! Changes through the API: types and steps, risk, who approves, models and tasks, and what is in the way.

use actix_web::http::Method;
use pointsman::id::TeamId;
use serde_json::{Value, json};

use crate::{
    configuration::{ITEMS, SERVICES, group, import::import, item, relate, service, titles},
    support::{Answer, Person::*, Server, people},
};

/// A server on which Nora manages changes.
pub async fn managed() -> Server {
    let server = Server::start().await;
    let path = format!("/api/v1/users/{}/roles/change_manager", Nora.id(&server.assembly));
    server.ask(Method::PUT, &path).by(Admin).header("if-match", "*").expect(200).await;
    server
}

/// Lets a policy rest that ships.
pub async fn put_to_rest(server: &Server, policy: &str) {
    let rest = server.patch(&format!("/api/v1/policies/{policy}"), json!({"enabled": false}));
    rest.by(Admin).header("if-match", "*").expect(200).await;
}

pub fn normal() -> Value {
    json!({
        "title": "Replace the core switch", "change_type": "normal", "implementation_plan": "Pull it out, put the new one in.",
        "backout_plan": "Put the old one back.", "planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z",
    })
}

pub async fn made(server: &Server, body: Value) -> String {
    format!("/api/v1/changes/{}", server.post("/api/v1/changes", body).by(Alex).expect(201).await.field("id"))
}

pub async fn read(server: &Server, change: &str) -> Value {
    server.get(change).by(Admin).expect(200).await.json()
}

/// Takes a step; where nobody is named who makes what is begun, a newcomer does.
pub async fn take(server: &Server, change: &str, step: &str, body: Value) -> Answer {
    let body = with_maker(server, change, step, body).await;
    server.post(&format!("{change}/{step}"), body).by(Admin).expect(200).await
}

/// Why a step is not open, though somebody would make it.
pub async fn held(server: &Server, change: &str, step: &str) -> Value {
    let body = with_maker(server, change, step, json!({})).await;
    server.post(&format!("{change}/{step}"), body).by(Admin).expect(409).await.json()
}

async fn with_maker(server: &Server, change: &str, step: &str, mut body: Value) -> Value {
    let now = read(server, change).await;
    if step == "implement" && now["assignee_id"].is_null() && body["assignee_id"].is_null() {
        let maker = people::newcomer(server).await;
        if let Some(team) = now["team_id"].as_str() {
            let member = server.ask(Method::PUT, &format!("/api/v1/teams/{team}/members/{maker}"));
            member.by(Admin).header("if-match", "*").send().await;
        }
        body["assignee_id"] = json!(maker);
    }
    body
}

/// Lets what a team does go wrong.
pub async fn fail(server: &Server, team: TeamId) {
    let body = json!({
        "title": "Close the hole", "change_type": "emergency", "team_id": team, "planned_start": "2026-03-03T12:00:00Z",
        "planned_end": "2026-03-03T13:00:00Z",
    });
    let change = made(server, body).await;
    approve(server, &approvals(server, &change).await[0]).await;
    take(server, &change, "schedule", json!({})).await;
    take(server, &change, "implement", json!({})).await;
    let failed = json!({"result": "failed", "result_notes": "The hole is still there."});
    take(server, &change, "complete", failed).await;
}

/// Makes a change as it was planned, once whoever is asked has agreed.
pub async fn carry_out(server: &Server, body: Value) -> String {
    let change = made(server, body).await;
    for step in ["assess", "request_authorisation"] {
        take(server, &change, step, json!({})).await;
    }
    for approval in approvals(server, &change).await {
        approve(server, &approval).await;
    }
    server.at("2026-03-07T20:00:00Z");
    for (step, body) in
        [("schedule", json!({})), ("implement", json!({})), ("complete", json!({"result": "successful"}))]
    {
        take(server, &change, step, body).await;
    }
    change
}

/// The approvals of a change, newest first.
pub async fn approvals(server: &Server, change: &str) -> Vec<Value> {
    let page = server.get(&format!("{change}/approvals")).by(Admin).expect(200).await.json();
    page["items"].as_array().unwrap().clone()
}

pub async fn approve(server: &Server, approval: &Value) {
    let path = format!("/api/v1/approvals/{}/approve", approval["id"].as_str().unwrap());
    server.post(&path, json!({})).by(Nora).expect(200).await;
}

#[actix_web::test]
async fn a_normal_change_is_assessed_authorised_scheduled_made_and_reviewed() {
    let server = managed().await;
    let change = made(&server, normal()).await;
    assert_eq!(read(&server, &change).await["risk"], "low");
    // It is not authorised without an assessment, nor scheduled without an approval.
    for step in ["request_authorisation", "schedule"] {
        server.post(&format!("{change}/{step}"), json!({})).by(Admin).expect(409).await;
    }
    take(&server, &change, "assess", json!({})).await;
    take(&server, &change, "request_authorisation", json!({})).await;
    let asked = approvals(&server, &change).await;
    assert_eq!(
        (asked.len(), &asked[0]["state"], &asked[0]["stages"][0]["name"]),
        (1, &json!("pending"), &json!("Change manager"))
    );
    let early = server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await.json();
    assert_eq!(early["errors"][0]["code"], "approval", "{early}");
    approve(&server, &asked[0]).await;
    take(&server, &change, "schedule", json!({})).await;
    take(&server, &change, "implement", json!({})).await;
    server.post(&format!("{change}/complete"), json!({"result": "backed_out"})).by(Admin).expect(409).await;
    let notes = json!({"result": "backed_out", "result_notes": "The new one did not start."});
    let done = take(&server, &change, "complete", notes).await.json();
    assert_eq!((&done["state"], done["actual_end"].is_string()), (&json!("review"), true));
    server.post(&format!("{change}/cancel"), json!({})).by(Admin).expect(409).await;
    server.post(&format!("{change}/close"), json!({})).by(Admin).expect(409).await;
    let closed = take(&server, &change, "close", json!({"review_notes": "Try it on a spare one before."})).await.json();
    assert_eq!((&closed["state"], closed["reviewed_at"].is_string()), (&json!("closed"), true));
}

#[actix_web::test]
async fn what_was_approved_is_asked_again_when_it_changes() {
    let server = managed().await;
    let change = made(&server, normal()).await;
    take(&server, &change, "assess", json!({})).await;
    take(&server, &change, "request_authorisation", json!({})).await;
    approve(&server, &approvals(&server, &change).await[0]).await;
    take(&server, &change, "schedule", json!({})).await;
    let later = json!({"planned_end": "2026-03-07T23:00:00Z"});
    server.patch(&change, later).by(Admin).header("if-match", "*").expect(200).await;
    let asked = approvals(&server, &change).await;
    let states: Vec<&str> = asked.iter().map(|approval| approval["state"].as_str().unwrap()).collect();
    assert_eq!((states, &asked[1]["reason"]), (vec!["pending", "void"], &json!("changed")));
    let refused = held(&server, &change, "implement").await;
    assert_eq!(refused["errors"][0]["code"], "approval");
    approve(&server, &asked[0]).await;
    take(&server, &change, "implement", json!({})).await;
}

#[actix_web::test]
async fn a_standard_change_is_approved_by_its_model_alone() {
    let server = managed().await;
    let tasks = json!([{"title": "Drain a node"}, {"title": "Restart it", "depends_on": [1]}]);
    let fields = json!({"implementation_plan": "One node after the other."});
    let model = json!({"name": "restart-web", "change_type": "standard", "fields": fields, "tasks": tasks});
    server.post("/api/v1/change-models", model.clone()).by(Nora).expect(201).await;
    server.post("/api/v1/change-models", model).by(Nora).expect(409).await;
    let wrong = json!({"name": "x", "change_type": "standard", "tasks": [{"title": "a", "depends_on": [1]}]});
    server.post("/api/v1/change-models", wrong).by(Nora).expect(422).await;
    let times = json!({"planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z"});
    let standard = |model: Option<&str>| {
        let mut body = json!({"title": "Restart the web servers", "change_type": "standard"});
        body.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        if let Some(model) = model {
            body["model"] = json!(model);
        }
        body
    };
    let by_model = made(&server, standard(Some("restart-web"))).await;
    assert_eq!(read(&server, &by_model).await["implementation_plan"], "One node after the other.");
    let scheduled = take(&server, &by_model, "schedule", json!({})).await.json();
    assert_eq!(scheduled["state"], "scheduled");
    let given = approvals(&server, &by_model).await;
    assert_eq!((&given[0]["state"], &given[0]["reason"]), (&json!("approved"), &json!("policy")));
    let by_hand = made(&server, standard(None)).await;
    server.post(&format!("{by_hand}/schedule"), json!({})).by(Admin).expect(409).await;
    server.post("/api/v1/changes", standard(Some("nothing"))).by(Alex).expect(422).await;
    // Its tasks have to be done, in their order.
    take(&server, &by_model, "implement", json!({})).await;
    let page = server.get(&format!("{by_model}/tasks")).by(Admin).expect(200).await.json();
    let tasks: Vec<&str> = page["items"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    let done = json!({"state": "done"});
    let write =
        |task: &str| server.patch(&format!("{by_model}/tasks/{task}"), done.clone()).by(Admin).header("if-match", "*");
    write(tasks[1]).expect(409).await;
    write(tasks[0]).expect(200).await;
    let open =
        server.post(&format!("{by_model}/complete"), json!({"result": "successful"})).by(Admin).expect(409).await;
    assert_eq!(open.json()["errors"][0]["code"], "task");
    write(tasks[1]).expect(200).await;
    take(&server, &by_model, "complete", json!({"result": "successful"})).await;
    take(&server, &by_model, "close", json!({})).await;
}

#[actix_web::test]
async fn an_emergency_begins_where_it_is_authorised_and_is_looked_at_afterwards() {
    let server = managed().await;
    let change = made(&server, json!({"title": "Close the hole", "change_type": "emergency"})).await;
    let now = read(&server, &change).await;
    assert_eq!(
        (&now["state"], &now["risk"], &now["cab_review"]),
        (&json!("authorise"), &json!("medium"), &json!("due"))
    );
    assert_eq!(approvals(&server, &change).await[0]["stages"][0]["name"], "Emergency");
    let normal = json!({"change_type": "normal"});
    server.patch(&change, normal).by(Admin).header("if-match", "*").expect(422).await;
}

#[actix_web::test]
async fn what_is_in_the_way_is_told_and_a_free_time_is_found() {
    let server = managed().await;
    let item = json!({"title": "Core switch", "class": "network_device"});
    let item = server.post("/api/v1/configuration_items", item).by(Admin).expect(201).await.field("id");
    let window = json!({"name": "Freeze", "kind": "blackout", "starts_at": "2026-03-07T21:00:00Z", "ends_at": "2026-03-08T06:00:00Z"});
    server.post("/api/v1/change-windows", window).by(Nora).expect(201).await;
    let nights = json!({
        "name": "Nights", "kind": "maintenance", "configuration_item_id": item, "starts_at": "2026-03-09T20:00:00Z",
        "ends_at": "2026-03-10T04:00:00Z",
    });
    server.post("/api/v1/change-windows", nights).by(Nora).expect(201).await;
    let mut body = normal();
    body["configuration_item_id"] = json!(item);
    let change = made(&server, body).await;
    let now = read(&server, &change).await;
    assert_eq!(
        (&now["conflict_count"], &now["blackout"], &now["risk"]),
        (&json!(2), &json!("Freeze"), &json!("medium"))
    );
    let met = server.get(&format!("{change}/conflicts")).by(Admin).expect(200).await.json();
    let kinds: Vec<&str> = met["items"].as_array().unwrap().iter().map(|met| met["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ci_outside_window", "ci_in_blackout"]);
    let free = server.get(&format!("{change}/free-slot?from=2026-03-07T00:00:00Z")).by(Admin).expect(200).await.json();
    assert_eq!(free, json!({"planned_start": "2026-03-09T20:00:00Z", "planned_end": "2026-03-09T22:00:00Z"}));
    server.get(&format!("{change}/free-slot?minutes=0")).by(Admin).expect(400).await;
    let preview = server.get(&format!("{change}/impact-preview")).by(Admin).expect(200).await.json();
    assert_eq!(preview["touches"][0]["title"], "Core switch");
    assert_eq!(preview["conflicts"].as_array().unwrap().len(), 2);
    let moved = server.patch(&change, free).by(Admin).header("if-match", "*").expect(200).await.json();
    assert_eq!((&moved["conflict_count"], &moved["blackout"]), (&json!(0), &Value::Null));
}

#[actix_web::test]
async fn the_forward_schedule_is_a_list_and_a_calendar_of_what_one_may_see() {
    let server = managed().await;
    let mut body = normal();
    body["title"] = json!("Replace the switch; it is old, very old — and hums");
    body["team_id"] = json!(people::team(&server.assembly, "network").to_string());
    let change = made(&server, body).await;
    let range = "from=2026-03-01T00:00:00Z&until=2026-04-01T00:00:00Z";
    let list = format!("/api/v1/change-schedule?{range}");
    assert_eq!(server.get(&list).by(Admin).expect(200).await.json(), json!({"items": [], "windows": []}));
    take(&server, &change, "assess", json!({})).await;
    take(&server, &change, "request_authorisation", json!({})).await;
    let seen = server.get(&list).by(Nora).expect(200).await.json();
    assert_eq!(seen["items"][0]["state"], "authorise");
    assert_eq!(server.get(&list).by(Bea).expect(200).await.json()["items"], json!([]));
    let text = server.get(&format!("/api/v1/change-schedule.ics?{range}")).by(Nora).expect(200).await.text();
    let events = pointsman::record::calendar::ical::events(&text).unwrap();
    let value = |name: &str| events[0].get(name).unwrap().text();
    assert!(value("SUMMARY").ends_with("Replace the switch; it is old, very old — and hums"), "{text}");
    assert_eq!((value("DTSTART"), value("STATUS")), ("20260307T200000Z".to_owned(), "TENTATIVE".to_owned()));
    // Beside them stand the times for changes and those without.
    let switch = item(&server, "network_device", "switch", json!({})).await;
    let freeze = json!({"name": "Freeze", "kind": "blackout", "starts_at": "2026-03-20T00:00:00Z", "ends_at": "2026-05-01T00:00:00Z"});
    server.post("/api/v1/change-windows", freeze).by(Nora).expect(201).await;
    let over = json!({"name": "Over", "kind": "blackout", "starts_at": "2026-02-01T00:00:00Z", "ends_at": "2026-03-01T00:00:00Z"});
    server.post("/api/v1/change-windows", over).by(Nora).expect(201).await;
    let hours = server.get("/api/v1/calendars?q=business-hours").by(Admin).expect(200).await.json();
    let by_day = json!({
        "name": "By day", "kind": "maintenance", "configuration_item_id": switch, "calendar_id": hours["items"][0]["id"],
        "starts_at": "2026-03-05T00:00:00Z", "ends_at": "2026-03-07T00:00:00Z",
    });
    server.post("/api/v1/change-windows", by_day).by(Nora).expect(201).await;
    let windows = server.get(&list).by(Nora).expect(200).await.json()["windows"].clone();
    let times: Vec<[&str; 3]> = windows
        .as_array()
        .unwrap()
        .iter()
        .map(|window| ["name", "starts_at", "ends_at"].map(|name| window[name].as_str().unwrap()))
        .collect();
    assert_eq!(
        times,
        [
            ["By day", "2026-03-05T08:00:00Z", "2026-03-05T18:00:00Z"],
            ["By day", "2026-03-06T08:00:00Z", "2026-03-06T18:00:00Z"],
            ["Freeze", "2026-03-20T00:00:00Z", "2026-05-01T00:00:00Z"],
        ]
    );
    let text = server.get(&format!("/api/v1/change-schedule.ics?{range}")).by(Nora).expect(200).await.text();
    let events = pointsman::record::calendar::ical::events(&text).unwrap();
    let told: Vec<[String; 3]> = events
        .iter()
        .map(|event| ["SUMMARY", "CATEGORIES", "TRANSP"].map(|name| event.get(name).unwrap().text()))
        .collect();
    assert_eq!((told.len(), &told[1]), (4, &["By day", "maintenance", "TRANSPARENT"].map(str::to_owned)));
    assert_eq!(told[3], ["Freeze", "blackout", "OPAQUE"]);
    let ids: std::collections::BTreeSet<String> = events.iter().map(|event| event.get("UID").unwrap().text()).collect();
    assert_eq!(ids.len(), 4, "each has its own");
    server
        .get("/api/v1/change-schedule?from=2026-03-01T00:00:00Z&until=2028-01-01T00:00:00Z")
        .by(Nora)
        .expect(400)
        .await;
}

#[actix_web::test]
async fn what_rests_on_it_is_told_before_it_is_made() {
    let server = managed().await;
    let [web_1, web_2, disk] = [("server", "web-1"), ("server", "web-2"), ("storage", "disk")];
    let web_1 = item(&server, web_1.0, web_1.1, json!({})).await;
    let web_2 = item(&server, web_2.0, web_2.1, json!({})).await;
    let disk = item(&server, disk.0, disk.1, json!({})).await;
    let (shop, mail) = (service(&server, "Shop").await, service(&server, "Mail").await);
    group(&server, (SERVICES, &shop), "web", 1).await;
    relate(&server, (SERVICES, &shop), "depends_on", &web_1, Some("web")).await;
    relate(&server, (SERVICES, &shop), "depends_on", &web_2, Some("web")).await;
    relate(&server, (SERVICES, &mail), "depends_on", &web_1, None).await;
    relate(&server, (ITEMS, &web_1), "depends_on", &disk, None).await;
    let planned = |title: &str, about: &str| {
        let mut body = normal();
        (body["title"], body["configuration_item_id"]) = (json!(title), json!(about));
        body
    };
    let change = made(&server, planned("Renew web-1", &web_1)).await;
    // Two incidents of the mail were resolved, one of them too late: of 95 in a hundred nothing is left.
    for at in ["2026-03-03T12:00:00Z", "2026-03-20T12:00:00Z"] {
        server.at("2026-03-03T11:00:00Z");
        let broken = json!({"title": "No mail", "service_id": mail, "impact": 1, "urgency": 1});
        let broken = server.post("/api/v1/incidents", broken).by(Alex).expect(201).await.field("id");
        server.at(at);
        let how = json!({"resolution_code": "fixed", "resolution_notes": "The server was restarted.", "resolution_kind": "permanent"});
        server.post(&format!("/api/v1/incidents/{broken}/resolve"), how).by(Alex).expect(200).await;
    }
    server.at("2026-03-20T13:00:00Z");
    let preview = server.get(&format!("{change}/impact-preview")).by(Admin).expect(200).await.json();
    assert_eq!(titles(&preview["impact"]["records"]), ["Mail"], "{preview:#}");
    let spared = &preview["impact"]["spared"][0];
    assert_eq!(
        (&spared["record"]["title"], &spared["redundancy"]["up"], &spared["redundancy"]["min_up"]),
        (&json!("Shop"), &json!(1), &json!(1))
    );
    let levels = &preview["service_levels"][0];
    let resolution = levels["levels"].as_array().unwrap().iter().find(|level| level["metric"] == "resolution").unwrap();
    assert_eq!(
        (&levels["service"]["title"], &resolution["met"], &resolution["budget"]),
        (&json!("Mail"), &json!(1), &json!({"objective": 95.0, "allowed": 0, "left": -1}))
    );
    assert_eq!((&preview["changes_nearby"], &preview["at_once"]), (&json!([]), &Value::Null));
    // What takes its place meanwhile is to be taken down as well: together they leave nothing of the shop.
    let both = made(&server, planned("Renew web-2", &web_2)).await;
    take(&server, &both, "assess", json!({})).await;
    take(&server, &both, "request_authorisation", json!({})).await;
    let preview = server.get(&format!("{change}/impact-preview")).by(Admin).expect(200).await.json();
    let (nearby, at_once) = (&preview["changes_nearby"], &preview["at_once"]);
    assert_eq!((&nearby[0]["title"], &at_once["changes"]), (&json!("Renew web-2"), nearby), "{preview:#}");
    assert_eq!(titles(&at_once["impact"]["records"]), ["Shop", "Mail"], "{preview:#}");
    assert_eq!(
        (titles(&preview["impact"]["records"]), &at_once["impact"]["spared"]),
        (vec!["Mail".to_owned()], &json!([]))
    );
    take(&server, &both, "cancel", json!({})).await;
    // What stands next to it in the graph is held against what else is scheduled.
    let below = made(&server, planned("Renew the disk", &disk)).await;
    take(&server, &below, "assess", json!({})).await;
    take(&server, &below, "request_authorisation", json!({})).await;
    for approval in approvals(&server, &below).await {
        approve(&server, &approval).await;
    }
    take(&server, &below, "schedule", json!({})).await;
    let met = server.get(&format!("{change}/conflicts")).by(Admin).expect(200).await.json();
    assert_eq!(met["items"][0]["kind"], "parent_ci_scheduled", "{met:#}");
    let mut other = planned("Patch web-1", &web_1);
    (other["planned_start"], other["planned_end"]) = (json!("2026-03-09T20:00:00Z"), json!("2026-03-09T22:00:00Z"));
    let other = made(&server, other).await;
    take(&server, &other, "assess", json!({})).await;
    take(&server, &other, "request_authorisation", json!({})).await;
    let preview = server.get(&format!("{change}/impact-preview")).by(Admin).expect(200).await.json();
    let nearby: Vec<&Value> = preview["changes_nearby"].as_array().unwrap().iter().map(|one| &one["title"]).collect();
    assert_eq!(nearby, ["Patch web-1"], "the disk is below it, and told of as a conflict");
}

#[actix_web::test]
async fn services_are_told_of_however_much_lies_before_them() {
    let server = managed().await;
    let switch = item(&server, "network_device", "switch", json!({})).await;
    let shop = service(&server, "Shop").await;
    let many = 210;
    let items: Vec<Value> =
        (0..many).map(|n| json!({"key": format!("s-{n}"), "class": "server", "title": format!("s-{n}")})).collect();
    let number = server.get(&format!("{ITEMS}/{switch}")).by(Admin).expect(200).await.field("number");
    let related = |n: i32| json!({"from": format!("s-{n}"), "relation": "depends_on", "to": number});
    let relations: Vec<Value> = (0..many).map(related).collect();
    import(&server, "source=inventory", json!({"items": items, "relations": relations})).await;
    let last = server.get(&format!("{ITEMS}?q=s-209")).by(Admin).expect(200).await.json()["items"][0]["id"].clone();
    relate(&server, (SERVICES, &shop), "depends_on", last.as_str().unwrap(), None).await;
    let mut body = normal();
    body["configuration_item_id"] = json!(switch);
    let change = made(&server, body).await;
    let preview = server.get(&format!("{change}/impact-preview")).by(Admin).expect(200).await.json();
    let impact = &preview["impact"];
    assert_eq!((&impact["total"], impact["records"].as_array().unwrap().len()), (&json!(many + 1), 200));
    let services: Vec<&Value> = preview["services"].as_array().unwrap().iter().map(|one| &one["title"]).collect();
    assert_eq!(services, ["Shop"]);
    assert_eq!(preview["service_levels"][0]["service"]["title"], "Shop");
}
