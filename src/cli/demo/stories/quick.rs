//! Contacts that the service desk settles at once: what the person wants, and what they are told.

/// Title and resolution.
pub const QUICK: &[(&str, &str)] = &[
    ("Asks how to book a meeting room", "Showed how to add a room in the calendar; the room answers by itself."),
    ("Forgot the PIN of the voice mail", "Identity checked by calling back; PIN reset."),
    ("Where do I order a headset?", "Sent the link to the catalogue; headsets need no approval."),
    ("Screen is upside down", "Ctrl+Alt+Up arrow. Both laughed."),
    ("Asks whether tonight's maintenance affects the portal", "Read out the announcement: 22:00 to 23:00, read-only."),
    ("Can't find the button for out-of-office", "Walked through it together; reply is set until Friday."),
    ("Account locked after holidays", "Identity checked with the manager; unlocked, signed in during the call."),
    ("Wants a second mailbox in the list", "Rights were there already; restarted the mail program."),
    ("Printer says 'paper jam', there is none", "Open and close the rear flap: the sensor had stuck."),
    ("Which number for the taxi company?", "Not ours, but reception has it: transferred."),
    ("Is this message about a parcel real?", "It is real: the person had ordered something. Thanked them for asking."),
    ("How do I scan to my mailbox?", "Explained the second tab on the display; test scan arrived."),
    ("Colleague is locked out and asks through me", "Asked the colleague to call themselves; explained why."),
];
