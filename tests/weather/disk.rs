//! A disk that is full: writes are refused and say why, reads go on, nothing is lost, and it ends when there is room again.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use diesel::{RunQueryDsl, sql_types::Text};
use pointsman::db::{AnyConnection, Engine};

use crate::{
    ask::{Expected, back, look},
    cluster::{Cluster, is_root},
    held,
    load::{Progress, Writer, write_until},
    storm::{Weather, engine},
    support::process::{Running, prepare},
};

/// What is answered where there is no room.
const NO_ROOM: &[u16] = &[503, 507];
/// How long an answer may take meanwhile.
const SAID: Duration = Duration::from_secs(2);

/// A disk of its own, in memory and small. It is unmounted when it is dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Nothing, where this may not mount one.
    fn mount(megabytes: usize) -> Option<Disk> {
        let disk = Disk(tempfile::tempdir().unwrap());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(disk.path());
        let mounted = is_root() && mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(disk)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left; what takes it can be removed.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.path()).output());
    }
}

pub fn full(weather: &mut Weather) {
    let Some(disk) = Disk::mount(if engine() == Engine::Sqlite { 32 } else { 128 }) else {
        return weather.skip("needs root, and to be allowed to mount a small disk");
    };
    match engine() {
        Engine::Sqlite => {
            let url = disk.path().join("full.db").display().to_string();
            fill_under_writers(weather, &disk, &url);
            let mut connection = AnyConnection::open(&url).unwrap();
            weather.same("PRAGMA integrity_check", integrity(&mut connection), "ok".to_owned());
        }
        Engine::Postgres => {
            // Its log is elsewhere: without room for that, the database ends, as it should.
            let log = tempfile::tempdir().unwrap();
            let cluster = Cluster::make(disk.path(), Some(log.path()));
            fill_under_writers(weather, &disk, &cluster.url());
        }
    }
}

fn fill_under_writers(weather: &mut Weather, disk: &Disk, url: &str) {
    let token = prepare(url);
    let server = Running::start(url);
    let mut writers: Vec<Writer> = (0..weather.size(4, 16)).map(|n| Writer::new(&format!("Writer {n}"))).collect();
    let some = weather.size(50, 2_000);
    let written = |progress: &Progress| progress.acknowledged() >= some;
    write_until(&server, &token, &mut writers, Duration::ZERO, written, || ());
    let ballast = disk.fill();
    // Pages that the database had already are written yet.
    let refused = |progress: &Progress| progress.refused() >= some;
    let time = Duration::from_secs(weather.size(2, 20));
    let all = [Expected::probe("/livez", &[200]), Expected::probe("/readyz", &[200]), Expected::reads(&[200])];
    write_until(&server, &token, &mut writers, Duration::ZERO, refused, || {
        look(weather, &server, &token, time, weather.allowed(SAID), &all);
    });
    std::fs::remove_file(ballast).unwrap();
    back(weather, &server, &token);
    write_until(&server, &token, &mut writers, Duration::ZERO, written, || ());
    for writer in writers.iter_mut().filter(|writer| writer.owed) {
        assert_eq!(writer.write(&server, &token), Some(201), "of a retry");
    }
    let refused = || writers.iter().flat_map(|writer| &writer.refused);
    weather.at_least("writes refused", refused().map(|(_, count)| count).sum(), some);
    let others: Vec<_> = refused().filter(|(status, _)| !NO_ROOM.contains(status)).collect();
    weather.none("writes refused otherwise than by 503 or 507", &others);
    drop(server);
    held::against(weather, url, &writers, 2 * some);
}

#[derive(diesel::QueryableByName)]
struct Verdict {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

#[expect(clippy::disallowed_methods, reason = "what a database says of itself has no table")]
fn integrity(connection: &mut AnyConnection) -> String {
    let rows: Vec<Verdict> = diesel::sql_query("PRAGMA integrity_check").load(connection).unwrap();
    rows.into_iter().map(|row| row.integrity_check).collect::<Vec<_>>().join(", ")
}
