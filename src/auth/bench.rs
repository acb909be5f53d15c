//! A workbench for the tests of this folder: a migrated database, keys, roles and a clock that counts from one moment.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    account::{NewUser, create_organisation, create_user},
    key::{self, KeyRing},
    permission::KindActions,
    role::{assign_role, seed_roles},
    session::Mint,
    token::Issuer,
};
use crate::{
    clock::Moment,
    config,
    db::{AnyConnection, migrate},
    id::{OrganisationId, UserId},
};

/// Kinds of record as the shipped roles expect them.
pub fn kinds() -> Vec<KindActions> {
    let kind = |kind, steps: &[&'static str]| KindActions {
        kind,
        actions: [&["read", "create", "update", "comment", "work_note"], steps].concat(),
    };
    vec![
        kind("incident", &["start", "hold", "resume", "resolve", "close", "cancel", "reopen"]),
        kind("interaction", &["link", "resolve", "close"]),
        kind("service", &["launch", "retire"]),
        kind("problem", &["fix", "resolve"]),
        kind("configuration_item", &["go_live", "retire"]),
        kind("change", &["assess", "request_authorisation", "schedule", "implement", "complete", "close", "cancel"]),
    ]
}

/// So many seconds after the tests' own beginning of time.
pub fn at(seconds: i64) -> Moment {
    "2026-03-01T12:00:00Z".parse::<Moment>().unwrap().plus(TimeDelta::seconds(seconds))
}

/// What the tests work with.
pub struct Bench {
    pub connection: AnyConnection,
    pub ring: Arc<KeyRing>,
    pub issuer: Issuer,
    pub organisation: OrganisationId,
    // Dropped last: the file lives as long as the connection.
    _folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let mut connection = AnyConnection::open(file.to_str().unwrap()).unwrap();
        migrate::up(&mut connection).unwrap();
        let organisation = create_organisation(&mut connection, "Acme", None, at(0)).unwrap();
        seed_roles(&mut connection, &kinds(), at(0)).unwrap();
        key::ensure(&mut connection, at(0)).unwrap();
        let ring = Arc::new(KeyRing::load(&mut connection, at(0)).unwrap());
        let issuer = Issuer::new(&config::Auth {
            access_token_minutes: 10,
            refresh_days: 30,
            personal_token_days: 90,
            personal_token_max_days: 365,
            issuer: "https://desk.example".into(),
            audience: "pointsman".into(),
            hashing_slots: None,
        });
        Bench { connection, ring, issuer, organisation, _folder: folder }
    }

    /// What tokens are made with.
    pub fn mint(&self) -> Mint {
        Mint { keys: self.ring.clone(), issuer: self.issuer.clone().into() }
    }

    /// A person with a role, without a password.
    pub fn user(&mut self, user_name: &str, role: &str) -> UserId {
        let new = NewUser::person(user_name, user_name, self.organisation);
        let user = create_user(&mut self.connection, &new, at(0)).unwrap();
        assign_role(&mut self.connection, user, role).unwrap();
        user
    }
}
