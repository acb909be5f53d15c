//! Rehearsing a version on the decisions that were made: what would have come out otherwise, and why.
//!
//! Owns: what a back-test is asked for ([`asked`]), the decisions it is made on ([`history`]), the comparison ([`judge`]), what
//! it comes to ([`report`]) and going through all of it ([`run`]). Refuses to know: who asked, and how it is shown.
//!
//! **Invariant:** a decision is made again on the input that was logged when it was made, so nothing of it is from its future.
//! **Invariant:** both sides go the way that live decisions go: `chain::decide`, with all policies of the decision.

pub mod asked;
pub mod history;
pub mod judge;
pub mod report;
pub mod run;

/// The kind of job that it is.
pub const KIND: &str = "back_test";
