//! How those who keep the configuration items know what they have: what a scan of the network finds, what they change, whom they ask.

use chrono::TimeDelta;

/// A thing that a scan has seen: class, name, and what it could tell of it.
pub type Seen = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What the scans of the network found: before most changes of the month, and in the end. Between them a firmware has changed that no change
/// speaks of, a system that one does, and something has come that nobody knows.
pub const LOOKS: &[&[Seen]] = &[
    &[
        ("switch", "core-switch-hq", &[("firmware", "12.4.1")]),
        ("router", "edge-router-north", &[("firmware", "8.2.1")]),
        ("router", "edge-router-south", &[("firmware", "8.2.1")]),
        ("server", "mail-gateway-01", &[("hostname", "mail-gateway-01"), ("operating_system", "Debian 13.1")]),
        ("server", "mail-store-01", &[("hostname", "mail-store-01"), ("operating_system", "Debian 13.1")]),
    ],
    &[
        ("switch", "core-switch-hq", &[("firmware", "12.4.1")]),
        ("router", "edge-router-north", &[("firmware", "8.2.1")]),
        ("router", "edge-router-south", &[("firmware", "8.3.0")]),
        ("server", "mail-gateway-01", &[("hostname", "mail-gateway-01"), ("operating_system", "Debian 13.1")]),
        ("server", "mail-store-01", &[("hostname", "mail-store-01"), ("operating_system", "Debian 13.2")]),
        ("server", STRANGER, &[("hostname", STRANGER), ("operating_system", "DiskStation 7")]),
    ],
];

/// What nobody knew of until a scan found it.
pub const STRANGER: &str = "nas-south-02";
/// What came of that.
pub const STRANGER_SETTLED: &str = "A disk station that the dispatch office had bought by itself. Its files lie on the share now, and it is off the network.";

/// The baseline that is taken when all is known.
pub const BASELINE: &str = "Start of the month";

/// Something that is changed of a thing, with how long after the month has begun.
#[derive(Debug)]
pub struct Kept {
    /// The thing, by its name.
    pub item: &'static str,
    /// When, from the end of the month on.
    pub when: TimeDelta,
    /// Attributes that are other, as JSON.
    pub attributes: &'static str,
    /// The step that it takes, where it takes one.
    pub step: Option<&'static str>,
}

/// What is changed of things, after the baseline was taken or, of those that were there at the beginning, before.
pub const KEPT: &[Kept] = &[
    Kept {
        item: "handhelds-north",
        when: TimeDelta::days(-29),
        attributes: r#"{"pieces": 48, "battery_percent": 71}"#,
        step: None,
    },
    Kept {
        item: "handhelds-south",
        when: TimeDelta::days(-29),
        attributes: r#"{"pieces": 36, "battery_percent": 90}"#,
        step: None,
    },
    Kept { item: "print-server-01", when: TimeDelta::days(-5), attributes: r#"{"memory_mib": 32768}"#, step: None },
    Kept { item: "vpn-gateway-02", when: TimeDelta::hours(-26), attributes: "{}", step: Some("maintain") },
];

/// A machine that is added to those of an application: its name, the cluster, the application.
pub const ADDED: (&str, &str, &str) = ("portal-vm-03", "hq-cluster", "portal-web");

/// The campaign that asks whether what is known is right: its name, and of what.
pub const CAMPAIGN: (&str, &str) = ("Network, this spring", "is_a = network_device AND phase = open");
/// What those who were asked have said: who, of what, and what is wrong, where something is.
pub const SAID: &[(&str, &str, Option<&str>)] = &[
    ("priya.raman", "firewall-hq", None),
    ("priya.raman", "edge-router-north", None),
    ("jonas.keller", "wifi-south", Some("It hangs above the cold store now, not in the rack.")),
];
