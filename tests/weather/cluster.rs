//! A PostgreSQL cluster of a storm's own, which may be stopped, hung and starved without harm to other tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use diesel::{Connection, PgConnection};

use crate::{storm::until, support::PATIENCE};

/// A cluster in a folder, on a socket and no port. It ends when it is dropped.
pub struct Cluster {
    folder: PathBuf,
}

/// The user that the server runs as, since it refuses root.
const OWNER: &str = "postgres";

/// Whether this is root, who may mount and must not run a database server.
pub fn is_root() -> bool {
    run(Command::new("id").arg("-u")).trim() == "0"
}

/// Runs a command that must succeed; gives what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn as_owner(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let group = run(Command::new("id").args(["-g", OWNER]));
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={OWNER}")).arg(format!("--regid={}", group.trim())).arg("--clear-groups").arg(program);
    command
}

impl Cluster {
    /// Makes one in an empty folder, its write-ahead log in another one where that is given, and starts it.
    pub fn make(folder: &Path, log: Option<&Path>) -> Cluster {
        for folder in [folder].into_iter().chain(log).filter(|_| is_root()) {
            run(Command::new("chown").arg(OWNER).arg(folder));
        }
        let cluster = Cluster { folder: folder.to_owned() };
        let how = ["--username", "pointsman", "--auth", "trust", "--encoding", "UTF8", "--no-sync"];
        let log = log.map(|log| format!("--waldir={}", log.join("log").display()));
        run(as_owner("initdb").current_dir(folder).arg("--pgdata").arg(cluster.data()).args(how).args(log));
        cluster.start();
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self) -> Command {
        let mut command = as_owner("pg_ctl");
        command.current_dir(&self.folder).arg("--pgdata").arg(self.data()).args(["--silent", "--wait"]);
        command
    }

    /// Starts it, and returns when it takes connections.
    pub fn start(&self) {
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{}'", self.folder.display());
        // A log in a file: a pipe would be kept open by the server.
        let log = self.folder.join("log");
        run(self.control().arg("--log").arg(log).arg("--options").arg(options).arg("start"));
        PgConnection::establish(&self.url()).unwrap();
    }

    /// Ends it as a crash would.
    pub fn crash(&self) {
        run(self.control().args(["--mode", "immediate", "stop"]));
    }

    /// Stops all its processes where they stand: first the one that makes the others, so that none can come that would go on answering.
    pub fn hang(&self) {
        let first = self.first();
        stop(std::slice::from_ref(&first));
        let mut stopped = Vec::new();
        // Some may be left out of the list while others of it end (proc_tid_children(5)).
        while stopped != children(&first) {
            stopped = children(&first);
            stop(&stopped);
        }
    }

    pub fn go_on(&self) {
        let first = self.first();
        tell("CONT", &children(&first));
        tell("CONT", &[first]);
    }

    /// The process that makes all others.
    fn first(&self) -> String {
        let pid = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        pid.lines().next().unwrap().to_owned()
    }

    pub fn url(&self) -> String {
        format!("postgres://pointsman@/postgres?host={}", self.folder.display())
    }
}

fn children(process: &str) -> Vec<String> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    children.split_whitespace().map(str::to_owned).collect()
}

/// Sends a signal by its name. One that has ended meanwhile needs none.
fn tell(signal: &str, processes: &[String]) {
    for process in processes {
        Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).output().unwrap();
    }
}

/// Stops processes, and waits until they stand: a signal only asks.
fn stop(processes: &[String]) {
    tell("STOP", processes);
    until("the processes stand", PATIENCE, || processes.iter().all(|process| stands(process)));
}

/// Whether a process is stopped, or is no more: a letter behind its name in parentheses (proc_pid_stat(5)).
fn stands(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['T', 'Z']))
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.control().args(["--mode", "immediate", "stop"]).output());
    }
}
