//! From what policies said to what the kernel does: names become ids, and what a failure means is said.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::{
    chain::{Run, Verdict},
    decision::{Decision, Effect as Said, Fallback},
    facts::Facts,
    live::Live,
    outcome,
};
use crate::{
    db::AnyConnection,
    error::Result,
    id::UserId,
    record::{
        approval::{
            ask::{NewApprovalStage, OnDue},
            policy::Wish,
            voters::{Approver, ApproverKind, ROLE},
        },
        decide::{ADMINISTRATORS, Effect},
    },
    schema::user_account,
};

/// What a verdict on a record means for the write path.
pub fn of(
    connection: &mut AnyConnection,
    live: &Live,
    decision: Decision,
    verdict: &Verdict,
    record: &Facts,
) -> Result<Vec<Effect>> {
    Ok(match decision {
        Decision::Priority => {
            i32::try_from(outcome::priority(verdict, record)).map(Effect::Priority).into_iter().collect()
        }
        Decision::Routing => routing(connection, live, verdict)?,
        Decision::Guard => refusals(verdict),
        Decision::Escalation => escalation(connection, live, verdict, record)?,
        Decision::AssessRisk => vec![Effect::Risk(outcome::risk(verdict).to_owned())],
        Decision::Approve => approval(connection, live, verdict)?,
    })
}

fn routing(connection: &mut AnyConnection, live: &Live, verdict: &Verdict) -> Result<Vec<Effect>> {
    let mut effects = Vec::new();
    for said in verdict.said() {
        match said {
            Said::AssignTeam { team } => effects.extend(live.team(team).map(Effect::Team)),
            Said::AssignUser { user } => effects.extend(user_id(connection, user)?.map(Effect::Assignee)),
            Said::Notify { who } => effects.push(Effect::Notify(who.clone())),
            Said::Priority { .. }
            | Said::AtLeast { .. }
            | Said::Raise { .. }
            | Said::Page { .. }
            | Said::EscalateTo { .. }
            | Said::ProposeMajor
            | Said::AgainIn { .. }
            | Said::Leave
            | Said::Refuse { .. }
            | Said::Risk { .. }
            | Said::Approve
            | Said::Reject { .. }
            | Said::Require { .. }
            | Said::ReviewAfterwards
            | Said::Allow => (),
        }
    }
    if verdict.fallback == Some(Fallback::DefaultQueue) {
        effects.extend(live.team(outcome::DEFAULT_TEAM).map(Effect::Team));
        effects.push(Effect::Notify(ADMINISTRATORS.to_owned()));
    }
    Ok(effects)
}

fn escalation(connection: &mut AnyConnection, live: &Live, verdict: &Verdict, record: &Facts) -> Result<Vec<Effect>> {
    let mut effects = Vec::new();
    let raised = outcome::raised(verdict, record).and_then(|priority| i32::try_from(priority).ok());
    effects.extend(raised.map(Effect::Priority));
    for said in verdict.said() {
        let effect = match said {
            Said::AssignTeam { team } => live.team(team).map(Effect::Team),
            Said::Notify { who } => Some(Effect::Notify(who.clone())),
            Said::Page { who } => Some(Effect::Page { who: who.clone(), user: user_id(connection, who)? }),
            Said::EscalateTo { level, who } => {
                let level = i32::try_from(*level).unwrap_or(i32::MAX);
                Some(Effect::Escalate { level, who: who.clone(), user: user_id(connection, who)? })
            }
            Said::ProposeMajor => Some(Effect::ProposeMajor),
            Said::AgainIn { seconds } => Some(Effect::Again(TimeDelta::seconds(*seconds))),
            Said::Priority { .. }
            | Said::AtLeast { .. }
            | Said::Raise { .. }
            | Said::AssignUser { .. }
            | Said::Leave
            | Said::Refuse { .. }
            | Said::Risk { .. }
            | Said::Approve
            | Said::Reject { .. }
            | Said::Require { .. }
            | Said::ReviewAfterwards
            | Said::Allow => None,
        };
        effects.extend(effect);
    }
    if verdict.fallback == Some(Fallback::AskAgain) {
        let failed = verdict.unanswered().filter_map(|policy| policy.parse().ok()).collect();
        effects.push(Effect::Unanswered(failed));
    }
    Ok(effects)
}

/// What becomes of an approval. It is given only where a policy gives it and none requires or rejects anything; where one failed or none
/// says anything, it is held.
fn approval(connection: &mut AnyConnection, live: &Live, verdict: &Verdict) -> Result<Vec<Effect>> {
    let (mut stages, mut rejected, mut approves): (Vec<NewApprovalStage>, _, _) = (Vec::new(), None, false);
    for said in verdict.said() {
        approves |= *said == Said::Approve;
        if let Said::Reject { text } = said {
            rejected = rejected.or(Some(text.clone()));
        }
        let Said::Require { stage, who, how_many, within, calendar, on_due } = said else { continue };
        let approver = approver(connection, live, who)?;
        match stages.iter_mut().find(|known| known.name == *stage) {
            Some(known) => {
                known.approvers.extend(approver.filter(|approver| !known.approvers.contains(approver)));
                // Silence is consent only where nobody says otherwise.
                known.on_due = if *on_due == known.on_due { *on_due } else { OnDue::Reject };
            }
            None => stages.push(NewApprovalStage {
                name: stage.clone(),
                approvers: approver.into_iter().collect(),
                quorum: how_many.parse().unwrap_or_default(),
                due_after: within.parse().ok(),
                calendar: Some(calendar.clone()).filter(|calendar| !calendar.is_empty()),
                on_due: *on_due,
            }),
        }
    }
    let by = || {
        let gives = |run: &&Run| run.evaluation.said().any(|said| *said == Said::Approve);
        verdict.runs.iter().filter(gives).map(|run| run.policy.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let wish = match rejected {
        Some(text) => Wish::Refused(text),
        None if verdict.fallback.is_some() => Wish::Unanswered(stages),
        None if !stages.is_empty() => Wish::Asked(stages),
        None if approves => Wish::Granted(by()),
        None => Wish::Unanswered(Vec::new()),
    };
    let review = verdict.said().any(|said| *said == Said::ReviewAfterwards).then_some(Effect::ReviewAfterwards);
    Ok(review.into_iter().chain([Effect::Approval(wish)]).collect())
}

/// Who is meant by a name; nobody where there is no such team or user any more.
fn approver(connection: &mut AnyConnection, live: &Live, who: &str) -> Result<Option<Approver>> {
    let blank = |kind| Approver { kind, user_id: None, team_id: None, role: None };
    if let Some(role) = who.strip_prefix(ROLE) {
        return Ok(Some(Approver { role: Some(role.to_owned()), ..blank(ApproverKind::Role) }));
    }
    Ok(match (who, live.team(who)) {
        ("manager", _) => Some(blank(ApproverKind::Manager)),
        ("ci_owner", _) => Some(blank(ApproverKind::CiOwner)),
        (_, Some(team)) => Some(Approver { team_id: Some(team), ..blank(ApproverKind::Team) }),
        (name, None) => {
            let user = user_id(connection, name)?;
            user.map(|user| Approver { user_id: Some(user), ..blank(ApproverKind::User) })
        }
    })
}

pub(super) fn user_id(connection: &mut AnyConnection, name: &str) -> Result<Option<UserId>> {
    let user = user_account::table.filter(user_account::user_name.eq(name)).filter(user_account::active.eq(true));
    Ok(user.select(user_account::id).first(connection).optional()?)
}

fn refusals(verdict: &Verdict) -> Vec<Effect> {
    let refuses = |r: &&Run| r.evaluation.failed() || r.evaluation.said().any(|s| matches!(s, Said::Refuse { .. }));
    let policies: Vec<&str> = verdict.runs.iter().filter(refuses).map(|r| r.policy.name.as_str()).collect();
    let policy = format!("policy {}", policies.join(", "));
    let refusals = verdict.refusals().map(|(field, text)| Effect::Refuse {
        field: field.to_owned(),
        text: text.to_owned(),
        policy: policy.clone(),
    });
    refusals.collect()
}
