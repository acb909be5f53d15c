//! Access tokens: JWTs signed with EdDSA, valid for minutes (`typ: at+jwt`, RFC 9068).
//!
//! The library checks the signature alone; what a token claims is checked here, against the clock that is handed in, and
//! nothing is optional.
//!
//! **Invariant:** the algorithm is never taken from the token: anything but EdDSA is refused before a key is looked up.

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::key::{KeyRing, SigningKey};
use crate::{
    clock::Moment,
    config,
    error::{Code, Error, Result},
    id::{RowId, UserId},
};

/// The longest life of an access token, in minutes: retired keys are kept long enough for it and no longer.
const MOST_MINUTES: u32 = 30;
/// By how much the clocks of nodes may differ, in seconds.
const LEEWAY: i64 = 5;
/// The `typ` of an access token.
const TYPE: &str = "at+jwt";
/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// Who issues tokens, for whom, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    issuer: String,
    audience: String,
    access: TimeDelta,
    session: TimeDelta,
    personal: TimeDelta,
    longest_personal: TimeDelta,
}

/// What stands behind a token; the token is worth nothing once this is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// A login: the family of refresh tokens that began with it.
    Session(RowId),
    /// Client credentials: the service account's token.
    Client(RowId),
}

/// What a token claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// Issued at, in seconds since 1970.
    pub iat: i64,
    /// Not valid before, in seconds since 1970.
    pub nbf: i64,
    /// Expires at, in seconds since 1970.
    pub exp: i64,
    /// The token's own id.
    pub jti: RowId,
    /// The session, for a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<RowId>,
    /// The service account's token, for client credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<RowId>,
    /// What the token is limited to, separated by spaces; absent is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Why a token is refused.
#[derive(Debug)]
pub enum Refusal {
    /// It names a key that the ring doesn't hold; another node may have made it just now.
    UnknownKey,
    /// It is wrong, and looking again won't help.
    Invalid(Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownKey => unacceptable(),
            Refusal::Invalid(error) => error,
        }
    }
}

impl Claims {
    /// What stands behind the token.
    fn grant(&self) -> Option<Grant> {
        match (self.sid, self.client_id) {
            (Some(family), None) => Some(Grant::Session(family)),
            (None, Some(token)) => Some(Grant::Client(token)),
            _ => None,
        }
    }
}

impl Issuer {
    /// From the configuration. An access token lives between one minute and thirty, whatever is asked.
    pub fn new(settings: &config::Auth) -> Self {
        Issuer {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            personal: TimeDelta::days(settings.personal_token_days.into()),
            longest_personal: TimeDelta::days(settings.personal_token_max_days.into()),
            access: TimeDelta::minutes(settings.access_token_minutes.clamp(1, MOST_MINUTES).into()),
            session: TimeDelta::days(settings.refresh_days.max(1).into()),
        }
    }

    /// When a personal token that is made now expires: when it was asked for, or after the usual time. No later than the
    /// settings allow.
    pub fn personal_expiry(&self, asked: Option<Moment>, now: Moment) -> Result<Moment> {
        let latest = now.plus(self.longest_personal);
        match asked {
            Some(at) if at > latest => {
                let detail = format!("A token expires after {} days at the latest.", self.longest_personal.num_days());
                Err(Error::invalid("/expires_at", "too_late", detail))
            }
            Some(at) => Ok(at),
            None => Ok(now.plus(self.personal).min(latest)),
        }
    }

    /// How long an access token is valid.
    pub fn access_lifetime(&self) -> TimeDelta {
        self.access
    }

    /// How long a session lasts, from its login.
    pub fn session_lifetime(&self) -> TimeDelta {
        self.session
    }

    /// A signed access token.
    pub fn sign(
        &self,
        key: &SigningKey,
        user: UserId,
        grant: Grant,
        scope: Option<String>,
        now: Moment,
    ) -> Result<String> {
        let (sid, client_id) = match grant {
            Grant::Session(family) => (Some(family), None),
            Grant::Client(token) => (None, Some(token)),
        };
        let iat = now.unix_seconds();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user,
            iat,
            nbf: iat,
            exp: iat + self.access.num_seconds(),
            jti: RowId::new(),
            sid,
            client_id,
            scope,
        };
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &key.key).map_err(Error::internal)
    }

    /// Checks everything about a token that doesn't need the store.
    pub fn verify(&self, ring: &KeyRing, token: &str, now: Moment) -> Result<(Claims, Grant), Refusal> {
        let invalid = || Refusal::Invalid(unacceptable());
        if token.len() > LONGEST {
            return Err(invalid());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(TYPE) || header.crit.is_some() {
            return Err(invalid());
        }
        let key = ring.verifying(&header.kid.ok_or_else(invalid)?).ok_or(Refusal::UnknownKey)?;
        let claims: Claims = jsonwebtoken::decode(token, &key, &signature_only()).map_err(|_| invalid())?.claims;
        let grant = claims.grant().ok_or_else(invalid)?;
        self.check(&claims, now.unix_seconds()).map_err(Refusal::Invalid)?;
        Ok((claims, grant))
    }

    fn check(&self, claims: &Claims, now: i64) -> Result<()> {
        if claims.exp <= now.saturating_sub(LEEWAY) {
            return Err(Error::new(Code::Unauthenticated, "The access token has expired."));
        }
        let begun = claims.nbf <= now + LEEWAY && claims.iat <= now + LEEWAY;
        if begun && claims.iss == self.issuer && claims.aud == self.audience { Ok(()) } else { Err(unacceptable()) }
    }
}

/// The library's own checks are off: it asks the system's clock and takes claims that are missing for good ones.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// One answer for every wrong token, so that nothing can be learnt from it.
fn unacceptable() -> Error {
    Error::new(Code::Unauthenticated, "The access token is not valid.")
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::EncodingKey;
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::bench::{Bench, at};

    impl Bench {
        fn claims(&self) -> Value {
            json!({
                "iss": "https://desk.example", "aud": "pointsman", "sub": UserId::new(), "jti": RowId::new(),
                "sid": RowId::new(), "iat": at(0).unix_seconds(), "nbf": at(0).unix_seconds(),
                "exp": at(600).unix_seconds(),
            })
        }

        fn forge(&mut self, change: impl FnOnce(&mut Header), claims: &Value) -> String {
            let key = self.ring.signing(&mut self.connection, at(0)).unwrap();
            let mut header = Header::new(Algorithm::EdDSA);
            header.typ = Some(TYPE.into());
            header.kid = Some(key.kid.clone());
            change(&mut header);
            jsonwebtoken::encode(&header, claims, &key.key).unwrap()
        }

        fn accepts(&self, token: &str, seconds: i64) -> bool {
            self.issuer.verify(&self.ring, token, at(seconds)).is_ok()
        }
    }

    #[test]
    fn a_token_is_valid_for_ten_minutes_by_the_clock_that_is_handed_in() {
        let mut mint = Bench::new();
        let key = mint.ring.signing(&mut mint.connection, at(0)).unwrap();
        let (user, family) = (UserId::new(), RowId::new());
        let token = mint.issuer.sign(&key, user, Grant::Session(family), Some("incident.*".into()), at(0)).unwrap();
        let (claims, grant) = mint.issuer.verify(&mint.ring, &token, at(1)).unwrap();
        assert_eq!((claims.sub, grant, claims.scope.as_deref()), (user, Grant::Session(family), Some("incident.*")));
        for (second, accepted) in [(-6, false), (-5, true), (0, true), (600, true), (604, true), (605, false)] {
            assert_eq!(mint.accepts(&token, second), accepted, "{second}");
        }
    }

    #[test]
    fn every_claim_is_needed_and_checked() {
        let mut mint = Bench::new();
        let good = mint.claims();
        let token = mint.forge(|_| (), &good);
        assert!(mint.accepts(&token, 1));
        let wrong = [
            ("iss", json!("https://evil.example")),
            ("iss", json!(["https://desk.example"])),
            ("aud", json!("another")),
            ("aud", json!(["pointsman", "another"])),
            ("sub", json!("admin")),
            ("exp", json!(at(-6).unix_seconds())),
            ("exp", json!("9999999999")),
            ("nbf", json!(at(60).unix_seconds())),
            ("iat", json!(at(60).unix_seconds())),
            ("client_id", json!(RowId::new())),
        ];
        for (claim, value) in wrong {
            let mut claims = good.clone();
            claims[claim] = value.clone();
            let token = mint.forge(|_| (), &claims);
            assert!(!mint.accepts(&token, 1), "{claim} = {value}");
        }
        for claim in ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid"] {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(claim);
            let token = mint.forge(|_| (), &claims);
            assert!(!mint.accepts(&token, 1), "without {claim}");
        }
    }

    #[test]
    fn the_header_must_name_our_type_and_our_key() {
        let mut mint = Bench::new();
        let good = mint.claims();
        type Change = fn(&mut Header);
        let changes: [(&str, Change); 5] = [
            ("typ JWT", |h| h.typ = Some("JWT".into())),
            ("no typ", |h| h.typ = None),
            ("no kid", |h| h.kid = None),
            ("unknown kid", |h| h.kid = Some("1".into())),
            ("crit", |h| h.crit = Some(vec!["exp".into()])),
        ];
        for (name, change) in changes {
            let token = mint.forge(change, &good);
            assert!(!mint.accepts(&token, 1), "{name}");
        }
    }

    #[test]
    fn other_algorithms_and_other_keys_are_refused() {
        let mut mint = Bench::new();
        let good = mint.claims();
        let (kid, x) = mint.ring.published().keys.first().map(|k| (k.kid.clone(), k.x.clone())).unwrap();
        let raw = URL_SAFE_NO_PAD.decode(&x).unwrap();
        for secret in [raw.as_slice(), x.as_bytes()] {
            let mut header = Header::new(Algorithm::HS256);
            header.typ = Some(TYPE.into());
            header.kid = Some(kid.clone());
            let token = jsonwebtoken::encode(&header, &good, &EncodingKey::from_secret(secret)).unwrap();
            assert!(!mint.accepts(&token, 1), "HS256 with the public key as its secret");
        }
        let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
        for alg in ["none", "None", "HS256", "ES256"] {
            let header = part(&json!({"alg": alg, "typ": TYPE, "kid": kid}));
            let token = format!("{header}.{}.", part(&good));
            assert!(!mint.accepts(&token, 1), "{alg} without a signature");
        }
        let foreign = {
            let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
            let key = EncodingKey::from_ed_der(pair.to_pkcs8().unwrap().as_ref());
            mint.issuer
                .sign(&SigningKey { kid, key }, UserId::new(), Grant::Session(RowId::new()), None, at(0))
                .unwrap()
        };
        assert!(!mint.accepts(&foreign, 1), "signed by a key of one's own under our name");
        let token = mint.forge(|_| (), &good);
        let (body, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = body.split_once('.').unwrap();
        let mut other = good.clone();
        other["sub"] = json!(UserId::new());
        assert!(!mint.accepts(&format!("{header}.{}.{signature}", part(&other)), 1), "changed claims");
        for garbage in ["", ".", "..", "a.b.c", &"x".repeat(LONGEST + 1)] {
            assert!(!mint.accepts(garbage, 1));
        }
    }
}
