//! A house for the tests of logins and of the directory: a migrated database, a tree of organisations, shipped roles, a
//! clock that stands still, and the whole application around them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use actix_web::{
    http::{Method, header::HeaderMap},
    test::{TestRequest, call_service, init_service},
    web,
};
use chrono::TimeDelta;
use serde_json::Value;

use super::{
    app::{Parts, app},
    auth_api,
    authenticate::{Bearer, Identity, kind_actions},
    desk::Service,
    directory_api,
    mount::Api,
    support,
};
use crate::{
    auth::{
        Gate, Hasher, Issuer, KeyRing,
        account::{self, NewPassword, NewUser},
        key, password,
        role::{assign_role, seed_roles},
        session::{self, Mint},
    },
    clock::{Clock, Moment},
    config,
    db::{AnyConnection, Database, migrate, writer::Writer},
    error::Result,
    id::{OrganisationId, UserId},
    practice,
    record::{
        decide::{Answer, Decide, Question},
        kernel::Kernel,
    },
};

struct Silent;

impl Decide for Silent {
    fn decide(&self, _: &mut AnyConnection, _: &Question<'_>) -> Result<Answer> {
        Ok(Answer::default())
    }
}

/// So many seconds after the tests' own beginning of time.
pub(super) fn at(seconds: i64) -> Moment {
    "2026-03-01T12:00:00Z".parse::<Moment>().unwrap().plus(TimeDelta::seconds(seconds))
}

/// An answer.
#[derive(Debug)]
pub(super) struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub json: Value,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
    pub fn text(&self, field: &str) -> String {
        self.json[field].as_str().unwrap_or_default().to_owned()
    }
}

/// Acme with Europe, in it Berlin, and Asia.
pub(super) struct House {
    pub parts: Parts,
    pub clock: Clock,
    pub mint: Mint,
    pub places: HashMap<&'static str, OrganisationId>,
    connection: Mutex<AnyConnection>,
    _folder: tempfile::TempDir,
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let url = file.to_str().unwrap();
        let mut connection = AnyConnection::open(url).unwrap();
        migrate::up(&mut connection).unwrap();
        let clock = Clock::set_to(at(0));
        seed_roles(&mut connection, &kind_actions(practice::ALL), at(0)).unwrap();
        practice::ALL.iter().for_each(|practice| practice.ship(&mut connection, at(0)).unwrap());
        key::ensure(&mut connection, at(0)).unwrap();
        let places = places(&mut connection);
        let mint = Mint {
            keys: Arc::new(KeyRing::load(&mut connection, at(0)).unwrap()),
            issuer: Arc::new(Issuer::new(&config::Auth::default())),
        };
        let database = Database::open(url, 4).unwrap();
        let service = web::Data::new(Service {
            kernel: Arc::new(Kernel::new(practice::ALL, Arc::new(Silent), database.clone(), 7)),
            writer: Writer::start(&database, 1, 8).unwrap(),
            database,
            clock: clock.clone(),
            in_flight: Mutex::default(),
        });
        let identity = web::Data::new(Identity {
            gate: Arc::new(Gate::new(mint.clone())),
            mint: mint.clone(),
            hasher: Hasher::new(2, 8).unwrap(),
        });
        let mut api = Api::new();
        auth_api::mount(&mut api);
        directory_api::mount(&mut api);
        let mut parts = support::parts(config::Server::default(), api.build().unwrap());
        parts.authenticate = Arc::new(Bearer::new(identity.clone(), service.clone()));
        parts.state = Arc::new(move |config| {
            config.app_data(service.clone()).app_data(identity.clone());
        });
        House { parts, clock, mint, places, connection: Mutex::new(connection), _folder: folder }
    }

    /// Works on the store behind the server's back.
    pub fn store<T>(&self, work: impl FnOnce(&mut AnyConnection) -> Result<T>) -> T {
        work(&mut self.connection.lock().unwrap()).unwrap()
    }

    /// A person with roles, without a password.
    pub fn user(&self, name: &str, place: &str, roles: &[&str]) -> UserId {
        self.store(|c| {
            let user = account::create_user(c, &NewUser::person(name, name, self.places[place]), at(0))?;
            roles.iter().try_for_each(|role| assign_role(c, user, role))?;
            Ok(user)
        })
    }

    /// A person with a password.
    pub fn with_password(&self, name: &str, roles: &[&str], text: &str, one_time: bool) -> UserId {
        let user = self.user(name, "Acme", roles);
        let hash = password::hash(text).unwrap();
        let new = NewPassword { hash, replaces: None, one_time, keep: None };
        self.store(|c| account::set_password(c, user, &new, at(0)));
        user
    }

    /// An access token of a session that begins now.
    pub fn session(&self, user: UserId) -> String {
        self.store(|c| session::open(c, &self.mint, user, false, self.clock.now())).access_token
    }

    /// A new person of Acme with roles, signed in.
    pub fn signed_in(&self, name: &str, roles: &[&str]) -> (UserId, String) {
        let user = self.user(name, "Acme", roles);
        (user, self.session(user))
    }

    pub async fn ask(&self, method: Method, path: &str, token: &str, headers: &[(&str, &str)], body: Value) -> Got {
        let request = TestRequest::with_uri(path).method(method).peer_addr("192.0.2.1:4711".parse().unwrap());
        let request = match token {
            "" => request,
            token => request.insert_header(("authorization", format!("Bearer {token}"))),
        };
        let request = if body.is_null() {
            request
        } else {
            request.insert_header(("content-type", "application/json")).set_payload(body.to_string())
        };
        self.send(headers.iter().fold(request, |request, header| request.insert_header(*header))).await
    }

    pub async fn send(&self, request: TestRequest) -> Got {
        let app = init_service(app(&self.parts)).await;
        let (response, body) = support::body_of(call_service(&app, request.to_request()).await).await;
        Got {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            json: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    pub async fn get(&self, path: &str, token: &str) -> Got {
        self.ask(Method::GET, path, token, &[], Value::Null).await
    }
    pub async fn post(&self, path: &str, token: &str, body: Value) -> Got {
        self.ask(Method::POST, path, token, &[], body).await
    }
    /// PATCH, PUT or DELETE at whatever version there is.
    pub async fn any(&self, method: Method, path: &str, token: &str, body: Value) -> Got {
        self.ask(method, path, token, &[("if-match", "*")], body).await
    }
}

fn places(connection: &mut AnyConnection) -> HashMap<&'static str, OrganisationId> {
    let mut places: HashMap<&'static str, OrganisationId> = HashMap::new();
    for (name, parent) in [("Acme", ""), ("Europe", "Acme"), ("Berlin", "Europe"), ("Asia", "Acme")] {
        let parent = places.get(parent).copied();
        places.insert(name, account::create_organisation(connection, name, parent, at(0)).unwrap());
    }
    places
}
