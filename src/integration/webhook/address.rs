//! Where webhooks may go: public addresses, and networks that the operator has named.
//!
//! **Invariant:** no connection is made to an address that was not checked: a name is looked up here, every address that it has
//! is checked, and the connection goes to one of those. That a name had another address when the webhook was saved, or when it
//! was looked up before, counts for nothing.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use futures_util::{FutureExt, future::BoxFuture};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::{
    config::Webhooks,
    error::{Error, Result},
};

/// The longest address of a webhook.
pub const LONGEST: usize = 2_000;

/// IPv4 that is not public (RFC 6890 and its registry): networks and lengths of their prefixes.
const NOT_PUBLIC: &[([u8; 4], u8)] = &[
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // carriers' own
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, and what clouds tell of themselves
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // IETF's own
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 31, 196, 0], 24), // AS112
    ([192, 52, 193, 0], 24), // AMT
    ([192, 88, 99, 0], 24),  // relays of 6to4
    ([192, 168, 0, 0], 16),  // private
    ([192, 175, 48, 0], 24), // AS112
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, and broadcast
];

/// IPv6 that is not public though it lies in 2000::/3, in which all that is public lies.
const NOT_PUBLIC_6: &[([u16; 8], u8)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),         // IETF's own: Teredo, benchmarks, ORCHID
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),     // documentation
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), // AS112
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),         // documentation
];

/// What may be reached.
#[derive(Clone, Debug)]
pub struct Reach {
    networks: Arc<[IpNet]>,
    ports: Arc<[u16]>,
}

/// Which of it a message may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Public addresses and the operator's networks: with TLS, on a port for all.
    Outer,
    /// The operator's networks alone.
    Inner,
}

/// An address that may not be reached.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Refused {}

impl Reach {
    /// What an operator allows.
    pub fn of(settings: &Webhooks) -> Self {
        Reach { networks: settings.allowed_networks.clone().into(), ports: settings.allowed_ports.clone().into() }
    }

    /// Refuses addresses of webhooks that could never be reached, before they are stored.
    ///
    /// # Errors
    /// With its place in the request.
    pub fn check(&self, address: &str) -> Result<Url> {
        let refuse = |code, detail: String| Error::invalid("/url", code, detail);
        if address.chars().count() > LONGEST {
            return Err(refuse("too_long", format!("`url` has at most {LONGEST} characters.")));
        }
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        let Some(url) = url else {
            return Err(refuse("wrong_form", "`url` is an address such as `https://example.org/hooks`.".to_owned()));
        };
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            let detail = "`url` has no user name, password or fragment: a message shows by its signature who sent it.";
            return Err(refuse("wrong_form", detail.to_owned()));
        }
        let side = self.side(&url);
        if side == Side::Inner && self.networks.is_empty() {
            let ports = self.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            let detail = format!(
                "Webhooks go to `https` on these ports: {ports}. What else they may reach is the operator's to say, in `webhooks.allowed_networks`."
            );
            return Err(refuse("not_reachable", detail));
        }
        match literal(&url).map(|ip| self.admit(side, &[ip])) {
            Some(Err(refused)) => Err(refuse("not_reachable", refused.to_string())),
            Some(Ok(())) | None => Ok(url),
        }
    }

    /// Where a message to an address may go.
    pub fn side(&self, url: &Url) -> Side {
        let port = url.port_or_known_default().unwrap_or_default();
        if url.scheme() == "https" && self.ports.contains(&port) { Side::Outer } else { Side::Inner }
    }

    /// Refuses an address of which one place may not be reached.
    pub fn admit(&self, side: Side, all: &[IpAddr]) -> Result<(), Refused> {
        if all.is_empty() {
            return Err(Refused("The name has no address.".to_owned()));
        }
        match all.iter().find(|ip| !self.allows(side, **ip)) {
            None => Ok(()),
            Some(ip) if side == Side::Outer || !is_public(*ip) => {
                Err(Refused(format!("The address {ip} is not public, and the operator has not allowed it.")))
            }
            Some(ip) => Err(Refused(format!("The address {ip} is reached by `https` on an allowed port alone."))),
        }
    }

    fn allows(&self, side: Side, ip: IpAddr) -> bool {
        let plain = ip.to_canonical();
        let is_named = self.networks.iter().any(|network| network.contains(&ip) || network.contains(&plain));
        is_named || (side == Side::Outer && is_public(ip))
    }
}

/// The address that stands in a URL itself: it is connected to without being looked up.
pub fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is meant for everybody. What is in doubt is not.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match embedded(ip) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(ip),
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !NOT_PUBLIC
        .iter()
        .any(|(network, length)| Ipv4Net::new((*network).into(), *length).is_ok_and(|net| net.contains(&ip)))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let lies_in = |(network, length): &([u16; 8], u8)| {
        Ipv6Net::new((*network).into(), *length).is_ok_and(|network| network.contains(&ip))
    };
    lies_in(&([0x2000, 0, 0, 0, 0, 0, 0, 0], 3)) && !NOT_PUBLIC_6.iter().any(lies_in)
}

/// The IPv4 address that an IPv6 address leads to: a mapped one, one of 6to4, one of NAT64.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            of(high, low)
        }
        _ => None,
    }
}

/// Who looks names up.
pub trait Lookup: Send + Sync {
    /// All addresses of a name.
    fn lookup(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// The system.
pub struct System;

impl Lookup for System {
    fn lookup(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) }.boxed()
    }
}

/// Looks names up for connections, and hands out only what may be reached.
pub struct Guarded {
    reach: Reach,
    side: Side,
    lookup: Arc<dyn Lookup>,
}

impl Guarded {
    /// For one side.
    pub fn new(reach: Reach, side: Side, lookup: Arc<dyn Lookup>) -> Self {
        Guarded { reach, side, lookup }
    }

    async fn checked(reach: Reach, side: Side, found: BoxFuture<'static, std::io::Result<Vec<IpAddr>>>) -> Found {
        let found = found.await?;
        reach.admit(side, &found)?;
        Ok(found)
    }
}

type Found = std::result::Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>>;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let checked = Self::checked(self.reach.clone(), self.side, self.lookup.lookup(name.as_str().to_owned()));
        async move {
            let addresses: Addrs = Box::new(checked.await?.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
