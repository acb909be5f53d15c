//! Paths that hold a secret, as they may be logged and shown.

use std::borrow::Cow;

/// What secrets in paths stand behind.
const BEFORE: &[&str] = &["/api/v1/approval-links/"];

/// A path without the secret in it.
pub(super) fn shown(path: &str) -> Cow<'_, str> {
    match BEFORE.iter().find(|before| path.starts_with(**before)) {
        Some(before) => format!("{before}***").into(),
        None => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_out_of_what_is_told_of_a_path() {
        let cases = [
            ("/api/v1/approval-links/pm_al_secret", "/api/v1/approval-links/***"),
            ("/api/v1/approval-links/pm_al_secret/more", "/api/v1/approval-links/***"),
            ("/api/v1/approvals/0199a4c1", "/api/v1/approvals/0199a4c1"),
            ("/", "/"),
        ];
        for (path, expected) in cases {
            assert_eq!(shown(path), expected);
        }
    }
}
