//! Separation of duties: who has a part in a record has none in its approval.

use super::row::ApprovalRow;
use crate::{id::UserId, record::header::Header};

/// Who wants it: the record's requester, who opened the record for them, and who asked for the approval.
pub const REQUESTER: &str = "requester";
/// Who does it: the record's assignee.
pub const IMPLEMENTER: &str = "implementer";

/// Who asks for a record and who does it: whoever becomes one of them has no say in it.
pub fn parts(record: &Header) -> [Option<UserId>; 2] {
    [record.requester_id, record.assignee_id]
}

/// Why somebody doesn't count in an approval of a record, if they don't.
pub fn excluded(record: &Header, approval: &ApprovalRow, who: UserId) -> Option<&'static str> {
    let wants = [record.requester_id, Some(record.opened_by_id), Some(approval.asked_by_id)];
    if record.assignee_id == Some(who) {
        Some(IMPLEMENTER)
    } else if wants.contains(&Some(who)) {
        Some(REQUESTER)
    } else {
        None
    }
}

/// Why that is so, for people.
pub fn sentence(excluded: &str) -> &'static str {
    match excluded {
        IMPLEMENTER => "Who works on the record does not count in its approval.",
        _ => "Who asked for the record, opened it or asked for its approval does not count in it.",
    }
}
