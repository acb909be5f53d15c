//! From a bearer credential to a caller: the one way in for every request.
//!
//! What has been checked against the store is held for five seconds, so that most requests need neither the store nor a
//! signature check. That is also how long a revoked token or a disabled user may still get in on another node; on the node
//! that made the change, [`Gate::forget_user`] makes it at once.
//!
//! **Invariant:** nothing is held of a credential but its digest, and nothing is held of a refused one.
//! **Invariant:** a credential is never held beyond its own expiry.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;

use super::{
    caller::Caller,
    directory, personal,
    secret::digest_bytes,
    session::{self, Mint},
    token::{Claims, Grant, Refusal},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{RowId, UserId},
};

/// How long a checked credential is held.
pub const HELD: TimeDelta = TimeDelta::seconds(5);
/// How many are held at once.
const MOST_HELD: usize = 20_000;

/// What somebody came in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An access token of this session.
    Session(RowId),
    /// An access token got by client credentials with this token.
    Client(RowId),
    /// This personal token.
    Personal(RowId),
}

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Who it is.
    pub caller: Arc<Caller>,
    /// What they came in with.
    pub credential: Credential,
    /// A personal token whose use is due to be written by [`personal::record_use`].
    pub use_due: Option<RowId>,
}

struct Held {
    caller: Arc<Caller>,
    credential: Credential,
    checked_at: Moment,
    expires_at: Option<Moment>,
}

impl Held {
    fn is_fresh(&self, now: Moment) -> bool {
        let age = now.since(self.checked_at);
        age >= TimeDelta::zero() && age < HELD && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The way in. One for each node.
pub struct Gate {
    mint: Mint,
    held: Mutex<HashMap<[u8; 32], Held>>,
}

impl Gate {
    /// A gate for tokens of this mint.
    pub fn new(mint: Mint) -> Self {
        Gate { mint, held: Mutex::new(HashMap::new()) }
    }

    /// Who a credential belongs to, if it was checked within the last seconds. Does not block.
    pub fn recall(&self, bearer: &str, now: Moment) -> Option<Admitted> {
        let held = self.lock();
        let found = held.get(&digest_bytes(bearer)).filter(|h| h.is_fresh(now))?;
        Some(Admitted { caller: found.caller.clone(), credential: found.credential, use_due: None })
    }

    /// Checks a credential against the store. [`Code::Unauthenticated`] for anything that is not good.
    pub fn admit(&self, connection: &mut AnyConnection, bearer: &str, now: Moment) -> Result<Admitted> {
        let (held, use_due) = if bearer.starts_with(personal::PREFIX) {
            check_personal(connection, bearer, now)?
        } else {
            (self.check_access(connection, bearer, now)?, None)
        };
        let admitted = Admitted { caller: held.caller.clone(), credential: held.credential, use_due };
        self.hold(digest_bytes(bearer), held, now);
        Ok(admitted)
    }

    /// Forgets what is held of a user: after their roles, teams, password, tokens or state have changed.
    pub fn forget_user(&self, user: UserId) {
        self.lock().retain(|_, held| held.caller.user != user);
    }

    /// Forgets everything that is held: after roles or the tree of organisations have changed.
    pub fn forget_all(&self) {
        self.lock().clear();
    }

    fn check_access(&self, connection: &mut AnyConnection, token: &str, now: Moment) -> Result<Held> {
        let (claims, grant) = self.verify(connection, token, now)?;
        let standing = directory::standing(connection, claims.sub)?.ok_or_else(worthless)?;
        // Tokens count whole seconds. Of a login, what was revoked within the same second is caught by its session; client
        // credentials have none, so for them the whole second is refused.
        let valid_from = standing.tokens_valid_from.unix_seconds();
        let (credential, good) = match grant {
            Grant::Session(family) => (
                Credential::Session(family),
                claims.iat >= valid_from && session::goes_on(connection, family, claims.sub, now)?,
            ),
            Grant::Client(id) => {
                (Credential::Client(id), claims.iat > valid_from && personal::is_good(connection, id, claims.sub, now)?)
            }
        };
        if !good {
            return Err(worthless());
        }
        let scopes = claims.scope.map(|text| Arc::new(text.split_whitespace().map(str::to_owned).collect()));
        Ok(Held {
            caller: narrowed(standing.caller, scopes),
            credential,
            checked_at: now,
            expires_at: Some(now.plus(TimeDelta::seconds(claims.exp - now.unix_seconds()))),
        })
    }

    /// Verifies a token; when it names an unknown key, once more after a look into the store.
    fn verify(&self, connection: &mut AnyConnection, token: &str, now: Moment) -> Result<(Claims, Grant)> {
        let Mint { keys, issuer } = &self.mint;
        match issuer.verify(keys, token, now) {
            Err(Refusal::UnknownKey) if keys.look_again(connection, now)? => Ok(issuer.verify(keys, token, now)?),
            outcome => Ok(outcome?),
        }
    }

    fn hold(&self, key: [u8; 32], entry: Held, now: Moment) {
        let mut held = self.lock();
        if held.len() >= MOST_HELD {
            held.retain(|_, h| h.is_fresh(now));
        }
        if held.len() < MOST_HELD {
            held.insert(key, entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_personal(connection: &mut AnyConnection, secret: &str, now: Moment) -> Result<(Held, Option<RowId>)> {
    let (token, user) = personal::find(connection, secret, now)?.ok_or_else(worthless)?;
    let standing = directory::standing(connection, user)?.ok_or_else(worthless)?;
    let use_due = token.is_use_due(now).then_some(token.id);
    let held = Held {
        caller: narrowed(standing.caller, Some(Arc::new(token.scopes))),
        credential: Credential::Personal(token.id),
        checked_at: now,
        expires_at: token.expires_at,
    };
    Ok((held, use_due))
}

fn narrowed(caller: Caller, scopes: Option<Arc<BTreeSet<String>>>) -> Arc<Caller> {
    Arc::new(Caller { scopes, ..caller })
}

fn worthless() -> Error {
    Error::new(Code::Unauthenticated, "The token is not valid.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{
        account::{NewUser, create_user, set_active},
        bench::{Bench, at, kinds},
        key,
        personal::NewPersonalToken,
        role::{assign_role, withdraw_role},
        session::Tokens,
    };

    fn opened(bench: &mut Bench, role: &str) -> (Gate, UserId, Tokens) {
        let user = bench.user("ada", role);
        let mint = bench.mint();
        let tokens = session::open(&mut bench.connection, &mint, user, false, at(0)).unwrap();
        (Gate::new(mint), user, tokens)
    }

    fn enter(gate: &Gate, c: &mut AnyConnection, bearer: &str, second: i64) -> Result<Admitted> {
        gate.recall(bearer, at(second)).map_or_else(|| gate.admit(c, bearer, at(second)), Ok)
    }

    #[test]
    fn a_checked_token_is_held_for_five_seconds_and_not_beyond_its_expiry() {
        let mut bench = Bench::new();
        let (gate, user, tokens) = opened(&mut bench, "agent");
        let (c, text) = (&mut bench.connection, tokens.access_token.as_str());
        assert!(gate.recall(text, at(0)).is_none());
        assert_eq!(gate.admit(c, text, at(0)).unwrap().caller.user, user);
        assert!(gate.recall(text, at(4)).is_some());
        assert!(gate.recall(text, at(5)).is_none());
        assert!(gate.recall(text, at(-1)).is_none(), "a clock that went back");
        assert!(gate.recall("another", at(0)).is_none());
        gate.admit(c, text, at(598)).unwrap();
        assert!(gate.recall(text, at(599)).is_some());
        assert!(gate.recall(text, at(600)).is_none());
    }

    #[test]
    fn a_disabled_user_is_out_within_seconds_and_at_once_where_it_was_done() {
        let mut bench = Bench::new();
        let (gate, user, tokens) = opened(&mut bench, "agent");
        let mint = bench.mint();
        let c = &mut bench.connection;
        enter(&gate, c, &tokens.access_token, 0).unwrap();
        set_active(c, user, false, at(1)).unwrap();
        assert!(enter(&gate, c, &tokens.access_token, 4).is_ok());
        assert_eq!(enter(&gate, c, &tokens.access_token, 5).unwrap_err().code, Code::Unauthenticated);
        set_active(c, user, true, at(6)).unwrap();
        assert!(enter(&gate, c, &tokens.access_token, 6).is_err(), "the session has ended for good");
        let again = session::open(c, &mint, user, false, at(6)).unwrap();
        enter(&gate, c, &again.access_token, 6).unwrap();
        set_active(c, user, false, at(6)).unwrap();
        gate.forget_user(user);
        assert!(enter(&gate, c, &again.access_token, 6).is_err());
    }

    #[test]
    fn signing_out_ends_one_session_and_everywhere_ends_all() {
        let mut bench = Bench::new();
        let (gate, user, first) = opened(&mut bench, "agent");
        let mint = bench.mint();
        let c = &mut bench.connection;
        let second = session::open(c, &mint, user, false, at(0)).unwrap();
        let Credential::Session(family) = enter(&gate, c, &first.access_token, 0).unwrap().credential else {
            panic!("not a session")
        };
        session::end(c, family, at(1)).unwrap();
        gate.forget_user(user);
        assert!(enter(&gate, c, &first.access_token, 1).is_err());
        assert!(enter(&gate, c, &second.access_token, 1).is_ok());
        session::end_everywhere(c, user, at(2)).unwrap();
        gate.forget_all();
        assert!(enter(&gate, c, &second.access_token, 2).is_err());
        let third = session::open(c, &mint, user, false, at(2)).unwrap();
        assert!(enter(&gate, c, &third.access_token, 2).is_ok(), "a login in the same second counts");
    }

    #[test]
    fn scopes_narrow_and_never_widen() {
        let mut bench = Bench::new();
        let (gate, user, tokens) = opened(&mut bench, "requester");
        let c = &mut bench.connection;
        let whole = enter(&gate, c, &tokens.access_token, 0).unwrap().caller;
        assert!(whole.can("incident.create") && whole.can("incident.read"));
        let scopes = ["incident.read", "policy.read"].map(str::to_owned).into();
        let new = NewPersonalToken { name: "script".into(), scopes, expires_at: Some(at(3)) };
        let (token, secret) = personal::create(c, user, &new, &kinds(), at(0)).unwrap();
        let admitted = enter(&gate, c, secret.expose(), 0).unwrap();
        assert_eq!((admitted.credential, admitted.use_due), (Credential::Personal(token.id), Some(token.id)));
        assert!(admitted.caller.can("incident.read"));
        assert!(!admitted.caller.can("incident.create"), "not in the scopes");
        assert!(!admitted.caller.can("policy.read"), "not in the roles");
        personal::record_use(c, token.id, at(0)).unwrap();
        gate.forget_all();
        assert_eq!(enter(&gate, c, secret.expose(), 1).unwrap().use_due, None);
        assert!(enter(&gate, c, secret.expose(), 3).is_err(), "expired while it was held");
    }

    #[test]
    fn an_access_token_of_client_credentials_ends_with_the_token_behind_it() {
        let mut bench = Bench::new();
        let mint = bench.mint();
        let gate = Gate::new(mint.clone());
        let machine = NewUser::service_account("robot", "Robot", bench.organisation);
        let c = &mut bench.connection;
        let robot = create_user(c, &machine, at(0)).unwrap();
        assign_role(c, robot, "integration").unwrap();
        let new = NewPersonalToken { name: "sync".into(), scopes: ["incident.*".to_owned()].into(), expires_at: None };
        let (token, secret) = personal::create(c, robot, &new, &kinds(), at(0)).unwrap();
        let given =
            personal::client_credentials(c, &mint, token.id.as_str(), secret.expose(), Some("incident.read"), at(0))
                .unwrap();
        let caller = enter(&gate, c, &given.access_token, 0).unwrap().caller;
        assert!(caller.can("incident.read") && !caller.can("incident.create"));
        let before = given.access_token;
        session::end_everywhere(c, robot, at(0)).unwrap();
        gate.forget_user(robot);
        assert!(enter(&gate, c, &before, 0).is_err(), "revoked within the second that it was issued in");
        let given = personal::client_credentials(c, &mint, token.id.as_str(), secret.expose(), None, at(1)).unwrap();
        enter(&gate, c, &given.access_token, 1).unwrap();
        personal::revoke(c, robot, token.id, at(1)).unwrap();
        assert!(enter(&gate, c, &given.access_token, 6).is_err());
    }

    #[test]
    fn changed_roles_count_within_seconds() {
        let mut bench = Bench::new();
        let (gate, user, tokens) = opened(&mut bench, "agent");
        let c = &mut bench.connection;
        assert!(enter(&gate, c, &tokens.access_token, 0).unwrap().caller.can("incident.resolve"));
        withdraw_role(c, user, "agent").unwrap();
        assert!(!enter(&gate, c, &tokens.access_token, 5).unwrap().caller.can("incident.resolve"));
    }

    #[test]
    fn a_token_signed_with_another_nodes_new_key_gets_in() {
        let mut bench = Bench::new();
        let (gate, user, _) = opened(&mut bench, "agent");
        let c = &mut bench.connection;
        key::rotate(c, at(10)).unwrap();
        let elsewhere =
            Mint { keys: Arc::new(key::KeyRing::load(c, at(10)).unwrap()), issuer: gate.mint.issuer.clone() };
        let tokens = session::open(c, &elsewhere, user, false, at(10)).unwrap();
        assert!(enter(&gate, c, &tokens.access_token, 10).is_ok());
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        let mut bench = Bench::new();
        let (gate, _, tokens) = opened(&mut bench, "agent");
        let c = &mut bench.connection;
        for text in ["", "pm_pat_", "pm_pat_guess", "a.b.c", tokens.refresh_token.as_str()] {
            assert_eq!(enter(&gate, c, text, 0).unwrap_err().code, Code::Unauthenticated, "{text}");
        }
    }
}
