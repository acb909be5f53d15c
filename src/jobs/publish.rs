//! Lets versions of policies go live that were to do so by now.

use serde_json::json;

use super::{Jobs, work::apart};
use crate::{
    auth::directory,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::UserId,
    policy::{
        publish,
        store::{PolicyRow, VersionRow},
    },
    record::store::Desk,
};

/// Publishes what is due; gives how many.
pub(super) async fn publish_due(jobs: &Jobs) -> Result<usize> {
    let now = jobs.clock.now();
    let due = jobs.database.read(move |connection| VersionRow::due(connection, now)).await?;
    let mut published = 0;
    for version in due {
        let (policy, number) = (version.policy_id, version.number);
        match publish_one(jobs, version).await {
            Ok(done) => published += usize::from(done),
            Err(error) => {
                tracing::error!(%policy, version = number, %error, "a publication failed; it will be tried again")
            }
        }
    }
    if published > 0 {
        jobs.policies.expire();
    }
    Ok(published)
}

/// Publishes a version, or says why it can't be and lets go of it; false where another node was faster.
async fn publish_one(jobs: &Jobs, version: VersionRow) -> Result<bool> {
    let examined = examine(jobs, version.clone()).await?;
    let rules = jobs.rules.clone();
    jobs.write("publish", move |desk| {
        let connection = desk.unit.connection()?;
        let policy = PolicyRow::find(connection, version.policy_id.as_str())?;
        let mut version = policy.version(connection, version.number)?;
        if version.publish_at.is_none_or(|at| at > desk.cause.at) {
            return Ok(false);
        }
        examined.must_stand(connection, &policy)?;
        let allowed = examined
            .must_be_green()
            .and_then(|()| publish::must_be_allowed(connection, &rules, &version))
            .and_then(|()| still_may(connection, version.publish_by));
        match allowed {
            Ok(()) => publish::go_live(desk, policy, version.number, "published").map(|_| true),
            Err(refused) => {
                version.schedule(connection, None)?;
                tell(desk, &policy, version.number, &refused.detail)?;
                Ok(false)
            }
        }
    })
    .await
}

/// Whoever named the moment must still be allowed to publish when it comes.
fn still_may(connection: &mut AnyConnection, by: Option<UserId>) -> Result<()> {
    let Some(by) = by else { return Ok(()) };
    match directory::load_caller(connection, by)? {
        Some(caller) => caller.require("policy.publish"),
        None => Err(Error::new(Code::Forbidden, "Whoever wanted it published is no longer there.")),
    }
}

async fn examine(jobs: &Jobs, version: VersionRow) -> Result<publish::Examined> {
    let (policies, database) = (jobs.policies.clone(), jobs.database.clone());
    apart("publish", move || {
        let (live, subject) = database.read_here(|connection| {
            let policy = PolicyRow::find(connection, version.policy_id.as_str())?;
            Ok((policies.current(connection)?, publish::Subject::of(connection, &policy, &version)?))
        })?;
        publish::examine(&policies, &live, &subject)
    })
    .await
}

fn tell(desk: &mut Desk<'_, '_>, policy: &PolicyRow, number: i32, why: &str) -> Result<()> {
    tracing::error!(policy = policy.name, version = number, why, "a version could not go live when it was to");
    let told = json!({"number": [null, number], "why": [null, why]});
    desk.tell("not_published", ("policy", policy.id.as_str(), policy.version), &told)
}
