//! Who sees which approvals, in lists and by themselves.

use actix_web::http::Method;
use serde_json::json;

use super::{
    Admin, Alex, Bea, Ben, Nora, Person, Rita, Rob, Server, Vera, any, approve, ask, asking, at, incident, people,
    reject, stage,
};

#[actix_web::test]
async fn an_approval_is_seen_by_those_who_see_the_record_or_are_asked() {
    let server = Server::start().await;
    let record = incident(&server).await;
    // Rob is asked though he doesn't see the record; Vera's turn has not come.
    let stages = vec![stage(&server, &[Rob], any()), stage(&server, &[Vera], any())];
    let approval = ask(&server, &record, stages).await;
    let path = at(&approval);
    for (person, sees) in [(Alex, true), (Rita, true), (Rob, true), (Vera, false), (Bea, false), (Ben, false)] {
        let status = if sees { 200 } else { 404 };
        let read = server.get(&path).by(person).expect(status).await;
        let listed = server.get("/api/v1/approvals").by(person).expect(200).await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), usize::from(sees), "{person:?}");
        if !sees {
            approve(&server, &path, person, 404).await;
        } else {
            assert_eq!(read.json()["record"]["title"], "The core switch drops packets");
        }
    }
    server.get(&record).by(Rob).expect(404).await;
    server.get(&format!("{record}/approvals")).by(Rob).expect(404).await;
    let shown = server.get(&path).by(Rob).expect(200).await.json();
    let told: Vec<&String> = shown["record"].as_object().unwrap().keys().collect();
    assert_eq!(told, ["id", "kind", "number", "title"], "and nothing else of it");
    approve(&server, &path, Rob, 200).await;
    server.get(&path).by(Rob).expect(200).await;
    server.get(&path).by(Vera).expect(200).await;
    // Somebody who may read no approvals by their roles still decides in their own, and a token without that scope doesn't.
    let narrow = people::token_for(&server.assembly, Vera, "incident.read");
    server.get("/api/v1/approvals").with(&narrow).expect(403).await;
    server.post(&format!("{path}/approve"), json!({})).with(&narrow).expect(403).await;
    let wide = people::token_for(&server.assembly, Vera, "approval.decide");
    server.post(&format!("{path}/approve"), json!({})).with(&wide).expect(200).await;
}

#[actix_web::test]
async fn the_part_of_a_voter_needs_no_role() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let roleless = format!("/api/v1/users/{}/roles/requester", Vera.id(&server.assembly));
    server.ask(Method::DELETE, &roleless).by(Admin).header("if-match", "*").expect(200).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Vera], any())]).await);
    assert_eq!(
        server.get("/api/v1/approvals?mine=true").by(Vera).expect(200).await.json()["items"][0]["state"],
        "pending"
    );
    assert_eq!(approve(&server, &approval, Vera, 200).await.field("state"), "approved");
    let other = ask(&server, &record, vec![stage(&server, &[Nora], any())]).await;
    server.get(&at(&other)).by(Vera).expect(404).await;
    server
        .post(&format!("{record}/approvals"), asking(vec![stage(&server, &[Nora], any())]))
        .by(Vera)
        .expect(403)
        .await;
}

#[actix_web::test]
async fn lists_tell_what_waits_for_whom_and_come_in_pages() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let mut made = Vec::new();
    for people in [&[Nora][..], &[Nora, Vera], &[Vera]] {
        made.push(ask(&server, &record, vec![stage(&server, people, json!({"kind": "all"}))]).await.field("id"));
    }
    let ids = async |person: Person, query: &str| {
        let page = server.get(&format!("/api/v1/approvals{query}")).by(person).expect(200).await.json();
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| made.iter().position(|id| item["id"] == json!(id)).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids(Nora, "").await, [2, 1, 0], "the newest first");
    assert_eq!(ids(Nora, "?mine=true").await, [1, 0]);
    assert_eq!(ids(Vera, "?mine=true").await, [2, 1]);
    assert_eq!(ids(Rita, "?mine=true").await, [0_usize; 0]);
    approve(&server, &format!("/api/v1/approvals/{}", made[1]), Nora, 200).await;
    assert_eq!(ids(Nora, "?mine=true").await, [0], "one's vote is no longer waited for");
    reject(&server, &format!("/api/v1/approvals/{}", made[2]), Vera, 200).await;
    assert_eq!(ids(Nora, "?state=rejected").await, [2]);
    assert_eq!(ids(Nora, "?state=pending").await, [1, 0]);
    let first = server.get("/api/v1/approvals?limit=2").by(Nora).expect(200).await;
    assert!(first.header("link").contains("rel=\"next\""));
    let cursor = first.field("next_cursor");
    assert_eq!(ids(Nora, &format!("?limit=2&cursor={cursor}")).await, [0]);
    for query in ["state=approvd", "state=", "mine=maybe", "limit=0", "cursor=x", "nothing=1"] {
        server.get(&format!("/api/v1/approvals?{query}")).by(Nora).expect(400).await;
    }
}
