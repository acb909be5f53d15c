//! The keys that sign access tokens: Ed25519, made at first start, kept in the store, rotated by command.
//!
//! Every node holds the keys in a [`KeyRing`]. A key that a token names and the ring doesn't hold makes it look into the
//! store, at most once a second, so that a rotation on one node is seen by all. A retired key goes on verifying until
//! every token that it may have signed has expired, and is then deleted.
//!
//! **Invariant:** a private key leaves this module only as something to sign with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::TimeDelta;
use diesel::prelude::*;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Error, Result},
    id::RowId,
    schema::signing_key::dsl,
};

/// The name of the algorithm in `signing_key` and in a token's header.
pub const ALGORITHM: &str = "EdDSA";

/// How long a retired key still verifies: the longest life of an access token (half an hour), the time in which a node that has not noticed the
/// rotation goes on signing ([`FRESH`]), and room for clocks that differ.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// How old the ring may be when something is signed.
const FRESH: TimeDelta = TimeDelta::minutes(1);
/// The least time between two looks into the store for unknown keys.
const BETWEEN_LOOKS: TimeDelta = TimeDelta::seconds(1);

/// A public key as others read it (RFC 7517, RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwk {
    /// The family of the key, always `OKP`.
    pub kty: &'static str,
    /// The curve, always `Ed25519`.
    pub crv: &'static str,
    /// What the key is for, always `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
    /// The algorithm, always `EdDSA`.
    pub alg: &'static str,
    /// The name of the key, as in the header of a token.
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
}

/// The document at `/.well-known/jwks.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct JsonWebKeySet {
    /// Every key that a valid token may be signed with.
    pub keys: Vec<Jwk>,
}

/// Makes a key if there is none to sign with.
pub fn ensure(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    let signing: i64 = dsl::signing_key.filter(dsl::retired_at.is_null()).count().get_result(connection)?;
    if signing == 0 { make(connection, now).map(drop) } else { Ok(()) }
}

/// Makes a new key to sign with, retires the others and deletes those that no token can name any more. Gives the new key's
/// name.
pub fn rotate(connection: &mut AnyConnection, now: Moment) -> Result<String> {
    diesel::update(dsl::signing_key.filter(dsl::retired_at.is_null()))
        .set(dsl::retired_at.eq(now))
        .execute(connection)?;
    prune(connection, now)?;
    make(connection, now)
}

/// Deletes retired keys that no token can name any more; gives how many.
pub fn prune(connection: &mut AnyConnection, now: Moment) -> Result<usize> {
    Ok(diesel::delete(dsl::signing_key.filter(dsl::retired_at.lt(now.minus(KEPT)))).execute(connection)?)
}

fn make(connection: &mut AnyConnection, now: Moment) -> Result<String> {
    let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
    let private = pair.to_pkcs8().map_err(Error::internal)?;
    let kid = RowId::new().to_string();
    diesel::insert_into(dsl::signing_key)
        .values((
            dsl::id.eq(&kid),
            dsl::algorithm.eq(ALGORITHM),
            dsl::private_key.eq(STANDARD.encode(private.as_ref())),
            dsl::public_key.eq(URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())),
            dsl::created_at.eq(now),
        ))
        .execute(connection)?;
    Ok(kid)
}

/// What tokens are signed with.
pub struct SigningKey {
    /// The key's name.
    pub kid: String,
    /// The key itself.
    pub key: EncodingKey,
}

/// The keys as of one look into the store.
struct Keys {
    signing: Arc<SigningKey>,
    verifying: HashMap<String, DecodingKey>,
    published: Arc<JsonWebKeySet>,
    read_at: Moment,
}

/// A node's copy of the keys.
pub struct KeyRing {
    keys: ArcSwap<Keys>,
    last_look: Mutex<Moment>,
}

impl KeyRing {
    /// Reads the keys. [`ensure`] must have run.
    pub fn load(connection: &mut AnyConnection, now: Moment) -> Result<Self> {
        Ok(KeyRing { keys: ArcSwap::from_pointee(read(connection, now)?), last_look: Mutex::new(now) })
    }

    /// Reads the keys again.
    pub fn reload(&self, connection: &mut AnyConnection, now: Moment) -> Result<()> {
        self.keys.store(Arc::new(read(connection, now)?));
        Ok(())
    }

    /// The key to sign with; looks into the store first when the copy is older than a minute.
    pub fn signing(&self, connection: &mut AnyConnection, now: Moment) -> Result<Arc<SigningKey>> {
        let age = now.since(self.keys.load().read_at);
        if age >= FRESH || age < TimeDelta::zero() {
            self.reload(connection, now)?;
        }
        Ok(self.keys.load().signing.clone())
    }

    /// The public key of this name, if the ring holds it.
    pub fn verifying(&self, kid: &str) -> Option<DecodingKey> {
        self.keys.load().verifying.get(kid).cloned()
    }

    /// Looks into the store for keys made by other nodes, unless it did within the last second; gives whether it looked.
    pub fn look_again(&self, connection: &mut AnyConnection, now: Moment) -> Result<bool> {
        {
            let mut last = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
            let since = now.since(*last);
            if since >= TimeDelta::zero() && since < BETWEEN_LOOKS {
                return Ok(false);
            }
            *last = now;
        }
        self.reload(connection, now)?;
        Ok(true)
    }

    /// The public keys, for others.
    pub fn published(&self) -> Arc<JsonWebKeySet> {
        self.keys.load().published.clone()
    }
}

fn read(connection: &mut AnyConnection, now: Moment) -> Result<Keys> {
    type Row = (String, String, String, Option<Moment>);
    let rows: Vec<Row> = dsl::signing_key
        .filter(dsl::algorithm.eq(ALGORITHM))
        .filter(dsl::retired_at.is_null().or(dsl::retired_at.ge(now.minus(KEPT))))
        .select((dsl::id, dsl::private_key, dsl::public_key, dsl::retired_at))
        .order((dsl::created_at.desc(), dsl::id.desc()))
        .load(connection)?;
    let (kid, private, ..) = rows
        .iter()
        .find(|(.., retired)| retired.is_none())
        .ok_or_else(|| Error::internal("there is no key to sign tokens with"))?;
    let key = EncodingKey::from_ed_der(&STANDARD.decode(private).map_err(Error::internal)?);
    let verifying = rows
        .iter()
        .map(|(kid, _, x, _)| Ok((kid.clone(), DecodingKey::from_ed_components(x).map_err(Error::internal)?)))
        .collect::<Result<_>>()?;
    let published = rows
        .iter()
        .map(|(kid, _, x, _)| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            usage: "sig",
            alg: ALGORITHM,
            kid: kid.clone(),
            x: x.clone(),
        })
        .collect();
    Ok(Keys {
        signing: Arc::new(SigningKey { kid: kid.clone(), key }),
        verifying,
        published: Arc::new(JsonWebKeySet { keys: published }),
        read_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::bench::{Bench, at};

    fn names(ring: &KeyRing) -> Vec<String> {
        ring.published().keys.iter().map(|k| k.kid.clone()).collect()
    }

    #[test]
    fn a_key_is_made_once() {
        let mut bench = Bench::new();
        ensure(&mut bench.connection, at(0)).unwrap();
        ensure(&mut bench.connection, at(1)).unwrap();
        let ring = KeyRing::load(&mut bench.connection, at(1)).unwrap();
        assert_eq!(ring.published().keys.len(), 1);
        let text = serde_json::to_string(&*ring.published()).unwrap();
        assert!(
            text.starts_with(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":""#),
            "{text}"
        );
    }

    #[test]
    fn a_rotation_signs_with_the_new_key_and_keeps_the_old_one_for_an_hour() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        let old = rotate(c, at(0)).unwrap();
        let ring = KeyRing::load(c, at(0)).unwrap();
        let new = rotate(c, at(10)).unwrap();
        ring.reload(c, at(10)).unwrap();
        assert_eq!(ring.signing(c, at(10)).unwrap().kid, new);
        assert_eq!(names(&ring)[..2], [new.clone(), old.clone()]);
        ring.reload(c, at(11 + 3600)).unwrap();
        assert!(ring.verifying(&old).is_none(), "no longer trusted, even before it is deleted");
        assert!(prune(c, at(11 + 3600)).unwrap() >= 1);
        assert_eq!(names(&ring), [new]);
    }

    #[test]
    fn another_nodes_rotation_is_seen_when_an_unknown_key_is_named_and_when_signing() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        rotate(c, at(0)).unwrap();
        let ring = KeyRing::load(c, at(0)).unwrap();
        let new = rotate(c, at(0)).unwrap();
        assert!(!ring.look_again(c, at(0)).unwrap(), "at most one look a second");
        assert!(ring.verifying(&new).is_none());
        assert!(ring.look_again(c, at(1)).unwrap());
        assert!(!ring.look_again(c, at(1)).unwrap());
        assert!(ring.verifying(&new).is_some());
        let newer = rotate(c, at(2)).unwrap();
        assert_eq!(ring.signing(c, at(30)).unwrap().kid, new);
        assert_eq!(ring.signing(c, at(61)).unwrap().kid, newer);
    }
}
