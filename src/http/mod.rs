//! The HTTP shell: what every endpoint has in common, so that an endpoint itself is a function of its input.
//!
//! Owns: mounting (route, permission and documentation in one call), problem documents, bodies and their limits, request
//! ids, rate limits, CORS, metrics, probes, the documentation pages, start and stop of the server. Knows no practice.
//!
//! **Invariant:** nothing is routed but through [`mount::Api::mount`], so that no endpoint is without an access rule and a
//! description, and every error leaves as a problem document.

pub mod accept;
pub mod adding;
pub mod app;
pub mod approval_api;
pub mod auth_api;
pub mod authenticate;
pub mod body;
mod bounds;
pub mod calendar_api;
mod change_api;
pub mod configuration_api;
pub mod custom_field_api;
pub mod desk;
pub mod directory_api;
pub mod docs;
pub mod endpoint;
pub mod entity_tag;
mod follow_up;
mod gate;
#[cfg(test)]
mod house;
pub mod idempotency;
pub mod interaction_api;
pub mod job_api;
pub mod limit;
pub mod mail_api;
mod major_incident_api;
pub mod middleware;
pub mod mount;
pub mod on_call_api;
mod openapi;
pub mod parameter;
pub mod policy_api;
pub mod probe;
pub mod problem;
mod problem_api;
mod query;
pub mod record_api;
pub mod request_id;
pub mod schema;
mod secret_path;
pub mod server;
pub mod service_level_api;
pub mod sheet;
pub mod shutdown;
pub mod stream;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tests;
pub mod upload;
pub mod webhook_api;
