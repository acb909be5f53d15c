//! Entity tags, and the conditions that callers make of them (RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2).

use actix_web::{HttpRequest, http::header::AsHeaderName};
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};

/// Tags in one header at most: each may cost a look at the record.
const MOST: usize = 20;
/// A version that nothing has: versions begin at 1.
const NONE: i32 = 0;

/// The strong tag of what shows a version and nothing else.
pub fn etag(version: i32) -> String {
    format!("\"{version}\"")
}

/// The strong tag of what shows more than the version covers. It names the version, too, so that it is good for `If-Match`.
pub fn etag_of(version: i32, shown: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(shown));
    format!("\"{version}-{}\"", &digest[..16])
}

/// What `If-Match` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// Whatever version there is: `*`, or no such header where none is needed.
    Any,
    /// One of these versions; there is at least one.
    Versions(Vec<i32>),
}

impl IfMatch {
    /// What the header of a request says, if it is there.
    ///
    /// # Errors
    /// [`Code::Malformed`] for anything but `*` and a list of tags.
    pub fn of(request: &HttpRequest) -> Result<Option<Self>> {
        let Some(text) = whole(request, "if-match") else { return Ok(None) };
        let read = text.as_deref().and_then(IfMatch::read);
        read.map(Some).ok_or_else(|| Error::new(Code::Malformed, format!("`If-Match` {FORM}")))
    }

    /// `*` or a list of tags. Weak tags, and those that this server never gave, match nothing.
    pub fn read(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(IfMatch::Any);
        }
        let tags = tags(text)?;
        let mut versions: Vec<i32> =
            tags.iter().filter(|tag| !tag.weak).filter_map(|tag| version(tag.opaque)).collect();
        versions.sort_unstable();
        versions.dedup();
        if versions.is_empty() {
            versions.push(NONE);
        }
        Some(IfMatch::Versions(versions))
    }

    /// Whether something of this version may be written.
    pub fn allows(&self, version: i32) -> bool {
        match self {
            IfMatch::Any => true,
            IfMatch::Versions(versions) => versions.contains(&version),
        }
    }

    /// The version that must be found, where what is there now is at `version`.
    pub fn expecting(&self, version: i32) -> Option<i32> {
        match self {
            IfMatch::Any => None,
            IfMatch::Versions(versions) if versions.contains(&version) => Some(version),
            IfMatch::Versions(versions) => versions.first().copied(),
        }
    }

    /// Runs `work`, which takes the version that it must find, with each version until one is not stale.
    pub fn try_each<T>(&self, mut work: impl FnMut(Option<i32>) -> Result<T>) -> Result<T> {
        let IfMatch::Versions(versions) = self else { return work(None) };
        // One with a source lost a race: it is for the writer, which runs the whole job again.
        let is_stale = |outcome: &Result<T>| matches!(outcome, Err(e) if e.code == Code::Stale && e.source.is_none());
        let mut outcome = work(versions.first().copied());
        for version in versions.iter().skip(1) {
            if !is_stale(&outcome) {
                break;
            }
            outcome = work(Some(*version));
        }
        outcome
    }
}

/// What a list of tags looks like, for those who sent something else.
pub const FORM: &str = "is `*` or a list of at most 20 entity tags in their quotes, such as `\"3\"`.";

/// Whether `If-None-Match` names this version: the caller has it already.
pub fn is_known(request: &HttpRequest, version: i32) -> bool {
    IfNoneMatch::of(request).names(&etag(version))
}

/// What `If-None-Match` says, if it is there: what the caller has.
pub struct IfNoneMatch(Option<String>);

impl IfNoneMatch {
    /// What the header of a request says.
    pub fn of(request: &HttpRequest) -> Self {
        IfNoneMatch(whole(request, "if-none-match").flatten())
    }

    /// Whether it names this tag, weakly compared. What is no list of tags names none.
    pub fn names(&self, tag: &str) -> bool {
        let Some(text) = &self.0 else { return false };
        let opaque = tag.trim_matches('"');
        text.trim() == "*" || tags(text).is_some_and(|tags| tags.iter().any(|known| known.opaque == opaque))
    }
}

/// All lines of a header as one list; nothing inside when they are no text.
fn whole(request: &HttpRequest, name: impl AsHeaderName) -> Option<Option<String>> {
    let lines: Vec<Option<&str>> = request.headers().get_all(name).map(|line| line.to_str().ok()).collect();
    if lines.is_empty() { None } else { Some(lines.into_iter().collect::<Option<Vec<_>>>().map(|l| l.join(","))) }
}

struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

/// The tags of a list, in which elements may be empty; nothing when it is none, or too long a one.
fn tags(text: &str) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return (1..=MOST).contains(&tags.len()).then_some(tags);
        }
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        rest = after.trim_start_matches([' ', '\t']);
        if opaque.contains(|c: char| c.is_ascii_control() || c == ' ') || !(rest.is_empty() || rest.starts_with(',')) {
            return None;
        }
        tags.push(Tag { weak, opaque });
    }
}

/// The version that a tag of this server names.
fn version(opaque: &str) -> Option<i32> {
    let number = match opaque.split_once('-') {
        Some((number, digest)) if digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_hexdigit()) => number,
        Some(_) => return None,
        None => opaque,
    };
    number.parse().ok().filter(|version: &i32| *version > NONE && version.to_string() == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn conditions_are_stars_or_lists_of_strong_tags() {
        let versions = |v: &[i32]| Some(IfMatch::Versions(v.to_vec()));
        let of_view = etag_of(3, b"{}");
        let cases = [
            ("*", Some(IfMatch::Any)),
            (" * ", Some(IfMatch::Any)),
            ("\"3\"", versions(&[3])),
            ("\"3\", \"1\",,\"3\" ,", versions(&[1, 3])),
            ("W/\"1\", \"2\"", versions(&[2])),
            ("W/\"1\"", versions(&[NONE])),
            ("\"x\"", versions(&[NONE])),
            ("\"a,b\", \"4\"", versions(&[4])),
            ("\"03\", \"+3\", \"-3\", \"0\", \"3-\", \"3-x\", \"99999999999\"", versions(&[NONE])),
            (of_view.as_str(), versions(&[3])),
            ("3", None),
            ("", None),
            (",", None),
            ("\"3", None),
            ("\"3\" \"4\"", None),
            ("*, \"3\"", None),
            ("w/\"3\"", None),
            ("\"a b\"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(IfMatch::read(text), expected, "{text}");
        }
        assert_eq!(IfMatch::read(&"\"1\",".repeat(MOST)), versions(&[1]));
        assert_eq!(IfMatch::read(&"\"1\",".repeat(MOST + 1)), None);
    }

    #[test]
    fn lines_of_a_header_are_one_list_and_what_is_no_text_is_refused() {
        let request = |lines: &[&[u8]]| {
            let request = lines.iter().fold(TestRequest::default(), |request, line| {
                request.append_header(("if-match", actix_web::http::header::HeaderValue::from_bytes(line).unwrap()))
            });
            IfMatch::of(&request.to_http_request())
        };
        assert_eq!(request(&[]).unwrap(), None);
        assert_eq!(request(&[b"\"1\"", b"\"2\""]).unwrap(), Some(IfMatch::Versions(vec![1, 2])));
        assert_eq!(request(&[b"\"\xff\""]).unwrap_err().code, Code::Malformed);
    }

    #[test]
    fn each_version_is_tried_until_one_fits() {
        let at_two = |seen: &str| {
            let mut tried = Vec::new();
            let outcome = IfMatch::read(seen).unwrap().try_each(|version| {
                tried.push(version);
                if version.is_none_or(|v| v == 2) { Ok(()) } else { Err(Error::new(Code::Stale, "")) }
            });
            (outcome.map_err(|e| e.code), tried)
        };
        assert_eq!(at_two("*"), (Ok(()), vec![None]));
        assert_eq!(at_two("\"1\", \"2\", \"3\""), (Ok(()), vec![Some(1), Some(2)]));
        assert_eq!(at_two("\"1\", \"3\""), (Err(Code::Stale), vec![Some(1), Some(3)]));
        let raced = || Error { source: Some("a race".into()), ..Error::new(Code::Stale, "") };
        let mut runs = 0;
        let outcome = IfMatch::Versions(vec![1, 2]).try_each(|_| {
            runs += 1;
            Err::<(), _>(raced())
        });
        assert_eq!((outcome.unwrap_err().code, runs), (Code::Stale, 1));
    }

    #[test]
    fn what_the_caller_has_is_compared_weakly() {
        let knows =
            |text: &str| is_known(&TestRequest::default().insert_header(("if-none-match", text)).to_http_request(), 3);
        for yes in ["*", "\"3\"", "W/\"3\"", "\"a,b\", W/\"3\""] {
            assert!(knows(yes), "{yes}");
        }
        for no in ["", "3", "\"4\"", "\"3-0123456789abcdef\"", "\", \"3", "nonsense"] {
            assert!(!knows(no), "{no}");
        }
    }
}
