//! Service levels over HTTP: their terms ([`level`]), the clocks that follow them ([`clock`]) and how often they are met
//! ([`report`]).

mod clock;
mod level;
mod report;

use super::{directory_api::resource, mount::Api};
use crate::record::kind::Kind;

/// The chapter of the documentation.
const TAG: &str = "Service level";

/// Mounts everything but what stands under records.
pub fn mount(api: &mut Api) {
    resource::mount::<level::ServiceLevel>(api);
    clock::mount(api);
    report::mount(api);
}

/// Mounts what stands under the records of a kind.
pub fn mount_under(api: &mut Api, kind: &'static Kind) {
    clock::mount_under(api, kind);
}
