//! What a machine has sent: an answer to it would be answered by the machine.

use mail_parser::{Message, MimeHeaders};

/// How subjects of answers begin that machines write without saying so.
const SUBJECTS: [&str; 6] =
    ["automatic reply:", "automatische antwort:", "auto:", "out of office:", "abwesenheitsnotiz:", "undeliverable:"];
/// Who sends nothing that a person wrote.
const SENDERS: [&str; 2] = ["mailer-daemon@", "postmaster@"];
/// What `Precedence` says of what goes to many or comes from a machine.
const PRECEDENCES: [&str; 5] = ["bulk", "auto_reply", "auto-reply", "list", "junk"];

/// Why a message is taken for one that a machine has sent; nothing for what a person has.
pub fn why(message: &Message<'_>) -> Option<&'static str> {
    let header = |name: &'static str| message.header_raw(name).map(|value| value.trim().to_ascii_lowercase());
    let is_there = |name| header(name).is_some_and(|value| value != "no");
    if header("Auto-Submitted").is_some_and(|value| first_word(&value) != "no") {
        return Some("it says that it was submitted automatically");
    }
    if header("Precedence").is_some_and(|value| PRECEDENCES.contains(&first_word(&value))) {
        return Some("its precedence is that of a machine or a list");
    }
    if ["X-Autoreply", "X-Autorespond", "X-Autoresponder"].into_iter().any(is_there) {
        return Some("it says that it is an automatic answer");
    }
    if header("Return-Path").is_some_and(|value| value.replace(' ', "") == "<>") {
        return Some("its return path is empty");
    }
    if header("List-Id").is_some() {
        return Some("it comes from a list");
    }
    if is_report(message) || header("X-Failed-Recipients").is_some() {
        return Some("it is a report about another message");
    }
    let from = message.from().and_then(|from| from.first()?.address()).unwrap_or_default().to_ascii_lowercase();
    if SENDERS.iter().any(|sender| from.starts_with(sender)) {
        return Some("its sender is a mail server");
    }
    let subject = message.subject().unwrap_or_default().trim().to_lowercase();
    if SUBJECTS.iter().any(|begin| subject.starts_with(begin)) {
        return Some("its subject is that of an automatic answer");
    }
    None
}

fn first_word(value: &str) -> &str {
    value.split([';', ' ', '(']).next().unwrap_or_default()
}

/// Whether it tells of the delivery or the reading of another message (RFC 6522).
fn is_report(message: &Message<'_>) -> bool {
    message.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("multipart")
            && kind.subtype().is_some_and(|subtype| subtype.eq_ignore_ascii_case("report"))
    })
}
