//! On-call schedules over HTTP: who takes turns ([`schedule`]), and who is called when ([`ask`]).

mod ask;
mod schedule;

use super::{directory_api::resource, mount::Api};

/// Mounts everything.
pub fn mount(api: &mut Api) {
    resource::mount::<schedule::OnCallSchedule>(api);
    ask::mount(api);
}
