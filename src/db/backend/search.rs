//! Full text: SQLite's FTS5 and PostgreSQL's `tsvector`, with the same answers.
//!
//! A search has four tiers, each newest first: all words stand in number or title; they stand anywhere; then the same two where
//! the last of them is the beginning of a word. Statistical ranks (BM25, `ts_rank`) would have to weigh every record that fits; a tier is read from its newest end and no further than the page goes.

use diesel::{
    QueryResult, RunQueryDsl,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Integer, Text},
};

use super::{AnyConnection, Engine, MultiBackend};
use crate::{
    db::{
        Condition,
        sql::{Bind, Sql},
    },
    schema::record,
};

/// How closely a record fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Number or title have all words.
    Heading,
    /// Number, title, description and comments have all words.
    Anywhere,
    /// Number or title have all words, where of the last one the beginning is enough.
    HeadingCompleted,
    /// Any of them have, where of the last word the beginning is enough.
    Completed,
}

impl Tier {
    /// The best first; the last one holds all of them.
    pub const ALL: [Tier; 4] = [Tier::Heading, Tier::Anywhere, Tier::HeadingCompleted, Tier::Completed];
}

/// Ids and versions of records in a tier that fulfil a condition, newest first.
pub struct Newest {
    engine: Engine,
    words: String,
    condition: Condition<record::table>,
    most: i64,
}

impl Newest {
    /// At most so many of them.
    pub fn new(engine: Engine, q: &str, tier: Tier, condition: Condition<record::table>, most: i64) -> Self {
        Newest { engine, words: query(engine, q, tier), condition, most }
    }
}

impl QueryFragment<MultiBackend> for Newest {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        let order = match self.engine {
            Engine::Sqlite => {
                // `CROSS` keeps the order of the tables: the index of words leads.
                out.push_sql(
                    "SELECT record.id, record.version FROM record_index \
                     CROSS JOIN record_text ON record_text.position = record_index.rowid \
                     CROSS JOIN record ON record.id = record_text.record_id WHERE record_index MATCH ",
                );
                out.push_bind_param::<Text, _>(&self.words)?;
                "record_index.rowid"
            }
            Engine::Postgres => {
                // Planned for these words each time: by how common they are, either index may be the better one.
                out.unsafe_to_cache_prepared();
                out.push_sql(
                    "SELECT record.id, record.version FROM record_text \
                     JOIN record ON record.id = record_text.record_id WHERE record_text.document @@ to_tsquery('simple', ",
                );
                out.push_bind_param::<Text, _>(&self.words)?;
                out.push_sql(")");
                "record_text.position"
            }
        };
        out.push_sql(" AND ");
        self.condition.walk_ast(out.reborrow())?;
        out.push_sql(" ORDER BY ");
        out.push_sql(order);
        out.push_sql(" DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.most)
    }
}

impl QueryId for Newest {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Newest {
    type SqlType = (Text, Integer);
}

impl RunQueryDsl<AnyConnection> for Newest {}

/// The condition that a record is in the widest tier.
pub fn fits(engine: Engine, q: &str) -> Sql<Bool> {
    let open = match engine {
        Engine::Sqlite => {
            "record.id IN (SELECT record_id FROM record_text WHERE position IN \
             (SELECT rowid FROM record_index WHERE record_index MATCH "
        }
        Engine::Postgres => "record.id IN (SELECT record_id FROM record_text WHERE document @@ to_tsquery('simple', ",
    };
    Sql::new(open).bind(Bind::Text(query(engine, q, Tier::Completed))).sql("))")
}

/// The words in the language of the database, each quoted so that nothing in it is an operator.
fn query(engine: Engine, q: &str, tier: Tier) -> String {
    let words: Vec<&str> = q.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).take(16).collect();
    let each =
        |write: &dyn Fn(&&str) -> String, between: &str| words.iter().map(write).collect::<Vec<_>>().join(between);
    let heading = matches!(tier, Tier::Heading | Tier::HeadingCompleted);
    let completed = matches!(tier, Tier::HeadingCompleted | Tier::Completed);
    match engine {
        Engine::Sqlite if words.is_empty() => "\"\"".to_owned(),
        Engine::Sqlite => {
            let all = each(&|w| format!("\"{w}\""), " ") + if completed { "*" } else { "" };
            if heading { format!("{{number title}} : ({all})") } else { all }
        }
        Engine::Postgres if words.is_empty() => String::new(),
        Engine::Postgres => {
            // Number and title have the weight A.
            let weight = if heading { ":A" } else { "" };
            let all = each(&|w| format!("'{w}'{weight}"), " & ");
            match (heading, completed) {
                (_, false) => all,
                (true, true) => all + "*",
                (false, true) => all + ":*",
            }
        }
    }
}
