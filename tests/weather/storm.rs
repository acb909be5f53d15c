//! What a storm is, and the table of what was measured in it.

use std::{
    fmt::{Debug, Display},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use pointsman::db::Engine;

use crate::support::process::Running;

/// One storm: what is done to a server, and what it must bear.
pub struct Storm {
    pub name: &'static str,
    pub about: &'static str,
    /// The one database that it is about; nothing for both.
    pub only: Option<Engine>,
    pub run: fn(&mut Weather),
}

/// How much longer a build without optimisation may take.
const SLACK: u32 = if cfg!(debug_assertions) { 4 } else { 1 };

/// The storm that is on: how large it is, and what was measured so far.
pub struct Weather {
    long: bool,
    figures: usize,
    failures: usize,
    skipped: bool,
}

/// The database that the tests are on.
pub fn engine() -> Engine {
    if std::env::var("POINTSMAN_TEST_DATABASE_URL").is_ok() { Engine::Postgres } else { Engine::Sqlite }
}

impl Weather {
    /// One of two sizes: that of the short form, and that of the long one.
    pub fn size<T>(&self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }

    /// How long this build may take for what a release build must do within `limit`.
    pub fn allowed(&self, limit: Duration) -> Duration {
        limit * SLACK
    }

    /// Something took so long and may take no longer than `limit`.
    pub fn within(&mut self, what: &str, took: Duration, limit: Duration) {
        let text = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        self.row(what, &text(took), &format!("<= {}", text(limit)), took <= limit);
    }

    /// Something must be just so.
    pub fn same<T: PartialEq + Display>(&mut self, what: &str, found: T, expected: T) {
        self.row(what, &found.to_string(), &expected.to_string(), found == expected);
    }

    /// Something must be there at least so often, for the storm to be one.
    pub fn at_least<T: PartialOrd + Display>(&mut self, what: &str, found: T, least: T) {
        self.row(what, &found.to_string(), &format!(">= {least}"), found >= least);
    }

    /// Something may be there so often and no oftener.
    pub fn at_most<T: PartialOrd + Display>(&mut self, what: &str, found: T, most: T) {
        self.row(what, &found.to_string(), &format!("<= {most}"), found <= most);
    }

    /// Something that nothing can be asked of, and that is worth knowing.
    pub fn note(&self, what: &str, found: impl Display) {
        println!("  {what:<58} {found:>12}");
    }

    /// There must be none of these; the first are shown.
    pub fn none<T: Debug>(&mut self, what: &str, found: &[T]) {
        self.same(what, found.len(), 0);
        found.iter().take(100).for_each(|one| println!("    {one:?}"));
    }

    /// Something that is told and has no limit.
    pub fn told(&mut self, what: &str, found: f64) {
        self.row(what, &format!("{found:.2}"), "", true);
    }

    /// The storm can't come here; says why.
    pub fn skip(&mut self, why: &str) {
        println!("  skipped: {why}");
        self.skipped = true;
    }

    fn row(&mut self, what: &str, found: &str, limit: &str, holds: bool) {
        let verdict = if holds { "ok" } else { "FAILED" };
        self.figures += 1;
        self.failures += usize::from(!holds);
        println!("  {what:<58} {found:>12} {limit:>14}  {verdict}");
    }
}

/// Says that it is over when it is dropped: also where a storm ends early, so that those who wait for it end, too.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The panics that a server has logged: one that has any is not well, whatever it answered.
pub fn panics(server: &Running) -> Vec<String> {
    server.printed().lines().filter(|line| line.contains("panic")).map(str::to_owned).collect()
}

/// Kills a server when the storm breaks off, since those who follow it would follow it for ever.
pub struct KilledOnPanic(pub u32);

impl Drop for KilledOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(Command::new("sh").args(["-c", &format!("kill -KILL {}", self.0)]).status());
        }
    }
}

/// Waits until something is so; gives how long that took. Stops the storm after `patience`.
pub fn until(what: &str, patience: Duration, mut so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < patience, "in {patience:?} it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

/// Lets the storms come one by one, and prints what was measured.
pub fn run(storms: &[&Storm], long: bool) -> ExitCode {
    let database = if engine() == Engine::Sqlite { "SQLite" } else { "PostgreSQL" };
    println!("\nRough weather on {database}: {} storms, {}", storms.len(), if long { "long" } else { "short" });
    let (mut survived, mut skipped) = (0, 0);
    for storm in storms {
        println!("\n{} - {}", storm.name, storm.about);
        let mut weather = Weather { long, figures: 0, failures: 0, skipped: false };
        let started = Instant::now();
        // What went wrong has been printed by then.
        let ended = catch_unwind(AssertUnwindSafe(|| (storm.run)(&mut weather))).is_ok();
        let verdict = match ended && weather.failures == 0 {
            true if weather.skipped => {
                skipped += 1;
                continue;
            }
            true => "survived",
            false => "NOT SURVIVED",
        };
        survived += usize::from(verdict == "survived");
        println!("  {verdict}: {} figures in {:.1} s", weather.figures, started.elapsed().as_secs_f64());
    }
    println!("\nweather: {} storms, {survived} survived, {skipped} skipped\n", storms.len());
    if survived + skipped == storms.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
