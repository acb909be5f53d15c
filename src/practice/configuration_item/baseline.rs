//! Baselines: what configuration items were at a moment, and what is different from then.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::ConfigurationItemPractice;
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText, sql::among},
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    insert_rows,
    record::{
        class::PLACE,
        graph::types::RelationTypeRow,
        header::Header,
        kernel::Kernel,
        kind::Kind,
        list::{Asked, List, in_body},
        practice::Practice,
        store::Desk,
    },
    schema::{configuration_baseline, configuration_baseline_item, redundancy_group, relation},
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;
/// Configuration items of a baseline at most.
pub const MOST: usize = 10_000;
/// So many are read in one go.
const AT_ONCE: i64 = 500;
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
    PLACE,
];

/// A baseline.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = configuration_baseline)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct BaselineRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub filter: String,
    pub items: i32,
    pub created_by_id: UserId,
    pub created_at: Moment,
}

/// What one configuration item was.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = configuration_baseline_item)]
struct ItemRow {
    baseline_id: RowId,
    record_id: RecordId,
    content: JsonText,
}

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
}

/// A relation as a snapshot keeps it: type, other record, group.
type Related = (String, RecordId, Option<String>);

/// Configuration items as of a moment.
pub type Snapshots = BTreeMap<RecordId, Snapshot>;

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConfigurationDifferenceKind)]
pub enum How {
    /// It is there only afterwards.
    Added,
    /// It was there only before.
    Removed,
    /// It was another.
    Changed,
}

/// What differs of a configuration item.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ConfigurationDifference)]
pub struct Difference {
    /// The configuration item.
    pub record_id: RecordId,
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// How it differs.
    pub how: How,
    /// Fields that differ; attributes as `attributes.name`.
    pub changes: Vec<ChangedField>,
    /// Relations that were there only before.
    pub relations_removed: Vec<BaselineRelation>,
    /// Relations that are there only afterwards.
    pub relations_added: Vec<BaselineRelation>,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ConfigurationChangedField)]
pub struct ChangedField {
    /// The field.
    pub field: String,
    /// What it held before.
    pub from: Value,
    /// What it holds afterwards.
    pub to: Value,
}

/// A relation that a configuration item had.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ConfigurationBaselineRelation)]
pub struct BaselineRelation {
    /// Its type, as this end names it.
    pub relation: String,
    /// The other record.
    pub record_id: RecordId,
    /// The redundancy group that it was in.
    pub group: Option<String>,
}

/// Takes a baseline of what a filter finds.
pub fn take(desk: &mut Desk<'_, '_>, name: &str, description: &str, filter: &str) -> Result<BaselineRow> {
    let (kernel, cause) = (desk.kernel, desk.cause);
    let connection = desk.unit.connection()?;
    let headers = found(kernel, connection, desk.cause, filter)?;
    let snapshots = snapshots(kernel, connection, headers)?;
    let row = BaselineRow {
        id: RowId::new(),
        name: name.to_owned(),
        description: description.to_owned(),
        filter: filter.to_owned(),
        items: i32::try_from(snapshots.len()).unwrap_or(i32::MAX),
        created_by_id: cause.caller.user,
        created_at: cause.at,
    };
    diesel::insert_into(configuration_baseline::table).values(&row).execute(connection)?;
    let items = snapshots.iter().map(|(record_id, snapshot)| {
        Ok(ItemRow { baseline_id: row.id, record_id: *record_id, content: JsonText::of(snapshot)? })
    });
    let items = items.collect::<Result<Vec<_>>>()?;
    insert_rows!(connection, configuration_baseline_item::table, items)?;
    Ok(row)
}

fn found(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    cause: &crate::record::cause::Cause,
    filter: &str,
) -> Result<Vec<Header>> {
    let asked = Asked { filter: Some(filter.to_owned()).filter(|f| !f.trim().is_empty()), ..Asked::default() };
    let list =
        List::new(kernel, connection, &cause.caller, Some(KIND), &asked, cause.at).map_err(in_body("/filter"))?;
    let mut headers: Vec<Header> = Vec::new();
    loop {
        let more = list.following(connection, headers.last(), AT_ONCE)?;
        if more.is_empty() {
            return Ok(headers);
        }
        headers.extend(more);
        if headers.len() > MOST {
            let detail = format!("The filter finds more than {MOST} configuration items; narrow it.");
            return Err(Error::invalid("/filter", "too_many", detail));
        }
    }
}

/// What these are now.
fn snapshots(kernel: &Kernel, connection: &mut AnyConnection, headers: Vec<Header>) -> Result<Snapshots> {
    let mut snapshots = Snapshots::new();
    for part in headers.chunks(usize::try_from(AT_ONCE).unwrap_or(1)) {
        let ids: Vec<RecordId> = part.iter().map(|header| header.id).collect();
        let records = kernel.practice(KIND.name)?.render(connection, part.to_vec())?;
        for (id, record) in ids.iter().zip(records) {
            snapshots.insert(*id, Snapshot::of(record));
        }
        relate(connection, &ids, &mut snapshots)?;
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
    fn compared<'a>(&'a self, other: &Self) -> BTreeSet<&'a Related> {
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
        }
    }
}

impl BaselineRow {
    /// The baseline of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let row = configuration_baseline::table.find(id).first(connection).optional()?;
        row.ok_or_else(|| Error::not_found("baseline"))
    }

    /// Those older than `below`, the newest first.
    pub fn list(connection: &mut AnyConnection, below: Option<RowId>, limit: i64) -> Result<Vec<Self>> {
        let mut rows = configuration_baseline::table.into_boxed::<crate::db::Backend>();
        if let Some(below) = below {
            rows = rows.filter(configuration_baseline::id.lt(below));
        }
        Ok(rows.order(configuration_baseline::id.desc()).limit(limit).load(connection)?)
    }

    /// What was there.
    pub fn snapshots(&self, connection: &mut AnyConnection) -> Result<Snapshots> {
        let mine = configuration_baseline_item::table.filter(configuration_baseline_item::baseline_id.eq(self.id));
        let rows: Vec<ItemRow> = mine.load(connection)?;
        rows.into_iter().map(|row| Ok((row.record_id, row.content.read()?))).collect()
    }

    /// What is there now: what the filter finds, and what was in the baseline.
    pub fn now(
        &self,
        kernel: &Kernel,
        connection: &mut AnyConnection,
        cause: &crate::record::cause::Cause,
        before: &Snapshots,
    ) -> Result<Snapshots> {
        let mut headers = found(kernel, connection, cause, &self.filter)?;
        let there: BTreeSet<RecordId> = headers.iter().map(|header| header.id).collect();
        let others: Vec<RecordId> = before.keys().filter(|id| !there.contains(id)).copied().collect();
        headers.extend(Header::find_all(connection, &others)?);
        snapshots(kernel, connection, headers)
    }

    /// Forgets it.
    pub fn delete(&self, connection: &mut AnyConnection) -> Result<()> {
        let items = configuration_baseline_item::table.filter(configuration_baseline_item::baseline_id.eq(self.id));
        diesel::delete(items).execute(connection)?;
        match diesel::delete(configuration_baseline::table.find(self.id)).execute(connection)? {
            0 => Err(Error::new(Code::NotFound, "There is no such baseline.")),
            _ => Ok(()),
        }
    }
}

/// What differs between two moments, by record.
pub fn differences(before: &Snapshots, after: &Snapshots) -> Vec<Difference> {
    let ids: BTreeSet<&RecordId> = before.keys().chain(after.keys()).collect();
    let blank = Snapshot { related_by: Some(BTreeSet::new()), ..Snapshot::default() };
    let compared = ids.into_iter().filter_map(|id| {
        let (old, new) = (before.get(id), after.get(id));
        let how = match (old, new) {
            (Some(old), Some(new)) if old.fields == new.fields && old.compared(new) == new.compared(old) => {
                return None;
            }
            (Some(_), Some(_)) => How::Changed,
            (Some(_), None) => How::Removed,
            (None, _) => How::Added,
        };
        let (old, new) = (old.unwrap_or(&blank), new.unwrap_or(&blank));
        let shown = if how == How::Removed { old } else { new };
        let relations = |some: &Snapshot, others: &Snapshot| {
            let there = others.compared(some);
            let only = some.compared(others).into_iter().filter(|related| !there.contains(related)).cloned();
            only.map(|(relation, record_id, group)| BaselineRelation { relation, record_id, group }).collect()
        };
        Some(Difference {
            record_id: *id,
            number: shown.number.clone(),
            title: shown.title.clone(),
            how,
            changes: if how == How::Changed { changed(old, new) } else { Vec::new() },
            relations_removed: relations(old, new),
            relations_added: relations(new, old),
        })
    });
    compared.collect()
}

fn changed(old: &Snapshot, new: &Snapshot) -> Vec<ChangedField> {
    let names: BTreeSet<&String> = old.fields.keys().chain(new.fields.keys()).collect();
    let held = |snapshot: &Snapshot, name: &String| snapshot.fields.get(name).cloned().unwrap_or_default();
    let both = names.into_iter().map(|name| (name, held(old, name), held(new, name)));
    both.filter(|(_, from, to)| from != to)
        .map(|(name, from, to)| ChangedField { field: name.clone(), from, to })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn snapshot(fields: &[(&str, i64)], relations: &[RecordId]) -> Snapshot {
        Snapshot {
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect(),
            relations: relations.iter().map(|id| ("runs_on".to_owned(), *id, None)).collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn what_came_went_and_changed_is_told() {
        let [a, b, c] = [(); 3].map(|()| RecordId::new());
        let before = Snapshots::from([(a, snapshot(&[("x", 1), ("y", 1)], &[b])), (b, snapshot(&[], &[]))]);
        let after = Snapshots::from([(a, snapshot(&[("x", 2), ("z", 1)], &[c])), (c, snapshot(&[], &[]))]);
        let found = differences(&before, &after);
        let hows: BTreeMap<RecordId, How> = found.iter().map(|d| (d.record_id, d.how)).collect();
        assert_eq!(hows, BTreeMap::from([(a, How::Changed), (b, How::Removed), (c, How::Added)]));
        let of_a = found.iter().find(|d| d.record_id == a).unwrap();
        assert_eq!(of_a.changes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), ["x", "y", "z"]);
        assert_eq!((of_a.relations_removed[0].record_id, of_a.relations_added[0].record_id), (b, c));
    }

    proptest! {
        #[test]
        fn there_and_back_are_mirrors(left in prop::collection::btree_map(0..6_usize, 0..3_i64, 0..6), right in prop::collection::btree_map(0..6_usize, 0..3_i64, 0..6)) {
            let ids: Vec<RecordId> = (0..6).map(|_| RecordId::new()).collect();
            let of = |numbers: &BTreeMap<usize, i64>| -> Snapshots {
                numbers.iter().map(|(n, value)| (ids[*n], snapshot(&[("x", *value)], &[]))).collect()
            };
            let (there, back) = (differences(&of(&left), &of(&right)), differences(&of(&right), &of(&left)));
            prop_assert_eq!(there.len(), back.len());
            for (one, other) in there.iter().zip(&back) {
                let mirrored = match one.how { How::Added => How::Removed, How::Removed => How::Added, How::Changed => How::Changed };
                prop_assert_eq!(mirrored, other.how);
                prop_assert_eq!(one.changes.iter().map(|c| (&c.from, &c.to)).collect::<Vec<_>>(), other.changes.iter().map(|c| (&c.to, &c.from)).collect::<Vec<_>>());
            }
            prop_assert!(differences(&of(&left), &of(&left)).is_empty());
        }
    }
}
