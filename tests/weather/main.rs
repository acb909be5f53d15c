//! Rough weather: a real server is killed, starved, hung and stopped under load, and each storm says what it measured and what
//! it allows. `cargo test --test weather` runs all of them in small; `-- --long` in full; words choose storms by their names.

#![expect(clippy::unwrap_used, reason = "a storm that can't go on should stop")]

mod killed;
mod load;
mod stopped;
mod storm;

#[path = "../api/support/mod.rs"]
#[expect(dead_code, reason = "the tests of the API use the rest of it")]
mod support;

use std::process::ExitCode;

use storm::Storm;

/// All storms, in the order in which they come.
const STORMS: &[Storm] = &[
    Storm {
        name: "killed_under_writers",
        about: "kill -9 under sixteen writers, again and again",
        run: killed::under_writers,
    },
    Storm {
        name: "stopped_under_load",
        about: "SIGTERM under load, with streams open, again and again",
        run: stopped::under_load,
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
        !self.ignored && (self.words.is_empty() || self.words.iter().any(fits)) && !self.skipped.iter().any(fits)
    }
}

fn main() -> ExitCode {
    let asked = Asked::read(std::env::args().skip(1));
    let storms: Vec<&Storm> = STORMS.iter().filter(|storm| asked.wants(storm)).collect();
    if asked.list {
        storms.iter().for_each(|storm| println!("{}: test", storm.name));
        return ExitCode::SUCCESS;
    }
    storm::run(&storms, asked.long)
}
