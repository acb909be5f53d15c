//! A backup that is made while others write: what was acknowledged before it is served from it.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    cluster::run,
    held,
    load::{INCIDENTS, Progress, Writer, write_until},
    storm::Weather,
    support::{
        TestDatabase,
        process::{Running, command, prepared},
    },
};

/// How long a backup of the long form may take.
const COPIED: Duration = Duration::from_secs(30);
/// How many write while it is made, and how often each.
const WRITERS: usize = 10;
const RHYTHM: Duration = Duration::from_millis(100);

/// An attached file: its path, and the text in it.
type Attached = (String, String);

fn attach(server: &Running, token: &str, id: &str) -> Attached {
    let (path, text) = (format!("{INCIDENTS}/{id}/attachments"), format!("What {id} was about."));
    let (status, made) = server.ask("POST", &format!("{path}?name=a.txt"), token, &text).unwrap();
    assert_eq!(status, 201, "{made}");
    let file = serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
    (format!("{path}/{file}/content"), text)
}

/// Puts the copy where a database of its own is.
fn restore(copy: &Path, into: &TestDatabase) {
    match into {
        TestDatabase::Sqlite(_) => drop(std::fs::copy(copy, into.url()).unwrap()),
        TestDatabase::Postgres { .. } => {
            run(Command::new("pg_restore").args(["--no-owner", "--exit-on-error", "--dbname", &into.url()]).arg(copy));
        }
    }
}

/// Settings that keep attachments in a folder.
fn kept_in(folder: &Path) -> [String; 2] {
    ["attachments.storage=directory".to_owned(), format!("attachments.directory={}", folder.display())]
}

pub fn under_writes(weather: &mut Weather) {
    let (database, token) = prepared();
    let folder = tempfile::tempdir().unwrap();
    let (files, copy) = (folder.path().join("files"), folder.path().join("copy"));
    let settings = kept_in(&files);
    let settings = settings.each_ref().map(String::as_str);
    let server = Running::start_with(&database.url(), &settings);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|n| Writer::new(&format!("Writer {n}"))).collect();
    let records = weather.size(100, 100_000);
    let filled = |progress: &Progress| progress.acknowledged() >= records;
    write_until(&server, &token, &mut writers, Duration::ZERO, filled, || ());
    let attached: Vec<Attached> =
        writers.iter().map(|writer| attach(&server, &token, writer.acknowledged.last().unwrap())).collect();

    let before: Vec<String> = writers.iter().flat_map(|writer| writer.acknowledged.clone()).collect();
    let mut backup = command(&database.url());
    backup.args(["--json", "backup"]).arg(&copy).args(settings.iter().flat_map(|setting| ["--set", setting]));
    let under_way = |progress: &Progress| progress.acknowledged() >= WRITERS;
    let (made, took) = write_until(&server, &token, &mut writers, RHYTHM, under_way, || {
        let started = Instant::now();
        (run(&mut backup), started.elapsed())
    });
    let made: Value = serde_json::from_str(&made).unwrap();
    let meanwhile = writers.iter().map(|writer| writer.acknowledged.len()).sum::<usize>() - before.len();
    weather.within("the backup took", took, weather.allowed(COPIED));
    weather.at_least("writes acknowledged meanwhile", meanwhile, WRITERS);
    weather.same("attached files in it", made["attachments"]["files"].as_u64().unwrap(), attached.len() as u64);
    weather.same("a backup that is there is written over", backup.status().unwrap().success(), false);
    drop(server);
    drop(database);
    std::fs::remove_dir_all(&files).unwrap();

    let fresh = TestDatabase::create_empty();
    restore(&copy, &fresh);
    let settings = kept_in(&folder.path().join("copy.attachments"));
    let server = Running::start_with(&fresh.url(), &settings.each_ref().map(String::as_str));
    let others: Vec<&Attached> = attached
        .iter()
        .filter(|(path, text)| server.ask("GET", path, &token, "") != Some((200, text.clone())))
        .collect();
    weather.none("attached files that are not served from it", &others);
    weather.same("a write to what was restored", Writer::new("After").write(&server, &token).unwrap_or(0), 201);
    drop(server);
    held::whole(weather, &fresh.url(), &before);
}
