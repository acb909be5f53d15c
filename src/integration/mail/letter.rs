//! A message as it comes in (RFC 5322), read into what a record needs of it.

use mail_parser::{HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use sha2::{Digest, Sha256};

use super::{automatic, said};
use crate::{
    error::{Code, Error, Result},
    record::{attachment, kind::LONG},
};

/// The longest id of a message that is remembered; of a longer one its digest is.
const LONGEST_ID: usize = 250;
/// Ids of other messages that are looked through.
const MOST_IDS: usize = 50;
/// Parts of text that are read.
const MOST_TEXTS: usize = 10;
/// Files that are taken of one message.
pub const MOST_FILES: usize = 20;
/// The longest name of a media type.
const MEDIA_TYPE: usize = 127;
/// What bytes are of which nothing is known.
const BYTES: &str = "application/octet-stream";

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its id; made of its bytes where it has none.
    pub id: String,
    /// The address of who sent it.
    pub from: String,
    /// Its subject; empty where it has none.
    pub subject: String,
    /// The ids of the messages that it answers, the nearest first.
    pub answers: Vec<String>,
    /// What is said in it.
    pub text: String,
    /// What is attached to it.
    pub files: Vec<File>,
    /// Why it is taken for one that a machine has sent.
    pub automatic: Option<&'static str>,
}

/// What is attached to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The name of the file.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Letter {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Code::Malformed`] for what is no message, [`Code::Invalid`] for one that nobody has sent.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let message = MessageParser::default().parse(bytes).filter(has_a_head);
        let message = message.ok_or_else(|| Error::new(Code::Malformed, "The body is no message (RFC 5322)."))?;
        let automatic = automatic::why(&message);
        let from =
            message.from().and_then(|from| from.first()?.address()).map(|from| said::plain(from).trim().to_owned());
        let from = from.filter(|from| from.contains('@'));
        // A report about another message may come from nobody at all.
        let from = match (from, automatic) {
            (Some(from), _) => from,
            (None, Some(_)) => String::new(),
            (None, None) => {
                return Err(Error::invalid("/from", "required", "The message does not say who sent it (`From`)."));
            }
        };
        Ok(Letter {
            id: id(&message, bytes),
            from,
            subject: message.subject().map(one_line).unwrap_or_default(),
            answers: answers(&message),
            text: text(&message),
            files: message.attachments().enumerate().map(|(n, part)| file(n, part)).collect(),
            automatic,
        })
    }
}

/// Whether it begins with what a message begins with.
fn has_a_head(message: &Message<'_>) -> bool {
    message.headers().iter().any(|header| !header.name.is_other())
}

fn id(message: &Message<'_>, bytes: &[u8]) -> String {
    let given = message.message_id().map(|id| said::plain(id).trim().to_owned());
    let digest = || format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
    given.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID).unwrap_or_else(digest)
}

/// The ids of what it answers: that which it says itself first, then the others from the newest on.
fn answers(message: &Message<'_>) -> Vec<String> {
    let ids = |value: &HeaderValue<'_>| -> Vec<String> {
        value.as_text_list().unwrap_or_default().iter().map(|id| said::plain(id)).collect()
    };
    let references = ids(message.references()).into_iter().rev();
    ids(message.in_reply_to()).into_iter().chain(references).take(MOST_IDS).collect()
}

/// What is said in it: in its text, or else in its HTML.
fn text(message: &Message<'_>) -> String {
    let parts = message.text_bodies().take(MOST_TEXTS);
    let said: Vec<String> = parts
        .map(|part| match &part.body {
            PartType::Text(text) => said::of(text),
            PartType::Html(html) => said::of_html(html),
            PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Message(_) | PartType::Multipart(_) => {
                String::new()
            }
        })
        .filter(|said| !said.is_empty())
        .collect();
    said.join("\n\n").chars().take(LONG).collect()
}

fn one_line(text: &str) -> String {
    said::plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn file(n: usize, part: &MessagePart<'_>) -> File {
    let otherwise =
        || if part.is_message() { format!("message-{}.eml", n + 1) } else { format!("attachment-{}", n + 1) };
    File {
        name: part.attachment_name().and_then(file_name).unwrap_or_else(otherwise),
        media_type: media_type(part),
        bytes: part.contents().to_vec(),
    }
}

/// The name of a file as this server takes it: the last part of a path.
fn file_name(given: &str) -> Option<String> {
    let name = one_line(given.rsplit(['/', '\\']).next()?);
    let name: String = name.chars().take(attachment::NAME).collect();
    attachment::check_name(&name).is_ok().then_some(name)
}

fn media_type(part: &MessagePart<'_>) -> String {
    if part.is_message() {
        return "message/rfc822".to_owned();
    }
    let Some(kind) = part.content_type() else { return BYTES.to_owned() };
    let is_token =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    match kind.subtype() {
        Some(subtype) if is_token(kind.ctype()) && is_token(subtype) => {
            let name = format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase();
            if name.len() <= MEDIA_TYPE { name } else { BYTES.to_owned() }
        }
        _ => BYTES.to_owned(),
    }
}
