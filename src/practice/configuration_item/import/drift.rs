//! What a source that looks at the things themselves finds other than it is recorded: fields, things and relations.
//!
//! **Invariant:** what a source tells of for the first time is no drift: it has looked for things of that class, or relations of that type,
//! within the scope before.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde_json::Value;

use super::{
    Ground,
    apply::{CLASS, Detail, is_spelling},
    reconcile::STATE,
    row::{OriginRow, SeenRow},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::RecordId,
    practice::configuration_item::ConfigurationItemPractice,
    record::{
        class::Class,
        drift::{self, Drift, Finding, SUMMARY},
        graph::{relate::RelationRow, types::RelationTypeRow},
        header::Header,
        list::List,
        practice::Practice,
        store::Desk,
    },
    schema::{configuration_item, configuration_seen, record, relation},
};

/// What a source had looked for within the scope of an import before it.
#[derive(Debug, Default)]
pub struct Looked {
    classes: BTreeSet<String>,
    relations: BTreeSet<String>,
}

impl Looked {
    /// What a source had looked for among some configuration items before a moment.
    pub fn of(connection: &mut AnyConnection, source: &str, scope: &List<'_>, before: Moment) -> Result<Self> {
        use configuration_seen as seen;
        let within = scope.narrowed(connection.engine())?;
        // An import that goes on after it was cut off finds its own looks, too.
        let is_earlier = seen::seen_at.nullable().lt(before).or(seen::seen_before.lt(before));
        let classes = seen::table
            .inner_join(configuration_item::table.on(configuration_item::record_id.eq(seen::record_id)))
            .inner_join(record::table.on(record::id.eq(seen::record_id)))
            .filter(seen::source.eq(source))
            .filter(is_earlier)
            .filter(within.clone())
            .select(configuration_item::class)
            .distinct();
        let ends = || record::table.filter(within.clone()).select(record::id);
        let relations = relation::table
            .filter(relation::source.eq(source))
            .filter(relation::created_at.lt(before))
            .filter(relation::from_id.eq_any(ends()).or(relation::to_id.eq_any(ends())))
            .select(relation::relation_type)
            .distinct();
        let (classes, relations): (Vec<String>, Vec<String>) = (classes.load(connection)?, relations.load(connection)?);
        Ok(Looked { classes: classes.into_iter().collect(), relations: relations.into_iter().collect() })
    }
}

/// Tells what a source has found other than is recorded, field by field. Where a thing stands in its life, a class that says more of it, or
/// how its name is written is no drift.
pub(super) fn of_fields(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    id: RecordId,
    class: &Class,
    detail: &Detail,
) -> Result<()> {
    let source = &ground.asked.source;
    let changed = detail.changes.iter().map(|change| (&change.field, &change.from, &change.to));
    let kept = detail.kept.iter().map(|kept| (&kept.field, &kept.holds, &kept.says));
    let is_drift = |(field, was, is): &(&String, &Value, &Value)| {
        ![STATE, CLASS].contains(&field.as_str()) && !was.is_null() && !is_spelling(class, field, was, is)
    };
    let other: Vec<_> = changed.chain(kept).filter(is_drift).collect();
    if other.is_empty() || ground.looked.is_none() {
        return Ok(());
    }
    let connection = desk.unit.connection()?;
    let Some(looked_at) = SeenRow::last(connection, source, id)? else { return Ok(()) };
    let origins = OriginRow::of_record(connection, id)?;
    for (field, was, is) in other {
        let recorded = was.to_string();
        let said = origins.get(field).filter(|origin| origin.source == *source && origin.value == recorded);
        let drift = Drift {
            // An import may tell of some fields more often than of others.
            last_seen_at: Some(said.map_or(looked_at, |origin| origin.seen_at)),
            last_looked_at: Some(looked_at),
            field: Some(field.clone()),
            ..found(ground, id, (Finding::Changed, format!("{field}: {was} → {is}")))
        };
        drift::tell(desk, &drift)?;
    }
    Ok(())
}

/// Tells of a thing that was not recorded: no change can have said that it would be there, or it would have been. When the source last
/// looked where it is, nobody knows.
pub(super) fn of_new(desk: &mut Desk<'_, '_>, ground: &Ground, id: RecordId, class: &str) -> Result<()> {
    if !ground.looked.as_ref().is_some_and(|looked| looked.classes.contains(class)) {
        return Ok(());
    }
    let what = (Finding::Appeared, "It was not recorded.".to_owned());
    drift::tell(desk, &found(ground, id, what))
}

/// Tells of a thing that is no longer found where it was found before.
pub(super) fn of_vanished(desk: &mut Desk<'_, '_>, ground: &Ground, seen: &SeenRow) -> Result<()> {
    if ground.looked.is_none() {
        return Ok(());
    }
    let what = (Finding::Vanished, "It is no longer found.".to_owned());
    let last = Some(seen.seen_at);
    let drift = Drift { last_seen_at: last, last_looked_at: last, ..found(ground, seen.record_id, what) };
    drift::tell(desk, &drift)
}

/// Tells of a relation that was not recorded between things that were, or of one that is no longer found.
pub(super) fn of_relation(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    (from, of, to): (RecordId, &str, RecordId),
    finding: Finding,
) -> Result<()> {
    if !ground.looked.as_ref().is_some_and(|looked| looked.relations.contains(of)) {
        return Ok(());
    }
    let connection = desk.unit.connection()?;
    let ends = Header::find_all(connection, &[from, to])?;
    if ends.iter().any(|end| end.opened_at >= ground.observed_at) {
        return Ok(());
    }
    // Whoever looks at either end sees it: other things that the source looks at say nothing of it.
    let seen = SeenRow::by(connection, &ground.asked.source, &[from, to])?;
    let looked_at = seen.iter().filter_map(|row| row.before(ground.observed_at)).max();
    let is_item =
        |id: RecordId| ends.iter().any(|end| end.id == id && end.kind == ConfigurationItemPractice::KIND.name);
    // What is found is told of a configuration item, whichever end that is.
    let Some(item) = [from, to].into_iter().find(|id| is_item(*id)) else { return Ok(()) };
    let types = RelationTypeRow::all(connection)?;
    let named = types.iter().find(|row| row.name == of);
    let name = named.map_or(of, |row| if item == from { &row.name } else { &row.inverse }).to_owned();
    let said = if finding == Finding::Related { "It was not recorded." } else { "It is no longer found." };
    let drift = Drift {
        last_seen_at: looked_at,
        // One that was made is news each time that it is made.
        last_looked_at: looked_at.filter(|_| finding == Finding::Unrelated),
        field: Some(name.clone()),
        related: Some(if item == from { to } else { from }),
        ..found(ground, item, (finding, format!("{name}: {said}")))
    };
    drift::tell(desk, &drift)
}

/// The same of one that the source has made.
pub(super) fn of_missing_relation(desk: &mut Desk<'_, '_>, ground: &Ground, row: &RelationRow) -> Result<()> {
    of_relation(desk, ground, (row.from_id, &row.relation_type, row.to_id), Finding::Unrelated)
}

fn found(ground: &Ground, item: RecordId, (finding, summary): (Finding, String)) -> Drift {
    Drift {
        item,
        last_seen_at: None,
        last_looked_at: None,
        drifted_at: ground.observed_at,
        finding,
        field: None,
        related: None,
        summary: summary.chars().take(SUMMARY).collect(),
        source: ground.asked.source.clone(),
    }
}
