//! Who decides in the name of whom.

use serde_json::{Value, json};

use super::{
    Admin, Alex, Answer, Bea, Ben, Nora, Person, Rita, Rob, Server, Vera, any, approve, ask, at, incident, stage,
};

/// Lets somebody stand in for another for a week from Tuesday on.
async fn delegate(server: &Server, from: Person, to: Person) -> Answer {
    let body = json!({
        "from_user_id": id(server, from), "to_user_id": id(server, to), "ends_at": "2026-03-10T11:00:00Z", "reason": "Leave",
    });
    server.post("/api/v1/delegations", body).by(Admin).expect(201).await
}

fn id(server: &Server, person: Person) -> String {
    person.id(&server.assembly).to_string()
}

#[actix_web::test]
async fn a_delegate_decides_in_the_name_of_the_absent_one_and_only_then() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Rob], json!({"kind": "all"}))]).await);
    server.get(&approval).by(Vera).expect(404).await;
    delegate(&server, Nora, Vera).await;
    let mine = async || server.get("/api/v1/approvals?mine=true").by(Vera).expect(200).await.json()["items"].clone();
    assert_eq!(mine().await.as_array().unwrap().len(), 1);
    server.at("2026-03-02T11:00:00Z");
    server.get(&approval).by(Vera).expect(404).await;
    server.at("2026-03-10T11:00:00Z");
    server.get(&approval).by(Vera).expect(404).await;
    server.at("2026-03-10T10:59:59Z");
    let voted = approve(&server, &approval, Vera, 200).await.json();
    let voter = &voted["stages"][0]["voters"][0];
    assert_eq!((&voter["user_id"], &voter["voted_by_id"]), (&json!(id(&server, Nora)), &json!(id(&server, Vera))));
    assert_eq!(mine().await, json!([]));
    super::approve(&server, &approval, Nora, 409).await;
    super::approve(&server, &approval, Vera, 409).await;
    let history = server.get(&format!("{record}/history?limit=1")).by(Alex).expect(200).await.json();
    let told = &history["items"][0];
    assert_eq!(told["by"]["user_name"], "vera");
    assert_eq!(told["changes"][0]["to"]["decided"]["in_name_of"], json!(id(&server, Nora)));
}

#[actix_web::test]
async fn nobody_decides_twice_however_often_they_stand_in() {
    let server = Server::start().await;
    let record = incident(&server).await;
    delegate(&server, Nora, Vera).await;
    delegate(&server, Rob, Vera).await;
    let all = json!({"kind": "all"});
    // For two who are absent: for one of them, and the one that is named.
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Rob], all.clone())]).await);
    let body = |name: Person| json!({"in_name_of": id(&server, name)});
    server.post(&format!("{approval}/approve"), body(Alex)).by(Vera).expect(403).await;
    let voted = server.post(&format!("{approval}/approve"), body(Rob)).by(Vera).expect(200).await.json();
    assert_eq!(voted["stages"][0]["voters"][1]["voted_by_id"], json!(id(&server, Vera)));
    server.post(&format!("{approval}/approve"), body(Nora)).by(Vera).expect(409).await;
    // For oneself and one who is absent: one's own goes first.
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Vera], all)]).await);
    let voted = approve(&server, &approval, Vera, 200).await.json();
    assert_eq!(voted["stages"][0]["voters"][1]["vote"], "approve");
    server.post(&format!("{approval}/approve"), body(Nora)).by(Vera).expect(409).await;
    assert_eq!(approve(&server, &approval, Nora, 200).await.field("state"), "approved");
}

#[actix_web::test]
async fn who_has_a_part_in_the_record_decides_in_nobodys_name_and_nobody_in_theirs() {
    let server = Server::start().await;
    let record = incident(&server).await;
    delegate(&server, Nora, Rita).await;
    delegate(&server, Nora, Alex).await;
    delegate(&server, Rita, Vera).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora, Rita], any())]).await);
    for person in [Rita, Alex, Admin, Vera] {
        approve(&server, &approval, person, 403).await;
        let mine = server.get("/api/v1/approvals?mine=true").by(person).expect(200).await.json();
        assert_eq!(mine["items"], json!([]), "{person:?}");
    }
    approve(&server, &approval, Nora, 200).await;
}

#[actix_web::test]
async fn a_delegation_goes_one_step_and_ends_when_it_is_ended() {
    let server = Server::start().await;
    let record = incident(&server).await;
    let approval = at(&ask(&server, &record, vec![stage(&server, &[Nora], any())]).await);
    delegate(&server, Nora, Vera).await;
    delegate(&server, Vera, Rob).await;
    approve(&server, &approval, Rob, 404).await;
    let own = server.get("/api/v1/delegations").by(Nora).expect(200).await.json()["items"][0].clone();
    let path = format!("/api/v1/delegations/{}", own["id"].as_str().unwrap());
    let end = || server.patch(&path, json!({"active": false}));
    end().by(Nora).expect(428).await;
    end().by(Nora).header("if-match", "\"9\"").expect(412).await;
    end().by(Vera).header("if-match", "*").expect(403).await;
    end().by(Rob).header("if-match", "*").expect(404).await;
    let ended = end().by(Nora).header("if-match", "\"1\"").expect(200).await;
    assert_eq!((ended.field("active"), ended.header("etag")), ("false".to_owned(), "\"2\"".to_owned()));
    approve(&server, &approval, Vera, 404).await;
    server.patch(&path, json!({"active": true})).by(Nora).header("if-match", "*").expect(409).await;
    server.get(&path).by(Nora).header("if-none-match", "\"2\"").expect(304).await;
}

#[actix_web::test]
async fn everybody_arranges_their_own_absence_and_few_that_of_others() {
    let server = Server::start().await;
    let person = |person: Person| json!(id(&server, person));
    let body = |more: Value| {
        let mut body = json!({"to_user_id": person(Alex), "ends_at": "2026-03-05T00:00:00Z"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let made = server.post("/api/v1/delegations", body(json!({}))).by(Nora).expect(201).await;
    assert_eq!(made.field("from_user_id"), id(&server, Nora));
    server.get(&made.header("location")).by(Alex).expect(200).await;
    server.get(&made.header("location")).by(Rob).expect(404).await;
    server.get(&made.header("location")).by(Admin).expect(200).await;
    server.post("/api/v1/delegations", body(json!({"from_user_id": person(Rob)}))).by(Nora).expect(403).await;
    let cases = [
        (json!({"to_user_id": person(Nora)}), "loop"),
        (json!({"to_user_id": person(Ben)}), "no_such_reference"),
        (json!({"to_user_id": person(Bea)}), "no_such_reference"),
        (json!({"ends_at": "2026-03-03T11:00:00Z"}), "out_of_range"),
        (json!({"begins_at": "2026-03-05T00:00:00Z"}), "out_of_range"),
        (json!({"reason": "x".repeat(501)}), "too_long"),
    ];
    for (more, code) in cases {
        let refused = server.post("/api/v1/delegations", body(more.clone())).by(Nora).expect(422).await.json();
        assert_eq!(refused["errors"][0]["code"], code, "{more}");
    }
    let list = async |person: Person, query: &str| {
        let page = server.get(&format!("/api/v1/delegations{query}")).by(person).expect(200).await.json();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!((list(Nora, "").await, list(Alex, "").await, list(Rob, "").await, list(Admin, "").await), (1, 1, 0, 1));
    let (of_nora, of_rob) = (format!("?user_id={}", id(&server, Nora)), format!("?user_id={}", id(&server, Rob)));
    assert_eq!((list(Admin, &of_nora).await, list(Admin, &of_rob).await), (1, 0));
    server.post("/api/v1/delegations?dry_run=true", body(json!({}))).by(Nora).expect(201).await;
    assert_eq!(list(Nora, "").await, 1);
}
