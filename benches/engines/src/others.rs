//! Other policy engines, each as its documentation says it is fastest.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context as Polling, Poll, Waker},
};

use regorus::{languages::rego::compiler::Compiler, rvm::vm::RegoVM};
use serde::Deserialize;
use serde_json::Value as Json;
use zen_engine::{Decision, DecisionEngine, model::DecisionContent};

use crate::{engine::Engine, record::Case};

/// Rego, compiled to the instructions of a virtual machine that stays from one decision to the next. No limits, no trace.
pub struct Rego {
    machine: RegoVM,
    records: Vec<regorus::Value>,
}

impl Rego {
    /// With all records prepared.
    pub fn new(cases: &[Case]) -> Rego {
        const TEAM: &str = "data.routing.team";
        let mut engine = regorus::Engine::new();
        engine.add_policy("routing.rego".to_owned(), include_str!("../policies/routing.rego").to_owned()).unwrap();
        let compiled = engine.compile_with_entrypoint(&TEAM.into()).unwrap();
        let mut machine = RegoVM::new_with_policy(compiled.clone());
        machine.load_program(Compiler::compile_from_policy(&compiled, &[TEAM]).unwrap());
        let read = |case: &Case| regorus::Value::from_json_str(&case.json.to_string()).unwrap();
        Rego { machine, records: cases.iter().map(read).collect() }
    }
}

impl Engine for Rego {
    const NAME: &'static str = "regorus";
    type Answer<'a> = regorus::Value;

    fn decide(&mut self, nth: usize) -> regorus::Value {
        self.machine.set_input(self.records[nth].clone());
        self.machine.execute_entry_point_by_index(0).unwrap()
    }

    // As `regorus::Value::from` reads JSON, without the copy of it that that wants to have.
    fn decide_from(&mut self, record: &Json) -> regorus::Value {
        self.machine.set_input(regorus::Value::deserialize(record).unwrap());
        self.machine.execute_entry_point_by_index(0).unwrap()
    }

    fn team(answer: regorus::Value) -> String {
        answer.as_string().unwrap().to_string()
    }
}

/// CEL: a parsed program, and a context for each record.
pub struct Cel {
    program: cel::Program,
    contexts: Vec<cel::Context<'static, 'static>>,
    /// What all records that come in have: the functions.
    common: cel::Context<'static, 'static>,
}

impl Cel {
    /// With all records prepared.
    pub fn new(cases: &[Case]) -> Cel {
        let program = cel::Program::compile(include_str!("../policies/routing.cel")).unwrap();
        let context = |case: &Case| {
            let mut context = cel::Context::default();
            context.add_variable("incident", &case.json).unwrap();
            context
        };
        Cel { program, contexts: cases.iter().map(context).collect(), common: cel::Context::default() }
    }
}

impl Engine for Cel {
    const NAME: &'static str = "cel";
    type Answer<'a> = cel::Value;

    fn decide(&mut self, nth: usize) -> cel::Value {
        self.program.execute(&self.contexts[nth]).unwrap()
    }

    fn decide_from(&mut self, record: &Json) -> cel::Value {
        let mut context = self.common.new_inner_scope();
        context.add_variable("incident", record).unwrap();
        self.program.execute(&context).unwrap()
    }

    fn team(answer: cel::Value) -> String {
        let cel::Value::String(team) = answer else { panic!("{answer:?} is no team") };
        team.to_string()
    }
}

/// A decision table of GoRules, compiled and indexed. It is asynchronous, and has nothing to wait for.
pub struct Zen {
    decision: Decision,
    records: Vec<zen_engine::Variable>,
}

impl Zen {
    /// With all records prepared.
    pub fn new(cases: &[Case]) -> Zen {
        let content: DecisionContent = serde_json::from_str(include_str!("../policies/routing.json")).unwrap();
        let mut decision = DecisionEngine::default().create_decision(Arc::new(content)).unwrap();
        decision.compile();
        Zen { decision, records: cases.iter().map(|case| case.json.clone().into()).collect() }
    }
}

impl Engine for Zen {
    const NAME: &'static str = "zen-engine";
    type Answer<'a> = zen_engine::Variable;

    fn decide(&mut self, nth: usize) -> zen_engine::Variable {
        self.decided(self.records[nth].clone())
    }

    fn decide_from(&mut self, record: &Json) -> zen_engine::Variable {
        self.decided(record.into())
    }

    fn team(answer: zen_engine::Variable) -> String {
        answer.dot("team").unwrap().as_str().unwrap().to_owned()
    }
}

impl Zen {
    fn decided(&self, record: zen_engine::Variable) -> zen_engine::Variable {
        let decided = pin!(self.decision.evaluate(record));
        match decided.poll(&mut Polling::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer.unwrap().result,
            Poll::Pending => panic!("there is nothing to wait for"),
        }
    }
}
