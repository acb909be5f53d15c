//! Stories about what people hold in their hands, and about who may do what.

use super::{By, PLAIN, Story};

/// What people report.
pub const TOLD: &[Story] = &[
    Story {
        title: "Laptop does not wake up after lunch",
        text: "Screen stays black when I open the lid; I have to hold the power button. Third time this week.",
        about: ("hardware", "hardware", "laptop"),
        item: Some("laptops-office"),
        asked: Some(("Does it happen on the dock, without it, or both?", "Only when it was on the dock before.")),
        note: "Firmware of the dock is two years old.",
        resolved: ("firmware", "Firmware of the dock and the laptop updated; slept and woke ten times in a row."),
        ..PLAIN
    },
    Story {
        title: "Battery lasts half an hour",
        text: "The laptop dies in every meeting. It is from the first batch.",
        about: ("hardware", "hardware", "laptop"),
        item: Some("laptops-finance"),
        note: "Battery health 38 %. Spare ordered with the manufacturer under warranty.",
        tags: &["warranty"],
        resolved: ("replacement", "Battery replaced under warranty; full charge shows nine hours."),
        ..PLAIN
    },
    Story {
        title: "Second monitor flickers",
        text: "The right monitor at {place} flickers every few seconds. The left one is fine.",
        about: ("hardware", "hardware", "monitor"),
        asked: Some(("Would you swap the two cables and see whether the flicker moves?", "It moves with the cable.")),
        note: "Cable, then.",
        resolved: ("replacement", "New cable brought round; the picture has been steady for an hour."),
        ..PLAIN
    },
    Story {
        by: By::Floor,
        title: "Label printer prints blank labels",
        text: "At {place} every second label is blank. Drivers wait for theirs.",
        about: ("hardware", "hardware", "printer"),
        service: Some("Printing"),
        item: Some("label-printer-north-4"),
        level: (3, 2),
        tags: &["labels"],
        note: "Head is worn; the spare is in the cupboard at dispatch.",
        resolved: ("replacement", "Print head replaced from stock and calibrated; 50 labels printed without a gap."),
        ..PLAIN
    },
    Story {
        title: "Printer on the second floor smears",
        text: "Black streaks on every page, also on copies.",
        about: ("hardware", "hardware", "printer"),
        service: Some("Printing"),
        item: Some("printer-hq-2"),
        note: "Fuser is due according to the counter; ordered, comes on Thursday.",
        resolved: (
            "workaround",
            "Print to the third floor until the fuser is here; the queue on all laptops points there by itself.",
        ),
        workaround: true,
        ..PLAIN
    },
    Story {
        by: By::Floor,
        title: "Handheld does not charge",
        text: "Two handhelds from {place} are dead in the cradle in the morning.",
        about: ("hardware", "hardware", "handheld"),
        item: Some("handhelds-south"),
        asked: Some(("What colour is the lamp of the cradle?", "Off. On the others it is green.")),
        note: "Power supply of the cradle, most likely.",
        resolved: ("replacement", "Power supply of the cradle replaced; both handhelds are full."),
        ..PLAIN
    },
    Story {
        title: "No sound in video calls",
        text: "Others hear me, I don't hear them. With the telephone it works.",
        about: ("application", "software", "calls"),
        asked: Some((
            "Which device is chosen under Settings, Audio?",
            "It says 'Monitor'. I have no speakers in the monitor.",
        )),
        note: "Update chose the monitor as output again.",
        resolved: ("user guidance", "Headset chosen as output and pinned; the test call was heard both ways."),
        ..PLAIN
    },
    Story {
        title: "Spreadsheet crashes when it opens",
        text: "The forecast file closes the program at once, on my laptop and on a colleague's. Older copies open.",
        about: ("application", "software", "office"),
        level: (3, 2),
        asked: Some(("Where can I find the file?", "On the finance share, Forecast, newest one.")),
        note: "An add-in of the bank writes a broken style; safe mode opens it.",
        resolved: (
            "data fix",
            "File opened without add-ins, broken styles removed, saved. The bank knows of its add-in.",
        ),
        ..PLAIN
    },
    Story {
        title: "Meeting room screen shows nothing",
        text: "{place}: the big screen says 'no signal' with every laptop. Visitors arrive in an hour.",
        about: ("hardware", "hardware", "meeting room"),
        level: (3, 1),
        note: "Somebody borrowed the adapter.",
        resolved: ("replacement", "New adapter put in and fixed with a cable lock; picture and sound tested."),
        ..PLAIN
    },
    Story {
        title: "Password expired while on leave",
        text: "I am back from leave and can't sign in: the password has expired, and the page to change it wants the old one.",
        about: ("service", "access", "password"),
        level: (3, 2),
        note: "Called back on the number in the directory.",
        resolved: ("access", "Identity confirmed by a call back; one-time password given, changed during the call."),
        ..PLAIN
    },
    Story {
        title: "No access to the budget folder",
        text: "I moved to controlling this month and can't open Finance, Budget. My manager has agreed.",
        about: ("service", "access", "rights"),
        asked: Some((
            "Please ask your manager to confirm here or by mail: budget is restricted.",
            "He has written to you just now, Re: budget folder.",
        )),
        note: "Approval of the manager is in the mailbox of the team.",
        resolved: ("access", "Added to the group of controlling, removed from the old one; access confirmed."),
        ..PLAIN
    },
    Story {
        title: "New starter has no account",
        text: "Our new colleague starts on Monday and has no account and no mailbox yet. The form was sent two weeks ago.",
        about: ("service", "access", "new starter"),
        level: (3, 2),
        tags: &["new-starter"],
        note: "The form lies with HR: start date missing.",
        pass_to: Some("workplace"),
        resolved: (
            "access",
            "Start date confirmed by HR; account, mailbox and standard rights made, letter handed to the manager.",
        ),
        ..PLAIN
    },
    Story {
        title: "Second factor lost with the old telephone",
        text: "My telephone was exchanged and the app asks for a code that I no longer get.",
        about: ("service", "access", "second factor"),
        level: (3, 1),
        note: "Came in person with the badge.",
        resolved: ("access", "Identity checked at the desk; old factor removed, new telephone registered and tried."),
        ..PLAIN
    },
    Story {
        title: "Strange mail about my pay, looks like phishing",
        text: "It says that my pay can't be transferred and wants me to sign in. I have not clicked. Three colleagues got it too.",
        about: ("security", "software", "mail"),
        level: (2, 2),
        tags: &["phishing"],
        note: "Domain registered yesterday. Blocked at the gateway; 14 mailboxes had it, nobody followed the link.",
        resolved: (
            "blocked",
            "Sender and domain blocked, message removed from 14 mailboxes, warning sent to all staff.",
        ),
        ..PLAIN
    },
    Story {
        title: "Stolen laptop",
        text: "My laptop was taken from the train this morning. It was locked. What do I do now?",
        about: ("security", "hardware", "laptop"),
        item: Some("laptops-office"),
        level: (2, 1),
        tags: &["theft"],
        asked: Some((
            "Have you reported it to the police, and do you have the reference?",
            "Yes, I will send a photo of the paper.",
        )),
        note: "Disk is encrypted; wipe is waiting for the device to come online. Sessions and tokens revoked.",
        resolved: (
            "replacement",
            "Device locked for good and wiped at its first contact; sessions ended, replacement handed out.",
        ),
        ..PLAIN
    },
    Story {
        title: "Payslip of last month is missing",
        text: "In the HR application the list of payslips ends the month before last.",
        about: ("application", "software", "payroll"),
        service: Some("HR and payroll"),
        item: Some("payroll-app-01"),
        note: "Eleven people hired mid-month are missing from the export.",
        resolved: ("data fix", "Export run again for those hired in the middle of the month; the payslips are there."),
        ..PLAIN
    },
    Story {
        title: "Leave request can't be submitted",
        text: "The button is grey though all fields are filled in.",
        about: ("application", "software", "leave"),
        service: Some("HR and payroll"),
        asked: Some(("Does your leave cross the end of the year?", "Yes, from 28 December to 4 January.")),
        note: "Known: next year's calendar is not loaded yet.",
        resolved: (
            "workaround",
            "Submit two requests, one for each year; HR will join them. Next year's calendar comes with the December release.",
        ),
        workaround: true,
        ..PLAIN
    },
    Story {
        title: "Coffee machine asks for a network password",
        text: "The new machine at {place} wants to join the wireless network. Is that all right?",
        about: ("service", "other", "question"),
        note: "It is not. Guest network at most.",
        pass_to: Some("network-operations"),
        resolved: ("no fault", "The machine works without a network; facilities were told not to connect it."),
        ..PLAIN
    },
];
