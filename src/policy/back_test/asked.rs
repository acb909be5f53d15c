//! What a back-test is asked for, with everything pinned that it depends on: whoever goes on with it later compares the same.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::judge::Judge;
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::RowId,
    policy::{
        build::Tables,
        chain::{ActivePolicy, Bundle, Version},
        decision::Decision,
        live::{Live, Policies},
        store::{PolicyRow, TableRow},
    },
};

/// A version of a policy, or of a lookup table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Which.
    pub id: RowId,
    /// Its name.
    pub name: String,
    /// The number of the version.
    pub version: i32,
}

/// What a back-test is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The decision.
    pub decision: Decision,
    /// The kind of records.
    #[serde(default = "first")]
    pub kind: String,
    /// The version that is rehearsed.
    pub candidate: Pin,
    /// What is live beside it and compared with it, in the order in which it is asked.
    pub live: Vec<Pin>,
    /// How many of those are asked before the candidate, where its policy is not live.
    #[serde(default = "last")]
    pub before: usize,
    /// The lookup tables that both sides use.
    pub tables: Vec<Pin>,
    /// Decisions from this moment on.
    pub from: Option<Moment>,
    /// Decisions before this moment.
    pub until: Option<Moment>,
    /// Within how many minutes after its opening an incident of a priority is to be resolved; empty: nothing is forecast.
    pub resolve_within: BTreeMap<i64, i64>,
}

/// What was asked for before the place was pinned goes on as it began.
fn last() -> usize {
    usize::MAX
}

/// What was asked for before there were policies of several kinds.
fn first() -> String {
    Decision::Priority.first_kind().to_owned()
}

impl Asked {
    /// A rehearsal of a version beside what is live now, or with another version of the policy in its place.
    ///
    /// # Errors
    /// No such version.
    pub fn of(connection: &mut AnyConnection, policy: &PolicyRow, number: i32, against: Option<i32>) -> Result<Asked> {
        for number in std::iter::once(number).chain(against) {
            policy.version(connection, number)?;
        }
        let decision = policy.decision()?;
        let all = PolicyRow::all(connection)?;
        let pin = |id, name: &str, version| Pin { id, name: name.to_owned(), version };
        let asked = all.iter().filter(|row| row.is_asked_with(policy));
        let version = |row: &PolicyRow| match against.filter(|_| row.id == policy.id) {
            Some(against) => Some(against),
            None => row.active_version.filter(|_| row.enabled),
        };
        let before = asked.clone().filter(|row| version(row).is_some() && row.is_before(policy)).count();
        let live = asked.filter_map(|row| Some(pin(row.id, &row.name, version(row)?))).collect();
        let tables = TableRow::all(connection)?.iter().map(|row| pin(row.id, &row.name, row.version)).collect();
        Ok(Asked {
            decision,
            kind: policy.kind.clone(),
            candidate: pin(policy.id, &policy.name, number),
            live,
            before,
            tables,
            from: None,
            until: None,
            resolve_within: BTreeMap::new(),
        })
    }

    /// How long after its opening an incident of a priority is to be resolved.
    pub fn target(&self, priority: i64) -> Option<TimeDelta> {
        self.resolve_within.get(&priority).map(|minutes| TimeDelta::minutes(*minutes))
    }

    /// Both sides, compiled. Call it on a thread with an ample stack.
    ///
    /// # Errors
    /// A version that does not compile or is not there any more.
    pub fn judge(&self, connection: &mut AnyConnection, policies: &Policies, live: &Live) -> Result<Judge> {
        let before = self.live.iter().map(|pin| self.compiled(connection, pin));
        let before = before
            .map(|made| made.map(|(pin, version)| ActivePolicy::tried(pin.id.to_string(), &pin.name, version, "live")));
        let before = Bundle::new(before.collect::<Result<Vec<_>>>()?.into_iter().map(Arc::new));
        let (pin, version) = self.compiled(connection, &self.candidate)?;
        let after = before
            .rehearsal_with(ActivePolicy::tried(pin.id.to_string(), &pin.name, version, "candidate"), self.before);
        let mut tables = Tables::new();
        for pin in &self.tables {
            let row = TableRow::named(connection, &pin.name)?;
            tables.insert(pin.name.clone(), Arc::new(row.table_of(connection, pin.version)?));
        }
        let host = policies.host_with(live, tables);
        Ok(Judge::new(self, before, after, host, live.schemas().of(&self.kind).clone()))
    }

    fn compiled<'a>(&self, connection: &mut AnyConnection, pin: &'a Pin) -> Result<(&'a Pin, Version)> {
        let stored = PolicyRow::find(connection, pin.id.as_str())?.version(connection, pin.version)?;
        let broken = |_| {
            let detail = format!("Version {} of `{}` does not compile.", pin.version, pin.name);
            Error::new(Code::Conflict, detail)
        };
        let version = stored.build(connection)?.compiled(pin.version.into(), self.decision).map_err(broken)?;
        Ok((pin, version))
    }
}
