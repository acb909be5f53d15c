//! What changes meet: all kinds of conflicts, and what becomes of them when others move or windows are others.

use actix_web::http::Method;
use chrono::TimeDelta;
use pointsman::{clock::Moment, practice::change::ChangePractice, record::practice::Practice};
use serde_json::{Value, json};

use crate::{
    change::{approvals, approve, held, made, managed, normal, put_to_rest, read, take},
    change_agreed::{asked, scheduled, states},
    configuration::{ITEMS, group, item, relate},
    support::{Person::*, Server, people, sample::agreed},
};

/// A change of two hours from a moment on.
fn at(start: &str, about: Option<&str>) -> Value {
    let from: Moment = start.parse().unwrap();
    let mut body = normal();
    (body["planned_start"], body["planned_end"]) = (json!(from), json!(from.plus(TimeDelta::hours(2))));
    body["configuration_item_id"] = json!(about);
    body
}

async fn met(server: &Server, change: &str) -> Vec<String> {
    let met = server.get(&format!("{change}/conflicts")).by(Admin).expect(200).await.json();
    met["items"].as_array().unwrap().iter().map(|met| met["kind"].as_str().unwrap().to_owned()).collect()
}

async fn window(server: &Server, name: &str, rest: Value) -> String {
    let mut body = json!({"name": name});
    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    format!(
        "/api/v1/change-windows/{}",
        server.post("/api/v1/change-windows", body).by(Nora).expect(201).await.field("id")
    )
}

async fn put_out_of_use(server: &Server, window: &str) {
    server.patch(window, json!({"active": false})).by(Nora).header("if-match", "*").expect(200).await;
}

/// A little later, when others have looked around again.
async fn a_little_later(server: &Server) {
    server.at(&server.assembly.clock.now().plus(TimeDelta::seconds(3)).to_string());
    server.assembly.jobs().fire_timers().await.unwrap();
}

#[actix_web::test]
async fn all_ten_kinds_of_conflicts_are_told() {
    let server = managed().await;
    let disk = item(&server, "storage", "disk", json!({})).await;
    let web = item(&server, "server", "web", json!({})).await;
    let shop = item(&server, "application", "shop", json!({})).await;
    relate(&server, (ITEMS, &web), "depends_on", &disk, None).await;
    relate(&server, (ITEMS, &shop), "depends_on", &web, None).await;
    let mut days = (10..).map(|day| format!("2026-03-{day}T20:00:00Z"));
    for (about, near) in [(&web, ""), (&disk, "parent_"), (&shop, "child_")] {
        let start = days.next().unwrap();
        scheduled(&server, at(&start, Some(about))).await;
        let change = made(&server, at(&start, Some(&web))).await;
        assert_eq!(met(&server, &change).await, [format!("{near}ci_scheduled")]);
        let start = days.next().unwrap();
        let span = json!({"starts_at": start, "ends_at": start.replace("T20", "T21"), "configuration_item_id": about});
        let with = |kind: &str| {
            let mut body = span.clone();
            body["kind"] = json!(kind);
            body
        };
        window(&server, &format!("{near}blackout"), with("blackout")).await;
        let change = made(&server, at(&start, Some(&web))).await;
        assert_eq!(met(&server, &change).await, [format!("{near}ci_in_blackout")]);
        // Two hours are more than the window has.
        let start = days.next().unwrap();
        let hour = window(&server, &format!("{near}window"), with("maintenance")).await;
        let change = made(&server, at(&start, Some(&web))).await;
        assert_eq!(met(&server, &change).await, [format!("{near}ci_outside_window")]);
        put_out_of_use(&server, &hour).await;
        assert_eq!(met(&server, &change).await, Vec::<String>::new());
    }
    let start = days.next().unwrap();
    let mut of_alex = at(&start, None);
    of_alex["team_id"] = json!(people::team(&server.assembly, "service-desk").to_string());
    of_alex["assignee_id"] = json!(Alex.id(&server.assembly).to_string());
    scheduled(&server, of_alex.clone()).await;
    let change = made(&server, of_alex).await;
    assert_eq!(met(&server, &change).await, ["assignee_busy"]);
}

#[actix_web::test]
async fn a_thing_waits_for_its_next_window() {
    let server = managed().await;
    let switch = item(&server, "network_device", "switch", json!({})).await;
    let nights = json!({
        "kind": "maintenance", "configuration_item_id": switch, "starts_at": "2026-03-09T20:00:00Z",
        "ends_at": "2026-03-10T04:00:00Z",
    });
    let nights = window(&server, "Nights", nights).await;
    for (start, expected) in [
        ("2026-03-08T20:00:00Z", vec!["ci_outside_window"]),
        ("2026-03-09T20:00:00Z", vec![]),
        ("2026-03-11T20:00:00Z", vec!["ci_outside_window"]),
    ] {
        let change = made(&server, at(start, Some(&switch))).await;
        assert_eq!(met(&server, &change).await, expected, "{start}");
        // What is too long for the window is at no time within one.
        let long = format!("{change}/free-slot?from=2026-03-08T00:00:00Z&minutes=600");
        assert_eq!(server.get(&long).by(Admin).expect(200).await.json()["planned_start"], Value::Null);
    }
    put_out_of_use(&server, &nights).await;
    // The open hours of a calendar are windows as well.
    let calendars = server.get("/api/v1/calendars?q=business-hours").by(Admin).expect(200).await.json();
    let hours = json!({
        "kind": "maintenance", "configuration_item_id": switch, "calendar_id": calendars["items"][0]["id"],
        "ends_at": "2026-03-14T00:00:00Z",
    });
    window(&server, "By day", hours).await;
    for (start, expected) in [
        ("2026-03-12T20:00:00Z", vec!["ci_outside_window"]),
        ("2026-03-13T08:00:00Z", vec![]),
        ("2026-03-16T08:00:00Z", vec!["ci_outside_window"]),
    ] {
        let change = made(&server, at(start, Some(&switch))).await;
        assert_eq!(met(&server, &change).await, expected, "{start}");
    }
    let change = made(&server, at("2026-03-12T17:00:00Z", Some(&switch))).await;
    let free = server.get(&format!("{change}/free-slot?from=2026-03-12T17:00:00Z")).by(Admin).expect(200).await.json();
    assert_eq!(free, json!({"planned_start": "2026-03-13T08:00:00Z", "planned_end": "2026-03-13T10:00:00Z"}));
}

#[actix_web::test]
async fn the_hours_of_a_calendar_change_its_windows() {
    let server = managed().await;
    let switch = item(&server, "network_device", "switch", json!({})).await;
    let evening = json!([{"from": "20:00", "until": "24:00"}]);
    let nights = json!({"name": "nights", "zone": "UTC", "hours": {"tuesday": evening}});
    let nights = server.post("/api/v1/calendars", nights).by(Admin).expect(201).await.field("id");
    let by_night = json!({"kind": "maintenance", "configuration_item_id": switch, "calendar_id": nights});
    window(&server, "By night", by_night).await;
    let change = scheduled(&server, at("2026-03-10T20:00:00Z", Some(&switch))).await;
    assert_eq!(read(&server, &change).await["conflict_count"], 0);
    let path = format!("/api/v1/calendars/{nights}");
    server
        .patch(&path, json!({"hours": {"tuesday": [], "friday": evening}}))
        .by(Admin)
        .header("if-match", "*")
        .expect(200)
        .await;
    a_little_later(&server).await;
    assert_eq!(read(&server, &change).await["conflict_count"], 1);
}

#[actix_web::test]
async fn what_is_met_in_the_place_of_something_else_is_new() {
    let server = managed().await;
    let web = item(&server, "server", "web", json!({})).await;
    let night = "2026-03-10T20:00:00Z";
    let known = scheduled(&server, at(night, Some(&web))).await;
    let change = asked(&server, at(night, Some(&web))).await;
    assert_eq!(read(&server, &change).await["conflict_count"], 1);
    approve(&server, &approvals(&server, &change).await[0]).await;
    take(&server, &known, "cancel", json!({})).await;
    let other = scheduled(&server, at(night, Some(&web))).await;
    let team = people::team(&server.assembly, "service-desk").to_string();
    let given = json!({"team_id": team, "assignee_id": Alex.id(&server.assembly).to_string()});
    server.patch(&change, given).by(Admin).header("if-match", "*").expect(200).await;
    for _ in 0..2 {
        let held = server.post(&format!("{change}/schedule"), json!({})).by(Admin).expect(409).await.json();
        assert_eq!(held["errors"][0]["code"], "approval", "{held}");
        // Nor is it so once it was seen, until somebody has agreed to that.
        a_little_later(&server).await;
    }
    let again = approvals(&server, &change).await;
    assert_eq!((states(&again), &read(&server, &change).await["conflict_count"]), (vec!["pending", "void"], &json!(1)));
    approve(&server, &again[0]).await;
    // With less it may be made as well.
    take(&server, &other, "cancel", json!({})).await;
    a_little_later(&server).await;
    assert_eq!(read(&server, &change).await["conflict_count"], 0);
    assert_eq!(states(&approvals(&server, &change).await), ["approved", "void"]);
    take(&server, &change, "schedule", json!({})).await;
}

#[actix_web::test]
async fn more_that_depends_on_it_is_more_than_was_approved() {
    let server = managed().await;
    let web = item(&server, "server", "web", json!({})).await;
    let change = scheduled(&server, at("2026-03-10T20:00:00Z", Some(&web))).await;
    assert_eq!(read(&server, &change).await["criticality"], "bronze");
    let gold = json!({"criticality": "gold"});
    server.patch(&format!("{ITEMS}/{web}"), gold).by(Admin).header("if-match", "*").expect(200).await;
    server.at("2026-03-10T20:00:00Z");
    let held = held(&server, &change, "implement").await;
    assert_eq!(held["errors"][0]["pointer"], "/criticality", "{held}");
}

#[actix_web::test]
async fn what_is_made_late_takes_the_time_that_it_takes() {
    let server = managed().await;
    let web = item(&server, "server", "web", json!({})).await;
    let late = scheduled(&server, at("2026-03-10T20:00:00Z", Some(&web))).await;
    let next = scheduled(&server, at("2026-03-11T00:00:00Z", Some(&web))).await;
    server.at("2026-03-10T21:30:00Z");
    take(&server, &late, "implement", json!({})).await;
    assert_eq!(met(&server, &next).await, Vec::<String>::new());
    // It should be over since ten.
    server.at("2026-03-11T00:05:00Z");
    assert_eq!(met(&server, &next).await, ["ci_scheduled"]);
    let free = format!("{next}/free-slot?from=2026-03-11T00:00:00Z");
    let free = server.get(&free).by(Admin).expect(200).await.json();
    assert_eq!(free["planned_start"], "2026-03-11T00:20:00Z");
    held(&server, &next, "implement").await;
    take(&server, &late, "complete", json!({"result": "successful"})).await;
    take(&server, &next, "implement", json!({})).await;
}

#[actix_web::test]
async fn what_comes_later_is_seen_a_little_later() {
    let server = managed().await;
    // Nothing is refused for the time alone, so that it shows who is asked again.
    put_to_rest(&server, "approve_freeze_periods").await;
    let disk = item(&server, "storage", "disk", json!({})).await;
    let web = item(&server, "server", "web", json!({})).await;
    relate(&server, (ITEMS, &web), "depends_on", &disk, None).await;
    let night = "2026-03-10T20:00:00Z";
    let change = scheduled(&server, at(night, Some(&web))).await;
    let elsewhere = scheduled(&server, at(night, None)).await;
    let version = read(&server, &elsewhere).await["version"].clone();
    let freeze = json!({"kind": "blackout", "configuration_item_id": disk, "starts_at": night, "ends_at": "2026-03-12T00:00:00Z"});
    let freeze = window(&server, "Freeze", freeze).await;
    a_little_later(&server).await;
    let seen = read(&server, &change).await;
    assert_eq!((&seen["conflict_count"], &seen["blackout"]), (&json!(1), &json!("a blackout of what it rests on")));
    assert_eq!(states(&approvals(&server, &change).await), ["pending", "void"]);
    let history = server.get(&format!("{change}/history")).by(Admin).expect(200).await.json();
    let items = history["items"].as_array().unwrap();
    let noticed = items.iter().find(|entry| entry["action"] == "change.replanned");
    assert_eq!(noticed.map(|entry| &entry["via"]), Some(&json!("timer:due")), "{history:#}");
    assert_eq!(read(&server, &elsewhere).await["version"], version, "it is about something else");
    put_out_of_use(&server, &freeze).await;
    a_little_later(&server).await;
    let seen = read(&server, &change).await;
    assert_eq!((&seen["conflict_count"], &seen["blackout"]), (&json!(0), &Value::Null));
    // Another one takes the same time, moves, and goes.
    approve(&server, &approvals(&server, &change).await[0]).await;
    let other = scheduled(&server, at(night, Some(&disk))).await;
    let moved = json!({"planned_start": "2026-03-20T20:00:00Z", "planned_end": "2026-03-20T22:00:00Z"});
    let back = json!({"planned_start": night, "planned_end": "2026-03-10T22:00:00Z"});
    for (plan, expected) in [(None, 1), (Some(moved), 0), (Some(back), 1)] {
        if let Some(plan) = plan {
            server.patch(&other, plan).by(Admin).header("if-match", "*").expect(200).await;
        }
        a_little_later(&server).await;
        assert_eq!(read(&server, &change).await["conflict_count"], expected);
    }
    take(&server, &other, "cancel", json!({})).await;
    a_little_later(&server).await;
    assert_eq!(read(&server, &change).await["conflict_count"], 0);
}

#[actix_web::test]
async fn what_is_related_later_is_seen_a_little_later() {
    let server = managed().await;
    let disk = item(&server, "storage", "disk", json!({})).await;
    let web = item(&server, "server", "web", json!({})).await;
    let night = "2026-03-10T20:00:00Z";
    let change = scheduled(&server, at(night, Some(&web))).await;
    scheduled(&server, at(night, Some(&disk))).await;
    let relation = relate(&server, (ITEMS, &web), "depends_on", &disk, None).await.field("id");
    a_little_later(&server).await;
    assert_eq!(read(&server, &change).await["conflict_count"], 1);
    assert_eq!(states(&approvals(&server, &change).await), ["pending", "void"]);
    let types = server.get("/api/v1/relation-types?q=depends_on").by(Admin).expect(200).await.json();
    let of_it = format!("/api/v1/relation-types/{}", types["items"][0]["id"].as_str().unwrap());
    for (impact, expected) in [("none", 0), ("target_to_source", 1)] {
        let patch = server.patch(&of_it, json!({"impact": impact})).by(Admin).header("if-match", "*");
        patch.expect(200).await;
        a_little_later(&server).await;
        assert_eq!(read(&server, &change).await["conflict_count"], expected, "{impact}");
    }
    let path = format!("{ITEMS}/{web}/relations/{relation}");
    server.ask(Method::DELETE, &path).by(Admin).header("if-match", "*").expect(204).await;
    a_little_later(&server).await;
    assert_eq!(read(&server, &change).await["conflict_count"], 0);
}

#[actix_web::test]
async fn what_stands_in_for_another_is_seen_a_little_later() {
    let server = managed().await;
    let [one, two] =
        [item(&server, "storage", "one", json!({})).await, item(&server, "storage", "two", json!({})).await];
    let shop = item(&server, "application", "shop", json!({})).await;
    let vital = server.patch(&format!("{ITEMS}/{shop}"), json!({"criticality": "gold"}));
    vital.by(Admin).header("if-match", "*").expect(200).await;
    group(&server, (ITEMS, &shop), "disks", 1).await;
    for disk in [&one, &two] {
        relate(&server, (ITEMS, &shop), "depends_on", disk, Some("disks")).await;
    }
    let change = scheduled(&server, at("2026-03-10T20:00:00Z", Some(&one))).await;
    assert_eq!(read(&server, &change).await["criticality"], "bronze", "the other disk goes on");
    for (min_up, expected) in [(2, "gold"), (1, "bronze")] {
        group(&server, (ITEMS, &shop), "disks", min_up).await;
        a_little_later(&server).await;
        assert_eq!(read(&server, &change).await["criticality"], expected, "{min_up}");
    }
    let path = format!("{ITEMS}/{shop}/redundancy-groups/disks");
    server.ask(Method::DELETE, &path).by(Admin).header("if-match", "*").expect(204).await;
    a_little_later(&server).await;
    assert_eq!(read(&server, &change).await["criticality"], "gold", "each by itself");
}

#[actix_web::test]
async fn who_asked_has_no_say_when_it_is_asked_again() {
    let server = managed().await;
    put_to_rest(&server, "approve_freeze_periods").await;
    let change = made(&server, at("2026-03-10T20:00:00Z", None)).await;
    take(&server, &change, "assess", json!({})).await;
    server.post(&format!("{change}/request_authorisation"), json!({})).by(Nora).expect(200).await;
    let freeze = json!({"kind": "blackout", "starts_at": "2026-03-10T20:00:00Z", "ends_at": "2026-03-12T00:00:00Z"});
    window(&server, "Freeze", freeze).await;
    a_little_later(&server).await;
    let now = approvals(&server, &change).await;
    assert_eq!(states(&now), ["pending", "void"]);
    let nora = Nora.id(&server.assembly);
    assert_eq!(now.iter().map(|one| &one["asked_by_id"]).collect::<Vec<_>>(), [&json!(nora); 2]);
    let path = format!("/api/v1/approvals/{}/approve", now[0]["id"].as_str().unwrap());
    server.post(&path, json!({})).by(Nora).expect(403).await;
}

#[actix_web::test]
async fn the_failures_of_a_team_are_counted() {
    let server = managed().await;
    let desk = people::team(&server.assembly, "service-desk").to_string();
    let of_desk = |day: u32| {
        let mut body = at(&format!("2026-03-{day}T20:00:00Z"), None);
        body["team_id"] = json!(desk);
        body
    };
    agreed(&server, &ChangePractice::KIND).await;
    let scheduled = async |body: Value| {
        let change = made(&server, body).await;
        for step in ["assess", "request_authorisation", "schedule"] {
            take(&server, &change, step, json!({})).await;
        }
        change
    };
    let failed = json!({"result": "failed", "result_notes": "It did not start."});
    for (day, result) in
        [(10, json!({"result": "successful"})), (11, failed.clone()), (12, json!({"result": "successful"}))]
    {
        let change = scheduled(of_desk(day)).await;
        server.at(&format!("2026-03-{day}T20:00:00Z"));
        take(&server, &change, "implement", json!({})).await;
        take(&server, &change, "complete", result).await;
    }
    // One that was given up counts as what it is.
    let change = scheduled(of_desk(13)).await;
    server.at("2026-03-13T20:00:00Z");
    take(&server, &change, "implement", json!({})).await;
    take(&server, &change, "cancel", failed).await;
    server.at("2026-03-13T21:00:00Z");
    let next = made(&server, of_desk(14)).await;
    assert_eq!(read(&server, &next).await["team_failures"], 50);
    server.at("2027-04-01T20:00:00Z");
    let later = made(&server, of_desk(15)).await;
    assert_eq!(read(&server, &later).await["team_failures"], 0);
}
