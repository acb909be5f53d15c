//! The tests of the API: the real router, a fixed clock and a fresh database for each.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
#![expect(clippy::wildcard_enum_match_arm, reason = "what a test does not look at may be anything")]

mod approvals;
mod as_of;
mod attacks;
mod back_test;
mod calendar;
mod change;
mod change_agreed;
mod change_board;
mod change_rehearsed;
mod change_unanswered;
mod commands;
mod configuration;
mod conformance;
mod custom_field;
mod demo;
mod durability;
mod escalation;
mod fuzzed;
mod hidden;
mod incident;
mod loops;
mod mail;
mod mail_inbound;
mod mail_wishes;
mod major_incident;
mod matrix;
mod migrations;
mod modules;
mod nodes;
mod on_call;
mod openapi;
mod plans;
mod policies;
mod policy_files;
mod policy_kinds;
mod policy_tests;
mod problem;
mod queries;
mod real_log;
mod replay;
mod restore;
mod retry;
mod review;
mod service_level;
mod standing;
mod story;
mod stream;
mod support;
mod thread;
mod tidy;
mod timer;
mod webhook_delivery;
mod webhooks;
