//! Tokens of links: whoever has one may do one thing, once, without signing in.
//!
//! A token is 256 random bits and their signature, together with what the token is good for, by HMAC-SHA-256. The store keeps
//! a digest of it. So neither who reads the store can use a link, nor does a row that was made or altered by hand open
//! anything. The key is the server's own, made when it is first needed: those of access tokens are forgotten an hour after
//! they are rotated, and a link is good for days.

use aws_lc_rs::hmac;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use diesel::prelude::*;

use super::secret;
use crate::{
    config::Secret,
    db::AnyConnection,
    error::{Error, Result},
    insert_unless_there,
    schema::setting,
};

/// Begins every token, so that one is known when it turns up somewhere.
pub const PREFIX: &str = "pm_al_";
/// The length of a token.
pub const LENGTH: usize = PREFIX.len() + 86;
/// What the key is called among the settings.
const KEY: &str = "link_key";
/// How many bytes of a token are random.
const RANDOM: usize = 32;

/// What links are signed with.
pub struct LinkKey(hmac::Key);

impl LinkKey {
    /// The key of this server, which is made when there is none.
    pub fn of(connection: &mut AnyConnection) -> Result<Self> {
        let made = STANDARD.encode(secret::random_bytes::<32>()?);
        let stored = |connection: &mut AnyConnection| {
            setting::table.find(KEY).select(setting::value).first::<String>(connection).optional()
        };
        let text = match stored(connection)? {
            Some(text) => text,
            None => {
                let row = (setting::name.eq(KEY), setting::value.eq(&made));
                insert_unless_there!(connection, setting::table, row)?;
                stored(connection)?.unwrap_or(made)
            }
        };
        let bytes = STANDARD.decode(text).map_err(Error::internal)?;
        Ok(LinkKey(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A new token that is good for `what`.
    pub fn token(&self, what: &str) -> Result<Secret> {
        let random = secret::random_bytes::<RANDOM>()?;
        let signature = hmac::sign(&self.0, &signed(&random, what));
        let bytes = [&random, signature.as_ref()].concat();
        Ok(Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// Whether this server made the token for `what`, found out in the same time whatever is wrong with its signature.
    pub fn is_genuine(&self, token: &str, what: &str) -> bool {
        let Some(bytes) = token.strip_prefix(PREFIX).and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok()) else {
            return false;
        };
        let Some((random, signature)) = bytes.split_at_checked(RANDOM) else { return false };
        hmac::verify(&self.0, &signed(random, what), signature).is_ok()
    }
}

fn signed(random: &[u8], what: &str) -> Vec<u8> {
    [random, what.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::bench::Bench;

    #[test]
    fn a_token_is_good_for_one_thing_and_not_to_be_made_up() {
        let mut bench = Bench::new();
        let key = LinkKey::of(&mut bench.connection).unwrap();
        let token = key.token("this").unwrap();
        assert_eq!(token.expose().len(), LENGTH);
        assert!(key.is_genuine(token.expose(), "this"));
        assert!(!key.is_genuine(token.expose(), "that"));
        let mut altered = token.expose().to_owned().into_bytes();
        for place in PREFIX.len()..LENGTH - 1 {
            altered[place] ^= 1;
            assert!(!key.is_genuine(std::str::from_utf8(&altered).unwrap(), "this"), "altered at {place}");
            altered[place] ^= 1;
        }
        for nothing in ["", PREFIX, "pm_al_AAAA", "x", &token.expose()[..LENGTH - 4]] {
            assert!(!key.is_genuine(nothing, "this"), "{nothing}");
        }
    }

    #[test]
    fn the_key_is_made_once() {
        let mut bench = Bench::new();
        let token = LinkKey::of(&mut bench.connection).unwrap().token("this").unwrap();
        assert!(LinkKey::of(&mut bench.connection).unwrap().is_genuine(token.expose(), "this"));
        diesel::delete(setting::table.find(KEY)).execute(&mut bench.connection).unwrap();
        assert!(!LinkKey::of(&mut bench.connection).unwrap().is_genuine(token.expose(), "this"));
    }
}
