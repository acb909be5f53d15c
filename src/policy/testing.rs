//! Running the `test_*` functions of a script.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    context::Testing,
    diagnostic::{LIMIT, RunError},
    evaluate::run_test,
    facts::FactSchema,
    functions::test_clock,
    host::Host,
    limits::TEST,
    program::Program,
};

/// What one test came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestResult {
    /// The name of the function.
    pub name: String,
    /// Where it is defined.
    pub line: usize,
    /// Whether it passed.
    pub passed: bool,
    /// Why not, and where.
    pub error: Option<RunError>,
    /// Microseconds it took.
    pub microseconds: u64,
}

/// How long all tests of a script may take together.
const ALL: Duration = Duration::from_secs(5);

/// Runs every test of a program on made-up records of the schema. Those that are left when the time of all is used up fail
/// unrun. The thread needs a stack of `runner::STACK`.
pub fn run_tests(program: &Arc<Program>, schema: &Arc<FactSchema>, host: &Arc<dyn Host>) -> Vec<TestResult> {
    run_within(ALL, program, schema, host)
}

fn run_within(
    most: Duration,
    program: &Arc<Program>,
    schema: &Arc<FactSchema>,
    host: &Arc<dyn Host>,
) -> Vec<TestResult> {
    let started = Instant::now();
    let run = |(name, line): (String, usize)| {
        let testing = Testing { program: Arc::clone(program), schema: Arc::clone(schema) };
        let (error, microseconds) = match started.elapsed() < most {
            true => run_test(testing, host, test_clock(), &name, TEST),
            false => (Some(unrun(line)), 0),
        };
        TestResult { name, line, passed: error.is_none(), error, microseconds }
    };
    program.tests().into_iter().map(run).collect()
}

fn unrun(line: usize) -> RunError {
    let message = "it was not run: the tests before it took the time of all".to_owned();
    RunError { code: LIMIT.to_owned(), message, line, column: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{decision::Decision, facts, host::Offline, program::compile, runner::on_ample_stack};

    #[test]
    fn many_slow_tests_hold_a_thread_no_longer_than_a_few() {
        let slow = |n: usize| format!("fn test_{n:02}() {{ for i in 0..1000000 {{ }} }}\n");
        let source = (0..50).map(slow).collect::<String>() + "fn route(incident) { assign(\"service-desk\") }";
        let (schema, host): (_, Arc<dyn Host>) = (facts::incident(), Arc::new(Offline::default()));
        let results = on_ample_stack(|| {
            let program = Arc::new(compile(&source, Decision::Routing).unwrap());
            run_within(Duration::from_millis(1), &program, &schema, &host)
        });
        let results = results.unwrap();
        assert_eq!(results.len(), 50);
        assert!(results.iter().all(|test| !test.passed), "{results:?}");
        assert!(results[49].microseconds == 0, "{:?}", results[49]);
    }
}
