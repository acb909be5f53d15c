//! Messages as people and machines send them.

use proptest::prelude::*;

use super::{
    Ours, id_of_message, id_of_thread,
    letter::Letter,
    receive::{numbers, title},
    said,
};
use crate::id::{RecordId, RowId};

const HEAD: &str =
    "From: Ada Lovelace <Ada@Example.org>\r\nTo: desk@example.org\r\nSubject: Mail\r\nMessage-ID: <1@example.org>\r\n";

fn read(rest: &str) -> Letter {
    Letter::read(format!("{HEAD}{rest}").as_bytes()).unwrap()
}

/// A plain message that says this.
fn plain(body: &str) -> Letter {
    read(&format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{body}"))
}

#[test]
fn what_is_said_is_told_from_what_is_quoted() {
    let outlook = "Done.\r\n\r\nFrom: Desk <desk@example.org>\r\nSent: Tuesday\r\nTo: Ada\r\nSubject: Mail\r\n\r\nold";
    let german =
        "Erledigt.\r\n\r\nVon: Desk <desk@example.org>\r\nGesendet: Dienstag\r\nAn: Ada\r\nBetreff: Mail\r\n\r\nalt";
    let bold = "Done.\r\n\r\n*From:* Desk <desk@example.org>\r\n*Sent:* Tuesday\r\n*To:* Ada\r\n\r\nold";
    let broken = "Done.\r\n\r\nOn Tuesday, the 3rd of March 2026 at 11:00, The Service Desk of Example\r\n<desk@example.org> wrote:\r\n\r\n> old";
    let cases = [
        ("It works again.", "It works again."),
        ("It works.\r\n\r\nThanks", "It works.\n\nThanks"),
        ("It works.\r\n\r\n> old\r\n> older", "It works."),
        ("> old\r\nIt works.\r\n>> older\r\nThanks", "It works.\nThanks"),
        ("It works.\r\n\r\nOn 3 March 2026, Desk wrote:\r\n> old", "It works."),
        ("It works.\r\n\r\nOn 3 March 2026, Desk wrote:\r\n\r\nold without marks", "It works."),
        ("On 3 March 2026, Desk wrote:\r\n> old\r\n\r\nAn answer below.", "An answer below."),
        ("Geht.\r\n\r\nAm 03.03.2026 um 11:00 schrieb Service Desk <desk@example.org>:\r\n> alt", "Geht."),
        ("Geht.\r\n\r\nAm Di., 3. März 2026 um 11:00 Uhr schrieb Desk:\r\n\r\nalt", "Geht."),
        ("Ça marche.\r\n\r\nLe 3 mars 2026 à 11:00, Desk a écrit :\r\n> vieux", "Ça marche."),
        ("Done.\r\n-- \r\nAda Lovelace\r\nAnalyst", "Done."),
        ("Done.\r\n--\r\nAda Lovelace", "Done."),
        ("Done.\r\n\r\n-----Original Message-----\r\nold", "Done."),
        ("Erledigt.\r\n\r\n-----Ursprüngliche Nachricht-----\r\nalt", "Erledigt."),
        ("Done.\r\n________________________________\r\nold", "Done."),
        (outlook, "Done."),
        (german, "Erledigt."),
        (bold, "Done."),
        (broken, "Done."),
        // What only looks like it.
        ("From: the kitchen it smells", "From: the kitchen it smells"),
        ("On Monday I wrote:\r\n1. this\r\n2. that", "On Monday I wrote:\n1. this\n2. that"),
        ("a -- b\r\n--- c", "a -- b\n--- c"),
        // Nothing would be left.
        ("> only a quote", "> only a quote"),
    ];
    for (body, expected) in cases {
        assert_eq!(plain(body).text, expected, "{body:?}");
    }
}

#[test]
fn html_is_read_where_there_is_no_text() {
    let html = |body: &str| read(&format!("Content-Type: text/html; charset=utf-8\r\n\r\n{body}")).text;
    let style = "<html><head><style>p { color: red }</style></head><body><p>It &amp; I work.</p></body></html>";
    assert_eq!(html(style), "It & I work.");
    assert_eq!(
        html("<p>Done.</p><div class=\"gmail_quote\">On 3 March Desk wrote:<blockquote>old</blockquote></div>"),
        "Done."
    );
    assert_eq!(html("<div>Done.</div><div id=\"divRplyFwdMsg\"><b>From:</b> Desk</div>old"), "Done.");
    assert_eq!(html("<blockquote>only a quote</blockquote>"), "only a quote");
    let both = "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nThe text\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>The HTML</p>\r\n--b--\r\n";
    assert_eq!(read(both).text, "The text");
}

#[test]
fn every_charset_and_encoding_becomes_text() {
    let raw = |head: &str, body: &[u8]| {
        let bytes = [HEAD.as_bytes(), head.as_bytes(), b"\r\n\r\n", body].concat();
        Letter::read(&bytes).unwrap()
    };
    let cases: [(&str, &[u8], &str); 5] = [
        ("Content-Type: text/plain; charset=iso-8859-1", b"Gr\xfc\xdfe", "Grüße"),
        ("Content-Type: text/plain; charset=windows-1252", b"\x84Hallo\x93", "„Hallo“"),
        (
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
            b"Gr=C3=BC=C3=9Fe",
            "Grüße",
        ),
        ("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64", b"R3LDvMOfZQ==", "Grüße"),
        ("Content-Type: text/plain; charset=nonsense", b"plain\0 text", "plain text"),
    ];
    for (head, body, expected) in cases {
        assert_eq!(raw(head, body).text, expected, "{head}");
    }
    let bytes = b"From: =?utf-8?q?Ad=C3=A4?= <ada@example.org>\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?utf-8?b?8J+Yig==?=\r\n\r\nx";
    assert_eq!(Letter::read(bytes).unwrap().subject, "Grüße😊");
}

#[test]
fn what_machines_send_is_known_and_what_people_send_is_not() {
    let machines = [
        "Auto-Submitted: auto-replied\r\n\r\nx",
        "Auto-Submitted: auto-generated (vacation)\r\n\r\nx",
        "Precedence: bulk\r\n\r\nx",
        "Precedence: auto_reply\r\n\r\nx",
        "Precedence: List\r\n\r\nx",
        "X-Autoreply: yes\r\n\r\nx",
        "X-Autorespond: vacation\r\n\r\nx",
        "Return-Path: <>\r\n\r\nx",
        "List-Id: News <news.example.org>\r\n\r\nx",
        "X-Failed-Recipients: bob@example.org\r\n\r\nx",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nfailed\r\n--b--",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\nread\r\n--b--",
    ];
    for rest in machines {
        assert!(read(rest).automatic.is_some(), "{rest}");
    }
    let subjects =
        ["Automatic reply: away", "Automatische Antwort: weg", "Out of Office: away", "Abwesenheitsnotiz: weg"];
    for subject in subjects {
        let letter = Letter::read(format!("From: ada@example.org\r\nSubject: {subject}\r\n\r\nx").as_bytes()).unwrap();
        assert!(letter.automatic.is_some(), "{subject}");
    }
    let from_server = b"From: MAILER-DAEMON@example.org\r\nSubject: failed\r\n\r\nx";
    assert!(Letter::read(from_server).unwrap().automatic.is_some());
    let people = [
        "\r\nx",
        "Auto-Submitted: no\r\n\r\nx",
        "Precedence: normal\r\n\r\nx",
        "Return-Path: <ada@example.org>\r\n\r\nx",
        "X-Autoreply: no\r\n\r\nx",
    ];
    for rest in people {
        assert_eq!(read(rest).automatic, None, "{rest}");
    }
}

#[test]
fn sender_thread_and_files_are_read() {
    let rest = "In-Reply-To: <near@x>\r\nReferences: <first@x>\r\n <second@x>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nSee the log.\r\n\
        --b\r\nContent-Type: image/PNG; name=\"../shot.png\"\r\nContent-Disposition: attachment; filename=\"C:\\\\temp\\\\shot.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0=\r\n\
        --b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment\r\n\r\nraw\r\n--b--\r\n";
    let letter = read(rest);
    assert_eq!((letter.from.as_str(), letter.id.as_str()), ("Ada@Example.org", "1@example.org"));
    assert_eq!(letter.answers, ["near@x", "second@x", "first@x"]);
    assert_eq!(letter.text, "See the log.");
    let files: Vec<(&str, &str, &[u8])> =
        letter.files.iter().map(|f| (f.name.as_str(), f.media_type.as_str(), f.bytes.as_slice())).collect();
    assert_eq!(files[0], ("shot.png", "image/png", b"\x89PNG\r".as_slice()));
    assert_eq!((files[1].0, files[1].1, files.len()), ("attachment-2", "application/octet-stream", 2));
}

#[test]
fn a_message_without_an_id_has_one_of_its_own() {
    let letter = |body: &str| Letter::read(format!("From: a@b.c\r\n\r\n{body}").as_bytes()).unwrap().id;
    assert!(letter("x").starts_with("sha256:"));
    assert_eq!(letter("x"), letter("x"));
    assert_ne!(letter("x"), letter("y"));
}

#[test]
fn rubbish_is_no_message() {
    for rubbish in [b"".as_slice(), b"\0\0\0", b"\r\n\r\n"] {
        assert_eq!(Letter::read(rubbish).unwrap_err().code, crate::error::Code::Malformed, "{rubbish:?}");
    }
    for nobody in [b"Subject: x\r\n\r\nx".as_slice(), b"From: nobody\r\n\r\nx", b"From:\r\n\r\nx"] {
        assert_eq!(Letter::read(nobody).unwrap_err().code, crate::error::Code::Invalid, "{nobody:?}");
    }
}

#[test]
fn our_ids_are_known_again_and_those_of_others_are_not() {
    let (record, message) = (RecordId::new(), RowId::new());
    let thread = id_of_thread(record, "example.org");
    assert_eq!(Ours::read(&format!("<{thread}>"), "EXAMPLE.org"), Some(Ours::Thread(record)));
    assert_eq!(Ours::read(&id_of_message(message, "example.org"), "example.org"), Some(Ours::Message(message)));
    for other in [
        thread.replace("example.org", "elsewhere"),
        thread.replace(".record", ".other"),
        "x.record@example.org".into(),
        String::new(),
    ] {
        assert_eq!(Ours::read(&other, "example.org"), None, "{other}");
    }
}

#[test]
fn subjects_hold_numbers_and_titles() {
    assert_eq!(numbers("Re: [INC0000042] and REQ0000007"), ["INC0000042", "REQ0000007"]);
    assert_eq!(numbers("INC0000001 or [INC0000002]"), ["INC0000002", "INC0000001"]);
    for none in ["inc0000042", "INC42", "XINC00000421234567890", ""] {
        assert_eq!(numbers(none), Vec::<&str>::new(), "{none}");
    }
    let cases = [
        ("Re: AW: [INC0000042] Mail is down", "Mail is down"),
        ("Fwd: RE[2]: Help", "Help"),
        ("Regarding mail", "Regarding mail"),
        (" Re: ", "(no subject)"),
    ];
    for (subject, expected) in cases {
        assert_eq!(title(subject), expected, "{subject}");
    }
    assert_eq!(title(&"ä".repeat(1_000)).chars().count(), 255);
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Letter::read(&bytes);
    }

    #[test]
    fn no_body_and_no_structure_do_harm(
        kind in "(text/plain|text/html|multipart/(mixed|alternative|report|related)|message/rfc822)",
        encoding in "(7bit|base64|quoted-printable|nonsense)",
        pieces in proptest::collection::vec("(--b\r\n|--b--\r\n|\r\n|Content-Type: [a-z/]{1,20}\r\n|> |On x wrote:|<[a-z]{1,5}>|&[a-z]{1,4};|=[0-9A-F]{2}|.{0,20})", 0..60),
    ) {
        let body = pieces.concat();
        let text = format!("From: a@b.c\r\nContent-Type: {kind}; boundary=b\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}");
        if let Ok(letter) = Letter::read(text.as_bytes()) {
            prop_assert!(!letter.text.contains('\0') && letter.text.chars().count() <= crate::record::kind::LONG);
        }
        prop_assert!(said::of(&body).len() <= body.len() + 1);
        let _ = said::of_html(&body);
    }
}
