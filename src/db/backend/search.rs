//! Full text: SQLite's FTS5 and PostgreSQL's `tsvector`, with the same answers.
//!
//! A search has four tiers, each newest first: all words stand in number or title; they stand anywhere; then the same two where
//! the last of them is the beginning of a word. Statistical ranks (BM25, `ts_rank`) would have to weigh every record that fits; a tier is read from its newest end and no further than the page goes.

use std::collections::HashSet;

use diesel::{
    QueryResult, Queryable, RunQueryDsl,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Integer, Text},
};

use super::{AnyConnection, Engine, MultiBackend};
use crate::{
    db::sql::{Bind, Sql},
    id::RecordId,
};

/// How closely a record fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
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
    const ALL: [Tier; 4] = [Tier::Heading, Tier::Anywhere, Tier::HeadingCompleted, Tier::Completed];
}

/// How far back is looked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// At all records.
    All,
    /// At the newest alone (PostgreSQL), by a statement that is the same for all words.
    Recent,
}

/// How many are the newest.
const NEWEST: usize = 500;
/// Begins a search among them.
const RECENT: &str = "SELECT record.id, record.version, 0 \
    FROM (SELECT record_id, position, document FROM record_text ORDER BY position DESC LIMIT 500) AS recent \
    JOIN record ON record.id = recent.record_id WHERE recent.document @@ (SELECT to_tsquery('simple', ";

/// A record that fits.
#[derive(Queryable)]
struct Fit {
    id: RecordId,
    version: i32,
    /// Its best tier. Only PostgreSQL tells it, where it is asked for all records.
    tier: i32,
}

/// Ids and versions of up to `most` records that fulfil a condition: tier by tier, each newest first and no further than is needed.
pub fn best(
    connection: &mut AnyConnection,
    q: &str,
    condition: &Sql<Bool>,
    most: i64,
) -> QueryResult<Vec<(RecordId, i32)>> {
    let engine = connection.engine();
    let words = Tier::ALL.map(|tier| query(engine, q, tier));
    let enough = usize::try_from(most).unwrap_or(0);
    let [better @ .., completed] = &words;
    let [heading, others @ ..] = &words;
    let mut newest = |words, reach| -> QueryResult<Vec<Fit>> {
        Newest { engine, reach, words, better, condition, most }.load(connection)
    };
    let shown = |fits: Vec<Fit>| fits.into_iter().map(|fit| (fit.id, fit.version)).collect();
    // To plan a search costs PostgreSQL more than to run it. Enough records with common words are found without.
    if engine == Engine::Postgres && enough <= NEWEST {
        let recent = newest(heading, Reach::Recent)?;
        if recent.len() >= enough {
            return Ok(shown(recent));
        }
    }
    let mut best = newest(heading, Reach::All)?;
    // All records with rare words are found at once.
    if engine == Engine::Postgres && best.len() < enough {
        let mut all = newest(completed, Reach::All)?;
        if all.len() < enough {
            all.sort_by_key(|fit| fit.tier);
            return Ok(shown(all));
        }
    }
    let mut known: HashSet<RecordId> = best.iter().map(|fit| fit.id).collect();
    for words in others {
        if best.len() >= enough {
            break;
        }
        // Some of the tiers before may be in this one, too, but fewer than are left out for them.
        best.extend(newest(words, Reach::All)?.into_iter().filter(|fit| known.insert(fit.id)));
    }
    best.truncate(enough);
    Ok(shown(best))
}

/// Records in a tier that fulfil a condition, newest first.
struct Newest<'a> {
    engine: Engine,
    reach: Reach,
    /// Of the tier.
    words: &'a String,
    /// Of all that are better than the last.
    better: &'a [String],
    condition: &'a Sql<Bool>,
    most: i64,
}

impl QueryFragment<MultiBackend> for Newest<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        let order = match (self.engine, self.reach) {
            (Engine::Sqlite, _) => {
                // `CROSS` keeps the order of the tables: the index of words leads.
                out.push_sql(
                    "SELECT record.id, record.version, 0 FROM record_index \
                     CROSS JOIN record_text ON record_text.position = record_index.rowid \
                     CROSS JOIN record ON record.id = record_text.record_id WHERE record_index MATCH ",
                );
                out.push_bind_param::<Text, _>(self.words)?;
                "record_index.rowid"
            }
            (Engine::Postgres, Reach::All) => {
                // Planned for these words each time: by how common they are, either index may be the better one.
                out.unsafe_to_cache_prepared();
                out.push_sql("SELECT record.id, record.version, CASE");
                for (n, words) in self.better.iter().enumerate() {
                    out.push_sql(" WHEN record_text.document @@ to_tsquery('simple', ");
                    out.push_bind_param::<Text, _>(words)?;
                    out.push_sql(&format!(") THEN {n}"));
                }
                out.push_sql(
                    " ELSE 3 END FROM record_text JOIN record ON record.id = record_text.record_id \
                     WHERE record_text.document @@ to_tsquery('simple', ",
                );
                out.push_bind_param::<Text, _>(self.words)?;
                out.push_sql(")");
                "record_text.position"
            }
            (Engine::Postgres, Reach::Recent) => {
                // The words are read once, not with each record.
                out.push_sql(RECENT);
                out.push_bind_param::<Text, _>(self.words)?;
                out.push_sql("))");
                "recent.position"
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

impl QueryId for Newest<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Newest<'_> {
    type SqlType = (Text, Integer, Integer);
}

impl RunQueryDsl<AnyConnection> for Newest<'_> {}

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
