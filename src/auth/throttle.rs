//! Slowing down who guesses passwords.
//!
//! Failures are counted for an account at an address, strictly; for an account wherever they come from, and for an address
//! whatever the account, loosely. They are rows, so that all nodes count together. Up to a few are free; then each next
//! attempt has to wait, twice as long each time, up to a limit. In that state one attempt at a time is let through, so that
//! many at once gain nothing. Names are counted whether or not there is such an account.
//!
//! An account that has signed in from an address before is *known* there: the looser counts don't hold it up, so that
//! neither who guesses behind the same address nor who guesses from all over the world keeps its owner out. Elsewhere
//! they do for a short while; tokens that the owner holds go on working.
//!
//! **Invariant:** neither a name nor an address is stored, only a digest.

use std::net::{IpAddr, Ipv6Addr};

use chrono::TimeDelta;
use diesel::prelude::*;

use super::{account::normal_user_name, secret::digest};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    insert_unless_there,
    schema::login_failure::dsl,
};

/// After this long without a failure, counting starts again.
const FORGET: TimeDelta = TimeDelta::hours(1);
/// For so long after the last login there an account is known at an address.
const KNOWN: TimeDelta = TimeDelta::days(30);

/// What failures are counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    key: String,
    /// Failures that cost nothing.
    free: i32,
    longest: TimeDelta,
}

/// Who tries to sign in, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The account at the address.
    own: Subject,
    /// The account anywhere, and all accounts at the address.
    wide: Vec<Subject>,
    /// The key of the row that says that the account has signed in from there; it has no failures.
    known: String,
}

impl Trial {
    /// An account, by the user name that was given, at an address; of IPv6 the network of 64 bits, which is what one
    /// customer is given.
    pub fn new(user_name: &str, address: Option<IpAddr>) -> Self {
        let (name, network) = (normal_user_name(user_name), address.map(network).unwrap_or_default());
        let pair = digest(&format!("{name}\n{network}"));
        let subject =
            |kind: &str, digest: &str, free, longest| Subject { key: format!("{kind}:{digest}"), free, longest };
        let account = subject("account", &digest(&name), 20, TimeDelta::minutes(5));
        // A whole office, or a proxy, may stand behind one address.
        let everybody = address.map(|_| subject("address", &digest(&network), 50, TimeDelta::seconds(10)));
        Trial {
            own: subject("pair", &pair, 5, TimeDelta::minutes(15)),
            wide: [account].into_iter().chain(everybody).collect(),
            known: format!("known:{pair}"),
        }
    }
}

impl Trial {
    /// Somebody who shows a secret that belongs to no account, such as the token of a link: all at one address count together.
    pub fn of_bearer(what: &str, address: Option<IpAddr>) -> Self {
        let digest = digest(&address.map(network).unwrap_or_default());
        let key = format!("{what}:{digest}");
        let own = Subject { key, free: 20, longest: TimeDelta::minutes(5) };
        Trial { own, wide: Vec::new(), known: format!("known:{what}:{digest}") }
    }
}

fn network(address: IpAddr) -> String {
    let network = match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    };
    network.to_string()
}

/// How long after the last failure the next attempt may come.
fn delay(failures: i32, subject: &Subject) -> TimeDelta {
    match failures - subject.free {
        over if over < 0 => TimeDelta::zero(),
        over if over < 10 => TimeDelta::seconds(1 << over).min(subject.longest),
        _ => subject.longest,
    }
}

/// Lets an attempt through or says how long to wait ([`Code::TooManyRequests`]). Writes when failures went before, so that
/// only one of several attempts at once gets through.
pub fn admit(connection: &mut AnyConnection, trial: &Trial, now: Moment) -> Result<()> {
    admit_one(connection, &trial.own, now)?;
    if is_known(connection, trial, now)? {
        return Ok(());
    }
    trial.wide.iter().try_for_each(|subject| admit_one(connection, subject, now))
}

fn is_known(connection: &mut AnyConnection, trial: &Trial, now: Moment) -> Result<bool> {
    let known = dsl::login_failure.find(&trial.known).filter(dsl::last_at.gt(now.minus(KNOWN)));
    Ok(diesel::select(diesel::dsl::exists(known)).get_result(connection)?)
}

fn admit_one(connection: &mut AnyConnection, subject: &Subject, now: Moment) -> Result<()> {
    let counted: Option<(i32, Moment)> =
        dsl::login_failure.find(&subject.key).select((dsl::failures, dsl::last_at)).first(connection).optional()?;
    let Some((failures, last_at)) =
        counted.filter(|(failures, at)| *failures >= subject.free && now.since(*at) < FORGET)
    else {
        return Ok(());
    };
    let left = delay(failures, subject) - now.since(last_at);
    if left > TimeDelta::zero() {
        return Err(wait(left));
    }
    let untouched = dsl::login_failure.find(&subject.key).filter(dsl::last_at.eq(last_at));
    let claimed = diesel::update(untouched).set(dsl::last_at.eq(now)).execute(connection)?;
    if claimed == 1 { Ok(()) } else { Err(wait(delay(failures, subject))) }
}

fn wait(left: TimeDelta) -> Error {
    // Rounded up: who comes back after this long is let through.
    let seconds = u64::try_from(left.num_milliseconds()).unwrap_or_default().div_ceil(1000);
    Error::new(Code::TooManyRequests, "Too many attempts have failed; wait before the next one.")
        .retry_after(seconds.max(1))
}

/// Counts a failure.
pub fn count_failure(connection: &mut AnyConnection, trial: &Trial, now: Moment) -> Result<()> {
    let subjects = [&trial.own].into_iter().chain(&trial.wide);
    subjects.into_iter().try_for_each(|subject| count_one(connection, subject, now))
}

fn count_one(connection: &mut AnyConnection, subject: &Subject, now: Moment) -> Result<()> {
    let row = dsl::login_failure.find(&subject.key);
    let recent = row.filter(dsl::last_at.gt(now.minus(FORGET)));
    let counted =
        diesel::update(recent).set((dsl::failures.eq(dsl::failures + 1), dsl::last_at.eq(now))).execute(connection)?;
    if counted == 1 { Ok(()) } else { put(connection, &subject.key, 1, now) }
}

/// The right password was given: forgets the failures of the account there, and knows it there from now on.
pub fn forgive(connection: &mut AnyConnection, trial: &Trial, now: Moment) -> Result<()> {
    diesel::delete(dsl::login_failure.find(&trial.own.key)).execute(connection)?;
    put(connection, &trial.known, 0, now)
}

fn put(connection: &mut AnyConnection, key: &str, failures: i32, now: Moment) -> Result<()> {
    let there = diesel::update(dsl::login_failure.find(key)).set((dsl::failures.eq(failures), dsl::last_at.eq(now)));
    if there.execute(connection)? == 0 {
        let first = (dsl::subject.eq(key), dsl::failures.eq(failures), dsl::last_at.eq(now));
        insert_unless_there!(connection, dsl::login_failure, first)?;
    }
    Ok(())
}

/// Deletes what no longer counts; gives how many rows.
pub fn prune(connection: &mut AnyConnection, now: Moment) -> Result<usize> {
    let failed = dsl::failures.gt(0).and(dsl::last_at.le(now.minus(FORGET)));
    let known = dsl::failures.eq(0).and(dsl::last_at.le(now.minus(KNOWN)));
    Ok(diesel::delete(dsl::login_failure.filter(failed.or(known))).execute(connection)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::bench::{Bench, at};

    fn trial(name: &str, address: &str) -> Trial {
        Trial::new(name, Some(address.parse().unwrap()))
    }

    fn fail(c: &mut AnyConnection, trial: &Trial, times: usize) {
        for _ in 0..times {
            count_failure(c, trial, at(0)).unwrap();
        }
    }

    #[test]
    fn the_wait_doubles_up_to_a_limit() {
        let ada = trial("ada", "192.0.2.1");
        let waits =
            |subject: &Subject| [0, 4, 5, 6, 14, 19, 20, 49, 50, 53, 54, 1000].map(|n| delay(n, subject).num_seconds());
        assert_eq!(waits(&ada.own), [0, 0, 1, 2, 512, 900, 900, 900, 900, 900, 900, 900]);
        assert_eq!(waits(&ada.wide[0]), [0, 0, 0, 0, 0, 0, 1, 300, 300, 300, 300, 300]);
        assert_eq!(waits(&ada.wide[1]), [0, 0, 0, 0, 0, 0, 0, 0, 1, 8, 10, 10]);
    }

    #[test]
    fn addresses_count_by_network_and_names_by_their_normal_form() {
        assert_eq!(trial("ada", "2001:db8::1"), trial("ada", "2001:db8::ffff:1"));
        assert_ne!(trial("ada", "2001:db8::1"), trial("ada", "2001:db8:0:1::1"));
        assert_eq!(trial("ada", "192.0.2.1"), trial("ada", "::ffff:192.0.2.1"));
        assert_ne!(trial("ada", "192.0.2.1"), trial("ada", "192.0.2.2"));
        assert_eq!(trial(" Ada ", "192.0.2.1"), trial("ada", "192.0.2.1"));
    }

    #[test]
    fn five_failures_are_free_then_one_attempt_at_a_time() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        let ada = trial("ada", "192.0.2.1");
        for second in 0..5 {
            admit(c, &ada, at(second)).unwrap();
            count_failure(c, &ada, at(second)).unwrap();
        }
        let refused = admit(c, &ada, at(4)).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::TooManyRequests, Some(1)));
        admit(c, &trial("grace", "192.0.2.1"), at(4)).unwrap();
        admit(c, &trial("ada", "192.0.2.2"), at(4)).unwrap();
        admit(c, &ada, at(5)).unwrap();
        assert!(admit(c, &ada, at(5)).is_err(), "a second attempt at the same time");
        count_failure(c, &ada, at(5)).unwrap();
        assert_eq!(admit(c, &ada, at(5)).unwrap_err().retry_after, Some(2));
        forgive(c, &ada, at(5)).unwrap();
        admit(c, &ada, at(5)).unwrap();
    }

    #[test]
    fn who_is_known_at_an_address_is_not_kept_out_by_others() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        let (ada, grace) = (trial("ada", "192.0.2.1"), trial("grace", "192.0.2.1"));
        forgive(c, &ada, at(0)).unwrap();
        // Somebody behind the same address tries one name after the other.
        for n in 0..60 {
            fail(c, &trial(&format!("user{n}"), "192.0.2.1"), 1);
        }
        admit(c, &ada, at(0)).unwrap();
        assert_eq!(admit(c, &grace, at(0)).unwrap_err().retry_after, Some(10), "and not for long");
        admit(c, &grace, at(10)).unwrap();
        // Somebody tries Ada's name from everywhere.
        for n in 0..30 {
            fail(c, &trial("ada", &format!("198.51.100.{n}")), 1);
        }
        admit(c, &ada, at(0)).unwrap();
        assert_eq!(admit(c, &trial("ada", "203.0.113.1"), at(0)).unwrap_err().retry_after, Some(300));
        // What is known there is no free way in.
        fail(c, &ada, 5);
        assert_eq!(admit(c, &ada, at(0)).unwrap_err().retry_after, Some(1));
        let later = at(0).plus(KNOWN);
        count_failure(c, &trial("hopper", "192.0.2.1"), later).unwrap();
        assert!(!is_known(c, &ada, later).unwrap());
    }

    #[test]
    fn failures_are_forgotten_after_an_hour_and_pruned() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        let ada = Trial::new("ada", None);
        fail(c, &ada, 30);
        assert_eq!(admit(c, &ada, at(1)).unwrap_err().retry_after, Some(899));
        admit(c, &ada, at(3600)).unwrap();
        count_failure(c, &ada, at(3600)).unwrap();
        admit(c, &ada, at(3600)).unwrap();
        forgive(c, &Trial::new("grace", None), at(0)).unwrap();
        assert_eq!(prune(c, at(7199)).unwrap(), 0);
        assert_eq!(prune(c, at(7200)).unwrap(), 2);
        assert_eq!(prune(c, at(0).plus(KNOWN)).unwrap(), 1);
    }
}
