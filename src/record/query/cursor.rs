//! `cursor=`: the place in a list where a page begins.
//!
//! A page begins after (or ends before) the record with these sort keys and this id, so that pages neither repeat nor
//! skip a record while others are being written. The text is opaque to callers.
//!
//! **Invariant:** a cursor is read only for the list it was made for: its digest covers its content and the [`Binding`]. The digest
//! has no secret: a forged cursor names a place in what its caller may read anyway, and everything in it is checked.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sort::MAX_KEYS;
use crate::{
    clock::Moment,
    error::{Code, Error, FieldError, Result},
    id::RowId,
};

/// The longest cursor that is read, in bytes: room for three keys of 500 characters in any script, so no longer text may be sortable.
const MAX_BYTES: usize = 8192;
/// Bytes of the digest that are kept.
const DIGEST_BYTES: usize = 16;

/// The value of one sort key. Sort keys are never null: the order puts a value in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// Of a text.
    #[serde(rename = "s")]
    Text(String),
    /// Of a whole number.
    #[serde(rename = "i")]
    Integer(i64),
    /// Of a point in time.
    #[serde(rename = "t")]
    Time(Moment),
}

/// Which way the page lies from the cursor's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Towards {
    /// The page after it.
    #[serde(rename = "n")]
    Next,
    /// The page before it.
    #[serde(rename = "p")]
    Previous,
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The sort keys of the record at the edge of the page, in the order of the sort.
    #[serde(rename = "k")]
    pub keys: Vec<Key>,
    /// The id of that record, which breaks ties.
    #[serde(rename = "i")]
    pub id: String,
    /// Which way the page lies.
    #[serde(rename = "d")]
    pub towards: Towards,
}

/// What a cursor is bound to: all that decides which records are in a list and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding([u8; 32]);

impl Binding {
    /// From the names and texts of what decides: the path, `filter`, `field=value` pairs, `q` and `sort`, as the caller wrote them,
    /// because `now()` is another moment on the next page. Not `limit`, `fields` or `expand`. Their order does not matter.
    pub fn of<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_unstable();
        let mut digest = Sha256::new_with_prefix(b"pointsman cursor 1");
        for text in parts.into_iter().flat_map(|(name, value)| [name, value]) {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        Binding(digest.finalize().into())
    }
}

impl Cursor {
    /// The cursor as text for a URL.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn encode(&self, binding: &Binding) -> Result<String> {
        let mut bytes = serde_json::to_vec(self).map_err(Error::internal)?;
        let digest = digest(binding, &bytes);
        bytes.extend_from_slice(&digest);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a cursor for a list whose sort has `keys` keys.
    ///
    /// # Errors
    /// `bad_cursor` for anything that [`Cursor::encode`] did not give for this binding.
    pub fn decode(text: &str, binding: &Binding, keys: usize) -> Result<Self> {
        read(text, binding).filter(|cursor| cursor.is_sound(keys)).ok_or_else(refused)
    }

    fn is_sound(&self, keys: usize) -> bool {
        let storable = |key: &Key| match key {
            Key::Text(text) => !text.contains('\0'),
            Key::Integer(_) | Key::Time(_) => true,
        };
        self.keys.len() == keys
            && keys <= MAX_KEYS
            && self.keys.iter().all(storable)
            && self.id.parse::<RowId>().is_ok_and(|id| id.as_str() == self.id)
    }
}

/// The answer to a cursor that does not fit; also for a list that finds a key of another type than its own.
pub fn refused() -> Error {
    let detail = "The cursor was not made for this list, filter and sort; start again without it.";
    Error::new(Code::BadCursor, detail).with_errors(vec![FieldError::new("cursor", "bad_cursor", detail)])
}

fn read(text: &str, binding: &Binding) -> Option<Cursor> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (content, given) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if digest(binding, content) != given {
        return None;
    }
    serde_json::from_slice(content).ok()
}

fn digest(binding: &Binding, content: &[u8]) -> [u8; DIGEST_BYTES] {
    let whole: [u8; 32] = Sha256::new().chain_update(binding.0).chain_update(content).finalize().into();
    let mut kept = [0; DIGEST_BYTES];
    kept.copy_from_slice(&whole[..DIGEST_BYTES]);
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn cursor(keys: Vec<Key>) -> Cursor {
        Cursor { keys, id: ID.to_owned(), towards: Towards::Next }
    }

    fn binding() -> Binding {
        Binding::of([("path", "/incidents"), ("filter", "state = new"), ("sort", "-priority")])
    }

    /// A cursor by somebody who knows the format.
    fn forged(content: &str) -> String {
        let mut bytes = content.as_bytes().to_vec();
        bytes.extend_from_slice(&digest(&binding(), content.as_bytes()));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn binds_to_every_part() {
        let text = cursor(vec![Key::Integer(2)]).encode(&binding()).unwrap();
        let reordered = Binding::of([("sort", "-priority"), ("filter", "state = new"), ("path", "/incidents")]);
        assert!(Cursor::decode(&text, &reordered, 1).is_ok());
        let others: [&[(&str, &str)]; 6] = [
            &[],
            &[("path", "/incidents"), ("filter", "state = new"), ("sort", "priority")],
            &[("path", "/incidents"), ("filter", "state = old"), ("sort", "-priority")],
            &[("path", "/changes"), ("filter", "state = new"), ("sort", "-priority")],
            &[("path", "/incidents"), ("filter", "state = new"), ("sort", "-priority"), ("q", "mail")],
            &[("path", "/incidents"), ("filte", "rstate = new"), ("sort", "-priority")],
        ];
        for parts in others {
            let error = Cursor::decode(&text, &Binding::of(parts.iter().copied()), 1).unwrap_err();
            assert_eq!((error.code, error.errors[0].pointer.as_str()), (Code::BadCursor, "cursor"), "{parts:?}");
        }
    }

    #[test]
    fn refuses_what_it_did_not_make() {
        let whole = cursor(vec![Key::Integer(2)]).encode(&binding()).unwrap();
        let five = format!(r#"{{"k":[{{"i":1}},{{"i":1}},{{"i":1}},{{"i":1}}],"i":"{ID}","d":"n"}}"#);
        let cases = [
            (String::new(), 1),
            ("!".into(), 1),
            ("AAAA".into(), 1),
            (whole.clone(), 2),
            (whole[1..].into(), 1),
            (format!("{whole}="), 1),
            ("A".repeat(9000), 1),
            (forged("{}"), 0),
            (forged(&format!(r#"{{"k":[{{"s":"a\u0000"}}],"i":"{ID}","d":"n"}}"#)), 1),
            (forged(&format!(r#"{{"k":[{{"t":"soon"}}],"i":"{ID}","d":"n"}}"#)), 1),
            (forged(&format!(r#"{{"k":[],"i":"{ID}","d":"n","x":1}}"#)), 0),
            (forged(r#"{"k":[],"i":"7","d":"n"}"#), 0),
            (forged(&five), 4),
        ];
        for (text, keys) in cases {
            let code = Cursor::decode(&text, &binding(), keys).map_err(|e| e.code);
            assert_eq!(code, Err(Code::BadCursor), "{text}");
        }
        assert!(Cursor::decode(&forged(&format!(r#"{{"k":[],"i":"{ID}","d":"p"}}"#)), &binding(), 0).is_ok());
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let text = cursor(vec![Key::Text("Ü".into()), Key::Time("2026-01-01T00:00:00.000001Z".parse().unwrap())])
            .encode(&binding())
            .unwrap();
        for at in 0..text.len() {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(Cursor::decode(&changed, &binding(), 2).is_err(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn comes_back_as_it_went(text in "[^\0]{0,300}", number: i64, micros in 0..253_402_300_799_000_000_i64, back: bool) {
            let at = chrono::DateTime::from_timestamp_micros(micros).unwrap().into();
            let towards = if back { Towards::Previous } else { Towards::Next };
            let sent = Cursor { towards, ..cursor(vec![Key::Text(text), Key::Integer(number), Key::Time(at)]) };
            let got = Cursor::decode(&sent.encode(&binding()).unwrap(), &binding(), 3).unwrap();
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn never_panics(text: String) {
            prop_assert!(Cursor::decode(&text, &binding(), 1).is_err());
        }
    }
}
