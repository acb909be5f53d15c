//! The parameters that all writes share.

use utoipa::openapi::{Required, path::Parameter};

use crate::{
    http::endpoint::{in_header, in_path, in_query, text, yes_or_no},
    record::kind::Kind,
};

/// `{id}`
pub fn id(kind: &Kind) -> Parameter {
    in_path("id", "Its id or its number.", text(), format!("{}0000042", kind.prefix))
}

/// `?dry_run=`
pub fn dry_run() -> Parameter {
    in_query(
        "dry_run",
        "Run all checks and policies, answer what would be stored, and store nothing.",
        yes_or_no(),
        false,
    )
}

/// `Idempotency-Key`
pub fn idempotency_key() -> Parameter {
    let doc = "A word of your own for this request: a retry with it does the work once and gets the first answer again, for 24 hours.";
    in_header("Idempotency-Key", doc, Required::False, text(), "4c1f9f1e-order-7")
}

/// `X-Reason`
pub fn reason() -> Parameter {
    in_header("X-Reason", "Why, for the history.", Required::False, text(), "asked by phone")
}

/// `If-Match`
pub fn if_match(needed: bool) -> Parameter {
    let doc = "The `ETag` of the version that you have seen, or `*`.";
    in_header("If-Match", doc, if needed { Required::True } else { Required::False }, text(), "\"3\"")
}
