//! The load generator: `wrk`, one thread, in a closed loop.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::scenario::Request;

/// What a run came to. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub requests: u64,
    pub per_second: f64,
    pub p50: u64,
    pub p99: u64,
    /// Answers that were errors, and answers that never came.
    pub failed: u64,
}

/// Puts `wrk` in where it is missing (Debian, as root).
pub fn ensure() {
    let is_there = || Command::new("wrk").arg("--version").output().is_ok();
    if !is_there() {
        eprintln!("Installing wrk");
        drop(Command::new("apt-get").args(["install", "-qq", "-y", "wrk"]).output());
        assert!(is_there(), "wrk could not be installed; install it and try again");
    }
}

/// Writes requests to a file that runs can share.
pub fn file(folder: &Path, name: &str, requests: &[Request]) -> PathBuf {
    let path = folder.join(format!("{name}.requests"));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for Request { method, path, header: (header, value), body } in requests {
        writeln!(file, "{method}\t{path}\t{header}\t{value}\t{body}").unwrap();
    }
    file.flush().unwrap();
    path
}

/// Sends the requests of a file over so many connections for so long, as fast as they are answered.
pub fn run(address: &str, token: &str, requests: &Path, connections: usize, seconds: u64) -> Run {
    run_slowly(address, token, requests, connections, seconds, 0)
}

/// The same, where each connection waits so many milliseconds before a request.
pub fn run_slowly(address: &str, token: &str, requests: &Path, connections: usize, seconds: u64, pause: u64) -> Run {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/load/cycle.lua");
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--timeout", "30s", "-s"])
        .arg(script)
        .args([&format!("http://{address}"), "--"])
        .arg(requests)
        .arg(token)
        .arg(pause.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("FIGURES "));
    let line = line.unwrap_or_else(|| panic!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr)));
    let figures: Vec<u64> = line.split(' ').map(|figure| figure.parse().unwrap()).collect();
    let &[requests, duration, p50, p99, status, lost] = figures.as_slice() else { panic!("{line}") };
    Run { requests, per_second: requests as f64 * 1e6 / duration as f64, p50, p99, failed: status + lost }
}
