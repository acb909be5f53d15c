//! The command line: reads it, and calls what it asks for.

mod admin;
mod audit;
mod backup;
pub mod demo;
mod import;
mod migrate;
mod output;
mod policy;
mod remote;
pub mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, Flags},
    error::Result,
};

/// A headless IT service management server, with policies that you can test, rehearse and explain.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, about)]
pub struct Command {
    #[command(flatten)]
    flags: Flags,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Serve the API. This is also what happens without a command.
    Serve,
    /// Bring the database up to date, or back.
    #[command(subcommand)]
    Migrate(migrate::Task),
    /// Administrators: make one, reset a password, end all sessions of a user.
    #[command(subcommand)]
    Admin(admin::Task),
    /// The settings.
    #[command(subcommand)]
    Config(ConfigTask),
    /// Print the OpenAPI document.
    Openapi,
    /// Copy the database, whole and consistent, while the server runs.
    Backup(backup::Task),
    /// Bring in what other systems recorded.
    #[command(subcommand)]
    Import(import::Task),
    /// Policies and lookup tables.
    #[command(subcommand)]
    Policy(policy::Task),
    /// Fill an empty database with a small company and a month of its records.
    Demo(demo::Task),
    /// The audit trail.
    #[command(subcommand)]
    Audit(audit::Task),
}

#[derive(Debug, Subcommand)]
enum ConfigTask {
    /// Print the settings in force, as TOML; secrets are hidden.
    Print,
}

/// Does what the command line asks.
pub fn run() -> ExitCode {
    let command = Command::parse();
    let on_trouble = match &command.task {
        Some(Task::Policy(task)) => task.on_trouble(),
        _ => ExitCode::FAILURE,
    };
    match command.carry_out() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pointsman: {}", error.detail);
            for wrong in &error.errors {
                eprintln!("  {}: {}", wrong.pointer, wrong.detail);
            }
            if let Some(source) = &error.source {
                eprintln!("  because: {source}");
            }
            on_trouble
        }
    }
}

impl Command {
    fn carry_out(self) -> Result<ExitCode> {
        if let Some(Task::Openapi) = self.task {
            output::say(&serve::openapi()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let config = Config::load(&self.flags)?;
        match self.task.unwrap_or(Task::Serve) {
            Task::Serve => serve::run(config)?,
            Task::Migrate(task) => task.run(&config, self.json)?,
            Task::Admin(task) => task.run(config, self.json)?,
            Task::Config(ConfigTask::Print) => output::say(config.print()?.trim_end())?,
            Task::Backup(task) => task.run(&config, self.json)?,
            Task::Import(task) => return task.run(config, self.json),
            Task::Policy(task) => return task.run(config, self.json),
            Task::Demo(task) => task.run(config, self.json)?,
            Task::Audit(task) => return task.run(&config, self.json),
            Task::Openapi => (),
        }
        Ok(ExitCode::SUCCESS)
    }
}
