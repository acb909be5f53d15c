//! The people, teams and configuration items that a log names, made where they are missing.
//!
//! They are found again by name, so that a second import makes none. Nobody gets a password or a role: whoever is to sign in
//! is given both by an administrator.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    SOURCE,
    log::Text,
    reference::{self, Position},
    story::{Hand, Story},
};
use crate::{
    auth::{
        account::{self, NewUser},
        caller::Caller,
    },
    clock::Moment,
    error::{Error, Result},
    id::{OrganisationId, RecordId, RowId, TeamId, UserId},
    insert_unless_there,
    record::{
        audit::AuditEntry,
        cause::{Cause, Policies, Via},
        kernel::Kernel,
        step::StepChoice,
        store::{Desk, Unit},
    },
    schema::{organisation, team, team_member},
};

/// Who replays what no user of the log did.
const IMPORTER: &str = "servicenow.import";
/// What somebody of the log may do: all that an agent does with incidents, and see what they are about.
const OF_AGENTS: [&str; 2] = ["incident.*", "configuration_item.read"];

/// What stories need of a directory.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    organisation: String,
    users: BTreeSet<Text>,
    teams: BTreeSet<String>,
    members: BTreeSet<(String, Text)>,
    items: BTreeSet<Text>,
    /// When all of it was there at the latest.
    at: Option<Moment>,
}

/// People, teams and configuration items by the names of the log.
pub struct Directory {
    importer: Arc<Caller>,
    callers: HashMap<Text, Arc<Caller>>,
    teams: HashMap<String, TeamId>,
    items: HashMap<Text, RecordId>,
}

impl Needs {
    /// What these stories need.
    pub fn of(stories: &[Story], organisation: &str) -> Needs {
        let mut needs = Needs { organisation: organisation.to_owned(), ..Needs::default() };
        needs.at = stories.iter().map(|s| s.opened_at).min();
        for story in stories {
            let mut hand = &Hand::Nobody;
            for event in &story.events {
                let row = &event.row;
                let people = [&row.caller, &row.opened_by, &row.updated_by, &row.assignee];
                needs.users.extend(people.into_iter().flatten().cloned());
                needs.items.extend(row.item.clone());
                needs.teams.extend(event.hands.iter().filter(|h| **h != Hand::Nobody).map(Hand::to_string));
                hand = event.hands.last().unwrap_or(hand);
                if let (Some(assignee), true) = (&row.assignee, *hand != Hand::Nobody) {
                    needs.members.insert((hand.to_string(), assignee.clone()));
                }
            }
        }
        needs
    }

    /// Finds all of it, and makes what is missing.
    pub fn meet(&self, kernel: &Kernel, unit: &mut Unit<'_>) -> Result<Directory> {
        let Some(at) = self.at else { return Err(Error::internal("no story needs a directory")) };
        let organisation = self.organisation(unit, at)?;
        let importer = NewUser::service_account(IMPORTER, "ServiceNow import", organisation);
        let (importer, _) = find_or_create(unit, &importer, at)?;
        let importer = Arc::new(Caller::server(importer, organisation));
        let mut made = BTreeMap::from([("users", 0), ("teams", 0), ("members", 0)]);
        let mut count = |what, new| *made.entry(what).or_default() += usize::from(new);
        let permissions = Arc::new(BTreeSet::from(OF_AGENTS.map(str::to_owned)));
        let mut callers = HashMap::new();
        for name in &self.users {
            let new = NewUser::person(&user_name(name), name, organisation);
            let (user, is_new) = find_or_create(unit, &new, at)?;
            count("users", is_new);
            let (user_name, display_name, permissions) = (new.user_name, new.display_name, Arc::clone(&permissions));
            let caller = Caller { user_name, display_name, permissions, ..Caller::server(user, organisation) };
            callers.insert(name.clone(), Arc::new(caller));
        }
        let mut teams = HashMap::new();
        for name in &self.teams {
            let (id, is_new) = find_or_create_team(unit, name, organisation, at)?;
            count("teams", is_new);
            teams.insert(name.clone(), id);
        }
        for (in_team, name) in &self.members {
            if let (Some(team), Some(caller)) = (teams.get(in_team), callers.get(name)) {
                count("members", join(unit, *team, caller.user)?);
            }
        }
        if made.values().any(|n| *n > 0) {
            tell_audit(unit, organisation, importer.user, at, &made)?;
        }
        let mut directory = Directory { importer, callers, teams, items: HashMap::new() };
        self.meet_items(kernel, unit, at, &mut directory)?;
        Ok(directory)
    }

    fn organisation(&self, unit: &mut Unit<'_>, at: Moment) -> Result<OrganisationId> {
        let connection = unit.connection()?;
        let there = organisation::table.filter(organisation::name.eq(&self.organisation)).select(organisation::id);
        match there.first(connection).optional()? {
            Some(id) => Ok(id),
            None => account::create_organisation(connection, &self.organisation, None, at),
        }
    }

    fn meet_items(&self, kernel: &Kernel, unit: &mut Unit<'_>, at: Moment, directory: &mut Directory) -> Result<()> {
        let practice = kernel.practice("configuration_item")?;
        let go_live = practice.kind().lifecycle.step("go_live");
        let cause = Cause { request_id: format!("{SOURCE}:cmdb_ci"), ..directory.cause(None, at, Policies::Decide) };
        for name in &self.items {
            let key = format!("cmdb_ci/{name}");
            let mut there = reference::positions(unit.connection()?, &[&key])?;
            let id = match there.remove(&key) {
                Some(found) => found.record,
                None => {
                    let mut desk = Desk { kernel, unit, cause: &cause };
                    let input = json!({"title": name, "class": "other"});
                    let Value::Object(input) = input else { return Err(Error::internal("not an object")) };
                    let made = practice.create(&mut desk, input)?.id;
                    if let Some(step) = go_live {
                        practice.step(&mut desk, made, None, &StepChoice::Named(step), Map::new())?;
                    }
                    reference::keep(
                        unit.connection()?,
                        [(key.as_str(), Position { record: made, position: 0 }, true)],
                    )?;
                    made
                }
            };
            directory.items.insert(name.clone(), id);
        }
        Ok(())
    }
}

impl Directory {
    /// What is behind a write of somebody of the log; of the importer where the log doesn't say who.
    pub fn cause(&self, who: Option<&Text>, at: Moment, policies: Policies) -> Cause {
        let caller = who.and_then(|name| self.callers.get(name)).unwrap_or(&self.importer);
        Cause {
            caller: Arc::clone(caller),
            via: Via::Import,
            request_id: String::new(),
            reason: String::new(),
            at,
            policies,
            depth: 0,
        }
    }

    /// Somebody of the log.
    pub fn user(&self, name: &Text) -> Option<UserId> {
        self.callers.get(name).map(|caller| caller.user)
    }

    /// The team that stands for a hand.
    pub fn team(&self, hand: &Hand) -> Option<TeamId> {
        self.teams.get(&hand.to_string()).copied()
    }

    /// A configuration item of the log.
    pub fn item(&self, name: &Text) -> Option<RecordId> {
        self.items.get(name).copied()
    }
}

/// `Caller 2403` signs in as `caller.2403`, if ever.
fn user_name(name: &str) -> String {
    name.to_lowercase().replace(' ', ".")
}

/// The id, and whether it is new.
fn find_or_create(unit: &mut Unit<'_>, new: &NewUser, at: Moment) -> Result<(UserId, bool)> {
    let connection = unit.connection()?;
    match account::find_user(connection, &new.user_name)? {
        Some(id) => Ok((id, false)),
        None => Ok((account::create_user(connection, new, at)?, true)),
    }
}

fn find_or_create_team(unit: &mut Unit<'_>, name: &str, of: OrganisationId, at: Moment) -> Result<(TeamId, bool)> {
    let connection = unit.connection()?;
    let there = team::table.filter(team::name.eq(name)).select(team::id).first(connection).optional()?;
    if let Some(id) = there {
        return Ok((id, false));
    }
    let id = TeamId::new();
    diesel::insert_into(team::table)
        .values((
            team::id.eq(id),
            team::name.eq(name),
            team::description.eq("Made by the import of an incident log."),
            team::organisation_id.eq(of),
            team::email.eq(None::<String>),
            team::active.eq(true),
            team::version.eq(1),
            team::created_at.eq(at),
            team::updated_at.eq(at),
        ))
        .execute(connection)?;
    Ok((id, true))
}

/// Whether they were not in it before.
fn join(unit: &mut Unit<'_>, team: TeamId, user: UserId) -> Result<bool> {
    let row = (team_member::team_id.eq(team), team_member::user_id.eq(user));
    Ok(insert_unless_there!(unit.connection()?, team_member::table, row)? == 1)
}

fn tell_audit(
    unit: &mut Unit<'_>,
    organisation: OrganisationId,
    actor: UserId,
    at: Moment,
    made: &BTreeMap<&str, usize>,
) -> Result<()> {
    let changes: BTreeMap<&str, [usize; 2]> = made.iter().map(|(what, n)| (*what, [0, *n])).collect();
    unit.deferred.audit.push(AuditEntry {
        at,
        actor_id: Some(actor),
        action: "organisation.imported".to_owned(),
        subject_kind: "organisation".to_owned(),
        subject_id: organisation.to_string(),
        subject_version: 1,
        via: Via::Import.as_text(),
        request_id: format!("{SOURCE}:{}", RowId::new()),
        reason: "The directory that an incident log names".to_owned(),
        changes: crate::db::JsonText::of(&changes)?,
    });
    Ok(())
}
