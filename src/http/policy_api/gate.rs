//! What a source has to pass before it goes live.

use std::sync::Arc;

use super::{Bench, shape::PolicyTestReport};
use crate::{
    error::{Code, Error, FieldError, Result, did_you_mean},
    policy::{
        decision::Decision,
        diagnostic::{Diagnostic, Severity},
        live::Live,
        program::compile,
        testing::run_tests,
        validate,
    },
    record::{kernel::Kernel, policies::decisions_of},
};

impl Bench {
    /// What is live, with the connection given back.
    pub(super) fn live(&self) -> Result<Arc<Live>> {
        self.database.read_here(|connection| self.policies.current(connection))
    }

    /// Everything that is wrong with a source.
    pub(super) fn diagnose(&self, live: &Live, decision: Decision, source: &str) -> Vec<Diagnostic> {
        validate::validate(source, decision, live.schema(), &*self.policies.host(live))
    }

    /// The checks and the tests.
    pub(super) fn examine(&self, live: &Live, decision: Decision, source: &str) -> PolicyTestReport {
        let diagnostics = self.diagnose(live, decision, source);
        let tests = match compile(source, decision) {
            Ok(program) => run_tests(&Arc::new(program), live.schema(), &live.offline()),
            Err(_) => Vec::new(),
        };
        PolicyTestReport::of(diagnostics, tests)
    }
}

/// Refuses what may not go live, with every place.
pub(super) fn refuse_unless_green(report: &PolicyTestReport) -> Result<()> {
    if report.green {
        return Ok(());
    }
    let errors = report.diagnostics.iter().filter(|d| d.severity == Severity::Error).map(problem);
    let red = report.tests.iter().filter_map(|test| {
        let error = test.error.as_ref()?;
        let detail = format!("line {}, column {}: {}: {}", error.line, error.column, test.name, error.message);
        Some(FieldError::new("/source", "test_failed", detail))
    });
    let errors: Vec<FieldError> = errors.chain(red).collect();
    let first = errors.first().map(|e| e.detail.as_str()).unwrap_or_default();
    let detail = format!("It can't go live, for {} reason(s). The first: {first}", errors.len());
    Err(Error::new(Code::Invalid, detail).with_errors(errors))
}

/// A diagnostic as a wrong place of the request.
pub(super) fn problem(found: &Diagnostic) -> FieldError {
    FieldError::new("/source", &found.code, format!("line {}, column {}: {}", found.line, found.column, found.message))
}

/// Refuses a kind that there is not, or for which nobody asks this decision.
pub(super) fn check_kind(kernel: &Kernel, kind: &str, decision: Decision) -> Result<()> {
    let kinds = || kernel.practices().iter().map(|p| p.kind());
    let Some(known) = kinds().find(|k| k.name == kind) else {
        let near = did_you_mean(kind, kinds().map(|k| k.name));
        return Err(Error::invalid("/kind", "not_a_choice", format!("There is no kind of record `{kind}`{near}.")));
    };
    if decisions_of(known).any(|name| name == decision.spec().name) {
        return Ok(());
    }
    let detail = format!("Nothing asks for the {} of a {kind}.", decision.spec().name);
    Err(Error::invalid("/kind", "not_a_choice", detail))
}
