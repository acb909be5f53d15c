//! Messages over SMTP.
//!
//! **Invariant:** no password, address or body is logged.

use std::{
    error::Error as _,
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters, TlsParametersBuilder},
    },
};

use super::{id_of_message, id_of_thread};
use crate::{
    clock::Moment,
    config::{Mail, MailTls},
    error::{Code, Error, Result},
    integration::backoff,
    record::notification::{
        claim::{Attempted, Verdict},
        compose::Outgoing,
        message::MessageRow,
    },
};

/// The longest sentence that is kept of what went wrong.
const LONGEST_ERROR: usize = 500;
/// How long a whole attempt may take: less than the minute that a node has for it.
const WHOLE: Duration = Duration::from_secs(45);
/// How a certificate begins (RFC 7468).
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// How long a connection waits for the next message.
const IDLE: Duration = Duration::from_secs(30);

/// What tells others that a machine has sent it, so that none answers.
const BY_A_MACHINE: [(&str, &str); 3] =
    [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"), ("Precedence", "bulk")];

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Sends messages.
pub struct Postman {
    settings: Mail,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    /// Who may vouch for the mail server, beside whom the system trusts.
    authorities: Option<Certificate>,
    /// Made when it is first needed, since its connections belong to the runtime that sends; or why it can't be.
    transport: OnceLock<std::result::Result<Transport, String>>,
}

/// An attempt, and whether another one would be in vain.
pub struct Answered {
    /// What is kept of it.
    pub attempted: Attempted,
    /// Whether the mail server wants this message never.
    pub refused: bool,
}

impl Postman {
    /// Sends as the operator says; nobody where mail is off.
    ///
    /// # Errors
    /// An address that is none; a file of certificates that can't be read.
    pub fn new(settings: &Mail) -> Result<Option<Self>> {
        if !settings.enabled {
            return Ok(None);
        }
        let mailbox = |name: Option<String>, address: &str, key: &str| match address.parse() {
            Ok(address) => Ok(Mailbox::new(name, address)),
            Err(why) => Err(Error::new(Code::Invalid, format!("configuration: mail.{key}: {why}"))),
        };
        let name = Some(settings.from_name.clone()).filter(|name| !name.is_empty());
        let reply_to = settings.reply_to.as_deref().map(|address| mailbox(None, address, "reply_to"));
        Ok(Some(Postman {
            from: mailbox(name, &settings.from_address, "from_address")?,
            reply_to: reply_to.transpose()?,
            authorities: settings.certificate_authority.as_deref().map(certificates).transpose()?,
            settings: settings.clone(),
            transport: OnceLock::new(),
        }))
    }

    /// Makes an attempt.
    pub async fn send(&self, outgoing: &Outgoing, at: Moment) -> Answered {
        let begun = Instant::now();
        let outcome = match tokio::time::timeout(WHOLE, self.attempt(outgoing, at)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::of(format!("It took longer than {} seconds.", WHOLE.as_secs()))),
        };
        let (status, error, refused) = match outcome {
            Ok(status) => (Some(status), None, false),
            Err(Failure { status, said, refused }) => {
                (status, Some(said.chars().take(LONGEST_ERROR).collect()), refused)
            }
        };
        let milliseconds = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        Answered { attempted: Attempted { at, status, milliseconds, error }, refused }
    }

    async fn attempt(&self, outgoing: &Outgoing, at: Moment) -> std::result::Result<u16, Failure> {
        let message = self.message(outgoing, at)?;
        let transport = self.transport.get_or_init(|| self.connect());
        let transport = transport.as_ref().map_err(|why| Failure::of(why.clone()))?;
        let response = transport.send(message).await.map_err(|error| Failure::by_server(&error))?;
        Ok(response.code().into())
    }

    fn connect(&self) -> std::result::Result<Transport, String> {
        let settings = &self.settings;
        let encrypted = || {
            let parameters = TlsParameters::builder(settings.host.clone());
            let parameters =
                self.authorities.iter().cloned().fold(parameters, TlsParametersBuilder::add_root_certificate);
            parameters.build().map_err(|e| format!("TLS can't be set up: {e}."))
        };
        let (tls, port) = match settings.tls {
            MailTls::Implicit => (Tls::Wrapper(encrypted()?), 465),
            MailTls::Starttls => (Tls::Required(encrypted()?), 587),
            MailTls::None => (Tls::None, 25),
        };
        let connections = u32::try_from(settings.in_flight).unwrap_or(u32::MAX);
        let mut builder = Transport::builder_dangerous(&settings.host)
            .port(settings.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(Duration::from_secs(settings.timeout_seconds)))
            .pool_config(PoolConfig::new().max_size(connections).idle_timeout(IDLE));
        if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        Ok(builder.build())
    }

    /// A message as it goes over the wire.
    fn message(&self, outgoing: &Outgoing, at: Moment) -> std::result::Result<Message, Failure> {
        let domain = self.settings.domain();
        let never = |why: String| Failure { status: None, said: why, refused: true };
        let to = outgoing.address.parse().map_err(|e| never(format!("The address is none: {e}.")))?;
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(outgoing.name.clone()), to))
            .subject(outgoing.subject.clone())
            .date(SystemTime::from(at.utc()))
            .message_id(Some(format!("<{}>", id_of_message(outgoing.identity, domain))));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        if let Some(record) = outgoing.thread {
            let thread = format!("<{}>", id_of_thread(record, domain));
            builder = builder.in_reply_to(thread.clone()).references(thread);
        }
        for (name, value) in BY_A_MACHINE {
            builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()));
        }
        let made = match &outgoing.html {
            Some(html) => builder.multipart(MultiPart::alternative_plain_html(outgoing.text.clone(), html.clone())),
            None => builder.singlepart(SinglePart::plain(outgoing.text.clone())),
        };
        made.map_err(|e| never(format!("The message can't be made: {e}.")))
    }
}

/// The certificates in a file.
fn certificates(file: &Path) -> Result<Certificate> {
    let refused = |why: String| {
        Error::new(Code::Invalid, format!("configuration: mail.certificate_authority: {}: {why}", file.display()))
    };
    let pem = std::fs::read(file).map_err(|why| refused(why.to_string()))?;
    if !pem.windows(PEM.len()).any(|part| part == PEM) {
        return Err(refused("there is no certificate in it".to_owned()));
    }
    Certificate::from_pem(&pem).map_err(|why| refused(why.to_string()))
}

/// Why an attempt failed.
struct Failure {
    status: Option<u16>,
    said: String,
    refused: bool,
}

impl Failure {
    /// Something that may be otherwise later.
    fn of(said: String) -> Self {
        Failure { status: None, said, refused: false }
    }

    fn by_server(error: &lettre::transport::smtp::Error) -> Self {
        let status: Option<u16> = error.status().map(Into::into);
        // What is said of our signing in (RFC 4954) says nothing of the message: the operator will mend it.
        let is_about_us = status.is_some_and(|code| code / 10 == 53);
        Failure { status, said: innermost(error), refused: error.is_permanent() && !is_about_us }
    }
}

/// What happened, with its cause.
fn innermost(error: &lettre::transport::smtp::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = inner.source();
    }
    said
}

/// What comes of an attempt. `chance` is from 0 to 1.
pub fn verdict(message: &MessageRow, answered: &Answered, now: Moment, chance: f64) -> Verdict {
    let Some(error) = &answered.attempted.error else { return Verdict::Sent };
    if answered.refused {
        return Verdict::Dead(error.clone());
    }
    let attempts = message.attempts + 1;
    match backoff::next(message.created_at, now, attempts, None, chance) {
        Some(at) => Verdict::Again(at),
        None => Verdict::Dead(format!("{attempts} attempts within a day have failed; the last one: {error}")),
    }
}
