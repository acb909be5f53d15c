//! Every write leaves its traces, and nothing else does.

use diesel::prelude::*;
use pointsman::{
    record::{audit, kind::Kind},
    schema,
};
use serde_json::{Value, json};

use super::rows;
use crate::support::{
    Answer, Ask,
    Person::*,
    Server,
    sample::{all, create_with, kinds, maximal, one, step_input, steps, ways},
};

/// What the audit trail and the events tell of a record: action, version, request, reason; and event, version.
type Told = (Vec<(String, i32, String, String)>, Vec<(String, i64)>);

fn told(server: &Server, id: &str) -> Told {
    let id = id.to_owned();
    let read = |c: &mut pointsman::db::AnyConnection| {
        let audit = schema::audit::table
            .filter(schema::audit::subject_id.eq(&id))
            .order((schema::audit::subject_version, schema::audit::seq))
            .select((
                schema::audit::action,
                schema::audit::subject_version,
                schema::audit::request_id,
                schema::audit::reason,
            ))
            .load(c)?;
        let events: Vec<(String, String)> = schema::outbox::table
            .filter(schema::outbox::record_id.eq(&id))
            .order(schema::outbox::id)
            .select((schema::outbox::event, schema::outbox::payload))
            .load(c)?;
        Ok((audit, events))
    };
    let (audit, events) = server.assembly.database.read_here(read).unwrap();
    let version = |payload: String| {
        let payload: Value = serde_json::from_str(&payload).unwrap();
        payload["version"].as_i64().unwrap()
    };
    let mut events: Vec<_> = events.into_iter().map(|(event, payload)| (event, version(payload))).collect();
    events.sort_by_key(|(_, version)| *version);
    (audit, events)
}

/// The last trace tells of this answer.
fn assert_told(server: &Server, kind: &Kind, answer: &Answer, request: &str, actions: &[&str]) {
    let (audit, events) = told(server, &answer.field("id"));
    let version: i32 = answer.field("version").parse().unwrap();
    assert_eq!(audit.len(), version as usize, "{}: a row for each version", kind.name);
    // What policies say of its approval is told as well.
    let events: Vec<_> = events.into_iter().filter(|(event, _)| !event.contains(".approv")).collect();
    assert_eq!(events.len(), version as usize, "{}: an event for each version", kind.name);
    let (action, of, request_id, reason) = audit.last().unwrap();
    let expected: Vec<String> = actions.iter().map(|action| format!("{}.{action}", kind.name)).collect();
    assert!(expected.contains(action), "{action} is none of {expected:?}");
    assert_eq!((*of, request_id.as_str(), reason.as_str()), (version, request, "as asked"));
    assert_eq!(events.last().unwrap(), &(action.clone(), i64::from(version)));
}

/// By the administrator, under a request id, with a reason.
fn marked<'a>(ask: Ask<'a>, id: &str) -> Ask<'a> {
    ask.by(Admin).header("x-request-id", id).header("x-reason", "as asked")
}

#[actix_web::test]
async fn each_write_is_told_once_and_the_trail_is_whole() {
    for kind in kinds() {
        let server = Server::start().await;
        let body = Value::from(maximal(&server, kind).await);
        let made = marked(server.post(&all(kind), body), "made").expect(201).await;
        assert_eq!(made.header("x-request-id"), "made");
        assert_told(&server, kind, &made, "made", &["created"]);
        let path = one(kind, &made);
        let changed = marked(server.patch(&path, json!({"title": "Changed"})), "changed").seen(&made).expect(200).await;
        assert_told(&server, kind, &changed, "changed", &["updated"]);
        let said = marked(server.patch(&path, json!({"comment": "Said"})), "said").seen(&changed).expect(200).await;
        assert_told(&server, kind, &said, "said", &["commented"]);
        let refused = rows(&server);
        marked(server.patch(&path, json!({"titel": "x"})), "refused").seen(&said).expect(422).await;
        marked(server.patch(&path, json!({"title": "x"})), "refused").seen(&made).expect(412).await;
        assert_eq!(rows(&server), refused, "{}: a refused write left something", kind.name);
        let mut record = said;
        for state in ways(kind).into_keys() {
            let from = record.field("state");
            let Some(step) = steps(kind).find(|s| s.from.contains(&from.as_str()) && s.to == state && state != from)
            else {
                continue;
            };
            let input = step_input(&server, kind, step).await;
            record = marked(server.post(&format!("{path}/{}", step.name), input), "stepped").expect(200).await;
            assert_told(&server, kind, &record, "stepped", &[step.done]);
        }
        let mut rows = 0;
        let verify = |c: &mut pointsman::db::AnyConnection| audit::verify(c, |some| rows += some);
        assert_eq!(server.assembly.database.read_here(verify).unwrap(), [], "{}", kind.name);
        assert!(rows > 4);
    }
}

#[actix_web::test]
async fn an_edited_or_missing_row_of_the_trail_shows() {
    let server = Server::start().await;
    let kind = kinds()[0];
    for _ in 0..6 {
        create_with(&server, kind, json!({})).await;
    }
    let mut connection = server.assembly.database.connect().unwrap();
    let flaws = || audit::verify(&mut server.assembly.database.connect().unwrap(), |_| ()).unwrap().len();
    assert_eq!(flaws(), 0);
    let (chain, seq): (i32, i64) = schema::audit::table
        .filter(schema::audit::seq.eq(2))
        .select((schema::audit::chain, schema::audit::seq))
        .first(&mut connection)
        .unwrap();
    let row = schema::audit::table.find((chain, seq));
    let reason: String = row.select(schema::audit::reason).first(&mut connection).unwrap();
    let edit = |text: &str, connection: &mut pointsman::db::AnyConnection| {
        diesel::update(row).set(schema::audit::reason.eq(text)).execute(connection).unwrap();
    };
    edit("another", &mut connection);
    assert!(flaws() > 0, "an edited row");
    edit(&reason, &mut connection);
    assert_eq!(flaws(), 0);
    diesel::delete(row).execute(&mut connection).unwrap();
    assert!(flaws() > 0, "a missing row");
}
