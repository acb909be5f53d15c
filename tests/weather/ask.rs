//! What is asked while the weather is rough, and which answers fit.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{
    load::INCIDENTS,
    storm::{Weather, panics, until},
    support::{PATIENCE, process::Running},
};

/// How long the server may take to be itself again.
const BACK: Duration = Duration::from_secs(5);
/// How many ask at once for each kind of request.
const ASKING: usize = 4;

/// What is asked, and what must be answered meanwhile.
pub struct Expected {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    body: &'static str,
    statuses: &'static [u16],
}

/// What was answered.
#[derive(Default)]
struct Answers {
    count: usize,
    slowest: Duration,
    others: Vec<String>,
}

impl Expected {
    pub fn probe(path: &'static str, statuses: &'static [u16]) -> Expected {
        Expected { what: path, method: "GET", path, body: "", statuses }
    }
    pub fn reads(statuses: &'static [u16]) -> Expected {
        Expected { what: "reads", method: "GET", path: INCIDENTS, body: "", statuses }
    }
    pub fn writes(statuses: &'static [u16]) -> Expected {
        Expected { what: "writes", method: "POST", path: INCIDENTS, body: "{\"title\": \"In the rain\"}", statuses }
    }

    fn ask(&self, server: &Running, token: &str, answers: &mut Answers) {
        let started = Instant::now();
        let heard = server.hear(self.method, self.path, token, "", self.body);
        answers.count += 1;
        answers.slowest = answers.slowest.max(started.elapsed());
        let fits = heard.as_ref().is_some_and(|heard| {
            self.statuses.contains(&heard.status) && (heard.status != 503 || heard.header("retry-after").is_some())
        });
        answers.others.extend(Some(format!("{} {}: {heard:?}", self.method, self.path)).filter(|_| !fits));
    }

    /// Asks again and again, by several at once.
    fn ask_until(&self, server: &Running, token: &str, over: &AtomicBool) -> Answers {
        let ask = || {
            let mut answers = Answers::default();
            while !over.load(Ordering::Relaxed) {
                self.ask(server, token, &mut answers);
                // Many a second are enough to see what is answered; more would only measure this machine.
                std::thread::sleep(Duration::from_millis(20));
            }
            answers
        };
        let all: Vec<Answers> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..ASKING).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|asking| asking.join().unwrap()).collect()
        });
        all.into_iter().fold(Answers::default(), |mut sum, one| {
            sum.others.extend(one.others);
            Answers { count: sum.count + one.count, slowest: sum.slowest.max(one.slowest), ..sum }
        })
    }
}

/// Looks at the server while the database is away for so long. All requests end before it returns.
pub fn look(weather: &mut Weather, server: &Running, token: &str, away: Duration, limit: Duration, all: &[Expected]) {
    let over = AtomicBool::new(false);
    let answers: Vec<Answers> = std::thread::scope(|scope| {
        let asking: Vec<_> =
            all.iter().map(|expected| scope.spawn(|| expected.ask_until(server, token, &over))).collect();
        std::thread::sleep(away);
        over.store(true, Ordering::Relaxed);
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    for (Expected { what, statuses, .. }, answers) in all.iter().zip(answers) {
        weather.at_least(&format!("{what}, answered"), answers.count, 1);
        weather.none(&format!("{what} with another answer than {statuses:?}"), &answers.others);
        weather.within(&format!("{what}, the slowest answer"), answers.slowest, limit);
    }
}

/// How long it takes until everything is answered as ever.
pub fn back(weather: &mut Weather, server: &Running, token: &str) {
    let well = [Expected::probe("/readyz", &[200]), Expected::reads(&[200]), Expected::writes(&[201])];
    let took = until("the server is itself again", PATIENCE, || {
        let mut answers = Answers::default();
        well.iter().for_each(|expected| expected.ask(server, token, &mut answers));
        answers.others.is_empty()
    });
    weather.within("itself again after", took, BACK);
    weather.none("panics", &panics(server));
}
