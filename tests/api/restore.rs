//! Backups: made while others write, and served again somewhere else.

use std::{
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    TestDatabase,
    process::{Running, SOON, command, prepared_on},
};

/// A record that was acknowledged, and the path and text of the file attached to it.
type Written = (String, String, String);

fn write_one(server: &Running, token: &str, title: &str) -> Option<Written> {
    let body = format!("{{\"title\": \"{title}\"}}");
    let (201, made) = server.ask("POST", "/api/v1/incidents", token, &body)? else { return None };
    let path = format!("/api/v1/incidents/{}", serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap());
    let content = format!("What {title} was about.");
    let (201, file) = server.ask("POST", &format!("{path}/attachments?name=a.txt"), token, &content)? else {
        return None;
    };
    let id = serde_json::from_str::<Value>(&file).unwrap()["id"].as_str().unwrap().to_owned();
    Some((path.clone(), format!("{path}/attachments/{id}/content"), content))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Puts the copy where a database of its own is.
fn restore(copy: &Path, into: &TestDatabase) {
    match into {
        TestDatabase::Sqlite(_) => drop(std::fs::copy(copy, into.url()).unwrap()),
        TestDatabase::Postgres { .. } | TestDatabase::Alone { .. } => {
            run(Command::new("pg_restore").args(["--no-owner", "--exit-on-error", "--dbname", &into.url()]).arg(copy));
        }
    }
}

#[test]
fn what_was_acknowledged_before_a_backup_is_served_from_it() {
    let (database, token) = prepared_on(TestDatabase::create_alone());
    let folder = tempfile::tempdir().unwrap();
    let (files, copy) = (folder.path().join("files"), folder.path().join("copy"));
    let kept_in = |folder: &Path| {
        ["attachments.storage=directory".to_owned(), format!("attachments.directory={}", folder.display())]
    };
    let settings = kept_in(&files);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = Running::start_with(&database.url(), &settings);
    let (over, written) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let backup = || {
        let mut backup = command(&database.url());
        backup.args(["--json", "backup"]).arg(&copy).args(settings.iter().flat_map(|setting| ["--set", setting]));
        backup
    };
    let before: Vec<Written> = std::thread::scope(|scope| {
        for writer in 0..3 {
            let (server, over, token, written) = (&server, &over, &token, &written);
            scope.spawn(move || {
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    written.lock().unwrap().extend(write_one(server, token, &format!("writer {writer}, {n}")));
                }
            });
        }
        let started = Instant::now();
        while written.lock().unwrap().len() < 6 {
            assert!(started.elapsed() < SOON, "nothing is written");
            std::thread::sleep(Duration::from_millis(20));
        }
        let before = written.lock().unwrap().clone();
        let made: Value = serde_json::from_str(&run(&mut backup())).unwrap();
        over.store(true, Ordering::Relaxed);
        assert!(made["attachments"]["files"].as_u64().unwrap() >= before.len() as u64, "{made}");
        before
    });
    assert!(!backup().status().unwrap().success(), "a backup that is there is not written over");
    drop(server);
    drop(database);
    std::fs::remove_dir_all(&files).unwrap();

    let fresh = TestDatabase::create_alone();
    restore(&copy, &fresh);
    let settings = kept_in(&folder.path().join("copy.attachments"));
    let server = Running::start_with(&fresh.url(), &settings.each_ref().map(String::as_str));
    for (record, file, content) in &before {
        assert_eq!(server.ask("GET", record, &token, "").unwrap().0, 200, "{record}");
        assert_eq!(server.ask("GET", file, &token, "").unwrap(), (200, content.clone()));
    }
    assert!(write_one(&server, &token, "after").is_some(), "it goes on");
    drop(server);
    run(command(&fresh.url()).args(["audit", "verify"]));
}

#[cfg(unix)]
#[test]
fn a_backup_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (database, _) = prepared_on(TestDatabase::create_alone());
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    run(command(&database.url()).arg("backup").arg(&copy));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
}
