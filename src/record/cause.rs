//! Who or what is behind a write, and when it happens.

use std::sync::Arc;

use serde::Serialize;

use super::mention::CONSEQUENCE;
use crate::{auth::caller::Caller, clock::Moment};

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
    /// An import.
    Import,
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
            Via::Timer(name) => format!("timer:{name}"),
            Via::Consequence(of) => format!("{CONSEQUENCE}{of}"),
            Via::Server => "server".to_owned(),
        }
    }
}

impl Cause {
    /// The same cause one consequence further, with the server's own rights.
    #[must_use]
    pub fn consequence(&self, of: &str) -> Cause {
        Cause {
            caller: Arc::new(Caller::server(self.caller.user, self.caller.organisation)),
            via: Via::Consequence(of.to_owned()),
            depth: self.depth + 1,
            policies: Policies::Decide,
            ..self.clone()
        }
    }
}
