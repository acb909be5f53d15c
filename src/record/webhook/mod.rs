//! Webhooks: events that are told to other systems, as messages that are sent again until they are taken.
//!
//! Owns: what a webhook wants (patterns of events, a filter in the language of lists), which messages come of events ([`gather`]),
//! what a message holds ([`message`]), and how far each is ([`delivery`], [`claim`]). It knows no HTTP: how a message is signed
//! and where it may go stands in `integration::webhook`.
//!
//! **Invariant:** an event makes one message for each webhook: the webhook's place in the outbox and the messages that were made
//! on the way to it are committed together.
//! **Invariant:** a message tells only what the webhook's owner may read, when it is made and each time that it is sent.
//! **Invariant:** no two nodes work on one message at a time: who claims it has a minute for an attempt.

pub mod claim;
pub mod delivery;
pub mod gather;
pub mod message;
pub mod row;

/// The event of a message that somebody sends to see whether it arrives.
pub const TEST: &str = "webhook.test";
