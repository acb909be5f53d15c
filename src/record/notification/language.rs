//! Languages, by their tags (BCP 47), and which one stands in for which.

use crate::error::{Error, Result};

/// The longest tag.
pub const LONGEST: usize = 35;

/// A tag in its form: `de-AT`.
///
/// # Errors
/// It is no tag.
pub fn checked(tag: &str) -> Result<String> {
    let is_part = |part: &str, least: usize| {
        (least..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let is_language = is_part(first, 2) && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    if tag.len() <= LONGEST && is_language && parts.all(|part| is_part(part, 1)) {
        return Ok(tag.to_owned());
    }
    Err(Error::invalid("/language", "wrong_form", "`language` is a tag of BCP 47, such as `de` or `pt-BR`."))
}

/// The languages in which somebody is written to, the best first, in small letters: theirs, that without what narrows it, the
/// server's own, and that without what narrows it.
pub fn ways(wanted: Option<&str>, otherwise: &str) -> Vec<String> {
    let mut ways: Vec<String> = Vec::new();
    for tag in wanted.into_iter().chain([otherwise]) {
        let tag = tag.to_ascii_lowercase();
        let mut wider = tag.as_str();
        loop {
            if !ways.iter().any(|known| known == wider) {
                ways.push(wider.to_owned());
            }
            match wider.rsplit_once('-') {
                Some((less, _)) => wider = less,
                None => break,
            }
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_their_form() {
        for tag in ["de", "de-AT", "zh-Hant-TW", "sr-Latn", "ast", "de-1996", "sl-rozaj-biske-1994"] {
            assert_eq!(checked(tag).unwrap(), tag);
        }
        for tag in ["", "d", "german-", "de_AT", "-de", "de--AT", "1a", "de AT", "aaaaaaaaa", "de\n"] {
            assert!(checked(tag).is_err(), "{tag:?}");
        }
    }

    #[test]
    fn wider_languages_stand_in_and_then_the_servers_own() {
        let cases: &[(Option<&str>, &str, &[&str])] = &[
            (None, "en", &["en"]),
            (Some("de-AT"), "en", &["de-at", "de", "en"]),
            (Some("zh-Hant-TW"), "en-GB", &["zh-hant-tw", "zh-hant", "zh", "en-gb", "en"]),
            (Some("en-US"), "en-GB", &["en-us", "en", "en-gb"]),
        ];
        for (wanted, otherwise, expected) in cases {
            assert_eq!(ways(*wanted, otherwise), *expected);
        }
    }
}
