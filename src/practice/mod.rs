//! The practices. This list is the only one.
//!
//! To add one: a folder with its details, lifecycle and rules, a migration for its details table, and a line here.

pub mod change;
pub mod configuration_item;
pub mod incident;
pub mod interaction;
pub mod problem;
pub mod service;

use crate::record::{
    practice::{AnyPractice, Mounted},
    raise::Raise,
};

/// Every practice.
pub const ALL: &[&dyn AnyPractice] = &[
    &Mounted::<incident::IncidentPractice>::new(),
    &Mounted::<interaction::InteractionPractice>::new(),
    &Mounted::<problem::ProblemPractice>::new(),
    &Mounted::<service::ServicePractice>::new(),
    &Mounted::<configuration_item::ConfigurationItemPractice>::new(),
    &Mounted::<change::ChangePractice>::new(),
];

/// Which records give rise to which others by one call.
pub const RAISES: &[Raise] = &[
    Raise { from: "incident", to: "problem", relation: "caused_by" },
    Raise { from: "incident", to: "change", relation: "fixed_by" },
    Raise { from: "problem", to: "change", relation: "fixed_by" },
];
