//! Webhooks over HTTP: what is told to whom ([`webhook`]), what became of it ([`delivery`]), and what can be done about that
//! ([`act`]). The messages of one record stand beside it ([`beside`]).
//!
//! Nothing deletes a webhook, since its messages refer to it: it is deactivated.
//!
//! **Invariant:** nobody makes or changes a webhook, or sends its messages anew, whose owner reads what they may not read
//! themselves.
//! **Invariant:** a secret is shown when it is made, and never again. What a message held is shown to its owner and to those who
//! see everything, where they may read what it tells of.

mod act;
mod beside;
mod delivery;
mod webhook;

pub(super) use beside::mount as mount_beside;

use super::mount::Api;

/// Mounts everything.
pub fn mount(api: &mut Api) {
    webhook::mount(api);
    act::mount(api);
    delivery::mount(api);
    api.send("event", delivery::received());
}
