//! What a source has to pass before it goes live.

use std::sync::Arc;

use super::Bench;
use crate::{
    error::{Error, Result, did_you_mean},
    policy::{
        decision::Decision,
        diagnostic::Diagnostic,
        live::Live,
        publish::{self, Examined},
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
    pub(super) fn examine(&self, live: &Live, decision: Decision, source: &str) -> Examined {
        publish::examine(&self.policies, live, decision, source)
    }
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
