//! `pointsman admin`.

use std::fmt;

use clap::Subcommand;
use serde::Serialize;

use super::output;
use crate::{
    assembly::Assembly,
    auth::{
        account::{self, NewPassword, NewUser},
        key, password, personal, role, session,
    },
    clock::Clock,
    config::{Config, Secret},
    db::AnyConnection,
    error::{Error, Result},
    id::UserId,
};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Make an administrator with a one-time password.
    Create {
        /// The name to sign in with.
        user_name: String,
    },
    /// Give a user a one-time password; their sessions end.
    ResetPassword {
        /// The name to sign in with.
        user_name: String,
    },
    /// End all sessions of a user and revoke their tokens.
    RevokeTokens {
        /// The name to sign in with.
        user_name: String,
    },
    /// Sign tokens with a new key from now on; tokens of the old one stay good until they end.
    RotateKeys,
}

#[derive(Serialize)]
struct Done {
    done: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    one_time_password: Option<String>,
}

impl Task {
    /// Does it.
    pub fn run(self, config: Config, json: bool) -> Result<()> {
        let assembly = Assembly::open(config, Clock::System)?;
        let now = assembly.clock.now();
        let organisation = assembly.server.organisation;
        let done = assembly.writer.run_blocking(move |unit| {
            let connection = unit.connection()?;
            Ok(match &self {
                Task::Create { user_name } => {
                    let (secret, hash) = one_time()?;
                    let new = NewUser {
                        password_hash: Some(hash),
                        must_change_password: true,
                        ..NewUser::person(user_name, user_name, organisation)
                    };
                    let user = account::create_user(connection, &new, now)?;
                    role::assign_role(connection, user, "administrator")?;
                    Done::with(format!("Made the administrator {user_name}."), &secret)
                }
                Task::ResetPassword { user_name } => {
                    let (secret, hash) = one_time()?;
                    let user = find(connection, user_name)?;
                    let new = NewPassword { hash, replaces: None, one_time: true, keep: None };
                    account::set_password(connection, user, &new, now)?;
                    Done::with(format!("Gave {user_name} a new password."), &secret)
                }
                Task::RevokeTokens { user_name } => {
                    let user = find(connection, user_name)?;
                    session::end_everywhere(connection, user, now)?;
                    let tokens = personal::revoke_all(connection, user, now)?;
                    Done::just(format!("Ended all sessions of {user_name} and revoked {tokens} tokens."))
                }
                Task::RotateKeys => {
                    Done::just(format!("Tokens are now signed with key {}.", key::rotate(connection, now)?))
                }
            })
        })?;
        output::print(&done, json)
    }
}

fn one_time() -> Result<(Secret, String)> {
    let secret = password::one_time()?;
    let hash = password::hash(secret.expose())?;
    Ok((secret, hash))
}

fn find(connection: &mut AnyConnection, user_name: &str) -> Result<UserId> {
    account::find_user(connection, user_name)?.ok_or_else(|| Error::not_found(format!("user called {user_name}")))
}

impl Done {
    fn just(done: String) -> Self {
        Done { done, one_time_password: None }
    }
    fn with(done: String, secret: &Secret) -> Self {
        Done { one_time_password: Some(secret.expose().to_owned()), ..Done::just(done) }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.done)?;
        match &self.one_time_password {
            Some(password) => write!(f, "\nOne-time password: {password}"),
            None => Ok(()),
        }
    }
}
