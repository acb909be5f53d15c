//! Parameters that endpoints of the directory and of tokens share.

use utoipa::openapi::{Required, path::Parameter};

use crate::http::endpoint::{in_header, in_path, in_query, text, yes_or_no};

/// `{id}`
pub fn id(what: &str) -> Parameter {
    in_path("id", &format!("The id of the {what}."), text(), "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11")
}

/// `?dry_run=`
pub fn dry_run() -> Parameter {
    in_query("dry_run", "Run all checks, answer what would be stored, and store nothing.", yes_or_no(), false)
}

/// `Idempotency-Key`
pub fn idempotency_key() -> Parameter {
    let doc = "A word of your own for this request: a retry with it does the work once and gets the first answer again, for 24 hours.";
    in_header("Idempotency-Key", doc, Required::False, text(), "4c1f9f1e-order-7")
}

/// `X-Reason`
pub fn reason() -> Parameter {
    in_header("X-Reason", "Why, for the audit trail.", Required::False, text(), "asked by phone")
}

/// `If-Match`
pub fn if_match() -> Parameter {
    let doc = "The `ETag` of the version that you have seen, or `*`.";
    in_header("If-Match", doc, Required::True, text(), "\"3\"")
}
