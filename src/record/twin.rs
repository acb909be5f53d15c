//! Twins: records that are alike in what records of their class are recognised by, and so may be one thing that is there twice.
//!
//! **Invariant:** lists find twins only of kinds whose records everybody sees: that a record has one must not tell of a hidden record.

use std::collections::BTreeMap;

use diesel::{
    RunQueryDsl,
    sql_types::{BigInt, Text},
};

use super::{
    catalogue::is_name,
    class::{Classes, PLACE},
    custom::INDEXED,
    kind::{Kind, Phase},
};
use crate::{
    db::{
        AnyConnection,
        sql::{Bind, Rows, Sql},
    },
    error::{Error, Result},
    id::RecordId,
};

/// What filters call the ways by which a record has a twin.
pub const BY: &str = "duplicate_by";
/// What things may be recognised by beside attributes.
pub const TITLE: &str = "title";

/// A way by which records of some classes are recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Attributes, or [`TITLE`]: all of them have to be the same.
    pub names: Vec<String>,
    /// The classes whose records are recognised so.
    classes: Vec<String>,
    /// The names again, each with where its value stands.
    columns: Vec<Column>,
}

/// Where a value stands by which records are recognised.
#[derive(Clone, Debug, PartialEq)]
enum Column {
    /// In the header.
    Title,
    /// Among the values of attributes, as text whose case and spaces around it say nothing.
    Text(String),
    /// Among them, as a number.
    Number(String),
    /// Among them, as a word that is always written the same.
    Word(String),
}

impl Way {
    /// The ways by which records of these classes are recognised. A title alone tells those of one class apart, where nothing does so better.
    pub fn all(classes: &Classes) -> Vec<Way> {
        let mut found: BTreeMap<&[String], Vec<String>> = BTreeMap::new();
        for class in classes.all() {
            for (rank, way) in class.identification.iter().enumerate() {
                let is_last_resort = rank > 0 && way == &[TITLE];
                if !is_last_resort && way.iter().chain([&class.name]).all(|name| is_name(name)) {
                    found.entry(way).or_default().push(class.name.clone());
                }
            }
        }
        let way = |(names, of): (&[String], Vec<String>)| {
            let columns = names.iter().map(|name| Column::of(name, classes)).collect::<Option<Vec<_>>>()?;
            Some(Way { names: names.to_vec(), classes: of, columns })
        };
        found.into_iter().filter_map(way).collect()
    }

    /// The classes whose records are recognised so.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// What filters call it: its names, with commas between them.
    pub fn name(&self) -> String {
        self.names.join(",")
    }

    /// Records of which there is another in use that is the same in this way: the oldest of each group, the largest groups first.
    pub fn groups(&self, connection: &mut AnyConnection, kind: &Kind, most: i64) -> Result<Vec<RecordId>> {
        let query = Sql::<(Text, BigInt)>::new(format!(
            "SELECT MIN(twin.id) AS first, COUNT(*) AS alike {} GROUP BY {} HAVING COUNT(*) > 1 ORDER BY alike DESC, first LIMIT ",
            self.of_use(kind),
            self.keys(kind)
        ));
        let rows: Vec<(String, i64)> = Rows(query.bind(Bind::Integer(most))).load(connection)?;
        rows.into_iter().map(|(id, _)| id.parse().map_err(Error::internal)).collect()
    }

    /// What is compared.
    fn keys(&self, kind: &Kind) -> String {
        let mut keys: Vec<String> = self.columns.iter().enumerate().map(|(n, column)| column.key(n)).collect();
        if self.columns == [Column::Title] {
            keys.push(format!("{}.class", kind.name));
        }
        keys.join(", ")
    }

    /// The records in use of the classes, with the values that are compared: those that have all of them.
    fn of_use(&self, kind: &Kind) -> String {
        let values = self.columns.iter().enumerate().filter_map(|(n, column)| column.joined(n));
        let classes: Vec<String> = self.classes.iter().map(|name| format!("'{name}'")).collect();
        format!(
            "FROM record AS twin JOIN {0} ON {0}.record_id = twin.id {1} \
             WHERE twin.kind = '{0}' AND twin.phase <> '{2}' AND {0}.class IN ({3})",
            kind.name,
            values.collect::<Vec<_>>().join(" "),
            Phase::Closed.as_str(),
            classes.join(", ")
        )
    }

    /// Each of these records with the name of the way, and how many are the same.
    fn counted(&self, kind: &Kind) -> String {
        let (name, keys, of_use) = (self.name(), self.keys(kind), self.of_use(kind));
        format!("SELECT twin.id AS record_id, '{name}' AS way, COUNT(*) OVER (PARTITION BY {keys}) AS alike {of_use}")
    }
}

impl Column {
    fn of(name: &str, classes: &Classes) -> Option<Column> {
        if name == TITLE {
            return Some(Column::Title);
        }
        let field = classes.fields().iter().find(|field| field.name == name)?;
        let stored = format!("{PLACE}.{name}");
        Some(match field.field_type.as_str() {
            "text" => Column::Text(stored),
            "integer" | "decimal" => Column::Number(stored),
            _ => Column::Word(stored),
        })
    }

    fn key(&self, n: usize) -> String {
        match self {
            Column::Title => "lower(trim(twin.title))".to_owned(),
            Column::Text(_) => format!("lower(trim(value{n}.text_value))"),
            Column::Number(_) => format!("value{n}.number_value"),
            Column::Word(_) => format!("value{n}.text_value"),
        }
    }

    /// The rows of its values, of which there is one for each record that has one.
    fn joined(&self, n: usize) -> Option<String> {
        let key = self.key(n);
        let (stored, fits) = match self {
            Column::Title => return None,
            // The index of values holds the shorter ones.
            Column::Text(stored) => (stored, format!("length({key}) <= {INDEXED} AND {key} <> ''")),
            Column::Number(stored) | Column::Word(stored) => (stored, format!("{key} IS NOT NULL")),
        };
        let of = format!("value{n}.record_id = twin.id AND value{n}.name = '{stored}'");
        Some(format!("JOIN custom_value AS value{n} ON {of} AND {fits}"))
    }
}

/// Where filters find the ways by which a record has a twin: an SQL expression between an opening and a closing.
pub fn place(kind: &Kind, classes: &Classes) -> (String, &'static str, &'static str) {
    let ways: Vec<String> = Way::all(classes).iter().map(|way| way.counted(kind)).collect();
    let none = "SELECT '' AS record_id, '' AS way, 0 AS alike";
    let rows = if ways.is_empty() { none.to_owned() } else { ways.join(" UNION ALL ") };
    let open = format!("record.id IN (SELECT alike.record_id FROM ({rows}) AS alike WHERE alike.alike > 1 AND ");
    (open, "alike.way", ")")
}
