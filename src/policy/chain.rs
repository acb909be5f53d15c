//! Several policies answer one decision.
//!
//! **Invariant:** a policy that fails never decides: its last good version does, or the decision's fallback.
//! **Invariant:** every run is in the verdict, those that failed included.
//! **Invariant:** what goes over its limits again and again is not asked for a while: it would take time from every write.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    build::Tables,
    decision::{Decision, Effect, Fallback, Mode, Placed},
    diagnostic::{LOOP, UNASKED},
    evaluate::{Evaluation, Input, Outcome, evaluate},
    host::{Host, WithTables},
    program::Program,
};
use crate::{clock::Moment, id::RowId, record::cause::DEEPEST, telemetry};

/// Errors within [`WINDOW`] that open the breaker, and runs over a limit after which a version is not asked until they are older.
const ERRORS: usize = 5;
/// The time over which errors count together.
const WINDOW: TimeDelta = TimeDelta::minutes(10);

/// A published version of a policy.
#[derive(Clone)]
pub struct Version {
    /// Its number.
    pub number: i64,
    /// What runs.
    pub program: Arc<Program>,
    /// The lookup tables that it is pinned to.
    pub tables: Arc<Tables>,
}

impl Version {
    /// A version that is pinned to no table.
    pub fn new(number: i64, program: Arc<Program>) -> Version {
        Version { number, program, tables: Arc::default() }
    }
    fn evaluate(&self, input: &Input, host: &Arc<dyn Host>) -> Evaluation {
        evaluate(&self.program, input, &WithTables::over(host, &self.tables))
    }
    fn named(&self, id: &str, name: &str, mode: &str) -> PolicyRef {
        PolicyRef {
            id: id.to_owned(),
            name: name.to_owned(),
            version: self.number,
            sha256: self.program.sha256().to_owned(),
            mode: mode.to_owned(),
        }
    }
}

/// Which version of which policy ran, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyRef {
    /// The id of the policy.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The number of the version.
    pub version: i64,
    /// The SHA-256 of the source, in hexadecimal.
    pub sha256: String,
    /// `live`, `last_good` when the live version failed or its breaker is open, `candidate` in a rehearsal of another version.
    pub mode: String,
}

/// One run of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Which version of which policy.
    pub policy: Arc<PolicyRef>,
    /// What came of it.
    pub evaluation: Evaluation,
}

/// An active policy. Keep it (in its `Arc`) from one bundle to the next while its version stays: the breaker is in it.
pub struct ActivePolicy {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The published version.
    pub active: Version,
    /// The version before, if there is one that ran well.
    pub last_good: Option<Version>,
    as_active: Arc<PolicyRef>,
    as_last_good: Option<Arc<PolicyRef>>,
    breaker: Breaker,
    breaker_of_last_good: Breaker,
}

impl ActivePolicy {
    /// A policy as published now: its breaker is closed.
    pub fn new(id: impl Into<String>, name: impl Into<String>, active: Version, last_good: Option<Version>) -> Self {
        let (id, name) = (id.into(), name.into());
        let named = |version: &Version, mode| Arc::new(version.named(&id, &name, mode));
        ActivePolicy {
            as_active: named(&active, "live"),
            as_last_good: last_good.as_ref().map(|version| named(version, "last_good")),
            id,
            name,
            active,
            last_good,
            breaker: Breaker::default(),
            breaker_of_last_good: Breaker::default(),
        }
    }
    /// A version that is tried and has no other to fall back to; its runs are told to be of this mode.
    pub fn tried(id: impl Into<String>, name: impl Into<String>, version: Version, mode: &str) -> Self {
        let policy = ActivePolicy::new(id, name, version, None);
        let as_active = PolicyRef { mode: mode.to_owned(), ..PolicyRef::clone(&policy.as_active) };
        let breaker = Breaker { is_fixed: true, ..Breaker::default() };
        ActivePolicy { as_active: Arc::new(as_active), breaker, ..policy }
    }
    /// Whether its runs are told to be of this mode.
    pub fn is_in_mode(&self, mode: &str) -> bool {
        self.as_active.mode == mode
    }
    /// Tells those who watch this node that the live version failed, and whether that opened the breaker.
    fn tell_failure(&self, was_open: bool) {
        if self.breaker.is_fixed {
            return;
        }
        metrics::counter!(telemetry::POLICY_FAILURES, "policy" => self.name.clone()).increment(1);
        if self.breaker_is_open() && !was_open {
            self.tell_breaker(true);
            tracing::error!(policy = self.name, version = self.active.number, "it failed too often");
        }
    }
    /// Tells those who watch this node whether the breaker is open.
    pub fn tell_breaker(&self, open: bool) {
        metrics::gauge!(telemetry::POLICY_BREAKER, "policy" => self.name.clone()).set(f64::from(open));
    }
    /// Whether errors opened the breaker: the last good version answers until something is published.
    pub fn breaker_is_open(&self) -> bool {
        self.breaker.open.load(Ordering::Relaxed)
    }
    /// The same for a rehearsal: it behaves alike, and its errors count for nothing.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        ActivePolicy {
            id: self.id.clone(),
            name: self.name.clone(),
            active: self.active.clone(),
            last_good: self.last_good.clone(),
            as_active: self.as_active.clone(),
            as_last_good: self.as_last_good.clone(),
            breaker: self.breaker.fixed(),
            breaker_of_last_good: self.breaker_of_last_good.fixed(),
        }
    }
}

/// Counts errors of a version, and stays open once there were too many.
#[derive(Default)]
struct Breaker {
    open: AtomicBool,
    errors: Mutex<Vec<Moment>>,
    /// Runs over a limit, of which there were many.
    slow: AtomicBool,
    limits: Mutex<Vec<Moment>>,
    /// In a rehearsal it stays as it is.
    is_fixed: bool,
}

/// Those that count together with now.
fn recent(moments: &Mutex<Vec<Moment>>, now: Moment) -> MutexGuard<'_, Vec<Moment>> {
    let mut moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
    moments.retain(|at| now.since(*at).abs() <= WINDOW);
    moments
}

impl Breaker {
    fn fixed(&self) -> Breaker {
        let [open, slow] = [&self.open, &self.slow].map(|flag| AtomicBool::new(flag.load(Ordering::Relaxed)));
        let limits = Mutex::new(self.limits.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Breaker { open, slow, limits, errors: Mutex::default(), is_fixed: true }
    }

    fn count(&self, evaluation: &Evaluation, now: Moment) {
        let counts = |moments, flag: &AtomicBool| {
            let mut moments = recent(moments, now);
            moments.push(now);
            flag.store(moments.len() >= ERRORS, Ordering::Relaxed);
        };
        if evaluation.failed() && !self.is_fixed {
            if !self.open.load(Ordering::Relaxed) {
                counts(&self.errors, &self.open);
            }
            if evaluation.outcome == Outcome::Limit {
                counts(&self.limits, &self.slow);
            }
        }
    }

    /// Runs a version, unless it went over its limits too often.
    fn run(&self, version: &Version, input: &Input, host: &Arc<dyn Host>) -> Evaluation {
        let now = input.now;
        if self.slow.load(Ordering::Relaxed) && recent(&self.limits, now).len() >= ERRORS {
            let minutes = WINDOW.num_minutes();
            let why = format!("it went over its limits {ERRORS} times within {minutes} minutes");
            return Evaluation::unasked(Outcome::Limit, UNASKED, why);
        }
        let evaluation = version.evaluate(input, host);
        self.count(&evaluation, now);
        evaluation
    }
}

/// The active policies of every decision about every kind of records, in the order in which they are asked. It never changes: publishing swaps it.
#[derive(Clone, Default)]
pub struct Bundle {
    policies: BTreeMap<Decision, BTreeMap<&'static str, Vec<Arc<ActivePolicy>>>>,
}

impl Bundle {
    /// Of these policies; those of one decision about one kind are asked in the order given.
    pub fn new(policies: impl IntoIterator<Item = Arc<ActivePolicy>>) -> Bundle {
        let mut bundle = Bundle::default();
        for policy in policies {
            let program = &policy.active.program;
            let kinds = bundle.policies.entry(program.decision()).or_default();
            kinds.entry(program.kind()).or_default().push(policy);
        }
        bundle
    }
    /// The policies of a decision about a kind.
    pub fn policies(&self, decision: Decision, kind: &str) -> &[Arc<ActivePolicy>] {
        self.policies.get(&decision).and_then(|kinds| kinds.get(kind)).map_or(&[], Vec::as_slice)
    }
    /// The policies of a decision about a kind for a rehearsal, whose errors must not open the breakers of what is live.
    pub fn rehearsal(&self, decision: Decision, kind: &str) -> Bundle {
        Bundle::new(self.policies(decision, kind).iter().map(|policy| Arc::new(policy.rehearsal())))
    }
    /// The policies of a decision for a rehearsal, with this one in place of the policy of its id; where there is none, as many
    /// are asked before it as are told.
    pub fn rehearsal_with(&self, candidate: ActivePolicy, before: usize) -> Bundle {
        let (decision, kind) = (candidate.active.program.decision(), candidate.active.program.kind());
        let mut policies = self.rehearsal(decision, kind).policies(decision, kind).to_vec();
        let candidate = Arc::new(candidate);
        match policies.iter_mut().find(|policy| policy.id == candidate.id) {
            Some(place) => *place = candidate,
            None => policies.insert(before.min(policies.len()), candidate),
        }
        Bundle::new(policies)
    }
    /// Of the policies of a decision about a kind those with these ids.
    pub fn only(&self, decision: Decision, kind: &str, ids: &[RowId]) -> Bundle {
        let named = |policy: &&Arc<ActivePolicy>| ids.iter().any(|id| id.as_str() == policy.id);
        Bundle::new(self.policies(decision, kind).iter().filter(named).cloned())
    }
    /// Every policy, by decision and kind.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ActivePolicy>> {
        self.policies.values().flat_map(BTreeMap::values).flatten()
    }
}

/// What the policies of a decision came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What was said, in order.
    pub effects: Vec<Placed>,
    /// What the caller must do because a policy failed and had no good version.
    pub fallback: Option<Fallback>,
    /// Every run, in order.
    pub runs: Vec<Run>,
}

impl Verdict {
    /// Just what was said.
    pub fn said(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().map(|placed| &placed.effect)
    }
    /// Whether it says the same as another, wherever the scripts say so: on one record, both come to the same.
    pub fn says_as(&self, other: &Verdict) -> bool {
        self.fallback == other.fallback && self.said().eq(other.said())
    }
    /// The ids of the policies of which no version could answer.
    pub fn unanswered(&self) -> impl Iterator<Item = &str> {
        let last =
            |run: &&Run| self.runs.iter().rfind(|other| other.policy.id == run.policy.id).is_some_and(|l| l == *run);
        self.runs.iter().filter(last).filter(|run| run.evaluation.failed()).map(|run| run.policy.id.as_str())
    }
    /// The refusals of a guard: field and text.
    pub fn refusals(&self) -> impl Iterator<Item = (&str, &str)> {
        self.said().filter_map(|e| {
            if let Effect::Refuse { field, text } = e { Some((field.as_str(), text.as_str())) } else { None }
        })
    }
}

/// Asks the policies of a decision. The thread needs a stack of `runner::STACK`.
pub fn decide(bundle: &Bundle, decision: Decision, input: &Input, host: &Arc<dyn Host>) -> Verdict {
    let spec = decision.spec();
    let mut verdict = Verdict { effects: Vec::new(), fallback: None, runs: Vec::new() };
    for policy in bundle.policies(decision, input.record.schema().name()) {
        match ask(policy, spec.fallback, input, host, &mut verdict.runs) {
            true => verdict.effects.extend_from_slice(verdict.runs.last().map_or(&[], |run| &run.evaluation.effects)),
            false => {
                verdict.fallback = Some(spec.fallback);
                if spec.fallback == Fallback::Refuse {
                    verdict.effects.push(refusal(policy));
                }
            }
        }
        let answered = verdict.fallback.is_some() || verdict.said().any(Effect::answers);
        if spec.mode == Mode::First && answered {
            break;
        }
    }
    verdict
}

/// What comes of a decision about a consequence that is too deep: its policies are not asked, and each has a run that says so.
pub fn unasked(bundle: &Bundle, decision: Decision, kind: &str, depth: u8) -> Verdict {
    let why = format!("consequences are {depth} deep here, and policies are asked up to {DEEPEST}");
    let runs = bundle.policies(decision, kind).iter().map(|policy| {
        tracing::warn!(policy = policy.name, depth, "a policy was not asked: consequences go too deep");
        Run { policy: Arc::clone(&policy.as_active), evaluation: Evaluation::unasked(Outcome::Loop, LOOP, why.clone()) }
    });
    Verdict { effects: Vec::new(), fallback: Some(decision.spec().fallback), runs: runs.collect() }
}

fn refusal(policy: &ActivePolicy) -> Placed {
    let text = format!("The policy \"{}\" could not be asked; an administrator has to look at it.", policy.name);
    Placed { effect: Effect::Refuse { field: String::new(), text }, line: 0, column: 0 }
}

/// Runs the active version and, where it fails, the last good one; false when both fail.
fn ask(policy: &ActivePolicy, fallback: Fallback, input: &Input, host: &Arc<dyn Host>, runs: &mut Vec<Run>) -> bool {
    if !policy.breaker_is_open() || policy.last_good.is_none() {
        let was_open = policy.breaker_is_open();
        let evaluation = policy.breaker.run(&policy.active, input, host);
        let (failed, error) = (evaluation.failed(), evaluation.error.clone());
        runs.push(Run { policy: Arc::clone(&policy.as_active), evaluation });
        if !failed {
            return true;
        }
        policy.tell_failure(was_open);
        tracing::warn!(policy = policy.name, version = policy.active.number, ?error, "a policy failed");
        if fallback == Fallback::Refuse {
            // What was meant to be checked was not. The last good version may not know of it: it answers only once the
            // breaker says that the live one fails for everybody.
            return false;
        }
    }
    let Some((version, of)) = policy.last_good.as_ref().zip(policy.as_last_good.as_ref()) else { return false };
    let evaluation = policy.breaker_of_last_good.run(version, input, host);
    let failed = evaluation.failed();
    runs.push(Run { policy: Arc::clone(of), evaluation });
    !failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{facts, functions::test_clock, host::Offline, program::compile, runner::on_ample_stack};

    fn version(number: i64, decision: Decision, code: &str) -> Version {
        let spec = decision.spec();
        let source = format!("fn {}({}) {{ {code} }}", spec.function, spec.arguments.join(", "));
        Version::new(number, Arc::new(compile(&source, decision).unwrap()))
    }

    fn policy(decision: Decision, code: &str, before: Option<&str>) -> Arc<ActivePolicy> {
        let last_good = before.map(|code| version(1, decision, code));
        Arc::new(ActivePolicy::new("id", "the policy", version(2, decision, code), last_good))
    }

    fn asked(bundle: &Bundle, decision: Decision) -> Verdict {
        let host: Arc<dyn Host> = Arc::new(Offline::default());
        let beside = decision.spec().beside().and_then(facts::beside).map(|schema| schema.made_up());
        let input = Input { beside, ..Input::new(facts::incident().made_up(), test_clock()) };
        decide(bundle, decision, &input, &host)
    }

    fn gists(verdict: &Verdict) -> Vec<String> {
        verdict.said().map(Effect::gist).collect()
    }

    #[test]
    fn the_first_answer_ends_a_first_decision_and_additions_go_on() {
        on_ample_stack(|| {
            let bundle = Bundle::new([
                policy(Decision::Routing, "", None),
                policy(Decision::Routing, "rule \"n\" when true also notify(\"boss\");", None),
                policy(Decision::Routing, "rule \"r\" when true then assign(\"a\");", None),
                policy(Decision::Routing, "assign(\"b\")", None),
            ]);
            let verdict = asked(&bundle, Decision::Routing);
            assert_eq!((gists(&verdict), verdict.runs.len()), (vec!["notify boss".to_owned(), "a".to_owned()], 3));
        })
        .unwrap();
    }

    #[test]
    fn every_guard_is_asked() {
        on_ample_stack(|| {
            let guards = ["refuse(\"a\", \"x\")", "allow()", "refuse(\"b\", \"y\")"];
            let verdict = asked(&Bundle::new(guards.map(|g| policy(Decision::Guard, g, None))), Decision::Guard);
            assert_eq!(verdict.refusals().collect::<Vec<_>>(), [("a", "x"), ("b", "y")]);
        })
        .unwrap();
    }

    #[test]
    fn a_failing_policy_gives_way_to_its_last_good_version_then_to_the_fallback() {
        on_ample_stack(|| {
            let bad = "1 + \"\" - true";
            let verdict =
                asked(&Bundle::new([policy(Decision::Routing, bad, Some("assign(\"old\")"))]), Decision::Routing);
            assert_eq!((gists(&verdict), verdict.fallback), (vec!["old".to_owned()], None));
            for (decision, fallback) in [
                (Decision::Priority, Fallback::Matrix),
                (Decision::Routing, Fallback::DefaultQueue),
                (Decision::Guard, Fallback::Refuse),
                (Decision::Escalation, Fallback::AskAgain),
            ] {
                let verdict = asked(&Bundle::new([policy(decision, bad, None)]), decision);
                assert_eq!(verdict.fallback, Some(fallback));
                assert_eq!(
                    verdict.refusals().any(|(_, text)| text.contains("the policy")),
                    decision == Decision::Guard
                );
            }
        })
        .unwrap();
    }

    #[test]
    fn errors_open_the_breaker() {
        on_ample_stack(|| {
            let failing = policy(Decision::Routing, "1 + \"\" - true", Some("assign(\"old\")"));
            let bundle = Bundle::new([Arc::clone(&failing)]);
            let guard = policy(Decision::Guard, "1 + \"\" - true", Some("allow()"));
            let refused = asked(&Bundle::new([guard]), Decision::Guard);
            assert_eq!((refused.refusals().count(), refused.runs.len()), (1, 1), "an unchecked step");
            for n in 1..=ERRORS {
                assert!(!failing.breaker_is_open(), "before error {n}");
                assert_eq!(asked(&bundle, Decision::Routing).runs.len(), 2);
            }
            assert!(failing.breaker_is_open());
            assert_eq!(asked(&bundle, Decision::Routing).runs.len(), 1);
        })
        .unwrap();
    }

    #[test]
    fn what_goes_over_its_limits_again_and_again_is_not_asked_for_a_while() {
        on_ample_stack(|| {
            let endless = "for n in 0..100000 { }";
            for (before, runs) in [(None, 1), (Some(endless), 2)] {
                let bundle = Bundle::new([policy(Decision::Routing, endless, before)]);
                let was_asked = |after: TimeDelta| {
                    let host: Arc<dyn Host> = Arc::new(Offline::default());
                    let input = Input::new(facts::incident().made_up(), test_clock().plus(after));
                    let verdict = decide(&bundle, Decision::Routing, &input, &host);
                    assert_eq!(verdict.fallback, Some(Fallback::DefaultQueue));
                    verdict.runs.iter().map(|run| run.evaluation.was_asked()).collect::<Vec<_>>()
                };
                for _ in 0..ERRORS {
                    assert_eq!(was_asked(TimeDelta::zero()), vec![true; runs]);
                }
                // From here on its last good version alone answers, if it has one, which is not asked either.
                assert_eq!(was_asked(WINDOW), [false]);
                assert_eq!(was_asked(WINDOW + TimeDelta::seconds(1)), [true]);
            }
        })
        .unwrap();
    }
}
