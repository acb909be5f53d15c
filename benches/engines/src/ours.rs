//! The policies of the server, with all limits on and each rule traced.

use std::{collections::BTreeSet, sync::Arc};

use pointsman::{
    auth::caller::Caller,
    clock::Moment,
    error::Result,
    id::{OrganisationId, RowId, UserId},
    policy::{
        chain::{PolicyRef, Run},
        decision::{Decision, Effect},
        evaluate::{Evaluation, Input, evaluate},
        facts::{self, FactSchema, Facts},
        host::Host,
        live,
        log::LoggedInput,
        program::{Program, compile},
        table::Table,
    },
    practice,
    record::{
        cause::{Cause, Policies, Via},
        decide::{DecisionRow, Question},
    },
};
use serde_json::{Map, Value as Json};

use crate::{
    engine::Engine,
    record::{Case, teams},
};

/// The policy.
pub const SOURCE: &str = include_str!("../policies/routing.rhai");

/// The moment of every decision.
pub fn now() -> Moment {
    "2026-03-03T10:00:00Z".parse().unwrap()
}

/// Compiled as it is when it is published.
pub fn compiled() -> Program {
    compile(SOURCE, Decision::Routing).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What is decided on.
pub fn inputs(cases: &[Case]) -> Vec<Input> {
    cases.iter().map(|case| Input::new(case.facts.clone(), now())).collect()
}

/// Policies of the server.
pub struct Ours {
    program: Program,
    host: Arc<dyn Host>,
    schema: Arc<FactSchema>,
    inputs: Vec<Input>,
}

impl Ours {
    /// With all records prepared.
    pub fn new(cases: &[Case]) -> Ours {
        Ours { program: compiled(), host: host(), schema: facts::Schemas::shipped().first().clone(), inputs: inputs(cases) }
    }

    /// By both versions of a back-test: what is read once is asked twice.
    pub fn decide_twice_from(&self, record: &Json) -> [Evaluation; 2] {
        let input = self.read(record);
        [evaluate(&self.program, &input, &self.host), evaluate(&self.program, &input, &self.host)]
    }

    fn read(&self, record: &Json) -> Input {
        Input::new(Facts::from_json(&self.schema, record).unwrap(), self.inputs[0].now)
    }
}

impl Engine for Ours {
    const NAME: &'static str = "pointsman";
    type Answer<'a> = Evaluation;

    fn decide(&mut self, nth: usize) -> Evaluation {
        evaluate(&self.program, &self.inputs[nth], &self.host)
    }

    fn decide_from(&mut self, record: &Json) -> Evaluation {
        evaluate(&self.program, &self.read(record), &self.host)
    }

    fn team(answer: Evaluation) -> String {
        team(&answer)
    }
}

fn team(evaluation: &Evaluation) -> String {
    assert!(!evaluation.rules.is_empty(), "every rule is traced");
    assert!(evaluation.operations > 0, "every step is counted");
    let said = evaluation.said().find_map(|said| match said {
        Effect::AssignTeam { team } => Some(team.clone()),
        _ => None,
    });
    said.unwrap_or_else(|| panic!("{evaluation:?} is no team"))
}

/// The same with all that the decision log keeps of it: the input as text with its sum, what was looked up, tried and said.
pub struct Logged {
    ours: Ours,
    policy: Arc<PolicyRef>,
    cause: Cause,
}

impl Logged {
    /// With all records prepared.
    pub fn new(cases: &[Case]) -> Logged {
        let ours = Ours::new(cases);
        let policy = PolicyRef {
            id: RowId::new().to_string(),
            name: "routing".to_owned(),
            version: 1,
            sha256: ours.program.sha256().to_owned(),
            mode: "live".to_owned(),
        };
        let cause = Cause {
            caller: Arc::new(Caller::server(UserId::new(), OrganisationId::new())),
            via: Via::Api,
            request_id: RowId::new().to_string(),
            reason: String::new(),
            at: now(),
            policies: Policies::Decide,
            depth: 0,
        };
        Logged { ours, policy: Arc::new(policy), cause }
    }

    fn row(&self, evaluation: Evaluation, input: &Input) -> DecisionRow {
        let question = Question {
            decision: "routing",
            kind: practice::ALL[0].kind(),
            record: &Map::new(),
            before: None,
            step: None,
            moment: None,
            only: &[],
            note: None,
            rehearsal: false,
            cause: &self.cause,
        };
        let run = Run { policy: self.policy.clone(), evaluation };
        live::row(0, &run, &LoggedInput::of(input).unwrap(), &question).unwrap()
    }
}

impl Engine for Logged {
    const NAME: &'static str = "pointsman, with its row of the decision log";
    type Answer<'a> = DecisionRow;

    fn decide(&mut self, nth: usize) -> DecisionRow {
        let evaluation = self.ours.decide(nth);
        self.row(evaluation, &self.ours.inputs[nth])
    }

    fn decide_from(&mut self, record: &Json) -> DecisionRow {
        let input = self.ours.read(record);
        self.row(evaluate(&self.ours.program, &input, &self.ours.host), &input)
    }

    fn team(row: DecisionRow) -> String {
        let said: serde_json::Value = row.result.read().unwrap();
        said[0]["team"].as_str().unwrap().to_owned()
    }
}

/// Who knows the teams, as the server does: by name, in memory.
struct Teams(BTreeSet<&'static str>);

/// Who answers what the policy looks up.
pub fn host() -> Arc<dyn Host> {
    Arc::new(Teams(teams().into_iter().collect()))
}

impl Host for Teams {
    fn team_exists(&self, name: &str) -> bool {
        self.0.contains(name)
    }
    fn user_exists(&self, _: &str) -> Result<bool> {
        Ok(false)
    }
    fn team_names(&self) -> Vec<String> {
        self.0.iter().map(|&name| name.to_owned()).collect()
    }
    fn table(&self, _: &str) -> Option<Arc<Table>> {
        None
    }
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn business_hours(&self, _: &str, _: Moment) -> Option<bool> {
        None
    }
    fn calendar_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn on_call(&self, _: &str, _: Moment) -> Option<String> {
        None
    }
}
