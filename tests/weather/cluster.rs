//! A PostgreSQL cluster of a storm's own, which may be stopped, hung and starved without harm to other tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use diesel::{Connection, PgConnection};

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

    /// Stops or continues all its processes, by the name of a signal. Told again until none has come meanwhile: one that is made while
    /// the others are stopped would go on answering.
    pub fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        let children = || std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let mut told = None;
        while told != Some(children()) {
            let children = children();
            // One that has ended meanwhile makes it fail; the next list is without it.
            Command::new("sh").args(["-c", &format!("kill -{name} {pid} {children}")]).output().unwrap();
            told = Some(children);
        }
    }

    pub fn url(&self) -> String {
        format!("postgres://pointsman@/postgres?host={}", self.folder.display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.control().args(["--mode", "immediate", "stop"]).output());
    }
}
