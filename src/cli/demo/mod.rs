//! `pointsman demo`: a small company and a month of its records, to look at and to try things on.
//!
//! Everything goes through the one write path, at its own moment, in the name of whoever does it, and the policies decide
//! as they would have decided then.
//!
//! The month is written in parts, each in one transaction. Between them happens what nodes do in the background: imports of what the company
//! runs and of what was found in its network, and a baseline.
//!
//! **Invariant:** whatever is not taken in is an error: a demonstration is whole, or says what it lacks.

mod calendar;
mod company;
mod inventory;
mod jobs;
mod month;
mod plan;
mod settle;
mod stories;
mod summary;

use chrono::{NaiveDate, TimeDelta};
use clap::Args;
use indicatif::ProgressBar;

pub use self::summary::Summary;
use self::{
    month::{Lived, Month},
    plan::Act,
    settle::{Company, Password},
};
use super::output;
use crate::{
    assembly::Assembly,
    auth::password,
    clock::{Clock, Moment},
    config::{Config, Secret},
    error::{Error, Result},
};

/// What is wished for.
#[derive(Clone, Debug, Args)]
pub struct Task {
    /// Another seed makes another month; the same one makes the same month.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The day with which the month ends, such as 2026-03-31. Without it the month ends now.
    #[arg(long, value_name = "DATE")]
    pub until: Option<NaiveDate>,
    /// The password of every user, to be kept as it is. Without it they get one that is shown once, and that each must
    /// change at the first sign-in.
    #[arg(long)]
    pub password: Option<String>,
}

impl Task {
    /// Does it.
    pub fn run(self, config: Config, json: bool) -> Result<()> {
        let assembly = Assembly::open(config, Clock::System)?;
        let bar = output::progress(Some(0), "Living through a month");
        let summary = self.fill(&assembly, &bar);
        bar.finish_and_clear();
        output::print(&summary?, json)
    }

    /// Fills an empty database.
    pub fn fill(&self, assembly: &Assembly, bar: &ProgressBar) -> Result<Summary> {
        let until = self.end(assembly.clock.now())?;
        let from = until.minus(TimeDelta::days(plan::DAYS));
        let (secret, password) = self.password(assembly.first_password.is_some())?;
        let administrator = password.administrator;
        let acts = plan::plan(self.seed, until);
        bar.set_length(acts.len() as u64);
        let mut lived = Lived::nothing(found(assembly, password, from)?, &acts);
        for part in acts.chunk_by(|act, _| act.job().is_none()) {
            lived = live(assembly, lived, part, bar)?;
            if let Some((act, job)) = part.last().and_then(|act| Some((act, act.job()?))) {
                jobs::run(assembly, act.at, job)?;
            }
        }
        let kernel = assembly.kernel.clone();
        assembly.writer.run_blocking(move |unit| Month::new(&kernel, unit, &mut lived.clone()).end(until))?;
        let counts = assembly.writer.run_blocking(|unit| summary::count(unit.connection()?))?;
        let base = assembly.config.server.base_url();
        Ok(Summary::new(&base, (from, until), counts, &secret, (self.password.is_none(), administrator)))
    }

    /// When the month ends: never later than now.
    fn end(&self, now: Moment) -> Result<Moment> {
        let Some(day) = self.until else { return Ok(now) };
        let midnight = day.succ_opt().and_then(|next| next.and_hms_opt(0, 0, 0)).map(Moment::from_utc);
        match midnight {
            Some(midnight) if midnight.minus(TimeDelta::days(1)) <= now => Ok(midnight.min(now)),
            _ => Err(Error::invalid("/until", "out_of_range", format!("{day} has not come yet."))),
        }
    }

    fn password(&self, administrator: bool) -> Result<(Secret, Password)> {
        let secret = match &self.password {
            Some(given) => {
                for person in company::PEOPLE {
                    password::check_choice(given, person.user_name, "/password")?;
                }
                Secret::new(given.clone())
            }
            None => password::one_time()?,
        };
        let hash = password::hash(secret.expose())?;
        Ok((secret, Password { hash, one_time: self.password.is_none(), administrator }))
    }
}

/// Founds the company, with all that it runs.
fn found(assembly: &Assembly, password: Password, at: Moment) -> Result<Company> {
    let (kernel, server) = (assembly.kernel.clone(), assembly.server.clone());
    assembly.writer.run_blocking(move |unit| {
        let mut company = Company::settle(unit.connection()?, server.clone(), &password, at)?;
        // Teams and custom fields are new to the policies too.
        kernel.expire();
        company.equip(&kernel, unit, at)?;
        Ok(company)
    })
}

/// Lives through a part of the month.
fn live(assembly: &Assembly, lived: Lived, part: &[Act], bar: &ProgressBar) -> Result<Lived> {
    let (kernel, part, bar) = (assembly.kernel.clone(), part.to_vec(), bar.clone());
    let before = bar.position();
    assembly.writer.run_blocking(move |unit| {
        bar.set_position(before);
        let mut lived = lived.clone();
        Month::new(&kernel, unit, &mut lived).happen(&part, || bar.inc(1))?;
        Ok(lived)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_ends_with_the_day_but_never_later_than_now() {
        let now: Moment = "2026-03-31T15:00:00Z".parse().unwrap();
        for (until, expected) in [
            (None, Some("2026-03-31T15:00:00Z")),
            (Some("2026-03-31"), Some("2026-03-31T15:00:00Z")),
            (Some("2026-03-01"), Some("2026-03-02T00:00:00Z")),
            (Some("2026-04-01"), None),
        ] {
            let task = Task { seed: 1, until: until.map(|day: &str| day.parse().unwrap()), password: None };
            assert_eq!(task.end(now).ok().map(|at| at.to_string()).as_deref(), expected, "{until:?}");
        }
    }
}
