//! Which addresses are public, and that nothing is connected to that was not checked.

use std::{
    net::TcpListener,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::*;
use crate::{clock::Moment, config::Secret, integration::webhook::Post};

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "2001:db7::1",
    "2001:db9::1",
    "3ffe:ffff::1",
    "3fff:1000::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
];

const NOT: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:0.0.0.0",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::c0a8:101",
    "64:ff9b:1::808:808",
    "100::1",
    "1fff:ffff::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:c0a8:101::1",
    "2002:a9fe:a9fe::1",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn reach(networks: &[&str]) -> Reach {
    let allowed_networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    Reach::of(&Webhooks { allowed_networks, ..Webhooks::default() })
}

#[test]
fn what_is_not_for_everybody_is_not_public() {
    assert!(PUBLIC.len() + NOT.len() >= 60);
    for text in PUBLIC {
        assert!(is_public(ip(text)), "{text}");
        assert_eq!(reach(&[]).admit(Side::Outer, &[ip(text)]), Ok(()), "{text}");
        assert!(reach(&[]).admit(Side::Inner, &[ip(text)]).is_err(), "{text}");
    }
    for text in NOT {
        assert!(!is_public(ip(text)), "{text}");
        assert!(reach(&[]).admit(Side::Outer, &[ip(text)]).is_err(), "{text}");
    }
}

#[test]
fn one_bad_address_of_a_name_is_enough_and_none_at_all_is_no_way() {
    let all = [ip("8.8.8.8"), ip("2606:4700:4700::1111"), ip("127.0.0.1")];
    let refused = reach(&[]).admit(Side::Outer, &all).unwrap_err();
    assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
    assert!(reach(&[]).admit(Side::Outer, &all[..2]).is_ok());
    assert!(reach(&[]).admit(Side::Outer, &[]).is_err());
}

#[test]
fn what_the_operator_names_is_reached_in_whatever_form() {
    let mine = reach(&["10.20.0.0/16", "fd00:1::/32"]);
    for text in ["10.20.0.1", "10.20.255.255", "::ffff:10.20.3.4", "fd00:1::5"] {
        assert_eq!(mine.admit(Side::Inner, &[ip(text)]), Ok(()), "{text}");
        assert_eq!(mine.admit(Side::Outer, &[ip(text)]), Ok(()), "{text}");
    }
    for text in ["10.21.0.1", "::ffff:10.21.0.1", "fd00:2::5", "127.0.0.1", "64:ff9b::a14:1"] {
        assert!(mine.admit(Side::Inner, &[ip(text)]).is_err(), "{text}");
    }
}

#[test]
fn an_address_that_could_never_be_reached_is_refused_when_it_is_given() {
    let (none, some) = (reach(&[]), reach(&["10.0.0.0/8"]));
    let good =
        ["https://example.org/hooks?x=1", "https://example.org:8443", "https://8.8.8.8/", "https://[2606:4700::1]/x"];
    let inner =
        ["http://10.1.2.3:9000/x", "https://10.1.2.3:9000/", "http://chat.internal/x", "https://chat.internal:99/"];
    let bad = [
        ("", "wrong_form"),
        ("example.org/hooks", "wrong_form"),
        ("ftp://example.org/", "wrong_form"),
        ("file:///etc/passwd", "wrong_form"),
        ("https://", "wrong_form"),
        ("https://user@example.org/", "wrong_form"),
        ("https://:secret@example.org/", "wrong_form"),
        ("https://example.org/#part", "wrong_form"),
        ("https://127.0.0.1/", "not_reachable"),
        ("https://127.1/", "not_reachable"),
        ("https://2130706433/", "not_reachable"),
        ("https://0x7f.1/", "not_reachable"),
        ("https://0177.0.0.1/", "not_reachable"),
        ("https://127.0.0.1./", "not_reachable"),
        ("https://[::1]/", "not_reachable"),
        ("https://[::ffff:7f00:1]/", "not_reachable"),
        ("https://169.254.169.254/latest/meta-data", "not_reachable"),
        ("http://8.8.8.8/", "not_reachable"),
        ("https://8.8.8.8:22/", "not_reachable"),
    ];
    for address in good {
        assert!(none.check(address).is_ok() && some.check(address).is_ok(), "{address}");
    }
    for address in inner {
        assert_eq!(none.check(address).unwrap_err().errors[0].code, "not_reachable", "{address}");
        assert!(some.check(address).is_ok(), "{address}");
    }
    for (address, code) in bad {
        for reach in [&none, &some] {
            let refused = reach.check(address).map(|url| url.to_string()).unwrap_err();
            assert_eq!(
                (refused.errors[0].pointer.as_str(), refused.errors[0].code.as_str()),
                ("/url", code),
                "{address}"
            );
        }
    }
    let long = format!("https://example.org/{}", "x".repeat(LONGEST));
    assert_eq!(none.check(&long).unwrap_err().errors[0].code, "too_long");
}

/// A name server that tells one thing after the other.
struct Turning(Mutex<Vec<Vec<IpAddr>>>);

impl Lookup for Turning {
    fn lookup(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let next = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        async move { Ok(next) }.boxed()
    }
}

#[tokio::test]
async fn a_name_that_is_public_first_and_private_then_is_not_connected_to() {
    let turning = Arc::new(Turning(Mutex::new(vec![vec![ip("8.8.8.8")], vec![ip("127.0.0.1")]])));
    let guarded = Guarded::new(reach(&[]), Side::Outer, turning);
    let resolve = || guarded.resolve("rebinding.example".parse().unwrap());
    let first: Vec<SocketAddr> = resolve().await.unwrap().collect();
    assert_eq!(first, [SocketAddr::new(ip("8.8.8.8"), 0)], "the connection goes to what was checked");
    let second = resolve().await.err().unwrap();
    assert!(second.downcast_ref::<Refused>().is_some(), "{second}");
}

#[tokio::test]
async fn nobody_knocks_at_an_address_that_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let knocked = Arc::new(AtomicBool::new(false));
    let heard = knocked.clone();
    thread::spawn(move || {
        if listener.accept().is_ok() {
            heard.store(true, Ordering::SeqCst);
        }
    });
    let settings = Webhooks { allowed_ports: vec![port], timeout_seconds: 5, ..Webhooks::default() };
    let lookup = Arc::new(Turning(Mutex::new(vec![vec![ip("127.0.0.1")]])));
    let post = Post::with_lookup(&settings, lookup);
    let at: Moment = "2026-03-03T11:00:00Z".parse().unwrap();
    for host in ["rebinding.example", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let url = format!("https://{host}:{port}/");
        let answered = post.send(&url, "id", at, &[Secret::new("whsec_AAAA")], "{}").await;
        let error = answered.attempted.error.unwrap();
        assert!(error.contains("is not public"), "{host}: {error}");
        assert!(answered.attempted.status.is_none());
    }
    assert!(!knocked.load(Ordering::SeqCst));
}
