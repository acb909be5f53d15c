//! Notifications: what happens to records is told to people, by mail, in their language and when they want it.
//!
//! Owns: what a message says and who gets it ([`template`], [`render`], [`context`]), what each person wants ([`preference`]), whom
//! an event is for ([`part`], [`recipient`]), which messages come of events ([`gather`]), what waits for a digest ([`digest`]), who is
//! told of a meeting ([`invitation`]), and how far each message is ([`message`], [`claim`], [`compose`]). It knows no HTTP and no SMTP: how
//! a message is sent and how one is read stands in `integration::mail`.
//!
//! **Invariant:** an event makes one message at most for each person, whatever parts they have in its record.
//! **Invariant:** a message is made for whoever may read the record, of what they may read of it; both are asked again when it is sent.
//! **Invariant:** the place in the outbox and the messages that were made on the way to it are committed together.

pub mod check;
pub mod claim;
pub mod compose;
pub mod context;
pub mod digest;
pub mod gather;
pub mod invitation;
pub mod language;
pub mod message;
pub mod part;
pub mod preference;
pub mod received;
pub mod recipient;
pub mod render;
pub mod template;
