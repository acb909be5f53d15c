//! The tests of the API: the real router, a fixed clock and a fresh database for each.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
#![expect(clippy::wildcard_enum_match_arm, reason = "what a test does not look at may be anything")]

mod attacks;
mod back_test;
mod conformance;
mod custom_field;
mod demo;
mod durability;
mod fuzzed;
mod hidden;
mod incident;
mod matrix;
mod migrations;
mod nodes;
mod openapi;
mod plans;
mod policies;
mod queries;
mod restore;
mod retry;
mod review;
mod standing;
mod stream;
mod support;
mod tidy;
mod timer;
