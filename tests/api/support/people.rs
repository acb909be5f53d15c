//! The people of the tests, and where they stand.
//!
//! Acme has the teams `service-desk` (Alex) and `network` (Nora); its requesters are Rita, Rob and Vera, who is a VIP.
//! Bolt is another organisation, with the agent Bea and the requester Ben.

use diesel::prelude::*;
use pointsman::schema::{organisation, team, team_member, user_account};
use pointsman::{
    assembly::{ADMINISTRATOR, Assembly, kinds},
    auth::{
        account::{self, NewUser},
        personal::{self, NewPersonalToken},
        role,
    },
    db::AnyConnection,
    id::{OrganisationId, RowId, TeamId, UserId},
};
use serde_json::json;

use super::Server;

/// Somebody who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Person {
    /// The administrator.
    Admin,
    /// An agent of Acme's service desk.
    Alex,
    /// An agent of Acme's network team.
    Nora,
    /// A requester of Acme.
    Rita,
    /// Another requester of Acme.
    Rob,
    /// A requester of Acme who is a VIP.
    Vera,
    /// An agent of Bolt.
    Bea,
    /// A requester of Bolt.
    Ben,
}

use Person::*;

impl Person {
    pub fn user_name(self) -> &'static str {
        match self {
            Admin => ADMINISTRATOR,
            Alex => "alex",
            Nora => "nora",
            Rita => "rita",
            Rob => "rob",
            Vera => "vera",
            Bea => "bea",
            Ben => "ben",
        }
    }

    /// The person's id.
    pub fn id(self, assembly: &Assembly) -> UserId {
        read(assembly, move |c| account::find_user(c, self.user_name()).unwrap().unwrap())
    }
}

/// Somebody who is new and has done nothing yet.
pub async fn newcomer(server: &Server) -> String {
    let new = json!({"user_name": format!("newcomer-{}", RowId::new()), "display_name": "Newcomer"});
    server.post("/api/v1/users", new).by(Admin).expect(201).await.field("id")
}

/// The id of a team.
pub fn team(assembly: &Assembly, name: &'static str) -> TeamId {
    read(assembly, move |c| team::table.filter(team::name.eq(name)).select(team::id).first(c).unwrap())
}

/// The id of an organisation.
pub fn organisation(assembly: &Assembly, name: &'static str) -> OrganisationId {
    read(assembly, move |c| {
        organisation::table.filter(organisation::name.eq(name)).select(organisation::id).first(c).unwrap()
    })
}

fn read<T: Send + 'static>(assembly: &Assembly, work: impl FnOnce(&mut AnyConnection) -> T + Send + 'static) -> T {
    assembly.database.read_here(|c| Ok(work(c))).unwrap()
}

fn write<T: Send + 'static>(
    assembly: &Assembly,
    work: impl FnMut(&mut AnyConnection) -> pointsman::error::Result<T> + Send + 'static,
) -> T {
    let mut work = work;
    // On a thread of its own: the thread of a test drives its requests and must not block.
    let written = || assembly.writer.run_blocking(move |unit| work(unit.connection()?)).unwrap();
    std::thread::scope(|scope| scope.spawn(written).join().unwrap())
}

/// A token of a person, made when it is first needed.
pub fn token(assembly: &Assembly, person: Person) -> String {
    let key = (assembly.database.url().to_owned(), person);
    if let Some(token) = super::TOKENS.with_borrow(|tokens| tokens.get(&key).cloned()) {
        return token;
    }
    let token = token_for(assembly, person, "*");
    super::TOKENS.with_borrow_mut(|tokens| tokens.insert(key, token.clone()));
    token
}

/// A new token of a person, narrowed to scopes with spaces between them.
pub fn token_for(assembly: &Assembly, person: Person, scope: &str) -> String {
    let (user, now, scope) = (person.id(assembly), assembly.clock.now(), scope.to_owned());
    let secret = write(assembly, move |c| {
        let new = NewPersonalToken {
            name: "test".to_owned(),
            scopes: scope.split(' ').map(str::to_owned).collect(),
            expires_at: None,
        };
        Ok(personal::create(c, user, &new, &kinds(), now)?.1)
    });
    secret.expose().to_owned()
}

/// Puts the people in.
pub fn settle(assembly: &Assembly) {
    let (root, now) = (assembly.server.organisation, assembly.clock.now());
    write(assembly, move |c| {
        let admin = account::find_user(c, ADMINISTRATOR)?.unwrap();
        diesel::update(user_account::table.find(admin)).set(user_account::must_change_password.eq(false)).execute(c)?;
        let acme = account::create_organisation(c, "Acme", Some(root), now)?;
        let bolt = account::create_organisation(c, "Bolt", Some(root), now)?;
        let desk = new_team(c, "service-desk", acme, now);
        let network = new_team(c, "network", acme, now);
        let field = new_team(c, "field", bolt, now);
        for (person, organisation, role, member) in [
            (Alex, acme, "agent", Some(desk)),
            (Nora, acme, "agent", Some(network)),
            (Rita, acme, "requester", None),
            (Rob, acme, "requester", None),
            (Vera, acme, "requester", None),
            (Bea, bolt, "agent", Some(field)),
            (Ben, bolt, "requester", None),
        ] {
            let name = person.user_name();
            let new = NewUser { vip: person == Vera, ..NewUser::person(name, name, organisation) };
            let id = account::create_user(c, &new, now)?;
            role::assign_role(c, id, role)?;
            if let Some(team) = member {
                let row = (team_member::team_id.eq(team), team_member::user_id.eq(id));
                diesel::insert_into(team_member::table).values(row).execute(c)?;
            }
        }
        Ok(())
    });
}

fn new_team(c: &mut AnyConnection, name: &str, organisation: OrganisationId, now: pointsman::clock::Moment) -> TeamId {
    let id = TeamId::new();
    diesel::insert_into(team::table)
        .values((
            team::id.eq(id),
            team::name.eq(name),
            team::description.eq(""),
            team::organisation_id.eq(organisation),
            team::active.eq(true),
            team::version.eq(1),
            team::created_at.eq(now),
            team::updated_at.eq(now),
        ))
        .execute(c)
        .unwrap();
    id
}
