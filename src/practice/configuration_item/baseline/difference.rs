//! What differs between two moments.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::snapshot::{Related, Snapshot, Snapshots};
use crate::id::RecordId;

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
    /// Fields that differ; attributes as `attributes.name`, how many of a redundancy group must be up as `redundancy_groups.name`.
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

impl From<Related> for BaselineRelation {
    fn from((relation, record_id, group): Related) -> Self {
        BaselineRelation { relation, record_id, group }
    }
}

/// What differs between two moments, by record.
pub fn differences(before: &Snapshots, after: &Snapshots) -> Vec<Difference> {
    let ids: BTreeSet<&RecordId> = before.keys().chain(after.keys()).collect();
    let blank = Snapshot { related_by: Some(BTreeSet::new()), groups: Some(BTreeMap::new()), ..Snapshot::default() };
    let compared = ids.into_iter().filter_map(|id| {
        let (old, new) = (before.get(id), after.get(id));
        let how = match (old, new) {
            (Some(old), Some(new)) if old.told(new) == new.told(old) && old.compared(new) == new.compared(old) => {
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
            only.map(BaselineRelation::from).collect()
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
    let (old, new) = (old.told(new), new.told(old));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let held = |fields: &BTreeMap<Cow<'_, str>, Value>, name| fields.get(name).cloned().unwrap_or_default();
    let both = names.into_iter().map(|name| (name, held(&old, name), held(&new, name)));
    both.filter(|(_, from, to)| from != to)
        .map(|(name, from, to)| ChangedField { field: name.to_string(), from, to })
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
