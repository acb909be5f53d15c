//! Sessions: what a login opens, what a refresh token goes on with, and how they end.
//!
//! A session is a *family* of refresh tokens, of which one is good at a time: each use gives the next one. Whoever shows a
//! used one again shows that somebody else has it too, so the whole family ends. There is no grace: a client that sends the
//! same token twice signs in again. A session lasts as long as the configuration says from its login; going on does not
//! extend it.
//!
//! **Invariant:** an access token is worth nothing once its family has ended (see [`super::Gate`] for how soon).

use std::{fmt, sync::Arc};

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    key::KeyRing,
    secret::{self, digest},
    token::{Grant, Issuer},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{RowId, UserId},
    schema::{refresh_token, user_account},
};

/// How refresh tokens begin, so that one that leaked is recognised.
pub const PREFIX: &str = "pm_rt_";

/// What tokens are made with. Cheap to clone into a write job.
#[derive(Clone)]
pub struct Mint {
    /// The keys.
    pub keys: Arc<KeyRing>,
    /// Who issues, and for how long.
    pub issuer: Arc<Issuer>,
}

impl Mint {
    /// A signed access token.
    pub fn access(
        &self,
        connection: &mut AnyConnection,
        user: UserId,
        grant: Grant,
        scope: Option<String>,
        now: Moment,
    ) -> Result<String> {
        let key = self.keys.signing(connection, now)?;
        self.issuer.sign(&key, user, grant, scope, now)
    }
}

/// What a login and a refresh give.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tokens {
    /// Goes into `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: i64,
    /// Gives the next pair of tokens, once.
    pub refresh_token: String,
    /// When the session ends and a login is needed.
    pub session_expires_at: Moment,
    /// Whether the password must be changed before anything else is answered.
    pub must_change_password: bool,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("session_expires_at", &self.session_expires_at).finish_non_exhaustive()
    }
}

/// What became of a refresh token. A value also when it is refused, so that ending the family is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The next pair.
    Issued(Tokens),
    /// It is unknown, expired or revoked, or its user is disabled.
    Refused,
    /// It had been used before: the family has been ended. Worth a line in the security log.
    Reused {
        /// Whose session it was.
        user: UserId,
        /// The family.
        family: RowId,
    },
}

impl Refreshed {
    /// The tokens, or the same [`Code::Unauthenticated`] for every refusal.
    pub fn into_result(self) -> Result<Tokens> {
        match self {
            Refreshed::Issued(tokens) => Ok(tokens),
            Refreshed::Refused | Refreshed::Reused { .. } => {
                Err(Error::new(Code::Unauthenticated, "The refresh token is not valid; sign in again."))
            }
        }
    }
}

/// Opens a session for a user who has proved who they are.
pub fn open(
    connection: &mut AnyConnection,
    mint: &Mint,
    user: UserId,
    must_change_password: bool,
    now: Moment,
) -> Result<Tokens> {
    let place = Place { user, family: RowId::new(), ends: now.plus(mint.issuer.session_lifetime()) };
    issue(connection, mint, &place, must_change_password, now)
}

/// Where a pair of tokens stands.
struct Place {
    user: UserId,
    family: RowId,
    ends: Moment,
}

fn issue(
    connection: &mut AnyConnection,
    mint: &Mint,
    place: &Place,
    must_change_password: bool,
    now: Moment,
) -> Result<Tokens> {
    let refresh = secret::random(PREFIX)?;
    diesel::insert_into(refresh_token::table)
        .values((
            refresh_token::id.eq(RowId::new()),
            refresh_token::family_id.eq(place.family),
            refresh_token::user_id.eq(place.user),
            refresh_token::token_hash.eq(digest(refresh.expose())),
            refresh_token::created_at.eq(now),
            refresh_token::expires_at.eq(place.ends),
        ))
        .execute(connection)?;
    Ok(Tokens {
        access_token: mint.access(connection, place.user, Grant::Session(place.family), None, now)?,
        token_type: "Bearer",
        expires_in: mint.issuer.access_lifetime().num_seconds(),
        refresh_token: refresh.expose().to_owned(),
        session_expires_at: place.ends,
        must_change_password,
    })
}

/// Exchanges a refresh token for the next pair.
pub fn refresh(connection: &mut AnyConnection, mint: &Mint, text: &str, now: Moment) -> Result<Refreshed> {
    type Row = (RowId, RowId, UserId, Moment, Option<Moment>, Option<Moment>);
    let row: Option<Row> = refresh_token::table
        .filter(refresh_token::token_hash.eq(digest(text)))
        .select((
            refresh_token::id,
            refresh_token::family_id,
            refresh_token::user_id,
            refresh_token::expires_at,
            refresh_token::used_at,
            refresh_token::revoked_at,
        ))
        .first(connection)
        .optional()?;
    let Some((id, family, user, ends, used_at, revoked_at)) = row else { return Ok(Refreshed::Refused) };
    if revoked_at.is_some() || ends <= now {
        return Ok(Refreshed::Refused);
    }
    // The condition decides between two nodes that are shown the same token at once.
    let unused = refresh_token::table.find(id).filter(refresh_token::used_at.is_null());
    let first_use =
        used_at.is_none() && diesel::update(unused).set(refresh_token::used_at.eq(now)).execute(connection)? == 1;
    if !first_use {
        end(connection, family, now)?;
        return Ok(Refreshed::Reused { user, family });
    }
    let active: Option<bool> = user_account::table
        .filter(user_account::id.eq(user))
        .filter(user_account::active.eq(true))
        .select(user_account::must_change_password)
        .first(connection)
        .optional()?;
    match active {
        None => Ok(Refreshed::Refused),
        Some(must_change) => {
            issue(connection, mint, &Place { user, family, ends }, must_change, now).map(Refreshed::Issued)
        }
    }
}

/// Signs out: ends one session.
pub fn end(connection: &mut AnyConnection, family: RowId, now: Moment) -> Result<()> {
    let good =
        refresh_token::table.filter(refresh_token::family_id.eq(family)).filter(refresh_token::revoked_at.is_null());
    diesel::update(good).set(refresh_token::revoked_at.eq(now)).execute(connection)?;
    Ok(())
}

/// Ends all sessions of a user, or all but one.
pub(super) fn end_all(connection: &mut AnyConnection, user: UserId, keep: Option<RowId>, now: Moment) -> Result<()> {
    let mut good = diesel::update(refresh_token::table)
        .filter(refresh_token::user_id.eq(user))
        .filter(refresh_token::revoked_at.is_null())
        .set(refresh_token::revoked_at.eq(now))
        .into_boxed();
    if let Some(family) = keep {
        good = good.filter(refresh_token::family_id.ne(family));
    }
    good.execute(connection)?;
    Ok(())
}

/// Signs out everywhere: ends all sessions and makes every access token issued until now worthless, those of client
/// credentials too. Personal tokens end by [`super::personal::revoke_all`].
pub fn end_everywhere(connection: &mut AnyConnection, user: UserId, now: Moment) -> Result<()> {
    diesel::update(user_account::table.find(user)).set(user_account::tokens_valid_from.eq(now)).execute(connection)?;
    end_all(connection, user, None, now)
}

/// When a session ends; nothing when it has.
pub(super) fn ends(connection: &mut AnyConnection, family: RowId, user: UserId, now: Moment) -> Result<Option<Moment>> {
    Ok(refresh_token::table
        .filter(refresh_token::family_id.eq(family))
        .filter(refresh_token::user_id.eq(user))
        .filter(refresh_token::revoked_at.is_null())
        .filter(refresh_token::expires_at.gt(now))
        .select(refresh_token::expires_at)
        .first(connection)
        .optional()?)
}

/// Deletes the tokens of sessions that are over by time; gives how many.
pub fn prune(connection: &mut AnyConnection, now: Moment) -> Result<usize> {
    Ok(diesel::delete(refresh_token::table.filter(refresh_token::expires_at.le(now))).execute(connection)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{
        account::set_active,
        bench::{Bench, at},
    };

    fn opened(bench: &mut Bench) -> (Mint, UserId, Tokens) {
        let user = bench.user("ada", "requester");
        let mint = bench.mint();
        let tokens = open(&mut bench.connection, &mint, user, false, at(0)).unwrap();
        (mint, user, tokens)
    }

    fn family(bench: &Bench, tokens: &Tokens, second: i64) -> RowId {
        match bench.issuer.verify(&bench.ring, &tokens.access_token, at(second)).unwrap().1 {
            Grant::Session(family) => family,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_refresh_gives_the_next_pair_of_the_same_session() {
        let mut bench = Bench::new();
        let (mint, user, first) = opened(&mut bench);
        let second =
            refresh(&mut bench.connection, &mint, &first.refresh_token, at(60)).unwrap().into_result().unwrap();
        assert_ne!(first.refresh_token, second.refresh_token);
        assert_eq!(first.session_expires_at, second.session_expires_at, "going on does not extend it");
        assert_eq!(family(&bench, &first, 60), family(&bench, &second, 60));
        let family = family(&bench, &second, 60);
        assert_eq!(ends(&mut bench.connection, family, user, at(60)).unwrap(), Some(first.session_expires_at));
        let stored: Vec<String> =
            refresh_token::table.select(refresh_token::token_hash).load(&mut bench.connection).unwrap();
        assert!(stored.iter().all(|hash| *hash != first.refresh_token && *hash != second.refresh_token));
    }

    #[test]
    fn using_a_refresh_token_twice_ends_the_session() {
        let mut bench = Bench::new();
        let (mint, user, first) = opened(&mut bench);
        let family = family(&bench, &first, 0);
        let c = &mut bench.connection;
        let other = open(c, &mint, user, false, at(0)).unwrap();
        let second = refresh(c, &mint, &first.refresh_token, at(1)).unwrap().into_result().unwrap();
        assert_eq!(refresh(c, &mint, &first.refresh_token, at(1)).unwrap(), Refreshed::Reused { user, family });
        assert_eq!(refresh(c, &mint, &second.refresh_token, at(2)).unwrap(), Refreshed::Refused);
        assert_eq!(ends(c, family, user, at(2)).unwrap(), None);
        assert!(refresh(c, &mint, &other.refresh_token, at(2)).unwrap().into_result().is_ok(), "other sessions go on");
    }

    #[test]
    fn expired_unknown_and_ended_tokens_are_refused() {
        let mut bench = Bench::new();
        let (mint, _, first) = opened(&mut bench);
        let family = family(&bench, &first, 0);
        let c = &mut bench.connection;
        let month = 30 * 86_400;
        assert_eq!(refresh(c, &mint, &first.refresh_token, at(month)).unwrap(), Refreshed::Refused);
        assert_eq!(refresh(c, &mint, "pm_rt_guess", at(1)).unwrap(), Refreshed::Refused);
        assert_eq!(refresh(c, &mint, &first.access_token, at(1)).unwrap(), Refreshed::Refused);
        end(c, family, at(1)).unwrap();
        let refused = refresh(c, &mint, &first.refresh_token, at(1)).unwrap().into_result().unwrap_err();
        assert_eq!(refused.code, Code::Unauthenticated);
        assert_eq!(prune(c, at(month)).unwrap(), 1);
    }

    #[test]
    fn a_disabled_users_session_ends_for_good() {
        let mut bench = Bench::new();
        let (mint, user, first) = opened(&mut bench);
        let c = &mut bench.connection;
        set_active(c, user, false, at(1)).unwrap();
        assert_eq!(refresh(c, &mint, &first.refresh_token, at(1)).unwrap(), Refreshed::Refused);
        set_active(c, user, true, at(2)).unwrap();
        assert_eq!(refresh(c, &mint, &first.refresh_token, at(2)).unwrap(), Refreshed::Refused);
    }

    #[test]
    fn ending_all_but_one_keeps_that_one() {
        let mut bench = Bench::new();
        let (mint, user, kept) = opened(&mut bench);
        let keep = family(&bench, &kept, 0);
        let c = &mut bench.connection;
        let other = open(c, &mint, user, false, at(0)).unwrap();
        end_all(c, user, Some(keep), at(1)).unwrap();
        assert!(refresh(c, &mint, &other.refresh_token, at(1)).unwrap().into_result().is_err());
        assert!(refresh(c, &mint, &kept.refresh_token, at(1)).unwrap().into_result().is_ok());
    }
}
