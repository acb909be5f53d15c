//! `pointsman import`.

use std::{cell::RefCell, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Subcommand;
use indicatif::ProgressBar;

use super::output;
use crate::{
    assembly::Assembly,
    clock::{Clock, Moment},
    config::Config,
    error::Result,
    integration::servicenow::{self, Mode, Options, Progress},
    policy::live::Policies,
};

/// From what.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Replay an incident event log as ServiceNow exports it: each row becomes the calls that an agent would have made, at its
    /// own time, through the same write path as the API. Running it twice changes nothing; one that was cut off goes on.
    ServicenowCsv {
        /// The log: CSV, compressed with gzip or not.
        file: PathBuf,
        /// Only incidents reported at or after this (RFC 3339, or a date).
        #[arg(long, value_parser = moment)]
        from: Option<Moment>,
        /// Only incidents reported before this (RFC 3339, or a date).
        #[arg(long, value_parser = moment)]
        until: Option<Moment>,
        /// `observe`: policies are asked and compared, and records follow the log. `decide`: policies decide.
        #[arg(long, default_value = "observe")]
        mode: Mode,
        /// The organisation of all that is made.
        #[arg(long, default_value = "ServiceNow import")]
        organisation: String,
    },
}

impl Task {
    /// Does it. Exits 1 where the records differ from the log.
    pub fn run(self, config: Config, json: bool) -> Result<ExitCode> {
        let Task::ServicenowCsv { file, from, until, mode, organisation } = self;
        let assembly = Assembly::open(config, Clock::System)?;
        let options = Options { file, from, until, mode, organisation, now: assembly.clock.now() };
        let policies = assembly.policies.clone();
        let bar = Bar { bar: RefCell::new(output::progress(None, "Reading")), policies };
        let kernel = assembly.kernel.clone();
        let report = servicenow::run(kernel, &assembly.database, &assembly.writer, &options, &bar);
        bar.bar.borrow().finish_and_clear();
        let report = report?;
        output::print(&report, json)?;
        Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// `2016-03-01` or RFC 3339.
pub fn moment(text: &str) -> std::result::Result<Moment, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "a date such as 2016-03-01, or an RFC 3339 time".to_owned())
}

struct Bar {
    bar: RefCell<ProgressBar>,
    policies: Arc<Policies>,
}

impl Progress for Bar {
    fn begin(&self, what: &str, parts: u64) {
        // What the step before made, such as teams, is there for the policies at once.
        self.policies.expire();
        self.bar.borrow().finish_and_clear();
        self.bar.replace(output::progress((parts > 0).then_some(parts), what));
    }
    fn advance(&self, parts: u64) {
        self.bar.borrow().inc(parts);
    }
}
