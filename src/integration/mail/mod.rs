//! Mail: how a message goes out over SMTP ([`smtp`]), and how one that comes in is read ([`letter`], [`said`], [`automatic`]) and becomes
//! part of a record ([`receive`]). Which messages go out stands in `record::notification`.
//!
//! **Invariant:** what goes out says of itself that a machine sent it, and what a machine sent is never taken in: no two machines
//! answer each other.
//! **Invariant:** whoever sent a message may do by it what they may do otherwise, and nothing else; the right to hand it in adds none.
//! **Invariant:** no bytes, however wrong or hostile, end the process.

pub mod automatic;
pub mod letter;
pub mod receive;
pub mod said;
pub mod smtp;
#[cfg(test)]
mod tests;

use crate::id::{RecordId, RowId};

/// The `Message-ID` of a message, without its brackets.
pub fn id_of_message(message: RowId, domain: &str) -> String {
    format!("{message}.{MESSAGE}@{domain}")
}

/// What holds the messages about a record together, as if all of them answered one that nobody has seen.
pub fn id_of_thread(record: RecordId, domain: &str) -> String {
    format!("{record}.{THREAD}@{domain}")
}

/// What an id that we made stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// One message.
    Message(RowId),
    /// All about a record.
    Thread(RecordId),
}

impl Ours {
    /// What an id stands for, if it is one of ours.
    pub fn read(id: &str, domain: &str) -> Option<Self> {
        let (local, at) = id.trim_matches(['<', '>', ' ']).rsplit_once('@')?;
        let (id, what) = local.split_once('.')?;
        match what {
            _ if !at.eq_ignore_ascii_case(domain) => None,
            MESSAGE => Some(Ours::Message(id.parse().ok()?)),
            THREAD => Some(Ours::Thread(id.parse().ok()?)),
            _ => None,
        }
    }
}

const MESSAGE: &str = "mail";
const THREAD: &str = "record";
