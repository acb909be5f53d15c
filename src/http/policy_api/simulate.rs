//! Trying a source without storing anything: what is wrong with it, and what it would do to one record.

use std::sync::Arc;

use actix_web::{HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    Bench, Studio,
    gate::check_kind,
    rehearsal::{self, Written},
    shape::{PolicyDiagnostics, PolicySource},
    versions::diagnostic,
};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::Call,
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        schema,
    },
    policy::{
        as_of,
        build::Build,
        chain::{self, ActivePolicy, Bundle, PolicyRef, Run},
        decision::{Decision, Fallback},
        diagnostic::Severity,
        effect,
        evaluate::Evaluation,
        host::Host,
        live::Live,
        log::explain,
        program::{kind_of, other_kind},
        publish::problem,
        store::PolicyRow,
    },
    record::input::given,
};

pub(super) fn mount(api: &mut Api) {
    api.mount(validate(), validate_source).mount(simulate(), simulate_record);
}

/// A rehearsal of one decision on one record.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Simulation {
    /// The decision.
    pub decision: Decision,
    /// The kind of record; that of `source`, if it is given, or else the first for which the decision is asked.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_length = 40)]
    pub kind: Option<String>,
    /// The id or number of a record that you see, or a made-up record: an object of fields as scripts read them (see
    /// `GET /policy-schema`), where each field that is left out has its default.
    #[schema(value_type = serde_json::Value)]
    pub record: Value,
    /// Fields of a stored record that are to be other than they are, as a merge patch of the record would name them:
    /// what would happen if it were changed like this?
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
    pub changes: Option<Map<String, Value>>,
    /// A source that is not stored. Needs the permission `policy.write`.
    #[serde(default)]
    pub source: Option<String>,
    /// The id or name of a policy, to ask it alone. Without `source` and `policy`, all that are live are asked in their
    /// order.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub policy: Option<String>,
    /// The version of that policy; the one that is live, if not given.
    #[serde(default)]
    pub version: Option<i32>,
    /// The moment of the decision; that of `as_of`, or now, if not given.
    #[serde(default)]
    pub at: Option<Moment>,
    /// A moment in the past: the stored record, its caller, service and configuration item, and the lookup tables are taken
    /// as they were then, as the audit trail tells. Policies and teams are those of now. 409 where the record was made later.
    #[serde(default)]
    pub as_of: Option<Moment>,
    /// For a guard: the name of a step of the lifecycle, or an object of `name`, `from`, `to` and `note`.
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    pub transition: Option<Value>,
    /// For an escalation: the cause, such as `breach`, or an object of `cause`, `percent`, `metric`, `agreement`, `service_level`,
    /// `deadline` and `repeats`. `requested`, if not given.
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    pub moment: Option<Value>,
}

/// What a decision would come to. Nothing of it was stored.
#[derive(Debug, Serialize, ToSchema)]
struct SimulationResult {
    /// Why, in a sentence for each policy that was asked.
    sentence: String,
    /// The policies that were asked, in order, each with its trace.
    runs: Vec<SimulatedRun>,
    /// What is done because a policy failed and had no good version.
    fallback: Option<Fallback>,
    /// What would be written, told and refused.
    would: Written,
    /// What the policies were given: the record, what of it changed, the transition and the moment.
    #[schema(value_type = serde_json::Map<String, serde_json::Value>)]
    input: Value,
}

/// One policy's part.
#[derive(Debug, Serialize, ToSchema)]
struct SimulatedRun {
    /// The policy. The mode is `candidate` for a source or version that was named.
    policy: PolicyRef,
    /// Why it decided so.
    sentence: String,
    /// What was said, which rules were tried, and what was looked up.
    #[serde(flatten)]
    run: Evaluation,
}

fn validate() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/validate".into(),
        id: "validate_policy".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.write".into()),
        summary: "Check a source".into(),
        description: "Everything that is wrong with it, each with code, place, sentence and what was probably meant: syntax, unknown fields, functions, teams, users, tables and columns, comparisons that are never true, what is never reached, paths that decide nothing, what may be empty. `GET /policy-schema` lists the codes. Lines and columns start at 1 and count characters. The status is 200 whatever is found; nothing is stored and no test is run.".into(),
        parameters: Vec::new(),
        request: Some(Content::json(schema::schema::<PolicySource>(), json!({
            "decision": "routing",
            "source": "fn route(incident) {\n    if incident.urgancy == 1 { assign(\"duty-manager\") }\n}\n",
        }))),
        responses: vec![Answer::json(200, "What is wrong with it.", schema::schema::<PolicyDiagnostics>(), json!({
            "valid": false, "diagnostics": [diagnostic()],
        }))],
        problems: vec![Code::Invalid],
    }
}

async fn validate_source(
    call: Call,
    studio: web::Data<Studio>,
    Body(given): Body<PolicySource>,
) -> Result<HttpResponse> {
    check_kind(&call.service.kernel, given.kind.as_deref(), given.decision)?;
    let found = studio
        .run(&call, move |bench| {
            let asked = (given.decision, given.kind.as_deref());
            let diagnostics = bench.diagnose(&*bench.live()?, asked, &bench.unsaved(&given.source)?);
            let valid = !diagnostics.iter().any(|d| d.severity == Severity::Error);
            Ok(PolicyDiagnostics { valid, diagnostics })
        })
        .await?;
    Ok(HttpResponse::Ok().json(found))
}

fn simulate() -> Endpoint {
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policies/simulate".into(),
        id: "simulate_policy".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "Rehearse a decision on one record".into(),
        description: "What the policies that are live, one version, or a source that is not stored would do to a stored or made-up record: which rules fitted, which did not and because of which condition, what was looked up, what would be written. Nothing is stored, and errors do not open the breaker of a policy.".into(),
        parameters: Vec::new(),
        request: Some(Content::json(schema::schema::<Simulation>(), json!({
            "decision": "routing", "record": {"category": "network", "caller": {"vip": true}}, "at": "2026-03-03T23:00:00Z",
        }))),
        responses: vec![Answer::json(200, "What it would come to.", schema::schema::<SimulationResult>(), example())],
        problems: vec![Code::NotFound, Code::Invalid, Code::Conflict],
    }
}

fn example() -> Value {
    let sentence = "The record went to network-operations because rule \"The category table\" (line 38 of routing_incidents v1) fitted; \"VIP calls go to the VIP desk\" (line 18) did not: incident.caller?.vip == true was false.";
    json!({
        "sentence": sentence,
        "runs": [{
            "policy": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "name": "routing_incidents", "version": 1,
                "sha256": "9f2b1c0e8d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c", "mode": "live"},
            "sentence": sentence,
            "outcome": "ok",
            "effects": [{"effect": "assign", "team": "network-operations", "line": 40, "column": 14}],
            "rules": [
                {"name": "VIP calls go to the VIP desk", "line": 18, "fitted": false, "because": "incident.caller?.vip == true"},
                {"name": "The category table", "line": 38, "fitted": true, "because": "table(\"category_teams\").has(incident.category)"},
            ],
            "host_calls": [{"function": "team_exists", "arguments": ["network-operations"], "result": true}],
            "operations": 61, "microseconds": 9, "error": null,
        }],
        "fallback": null,
        "would": {"write": [{"field": "team", "from": null, "to": "network-operations"}], "notify": [], "escalate": [], "approve": [], "refuse": []},
        "input": {"record": {"category": "network"}, "changed": {}, "transition": null, "now": "2026-03-03T23:00:00Z"},
    })
}

async fn simulate_record(call: Call, studio: web::Data<Studio>, Body(asked): Body<Simulation>) -> Result<HttpResponse> {
    if asked.source.is_some() {
        call.cause.caller.require("policy.write")?;
        if asked.policy.is_some() {
            return Err(Error::invalid("/policy", "contradiction", "Name a policy or give a source, not both."));
        }
        if asked.version.is_some() {
            let detail = "A source that is not stored has no version: give a source or name a version, not both.";
            return Err(Error::invalid("/version", "contradiction", detail));
        }
    }
    if asked.as_of.is_some_and(|at| at > call.cause.at) {
        return Err(Error::invalid("/as_of", "out_of_range", "`as_of` is a moment in the past."));
    }
    check_kind(&call.service.kernel, asked.kind.as_deref(), asked.decision)?;
    let result = studio.run(&call, move |bench| bench.simulate(&asked)).await?;
    Ok(HttpResponse::Ok().json(result))
}

impl Simulation {
    /// The kind of record.
    pub(super) fn kind(&self) -> &str {
        let said = || self.source.as_ref().map(|source| kind_of(source, self.decision));
        self.kind.as_deref().or_else(said).unwrap_or_else(|| self.decision.first_kind())
    }
}

impl Bench {
    fn simulate(&self, asked: &Simulation) -> Result<SimulationResult> {
        let live = self.live()?;
        let bundle = self.bundle(&live, asked)?;
        let input = self.database.read_here(|c| rehearsal::input(self, c, &live, asked))?;
        let host = self.host(&live, asked.as_of)?;
        // The connection is given back: a script's questions take one of their own.
        let verdict = chain::decide(&bundle, asked.decision, &input, &host);
        let given = serde_json::to_value(&input).map_err(Error::internal)?;
        let would = self.database.read_here(|c| {
            let effects = effect::of(c, &live, asked.decision, &verdict, &input.record)?;
            Written::of(c, &live, &effects, given["record"].as_object().unwrap_or(&Map::new()))
        })?;
        let number = input.record.text("number").filter(|n| !n.is_empty());
        let runs: Vec<SimulatedRun> =
            verdict.runs.into_iter().map(|run| SimulatedRun::of(asked.decision, number, run)).collect();
        let sentence = match runs.is_empty() {
            true => format!("No policy is live for {}.", asked.decision.spec().name),
            false => runs.iter().map(|r| r.sentence.as_str()).collect::<Vec<_>>().join(" "),
        };
        Ok(SimulationResult { sentence, runs, fallback: verdict.fallback, would, input: given })
    }

    /// Who answers what is looked up, at a moment in the past with the tables of then.
    fn host(&self, live: &Live, as_of: Option<Moment>) -> Result<Arc<dyn Host>> {
        Ok(match as_of {
            None => self.policies.host(live),
            Some(at) => self.policies.host_with(live, self.database.read_here(|c| as_of::tables(c, at))?),
        })
    }

    /// Which policies are asked.
    fn bundle(&self, live: &Live, asked: &Simulation) -> Result<Bundle> {
        let (id, name, number, build) = match (&asked.source, &asked.policy) {
            (Some(source), _) => (String::new(), "unsaved source".to_owned(), 0, self.unsaved(source)?),
            (None, Some(policy)) => self.named(asked, policy)?,
            (None, None) if asked.version.is_some() => {
                return Err(Error::invalid("/version", "required", "Name the `policy` whose version this is."));
            }
            (None, None) => {
                let kind = self.kernel.practice(asked.kind())?.kind();
                return Ok(live.bundle().rehearsal(asked.decision, kind.name));
            }
        };
        let version = build
            .compiled(number, asked.decision)
            .map_err(|problems| Error::invalid_all(problems.iter().map(problem).collect()))?;
        if let Some(wrong) = other_kind(&version.program, asked.kind()) {
            return Err(Error::invalid_all(vec![problem(&wrong)]));
        }
        Ok(Bundle::new([Arc::new(ActivePolicy::tried(id, name, version, "candidate"))]))
    }

    /// Id, name and version of a stored version, with what it is pinned to.
    fn named(&self, asked: &Simulation, policy: &str) -> Result<(String, String, i64, Build)> {
        self.database.read_here(|c| {
            let row = PolicyRow::find(c, policy)?;
            if row.decision()? != asked.decision || row.kind != asked.kind() {
                let detail = format!("`{}` answers {} of `{}`.", row.name, row.decision, row.kind);
                return Err(Error::invalid("/decision", "contradiction", detail));
            }
            let number = asked.version.or(row.active_version);
            let number =
                number.ok_or_else(|| Error::new(Code::Conflict, "No version of this policy is live; name one."))?;
            let build = row.version(c, number)?.build(c)?;
            Ok((row.id.to_string(), row.name, number.into(), build))
        })
    }
}

impl SimulatedRun {
    fn of(decision: Decision, number: Option<&str>, run: Run) -> Self {
        let sentence = explain(decision, number, &run);
        SimulatedRun { sentence, policy: PolicyRef::clone(&run.policy), run: run.evaluation }
    }
}
