//! What known errors have to do with a configuration item: they are about it, affect it, or do so with one that it rests on or that rests on it.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::{ProblemPractice, known_error::Fit, word};
use crate::{
    db::{AnyConnection, Backend, sql::among},
    error::Result,
    id::RecordId,
    record::{practice::Practice, store::Reading, visibility},
    schema::{known_error_word, link, record},
};

/// The relation of a problem to what it affects.
const AFFECTS: &str = "affects";
/// So many items around one are looked at.
const AROUND: usize = 200;

/// A configuration item with what is around it.
pub(super) struct Near {
    item: RecordId,
    around: BTreeSet<RecordId>,
}

impl Near {
    /// Around an item, if the caller sees it.
    pub(super) fn of(reading: &mut Reading<'_>, item: RecordId) -> Result<Option<Self>> {
        let (kernel, caller) = (reading.kernel, &reading.cause.caller);
        if visibility::among(kernel, reading.connection, caller, vec![item])?.is_empty() {
            return Ok(None);
        }
        let graph = kernel.graph(reading.connection)?;
        let around = graph.supports(item).into_iter().chain(graph.dependants(item)).take(AROUND).collect();
        Ok(Some(Near { item, around }))
    }

    fn items(&self) -> impl Iterator<Item = &str> {
        [&self.item].into_iter().chain(&self.around).map(RecordId::as_str)
    }

    /// Known errors that the caller sees and that are about one of them, or affect one; `most` of each.
    pub(super) fn known_errors(&self, reading: &mut Reading<'_>, most: i64) -> Result<Vec<RecordId>> {
        let engine = reading.connection.engine();
        let kind = &const { ProblemPractice::KIND };
        let seen = || {
            let each = known_error_word::is_code.eq(false).and(known_error_word::word.eq(word::EACH));
            let known =
                record::table.inner_join(known_error_word::table.on(known_error_word::record_id.eq(record::id)));
            let known = known.filter(each).order(record::updated_at.desc()).select(record::id).limit(most);
            let known = known.into_boxed::<Backend>();
            match visibility::condition(engine, &reading.cause.caller, &[kind]) {
                Some(sees) => known.filter(sees),
                None => known,
            }
        };
        let links = link::table.filter(among(engine, "link.to_id", self.items())).filter(link::relation.eq(AFFECTS));
        let about = seen().filter(among(engine, "record.configuration_item_id", self.items()));
        let affect = seen().filter(record::id.eq_any(links.select(link::from_id)));
        let mut found: Vec<RecordId> = about.load(reading.connection)?;
        found.extend(affect.load::<RecordId>(reading.connection)?);
        Ok(found)
    }

    /// Which of them these problems affect.
    pub(super) fn affected_by(
        &self,
        connection: &mut AnyConnection,
        problems: &[RecordId],
    ) -> Result<BTreeMap<RecordId, Vec<RecordId>>> {
        let engine = connection.engine();
        let links = link::table.filter(among(engine, "link.from_id", problems.iter().map(RecordId::as_str)));
        let links = links.filter(among(engine, "link.to_id", self.items())).filter(link::relation.eq(AFFECTS));
        let links: Vec<(RecordId, RecordId)> = links.select((link::from_id, link::to_id)).load(connection)?;
        let mut affected: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
        for (problem, item) in links {
            affected.entry(problem).or_default().push(item);
        }
        Ok(affected)
    }

    /// How a problem that is about one and affects others fits, and what that is worth.
    pub(super) fn fit(&self, about: Option<RecordId>, affects: &[RecordId]) -> Option<(Fit, u32)> {
        let is_near = |item: &RecordId| self.around.contains(item);
        if about == Some(self.item) {
            Some((Fit::ConfigurationItem, 4))
        } else if affects.contains(&self.item) {
            Some((Fit::AffectedItem, 3))
        } else if about.iter().chain(affects).any(is_near) {
            Some((Fit::ItemNearby, 2))
        } else {
            None
        }
    }
}
