//! A relation of an import: both ends found as whoever asked for it sees them, then made, or put in another group, as a change of the
//! record that depends.

use diesel::prelude::*;
use serde_json::Value;

use super::{
    Ground, Outcome, RelationItem,
    apply::{Detail, ImportChange, SHOWN, Told, is_old, reasons, too_long},
    drift,
    known::{Known, Stored},
    row::SeenRow,
};
use crate::{
    db::AnyConnection,
    error::{FieldError, Result},
    id::{RecordId, RowId},
    practice::configuration_item::ConfigurationItemPractice,
    record::{
        drift::Finding,
        graph::{
            relate::{self, GroupRow, NewRelation, RelationRow},
            types::RelationTypeRow,
        },
        header::Header,
        kernel::Kernel,
        kind::Kind,
        practice::Practice,
        store::Desk,
        visibility,
    },
    schema::redundancy_group,
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;

/// A record at an end.
struct End {
    id: RecordId,
    kind: &'static Kind,
}

/// A relation as the record has it that is written to: the one that depends, where it is in a group, and else the first.
struct Wanted<'a> {
    of: End,
    other: RecordId,
    /// As that record names it.
    name: String,
    stored: Stored,
    group: Option<&'a str>,
    min_up: Option<i32>,
}

/// What came of it, or what is wrong with it.
type Taken<T> = std::result::Result<T, Vec<FieldError>>;

/// What became of a relation, at which record, and what it changes.
type Became = (Outcome, Option<RecordId>, Vec<ImportChange>);

/// Takes a relation in.
///
/// # Errors
/// The transaction is spoilt; what is wrong with the relation itself is told.
pub fn take(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    known: &mut Known,
    (at, item): (usize, &RelationItem),
) -> Result<Told> {
    let title: String = format!("{} {} {}", item.from, item.relation, item.to).chars().take(SHOWN).collect();
    let taken = match wanted(desk, ground, known, item)? {
        Ok(wanted) => put(desk, ground, known, wanted)?,
        Err(wrong) => Err(wrong),
    };
    Ok(match taken {
        Ok((outcome, record, changes)) => {
            Told { outcome, record, title, detail: Detail { changes, ..Detail::default() } }
        }
        Err(wrong) => {
            let place =
                |error: FieldError| FieldError { pointer: format!("/relations/{at}{}", error.pointer), ..error };
            let detail = Detail { errors: wrong.into_iter().map(place).collect(), ..Detail::default() };
            Told { outcome: Outcome::Refused, record: None, title, detail }
        }
    })
}

/// What is to be there, if all of it is in order.
fn wanted<'a>(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    known: &Known,
    item: &'a RelationItem,
) -> Result<Taken<Wanted<'a>>> {
    let places = [("/from", &item.from), ("/to", &item.to)];
    let wrong: Vec<FieldError> = places.iter().filter_map(|(place, end)| too_long(place, end)).collect();
    if !wrong.is_empty() {
        return Ok(Err(wrong));
    }
    let types = RelationTypeRow::all(desk.unit.connection()?)?;
    let (named, is_inverse) = match RelationTypeRow::named(&types, &item.relation, "/relation") {
        Ok(found) => found,
        Err(wrong) => return Ok(Err(wrong.errors)),
    };
    let [from, to] = [find(desk, ground, known, places[0])?, find(desk, ground, known, places[1])?];
    let (from, to) = match (from, to) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(wrong), _) | (_, Err(wrong)) => return Ok(Err(vec![wrong])),
    };
    let (is_hit, is_other_hit) =
        (relate::depends(named.impacts(), is_inverse), relate::depends(named.impacts(), !is_inverse));
    if from.id == to.id {
        return Ok(Err(vec![FieldError::new("/to", "loop", "A record can't be related to itself.")]));
    }
    if item.group.is_some() && !is_hit && !is_other_hit {
        let detail = format!("By `{}` neither record is hit by the other one, so it is in no group.", item.relation);
        return Ok(Err(vec![FieldError::new("/group", "wrong_relation", detail)]));
    }
    let stored = if is_inverse { (to.id, from.id) } else { (from.id, to.id) };
    let stored = (stored.0, named.name.clone(), stored.1);
    // As the one that depends has it, where it is in a group; otherwise as it was said.
    let (of, other, name) = if item.group.is_some() && !is_hit {
        let back = if is_inverse { &named.name } else { &named.inverse };
        (to, from.id, back.clone())
    } else {
        (from, to.id, item.relation.clone())
    };
    Ok(Ok(Wanted { of, other, name, stored, group: item.group.as_deref(), min_up: item.min_up }))
}

/// The record that a relation names, by the source's key or by id or number, if whoever asked for the import sees it and may relate it.
/// Of a hidden one no more is told than of one that is not there.
fn find(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    known: &Known,
    (place, end): (&str, &String),
) -> Result<std::result::Result<End, FieldError>> {
    if let Some(id) = keyed(desk, ground, known, end)? {
        return Ok(Ok(End { id, kind: KIND }));
    }
    let Some(header) = called(desk, ground, end)? else {
        let detail = format!("There is no record that is called `{end}`.");
        return Ok(Err(FieldError::new(place, "no_such_reference", detail)));
    };
    may_be_related(desk.kernel, ground, &header).map(|kind| match kind {
        Ok(kind) => Ok(End { id: header.id, kind }),
        Err((code, detail)) => Err(FieldError::new(place, code, detail)),
    })
}

/// The configuration item that the source calls by a key.
pub(super) fn keyed(desk: &mut Desk<'_, '_>, ground: &Ground, known: &Known, key: &str) -> Result<Option<RecordId>> {
    match known.keyed(key) {
        None => SeenRow::named(desk.unit.connection()?, &ground.asked.source, key),
        known => Ok(known),
    }
}

/// The record of an id or number, if whoever asked for the import sees it.
pub(super) fn called(desk: &mut Desk<'_, '_>, ground: &Ground, name: &str) -> Result<Option<Header>> {
    let (kernel, connection) = (desk.kernel, desk.unit.connection()?);
    Ok(match Header::id_of(connection, name)? {
        Some(id) => visibility::among(kernel, connection, &ground.caller, vec![id])?.remove(&id),
        None => None,
    })
}

/// The kind of a record, if it has relations and whoever asked for the import may change it.
fn may_be_related(
    kernel: &Kernel,
    ground: &Ground,
    header: &Header,
) -> Result<std::result::Result<&'static Kind, (&'static str, String)>> {
    let practice = kernel.practice(&header.kind)?;
    let kind = practice.kind();
    if practice.in_use().is_empty() {
        let detail = format!("Nothing depends on records of the kind `{}`; link them instead.", kind.name);
        return Ok(Err(("wrong_kind", detail)));
    }
    let needed = kind.permission("update");
    if kind.name != KIND.name && !ground.caller.can(&needed) {
        return Ok(Err(("forbidden", format!("To relate {} takes the permission `{needed}`.", header.number))));
    }
    Ok(Ok(kind))
}

/// Learns anew which relation a row names.
pub fn learn(desk: &mut Desk<'_, '_>, ground: &Ground, known: &mut Known, item: &RelationItem) -> Result<()> {
    if let Ok(wanted) = wanted(desk, ground, known, item)? {
        known.name(&wanted.stored, like(desk, &wanted)?.map(|row| row.id));
    }
    Ok(())
}

fn like(desk: &mut Desk<'_, '_>, wanted: &Wanted<'_>) -> Result<Option<RelationRow>> {
    let (from, of, to) = &wanted.stored;
    RelationRow::like(desk.unit.connection()?, *from, of, *to)
}

/// Makes it, or changes what is there.
fn put(desk: &mut Desk<'_, '_>, ground: &Ground, known: &mut Known, wanted: Wanted<'_>) -> Result<Taken<Became>> {
    let there = like(desk, &wanted)?;
    let groups = groups_of(desk.unit.connection()?, wanted.of.id)?;
    let up = wanted.group.and_then(|name| {
        let stored = || groups.iter().find(|group| group.name == name).map(|group| group.min_up);
        known.rehearsed_group(wanted.of.id, name).or_else(stored)
    });
    let rehearsed = known.rehearsed(&wanted.stored).cloned();
    let is_rehearsed = rehearsed.is_some();
    // The group that it is in, where it is there.
    let now = rehearsed.or_else(|| {
        let in_group = |row: &RelationRow| groups.iter().find(|group| row.group_id == Some(group.id));
        there.as_ref().map(|row| in_group(row).map(|group| group.name.clone()))
    });
    let changes = now.as_ref().map(|now| wanted.changes(now.as_deref(), up));
    let outcome = match &changes {
        None => Outcome::Created,
        Some(changes) if changes.is_empty() => Outcome::Unchanged,
        Some(_) => Outcome::Updated,
    };
    known.name(&wanted.stored, there.as_ref().map(|row| row.id));
    // What both ends were told of since the source looked stands.
    if outcome != Outcome::Unchanged && is_old(desk, ground, wanted.of.id)? && is_old(desk, ground, wanted.other)? {
        return Ok(Ok((Outcome::Different, there.map(|_| wanted.of.id), Vec::new())));
    }
    let became = (outcome, (!ground.asked.rehearse).then_some(wanted.of.id), changes.unwrap_or_default());
    if outcome == Outcome::Unchanged {
        return Ok(Ok(became));
    }
    let min_up = wanted.min_up.or(up).unwrap_or(1);
    // The ends may be of a group of rows that a rehearsal has taken back.
    let written = if is_rehearsed || !is_stored(desk.unit.connection()?, &wanted)? {
        wanted.group.map_or(Ok(None), |name| relate::check_group(name, min_up).map(|()| None))
    } else {
        let (kernel, cause) = (desk.kernel, desk.cause);
        let source = &ground.asked.source;
        desk.unit.attempt(|unit| write(&mut Desk { kernel, unit, cause }, source, &wanted, there.as_ref()).map(Some))?
    };
    match written {
        Ok(made) => {
            if made.is_some() && outcome == Outcome::Created {
                let (from, of, to) = &wanted.stored;
                drift::of_relation(desk, ground, (*from, of, *to), Finding::Related)?;
            }
            known.now.relations.extend(made);
            if ground.asked.rehearse {
                let group = wanted.group.map(str::to_owned);
                known.now.rehearsed_groups.extend(group.clone().map(|name| ((wanted.of.id, name), min_up)));
                known.now.rehearsed.insert(wanted.stored, group);
            }
            Ok(Ok(became))
        }
        Err(e) if e.source.is_some() => Err(e),
        Err(e) => Ok(Err(reasons(e, &[]))),
    }
}

fn groups_of(connection: &mut AnyConnection, of: RecordId) -> Result<Vec<GroupRow>> {
    Ok(redundancy_group::table.filter(redundancy_group::record_id.eq(of)).load(connection)?)
}

/// Whether both ends are in the store.
fn is_stored(connection: &mut AnyConnection, wanted: &Wanted<'_>) -> Result<bool> {
    Ok(Header::find_all(connection, &[wanted.of.id, wanted.other])?.len() == 2)
}

/// Writes it, and gives its id.
fn write(desk: &mut Desk<'_, '_>, source: &str, wanted: &Wanted<'_>, there: Option<&RelationRow>) -> Result<RowId> {
    let (id, kind) = (wanted.of.id, wanted.of.kind);
    if let Some(group) = wanted.group {
        make_group(desk, kind, id, (group, wanted.min_up))?;
    }
    let Some(there) = there else {
        let (relation, record_id) = (wanted.name.clone(), wanted.other.to_string());
        let new = NewRelation { relation, record_id, group: wanted.group.map(str::to_owned) };
        return Ok(relate::create(desk, kind, id, None, (&new, source))?.1.id);
    };
    if let Some(group) = wanted.group {
        relate::regroup(desk, kind, id, there, group)?;
    }
    Ok(there.id)
}

impl Wanted<'_> {
    /// What is to be changed where it is in the group `now`, and `up` of the wanted group must be up. Where no group is said, it stays as it
    /// is.
    fn changes(&self, now: Option<&str>, up: Option<i32>) -> Vec<ImportChange> {
        let Some(name) = self.group else { return Vec::new() };
        let change = |field: &str, from: Value, to: Value| ImportChange { field: field.to_owned(), from, to };
        let group = (now != Some(name)).then(|| change("group", now.into(), name.into()));
        let wanted = self.min_up.filter(|min_up| Some(*min_up) != up);
        group.into_iter().chain(wanted.map(|min_up| change("min_up", up.into(), min_up.into()))).collect()
    }
}

/// Makes a group that is not there, or says how many of it must be up.
fn make_group(desk: &mut Desk<'_, '_>, kind: &'static Kind, of: RecordId, group: (&str, Option<i32>)) -> Result<()> {
    let (name, min_up) = group;
    let connection = desk.unit.connection()?;
    let mine = redundancy_group::table.filter(redundancy_group::record_id.eq(of));
    let there: Option<i32> =
        mine.filter(redundancy_group::name.eq(name)).select(redundancy_group::min_up).first(connection).optional()?;
    let wanted = min_up.or(there).unwrap_or(1);
    if there != Some(wanted) {
        relate::put_group(desk, kind, of, None, (name, wanted))?;
    }
    Ok(())
}
