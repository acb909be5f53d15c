//! Rough weather: a real server is killed, starved, hung and stopped under load, and each storm says what it measured and what
//! it allows. `cargo test --test weather` runs all of them in small; `-- --long` in full; words choose storms by their names.

#![expect(clippy::unwrap_used, reason = "a storm that can't go on should stop")]

mod ask;
mod away;
mod cluster;
mod copied;
mod disk;
mod held;
mod hostile;
mod killed;
mod load;
mod moved;
mod published;
mod schema;
mod scripts;
mod stopped;
mod storm;
mod timers;

#[path = "../api/support/mod.rs"]
#[expect(dead_code, reason = "the tests of the API use the rest of it")]
mod support;

use std::process::ExitCode;

use pointsman::db::Engine;

use storm::Storm;

/// All storms, in the order in which they come.
const STORMS: &[Storm] = &[
    Storm {
        name: "killed_under_writers",
        about: "kill -9 under sixteen writers, again and again",
        only: None,
        run: killed::under_writers,
    },
    Storm {
        name: "stopped_under_load",
        about: "SIGTERM under load, with streams open, again and again",
        only: None,
        run: stopped::under_load,
    },
    Storm {
        name: "database_stopped",
        about: "PostgreSQL ends as by a crash, and comes back",
        only: Some(Engine::Postgres),
        run: away::stopped,
    },
    Storm {
        name: "database_hung",
        about: "PostgreSQL hangs, and goes on",
        only: Some(Engine::Postgres),
        run: away::hung,
    },
    Storm {
        name: "database_locked",
        about: "another process holds the lock of SQLite",
        only: Some(Engine::Sqlite),
        run: away::locked,
    },
    Storm {
        name: "disk_full",
        about: "the disk of the database is full, and then has room again",
        only: None,
        run: disk::full,
    },
    Storm {
        name: "backup_under_writes",
        about: "a backup is made while others write, and restored",
        only: None,
        run: copied::under_writes,
    },
    Storm {
        name: "newer_database",
        about: "an older server meets a database that a newer one has migrated",
        only: None,
        run: schema::newer,
    },
    Storm {
        name: "nodes_at_once",
        about: "three servers start at once on an empty database",
        only: None,
        run: schema::at_once,
    },
    Storm {
        name: "published_on_three_nodes",
        about: "a policy is published again and again while three servers decide by it",
        only: None,
        run: published::on_three_nodes,
    },
    Storm {
        name: "timers_on_three_nodes",
        about: "timers are due while three servers fire them and one is killed again and again",
        only: None,
        run: timers::on_three_nodes,
    },
    Storm {
        name: "hostile_requests",
        about: "requests that are wrong, monstrous or made to take long",
        only: None,
        run: hostile::requests,
    },
    Storm {
        name: "hostile_connections",
        about: "connections that are slow, silent or full of rubbish",
        only: None,
        run: hostile::connections,
    },
    Storm {
        name: "hostile_policies",
        about: "policies that mean harm are live, checked, rehearsed and tested",
        only: None,
        run: hostile::policies,
    },
    Storm {
        name: "hostile_scripts",
        about: "policies that mean harm, one by one",
        only: Some(Engine::Sqlite),
        run: scripts::hostile,
    },
    Storm {
        name: "random_scripts",
        about: "policies that come by chance",
        only: Some(Engine::Sqlite),
        run: scripts::random,
    },
    Storm {
        name: "clock_moved",
        about: "the clock jumps an hour ahead and back while the server runs",
        only: None,
        run: moved::clock,
    },
];

/// Options of the test runner's that are followed by a value of their own.
const WITH_VALUE: [&str; 7] =
    ["--test-threads", "--format", "--color", "--logfile", "--shuffle-seed", "--report-time", "-Z"];

/// What was asked for on the command line. `cargo test -- …` gives the same to all tests, so what only others know is passed over.
#[derive(Default)]
struct Asked {
    words: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    long: bool,
    list: bool,
    ignored: bool,
}

impl Asked {
    fn read(mut arguments: impl Iterator<Item = String>) -> Asked {
        let mut asked = Asked::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--long" => asked.long = true,
                "--list" => asked.list = true,
                "--exact" => asked.exact = true,
                "--ignored" => asked.ignored = true,
                "--skip" => asked.skipped.extend(arguments.next()),
                option if WITH_VALUE.contains(&option) => drop(arguments.next()),
                option if option.starts_with('-') => (),
                word => asked.words.push(word.to_owned()),
            }
        }
        asked
    }

    fn wants(&self, storm: &Storm) -> bool {
        let fits = |word: &String| if self.exact { storm.name == word } else { storm.name.contains(word.as_str()) };
        let here = storm.only.is_none_or(|engine| engine == storm::engine());
        here && !self.ignored
            && (self.words.is_empty() || self.words.iter().any(fits))
            && !self.skipped.iter().any(fits)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if scripts::is_told(&arguments) {
        return ExitCode::SUCCESS;
    }
    let asked = Asked::read(arguments.into_iter());
    let storms: Vec<&Storm> = STORMS.iter().filter(|storm| asked.wants(storm)).collect();
    if asked.list {
        storms.iter().for_each(|storm| println!("{}: test", storm.name));
        return ExitCode::SUCCESS;
    }
    storm::run(&storms, asked.long)
}
