//! Scripts that mean harm, and scripts that come by chance: each is over soon, takes little, and the process that runs it lives.

mod grammar;
pub mod table;
mod watched;

use std::time::Duration;

use crate::storm::Weather;

use watched::{Kind, Ran, SOON, watch};

pub use watched::is_told;

/// The most memory that a script may take, in KiB.
const MOST: u64 = 64 << 10;

/// Every script of the table.
pub fn hostile(weather: &mut Weather) {
    let attacks = table::all();
    let ran = watch(Kind::Hostile, 0..attacks.len());
    figures(weather, &ran);
    let other = attacks.iter().zip(&ran).filter(|(attack, ran)| attack.ends.to_string() != ran.ended);
    let other: Vec<_> = other.map(|(attack, ran)| format!("{}: {} {}", attack.name, ran.ended, attack.ends)).collect();
    weather.none(&format!("of {} scripts, with another end than expected", attacks.len()), &other);
}

/// As many as there is time for, from two processes.
pub fn random(weather: &mut Weather) {
    let half = weather.size(1_000, 50_000);
    let ran = std::thread::scope(|scope| {
        let other = scope.spawn(|| watch(Kind::Random, half..2 * half));
        let mut ran = watch(Kind::Random, 0..half);
        ran.extend(other.join().unwrap());
        ran
    });
    figures(weather, &ran);
    let is = |what: &str| ran.iter().filter(|ran| ran.ended.starts_with(what)).count();
    weather.at_least("scripts that compiled, in a hundred", 100 - is("refused") * 100 / ran.len(), 60);
    for what in ["decided", "passed", "limit", "error: panic", "error"] {
        weather.told(&format!("scripts that ended in {what}"), is(what) as f64);
    }
}

fn figures(weather: &mut Weather, ran: &[Ran]) {
    let of = |wrong: &dyn Fn(&Ran) -> bool| ran.iter().filter(|ran| wrong(ran)).cloned().collect::<Vec<_>>();
    weather.none("scripts that killed their process", &of(&|ran| ran.ended == "killed"));
    weather.none("scripts that took too long", &of(&|ran| ran.took >= SOON));
    weather.none("scripts that took too much memory", &of(&|ran| ran.kib >= MOST));
    weather.none("scripts refused without a reason", &of(&|ran| ran.ended.contains("without")));
    let slowest = ran.iter().map(|ran| ran.took).max().unwrap_or(Duration::ZERO);
    weather.within("the slowest", slowest, SOON);
    weather.told("the most memory, in MiB", ran.iter().map(|ran| ran.kib).max().unwrap_or(0) as f64 / 1024.0);
}
