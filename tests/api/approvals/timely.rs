//! Due times.

use diesel::prelude::*;
use pointsman::schema::timer;
use serde_json::{Value, json};

use super::{Admin, Nora, Server, Vera, any, approve, ask, at, events, incident, reject, stage, state, trail};

fn due(server: &Server, on_due: &str) -> Value {
    let mut stage = stage(server, &[Nora], any());
    stage["due_after"] = json!("PT48H");
    stage["on_due"] = json!(on_due);
    stage
}

/// Timers that still wait.
fn waiting(server: &Server) -> Vec<String> {
    let waiting = timer::table.filter(timer::fired_at.is_null()).select(timer::name);
    let all: Vec<String> = server.assembly.database.read_here(|c| Ok(waiting.load(c)?)).unwrap();
    all.into_iter().filter(|name| name.starts_with("approval:")).collect()
}

/// Timers of approvals that did their work.
fn fired(server: &Server) -> i64 {
    let fired = timer::table.filter(timer::name.like("approval:%")).filter(timer::fired_at.is_not_null());
    let fired = fired.filter(timer::error.is_null()).count();
    server.assembly.database.read_here(|c| Ok(fired.get_result(c)?)).unwrap()
}

/// Fires what is due at a moment; gives how many of them were of approvals.
async fn fire(server: &Server, moment: &str) -> i64 {
    let before = fired(server);
    server.at(moment);
    server.assembly.jobs().fire_timers().await.unwrap();
    fired(server) - before
}

/// The last that concerns an approval: clocks tell of themselves, too.
fn last(told: Vec<String>) -> String {
    told.into_iter().rfind(|action| action.contains(".appro")).unwrap()
}

#[actix_web::test]
async fn a_stage_that_is_not_decided_in_time_ends_the_approval() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let asked = ask(&server, &record, vec![due(&server, "reject"), stage(&server, &[Vera], any())]).await;
    assert_eq!(asked.json()["stages"][0]["due_at"], "2026-03-05T11:00:00Z");
    assert_eq!(waiting(&server).len(), 1);
    assert_eq!(fire(&server, "2026-03-05T10:59:59Z").await, 0);
    assert_eq!(fire(&server, "2026-03-05T11:00:00Z").await, 1);
    let ended = server.get(&at(&asked)).by(Admin).expect(200).await.json();
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("expired"), &json!("due")));
    let states: Vec<&Value> = ended["stages"].as_array().unwrap().iter().map(|s| &s["state"]).collect();
    assert_eq!(states, [&json!("expired"), &json!("void")]);
    assert_eq!(last(trail(&server, &record)), "incident.approval_expired");
    assert_eq!(last(events(&server, &record)), "incident.approval_expired");
    approve(&server, &at(&asked), Nora, 409).await;
}

#[actix_web::test]
async fn nights_and_weekends_do_not_count_where_a_calendar_says_so() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let mut by_calendar = due(&server, "reject");
    by_calendar["due_after"] = json!("PT40H");
    by_calendar["calendar"] = json!("business-hours");
    let asked = ask(&server, &record, vec![by_calendar]).await;
    // 7 hours of Tuesday, 10 of each day until Friday, and 3 of Monday.
    let stage = &asked.json()["stages"][0];
    assert_eq!((&stage["calendar"], &stage["due_at"]), (&json!("business-hours"), &json!("2026-03-09T11:00:00Z")));
    assert_eq!(fire(&server, "2026-03-09T10:59:59Z").await, 0);
    assert_eq!(fire(&server, "2026-03-09T11:00:00Z").await, 1);
    assert_eq!(state(&server, &at(&asked)).await, "expired");
}

#[actix_web::test]
async fn silence_is_consent_where_that_is_said() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let asked = ask(&server, &record, vec![due(&server, "approve"), due(&server, "approve")]).await;
    assert_eq!(fire(&server, "2026-03-06T00:00:00Z").await, 1, "late, as after a stop of the server");
    let now = server.get(&at(&asked)).by(Admin).expect(200).await.json();
    assert_eq!((&now["state"], &now["stages"][0]["reason"]), (&json!("pending"), &json!("due")));
    assert_eq!(now["stages"][1]["due_at"], "2026-03-08T00:00:00Z", "the next one has all its time");
    assert_eq!(last(trail(&server, &record)), "incident.approval_advanced");
    assert_eq!(fire(&server, "2026-03-08T00:00:00Z").await, 1);
    assert_eq!(state(&server, &at(&asked)).await, "approved");
    assert_eq!(last(trail(&server, &record)), "incident.approved");
    assert_eq!(waiting(&server), [""; 0]);
}

#[actix_web::test]
async fn a_vote_retires_the_timer_and_one_that_comes_too_late_is_refused() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let one = ask(&server, &record, vec![due(&server, "reject")]).await;
    let other = ask(&server, &record, vec![due(&server, "approve")]).await;
    let third = ask(&server, &record, vec![due(&server, "reject")]).await;
    assert_eq!(waiting(&server).len(), 3);
    approve(&server, &at(&one), Nora, 200).await;
    reject(&server, &at(&other), Nora, 200).await;
    assert_eq!(waiting(&server).len(), 1);
    server.at("2026-03-05T11:00:00Z");
    let late = approve(&server, &at(&third), Nora, 409).await;
    assert!(late.field("detail").contains("over"), "{}", late.text());
    assert_eq!(fire(&server, "2026-03-05T11:00:00Z").await, 1);
    let states =
        [state(&server, &at(&one)).await, state(&server, &at(&other)).await, state(&server, &at(&third)).await];
    assert_eq!(states, ["approved", "rejected", "expired"]);
}

#[actix_web::test]
async fn what_is_void_or_taken_back_has_no_timer_left() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let withdrawn = ask(&server, &record, vec![due(&server, "reject")]).await;
    server.post(&format!("{}/withdraw", at(&withdrawn)), json!({})).by(Admin).expect(200).await;
    assert_eq!(waiting(&server).len(), 0);
    let void = ask(&server, &record, vec![due(&server, "reject")]).await;
    let before = waiting(&server);
    server.at("2026-03-04T11:00:00Z");
    server.patch(&record, json!({"title": "Another one"})).by(Admin).header("if-match", "*").expect(200).await;
    assert_eq!(state(&server, &at(&void)).await, "void");
    let after = waiting(&server);
    assert_eq!((after.len(), after == before), (1, false), "that of the one that was asked for again");
    assert_eq!(fire(&server, "2026-03-06T10:59:59Z").await, 0);
    assert_eq!(fire(&server, "2026-03-06T11:00:00Z").await, 1);
}
