//! The audit trail while several write: what one of them does stands together and in order.

use std::collections::BTreeMap;

use diesel::prelude::*;
use futures_util::future::join_all;
use pointsman::{
    db::{AnyConnection, JsonText},
    record::audit::{self, AuditEntry, AuditRow},
    schema,
};
use serde_json::{Value, json};

use crate::support::{Person::*, Server};

/// Every row of the trail, chain by chain.
fn trail(server: &Server) -> Vec<AuditRow> {
    let rows = schema::audit::table.order((schema::audit::chain, schema::audit::seq));
    server.assembly.database.read_here(|c| Ok(rows.load(c)?)).unwrap()
}

fn flaws(server: &Server) -> Vec<audit::Flaw> {
    server.assembly.database.read_here(|c| audit::verify(c, |_| ())).unwrap()
}

#[actix_web::test]
async fn what_a_write_causes_stands_after_it_while_others_write() {
    const PROBLEMS: usize = 12;
    const INCIDENTS: usize = 8;
    let server = Server::start_with(|config| config.database.writers = 8).await;
    let mut problems = Vec::new();
    for n in 0..PROBLEMS {
        let problem = json!({"title": format!("Disk {n}"), "workaround": "Use the web mail."});
        let problem = server.post("/api/v1/problems", problem).by(Alex).expect(201).await;
        for m in 0..INCIDENTS {
            let incident = json!({"title": format!("Mail {n} {m}")});
            let incident = server.post("/api/v1/incidents", incident).by(Alex).expect(201).await.field("id");
            let link = json!({"relation": "caused_by", "record_id": problem.field("id")});
            server.post(&format!("/api/v1/incidents/{incident}/links"), link).by(Alex).expect(201).await;
        }
        problems.push((problem.field("id"), problem.field("number")));
    }
    // Each tells its incidents, one after the other, while the others do.
    let publish = |(id, _): &(String, String)| {
        let path = format!("/api/v1/problems/{id}/publish-workaround");
        server.post(&path, json!({"audience": "public"})).by(Alex).header("x-request-id", id).expect(200)
    };
    join_all(problems.iter().map(publish)).await;

    let mut writes: BTreeMap<String, Vec<AuditRow>> = BTreeMap::new();
    for row in trail(&server) {
        writes.entry(row.request_id.clone()).or_default().push(row);
    }
    for (id, number) in &problems {
        let rows = &writes[id];
        let chains: Vec<i32> = rows.iter().map(|row| row.chain).collect();
        assert!(chains.iter().all(|chain| *chain == chains[0]), "{number} is in several chains: {chains:?}");
        assert_eq!(rows[0].action, "problem.workaround_published");
        assert_eq!(rows.len(), 1 + INCIDENTS);
        let story = format!("/api/v1/records/{number}/story");
        let story = server.get(&story).by(Admin).expect(200).await.json();
        let chapters = story["chapters"].as_array().unwrap();
        let place = |action: &str| chapters.iter().position(|chapter| chapter["action"] == action).unwrap();
        assert!(place("problem.workaround_published") < place("incident.commented"), "{story:#}");
        let told: Vec<&Value> = chapters.iter().map(|chapter| &chapter["action"]).collect();
        assert_eq!(told.iter().filter(|action| **action == "incident.commented").count(), INCIDENTS);
    }
    assert_eq!(flaws(&server), []);
}

/// Where there are several chains, a transaction stays with the first that it took, and lets go of one that is taken back with a savepoint.
#[actix_web::test]
async fn a_transaction_stays_with_its_chain() {
    let server = Server::start().await;
    let AnyConnection::Postgres(_) = server.assembly.database.connect().unwrap() else { return };
    let at = server.assembly.clock.now();
    let mut ids = (0..).map(|n: usize| format!("test-{n}"));
    let mut append = |connection: &mut AnyConnection| {
        let subject_id = ids.next().unwrap();
        let entry = AuditEntry {
            at,
            actor_id: None,
            action: "test.tried".to_owned(),
            subject_kind: "test".to_owned(),
            subject_id: subject_id.clone(),
            subject_version: 1,
            via: "server".to_owned(),
            request_id: String::new(),
            reason: String::new(),
            changes: JsonText::of(&json!({})).unwrap(),
        };
        audit::append(connection, vec![entry]).unwrap();
        let of = schema::audit::table.filter(schema::audit::subject_id.eq(subject_id));
        of.select(schema::audit::chain).first::<i32>(connection).unwrap()
    };
    let mut other = server.assembly.database.connect().unwrap();
    let mut own = server.assembly.database.connect().unwrap();
    other.begin_write().unwrap();
    let first = append(&mut other);
    own.begin_write().unwrap();
    let second = append(&mut own);
    assert_ne!(first, second, "neither waits for the other");
    other.commit().unwrap();
    own.begin_nested().unwrap();
    assert_eq!(append(&mut own), second, "though the first is free again");
    own.roll_back().unwrap();
    assert_eq!(append(&mut own), second);
    own.commit().unwrap();

    own.begin_write().unwrap();
    own.begin_nested().unwrap();
    assert_eq!(append(&mut own), first);
    own.roll_back().unwrap();
    other.begin_write().unwrap();
    assert_eq!(append(&mut other), first, "it was let go of with the savepoint");
    assert_eq!(append(&mut own), second);
    other.commit().unwrap();
    assert_eq!(append(&mut own), second);
    own.commit().unwrap();
    assert_eq!(flaws(&server), []);
}
