//! How many requests a caller may send, by the generic cell rate algorithm, and how they learn what is left
//! (draft-ietf-httpapi-ratelimit-headers).
//!
//! **Invariant:** who is not known is counted by address, so that a wrong token buys nothing.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::atomic::{AtomicU32, Ordering},
};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, http::header::HeaderMap};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::{
    config,
    error::{Code, Error, Result},
    id::UserId,
};

/// What is left, for the caller to see.
pub const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// What is allowed.
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// How often callers who have been quiet for long are forgotten: after this many requests.
const FORGET_EVERY: u32 = 10_000;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A known caller, on whatever connection.
    User(UserId),
    /// The address that the request came from; of IPv6 the network, since one host has a whole one.
    Peer(IpAddr),
}

impl Counted {
    /// The address of `request`.
    pub fn peer(request: &HttpRequest) -> Counted {
        Counted::Peer(match request.peer_addr().map(|address| address.ip()) {
            Some(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            Some(ip) => ip.to_canonical(),
            None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        })
    }
}

/// Counts requests. One for the whole server, shared by its workers.
pub struct Limiter {
    counts: RateLimiter<Counted, DashMapStateStore<Counted>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    per_second: u32,
    burst: u32,
    since_forgotten: AtomicU32,
}

/// Where a caller stands after this request.
#[derive(Clone, Copy, Debug)]
struct Standing {
    burst: u32,
    left: u32,
    full_in_seconds: u64,
    window_seconds: u64,
}

impl Limiter {
    /// With the limits of `server`.
    pub fn new(server: &config::Server) -> Self {
        let quota = Quota::per_second(server.rate_per_second).allow_burst(server.rate_burst);
        Limiter {
            counts: RateLimiter::dashmap(quota).with_middleware(),
            clock: DefaultClock::default(),
            per_second: server.rate_per_second.get(),
            burst: server.rate_burst.get(),
            since_forgotten: AtomicU32::new(0),
        }
    }

    /// Counts `request` against `who`.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`] with the time to wait.
    pub fn count(&self, request: &HttpRequest, who: Counted) -> Result<()> {
        if self.since_forgotten.fetch_add(1, Ordering::Relaxed) == FORGET_EVERY {
            self.since_forgotten.store(0, Ordering::Relaxed);
            self.counts.retain_recent();
        }
        let outcome = self.counts.check_key(&who);
        let left = outcome.as_ref().map_or(0, |state| state.remaining_burst_capacity());
        request.extensions_mut().insert(Standing {
            burst: self.burst,
            left,
            full_in_seconds: self.seconds_for(self.burst.saturating_sub(left)),
            window_seconds: self.seconds_for(self.burst),
        });
        outcome.map(|_| ()).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Error::new(
                Code::TooManyRequests,
                format!("More than {} requests at once or {} a second.", self.burst, self.per_second),
            )
            .retry_after(seconds.max(1))
        })
    }

    fn seconds_for(&self, requests: u32) -> u64 {
        u64::from(requests.div_ceil(self.per_second)).max(1)
    }
}

/// Tells the caller where they stand, if they were counted.
pub(super) fn tell(request: &HttpRequest, headers: &mut HeaderMap) {
    let Some(standing) = request.extensions().get::<Standing>().copied() else { return };
    let policy = format!("\"caller\";q={};w={}", standing.burst, standing.window_seconds);
    let left = format!("\"caller\";r={};t={}", standing.left, standing.full_in_seconds);
    for (name, text) in [(POLICY, policy), (LEFT, left)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn callers_are_counted_apart_and_told_to_wait() {
        let one = std::num::NonZeroU32::MIN;
        let server =
            config::Server { rate_per_second: one, rate_burst: one.saturating_add(1), ..config::Server::default() };
        let limiter = Limiter::new(&server);
        let request = TestRequest::default().to_http_request();
        let (a, b) = (Counted::User(UserId::new()), Counted::User(UserId::new()));
        assert!(limiter.count(&request, a).is_ok());
        let mut headers = HeaderMap::new();
        tell(&request, &mut headers);
        assert_eq!(headers.get(LEFT).unwrap(), "\"caller\";r=1;t=1");
        assert_eq!(headers.get(POLICY).unwrap(), "\"caller\";q=2;w=2");
        assert!(limiter.count(&request, a).is_ok());
        let refused = limiter.count(&request, a).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::TooManyRequests, Some(1)));
        assert!(limiter.count(&request, b).is_ok());
    }

    #[test]
    fn one_ipv6_network_is_one_peer() {
        let peer = |address: &str| {
            Counted::peer(&TestRequest::default().peer_addr(address.parse().unwrap()).to_http_request())
        };
        assert_eq!(peer("[2001:db8::1]:1"), peer("[2001:db8::2]:2"));
        assert_ne!(peer("[2001:db8::1]:1"), peer("[2001:db8:1::1]:1"));
        assert_eq!(peer("[::ffff:192.0.2.1]:1"), peer("192.0.2.1:1"));
        assert_ne!(peer("192.0.2.1:1"), peer("192.0.2.2:1"));
    }
}
