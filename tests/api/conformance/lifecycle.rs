//! Lifecycles: their tables, and each step taken through the API.

use std::collections::BTreeSet;

use pointsman::record::kind::{Holds, Phase, Write};
use serde_json::{Value, json};

use super::rows;
use crate::support::{
    Person::*,
    Server,
    sample::{create_in, kinds, one, step_input, steps, ways},
};

#[test]
fn every_state_is_reached_and_none_is_a_dead_end_but_the_last_ones() {
    for kind in kinds() {
        let lifecycle = &kind.lifecycle;
        let states: BTreeSet<&str> = lifecycle.states.iter().map(|s| s.name).collect();
        assert_eq!(states.len(), lifecycle.states.len(), "{}: a state twice", kind.name);
        assert!(states.contains(lifecycle.initial));
        let reached: BTreeSet<&str> = ways(kind).into_keys().collect();
        assert_eq!(reached, states, "{}: states that nobody reaches", kind.name);
        let names: BTreeSet<&str> = lifecycle.steps.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), lifecycle.steps.len(), "{}: a step twice", kind.name);
        for state in lifecycle.states {
            let leaves = lifecycle.steps.iter().any(|s| s.from.contains(&state.name) && s.to != state.name);
            let last = matches!(state.phase, Phase::Closed | Phase::Cancelled);
            assert!(leaves || last, "{}: no step leads out of {}", kind.name, state.name);
        }
        let mut ways = BTreeSet::new();
        for step in lifecycle.steps {
            for from in step.from {
                assert!(
                    states.contains(from) && states.contains(step.to),
                    "{}.{}: no such state",
                    kind.name,
                    step.name
                );
                assert!(ways.insert((from, step.to)), "{}: two steps from {from} to {}", kind.name, step.to);
            }
            for need in step.requires_when {
                let known = |name: &str| kind.field(name).is_some();
                assert!(known(need.field) && !need.when.is_empty(), "{}.{}: {need:?}", kind.name, step.name);
                for case in need.when {
                    assert!(known(case.field), "{}.{}: {case:?}", kind.name, step.name);
                    let Some(Holds::Choice(words)) = kind.field(case.field).map(|field| field.holds) else { continue };
                    assert!(
                        case.holds.iter().all(|word| words.contains(word)),
                        "{}.{}: {case:?}",
                        kind.name,
                        step.name
                    );
                }
            }
            let in_some_cases = step.requires_when.iter().map(|need| &need.field);
            for name in step.requires.iter().chain(in_some_cases).chain(step.accepts) {
                let field = kind.field(name).unwrap_or_else(|| panic!("{}.{}: no field {name}", kind.name, step.name));
                let given = field.write == Write::Caller || (field.write == Write::Step && step.accepts.contains(name));
                assert!(given, "{}.{}: nobody can give {name}", kind.name, step.name);
            }
        }
        for field in kind.fields.iter().filter(|f| f.write == Write::Step) {
            let taken = lifecycle.steps.iter().any(|s| s.accepts.contains(&field.name));
            assert!(taken, "{}: no step takes {}", kind.name, field.name);
        }
    }
}

#[actix_web::test]
async fn each_step_is_listed_and_taken_by_its_name_and_by_its_state() {
    for kind in kinds() {
        let server = Server::start().await;
        for state in ways(kind).into_keys() {
            let here: Vec<_> = steps(kind).filter(|step| step.from.contains(&state)).collect();
            let record = create_in(&server, kind, state).await;
            let path = one(kind, &record);
            let listed = server.get(&format!("{path}/transitions")).by(Admin).expect(200).await.json();
            let listed: Vec<&str> = listed.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
            assert_eq!(listed, here.iter().map(|s| s.name).collect::<Vec<_>>(), "{} in {state}", kind.name);
            for step in steps(kind).filter(|step| !step.from.contains(&state)) {
                let input = step_input(&server, kind, step).await;
                let problem = server.post(&format!("{path}/{}", step.name), input).by(Admin).expect(409).await.json();
                assert_eq!(problem["code"], "illegal_transition", "{}.{} in {state}", kind.name, step.name);
            }
            for step in here {
                for by_name in [true, false] {
                    let record = create_in(&server, kind, state).await;
                    let path = one(kind, &record);
                    let mut input = step_input(&server, kind, step).await;
                    input["comment"] = json!("It was asked for.");
                    if (kind.name, state, step.name) == ("change", "implement", "cancel") {
                        (input["result"], input["result_notes"]) = (json!("backed_out"), json!("All is as before."));
                    }
                    let verb = if by_name { step.name } else { "transitions" };
                    if !by_name {
                        input["to"] = json!(step.to);
                    }
                    let dry = format!("{path}/{verb}?dry_run=true");
                    let before = rows(&server);
                    let dry = server.post(&dry, input.clone()).by(Admin).expect(200).await;
                    assert_eq!((dry.field("state"), rows(&server)), (step.to.to_owned(), before));
                    let taken =
                        server.post(&format!("{path}/{verb}"), input.clone()).by(Admin).seen(&record).expect(200).await;
                    let phase = kind.lifecycle.state(step.to).unwrap().phase;
                    assert_eq!((taken.field("state"), taken.field("phase")), (step.to.into(), phase.as_str().into()));
                    let ended = matches!(phase, Phase::Closed | Phase::Cancelled);
                    assert_eq!(!taken.field("closed_at").is_empty(), ended, "{}.{}", kind.name, step.name);
                    assert_eq!(server.get(&path).by(Admin).expect(200).await.json(), taken.json());
                    let stale = server.post(&format!("{path}/{verb}"), input).by(Admin).seen(&record);
                    assert_eq!(stale.expect(412).await.json()["code"], "stale");
                }
            }
        }
    }
}

#[actix_web::test]
async fn a_step_says_all_that_is_missing() {
    for kind in kinds() {
        let server = Server::start().await;
        for step in steps(kind).filter(|step| !step.requires.is_empty()) {
            let record = create_in(&server, kind, step.from[0]).await;
            let (path, before) = (one(kind, &record), rows(&server));
            let problem = server.post(&format!("{path}/{}", step.name), json!({})).by(Admin).expect(409).await.json();
            let pointers: Vec<&str> =
                problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
            let fields: Vec<String> = step.requires.iter().map(|name| format!("/{name}")).collect();
            assert!(
                fields.iter().all(|field| pointers.contains(&field.as_str())),
                "{}.{}: {problem}",
                kind.name,
                step.name
            );
            let listed = server.get(&format!("{path}/transitions")).by(Admin).expect(200).await.json();
            let listed = listed.as_array().unwrap().iter().find(|s| s["name"] == step.name).unwrap().clone();
            assert_eq!((&listed["open"], listed["missing"].as_array().unwrap().len()), (&json!(false), pointers.len()));
            assert_eq!(rows(&server), before);
            // A step without a body is a step without fields.
            server.ask(actix_web::http::Method::POST, &format!("{path}/{}", step.name)).by(Admin).expect(409).await;
        }
    }
}

#[actix_web::test]
async fn a_transition_to_nowhere_is_refused() {
    for kind in kinds() {
        let server = Server::start().await;
        let record = create_in(&server, kind, kind.lifecycle.initial).await;
        let path = format!("{}/transitions", one(kind, &record));
        for (to, status) in [
            (json!("nowhere"), 422),
            (json!(1), 422),
            (Value::Null, 422),
            (json!(""), 422),
            (json!("a\0"), 422),
            (json!(["closed"]), 422),
        ] {
            server.post(&path, json!({"to": to})).by(Admin).expect(status).await;
        }
        server.post(&path, json!({})).by(Admin).expect(422).await;
        let step = steps(kind).find(|step| step.from.contains(&kind.lifecycle.initial)).unwrap();
        let mut input = step_input(&server, kind, step).await;
        input["to"] = json!(step.to);
        input["titel"] = json!("x");
        server.post(&path, input).by(Admin).expect(422).await;
    }
}
