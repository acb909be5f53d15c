//! What becomes of a message that came in: a comment of its sender on the record that it answers, or a new contact with the desk.

use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Ours, letter::Letter};
use crate::{
    auth::{caller::Caller, directory::load_caller},
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{RecordId, UserId},
    record::{
        attachment::{self, Attachment},
        cause::{Cause, Via},
        header::Header,
        journal::COMMENT,
        kernel::Kernel,
        kind::{Kind, TITLE},
        notification::{
            message::MessageRow,
            received::{ReceivedRow, people_at},
        },
        store::Desk,
        visibility,
    },
};

/// What a message begins that is about no record: a contact, which the desk turns into an incident or settles at once.
const CONTACT: &str = "interaction";
/// The longest address that a contact takes, in characters.
const LONGEST_CONTACT: usize = 200;
/// The title of what has no subject.
const UNTITLED: &str = "(no subject)";

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReceivedMailOutcome)]
pub enum Outcome {
    /// It is a comment on a record.
    Commented,
    /// It has begun a record.
    Opened,
    /// It was taken before; nothing was changed.
    Duplicate,
    /// A machine has sent it; nothing was changed.
    Automatic,
    /// Nothing is said in it and nothing attached; nothing was changed.
    Empty,
}

impl Outcome {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Commented => "commented",
            Outcome::Opened => "opened",
            Outcome::Duplicate => "duplicate",
            Outcome::Automatic => "automatic",
            Outcome::Empty => "empty",
        }
    }
}

/// What became of a message, and of which record.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What became of it.
    pub outcome: Outcome,
    /// The record that it is in.
    pub record: Option<Header>,
}

/// Whoever sent a message: an active person who is the only one with that address.
///
/// # Errors
/// [`Code::Invalid`]: who is not known is refused. Anybody can write any address as their own, so a stranger's message would be let
/// in by nothing at all; the mail server that hands it in says so to them, or keeps it for a person to look at.
pub fn sender(connection: &mut AnyConnection, letter: &Letter) -> Result<Arc<Caller>> {
    let refused = |code: &str, detail: String| Err(Error::invalid("/from", code, detail));
    match people_at(connection, &letter.from)?.as_slice() {
        [one] => match load_caller(connection, *one)? {
            Some(caller) => Ok(Arc::new(caller)),
            None => refused("unknown_sender", unknown(&letter.from)),
        },
        [] => refused("unknown_sender", unknown(&letter.from)),
        _ => refused("ambiguous_sender", format!("More than one person has the address {}.", letter.from)),
    }
}

fn unknown(address: &str) -> String {
    format!("Nobody who is active has the address {address}.")
}

/// What was made before of the same message.
pub fn known(connection: &mut AnyConnection, sender: UserId, letter: &Letter) -> Result<Option<Taken>> {
    let Some(row) = ReceivedRow::find(connection, sender, &letter.id)? else { return Ok(None) };
    let record = row.record_id.map(|id| Header::find(connection, id)).transpose()?.flatten();
    Ok(Some(Taken { outcome: Outcome::Duplicate, record }))
}

/// Takes a message in, in the name of its sender; `files` are its attachments, whose bytes are stored. The desk is that of whoever hands it
/// in.
pub fn take_in(desk: &mut Desk<'_, '_>, letter: &Letter, files: &[Attachment], domain: &str) -> Result<Taken> {
    let connection = desk.unit.connection()?;
    let sender = sender(connection, letter)?;
    if let Some(known) = known(connection, sender.user, letter)? {
        return Ok(known);
    }
    let found = about(desk.kernel, connection, &sender, letter, domain)?;
    let gateway = desk.cause.caller.user;
    let cause = Cause { caller: sender, via: Via::Mail, ..desk.cause.clone() };
    let mut theirs = Desk { kernel: desk.kernel, unit: &mut *desk.unit, cause: &cause };
    let (outcome, record) = match found {
        Some(header) => (comment(&mut theirs, &header, letter, files)?, Some(header.id)),
        None if is_empty(letter, files) => (Outcome::Empty, None),
        None => (Outcome::Opened, Some(open(&mut theirs, letter, files)?)),
    };
    let row = ReceivedRow {
        user_id: cause.caller.user,
        message_id: letter.id.clone(),
        record_id: record,
        outcome: outcome.as_str().to_owned(),
        taken_by_id: gateway,
        received_at: cause.at,
    };
    let connection = desk.unit.connection()?;
    if !row.insert(connection)? {
        // Another node took the same message meanwhile: the writer runs this again, and finds it.
        return Err(Error {
            source: Some("optimistic lock".into()),
            ..Error::new(Code::Stale, "It was taken meanwhile.")
        });
    }
    let record = record.map(|id| Header::find(connection, id)).transpose()?.flatten();
    Ok(Taken { outcome, record })
}

fn is_empty(letter: &Letter, files: &[Attachment]) -> bool {
    letter.text.is_empty() && files.is_empty() && letter.subject.is_empty()
}

/// The record that a message is about, if its sender may read it: that of the messages which it answers, or whose number its subject
/// holds.
fn about(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    sender: &Caller,
    letter: &Letter,
    domain: &str,
) -> Result<Option<Header>> {
    let mut records: Vec<RecordId> = Vec::new();
    for id in letter.answers.iter().filter_map(|id| Ours::read(id, domain)) {
        match id {
            Ours::Thread(record) => records.push(record),
            Ours::Message(message) => records.extend(MessageRow::record_of(connection, message)?),
        }
    }
    for number in numbers(&letter.subject) {
        records.extend(Header::id_of(connection, number)?);
    }
    let mut seen = visibility::among(kernel, connection, sender, records.clone())?;
    Ok(records.iter().find_map(|id| seen.remove(id)))
}

static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(\[)?\b([A-Z]{2,6}[0-9]{7,12})\b").ok());

/// The numbers of records in a subject: those in brackets first.
pub fn numbers(subject: &str) -> Vec<&str> {
    let Some(pattern) = LazyLock::force(&NUMBER) else { return Vec::new() };
    let mut found: Vec<(bool, &str)> = pattern
        .captures_iter(subject)
        .filter_map(|found| Some((found.get(1).is_none(), found.get(2)?.as_str())))
        .collect();
    found.sort_by_key(|(bare, _)| *bare);
    found.into_iter().map(|(_, number)| number).collect()
}

static LEADING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^\s*((re|aw|antw|antwort|sv|fw|fwd|wg|tr|rv)(\[\d+\])?\s*:|\[[A-Z]{2,6}[0-9]{7,12}\])\s*").ok()
});

/// A subject as the title of a record: without what programs put before it.
pub fn title(subject: &str) -> String {
    let mut rest = subject.trim();
    if let Some(leading) = LazyLock::force(&LEADING) {
        while let Some(found) = leading.find(rest) {
            rest = &rest[found.end()..];
        }
    }
    let title: String = rest.trim().chars().take(TITLE).collect();
    if title.is_empty() { UNTITLED.to_owned() } else { title }
}

fn comment(desk: &mut Desk<'_, '_>, header: &Header, letter: &Letter, files: &[Attachment]) -> Result<Outcome> {
    let practice = desk.kernel.practice(&header.kind)?;
    if letter.text.is_empty() && files.is_empty() {
        return Ok(Outcome::Empty);
    }
    if !letter.text.is_empty() {
        let said = Map::from_iter([(COMMENT.to_owned(), Value::from(letter.text.clone()))]);
        practice.change(desk, header.id, None, said)?;
    }
    attach(desk, practice.kind(), header.id, files)?;
    Ok(Outcome::Commented)
}

fn open(desk: &mut Desk<'_, '_>, letter: &Letter, files: &[Attachment]) -> Result<RecordId> {
    let practice = desk.kernel.practice(CONTACT)?;
    let mut contact = json!({"title": title(&letter.subject), "description": letter.text, "channel": "mail"});
    if letter.from.chars().count() <= LONGEST_CONTACT {
        contact["contact"] = letter.from.clone().into();
    }
    let Value::Object(contact) = contact else { return Err(Error::internal("an object is one")) };
    let made = practice.create(desk, contact)?;
    attach(desk, practice.kind(), made.id, files)?;
    Ok(made.id)
}

fn attach(desk: &mut Desk<'_, '_>, kind: &'static Kind, record: RecordId, files: &[Attachment]) -> Result<()> {
    for file in files {
        let row = Attachment { record_id: record, created_by_id: desk.cause.caller.user, ..file.clone() };
        attachment::add(desk, kind, None, row)?;
    }
    Ok(())
}
