//! Configuration over HTTP: the classes of things ([`class`]), the types of relations ([`relation_type`]), the relations and redundancy
//! groups of a record ([`relation`]) and what fails when it does ([`impact`]); sources ([`data_source`]) and what they tell of ([`import`]);
//! what was there at a moment ([`baseline`]); health ([`health`]) and its rules ([`compliance`]); campaigns ([`certification`]).

mod baseline;
mod certification;
mod class;
mod compliance;
mod data_source;
mod health;
mod impact;
mod import;
mod import_csv;
mod relation;
mod relation_type;

pub(super) use self::{class::Class, compliance::ComplianceRule};
use super::{directory_api::resource, mount::Api};
use crate::record::practice::AnyPractice;

/// The permission to read classes and types of relations.
const READ: &str = "configuration_model.read";
/// The permission to change them.
const WRITE: &str = "configuration_model.write";

/// Mounts everything.
pub fn mount(api: &mut Api, practices: &'static [&'static dyn AnyPractice]) {
    resource::mount::<class::Class>(api);
    resource::mount::<relation_type::RelationType>(api);
    resource::mount::<data_source::DataSource>(api);
    import::mount(api);
    baseline::mount(api);
    resource::mount::<compliance::ComplianceRule>(api);
    health::mount(api);
    certification::mount(api);
    for practice in practices.iter().filter(|practice| !practice.in_use().is_empty()) {
        relation::mount_under(api, practice.kind());
        impact::mount_under(api, practice.kind());
    }
    for practice in practices.iter().filter(|practice| practice.kind().has_classes()) {
        health::mount_under(api, practice.kind());
    }
}
