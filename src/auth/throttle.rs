//! Slowing down who guesses passwords, per account and per address.
//!
//! Failures are rows, so that all nodes count together. Up to a few are free; then each next attempt has to wait, twice as
//! long each time, up to fifteen minutes. In that state one attempt at a time is let through, so that many at once gain
//! nothing. Names are counted whether or not there is such an account.
//!
//! The delay of an account also keeps its owner out for as long; it is short, and tokens that the owner holds go on working.
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

/// Failures of one account that cost nothing.
const FREE_OF_ACCOUNT: i32 = 5;
/// Failures of one address that cost nothing. A whole office may stand behind one address, so it has more.
const FREE_OF_ADDRESS: i32 = 20;
/// The longest wait.
const LONGEST: TimeDelta = TimeDelta::minutes(15);
/// After this long without a failure, counting starts again.
const FORGET: TimeDelta = TimeDelta::hours(1);

/// What failures are counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    key: String,
    free: i32,
}

impl Subject {
    /// An account, by the user name that was given.
    pub fn account(user_name: &str) -> Self {
        Subject { key: format!("account:{}", digest(&normal_user_name(user_name))), free: FREE_OF_ACCOUNT }
    }

    /// An address; of IPv6 the network of 64 bits, which is what one customer is given.
    pub fn address(address: IpAddr) -> Self {
        let network = match address.to_canonical() {
            v4 @ IpAddr::V4(_) => v4,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        };
        Subject { key: format!("address:{}", digest(&network.to_string())), free: FREE_OF_ADDRESS }
    }
}

/// How long after the last failure the next attempt may come.
fn delay(failures: i32, free: i32) -> TimeDelta {
    match failures - free {
        over if over < 0 => TimeDelta::zero(),
        over if over < 10 => TimeDelta::seconds(1 << over).min(LONGEST),
        _ => LONGEST,
    }
}

/// Lets an attempt through or says how long to wait ([`Code::TooManyRequests`]). Writes when failures went before, so that
/// only one of several attempts at once gets through.
pub fn admit(connection: &mut AnyConnection, subject: &Subject, now: Moment) -> Result<()> {
    let counted: Option<(i32, Moment)> =
        dsl::login_failure.find(&subject.key).select((dsl::failures, dsl::last_at)).first(connection).optional()?;
    let Some((failures, last_at)) =
        counted.filter(|(failures, at)| *failures >= subject.free && now.since(*at) < FORGET)
    else {
        return Ok(());
    };
    let left = delay(failures, subject.free) - now.since(last_at);
    if left > TimeDelta::zero() {
        return Err(wait(left));
    }
    let untouched = dsl::login_failure.find(&subject.key).filter(dsl::last_at.eq(last_at));
    let claimed = diesel::update(untouched).set(dsl::last_at.eq(now)).execute(connection)?;
    if claimed == 1 { Ok(()) } else { Err(wait(delay(failures, subject.free))) }
}

fn wait(left: TimeDelta) -> Error {
    // Rounded up: who comes back after this long is let through.
    let seconds = u64::try_from(left.num_milliseconds()).unwrap_or_default().div_ceil(1000);
    Error::new(Code::TooManyRequests, "Too many logins have failed; wait before the next one.")
        .retry_after(seconds.max(1))
}

/// Counts a failure.
pub fn count_failure(connection: &mut AnyConnection, subject: &Subject, now: Moment) -> Result<()> {
    let row = dsl::login_failure.find(&subject.key);
    let recent = row.filter(dsl::last_at.gt(now.minus(FORGET)));
    let counted =
        diesel::update(recent).set((dsl::failures.eq(dsl::failures + 1), dsl::last_at.eq(now))).execute(connection)?;
    if counted == 1 {
        return Ok(());
    }
    let restarted = diesel::update(row).set((dsl::failures.eq(1), dsl::last_at.eq(now))).execute(connection)?;
    if restarted == 0 {
        let first = (dsl::subject.eq(&subject.key), dsl::failures.eq(1), dsl::last_at.eq(now));
        insert_unless_there!(connection, dsl::login_failure, first)?;
    }
    Ok(())
}

/// Forgets the failures: the right password was given.
pub fn forgive(connection: &mut AnyConnection, subject: &Subject) -> Result<()> {
    diesel::delete(dsl::login_failure.find(&subject.key)).execute(connection)?;
    Ok(())
}

/// Deletes what no longer counts; gives how many rows.
pub fn prune(connection: &mut AnyConnection, now: Moment) -> Result<usize> {
    Ok(diesel::delete(dsl::login_failure.filter(dsl::last_at.le(now.minus(FORGET)))).execute(connection)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::bench::{Bench, at};

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let waits: Vec<i64> = [0, 4, 5, 6, 7, 14, 15, 1000].map(|n| delay(n, 5).num_seconds()).to_vec();
        assert_eq!(waits, [0, 0, 1, 2, 4, 512, 900, 900]);
    }

    #[test]
    fn addresses_count_by_network_and_names_by_their_normal_form() {
        let of = |a: &str| Subject::address(a.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(Subject::account(" Ada "), Subject::account("ada"));
    }

    #[test]
    fn five_failures_are_free_then_one_attempt_at_a_time() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        let ada = Subject::account("ada");
        for second in 0..5 {
            admit(c, &ada, at(second)).unwrap();
            count_failure(c, &ada, at(second)).unwrap();
        }
        let refused = admit(c, &ada, at(4)).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::TooManyRequests, Some(1)));
        admit(c, &Subject::account("grace"), at(4)).unwrap();
        admit(c, &ada, at(5)).unwrap();
        assert!(admit(c, &ada, at(5)).is_err(), "a second attempt at the same time");
        count_failure(c, &ada, at(5)).unwrap();
        assert_eq!(admit(c, &ada, at(5)).unwrap_err().retry_after, Some(2));
        forgive(c, &ada).unwrap();
        admit(c, &ada, at(5)).unwrap();
    }

    #[test]
    fn failures_are_forgotten_after_an_hour_and_pruned() {
        let mut bench = Bench::new();
        let c = &mut bench.connection;
        let ada = Subject::account("ada");
        for _ in 0..30 {
            count_failure(c, &ada, at(0)).unwrap();
        }
        assert_eq!(admit(c, &ada, at(1)).unwrap_err().retry_after, Some(899));
        admit(c, &ada, at(3600)).unwrap();
        count_failure(c, &ada, at(3600)).unwrap();
        admit(c, &ada, at(3600)).unwrap();
        assert_eq!(prune(c, at(7199)).unwrap(), 0);
        assert_eq!(prune(c, at(7200)).unwrap(), 1);
    }
}
