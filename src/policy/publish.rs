//! What a version has to pass before it goes live, and its going live.
//!
//! **Invariant:** nothing goes live whose checks find an error, whose tests are red, or that lacks what the operator asks for;
//! going back to what was live once never waits.

use std::sync::Arc;

use serde_json::json;

use super::{
    back_test,
    decision::Decision,
    diagnostic::{Diagnostic, Severity},
    live::{Live, Policies},
    program::compile,
    store::{PolicyRow, VersionRow},
    testing::{TestResult, run_tests},
    validate,
};
use crate::{
    config,
    db::AnyConnection,
    error::{Code, Error, FieldError, Result},
    record::{audit::AuditEntry, job::JobRow, store::Desk},
};

/// What the checks and the tests of a source come to.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Its tests; none run when it does not compile.
    pub tests: Vec<TestResult>,
}

/// Checks a source and runs its tests. Call it on a thread with an ample stack, and hold no connection.
pub fn examine(policies: &Policies, live: &Live, decision: Decision, source: &str) -> Examined {
    let diagnostics = validate::validate(source, decision, live.schema(), &*policies.host(live));
    let tests = match compile(source, decision) {
        Ok(program) => run_tests(&Arc::new(program), live.schema(), &live.offline()),
        Err(_) => Vec::new(),
    };
    Examined { diagnostics, tests }
}

impl Examined {
    /// Whether nothing of level error is wrong and no test is red.
    pub fn is_green(&self) -> bool {
        self.tests.iter().all(|test| test.passed) && self.diagnostics.iter().all(|d| d.severity != Severity::Error)
    }

    /// Refuses what is not green, with every place.
    ///
    /// # Errors
    /// [`Code::Invalid`], with a field error for each problem.
    pub fn must_be_green(&self) -> Result<()> {
        if self.is_green() {
            return Ok(());
        }
        let errors = self.diagnostics.iter().filter(|d| d.severity == Severity::Error).map(problem);
        let red = self.tests.iter().filter_map(|test| {
            let error = test.error.as_ref()?;
            let detail = format!("line {}, column {}: {}: {}", error.line, error.column, test.name, error.message);
            Some(FieldError::new("/source", "test_failed", detail))
        });
        let errors: Vec<FieldError> = errors.chain(red).collect();
        let first = errors.first().map(|e| e.detail.as_str()).unwrap_or_default();
        let detail = format!("It can't go live, for {} reason(s). The first: {first}", errors.len());
        Err(Error::new(Code::Invalid, detail).with_errors(errors))
    }
}

/// A diagnostic as a wrong place of the request.
pub fn problem(found: &Diagnostic) -> FieldError {
    FieldError::new("/source", &found.code, format!("line {}, column {}: {}", found.line, found.column, found.message))
}

/// Refuses a version that lacks what the operator asks for. One that was live once lacks nothing.
///
/// # Errors
/// [`Code::Conflict`], with what is missing.
pub fn must_be_allowed(connection: &mut AnyConnection, rules: &config::Policy, version: &VersionRow) -> Result<()> {
    if version.published_at.is_some() {
        return Ok(());
    }
    let (needed, given) = (rules.approvals, version.approvals(connection)?);
    if given < needed {
        let detail = format!("It needs {needed} approval(s) by others than its author, and has {given}.");
        return Err(Error::new(Code::Conflict, detail));
    }
    if rules.back_test && JobRow::done_about(connection, back_test::KIND, &version.subject())?.is_empty() {
        return Err(Error::new(Code::Conflict, "It needs a back-test that is done."));
    }
    Ok(())
}

/// Makes a version live, and tells the audit trail.
///
/// # Errors
/// [`Code::Conflict`] where it is live already.
pub fn go_live(desk: &mut Desk<'_, '_>, mut policy: PolicyRow, number: i32, action: &str) -> Result<PolicyRow> {
    if policy.active_version == Some(number) {
        return Err(Error::new(Code::Conflict, format!("Version {number} is live already.")));
    }
    let (before, at) = (policy.active_version, desk.cause.at);
    let connection = desk.unit.connection()?;
    let old = before.map(|n| policy.version(connection, n)).transpose()?;
    let new = policy.version(connection, number)?;
    policy.activate(connection, number, at)?;
    let told = json!({
        "active_version": [before, number],
        "sha256": [old.map(|v| v.sha256), new.sha256],
    });
    let subject = ("policy", policy.id.as_str(), policy.version);
    desk.unit.deferred.audit.push(AuditEntry::of(desk.cause, action, subject, &told)?);
    Ok(policy)
}
