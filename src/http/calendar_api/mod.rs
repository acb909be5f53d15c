//! Calendars: when work is done. They are listed, read, made and changed as what the directory holds; beside that stand the
//! questions that they answer ([`ask`]) and the import of holidays ([`import`]).
//!
//! Nothing deletes a calendar, since policies ask for it by its name: it is deactivated.
//!
//! **Invariant:** a change counts for policies at once on the node that made it, and soon on the others.

mod ask;
mod calendar;
mod import;

use super::{directory_api::resource, mount::Api};

/// Mounts everything.
pub fn mount(api: &mut Api) {
    resource::mount::<calendar::Calendar>(api);
    ask::mount(api);
    import::mount(api);
}
