//! What stands beside a record: journal, links, watchers, attachments; and the form that tells all about its kind.

use std::collections::BTreeSet;

use actix_web::http::Method;
use pointsman::record::kind::Kind;
use serde_json::{Value, json};

use super::rows;
use crate::support::{
    Answer, Ask,
    Person::*,
    Server,
    sample::{create, kinds, one, steps, writable},
};

/// What can stand beside a record: where it is listed, and whether it can be taken away again.
const BESIDE: &[(&str, bool)] = &[("journal", false), ("links", true), ("watchers", true), ("attachments", true)];

/// Adds something; `n` makes it another one.
async fn add<'a>(server: &'a Server, kind: &Kind, path: &str, what: &str, n: usize, query: &str) -> Ask<'a> {
    match what {
        "journal" => {
            let entry = match n % 3 {
                0 => json!({"kind": "comment", "body": format!("Comment {n}")}),
                1 => json!({"kind": "work_note", "body": format!("Note {n}")}),
                _ => json!({"kind": "time", "minutes": n}),
            };
            server.post(&format!("{path}/journal{query}"), entry)
        }
        "links" => {
            let other = create(server, kind).await.field("number");
            server.post(&format!("{path}/links{query}"), json!({"relation": "relates_to", "record_id": other}))
        }
        "watchers" => {
            let person = [Alex, Nora, Rita][n % 3].id(&server.assembly);
            server.ask(Method::PUT, &format!("{path}/watchers/{person}{query}"))
        }
        _ => {
            let query = query.replace('?', "&");
            let path = format!("{path}/attachments?name={n}.txt{query}");
            server.ask(Method::POST, &path).body("text/plain", format!("File {n}"))
        }
    }
}

fn items(answer: &Answer) -> Vec<Value> {
    answer.json()["items"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn what_stands_beside_a_record_is_its_change_and_comes_in_pages() {
    for kind in kinds() {
        let server = Server::start().await;
        for (what, is_removable) in BESIDE {
            let made = create(&server, kind).await;
            let path = one(kind, &made);
            let list = format!("{path}/{what}");
            assert!(items(&server.get(&list).by(Admin).expect(200).await).is_empty(), "{list}");
            let mut seen = made;
            for n in 0..3 {
                let stale = add(&server, kind, &path, what, n, "").await.by(Admin).header("if-match", "\"99\"");
                stale.expect(412).await;
                let rehearsed = add(&server, kind, &path, what, n, "?dry_run=true").await.by(Admin).seen(&seen);
                let before = rows(&server);
                assert!(rehearsed.send().await.status.is_success(), "{}: {what}", kind.name);
                assert_eq!(rows(&server), before, "{}: a rehearsal of {what} left something", kind.name);
                let added = add(&server, kind, &path, what, n, "").await.by(Admin).seen(&seen).send().await;
                assert!(added.status.is_success(), "{}: {what}: {}", kind.name, added.text());
                assert_eq!(added.header("etag"), format!("\"{}\"", n + 2), "{}: {what}", kind.name);
                seen = added;
            }
            let whole = items(&server.get(&list).by(Admin).expect(200).await);
            assert_eq!(whole.len(), 3, "{}: {what}", kind.name);
            let (mut paged, mut next) = (Vec::new(), format!("{list}?limit=2"));
            while paged.len() < 4 {
                let page = server.get(&next).by(Admin).expect(200).await;
                paged.extend(items(&page));
                let Some(cursor) = page.json()["next_cursor"].as_str().map(str::to_owned) else { break };
                assert!(page.header("link").contains("rel=\"next\""));
                next = format!("{list}?limit=2&cursor={cursor}");
            }
            assert_eq!(paged, whole, "{}: pages of {what}", kind.name);
            for query in ["limit=0", "cursor=x", "limit=1&limit=2", "nothing=1"] {
                server.get(&format!("{list}?{query}")).by(Admin).expect(400).await;
            }
            let remove = |item: &Value| server.ask(Method::DELETE, &format!("{list}/{}", item["id"].as_str().unwrap()));
            for item in whole.iter().filter(|_| *is_removable) {
                remove(item).by(Admin).expect(428).await;
                seen = remove(item).by(Admin).seen(&seen).expect(204).await;
            }
            let left = items(&server.get(&list).by(Admin).expect(200).await);
            assert_eq!(left.len(), if *is_removable { 0 } else { 3 }, "{}: {what}", kind.name);
        }
    }
}

#[actix_web::test]
async fn what_stands_beside_a_hidden_record_is_hidden_with_it() {
    for kind in kinds().into_iter().filter(|kind| !kind.public) {
        let server = Server::start().await;
        let made = create(&server, kind).await;
        for (what, _) in BESIDE {
            let path = one(kind, &made);
            let read = server.get(&format!("{path}/{what}")).by(Ben).send().await;
            let added = add(&server, kind, &path, what, 0, "").await.by(Ben).header("if-match", "*").send().await;
            for answer in [read, added] {
                assert!(matches!(answer.status.as_u16(), 403 | 404), "{}: {what}: {}", kind.name, answer.text());
            }
            assert!(items(&server.get(&format!("{path}/{what}")).by(Admin).expect(200).await).is_empty());
        }
    }
}

#[actix_web::test]
async fn a_link_shows_on_both_sides_and_a_file_comes_back_as_it_went() {
    for kind in kinds() {
        let server = Server::start().await;
        let (a, b) = (create(&server, kind).await, create(&server, kind).await);
        let body = json!({"relation": "blocks", "record_id": b.field("id")});
        server.post(&format!("{}/links", one(kind, &a)), body).by(Admin).expect(201).await;
        for (side, relation, other) in [(&a, "blocks", &b), (&b, "blocked_by", &a)] {
            let links = items(&server.get(&format!("{}/links", one(kind, side))).by(Admin).expect(200).await);
            assert_eq!((&links[0]["relation"], &links[0]["record"]["id"]), (&json!(relation), &other.json()["id"]));
        }
        let path = format!("{}/attachments?name=%C3%BC.bin", one(kind, &a));
        let bytes: Vec<u8> = (0..=255).collect();
        let sent = server.ask(Method::POST, &path).body("image/png", bytes.clone()).by(Admin).expect(201).await;
        let content = format!("{}/content", sent.header("location"));
        let back = server.get(&content).by(Admin).expect(200).await;
        assert_eq!(back.header("content-type"), "image/png");
        assert_eq!(back.bytes, bytes, "{}", kind.name);
        let tag = format!("\"{}\"", sent.field("sha256"));
        server.get(&content).by(Admin).header("if-none-match", &tag).expect(304).await;
    }
}

#[actix_web::test]
async fn a_form_tells_all_that_its_kind_takes() {
    for kind in kinds() {
        let server = Server::start().await;
        let form = server.get(&format!("/api/v1/meta/{}", kind.plural)).by(Admin).expect(200).await.json();
        let names = |list: &str| -> BTreeSet<String> {
            form[list].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        let fields = names("fields");
        for field in writable(kind) {
            assert!(fields.contains(field.name) || field.name == "custom", "{}: no {}", kind.name, field.name);
        }
        let taken: BTreeSet<String> = steps(kind).map(|step| step.name.to_owned()).collect();
        assert!(taken.is_subset(&names("transitions")), "{}: {:?}", kind.name, names("transitions"));
        assert_eq!(form["initial_state"], kind.lifecycle.initial);
        assert_eq!(form["name"], kind.name);
    }
}
