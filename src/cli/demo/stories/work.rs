//! What is done so that an outage does not come again: problems, and changes that were made, are agreed or are still asked about.

use chrono::TimeDelta;

use super::{By, PATCHES, Story};

/// Why an outage came, and what becomes of that.
#[derive(Debug)]
pub struct Cause {
    /// The title of the problem.
    pub title: &'static str,
    /// Its description.
    pub text: &'static str,
    /// Who looks for the cause.
    pub who: &'static str,
    /// The service and the configuration item.
    pub about: (&'static str, &'static str),
    /// The cause, once it is found.
    pub cause: &'static str,
    /// What helps until it is gone.
    pub workaround: &'static str,
    /// How it was found: questions, each about the answer before, and their answers.
    pub whys: &'static [(&'static str, &'static str)],
    /// How it was removed, where it was.
    pub resolved: Option<&'static str>,
}

/// What comes again and again, until somebody looks for the cause before anybody asks.
#[derive(Debug)]
pub struct Recurring {
    /// Which incidents, as a filter.
    pub filter: &'static str,
    /// The title of the problem.
    pub title: &'static str,
    /// Its description.
    pub text: &'static str,
    /// Who looks for the cause.
    pub who: &'static str,
    /// How long before the end of the month.
    pub before: TimeDelta,
    /// What may have contributed, by where it lies; nothing where it is lived with.
    pub causes: &'static [(&'static str, &'static [&'static str])],
    /// Why it is lived with, where it is.
    pub accepted: Option<&'static str>,
}

/// Those of the month.
pub const RECURRING: &[Recurring] = &[
    Recurring {
        filter: "subcategory = \"printer\"",
        title: "Printers fail at every site, week after week",
        text: "Blank labels, streaks and jams, each settled by itself. Together they stop the gates more often than any outage.",
        who: "grace.mbeki",
        before: TimeDelta::days(6),
        causes: &[
            ("technology", &["Print heads run past their hours", "Two makes of labels in one store"]),
            ("process", &["Nobody cleans the heads between two calls"]),
            ("supplier", &["The contract pays for repairs, not for care"]),
        ],
        accepted: None,
    },
    Recurring {
        filter: "subcategory = \"monitor\"",
        title: "Monitors of the old series flicker",
        text: "The same series each time, and the same cable.",
        who: "luca.marino",
        before: TimeDelta::days(5),
        causes: &[],
        accepted: Some("The series is replaced in spring anyway; until then a new cable helps most."),
    },
];

/// One for each of the outages that are over, in their order.
pub const CAUSES: &[Cause] = &[
    Cause {
        title: "The mail store stops when its log volume is full",
        text: "The store accepts nothing once the log volume has no room, and nobody was warned.",
        who: "olena.bondar",
        about: ("Email and calendar", "mail-store-01"),
        cause: "Logs of the mail store are removed by the backup alone, and the backup had failed for nine days.",
        workaround: "Move the oldest logs to the archive volume and start the store again.",
        whys: &[
            ("Why did the mail store stop?", "Its log volume was full."),
            ("Why was it full?", "Nothing had removed its logs for nine days."),
            ("Why not?", "The backup removes them, and it had failed."),
            ("Why did nobody know?", "The backup tells of what it does, and is silent where it does nothing."),
        ],
        resolved: Some("The volume warns at 80 percent, and the backup tells when it fails."),
    },
    Cause {
        title: "Both lines of Distribution North hang on one breaker",
        text: "Two lines were bought to be independent; they end in one cabinet with one feed.",
        who: "priya.raman",
        about: ("Corporate network", "edge-router-north"),
        cause: "The cabinet has a single feed. The second one was planned when the site was built, and never laid.",
        workaround: "Switch the breaker on again; the key hangs in the dispatch office.",
        whys: &[],
        resolved: None,
    },
];

/// How far a change has come by the end of the month, if there was time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Somebody has written it down.
    Written,
    /// Others are asked.
    Asked,
    /// It is agreed to.
    Agreed,
    /// It was made.
    Made,
    /// It was looked at afterwards.
    Reviewed,
}

/// Something that is to be other than it is.
#[derive(Debug)]
pub struct Plan {
    /// The title of the change.
    pub title: &'static str,
    /// Its description.
    pub text: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// The service and the configuration item.
    pub about: (&'static str, &'static str),
    /// Who asks for it, and who makes it.
    pub who: (&'static str, &'static str),
    /// How it is made, and how it is taken back.
    pub plans: (&'static str, &'static str),
    /// When it begins, from the end of the month on, and how long it takes.
    pub when: (TimeDelta, TimeDelta),
    /// How far it comes.
    pub reach: Reach,
    /// The result, and what is said about it.
    pub result: (&'static str, &'static str),
    /// What was learned.
    pub review: &'static str,
    /// The cause that it removes, by its place.
    pub fixes: Option<usize>,
    /// The model that it is made by.
    pub model: Option<&'static str>,
    /// What is answered about its risk.
    pub answers: &'static [(&'static str, &'static str)],
    /// What it breaks while it is made.
    pub breaks: Option<&'static Story>,
}

const PLAIN: Plan = Plan {
    title: "",
    text: "",
    kind: "normal",
    about: ("", ""),
    who: ("", ""),
    plans: ("", ""),
    when: (TimeDelta::zero(), TimeDelta::hours(2)),
    reach: Reach::Written,
    result: ("successful", ""),
    review: "",
    fixes: None,
    model: None,
    answers: &[],
    breaks: None,
};

const UPLINKS_DOWN: Story = Story {
    by: By::Monitoring,
    title: "firewall-hq: the uplink is down",
    text: "No carrier on port 1 since the restart of core-switch-hq; both other sites are cut off.",
    about: ("hardware", "network", "line"),
    service: Some("Corporate network"),
    item: Some("firewall-hq"),
    level: (1, 2),
    tags: &["monitoring"],
    note: "The new firmware does not bring the port up at the speed of the old one.",
    resolved: ("rollback", "The old firmware was started again on core-switch-hq, and the uplink came up with it."),
    ..super::PLAIN
};

/// The changes of the month.
pub const PLANS: &[Plan] = &[
    Plan {
        title: "Enlarge the log volume of the mail store and let it warn",
        text: "From 40 to 120 GiB, with a warning at 80 percent to the team on duty.",
        about: ("Email and calendar", "mail-store-01"),
        who: ("marcus.webb", "olena.bondar"),
        plans: (
            "Stop the store, enlarge the volume, start it, send a test mail from each site.",
            "Attach the old volume again; it stays for a week.",
        ),
        when: (TimeDelta::days(-10), TimeDelta::hours(2)),
        reach: Reach::Reviewed,
        review: "Took forty minutes of the two hours. The other stores get the same warning.",
        fixes: Some(0),
        ..PLAIN
    },
    Plan {
        title: "Firmware of the core switch at Head Office",
        text: "The maker ends support of the version that runs in six weeks.",
        about: ("Corporate network", "core-switch-hq"),
        who: ("jonas.keller", "siobhan.doyle"),
        plans: (
            "Load the new firmware beside the old one, restart, look at all uplinks.",
            "Start from the old firmware; it stays on the switch.",
        ),
        when: (TimeDelta::days(-4), TimeDelta::hours(1)),
        reach: Reach::Made,
        result: ("backed_out", "Two uplinks stayed down with the new firmware; the old one runs again."),
        answers: &[
            ("users", "many"),
            ("experience", "sometimes"),
            ("tested", "nowhere"),
            ("backout", "minutes"),
            ("parts", "one"),
        ],
        breaks: Some(&UPLINKS_DOWN),
        ..PLAIN
    },
    Plan {
        title: "A second feed for the cabinet at Distribution North",
        text: "So that one breaker no longer takes both lines along.",
        about: ("Corporate network", "edge-router-north"),
        who: ("priya.raman", "jonas.keller"),
        plans: (
            "The electrician lays the feed by day; at night one power supply after the other moves to it.",
            "Both supplies go back to the old feed.",
        ),
        when: (TimeDelta::days(4), TimeDelta::hours(3)),
        reach: Reach::Agreed,
        fixes: Some(1),
        ..PLAIN
    },
    Plan {
        title: "New version of warehouse management",
        text: "Brings counting by handheld. Tried for two weeks on the test system.",
        about: ("Warehouse management", "wms-app-01"),
        who: ("daniel.osei", "mei.tan"),
        plans: (
            "Stop the application after the last lorry, back up the database, install, count one shelf in each hall.",
            "Restore the database and the old version; an hour.",
        ),
        when: (TimeDelta::days(6), TimeDelta::hours(4)),
        reach: Reach::Asked,
        answers: &[
            ("users", "many"),
            ("experience", "never"),
            ("tested", "alike"),
            ("backout", "hours"),
            ("parts", "several"),
        ],
        ..PLAIN
    },
    Plan {
        title: "Move the staging database of Order management to the new machine",
        text: "The old one is out of warranty.",
        about: ("Order management", "orders-db-staging"),
        who: ("farah.aziz", "stefan.ionescu"),
        plans: ("Copy, switch the name over, run the nightly tests.", "Switch the name back."),
        when: (TimeDelta::days(9), TimeDelta::hours(6)),
        ..PLAIN
    },
    Plan {
        title: "Take back the release of Order management",
        text: "A third of all requests fail since the release of this morning.",
        kind: "emergency",
        about: ("Order management", "orders-app-01"),
        who: ("ruth.abrams", "daniel.osei"),
        plans: (
            "Start the old release on one node, look at the errors, then on the other.",
            "There is no way further back.",
        ),
        when: (TimeDelta::minutes(-75), TimeDelta::minutes(30)),
        reach: Reach::Made,
        ..PLAIN
    },
    Plan {
        title: "Patches of the print server",
        text: "The patches of the month.",
        kind: "standard",
        about: ("Printing", "print-server-01"),
        who: ("grace.mbeki", "marcus.webb"),
        when: (TimeDelta::days(-6), TimeDelta::hours(1)),
        reach: Reach::Reviewed,
        review: "As always.",
        model: Some(PATCHES),
        ..PLAIN
    },
    Plan {
        title: "Patches of the mail gateway",
        text: "The patches of the month.",
        kind: "standard",
        about: ("Email and calendar", "mail-gateway-01"),
        who: ("marcus.webb", "olena.bondar"),
        when: (TimeDelta::days(2), TimeDelta::hours(1)),
        reach: Reach::Agreed,
        model: Some(PATCHES),
        ..PLAIN
    },
];
