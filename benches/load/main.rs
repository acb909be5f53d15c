//! How fast the server is: over real HTTP on loopback, against what the machine could do at best, in the same run.
//!
//! Two things are compared with. A *static answer* of the same size from the same server, to a caller who is known and counted as
//! everywhere in the API, is what HTTP alone costs. The *floor* of a write is bare SQL that inserts the same rows with the same
//! durability, one commit each and in groups of the size that the concurrency allows.
//!
//! `cargo bench` measures SQLite; `tests/postgres --durable --run cargo bench` both databases.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that can't be made ends the run")]

mod back_test;
mod bare;
mod fill;
mod floor;
mod measure;
mod report;
mod scenario;
mod server;
mod wrk;

use clap::Parser;

/// Measures the server.
#[derive(Clone, Debug, Parser)]
#[command(name = "load")]
pub struct Options {
    /// How many incidents there are; several numbers with commas between them.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    pub records: Vec<usize>,
    /// Only on this database: `sqlite` or `postgres`.
    #[arg(long)]
    pub database: Option<String>,
    /// How many connections ask at once.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32,64")]
    pub concurrency: Vec<usize>,
    /// How long each scenario runs, in seconds.
    #[arg(long, default_value_t = 3)]
    pub seconds: u64,
    /// How often everything is measured; figures are medians.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Watch the memory under a mixed load of 64 connections for so many seconds, instead of measuring speed.
    #[arg(long, value_name = "SECONDS")]
    pub soak: Option<u64>,
    /// Make all routing decisions again in a back-test, instead of measuring speed: about one for each incident.
    #[arg(long)]
    pub back_test: bool,
    /// Folder for the SQLite databases, which must be on the disk that is to be measured.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/load"))]
    pub folder: std::path::PathBuf,
    /// Keep the databases, and use those that a run before this one kept.
    #[arg(long)]
    pub keep: bool,
    /// Print JSON instead of tables.
    #[arg(long)]
    pub json: bool,
    /// Serve a database (what this program starts by itself).
    #[arg(long, value_name = "URL", hide = true)]
    pub serve: Option<String>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    pub bench: bool,
}

fn main() {
    let options = Options::parse();
    if let Some(url) = &options.serve {
        return server::serve(url);
    }
    if !options.back_test {
        wrk::ensure();
    }
    std::fs::create_dir_all(&options.folder).unwrap();
    let stores = fill::stores(&options);
    if let Some(seconds) = options.soak {
        let soaks: Vec<_> = stores.iter().map(|store| measure::soak(store, &options, seconds)).collect();
        return report::soaks(&soaks, options.json);
    }
    if options.back_test {
        let back_tests: Vec<_> = stores.iter().map(back_test::watch).collect();
        return report::back_tests(&back_tests, options.json);
    }
    let measured: Vec<_> = stores.iter().map(|store| measure::all(store, &options)).collect();
    report::print(&measured, options.json);
}
