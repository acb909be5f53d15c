//! Puts the server together: opens the store, brings it up to date, puts in what ships, and connects the parts.
//!
//! The command line, the tests and the imports all start from here.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use crate::{
    auth::{
        account::{self, NewUser},
        caller::Caller,
        key::{self, KeyRing},
        password,
        permission::KindActions,
        role,
        session::Mint,
        token::Issuer,
    },
    clock::{Clock, Moment},
    config::{self, Config, Secret},
    db::{AnyConnection, Database, migrate, writer::Writer},
    error::{Error, Result},
    http::authenticate::kind_actions,
    id::{OrganisationId, RowId, UserId},
    integration::{mail::smtp::Postman, webhook::Post},
    jobs::Jobs,
    policy::{library::Library, live::Policies, runner::on_ample_stack, store},
    practice,
    record::{kernel::Kernel, notification::template, pending::Pending, service_level},
};

/// The user name of the first administrator.
pub const ADMINISTRATOR: &str = "admin";
/// The account in whose name the server acts by itself.
const SERVER: &str = "pointsman";

/// The parts of a server that is ready to serve, import or be tested.
pub struct Assembly {
    /// The settings.
    pub config: Arc<Config>,
    /// What time it is.
    pub clock: Clock,
    /// For reading.
    pub database: Database,
    /// For writing.
    pub writer: Writer<Pending>,
    /// The practices and policies.
    pub kernel: Arc<Kernel>,
    /// The policies that are live.
    pub policies: Arc<Policies>,
    /// Makes and checks access tokens.
    pub mint: Mint,
    /// In whose name the server acts by itself.
    pub server: Arc<Caller>,
    /// Sends the messages of webhooks.
    pub post: Arc<Post>,
    /// Sends mail; nobody where it is off.
    pub postman: Option<Arc<Postman>>,
    /// The one-time password of the administrator that was just made.
    pub first_password: Option<Secret>,
}

impl Assembly {
    /// Opens the store that `config` names, migrates it and puts in what ships.
    pub fn open(config: Config, clock: Clock) -> Result<Self> {
        let config::Database { url, readers, deadline_seconds, .. } = &config.database;
        let database = Database::open_within(url.expose(), *readers, Duration::from_secs(*deadline_seconds))?;
        let now = clock.now();
        let mut connection = database.connect()?;
        let (server, first_password) = migrate::exclusively(&mut connection, |connection| {
            migrate::up(connection)?;
            in_one_transaction(connection, |connection| prepare(connection, now))
        })?;
        let mint =
            Mint { keys: Arc::new(KeyRing::load(&mut connection, now)?), issuer: Arc::new(Issuer::new(&config.auth)) };
        let policies = Arc::new(on_ample_stack(|| Policies::load(&mut connection, database.clone()))??);
        let writers = usize::try_from(config.database.writers).unwrap_or(1);
        let writer = Writer::start(&database, writers, config.database.batch_size)?;
        let days = i64::from(config.incident.auto_close_days);
        let kernel = Arc::new(Kernel::new(practice::ALL, policies.clone(), database.clone(), days));
        migrate::exclusively(&mut connection, |connection| {
            in_one_transaction(connection, |connection| {
                service_level::row::seed(&kernel, connection, now)?;
                template::seed(&kernel, connection, now)
            })
        })?;
        let post = Arc::new(Post::new(&config.webhooks));
        let postman = Postman::new(&config.mail)?.map(Arc::new);
        Ok(Assembly {
            config: Arc::new(config),
            clock,
            database,
            writer,
            kernel,
            policies,
            mint,
            server: Arc::new(server),
            post,
            postman,
            first_password,
        })
    }

    /// What the server does by itself.
    pub fn jobs(&self) -> Jobs {
        Jobs {
            kernel: self.kernel.clone(),
            policies: self.policies.clone(),
            database: self.database.clone(),
            writer: self.writer.clone(),
            clock: self.clock.clone(),
            server: self.server.clone(),
            attachments: self.config.attachments.clone(),
            rules: self.config.policy.clone(),
            webhooks: self.config.webhooks.clone(),
            post: self.post.clone(),
            mail: self.config.mail.clone(),
            postman: self.postman.clone(),
            node: RowId::new(),
        }
    }

    /// How many passwords are hashed at once.
    pub fn hashing_slots(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.config.auth.hashing_slots.unwrap_or_else(|| cores().div_ceil(2))
    }
}

/// What every kind's actions are, for the permissions.
pub fn kinds() -> Vec<KindActions> {
    kind_actions(practice::ALL)
}

/// Puts in what ships and is not there: keys, roles, the first administrator, policies.
fn prepare(connection: &mut AnyConnection, now: Moment) -> Result<(Caller, Option<Secret>)> {
    connection.settle_restored_events()?;
    key::ensure(connection, now)?;
    role::seed_roles(connection, &kinds(), now)?;
    let first_password = first_administrator(connection, now)?;
    let server = server_account(connection, now)?;
    store::seed(connection, &Library::shipped()?, now)?;
    practice::ALL.iter().try_for_each(|practice| practice.ship(connection, now))?;
    Ok((server, first_password))
}

fn first_administrator(connection: &mut AnyConnection, now: Moment) -> Result<Option<Secret>> {
    // Hashing costs a twentieth of a second: only where it is needed.
    if role::has_administrator(connection)? {
        return Ok(None);
    }
    let password = password::one_time()?;
    let hash = password::hash(password.expose())?;
    let made = account::first_administrator(connection, ADMINISTRATOR, "Pointsman", hash, now)?;
    Ok(made.map(|_| password))
}

fn server_account(connection: &mut AnyConnection, now: Moment) -> Result<Caller> {
    let id = match account::find_user(connection, SERVER)? {
        Some(id) => id,
        None => {
            let administrator = account::find_user(connection, ADMINISTRATOR)?;
            let root = organisation_of(connection, administrator)?;
            account::create_user(connection, &NewUser::service_account(SERVER, "Pointsman", root), now)?
        }
    };
    Ok(Caller::server(id, organisation_of(connection, Some(id))?))
}

/// The organisation of a user, or the oldest one.
fn organisation_of(connection: &mut AnyConnection, user: Option<UserId>) -> Result<OrganisationId> {
    use diesel::prelude::*;

    use crate::schema::organisation;
    let theirs = match user {
        Some(user) => crate::record::reference::organisation_of(connection, user)?,
        None => None,
    };
    let oldest = organisation::table.order((organisation::created_at, organisation::id)).select(organisation::id);
    match theirs {
        Some(id) => Ok(id),
        None => oldest.first(connection).optional()?.ok_or_else(|| Error::internal("there is no organisation")),
    }
}

fn in_one_transaction<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T>,
) -> Result<T> {
    connection.begin_write()?;
    let outcome = work(connection);
    if outcome.is_ok() {
        connection.commit()?
    } else {
        connection.roll_back()?
    }
    outcome
}
