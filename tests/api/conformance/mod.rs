//! What every practice must hold, without a line of its own: each test goes through all kinds of records.

mod beside;
mod change;
mod create;
mod evidence;
mod filter;
mod lifecycle;
mod list;
mod many;
mod text;
mod visibility;

use diesel::prelude::*;
use pointsman::schema;

use crate::support::Server;

/// How many rows each table has that writes of records touch.
fn rows(server: &Server) -> Vec<(&'static str, i64)> {
    macro_rules! counted {
        ($connection:ident: $($table:ident),+) => {
            vec![$((stringify!($table), schema::$table::table.count().get_result($connection)?)),+]
        };
    }
    server
        .assembly
        .database
        .read_here(|c| {
            Ok(counted!(c: record, participant, record_tag, journal, audit, outbox, decision, idempotency, timer))
        })
        .unwrap()
}
