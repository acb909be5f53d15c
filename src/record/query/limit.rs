//! `limit=`: how many records a page holds.

use crate::error::{Code, Error, FieldError, Result};

/// Records on a page when the caller doesn't say.
pub const DEFAULT: u32 = 50;
/// Records on a page at most: a larger wish is cut to this.
pub const MAX: u32 = 200;

/// The size of a page.
///
/// # Errors
/// `malformed` for anything but a whole number from 1.
pub fn parse(text: Option<&str>) -> Result<u32> {
    Ok(asked(text)?.map_or(DEFAULT, |n| n.min(MAX)))
}

/// The number that the caller says, if they do, for what has no pages.
///
/// # Errors
/// As [`parse`].
pub fn asked(text: Option<&str>) -> Result<Option<u32>> {
    let Some(text) = text else { return Ok(None) };
    let digits = text.trim_start_matches('0');
    if digits.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        let detail = format!("`limit` is a whole number from 1; more than {MAX} counts as {MAX}.");
        return Err(Error::new(Code::Malformed, detail.clone()).with_errors(vec![FieldError::new(
            "limit",
            "wrong_type",
            detail,
        )]));
    }
    // Only digits are left, so what doesn't fit is too large, not wrong.
    Ok(Some(digits.parse().unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_whole_numbers_and_cuts_large_ones() {
        let cases = [
            (None, 50),
            (Some("1"), 1),
            (Some("007"), 7),
            (Some("50"), 50),
            (Some("199"), 199),
            (Some("200"), 200),
            (Some("201"), 200),
            (Some("4294967296"), 200),
            (Some("99999999999999999999999999"), 200),
        ];
        for (text, limit) in cases {
            assert_eq!(parse(text).unwrap(), limit, "{text:?}");
        }
        assert_eq!(
            [None, Some("201"), Some("4294967296")].map(|t| asked(t).unwrap()),
            [None, Some(201), Some(u32::MAX)]
        );
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", "0", "000", "-1", "+5", " 5", "5 ", "1.5", "1e2", "ten", "٣", "5;"] {
            let error = parse(Some(text)).unwrap_err();
            assert_eq!((error.code.status(), error.errors[0].pointer.as_str()), (400, "limit"), "{text:?}");
        }
    }
}
