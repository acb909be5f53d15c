//! Signing in with a password, in three steps, because hashing takes too long to hold the store meanwhile:
//!
//! 1. [`begin`] in a write job: may this account and this address try now, and what is the stored hash?
//! 2. [`super::Hasher::verify`] with [`Attempt::stored_hash`], which takes as long when there is none.
//! 3. [`finish`] (or [`change_password`]) in a write job: count the failure or open the session.
//!
//! **Invariant:** nothing in the answer or its time tells a wrong password from an account that is unknown, disabled, a
//! machine's or without a password.

use std::net::IpAddr;

use diesel::prelude::*;

use super::{
    account::{self, NewPassword, normal_user_name},
    password::Verdict,
    session::{self, Mint, Tokens},
    throttle::{self, Trial},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{RowId, UserId},
    schema::user_account,
};

/// A login that has begun.
#[derive(Clone)]
pub struct Attempt {
    trial: Trial,
    found: Option<(UserId, String)>,
}

impl Attempt {
    /// What the password has to fit, if anything.
    pub fn stored_hash(&self) -> Option<String> {
        self.found.as_ref().map(|(_, hash)| hash.clone())
    }
}

/// What became of a login. A value also when it is refused, so that the failure is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was the right password.
    Done(T),
    /// It was not.
    Refused,
}

impl<T> Outcome<T> {
    /// What was done, or [`Code::Unauthenticated`].
    pub fn into_result(self) -> Result<T> {
        match self {
            Outcome::Done(value) => Ok(value),
            Outcome::Refused => Err(Error::new(Code::Unauthenticated, "The user name or the password is wrong.")),
        }
    }
}

/// Begins a login. [`Code::TooManyRequests`] when the account or the address must wait.
pub fn begin(connection: &mut AnyConnection, user_name: &str, address: Option<IpAddr>, now: Moment) -> Result<Attempt> {
    let trial = Trial::new(user_name, address);
    throttle::admit(connection, &trial, now)?;
    let found: Option<(UserId, Option<String>)> = user_account::table
        .filter(user_account::user_name.eq(normal_user_name(user_name)))
        .filter(user_account::active.eq(true))
        .filter(user_account::service_account.eq(false))
        .select((user_account::id, user_account::password_hash))
        .first(connection)
        .optional()?;
    let found = found.and_then(|(user, hash)| hash.map(|hash| (user, hash)));
    Ok(Attempt { trial, found })
}

/// Ends a login: opens a session, or counts the failure.
pub fn finish(
    connection: &mut AnyConnection,
    mint: &Mint,
    attempt: &Attempt,
    verdict: &Verdict,
    now: Moment,
) -> Result<Outcome<Tokens>> {
    let Some((user, hash)) = settle(connection, attempt, verdict, now)? else { return Ok(Outcome::Refused) };
    // Read again: since the first step the account may have been disabled or given another password.
    let unchanged: Option<bool> = user_account::table
        .filter(user_account::id.eq(user))
        .filter(user_account::active.eq(true))
        .filter(user_account::password_hash.eq(hash))
        .select(user_account::must_change_password)
        .first(connection)
        .optional()?;
    let Some(must_change_password) = unchanged else { return Ok(Outcome::Refused) };
    if let Verdict::RightButOutdated(fresh) = verdict {
        diesel::update(user_account::table.find(user))
            .set(user_account::password_hash.eq(fresh))
            .execute(connection)?;
    }
    session::open(connection, mint, user, must_change_password, now).map(Outcome::Done)
}

/// Changes the password of one who has just given the old one; their other sessions end.
pub fn change_password(
    connection: &mut AnyConnection,
    attempt: &Attempt,
    verdict: &Verdict,
    new_hash: &str,
    keep: Option<RowId>,
    now: Moment,
) -> Result<Outcome<()>> {
    let Some((user, hash)) = settle(connection, attempt, verdict, now)? else { return Ok(Outcome::Refused) };
    let new = NewPassword { hash: new_hash.to_owned(), replaces: Some(hash.to_owned()), one_time: false, keep };
    account::set_password(connection, user, &new, now).map(Outcome::Done)
}

/// Counts a failure, or forgives the earlier ones and gives whose password it was.
fn settle<'a>(
    connection: &mut AnyConnection,
    attempt: &'a Attempt,
    verdict: &Verdict,
    now: Moment,
) -> Result<Option<(UserId, &'a str)>> {
    match &attempt.found {
        Some((user, hash)) if verdict.is_right() => {
            throttle::forgive(connection, &attempt.trial, now)?;
            Ok(Some((*user, hash)))
        }
        _ => {
            throttle::count_failure(connection, &attempt.trial, now)?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{
        account::{NewUser, create_user, set_active, set_password},
        bench::{Bench, at},
        password,
    };

    /// Runs the three steps as the server does.
    fn sign_in(bench: &mut Bench, name: &str, password: &str, address: &str, second: i64) -> Result<Tokens> {
        let mint = bench.mint();
        let c = &mut bench.connection;
        let attempt = begin(c, name, Some(address.parse().unwrap()), at(second))?;
        let verdict = password::verify(password, attempt.stored_hash().as_deref())?;
        finish(c, &mint, &attempt, &verdict, at(second))?.into_result()
    }

    fn with_password(bench: &mut Bench, name: &str, password: &str) -> UserId {
        let user = bench.user(name, "requester");
        let hash = password::hash(password).unwrap();
        let new = NewPassword { hash, replaces: None, one_time: false, keep: None };
        set_password(&mut bench.connection, user, &new, at(0)).unwrap();
        user
    }

    #[test]
    fn every_wrong_login_gets_the_same_answer() {
        let mut bench = Bench::new();
        with_password(&mut bench, "ada", "correct horse battery");
        let off = with_password(&mut bench, "off", "correct horse battery");
        set_active(&mut bench.connection, off, false, at(0)).unwrap();
        bench.user("no-password", "requester");
        let robot = NewUser::service_account("robot", "Robot", bench.organisation);
        create_user(&mut bench.connection, &robot, at(0)).unwrap();
        assert!(sign_in(&mut bench, "ADA", "correct horse battery", "192.0.2.1", 0).is_ok());
        let answers: Vec<(Code, String)> = [
            ("ada", "wrong"),
            ("nobody", "correct horse battery"),
            ("off", "correct horse battery"),
            ("no-password", ""),
            ("robot", ""),
        ]
        .map(|(name, password)| {
            let error = sign_in(&mut bench, name, password, "192.0.2.1", 0).unwrap_err();
            (error.code, error.detail)
        })
        .to_vec();
        assert!(answers.iter().all(|a| a.0 == Code::Unauthenticated && *a == answers[0]), "{answers:?}");
    }

    #[test]
    fn failures_slow_an_account_down_known_or_not_and_success_forgives() {
        let mut bench = Bench::new();
        with_password(&mut bench, "ada", "correct horse battery");
        for name in ["ada", "nobody"] {
            for _ in 0..5 {
                assert_eq!(sign_in(&mut bench, name, "wrong", "192.0.2.1", 0).unwrap_err().code, Code::Unauthenticated);
            }
            let refused = sign_in(&mut bench, name, "correct horse battery", "192.0.2.1", 0).unwrap_err();
            assert_eq!((refused.code, refused.retry_after), (Code::TooManyRequests, Some(1)), "{name}");
        }
        assert!(sign_in(&mut bench, "ada", "correct horse battery", "192.0.2.1", 1).is_ok());
        assert_eq!(sign_in(&mut bench, "ada", "wrong", "192.0.2.1", 1).unwrap_err().code, Code::Unauthenticated);
    }

    #[test]
    fn an_address_that_tries_many_names_is_slowed_down_and_who_is_known_there_is_not() {
        let mut bench = Bench::new();
        with_password(&mut bench, "ada", "correct horse battery");
        sign_in(&mut bench, "ada", "correct horse battery", "192.0.2.7", 0).unwrap();
        let failed = Verdict::Wrong;
        let mint = bench.mint();
        let c = &mut bench.connection;
        let from: IpAddr = "192.0.2.7".parse().unwrap();
        for n in 0..50 {
            let attempt = begin(c, &format!("user{n}"), Some(from), at(0)).unwrap();
            assert_eq!(finish(c, &mint, &attempt, &failed, at(0)).unwrap(), Outcome::Refused);
        }
        assert_eq!(begin(c, "another", Some(from), at(0)).err().unwrap().code, Code::TooManyRequests);
        assert!(begin(c, "another", Some("192.0.2.8".parse().unwrap()), at(0)).is_ok());
        assert!(sign_in(&mut bench, "ada", "correct horse battery", "192.0.2.7", 0).is_ok());
    }

    #[test]
    fn what_changes_while_the_hash_runs_counts() {
        let mut bench = Bench::new();
        let user = with_password(&mut bench, "ada", "correct horse battery");
        let mint = bench.mint();
        let c = &mut bench.connection;
        let attempt = begin(c, "ada", None, at(0)).unwrap();
        let new = NewPassword { hash: "another".into(), replaces: None, one_time: false, keep: None };
        set_password(c, user, &new, at(0)).unwrap();
        assert_eq!(finish(c, &mint, &attempt, &Verdict::Right, at(0)).unwrap(), Outcome::Refused, "another password");
        let attempt = begin(c, "ada", None, at(0)).unwrap();
        set_active(c, user, false, at(0)).unwrap();
        assert_eq!(finish(c, &mint, &attempt, &Verdict::Right, at(0)).unwrap(), Outcome::Refused, "disabled");
    }

    #[test]
    fn an_outdated_hash_is_replaced_at_login() {
        let mut bench = Bench::new();
        with_password(&mut bench, "ada", "correct horse battery");
        let mint = bench.mint();
        let c = &mut bench.connection;
        let attempt = begin(c, "ada", None, at(0)).unwrap();
        let verdict = Verdict::RightButOutdated("fresh".into());
        finish(c, &mint, &attempt, &verdict, at(0)).unwrap().into_result().unwrap();
        assert_eq!(begin(c, "ada", None, at(0)).unwrap().stored_hash().as_deref(), Some("fresh"));
    }

    #[test]
    fn a_one_time_password_is_changed_and_other_sessions_end() {
        let mut bench = Bench::new();
        let user = with_password(&mut bench, "ada", "correct horse battery");
        let old = sign_in(&mut bench, "ada", "correct horse battery", "192.0.2.1", 0).unwrap();
        let one_time = NewPassword {
            hash: password::hash("given by the desk").unwrap(),
            replaces: None,
            one_time: true,
            keep: None,
        };
        set_password(&mut bench.connection, user, &one_time, at(1)).unwrap();
        let mint = bench.mint();
        assert!(
            session::refresh(&mut bench.connection, &mint, &old.refresh_token, at(1)).unwrap().into_result().is_err()
        );
        let tokens = sign_in(&mut bench, "ada", "given by the desk", "192.0.2.1", 2).unwrap();
        assert!(tokens.must_change_password);
        let c = &mut bench.connection;
        let attempt = begin(c, "ada", None, at(3)).unwrap();
        let hash = password::hash("chosen by herself").unwrap();
        let wrong = change_password(c, &attempt, &Verdict::Wrong, &hash, None, at(3)).unwrap();
        assert_eq!(wrong, Outcome::Refused);
        change_password(c, &attempt, &Verdict::Right, &hash, None, at(3)).unwrap().into_result().unwrap();
        assert!(!sign_in(&mut bench, "ada", "chosen by herself", "192.0.2.1", 4).unwrap().must_change_password);
    }
}
