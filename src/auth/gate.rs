//! From a bearer credential to a caller: the one way in for every request.
//!
//! What has been checked against the store is held with the [epoch](crate::db::epoch) of its check, so that most requests need
//! neither the store nor a signature check. It counts while that epoch stands, which is looked up every half second: so long
//! may a revoked token or a disabled user still get in on another node. On the node that made the change, [`Gate::expire`]
//! makes it at once. When the store is away, nobody gets in for longer.
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
    db::{AnyConnection, Epoch},
    error::{Code, Error, Result},
    id::RowId,
};

/// How long a checked credential is held, at most: the use of a personal token is written as often.
const HELD: TimeDelta = TimeDelta::minutes(1);
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
    epoch: Arc<str>,
    checked_at: Moment,
    /// At most when the credential expires.
    until: Moment,
}

impl Held {
    fn counts(&self, epoch: &str, now: Moment) -> bool {
        *self.epoch == *epoch && self.checked_at <= now && now < self.until
    }
}

/// What a check against the store found.
struct Checked {
    caller: Arc<Caller>,
    credential: Credential,
    expires_at: Option<Moment>,
    use_due: Option<RowId>,
}

/// The way in. One for each node.
pub struct Gate {
    mint: Mint,
    epoch: Epoch,
    held: Mutex<HashMap<[u8; 32], Held>>,
}

impl Gate {
    /// A gate for tokens of this mint.
    pub fn new(mint: Mint) -> Self {
        Gate { mint, epoch: Epoch::of_standing(), held: Mutex::new(HashMap::new()) }
    }

    /// Who a credential belongs to, if it was checked and that check still counts for sure. Does not block.
    pub fn recall(&self, bearer: &str, now: Moment) -> Option<Admitted> {
        self.find(&self.epoch.recent()?, &digest_bytes(bearer), now)
    }

    fn find(&self, epoch: &str, digest: &[u8; 32], now: Moment) -> Option<Admitted> {
        let held = self.lock();
        let found = held.get(digest).filter(|h| h.counts(epoch, now))?;
        Some(Admitted { caller: found.caller.clone(), credential: found.credential, use_due: None })
    }

    /// Checks a credential against the store. [`Code::Unauthenticated`] for anything that is not good.
    pub fn admit(&self, connection: &mut AnyConnection, bearer: &str, now: Moment) -> Result<Admitted> {
        let (epoch, digest) = (self.epoch.current(connection)?, digest_bytes(bearer));
        if let Some(known) = self.find(&epoch, &digest, now) {
            return Ok(known);
        }
        let checked = if bearer.starts_with(personal::PREFIX) {
            check_personal(connection, bearer, now)?
        } else {
            self.check_access(connection, bearer, now)?
        };
        let (caller, credential) = (checked.caller.clone(), checked.credential);
        let until = checked.expires_at.map_or(now.plus(HELD), |end| end.min(now.plus(HELD)));
        self.hold(digest, Held { caller: checked.caller, credential, epoch, checked_at: now, until });
        Ok(Admitted { caller, credential, use_due: checked.use_due })
    }

    /// Makes the next request look whether what is held still counts: this node has changed who may do or see what.
    pub fn expire(&self) {
        self.epoch.expire();
    }

    fn check_access(&self, connection: &mut AnyConnection, token: &str, now: Moment) -> Result<Checked> {
        let (claims, grant) = self.verify(connection, token, now)?;
        let standing = directory::standing(connection, claims.sub)?.ok_or_else(worthless)?;
        // Tokens count whole seconds. Of a login, what was revoked within the same second is caught by its session; client
        // credentials have none, so for them the whole second is refused.
        let valid_from = standing.tokens_valid_from.unix_seconds();
        let (credential, is_new, ends) = match grant {
            Grant::Session(family) => {
                let ends = session::ends(connection, family, claims.sub, now)?;
                (Credential::Session(family), claims.iat >= valid_from, ends)
            }
            Grant::Client(id) => {
                let ends = personal::ends(connection, id, claims.sub, now)?;
                (Credential::Client(id), claims.iat > valid_from, ends)
            }
        };
        let ends = ends.filter(|_| is_new).ok_or_else(worthless)?;
        let expires_at = now.plus(TimeDelta::seconds(claims.exp - now.unix_seconds()));
        let scopes = claims.scope.map(|text| Arc::new(text.split_whitespace().map(str::to_owned).collect()));
        Ok(Checked {
            caller: narrowed(standing.caller, scopes),
            credential,
            expires_at: Some(ends.min(expires_at)),
            use_due: None,
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

    fn hold(&self, key: [u8; 32], entry: Held) {
        let mut held = self.lock();
        // Seldom, and then who is still about is checked once more.
        if held.len() >= MOST_HELD {
            held.clear();
        }
        held.insert(key, entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_personal(connection: &mut AnyConnection, secret: &str, now: Moment) -> Result<Checked> {
    let (token, user) = personal::find(connection, secret, now)?.ok_or_else(worthless)?;
    let standing = directory::standing(connection, user)?.ok_or_else(worthless)?;
    let use_due = token.is_use_due(now).then_some(token.id);
    Ok(Checked {
        caller: narrowed(standing.caller, Some(Arc::new(token.scopes))),
        credential: Credential::Personal(token.id),
        expires_at: token.expires_at,
        use_due,
    })
}

fn narrowed(caller: Caller, scopes: Option<Arc<BTreeSet<String>>>) -> Arc<Caller> {
    Arc::new(Caller { scopes, ..caller })
}

fn worthless() -> Error {
    Error::new(Code::Unauthenticated, "The token is not valid.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::{
        account::{NewUser, create_user, set_active},
        bench::{Bench, at, kinds},
        key,
        personal::NewPersonalToken,
        role::{assign_role, withdraw_role},
        session::Tokens,
    };
    use crate::id::UserId;

    /// A gate that looks at the epoch whenever it is asked; [`blind`] ones never do by themselves.
    fn opened(bench: &mut Bench, role: &str) -> (Gate, UserId, Tokens) {
        let user = bench.user("ada", role);
        let mint = bench.mint();
        let tokens = session::open(&mut bench.connection, &mint, user, false, at(0)).unwrap();
        (watchful(bench), user, tokens)
    }

    fn watchful(bench: &Bench) -> Gate {
        Gate { epoch: Epoch::of_standing().fresh_for(Duration::ZERO), ..Gate::new(bench.mint()) }
    }

    fn blind(bench: &Bench) -> Gate {
        Gate { epoch: Epoch::of_standing().fresh_for(Duration::MAX), ..Gate::new(bench.mint()) }
    }

    fn enter(gate: &Gate, c: &mut AnyConnection, bearer: &str, second: i64) -> Result<Admitted> {
        gate.recall(bearer, at(second)).map_or_else(|| gate.admit(c, bearer, at(second)), Ok)
    }

    #[test]
    fn a_checked_token_is_held_for_a_minute_and_not_beyond_its_expiry() {
        let mut bench = Bench::new();
        let (_, user, tokens) = opened(&mut bench, "agent");
        let gate = blind(&bench);
        let (c, text) = (&mut bench.connection, tokens.access_token.as_str());
        assert!(gate.recall(text, at(0)).is_none());
        assert_eq!(gate.admit(c, text, at(0)).unwrap().caller.user, user);
        assert!(gate.recall(text, at(59)).is_some());
        assert!(gate.recall(text, at(60)).is_none());
        assert!(gate.recall(text, at(-1)).is_none(), "a clock that went back");
        assert!(gate.recall("another", at(0)).is_none());
        gate.admit(c, text, at(598)).unwrap();
        assert!(gate.recall(text, at(599)).is_some());
        assert!(gate.recall(text, at(600)).is_none());
    }

    #[test]
    fn a_check_counts_until_the_session_ends_though_the_token_lives_longer() {
        let mut bench = Bench::new();
        let (gate, _, first) = opened(&mut bench, "agent");
        let (c, end) = (&mut bench.connection, 30 * 86_400);
        let mint = gate.mint.clone();
        let last = session::refresh(c, &mint, &first.refresh_token, at(end - 10)).unwrap().into_result().unwrap();
        assert!(enter(&gate, c, &last.access_token, end - 1).is_ok());
        assert!(enter(&gate, c, &last.access_token, end).is_err());
    }

    #[test]
    fn a_disabled_user_is_out_at_the_next_look_and_at_once_where_it_was_done() {
        let mut bench = Bench::new();
        let (there, user, tokens) = opened(&mut bench, "agent");
        let (here, not_yet, mint) = (blind(&bench), blind(&bench), bench.mint());
        let c = &mut bench.connection;
        for gate in [&here, &there, &not_yet] {
            enter(gate, c, &tokens.access_token, 0).unwrap();
        }
        set_active(c, user, false, at(1)).unwrap();
        here.expire();
        assert_eq!(enter(&here, c, &tokens.access_token, 1).unwrap_err().code, Code::Unauthenticated);
        assert_eq!(enter(&there, c, &tokens.access_token, 1).unwrap_err().code, Code::Unauthenticated);
        assert!(enter(&not_yet, c, &tokens.access_token, 1).is_ok(), "it has not looked");
        set_active(c, user, true, at(2)).unwrap();
        assert!(enter(&there, c, &tokens.access_token, 2).is_err(), "the session has ended for good");
        let again = session::open(c, &mint, user, false, at(2)).unwrap();
        assert!(enter(&there, c, &again.access_token, 2).is_ok());
    }

    #[test]
    fn a_login_makes_nobody_be_checked_again() {
        let mut bench = Bench::new();
        let (gate, _, tokens) = opened(&mut bench, "agent");
        let (other, mint) = (bench.user("grace", "agent"), bench.mint());
        let c = &mut bench.connection;
        let checked = enter(&gate, c, &tokens.access_token, 0).unwrap().caller;
        session::open(c, &mint, other, false, at(1)).unwrap();
        assert!(Arc::ptr_eq(&checked, &enter(&gate, c, &tokens.access_token, 1).unwrap().caller));
        assign_role(c, other, "service_owner").unwrap();
        assert!(!Arc::ptr_eq(&checked, &enter(&gate, c, &tokens.access_token, 1).unwrap().caller));
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
        assert!(enter(&gate, c, &first.access_token, 1).is_err());
        assert!(enter(&gate, c, &second.access_token, 1).is_ok());
        session::end_everywhere(c, user, at(2)).unwrap();
        assert!(enter(&gate, c, &second.access_token, 2).is_err());
        let third = session::open(c, &mint, user, false, at(2)).unwrap();
        assert!(enter(&gate, c, &third.access_token, 2).is_ok(), "a login in the same second counts");
    }

    #[test]
    fn scopes_narrow_and_never_widen() {
        let mut bench = Bench::new();
        let (gate, user, tokens) = opened(&mut bench, "requester");
        let another = watchful(&bench);
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
        assert_eq!(enter(&another, c, secret.expose(), 1).unwrap().use_due, None);
        assert!(enter(&gate, c, secret.expose(), 3).is_err(), "expired while it was held");
    }

    #[test]
    fn an_access_token_of_client_credentials_ends_with_the_token_behind_it() {
        let mut bench = Bench::new();
        let mint = bench.mint();
        let gate = watchful(&bench);
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
        assert!(enter(&gate, c, &before, 0).is_err(), "revoked within the second that it was issued in");
        let given = personal::client_credentials(c, &mint, token.id.as_str(), secret.expose(), None, at(1)).unwrap();
        enter(&gate, c, &given.access_token, 1).unwrap();
        personal::revoke(c, robot, token.id, at(1)).unwrap();
        assert!(enter(&gate, c, &given.access_token, 1).is_err());
    }

    #[test]
    fn changed_roles_count_at_the_next_look() {
        let mut bench = Bench::new();
        let (gate, user, tokens) = opened(&mut bench, "agent");
        let c = &mut bench.connection;
        assert!(enter(&gate, c, &tokens.access_token, 0).unwrap().caller.can("incident.resolve"));
        withdraw_role(c, user, "agent").unwrap();
        assert!(!enter(&gate, c, &tokens.access_token, 0).unwrap().caller.can("incident.resolve"));
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
