//! The jobs of the month: what a node does in the background, done at its moment in the name of whoever has asked for it.

use std::sync::atomic::AtomicBool;

use diesel::prelude::*;
use serde_json::{Map, json};

use super::{
    company::SERVICE_OWNER,
    inventory,
    settle::cause,
    stories::{LOOKS, Seen},
};
use crate::{
    assembly::Assembly,
    auth::{account, caller::Caller, directory},
    clock::{Clock, Moment},
    db::AnyConnection,
    error::{Error, Result},
    id::RowId,
    practice::configuration_item::{
        baseline,
        import::{self, Asked, Content, Item, Outcome, row::ImportRow, run::Counts},
    },
    record::{
        cause::Via,
        job::{Bench, Do, JobRow, State, Told},
        store::Desk,
    },
    schema::record,
};

/// Whose word the looks at the network are.
const DISCOVERY: &str = "discovery";
/// Rows that an error names.
const NAMED: i64 = 5;

/// What a node does in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// The inventory is imported.
    Inventory,
    /// A baseline of this name is taken.
    Baseline(&'static str),
    /// The network is looked at, and what is found imported.
    Look(usize),
}

/// Does it as of a moment.
///
/// # Errors
/// A row of an import was not taken in.
pub fn run(assembly: &Assembly, at: Moment, job: Job) -> Result<()> {
    let bench = bench(assembly, at);
    match job {
        Job::Inventory => take_in(&bench, inventory::SOURCE, inventory_content(&bench)?),
        Job::Look(look) => take_in(&bench, DISCOVERY, seen(LOOKS.get(look).copied().unwrap_or_default())),
        Job::Baseline(name) => {
            let order = move |desk: &mut Desk<'_, '_>| Ok(baseline::order(desk, name, "", "")?.id);
            work(&bench, order, baseline::take).map(drop)
        }
    }
}

fn bench(assembly: &Assembly, at: Moment) -> Bench {
    Bench {
        kernel: assembly.kernel.clone(),
        database: assembly.database.clone(),
        writer: assembly.writer.clone(),
        clock: Clock::set_to(at),
    }
}

fn inventory_content(bench: &Bench) -> Result<Content> {
    let services: Vec<(String, String)> = bench.database.read_here(|c| {
        let services = record::table.filter(record::kind.eq("service"));
        Ok(services.select((record::title, record::number)).load(c)?)
    })?;
    inventory::content(&services.into_iter().collect())
}

/// What was seen, as a scan tells of it.
fn seen(look: &[Seen]) -> Content {
    let item = |(class, name, attributes): &Seen| Item {
        key: Some((*name).to_owned()),
        class: Some((*class).to_owned()),
        title: Some((*name).to_owned()),
        state: Some("live".to_owned()),
        attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>(),
        ..Item::default()
    };
    Content { items: look.iter().map(item).collect(), relations: Vec::new() }
}

/// Imports something, every row of it.
fn take_in(bench: &Bench, source: &'static str, content: Content) -> Result<()> {
    let order = move |desk: &mut Desk<'_, '_>| {
        let (by, now, content) = (desk.cause.caller.user, desk.cause.at, content.clone());
        let source = source.to_owned();
        let asked = Asked { source, rehearse: false, class: None, scope: None, observed_at: None, content };
        Ok(import::row::queue(desk.unit.connection()?, asked, by, now)?.id)
    };
    let job = work(bench, order, import::run::run)?;
    bench.database.read_here(|connection| refuse_losses(connection, source, &job))
}

/// Tells what was not taken in, if anything was not.
fn refuse_losses(connection: &mut AnyConnection, source: &str, job: &JobRow) -> Result<()> {
    let counts: Counts = job.progress.read()?;
    for outcome in [Outcome::Refused, Outcome::Ambiguous] {
        let lost = counts.get(outcome.as_str()).copied().unwrap_or(0);
        if lost == 0 {
            continue;
        }
        let rows = ImportRow::list(connection, job.id, Some(outcome.as_str()), 0, NAMED)?;
        let rows: Vec<String> =
            rows.iter().map(|row| format!("{} {}: {}", row.pointer, row.title, row.detail.as_str())).collect();
        let detail =
            format!("the import of `{source}` ends with {lost} rows {}: {}", outcome.as_str(), rows.join("; "));
        return Err(Error::internal(detail));
    }
    Ok(())
}

/// Queues a job, does it and ends it.
fn work(bench: &Bench, order: impl Fn(&mut Desk<'_, '_>) -> Result<RowId> + Send + 'static, how: Do) -> Result<JobRow> {
    let (kernel, node, now) = (bench.kernel.clone(), RowId::new(), bench.clock.now());
    let job = bench.writer.run_blocking(move |unit| {
        let cause = cause(owner(unit.connection()?)?.into(), now, Via::Server);
        let id = order(&mut Desk { kernel: &kernel, unit, cause: &cause })?;
        let taken = JobRow::take(unit.connection()?, node, now)?.filter(|job| job.id == id);
        taken.ok_or_else(|| Error::internal("another job waits"))
    })?;
    let id = job.id;
    if how(bench, job, node, &AtomicBool::new(false))? != Told::GoOn {
        return Err(Error::internal("a job was stopped"));
    }
    bench.writer.run_blocking(move |unit| {
        let connection = unit.connection()?;
        JobRow::find(connection, id)?.end(connection, node, State::Succeeded, None, now)?;
        JobRow::find(connection, id)
    })
}

fn owner(connection: &mut AnyConnection) -> Result<Caller> {
    let missing = || Error::internal("the service owner is not there");
    let user = account::find_user(connection, SERVICE_OWNER)?.ok_or_else(missing)?;
    directory::load_caller(connection, user)?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{found, settle::Password},
        *,
    };
    use crate::config::{Config, DatabaseUrl};

    #[test]
    fn a_row_that_is_lost_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.url = DatabaseUrl::new(folder.path().join("demo.db").display().to_string());
        let at = "2026-03-03T11:00:00Z".parse().unwrap();
        let assembly = Assembly::open(config, Clock::set_to(at)).unwrap();
        found(&assembly, Password { hash: String::new(), one_time: true, administrator: false }, at).unwrap();
        let bench = bench(&assembly, at);
        take_in(&bench, DISCOVERY, seen(&[("server", "esx-08", &[])])).unwrap();
        for (lost, outcome) in [
            ([("server", "esx-09", &[][..]), ("serfer", "esx-10", &[])], "refused"),
            ([("server", "esx-10", &[]), ("server", "esx-10", &[])], "ambiguous"),
        ] {
            let error = take_in(&bench, DISCOVERY, seen(&lost)).unwrap_err();
            let told = error.source.map(|source| source.to_string()).unwrap_or_default();
            assert!(told.contains(outcome) && told.contains("esx-10"), "{told}");
        }
    }
}
