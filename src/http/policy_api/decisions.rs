//! Decisions that were made: why, and whether they would be made again.

use actix_web::{HttpResponse, http::Method, web};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::path::Parameter};

use super::{Bench, Studio};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    http::{
        desk::Call,
        endpoint::{Access, Answer, Endpoint, in_path, uuid},
        mount::Api,
        schema,
    },
    id::{RecordId, RowId},
    policy::{
        chain::{PolicyRef, Version},
        counterfactual::{self, Counterfactuals},
        decision::Decision,
        evaluate::Evaluation,
        live,
        log::{self, LogEntry},
        store::PolicyRow,
    },
    record::{decide::DecisionRow, header::Header, store},
    schema::decision,
};

/// Why a decision came out as it did.
#[derive(Debug, Serialize, ToSchema)]
struct Explanation {
    /// The id of the decision.
    id: RowId,
    /// When it was made.
    at: Moment,
    /// The record.
    record_id: RecordId,
    /// Its number.
    record: Option<String>,
    /// The version of the record that it led to.
    record_version: i32,
    /// Which decision it was.
    decision: Decision,
    /// Which version of which policy made it.
    policy: PolicyRef,
    /// Why, in a sentence.
    sentence: String,
    /// What was written: field, from, to.
    #[schema(value_type = Vec<serde_json::Map<String, serde_json::Value>>)]
    applied: Value,
    /// What was said and not carried out, and why not.
    #[schema(value_type = Vec<serde_json::Map<String, serde_json::Value>>)]
    discarded: Value,
    /// What was said, which rules were tried, and what was looked up.
    #[serde(flatten)]
    run: Evaluation,
}

/// What a decision came to when it was made again.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionReplay {
    /// Whether effects, rules, outcome and error are the same.
    same: bool,
    /// The run then.
    then: Evaluation,
    /// The run now, of the same source on the same input, with the look-ups answered as they were then.
    now: Evaluation,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(explanation(), explain).mount(replay(), run_again).mount(counterfactual(), find_counterfactuals);
}

pub(super) fn decision_id() -> Parameter {
    in_path("id", "The id of the decision.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f")
}

fn run_example() -> Value {
    json!({
        "outcome": "ok",
        "effects": [{"effect": "assign", "team": "service-desk", "line": 43, "column": 14}],
        "rules": [{"name": "Everything else", "line": 42, "fitted": true, "because": "true"}],
        "host_calls": [], "operations": 58, "microseconds": 9, "error": null,
    })
}

fn explanation() -> Endpoint {
    let mut example = json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "at": "2026-03-02T08:15:00Z",
        "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "record": "INC0000012", "record_version": 1,
        "decision": "routing",
        "policy": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "name": "routing_incidents", "version": 3,
            "sha256": "9f2b1c0e8d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c", "mode": "live"},
        "sentence": "INC0000012 went to service-desk because rule \"Everything else\" (line 42 of routing_incidents v3) fitted.",
        "applied": [{"field": "team_id", "from": null, "to": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72"}], "discarded": [],
    });
    if let (Some(whole), Value::Object(run)) = (example.as_object_mut(), run_example()) {
        whole.extend(run);
    }
    Endpoint {
        method: Method::GET,
        path: "/api/v1/decisions/{id}/explanation".into(),
        id: "explain_decision".into(),
        tag: "Decision".into(),
        access: Access::Permission("decision.read".into()),
        summary: "Why a policy decided so".into(),
        description: "In a sentence, and rule by rule: which fitted, and for each that did not the first part of its condition that was false.".into(),
        parameters: vec![decision_id()],
        request: None,
        responses: vec![Answer::json(200, "Why.", schema::schema::<Explanation>(), example)],
        problems: vec![Code::NotFound],
    }
}

async fn explain(call: Call, studio: web::Data<Studio>, id: web::Path<String>) -> Result<HttpResponse> {
    let explained = studio
        .run(&call, move |bench| {
            let (row, entry) = bench.database.read_here(|c| bench.logged(c, &id))?;
            Ok(Explanation {
                id: row.id,
                at: row.at,
                record_id: row.record_id,
                record_version: row.record_version,
                sentence: log::explain(entry.decision, entry.record.as_deref(), &entry.run),
                record: entry.record,
                decision: entry.decision,
                policy: PolicyRef::clone(&entry.run.policy),
                applied: row.applied.read()?,
                discarded: row.discarded.read()?,
                run: entry.run.evaluation,
            })
        })
        .await?;
    Ok(HttpResponse::Ok().json(explained))
}

fn replay() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/decisions/{id}/replay".into(),
        id: "replay_decision".into(),
        tag: "Decision".into(),
        access: Access::Permission("decision.read".into()),
        summary: "Make a decision again".into(),
        description: "Runs the version that decided on the input that it was given, with every look-up answered as it was then. It must come to the same. Nothing is stored.".into(),
        parameters: vec![decision_id()],
        request: None,
        responses: vec![Answer::json(200, "What it came to.", schema::schema::<DecisionReplay>(), json!({
            "same": true, "then": run_example(), "now": run_example(),
        }))],
        problems: vec![Code::NotFound, Code::Conflict],
    }
}

async fn run_again(call: Call, studio: web::Data<Studio>, id: web::Path<String>) -> Result<HttpResponse> {
    let replayed = studio.run(&call, move |bench| bench.replay(&id)).await?;
    Ok(HttpResponse::Ok().json(replayed))
}

fn counterfactual() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/decisions/{id}/counterfactual".into(),
        id: "find_counterfactuals".into(),
        tag: "Decision".into(),
        access: Access::Permission("decision.read".into()),
        summary: "What would have had to be otherwise".into(),
        description: "The smallest change of a single field that changes what the version that decided comes to, found by running it: with the choices of each field, the literals of the script and their neighbours, the keys of the tables that it looked into, nothing at all, and other hours and days. Tables and teams are those of now. Nothing is stored.".into(),
        parameters: vec![decision_id()],
        request: None,
        responses: vec![Answer::json(200, "What was found.", schema::schema::<Counterfactuals>(), json!({
            "outcome": {"team": "service-desk", "assignee": "", "notify": ""},
            "changes": [{
                "field": "caller.vip", "from": false, "to": true,
                "outcome": {"team": "vip-desk", "assignee": "", "notify": ""},
            }],
            "tried": 212, "complete": true,
        }))],
        problems: vec![Code::NotFound, Code::Conflict],
    }
}

async fn find_counterfactuals(call: Call, studio: web::Data<Studio>, id: web::Path<String>) -> Result<HttpResponse> {
    let found = studio.run(&call, move |bench| bench.counterfactuals(&id)).await?;
    Ok(HttpResponse::Ok().json(found))
}

impl Bench {
    /// A decision on a record that the caller sees.
    pub(super) fn logged(&self, connection: &mut AnyConnection, id: &str) -> Result<(DecisionRow, LogEntry)> {
        let hidden = || Error::not_found("decision");
        let id: RowId = id.parse().map_err(|_| hidden())?;
        let row: DecisionRow = decision::table.find(id).first(connection).optional()?.ok_or_else(hidden)?;
        let header = Header::find(connection, row.record_id)?.ok_or_else(hidden)?;
        let (kind, caller) = (self.kernel.practice(&header.kind)?.kind(), &self.cause.caller);
        if !caller.can(&kind.permission("read")) {
            return Err(hidden());
        }
        let header = store::visible(&self.kernel, connection, caller, kind, header.id)
            .map_err(|e| if e.code == Code::NotFound { hidden() } else { e })?;
        let policy = row.policy_id.map(|id| PolicyRow::find(connection, id.as_str())).transpose()?;
        let entry = live::entry(&row, policy.map(|p| p.name).unwrap_or_default(), header.number)?;
        Ok((row, entry))
    }

    /// A decision with the version that made it, compiled.
    fn logged_with_version(&self, id: &str) -> Result<(LogEntry, Version)> {
        let (number, build, entry) = self.database.read_here(|connection| {
            let (row, entry) = self.logged(connection, id)?;
            if !entry.run.evaluation.was_asked() {
                return Err(Error::new(Code::Conflict, "The policy was not asked."));
            }
            let (Some(policy), Some(number)) = (row.policy_id, row.policy_version) else {
                return Err(Error::new(Code::Conflict, "No stored version made this decision."));
            };
            let version = PolicyRow::find(connection, policy.as_str())?.version(connection, number)?;
            Ok((number, version.build(connection)?, entry))
        })?;
        let broken = |_| Error::new(Code::Conflict, "The version that decided does not compile any more.");
        let version = build.compiled(number.into(), entry.decision).map_err(broken)?;
        Ok((entry, version))
    }

    fn replay(&self, id: &str) -> Result<DecisionReplay> {
        let (live, (entry, version)) = (self.live()?, self.logged_with_version(id)?);
        let replay =
            log::replay(&entry, &version.program, live.schemas().of(version.program.kind())).map_err(misfit)?;
        Ok(DecisionReplay { same: replay.same, then: entry.run.evaluation, now: replay.evaluation })
    }

    fn counterfactuals(&self, id: &str) -> Result<Counterfactuals> {
        let (live, (entry, version)) = (self.live()?, self.logged_with_version(id)?);
        let looked_up = &entry.run.evaluation.host_calls;
        let host = self.policies.host(&live);
        let schema = live.schemas().of(version.program.kind());
        counterfactual::search(&version, &entry.input, looked_up, schema, &host).map_err(misfit)
    }
}

/// Fields that administrators have retired since are missing from the schema.
fn misfit(e: Error) -> Error {
    let changed = format!("The fields have changed since: {}", e.detail);
    if e.code == Code::Invalid { Error::new(Code::Conflict, changed) } else { e }
}
