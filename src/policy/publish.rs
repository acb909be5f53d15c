//! What a version has to pass before it goes live, and its going live.
//!
//! **Invariant:** nothing goes live whose checks find an error, whose tests are red or reach less than is asked, or that lacks
//! what the operator asks for; going back to what was live once never waits.

use std::{collections::HashSet, sync::Arc};

use serde_json::json;

use super::{
    back_test,
    build::Build,
    coverage::{Coverage, Least, Uncovered},
    decision::Decision,
    diagnostic::{Diagnostic, Severity},
    live::{AsOf, Live, Policies},
    module::{check_module, compile_module},
    pin::{PinRow, Pinned},
    program::compile,
    store::{PolicyRow, VersionRow},
    testing::{TestResult, run_covered},
    validate,
};
use crate::{
    config,
    db::AnyConnection,
    error::{Code, Error, FieldError, Result},
    id::{RecordId, RowId},
    record::{job::JobRow, store::Desk},
};

/// What is examined: a source, and what else it has to pass.
pub struct Subject {
    /// The decision that it answers.
    pub decision: Decision,
    /// The kind of records that it is about.
    pub kind: String,
    /// The source, with what it is built with.
    pub build: Build,
    /// What is pinned, and whether its record is shown.
    pins: Vec<(PinRow, bool)>,
    least: Least,
}

/// What the checks and the tests of a source come to.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Its tests; none run when it does not compile.
    pub tests: Vec<TestResult>,
    /// What the tests reach.
    pub coverage: Option<Coverage>,
    least: Least,
    as_of: AsOf,
}

impl Subject {
    /// A version of a policy, with all that is pinned; nothing of the records is shown.
    pub fn of(connection: &mut AnyConnection, policy: &PolicyRow, version: &VersionRow) -> Result<Subject> {
        let pins = PinRow::all(connection, policy.id)?.into_iter().map(|pin| (pin, false)).collect();
        let share = |least: Option<i32>| least.and_then(|least| u8::try_from(least).ok());
        let least = Least { lines: share(policy.least_line_coverage), branches: share(policy.least_branch_coverage) };
        let (decision, kind) = (policy.decision()?, policy.kind.clone());
        Ok(Subject { decision, kind, build: version.build(connection)?, pins, least })
    }

    /// The records that pins are about.
    pub fn records(&self) -> Vec<RecordId> {
        self.pins.iter().map(|(pin, _)| pin.record_id).collect()
    }

    /// The same, where these records are shown.
    #[must_use]
    pub fn showing(mut self, records: &HashSet<RecordId>) -> Subject {
        self.pins.iter_mut().for_each(|(pin, shown)| *shown = records.contains(&pin.record_id));
        self
    }

    /// The same without some pins.
    #[must_use]
    pub fn without(mut self, pins: &[RowId]) -> Subject {
        self.pins.retain(|(pin, _)| !pins.contains(&pin.id));
        self
    }
}

/// Checks a version and runs its tests. Call it on a thread with an ample stack, and hold no connection.
///
/// # Errors
/// A pin that this server never wrote.
pub fn examine(policies: &Policies, live: &Live, subject: &Subject) -> Result<Examined> {
    let Subject { decision, kind, build, pins, least } = subject;
    let (host, least, as_of) = (build.host(&policies.host(live)), *least, live.as_of());
    let program = match compile(build.script.clone(), *decision) {
        Ok(program) => Arc::new(program),
        Err(diagnostics) => return Ok(Examined { diagnostics, tests: Vec::new(), coverage: None, least, as_of }),
    };
    let schema = live.schemas().of(program.kind());
    let diagnostics = validate::check_policy(&program, Some(kind), live.schemas(), &*host);
    let pinned = pins.iter().map(|(pin, shown)| Pinned::new(pin, *decision, schema, &host, *shown));
    let pinned = pinned.collect::<Result<Vec<_>>>()?;
    let (tests, coverage) = run_covered(&program, schema, &build.host(&live.offline()), &pinned);
    Ok(Examined { diagnostics, tests, coverage, least, as_of })
}

impl Examined {
    /// What the checks and the tests of a module come to. Call it on a thread with an ample stack.
    pub fn of_module(source: &str, live: &Live) -> Examined {
        let (least, as_of) = (Least::default(), live.as_of());
        let program = match compile_module(source) {
            Ok(program) => Arc::new(program),
            Err(diagnostics) => return Examined { diagnostics, tests: Vec::new(), coverage: None, least, as_of },
        };
        let schema = live.schemas().first();
        let diagnostics = check_module(&program, schema, &*live.offline());
        let (tests, coverage) = run_covered(&program, schema, &live.offline(), &[]);
        Examined { diagnostics, tests, coverage, least, as_of }
    }

    /// Whether nothing of level error is wrong, no test is red, and the tests reach as much as is asked.
    pub fn is_green(&self) -> bool {
        let sound = self.diagnostics.iter().all(|d| d.severity != Severity::Error);
        sound && self.tests.iter().all(|test| test.passed) && self.uncovered().is_empty()
    }

    /// Refuses to go by it where what it was examined with has changed since, and keeps others from changing that until the
    /// transaction ends.
    ///
    /// # Errors
    /// [`Code::Conflict`].
    pub fn must_stand(&self, connection: &mut AnyConnection, policy: &PolicyRow) -> Result<()> {
        // Every write of a policy locks it before it raises the epoch.
        connection.lock_policy(policy.id)?;
        self.as_of.must_be_now(connection)
    }

    /// Refuses what is not green, with every place.
    ///
    /// # Errors
    /// [`Code::Invalid`], with a field error for each problem.
    pub fn must_be_green(&self) -> Result<()> {
        let errors = self.diagnostics.iter().filter(|d| d.severity == Severity::Error).map(problem);
        let red = self.tests.iter().filter_map(|test| {
            let error = test.error.as_ref()?;
            let detail = format!("line {}, column {}: {}: {}", error.line, error.column, test.name, error.message);
            Some(FieldError::new("/source", "test_failed", detail))
        });
        let errors: Vec<FieldError> = errors.chain(red).chain(self.uncovered()).collect();
        let Some(first) = errors.first() else { return Ok(()) };
        let detail = format!("It can't go live, for {} reason(s). The first: {}", errors.len(), first.detail);
        Err(Error::new(Code::Invalid, detail).with_errors(errors))
    }

    /// What the tests reach too little of, with every place.
    fn uncovered(&self) -> Vec<FieldError> {
        let Some(coverage) = &self.coverage else { return Vec::new() };
        let error = |detail: String| FieldError::new("/source", "not_covered", detail);
        let mut errors: Vec<FieldError> = self.least.missed(coverage).map(|why| error(format!("{why}."))).collect();
        if !errors.is_empty() {
            let place = |gap: &Uncovered| error(format!("line {}, column {}: {}", gap.line, gap.column, gap.message));
            errors.extend(coverage.uncovered.iter().map(place));
        }
        errors
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
    let (needed, (given, against)) = (rules.approvals, version.opinions(connection)?);
    if against > 0 {
        let detail = format!("{against} of those who looked at it did not approve, and have not changed their mind.");
        return Err(Error::new(Code::Conflict, detail));
    }
    if given < needed {
        let detail = format!("It needs {needed} approval(s) by others than its author, and has {given}.");
        return Err(Error::new(Code::Conflict, detail));
    }
    if rules.back_test && JobRow::done_about(connection, back_test::KIND, &version.subject())?.is_empty() {
        return Err(Error::new(Code::Conflict, "It needs a back-test that is done, of one decision at least."));
    }
    Ok(())
}

/// Refuses a version that is live.
///
/// # Errors
/// [`Code::Conflict`].
pub fn must_not_be_live(policy: &PolicyRow, number: i32) -> Result<()> {
    if policy.active_version != Some(number) {
        return Ok(());
    }
    Err(Error::new(Code::Conflict, format!("Version {number} is live already.")))
}

/// Makes a version live, and tells the audit trail.
///
/// # Errors
/// [`Code::Conflict`] where it is live already.
pub fn go_live(desk: &mut Desk<'_, '_>, mut policy: PolicyRow, number: i32, action: &str) -> Result<PolicyRow> {
    must_not_be_live(&policy, number)?;
    let (before, at) = (policy.active_version, desk.cause.at);
    let connection = desk.unit.connection()?;
    let old = before.map(|n| policy.version(connection, n)).transpose()?;
    let new = policy.version(connection, number)?;
    policy.activate(connection, number, at)?;
    let told = json!({
        "active_version": [before, number],
        "sha256": [old.map(|v| v.sha256), new.sha256],
    });
    desk.tell(action, ("policy", policy.id.as_str(), policy.version), &told)?;
    Ok(policy)
}
