//! Running the `test_*` functions of a script.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    context::Testing, diagnostic::RunError, evaluate::run_test, facts::FactSchema, functions::test_clock, host::Host,
    limits::TEST, program::Program,
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

/// Runs every test of a program on made-up records of the schema. The thread needs a stack of `runner::STACK`.
pub fn run_tests(program: &Arc<Program>, schema: &Arc<FactSchema>, host: &Arc<dyn Host>) -> Vec<TestResult> {
    let run = |(name, line): (String, usize)| {
        let testing = Testing { program: Arc::clone(program), schema: Arc::clone(schema) };
        let (error, microseconds) = run_test(testing, host, test_clock(), &name, TEST);
        TestResult { name, line, passed: error.is_none(), error, microseconds }
    };
    program.tests().into_iter().map(run).collect()
}
