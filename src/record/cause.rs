//! Who or what is behind a write, and when it happens.

use std::sync::Arc;

use serde::Serialize;

use super::mention::CONSEQUENCE;
use crate::{auth::caller::Caller, clock::Moment};

/// How deep consequences may go. What is deeper stays as it is, and policies are not asked about it.
pub const DEEPEST: u8 = 5;

/// Whether somebody wrote it through this, as it stands in the audit trail: no timer, no consequence and not the server by itself.
pub fn is_by_somebody(via: &str) -> bool {
    !["timer:", CONSEQUENCE, "server"].iter().any(|server| via.starts_with(server))
}

/// Who or what is behind a write, and when it happens.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Whose rights count.
    pub caller: Arc<Caller>,
    /// Through what it came.
    pub via: Via,
    /// The request, job or file behind it.
    pub request_id: String,
    /// Why, in the words of whoever did it.
    pub reason: String,
    /// The moment of the write.
    pub at: Moment,
    /// What policies may do.
    pub policies: Policies,
    /// How many consequences deep this is.
    pub depth: u8,
}

/// Through what a write came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A request.
    Api,
    /// An operation of a batch request.
    Batch,
    /// An import: what happened elsewhere, at the moment at which it did ([`Cause::is_replay`]).
    Import,
    /// What a source told of, by the name of the source.
    Source(String),
    /// A link that was given to whoever used it.
    Link,
    /// A message that somebody sent by mail.
    Mail,
    /// A timer, by name.
    Timer(String),
    /// A consequence of a write to another record, by its number.
    Consequence(String),
    /// The server itself.
    Server,
}

/// What policies may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policies {
    /// Their effects are carried out.
    Decide,
    /// They are asked and logged; the record follows what really happened.
    Observe {
        /// The priority that it really had.
        priority: Option<i32>,
    },
}

impl Via {
    /// As it stands in the audit trail and the journal.
    pub fn as_text(&self) -> String {
        match self {
            Via::Api => "api".to_owned(),
            Via::Batch => "batch".to_owned(),
            Via::Import => "import".to_owned(),
            Via::Link => "link".to_owned(),
            Via::Mail => "mail".to_owned(),
            Via::Source(name) => format!("source:{name}"),
            Via::Timer(name) => format!("timer:{name}"),
            Via::Consequence(of) => format!("{CONSEQUENCE}{of}"),
            Via::Server => "server".to_owned(),
        }
    }
}

impl Cause {
    /// Whether it tells of the past: nobody is to be called because of what is long over, and what is set to happen later waits
    /// until the replay has come to its end.
    pub fn is_replay(&self) -> bool {
        self.via == Via::Import
    }

    /// Whether somebody is behind it.
    pub fn is_by_somebody(&self) -> bool {
        is_by_somebody(&self.via.as_text())
    }

    /// Whether it is further from what began it than consequences may go.
    pub fn is_too_deep(&self) -> bool {
        self.depth > DEEPEST
    }

    /// The same cause with the server's own rights: for what somebody may do by the part that they have, whatever their roles say.
    #[must_use]
    pub fn trusted(&self) -> Cause {
        Cause { caller: Arc::new(Caller::server(self.caller.user, self.caller.organisation)), ..self.clone() }
    }

    /// The same cause one consequence further, with the server's own rights.
    #[must_use]
    pub fn consequence(&self, of: &str) -> Cause {
        Cause {
            via: Via::Consequence(of.to_owned()),
            depth: self.depth.saturating_add(1),
            policies: Policies::Decide,
            ..self.trusted()
        }
    }
}
