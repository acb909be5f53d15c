//! What only problems can do: write to their incidents, be found as known errors, keep what was found out about their cause.

mod analyses;
mod clusters;
mod incidents;
mod known_errors;
mod runs;

use super::mount::Api;
use crate::{
    practice::problem::ProblemPractice,
    record::{kind::Kind, practice::Practice},
};

const PROBLEM: &Kind = &ProblemPractice::KIND;

/// Mounts it.
pub fn mount(api: &mut Api) {
    incidents::mount(api);
    runs::mount(api);
    analyses::mount(api);
    known_errors::mount(api);
    clusters::mount(api);
}
