//! Changing records.

use serde_json::{Value, json};

use super::rows;
use crate::support::{
    Person::*,
    Server,
    sample::{create, kinds, maximal, one, value, writable},
};
use pointsman::record::kind::Holds;

#[actix_web::test]
async fn a_change_needs_the_version_that_was_seen() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        let path = one(kind, &made);
        let change = || server.patch(&path, json!({"title": "Changed"})).by(Admin);
        let missing = change().expect(428).await;
        assert_eq!(missing.json()["code"], "precondition_required");
        for stale in ["\"0\"", "\"2\"", "\"99999999999\"", "W/\"1\"", "\"x\"", "\"2\", W/\"1\", \"3\""] {
            assert_eq!(change().header("if-match", stale).expect(412).await.json()["code"], "stale", "{stale}");
        }
        for wrong in ["1", "", "\"1", "\"1\" \"2\"", "*, \"1\"", "w/\"1\""] {
            let problem = change().header("if-match", wrong).expect(400).await.field("detail");
            assert!(problem.contains("entity tags in their quotes"), "{wrong}: {problem}");
        }
        let listed = server.patch(&format!("{path}?dry_run=true"), json!({"title": "Of a list"})).by(Admin);
        listed.header("if-match", "\"7\", \"1\", \"2\"").expect(200).await;
        server.at("2026-03-03T12:00:00Z");
        let changed = change().seen(&made).expect(200).await;
        assert_eq!((changed.field("title"), changed.header("etag")), ("Changed".into(), "\"2\"".into()));
        assert_eq!(changed.field("updated_at"), "2026-03-03T12:00:00Z");
        assert_eq!(changed.field("opened_at"), made.field("opened_at"));
        change().seen(&made).expect(412).await;
        server.patch(&path, json!({"title": "Any"})).by(Admin).header("if-match", "*").expect(200).await;
    }
}

#[actix_web::test]
async fn a_change_that_changes_nothing_leaves_the_version() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        let before = rows(&server);
        for same in [json!({}), json!({"title": made.field("title")}), json!({"tags": []})] {
            let answer = server.patch(&one(kind, &made), same).by(Admin).seen(&made).expect(200).await;
            assert_eq!(answer.json(), made.json());
        }
        assert_eq!(rows(&server), before, "{}", kind.name);
    }
}

#[actix_web::test]
async fn each_field_is_set_and_emptied_by_itself() {
    for kind in kinds() {
        let server = Server::start().await;
        let empty = create(&server, kind).await;
        let path = one(kind, &empty);
        // A change has the model that it was made with.
        for field in writable(kind).into_iter().filter(|field| field.name != "model") {
            // An assignee without a team is anybody; with one, a member of it.
            let value = value(&server, field).await;
            let now = server.get(&path).by(Admin).expect(200).await;
            let set = server.patch(&path, json!({field.name: value})).by(Admin).seen(&now).expect(200).await;
            assert_eq!(set.json()[field.name], value, "{}.{}", kind.name, field.name);
            let nothing = match field.holds {
                Holds::Tags => json!([]),
                Holds::Custom | Holds::Attributes => json!({}),
                _ if field.nullable => Value::Null,
                _ => continue,
            };
            let body = json!({field.name: null});
            let emptied = server.patch(&path, body).by(Admin).seen(&set).expect(200).await;
            if field.name == "team_id" && kind.name == "incident" {
                // Work that nobody has is routed, where policies ship that do.
                assert!(emptied.json()["team_id"].is_string(), "{}", kind.name);
                continue;
            }
            assert_eq!(emptied.json()[field.name], nothing, "{}.{}", kind.name, field.name);
        }
        let body = Value::from(maximal(&server, kind).await);
        server.patch(&path, body).by(Admin).header("if-match", "*").expect(200).await;
    }
}

#[actix_web::test]
async fn of_two_who_saw_the_same_version_one_wins() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        let path = one(kind, &made);
        let change =
            |n: usize| server.patch(&path, json!({"title": format!("Winner {n}")})).by(Admin).seen(&made).send();
        let answers = futures_util::future::join_all((0..8).map(change)).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412], "{}", kind.name);
        let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
        assert_eq!(server.get(&path).by(Admin).expect(200).await.json(), winner.json());
    }
}

#[actix_web::test]
async fn changes_that_come_together_are_all_kept() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        let path = one(kind, &made);
        let change = |n: usize| {
            let body = json!({"title": format!("Change {n}")});
            server.patch(&path, body).by(Admin).header("if-match", "*").expect(200)
        };
        let answers = futures_util::future::join_all((0..20).map(change)).await;
        let mut versions: Vec<i64> = answers.iter().map(|answer| answer.json()["version"].as_i64().unwrap()).collect();
        versions.sort_unstable();
        assert_eq!(versions, (2..22).collect::<Vec<_>>(), "{}", kind.name);
    }
}

#[actix_web::test]
async fn null_takes_all_custom_fields_that_may_be_missing() {
    for kind in kinds() {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        let field = |name: &str, required: bool| {
            let body =
                json!({"kind": kind.name, "name": name, "label": name, "field_type": "text", "required": required});
            server.post("/api/v1/custom-fields", body).by(Admin).expect(201)
        };
        field("floor", false).await;
        let change = |body: Value| server.patch(&one(kind, &made), body).by(Admin).header("if-match", "*");
        let set = change(json!({"custom": {"floor": "first"}})).expect(200).await;
        assert_eq!(set.json()["custom"], json!({"floor": "first"}), "{}", kind.name);
        let emptied = change(json!({"custom": null})).expect(200).await;
        assert_eq!(emptied.json()["custom"], json!({}), "{}", kind.name);
        field("room", true).await;
        let refused = change(json!({"custom": null})).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], "/custom/room");
    }
}
