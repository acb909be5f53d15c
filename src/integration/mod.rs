//! Other systems: what comes in from them and goes out to them. Everything that writes records goes through the one write
//! path, as a caller would.

pub mod backoff;
pub mod mail;
pub mod servicenow;
pub mod webhook;
