//! Weighing changes, advisory boards, what changes caused, and what was changed without one.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::{
    change::{made, managed, take},
    configuration::{self, ITEMS, SERVICES, relate, service},
    mail,
    support::{
        Person::{self, *},
        Server,
        mail_server::MailServer,
    },
};

async fn approve(server: &Server, change: &str) {
    let page = server.get(&format!("{change}/approvals")).by(Admin).expect(200).await.json();
    let path = format!("/api/v1/approvals/{}/approve", page["items"][0]["id"].as_str().unwrap());
    server.post(&path, json!({})).by(Nora).expect(200).await;
}

#[actix_web::test]
async fn the_risk_is_the_higher_of_rules_and_answers() {
    let server = managed().await;
    let change = made(&server, json!({"title": "Move a rack", "change_type": "normal"})).await;
    let path = format!("{change}/risk-assessment");
    let blank = server.get(&path).by(Alex).expect(200).await.json();
    assert_eq!((&blank["answers"], &blank["score"]), (&json!([]), &Value::Null));
    let put = |answers: Value| {
        server.ask(Method::PUT, &path).by(Alex).body("application/json", json!({"answers": answers}).to_string())
    };
    put(json!([{"question": "users", "answer": "most"}])).expect(422).await;
    put(json!([{"question": "use", "answer": "all"}])).expect(422).await;
    let twice = json!([{"question": "users", "answer": "all"}, {"question": "users", "answer": "none"}]);
    put(twice).expect(422).await;
    let high = put(json!([{"question": "users", "answer": "all"}])).expect(200).await.json();
    assert_eq!((&high["score"], &high["risk"]), (&json!(100), &json!("high")));
    let now = server.get(&change).by(Admin).expect(200).await.json();
    assert_eq!(
        [&now["risk"], &now["rule_risk"], &now["questionnaire_risk"]],
        [&json!("high"), &json!("low"), &json!("high")]
    );
    let best = json!([
        {"question": "users", "answer": "none"}, {"question": "experience", "answer": "often"}, {"question": "tested", "answer": "alike"},
        {"question": "backout", "answer": "minutes"}, {"question": "parts", "answer": "one"},
    ]);
    put(best.clone()).expect(200).await;
    assert_eq!(server.get(&change).by(Admin).expect(200).await.json()["risk"], "low");
    // What is asked is for administrators to say.
    let questions = "/api/v1/risk-questions";
    let audit = json!({
        "name": "audit", "text": "Does an auditor look at it?", "position": 6, "weight": 20,
        "answers": [{"name": "no", "text": "No", "points": 0}, {"name": "yes", "text": "Yes", "points": 3}],
    });
    server.post(questions, audit.clone()).by(Alex).expect(403).await;
    let mut wrong = audit.clone();
    (wrong["weight"], wrong["answers"][1]["name"]) = (json!(0), json!("no"));
    let refused = server.post(questions, wrong).by(Nora).expect(422).await.json();
    let places: Vec<&Value> = refused["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(places, ["/weight", "/answers/1/name"]);
    let added = server.post(questions, audit.clone()).by(Nora).expect(201).await.field("id");
    server.post(questions, audit).by(Nora).expect(409).await;
    let asked = put(best.clone()).expect(200).await.json();
    assert_eq!((asked["questions"].as_array().unwrap().len(), &asked["risk"]), (6, &json!("medium")), "{asked:#}");
    let path = format!("{questions}/{added}");
    server.patch(&path, json!({"active": false})).by(Nora).header("if-match", "*").expect(200).await;
    assert_eq!(put(best).expect(200).await.json()["risk"], "low");
}

#[actix_web::test]
async fn a_board_meets_and_looks_at_emergencies_afterwards() {
    let server = managed().await;
    let times = json!({"planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z"});
    let mut body = json!({"title": "Close the hole", "change_type": "emergency"});
    body.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    let change = made(&server, body).await;
    let call = |body: &'static str| json!({"name": body, "starts_at": "2026-03-05T13:00:00Z", "ends_at": "2026-03-05T14:00:00Z"});
    let early = server.post("/api/v1/cab-meetings", call("Too early")).by(Nora).expect(201).await.field("id");
    let agenda = format!("/api/v1/cab-meetings/{early}/agenda");
    let named = json!({"change_ids": [change.rsplit('/').next().unwrap()]});
    let put = server.post(&agenda, named).by(Nora).expect(200).await.json();
    let item = format!("{agenda}/{}", put["items"][0]["id"].as_str().unwrap());
    let reviewed = async || server.patch(&item, json!({"decision": "reviewed"})).by(Nora).expect(409).await;
    reviewed().await;
    approve(&server, &change).await;
    server.at("2026-03-05T13:30:00Z");
    for (step, input) in
        [("schedule", json!({})), ("implement", json!({})), ("complete", json!({"result": "successful"}))]
    {
        // The meeting takes place, but there is nothing to look at yet.
        reviewed().await;
        take(&server, &change, step, input).await;
    }
    let notes = json!({"review_notes": "The hole is closed."});
    let early = server.post(&format!("{change}/close"), notes.clone()).by(Admin).expect(409).await.json();
    assert_eq!(early["errors"][0]["code"], "cab_review");
    let backwards = json!({"name": "Board", "starts_at": "2026-03-09T14:00:00Z", "ends_at": "2026-03-09T13:00:00Z"});
    server.post("/api/v1/cab-meetings", backwards).by(Nora).expect(422).await;
    let called = json!({"name": "Board", "starts_at": "2026-03-09T13:00:00Z", "ends_at": "2026-03-09T14:00:00Z"});
    server.post("/api/v1/cab-meetings", called.clone()).by(Alex).expect(403).await;
    let meeting = server.post("/api/v1/cab-meetings", called).by(Nora).expect(201).await;
    let meeting = format!("/api/v1/cab-meetings/{}", meeting.field("id"));
    // The one that comes first is the first.
    let listed = async |query: &str| {
        let found = server.get(&format!("/api/v1/cab-meetings?{query}")).by(Nora).expect(200).await.json();
        let names = found["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), found["next_cursor"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(listed("active=true").await.0, ["Too early", "Board"]);
    let (first, next) = listed("limit=1").await;
    let (second, _) = listed(&format!("limit=1&cursor={next}")).await;
    assert_eq!((first, second), (vec!["Too early".to_owned()], vec!["Board".to_owned()]));
    assert_eq!(listed("q=BOA").await.0, ["Board"]);
    let agenda = server.post(&format!("{meeting}/agenda"), json!({})).by(Nora).expect(200).await.json();
    assert_eq!((agenda["items"].as_array().unwrap().len(), &agenda["items"][0]["reason"]), (1, &json!("review")));
    let again = server.post(&format!("{meeting}/agenda"), json!({})).by(Nora).expect(200).await.json();
    assert_eq!(again["items"].as_array().unwrap().len(), 1);
    let item = format!("{meeting}/agenda/{}", agenda["items"][0]["id"].as_str().unwrap());
    let said = json!({"decision": "reviewed", "minutes": "It was the right thing to do."});
    // Nobody has said anything in a meeting that is still to come.
    let held = json!({"state": "held", "minutes": "Everybody was there."});
    server.patch(&item, said.clone()).by(Nora).expect(409).await;
    server.patch(&meeting, held.clone()).by(Nora).header("if-match", "*").expect(422).await;
    server.at("2026-03-09T13:10:00Z");
    let after = server.patch(&item, said).by(Nora).expect(200).await.json();
    assert_eq!(
        (&after["items"][0]["decision"], &after["items"][0]["minutes"]),
        (&json!("reviewed"), &json!("It was the right thing to do."))
    );
    server.post(&format!("{change}/close"), notes).by(Admin).expect(200).await;
    let held = server.patch(&meeting, held).by(Nora).header("if-match", "*").expect(200).await.json();
    assert_eq!(held["state"], "held");
    assert_eq!(
        (listed("active=true").await.0, listed("active=false").await.0),
        (vec!["Too early".to_owned()], vec!["Board".to_owned()])
    );
}

#[actix_web::test]
async fn an_agenda_is_put_in_order_by_those_who_see_what_stands_on_it() {
    let server = managed().await;
    for title in ["First", "Second", "Third"] {
        made(&server, json!({"title": title, "change_type": "emergency"})).await;
    }
    let called = json!({"name": "Board", "starts_at": "2026-03-05T13:00:00Z", "ends_at": "2026-03-05T14:00:00Z"});
    let meeting = server.post("/api/v1/cab-meetings", called).by(Nora).expect(201).await.field("id");
    let agenda = format!("/api/v1/cab-meetings/{meeting}/agenda");
    let titles = |agenda: &Value| -> Vec<String> {
        agenda["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
    };
    // Emergencies that nobody has authorised yet wait for a board as well.
    let waiting = server.post(&agenda, json!({})).by(Admin).expect(200).await.json();
    assert_eq!(titles(&waiting), ["First", "Second", "Third"]);
    let item = |n: usize| format!("{agenda}/{}", waiting["items"][n]["id"].as_str().unwrap());
    for (n, position, order) in [
        (2, 1, ["Third", "First", "Second"]),
        (1, 200, ["Third", "First", "Second"]),
        (2, 2, ["First", "Third", "Second"]),
    ] {
        let after = server.patch(&item(n), json!({"position": position})).by(Admin).expect(200).await.json();
        assert_eq!(titles(&after), order);
        let places: Vec<&Value> = after["items"].as_array().unwrap().iter().map(|item| &item["position"]).collect();
        assert_eq!(places, [1, 2, 3]);
    }
    server.patch(&item(0), json!({"position": 0})).by(Admin).expect(422).await;
    // Whoever does not see a change neither says what was said of it, nor takes it away.
    server.allow(&[Bea], "board", "organisation", &["cab_meeting.*", "change.read"]).await;
    assert_eq!(titles(&server.get(&agenda).by(Bea).expect(200).await.json()), Vec::<String>::new());
    server.patch(&item(0), json!({"minutes": "It is mine now."})).by(Bea).expect(404).await;
    server.ask(Method::DELETE, &item(0)).by(Bea).expect(404).await;
    server.patch(&item(0), json!({"minutes": "Ready."})).by(Admin).expect(200).await;
    server.ask(Method::DELETE, &item(0)).by(Admin).expect(204).await;
    server.ask(Method::DELETE, &item(0)).by(Admin).expect(404).await;
    server.patch(&item(1), json!({"decision": "recommended"})).by(Admin).expect(409).await;
    server.at("2026-03-05T13:10:00Z");
    let decided = server.patch(&item(1), json!({"decision": "recommended"})).by(Admin).expect(200).await.json();
    assert_eq!(titles(&decided), ["Third", "Second"]);
    server.ask(Method::DELETE, &item(1)).by(Admin).expect(409).await;
}

#[actix_web::test]
async fn incidents_that_a_change_caused_are_found_by_time_and_item() {
    let server = managed().await;
    let item = server
        .post("/api/v1/configuration_items", json!({"title": "Mail", "class": "server"}))
        .by(Admin)
        .expect(201)
        .await
        .field("id");
    let other = server
        .post("/api/v1/configuration_items", json!({"title": "Web", "class": "server"}))
        .by(Admin)
        .expect(201)
        .await
        .field("id");
    let change = made(
        &server,
        json!({
            "title": "Close the hole", "change_type": "emergency", "configuration_item_id": item,
            "planned_start": "2026-03-07T20:00:00Z", "planned_end": "2026-03-07T22:00:00Z",
        }),
    )
    .await;
    let found = |path: String| {
        let server = &server;
        async move { server.get(&path).by(Admin).expect(200).await.json()["items"].as_array().unwrap().clone() }
    };
    let path = format!("{change}/caused-incidents");
    approve(&server, &change).await;
    for step in ["schedule", "implement"] {
        take(&server, &change, step, json!({})).await;
    }
    assert_eq!(found(path.clone()).await, Vec::<Value>::new());
    for (title, about) in [("No mail", &item), ("No web", &other)] {
        let body = json!({"title": title, "configuration_item_id": about});
        server.post("/api/v1/incidents", body).by(Admin).expect(201).await;
    }
    let caused = found(path.clone()).await;
    assert_eq!((caused.len(), &caused[0]["title"], &caused[0]["linked"]), (1, &json!("No mail"), &json!(false)));
    // So is what it would be hit with, however far up, and whatever an incident is said to affect.
    let cluster = configuration::item(&server, "server", "Cluster", json!({})).await;
    let shop = service(&server, "Shop").await;
    relate(&server, (ITEMS, &cluster), "depends_on", &item, None).await;
    relate(&server, (SERVICES, &shop), "depends_on", &cluster, None).await;
    let down = json!({"title": "No shop", "service_id": shop});
    server.post("/api/v1/incidents", down).by(Admin).expect(201).await;
    let slow =
        server.post("/api/v1/incidents", json!({"title": "All is slow"})).by(Admin).expect(201).await.field("id");
    let affects = json!({"relation": "affects", "record_id": shop});
    server.post(&format!("/api/v1/incidents/{slow}/links"), affects).by(Admin).expect(201).await;
    let titles = |items: &[Value]| -> Vec<String> {
        items.iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(titles(&found(path.clone()).await), ["No mail", "No shop", "All is slow"]);
    let preview = server.get(&format!("{change}/impact-preview")).by(Admin).expect(200).await.json();
    assert_eq!(titles(preview["open_incidents"].as_array().unwrap()), ["No mail", "No shop", "All is slow"]);
    let incident = format!("/api/v1/incidents/{}/links", caused[0]["id"].as_str().unwrap());
    let link = json!({"relation": "caused_by", "record_id": change.rsplit('/').next().unwrap()});
    server.post(&incident, link).by(Admin).expect(201).await;
    assert_eq!(found(path.clone()).await[0]["linked"], true);
    server.get(&format!("{path}?hours=9999")).by(Admin).expect(400).await;
    // What is found to be other now belongs to the change; what nobody changes does not.
    let report = |about: &str| {
        server.post(
            "/api/v1/unauthorised-changes",
            json!({"configuration_item_id": about, "summary": "Port 23 is open."}),
        )
    };
    let known = report(&item).by(Nora).expect(201).await.json();
    assert_eq!(known["state"], "authorised");
    let unknown = report(&other).by(Nora).expect(201).await.json();
    assert_eq!((&unknown["state"], &unknown["change_id"]), (&json!("open"), &Value::Null));
    let listed = async |query: &str| {
        let page = server.get(&format!("/api/v1/unauthorised-changes?{query}")).by(Nora).expect(200).await.json();
        page["items"].as_array().unwrap().len()
    };
    for (query, expected) in [
        ("state=open", 1),
        ("finding=reported", 2),
        ("finding=changed", 0),
        ("source=audit", 0),
        ("from=2026-03-07T00:00:00Z", 0),
        ("until=2026-03-07T00:00:00Z", 2),
    ] {
        assert_eq!(listed(query).await, expected, "{query}");
    }
    // A change of what it rests on may have made it so, though it does not say so.
    let of_cluster = report(&cluster).by(Nora).expect(201).await;
    let one = server.get(&of_cluster.header("location")).by(Nora).expect(200).await.json();
    assert_eq!((&one["state"], &one["candidates"][0]["title"]), (&json!("open"), &json!("Close the hole")));
    let path = format!("/api/v1/unauthorised-changes/{}", unknown["id"].as_str().unwrap());
    let unknown_one = server.get(&path).by(Nora).expect(200).await.json();
    assert_eq!(unknown_one["candidates"], json!([]));
    let settle = format!("/api/v1/unauthorised-changes/{}/settle", unknown["id"].as_str().unwrap());
    server.post(&settle, json!({"comment": ""})).by(Nora).expect(422).await;
    let settled = server.post(&settle, json!({"comment": "Closed again."})).by(Nora).expect(200).await.json();
    assert_eq!(settled["state"], "settled");
    server.post(&settle, json!({"comment": "Closed again."})).by(Nora).expect(409).await;
}

#[actix_web::test]
async fn those_who_are_asked_to_come_are_told_of_the_meeting() {
    let mail = MailServer::start();
    let server = mail::server(&mail).await;
    server.allow(&[Nora], "chair", "organisation", &["cab_meeting.*"]).await;
    let off = json!({"rules": [{"event": "*", "delivery": "off"}]});
    server.patch("/api/v1/me/notification-preferences", off).by(Bea).header("if-match", "*").expect(200).await;
    let people = |people: &[Person]| -> Vec<String> {
        people.iter().map(|person| person.id(&server.assembly).to_string()).collect()
    };
    // She calls it herself, and Bea wants to know of nothing.
    let called = json!({
        "name": "Board of the week", "starts_at": "2026-03-05T13:00:00Z", "ends_at": "2026-03-05T14:00:00Z", "place": "Room 4",
        "attendees": people(&[Nora, Alex, Rob]),
    });
    let called = server.post("/api/v1/cab-meetings", called).by(Nora).expect(201).await.field("id");
    let path = format!("/api/v1/cab-meetings/{called}");
    let change = async |change: Value| server.patch(&path, change).by(Admin).header("if-match", "*").expect(200).await;
    let told = async || {
        mail::sent(&server).await;
        let arrived = mail.arrived();
        let mut told: Vec<(String, String)> =
            arrived.iter().map(|mail| (mail.to.replace("@example.org", ""), mail.subject())).collect();
        told.sort();
        told
    };
    let told_to = |people: &[&str], subject: &str| -> Vec<(String, String)> {
        people.iter().map(|person| ((*person).to_owned(), subject.to_owned())).collect()
    };
    assert_eq!(told().await, told_to(&["alex", "rob"], "Board of the week, 2026-03-05 13:00"));
    change(json!({"minutes": "To be read before."})).await;
    assert_eq!(told().await, []);
    change(json!({"starts_at": "2026-03-05T13:30:00Z"})).await;
    let subject = "Changed: Board of the week, 2026-03-05 13:30";
    assert_eq!(told().await, told_to(&["alex", "nora", "rob"], subject));
    change(json!({"attendees": people(&[Nora, Alex, Vera, Bea])})).await;
    let expected = [
        told_to(&["rob"], "Cancelled: Board of the week, 2026-03-05 13:30"),
        told_to(&["vera"], "Board of the week, 2026-03-05 13:30"),
    ];
    assert_eq!(told().await, expected.concat());
    change(json!({"state": "cancelled"})).await;
    let subject = "Cancelled: Board of the week, 2026-03-05 13:30";
    assert_eq!(told().await, told_to(&["alex", "nora", "vera"], subject));
    // What was held is not cancelled, nor is anybody asked to come to what is over.
    let over = json!({
        "name": "Over", "starts_at": "2026-03-02T13:00:00Z", "ends_at": "2026-03-02T14:00:00Z", "attendees": people(&[Alex]),
    });
    server.post("/api/v1/cab-meetings", over).by(Nora).expect(201).await;
    assert_eq!(told().await, []);
}
