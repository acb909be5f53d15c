//! A mail server, on loopback: takes what is sent over SMTP (RFC 5321), and answers as it is told. It can want a connection that
//! is encrypted (RFC 3207, RFC 8314), and that one signs in (RFC 4954).

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use mail_parser::{HeaderValue, MessageParser};
use pointsman::config::MailTls;
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

/// What it says to the next message, once it has all of it or at once.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// To the whole message.
    ToData(u16),
    /// To the address of who gets it.
    ToRecipient(u16),
    /// Nothing: the connection is closed in the midst of it.
    Close,
}

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub from: String,
    pub to: String,
    pub raw: Vec<u8>,
}

/// A mail server.
pub struct MailServer {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

/// Whom a mail server lets in.
#[derive(Clone, Default)]
pub struct Door {
    /// How it encrypts; not at all where there is nothing.
    tls: Option<(bool, Arc<ServerConfig>)>,
    /// The name and the password of who may send.
    account: Option<(&'static str, &'static str)>,
}

impl Door {
    /// For whoever speaks so and knows name and password; gives the certificate, which it signed itself, in PEM.
    pub fn guarded(tls: MailTls, account: (&'static str, &'static str)) -> (Door, String) {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let tls = match tls {
            MailTls::None => None,
            MailTls::Starttls | MailTls::Implicit => Some((tls == MailTls::Implicit, Arc::new(config))),
        };
        (Door { tls, account: Some(account) }, made.cert.pem())
    }
}

impl MailServer {
    /// One that takes everything, until it is told what else to answer.
    pub fn start() -> Self {
        MailServer::behind(Door::default())
    }

    /// The same, for those whom the door lets in.
    pub fn behind(door: Door) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (arrived, replies) = (Arc::<Mutex<Vec<Arrived>>>::default(), Arc::<Mutex<VecDeque<Reply>>>::default());
        let (taking, answering) = (arrived.clone(), replies.clone());
        // It ends with the tests.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (door, taking, answering) = (door.clone(), taking.clone(), answering.clone());
                thread::spawn(move || serve(stream, &door, &taking, &answering));
            }
        });
        MailServer { address, arrived, replies }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers the next messages so, one after the other.
    pub fn answer(&self, replies: &[Reply]) {
        self.replies.lock().unwrap().extend(replies.iter().copied());
    }

    /// What arrived since this was last asked.
    pub fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.arrived.lock().unwrap())
    }
}

impl Arrived {
    /// A header as text; empty where there is none.
    pub fn header(&self, name: &'static str) -> String {
        let message = MessageParser::default().parse(&self.raw).unwrap();
        message.header_raw(name).unwrap_or_default().trim().to_owned()
    }
    pub fn subject(&self) -> String {
        MessageParser::default().parse(&self.raw).unwrap().subject().unwrap_or_default().to_owned()
    }
    pub fn id(&self) -> String {
        MessageParser::default().parse(&self.raw).unwrap().message_id().unwrap_or_default().to_owned()
    }
    /// The ids of the messages that it says it answers.
    pub fn references(&self) -> Vec<String> {
        let message = MessageParser::default().parse(&self.raw).unwrap();
        let ids = |value: &HeaderValue<'_>| {
            value.as_text_list().unwrap_or_default().iter().map(ToString::to_string).collect()
        };
        ids(message.references())
    }
    pub fn text(&self) -> String {
        MessageParser::default().parse(&self.raw).unwrap().body_text(0).unwrap_or_default().replace("\r\n", "\n")
    }
    /// Its HTML; nothing where it has none of its own.
    pub fn html(&self) -> Option<String> {
        let message = MessageParser::default().parse(&self.raw).unwrap();
        let html = message.html_bodies().find(|part| part.is_text_html());
        html.and_then(|part| part.text_contents()).map(str::to_owned)
    }
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

fn encrypted(stream: &TcpStream, config: &Arc<ServerConfig>) -> Option<BufReader<Box<dyn Wire>>> {
    let connection = ServerConnection::new(config.clone()).ok()?;
    Some(BufReader::new(Box::new(StreamOwned::new(connection, stream.try_clone().ok()?))))
}

fn say(wire: &mut BufReader<Box<dyn Wire>>, text: &str) -> Option<()> {
    wire.get_mut().write_all(format!("{text}\r\n").as_bytes()).ok()?;
    wire.get_mut().flush().ok()
}

/// Serves one connection until it ends.
fn serve(
    stream: TcpStream,
    door: &Door,
    arrived: &Mutex<Vec<Arrived>>,
    replies: &Mutex<VecDeque<Reply>>,
) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let mut wire: BufReader<Box<dyn Wire>> = match &door.tls {
        Some((true, config)) => encrypted(&stream, config)?,
        Some((false, _)) | None => BufReader::new(Box::new(stream.try_clone().ok()?)),
    };
    let wire = &mut wire;
    let (mut is_open, mut is_known) = (matches!(door.tls, Some((false, _))), door.account.is_none());
    say(wire, "220 mail.test ESMTP")?;
    let (mut from, mut to, mut planned) = (String::new(), String::new(), None);
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        let command = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match command.as_str() {
            "EHLO" if is_open => say(wire, "250-mail.test\r\n250 STARTTLS")?,
            "EHLO" => say(wire, "250-mail.test\r\n250-AUTH PLAIN\r\n250-8BITMIME\r\n250 SMTPUTF8")?,
            "STARTTLS" if is_open => {
                say(wire, "220 Go on")?;
                *wire = encrypted(&stream, &door.tls.as_ref()?.1)?;
                is_open = false;
            }
            "AUTH" if !is_open => {
                let given = BASE64_STANDARD.decode(line.split(' ').nth(2)?).ok()?;
                let (user, password) = door.account?;
                is_known = given == format!("\0{user}\0{password}").into_bytes();
                say(wire, if is_known { "235 Welcome" } else { "535 Nobody of that name and password" })?;
            }
            "MAIL" if is_open || !is_known => say(wire, "530 Not like this")?,
            "HELO" | "RSET" | "NOOP" => say(wire, "250 As you like")?,
            "MAIL" => {
                planned = replies.lock().unwrap().pop_front();
                from = bracketed(line);
                say(wire, "250 Go on")?;
            }
            "RCPT" => {
                to = bracketed(line);
                match planned {
                    Some(Reply::ToRecipient(code)) => say(wire, &format!("{code} No such mailbox"))?,
                    _ => say(wire, "250 Go on")?,
                }
            }
            "DATA" => {
                say(wire, "354 Go on")?;
                let raw = data(wire)?;
                match planned.take() {
                    Some(Reply::Close) => return None,
                    Some(Reply::ToData(code)) => say(wire, &format!("{code} Not this one"))?,
                    _ => {
                        arrived.lock().unwrap().push(Arrived { from: from.clone(), to: to.clone(), raw });
                        say(wire, "250 I have it")?;
                    }
                }
            }
            "QUIT" => return say(wire, "221 Bye"),
            _ => say(wire, "500 I don't know that")?,
        }
    }
}

fn bracketed(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(inner, _)| inner.to_owned()).unwrap_or_default()
}

/// A message up to the line with a dot; dots that were put before others are taken away.
fn data(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        if line == b".\r\n" {
            return Some(raw);
        }
        let line = if line.starts_with(b".") { &line[1..] } else { &line[..] };
        raw.extend_from_slice(line);
    }
}
