//! A receiver of webhooks, on loopback: hears what is sent, and answers as it is told.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// What it answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status, header lines, and a body.
    Status(u16, &'static str, &'static str),
    /// Nothing, for longer than anybody waits.
    Hang,
}

/// A message that was heard.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
}

/// A receiver.
pub struct Receiver {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Receiver {
    /// One that takes everything, until it is told what else to answer.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, replies) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::<Mutex<VecDeque<Reply>>>::default());
        let (hearing, answering) = (heard.clone(), replies.clone());
        // It ends with the tests.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (hearing, answering) = (hearing.clone(), answering.clone());
                thread::spawn(move || serve(stream, &hearing, &answering));
            }
        });
        Receiver { address, heard, replies }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// Answers the next messages so, one after the other.
    pub fn answer(&self, replies: &[Reply]) {
        self.replies.lock().unwrap().extend(replies.iter().cloned());
    }

    /// What was heard since this was last asked.
    pub fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

impl Heard {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether one of the signatures is by this secret, as a receiver finds out.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        self.header("webhook-signature")
            .split(' ')
            .filter_map(|one| one.strip_prefix("v1,"))
            .any(|signature| hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(signature).unwrap()).is_ok())
    }

    pub fn signatures(&self) -> usize {
        self.header("webhook-signature").split(' ').count()
    }
}

fn serve(stream: TcpStream, heard: &Mutex<Vec<Heard>>, replies: &Mutex<VecDeque<Reply>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    heard.lock().unwrap().push(Heard { path, headers, body: String::from_utf8(body).unwrap() });
    let reply = replies.lock().unwrap().pop_front().unwrap_or(Reply::Status(204, "", ""));
    let Reply::Status(status, more, text) = reply else {
        thread::sleep(Duration::from_secs(60));
        return None;
    };
    let length = text.len();
    let head = format!("HTTP/1.1 {status} Said\r\n{more}connection: close\r\ncontent-length: {length}\r\n\r\n");
    (&stream).write_all(format!("{head}{text}").as_bytes()).ok()
}
