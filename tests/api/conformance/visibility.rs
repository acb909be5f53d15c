//! What is hidden looks like what is not there, on every way to it.

use pointsman::record::kind::Kind;
use serde_json::{Value, json};

use crate::support::{
    Answer,
    Person::{self, *},
    Server,
    sample::{all, create_with, kinds, one, steps},
};

const ABSENT: &str = "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11";

/// A record of Acme's Rita, as far as the kind knows requesters.
async fn ritas(server: &Server, kind: &Kind) -> Answer {
    let rita = Rita.id(&server.assembly).to_string();
    let theirs = match kind.field("requester_id") {
        Some(_) => json!({"requester_id": rita, "title": "Only for some eyes"}),
        None => json!({"title": "Only for some eyes"}),
    };
    create_with(server, kind, theirs).await
}

/// An answer without what must differ: where it was asked, and for which request.
fn alike(answer: &Answer) -> Value {
    let mut body = answer.json();
    let object = body.as_object_mut().unwrap();
    object.shift_remove("instance");
    object.shift_remove("request_id");
    body
}

#[actix_web::test]
async fn the_hidden_and_the_absent_get_the_same_answers() {
    for kind in kinds().into_iter().filter(|kind| !kind.public) {
        let server = Server::start().await;
        let record = ritas(&server, kind).await;
        let step = steps(kind).next().unwrap();
        for stranger in [Rob, Vera, Bea, Ben] {
            let no_number = format!("{}9999999", kind.prefix);
            for (id, absent) in [(record.field("id"), ABSENT), (record.field("number"), no_number.as_str())] {
                let ways = |id: &str| {
                    let path = format!("{}/{id}", all(kind));
                    [
                        server.get(&path),
                        server.get(&format!("{path}/transitions")),
                        server.patch(&path, json!({"comment": "x"})).header("if-match", "*"),
                        server.patch(&path, json!({"title": "x"})).header("if-match", "\"1\""),
                        server.patch(&format!("{path}?dry_run=true"), json!({"comment": "x"})).header("if-match", "*"),
                        server.post(&format!("{path}/transitions"), json!({"to": step.to})),
                        server.post(&format!("{path}/{}", step.name), json!({})),
                    ]
                };
                for (hidden, absent) in ways(&id).into_iter().zip(ways(absent)) {
                    let (hidden, absent) = (hidden.by(stranger).send().await, absent.by(stranger).send().await);
                    assert!(matches!(hidden.status.as_u16(), 403 | 404), "{stranger:?}: {}", hidden.text());
                    assert_eq!(alike(&hidden), alike(&absent), "{stranger:?}: {}", kind.name);
                }
            }
        }
        let unchanged = server.get(&one(kind, &record)).by(Admin).expect(200).await;
        assert_eq!(unchanged.json(), record.json());
    }
}

#[actix_web::test]
async fn lists_counts_and_searches_hold_what_is_seen() {
    for kind in kinds() {
        let server = Server::start().await;
        let record = ritas(&server, kind).await;
        let owner = kind.field("requester_id").is_some();
        let seen_by = |person: Person| match person {
            Admin => true,
            Rita => owner || kind.public,
            Alex | Nora => owner || kind.public,
            Rob | Vera | Bea | Ben => kind.public,
        };
        for person in [Admin, Alex, Nora, Rita, Rob, Vera, Bea, Ben] {
            let may_read = server.get(&all(kind)).by(person).send().await.status == 200;
            assert!(may_read || kind.public, "{person:?} may not read {}", kind.plural);
            let seen = i64::from(may_read && seen_by(person));
            let number = record.field("number");
            for list in [kind.plural, "records"].into_iter().filter(|list| may_read || *list == "records") {
                for query in [
                    "count=true".to_owned(),
                    "count=true&q=eyes".to_owned(),
                    format!("count=true&q={number}"),
                    format!("count=true&number={number}"),
                    format!("count=true&id={}", record.field("id")),
                    "count=true&filter=NOT%20title%3D%22x%22".to_owned(),
                    "count=true&filter=title%3D%22x%22%20OR%20title%3A%22eyes%22".to_owned(),
                ] {
                    let path = format!("/api/v1/{list}?{query}");
                    let got = server.get(&path).by(person).expect(200).await.json();
                    let items = got["items"].as_array().unwrap().len() as i64;
                    assert_eq!((items, got["total"].as_i64()), (seen, Some(seen)), "{person:?}: {path}");
                }
            }
        }
    }
}

#[actix_web::test]
async fn a_reference_tells_nothing_of_a_hidden_record() {
    let server = Server::start().await;
    let incident = kinds().into_iter().find(|kind| kind.name == "incident").unwrap();
    let hidden = ritas(&server, incident).await.field("id");
    let new = |parent: &str| json!({"title": "Mine", "parent_id": parent});
    let one = server.post(&all(incident), new(&hidden)).by(Rob).expect(422).await.text();
    let other = server.post(&all(incident), new(ABSENT)).by(Rob).expect(422).await.text();
    let shape = |text: String, id: &str| {
        let mut body: Value = serde_json::from_str(&text.replace(id, "…")).unwrap();
        body.as_object_mut().unwrap().shift_remove("request_id");
        body
    };
    assert_eq!(shape(one, &hidden), shape(other, ABSENT));
}
