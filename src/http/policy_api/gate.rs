//! What a source has to pass before it goes live.

use std::{collections::HashSet, sync::Arc};

use super::Bench;
use crate::{
    auth::caller::Caller,
    db::AnyConnection,
    error::{Error, Result, did_you_mean},
    id::{RecordId, RowId},
    policy::{
        build::Build,
        decision::Decision,
        diagnostic::Diagnostic,
        live::Live,
        publish::{self, Examined, Subject},
        store::{PolicyRow, VersionRow, build_now},
        validate,
    },
    record::{kernel::Kernel, policies::decisions_of, visibility},
};

impl Bench {
    /// What is live, with the connection given back.
    pub(super) fn live(&self) -> Result<Arc<Live>> {
        self.database.read_here(|connection| self.policies.current(connection))
    }

    /// Everything that is wrong with a version; where a kind is given, it has to be about that.
    pub(super) fn diagnose(
        &self,
        live: &Live,
        (decision, kind): (Decision, Option<&str>),
        version: &Build,
    ) -> Vec<Diagnostic> {
        let host = version.host(&self.policies.host(live));
        validate::validate(version.script.clone(), decision, kind, live.schemas(), &*host)
    }

    /// A source that is not stored, with the newest modules.
    pub(super) fn unsaved(&self, source: &str) -> Result<Build> {
        Ok(self.database.read_here(|connection| build_now(connection, source, false))?.1)
    }

    /// A stored version, with its policy and what it is pinned to.
    pub(super) fn stored(&self, id: &str, number: i32) -> Result<(PolicyRow, VersionRow, Build)> {
        self.database.read_here(|connection| {
            let policy = PolicyRow::find(connection, id)?;
            let row = policy.version(connection, number)?;
            let build = row.build(connection)?;
            Ok((policy, row, build))
        })
    }

    /// The checks and the tests of a stored version, without some pins. What is pinned of records that are hidden from the
    /// caller is green or red, and no more.
    pub(super) fn examine(&self, id: &str, number: i32, except: &[RowId]) -> Result<Examined> {
        let live = self.live()?;
        let subject = self.database.read_here(|connection| {
            let policy = PolicyRow::find(connection, id)?;
            let version = policy.version(connection, number)?;
            let subject = Subject::of(connection, &policy, &version)?;
            let seen = self.sees(connection, subject.records())?;
            Ok(subject.showing(&seen).without(except))
        })?;
        publish::examine(&self.policies, &live, &subject)
    }

    /// Those of these records of which the caller may read decisions.
    pub(super) fn sees(&self, connection: &mut AnyConnection, records: Vec<RecordId>) -> Result<HashSet<RecordId>> {
        if !may_know_why(&self.cause.caller) {
            return Ok(HashSet::new());
        }
        let seen = visibility::among(&self.kernel, connection, &self.cause.caller, records)?;
        Ok(seen.into_keys().collect())
    }
}

/// Whether the caller may read why decisions about records that they see came out as they did.
pub(super) fn may_know_why(caller: &Caller) -> bool {
    caller.can("decision.read")
}

/// Refuses a kind that there is not, or for which nobody asks this decision.
pub(super) fn check_kind(kernel: &Kernel, kind: Option<&str>, decision: Decision) -> Result<()> {
    let Some(kind) = kind else { return Ok(()) };
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
