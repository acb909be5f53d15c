//! What functions of a script are called with: a helper that every caller passes the record knows its fields.

use super::{Problems, Script, known::Known, script::Role, walk};
use crate::policy::facts;

/// How often the calls are looked at again because what is known of a parameter has changed.
const ROUNDS: usize = 4;

/// What is known of each parameter of each function, in the order of the script's functions; nothing where it is never called.
#[derive(Clone, Default)]
pub struct Calls {
    seen: Vec<Option<Vec<Known>>>,
}

impl Calls {
    /// What is known of the parameters of a function.
    pub fn params(&self, function: usize) -> Option<&[Known]> {
        self.seen.get(function)?.as_deref()
    }
    /// Adds a call.
    pub fn add(&mut self, function: usize, given: Vec<Known>) {
        if self.seen.len() <= function {
            self.seen.resize(function + 1, None);
        }
        let slot = &mut self.seen[function];
        *slot = Some(match slot.take() {
            None => given,
            Some(before) => before.iter().zip(&given).map(|(a, b)| a.or(b)).collect(),
        });
    }
    fn shown(&self) -> Vec<Option<Vec<(String, bool)>>> {
        let known = |k: &Known| (k.named(), k.may_be_empty);
        self.seen.iter().map(|f| f.as_ref().map(|params| params.iter().map(known).collect())).collect()
    }
}

/// Looks at every call until nothing new is learnt.
pub fn of(script: &Script) -> Calls {
    if !script.functions.iter().any(|f| f.role == Role::Helper) {
        return fixed(script);
    }
    let first = from(script, |role| role != Role::Helper, &fixed(script), fixed(script));
    let mut calls = first.clone();
    for _ in 0..ROUNDS {
        let next = from(script, |role| role == Role::Helper, &calls, first.clone());
        if next.shown() == calls.shown() {
            return calls;
        }
        calls = next;
    }
    // It goes on changing, by functions that call themselves: then nothing is known but of the decision's own.
    let mut known = fixed(script);
    for (at, function) in script.functions.iter().enumerate().filter(|(_, f)| f.role != Role::Decision) {
        known.add(at, vec![Known::ANY; function.params.len()]);
    }
    known
}

/// What is known before any call is looked at: what the decision itself is given.
fn fixed(script: &Script) -> Calls {
    let mut calls = Calls::default();
    if let Some(at) = script.functions.iter().position(|f| f.role == Role::Decision) {
        let beside = script.decision.spec().beside().and_then(facts::beside);
        calls.add(at, std::iter::once(script.schema).chain(&beside).map(Known::record).collect());
    }
    calls
}

/// The calls that functions of some roles make, added to others. What nobody is known to call yet calls nothing yet.
fn from(script: &Script, wanted: impl Fn(Role) -> bool, known: &Calls, mut calls: Calls) -> Calls {
    for (at, function) in script.functions.iter().enumerate().filter(|(_, f)| wanted(f.role)) {
        if function.role != Role::Helper || known.params(at).is_some() {
            walk::function(script, function, known, &mut calls, &mut Problems::muted());
        }
    }
    calls
}
