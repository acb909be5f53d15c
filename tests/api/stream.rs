//! The stream: every event once, in an order that neither clocks nor commits disturb, and to those alone whom it concerns.

use std::{
    thread,
    time::{Duration, Instant},
};

use diesel::prelude::*;
use pointsman::{
    assembly::Assembly,
    auth::caller::Caller,
    db::{AnyConnection, Engine, JsonText},
    id::{RecordId, RowId},
    record::{
        feed::{Place, Told, Wanted},
        outbox::Event,
    },
    schema::outbox,
};
use serde_json::{Value, json};

use crate::support::{
    Opened, PATIENCE,
    Person::{self, *},
    Server,
};

/// An id that was made when the clock was years behind.
const OLD: &str = "01800000-0000-7000-8000-000000000000";

async fn incident(server: &Server, requester: Person) -> String {
    let new = json!({"title": "Mail", "requester_id": requester.id(&server.assembly).to_string()});
    server.post("/api/v1/incidents", new).by(Admin).expect(201).await.field("id")
}

fn tell(connection: &mut AnyConnection, id: RowId, event: &str, record_id: &str) {
    let at = crate::support::tuesday();
    let record_id: RecordId = record_id.parse().unwrap();
    let event = Event { id, at, event: event.to_owned(), record_id, payload: JsonText::empty_object() };
    diesel::insert_into(outbox::table).values(&event).execute(connection).unwrap();
}

/// What the server itself is told from a place on.
fn read(assembly: &Assembly, place: &mut Place) -> Vec<Told> {
    let wanted = Wanted { types: vec!["test.*".to_owned()], kinds: Vec::new() };
    let caller: &Caller = &assembly.server;
    assembly.database.read_here(|c| Ok(place.read(&assembly.kernel, c, caller, &wanted)?.0)).unwrap()
}

/// Reads until so many are told.
fn read_until(assembly: &Assembly, place: &mut Place, count: usize) -> Vec<String> {
    let (mut told, begun) = (Vec::new(), Instant::now());
    while told.len() < count && begun.elapsed() < PATIENCE {
        told.extend(read(assembly, place).into_iter().map(|told| told.event));
        thread::sleep(Duration::from_millis(10));
    }
    told
}

#[actix_web::test]
async fn what_commits_late_is_told_and_a_clock_that_steps_back_hides_nothing() {
    let server = Server::start().await;
    let record = incident(&server, Rita).await;
    let assembly = &server.assembly;
    let mut place = assembly.database.read_here(Place::newest).unwrap();
    let mut slow = assembly.database.connect().unwrap();
    slow.begin_write().unwrap();
    tell(&mut slow, RowId::new(), "test.begun_first", &record);
    if slow.engine() == Engine::Sqlite {
        slow.commit().unwrap();
    }
    let mut quick = assembly.database.connect().unwrap();
    quick.begin_write().unwrap();
    tell(&mut quick, OLD.parse().unwrap(), "test.begun_last", &record);
    quick.commit().unwrap();
    if slow.engine() == Engine::Postgres {
        for _ in 0..3 {
            assert_eq!(read(assembly, &mut place).len(), 0, "told before something that may still come before it");
        }
        slow.commit().unwrap();
    }
    assert_eq!(read_until(assembly, &mut place, 2), ["test.begun_first", "test.begun_last"]);
    assert_eq!(read(assembly, &mut place).len(), 0, "told twice");
}

#[actix_web::test]
async fn a_reader_far_behind_is_told_all_of_it_in_order() {
    let server = Server::start().await;
    let record = incident(&server, Rita).await;
    let assembly = &server.assembly;
    let mut place = assembly.database.read_here(Place::newest).unwrap();
    let mut connection = assembly.database.connect().unwrap();
    let names: Vec<String> = (0..450).map(|n| format!("test.number_{n}")).collect();
    connection.begin_write().unwrap();
    for name in &names {
        tell(&mut connection, RowId::new(), name, &record);
    }
    connection.commit().unwrap();
    assert_eq!(read_until(assembly, &mut place, names.len()), names);
}

#[actix_web::test]
async fn events_of_a_restored_dump_stay_before_the_new_ones() {
    let server = Server::start().await;
    let record = incident(&server, Rita).await;
    let assembly = &server.assembly;
    let mut connection = assembly.database.connect().unwrap();
    if connection.engine() == Engine::Sqlite {
        return;
    }
    // As if the cluster that they come from had counted much further.
    for (event, xid) in [("test.second", 4_000_000_000_i64), ("test.first", 3_999_999_999)] {
        tell(&mut connection, RowId::new(), event, &record);
        diesel::update(outbox::table.filter(outbox::event.eq(event)))
            .set(outbox::xid.eq(xid))
            .execute(&mut connection)
            .unwrap();
    }
    let first = outbox::table.filter(outbox::event.eq("test.first")).select(outbox::id);
    let first: RowId = first.first(&mut connection).unwrap();
    assert_eq!(connection.settle_restored_events().unwrap(), 3);
    assert_eq!(connection.settle_restored_events().unwrap(), 0);
    tell(&mut connection, RowId::new(), "test.new", &record);
    let mut place = Place::of(&mut connection, first).unwrap().unwrap();
    assert_eq!(read_until(assembly, &mut place, 2), ["test.second", "test.new"]);
}

async fn follow(server: &Server, person: Person, last: &str) -> Opened {
    let ask = server.get("/api/v1/stream?kinds=incident").by(person);
    if last.is_empty() { ask } else { ask.header("last-event-id", last) }.open().await
}

/// The next events, so many of them.
async fn next(stream: &mut Opened, count: usize) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(stream.events().await);
    }
    events
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[actix_web::test]
async fn a_stream_goes_on_after_the_event_that_it_is_given() {
    let server = Server::start().await;
    let mut stream = follow(&server, Rita, "").await;
    let path = format!("/api/v1/incidents/{}", incident(&server, Rita).await);
    let comment = async |text: &str| {
        server.patch(&path, json!({"comment": text})).by(Admin).header("if-match", "*").expect(200).await
    };
    comment("one").await;
    let events = next(&mut stream, 2).await;
    assert_eq!(names(&events), ["incident.created", "incident.commented"]);
    drop(stream);
    comment("two").await;
    for (seen, versions) in [(0, vec![2, 3]), (1, vec![3])] {
        let last = events[seen].1["id"].as_str().unwrap();
        let followed = next(&mut follow(&server, Rita, last).await, versions.len()).await;
        let told: Vec<_> = followed.iter().map(|(_, told)| told["payload"]["version"].as_i64().unwrap()).collect();
        assert_eq!(told, versions);
    }
    for unknown in ["0", "nonsense", OLD] {
        let refused = server.get("/api/v1/stream").by(Rita).header("last-event-id", unknown).expect(400).await;
        assert_eq!(refused.json()["code"], "malformed", "{unknown}");
    }
}

#[actix_web::test]
async fn work_notes_and_what_policies_wanted_are_told_to_those_who_may_read_them() {
    let server = Server::start().await;
    let (mut ritas, mut alexs) = (follow(&server, Rita, "").await, follow(&server, Alex, "").await);
    let id = incident(&server, Rita).await;
    let path = format!("/api/v1/incidents/{id}");
    let said = async |entry: Value| server.post(&format!("{path}/journal"), entry).by(Alex).expect(201).await;
    said(json!({"kind": "work_note", "body": "He broke it himself"})).await;
    said(json!({"kind": "time", "minutes": 5})).await;
    tell(&mut server.assembly.database.connect().unwrap(), RowId::new(), "policy.notified", &id);
    said(json!({"kind": "comment", "body": "We look into it"})).await;
    let both = json!({"comment": "Soon", "work_note": "Never"});
    server.patch(&path, both).by(Alex).header("if-match", "*").expect(200).await;

    let public = ["incident.created", "incident.commented", "incident.commented"];
    assert_eq!(names(&next(&mut ritas, 3).await), public);
    let all = next(&mut alexs, 6).await;
    let noted = ["incident.created", "incident.noted", "incident.noted", "policy.notified"];
    assert_eq!(names(&all), [&noted[..], &public[1..]].concat());
    for (person, versions) in [(Rita, vec![5, 4, 1]), (Alex, vec![5, 4, 3, 2, 1])] {
        let history = server.get(&format!("{path}/history")).by(person).expect(200).await;
        let items = history.json()["items"].as_array().unwrap().clone();
        assert_eq!(items.iter().map(|item| item["version"].as_i64().unwrap()).collect::<Vec<_>>(), versions);
        assert_eq!(history.text().contains("broke") || history.text().contains("Never"), person == Alex);
    }
}
