//! What a configuration item was at a moment: its fields, its relations and its redundancy groups.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    db::{AnyConnection, sql::among},
    error::Result,
    id::{RecordId, RowId},
    practice::configuration_item::ConfigurationItemPractice,
    record::{class::PLACE, graph::types::RelationTypeRow, header::Header, kernel::Kernel, practice::Practice},
    schema::{redundancy_group, relation},
};

/// What redundancy groups are called among what differs.
const GROUPS: &str = "redundancy_groups";
/// So many are read in one go.
const AT_ONCE: usize = 500;
/// What is not compared: it says nothing of the thing itself.
const QUIET: &[&str] = &[
    "id",
    "kind",
    "number",
    "version",
    "opened_at",
    "updated_at",
    "opened_by_id",
    "closed_at",
    "resolved_at",
    "phase",
    "certified_at",
    PLACE,
];

/// What a configuration item was: its fields with its attributes as `attributes.name`, and the relations that it had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// Its fields.
    pub fields: BTreeMap<String, Value>,
    /// The relations that it had with others: type, other record, group.
    pub relations: BTreeSet<Related>,
    /// Those that others had with it, by the name of this end; nothing where the baseline was taken before they were kept.
    #[serde(default)]
    pub related_by: Option<BTreeSet<Related>>,
    /// Its redundancy groups, and how many of each must be up; nothing where the baseline was taken before they were kept.
    #[serde(default)]
    pub groups: Option<BTreeMap<String, i32>>,
}

/// A relation as a snapshot keeps it: type, other record, group.
pub type Related = (String, RecordId, Option<String>);

/// Configuration items as of a moment.
pub type Snapshots = BTreeMap<RecordId, Snapshot>;

/// What these are now.
pub fn snapshots(kernel: &Kernel, connection: &mut AnyConnection, headers: Vec<Header>) -> Result<Snapshots> {
    let mut snapshots = Snapshots::new();
    for part in headers.chunks(AT_ONCE) {
        let ids: Vec<RecordId> = part.iter().map(|header| header.id).collect();
        let records = kernel.practice(ConfigurationItemPractice::KIND.name)?.render(connection, part.to_vec())?;
        for (id, record) in ids.iter().zip(records) {
            snapshots.insert(*id, Snapshot::of(record));
        }
        relate(connection, &ids, &mut snapshots)?;
        let groups = among(connection.engine(), "redundancy_group.record_id", ids.iter().map(RecordId::as_str));
        let groups: Vec<(RecordId, String, i32)> = redundancy_group::table
            .filter(groups)
            .select((redundancy_group::record_id, redundancy_group::name, redundancy_group::min_up))
            .load(connection)?;
        for (id, name, min_up) in groups {
            let Some(snapshot) = snapshots.get_mut(&id) else { continue };
            snapshot.groups.get_or_insert_default().insert(name, min_up);
        }
    }
    Ok(snapshots)
}

/// Adds the relations of these records, as each end has them.
fn relate(connection: &mut AnyConnection, ids: &[RecordId], snapshots: &mut Snapshots) -> Result<()> {
    let inverse: BTreeMap<String, String> =
        RelationTypeRow::all(connection)?.into_iter().map(|row| (row.name, row.inverse)).collect();
    for (column, is_inverse) in [("relation.from_id", false), ("relation.to_id", true)] {
        let mine = among(connection.engine(), column, ids.iter().map(RecordId::as_str));
        let relations: Vec<(RecordId, String, RecordId, Option<RowId>)> = relation::table
            .filter(mine)
            .select((relation::from_id, relation::relation_type, relation::to_id, relation::group_id))
            .load(connection)?;
        let names = group_names(connection, relations.iter().filter_map(|(.., group)| *group).collect())?;
        for (from, of, to, group) in relations {
            let group = group.and_then(|id| names.get(&id).cloned());
            let (this, other) = if is_inverse { (to, from) } else { (from, to) };
            let Some(snapshot) = snapshots.get_mut(&this) else { continue };
            if is_inverse {
                let name = inverse.get(&of).cloned().unwrap_or(of);
                snapshot.related_by.get_or_insert_default().insert((name, other, group));
            } else {
                snapshot.relations.insert((of, other, group));
            }
        }
    }
    Ok(())
}

fn group_names(connection: &mut AnyConnection, groups: Vec<RowId>) -> Result<BTreeMap<RowId, String>> {
    let named = redundancy_group::table.filter(redundancy_group::id.eq_any(groups));
    let names: Vec<(RowId, String)> = named.select((redundancy_group::id, redundancy_group::name)).load(connection)?;
    Ok(names.into_iter().collect())
}

impl Snapshot {
    /// The relations that can be compared with those of another one: of both ends, where both keep them.
    pub fn compared<'a>(&'a self, other: &Self) -> BTreeSet<&'a Related> {
        let both = self.related_by.as_ref().filter(|_| other.related_by.is_some());
        self.relations.iter().chain(both.into_iter().flatten()).collect()
    }

    fn of(record: Map<String, Value>) -> Self {
        let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (number, title) = (text("number"), text("title"));
        let attributes = record.get(PLACE).and_then(Value::as_object).cloned().unwrap_or_default();
        let fields = record.into_iter().filter(|(name, _)| !QUIET.contains(&name.as_str()));
        let attributes = attributes.into_iter().map(|(name, value)| (format!("{PLACE}.{name}"), value));
        Snapshot {
            number,
            title,
            fields: fields.chain(attributes).collect(),
            relations: BTreeSet::new(),
            related_by: Some(BTreeSet::new()),
            groups: Some(BTreeMap::new()),
        }
    }

    /// What can be compared with another one as fields are: its fields, and its groups where both keep them.
    pub fn told<'a>(&'a self, other: &Self) -> BTreeMap<Cow<'a, str>, Value> {
        let fields = self.fields.iter().map(|(name, value)| (Cow::from(name), value.clone()));
        let groups = self.groups.iter().flatten().filter(|_| other.groups.is_some());
        let groups = groups.map(|(name, min_up)| (Cow::from(format!("{GROUPS}.{name}")), Value::from(*min_up)));
        fields.chain(groups).collect()
    }
}
