//! What a change of a table does to the policies that are live.
//!
//! A policy that would no longer run with the table is an error: a column that it reads is gone, it looks up by another number
//! of values, or one of its tests now ends in a mistake. A test that merely expects what the table said before is a warning,
//! for to change that is what tables are for.

use std::{collections::HashMap, sync::Arc};

use super::{Table, check::Finding};
use crate::policy::{
    build::Tables,
    chain::ActivePolicy,
    diagnostic::{Diagnostic, EXPECTATION, RunError, Severity},
    facts::Schemas,
    host::{Host, WithTables},
    live::Live,
    testing::{TestResult, run_tests},
    validate::check,
};

/// What a table that comes in place of the one of its name does to what is live. Call it on a thread with an ample stack (see
/// `policy::runner`). `host` answers what scripts look up at the moment.
pub fn impact(live: &Live, host: &Arc<dyn Host>, table: &Arc<Table>) -> Vec<Finding> {
    let tables = Arc::new(HashMap::from([(table.name().to_owned(), Arc::clone(table))]));
    let change = Change { schemas: live.schemas(), tables, live: host, offline: &live.offline() };
    // A policy that doesn't name the table doesn't ask for it, and one that is pinned to a version of it goes on with that.
    let uses = |policy: &&Arc<ActivePolicy>| {
        let version = &policy.active;
        version.program.source().contains(table.name()) && !version.tables.contains_key(table.name())
    };
    live.bundle().all().filter(uses).flat_map(|policy| change.of(policy)).collect()
}

struct Change<'a> {
    schemas: &'a Schemas,
    tables: Arc<Tables>,
    live: &'a Arc<dyn Host>,
    offline: &'a Arc<dyn Host>,
}

impl Change<'_> {
    fn with_table(&self, host: &Arc<dyn Host>) -> Arc<dyn Host> {
        WithTables::over(host, &self.tables).into_owned()
    }

    fn of(&self, policy: &ActivePolicy) -> Vec<Finding> {
        let errors = |host: &Arc<dyn Host>| {
            let program = &policy.active.program;
            let found = check(program, self.schemas.of(program.kind()), &**host);
            found.into_iter().filter(|d| d.severity == Severity::Error).collect::<Vec<_>>()
        };
        let mut new: Vec<Diagnostic> = errors(&self.with_table(self.live));
        if !new.is_empty() {
            let known = errors(self.live);
            new.retain(|diagnostic| !known.contains(diagnostic));
        }
        if !new.is_empty() {
            return new.iter().map(|d| breaks(policy, &d.code, (d.line, d.column), &d.message)).collect();
        }
        self.newly_red(policy).iter().map(|(test, error)| told(policy, &test.name, error)).collect()
    }

    /// The tests that pass now and wouldn't with the table, with why.
    fn newly_red(&self, policy: &ActivePolicy) -> Vec<(TestResult, RunError)> {
        let program = &policy.active.program;
        let run = |host: &Arc<dyn Host>| run_tests(program, self.schemas.of(program.kind()), host);
        let failed = |test: TestResult| test.error.clone().map(|error| (test, error));
        let red: Vec<_> = run(&self.with_table(self.offline)).into_iter().filter_map(failed).collect();
        if red.is_empty() {
            return red;
        }
        let named = |test: &TestResult| (test.name.clone(), test.line);
        let green: Vec<_> = run(self.offline).iter().filter(|t| t.passed).map(named).collect();
        red.into_iter().filter(|(test, _)| green.contains(&named(test))).collect()
    }
}

fn told(policy: &ActivePolicy, test: &str, error: &RunError) -> Finding {
    let place = (error.line, error.column);
    if error.code != EXPECTATION {
        return breaks(policy, "test_failed", place, &format!("{test}: {}", error.message));
    }
    let why = "its next version can't be published before that test is changed";
    let message = format!("{}: {test}: {}; {why}.", at(policy, place), error.message);
    Finding::warning("test_failed", "", message)
}

fn breaks(policy: &ActivePolicy, code: &str, place: (usize, usize), message: &str) -> Finding {
    Finding::error(code, "", format!("It would break {}: {message}.", at(policy, place)))
}

fn at(policy: &ActivePolicy, (line, column): (usize, usize)) -> String {
    format!("policy {} v{}, line {line}, column {column}", policy.name, policy.active.number)
}
