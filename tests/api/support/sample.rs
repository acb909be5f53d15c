//! Records of every kind, made from what the kinds say of themselves, so that a new practice is tested without a line.

use std::collections::{BTreeMap, VecDeque};

use pointsman::{
    practice,
    record::kind::{Field, Holds, Kind, Step, Write},
};
use serde_json::{Map, Value, json};

use super::{
    Answer, Server,
    people::{self, Person::*},
};

/// Every kind of record.
pub fn kinds() -> Vec<&'static Kind> {
    practice::ALL.iter().map(|practice| practice.kind()).collect()
}

/// Where records of a kind are.
pub fn all(kind: &Kind) -> String {
    format!("/api/v1/{}", kind.plural)
}

/// Where the record is that an answer shows.
pub fn one(kind: &Kind, answer: &Answer) -> String {
    format!("/api/v1/{}/{}", kind.plural, answer.field("id"))
}

/// The fields that a caller may write at any time.
pub fn writable(kind: &Kind) -> Vec<&'static Field> {
    kind.all_fields().filter(|f| matches!(f.write, Write::Caller | Write::Required)).collect()
}

/// The least that makes a record.
pub async fn minimal(server: &Server, kind: &Kind) -> Map<String, Value> {
    let mut body = Map::new();
    for field in kind.all_fields().filter(|f| f.write == Write::Required) {
        body.insert(field.name.to_owned(), value(server, field).await);
    }
    body
}

/// The most that makes a record.
pub async fn maximal(server: &Server, kind: &Kind) -> Map<String, Value> {
    let mut body = Map::new();
    // Who is assigned must be a member of the team, and links to the same kind must not run in circles: both are.
    // A model of changes is named by a text, and has to be there.
    for field in writable(kind).into_iter().filter(|field| field.name != "model") {
        body.insert(field.name.to_owned(), value(server, field).await);
    }
    body
}

/// A value that a field takes.
pub async fn value(server: &Server, field: &Field) -> Value {
    let assembly = &server.assembly;
    match field.holds {
        Holds::Line(_) => json!("Conformance of the practice"),
        Holds::Text(_) => json!("The suite that every practice goes through wrote this.\nIn two lines."),
        Holds::Integer(from, to) => json!(from.max(2).min(to)),
        Holds::Time => json!("2026-03-04T09:30:00.123456Z"),
        Holds::Choice(choices) => json!(choices[choices.len() - 1]),
        Holds::User => json!(Alex.id(assembly).to_string()),
        Holds::Team => json!(people::team(assembly, "service-desk").to_string()),
        Holds::Organisation => json!(people::organisation(assembly, "Acme").to_string()),
        Holds::Record(of) => {
            let of = kinds().into_iter().find(|kind| kind.name == of).unwrap();
            json!(Box::pin(create(server, of)).await.field("id"))
        }
        Holds::Tags => json!(["printer", "vip"]),
        Holds::Custom | Holds::Attributes => json!({}),
        Holds::Class => json!("server"),
    }
}

/// A record with the least that it needs.
pub async fn create(server: &Server, kind: &Kind) -> Answer {
    let body = minimal(server, kind).await;
    server.post(&all(kind), body.into()).by(Admin).expect(201).await
}

/// A record with the least that it needs and something more.
pub async fn create_with(server: &Server, kind: &Kind, more: Value) -> Answer {
    let mut body = minimal(server, kind).await;
    body.extend(more.as_object().unwrap().clone());
    server.post(&all(kind), body.into()).by(Admin).expect(201).await
}

/// What a step needs.
pub async fn step_input(server: &Server, kind: &Kind, step: &Step) -> Value {
    let mut input = Map::new();
    for name in step.requires {
        // Nobody makes two things at once.
        let value = match *name {
            "assignee_id" => json!(people::newcomer(server).await),
            name => value(server, kind.field(name).unwrap()).await,
        };
        input.insert((*name).to_owned(), value);
    }
    input.into()
}

/// The steps that callers take.
pub fn steps(kind: &'static Kind) -> impl Iterator<Item = &'static Step> {
    kind.lifecycle.steps.iter().filter(|step| !step.automatic)
}

/// The steps from the first state to each other one, for the states that callers can reach.
pub fn ways(kind: &'static Kind) -> BTreeMap<&'static str, Vec<&'static Step>> {
    let mut ways = BTreeMap::from([(kind.lifecycle.initial, Vec::new())]);
    let mut next = VecDeque::from([kind.lifecycle.initial]);
    while let Some(state) = next.pop_front() {
        for step in steps(kind).filter(|step| step.from.contains(&state)) {
            if !ways.contains_key(step.to) {
                let way = [ways[state].as_slice(), &[step]].concat();
                ways.insert(step.to, way);
                next.push_back(step.to);
            }
        }
    }
    ways
}

/// Lets the policies agree to every record of a kind whose steps need that.
pub async fn agreed(server: &Server, kind: &Kind) {
    if !kind.lifecycle.steps.iter().any(|step| step.needs_approval) {
        return;
    }
    let policy = json!({"name": "agree", "decision": "approve", "kind": kind.name});
    if server.post("/api/v1/policies", policy).by(Admin).send().await.status == 201 {
        let version = json!({"source": format!("fn approvals({}) {{ approve() }}\n", kind.name), "message": "All"});
        server.post("/api/v1/policies/agree/versions", version).by(Admin).expect(201).await;
        server.post("/api/v1/policies/agree/versions/1/publish", json!({})).by(Admin).expect(200).await;
        for shipped in ["approve_changes", "approve_separation_of_duties"] {
            let shipped = server.patch(&format!("/api/v1/policies/{shipped}"), json!({"enabled": false}));
            shipped.by(Admin).header("if-match", "*").expect(200).await;
        }
    }
}

/// A new record in a state.
pub async fn create_in(server: &Server, kind: &'static Kind, state: &str) -> Answer {
    agreed(server, kind).await;
    let mut record = create(server, kind).await;
    for step in &ways(kind)[state] {
        let path = format!("{}/{}", one(kind, &record), step.name);
        record = server.post(&path, step_input(server, kind, step).await).by(Admin).expect(200).await;
    }
    assert_eq!(record.field("state"), state, "{}", kind.name);
    record
}
