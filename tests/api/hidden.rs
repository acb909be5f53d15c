//! What one record says of another that is hidden: neither its id nor its number, on any way.

use actix_web::http::Method;
use diesel::RunQueryDsl;
use pointsman::{id::RowId, record::journal, schema};
use serde_json::{Value, json};

use crate::support::{
    Answer,
    Person::{self, *},
    Server, people, tuesday,
};

/// Rita's incident at Acme, whose parent is Ben's at Bolt. Of those who see it, Bea of Bolt alone sees the parent, too.
struct Family {
    server: Server,
    parent: Answer,
    child: String,
}

impl Family {
    async fn new() -> Family {
        let server = Server::start().await;
        let new = async |title: &str, whose: Person, more: Value| {
            let mut body = json!({"title": title, "requester_id": whose.id(&server.assembly).to_string()});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            server.post("/api/v1/incidents", body).by(Admin).expect(201).await
        };
        let parent = new("Fire in the cellar", Ben, json!({})).await;
        let child = new("Mail is down", Rita, json!({"parent_id": parent.field("id")})).await.field("id");
        let watch = format!("/api/v1/incidents/{child}/watchers/{}", Bea.id(&server.assembly));
        server.ask(Method::PUT, &watch).by(Admin).header("if-match", "*").expect(204).await;
        Family { server, parent, child }
    }

    fn path(&self) -> String {
        format!("/api/v1/incidents/{}", self.child)
    }

    /// Whether a text names the parent.
    fn is_named(&self, text: &str) -> bool {
        text.contains(&self.parent.field("id")) || text.contains(&self.parent.field("number"))
    }
}

#[actix_web::test]
async fn neither_reads_nor_answers_to_writes_name_a_hidden_record() {
    let family = Family::new().await;
    let (server, path) = (&family.server, family.path());
    let relation = json!({"relation": "relates_to", "record_id": family.parent.field("id")});
    server.post(&format!("{path}/links"), relation).by(Admin).expect(201).await;
    let down = format!("/api/v1/incidents/{}/start", family.parent.field("id"));
    server.post(&down, json!({})).by(Admin).expect(200).await;
    let number = family.parent.field("number");
    let said = journal::Entry {
        id: RowId::new(),
        record_id: family.child.parse().unwrap(),
        at: tuesday(),
        author_id: Admin.id(&server.assembly),
        kind: "comment".to_owned(),
        body: "So is yours".to_owned(),
        minutes: None,
        via: format!("consequence:{number}"),
    };
    let mut connection = server.assembly.database.connect().unwrap();
    diesel::insert_into(schema::journal::table).values(&said).execute(&mut connection).unwrap();
    let batch =
        json!({"operations": [{"op": "update", "id": family.child, "if_match": "*", "body": {"comment": "x"}}]});
    let ways = || {
        [
            server.get(&path),
            server.get(&format!("{path}?expand=parent,duplicate_of")),
            server.get("/api/v1/incidents?expand=parent"),
            server.get("/api/v1/incidents").header("accept", "text/csv"),
            server.get("/api/v1/incidents").header("accept", "application/x-ndjson"),
            server.get(&format!("{path}/history")),
            server.get(&format!("{path}/links")),
            server.get(&format!("{path}/journal")),
            server.patch(&path, json!({"comment": "Is it?"})).header("if-match", "*"),
            server.post("/api/v1/incidents/batch", batch.clone()),
            // Only those who work on it may do these; the first write changes nothing.
            server.get(&format!("{path}/decisions")),
            server.patch(&path, json!({"title": "Mail is down"})).header("if-match", "*"),
            server.patch(&path, json!({"title": "Mail is late"})).header("if-match", "*"),
            server.patch(&path, json!({"title": "Mail is down"})).header("if-match", "*"),
        ]
    };
    let everybodys = 10;
    for person in [Rita, Nora, Bea] {
        let own = if person == Rita { everybodys } else { ways().len() };
        for (way, ask) in ways().into_iter().take(own).enumerate() {
            let text = ask.by(person).expect(200).await.text();
            assert_eq!(family.is_named(&text), person == Bea, "{person:?}, {way}: {text}");
            assert!(person == Bea || !text.contains("Fire"), "{person:?}, {way}: {text}");
        }
    }
    let history = server.get(&format!("{path}/history")).by(Rita).expect(200).await.json();
    let entry = history["items"].as_array().unwrap().iter().find(|e| e["action"] == "incident.started").unwrap();
    assert_eq!(entry["via"], "consequence");
}

#[actix_web::test]
async fn events_name_no_hidden_record() {
    let family = Family::new().await;
    let server = &family.server;
    let mut streams = Vec::new();
    for person in [Rita, Nora, Bea] {
        streams.push((person, server.get("/api/v1/stream?types=incident.started").by(person).open().await));
    }
    let down = format!("/api/v1/incidents/{}/start", family.parent.field("id"));
    server.post(&down, json!({})).by(Admin).expect(200).await;
    for (person, stream) in &mut streams {
        let told = loop {
            let events = stream.events().await;
            if let Some((_, told)) = events.into_iter().find(|(_, told)| told["record_id"] == family.child.as_str()) {
                break told;
            }
        };
        assert_eq!(family.is_named(&told.to_string()), *person == Bea, "{told}");
    }
}

#[actix_web::test]
async fn filters_do_not_tell_who_refers_to_a_hidden_record() {
    let family = Family::new().await;
    let (id, number) = (family.parent.field("id"), family.parent.field("number"));
    for query in [
        format!("parent={number}"),
        format!("parent_id={id}"),
        format!("filter=NOT%20parent%3D%22{number}%22"),
        format!("filter=title%3D%22Mail%20is%20down%22%20AND%20parent_id%3D%22{}%22", number.to_lowercase()),
    ] {
        let count = async |person: Person| {
            let path = format!("/api/v1/incidents?{query}&id={}", family.child);
            let got = family.server.get(&path).by(person).expect(200).await.json();
            got["items"].as_array().unwrap().len()
        };
        let fits = usize::from(!query.contains("NOT"));
        let counts = (count(Bea).await, count(Nora).await, count(Rita).await);
        assert_eq!(counts, (fits, 1 - fits, 1 - fits), "{query}");
    }
}

#[actix_web::test]
async fn links_are_neither_made_to_hidden_records_nor_taken_from_them() {
    let family = Family::new().await;
    let (server, links) = (&family.server, format!("{}/links", family.path()));
    let to = |record: &str| json!({"relation": "relates_to", "record_id": record});
    let (id, number) = (family.parent.field("id"), family.parent.field("number"));
    for hidden in [&id, &number] {
        let refused = server.post(&links, to(hidden)).by(Nora).expect(422).await.json();
        assert_eq!(refused["errors"][0]["code"], "no_such_reference");
    }
    let link = server.post(&links, to(&number)).by(Bea).expect(201).await.field("id");
    let unlink = || server.ask(Method::DELETE, &format!("{links}/{link}")).header("if-match", "*");
    unlink().by(Nora).expect(404).await;
    assert!(unlink().by(Bea).send().await.status.is_success());
}

#[actix_web::test]
async fn references_lead_to_what_the_caller_may_read_alone() {
    let server = Server::start().await;
    let service = server.post("/api/v1/services", json!({"title": "Mail"})).by(Admin).expect(201).await.field("id");
    let new = json!({"title": "Mail is down", "service_id": service});
    let narrow = people::token_for(&server.assembly, Alex, "incident.*");
    let made = server.post("/api/v1/incidents", new.clone()).by(Alex).expect(201).await.field("id");
    let path = format!("/api/v1/incidents/{made}?expand=service");
    let (wide, narrow_view) = (server.get(&path).by(Alex), server.get(&path).with(&narrow));
    assert_eq!(wide.expect(200).await.json()["service"]["title"], "Mail");
    let seen = narrow_view.expect(200).await.json();
    assert_eq!((&seen["service_id"], &seen["service"]), (&json!(service), &Value::Null));
    let refused = server.post("/api/v1/incidents", new).with(&narrow).expect(422).await.json();
    assert_eq!(refused["errors"][0]["code"], "no_such_reference");
}
