//! The practices. This list is the only one.
//!
//! To add one: a folder with its details, lifecycle and rules, a migration for its details table, and a line here.

pub mod change;
pub mod configuration_item;
pub mod incident;
pub mod interaction;
pub mod service;

use crate::record::practice::{AnyPractice, Mounted};

/// Every practice.
pub const ALL: &[&dyn AnyPractice] = &[
    &Mounted::<incident::IncidentPractice>::new(),
    &Mounted::<interaction::InteractionPractice>::new(),
    &Mounted::<service::ServicePractice>::new(),
    &Mounted::<configuration_item::ConfigurationItemPractice>::new(),
    &Mounted::<change::ChangePractice>::new(),
];
