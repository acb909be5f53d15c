//! What is known of a value before anything runs.

use std::{ops::Deref, sync::Arc};

use rhai::{Dynamic, Expr};

use crate::policy::{
    facts::{FactSchema, FieldSchema, FieldType},
    table::{ColumnType, Table},
};

/// What sort of value it is. Sorts that differ are never equal in a script.
#[derive(Clone, Debug)]
pub enum Sort {
    /// It may be anything.
    Any,
    /// `()`.
    Empty,
    Bool,
    Number,
    Text,
    Time,
    List,
    Map,
    Record(Arc<FactSchema>),
    Table(Arc<Table>),
    Row(Arc<Table>),
    /// What an effect gives.
    Decision,
    /// What the decision came to in a test.
    Outcome,
}

impl Sort {
    /// How a sentence names it.
    pub fn named(&self) -> &str {
        match self {
            Sort::Any => "anything",
            Sort::Empty => "empty: `()`",
            Sort::Bool => "true or false",
            Sort::Number => "a number",
            Sort::Text => "text",
            Sort::Time => "a time",
            Sort::List => "a list",
            Sort::Map => "a map",
            Sort::Record(_) => "a record",
            Sort::Table(_) => "a table",
            Sort::Row(_) => "a row of a table",
            Sort::Decision => "a decision",
            Sort::Outcome => "the outcome of a decision",
        }
    }

    /// Whether values of both can be equal.
    pub fn meets(&self, other: &Sort) -> bool {
        match (self, other) {
            (Sort::Any, _) | (_, Sort::Any) => true,
            (Sort::Record(a), Sort::Record(b)) => a.name() == b.name(),
            (Sort::Table(a) | Sort::Row(a), Sort::Table(b) | Sort::Row(b)) => a.name() == b.name(),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }

    /// From the type that a native function says it gives.
    pub fn of_native(name: &str) -> Sort {
        let bare = name.rsplit("::").next().unwrap_or(name);
        match bare.trim_end_matches('>') {
            "bool" => Sort::Bool,
            "i64" | "INT" | "int" | "f64" | "FLOAT" | "number" | "Decimal" => Sort::Number,
            "ImmutableString" | "String" | "string" | "&str" | "text" | "char" => Sort::Text,
            "Moment" | "time" => Sort::Time,
            "Array" | "list" => Sort::List,
            "Map" | "map" => Sort::Map,
            "Said" | "decision" => Sort::Decision,
            "Tested" | "outcome" => Sort::Outcome,
            _ => Sort::Any,
        }
    }

    fn of_field(kind: &FieldType) -> Sort {
        match kind {
            FieldType::Bool => Sort::Bool,
            FieldType::Int | FieldType::Decimal => Sort::Number,
            FieldType::Text => Sort::Text,
            FieldType::Time => Sort::Time,
            FieldType::TextList => Sort::List,
            FieldType::Nested(schema) => Sort::Record(Arc::clone(schema)),
        }
    }
}

/// What is known of a value.
#[derive(Clone, Debug)]
pub struct Known {
    /// What sort it is where it is there.
    pub sort: Sort,
    /// Whether it may be `()` instead.
    pub may_be_empty: bool,
    /// The field that it comes from.
    pub field: Option<Field>,
    /// How it is reached without a call, such as `incident.caller`, where it may be empty.
    pub path: Option<String>,
}

/// A field of a schema.
#[derive(Clone, Debug)]
pub struct Field {
    schema: Arc<FactSchema>,
    index: usize,
}

impl Deref for Field {
    type Target = FieldSchema;
    fn deref(&self) -> &FieldSchema {
        &self.schema.fields()[self.index]
    }
}

impl Known {
    /// Nothing is known.
    pub const ANY: Known = Known::of(Sort::Any);

    /// A value of a sort.
    pub const fn of(sort: Sort) -> Known {
        Known { sort, may_be_empty: false, field: None, path: None }
    }
    /// A record of this schema.
    pub fn record(schema: &Arc<FactSchema>) -> Known {
        Known::of(Sort::Record(Arc::clone(schema)))
    }
    /// The value of the field of a schema; nothing where there is no such field.
    pub fn field(schema: &Arc<FactSchema>, name: &str) -> Option<Known> {
        let field = Field { schema: Arc::clone(schema), index: schema.index_of(name)? };
        let (sort, may_be_empty) = (Sort::of_field(&field.kind), field.may_be_empty);
        Some(Known { sort, may_be_empty, field: Some(field), path: None })
    }
    /// The value of a column.
    pub fn column(kind: ColumnType) -> Known {
        Known::of(match kind {
            ColumnType::Bool => Sort::Bool,
            ColumnType::Int | ColumnType::Decimal => Sort::Number,
            ColumnType::Text => Sort::Text,
            ColumnType::Time => Sort::Time,
        })
    }
    /// The same, which is reached so.
    #[must_use]
    pub fn at(mut self, path: impl FnOnce() -> Option<String>) -> Known {
        self.path = if self.may_be_empty { path() } else { None };
        self
    }
    /// What is known of a value that is one or the other.
    #[must_use]
    pub fn or(&self, other: &Known) -> Known {
        let may_be_empty = [self, other].iter().any(|k| k.may_be_empty || matches!(k.sort, Sort::Empty));
        let same = |a: &FieldSchema, b: &FieldSchema| a.name == b.name && a.choices == b.choices;
        let field = match (&self.field, &other.field) {
            (Some(a), Some(b)) if same(a, b) => self.field.clone(),
            _ => None,
        };
        let sort = match (&self.sort, &other.sort) {
            (Sort::Empty, sort) | (sort, Sort::Empty) => sort.clone(),
            (a, b) if a.meets(b) && !matches!(b, Sort::Any) => a.clone(),
            _ => Sort::Any,
        };
        Known { sort, may_be_empty, field, path: None }
    }
    /// How a sentence names it.
    pub fn named(&self) -> String {
        let what = self.field.as_ref().map_or_else(|| self.sort.named(), |f| f.kind.named());
        match (&self.path, &self.field) {
            (Some(path), _) => format!("`{path}` is {what}"),
            (None, Some(field)) => format!("`{}` is {what}", field.name),
            (None, None) => format!("this is {what}"),
        }
    }
}

/// The sort of a literal.
pub fn literal(value: &Dynamic) -> Sort {
    match value.type_name() {
        "()" => Sort::Empty,
        "bool" => Sort::Bool,
        "i64" | "f64" | "decimal" => Sort::Number,
        "string" | "char" => Sort::Text,
        "array" => Sort::List,
        "map" => Sort::Map,
        _ => Sort::Any,
    }
}

/// How an expression reaches a value without a call: `incident.caller` for `incident?.caller`.
pub fn path(expr: &Expr) -> Option<String> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other expression calls or makes something")]
    match expr {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Property(property, _) => Some(property.2.to_string()),
        Expr::Dot(pair, ..) => Some(format!("{}.{}", path(&pair.lhs)?, path(&pair.rhs)?)),
        _ => None,
    }
}
