//! Relations and redundancy groups as they are written: each is a change of the record that has it.

use std::collections::HashMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::types::{Impacts, RelationTypeRow};
use crate::{
    clock::Moment,
    db::{AnyConnection, Backend},
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    record::{
        draft::Aside,
        header::Header,
        kernel::Kernel,
        kind::Kind,
        link::{self, LinkedRecord},
        store::{self, Desk, Outcome, Reading},
        visibility,
    },
    schema::{redundancy_group, relation},
};

/// What relations are called among the changes of a record.
pub const BESIDE: &str = "relation";
/// What redundancy groups are called there.
pub const GROUP: &str = "redundancy_group";
/// Where relations come from that somebody made by hand.
pub const BY_HAND: &str = "manual";
/// How many are looked at in one go.
const AT_ONCE: i64 = 200;
/// The most groups of a record.
const GROUPS: i64 = 100;
/// The most that a group can ask for.
pub const MOST_UP: i32 = 1_000;

/// A row of the table `relation`.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = relation, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "told by their names")]
pub struct RelationRow {
    pub id: RowId,
    pub relation_type: String,
    pub from_kind: String,
    pub from_id: RecordId,
    pub to_kind: String,
    pub to_id: RecordId,
    pub group_id: Option<RowId>,
    pub source: String,
    pub created_by_id: UserId,
    pub created_at: Moment,
}

/// A row of the table `redundancy_group`.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = redundancy_group)]
#[expect(missing_docs, reason = "told by their names")]
pub struct GroupRow {
    pub id: RowId,
    pub record_id: RecordId,
    pub name: String,
    pub min_up: i32,
}

impl GroupRow {
    /// What is in it, and the record that has it.
    fn together(&self, connection: &mut AnyConnection) -> Result<Vec<RecordId>> {
        let mine = relation::table.filter(relation::group_id.eq(self.id)).select((relation::from_id, relation::to_id));
        let ends: Vec<(RecordId, RecordId)> = mine.load(connection)?;
        Ok(ends.into_iter().flat_map(|(from, to)| [from, to]).collect())
    }
}

/// What makes a relation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRelation {
    /// What this record does to the other one: a type of relation by the name of either end.
    #[schema(max_length = 60, examples("runs_on"))]
    pub relation: String,
    /// The id or number of the other record.
    #[schema(max_length = 40, examples("CI0000007"))]
    pub record_id: String,
    /// The redundancy group of this record that the other one is in.
    #[serde(default)]
    #[schema(required = false, max_length = 100)]
    pub group: Option<String>,
}

/// A relation, seen from one of its records.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Relation {
    /// Its id.
    pub id: RowId,
    /// Its type, as this side names it.
    #[schema(examples("runs_on"))]
    pub relation: String,
    /// The same for people.
    #[schema(examples("Runs on"))]
    pub label: String,
    /// Which is hit when the other fails: `this`, `other`, `both` or `none`.
    #[schema(examples("this"))]
    pub hit: &'static str,
    /// The record at the other end.
    pub record: LinkedRecord,
    /// The redundancy group that it is in.
    pub group: Option<String>,
    /// Where it comes from: `manual`, or the source of an import.
    pub source: String,
    /// Who made it.
    pub created_by_id: UserId,
    /// When.
    pub created_at: Moment,
}

/// A redundancy group of a record, and how it stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RedundancyGroup {
    /// Its id.
    pub id: RowId,
    /// Its name.
    #[schema(examples("database"))]
    pub name: String,
    /// How many must be up, or the record is hit.
    pub min_up: i32,
    /// How many are.
    pub up: i32,
    /// What is in it.
    pub members: Vec<LinkedRecord>,
}

/// The relations of a record after relation `after`, at most `limit`, oldest first: those whose other end the caller sees.
pub fn of_record(reading: &mut Reading<'_>, of: RecordId, after: Option<RowId>, limit: usize) -> Result<Vec<Relation>> {
    let types = RelationTypeRow::all(reading.connection)?;
    let (mut found, mut last) = (Vec::new(), after);
    while found.len() < limit {
        let mine = relation::from_id.eq(of).or(relation::to_id.eq(of));
        let mut rows = relation::table.filter(mine).into_boxed::<Backend>();
        if let Some(last) = last {
            rows = rows.filter(relation::id.gt(last));
        }
        let rows: Vec<RelationRow> = rows.order(relation::id).limit(AT_ONCE).load(reading.connection)?;
        let Some(end) = rows.last().map(|row| row.id) else { break };
        last = Some(end);
        let others: Vec<RecordId> = rows.iter().map(|row| row.other(of)).collect();
        let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, others)?;
        let groups = group_names(reading.connection, rows.iter().filter_map(|row| row.group_id))?;
        found.extend(rows.into_iter().filter_map(|row| {
            let other = seen.get(&row.other(of))?;
            let group = row.group_id.and_then(|id| groups.get(&id).cloned());
            Some(row.seen_from(of, other, &types, group))
        }));
    }
    found.truncate(limit);
    Ok(found)
}

fn group_names(connection: &mut AnyConnection, ids: impl Iterator<Item = RowId>) -> Result<HashMap<RowId, String>> {
    let ids: Vec<RowId> = ids.collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let named = redundancy_group::table.filter(redundancy_group::id.eq_any(ids));
    let rows: Vec<(RowId, String)> = named.select((redundancy_group::id, redundancy_group::name)).load(connection)?;
    Ok(rows.into_iter().collect())
}

/// Relates `of` to another record, as a change of `of`.
pub fn create(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    (new, source): (&NewRelation, &str),
) -> Result<(Outcome, Relation)> {
    let connection = desk.unit.settled(of)?;
    let types = RelationTypeRow::all(connection)?;
    let (named, is_inverse) = RelationTypeRow::named(&types, &new.relation, "/relation")?;
    let caller = &desk.cause.caller;
    store::visible(desk.kernel, connection, caller, kind, of)?;
    let other = link::other_end(desk.kernel, connection, caller, &new.record_id)?;
    check_other(desk.kernel, of, &other)?;
    let group = new.group.as_ref().map(|name| group_of(connection, of, name)).transpose()?;
    let this = (of, kind.name);
    let that = (other.id, other.kind.as_str());
    let (from, to) = if is_inverse { (that, this) } else { (this, that) };
    if group.is_some() && !depends(named.impacts(), is_inverse) {
        let detail = format!("By `{}` this record is not hit by the other one, so it is in no group.", new.relation);
        return Err(Error::invalid("/group", "wrong_relation", detail));
    }
    let row = RelationRow {
        id: RowId::new(),
        relation_type: named.name.clone(),
        from_kind: from.1.to_owned(),
        from_id: from.0,
        to_kind: to.1.to_owned(),
        to_id: to.0,
        group_id: group.as_ref().map(|group| group.id),
        source: source.to_owned(),
        created_by_id: desk.cause.caller.user,
        created_at: desk.cause.at,
    };
    if RelationRow::like(connection, from.0, &named.name, to.0)?.is_some() {
        return Err(Error::new(Code::Conflict, "These records are related like that already."));
    }
    let told = json!({"id": row.id, "relation": new.relation, "record_id": other.id, "group": new.group});
    let aside = Aside::new("update", "related", BESIDE, Value::Null, told);
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, of, expected, aside)?;
    let back = if is_inverse { &named.name } else { &named.inverse };
    let told = json!({"id": row.id, "relation": back, "record_id": of, "group": null});
    tell_other(desk, &other, Aside::new("read", "related", BESIDE, Value::Null, told))?;
    row.insert(desk.unit.connection()?)?;
    stand_otherwise(desk, &[row.from_id, row.to_id])?;
    Ok((outcome, row.seen_from(of, &other, &types, new.group.clone())))
}

/// Puts a relation that `of` has in a group of it, as a change of `of`; nothing where it is in it.
pub fn regroup(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    row: &RelationRow,
    name: &str,
) -> Result<()> {
    let connection = desk.unit.settled(of)?;
    store::visible(desk.kernel, connection, &desk.cause.caller, kind, of)?;
    let group = group_of(connection, of, name)?;
    if row.group_id == Some(group.id) {
        return Ok(());
    }
    let old = group_names(connection, row.group_id.into_iter())?.into_values().next();
    let told = |group: Option<&str>| json!({"id": row.id, "record_id": row.other(of), "group": group});
    let aside = Aside::new("update", "regrouped", BESIDE, told(old.as_deref()), told(Some(name)));
    desk.kernel.practice(kind.name)?.beside(desk, of, None, aside)?;
    let this = diesel::update(relation::table.find(row.id));
    this.set(relation::group_id.eq(group.id)).execute(desk.unit.connection()?)?;
    stand_otherwise(desk, &[row.from_id, row.to_id])
}

/// Lets all practices see to it that these things stand otherwise to each other.
fn stand_otherwise(desk: &mut Desk<'_, '_>, ends: &[RecordId]) -> Result<()> {
    desk.kernel.practices().iter().try_for_each(|practice| practice.related(desk, ends))
}

/// Takes a relation away, as a change of `of`.
pub fn delete(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    id: RowId,
) -> Result<Outcome> {
    let connection = desk.unit.settled(of)?;
    let caller = &desk.cause.caller;
    store::visible(desk.kernel, connection, caller, kind, of)?;
    let row = RelationRow::find(connection, of, id)?;
    let seen = visibility::among(desk.kernel, connection, caller, vec![row.other(of)])?;
    let other = seen.get(&row.other(of)).ok_or_else(|| Error::not_found("relation"))?;
    let types = RelationTypeRow::all(connection)?;
    let told = |end: RecordId| {
        let (relation, _) = row.named_by(end, &types);
        json!({"id": id, "relation": relation, "record_id": row.other(end)})
    };
    let aside = Aside::new("update", "unrelated", BESIDE, told(of), Value::Null);
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, of, expected, aside)?;
    tell_other(desk, other, Aside::new("read", "unrelated", BESIDE, told(other.id), Value::Null))?;
    diesel::delete(relation::table.find(id)).execute(desk.unit.connection()?)?;
    stand_otherwise(desk, &[row.from_id, row.to_id])?;
    Ok(outcome)
}

/// Makes a relation a change of the record at its other end, too, so that it stands in the history of both. Whoever may change the first
/// need not be able to write the other.
fn tell_other(desk: &mut Desk<'_, '_>, other: &Header, aside: Aside) -> Result<()> {
    let cause = desk.cause.trusted();
    let mut desk = Desk { kernel: desk.kernel, unit: desk.unit, cause: &cause };
    desk.kernel.practice(&other.kind)?.beside(&mut desk, other.id, None, aside).map(drop)
}

/// The redundancy groups of a record, by name, as the caller sees them.
pub fn groups(reading: &mut Reading<'_>, of: RecordId) -> Result<Vec<RedundancyGroup>> {
    let rows: Vec<GroupRow> = redundancy_group::table
        .filter(redundancy_group::record_id.eq(of))
        .order(redundancy_group::name)
        .load(reading.connection)?;
    let graph = reading.kernel.graph(reading.connection)?;
    let mut shown = Vec::new();
    for row in rows {
        let relations: Vec<RelationRow> =
            relation::table.filter(relation::group_id.eq(row.id)).order(relation::id).load(reading.connection)?;
        let ids = relations.iter().map(|relation| relation.other(of)).collect();
        let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
        let mut members: Vec<&Header> = seen.values().collect();
        members.sort_by(|a, b| a.number.cmp(&b.number));
        let up = members.iter().filter(|member| graph.is_up(member.id)).count();
        let up = i32::try_from(up).unwrap_or(i32::MAX);
        let members = members.into_iter().map(LinkedRecord::of).collect();
        shown.push(RedundancyGroup { id: row.id, name: row.name, min_up: row.min_up, up, members });
    }
    Ok(shown)
}

/// Refuses a group that can't be: of such a name, of which so many must be up.
pub fn check_group(name: &str, min_up: i32) -> Result<()> {
    let begins = name.starts_with(|c: char| !c.is_whitespace());
    if !begins || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::new(
            Code::BadQuery,
            "The name of a group is one line of 1 to 100 characters, the first of them no space.",
        ));
    }
    if !(1..=MOST_UP).contains(&min_up) {
        return Err(Error::invalid("/min_up", "out_of_range", format!("`min_up` is 1 to {MOST_UP}.")));
    }
    Ok(())
}

/// Makes a redundancy group of a record, or says how many of it must be up.
pub fn put_group(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    (name, min_up): (&str, i32),
) -> Result<Outcome> {
    check_group(name, min_up)?;
    let connection = desk.unit.settled(of)?;
    store::visible(desk.kernel, connection, &desk.cause.caller, kind, of)?;
    let mine = redundancy_group::table.filter(redundancy_group::record_id.eq(of));
    let old: Option<GroupRow> = mine.filter(redundancy_group::name.eq(name)).first(connection).optional()?;
    if old.is_none() && mine.count().get_result::<i64>(connection)? >= GROUPS {
        return Err(Error::new(Code::Conflict, format!("A record has at most {GROUPS} redundancy groups.")));
    }
    let together = old.as_ref().map_or(Ok(Vec::new()), |old| old.together(connection))?;
    let told = json!({"name": name, "min_up": min_up});
    let before = old.as_ref().map_or(Value::Null, |row| json!({"name": row.name, "min_up": row.min_up}));
    let aside = Aside::new("update", "redundancy_changed", GROUP, before, told);
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, of, expected, aside)?;
    let connection = desk.unit.connection()?;
    match old {
        Some(row) => {
            diesel::update(redundancy_group::table.find(row.id))
                .set(redundancy_group::min_up.eq(min_up))
                .execute(connection)?;
        }
        None => {
            let row = GroupRow { id: RowId::new(), record_id: of, name: name.to_owned(), min_up };
            diesel::insert_into(redundancy_group::table).values(row).execute(connection)?;
        }
    }
    stand_otherwise(desk, &together)?;
    Ok(outcome)
}

/// Takes a redundancy group away; what was in it is depended on by itself from then on.
pub fn delete_group(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    name: &str,
) -> Result<Outcome> {
    let connection = desk.unit.settled(of)?;
    store::visible(desk.kernel, connection, &desk.cause.caller, kind, of)?;
    let mine = redundancy_group::table.filter(redundancy_group::record_id.eq(of));
    let row: Option<GroupRow> = mine.filter(redundancy_group::name.eq(name)).first(connection).optional()?;
    let row = row.ok_or_else(|| Error::not_found("redundancy group"))?;
    let together = row.together(connection)?;
    let told = json!({"name": row.name, "min_up": row.min_up});
    let aside = Aside::new("update", "redundancy_changed", GROUP, told, Value::Null);
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, of, expected, aside)?;
    let connection = desk.unit.connection()?;
    diesel::update(relation::table.filter(relation::group_id.eq(row.id)))
        .set(relation::group_id.eq(None::<RowId>))
        .execute(connection)?;
    diesel::delete(redundancy_group::table.find(row.id)).execute(connection)?;
    stand_otherwise(desk, &together)?;
    Ok(outcome)
}

/// The group of a record of that name.
pub fn group_of(connection: &mut AnyConnection, of: RecordId, name: &str) -> Result<GroupRow> {
    let mine = redundancy_group::table.filter(redundancy_group::record_id.eq(of));
    let found = mine.filter(redundancy_group::name.eq(name)).first(connection).optional()?;
    found.ok_or_else(|| {
        let detail = format!("This record has no redundancy group `{name}`; make it first.");
        Error::invalid("/group", "no_such_reference", detail)
    })
}

/// Refuses another end that can't be one.
fn check_other(kernel: &Kernel, of: RecordId, other: &Header) -> Result<()> {
    if of == other.id {
        return Err(Error::invalid("/record_id", "loop", "A record can't be related to itself."));
    }
    if kernel.practice(&other.kind)?.in_use().is_empty() {
        let detail = format!("Nothing depends on records of the kind `{}`; link them instead.", other.kind);
        return Err(Error::invalid("/record_id", "wrong_kind", detail));
    }
    Ok(())
}

/// Whether the record that has the relation, or by the name of the other end the one that it names, is hit by the other.
pub fn depends(impacts: Impacts, is_inverse: bool) -> bool {
    match impacts {
        Impacts::Both => true,
        Impacts::None => false,
        Impacts::TargetToSource => !is_inverse,
        Impacts::SourceToTarget => is_inverse,
    }
}

impl RelationRow {
    /// The one of a type between two records.
    pub fn like(connection: &mut AnyConnection, from: RecordId, of: &str, to: RecordId) -> Result<Option<Self>> {
        let same = relation::table
            .filter(relation::from_id.eq(from))
            .filter(relation::relation_type.eq(of))
            .filter(relation::to_id.eq(to));
        Ok(same.first(connection).optional()?)
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(relation::table).values(self).execute(connection)?;
        Ok(())
    }

    fn find(connection: &mut AnyConnection, of: RecordId, id: RowId) -> Result<Self> {
        let mine = relation::from_id.eq(of).or(relation::to_id.eq(of));
        let found = relation::table.filter(relation::id.eq(id)).filter(mine).first(connection).optional()?;
        found.ok_or_else(|| Error::not_found("relation"))
    }

    fn other(&self, of: RecordId) -> RecordId {
        if self.from_id == of { self.to_id } else { self.from_id }
    }

    /// What one of its ends calls it, and the label of that.
    fn named_by(&self, of: RecordId, types: &[RelationTypeRow]) -> (String, String) {
        match types.iter().find(|row| row.name == self.relation_type) {
            Some(row) if self.from_id != of => (row.inverse.clone(), row.inverse_label.clone()),
            Some(row) => (row.name.clone(), row.label.clone()),
            None => (self.relation_type.clone(), self.relation_type.clone()),
        }
    }

    fn seen_from(self, of: RecordId, other: &Header, types: &[RelationTypeRow], group: Option<String>) -> Relation {
        let is_inverse = self.from_id != of;
        let named = types.iter().find(|row| row.name == self.relation_type);
        let (relation, label) = self.named_by(of, types);
        let impacts = named.map_or(Impacts::None, RelationTypeRow::impacts);
        let hit = match (depends(impacts, is_inverse), depends(impacts, !is_inverse)) {
            (true, true) => "both",
            (true, false) => "this",
            (false, true) => "other",
            (false, false) => "none",
        };
        Relation {
            id: self.id,
            relation,
            label,
            hit,
            record: LinkedRecord::of(other),
            group,
            source: self.source,
            created_by_id: self.created_by_id,
            created_at: self.created_at,
        }
    }
}
