//! Parameters that several endpoints of this folder have.

use utoipa::openapi::{Required, path::Parameter};

use crate::http::endpoint::{in_header, in_path, in_query, text, whole_number, yes_or_no};

/// `{id}` of a policy.
pub(super) fn policy_id() -> Parameter {
    in_path("id", "The id or the name of the policy.", text(), "routing_incidents")
}

/// `{number}` of a version.
pub(super) fn version_number() -> Parameter {
    in_path("number", "The number of the version.", whole_number(), 3)
}

/// `{name}` of a lookup table.
pub(super) fn table_name() -> Parameter {
    in_path("name", "The name of the table.", text(), "category_teams")
}

/// `?dry_run=`
pub(super) fn dry_run() -> Parameter {
    in_query("dry_run", "Run all checks, answer what would be stored, and store nothing.", yes_or_no(), false)
}

/// `Idempotency-Key`
pub(super) fn idempotency_key() -> Parameter {
    let doc = "A word of your own for this request: a retry with it does the work once and gets the first answer again, for 24 hours.";
    in_header("Idempotency-Key", doc, Required::False, text(), "4c1f9f1e-publish-3")
}

/// `X-Reason`
pub(super) fn reason() -> Parameter {
    in_header("X-Reason", "Why, for the audit trail.", Required::False, text(), "asked by the service owner")
}

/// `If-Match`
pub(super) fn if_match(needed: bool) -> Parameter {
    let doc = "The `ETag` of the version that you have seen, or `*`.";
    in_header("If-Match", doc, if needed { Required::True } else { Required::False }, text(), "\"3\"")
}
