//! What is hidden looks like what is not there, on every way to it.

use actix_web::http::Method;
use diesel::prelude::*;
use pointsman::{
    db::AnyConnection,
    record::kind::Kind,
    schema::{decision, outbox},
};
use serde_json::{Value, json};

use crate::support::{
    Answer,
    Person::{self, *},
    Server, people,
    sample::{all, create, create_with, kinds, one, steps},
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
            let me = stranger.id(&server.assembly);
            let no_number = format!("{}9999999", kind.prefix);
            for (id, absent) in [(record.field("id"), ABSENT), (record.field("number"), no_number.as_str())] {
                let ways = |id: &str| {
                    let path = format!("{}/{id}", all(kind));
                    [
                        server.get(&path),
                        server.get(&format!("{path}/transitions")),
                        server.get(&format!("{path}/history")),
                        server.get(&format!("{path}/journal")),
                        server.get(&format!("{path}/links")),
                        server.get(&format!("{path}/watchers")),
                        server.get(&format!("{path}/attachments")),
                        server.get(&format!("{path}/decisions")),
                        server.post(&format!("{path}/journal"), json!({"kind": "comment", "body": "x"})),
                        server.post(&format!("{path}/links"), json!({"relation": "relates_to", "record_id": ABSENT})),
                        server.ask(Method::PUT, &format!("{path}/watchers/{me}")).header("if-match", "*"),
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

/// Whether somebody sees Rita's record, as far as its kind knows requesters; whether they may read the kind is another matter.
fn sees(person: Person, kind: &Kind) -> bool {
    match person {
        Admin => true,
        Rita | Alex | Nora => kind.public || kind.field("requester_id").is_some(),
        Rob | Vera | Bea | Ben => kind.public,
    }
}

#[actix_web::test]
async fn lists_counts_and_searches_hold_what_is_seen() {
    for kind in kinds() {
        let server = Server::start().await;
        let record = ritas(&server, kind).await;
        for person in [Admin, Alex, Nora, Rita, Rob, Vera, Bea, Ben] {
            let may_read = server.get(&all(kind)).by(person).send().await.status == 200;
            let works_here = matches!(person, Admin | Alex | Nora);
            assert!(may_read || !works_here, "{person:?} may not read {}", kind.plural);
            let seen = i64::from(may_read && sees(person, kind));
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

/// What a stream tells between an event and the creation of a record.
async fn told_between(server: &Server, token: &str, event: &str, until: &str) -> String {
    let mut stream = server.get("/api/v1/stream").with(token).header("last-event-id", event).open().await;
    let mut told = String::new();
    loop {
        for (_, event) in stream.events().await {
            if event["record_id"] == until {
                return told;
            }
            told += &event.to_string();
        }
    }
}

#[actix_web::test]
async fn no_way_leads_to_what_is_hidden_and_each_to_what_is_seen() {
    for kind in kinds() {
        let server = Server::start().await;
        let service = kinds().into_iter().find(|kind| kind.name == "service").unwrap();
        let before = create(&server, service).await.field("id");
        let record = ritas(&server, kind).await;
        let after = create(&server, service).await.field("id");
        let (id, number) = (record.field("id"), record.field("number"));
        let read = |c: &mut AnyConnection| {
            let event = outbox::table.filter(outbox::record_id.eq(&before)).select(outbox::id).first::<String>(c)?;
            let about = decision::table.filter(decision::record_id.eq(&id)).select(decision::id);
            Ok((event, about.load::<String>(c)?))
        };
        let (event, decisions) = server.assembly.database.read_here(read).unwrap();
        let file = format!("{}/attachments?name=eyes.txt", one(kind, &record));
        let file = server.ask(Method::POST, &file).body("text/plain", format!("About {number}")).by(Admin);
        let file = format!("/attachments/{}", file.expect(201).await.field("id"));
        let content = format!("{file}/content");
        let mut callers: Vec<(String, String, bool)> = [Admin, Alex, Nora, Rita, Rob, Vera, Bea, Ben]
            .map(|person| (format!("{person:?}"), people::token(&server.assembly, person), sees(person, kind)))
            .into();
        let narrow = people::token_for(&server.assembly, Admin, "service.read stream.read decision.read");
        callers.push(("narrow".to_owned(), narrow, kind.name == "service"));
        let update = json!({"op": "update", "id": id, "if_match": "*", "body": {"title": "Taken"}});
        for (who, token, sees) in callers {
            let may_read = server.get(&all(kind)).with(&token).send().await.status == 200;
            let seen = sees && may_read;
            for list in [all(kind), "/api/v1/records".to_owned()] {
                for query in ["limit=200", "q=eyes", &format!("id={id}"), &format!("number={number}")] {
                    for format in ["application/json", "text/csv", "application/x-ndjson"] {
                        let path = format!("{list}?{query}");
                        let answer = server.get(&path).with(&token).header("accept", format).send().await;
                        assert_eq!(answer.text().contains(&number), seen, "{who}: {path} {format}");
                    }
                }
            }
            let told = told_between(&server, &token, &event, &after).await;
            assert_eq!(told.contains(&id), seen, "{who}: {} on the stream", kind.name);
            let path = one(kind, &record);
            let below =
                ["", "/transitions", "/history", "/journal", "/links", "/watchers", "/attachments", "/decisions"];
            let ways = below.into_iter().chain([file.as_str(), &content]).map(|way| format!("{path}{way}"));
            let decisions = decisions.iter().map(|decision| format!("/api/v1/decisions/{decision}"));
            let ways = ways.chain(decisions.flat_map(|path| [format!("{path}/explanation"), path]));
            for way in ways {
                let answer = server.get(&way).with(&token).send().await;
                let may_be = match answer.status.as_u16() {
                    200 => seen,
                    403 => !may_read || way.contains("/decisions"),
                    404 => !seen,
                    _ => false,
                };
                assert!(may_be, "{who}: {way}: {}", answer.text());
                assert!(seen || !answer.text().contains(&number), "{who}: {way}: {}", answer.text());
            }
            let batch = format!("{}/batch?dry_run=true", all(kind));
            let answer = server.post(&batch, json!({"operations": [update]})).with(&token).send().await;
            assert!(seen || !answer.text().contains(&number), "{who}: {}", answer.text());
            if !seen && answer.status == 200 {
                let status = answer.json()["results"][0]["status"].as_i64();
                assert!(matches!(status, Some(403 | 404)), "{who}: {}", answer.text());
            }
        }
    }
}
