//! Servers that meet a database that is not theirs yet, or not any more.

use std::time::Duration;

use diesel::{connection::SimpleConnection, prelude::*};
use pointsman::{
    assembly::ADMINISTRATOR,
    db::{AnyConnection, migrate},
    schema::{signing_key, user_account},
};

use crate::{
    storm::{Weather, panics},
    support::{
        TestDatabase,
        process::{Running, SOON, command},
    },
};

/// How many servers start at once.
const NODES: usize = 3;

pub fn newer(weather: &mut Weather) {
    let database = TestDatabase::create();
    let mut connection = AnyConnection::open(&database.url()).unwrap();
    migrate::up(&mut connection).unwrap();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')";
    connection.batch_execute(newer).unwrap();
    for task in ["serve", "migrate up", "admin create ada"] {
        let words = task.split(' ');
        let refused = command(&database.url()).args(words).output().unwrap();
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        let clear = !refused.status.success() && told.contains("newer version") && told.contains("99991231000000");
        weather.same(&format!("`pointsman {task}` says that a newer version was there"), clear, true);
    }
}

pub fn at_once(weather: &mut Weather) {
    let rounds = weather.size(1, 10);
    let (mut slowest, mut panicked, mut passwords, mut others) = (Duration::ZERO, Vec::new(), 0, Vec::new());
    for _ in 0..rounds {
        let database = TestDatabase::create_empty();
        let started = std::time::Instant::now();
        let mut nodes: Vec<Running> = (0..NODES).map(|_| Running::begin(command(&database.url()), &[])).collect();
        nodes.iter_mut().for_each(Running::wait_until_ready);
        slowest = slowest.max(started.elapsed());
        passwords += nodes.iter().filter(|node| node.printed().contains("one-time password")).count();
        panicked.extend(nodes.iter().flat_map(panics));
        drop(nodes);
        let mut connection = AnyConnection::open(&database.url()).unwrap();
        let c = &mut connection;
        let missing = migrate::status(c).unwrap().into_iter().filter(|step| !step.applied).count();
        let administrators = user_account::table.filter(user_account::user_name.eq(ADMINISTRATOR));
        let administrators: i64 = administrators.count().get_result(c).unwrap();
        let keys: i64 = signing_key::table.count().get_result(c).unwrap();
        others.extend(Some((missing, administrators, keys)).filter(|found| *found != (0, 1, 1)));
    }
    weather.within("all ready, the slowest time", slowest, SOON);
    weather.same("one-time passwords, one for each database", passwords, rounds);
    weather.none("stores other than with all migrations, one administrator, one key", &others);
    weather.none("panics", &panicked);
}
