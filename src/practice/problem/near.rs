//! What known errors have to do with where something happens: they are about a configuration item, affect it or the service, or do so with an item
//! that it rests on or that rests on it.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::{
    known_error::{Fit, Typed},
    sight::Sight,
    word,
};
use crate::{
    db::{AnyConnection, Backend, sql::among},
    error::Result,
    id::RecordId,
    record::{store::Reading, visibility},
    schema::{known_error_word, link, record},
};

/// The relation of a problem to what it affects.
const AFFECTS: &str = "affects";
/// So many items around one are looked at.
const AROUND: usize = 200;

/// A configuration item with what is around it, and a service.
#[derive(Default)]
pub(super) struct Near {
    item: Option<RecordId>,
    around: BTreeSet<RecordId>,
    service: Option<RecordId>,
}

impl Near {
    /// Around what is named, as far as the caller sees it.
    pub(super) fn of(reading: &mut Reading<'_>, typed: &Typed) -> Result<Self> {
        let named: Vec<RecordId> = [typed.configuration_item_id, typed.service_id].into_iter().flatten().collect();
        let (kernel, caller) = (reading.kernel, &reading.cause.caller);
        let seen = visibility::among(kernel, reading.connection, caller, named)?;
        let is_seen = |id: &RecordId| seen.contains_key(id);
        let item = typed.configuration_item_id.filter(is_seen);
        let mut around = BTreeSet::new();
        if let Some(item) = item {
            let graph = kernel.graph(reading.connection)?;
            around.extend(graph.supports(item).into_iter().chain(graph.dependants(item)).take(AROUND));
        }
        Ok(Near { item, around, service: typed.service_id.filter(is_seen) })
    }

    fn items(&self) -> impl Iterator<Item = &str> {
        self.item.iter().chain(&self.around).map(RecordId::as_str)
    }

    /// The items and the service.
    fn all(&self) -> impl Iterator<Item = &str> {
        self.items().chain(self.service.as_ref().map(RecordId::as_str))
    }

    /// Known errors of which the caller may be told and that are about one of them, or affect one; `most` of each.
    pub(super) fn known_errors(&self, reading: &mut Reading<'_>, sight: &Sight, most: i64) -> Result<Vec<RecordId>> {
        if self.all().next().is_none() {
            return Ok(Vec::new());
        }
        let engine = reading.connection.engine();
        let seen = || {
            let each = known_error_word::is_code.eq(false).and(known_error_word::word.eq(word::EACH));
            let known =
                record::table.inner_join(known_error_word::table.on(known_error_word::record_id.eq(record::id)));
            let known = known.filter(each).order(record::updated_at.desc()).select(record::id).limit(most);
            let known = known.into_boxed::<Backend>();
            match sight.condition(engine, &reading.cause.caller) {
                Some(sees) => known.filter(sees),
                None => known,
            }
        };
        let links = link::table.filter(among(engine, "link.to_id", self.all())).filter(link::relation.eq(AFFECTS));
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
        let mut affected: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
        if self.all().next().is_none() {
            return Ok(affected);
        }
        let engine = connection.engine();
        let links = link::table.filter(among(engine, "link.from_id", problems.iter().map(RecordId::as_str)));
        let links = links.filter(among(engine, "link.to_id", self.all())).filter(link::relation.eq(AFFECTS));
        let links: Vec<(RecordId, RecordId)> = links.select((link::from_id, link::to_id)).load(connection)?;
        for (problem, at) in links {
            affected.entry(problem).or_default().push(at);
        }
        Ok(affected)
    }

    /// How a problem that is about an item and affects others fits the item, and what that is worth.
    pub(super) fn item_fit(&self, about: Option<RecordId>, affects: &[RecordId]) -> Option<(Fit, u32)> {
        let item = self.item?;
        let is_near = |item: &RecordId| self.around.contains(item);
        if about == Some(item) {
            Some((Fit::ConfigurationItem, 4))
        } else if affects.contains(&item) {
            Some((Fit::AffectedItem, 3))
        } else if about.iter().chain(affects).any(is_near) {
            Some((Fit::ItemNearby, 2))
        } else {
            None
        }
    }

    /// How a problem that is about a service and affects others fits the service, and what that is worth.
    pub(super) fn service_fit(&self, about: Option<RecordId>, affects: &[RecordId]) -> Option<(Fit, u32)> {
        let service = self.service.filter(|service| about != Some(*service))?;
        affects.contains(&service).then_some((Fit::AffectedService, 2))
    }
}
