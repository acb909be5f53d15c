//! What changes have beside their records: models, questions about risk, windows, the forward schedule, conflicts and free times, the
//! preview of their impact, meetings of advisory boards, what they caused, and what was changed without one.

mod agenda;
mod cab;
mod drift;
mod model;
mod plan;
mod question;
mod review;
mod schedule;
mod window;

use super::{
    directory_api::resource,
    endpoint::{Access, Endpoint},
    mount::Api,
    sheet::under,
};
use crate::{
    practice::change::ChangePractice,
    record::{kind::Kind, practice::Practice},
};
use actix_web::http::Method;

pub(super) use self::{cab::CabMeeting, model::ChangeModel, window::ChangeWindow};

const CHANGE: &Kind = &ChangePractice::KIND;
/// The longest span that is looked at in one go, in days.
const DAYS: i64 = 400;

/// Mounts them.
pub fn mount(api: &mut Api) {
    resource::mount::<model::ChangeModel>(api);
    resource::mount::<window::ChangeWindow>(api);
    resource::mount::<question::RiskQuestion>(api);
    resource::mount::<cab::CabMeeting>(api);
    agenda::mount(api);
    plan::mount(api);
    review::mount(api);
    drift::mount(api);
    schedule::mount(api);
}

/// An endpoint of one change that reads.
fn reads(rest: &str, id: &str) -> Endpoint {
    let mut endpoint = under(CHANGE, Method::GET, rest, id.to_owned());
    endpoint.access = Access::Permission(CHANGE.permission("read").into());
    endpoint
}
