//! What stands beside records — classes, windows, meetings and their like — added and changed without a request, by whoever fills a
//! database: checked, written and told to the audit trail as their endpoints do.

use serde_json::Value;

use super::{change_api, configuration_api, directory_api::resource};
use crate::{
    error::{Error, Result},
    record::store::Desk,
};

/// What can be added, by the name that its path has, and how it is added and changed.
struct Way {
    path: &'static str,
    add: fn(&mut Desk<'_, '_>, &Value) -> Result<String>,
    amend: fn(&mut Desk<'_, '_>, &str, &Value) -> Result<()>,
}

const fn way<R: resource::Resource>(path: &'static str) -> Way {
    Way { path, add: resource::add::<R>, amend: resource::amend::<R> }
}

const WAYS: &[Way] = &[
    way::<configuration_api::Class>("classes"),
    way::<configuration_api::ComplianceRule>("compliance-rules"),
    way::<change_api::ChangeModel>("change-models"),
    way::<change_api::ChangeWindow>("change-windows"),
    way::<change_api::CabMeeting>("cab-meetings"),
];

fn way_of(path: &str) -> Result<&'static Way> {
    WAYS.iter().find(|way| way.path == path).ok_or_else(|| Error::internal(format!("nothing is added to `{path}`")))
}

/// Adds one in the name of whoever acts, and gives its id.
///
/// # Errors
/// Whoever acts may not, or the body is not what the endpoint takes.
pub fn add(desk: &mut Desk<'_, '_>, path: &str, body: &Value) -> Result<String> {
    (way_of(path)?.add)(desk, body)
}

/// Changes the one of that id, by a merge patch.
///
/// # Errors
/// Whoever acts may not, it is not there, or the patch is not what the endpoint takes.
pub fn amend(desk: &mut Desk<'_, '_>, path: &str, id: &str, body: &Value) -> Result<()> {
    (way_of(path)?.amend)(desk, id, body)
}
