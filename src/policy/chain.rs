//! Several policies answer one decision.
//!
//! **Invariant:** a policy that fails never decides: its last good version does, or the decision's fallback.
//! **Invariant:** every run is in the verdict's log entries, those that failed included.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::TimeDelta;
use serde::Serialize;

use super::{
    decision::{DECISIONS, Decision, Effect, Fallback, Mode, Placed},
    evaluate::{Evaluation, Input, evaluate},
    host::Host,
    log::{LogEntry, PolicyRef},
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
    breaker: Breaker,
}

impl ActivePolicy {
    /// A policy as published now: its breaker is closed.
    pub fn new(id: impl Into<String>, name: impl Into<String>, active: Version, last_good: Option<Version>) -> Self {
        ActivePolicy { id: id.into(), name: name.into(), active, last_good, breaker: Breaker::default() }
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
            breaker: Breaker { open, errors: Mutex::default() },
        }
    }
}

/// Counts errors, and stays open once there were too many.
#[derive(Default)]
struct Breaker {
    open: AtomicBool,
    errors: Mutex<Vec<Moment>>,
}

impl Breaker {
    fn count_error(&self, now: Moment) {
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
    /// Every policy, by decision.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ActivePolicy>> {
        DECISIONS.iter().flat_map(|d| self.policies(d.decision))
    }
}

/// What the policies of a decision came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What was said, in order.
    pub effects: Vec<Placed>,
    /// What the caller must do because a policy failed and had no good version.
    pub fallback: Option<Fallback>,
    /// One entry for each run.
    pub entries: Vec<LogEntry>,
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
    let mut verdict = Verdict { effects: Vec::new(), fallback: None, entries: Vec::new() };
    for policy in bundle.policies(decision) {
        match ask(policy, spec.fallback, input, host, &mut verdict.entries) {
            Some(evaluation) => verdict.effects.extend(evaluation.effects),
            None => {
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

/// Runs the active version and, where it fails, the last good one; nothing when both fail.
fn ask(
    policy: &ActivePolicy,
    fallback: Fallback,
    input: &Input,
    host: &Arc<dyn Host>,
    entries: &mut Vec<LogEntry>,
) -> Option<Evaluation> {
    if !policy.breaker_is_open() || policy.last_good.is_none() {
        let evaluation = run(policy, &policy.active, "live", input, host, entries);
        if !evaluation.failed() {
            return Some(evaluation);
        }
        policy.breaker.count_error(input.now);
        tracing::warn!(policy = policy.name, version = policy.active.number, error = ?evaluation.error, "a policy failed");
        if fallback == Fallback::Refuse {
            // What was meant to be checked was not. The last good version may not know of it: it answers only once the
            // breaker says that the live one fails for everybody.
            return None;
        }
    }
    let last_good = policy.last_good.as_ref()?;
    Some(run(policy, last_good, "last_good", input, host, entries)).filter(|e| !e.failed())
}

fn run(
    policy: &ActivePolicy,
    version: &Version,
    mode: &str,
    input: &Input,
    host: &Arc<dyn Host>,
    entries: &mut Vec<LogEntry>,
) -> Evaluation {
    let evaluation = evaluate(&version.program, input, host);
    let of = PolicyRef {
        id: policy.id.clone(),
        name: policy.name.clone(),
        version: version.number,
        sha256: version.program.sha256().to_owned(),
        mode: mode.to_owned(),
    };
    entries.push(LogEntry::new(version.program.decision(), of, input, evaluation.clone()));
    evaluation
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
            assert_eq!((gists(&verdict), verdict.entries.len()), (vec!["notify boss".to_owned(), "a".to_owned()], 3));
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
            assert_eq!((refused.refusals().count(), refused.entries.len()), (1, 1), "an unchecked step");
            for n in 1..=ERRORS {
                assert!(!failing.breaker_is_open(), "before error {n}");
                assert_eq!(asked(&bundle, Decision::Routing).entries.len(), 2);
            }
            assert!(failing.breaker_is_open());
            assert_eq!(asked(&bundle, Decision::Routing).entries.len(), 1);
        })
        .unwrap();
    }
}
