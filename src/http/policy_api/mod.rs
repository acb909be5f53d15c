//! Policies, lookup tables and decisions over HTTP: all that a policy studio needs.
//!
//! Owns: what these endpoints take and answer, and who may call them. Refuses to know: how scripts are compiled, checked and
//! run (`policy`), and how records are written (`record`).
//!
//! **Invariant:** scripts run on the threads of the [`Runner`], never on a web worker, and hold no connection while they do.
//! **Invariant:** every change is audited in its own transaction, and this node asks for what is live anew after it.

mod back_test_page;
mod back_tests;
mod decisions;
mod declare;
mod diff;
mod format;
mod gate;
mod modules;
mod pins;
mod policies;
mod publications;
mod reference;
mod rehearsal;
mod review;
mod shadow;
mod shape;
mod simulate;
mod status;
mod tables;
mod tables_csv;
mod tables_known;
mod tables_shape;
mod tables_versions;
#[cfg(test)]
mod tests;
mod versions;

use std::sync::Arc;

pub use self::tables_known::KnownFindings;
use super::{desk::Call, entity_tag::IfMatch, mount::Api};
use crate::{
    config,
    db::Database,
    error::{Code, Error, Result},
    policy::{
        library::{NAME, is_name},
        live::Policies,
        runner::Runner,
    },
    record::{cause::Cause, kernel::Kernel},
};

/// What the handlers of this folder find by `web::Data`, beside the [`Service`](super::desk::Service).
#[derive(Clone)]
pub struct Studio {
    /// What is live on this node.
    pub policies: Arc<Policies>,
    /// Threads on which scripts may run.
    pub runner: Runner,
    /// What a version needs before it goes live.
    pub rules: config::Policy,
    /// What the authors of tables should know, as far as somebody asked.
    pub findings: KnownFindings,
}

/// What a job on a thread of the runner works with.
struct Bench {
    policies: Arc<Policies>,
    kernel: Arc<Kernel>,
    database: Database,
    cause: Arc<Cause>,
}

impl Studio {
    /// Runs a job where scripts may run.
    async fn run<T: Send + 'static>(
        &self,
        call: &Call,
        job: impl FnOnce(&Bench) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let bench = Bench {
            policies: self.policies.clone(),
            kernel: call.service.kernel.clone(),
            database: call.service.database.clone(),
            cause: call.cause.clone(),
        };
        self.runner.run_async(move || job(&bench)).await?
    }
}

/// Mounts everything.
pub fn mount(api: &mut Api) {
    api.tag("Policy", POLICY);
    api.tag("PolicyModule", "Functions that policies share. A policy is pinned to a version of each that it uses.");
    api.tag("LookupTable", "Tables that policies look things up in. Old versions are kept; a change is live at once.");
    api.tag("Decision", "Why a policy decided as it did, in a sentence, and whether it would do so again.");
    reference::mount(api);
    policies::mount(api);
    versions::mount(api);
    publications::mount(api);
    review::mount(api);
    diff::mount(api);
    format::mount(api);
    back_tests::mount(api);
    shadow::mount(api);
    simulate::mount(api);
    status::mount(api);
    modules::mount(api);
    tables::mount(api);
    tables_versions::mount(api);
    decisions::mount(api);
    pins::mount(api);
}

const POLICY: &str = "Scripts that decide how work is ranked, routed and guarded. A policy has immutable, numbered \
versions, of which one is live. Write a version, look at its diagnostics, run its tests, rehearse it on a record, then \
publish it; a rollback makes an older one live again at once. `GET /policy-functions` and `GET /policy-schema` list what a \
script may call, read and say.";

/// Refuses a write to something that has another version than the caller has seen.
fn same_version(expected: &IfMatch, version: i32) -> Result<()> {
    if expected.allows(version) {
        return Ok(());
    }
    Err(Error::new(Code::Stale, format!("It is at version {version}, not the one in `If-Match`.")))
}

/// Refuses to write over what the caller has not seen: `there` is the version of what has this name now.
fn may_replace(asked: &Call, there: Option<i32>) -> Result<()> {
    match (there, &asked.if_match) {
        (Some(version), _) => same_version(&asked.expected()?, version),
        (None, Some(_)) => Err(Error::new(Code::Stale, "There is nothing of this name.")),
        (None, None) => Ok(()),
    }
}

/// Refuses a name that can't stand in a path and in a script.
fn check_name(name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::invalid("/name", "wrong_form", NAME))
}

/// Refuses text that is longer than `most` characters.
fn check_length(pointer: &str, given: &str, most: usize) -> Result<()> {
    if given.chars().count() <= most {
        return Ok(());
    }
    Err(Error::invalid(pointer, "too_long", format!("At most {most} characters are allowed.")))
}
