//! A server that is told to stop under load: what it has begun to hear it answers, and it ends in time.

use std::{
    collections::HashSet,
    io::{BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use diesel::prelude::*;
use pointsman::{db::AnyConnection, schema::record};

use crate::{
    load::INCIDENTS,
    storm::{Weather, panics, until},
    support::{
        PATIENCE,
        process::{Heard, Running, SOON, prepared, request, request_with},
    },
};

/// What became of the requests of a client.
#[derive(Default)]
struct Fate {
    answered: usize,
    /// Answers that say that something failed.
    failed: Vec<String>,
    /// The titles of records that were asked for on a connection that then closed without an answer, and whether it was a new one.
    unanswered: Vec<(String, bool)>,
}

/// One who asks in a steady rhythm until the server takes no more.
struct Client<'a> {
    name: String,
    address: SocketAddr,
    token: &'a str,
    every: Duration,
    /// Whether each request has a connection of its own.
    anew: bool,
    answered: &'a AtomicUsize,
}

impl Client<'_> {
    fn ask_until_refused(&self) -> Fate {
        let (mut fate, mut spare) = (Fate::default(), None);
        let started = Instant::now();
        for n in 1.. {
            let kept = spare.take().filter(is_open);
            let is_new = kept.is_none();
            let Some(connection) = kept.or_else(|| connect(self.address)) else { break };
            let title = format!("{}, {n}", self.name);
            match self.ask(connection, &title) {
                Some((heard, connection)) => {
                    fate.answered += 1;
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    if heard.status != 201 {
                        fate.failed.push(format!("{title}: {} {}", heard.status, heard.body));
                    }
                    spare = Some(connection).filter(|_| !self.anew && heard.header("connection") != Some("close"));
                }
                None => fate.unanswered.push((title, is_new)),
            }
            // Not faster when an answer was late.
            std::thread::sleep((started + self.every * n).saturating_duration_since(Instant::now()));
        }
        fate
    }

    fn ask(&self, mut connection: BufReader<TcpStream>, title: &str) -> Option<(Heard, BufReader<TcpStream>)> {
        let body = format!("{{\"title\": \"{title}\"}}");
        let text = match self.anew {
            true => request("POST", INCIDENTS, self.token, &body),
            false => request_with("POST", INCIDENTS, self.token, "", &body),
        };
        connection.get_mut().write_all(text.as_bytes()).ok()?;
        Heard::read(&mut connection).map(|heard| (heard, connection))
    }
}

/// Whether the other side has not closed a connection on which nothing is to come. Every client that keeps one looks.
fn is_open(connection: &BufReader<TcpStream>) -> bool {
    let stream = connection.get_ref();
    stream.set_nonblocking(true).unwrap();
    let open = stream.peek(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    open
}

fn connect(address: SocketAddr) -> Option<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, SOON).ok()?;
    stream.set_read_timeout(Some(2 * SOON)).unwrap();
    Some(BufReader::new(stream))
}

/// Follows the stream to its end; whether it was told that it is the end.
fn follow(address: SocketAddr, token: &str, open: &AtomicUsize) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request("GET", "/api/v1/stream", token, "").as_bytes()).unwrap();
    let (mut text, mut some, mut begun) = (Vec::new(), [0; 4096], false);
    loop {
        match stream.read(&mut some) {
            Ok(0) | Err(_) => return text.ends_with(b"0\r\n\r\n"),
            Ok(read) => text.extend_from_slice(&some[..read]),
        }
        if !begun && text.windows(6).any(|window| window == b"retry:") {
            begun = true;
            open.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub fn under_load(weather: &mut Weather) {
    let (database, token) = prepared();
    let (stops, streams, clients) = (weather.size(1, 10), weather.size(20, 100), weather.size(10, 40));
    let mut fate = Fate::default();
    let (mut ends_told, mut slowest, mut codes, mut panicked) = (0, Duration::ZERO, Vec::new(), Vec::new());
    for stop in 0..stops {
        let mut server = Running::start(&database.url());
        let (open, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let client = |n: usize| Client {
            name: format!("Stop {stop}, client {n}"),
            address: server.address,
            token: &token,
            every: Duration::from_millis(200),
            anew: n.is_multiple_of(2),
            answered: &answered,
        };
        let clients: Vec<Client<'_>> = (0..clients).map(client).collect();
        std::thread::scope(|scope| {
            let (address, token, open, count) = (server.address, &token, &open, clients.len());
            let following: Vec<_> = (0..streams).map(|_| scope.spawn(move || follow(address, token, open))).collect();
            until("all streams are open", PATIENCE, || open.load(Ordering::Relaxed) == streams);
            let asking: Vec<_> =
                clients.into_iter().map(|client| scope.spawn(move || client.ask_until_refused())).collect();
            until("the load is on", PATIENCE, || answered.load(Ordering::Relaxed) >= 5 * count + stop);
            let (code, took) = server.stop();
            slowest = slowest.max(took);
            codes.extend(Some(code).filter(|code| *code != Some(0)));
            for asked in asking.into_iter().map(|asking| asking.join().unwrap()) {
                fate.answered += asked.answered;
                fate.failed.extend(asked.failed);
                fate.unanswered.extend(asked.unanswered);
            }
            ends_told += following.into_iter().map(|f| f.join().unwrap()).filter(|told| *told).count();
        });
        panicked.extend(panics(&server));
    }
    let mut connection = AnyConnection::open(&database.url()).unwrap();
    let made: Vec<String> = record::table.select(record::title).load(&mut connection).unwrap();
    let made: HashSet<String> = made.into_iter().collect();
    let (done, lost): (Vec<_>, Vec<_>) = fate.unanswered.into_iter().partition(|(title, _)| made.contains(title));
    let (untaken, lost): (Vec<_>, Vec<_>) = lost.into_iter().partition(|(_, is_new)| *is_new);
    weather.within("gone after SIGTERM, the slowest time", slowest, Duration::from_secs(10));
    weather.none("exit codes other than 0", &codes);
    weather.same("requests answered, each with its record made", fate.answered, made.len());
    weather.none("answers that something failed", &fate.failed);
    weather.none("requests carried out and not answered", &done);
    weather.none("requests lost on connections that were kept", &lost);
    // The system had opened these when the server shut its door. Nothing was done for them, as for those that are refused.
    weather.at_most("new connections closed before they were taken, a stop", untaken.len() / stops, 2);
    weather.same("streams told of their end", ends_told, stops * streams);
    weather.none("panics", &panicked);
}
