//! Several policies answer one decision.
//!
//! **Invariant:** a policy that fails never decides: its last good version does, or the decision's fallback.
//! **Invariant:** every run is in the verdict, those that failed included.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    decision::{DECISIONS, Decision, Effect, Fallback, Mode, Placed},
    evaluate::{Evaluation, Input, evaluate},
    host::Host,
    program::Program,
};
use crate::clock::Moment;

/// Errors within [`WINDOW`] that open the breaker.
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
}

impl Version {
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
    /// Whether errors opened the breaker: the last good version answers until something is published.
    pub fn breaker_is_open(&self) -> bool {
        self.breaker.open.load(Ordering::Relaxed)
    }
    /// The same for a rehearsal: it behaves alike, and its errors count for nothing.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        let open = AtomicBool::new(self.breaker_is_open());
        ActivePolicy {
            id: self.id.clone(),
            name: self.name.clone(),
            active: self.active.clone(),
            last_good: self.last_good.clone(),
            as_active: self.as_active.clone(),
            as_last_good: self.as_last_good.clone(),
            breaker: Breaker { open, errors: Mutex::default(), is_fixed: true },
        }
    }
}

/// Counts errors, and stays open once there were too many.
#[derive(Default)]
struct Breaker {
    open: AtomicBool,
    errors: Mutex<Vec<Moment>>,
    /// In a rehearsal it stays as it is.
    is_fixed: bool,
}

impl Breaker {
    fn count_error(&self, now: Moment) {
        if self.is_fixed {
            return;
        }
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.retain(|at| now.since(*at).abs() <= WINDOW);
        errors.push(now);
        if errors.len() >= ERRORS {
            self.open.store(true, Ordering::Relaxed);
        }
    }
}

/// The active policies of every decision, in the order in which they are asked. It never changes: publishing swaps it.
#[derive(Clone, Default)]
pub struct Bundle {
    policies: BTreeMap<Decision, Vec<Arc<ActivePolicy>>>,
}

impl Bundle {
    /// Of these policies; those of one decision are asked in the order given.
    pub fn new(policies: impl IntoIterator<Item = Arc<ActivePolicy>>) -> Bundle {
        let mut bundle = Bundle::default();
        for policy in policies {
            bundle.policies.entry(policy.active.program.decision()).or_default().push(policy);
        }
        bundle
    }
    /// The policies of a decision.
    pub fn policies(&self, decision: Decision) -> &[Arc<ActivePolicy>] {
        self.policies.get(&decision).map_or(&[], Vec::as_slice)
    }
    /// The policies of a decision for a rehearsal, whose errors must not open the breakers of what is live.
    pub fn rehearsal(&self, decision: Decision) -> Bundle {
        Bundle::new(self.policies(decision).iter().map(|policy| Arc::new(policy.rehearsal())))
    }
    /// The policies of a decision for a rehearsal, with this one in place of the policy of its id, or last where there is none.
    pub fn rehearsal_with(&self, candidate: ActivePolicy) -> Bundle {
        let decision = candidate.active.program.decision();
        let mut policies = self.rehearsal(decision).policies.remove(&decision).unwrap_or_default();
        let candidate = Arc::new(candidate);
        match policies.iter_mut().find(|policy| policy.id == candidate.id) {
            Some(place) => *place = candidate,
            None => policies.push(candidate),
        }
        Bundle::new(policies)
    }
    /// Every policy, by decision.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ActivePolicy>> {
        DECISIONS.iter().flat_map(|d| self.policies(d.decision))
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
    for policy in bundle.policies(decision) {
        match ask(policy, spec.fallback, input, host, &mut verdict.runs) {
            true => verdict.effects.extend(verdict.runs.last().iter().flat_map(|run| run.evaluation.effects.clone())),
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

fn refusal(policy: &ActivePolicy) -> Placed {
    let text = format!("The policy \"{}\" could not be asked; an administrator has to look at it.", policy.name);
    Placed { effect: Effect::Refuse { field: String::new(), text }, line: 0, column: 0 }
}

/// Runs the active version and, where it fails, the last good one; false when both fail.
fn ask(policy: &ActivePolicy, fallback: Fallback, input: &Input, host: &Arc<dyn Host>, runs: &mut Vec<Run>) -> bool {
    if !policy.breaker_is_open() || policy.last_good.is_none() {
        let evaluation = evaluate(&policy.active.program, input, host);
        let (failed, error) = (evaluation.failed(), evaluation.error.clone());
        runs.push(Run { policy: Arc::clone(&policy.as_active), evaluation });
        if !failed {
            return true;
        }
        policy.breaker.count_error(input.now);
        tracing::warn!(policy = policy.name, version = policy.active.number, ?error, "a policy failed");
        if fallback == Fallback::Refuse {
            // What was meant to be checked was not. The last good version may not know of it: it answers only once the
            // breaker says that the live one fails for everybody.
            return false;
        }
    }
    let Some((version, of)) = policy.last_good.as_ref().zip(policy.as_last_good.as_ref()) else { return false };
    let evaluation = evaluate(&version.program, input, host);
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
        Version { number, program: Arc::new(compile(&source, decision).unwrap()) }
    }

    fn policy(decision: Decision, code: &str, before: Option<&str>) -> Arc<ActivePolicy> {
        let last_good = before.map(|code| version(1, decision, code));
        Arc::new(ActivePolicy::new("id", "the policy", version(2, decision, code), last_good))
    }

    fn asked(bundle: &Bundle, decision: Decision) -> Verdict {
        let host: Arc<dyn Host> = Arc::new(Offline::default());
        let input = Input::new(facts::incident().made_up(), test_clock()).transition(facts::transition().made_up());
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
}
