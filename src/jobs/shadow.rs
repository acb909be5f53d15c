//! Lets go of versions in the shadow that fail too often.

use serde_json::json;

use super::Jobs;
use crate::{
    error::Result,
    policy::{
        shadow::{self, ERRORS_PERCENT, Figures},
        store::{PolicyRow, VersionRow, state},
    },
};

/// Looks at all of them; gives how many it let go of.
pub(super) async fn watch(jobs: &Jobs) -> Result<usize> {
    let hopeless = jobs.database.read(|connection| {
        let mut hopeless = Vec::new();
        for (policy, version) in VersionRow::in_shadow(connection)? {
            let figures = Figures::of(connection, &version)?;
            if figures.are_hopeless() {
                hopeless.push((policy.id, version.number, figures));
            }
        }
        Ok(hopeless)
    });
    let hopeless = hopeless.await?;
    let count = hopeless.len();
    for (id, number, figures) in hopeless {
        let let_go = jobs.write("shadow", move |desk| {
            let connection = desk.unit.connection()?;
            let policy = PolicyRow::find(connection, id.as_str())?;
            let version = policy.version(connection, number)?;
            if version.state != state::SHADOW {
                return Ok(());
            }
            let Figures { evaluations, errors, .. } = figures;
            let why = format!("{errors} of {evaluations} evaluations failed; {ERRORS_PERCENT} % are borne.");
            tracing::error!(policy = policy.name, version = number, why, "a version in the shadow was let go of");
            let told = json!({"number": [null, number], "why": [null, why]});
            let subject = (policy.id, policy.version);
            shadow::stop(desk, policy, version)?;
            desk.tell("shadow_aborted", ("policy", subject.0.as_str(), subject.1), &told)
        });
        let_go.await?;
    }
    if count > 0 {
        jobs.policies.expire();
    }
    Ok(count)
}
