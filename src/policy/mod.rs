//! Policies: scripts that decide, within limits, explained and repeatable.
//!
//! Owns: the script engine and its limits, what a script sees ([`facts`], [`table`], [`host`]) and may say
//! ([`decision`]), compiling, checking, testing and running policies, how several answer one decision ([`chain`]),
//! what the decision log knows of it, and what is stored ([`store`]) and live ([`live`]). Refuses to know: HTTP, and how
//! effects are carried out.
//!
//! **Invariant:** no script, however wrong or hostile, ends the process, holds a thread for long or reaches anything but
//! its input and its host's answers.

pub mod as_of;
#[cfg(test)]
mod attacks;
pub mod back_test;
pub mod build;
mod cases;
pub mod chain;
mod condition;
mod context;
pub mod counterfactual;
pub mod coverage;
pub mod decision;
pub mod diagnostic;
pub mod effect;
mod engine;
mod entry;
pub mod evaluate;
pub mod facts;
pub mod format;
mod functions;
pub mod gather;
pub mod host;
pub mod library;
mod limits;
pub mod live;
pub mod log;
pub mod module;
pub mod offline;
pub mod outcome;
pub mod pin;
pub mod program;
pub mod publish;
mod reading;
pub mod reference;
pub mod runner;
#[cfg(test)]
mod semantics;
pub mod shadow;
mod source;
pub mod store;
mod syntax;
pub mod table;
pub mod testing;
mod tokens;
pub mod trace;
pub mod validate;
mod woven;
