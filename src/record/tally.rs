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
        let nothing = || ("''".to_owned(), "''".to_owned());
        let mut columns: Vec<_> = by.iter().map(|field| expressions(kind, field).unwrap_or_else(nothing)).collect();
        columns.resize(MOST_FIELDS, nothing());
        let selected =
            columns.iter().enumerate().map(|(n, (key, label))| format!("{key} AS key{n}, MIN({label}) AS label{n}"));
        let select = format!(
            "SELECT {keys}, COUNT(*) AS counted, MIN(record.opened_at) AS first, MAX(record.opened_at) AS last \
             FROM record INNER JOIN {details} ON {details}.record_id = record.id WHERE ",
            keys = selected.collect::<Vec<_>>().join(", "),
            details = kind.name,
        );
        type Word = Nullable<Text>;
        let query = Sql::<(Word, Word, Word, Word, Word, Word, BigInt, Timestamp, Timestamp)>::new(select);
        let query = query.then(self.narrowed(connection.engine())?);
        let keys = columns.iter().take(by.len()).map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
        let query = query.sql(format!(" GROUP BY {keys} ORDER BY counted DESC, key0, key1, key2 LIMIT "));
        type Row = (
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            i64,
            Moment,
            Moment,
        );
        let rows: Vec<Row> = Rows(query.bind(Bind::Integer(most))).load(connection)?;
        let counted = rows.into_iter().map(|(k0, l0, k1, l1, k2, l2, count, first_opened_at, last_opened_at)| {
            let (mut key, mut label) = (Map::new(), Map::new());
            for (field, (value, word)) in by.iter().zip([(k0, l0), (k1, l1), (k2, l2)]) {
                key.insert(field.name.to_owned(), value.into());
                label.insert(field.name.to_owned(), word.into());
            }
            RecordCount { key, label, count, first_opened_at, last_opened_at }
        });
        Ok(counted.collect())
    }
}
