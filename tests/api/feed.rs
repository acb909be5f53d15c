//! The schedule of changes as a feed: how programs sign in that know HTTP Basic alone.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::support::{Person::*, Server};

const FEED: &str = "/api/v1/change-schedule.ics";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[actix_web::test]
async fn a_calendar_program_signs_in_by_a_personal_token() {
    let server = Server::start().await;
    let body = json!({"name": "calendar", "scopes": ["change.read"]});
    let made = server.post("/api/v1/auth/tokens", body).by(Nora).expect(201).await;
    let token = made.field("secret");
    let freeze = json!({"name": "Freeze", "kind": "blackout", "starts_at": "2026-03-05T20:00:00Z", "ends_at": "2026-03-12T00:00:00Z"});
    server.post("/api/v1/change-windows", freeze).by(Admin).expect(201).await;
    let feed = |password: &str| server.get(FEED).header("authorization", &basic("whoever", password));
    let read = feed(&token).expect(200).await.text();
    assert!(read.starts_with("BEGIN:VCALENDAR") && !read.contains("SUMMARY:Freeze"), "{read}");
    let both = json!({"name": "with windows", "scopes": ["change.read", "change_window.read"]});
    let both = server.post("/api/v1/auth/tokens", both).by(Nora).expect(201).await.field("secret");
    assert!(feed(&both).expect(200).await.text().contains("SUMMARY:Freeze"));
    // It is told that it may, and passwords are no good here.
    let refused = server.get(FEED).expect(401).await;
    assert!(refused.headers("www-authenticate").iter().any(|challenge| challenge.starts_with("Basic ")));
    feed("a password of somebody").expect(401).await;
    feed(&format!("{token}x")).expect(401).await;
    // Nowhere else.
    let list = server.get("/api/v1/changes").header("authorization", &basic("whoever", &token)).expect(401).await;
    assert!(!list.headers("www-authenticate").iter().any(|challenge| challenge.starts_with("Basic ")));
    server.get("/api/v1/changes").with(&token).expect(200).await;
    // A token that ended is worth nothing.
    let path = format!("/api/v1/auth/tokens/{}", made.field("id"));
    server.ask(actix_web::http::Method::DELETE, &path).by(Nora).expect(204).await;
    feed(&token).expect(401).await;
}
