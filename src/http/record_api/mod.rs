//! The generic endpoints that every practice gets: mounted once per kind, documented from the kind's own tables.

mod approvals;
mod attachments;
mod batch;
pub(super) mod beside;
pub(super) mod counts;
mod decisions;
mod escalations;
mod export;
mod form_field;
mod forms;
mod history;
mod journal;
mod links;
mod property;
mod raising;
mod read;
pub mod shape;
pub(super) mod store_file;
mod story;
mod tasks;
#[cfg(test)]
mod tests;
mod watchers;
mod write;

pub(super) use export::line as csv_line;
pub(super) use read::visible;

use super::{
    change_api, custom_field_api, interaction_api, mail_api, major_incident_api, mount::Api, problem_api,
    service_level_api, stream, webhook_api,
};
use crate::record::{kernel::Kernel, kind::Kind, practice::AnyPractice};

/// Mounts everything for every practice.
pub fn mount(api: &mut Api, practices: &'static [&'static dyn AnyPractice]) {
    for practice in practices {
        let kind = practice.kind();
        api.tag(kind.label, kind.doc);
        counts::mount(api, kind);
        read::mount(api, kind);
        write::mount(api, kind);
        journal::mount(api, kind);
        history::mount(api, kind);
        links::mount(api, kind);
        raising::mount(api, kind);
        watchers::mount(api, kind);
        approvals::mount(api, kind);
        tasks::mount(api, kind);
        attachments::mount(api, kind);
        batch::mount(api, kind);
        decisions::mount(api, kind);
        escalations::mount(api, kind);
        service_level_api::mount_under(api, kind);
        webhook_api::mount_beside(api, kind);
        mail_api::mount_beside(api, kind);
    }
    api.tag("Record", "What all kinds of records have in common.");
    read::mount_all_kinds(api);
    decisions::mount_one(api);
    story::mount(api);
    forms::mount(api, practices);
    custom_field_api::mount(api);
    interaction_api::mount(api);
    major_incident_api::mount(api);
    problem_api::mount(api);
    change_api::mount(api);
    stream::mount(api);
}

/// The practice of a kind that was mounted.
fn practice_of(kernel: &Kernel, kind: &Kind) -> crate::error::Result<&'static dyn AnyPractice> {
    kernel.practice(kind.name)
}

/// `an incident`, `a service`.
pub fn a(kind: &Kind) -> String {
    let name = kind.name.replace('_', " ");
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// `configuration items`.
pub fn many(kind: &Kind) -> String {
    kind.plural.replace('_', " ")
}
