//! Something that was found other than it should be: whoever finds it tells all practices, and those that answer for it take it in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::store::Desk;
use crate::{clock::Moment, error::Result, id::RecordId};

/// The longest that is said of what is other, in characters.
pub const SUMMARY: usize = 2_000;

/// In which way something is other than it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UnauthorisedChangeFinding)]
pub enum Finding {
    /// Somebody has reported it, in words.
    Reported,
    /// A field is other than it is recorded.
    Changed,
    /// The thing was not recorded.
    Appeared,
    /// The thing is no longer found.
    Vanished,
    /// A relation was not recorded.
    Related,
    /// A relation is no longer found.
    Unrelated,
}

impl Finding {
    /// All of them.
    pub const ALL: [Finding; 6] = [
        Finding::Reported,
        Finding::Changed,
        Finding::Appeared,
        Finding::Vanished,
        Finding::Related,
        Finding::Unrelated,
    ];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Finding::Reported => "reported",
            Finding::Changed => "changed",
            Finding::Appeared => "appeared",
            Finding::Vanished => "vanished",
            Finding::Related => "related",
            Finding::Unrelated => "unrelated",
        }
    }

    /// From its word.
    pub fn stored(text: &str) -> Finding {
        Finding::ALL.into_iter().find(|finding| finding.as_str() == text).unwrap_or(Finding::Reported)
    }
}

/// Something that was found other than it should be.
#[derive(Clone, Debug)]
pub struct Drift {
    /// What.
    pub item: RecordId,
    /// When it was last seen as it should be, as far as is known: it became other after that.
    pub last_seen_at: Option<Moment>,
    /// When whoever has found it looked at the thing before, whatever of it.
    pub last_looked_at: Option<Moment>,
    /// When it became other at the latest.
    pub drifted_at: Moment,
    /// In which way it is other.
    pub finding: Finding,
    /// The field that is other, or what the thing calls the relation, where it is one.
    pub field: Option<String>,
    /// The record at the other end of the relation.
    pub related: Option<RecordId>,
    /// What is other.
    pub summary: String,
    /// What has found it.
    pub source: String,
}

/// Tells all practices.
pub fn tell(desk: &mut Desk<'_, '_>, drift: &Drift) -> Result<()> {
    desk.kernel.practices().iter().try_for_each(|practice| practice.drifted(desk, drift))
}
