//! Tokens that people make for their scripts and administrators for service accounts.
//!
//! A token has scopes that narrow what its user may do, may expire, says when it was last used and can be revoked. A
//! service account may also trade its token's id and secret for a short-lived access token (OAuth 2 client credentials,
//! RFC 6749 section 4.4).
//!
//! **Invariant:** scopes only narrow: what the user's roles don't permit, no token permits.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    caller::grants,
    permission::{self, KindActions},
    secret::{self, digest},
    session::Mint,
    token::Grant,
};
use crate::{
    clock::Moment,
    config::Secret,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    id::{RowId, UserId},
    schema::{personal_token, user_account},
};

/// How personal tokens begin, so that one that leaked is recognised, and is told from an access token.
pub const PREFIX: &str = "pm_pat_";
/// How old the time of last use may grow before it is written again.
const LAST_USE: TimeDelta = TimeDelta::minutes(1);
/// The longest name of a token, in characters.
const LONGEST_NAME: usize = 100;
/// Scopes of a token at most.
pub const MOST_SCOPES: usize = 1_000;

/// A token as its owner sees it; the secret is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PersonalToken {
    /// The id, which is also the `client_id` of client credentials.
    pub id: RowId,
    /// What it is called.
    pub name: String,
    /// What it is limited to, written like permissions.
    pub scopes: BTreeSet<String>,
    /// When it was made.
    pub created_at: Moment,
    /// From when it is refused, if ever.
    pub expires_at: Option<Moment>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Moment>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Moment>,
}

/// A token as it is asked for.
#[derive(Clone, Debug)]
pub struct NewPersonalToken {
    /// What it is called.
    pub name: String,
    /// What it is limited to; `*` is no limit.
    pub scopes: BTreeSet<String>,
    /// From when it is refused, if ever.
    pub expires_at: Option<Moment>,
}

/// Makes a token. The secret is given here and never again.
pub fn create(
    connection: &mut AnyConnection,
    user: UserId,
    new: &NewPersonalToken,
    kinds: &[KindActions],
    now: Moment,
) -> Result<(PersonalToken, Secret)> {
    check(new, kinds, now)?;
    let secret = secret::random(PREFIX)?;
    let id = RowId::new();
    diesel::insert_into(personal_token::table)
        .values((
            personal_token::id.eq(id),
            personal_token::user_id.eq(user),
            personal_token::name.eq(new.name.trim()),
            personal_token::token_hash.eq(digest(secret.expose())),
            personal_token::scopes.eq(JsonText::of(&new.scopes)?),
            personal_token::created_at.eq(now),
            personal_token::expires_at.eq(new.expires_at),
        ))
        .execute(connection)?;
    let token = PersonalToken {
        id,
        name: new.name.trim().to_owned(),
        scopes: new.scopes.clone(),
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    Ok((token, secret))
}

fn check(new: &NewPersonalToken, kinds: &[KindActions], now: Moment) -> Result<()> {
    let length = new.name.trim().chars().count();
    if length == 0 || length > LONGEST_NAME {
        return Err(Error::invalid("/name", "wrong_length", format!("A name has 1 to {LONGEST_NAME} characters.")));
    }
    if new.scopes.is_empty() {
        return Err(Error::invalid("/scopes", "required", "A token without scopes may do nothing; `*` is no limit."));
    }
    if new.scopes.len() > MOST_SCOPES {
        return Err(Error::invalid("/scopes", "too_many", format!("A token has at most {MOST_SCOPES} scopes.")));
    }
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("/expires_at", "in_the_past", "The token would have expired already."));
    }
    permission::check(new.scopes.iter().map(String::as_str), kinds, "/scopes")
}

type Row = (RowId, String, JsonText, Moment, Option<Moment>, Option<Moment>, Option<Moment>);
type Columns = (
    personal_token::id,
    personal_token::name,
    personal_token::scopes,
    personal_token::created_at,
    personal_token::expires_at,
    personal_token::last_used_at,
    personal_token::revoked_at,
);
const COLUMNS: Columns = (
    personal_token::id,
    personal_token::name,
    personal_token::scopes,
    personal_token::created_at,
    personal_token::expires_at,
    personal_token::last_used_at,
    personal_token::revoked_at,
);

impl PersonalToken {
    fn from_row((id, name, scopes, created_at, expires_at, last_used_at, revoked_at): Row) -> Result<Self> {
        Ok(PersonalToken { id, name, scopes: scopes.read()?, created_at, expires_at, last_used_at, revoked_at })
    }

    /// Whether its time of last use is due to be written again.
    pub(super) fn is_use_due(&self, now: Moment) -> bool {
        self.last_used_at.is_none_or(|last| now.since(last) >= LAST_USE)
    }
}

/// A user's tokens, newest first, revoked ones too.
pub fn list(connection: &mut AnyConnection, user: UserId) -> Result<Vec<PersonalToken>> {
    let rows: Vec<Row> = personal_token::table
        .filter(personal_token::user_id.eq(user))
        .select(COLUMNS)
        .order((personal_token::created_at.desc(), personal_token::id.desc()))
        .load(connection)?;
    rows.into_iter().map(PersonalToken::from_row).collect()
}

/// Revokes one of a user's tokens.
pub fn revoke(connection: &mut AnyConnection, user: UserId, id: RowId, now: Moment) -> Result<()> {
    let good = personal_token::table
        .find(id)
        .filter(personal_token::user_id.eq(user))
        .filter(personal_token::revoked_at.is_null());
    match diesel::update(good).set(personal_token::revoked_at.eq(now)).execute(connection)? {
        0 => Err(Error::not_found("token")),
        _ => Ok(()),
    }
}

/// Revokes all of a user's tokens; gives how many.
pub fn revoke_all(connection: &mut AnyConnection, user: UserId, now: Moment) -> Result<usize> {
    let good =
        personal_token::table.filter(personal_token::user_id.eq(user)).filter(personal_token::revoked_at.is_null());
    Ok(diesel::update(good).set(personal_token::revoked_at.eq(now)).execute(connection)?)
}

/// Writes that a token is in use, at most once a minute, whoever asks.
pub fn record_use(connection: &mut AnyConnection, id: RowId, now: Moment) -> Result<()> {
    let never = personal_token::last_used_at.is_null();
    let due = personal_token::table.find(id).filter(never.or(personal_token::last_used_at.le(now.minus(LAST_USE))));
    diesel::update(due).set(personal_token::last_used_at.eq(now)).execute(connection)?;
    Ok(())
}

/// The token behind a secret and whose it is, unless it is revoked or expired.
pub(super) fn find(
    connection: &mut AnyConnection,
    secret: &str,
    now: Moment,
) -> Result<Option<(PersonalToken, UserId)>> {
    let row: Option<(UserId, Row)> = personal_token::table
        .filter(personal_token::token_hash.eq(digest(secret)))
        .filter(personal_token::revoked_at.is_null())
        .filter(personal_token::expires_at.is_null().or(personal_token::expires_at.gt(now)))
        .select((personal_token::user_id, COLUMNS))
        .first(connection)
        .optional()?;
    row.map(|(user, row)| Ok((PersonalToken::from_row(row)?, user))).transpose()
}

/// When a token ends; nothing when it has: it is revoked or expired.
pub(super) fn ends(connection: &mut AnyConnection, id: RowId, user: UserId, now: Moment) -> Result<Option<Moment>> {
    let found: Option<Option<Moment>> = personal_token::table
        .find(id)
        .filter(personal_token::user_id.eq(user))
        .filter(personal_token::revoked_at.is_null())
        .filter(personal_token::expires_at.is_null().or(personal_token::expires_at.gt(now)))
        .select(personal_token::expires_at)
        .first(connection)
        .optional()?;
    Ok(found.map(|end| end.unwrap_or(now.plus(TimeDelta::MAX))))
}

/// What client credentials give (RFC 6749 section 5.1).
#[derive(Clone, Serialize, ToSchema)]
pub struct ClientTokens {
    /// Goes into `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: i64,
    /// What the token is limited to, separated by spaces.
    pub scope: String,
}

/// Trades a service account's token for an access token with its scopes, or with the narrower ones that are asked for. In a
/// write job: the use is recorded.
pub fn client_credentials(
    connection: &mut AnyConnection,
    mint: &Mint,
    client_id: &str,
    client_secret: &str,
    scope: Option<&str>,
    now: Moment,
) -> Result<ClientTokens> {
    let (token, user) = find(connection, client_secret, now)?
        .filter(|(token, _)| token.id.as_str() == client_id)
        .ok_or_else(unknown_client)?;
    let machine: Option<bool> = user_account::table
        .filter(user_account::id.eq(user))
        .filter(user_account::active.eq(true))
        .select(user_account::service_account)
        .first(connection)
        .optional()?;
    if machine != Some(true) {
        return Err(unknown_client());
    }
    let scope = narrowed(&token.scopes, scope)?;
    record_use(connection, token.id, now)?;
    Ok(ClientTokens {
        access_token: mint.access(connection, user, Grant::Client(token.id), Some(scope.clone()), now)?,
        token_type: "Bearer",
        expires_in: mint.issuer.access_lifetime().num_seconds(),
        scope,
    })
}

fn unknown_client() -> Error {
    Error::new(Code::Unauthenticated, "The client id or the client secret is wrong.")
}

/// The scopes that are asked for, if the token covers each of them; all of its own if none are.
fn narrowed(own: &BTreeSet<String>, asked: Option<&str>) -> Result<String> {
    let asked: BTreeSet<&str> = asked.unwrap_or_default().split_whitespace().collect();
    if asked.is_empty() {
        return Ok(own.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
    }
    match asked.iter().find(|scope| !grants(own, scope)) {
        Some(scope) => Err(Error::invalid("/scope", "invalid_scope", format!("The token does not cover `{scope}`."))),
        None => Ok(asked.into_iter().collect::<Vec<_>>().join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{
        account::{NewUser, create_user, set_active},
        bench::{Bench, at, kinds},
    };

    fn new(scopes: &[&str], expires_at: Option<Moment>) -> NewPersonalToken {
        NewPersonalToken { name: "script".into(), scopes: scopes.iter().map(|&s| s.into()).collect(), expires_at }
    }

    #[test]
    fn a_token_is_found_until_it_expires_or_is_revoked() {
        let mut bench = Bench::new();
        let (user, other) = (bench.user("ada", "agent"), bench.user("grace", "agent"));
        let c = &mut bench.connection;
        let (token, secret) = create(c, user, &new(&["incident.read"], Some(at(100))), &kinds(), at(0)).unwrap();
        assert!(secret.expose().starts_with(PREFIX));
        assert_eq!(find(c, secret.expose(), at(99)).unwrap(), Some((token.clone(), user)));
        assert_eq!(find(c, secret.expose(), at(100)).unwrap(), None);
        assert_eq!(find(c, "pm_pat_guess", at(1)).unwrap(), None);
        assert_eq!(revoke(c, other, token.id, at(1)).unwrap_err().code, Code::NotFound);
        revoke(c, user, token.id, at(1)).unwrap();
        assert_eq!(find(c, secret.expose(), at(1)).unwrap(), None);
        assert_eq!(revoke(c, user, token.id, at(1)).unwrap_err().code, Code::NotFound);
        assert_eq!(list(c, user).unwrap()[0].revoked_at, Some(at(1)));
        let stored: Vec<String> = personal_token::table.select(personal_token::token_hash).load(c).unwrap();
        assert_eq!(stored, [digest(secret.expose())]);
    }

    #[test]
    fn a_token_that_makes_no_sense_is_not_made() {
        let mut bench = Bench::new();
        let user = bench.user("ada", "agent");
        let nameless = NewPersonalToken { name: " ".into(), ..new(&["*"], None) };
        let cases = [
            (nameless, "wrong_length"),
            (new(&[], None), "required"),
            (new(&["*"], Some(at(0))), "in_the_past"),
            (new(&["incident.raed"], None), "unknown_permission"),
        ];
        for (new, code) in cases {
            let error = create(&mut bench.connection, user, &new, &kinds(), at(0)).unwrap_err();
            assert_eq!(error.errors[0].code, code);
        }
    }

    #[test]
    fn use_is_recorded_once_a_minute() {
        let mut bench = Bench::new();
        let user = bench.user("ada", "agent");
        let c = &mut bench.connection;
        let (token, _) = create(c, user, &new(&["*"], None), &kinds(), at(0)).unwrap();
        for (second, expected) in [(5, 5), (64, 5), (65, 65)] {
            record_use(c, token.id, at(second)).unwrap();
            assert_eq!(list(c, user).unwrap()[0].last_used_at, Some(at(expected)), "{second}");
        }
    }

    #[test]
    fn client_credentials_are_for_service_accounts_and_only_narrow() {
        let mut bench = Bench::new();
        let person = bench.user("ada", "agent");
        let mint = bench.mint();
        let machine = NewUser::service_account("robot", "Robot", bench.organisation);
        let c = &mut bench.connection;
        let robot = create_user(c, &machine, at(0)).unwrap();
        let (token, secret) = create(c, robot, &new(&["incident.*", "directory.read"], None), &kinds(), at(0)).unwrap();
        let id = token.id.to_string();
        let mut ask =
            |id: &str, secret: &Secret, scope| client_credentials(c, &mint, id, secret.expose(), scope, at(1));
        assert_eq!(ask(&id, &secret, None).unwrap().scope, "directory.read incident.*");
        let narrowed = ask(&id, &secret, Some("incident.read")).unwrap();
        let (claims, grant) = bench.issuer.verify(&bench.ring, &narrowed.access_token, at(1)).unwrap();
        assert_eq!(
            (claims.sub, claims.scope.as_deref(), grant),
            (robot, Some("incident.read"), Grant::Client(token.id))
        );
        for wider in ["*", "user.*", "incident.read policy.read"] {
            assert_eq!(ask(&id, &secret, Some(wider)).err().unwrap().errors[0].code, "invalid_scope", "{wider}");
        }
        assert_eq!(ask(&RowId::new().to_string(), &secret, None).err().unwrap().code, Code::Unauthenticated);
        assert_eq!(ask(&id, &Secret::new("pm_pat_guess"), None).err().unwrap().code, Code::Unauthenticated);
        let c = &mut bench.connection;
        assert_eq!(list(c, robot).unwrap()[0].last_used_at, Some(at(1)));
        let (own, own_secret) = create(c, person, &new(&["*"], None), &kinds(), at(0)).unwrap();
        let refused = client_credentials(c, &mint, own.id.as_str(), own_secret.expose(), None, at(1));
        assert_eq!(refused.err().unwrap().code, Code::Unauthenticated, "a person's token");
        set_active(c, robot, false, at(2)).unwrap();
        let refused = client_credentials(c, &mint, &id, secret.expose(), None, at(2));
        assert_eq!(refused.err().unwrap().code, Code::Unauthenticated, "disabled");
    }
}
