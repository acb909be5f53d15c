//! How many records of a list have what in common.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable, Text, Timestamp},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    kind::{Field, HEADER, Holds, Kind},
    list::List,
};
use crate::{
    clock::Moment,
    db::{
        AnyConnection,
        sql::{Bind, Rows, Sql},
    },
    error::{Code, Error, FieldError, Result, did_you_mean},
    id::RecordId,
};

/// By how many fields records are counted at most.
pub const MOST_FIELDS: usize = 3;

/// How many records have these values.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RecordCount {
    /// The values that they have in common, by field; null where they have none.
    #[schema(value_type = std::collections::BTreeMap<String, Option<String>>)]
    pub key: Map<String, Value>,
    /// The same for people: a name where the value is an id.
    #[schema(value_type = std::collections::BTreeMap<String, Option<String>>)]
    pub label: Map<String, Value>,
    /// How many they are.
    pub count: i64,
    /// When the first of them was opened.
    pub first_opened_at: Moment,
    /// When the last of them was.
    pub last_opened_at: Moment,
}

/// The names of fields by which records of a kind can be counted.
pub fn fields(kind: &'static Kind) -> impl Iterator<Item = &'static Field> {
    kind.all_fields().filter(|field| expressions(kind, field).is_some())
}

/// The fields of these names.
///
/// # Errors
/// A name that is none of them, or too many.
pub fn named(kind: &'static Kind, names: &[&str]) -> Result<Vec<&'static Field>> {
    if names.is_empty() || names.len() > MOST_FIELDS {
        let detail = format!("`by` names 1 to {MOST_FIELDS} fields, with commas between them.");
        return Err(refused("wrong_length", detail));
    }
    let find = |name: &&str| {
        fields(kind).find(|field| field.name == *name).ok_or_else(|| {
            let near = did_you_mean(name, fields(kind).map(|field| field.name));
            let detail = format!("Records are not counted by `{name}`{near}.");
            refused("not_a_choice", detail)
        })
    };
    names.iter().map(find).collect()
}

fn refused(code: &str, detail: String) -> Error {
    Error::new(Code::BadQuery, detail.clone()).with_errors(vec![FieldError::new("by", code, detail)])
}

/// Where the value of a field stands, and where what people call it; nothing for what is never alike, or may be hidden.
fn expressions(kind: &Kind, field: &Field) -> Option<(String, String)> {
    let is_header = HEADER.iter().any(|of_all| of_all.name == field.name);
    let column = format!("{}.{}", if is_header { "record" } else { kind.name }, field.name);
    let text = format!("CAST({column} AS TEXT)");
    let named =
        |table: &str, name: &str| format!("(SELECT named.{name} FROM {table} AS named WHERE named.id = {column})");
    match field.holds {
        Holds::Line(_) if matches!(field.name, "kind" | "number" | "title") => None,
        Holds::Line(_) | Holds::Choice(_) | Holds::Class => Some((column.clone(), column)),
        Holds::Integer(..) if field.name == "version" => None,
        Holds::Integer(..) => Some((text.clone(), text)),
        Holds::Team => Some((column.clone(), named("team", "name"))),
        Holds::Organisation => Some((column.clone(), named("organisation", "name"))),
        Holds::User => Some((column.clone(), named("user_account", "display_name"))),
        // What everybody may see alone: a count must not tell of hidden records.
        Holds::Record("service" | "configuration_item") => Some((column.clone(), named("record", "title"))),
        Holds::Record(_) | Holds::Text(_) | Holds::Time | Holds::Tags | Holds::Custom | Holds::Attributes => None,
    }
}

/// How many records have these values now and had them before.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurring {
    /// The values, and how many records of now have them.
    pub counted: RecordCount,
    /// How many of before.
    pub before: i64,
}

/// How many records that have these values are linked with another one.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkedCount {
    /// The values.
    pub key: Map<String, Value>,
    /// The other record.
    pub other: RecordId,
    /// How many.
    pub count: i64,
}

/// The columns by which records are counted: where each value stands, and where what people call it.
struct Columns<'a> {
    by: &'a [&'static Field],
    all: Vec<(String, String)>,
}

type Word = Nullable<Text>;
type Words = (Option<String>, Option<String>);

/// What each row of a count is: the columns, what stands at the other end of links, how many now and before, and the first and last of them.
type Selected = (Word, Word, Word, Word, Word, Word, Text, BigInt, BigInt, Timestamp, Timestamp);

/// Such a row.
struct Group {
    counted: RecordCount,
    before: i64,
    other: String,
}

impl<'a> Columns<'a> {
    fn of(kind: &Kind, by: &'a [&'static Field]) -> Self {
        let nothing = || ("''".to_owned(), "''".to_owned());
        let mut all: Vec<_> = by.iter().map(|field| expressions(kind, field).unwrap_or_else(nothing)).collect();
        all.resize(MOST_FIELDS, nothing());
        Columns { by, all }
    }

    /// As they are selected, with their names.
    fn selected(&self) -> String {
        let columns = self.all.iter().enumerate();
        let columns = columns.map(|(n, (key, label))| format!("{key} AS key{n}, MIN({label}) AS label{n}"));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Where the values stand.
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.all.iter().take(self.by.len()).map(|(key, _)| key.as_str())
    }

    fn grouped(&self) -> String {
        self.keys().collect::<Vec<_>>().join(", ")
    }

    /// Runs a query of which each row is a group.
    fn groups(&self, connection: &mut AnyConnection, query: Sql<Selected>) -> Result<Vec<Group>> {
        type Word = Option<String>;
        type Row = (Word, Word, Word, Word, Word, Word, String, i64, i64, Moment, Moment);
        let rows: Vec<Row> = Rows(query).load(connection)?;
        let group = |(k0, l0, k1, l1, k2, l2, other, count, before, first_opened_at, last_opened_at): Row| {
            let (key, label) = self.named([(k0, l0), (k1, l1), (k2, l2)]);
            Group { counted: RecordCount { key, label, count, first_opened_at, last_opened_at }, before, other }
        };
        Ok(rows.into_iter().map(group).collect())
    }

    /// Values and labels of a row, by field.
    fn named(&self, words: [Words; MOST_FIELDS]) -> (Map<String, Value>, Map<String, Value>) {
        let (mut key, mut label) = (Map::new(), Map::new());
        for (field, (value, word)) in self.by.iter().zip(words) {
            key.insert(field.name.to_owned(), value.into());
            label.insert(field.name.to_owned(), word.into());
        }
        (key, label)
    }

    /// Counts records that have alike what stands in the columns, and the same at the other end of links.
    fn counted(&self, other: &str) -> Sql<Selected> {
        Sql::new(format!(
            "SELECT {}, {other} AS other, COUNT(*) AS counted, CAST(0 AS BIGINT) AS before, \
             MIN(record.opened_at) AS first, MAX(record.opened_at) AS last",
            self.selected()
        ))
    }
}

/// From which records the groups are made.
fn from(kind: &Kind) -> String {
    format!(" FROM record INNER JOIN {details} ON {details}.record_id = record.id ", details = kind.name)
}

impl List<'_> {
    /// How many of its records have what in common, the most first; `most` groups at most.
    ///
    /// # Errors
    /// None that the caller is to blame for.
    pub fn tally(
        &self,
        connection: &mut AnyConnection,
        kind: &'static Kind,
        by: &[&'static Field],
        most: i64,
    ) -> Result<Vec<RecordCount>> {
        let columns = Columns::of(kind, by);
        let query = columns.counted("''").sql(from(kind)).sql("WHERE ").then(self.narrowed(connection.engine())?);
        let end = format!(" GROUP BY {} ORDER BY counted DESC, key0, key1, key2 LIMIT ", columns.grouped());
        let groups = columns.groups(connection, query.sql(end).bind(Bind::Integer(most)))?;
        Ok(groups.into_iter().map(|group| group.counted).collect())
    }

    /// Which values `least` of its records that were opened since a moment have in common, or as many of those before, so that what comes no
    /// more is seen, too. The most since then first; `most` groups at most. Those that have nothing have nothing in common.
    ///
    /// # Errors
    /// None that the caller is to blame for.
    pub fn recurring(
        &self,
        connection: &mut AnyConnection,
        kind: &'static Kind,
        by: &[&'static Field],
        (since, least): (Moment, i64),
        most: i64,
    ) -> Result<Vec<Recurring>> {
        let columns = Columns::of(kind, by);
        let (time, least) = (Bind::Time(since), Bind::Integer(least));
        let (now, before) = ("SUM(CASE WHEN record.opened_at >= ", "SUM(CASE WHEN record.opened_at < ");
        let query = Sql::<Selected>::new(format!("SELECT {}, '' AS other, {now}", columns.selected()));
        let query = query.bind(time.clone()).sql(" THEN 1 ELSE 0 END) AS counted, ").sql(before).bind(time.clone());
        let query = query.sql(" THEN 1 ELSE 0 END) AS before, COALESCE(MIN(CASE WHEN record.opened_at >= ");
        let query = query.bind(time.clone()).sql(" THEN record.opened_at END), MIN(record.opened_at)) AS first");
        let query = query.sql(", MAX(record.opened_at) AS last");
        let query = query.sql(from(kind)).sql("WHERE ").then(self.narrowed(connection.engine())?);
        let query = columns.keys().fold(query, |query, key| query.sql(format!(" AND {key} IS NOT NULL")));
        let query = query.sql(format!(" GROUP BY {} HAVING {now}", columns.grouped())).bind(time.clone());
        let query = query.sql(" THEN 1 ELSE 0 END) >= ").bind(least.clone()).sql(" OR ").sql(before).bind(time);
        let query = query.sql(" THEN 1 ELSE 0 END) >= ").bind(least);
        let query = query.sql(" ORDER BY counted DESC, before DESC, key0, key1, key2 LIMIT ");
        let query = query.bind(Bind::Integer(most));
        let groups = columns.groups(connection, query)?.into_iter();
        Ok(groups.map(|Group { counted, before, .. }| Recurring { counted, before }).collect())
    }

    /// With which records that they are linked to by a relation how many of its records have which values in common, the most first; `most`
    /// of them at most. Whoever asks minds what its caller sees of these.
    ///
    /// # Errors
    /// None that the caller is to blame for.
    pub fn linked(
        &self,
        connection: &mut AnyConnection,
        kind: &'static Kind,
        by: &[&'static Field],
        relation: &str,
        most: i64,
    ) -> Result<Vec<LinkedCount>> {
        let columns = Columns::of(kind, by);
        let query = columns.counted("link.to_id").sql(from(kind));
        let query = query.sql("INNER JOIN link ON link.from_id = record.id AND link.relation = ");
        let query = query.bind(Bind::Text(relation.to_owned())).sql(" WHERE ");
        let query = query.then(self.narrowed(connection.engine())?);
        let end = format!(" GROUP BY {}, link.to_id ORDER BY counted DESC, other LIMIT ", columns.grouped());
        let groups = columns.groups(connection, query.sql(end).bind(Bind::Integer(most)))?.into_iter();
        let linked = groups.map(|Group { counted: RecordCount { key, count, .. }, other, .. }| {
            Ok(LinkedCount { key, other: other.parse().map_err(Error::internal)?, count })
        });
        linked.collect()
    }
}
