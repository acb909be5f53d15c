//! Timers: each fires once, and one that can't keeps no other from firing.

use diesel::{connection::SimpleConnection, prelude::*};
use pointsman::{
    clock::Moment,
    db::{AnyConnection, Engine},
    record::{
        cause::{Cause, Policies, Via},
        store::Desk,
        timer,
    },
    schema::{record, timer as row},
};
use serde_json::json;

use crate::support::{Person::*, Server};

/// Incidents that were resolved, so that each has a timer that closes it.
async fn resolved(server: &Server, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        let made = server.post("/api/v1/incidents", json!({"title": format!("Mail {n}")})).by(Alex).expect(201).await;
        let path = format!("/api/v1/incidents/{}", made.field("id"));
        server.post(&format!("{path}/start"), json!({})).by(Alex).expect(200).await;
        let how = json!({"resolution_code": "fixed", "resolution_notes": "The queue was full and was emptied.", "resolution_kind": "permanent"});
        server.post(&format!("{path}/resolve"), how).by(Alex).expect(200).await;
        ids.push(made.field("id"));
    }
    ids
}

fn spoil(connection: &mut AnyConnection, id: &str) {
    diesel::update(record::table.find(id)).set(record::kind.eq("nothing known")).execute(connection).unwrap();
}

type Seen = (Option<Moment>, Moment, Option<String>);

fn seen(connection: &mut AnyConnection, id: &str) -> Seen {
    let of = row::table.filter(row::record_id.eq(id)).select((row::fired_at, row::due_at, row::error));
    of.first(connection).unwrap()
}

#[actix_web::test]
async fn one_that_fails_is_put_off_and_one_that_cannot_be_stops_no_other() {
    let server = Server::start().await;
    let ids = resolved(&server, 4).await;
    let mut connection = server.assembly.database.connect().unwrap();
    spoil(&mut connection, &ids[0]);
    spoil(&mut connection, &ids[2]);
    let stuck: String = row::table.filter(row::record_id.eq(&ids[0])).select(row::id).first(&mut connection).unwrap();
    let refuse = match connection.engine() {
        Engine::Sqlite => format!(
            "CREATE TRIGGER stuck BEFORE UPDATE OF due_at ON timer WHEN new.id = '{stuck}' BEGIN SELECT RAISE(ABORT, 'stuck'); END"
        ),
        Engine::Postgres => format!("ALTER TABLE timer ADD CHECK (id <> '{stuck}' OR error IS NULL)"),
    };
    connection.batch_execute(&refuse).unwrap();
    server.at("2026-03-20T11:00:00Z");
    assert_eq!(server.assembly.jobs().fire_timers().await.unwrap(), 2);
    let now = server.assembly.clock.now();
    for good in [&ids[1], &ids[3]] {
        assert_eq!(seen(&mut connection, good).0, Some(now));
        let closed = server.get(&format!("/api/v1/incidents/{good}")).by(Alex).expect(200).await;
        assert_eq!(closed.field("state"), "closed");
    }
    let (fired, due, why) = seen(&mut connection, &ids[2]);
    assert_eq!((fired, due), (None, now.plus(chrono::TimeDelta::hours(1))));
    assert!(why.unwrap().contains("nothing known"));
    let (fired, due, _) = seen(&mut connection, &ids[0]);
    assert!(fired.is_none() && due < now, "it still waits, as it was");
    assert_eq!(server.assembly.jobs().fire_timers().await.unwrap(), 0);
}

#[actix_web::test]
async fn one_that_fired_elsewhere_is_not_put_off() {
    let server = Server::start().await;
    let ids = resolved(&server, 1).await;
    server.at("2026-03-20T11:00:00Z");
    assert_eq!(server.assembly.jobs().fire_timers().await.unwrap(), 1);
    let mut connection = server.assembly.database.connect().unwrap();
    let before = seen(&mut connection, &ids[0]);
    let id = row::table.filter(row::record_id.eq(&ids[0])).select(row::id).first(&mut connection).unwrap();
    let kernel = server.assembly.kernel.clone();
    let cause = Cause {
        caller: server.assembly.server.clone(),
        via: Via::Timer("due".to_owned()),
        request_id: String::new(),
        reason: String::new(),
        at: server.assembly.clock.now(),
        policies: Policies::Decide,
        depth: 0,
    };
    let put_off = server
        .assembly
        .writer
        .run(move |unit| timer::put_off(&mut Desk { kernel: &kernel, unit, cause: &cause }, id, "late"));
    put_off.await.unwrap();
    assert_eq!(seen(&mut connection, &ids[0]), before);
}
