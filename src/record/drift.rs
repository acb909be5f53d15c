//! Something that was found other than it should be: whoever finds it tells all practices, and those that answer for it take it in.

use super::store::Desk;
use crate::{clock::Moment, error::Result, id::RecordId};

/// The longest that is said of what is other, in characters.
pub const SUMMARY: usize = 2_000;

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
    /// The field that is other, where it is one.
    pub field: Option<String>,
    /// What is other.
    pub summary: String,
    /// What has found it.
    pub source: String,
}

/// Tells all practices.
pub fn tell(desk: &mut Desk<'_, '_>, drift: &Drift) -> Result<()> {
    desk.kernel.practices().iter().try_for_each(|practice| practice.drifted(desk, drift))
}
