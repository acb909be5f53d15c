//! Two at once.

use diesel::prelude::*;
use pointsman::schema::approval;
use serde_json::{Value, json};

use super::{Admin, Alex, Nora, Server, Vera, any, ask, asking, at, incident, stage, state, trail};

#[actix_web::test]
async fn two_who_vote_at_once_are_both_heard() {
    for _ in 0..8 {
        let server = Server::start_with(|config| config.database.writers = 4).await;
        let beside = server.beside().await;
        let record = incident(&server).await;
        let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Vera], json!({"kind": "all"}))]).await);
        let path = format!("{approval}/approve");
        let (one, other) = futures_util::future::join(
            server.post(&path, json!({})).by(Nora).send(),
            beside.post(&path, json!({})).by(Vera).send(),
        )
        .await;
        assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200), "{} {}", one.text(), other.text());
        assert_eq!(state(&server, &approval).await, "approved");
        assert_eq!(trail(&server, &record)[2..], ["incident.approval_voted", "incident.approved"]);
    }
}

#[actix_web::test]
async fn one_who_votes_twice_at_once_is_heard_once() {
    let server = Server::start_with(|config| config.database.writers = 4).await;
    let beside = server.beside().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Vera], json!({"kind": "all"}))]).await);
    let (yes, no) = futures_util::future::join(
        server.post(&format!("{approval}/approve"), json!({})).by(Nora).send(),
        beside.post(&format!("{approval}/reject"), json!({"comment": "No"})).by(Nora).send(),
    )
    .await;
    let mut statuses = [yes.status.as_u16(), no.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", yes.text(), no.text());
}

#[actix_web::test]
async fn a_change_and_a_request_at_once_leave_no_approval_of_what_was() {
    for _ in 0..8 {
        let server = Server::start_with(|config| config.database.writers = 4).await;
        let beside = server.beside().await;
        let record = incident(&server).await;
        let body = asking(vec![stage(&server, &[Nora], any())]);
        let (asked, changed) = futures_util::future::join(
            server.post(&format!("{record}/approvals"), body).by(Admin).send(),
            beside.patch(&record, json!({"title": "Another one"})).by(Alex).header("if-match", "*").send(),
        )
        .await;
        assert_eq!((asked.status.as_u16(), changed.status.as_u16()), (201, 200));
        let standing = server.get(&format!("{record}/approvals")).by(Admin).expect(200).await.json();
        let pending: Vec<&Value> =
            standing["items"].as_array().unwrap().iter().filter(|a| a["state"] == "pending").collect();
        assert_eq!(pending.len(), 1);
        let covers: String = server
            .assembly
            .database
            .read_here(|c| {
                let of = approval::table.find(pending[0]["id"].as_str().unwrap().to_owned());
                Ok(of.select(approval::covers).first(c)?)
            })
            .unwrap();
        assert!(covers.contains("Another one"), "{covers}");
    }
}
