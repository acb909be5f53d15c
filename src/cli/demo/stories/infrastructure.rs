//! Stories about what nobody sees while it works: network, servers, databases, the big applications.

use super::{By, Major, PLAIN, Story};

/// What people report.
pub const TOLD: &[Story] = &[
    Story {
        by: By::Floor,
        title: "Handhelds lose the network at {place}",
        text: "Scanners drop out every few minutes at {place}. We have to walk back to the office to send the picks. It began after the racks were moved.",
        about: ("hardware", "network", "wireless"),
        item: Some("wifi-north"),
        level: (2, 2),
        tags: &["wireless"],
        asked: Some((
            "Does it also happen when you stand right below the access point, and is it all handhelds or some of them?",
            "All of them, and below the access point it is fine. It starts two aisles further.",
        )),
        note: "Signal map shows a hole where the new racks stand; channel 11 is crowded as well.",
        resolved: (
            "configuration",
            "Moved the access point above the new aisle and gave it channel 6. Walked the aisle with a handheld for ten minutes without a drop.",
        ),
        ..PLAIN
    },
    Story {
        title: "VPN disconnects every hour",
        text: "Working from home, the connection drops exactly once an hour and I have to sign in again. Calls end in the middle of a sentence.",
        about: ("service", "network", "remote access"),
        service: Some("Remote access"),
        item: Some("vpn-gateway-01"),
        level: (3, 2),
        tags: &["vpn"],
        asked: Some((
            "Which version of the client do you have? It stands under Help, About.",
            "5.1.2, and the colleague beside whom it works has 5.3.",
        )),
        note: "Log of the gateway: session ends with re-key failure. Known with clients before 5.2.",
        resolved: (
            "software update",
            "Client updated to 5.3 from the software centre; stayed connected for the whole afternoon.",
        ),
        ..PLAIN
    },
    Story {
        title: "No network at the desk",
        text: "The socket at {place} is dead since this morning. The neighbour's works, with my cable too.",
        about: ("hardware", "network", "cabling"),
        level: (3, 2),
        asked: Some(("Is there a number on the socket?", "It says 2-117 B.")),
        note: "Port is up on the switch but in the wrong VLAN after the weekend's patching.",
        pass_to: Some("workplace"),
        resolved: ("configuration", "Port put back into the office VLAN; address and network are there again."),
        ..PLAIN
    },
    Story {
        by: By::Floor,
        title: "Orders stay in 'to be confirmed'",
        text: "Since about an hour no new order leaves 'to be confirmed'. Dispatch at {place} is running out of work.",
        about: ("application", "software", "orders"),
        service: Some("Order management"),
        item: Some("orders-app-01"),
        level: (2, 1),
        tags: &["orders"],
        note: "Queue of the confirmation worker has 412 entries; the first one can't be parsed.",
        pass_to: Some("database-operations"),
        resolved: (
            "data fix",
            "One order held a quantity of 1e6 and stopped the worker. Order corrected, worker restarted, queue empty after four minutes.",
        ),
        ..PLAIN
    },
    Story {
        by: By::Floor,
        title: "Picking list is slow to open",
        text: "Opening a picking list takes half a minute, it used to be there at once. Worse in the afternoon.",
        about: ("application", "database", "performance"),
        service: Some("Warehouse management"),
        item: Some("wms-db-01"),
        level: (2, 2),
        asked: Some((
            "Is it slow for all lists or for the long ones?",
            "For those of the big customers with many lines.",
        )),
        note: "Plan of the list query changed after statistics were refreshed; full scan over movements.",
        pass_to: Some("database-operations"),
        resolved: (
            "tuning",
            "Index on movements (list, line) added after a test on staging. Lists open in under a second.",
        ),
        ..PLAIN
    },
    Story {
        title: "Mail to one customer comes back",
        text: "Everything I send to one customer returns with 'policy rejection'. Mails to others arrive.",
        about: ("service", "server", "mail"),
        service: Some("Email and calendar"),
        item: Some("mail-gateway-01"),
        asked: Some((
            "Please forward one of the messages that came back, as an attachment.",
            "Done, it is in your mailbox.",
        )),
        note: "The receiving side wants DMARC alignment; our newsletter tool signs with its own domain.",
        resolved: (
            "configuration",
            "Signature of outgoing mail corrected on the gateway; a test message was accepted.",
        ),
        ..PLAIN
    },
    Story {
        title: "Shared drive is full",
        text: "Saving to the finance share fails with 'not enough space'. Month-end is tomorrow.",
        about: ("service", "server", "storage"),
        item: Some("storage-array-01"),
        level: (2, 2),
        tags: &["month-end"],
        note: "Quota of the share reached: 180 GB of old scans in one folder.",
        resolved: ("capacity", "Quota raised by 100 GB; the owner of the old scans agreed to archive them this month."),
        ..PLAIN
    },
    Story {
        title: "Please get back a folder that I deleted",
        text: "I deleted the folder 'Tender 2' from the share instead of moving it. It was there yesterday evening.",
        about: ("service", "server", "restore"),
        item: Some("backup-01"),
        level: (3, 2),
        asked: Some(("Which path did it have, as exactly as you know?", "Sales, Tenders, this year, Tender 2.")),
        note: "Found in the backup of last night, 1.2 GB.",
        resolved: (
            "restore",
            "Folder restored from last night's backup to its old place; the caller checked the newest file.",
        ),
        ..PLAIN
    },
    Story {
        by: By::Customer,
        title: "Consignment notes can't be downloaded",
        text: "The button for the PDF turns and turns and nothing comes. We need the notes before the driver leaves.",
        about: ("application", "software", "portal"),
        service: Some("Customer portal"),
        item: Some("portal-web"),
        level: (2, 2),
        tags: &["customer"],
        asked: Some(("Does it happen for today's consignments only?", "For all of them, since this morning.")),
        note: "PDF worker ran out of memory; no alert because its health check only asks whether it is there.",
        resolved: (
            "restart",
            "Worker restarted and its memory limit doubled. The waiting notes were made and sent by mail.",
        ),
        ..PLAIN
    },
    Story {
        by: By::Customer,
        title: "A new colleague can't see our consignments",
        text: "She can sign in to the portal, but her list is empty. She should see the same as I do.",
        about: ("application", "access", "portal"),
        service: Some("Customer portal"),
        note: "Account hangs below the wrong customer number.",
        pass_to: Some("application-support"),
        tags: &["customer"],
        resolved: (
            "access",
            "Account moved to the right customer number; she sees the list and confirmed by telephone.",
        ),
        ..PLAIN
    },
    Story {
        by: By::Customer,
        title: "Tracking shows the wrong delivery time",
        text: "The portal promises 14:00, the driver says 17:00. Our reception plans with it.",
        about: ("application", "software", "tracking"),
        service: Some("Customer portal"),
        item: Some("portal-web"),
        tags: &["customer"],
        note: "Estimates are computed in local time and shown as UTC after the last release.",
        resolved: (
            "workaround",
            "Until the next release the portal shows the window 'afternoon' in place of a time; dispatch calls for cold goods.",
        ),
        workaround: true,
        ..PLAIN
    },
];

/// What the monitoring reports.
pub const ALERTS: &[Story] = &[
    Story {
        by: By::Monitoring,
        title: "orders-db-01: replication is 15 minutes behind",
        text: "Lag of the standby is above the threshold of 10 minutes since three checks.",
        about: ("service", "database", "replication"),
        item: Some("orders-db-01"),
        level: (2, 2),
        tags: &["monitoring"],
        note: "A report held a snapshot open for an hour.",
        resolved: (
            "session ended",
            "Report session ended with the consent of its owner; the standby caught up in six minutes.",
        ),
        ..PLAIN
    },
    Story {
        by: By::Monitoring,
        title: "backup-01: last night's backup did not finish",
        text: "Job 'files-daily' ended with an error at 03:12: the target is read-only.",
        about: ("service", "server", "backup"),
        item: Some("backup-01"),
        level: (2, 2),
        tags: &["monitoring", "backup"],
        note: "File system went read-only after a path to the storage was lost.",
        resolved: ("restart", "Path brought back, file system checked and mounted; the backup ran through at noon."),
        ..PLAIN
    },
    Story {
        by: By::Monitoring,
        title: "edge-router-south: packet loss above 2 %",
        text: "Loss on the first line of Distribution South; the second line is clean and takes the traffic.",
        about: ("hardware", "network", "line"),
        service: Some("Corporate network"),
        item: Some("edge-router-south"),
        level: (3, 2),
        tags: &["monitoring", "supplier"],
        note: "Carrier sees errors on their side and sends somebody.",
        resolved: ("supplier", "The carrier replaced a transceiver in the street cabinet; no loss for two hours."),
        ..PLAIN
    },
    Story {
        by: By::Monitoring,
        title: "print-server-01: spooler stopped",
        text: "Service 'spooler' is not running; restart by the monitoring failed twice.",
        about: ("service", "server", "printing"),
        item: Some("print-server-01"),
        tags: &["monitoring"],
        note: "A driver update left a locked file behind.",
        resolved: ("restart", "Locked job file removed and the spooler started; the queue was printed."),
        ..PLAIN
    },
];

/// Outages, oldest first.
pub const MAJORS: &[Major] = &[
    Major {
        story: Story {
            by: By::Monitoring,
            title: "Email does not arrive, inside or outside",
            text: "mail-store-01 does not answer on port 25; the queue of the gateway is at 3,000 and grows.",
            about: ("service", "server", "mail"),
            service: Some("Email and calendar"),
            item: Some("mail-store-01"),
            level: (1, 1),
            tags: &["outage"],
            note: "Volume of the mail log is full; the store stopped accepting to protect itself.",
            resolved: (
                "capacity",
                "Log volume enlarged and old logs removed. The store accepts again; the queue was empty after 25 minutes.",
            ),
            ..PLAIN
        },
        parts: &[
            ("hannah.cole", "No mail since nine at Head Office"),
            ("paulo.mendes", "Delivery notes by mail don't reach the dispatch office South"),
            ("aisha.khan", "Applicants' mails don't arrive"),
        ],
        duplicates: &[("yusuf.demir", "Is the mail down?"), ("mateo.silva", "Mails stay in the outbox")],
    },
    Major {
        story: Story {
            by: By::Monitoring,
            title: "Distribution North is cut off from the network",
            text: "edge-router-north is not reachable on either line; wifi-north and all handhelds are gone with it.",
            about: ("hardware", "network", "site"),
            service: Some("Corporate network"),
            item: Some("edge-router-north"),
            level: (1, 1),
            tags: &["outage"],
            note: "Both lines end in the same cabinet, and it has no power: an electrician tripped the breaker.",
            resolved: (
                "power",
                "Breaker switched on again, router and wireless came up by themselves. A second feed for the cabinet is ordered.",
            ),
            ..PLAIN
        },
        parts: &[
            ("ewan.macleod", "Dock 4 can't scan, lorries are waiting"),
            ("katarzyna.nowak", "Packing line 2 stands still, no network"),
        ],
        duplicates: &[("dele.adeyemi", "Everything offline in the dispatch office North")],
    },
    Major {
        story: Story {
            by: By::Monitoring,
            title: "Order management answers with errors",
            text: "orders-app-01: a third of all requests end with status 500 since the release of this morning.",
            about: ("application", "software", "orders"),
            service: Some("Order management"),
            item: Some("orders-app-01"),
            level: (1, 1),
            tags: &["outage", "release"],
            note: "Errors only on the node with the new release. Going back to the old one is being prepared.",
            resolved: (
                "rollback",
                "Release taken back on both nodes; no errors since. The cause goes to a problem record.",
            ),
            ..PLAIN
        },
        parts: &[
            ("ines.castillo", "Goods-in South can't book receipts"),
            ("claire.dubois", "Invoices of today are missing"),
        ],
        duplicates: &[
            ("tuan.pham", "Error 500 when I open an order"),
            ("katarzyna.nowak", "Orders don't load, or only at the third try"),
        ],
    },
];
