//! Links: typed relations between records of any kinds.
//!
//! A link is stored once, from one record to another, and shown from both sides, each with the name that it has there.
//!
//! **Invariant:** a link is made and shown only between records that the caller sees; a hidden record is not told of.

use std::collections::HashSet;

use diesel::{dsl::exists, prelude::*};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    draft::Aside,
    header::Header,
    kernel::Kernel,
    kind::{Kind, Phase},
    store::{self, Desk, Outcome, Reading},
    visibility,
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::{AnyConnection, sql::among},
    error::{Code, Error, Result, did_you_mean},
    id::{RecordId, RowId, UserId},
    schema::{link, record},
};

/// A relation, as each side names it.
#[derive(Debug)]
pub struct Relation {
    /// What the record that it is stored with does: `caused_by`.
    pub name: &'static str,
    /// The same as a label.
    pub label: &'static str,
    /// How the other record names it: `causes`.
    pub inverse: &'static str,
    /// The same as a label.
    pub inverse_label: &'static str,
    /// The kinds that it can lead to; empty for all.
    pub to: &'static [&'static str],
    /// The field that says the same between two records of one kind that has it, and is minded by that kind's rules.
    pub field: Option<&'static str>,
}

/// Every relation.
pub const RELATIONS: &[Relation] = &[
    relation("caused_by", "Caused by", "causes", "Causes"),
    relation("fixes", "Fixes", "fixed_by", "Fixed by"),
    Relation {
        field: Some("duplicate_of_id"),
        ..relation("duplicates", "Duplicates", "duplicated_by", "Duplicated by")
    },
    Relation { to: &["configuration_item", "service"], ..relation("affects", "Affects", "affected_by", "Affected by") },
    relation("implements", "Implements", "implemented_by", "Implemented by"),
    relation("blocks", "Blocks", "blocked_by", "Blocked by"),
    Relation { field: Some("parent_id"), ..relation("parent_of", "Parent of", "child_of", "Child of") },
    relation("depends_on", "Depends on", "needed_by", "Needed by"),
    relation("documented_by", "Documented by", "documents", "Documents"),
    relation("relates_to", "Relates to", "relates_to", "Relates to"),
];

const fn relation(
    name: &'static str,
    label: &'static str,
    inverse: &'static str,
    inverse_label: &'static str,
) -> Relation {
    Relation { name, label, inverse, inverse_label, to: &[], field: None }
}

impl Relation {
    /// The relation that one side or the other calls so, and whether it is the other side.
    pub fn named(name: &str) -> Option<(&'static Relation, bool)> {
        let direct = RELATIONS.iter().find(|r| r.name == name).map(|r| (r, false));
        direct.or_else(|| RELATIONS.iter().find(|r| r.inverse == name).map(|r| (r, true)))
    }

    /// Every name, of both sides.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let inverse = RELATIONS.iter().filter(|r| r.inverse != r.name).map(|r| r.inverse);
        RELATIONS.iter().map(|r| r.name).chain(inverse)
    }
}

/// A row of the table `link`.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = link)]
struct Row {
    id: RowId,
    from_id: RecordId,
    relation: String,
    to_id: RecordId,
    created_by_id: UserId,
    created_at: Moment,
}

/// A link, seen from one of its records.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Link {
    /// Its id.
    pub id: RowId,
    /// The relation, as this side names it.
    #[schema(examples("caused_by"))]
    pub relation: String,
    /// The same for people.
    #[schema(examples("Caused by"))]
    pub label: String,
    /// The record at the other end.
    pub record: LinkedRecord,
    /// Who made the link.
    pub created_by_id: UserId,
    /// When.
    pub created_at: Moment,
}

/// The record at the other end of a link.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LinkedRecord {
    /// Its id.
    pub id: RecordId,
    /// Its kind.
    #[schema(examples("incident"))]
    pub kind: String,
    /// Its number.
    #[schema(examples("INC0000042"))]
    pub number: String,
    /// Its title.
    pub title: String,
    /// Its state.
    pub state: String,
    /// Where it stands, in words that all kinds share.
    pub phase: String,
}

/// What a link is called among the changes of a record.
pub const BESIDE: &str = "link";
/// The phases of records on which somebody still works.
const ACTIVE: [Phase; 2] = [Phase::Open, Phase::Waiting];
/// How many links are looked at in one go.
const AT_ONCE: i64 = 200;

/// The links of a record after link `after`, at most `limit`, oldest first: those whose other end the caller sees.
pub fn of_record(reading: &mut Reading<'_>, of: RecordId, after: Option<RowId>, limit: usize) -> Result<Vec<Link>> {
    let (mut links, mut last) = (Vec::new(), after);
    while links.len() < limit {
        let mut rows =
            link::table.filter(link::from_id.eq(of).or(link::to_id.eq(of))).into_boxed::<crate::db::Backend>();
        if let Some(last) = last {
            rows = rows.filter(link::id.gt(last));
        }
        let rows: Vec<Row> = rows.order(link::id).limit(AT_ONCE).load(reading.connection)?;
        let Some(end) = rows.last().map(|row| row.id) else { break };
        last = Some(end);
        let others: Vec<RecordId> = rows.iter().map(|row| row.other(of)).collect();
        let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, others)?;
        links.extend(rows.into_iter().filter_map(|row| {
            let other = seen.get(&row.other(of))?;
            Some(row.seen_from(of, other))
        }));
    }
    links.truncate(limit);
    Ok(links)
}

/// The records of a kind that do this to `to` and on which somebody still works, after one of them, the oldest first, `most` at most.
/// Whoever asks minds what its caller sees.
pub fn active_that_do(
    connection: &mut AnyConnection,
    kind: &'static Kind,
    (relation, to): (&str, RecordId),
    after: Option<RecordId>,
    most: i64,
) -> Result<Vec<Header>> {
    let mut those = record::table.filter(active(kind, relation.to_owned(), to)).into_boxed::<crate::db::Backend>();
    if let Some(after) = after {
        those = those.filter(record::id.gt(after));
    }
    Ok(those.order(record::id).limit(most).load(connection)?)
}

/// Which of these records do this to another one of a kind, whichever it is.
pub fn which_do(
    connection: &mut AnyConnection,
    (relation, kind): (&str, &str),
    ids: &[RecordId],
) -> Result<HashSet<RecordId>> {
    let these = among(connection.engine(), "link.from_id", ids.iter().map(RecordId::as_str));
    let of_kind = record::table.filter(record::id.eq(link::to_id)).filter(record::kind.eq(kind));
    let links = link::table.filter(these).filter(link::relation.eq(relation)).filter(exists(of_kind));
    let links = links.select(link::from_id);
    Ok(links.load(connection)?.into_iter().collect())
}

/// How many records [`active_that_do`] finds.
pub fn count_active_that_do(
    connection: &mut AnyConnection,
    kind: &'static Kind,
    (relation, to): (&str, RecordId),
) -> Result<i64> {
    Ok(record::table.filter(active(kind, relation.to_owned(), to)).count().get_result(connection)?)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn active(kind: &'static Kind, relation: String, to: RecordId) -> _ {
    let name: &'static str = kind.name;
    let phases: [&'static str; 2] = ACTIVE.map(Phase::as_str);
    let links = link::table.filter(link::to_id.eq(to)).filter(link::relation.eq(relation)).select(link::from_id);
    record::kind.eq(name).and(record::phase.eq_any(phases)).and(record::id.eq_any(links))
}

/// The records of these kinds that are linked with one of `of` by one of these relations, whichever end they stand at: those that the
/// caller sees, the oldest first, without `of` themselves. Where there are more than `most`, some of them.
pub fn around(
    reading: &mut Reading<'_>,
    of: &[RecordId],
    relations: &[&'static str],
    kinds: &[&'static Kind],
    most: i64,
) -> Result<Vec<Header>> {
    let engine = reading.connection.engine();
    let these = |column| among(engine, column, of.iter().map(RecordId::as_str));
    let seen = || {
        let all = record::table.into_boxed::<crate::db::Backend>();
        let all = all.filter(among(engine, "record.kind", kinds.iter().map(|kind| kind.name)));
        match visibility::condition(engine, &reading.cause.caller, kinds) {
            Some(sees) => all.filter(sees),
            None => all,
        }
    };
    let named = || link::relation.eq_any(relations.to_vec());
    let ahead = link::table.filter(these("link.from_id")).filter(named()).select(link::to_id);
    let behind = link::table.filter(these("link.to_id")).filter(named()).select(link::from_id);
    let ahead = seen().filter(record::id.eq_any(ahead)).order(record::id).limit(most);
    let behind = seen().filter(record::id.eq_any(behind)).order(record::id).limit(most);
    let mut found: Vec<Header> = ahead.load(reading.connection)?;
    found.extend(behind.load::<Header>(reading.connection)?);
    found.retain(|header| !of.contains(&header.id));
    found.sort_by_key(|header| header.id);
    found.dedup_by_key(|header| header.id);
    Ok(found)
}

/// Links `of` with another record, as a change of `of`. `relation` is the name of either side.
pub fn create(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    relation: &str,
    other: &str,
) -> Result<(Outcome, Link)> {
    let Some((relation, is_inverse)) = Relation::named(relation) else {
        let detail = format!("There is no relation `{relation}`{}.", did_you_mean(relation, Relation::names()));
        return Err(Error::invalid("/relation", "not_a_choice", detail));
    };
    let id = RowId::new();
    let connection = desk.unit.connection()?;
    let caller = &desk.cause.caller;
    store::visible(desk.kernel, connection, caller, kind, of)?;
    let other = other_end(desk.kernel, connection, caller, other)?;
    let (from_id, to_id, to_kind) =
        if is_inverse { (other.id, of, kind.name) } else { (of, other.id, other.kind.as_str()) };
    check(relation, from_id, to_id, to_kind)?;
    if let Some(field) = relation.field.filter(|name| other.kind == kind.name && kind.is_detail(name)) {
        let detail = format!("Between two of one kind, the field `{field}` says that; set it instead.");
        return Err(Error::invalid("/relation", "is_a_field", detail));
    }
    refuse_second(connection, relation, from_id, to_id)?;
    let change = json!({"id": id, "relation": relation_of(relation, is_inverse).0, "record_id": other.id});
    let outcome = desk.kernel.practice(kind.name)?.beside(
        desk,
        of,
        expected,
        Aside::new("update", "linked", BESIDE, Value::Null, change),
    )?;
    let row = Row {
        id,
        from_id,
        relation: relation.name.to_owned(),
        to_id,
        created_by_id: desk.cause.caller.user,
        created_at: desk.cause.at,
    };
    diesel::insert_into(link::table).values(&row).execute(desk.unit.connection()?)?;
    relinked(desk, &row, (kind.name, of), &other)?;
    desk.kernel.practice(to_kind)?.linked_from(desk, to_id, from_id, relation.name)?;
    // What follows from the link may have changed the record once more.
    let version = Header::find(desk.unit.settled(of)?, of)?.map_or(outcome.version, |header| header.version);
    Ok((Outcome { version, ..outcome }, row.seen_from(of, &other)))
}

/// Takes a link away, as a change of `of`.
pub fn delete(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    id: RowId,
) -> Result<Outcome> {
    let connection = desk.unit.connection()?;
    let caller = &desk.cause.caller;
    store::visible(desk.kernel, connection, caller, kind, of)?;
    let row: Option<Row> = link::table
        .filter(link::id.eq(id))
        .filter(link::from_id.eq(of).or(link::to_id.eq(of)))
        .first(connection)
        .optional()?;
    let row = row.ok_or_else(|| Error::not_found("link"))?;
    let other = visibility::among(desk.kernel, connection, caller, vec![row.other(of)])?;
    let other = other.get(&row.other(of)).ok_or_else(|| Error::not_found("link"))?;
    let link = row.clone().seen_from(of, other);
    let change = json!({"id": id, "relation": link.relation, "record_id": other.id});
    let aside = Aside::new("update", "unlinked", BESIDE, change, Value::Null);
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, of, expected, aside)?;
    diesel::delete(link::table.find(id)).execute(desk.unit.connection()?)?;
    relinked(desk, &row, (kind.name, of), other)?;
    Ok(outcome)
}

/// Lets the practice of the record that a link leads from see to it, whichever end it was made from.
fn relinked(desk: &mut Desk<'_, '_>, row: &Row, (kind, of): (&str, RecordId), other: &Header) -> Result<()> {
    let kind = if row.from_id == of { kind } else { &other.kind };
    desk.kernel.practice(kind)?.relinked(desk, row.from_id, row.relation.as_str())
}

/// The record at the other end that a request names, if the caller sees it.
pub(super) fn other_end(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    text: &str,
) -> Result<Header> {
    let found = match Header::id_of(connection, text)? {
        Some(id) => visibility::among(kernel, connection, caller, vec![id])?.remove(&id),
        None => None,
    };
    found.ok_or_else(|| {
        let detail = "`record_id`: there is no such record that you may see.";
        Error::invalid("/record_id", "no_such_reference", detail)
    })
}

fn check(relation: &Relation, from: RecordId, to: RecordId, to_kind: &str) -> Result<()> {
    if from == to {
        return Err(Error::invalid("/record_id", "loop", "A record can't be linked with itself."));
    }
    if !relation.to.is_empty() && !relation.to.contains(&to_kind) {
        let detail = format!("`{}` leads to {} alone.", relation.name, relation.to.join(" or ").replace('_', " "));
        return Err(Error::invalid("/record_id", "wrong_kind", detail));
    }
    Ok(())
}

/// The same link twice, or one that says the opposite.
fn refuse_second(connection: &mut AnyConnection, relation: &Relation, from: RecordId, to: RecordId) -> Result<()> {
    let there = |connection: &mut AnyConnection, a: RecordId, b: RecordId| -> Result<bool> {
        let same =
            link::table.filter(link::from_id.eq(a)).filter(link::relation.eq(relation.name)).filter(link::to_id.eq(b));
        Ok(diesel::select(exists(same)).get_result(connection)?)
    };
    if there(connection, from, to)? {
        return Err(Error::new(Code::Conflict, "These records are linked like that already."));
    }
    if there(connection, to, from)? {
        let detail = "These records are linked the other way round already.";
        return Err(Error::new(Code::Conflict, detail));
    }
    Ok(())
}

/// Name and label of a relation from one side.
fn relation_of(relation: &Relation, is_inverse: bool) -> (&'static str, &'static str) {
    if is_inverse { (relation.inverse, relation.inverse_label) } else { (relation.name, relation.label) }
}

impl Row {
    fn other(&self, of: RecordId) -> RecordId {
        if self.from_id == of { self.to_id } else { self.from_id }
    }

    fn seen_from(self, of: RecordId, other: &Header) -> Link {
        let is_inverse = self.from_id != of;
        let known = RELATIONS.iter().find(|r| r.name == self.relation).map(|r| relation_of(r, is_inverse));
        let (relation, label) = known.unwrap_or((self.relation.as_str(), self.relation.as_str()));
        Link {
            id: self.id,
            relation: relation.to_owned(),
            label: label.to_owned(),
            record: LinkedRecord {
                id: other.id,
                kind: other.kind.clone(),
                number: other.number.clone(),
                title: other.title.clone(),
                state: other.state.clone(),
                phase: other.phase.clone(),
            },
            created_by_id: self.created_by_id,
            created_at: self.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_means_one_side_of_one_relation() {
        let names: Vec<_> = Relation::names().collect();
        let once: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), once.len());
        let cases = [
            ("caused_by", Some(("caused_by", false))),
            ("causes", Some(("caused_by", true))),
            ("child_of", Some(("parent_of", true))),
            ("relates_to", Some(("relates_to", false))),
            ("befriends", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Relation::named(name).map(|(r, inverse)| (r.name, inverse)), expected, "{name}");
        }
    }

    #[test]
    fn a_link_leads_elsewhere_and_to_a_kind_that_fits() {
        let (here, there) = (RecordId::new(), RecordId::new());
        let affects = Relation::named("affects").map(|(r, _)| r).unwrap();
        let cases = [
            (there, "configuration_item", None),
            (there, "incident", Some("wrong_kind")),
            (here, "service", Some("loop")),
        ];
        for (to, kind, wrong) in cases {
            let found = check(affects, here, to, kind).err().map(|e| e.errors[0].code.clone());
            assert_eq!(found.as_deref(), wrong, "{kind}");
        }
    }
}
