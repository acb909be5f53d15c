//! Links by which somebody decides once, without signing in.

use diesel::prelude::*;
use pointsman::schema::{approval_link, audit, idempotency, outbox, user_account};
use serde_json::{Value, json};

use super::{
    Admin, Alex, Answer, Nora, Person, Rita, Server, Vera, any, approve, ask, at, incident, stage, state, trail,
};

async fn link(server: &Server, approval: &str, person: Person) -> String {
    let body = json!({"user_id": person.id(&server.assembly).to_string()});
    let made = server.post(&format!("{approval}/links"), body).by(Admin).expect(201).await;
    format!("/api/v1/approval-links/{}", made.field("token"))
}

async fn decide(server: &Server, link: &str, vote: &str, status: u16) -> Answer {
    server.post(link, json!({"vote": vote, "comment": "By mail"})).expect(status).await
}

#[actix_web::test]
async fn a_link_decides_once_without_signing_in() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Vera], json!({"kind": "all"}))]).await);
    let nora = link(&server, &approval, Nora).await;
    let second = link(&server, &approval, Nora).await;
    assert_ne!(nora, second);
    for _ in 0..3 {
        let asked = server.get(&nora).expect(200).await.json();
        assert_eq!(
            (&asked["voter"], &asked["stage"], &asked["vote"]),
            (&json!("nora"), &json!("Those who know"), &json!(null))
        );
        assert_eq!(asked["record"]["title"], "The core switch drops packets");
    }
    server.post(&nora, json!({"vote": "reject"})).expect(422).await;
    server.post(&nora, json!({"vote": "maybe"})).expect(422).await;
    server.post(&format!("{nora}?dry_run=true"), json!({"vote": "approve"})).expect(200).await;
    let done = decide(&server, &nora, "approve", 200).await.json();
    assert_eq!((&done["vote"], &done["state"]), (&json!("approve"), &json!("pending")));
    for spent in [&nora, &second] {
        decide(&server, spent, "approve", 410).await;
        assert_eq!(server.get(spent).expect(410).await.field("code"), "gone");
    }
    let shown = server.get(&approval).by(Admin).expect(200).await.json();
    let voter = &shown["stages"][0]["voters"][0];
    assert_eq!((&voter["via"], &voter["comment"]), (&json!("link"), &json!("By mail")));
    assert_eq!(voter["voted_by_id"], json!(Nora.id(&server.assembly).to_string()));
    let vera = link(&server, &approval, Vera).await;
    assert_eq!(decide(&server, &vera, "reject", 200).await.field("state"), "rejected");
    let history = server.get(&format!("{record}/history")).by(Alex).expect(200).await.json();
    assert_eq!(
        (&history["items"][0]["via"], &history["items"][0]["by"]["user_name"]),
        (&json!("link"), &json!("vera"))
    );
    assert_eq!(trail(&server, &record).iter().filter(|action| action.ends_with("approval_link_made")).count(), 3);
}

#[actix_web::test]
async fn a_link_is_over_when_its_time_its_stage_or_its_owner_is() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let soon = {
        let mut stage = stage(&server, &[Nora], any());
        stage["due_after"] = json!("PT24H");
        at(&ask(&server, &record, vec![stage]).await)
    };
    let good_for = |length: &str| json!({"user_id": Nora.id(&server.assembly).to_string(), "good_for": length});
    for length in ["PT0S", "-PT1H", "PT169H"] {
        server.post(&format!("{soon}/links"), good_for(length)).by(Admin).expect(422).await;
    }
    let made = server.post(&format!("{soon}/links"), good_for("PT48H")).by(Admin).expect(201).await;
    assert_eq!(made.field("expires_at"), "2026-03-04T11:00:00Z", "no longer than the stage");
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Vera], any())]).await);
    let made = server.post(&format!("{approval}/links"), good_for("PT1H")).by(Admin).expect(201).await;
    let brief = format!("/api/v1/approval-links/{}", made.field("token"));
    let week = link(&server, &approval, Nora).await;
    server.at("2026-03-03T12:00:00Z");
    decide(&server, &brief, "approve", 410).await;
    server.get(&week).expect(200).await;
    server.at("2026-03-10T11:00:00Z");
    server.get(&week).expect(410).await;
    server.at("2026-03-03T12:00:00Z");
    // Who is disabled, or has got a part in the record.
    let active = |active: bool| {
        let mut connection = server.assembly.database.connect().unwrap();
        let nora = user_account::table.filter(user_account::user_name.eq("nora"));
        diesel::update(nora).set(user_account::active.eq(active)).execute(&mut connection).unwrap();
    };
    active(false);
    server.get(&week).expect(410).await;
    active(true);
    server.get(&week).expect(200).await;
    let requester = json!({"requester_id": Nora.id(&server.assembly).to_string()});
    server.patch(&record, requester).by(Admin).header("if-match", "*").expect(200).await;
    decide(&server, &week, "approve", 410).await;
    let requester = json!({"requester_id": Rita.id(&server.assembly).to_string()});
    server.patch(&record, requester).by(Admin).header("if-match", "*").expect(200).await;
    server.get(&week).expect(200).await;
    // What was decided otherwise.
    approve(&server, &approval, Vera, 200).await;
    decide(&server, &week, "reject", 410).await;
    assert_eq!(state(&server, &approval).await, "approved");
}

#[actix_web::test]
async fn links_are_made_by_few_and_for_those_alone_who_are_waited_for() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Rita], any())]).await);
    let body = |person: Person| json!({"user_id": person.id(&server.assembly).to_string()});
    let links = format!("{approval}/links");
    for person in [Alex, Nora, Rita] {
        server.post(&links, body(Nora)).by(person).expect(403).await;
    }
    for person in [Rita, Vera] {
        let refused = server.post(&links, body(person)).by(Admin).expect(422).await.json();
        assert_eq!(refused["errors"][0]["code"], "not_asked");
    }
    let dry = server.post(&format!("{links}?dry_run=true"), body(Nora)).by(Admin).expect(201).await;
    assert!(dry.json()["token"].is_null());
    let keyed = || server.post(&links, body(Nora)).by(Admin).header("idempotency-key", "k");
    let (first, again) = (keyed().expect(201).await, keyed().expect(201).await);
    assert!(first.json()["token"].is_string() && again.json()["token"].is_null(), "a token is told once");
    approve(&server, &approval, Nora, 200).await;
    server.post(&links, body(Nora)).by(Admin).expect(409).await;
}

#[actix_web::test]
async fn a_token_is_neither_stored_nor_made_up() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Vera], any())]).await);
    let nora = link(&server, &approval, Nora).await;
    let vera = link(&server, &approval, Vera).await;
    let token = nora.rsplit('/').next().unwrap().to_owned();
    let told: Vec<String> = server
        .assembly
        .database
        .read_here(|c| {
            let mut told: Vec<String> = audit::table.select(audit::changes).load(c)?;
            told.extend(outbox::table.select(outbox::payload).load::<String>(c)?);
            told.extend(approval_link::table.select(approval_link::digest).load::<String>(c)?);
            let kept: Vec<Vec<u8>> = idempotency::table.select(idempotency::body).load(c)?;
            told.extend(kept.into_iter().map(|body| String::from_utf8_lossy(&body).into_owned()));
            Ok(told)
        })
        .unwrap();
    let secret = &token["pm_al_".len()..];
    assert!(told.iter().all(|text| !text.contains(secret)));
    // A row that was altered by hand opens nothing: the token is signed for one voter until one moment.
    let mut connection = server.assembly.database.connect().unwrap();
    let voters: Vec<String> = approval_link::table
        .order(approval_link::digest)
        .select(approval_link::voter_id)
        .load(&mut connection)
        .unwrap();
    let of = |voter: &str| approval_link::table.filter(approval_link::voter_id.eq(voter.to_owned()));
    let later = "2026-04-01T00:00:00Z".parse::<pointsman::clock::Moment>().unwrap();
    diesel::update(of(&voters[0])).set(approval_link::expires_at.eq(later)).execute(&mut connection).unwrap();
    diesel::update(of(&voters[1])).set(approval_link::voter_id.eq(&voters[0])).execute(&mut connection).unwrap();
    for altered in [&nora, &vera] {
        let refused = server.get(altered).expect(404).await;
        assert!(!refused.text().contains(secret), "{}", refused.text());
        assert_eq!(refused.field("instance"), "/api/v1/approval-links/***");
    }
}

#[actix_web::test]
async fn guessing_has_to_wait() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora], any())]).await);
    let good = link(&server, &approval, Nora).await;
    let guess = format!("/api/v1/approval-links/pm_al_{}", "A".repeat(86));
    for _ in 0..10 {
        server.get(&guess).expect(404).await;
        server.post(&guess, json!({"vote": "approve"})).expect(404).await;
    }
    let held_up = server.get(&guess).expect(429).await;
    assert!(!held_up.header("retry-after").is_empty());
    server.get(&good).expect(429).await;
    server.at("2026-03-03T11:00:01Z");
    let asked: Value = server.get(&good).expect(200).await.json();
    assert_eq!(asked["voter"], "nora");
}

#[actix_web::test]
async fn a_link_that_is_used_twice_at_once_decides_once() {
    let server = Server::start_with(|config| config.database.writers = 4).await;
    let beside = server.beside().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Vera], json!({"kind": "all"}))]).await);
    let nora = link(&server, &approval, Nora).await;
    let vote = |vote: &str| json!({"vote": vote, "comment": "By mail"});
    let (one, other) = futures_util::future::join(
        server.post(&nora, vote("approve")).send(),
        beside.post(&nora, vote("reject")).send(),
    )
    .await;
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410], "{} {}", one.text(), other.text());
}

#[actix_web::test]
async fn links_that_are_long_over_are_forgotten() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora], any())]).await);
    let nora = link(&server, &approval, Nora).await;
    for (moment, status) in [("2026-04-09T11:00:00Z", 410), ("2026-04-09T11:00:01Z", 404)] {
        server.at(moment);
        server.assembly.jobs().forget_old().await.unwrap();
        server.get(&nora).expect(status).await;
    }
}
