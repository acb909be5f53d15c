//! The directory: organisations, teams, users and roles.
//!
//! Needs `web::Data<Service>` and `web::Data<Identity>` as application data. All four share one set of handlers, see
//! [`resource`]; what only one of them can do stands beside it. Nothing is ever deleted, because records point here: things
//! are deactivated.
//!
//! **Invariant:** nobody gives, by whatever way, a permission or a view that they lack themselves; see [`guard`].
//! **Invariant:** there is always an active administrator who is a person.
//! **Invariant:** every change appends to the audit trail, without passwords, hashes and secrets.

mod access;
pub(super) mod change;
pub(super) mod guard;
mod member;
mod organisation;
pub(super) mod page;
pub(super) mod resource;
mod role;
mod team;
#[cfg(test)]
mod tests;
mod user;

use super::mount::Api;

/// Mounts everything.
pub fn mount(api: &mut Api) {
    resource::mount::<organisation::Organisation>(api);
    resource::mount::<team::Team>(api);
    member::mount(api);
    resource::mount::<user::User>(api);
    access::mount(api);
    resource::mount::<role::Role>(api);
    role::mount(api);
}
