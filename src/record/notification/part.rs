//! Who has which part in a record and in what happens to it.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    auth::permission::ADMINISTRATOR,
    db::AnyConnection,
    error::Result,
    id::{TeamId, UserId},
    record::{
        approval::row::state, decide::ADMINISTRATORS, escalation, feed::Told, header::Header, kernel::Kernel,
        outbox::NOTIFIED, watcher,
    },
    schema::{approval, approval_stage, approval_voter, participant, role, team, team_member, user_account, user_role},
};

/// The part that somebody has in a record, or in what happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MailAudience)]
pub enum Part {
    /// Who needs it.
    Requester,
    /// Who made it.
    Opener,
    /// Who works on it.
    Assignee,
    /// Who follows it.
    Watchers,
    /// The members of the team that has it.
    Team,
    /// Who is asked, in the stage of an approval that has just opened.
    Approvers,
    /// Whom a policy names, and to whom somebody escalates.
    Named,
    /// Who answers for it, when that person and the support team are asked to certify what is known of it.
    Owner,
}

/// People, each with their parts.
pub type Parts = BTreeMap<UserId, BTreeSet<Part>>;

/// What an event is called by those who are told of it: its own name first, then what it means for some.
pub fn names(told: &Told, parts: &Parts) -> Vec<String> {
    let mut names = vec![told.event.clone()];
    let is_among =
        |field: &str| told.payload["changed"].as_array().is_some_and(|all| all.iter().any(|one| one == field));
    if is_among("assignee_id") {
        names.push(format!("{}.{ASSIGNED}", told.kind));
    }
    let asked = format!("{}.{ASKED}", told.kind);
    if told.event != asked && parts.values().any(|parts| parts.contains(&Part::Approvers)) {
        names.push(asked);
    }
    let due = format!("{}{CERTIFICATION}due", told.kind);
    if told.event.contains(CERTIFICATION) && told.event != due {
        names.push(due);
    }
    names
}

/// Ends the name of what happened when a record was given to somebody.
const ASSIGNED: &str = "assigned";
/// Ends the name of what happened when people were asked whether they approve.
const ASKED: &str = "approval_requested";
/// Stands in the names of what happens while people are asked whether what is known of a record is right.
const CERTIFICATION: &str = ".certification_";

/// Everybody who has a part in what happened.
pub fn of(kernel: &Kernel, connection: &mut AnyConnection, told: &Told, record: &Header) -> Result<Parts> {
    let mut parts = Parts::new();
    let mut add = |part: Part, people: Vec<UserId>| {
        for person in people {
            parts.entry(person).or_default().insert(part);
        }
    };
    add(Part::Requester, record.requester_id.into_iter().collect());
    add(Part::Opener, vec![record.opened_by_id]);
    add(Part::Assignee, record.assignee_id.into_iter().collect());
    let watching =
        participant::table.filter(participant::record_id.eq(record.id)).filter(participant::role.eq(watcher::ROLE));
    add(Part::Watchers, watching.select(participant::user_id).load(connection)?);
    if let Some(team) = record.team_id {
        add(Part::Team, members(connection, team)?);
    }
    // Only what is told of an approval asks anybody.
    if told.event.contains("approval") {
        add(Part::Approvers, asked(connection, told)?);
    }
    if told.event == NOTIFIED || escalation::calls(&told.event) {
        add(Part::Named, named(connection, &told.payload)?);
    }
    if told.event.contains(CERTIFICATION) {
        let (owner, team) = keepers(kernel, connection, record)?;
        add(Part::Owner, owner.into_iter().collect());
        if let Some(team) = team {
            add(Part::Team, members(connection, team)?);
        }
    }
    Ok(parts)
}

/// Who answers for a record, and the team that looks after it, where its kind has them.
fn keepers(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    record: &Header,
) -> Result<(Option<UserId>, Option<TeamId>)> {
    let shown = kernel.practice(&record.kind)?.render(connection, vec![record.clone()])?.pop().unwrap_or_default();
    let word = |name: &str| shown.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok((word("owner_id").parse().ok(), word("support_team_id").parse().ok()))
}

fn members(connection: &mut AnyConnection, of: TeamId) -> Result<Vec<UserId>> {
    let members = team_member::table.filter(team_member::team_id.eq(of));
    Ok(members.select(team_member::user_id).load(connection)?)
}

/// Those whose vote is waited for in a stage that opened at this moment.
fn asked(connection: &mut AnyConnection, told: &Told) -> Result<Vec<UserId>> {
    let asked = approval_voter::table
        .inner_join(approval_stage::table.on(approval_stage::id.eq(approval_voter::stage_id)))
        .inner_join(approval::table.on(approval::id.eq(approval_voter::approval_id)))
        .filter(approval::record_id.eq(told.record_id))
        .filter(approval_stage::state.eq(state::OPEN))
        .filter(approval_stage::opened_at.eq(told.at))
        .filter(approval_voter::excluded.is_null())
        .filter(approval_voter::vote.is_null());
    Ok(asked.select(approval_voter::user_id).load(connection)?)
}

/// Whom a policy names: the members of a team, a person by the name that they sign in with, or those who look after the server.
fn named(connection: &mut AnyConnection, payload: &Value) -> Result<Vec<UserId>> {
    let who = payload["who"].as_str().unwrap_or_default();
    if who == ADMINISTRATORS {
        let holders = user_role::table
            .inner_join(role::table.on(role::id.eq(user_role::role_id)))
            .filter(role::name.eq(ADMINISTRATOR));
        return Ok(holders.select(user_role::user_id).load(connection)?);
    }
    let named: Option<TeamId> = team::table.filter(team::name.eq(who)).select(team::id).first(connection).optional()?;
    match named {
        Some(team) => members(connection, team),
        None => {
            let user = user_account::table.filter(user_account::user_name.eq(who));
            Ok(user.select(user_account::id).load(connection)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::{RecordId, RowId};

    #[test]
    fn an_event_has_the_names_of_what_it_means() {
        let told = |event: &str, changed: Value| Told {
            id: RowId::new(),
            at: "2026-03-03T11:00:00Z".parse().unwrap(),
            event: event.to_owned(),
            record_id: RecordId::new(),
            kind: "incident".to_owned(),
            payload: json!({"changed": changed}),
        };
        let nobody = Parts::new();
        assert_eq!(names(&told("incident.updated", json!(["title"])), &nobody), ["incident.updated"]);
        let given = told("incident.updated", json!(["assignee_id"]));
        assert_eq!(names(&given, &nobody), ["incident.updated", "incident.assigned"]);
        let asked = Parts::from([(UserId::new(), BTreeSet::from([Part::Approvers]))]);
        let next = told("incident.approval_voted", json!(["approval"]));
        assert_eq!(names(&next, &asked), ["incident.approval_voted", "incident.approval_requested"]);
        let over = told("configuration_item.certification_overdue", json!(["certification"]));
        assert_eq!(names(&over, &nobody), [over.event.clone(), "incident.certification_due".to_owned()]);
        let first = told("incident.approval_requested", json!(["approval"]));
        assert_eq!(names(&first, &asked), ["incident.approval_requested"]);
    }
}
