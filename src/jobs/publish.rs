//! Lets versions of policies go live that were to do so by now.

use serde_json::json;

use super::{Jobs, work::apart};
use crate::{
    error::Result,
    policy::{
        publish,
        store::{PolicyRow, VersionRow},
    },
    record::{
        audit::AuditEntry,
        cause::{Cause, Via},
        store::Desk,
    },
};

/// Publishes what is due; gives how many.
pub(super) async fn publish_due(jobs: &Jobs) -> Result<usize> {
    let now = jobs.clock.now();
    let due = jobs.database.read(move |connection| VersionRow::due(connection, now)).await?;
    let mut published = 0;
    for version in due {
        published += usize::from(publish_one(jobs, version).await?);
    }
    if published > 0 {
        jobs.policies.expire();
    }
    Ok(published)
}

/// Publishes a version, or says why it can't be and lets go of it; false where another node was faster.
async fn publish_one(jobs: &Jobs, version: VersionRow) -> Result<bool> {
    let examined = examine(jobs, version.clone()).await?;
    let (kernel, rules) = (jobs.kernel.clone(), jobs.rules.clone());
    let cause = jobs.cause(Via::Timer("publish".to_owned()));
    jobs.writer
        .run(move |unit| {
            let mut desk = Desk { kernel: &kernel, unit, cause: &cause };
            let connection = desk.unit.connection()?;
            let policy = PolicyRow::find(connection, version.policy_id.as_str())?;
            let mut version = policy.version(connection, version.number)?;
            if version.publish_at.is_none_or(|at| at > cause.at) {
                return Ok(false);
            }
            let allowed =
                examined.must_be_green().and_then(|()| publish::must_be_allowed(connection, &rules, &version));
            match allowed {
                Ok(()) => publish::go_live(&mut desk, policy, version.number, "published").map(|_| true),
                Err(refused) => {
                    version.schedule(connection, None)?;
                    tell(&mut desk, &cause, &policy, version.number, &refused.detail)?;
                    Ok(false)
                }
            }
        })
        .await
}

async fn examine(jobs: &Jobs, version: VersionRow) -> Result<publish::Examined> {
    let (policies, database) = (jobs.policies.clone(), jobs.database.clone());
    apart("publish", move || {
        let (live, decision) = database.read_here(|connection| {
            let policy = PolicyRow::find(connection, version.policy_id.as_str())?;
            Ok((policies.current(connection)?, policy.decision()?))
        })?;
        Ok(publish::examine(&policies, &live, decision, &version.source))
    })
    .await
}

fn tell(desk: &mut Desk<'_, '_>, cause: &Cause, policy: &PolicyRow, number: i32, why: &str) -> Result<()> {
    tracing::error!(policy = policy.name, version = number, why, "a version could not go live when it was to");
    let told = json!({"number": [null, number], "why": [null, why]});
    let subject = ("policy", policy.id.as_str(), policy.version);
    desk.unit.deferred.audit.push(AuditEntry::of(cause, "not_published", subject, &told)?);
    Ok(())
}
