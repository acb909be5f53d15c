//! The parameters that mean the same wherever they stand.

use utoipa::openapi::{Required, Schema, path::Parameter};

use super::endpoint::{in_header, in_path, in_query, patterned, uuid, whole_number, yes_or_no};
use crate::record::kind::Kind;

/// An id, or a prefix and digits.
const RECORD_ID: &str = "^([0-9A-Fa-f-]{36}|[A-Za-z]+[0-9]+)$";

/// The schema of what a record is called by.
pub fn record_word() -> Schema {
    patterned(40, RECORD_ID)
}

/// `{id}` of a record.
pub fn record_id(kind: &Kind) -> Parameter {
    in_path("id", "Its id or its number.", record_word(), format!("{}0000042", kind.prefix))
}

/// `{id}` of what has no number.
pub fn id(what: &str) -> Parameter {
    in_path("id", &format!("The id of the {what}."), uuid(), "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11")
}

/// `?dry_run=`
pub fn dry_run() -> Parameter {
    let doc = "Run all checks and policies, answer what would be stored, and store nothing.";
    in_query("dry_run", doc, yes_or_no(), false)
}

/// `Idempotency-Key`
pub fn idempotency_key() -> Parameter {
    let doc = "A word of your own for this request: a retry with it does the work once and gets the first answer again, a refusal too, for 24 hours.";
    in_header("Idempotency-Key", doc, Required::False, patterned(255, HEADER_TEXT), "4c1f9f1e-order-7")
}

/// `X-Reason`
pub fn reason() -> Parameter {
    let text = patterned(1_000, "^([!-~]([ -~]*[!-~])?)?$");
    in_header("X-Reason", "Why, for the history and the audit trail.", Required::False, text, "asked by phone")
}

/// What a header can hold: printable ASCII, without space around it.
const HEADER_TEXT: &str = "^[!-~]([ -~]*[!-~])?$";

/// `*`, or up to twenty entity tags.
const ENTITY_TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*"){0,19})$"#;

/// `If-Match`
pub fn if_match(needed: bool) -> Parameter {
    let doc = "The `ETag` of the version that you have seen, a list of such tags, or `*`.";
    in_header(
        "If-Match",
        doc,
        if needed { Required::True } else { Required::False },
        patterned(2_000, ENTITY_TAGS),
        "\"3\"",
    )
}

/// `?limit=`
pub fn limit() -> Parameter {
    in_query("limit", "How many at most: 50 if not given, never more than 200.", whole_number(), 50)
}

/// `?cursor=`
pub fn cursor() -> Parameter {
    in_query(
        "cursor",
        "Where to begin: a cursor from the page before.",
        patterned(8_192, "^[A-Za-z0-9_-]+$"),
        "eyJrIjpbXX0",
    )
}

/// `?count=`
pub fn count() -> Parameter {
    in_query("count", "Count all pages, too.", yes_or_no(), false)
}
