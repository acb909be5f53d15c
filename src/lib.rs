//! Pointsman: a headless IT service management server.

pub mod assembly;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod error;
pub mod http;
pub mod id;
pub mod integration;
pub mod jobs;
pub mod policy;
pub mod practice;
pub mod record;
#[expect(missing_docs, reason = "the tables are documented where they are used")]
pub mod schema;
pub mod telemetry;
