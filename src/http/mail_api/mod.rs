//! Mail over HTTP: what messages say ([`template`], [`preview`]), what each person wants to be told of ([`preference`]), what became of
//! each message ([`message`]), and what came in ([`inbound`]). The messages of one record stand beside it ([`beside`]).
//!
//! **Invariant:** nobody learns by a preview what they may not read themselves.
//! **Invariant:** what a message held is shown to whom it went and to those who see everything, where they may read what it tells of.

mod beside;
mod inbound;
mod message;
mod preference;
mod preview;
mod template;

pub(super) use beside::mount as mount_beside;

use super::mount::Api;

/// Mounts everything.
pub fn mount(api: &mut Api) {
    template::mount(api);
    preview::mount(api);
    preference::mount(api);
    message::mount(api);
    inbound::mount(api);
}
