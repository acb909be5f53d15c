//! Puts the company into the database: organisations, teams, people, custom fields, services, configuration items.

use std::{collections::HashMap, str::FromStr, sync::Arc};

use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::company::{
    COMPANY, CUSTOM_FIELDS, HANDHELD, ITEMS, ORGANISATIONS, PEOPLE, Person, SERVICE_OWNER, SERVICES, TEAMS,
};
use crate::{
    assembly::ADMINISTRATOR,
    auth::{
        account::{self, NewPassword, NewUser},
        caller::Caller,
        directory, role,
    },
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    http::adding,
    id::{OrganisationId, RecordId, RowId, TeamId, UserId},
    insert_rows,
    record::{
        cause::{Cause, Policies, Via},
        custom::CustomField,
        kernel::Kernel,
        step::StepChoice,
        store::{Desk, Unit},
    },
    schema::{custom_field, record, team, team_member},
};

/// The password that everybody gets.
#[derive(Clone)]
pub struct Password {
    /// Its hash; everybody has the same one, so that forty users don't take as many times as long as one.
    pub hash: String,
    /// Whether each must choose their own when they first sign in.
    pub one_time: bool,
    /// Whether the administrator gets it too: when they are as new as the database.
    pub administrator: bool,
}

/// Who and what is there, by name.
#[derive(Clone)]
pub struct Company {
    people: HashMap<&'static str, Arc<Caller>>,
    organisations: HashMap<&'static str, OrganisationId>,
    teams: HashMap<&'static str, TeamId>,
    members: HashMap<TeamId, Vec<Arc<Caller>>>,
    /// Services, configuration items and what stands beside records: the ids, by the names.
    things: HashMap<String, String>,
    server: Arc<Caller>,
}

impl Company {
    /// Puts in who is there.
    pub fn settle(c: &mut AnyConnection, server: Arc<Caller>, password: &Password, at: Moment) -> Result<Self> {
        refuse_unless_empty(c)?;
        let mut company = Company {
            people: HashMap::new(),
            organisations: HashMap::new(),
            teams: HashMap::new(),
            members: HashMap::new(),
            things: HashMap::new(),
            server,
        };
        company.organise(c, at)?;
        for person in PEOPLE {
            company.hire(c, person, password, at)?;
        }
        if password.administrator {
            give_administrator(c, password, at)?;
        }
        company.admit_administrator(c)?;
        define_fields(c, at)?;
        Ok(company)
    }

    /// Lets the administrator act as well; where there is none of that name, the server does in their place.
    fn admit_administrator(&mut self, c: &mut AnyConnection) -> Result<()> {
        let caller = match account::find_user(c, ADMINISTRATOR)? {
            Some(user) => directory::load_caller(c, user)?.map(Arc::new),
            None => None,
        };
        self.people.insert(ADMINISTRATOR, caller.unwrap_or_else(|| self.server.clone()));
        Ok(())
    }

    fn organise(&mut self, c: &mut AnyConnection, at: Moment) -> Result<()> {
        for organisation in ORGANISATIONS {
            let above = organisation.above.and_then(|name| self.organisations.get(name).copied());
            let above = above.unwrap_or(self.server.organisation);
            let id = account::create_organisation(c, organisation.name, Some(above), at)?;
            self.organisations.insert(organisation.name, id);
        }
        let home = self.organisation(COMPANY)?;
        for (name, description) in TEAMS {
            let id = TeamId::new();
            diesel::insert_into(team::table)
                .values((
                    team::id.eq(id),
                    team::name.eq(name),
                    team::description.eq(description),
                    team::organisation_id.eq(home),
                    team::email.eq(format!("{name}@marlow.example")),
                    team::active.eq(true),
                    team::version.eq(1),
                    team::created_at.eq(at),
                    team::updated_at.eq(at),
                ))
                .execute(c)?;
            self.teams.insert(name, id);
        }
        Ok(())
    }

    fn hire(&mut self, c: &mut AnyConnection, person: &'static Person, password: &Password, at: Moment) -> Result<()> {
        let domain = if person.home == super::company::CUSTOMER { "brightwater.example" } else { "marlow.example" };
        let new = NewUser {
            email: Some(format!("{}@{domain}", person.user_name)),
            vip: person.vip,
            password_hash: Some(password.hash.clone()),
            must_change_password: password.one_time,
            ..NewUser::person(person.user_name, person.name, self.organisation(person.home)?)
        };
        let user = account::create_user(c, &new, at)?;
        role::assign_role(c, user, person.role)?;
        let teams: Vec<TeamId> = person.teams.iter().filter_map(|name| self.teams.get(name).copied()).collect();
        for team in &teams {
            let row = (team_member::team_id.eq(team), team_member::user_id.eq(user));
            diesel::insert_into(team_member::table).values(row).execute(c)?;
        }
        let caller = directory::load_caller(c, user)?.ok_or_else(|| Error::internal("a new user is not there"))?;
        let caller = Arc::new(caller);
        for team in teams {
            self.members.entry(team).or_default().push(caller.clone());
        }
        self.people.insert(person.user_name, caller);
        Ok(())
    }

    /// Puts in what they run, by the hand of the one who keeps it.
    pub fn equip(&mut self, kernel: &Kernel, unit: &mut Unit<'_>, at: Moment) -> Result<()> {
        self.classify(kernel, unit, at)?;
        let cause = cause(self.person(SERVICE_OWNER)?, at, Via::Server);
        let mut desk = Desk { kernel, unit, cause: &cause };
        for (title, description, criticality, team) in SERVICES {
            let input = json!({
                "title": title, "description": description, "criticality": criticality,
                "owner_id": SERVICE_OWNER, "support_team_id": team,
            });
            let made = kernel.practice("service")?.create(&mut desk, self.named(input)?)?;
            self.remember(title, made.id.to_string());
        }
        let items = kernel.practice("configuration_item")?;
        let go_live = items.kind().lifecycle.step("go_live").ok_or_else(|| Error::internal("no step `go_live`"))?;
        for (title, class, environment, criticality, service, team) in ITEMS {
            let input = json!({
                "title": title, "class": class, "environment": environment, "criticality": criticality,
                "service_id": service, "owner_id": SERVICE_OWNER, "support_team_id": team,
            });
            let made = items.create(&mut desk, self.named(input)?)?;
            items.step(&mut desk, made.id, None, &StepChoice::Named(go_live), Map::new())?;
            self.remember(title, made.id.to_string());
        }
        Ok(())
    }

    /// Adds the classes that the company has of its own, by the hand of an administrator.
    fn classify(&self, kernel: &Kernel, unit: &mut Unit<'_>, at: Moment) -> Result<()> {
        let cause = cause(self.person(ADMINISTRATOR)?, at, Via::Server);
        let mut desk = Desk { kernel, unit, cause: &cause };
        let attribute = |name: &str, label: &str, help: &str| {
            json!({
                "name": name, "label": label, "help": help, "field_type": "integer", "choices": [], "required": false,
                "recommended": true, "pattern": null,
            })
        };
        let handheld = json!({
            "kind": "configuration_item", "name": HANDHELD, "label": "Handheld", "parent": "phone",
            "description": "What pickers scan with, all that hang in one hall.",
            "attributes": [
                attribute("pieces", "Pieces", "How many hang there."),
                attribute("battery_percent", "Battery", "How much of a full charge they hold, in the middle."),
            ],
        });
        adding::add(&mut desk, "classes", &handheld)?;
        kernel.expire();
        Ok(())
    }

    /// Learns of the configuration items that have come by an import.
    pub fn look_around(&mut self, c: &mut AnyConnection) -> Result<()> {
        let items = record::table.filter(record::kind.eq("configuration_item"));
        let items: Vec<(String, RecordId)> = items.select((record::title, record::id)).load(c)?;
        self.things.extend(items.into_iter().map(|(title, id)| (title, id.to_string())));
        Ok(())
    }

    /// Knows something by its name from now on.
    pub fn remember(&mut self, name: &str, id: String) {
        self.things.insert(name.to_owned(), id);
    }

    /// The id of something, by its name.
    pub fn thing<T: FromStr>(&self, name: &str) -> Result<T> {
        let id = self.things.get(name).and_then(|id| id.parse().ok());
        id.ok_or_else(|| Error::internal(format!("nothing is called {name}")))
    }

    fn named(&self, input: Value) -> Result<Map<String, Value>> {
        let Value::Object(input) = input else { return Ok(Map::new()) };
        self.resolve(input, &[])?.ok_or_else(|| Error::internal("a thing refers to nothing"))
    }

    /// Input with ids in place of names, and in place of places among the records that were `made`. `None` where such a
    /// record was not made.
    pub fn resolve(&self, input: Map<String, Value>, made: &[Option<RecordId>]) -> Result<Option<Map<String, Value>>> {
        let mut resolved = Map::new();
        for (field, value) in input {
            let Some(value) = self.resolved(&field, value, made)? else { return Ok(None) };
            resolved.insert(field, value);
        }
        Ok(Some(resolved))
    }

    fn resolved(&self, field: &str, value: Value, made: &[Option<RecordId>]) -> Result<Option<Value>> {
        Ok(match (referred(field), value) {
            (_, Value::Object(fields)) => self.resolve(fields, made)?.map(Value::Object),
            (_, Value::Array(values)) => {
                let values = values.into_iter().map(|value| self.resolved(field, value, made));
                values.collect::<Result<Option<Vec<Value>>>>()?.map(Value::Array)
            }
            (Some(_), Value::Number(n)) => {
                let place = n.as_u64().and_then(|n| usize::try_from(n).ok());
                place.and_then(|n| made.get(n).copied().flatten()).map(|id| json!(id))
            }
            (Some(of), Value::String(name)) => Some(self.id_of(of, &name)?),
            (_, value) => Some(value),
        })
    }

    fn id_of(&self, of: &str, name: &str) -> Result<Value> {
        let id = match of {
            "requester" | "assignee" | "owner" | "chair" | "attendees" => self.people.get(name).map(|p| json!(p.user)),
            "team" | "support_team" => self.teams.get(name).map(|id| json!(id)),
            "organisation" => self.organisations.get(name).map(|id| json!(id)),
            _ => self.things.get(name).map(|id| json!(id)),
        };
        id.ok_or_else(|| Error::internal(format!("there is no {of} called {name}")))
    }

    /// Somebody, by the name they sign in with.
    pub fn person(&self, user_name: &str) -> Result<Arc<Caller>> {
        self.people.get(user_name).cloned().ok_or_else(|| Error::internal(format!("nobody is called {user_name}")))
    }

    /// Somebody, by their id.
    pub fn user(&self, id: UserId) -> Option<Arc<Caller>> {
        self.people.values().find(|p| p.user == id).cloned()
    }

    /// A member of a team.
    pub fn member(&self, team: TeamId, pick: usize) -> Option<Arc<Caller>> {
        let members = self.members.get(&team)?;
        members.get(pick % members.len()).cloned()
    }

    /// A team, by its name.
    pub fn team(&self, name: &str) -> Option<TeamId> {
        self.teams.get(name).copied()
    }

    /// The server.
    pub fn server(&self) -> Arc<Caller> {
        self.server.clone()
    }

    fn organisation(&self, name: &str) -> Result<OrganisationId> {
        let id = self.organisations.get(name).copied();
        id.ok_or_else(|| Error::internal(format!("there is no organisation called {name}")))
    }
}

/// What a field refers to, if it does.
fn referred(field: &str) -> Option<&str> {
    let is_people = field == "attendees";
    field.strip_suffix("_id").or_else(|| field.strip_suffix("_ids")).or(is_people.then_some(field))
}

/// Who acts, and when.
pub fn cause(caller: Arc<Caller>, at: Moment, via: Via) -> Cause {
    Cause {
        caller,
        via,
        request_id: "demo".to_owned(),
        reason: String::new(),
        at,
        policies: Policies::Decide,
        depth: 0,
    }
}

fn refuse_unless_empty(c: &mut AnyConnection) -> Result<()> {
    let records: i64 = record::table.count().get_result(c)?;
    let teams: i64 = team::table.count().get_result(c)?;
    if records == 0 && teams == 0 {
        return Ok(());
    }
    let detail = format!(
        "The database is in use: it holds {records} records and {teams} teams. The demonstration goes into an empty one; name another one with `--set database.url=…`."
    );
    Err(Error::new(Code::Conflict, detail))
}

fn give_administrator(c: &mut AnyConnection, password: &Password, at: Moment) -> Result<()> {
    let Some(user) = account::find_user(c, ADMINISTRATOR)? else { return Ok(()) };
    let new = NewPassword { hash: password.hash.clone(), replaces: None, one_time: password.one_time, keep: None };
    account::set_password(c, user, &new, at)
}

fn define_fields(c: &mut AnyConnection, at: Moment) -> Result<()> {
    let rows: Vec<CustomField> = CUSTOM_FIELDS
        .iter()
        .map(|(name, label, help, field_type)| CustomField {
            id: RowId::new(),
            kind: "incident".to_owned(),
            name: (*name).to_owned(),
            label: (*label).to_owned(),
            help: (*help).to_owned(),
            field_type: (*field_type).to_owned(),
            choices: JsonText::empty_list(),
            required: false,
            pattern: None,
            active: true,
            version: 1,
            created_at: at,
            updated_at: at,
            target_class: None,
        })
        .collect();
    insert_rows!(c, custom_field::table, rows)?;
    Ok(())
}
