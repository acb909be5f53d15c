//! SQL text with bound values, for what diesel's own builders can't say.
//!
//! Unlike diesel's own literals, a statement with such text in it stays prepared on its connection: to prepare one costs more
//! than most statements take. How many stay is bounded by [`super::pool`].

use std::marker::PhantomData;

use diesel::{
    AppearsOnTable, Expression, QueryResult, RunQueryDsl, SelectableExpression,
    expression::{TypedExpressionType, ValidGrouping, is_aggregate},
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Double, SingleValue, Text, Timestamp},
    sqlite::Sqlite,
};

use super::{AnyConnection, Backend, Engine};
use crate::clock::Moment;

diesel::define_sql_function! {
    /// In lower case, as the database understands it.
    fn lower<ST: SingleValue>(text: ST) -> ST;
}

/// A value that is bound, never written into the SQL.
#[derive(Clone, Debug)]
pub enum Bind {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// A moment.
    Time(Moment),
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Bind(Bind),
}

/// SQL text with bound values, of the SQL type `T`.
#[derive(Clone, Debug)]
pub struct Sql<T> {
    parts: Vec<Part>,
    of: PhantomData<T>,
}

impl<T> Sql<T> {
    /// Text alone. Nothing that a caller wrote may be in it.
    pub fn new(text: impl Into<String>) -> Self {
        Sql { parts: vec![Part::Text(text.into())], of: PhantomData }
    }

    /// Followed by a bound value.
    #[must_use]
    pub fn bind(mut self, value: Bind) -> Self {
        self.parts.push(Part::Bind(value));
        self
    }

    /// Followed by more text.
    #[must_use]
    pub fn sql(mut self, text: impl AsRef<str>) -> Self {
        match self.parts.last_mut() {
            Some(Part::Text(before)) => before.push_str(text.as_ref()),
            Some(Part::Bind(_)) | None => self.parts.push(Part::Text(text.as_ref().to_owned())),
        }
        self
    }

    /// Followed by other SQL.
    #[must_use]
    pub fn then<U>(mut self, other: Sql<U>) -> Self {
        for part in other.parts {
            match part {
                Part::Text(text) => self = self.sql(text),
                Part::Bind(_) => self.parts.push(part),
            }
        }
        self
    }
}

impl Sql<Bool> {
    /// All of these conditions; true when there are none.
    pub fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        Sql::joined(conditions, " AND ").unwrap_or_else(|| Sql::new("TRUE"))
    }

    /// One of these conditions at least; false when there are none.
    pub fn any(conditions: impl IntoIterator<Item = Self>) -> Self {
        Sql::joined(conditions, " OR ").unwrap_or_else(|| Sql::new("FALSE"))
    }

    fn joined(conditions: impl IntoIterator<Item = Self>, word: &str) -> Option<Self> {
        let mut conditions = conditions.into_iter();
        let first = Sql::new("(").then(conditions.next()?);
        Some(conditions.fold(first, |all, one| all.sql(word).then(one)).sql(")"))
    }
}

/// The condition that a column of ids, numbers or names of kinds holds one of these. However many they are, it is one of a few
/// statements. What can't stand in such a column is left out.
pub fn among<'a>(engine: Engine, column: &str, words: impl IntoIterator<Item = &'a str>) -> Sql<Bool> {
    let is_word = |word: &&str| word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let words: Vec<&str> = words.into_iter().filter(is_word).collect();
    AnyConnection::is_listed(engine, column, &words)
}

impl<T: TypedExpressionType> Expression for Sql<T> {
    type SqlType = T;
}

/// Made for each database by itself, too: for statements that go there directly.
macro_rules! fragment {
    ($backend:ty) => {
        impl<T> QueryFragment<$backend> for Sql<T> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                self.parts.iter().try_for_each(|part| match part {
                    Part::Text(text) => {
                        out.push_sql(text);
                        Ok(())
                    }
                    Part::Bind(Bind::Text(value)) => out.push_bind_param::<Text, _>(value),
                    Part::Bind(Bind::Integer(value)) => out.push_bind_param::<BigInt, _>(value),
                    Part::Bind(Bind::Number(value)) => out.push_bind_param::<Double, _>(value),
                    Part::Bind(Bind::Boolean(value)) => out.push_bind_param::<Bool, _>(value),
                    Part::Bind(Bind::Time(value)) => out.push_bind_param::<Timestamp, _>(value),
                })
            }
        }
    };
}
fragment!(Backend);
fragment!(Sqlite);
fragment!(Pg);

/// A whole query, whose rows are of the SQL type `T`.
pub struct Rows<T>(pub Sql<T>);

impl<T, D: diesel::backend::Backend> QueryFragment<D> for Rows<T>
where
    Sql<T>: QueryFragment<D>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, D>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<T> QueryId for Rows<T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T> Query for Rows<T> {
    type SqlType = T;
}

impl<T, C> RunQueryDsl<C> for Rows<T> {}

impl<T> QueryId for Sql<T> {
    type QueryId = ();
    // Its text is its name.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T, Q> SelectableExpression<Q> for Sql<T> where Self: Expression {}
impl<T, Q> AppearsOnTable<Q> for Sql<T> where Self: Expression {}
impl<T, G> ValidGrouping<G> for Sql<T> {
    type IsAggregate = is_aggregate::Never;
}
