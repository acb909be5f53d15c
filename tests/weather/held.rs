//! What is in the store, held against what the server acknowledged.

use std::collections::HashSet;

use diesel::prelude::*;
use pointsman::{db::AnyConnection, schema};

use crate::{load::Writer, storm::Weather, support::process::command};

/// Each key of the writers made one record, and what they were told of, at least so many, is there and whole.
pub fn against(weather: &mut Weather, url: &str, writers: &[Writer], least: usize) {
    let mut connection = AnyConnection::open(url).unwrap();
    let made: Vec<String> = schema::record::table.select(schema::record::title).load(&mut connection).unwrap();
    let wanted: HashSet<String> = writers.iter().flat_map(Writer::titles).collect();
    let made: Vec<String> = made.into_iter().filter(|title| wanted.contains(title)).collect();
    let once: HashSet<&String> = made.iter().collect();
    weather.same("records, as many as there were keys", once.len(), wanted.len());
    weather.same("records that a key made twice", made.len() - once.len(), 0);
    let acknowledged: Vec<String> = writers.iter().flat_map(|writer| writer.acknowledged.clone()).collect();
    weather.at_least("writes acknowledged", acknowledged.len(), least);
    whole(weather, url, &acknowledged);
}

/// What was acknowledged is there, and every record has all its parts, whether it was acknowledged or not.
pub fn whole(weather: &mut Weather, url: &str, acknowledged: &[String]) {
    use schema::{audit, decision, incident, outbox, record};
    let mut connection = AnyConnection::open(url).unwrap();
    let c = &mut connection;
    let ids: HashSet<String> = record::table.select(record::id).load(c).unwrap().into_iter().collect();
    weather.same("acknowledged and lost", acknowledged.iter().filter(|id| !ids.contains(*id)).count(), 0);
    let parts: [(&str, Vec<String>); 4] = [
        ("details", incident::table.select(incident::record_id).load(c).unwrap()),
        ("audit rows", audit::table.select(audit::subject_id).load(c).unwrap()),
        ("events", outbox::table.select(outbox::record_id).load(c).unwrap()),
        ("decisions", decision::table.select(decision::record_id).load(c).unwrap()),
    ];
    for (part, found) in parts {
        let found: HashSet<String> = found.into_iter().collect();
        weather.same(&format!("records without their {part}"), ids.difference(&found).count(), 0);
    }
    let verified = command(url).args(["--json", "audit", "verify"]).output().unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    weather.same("the audit trail is whole", verdict["whole"] == true && verified.status.success(), true);
}
