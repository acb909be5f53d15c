//! The sections of the configuration, each with its defaults. A unit stands in the name of a value that has one.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{DatabaseUrl, Secret};

/// How the server listens and what it lets in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Threads that answer requests; one for each core when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Where callers reach the server, for links in what it sends; `http://{listen}` when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The largest JSON body.
    pub json_limit_bytes: usize,
    /// The largest body of an import of configuration items, which may have 100,000 rows.
    pub import_limit_bytes: usize,
    /// How long a whole body may take to arrive.
    pub body_deadline_seconds: u64,
    /// How long requests in flight may take once the server is told to stop.
    pub shutdown_timeout_seconds: u64,
    /// Origins whose pages may call from a browser; `["*"]` for any. Cookies are never used, so no credentials are allowed.
    pub cors_origins: Vec<String>,
    /// Requests that one caller may send each second, in the long run.
    pub rate_per_second: NonZeroU32,
    /// Requests that one caller may send at once.
    pub rate_burst: NonZeroU32,
    /// What a scraper must send as a bearer token to read `/metrics`; open to all when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_token: Option<Secret>,
}

/// Where the records are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// A file, `sqlite://…` or `postgres://…`.
    pub url: DatabaseUrl,
    /// Connections that read; on SQLite at most two for each core.
    pub readers: u32,
    /// Connections that write on PostgreSQL; SQLite always has one.
    pub writers: u32,
    /// How many requests are written together at most.
    pub batch_size: usize,
    /// How long a request waits for the database before it is told that it is away.
    pub deadline_seconds: u64,
}

/// Tokens and passwords.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// How long an access token is good.
    pub access_token_minutes: u32,
    /// How long a session may go on without a password.
    pub refresh_days: u32,
    /// How long a personal token is good when nothing is said.
    pub personal_token_days: u32,
    /// The longest that a personal token may be good.
    pub personal_token_max_days: u32,
    /// The `iss` of the tokens made here.
    pub issuer: String,
    /// The `aud` of the tokens made here.
    pub audience: String,
    /// Passwords that are hashed at once; one for each two cores when not set, so that many logins leave the others half of the
    /// machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hashing_slots: Option<usize>,
}

/// Where attachments are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attachments {
    /// In the database or in a directory.
    pub storage: AttachmentStorage,
    /// The directory, when they are in one.
    pub directory: PathBuf,
    /// The largest attachment.
    pub max_bytes: u64,
}

/// Where attachments are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentStorage {
    /// With the records.
    Database,
    /// As files.
    Directory,
}

/// What the server writes about its own doings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// What is logged, as `target=level,…`.
    pub filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

/// What a version of a policy needs before it goes live, beside green checks and tests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How many others than its author have to approve of it.
    pub approvals: usize,
    /// Whether a back-test of it has to be done.
    pub back_test: bool,
}

/// Rules of the incident practice that are no policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Incident {
    /// Days after which a resolved incident closes by itself.
    pub auto_close_days: u32,
}

/// Where webhooks may go, and how fast.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Networks that webhooks may reach though they are not public, such as `10.20.0.0/16`: on every port, and without TLS.
    pub allowed_networks: Vec<IpNet>,
    /// Ports that webhooks may reach on public addresses.
    pub allowed_ports: Vec<u16>,
    /// How long an attempt may take.
    pub timeout_seconds: u64,
    /// Messages that a node sends at once.
    pub in_flight: usize,
    /// Messages that a node sends at once to one receiver.
    pub in_flight_each: usize,
    /// Attempts that one webhook may make in a minute; the rest wait.
    pub messages_per_minute: u32,
    /// Days that messages are kept once they have ended.
    pub keep_days: u32,
}

/// How people are written to, and what they may send.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// Whether anybody is written to. What comes in is taken either way.
    pub enabled: bool,
    /// The server that takes mail, by name or address.
    pub host: String,
    /// Its port: 465 with `implicit`, 587 with `starttls` and 25 with `none` when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection to it is encrypted.
    pub tls: MailTls,
    /// A file of certificates (PEM) that may vouch for it, beside those that the system trusts: of a company's own authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<PathBuf>,
    /// With what name to sign in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// With what password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// From whom mail is.
    pub from_address: String,
    /// The name that stands beside that address.
    pub from_name: String,
    /// Where answers go; the address that mail is from when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The language of those whose own is not known, or has no templates.
    pub default_language: String,
    /// Where a portal shows a record, with `{kind}`, `{id}` and `{number}` in it; mail has no links when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_url: Option<String>,
    /// How long each step of an attempt may take.
    pub timeout_seconds: u64,
    /// Messages that a node sends at once.
    pub in_flight: usize,
    /// Messages that one person gets about one record in an hour at once; the rest goes into a digest. A person reads no more,
    /// and two machines that answer each other are stopped by it, whatever their mail looks like.
    pub hourly_per_record: u32,
    /// Days that messages are kept once they have ended.
    pub keep_days: u32,
    /// The largest message that is taken, in bytes. An attachment takes a third more than its own size.
    pub largest_bytes: u64,
}

/// How the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// From the first byte on.
    Implicit,
    /// From the command STARTTLS on, which the server must know.
    Starttls,
    /// Not at all: for a server on the same machine.
    None,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            workers: None,
            base_url: None,
            json_limit_bytes: 1024 * 1024,
            import_limit_bytes: 64 * 1024 * 1024,
            body_deadline_seconds: 10,
            shutdown_timeout_seconds: 8,
            cors_origins: Vec::new(),
            rate_per_second: NonZeroU32::MIN.saturating_add(99),
            rate_burst: NonZeroU32::MIN.saturating_add(499),
            metrics_token: None,
        }
    }
}
impl Server {
    /// Where callers reach the server, without a slash at the end.
    pub fn base_url(&self) -> String {
        match &self.base_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }
}
impl Default for Database {
    fn default() -> Self {
        Database { url: DatabaseUrl::new("pointsman.db"), readers: 8, writers: 2, batch_size: 64, deadline_seconds: 30 }
    }
}
impl Default for Auth {
    fn default() -> Self {
        Auth {
            access_token_minutes: 10,
            refresh_days: 30,
            personal_token_days: 90,
            personal_token_max_days: 365,
            issuer: "pointsman".into(),
            audience: "pointsman".into(),
            hashing_slots: None,
        }
    }
}
impl Default for Attachments {
    fn default() -> Self {
        Attachments {
            storage: AttachmentStorage::Database,
            directory: PathBuf::from("attachments"),
            max_bytes: 25 * 1024 * 1024,
        }
    }
}
impl Default for Log {
    fn default() -> Self {
        Log { format: LogFormat::Text, filter: "info".into() }
    }
}
impl Default for Webhooks {
    fn default() -> Self {
        Webhooks {
            allowed_networks: Vec::new(),
            allowed_ports: vec![443, 8443],
            timeout_seconds: 15,
            in_flight: 16,
            in_flight_each: 4,
            messages_per_minute: 600,
            keep_days: 30,
        }
    }
}
impl Default for Mail {
    fn default() -> Self {
        Mail {
            enabled: false,
            host: String::new(),
            port: None,
            tls: MailTls::Starttls,
            certificate_authority: None,
            user: None,
            password: None,
            from_address: String::new(),
            from_name: "Service Desk".into(),
            reply_to: None,
            default_language: "en".into(),
            record_url: None,
            timeout_seconds: 15,
            in_flight: 8,
            hourly_per_record: 10,
            keep_days: 30,
            largest_bytes: 40 * 1024 * 1024,
        }
    }
}
impl Mail {
    /// What stands behind the `@` of the address that mail is from, in the ids of messages.
    pub fn domain(&self) -> &str {
        self.from_address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
    }
}
impl Default for Incident {
    fn default() -> Self {
        Incident { auto_close_days: 7 }
    }
}
