//! The configuration: everything that an operator can set, in one typed value.
//!
//! Later sources win: defaults, the TOML file, `POINTSMAN__SECTION__KEY` of the environment, `DATABASE_URL`, flags. A
//! variable whose name ends in `_FILE` names a file that holds the value.
//!
//! **Invariant:** an unknown key is an error that names the nearest known one, and no output of this module shows a secret.

mod secret;
mod sections;
mod sources;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

pub use secret::{DatabaseUrl, Secret};
pub use sections::{
    AttachmentStorage, Attachments, Auth, Database, Incident, Log, LogFormat, Mail, MailTls, Policy, Server, Webhooks,
};
pub use sources::Flags;

/// A stop must end within ten seconds, one of which is left for the store.
const LONGEST_STOP_SECONDS: u64 = 9;
/// A node has a minute for an attempt to deliver a message, of which some is left for the store.
const LONGEST_ATTEMPT_SECONDS: u64 = 30;

/// Everything that an operator can set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How the server listens and what it lets in.
    pub server: Server,
    /// Where the records are.
    pub database: Database,
    /// Tokens and passwords.
    pub auth: Auth,
    /// Where attachments are kept.
    pub attachments: Attachments,
    /// What the server writes about its own doings.
    pub log: Log,
    /// Rules of the incident practice.
    pub incident: Incident,
    /// What a version of a policy needs before it goes live.
    pub policy: Policy,
    /// Where webhooks may go, and how fast.
    pub webhooks: Webhooks,
    /// How people are written to, and what they may send.
    pub mail: Mail,
}

/// The configuration can't be used; the text says which key of which source and why.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(String);

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::new(Code::Invalid, error.to_string())
    }
}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// A file that can't be read, an unknown key, a value of the wrong type, or values that don't make sense.
    pub fn load(flags: &Flags) -> Result<Config, ConfigError> {
        Config::load_from(flags, std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v))))
    }

    /// The configuration as TOML, with secrets hidden.
    ///
    /// # Errors
    /// When a value has no form in TOML.
    pub fn print(&self) -> Result<String, ConfigError> {
        toml::to_string_pretty(self).map_err(|e| ConfigError(e.to_string()))
    }

    /// Refuses what has the right type and can't work.
    fn validate(self) -> Result<Config, ConfigError> {
        let faults = [
            (self.server.workers == Some(0), "server.workers: at least 1"),
            (
                !self.server.base_url.as_deref().is_none_or(is_web),
                "server.base_url: it starts with `http://` or `https://`",
            ),
            (
                !self.server.cors_origins.iter().all(|origin| is_origin(origin)),
                "server.cors_origins: each is `*` or like `https://portal.example:8443`, without a path",
            ),
            (self.server.json_limit_bytes == 0, "server.json_limit_bytes: at least 1"),
            (self.server.import_limit_bytes == 0, "server.import_limit_bytes: at least 1"),
            (self.server.body_deadline_seconds == 0, "server.body_deadline_seconds: at least 1"),
            (
                !(1..=LONGEST_STOP_SECONDS).contains(&self.server.shutdown_timeout_seconds),
                "server.shutdown_timeout_seconds: from 1 to 9, so that a stop ends within ten seconds",
            ),
            (self.database.readers == 0, "database.readers: at least 1"),
            (self.database.writers == 0, "database.writers: at least 1"),
            (self.database.batch_size == 0, "database.batch_size: at least 1"),
            (self.database.deadline_seconds == 0, "database.deadline_seconds: at least 1"),
            (self.auth.access_token_minutes == 0, "auth.access_token_minutes: at least 1"),
            (self.auth.personal_token_days == 0, "auth.personal_token_days: at least 1"),
            (self.auth.personal_token_max_days == 0, "auth.personal_token_max_days: at least 1"),
            (self.auth.refresh_days == 0, "auth.refresh_days: at least 1"),
            (self.auth.hashing_slots == Some(0), "auth.hashing_slots: at least 1"),
            (self.attachments.max_bytes == 0, "attachments.max_bytes: at least 1"),
            (
                !(1..=LONGEST_ATTEMPT_SECONDS).contains(&self.webhooks.timeout_seconds),
                "webhooks.timeout_seconds: from 1 to 30",
            ),
            (self.webhooks.in_flight == 0, "webhooks.in_flight: at least 1"),
            (self.webhooks.in_flight_each == 0, "webhooks.in_flight_each: at least 1"),
            (self.webhooks.messages_per_minute == 0, "webhooks.messages_per_minute: at least 1"),
            (self.webhooks.keep_days == 0, "webhooks.keep_days: at least 1"),
            (self.mail.enabled && self.mail.host.trim().is_empty(), "mail.host: it is needed where mail is enabled"),
            (
                self.mail.enabled && !is_address(&self.mail.from_address),
                "mail.from_address: an address such as `desk@example.org` is needed where mail is enabled",
            ),
            (
                !self.mail.reply_to.as_deref().is_none_or(is_address),
                "mail.reply_to: it is an address such as `desk@example.org`",
            ),
            (self.mail.user.is_some() != self.mail.password.is_some(), "mail.user, mail.password: both or neither"),
            (!(1..=LONGEST_ATTEMPT_SECONDS).contains(&self.mail.timeout_seconds), "mail.timeout_seconds: from 1 to 30"),
            (self.mail.in_flight == 0, "mail.in_flight: at least 1"),
            (self.mail.hourly_per_record == 0, "mail.hourly_per_record: at least 1"),
            (self.mail.keep_days == 0, "mail.keep_days: at least 1"),
            (self.mail.largest_bytes == 0, "mail.largest_bytes: at least 1"),
            (self.database.url.expose().is_empty(), "database.url: it is empty"),
            (
                self.server.metrics_token.as_ref().is_some_and(|t| t.expose().is_empty()),
                "server.metrics_token: it is empty",
            ),
        ];
        match faults.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, why)) => Err(ConfigError(why.to_owned())),
            None => Ok(self),
        }
    }
}

fn is_web(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
}

/// What has a part on each side of an `@`, and no space.
fn is_address(text: &str) -> bool {
    let halves = text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    halves && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// A browser sends an origin without a path, so one with a path would never match.
fn is_origin(text: &str) -> bool {
    text == "*" || (is_web(text) && text.matches('/').count() == 2)
}
