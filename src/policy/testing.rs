//! Running the tests of a script: its `test_*` functions, the rows of its case table, and decisions that were pinned.
//!
//! **Invariant:** the verdict on a test is that of the script as it is written; what it reaches is seen in a run of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rhai::{Dynamic, ScriptFuncDef};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    cases::Case,
    context::{Context, Native, Testing},
    coverage::{Coverage, Watched},
    diagnostic::{LIMIT, RunError},
    evaluate::run_test,
    facts::FactSchema,
    functions::test_clock,
    host::Host,
    limits::TEST,
    pin::Pinned,
    program::Program,
    tokens::Tokens,
    validate::script::{self, Function, Role},
};
use crate::id::RowId;

/// What a test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyTestKind)]
pub enum TestKind {
    /// A `test_*` function.
    Function,
    /// A row of the case table.
    Case,
    /// A decision that was pinned.
    Pin,
}

/// What one test came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestResult {
    /// The name of the function, of the row or of the pin.
    pub name: String,
    /// What it is.
    pub kind: TestKind,
    /// Where it stands; 0 for a pin, which stands in no script.
    pub line: usize,
    /// The column, from 1, in characters; 0 for a pin.
    pub column: usize,
    /// The id of the pin, for a pin.
    pub pin: Option<RowId>,
    /// Whether it passed.
    pub passed: bool,
    /// Why not, and where.
    pub error: Option<RunError>,
    /// Microseconds it took.
    pub microseconds: u64,
}

/// How long all tests of a script may take together.
const ALL: Duration = Duration::from_secs(5);

/// Runs the functions and cases of a program on made-up records of the schema. Those that are left when the time of all is
/// used up fail unrun. The thread needs a stack of `runner::STACK`.
pub fn run_tests(program: &Arc<Program>, schema: &Arc<FactSchema>, host: &Arc<dyn Host>) -> Vec<TestResult> {
    Suite::of(program, schema, host, &[]).run(ALL)
}

/// The same with decisions that were pinned, and what all of them reach.
pub fn run_covered(
    program: &Arc<Program>,
    schema: &Arc<FactSchema>,
    host: &Arc<dyn Host>,
    pins: &[Pinned],
) -> (Vec<TestResult>, Option<Coverage>) {
    let results = Suite::of(program, schema, host, pins).run(ALL);
    let coverage = Watched::new(program).map(|watched| {
        let mut suite = Suite::of(&watched.program, schema, host, pins);
        // What went over a limit isn't run again.
        let ended = |result: &TestResult| result.error.as_ref().is_none_or(|error| error.code != LIMIT);
        let mut before = results.iter();
        suite.tests.retain(|_| before.next().is_some_and(ended));
        let followed = suite.run(ALL).iter().filter(|result| ended(result)).count();
        watched.coverage(results.len() - followed)
    });
    (results, coverage.ok())
}

/// Makes pinned decisions again, within the same time.
pub fn run_pins(
    program: &Arc<Program>,
    schema: &Arc<FactSchema>,
    host: &Arc<dyn Host>,
    pins: &[Pinned],
) -> Vec<TestResult> {
    let testing = Testing { program: Arc::clone(program), schema: Arc::clone(schema) };
    Suite { testing, host, tests: pins.iter().map(Test::of_pin).collect() }.run(ALL)
}

/// The tests of a program, and what they run with.
struct Suite<'a> {
    testing: Testing,
    host: &'a Arc<dyn Host>,
    tests: Vec<Test<'a>>,
}

/// One test.
struct Test<'a> {
    name: String,
    /// Line and column.
    place: (usize, usize),
    what: What<'a>,
}

enum What<'a> {
    Function,
    Case(Box<Case>),
    /// A case table that can't be read, and why.
    Unreadable(String),
    Pin(&'a Pinned),
}

impl<'a> Suite<'a> {
    fn of(program: &Arc<Program>, schema: &Arc<FactSchema>, host: &'a Arc<dyn Host>, pins: &'a [Pinned]) -> Self {
        let (tokens, mut tests) = (Tokens::of(program.source()), Vec::new());
        for function in script::functions(program) {
            let name = tokens.function(&function.name, function.params.len()).and_then(|at| tokens.get(at));
            let place = name.map_or((0, 0), |name| name.range.start);
            match function.role {
                Role::Test => tests.push(Test { name: function.name.to_string(), place, what: What::Function }),
                Role::Cases => tests.extend(Test::of_cases(&function, place)),
                Role::Decision | Role::Helper | Role::Inner => (),
            }
        }
        let woven: Vec<_> = tests.iter().filter_map(Test::woven).cloned().collect();
        let program = if woven.is_empty() { Arc::clone(program) } else { Arc::new(program.with_functions(woven)) };
        tests.extend(pins.iter().map(Test::of_pin));
        Suite { testing: Testing { program, schema: Arc::clone(schema) }, host, tests }
    }

    fn run(&self, most: Duration) -> Vec<TestResult> {
        let started = Instant::now();
        let result = |test: &Test| {
            let (error, microseconds) =
                if started.elapsed() < most { self.run_one(test) } else { (Some(unrun(test.place)), 0) };
            let (line, column) = test.place;
            let (name, kind, pin) = (test.name.clone(), test.kind(), test.pin());
            TestResult { name, kind, line, column, pin, passed: error.is_none(), error, microseconds }
        };
        self.tests.iter().map(result).collect()
    }

    fn run_one(&self, test: &Test) -> (Option<RunError>, u64) {
        let run = |function: &str, then: &dyn Fn(&Context, Dynamic) -> Native<()>| {
            run_test(self.testing.clone(), self.host, test_clock(), function, TEST, then)
        };
        match &test.what {
            What::Function => run(&test.name, &|_, _| Ok(())),
            What::Case(case) => run(&case.function.name, &|context, said| case.check(context, &said)),
            What::Unreadable(why) => (Some(error("wrong_type", why.clone(), test.place)), 0),
            What::Pin(pin) => pin.run(&self.testing.program),
        }
    }
}

impl<'a> Test<'a> {
    /// The rows of a case table; what is wrong with it, where it can't be read.
    fn of_cases(function: &Function, place: (usize, usize)) -> Vec<Test<'a>> {
        let case = |case: Case| {
            let (line, column) = (case.at.line().unwrap_or(0), case.at.position().unwrap_or(0));
            Test { name: case.name.clone(), place: (line, column), what: What::Case(case.into()) }
        };
        match Case::all(function) {
            Ok(cases) => cases.into_iter().map(case).collect(),
            Err(why) => {
                vec![Test { name: function.name.to_string(), place, what: What::Unreadable(why.detail) }]
            }
        }
    }
    fn of_pin(pin: &'a Pinned) -> Test<'a> {
        Test { name: pin.name.clone(), place: (0, 0), what: What::Pin(pin) }
    }

    fn kind(&self) -> TestKind {
        match self.what {
            What::Function => TestKind::Function,
            What::Case(_) | What::Unreadable(_) => TestKind::Case,
            What::Pin(_) => TestKind::Pin,
        }
    }
    fn pin(&self) -> Option<RowId> {
        if let What::Pin(pin) = self.what { Some(pin.id) } else { None }
    }
    /// The function that the program has to have for it.
    fn woven(&self) -> Option<&ScriptFuncDef> {
        if let What::Case(case) = &self.what { Some(&case.function) } else { None }
    }
}

fn error(code: &str, message: String, (line, column): (usize, usize)) -> RunError {
    RunError { code: code.to_owned(), message, line, column }
}

fn unrun(place: (usize, usize)) -> RunError {
    error(LIMIT, "it was not run: the tests before it took the time of all".to_owned(), place)
}

#[cfg(test)]
mod tests;
